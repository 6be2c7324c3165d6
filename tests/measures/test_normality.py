"""Tests of assumptions: R's numbers, other formulas, invariance, and their size under the hypothesis."""

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_iris

from peira.measures.normality import box_m, henze_zirkler, mardia


def test_mardia_on_iris_is_that_of_the_package_mvn():
    """Printed by R's MVN (Ray, Multivariate Probability Distributions in R): mvn(iris[, 1:4], mvnTest = "mardia")."""
    X = load_iris().data
    skewness, kurtosis = mardia(X)
    np.testing.assert_allclose(
        [skewness.statistic, skewness.p_value, kurtosis.statistic, kurtosis.p_value],
        [67.4305087780629, 4.75799820400705e-07, -0.230112114480775, 0.818004651478188],
        rtol=1e-10,
    )
    skewness, kurtosis = mardia(X[:50])
    np.testing.assert_allclose(
        [skewness.statistic, skewness.p_value, kurtosis.statistic, kurtosis.p_value],
        [25.6643445196298, 0.177185884467652, 1.29499223711605, 0.195322907441935],
        rtol=1e-10,
    )
    assert "do not contradict a normal distribution" in skewness.words()


@pytest.mark.parametrize(("N", "D"), [(3, 2), (4, 3), (12, 3), (19, 1), (60, 2), (60, 9)])
def test_mardia_from_the_definition(seed, N, D):
    X = np.random.default_rng(seed).exponential(size=(N, D))
    Z = X - X.mean(0)
    G = Z @ np.linalg.inv(Z.T @ Z / N) @ Z.T
    skewness, kurtosis = mardia(X)
    np.testing.assert_allclose(skewness.value, (G**3).mean(), rtol=1e-8)
    np.testing.assert_allclose(kurtosis.value, (np.diag(G) ** 2).mean(), rtol=1e-10)
    if D == 1:
        np.testing.assert_allclose(skewness.value, stats.skew(X[:, 0]) ** 2, rtol=1e-9)
        np.testing.assert_allclose(kurtosis.value, stats.kurtosis(X[:, 0], fisher=False), rtol=1e-9)


@pytest.mark.parametrize(("N", "D"), [(4, 1), (8, 2), (30, 3)])
def test_henze_and_zirkler_from_the_integral(seed, N, D):
    """N times the squared distance of characteristic functions, weighted by a normal density: drawn, not summed."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) ** 2
    Z = X - X.mean(0)
    Z = Z @ np.linalg.inv(np.linalg.cholesky(Z.T @ Z / N)).T
    beta = ((2 * D + 1) * N / 4) ** (1 / (D + 4)) / np.sqrt(2)
    t = beta * rng.normal(size=(200_000, D))
    distance = np.abs(np.exp(1j * t @ Z.T).mean(1) - np.exp(-(t**2).sum(1) / 2)) ** 2
    error = N * distance.std() / np.sqrt(len(t))
    assert abs(henze_zirkler(X).statistic - N * distance.mean()) < 5 * error


def test_henze_and_zirkler_on_iris_is_that_of_the_package_mvn():
    """Printed by R's MVN: 0.286 and 0.915 for sepals of setosa; 2.3 and 0 for all of iris."""
    X = load_iris().data
    test = henze_zirkler(X[:50, :2])
    assert round(test.statistic, 3) == 0.286 and round(test.p_value, 3) == 0.915
    test = henze_zirkler(X)
    assert round(test.statistic, 1) == 2.3 and round(test.p_value, 10) == 0


@pytest.mark.parametrize("sizes", [(50, 50, 50), (5, 9, 30), (6, 6)])
def test_box_m_is_that_of_statsmodels(seed, sizes):
    box = pytest.importorskip("statsmodels.stats.multivariate", reason="statsmodels: make races").test_cov_oneway
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(y), 3)) * rng.uniform(0.5, 2, (len(sizes), 3))[y]
    chi2, f = box_m(X, y)
    other = box([np.cov(X[y == c].T) for c in range(len(sizes))], list(sizes))
    np.testing.assert_allclose(
        [chi2.value, chi2.statistic, chi2.df, chi2.p_value], [other.statistic_base, other.statistic_chi2, other.df_chi2,
        other.pvalue_chi2], rtol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        [f.statistic, *f.df, f.p_value], [other.statistic_f, *other.df_f, other.pvalue_f], rtol=1e-9
    )


def test_box_m_on_iris_is_that_of_the_package_rstatix():
    """Printed by R: box_m(iris[, -5], iris[, 5]) gives 141, 3.35e-20 on 20 degrees of freedom."""
    chi2, _ = box_m(*load_iris(return_X_y=True))
    assert round(chi2.statistic) == 141 and f"{chi2.p_value:.2e}" == "3.35e-20" and chi2.df == 20
    assert "contradict equal covariances" in chi2.words()


def test_affine_maps_change_nothing(seed):
    rng = np.random.default_rng(seed)
    X, y = load_iris(return_X_y=True)
    units = np.array([1e-6, 1.0, 1e3, 1e6])
    moved = (X @ rng.normal(size=(4, 4)) + 10 * rng.normal(size=4)) * units
    before, after = ((*mardia(Z), henze_zirkler(Z), *box_m(Z, y)) for Z in (X, moved))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a.statistic, b.statistic, rtol=1e-6)


def test_p_values_are_uniform_when_the_assumptions_hold(seed):
    rng = np.random.default_rng(seed)
    p = []
    for _ in range(200):
        X, y = rng.normal(size=(60, 2)) @ [[1.0, 0.5], [0.0, 2.0]], np.arange(60) % 3
        p.append([t.p_value for t in (mardia(X)[0], henze_zirkler(X), *box_m(X, y))])
    rejected = (np.array(p) < 0.05).mean(0)
    assert (rejected < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)).all(), rejected


def test_what_has_no_answer_is_explained():
    X = np.arange(12.0).reshape(6, 2)
    for call, words in (
        (lambda: mardia(X[:2]), "2 rows in 2 columns; more rows than columns"),
        (lambda: mardia(X), "column 1 depends on those before it"),
        (lambda: henze_zirkler(np.column_stack([X[:, 0] ** 2, np.ones(6)])), "column 1 is constant"),
        (lambda: box_m(X, [0] * 6), "at least 2"),
        (lambda: box_m(X**2, [0, 0, 0, 0, 1, 1]), "class 1 has 2 rows"),
        (lambda: box_m(X, [0, 1]), "one label for each of the 6 rows"),
        (lambda: mardia([[1.0], [np.nan], [2.0]]), "row 1 holds"),
        (lambda: mardia(np.zeros((0, 2))), "table of shape"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
