r"""Distance correlation: a number that is zero only where two samples are independent.

With the distances :math:`a_{ij} = \|x_i - x_j\|` and :math:`b_{ij} = \|y_i - y_j\|`, each centred by row and column
means,

.. math:: A_{ij} = a_{ij} - \bar a_i - \bar a_j + \bar a, \quad
          \mathrm{dCov}^2 = \frac{1}{n^2} \sum_{ij} A_{ij} B_{ij}

.. math:: \mathrm{dCor}^2 = \mathrm{dCov}^2(x, y) / \sqrt{\mathrm{dCov}^2(x, x) \, \mathrm{dCov}^2(y, y)}

(Szekely, Rizzo & Bakirov 2007, Annals of Statistics 35, 2769-2794, definitions 4 and 5). Where Pearson's r sees only
straight lines, it sees any relation, between columns or between whole vectors. It is above zero for independent samples
too, by about 1 / sqrt(n); the corrected form (Szekely & Rizzo 2013, J. Multivariate Analysis 117, 193-213) is zero on
average then. The test permutes one side: exact, whatever the distributions.

**Cost.** The sum of :math:`a_{ij} b_{ij}` is all that needs pairs. For columns, in the order of x it is made of sums of
1, x, y and xy over earlier rows of smaller y, which a binary indexed tree holds: n log n (Huo & Szekely 2016,
Technometrics 58, 435-447). For vectors n^2 D, in blocks. Each permutation costs as much again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import DataError, ParameterError
from ..numerics.compile import compiled
from ..numerics.distances import blocked, metric

ROUNDING = 1e-12  # a share of the sum of squares below which a variance of distances is none


@dataclass(frozen=True)
class DistanceCorrelation:
    """A distance correlation and its test.

    Parameters
    ----------
    coefficient : float
        Between 0 and 1; NaN if one side is constant, or there are fewer than two rows.
    corrected : float
        The unbiased estimate of its square, zero on average for independent samples, and so below zero half of the
        time; NaN for fewer than four rows, or where distances do not vary.
    covariance : float
        The distance covariance, in units of the root of x times y.
    p_value : float
        Of independence, by permutation; NaN without permutations.
    n : int
        Rows without missing values.
    """

    coefficient: float
    corrected: float
    covariance: float
    p_value: float
    n: int


def distance_correlation(
    x: Any, y: Any, *, n_permutations: int = 199, random_state: int | None = 0
) -> DistanceCorrelation:
    """The distance correlation of two columns, or of two sets of columns.

    Parameters
    ----------
    x, y : arrays of shape (N,) or (N, D)
        Rows in which any value is missing (NaN) are left out.
    n_permutations : int, default 199
        For the test; the p-value is no smaller than 1 / (n_permutations + 1).
    random_state : int or None, default 0
        Seed of the permutations.

    Returns
    -------
    DistanceCorrelation

    Raises
    ------
    DataError
        If the two differ in length, are no numbers, or hold infinite values.

    Notes
    -----
    (n_permutations + 1) N log N steps for columns, N^2 D otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.measures import correlation, distance_correlation
    >>> x = np.linspace(-1, 1, 101)
    >>> round(abs(correlation(x, x**2).coefficient), 3)
    0.0
    >>> found = distance_correlation(x, x**2)
    >>> round(found.coefficient, 3), found.p_value
    (0.492, 0.005)
    """
    if isinstance(n_permutations, bool) or not isinstance(n_permutations, int) or n_permutations < 0:
        raise ParameterError(f"n_permutations must be a whole number from 0 on, got {n_permutations!r}")
    A, B = _vectors(x, "x"), _vectors(y, "y")
    if len(A) != len(B):
        raise DataError(f"x has {len(A)} rows, but y has {len(B)}; they must agree")
    both = ~(np.isnan(A).any(1) | np.isnan(B).any(1))
    A, B, nan = A[both], B[both], float("nan")
    n = len(A)
    if n < 2 or not (np.ptp(A, axis=0).any() and np.ptp(B, axis=0).any()):
        return DistanceCorrelation(nan, nan, nan, nan, n)
    (A, a_unit), (B, b_unit) = _tamed(A), _tamed(B)
    pairs = _Columns(A[:, 0], B[:, 0]) if A.shape[1] == B.shape[1] == 1 else _Vectors(A, B)
    a, b = _row_sums(A), _row_sums(B)
    # sums over pairs of a a, b b and a b, which the two forms of the covariance share
    squares = {"aa": _squares(A), "bb": _squares(B), "ab": pairs.products(np.arange(n))}
    ab = _covariance(squares["ab"], a, b, n)
    variances = _covariance(squares["aa"], a, a, n) * _covariance(squares["bb"], b, b, n)
    coefficient = float(np.sqrt(max(ab, 0.0) / np.sqrt(variances)))
    corrected = nan
    if n > 3:
        aa, bb = _unbiased(squares["aa"], a, a, n), _unbiased(squares["bb"], b, b, n)
        if aa > ROUNDING * squares["aa"] and bb > ROUNDING * squares["bb"]:
            corrected = float(_unbiased(squares["ab"], a, b, n) / np.sqrt(aa * bb))
    p_value = nan
    if n_permutations:
        rng, as_large = np.random.default_rng(random_state), 0
        for _ in range(n_permutations):
            order = rng.permutation(n)
            as_large += _covariance(pairs.products(order), a, b[order], n) >= ab * (1 - 1e-12)
        p_value = float((1 + as_large) / (1 + n_permutations))
    covariance = float(np.sqrt(max(ab, 0.0)) * np.sqrt(a_unit) * np.sqrt(b_unit))
    return DistanceCorrelation(min(coefficient, 1.0), corrected, covariance, p_value, n)


def _covariance(products: float, a: np.ndarray, b: np.ndarray, n: int) -> float:
    """dCov^2 from the sum of a_ij b_ij and the row sums."""
    return products / n**2 - 2 * float(a @ b) / n**3 + float(a.sum()) * float(b.sum()) / n**4


def _unbiased(products: float, a: np.ndarray, b: np.ndarray, n: int) -> float:
    """Szekely & Rizzo (2013), the U-statistic of dCov^2, n (n - 3) times."""
    return products - 2 * float(a @ b) / (n - 2) + float(a.sum()) * float(b.sum()) / ((n - 1) * (n - 2))


def _squares(A: np.ndarray) -> float:
    """The sum of all squared distances: 2 n times the scatter."""
    return 2 * len(A) * float(((A - A.mean(0)) ** 2).sum())


def _row_sums(A: np.ndarray) -> np.ndarray:
    """The sum of the distances of each row to all others; of a column in n log n."""
    if A.shape[1] > 1:
        rows = torch.from_numpy(A)
        return torch.cat([part.sum(1) for _, part in blocked(rows, rows, metric("euclidean"))]).numpy()
    order = np.argsort(A[:, 0], kind="stable")
    x, n = A[order, 0] - A[:, 0].mean(), len(A)
    below = np.cumsum(x) - x
    sums = np.empty(n)
    sums[order] = (2 * np.arange(n) - n) * x - 2 * below + x.sum()
    return sums


class _Columns:
    """Sums of products of distances for two columns, by a binary indexed tree."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        x, y = x - x.mean(), y - y.mean()
        self._order = np.argsort(x, kind="stable")
        self._x, self._y = x[self._order], y
        self._rank = np.empty(len(y), dtype=np.int64)
        self._rank[np.argsort(y, kind="stable")] = np.arange(1, len(y) + 1)

    def products(self, order: np.ndarray) -> float:
        """The sum of a_ij b_ij over all pairs, y taken in this order."""
        rows = order[self._order]
        return _sum_of_products(self._x, self._y[rows], self._rank[rows])


class _Vectors:
    """The same for vectors, block by block."""

    def __init__(self, A: np.ndarray, B: np.ndarray) -> None:
        self._A, self._B = torch.from_numpy(A), torch.from_numpy(B)

    def products(self, order: np.ndarray) -> float:
        B = self._B[torch.from_numpy(order)]
        euclid = metric("euclidean")
        rows = max(1, (1 << 20) // len(B))
        sums = [
            (a * b).sum()
            for (_, a), (_, b) in zip(
                blocked(self._A, self._A, euclid, rows=rows), blocked(B, B, euclid, rows=rows), strict=True
            )
        ]
        return float(torch.stack(sums).sum())


@compiled
def _sum_of_products(x, y, rank):
    """The sum over all pairs of |x_i - x_j| |y_i - y_j|, for x in rising order and the ranks (from 1) of y.

    For j before i, |x_i - x_j| = x_i - x_j; the sign of y_i - y_j is known from the sums over smaller y.
    """
    n = x.size
    tree = np.zeros((n + 1, 4))
    total, sx, sy, sxy = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        c = bx = by = bxy = 0.0
        k = rank[i]
        while k > 0:
            c += tree[k, 0]
            bx += tree[k, 1]
            by += tree[k, 2]
            bxy += tree[k, 3]
            k -= k & -k
        below = c * x[i] * y[i] - x[i] * by - y[i] * bx + bxy
        whole = i * x[i] * y[i] - x[i] * sy - y[i] * sx + sxy
        total += 2 * below - whole
        k = rank[i]
        while k <= n:
            tree[k, 0] += 1.0
            tree[k, 1] += x[i]
            tree[k, 2] += y[i]
            tree[k, 3] += x[i] * y[i]
            k += k & -k
        sx += x[i]
        sy += y[i]
        sxy += x[i] * y[i]
    return 2 * total


def _tamed(A: np.ndarray) -> tuple[np.ndarray, float]:
    """The rows over their largest entry, and that entry."""
    A = A - A[:1]
    largest = float(np.abs(A).max())
    return A / largest, largest


def _vectors(values: Any, what: str) -> np.ndarray:
    try:
        A = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers: {error}") from error
    if A.ndim not in (1, 2) or (A.ndim == 2 and not A.shape[1]):
        raise DataError(f"{what} must have shape (N,) or (N, D), got {A.shape}")
    A = A[:, None] if A.ndim == 1 else A
    if np.isinf(A).any():
        raise DataError(f"{what} holds infinite values (first in row {int(np.isinf(A).any(1).argmax())})")
    return A
