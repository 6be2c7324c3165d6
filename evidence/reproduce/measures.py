"""Rows 18.03 to 18.06: what is measured of labels, of probabilities, of numbers, and of their relation."""

import warnings

import numpy as np

from evidence import check, data, reproduction

NIST = "nist/strd_linear.json"

# Protein S100b in the blood after a haemorrhage of the brain, micrograms per 100 litres: 72 patients with a good
# outcome and 41 with a poor one (Turck et al. 2010; the table aSAH of the R package pROC).
GOOD = (
    "4 4 4 4 4 5 5 5 6 6 7 7 7 7 7 7 8 8 8 8 8 8 9 9 9 9 9 9 10 10 10 10 10 10 10 11 11 11 11 13 13 13 14 14 "
    "14 14 15 15 15 15 16 16 16 17 17 18 19 19 24 28 32 33 34 38 43 45 46 47 47 48 50 50 "
)
POOR = (
    "3 7 7 7 8 9 9 10 10 11 12 13 13 14 16 22 23 25 26 27 30 32 33 35 41 44 44 48 49 52 56 58 70 71 71 74 77 "
    "82 86 96 207 "
)


@reproduction(
    "18.03",
    claim="every measure of a table of 40 true and 10 false positives, 5 false and 45 true negatives is what its "
    "definition gives by hand",
    source="definitions; Cohen (1960), Matthews (1975)",
    protocol="the table as 100 pairs of labels; values written as fractions",
    mark="C",
)
def table_by_hand():
    from peira.measures import confusion_matrix, get_measure

    tp, fp, fn, tn = 40, 10, 5, 45
    y, f = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn]), np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])
    yield check("the table", confusion_matrix(y, f), [[tn, fp], [fn, tp]])
    by_hand = {
        "accuracy": 85 / 100,
        "precision": 40 / 50,
        "recall": 40 / 45,
        "specificity": 45 / 55,
        "f1": 80 / 95,
        "jaccard": 40 / 55,
        "balanced_accuracy": (40 / 45 + 45 / 55) / 2,
        "matthews": (40 * 45 - 10 * 5) / np.sqrt(50.0 * 45 * 55 * 50),
        "kappa": (0.85 - 0.5) / (1 - 0.5),  # chance: .45 x .5 + .55 x .5
    }
    for name, value in by_hand.items():
        yield check(name, get_measure(name, "classification").value(y, f), value, tolerance=1e-14)


@reproduction(
    "18.03",
    claim="all averages and answers to division by zero are scikit-learn's, to rounding",
    source="scikit-learn's functions",
    protocol="200 random sets of 1 to 30 labels of up to five classes, of which some are never observed or never "
    "predicted; the greatest difference",
    mark="C",
)
def averages_and_zero_division():
    from sklearn import metrics

    from peira import measures

    rng, worst = (
        np.random.default_rng(0),
        dict.fromkeys(("precision", "recall", "f1", "matthews", "balanced", "kappa"), 0.0),
    )

    def compared(name, ours, theirs):
        both = np.nan_to_num(np.array([ours, theirs], dtype=float), nan=-7.0)  # NaN must meet NaN
        worst[name] = max(worst[name], float(np.abs(both[0] - both[1]).max()))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(200):
            n, K = rng.integers(1, 31), rng.integers(1, 6)
            y, f = (rng.choice(rng.choice(K, rng.integers(1, K + 1), replace=False), n) for _ in range(2))
            w = rng.integers(1, 5, n)
            for average in ("micro", "macro", "weighted", None):
                for zero_division in (0.0, 1.0, np.nan):
                    kwargs = {"average": average, "zero_division": zero_division, "sample_weight": w}
                    for name in ("precision", "recall", "f1"):
                        ours, theirs = (getattr(m, f"{name}_score")(y, f, **kwargs) for m in (measures, metrics))
                        compared(name, ours, theirs)
            compared("matthews", measures.matthews_corrcoef(y, f), metrics.matthews_corrcoef(y, f))
            compared("balanced", measures.balanced_accuracy_score(y, f), metrics.balanced_accuracy_score(y, f))
            for weighting in (None, "linear", "quadratic"):
                ours, theirs = (m.cohen_kappa_score(y, f, weights=weighting) for m in (measures, metrics))
                compared("kappa", ours, theirs)
    for name, difference in worst.items():
        yield check(f"{name}: greatest difference", difference, 0.0, tolerance=1e-12)


@reproduction(
    "18.04",
    claim="the area under the ROC curve of a blood test with many ties is 0.7314, by DeLong's method between 0.6301 "
    "and 0.8326",
    source="pROC (Robin et al. 2011), table aSAH, ci(roc(outcome, s100b)): 0.7314, 95% CI 0.6301-0.8326 (DeLong)",
    protocol="113 patients, 72 with a good and 41 with a poor outcome; the values in hundredths, which keep every tie",
    mark="V",
)
def delong():
    from scipy import stats

    from peira.core.predictive import Categorical
    from peira.measures import get_measure, roc_auc_score, roc_curve

    good, poor = (np.array(values.split(), dtype=float) for values in (GOOD, POOR))
    y, s = np.repeat([0, 1], [len(good), len(poor)]), np.concatenate([good, poor])
    area = roc_auc_score(y, s)
    yield check("area", area, 0.7314, tolerance=0.00005)
    dist = Categorical(np.column_stack([1 - s / 1000, s / 1000]))
    measure = get_measure("roc_auc")
    yield check("DeLong's interval", measure.interval(y, dist), [0.6301, 0.8326], tolerance=0.00005)
    U = stats.mannwhitneyu(poor, good).statistic
    yield check("Mann and Whitney's U over all pairs", U / (72 * 41), area, tolerance=1e-14)
    fpr, tpr, _ = roc_curve(y, s)
    yield check("trapezoids under the curve", np.trapezoid(tpr, fpr), area, tolerance=1e-14)
    rng = np.random.default_rng(0)
    draws = [np.r_[rng.integers(72, size=72), 72 + rng.integers(41, size=41)] for _ in range(2000)]
    spread = np.std([roc_auc_score(y[d], s[d]) for d in draws])
    low, high = measure.interval(y, dist)
    yield check(
        "width over that of a bootstrap by strata", (high - low) / (2 * 1.959964 * spread), at_least=0.93, at_most=1.07
    )


@reproduction(
    "18.04",
    claim="Brier's score is reliability - resolution + uncertainty, for two and for four classes",
    source="Murphy (1973); identity",
    protocol="1,000 items with one of six forecasts each; the forecasts are wrong on purpose",
    mark="C",
)
def murphy():
    from peira.measures import brier_decomposition, brier_score_loss

    rng = np.random.default_rng(0)
    for C in (2, 4):
        truth = rng.dirichlet(np.ones(C), 6)[rng.integers(0, 6, 1000)]
        y = (rng.random((1000, 1)) > truth.cumsum(1)).sum(1)
        said = np.round(truth * 0.7, 12) + 0.3 / C
        parts = brier_decomposition(y, said)
        total = parts.reliability - parts.resolution + parts.uncertainty
        yield check(f"{C} classes: sum of the parts", total, brier_score_loss(y, said), tolerance=1e-14)
        yield check(f"{C} classes: groups", parts.groups, 6)
        shares = np.bincount(y, minlength=C) / 1000
        unit = 0.5 if C == 2 else 1.0
        yield check(f"{C} classes: uncertainty", parts.uncertainty, unit * (1 - (shares**2).sum()), tolerance=1e-14)


@reproduction(
    "18.04",
    claim="what is said with probability p comes true with frequency p: no calibration error; said twice as far from "
    "one half: the error that follows from it; log loss and entropy agree",
    source="identities",
    protocol="200,000 items with uniform p; tolerances of four standard errors",
    mark="C",
)
def calibration():
    from peira.measures import average_precision_score, expected_calibration_error, log_loss

    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    y = (rng.random(200_000) < p).astype(int)
    yield check("calibration error of a true forecast", expected_calibration_error(y, p), at_least=0, at_most=0.005)
    bold = np.clip(2 * p - 0.5, 0, 1)
    # |p - (2p - 1/2)| = |p - 1/2| inside, and p or 1 - p where it is cut off: 1/16 + 2 (1/32)
    yield check("of one that is too bold", expected_calibration_error(y, bold), 1 / 8, tolerance=0.005)
    # the mean entropy of a coin with uniform p is one half nat
    yield check("log loss", log_loss(y, p), 0.5, tolerance=4 * 0.5 / np.sqrt(200_000))
    # precision above the threshold t is (1 + t)/2 and recall 1 - t^2: the area is 5/6
    yield check("average precision", average_precision_score(y, p), 5 / 6, tolerance=0.005)


@reproduction(
    "18.05",
    claim="root mean squared error, times sqrt(N / (N - P)), is NIST's residual standard deviation; R2 is one less the "
    "share of the squares, and r squared",
    source="NIST Statistical Reference Datasets, linear regression: certified residual standard deviations; identities",
    protocol="least-squares fits of six sets; measures of the fitted values",
    mark="V",
    data=NIST,
)
def nist_errors():
    from peira.core.predictive import Normal
    from peira.linear.least_squares import LinearRegression
    from peira.measures import get_measure

    for name in ("Norris", "Pontius", "NoInt1", "NoInt2", "Longley", "Wampler3"):
        table = data(NIST)["sets"][name]
        x, y = np.array(table["x"], dtype=float), np.array(table["y"])
        X = x if x.ndim == 2 else x[:, None] ** np.arange(1, table["degree"] + 1)
        f = LinearRegression(fit_intercept=table["intercept"]).fit(X, y).predict(X)
        N, P = len(y), len(table["coefficients"])
        rmse, mse, r2 = (get_measure(m).value(y, f) for m in ("rmse", "mse", "r2"))
        yield check(f"{name}: residual deviation", rmse * np.sqrt(N / (N - P)), table["residual_sd"], digits=7)
        yield check(f"{name}: squared", mse, rmse**2, relative=1e-14)
        yield check(f"{name}: R2", r2, 1 - ((y - f) ** 2).sum() / ((y - y.mean()) ** 2).sum(), tolerance=1e-12)
        if table["intercept"]:
            yield check(f"{name}: r squared", r2, np.corrcoef(y, f)[0, 1] ** 2, tolerance=1e-9)
        nll = get_measure("nll").value(y, Normal(f, rmse))
        yield check(f"{name}: NLL at the best variance", nll, np.log(2 * np.pi * np.e * mse) / 2, relative=1e-12)


@reproduction(
    "18.06",
    claim="Anscombe's four pictures have the same correlation, 0.816, and the same line",
    source="Anscombe (1973); r .81642, .81624, .81629, slope .5001, intercept 3.0001: recalled (curriculum row 4.01)",
    protocol="eleven points each",
    mark="R",
    data="statistics/anscombe.csv.gz",
)
def anscombe():
    from peira.linear.least_squares import LinearRegression
    from peira.measures import correlation_matrix

    table = data("statistics/anscombe.csv.gz")
    names = [f"{axis}{k}" for axis in "xy" for k in range(1, 5)]
    found = correlation_matrix(table.matrix(names), names=names)
    for k, r in ((1, 0.81642), (2, 0.81624), (3, 0.81629)):
        yield check(f"r of picture {k}", found[f"x{k}", f"y{k}"].coefficient, r, tolerance=0.000005)
    line = LinearRegression().fit(table.matrix(["x1"]), table["y1"])
    yield check("slope", line.coef_[0], 0.5001, tolerance=0.00005)
    yield check("intercept", line.intercept_, 3.0001, tolerance=0.00005)


@reproduction(
    "18.06",
    claim="Pearson, Spearman and Kendall with their p-values are SciPy's; Spearman's interval is that of statpsych",
    source="SciPy; R package statpsych, ci.spear (Bonett and Wright 2000): 0.8699639, 0.5840951 to 0.9638297",
    protocol="50 pairs of columns of 5 to 40 rows with ties; the greatest difference. The printed example of ci.spear",
    mark="V",
)
def correlations():
    from scipy import stats

    from peira.measures import correlation

    rng = np.random.default_rng(0)
    worst = {}
    for _ in range(50):
        n = rng.integers(5, 41)
        x = np.round(rng.normal(size=n), 1)
        y = np.round(x + rng.normal(size=n), 1)
        for kind, theirs in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
            ours, found = correlation(x, y, kind), theirs(x, y)
            gap = max(abs(ours.coefficient - found.statistic), abs(ours.p_value - found.pvalue))
            worst[kind] = max(worst.get(kind, 0.0), float(gap))
    for kind, difference in worst.items():
        yield check(f"{kind}: greatest difference", difference, 0.0, tolerance=1e-12)
    y = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    x = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    found = correlation(x, y, "spearman")
    printed = [0.8699639, 0.5840951, 0.9638297]
    yield check("Spearman's rho and interval", [found.coefficient, found.low, found.high], printed, tolerance=5.1e-8)
