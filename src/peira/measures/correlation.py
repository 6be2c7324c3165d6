r"""Correlation of numbers by pairs: Pearson's r, Spearman's rho, Kendall's tau.

.. math:: r = \frac{\sum_i (x_i - \bar{x})(y_i - \bar{y})}{\sqrt{\sum_i (x_i - \bar{x})^2\, \sum_i (y_i - \bar{y})^2}}

measures a straight-line relation; Spearman's rho is r of the ranks (means for ties) and Kendall's tau (b, corrected for
ties) the surplus of pairs in the same order, both for relations that only rise or fall. For r of normal data Fisher's
transformation is nearly normal (Fisher 1921, "On the probable error of a coefficient of correlation"), which gives
the interval

.. math:: \tanh \left( \mathrm{artanh}\, r \pm \frac{z}{\sqrt{n - 3}} \right)

and for no correlation t has Student's distribution with n - 2 degrees of freedom:

.. math:: t = r \sqrt{\frac{n - 2}{1 - r^2}}

For the rank correlations the variance 1 / (n - 3) grows by the factors of Bonett and Wright (2000, "Sample size
requirements for estimating Pearson, Kendall and Spearman correlations", Psychometrika 65): 1 + rho^2 / 2 for rho, and
0.437 / (n - 4) for tau.
"""

from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
from scipy import special, stats

from ..core.errors import DataError, ParameterError, closest

Kind = Literal["pearson", "spearman", "kendall"]


@dataclass(frozen=True)
class Correlation:
    """A correlation with its interval and its test.

    Parameters
    ----------
    coefficient : float
        Between -1 and 1; NaN if one side is constant, or there are fewer than two rows.
    low, high : float
        Interval; NaN for so few rows that it says nothing (up to 3; up to 4 for Kendall).
    p_value : float
        Two-sided, of no correlation; NaN for fewer than three rows.
    n : int
        Rows with both values.
    kind : str
    """

    coefficient: float
    low: float
    high: float
    p_value: float
    n: int
    kind: Kind


def correlation(x: Any, y: Any, kind: Kind = "pearson", *, level: float = 0.95) -> Correlation:
    """The correlation of two columns.

    Parameters
    ----------
    x, y : arrays of shape (N,)
        Rows in which either is missing (NaN) are left out.
    kind : "pearson", "spearman" or "kendall"
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Correlation

    Raises
    ------
    DataError
        If the two differ in length, are no numbers, or hold infinite values.

    Notes
    -----
    N steps for Pearson, N log N for the others.

    Examples
    --------
    >>> from peira.measures import correlation
    >>> found = correlation([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 7.0])
    >>> round(found.coefficient, 3), round(found.low, 3), round(found.high, 3), round(found.p_value, 3)
    (0.824, -0.213, 0.988, 0.086)
    """
    if kind not in ("pearson", "spearman", "kendall"):
        raise ParameterError(f"kind is 'pearson', 'spearman' or 'kendall', got {kind!r}")
    if not 0 < level < 1:
        raise ParameterError(f"level must lie strictly between 0 and 1, got {level}")
    a, b = _column(x, "x"), _column(y, "y")
    if len(a) != len(b):
        raise DataError(f"x has {len(a)} rows, but y has {len(b)}; they must agree")
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    n, nan = len(a), float("nan")
    if n < 2 or not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return Correlation(nan, nan, nan, nan, n, kind)
    if kind == "kendall":
        tau = stats.kendalltau(a, b)
        r, p_value = float(tau.statistic), float(tau.pvalue) if n > 2 else nan
        variance = 0.437 / (n - 4) if n > 4 else nan
    else:
        if kind == "spearman":
            a, b = stats.rankdata(a), stats.rankdata(b)
        r = pearson(a, b)
        variance = (1 + (r**2 / 2 if kind == "spearman" else 0)) / (n - 3) if n > 3 else nan
        p_value = nan
        if n > 2:
            t = abs(r) * np.sqrt((n - 2) / ((1 - r) * (1 + r))) if abs(r) < 1 else np.inf
            p_value = float(2 * special.stdtr(n - 2, -t))
    half = special.ndtri((1 + level) / 2) * np.sqrt(variance)
    centre = np.arctanh(np.clip(r, -1 + 1e-16, 1 - 1e-16))
    low, high = (float(v) for v in np.tanh([centre - half, centre + half]))
    return Correlation(r, low, high, p_value, n, kind)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r of two columns (N,) that are not constant, scaled so that no square overflows."""
    a, b = a - a.mean(), b - b.mean()
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


@dataclass(frozen=True, repr=False)
class CorrelationMatrix:
    """The correlations of all pairs of columns, each of shape (D, D).

    Parameters
    ----------
    names : list of str
    coefficient, low, high, p_value : arrays
        As in `Correlation`; the p-values are those of single tests, to be adjusted with `holm` if many are read.
    n : array of int
        Rows with both values.
    kind : str
    """

    names: list[str]
    coefficient: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    n: np.ndarray
    kind: Kind

    def __getitem__(self, pair: tuple[str, str]) -> Correlation:
        """The correlation of two columns by name."""
        for name in pair:
            if name not in self.names:
                raise DataError(f"there is no column {name!r}; {closest(name, self.names)}")
        at = self.names.index(pair[0]), self.names.index(pair[1])
        low, high, p = (float(v[at]) for v in (self.low, self.high, self.p_value))
        return Correlation(float(self.coefficient[at]), low, high, p, int(self.n[at]), self.kind)

    def __repr__(self) -> str:
        width = max(map(len, self.names), default=0)
        lines = [
            f"{name:<{width}}  " + "  ".join(f"{v:6.3f}" for v in row)
            for name, row in zip(self.names, self.coefficient, strict=True)
        ]
        return "\n".join([f"{self.kind} correlation of {len(self.names)} columns", *lines])


def correlation_matrix(
    X: Any, kind: Kind = "pearson", *, names: list[str] | None = None, level: float = 0.95
) -> CorrelationMatrix:
    """The correlations of all pairs of the columns of a table.

    Parameters
    ----------
    X : array of shape (N, D), or a data frame
        Missing values (NaN) are left out pair by pair, so pairs may rest on different rows.
    kind : "pearson", "spearman" or "kendall"
    names : list of str, optional
        Of the columns; those of the frame, else x0, x1 ...
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    CorrelationMatrix

    Notes
    -----
    D^2 times the cost of a pair.

    Examples
    --------
    >>> from peira.measures import correlation_matrix
    >>> found = correlation_matrix([[1.0, 2.0], [2.0, 4.0], [3.0, 5.0]], names=["dose", "effect"])
    >>> round(found["dose", "effect"].coefficient, 4)
    0.982
    """
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        table, names = [frame[name].to_numpy() for name in frame.columns], names or frame.columns
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise DataError(f"a table of shape (N, D) is needed, got {array.shape}")
        table, names = list(array.T), names or [f"x{k}" for k in range(array.shape[1])]
    if len(names) != len(table):
        raise DataError(f"the table has {len(table)} columns, but there are {len(names)} names")
    D = len(table)
    parts = np.full((4, D, D), np.nan)
    n = np.zeros((D, D), dtype=np.int64)
    for j in range(D):
        for k in range(j + 1):
            found = correlation(table[j], table[k], kind, level=level)
            parts[:, j, k] = parts[:, k, j] = found.coefficient, found.low, found.high, found.p_value
            n[j, k] = n[k, j] = found.n
    return CorrelationMatrix(list(names), parts[0], parts[1], parts[2], parts[3], n, kind)


def _column(values: Any, what: str) -> np.ndarray:
    try:
        a = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers: {error}") from error
    if a.ndim != 1:
        raise DataError(f"{what} must have shape (N,), got {a.shape}")
    if np.isinf(a).any():
        raise DataError(f"{what} holds infinite values (first in row {int(np.isinf(a).argmax())})")
    return a
