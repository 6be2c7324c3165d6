r"""Best-subset regression: for each size, the columns whose least-squares fit has the smallest error.

.. math:: S_k = \arg\min_{|S| = k} \; \min_w \sum_n v_n \left( y_n - w_0 - \sum_{j \in S} w_j x_{nj} \right)^2

**Exact, without looking at all subsets** (Furnival & Wilson 1974, Technometrics 16, 499-511: "leaps and bounds").
Taking columns away never lowers the error, so a subset's error bounds that of every subset within it. The tree of
subsets is walked by removing columns; where even the bound is no better than what is already known for all sizes
below, the branch is left. With C the inverse scatter of a subset and b its coefficients, removing column j costs

.. math:: \mathrm{RSS} \leftarrow \mathrm{RSS} + \frac{b_j^2}{C_{jj}}, \quad
          b \leftarrow b - \frac{b_j}{C_{jj}} C_{\cdot j}, \quad C \leftarrow C - \frac{C_{\cdot j} C_{j \cdot}}{C_{jj}}

The most important columns come first, so that the largest branches are the first to go.

**The size** is given, or chosen by cross-validation, or by what the error would be on new data with p parameters and N
rows (the constant counted, s2 from the model of all columns):

.. math:: C_p = \mathrm{RSS} / s^2 - N + 2p, \quad
          \mathrm{AIC} = N \log(\mathrm{RSS} / N) + 2p, \quad \mathrm{BIC} = N \log(\mathrm{RSS} / N) + p \log N

**Use it** with few columns (some 40 and fewer; each may double the time) and a wish for few to remain. Choosing is
unstable: small changes of the data change the subset, and standard errors computed as if it had been given are too
small. Ridge and lasso usually predict as well or better.

Cost: N D^2, and at worst 2^D D^2, times one plus the number of folds.

Reference: Hastie, Tibshirani & Friedman (2009), 3.3.1 and 7.5 to 7.7.
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch

from ..core import Card, DataError, choice, param
from ..core.errors import RankWarning
from ..core.inputs import Data
from ..numerics.cholesky import cholesky
from ..numerics.compile import compiled
from ..numerics.moments import Moments
from .folds import Split, choose, folds_of_stream, make_folds, mean_and_error
from .reduced_data import Reduced, fold_errors
from .streaming import StreamedRegressor
from .sufficient_statistics import require_finite_squares

MOST_COLUMNS = 60


class BestSubsetRegression(StreamedRegressor):
    """Least squares on the best subset of the columns.

    Attributes
    ----------
    coef_, intercept_ : array of shape (D,), float
        Zeros for the columns left out.
    size_ : int
        The number of columns used.
    support_ : array of shape (D,), bool
        The columns used.
    subsets_ : list of list of int
        The best subset of each size from 0 up.
    rss_path_ : array of shape (S,)
        Their sums of squared errors.
    criterion_path_ : array of shape (S,)
        What the size was chosen by: the criterion, or the mean cross-validated squared error.
    mse_path_ : array of shape (S, F)
        With ``size="cv"``: error of the best subsets of 0, 1, ... columns on each fold.
    parts_ : list of dict
        For ``partial_fit``: moments of the data in one part; with ``size="cv"`` of the rows of each fold, where ``cv``
        is a number.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.linear import BestSubsetRegression
    >>> X = np.random.default_rng(0).standard_normal((50, 6))
    >>> BestSubsetRegression().fit(X, X[:, 4] - 2 * X[:, 1]).subsets_[2]
    [1, 4]
    """

    card = Card(
        tasks="regression",
        reference="Furnival & Wilson (1974); Hastie et al. (2009) 3.3.1",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + 2^D D^2 at worst",
        sparse=True,
        largest={"D": 40},
    )
    size: int | Literal["bic", "aic", "cp", "cv"] = param(
        "bic", "how many columns, or how to choose", low=0, tune=choice("bic", "aic"), positional=True
    )
    max_size: int | None = param(None, "the most columns to consider; None: all", low=0)
    fit_intercept: bool = param(True, "estimate a constant term")
    cv: object = param(None, "for 'cv': number of folds (None: 5), a splitter, or pairs of training and test rows")
    rule: Literal["best", "one_se"] = param(
        "best", "for 'cv': least error, or the fewest columns within one standard error"
    )

    @classmethod
    def example(cls) -> "BestSubsetRegression":
        return cls(max_size=4)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BestSubsetRegression":
        """Find the best subset of each size, choose the size, and learn the coefficients.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If there are more columns than can be searched (60), or fewer rows than columns and two.
        """
        data = self._begin(X, y, sample_weight)
        folds = make_folds(data, self.cv, "BestSubsetRegression") if self.size == "cv" else []
        for rows in (len(data), *(len(train) for train, _ in folds)):
            if lacking := self._lacking(data.X.shape[1], rows):
                raise DataError(lacking)
        if folds:
            return self._solve(data, *self._split_moments(data, folds))
        moments = Moments.of(data.X, data.Y, data.w, centred=self.fit_intercept)
        require_finite_squares(moments, data)
        self._remember(data, [moments])
        return self._solve(data, moments, iter(()))

    def _folds_of_stream(self) -> int:
        return folds_of_stream(self.cv, "BestSubsetRegression") if self.size == "cv" else 1

    def _solve(self, data: Data, whole: Moments, splits: Iterator[Split]) -> Self:
        part = Reduced.of(whole, scale=False)
        family = best_subsets(part.xx, part.xy[:, 0], float(part.yy[0, 0]), self.max_size)
        if self.size == "cv":
            S = len(family.rss)
            errors = fold_errors(splits, lambda p: _coefficients(p, S), scale=False)
            path, se = mean_and_error(errors)
            k = int(choose(path, se, self.rule))
            self.mse_path_, path = data.give(errors[:, :, 0]), path[:, 0]
        else:
            path = data.tensor(family.rss if isinstance(self.size, int) else self._criterion(family.rss, whole.weight))
            k = min(self.size, len(path) - 1) if isinstance(self.size, int) else int(path.argmin())
        coef = data.tensor(family.coef[k])
        self._learned(data, coef[None], whole.y_mean - whole.x_mean @ coef[:, None])
        self.size_ = k
        self.subsets_ = [np.flatnonzero(members).tolist() for members in family.member]
        self.support_ = family.member[k]
        self.rss_path_, self.criterion_path_ = data.give(data.tensor(family.rss)), data.give(path)
        return self

    def _lacking(self, D: int, n: int) -> str:
        if D > MOST_COLUMNS:
            raise DataError(
                f"{D} columns have too many subsets to search for the best; take {MOST_COLUMNS} or fewer, or use Lasso"
            )
        if n < D + 2:
            return (
                f"best subset needs at least two rows more than its {D} columns, in each fold too; got "
                f"n_samples={n}: use Lasso"
            )
        return ""

    def _criterion(self, rss: np.ndarray, N: float) -> np.ndarray:
        p = np.arange(len(rss)) + self.fit_intercept
        if self.size == "cp":
            s2 = rss[-1] / max(N - p[-1], 1.0)
            return rss / max(s2, np.finfo(float).tiny) - N + 2 * p
        return N * np.log(np.maximum(rss, np.finfo(float).tiny) / N) + p * (2.0 if self.size == "aic" else math.log(N))


class Family(NamedTuple):
    """The best subset of each size 0 ... S - 1: members (S, D), coefficients (S, D), squared errors (S,)."""

    member: np.ndarray
    coef: np.ndarray
    rss: np.ndarray


def best_subsets(xx: torch.Tensor, xy: torch.Tensor, yy: float, largest: int | None = None) -> Family:
    """Search all subsets of up to ``largest`` columns, given scatters (D, D), (D,) and that of the target.

    Columns without variation are never taken; collinear ones are searched with a jitter, which is reported.
    """
    G, c = xx.numpy(force=True), xy.numpy(force=True)
    scale = np.sqrt(np.diag(G))
    live = np.flatnonzero(scale > 0)
    D, most = len(c), len(live) if largest is None else min(largest, len(live))
    member, coef, rss = np.zeros((most + 1, D), bool), np.zeros((most + 1, D)), np.full(most + 1, yy)
    if not most:
        return Family(member, coef, rss)
    G = G[np.ix_(live, live)] / np.outer(scale[live], scale[live])
    c = c[live] / scale[live]
    L, jitter = cholesky(torch.from_numpy(G))
    if jitter:
        warnings.warn(
            f"columns are collinear to rounding: subsets were compared with a jitter of {jitter:.2g}; drop duplicates",
            RankWarning,
            stacklevel=3,
        )
    member[:, live] = leaps_and_bounds(torch.cholesky_inverse(L).numpy(), c, yy, most)
    for k in range(1, most + 1):
        S = member[k, live]
        b = np.linalg.lstsq(G[np.ix_(S, S)], c[S])[0]
        coef[k, live[S]] = b / scale[live[S]]
        rss[k] = max(yy - c[S] @ b, 0.0)
    return Family(member, coef, rss)


def _coefficients(part: Reduced, S: int) -> torch.Tensor:
    """Coefficients (S, D, 1) of the best subsets of 0 to S - 1 columns; the last repeats if a fold has fewer."""
    family = best_subsets(part.xx, part.xy[:, 0], float(part.yy[0, 0]), S - 1)
    B = part.xy.new_tensor(family.coef)[:, :, None]
    return torch.cat([B, B[-1:].expand(S - len(B), -1, -1)])


@compiled
def leaps_and_bounds(inverse, c, yy, most):
    """The best subset of each size, by branch and bound (module docstring).

    Parameters
    ----------
    inverse : array of shape (D, D)
        C for all columns.
    c : array of shape (D,)
        X'y.
    yy : float
    most : int
        The largest size wanted, 1 <= most <= D.

    Returns
    -------
    array of shape (most + 1, D), bool
    """
    D = len(c)
    member = np.zeros((most + 1, D), np.bool_)
    best = np.full(D + 1, np.inf)
    # The path from the full set to the node: its columns, C, b, and the place of the next column to remove
    # (those before it stay in all subsets below).
    columns, position = np.zeros((D + 1, D), np.int64), np.zeros(D + 1, np.int64)
    C, b, rss = np.zeros((D + 1, D, D)), np.zeros((D + 1, D)), np.zeros(D + 1)
    # First removing the least important column at each step, for good bounds; then everything.
    for greedy in (True, False):
        columns[0], C[0], b[0] = np.arange(D), inverse, inverse @ c
        rss[0] = max(yy - b[0] @ c, 0.0)
        if most >= D and rss[0] < best[D]:
            best[D] = rss[0]
            member[D, :] = True
        _order(columns[0], C[0], b[0], 0, D)
        position[0] = D - 1 if greedy else 0
        depth = 0
        while depth >= 0:
            m = D - depth
            i = position[depth]
            if i >= m or m <= 1:
                depth -= 1
                continue
            position[depth] = m if greedy else i + 1
            j = columns[depth, i]
            loss = rss[depth] + b[depth, j] ** 2 / C[depth, j, j]
            size = m - 1
            if size <= most and loss < best[size]:
                best[size] = loss
                member[size, :] = False
                for l in range(m):
                    if l != i:
                        member[size, columns[depth, l]] = True
            low = 1 if greedy else max(i, 1)  # the smallest subset below that is still to be decided
            if low > min(size - 1, most) or (loss >= best[low] and not greedy):
                continue
            child = depth + 1
            for l in range(m - 1):
                columns[child, l] = columns[depth, l if l < i else l + 1]
            for l in range(m - 1):
                u = columns[child, l]
                share = C[depth, u, j] / C[depth, j, j]
                b[child, u] = b[depth, u] - share * b[depth, j]
                for k in range(m - 1):
                    v = columns[child, k]
                    C[child, u, v] = C[depth, u, v] - share * C[depth, j, v]
            rss[child] = loss
            _order(columns[child], C[child], b[child], 0 if greedy else i, m - 1)
            position[child] = m - 2 if greedy else i
            depth = child
    return member


@compiled
def _order(columns, C, b, start, stop):
    """Sort columns[start:stop] by what their removal costs, dearest first."""
    for i in range(start + 1, stop):
        j = columns[i]
        cost = b[j] ** 2 / C[j, j]
        k = i
        while k > start and b[columns[k - 1]] ** 2 / C[columns[k - 1], columns[k - 1]] < cost:
            columns[k] = columns[k - 1]
            k -= 1
        columns[k] = j
