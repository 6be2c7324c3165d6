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

What two columns share beyond some others is a partial correlation (`partial_correlation`), and a relation of any shape
shows in the distance correlation (`distance_correlation`).
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
    given : int
        Columns that are held fixed, in a partial correlation.
    """

    coefficient: float
    low: float
    high: float
    p_value: float
    n: int
    kind: Kind
    given: int = 0


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
    require(kind, level)
    a, b = column(x, "x"), column(y, "y")
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
    else:
        r = pearson(a, b) if kind == "pearson" else pearson(stats.rankdata(a), stats.rankdata(b))
        p_value = float(p_values(r, n)) if n > 2 else nan
    low, high = intervals(r, n, kind, level)
    return Correlation(r, float(low), float(high), p_value, n, kind)


def require(kind: str, level: float) -> None:
    """Refuse what is no kind of correlation, and no level."""
    if kind not in ("pearson", "spearman", "kendall"):
        raise ParameterError(f"kind is 'pearson', 'spearman' or 'kendall', got {kind!r}")
    if not 0 < level < 1:
        raise ParameterError(f"level must lie strictly between 0 and 1, got {level}")


def p_values(r: Any, n: int) -> np.ndarray:
    """Student's test of no correlation for each r from n > 2 rows (fewer by the number of columns held fixed)."""
    r = np.abs(np.asarray(r, dtype=np.float64))
    with np.errstate(divide="ignore"):
        t = r * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
    return 2 * special.stdtr(n - 2, -t)


def intervals(r: Any, n: int, kind: Kind, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Fisher's interval for each r from n rows; NaN for so few that it says nothing."""
    r = np.asarray(r, dtype=np.float64)
    fewest = 4 if kind == "kendall" else 3
    if n <= fewest:
        return np.full(r.shape, np.nan), np.full(r.shape, np.nan)
    spread = 0.437 if kind == "kendall" else 1 + r**2 / 2 if kind == "spearman" else 1.0
    half = special.ndtri((1 + level) / 2) * np.sqrt(spread / (n - fewest))
    centre = np.arctanh(np.clip(r, -1 + 1e-16, 1 - 1e-16))
    return np.tanh(centre - half), np.tanh(centre + half)


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
    given : int
        Columns that are held fixed, in partial correlations.
    """

    names: list[str]
    coefficient: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    n: np.ndarray
    kind: Kind
    given: int = 0

    def __getitem__(self, pair: tuple[str, str]) -> Correlation:
        """The correlation of two columns by name."""
        for name in pair:
            if name not in self.names:
                raise DataError(f"there is no column {name!r}; {closest(name, self.names)}")
        at = self.names.index(pair[0]), self.names.index(pair[1])
        low, high, p = (float(v[at]) for v in (self.low, self.high, self.p_value))
        return Correlation(float(self.coefficient[at]), low, high, p, int(self.n[at]), self.kind, self.given)

    def __repr__(self) -> str:
        width = max(map(len, self.names), default=0)
        lines = [
            f"{name:<{width}}  " + "  ".join(f"{v:6.3f}" for v in row)
            for name, row in zip(self.names, self.coefficient, strict=True)
        ]
        partial = "partial " if self.given else ""
        return "\n".join([f"{partial}{self.kind} correlation of {len(self.names)} columns", *lines])

    def plot(self, ax: Any = None, *, order: bool = True, level: float = 0.05) -> Any:
        """Draw the matrix in colours, columns that go together beside each other, what may be chance in grey.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.
        order : bool, default True
            Sort the columns by hierarchical clustering with the distance 1 - |r|.
        level : float, default 0.05
            Coefficients are grey whose p-value, adjusted for all pairs (Holm), is above it.

        Returns
        -------
        matplotlib Axes
        """
        from .correlation_plot import plot_correlations

        return plot_correlations(
            self.names, self.coefficient, self.p_value, repr(self).splitlines()[0], ax, order, level
        )


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
    One product, N D^2, for Pearson and Spearman without missing values; D^2 times the cost of a pair otherwise.

    Examples
    --------
    >>> from peira.measures import correlation_matrix
    >>> found = correlation_matrix([[1.0, 2.0], [2.0, 4.0], [3.0, 5.0]], names=["dose", "effect"])
    >>> round(found["dose", "effect"].coefficient, 4)
    0.982
    """
    require(kind, level)
    names, table = columns(X, names)
    D = len(table)
    parts = np.full((4, D, D), np.nan)
    n = np.zeros((D, D), dtype=np.int64)
    if kind != "kendall" and len(table[0]) > 2 and not any(np.isnan(part).any() for part in table):
        n[:] = N = len(table[0])
        r = product(np.column_stack(table if kind == "pearson" else [stats.rankdata(part) for part in table]))
        low, high = intervals(r, N, kind, level)
        return CorrelationMatrix(names, r, low, high, p_values(r, N), n, kind)
    for j in range(D):
        for k in range(j + 1):
            found = correlation(table[j], table[k], kind, level=level)
            parts[:, j, k] = parts[:, k, j] = found.coefficient, found.low, found.high, found.p_value
            n[j, k] = n[k, j] = found.n
    return CorrelationMatrix(names, parts[0], parts[1], parts[2], parts[3], n, kind)


def product(A: np.ndarray) -> np.ndarray:
    """Pearson's r of all pairs of the columns of A (N, D); NaN for those that are constant."""
    A = A - A.mean(0)
    largest = np.abs(A).max(0)
    A /= np.where(np.ptp(A, axis=0) > 0, largest, np.nan)
    A /= np.sqrt((A * A).sum(0))
    r = np.clip(A.T @ A, -1, 1)
    r = (r + r.T) / 2
    np.fill_diagonal(r, np.where(np.isnan(r.diagonal()), np.nan, 1.0))
    return r


def columns(X: Any, names: list[str] | None) -> tuple[list[str], list[np.ndarray]]:
    """The columns of a table and their names."""
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
    return list(names), [column(part, f"column {name!r}") for name, part in zip(names, table, strict=True)]


def column(values: Any, what: str) -> np.ndarray:
    """One column of numbers, NaN where they are missing."""
    try:
        a = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers: {error}") from error
    if a.ndim != 1:
        raise DataError(f"{what} must have shape (N,), got {a.shape}")
    if np.isinf(a).any():
        raise DataError(f"{what} holds infinite values (first in row {int(np.isinf(a).argmax())})")
    return a
