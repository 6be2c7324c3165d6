"""Correlations: against SciPy, Anscombe's quartet, published intervals, and by simulation."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from peira.core.errors import DataError, ParameterError
from peira.measures import correlation, correlation_matrix

THEIRS = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize("n", [2, 3, 10, 60])
@pytest.mark.parametrize("ties", [False, True])
def test_scipy_agrees(kind, n, ties, seed):
    rng = np.random.default_rng([seed, n])
    x = rng.normal(size=n)
    y = x + rng.normal(size=n)
    if ties:
        x, y = np.round(x) + 3 * (np.arange(n) == 0), np.round(y) + 3 * (np.arange(n) == 1)
    found = correlation(x, y, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = THEIRS[kind](x, y)
    assert found.coefficient == pytest.approx(theirs.statistic, rel=1e-12) and found.n == n
    if n > 2:
        assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    else:
        assert np.isnan(found.p_value)
    if kind == "pearson" and n > 3:
        for level in (0.5, 0.95):
            interval = stats.pearsonr(x, y).confidence_interval(level)
            ours = correlation(x, y, level=level)
            np.testing.assert_allclose([ours.low, ours.high], interval, rtol=1e-12)
    assert np.isnan(found.low) == (n <= (4 if kind == "kendall" else 3))


def test_spearmans_interval_as_published():
    """The example of ci.spear in the R package statpsych, whose formula is Bonett and Wright's."""
    y = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    x = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    found = correlation(x, y, "spearman")
    assert found.coefficient == pytest.approx(0.8699639, abs=5e-8)
    assert (found.low, found.high) == pytest.approx((0.5840951, 0.9638297), abs=5e-8)


@pytest.mark.parametrize("kind", THEIRS)
def test_intervals_cover(kind, seed):
    rng, rho, runs = np.random.default_rng(seed), 0.6, 200
    truth = {"pearson": rho, "spearman": 6 / np.pi * np.arcsin(rho / 2), "kendall": 2 / np.pi * np.arcsin(rho)}[kind]
    covered = 0
    for _ in range(runs):
        x, e = rng.normal(size=(2, 40))
        found = correlation(x, rho * x + np.sqrt(1 - rho**2) * e, kind, level=0.9)
        covered += found.low <= truth <= found.high
    assert covered / runs >= 0.88 - 4 * np.sqrt(0.09 / runs)


def test_scale_and_place_do_not_matter(seed):
    x, e = np.random.default_rng(seed).normal(size=(2, 30))
    r = correlation(x, x + e).coefficient
    for a, b in ((1e200, 0.0), (1e-200, 0.0), (1.0, 1e6)):
        assert correlation(a * x + b, x + e).coefficient == pytest.approx(r, rel=1e-8)
    assert correlation(x, -3 * x).coefficient == -1 and correlation(x, -3 * x).p_value < 1e-100
    assert correlation(x, x).high == 1.0


def test_what_is_not_defined():
    for x, y in (([], []), ([1.0], [2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])):
        found = correlation(x, y)
        assert np.isnan([found.coefficient, found.low, found.high, found.p_value]).all() and found.n == len(x)


@pytest.mark.parametrize("kind", THEIRS)
def test_a_matrix_with_missing_values(kind, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))
    X[rng.random((40, 3)) < 0.2] = np.nan
    found = correlation_matrix(X, kind, names=["a", "b", "c"])
    expected = pd.DataFrame(X).corr(kind).to_numpy()
    np.testing.assert_allclose(found.coefficient, expected, rtol=1e-10)
    np.testing.assert_array_equal(found.coefficient, found.coefficient.T)
    pair = found["a", "c"]
    both = ~np.isnan(X[:, [0, 2]]).any(1)
    assert pair == correlation(X[both, 0], X[both, 2], kind) and pair.n == both.sum()
    assert repr(found).splitlines()[1].startswith("a   1.000")


def test_frames():
    table = {"dose": [1.0, 2.0, 3.0, 4.0], "effect": [1.0, 3.0, 2.0, None]}
    for frame in (pd.DataFrame(table), pl.DataFrame(table)):
        found = correlation_matrix(frame)
        assert found.names == ["dose", "effect"] and found["effect", "dose"].n == 3
        assert found["dose", "effect"].coefficient == pytest.approx(0.5)
    with pytest.raises(DataError, match="no column 'does'; did you mean 'dose'"):
        found["does", "effect"]


def test_refusals():
    with pytest.raises(DataError, match="must agree"):
        correlation([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="x must be numbers"):
        correlation(["a", "b"], [1.0, 2.0])
    with pytest.raises(DataError, match="infinite values"):
        correlation([1.0, 2.0], [np.inf, 2.0])
    with pytest.raises(DataError, match="shape"):
        correlation_matrix([1.0, 2.0])
    with pytest.raises(DataError, match="2 columns, but there are 1 names"):
        correlation_matrix([[1.0, 2.0]], names=["a"])
    with pytest.raises(ParameterError, match="kind"):
        correlation([1.0, 2.0], [1.0, 2.0], "spear")
    with pytest.raises(ParameterError, match="level"):
        correlation([1.0, 2.0], [1.0, 2.0], level=95)
