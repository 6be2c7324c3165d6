r"""Are the data what a Gaussian model assumes: normal, with equal covariances in all classes?

With S the covariance of N rows (divided by N) and the products of whitened rows

.. math:: g_{ij} = (x_i - \bar x)^T S^{-1} (x_j - \bar x)

a normal distribution has, approximately (Mardia 1970),

.. math:: b_1 = N^{-2} \sum_{ij} g_{ij}^3, \quad N b_1 / 6 \sim \chi^2_{D (D + 1)(D + 2) / 6}

.. math:: b_2 = N^{-1} \sum_i g_{ii}^2, \quad \frac{b_2 - D (D + 2)}{\sqrt{8 D (D + 2) / N}} \sim N(0, 1)

Skewness and kurtosis see two ways to differ; Henze and Zirkler compare the whole characteristic function, and so notice
any. Box's M compares the log determinants of the covariances of C classes with that of the pooled one. All of them are
unchanged by affine maps of the columns.

**Read them with care.** With many rows every deviation is significant, also one that harms no prediction; with few
rows nothing is. Box's M reacts to heavy tails even where the covariances are equal. What decides between models is
their error on new data; the tests say where to look.

References: Mardia (1970), Biometrika 57, 519-530; Mardia (1974), Sankhya B 36, 115-128 (correction for few rows);
Henze & Zirkler (1990), Communications in Statistics 19, 3595-3617; Box (1949), Biometrika 36, 317-346.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

BLOCK = 1 << 21  # numbers in a block of pairs: 16 MiB


@dataclass(frozen=True)
class AssumptionTest:
    """What a test says about an assumption.

    Attributes
    ----------
    name : str
    assumption : str
        What is tested, in words.
    statistic : float
        Compared with its distribution when the assumption holds.
    df : float or tuple of two floats or None
        Degrees of freedom of that distribution; None for a (log-)normal one.
    p_value : float
        Chance of so large a statistic when the assumption holds.
    value : float
        The measure itself (skewness, kurtosis, M), before it was scaled.
    """

    name: str
    assumption: str
    statistic: float
    df: float | tuple[float, float] | None
    p_value: float
    value: float

    def words(self, level: float = 0.05) -> str:
        """A sentence: what the test says at this level of significance."""
        said = "contradict" if self.p_value < level else "do not contradict"
        return f"{self.name}: the data {said} {self.assumption} (p = {self.p_value:.3g})"


def mardia(X: Any) -> tuple[AssumptionTest, AssumptionTest]:
    """Mardia's tests of multivariate skewness and kurtosis.

    Parameters
    ----------
    X : array of shape (N, D)
        N > D rows whose covariance is not singular. Below 20 rows the skewness is scaled by Mardia's (1974) factor.

    Returns
    -------
    skewness, kurtosis : AssumptionTest
        One-sided and two-sided; ``value`` is b_1 and b_2.

    Raises
    ------
    ValueError
        If the covariance is singular.

    Notes
    -----
    Costs N D^3 or N^2 D, whichever is less: the sum of cubes is the squared norm of the tensor of third moments.

    Examples
    --------
    >>> from peira.measures.normality import mardia
    >>> skewness, kurtosis = mardia([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])
    >>> round(skewness.value, 12), round(kurtosis.value, 12)
    (0.0, 4.0)
    """
    Z = _whitened(X)
    N, D = Z.shape
    b1 = float((_third(Z) ** 2).sum()) if D * D < N else sum(float((G**3).sum()) for G in _products(Z)) / N**2
    b2 = float(((Z**2).sum(1) ** 2).mean())
    few = (D + 1) * (N + 1) * (N + 3) / (N * ((N + 1) * (D + 1) - 6)) if N < 20 else 1.0
    df = D * (D + 1) * (D + 2) / 6
    chi2, z = N * few * b1 / 6, (b2 - D * (D + 2)) / np.sqrt(8 * D * (D + 2) / N)
    normal = "a normal distribution"
    return (
        AssumptionTest("Mardia's skewness", normal, float(chi2), df, float(stats.chi2.sf(chi2, df)), b1),
        AssumptionTest("Mardia's kurtosis", normal, float(z), None, float(2 * stats.norm.sf(abs(z))), b2),
    )


def henze_zirkler(X: Any) -> AssumptionTest:
    r"""Henze and Zirkler's test of multivariate normality, which notices any deviation given enough rows.

    With the smoothing :math:`\beta = ((2 D + 1) N / 4)^{1 / (D + 4)} / \sqrt 2` the statistic is N times the squared
    distance between the empirical and the normal characteristic functions of whitened rows; its distribution is
    approximately log-normal.

    Parameters
    ----------
    X : array of shape (N, D)
        N > D rows whose covariance is not singular.

    Returns
    -------
    AssumptionTest

    Raises
    ------
    ValueError
        If the covariance is singular.

    Notes
    -----
    Costs N^2 D: draw a sample of a few thousand from longer tables.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.measures.normality import henze_zirkler
    >>> henze_zirkler(np.random.default_rng(0).exponential(size=(100, 2))).p_value < 1e-6
    True
    """
    Z = _whitened(X)
    N, D = Z.shape
    b2 = ((2 * D + 1) * N / 4) ** (2 / (D + 4)) / 2  # beta squared
    length = (Z**2).sum(1)
    pairs, at = 0.0, 0
    for G in _products(Z):
        distance = length[at : at + len(G), None] + length - 2 * G
        pairs += float(np.exp(-b2 / 2 * distance).sum())
        at += len(G)
    single = float(np.exp(-b2 / 2 / (1 + b2) * length).sum())
    hz = pairs / N - 2 * (1 + b2) ** (-D / 2) * single + N * (1 + 2 * b2) ** (-D / 2)
    # Mean and variance of the statistic under normality.
    a, w = 1 + 2 * b2, (1 + b2) * (1 + 3 * b2)
    mean = 1 - a ** (-D / 2) * (1 + D * b2 / a + D * (D + 2) * b2**2 / (2 * a**2))
    variance = 2 * (1 + 4 * b2) ** (-D / 2)
    variance += 2 * a ** (-D) * (1 + 2 * D * b2**2 / a**2 + 3 * D * (D + 2) * b2**4 / (4 * a**4))
    variance -= 4 * w ** (-D / 2) * (1 + 3 * D * b2**2 / (2 * w) + D * (D + 2) * b2**4 / (2 * w**2))
    spread = np.log1p(variance / mean**2)
    p = stats.norm.sf((np.log(max(hz, 1e-300)) - np.log(mean) + spread / 2) / np.sqrt(spread))
    return AssumptionTest("Henze and Zirkler's test", "a normal distribution", hz, None, float(p), hz)


def box_m(X: Any, y: Any) -> tuple[AssumptionTest, AssumptionTest]:
    r"""Box's M: do the classes have equal covariances?

    .. math:: M = (N - C) \log |S| - \sum_c (n_c - 1) \log |S_c|

    Parameters
    ----------
    X : array of shape (N, D)
    y : array of shape (N,)
        Labels; each class needs more than D rows and a covariance that is not singular.

    Returns
    -------
    chi2, f : AssumptionTest
        By Box's approximation with chi-squared, good for classes of 20 rows and more, and by his with F, which is
        closer for fewer. ``value`` is M.

    Raises
    ------
    ValueError
        For fewer than two classes, or a class whose covariance is singular.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.measures.normality import box_m
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(90, 2)), np.repeat([0, 1, 2], 30)
    >>> chi2, f = box_m(X, y)
    >>> chi2.df, chi2.p_value > 0.01, f.p_value > 0.01
    (6.0, True, True)
    """
    X, y = _table(X), np.asarray(y)
    if y.shape != (len(X),):
        raise ValueError(f"one label for each of the {len(X)} rows is needed, got y of shape {y.shape}")
    labels, codes = np.unique(y, return_inverse=True)
    C, D = len(labels), X.shape[1]
    if C < 2:
        raise ValueError(f"Box's M compares classes: at least 2 are needed, y holds {C}")
    freedom, logs, pooled = np.empty(C), np.empty(C), np.zeros((D, D))
    for c, label in enumerate(labels.tolist()):
        mine = X[codes == c]
        freedom[c] = len(mine) - 1
        Z = mine - mine.mean(0)
        pooled += Z.T @ Z
        logs[c] = _factor(Z, f"class {label!r}")[1] - D * np.log(freedom[c])
    nu = freedom.sum()
    M = nu * (np.linalg.slogdet(pooled)[1] - D * np.log(nu)) - freedom @ logs
    df = D * (D + 1) * (C - 1) / 2
    c1 = ((1 / freedom).sum() - 1 / nu) * (2 * D**2 + 3 * D - 1) / (6 * (D + 1) * (C - 1))
    c2 = ((1 / freedom**2).sum() - 1 / nu**2) * (D - 1) * (D + 2) / (6 * (C - 1))
    chi2 = (1 - c1) * M
    df2 = (df + 2) / abs(c2 - c1**2)
    if c2 > c1**2:
        b = df / (1 - c1 - df / df2)
        f = M / b
    else:
        b = df2 / (1 - c1 + 2 / df2)
        f = df2 * M / (df * (b - M)) if b > M else np.inf
    equal, M = "equal covariances of the classes", float(M)
    return (
        AssumptionTest("Box's M", equal, float(chi2), float(df), float(stats.chi2.sf(chi2, df)), M),
        AssumptionTest("Box's M by F", equal, float(f), (float(df), float(df2)), float(stats.f.sf(f, df, df2)), M),
    )


def _table(X: Any) -> np.ndarray:
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or not X.size:
        raise ValueError(f"a table of shape (N, D) is needed, got {X.shape}")
    if not np.isfinite(X).all():
        raise ValueError(f"row {int((~np.isfinite(X)).any(1).argmax())} holds a value that is not finite: drop it")
    return X


def _whitened(X: Any) -> np.ndarray:
    """Rows with mean zero and covariance I (divided by N)."""
    X = _table(X)
    Z = X - X.mean(0)
    R, _ = _factor(Z, "the table")
    return np.linalg.solve(R.T, Z.T).T * np.sqrt(len(Z))


def _factor(Z: np.ndarray, what: str) -> tuple[np.ndarray, float]:
    """R with R'R = Z'Z, and the log determinant of Z'Z, from the columns in units of their own."""
    N, D = Z.shape
    norm = np.linalg.norm(Z, axis=0)
    flat = f"{what} has {N} rows in {D} columns"
    if N <= D or not (norm > 0).all():
        reason = "more rows than columns are needed" if N <= D else f"column {int((norm == 0).argmax())} is constant"
        raise ValueError(f"the covariance is singular: {flat}; {reason}")
    R = np.linalg.qr(Z / norm, mode="r")
    lengths = np.abs(np.diag(R))
    if lengths.min() < 1e-10:
        raise ValueError(
            f"the covariance is singular: {flat}, and column {int(lengths.argmin())} depends on those before it"
        )
    return R * norm, float(2 * (np.log(lengths) + np.log(norm)).sum())


def _products(Z: np.ndarray):
    """The Gram matrix of the rows in blocks of rows."""
    rows = max(1, BLOCK // len(Z))
    for i in range(0, len(Z), rows):
        yield Z[i : i + rows] @ Z.T


def _third(Z: np.ndarray) -> np.ndarray:
    """The tensor of third moments, of shape (D^2, D)."""
    N, D = Z.shape
    rows = max(1, BLOCK // D**2)
    total = np.zeros((D * D, D))
    for i in range(0, N, rows):
        B = Z[i : i + rows]
        total += (B[:, :, None] * B[:, None, :]).reshape(len(B), D * D).T @ B
    return total / N
