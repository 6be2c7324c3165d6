r"""Partial correlation: what two columns share beyond what others tell of both.

With the residuals of x and y after least squares on the columns Z that are held fixed,

.. math:: r_{xy \cdot Z} = r(x - \hat x(Z), \; y - \hat y(Z))

For normal data it is zero just if x and y are independent given Z. Of q columns held fixed, its test and its interval
are those of r with q rows less (Fisher 1924, "The distribution of the partial correlation coefficient", Metron 3). Of
all pairs, each given all the other columns, it stands in the inverse P of the covariance (Lauritzen 1996, Graphical
models, eq. 5.6):

.. math:: r_{ij \cdot rest} = -P_{ij} / \sqrt{P_{ii} P_{jj}}

Spearman's is that of the ranks.
"""

from typing import Any

import narwhals as nw
import numpy as np
from scipy import stats

from ..core.errors import DataError, ParameterError
from .correlation import Correlation, CorrelationMatrix, Kind, column, columns, intervals, p_values, pearson, product
from .correlation import require as require_known

EPS = float(np.finfo(float).eps)


def partial_correlation(x: Any, y: Any, given: Any, kind: Kind = "pearson", *, level: float = 0.95) -> Correlation:
    """The correlation of two columns with others held fixed.

    Parameters
    ----------
    x, y : arrays of shape (N,)
    given : array of shape (N,) or (N, q), or a data frame
        Rows in which any value is missing (NaN) are left out.
    kind : "pearson" or "spearman"
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Correlation
        NaN where the fixed columns tell all of x or y, or too few rows are left.

    Raises
    ------
    DataError
        If the lengths differ, or values are no numbers, or infinite.

    Notes
    -----
    Costs N q^2.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.measures import correlation, partial_correlation
    >>> season, a, b = np.random.default_rng(0).normal(size=(3, 200))
    >>> round(correlation(season + a, season + b).coefficient, 2)
    0.5
    >>> round(partial_correlation(season + a, season + b, season).coefficient, 2)
    0.06
    """
    _require(kind, level)
    a, b = column(x, "x"), column(y, "y")
    if not nw.dependencies.is_into_dataframe(given) and np.ndim(given) == 1:
        given = np.asarray(given)[:, None]
    _, fixed = columns(given, None)
    if any(len(part) != len(a) for part in (b, *fixed)):
        raise DataError(f"x has {len(a)} rows, y {len(b)} and the fixed columns {[len(part) for part in fixed]}")
    A = np.column_stack([a, b, *fixed])
    A = A[~np.isnan(A).any(1)]
    n, nan = len(A), float("nan")
    if n < 2:
        return Correlation(nan, nan, nan, nan, n, kind, len(fixed))
    if kind == "spearman":
        A = np.column_stack([stats.rankdata(part) for part in A.T])
    A = A - A.mean(0)
    largest = np.abs(A).max(0)
    A /= np.where(largest > 0, largest, 1.0)
    U, s, _ = np.linalg.svd(A[:, 2:], full_matrices=False)
    U = U[:, s > max(A.shape) * EPS * s[:1]] if len(s) else U
    left = A[:, :2]
    for _ in range(2):  # the second time for what rounding left
        left = left - U @ (U.T @ left)
    m = n - U.shape[1]  # rows that are left for r
    explained = (left**2).sum(0) <= (1e3 * EPS) ** 2 * (A[:, :2] ** 2).sum(0)
    if m <= 2 or explained.any():
        return Correlation(nan, nan, nan, nan, n, kind, len(fixed))
    r = pearson(*left.T)
    low, high = intervals(r, m, kind, level)
    return Correlation(r, float(low), float(high), float(p_values(r, m)), n, kind, len(fixed))


def partial_correlation_matrix(
    X: Any, kind: Kind = "pearson", *, names: list[str] | None = None, level: float = 0.95
) -> CorrelationMatrix:
    """The correlations of all pairs of columns, each with all the others held fixed.

    Parameters
    ----------
    X : array of shape (N, D), or a data frame
        Rows in which any value is missing (NaN) are left out.
    kind : "pearson" or "spearman"
    names : list of str, optional
        Of the columns; those of the frame, else x0, x1 ...
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    CorrelationMatrix

    Raises
    ------
    DataError
        If a column is constant, or a sum of others, or there are no more rows than columns.

    Notes
    -----
    Costs N D^2 + D^3.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.measures import partial_correlation_matrix
    >>> a, b, c = np.random.default_rng(0).normal(size=(3, 500))
    >>> found = partial_correlation_matrix(np.column_stack([a, a + b, a + b + c]), names=["first", "then", "last"])
    >>> found["first", "last"].p_value > 0.05 > found["first", "then"].p_value
    True
    """
    _require(kind, level)
    names, table = columns(X, names)
    A = np.column_stack(table)
    A = A[~np.isnan(A).any(1)]
    n, D = A.shape
    if n <= D:
        raise DataError(f"{n} rows without missing values are too few to hold {D - 2} of {D} columns fixed")
    R = product(np.column_stack([stats.rankdata(part) for part in A.T]) if kind == "spearman" else A)
    if np.isnan(R).any():
        raise DataError(f"column {names[int(np.isnan(R.diagonal()).argmax())]!r} is constant")
    s, V = np.linalg.eigh(R)
    if s[0] <= 10 * D * EPS * s[-1]:
        most = [names[k] for k in np.argsort(-np.abs(V[:, 0]))[:3]]
        raise DataError(f"columns depend on each other, {', '.join(map(repr, most))} most of all; leave one out")
    P = (V / s) @ V.T
    d = np.sqrt(P.diagonal())
    r = np.clip(-P / d / d[:, None], -1, 1)
    np.fill_diagonal(r, 1.0)
    m = n - max(D - 2, 0)
    low, high = intervals(r, m, kind, level)
    p = p_values(r, m) if m > 2 else np.full((D, D), np.nan)
    return CorrelationMatrix(names, r, low, high, p, np.full((D, D), n), kind, max(D - 2, 0))


def _require(kind: Kind, level: float) -> None:
    require_known(kind, level)
    if kind == "kendall":
        raise ParameterError("kind of a partial correlation is 'pearson' or 'spearman', got 'kendall'")
