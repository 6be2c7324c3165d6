"""Two methods over folds: the published formulas, their edges, and false alarms by simulation."""

import json
from dataclasses import FrozenInstanceError
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from peira.measures import compare_folds, correlated_t_test, holm, mean_interval


@pytest.mark.parametrize("folds", [2, 3, 10, 100])
def test_formulas(folds, seed):
    """Nadeau and Bengio's statistic, and the posterior as Corani and Benavoli write it, with rho = 1 / k."""
    d = np.random.default_rng([seed, folds]).normal(0.02, 0.03, folds)
    k, rope = 10, 0.01
    c = correlated_t_test(d, n_train=900, n_test=100, rope=rope, level=0.9)
    tau = np.sqrt((1 / folds + 1 / (k - 1)) * d.var(ddof=1))
    assert c.p_value == pytest.approx(2 * stats.t.sf(abs(d.mean()) / tau, folds - 1), rel=1e-10)
    rho = 1 / k
    posterior = stats.t(folds - 1, d.mean(), np.sqrt((1 / folds + rho / (1 - rho)) * d.var(ddof=1)))
    assert c.worse == pytest.approx(posterior.cdf(-rope), rel=1e-10)
    assert c.better == pytest.approx(posterior.sf(rope), rel=1e-10)
    assert c.equivalent == pytest.approx(posterior.cdf(rope) - posterior.cdf(-rope), rel=1e-9)
    np.testing.assert_allclose(c.interval, posterior.interval(0.9), rtol=1e-10)
    assert (c.mean, c.folds, c.rope, c.level) == (pytest.approx(d.mean()), folds, rope, 0.9)
    assert c.clear == (c.interval[0] > 0 or c.interval[1] < 0)


def test_without_a_region_the_p_value_is_twice_the_smaller_probability(seed):
    c = correlated_t_test(np.random.default_rng(seed).normal(size=5), 80, 20)
    assert c.equivalent == 0 or c.equivalent < 1e-15
    assert c.p_value == pytest.approx(2 * min(c.better, c.worse), rel=1e-12)


def test_the_level_and_the_p_value_agree(seed):
    d = np.random.default_rng(seed).normal(0.5, 1, size=6)
    c = correlated_t_test(d, 80, 20)
    at = correlated_t_test(d, 80, 20, level=1 - c.p_value)
    assert min(abs(at.interval[0]), abs(at.interval[1])) < 1e-9


def test_turning_the_sign_swaps_the_sides(seed):
    d = np.random.default_rng(seed).normal(0.1, 1, size=4)
    a, b = correlated_t_test(d, 3, 1, 0.2), correlated_t_test(-d, 3, 1, 0.2)
    assert (a.better, a.worse, a.equivalent, a.p_value) == pytest.approx((b.worse, b.better, b.equivalent, b.p_value))


def test_equal_differences():
    same = correlated_t_test([0.0] * 5, 80, 20)
    assert (same.better, same.equivalent, same.worse, same.p_value, same.clear) == (0, 1, 0, 1, False)
    assert same.interval == [0, 0]
    always = correlated_t_test([0.1] * 3, 80, 20, rope=0.01)
    assert (always.better, always.equivalent, always.p_value, always.clear, always.mean) == (1, 0, 0, True, 0.1)
    assert correlated_t_test([-0.1] * 3, 80, 20, rope=0.2).equivalent == 1
    assert correlated_t_test([-0.1] * 3, 80, 20).worse == 1


def test_no_false_alarms_where_folds_share_rows(seed):
    """Estimating a mean by repeated hold-out: the plain t-test rejects a true hypothesis far too often."""
    rng, runs, plain, corrected = np.random.default_rng(seed), 400, 0, 0
    for _ in range(runs):
        z = rng.normal(size=60)  # per-row differences of two methods' losses; the true mean is 0
        d = np.array([z[rng.permutation(60)[:12]].mean() for _ in range(20)])
        plain += stats.ttest_1samp(d, 0).pvalue < 0.05
        corrected += correlated_t_test(d, 48, 12).p_value < 0.05
    assert plain / runs > 0.2
    assert corrected / runs < 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_plain_record():
    record = compare_folds([0.1, 0.2, 0.15], 2, 1, 0.01)
    assert json.loads(json.dumps(record)) == record
    assert {"mean", "interval", "better", "equivalent", "worse", "clear"} <= set(record)
    assert isinstance(record["clear"], bool)
    with pytest.raises(FrozenInstanceError):
        correlated_t_test([0.1, 0.2], 2, 1).mean = 0


def test_refusals():
    with pytest.raises(ValueError, match="nan in fold 1"):
        correlated_t_test([0.1, np.nan, 0.2], 2, 1)
    for few in ([], [0.1], [[0.1, 0.2]]):
        with pytest.raises(ValueError, match="at least 2 folds"):
            correlated_t_test(few, 2, 1)
    with pytest.raises(ValueError, match="rope"):
        correlated_t_test([0.1, 0.2], 2, 1, rope=-1)
    with pytest.raises(ValueError, match="n_train and n_test"):
        correlated_t_test([0.1, 0.2], 0, 1)
    with pytest.raises(ValueError, match="inf in fold 0"):
        mean_interval([np.inf, 1.0], 2, 1)


def test_mean_interval():
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(
        mean_interval(x, 2, 1, 0.8), stats.t(2, x.mean(), np.sqrt((1 / 3 + 1 / 2) * x.var(ddof=1))).interval(0.8)
    )


class TestHolm:
    @given(st.lists(st.floats(0, 1), max_size=6))
    def test_is_the_closure_of_bonferroni(self, p):
        """Reject i where Bonferroni rejects every intersection that holds i: all subsets, one by one."""
        m = len(p)
        closed = [
            max(
                min(1, len(s) * min(p[j] for j in s))
                for size in range(1, m + 1)
                for s in combinations(range(m), size)
                if i in s
            )
            for i in range(m)
        ]
        np.testing.assert_allclose(holm(p), closed, rtol=1e-15)

    def test_refusals(self):
        with pytest.raises(ValueError, match="between 0 and 1"):
            holm([0.5, 1.5])
        with pytest.raises(ValueError, match="between 0 and 1"):
            holm([np.nan])
