"""Rows 18.01 and 18.02: distances, their axioms, SciPy's values, and what Mahalanobis' is good for."""

import numpy as np

from evidence import check, reproduction

METRICS = {
    "euclidean": {},
    "manhattan": {},
    "chebyshev": {},
    "minkowski": {"p": 3.0},
    "mahalanobis": {},
    "cosine": {},
    "correlation": {},
    "hamming": {},
    "sqeuclidean": {},
}


def points(columns, metric):
    """Random rows, some of them twice, some nearly; few values for Hamming's distance; else an offset, if it counts."""
    rng = np.random.default_rng(columns)
    if metric == "hamming":
        return rng.integers(0, 3, (60, columns)).astype(float)
    X = rng.normal(size=(60, columns)) + (0.0 if metric in ("cosine", "correlation") else 100.0)
    X[50:55], X[55:] = X[:5], X[5:10] * (1 + 1e-7)
    return X


@reproduction(
    "18.01",
    claim="every metric satisfies the axioms, and SciPy's values to 1e-12",
    source="axioms of a metric; scipy.spatial.distance.cdist (SciPy)",
    protocol="60 rows of 5 and of 300 columns, ten of them equal or nearly equal to others; cosine and correlation by "
    "their square roots, which are the metrics",
    mark="C",
)
def axioms_and_scipy():
    from scipy.spatial.distance import cdist

    from peira.measures.distances import pairwise_distances

    for metric, given in METRICS.items():
        least, asymmetry, detour, gap, equal = np.inf, 0.0, -np.inf, 0.0, 0.0
        for columns in (5, 300):
            X = points(columns, metric)
            if metric == "mahalanobis":
                root = np.random.default_rng(1).normal(size=(columns, 2 * columns))
                V = root @ root.T / columns
                given, theirs = {"V": V}, {"VI": np.linalg.inv(V)}
            else:
                theirs = given
            d = pairwise_distances(X, X.copy(), metric, **given)
            reference = cdist(X, X, "cityblock" if metric == "manhattan" else metric, **theirs)
            scale = 1.0 if metric in ("cosine", "correlation", "hamming") else reference.max()
            gap = max(gap, float(np.abs(d - reference).max() / scale))
            d = np.sqrt(np.maximum(d, 0)) if metric in ("cosine", "correlation", "sqeuclidean") else d
            least, equal = min(least, float(d.min())), max(equal, float(d.diagonal().max() / d.max()))
            asymmetry = max(asymmetry, float(np.abs(d - d.T).max() / d.max()))
            detour = max(detour, max(float((d - d[:, [k]] - d[[k]]).max() / d.max()) for k in range(len(X))))
        yield check(f"{metric}: largest difference from SciPy's", gap, at_most=1e-12)
        yield check(f"{metric}: least distance", least, at_least=0.0)
        yield check(f"{metric}: distance of a row to itself", equal, at_most=1e-12)
        yield check(f"{metric}: difference of the two directions", asymmetry, at_most=1e-12)
        yield check(f"{metric}: what a detour saves", detour, at_most=1e-12)


@reproduction(
    "18.01",
    claim="Euclidean distances keep their digits under an offset of the columns, where the expanded square loses all",
    source="exact rational arithmetic (Python's fractions)",
    protocol="20 rows of 64 columns near 1e8, stored in float64, neighbours 1e-3 apart",
    mark="C",
)
def offset():
    from fractions import Fraction

    from peira.measures.distances import pairwise_distances

    rng = np.random.default_rng(0)
    X = 1e8 + np.vstack([rng.normal(size=(10, 64)), np.zeros((10, 64))])
    X[10:] = X[:10] + 1e-3 * rng.normal(size=(10, 64))
    rows = [[Fraction(float(v)) for v in row] for row in X]
    exact = [[float(sum((s - t) ** 2 for s, t in zip(a, b, strict=True))) for b in rows] for a in rows]
    d, exact = pairwise_distances(X, X.copy(), "sqeuclidean"), np.array(exact)
    yield check("largest relative error", float((np.abs(d - exact) / np.where(exact, exact, 1)).max()), at_most=1e-12)
    expanded = (X**2).sum(1)[:, None] + (X**2).sum(1) - 2 * X @ X.T
    loss = float((np.abs(expanded - exact) / np.where(exact, exact, 1)).max())
    yield check("that of the expanded square", loss, at_least=1.0)


@reproduction(
    "18.02",
    claim="Mahalanobis' distance does not change under affine maps; its square follows chi-squared for normal rows",
    source="Mahalanobis (1936); identity",
    protocol="200 rows under a random affine map; 200,000 normal rows of 5 columns with known mean and covariance",
    mark="C",
)
def invariance_and_quantiles():
    from scipy.stats import chi2, kstest

    from peira.measures.distances import mahalanobis

    rng = np.random.default_rng(0)
    X, A, b = rng.normal(size=(200, 6)), rng.normal(size=(6, 6)), 1e3 * rng.normal(size=6)
    before, after = mahalanobis(X), mahalanobis(X @ A.T + b)
    yield check("largest relative change", float(np.abs(after / before - 1).max()), at_most=1e-10)
    yield check("mean square is D (N - 1) / N", float((before**2).mean()), 6 * 199 / 200, relative=1e-12)
    L, N = np.linalg.cholesky(np.cov(rng.normal(size=(5, 30)))), 200_000
    squares = mahalanobis(rng.normal(size=(N, 5)) @ L.T + 7, np.full(5, 7.0), L @ L.T, squared=True)
    for level in (0.5, 0.9, 0.975, 0.999):
        share = float((squares <= chi2.ppf(level, 5)).mean())
        spread = 4 * (level * (1 - level) / N) ** 0.5
        yield check(f"share below the {level:g} quantile", share, level, tolerance=spread)
    yield check("Kolmogorov-Smirnov p-value", float(kstest(squares, chi2(5).cdf).pvalue), at_least=0.001)


@reproduction(
    "18.02",
    claim="outliers mask each other: classically few of 14 are found, by the others alone all are",
    source="planted after Hawkins, Bradu, Kass (1984), Technometrics 26, 197-208, whose 75 cases are not at hand: 14 "
    "outliers in two close groups among 75",
    protocol="61 normal cases, 10 near (10, 20, 30) and 4 near (12, 24, 36); cut at the 0.975 quantile of chi-squared",
    mark="C(design)",
)
def masking():
    from scipy.stats import chi2

    from peira.measures.distances import mahalanobis

    rng = np.random.default_rng(0)
    far = np.repeat([[10.0, 20.0, 30.0], [12.0, 24.0, 36.0]], [10, 4], axis=0)
    X = np.vstack([far + 0.5 * rng.normal(size=(14, 3)), 1.5 * rng.normal(size=(61, 3))])
    cut, good = chi2.ppf(0.975, 3) ** 0.5, X[14:]
    yield check("outliers flagged classically", int((mahalanobis(X)[:14] > cut).sum()), at_most=5)
    by_others = mahalanobis(X, good.mean(0), np.cov(good.T))
    yield check("outliers flagged by the others", int((by_others[:14] > cut).sum()), 14)
