"""Row 4.01: correlations. (Anscombe's quartet also stands under 18.06, with the rank correlations.)"""

import numpy as np

from evidence import check, data, reproduction


@reproduction(
    "4.01",
    claim="Anscombe's four pictures have the same correlation, 0.816, and the same line; what they differ in shows in "
    "the rank and the distance correlation",
    source="Anscombe (1973); r .81642, .81624, .81629, slope .5001, intercept 3.0001: recalled (curriculum row 4.01)",
    protocol="eleven points each",
    mark="R",
    data="statistics/anscombe.csv.gz",
)
def anscombe():
    from peira.linear import LinearRegression
    from peira.measures.correlation import correlation_matrix
    from peira.measures.distance_correlation import distance_correlation

    table = data("statistics/anscombe.csv.gz")
    names = [f"{axis}{k}" for axis in "xy" for k in range(1, 5)]
    found = correlation_matrix(table.matrix(names), names=names)
    ranks = correlation_matrix(table.matrix(names), "spearman", names=names)
    for k, r in ((1, 0.81642), (2, 0.81624), (3, 0.81629)):
        yield check(f"r of picture {k}", found[f"x{k}", f"y{k}"].coefficient, r, tolerance=0.000005)
    line = LinearRegression().fit(table.matrix(["x1"]), table["y1"])
    yield check("slope", line.coef_[0], 0.5001, tolerance=0.00005)
    yield check("intercept", line.intercept_, 3.0001, tolerance=0.00005)
    rho = [ranks[f"x{k}", f"y{k}"].coefficient for k in range(1, 5)]
    yield check("spread of the four rank correlations", float(np.ptp(rho)), at_least=0.2)
    bent = distance_correlation(table["x2"], table["y2"], n_permutations=999)
    yield check("picture 2: independence, by permutation of distances", bent.p_value, at_most=0.01)


@reproduction(
    "4.01",
    claim="Pearson's r with its interval and test, Spearman's and Kendall's are SciPy's",
    source="SciPy (pearsonr, spearmanr, kendalltau)",
    protocol="100 pairs of columns of 5 to 60 rows, half of them with ties; the greatest differences",
    mark="C",
)
def scipy_agrees():
    from scipy import stats

    from peira.measures.correlation import correlation

    rng = np.random.default_rng(0)
    theirs = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    worst = dict.fromkeys([*theirs, "interval"], 0.0)
    for trial in range(100):
        n = int(rng.integers(5, 61))
        x = rng.normal(size=n)
        y = x + rng.normal(size=n)
        if trial % 2:
            x, y = np.round(x, 0), np.round(y, 0)
        for kind, function in theirs.items():
            ours, other = correlation(x, y, kind), function(x, y)
            gaps = abs(ours.coefficient - other.statistic), abs(ours.p_value - other.pvalue)
            worst[kind] = max(worst[kind], *gaps)
            if kind == "pearson":
                interval = other.confidence_interval(0.95)
                worst["interval"] = max(worst["interval"], abs(ours.low - interval.low), abs(ours.high - interval.high))
    for name, gap in worst.items():
        yield check(f"greatest difference: {name}", gap, 0.0, tolerance=1e-10)


@reproduction(
    "4.01",
    claim="partial correlations are those of residuals and of the inverse covariance; distance correlation is its "
    "definition on all pairs, and its test holds its level",
    source="Fisher (1924); Szekely, Rizzo & Bakirov (2007), definitions 4 and 5",
    protocol="a table of 60 rows and 5 dependent columns; 200 pairs of columns of 60 rows, 300 independent ones of 50",
    mark="C",
)
def partial_and_distance():
    from scipy.spatial.distance import cdist

    from peira.measures.distance_correlation import distance_correlation
    from peira.measures.partial_correlation import partial_correlation, partial_correlation_matrix

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
    P = np.linalg.inv(np.cov(X.T))
    expected = -P / np.sqrt(np.outer(P.diagonal(), P.diagonal()))
    np.fill_diagonal(expected, 1.0)
    yield check("partial, all pairs", partial_correlation_matrix(X).coefficient, expected, tolerance=1e-12)
    Z = np.column_stack([np.ones(60), X[:, 2:]])
    left = X[:, :2] - Z @ np.linalg.lstsq(Z, X[:, :2], rcond=None)[0]
    one = partial_correlation(X[:, 0], X[:, 1], X[:, 2:]).coefficient
    yield check("partial, by residuals", one, np.corrcoef(left.T)[0, 1], tolerance=1e-12)

    worst = 0.0
    for trial in range(200):
        x = rng.normal(size=60)
        y = (x**2 if trial % 2 else x) + rng.normal(size=60)
        A, B = (centred(cdist(v[:, None], v[:, None])) for v in (x, y))
        definition = np.sqrt((A * B).sum() / np.sqrt((A * A).sum() * (B * B).sum()))
        worst = max(worst, abs(definition - distance_correlation(x, y, n_permutations=0).coefficient))
    yield check("distance correlation: greatest difference from all pairs", worst, 0.0, tolerance=1e-12)
    p = [distance_correlation(*rng.normal(size=(2, 50)), n_permutations=99, random_state=k).p_value for k in range(300)]
    level = float(np.mean(np.array(p) <= 0.05))
    yield check("independent pairs that are called dependent at 0.05", level, 0.05, tolerance=4 * (0.0475 / 300) ** 0.5)


def centred(a):
    return a - a.mean(0) - a.mean(1)[:, None] + a.mean()
