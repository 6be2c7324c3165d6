"""Confidence intervals: the jackknife by brute force, SciPy's bootstrap, and coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from peira.core.predictive import Normal
from peira.measures import get_measure
from peira.measures.bootstrap import _left_out, wilson


@pytest.mark.parametrize("name", ["rmse", "mse", "mae", "r2", "explained_variance", "mape"])
@pytest.mark.parametrize("n", [3, 4, 20])
def test_leaving_out_in_one_pass_is_leaving_out_one_by_one(name, n, seed):
    rng = np.random.default_rng([seed, n])
    m, (y, f), w = get_measure(name), rng.normal(5, 1, (2, n, 2)), rng.random(n) + 0.1
    items = m.items(y, f, w)
    brute = [m.value(np.delete(y, i, 0), np.delete(f, i, 0), np.delete(w, i)) for i in range(n)]
    np.testing.assert_allclose(_left_out(m.combine, items, w), brute, rtol=1e-9)


@pytest.mark.parametrize("name", ["rmse", "mse", "r2"])
def test_scipys_bootstrap_agrees(name, seed):
    rng = np.random.default_rng(seed)
    m, y = get_measure(name), rng.normal(size=60)
    f = y + rng.normal(size=60) ** 2 / 2
    ours = m.interval(y, f, 0.9, seed)
    theirs = stats.bootstrap(
        (y, f), m.value, paired=True, vectorized=False, n_resamples=1500, confidence_level=0.9, method="BCa", rng=rng
    ).confidence_interval
    # both ends are Monte Carlo quantiles: compare on the scale of the interval's width
    np.testing.assert_allclose(ours, theirs, atol=0.12 * (theirs.high - theirs.low))


@pytest.mark.parametrize(("name", "truth"), [("mse", 1.0), ("rmse", 1.0), ("r2", 0.5), ("median_ae", 0.67448975)])
def test_intervals_cover(name, truth, seed):
    """Normal targets and errors of variance one each: the true values are known."""
    rng, m, runs = np.random.default_rng(seed), get_measure(name), 120
    covered = 0
    for run in range(runs):
        f, e = rng.normal(size=(2, 80))
        low, high = m.interval(f + e, f, 0.9, run)
        covered += low <= truth <= high
    # 0.9 less what so few rows cost (up to 0.03 for the bootstrap), within four standard errors
    assert covered / runs >= 0.87 - 4 * np.sqrt(0.9 * 0.1 / runs)
    assert covered / runs <= 0.9 + 4 * np.sqrt(0.9 * 0.1 / runs)


def test_many_rows_take_the_normal_interval_without_a_break(seed):
    rng = np.random.default_rng(seed)
    y, e = rng.normal(size=(2, 2_001))
    for name in ("rmse", "r2", "mae"):
        below, above = (get_measure(name).interval(y[:n], (y + e)[:n]) for n in (2_000, 2_001))
        np.testing.assert_allclose(below, above, atol=0.15 * (above[1] - above[0]))
    half = 1.959964 * (e**2).std() / np.sqrt(2_001)
    low, high = get_measure("mse").interval(y, y + e)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3)


def test_edges():
    for name in ("rmse", "mae", "median_ae", "r2"):
        m = get_measure(name)
        exact = m.value([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
        assert m.interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == (exact, exact)
        low, high = m.interval([1.0, 2.0], [1.5, 3.0])
        assert low <= high and np.isfinite([low, high]).all()
        assert m.interval([1.0, 2.0, 5.0], [1.5, 3.0, 4.0], seed=3) == m.interval(
            [1.0, 2.0, 5.0], [1.5, 3.0, 4.0], seed=3
        )
    infinite = Normal([0.0, 0.0], 0.0)
    assert get_measure("nll").value([0.0, 1.0], infinite) == np.inf
    assert np.isnan(get_measure("nll").interval([0.0, 1.0], infinite)).all()


def test_intervals_stay_in_range_and_hold_the_value(seed):
    rng = np.random.default_rng(seed)
    y, f = rng.normal(size=(2, 30))
    for name in ("rmse", "r2", "mae", "mape", "median_ae"):
        m = get_measure(name)
        low, high = m.interval(y, f, sample_weight=rng.random(30))
        assert m.range[0] <= low <= high <= m.range[1]


class TestWilson:
    def test_against_scipy(self):
        for k, n in ((0, 10), (3, 10), (10, 10), (1, 1)):
            theirs = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
            np.testing.assert_allclose(wilson(np.arange(n) < k, np.ones(n), 0.9), theirs, atol=1e-12)

    def test_equal_weights_of_any_size_change_nothing(self):
        shares = np.array([0.0, 1.0, 1.0, 1.0])
        np.testing.assert_allclose(wilson(shares, np.full(4, 9.0), 0.9), wilson(shares, np.ones(4), 0.9), rtol=1e-14)

    def test_independent_outputs_count_as_more_items(self):
        one, two = np.tile([0.0, 1.0], 50), np.tile([0.0, 0.5, 0.5, 1.0], 25)
        assert np.ptp(wilson(two, np.ones(100), 0.9)) == pytest.approx(
            np.ptp(wilson(np.tile(one, 2), np.ones(200), 0.9)), rel=1e-12
        )
