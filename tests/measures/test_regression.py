"""Measures of predicted numbers: against scikit-learn, by identities, and at their edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from peira.core.errors import DataError
from peira.core.predictive import Normal
from peira.measures import get_measure, measures_for

SKLEARN = {
    "mse": metrics.mean_squared_error,
    "rmse": metrics.root_mean_squared_error,
    "mae": metrics.mean_absolute_error,
    "median_ae": metrics.median_absolute_error,
    "r2": metrics.r2_score,
    "explained_variance": metrics.explained_variance_score,
    "mape": metrics.mean_absolute_percentage_error,
}
ALL = [m.name for m in measures_for("regression") if m.needs == "predict"]


@pytest.mark.parametrize("name", SKLEARN)
@pytest.mark.parametrize("n", [2, 3, 50])
@pytest.mark.parametrize("K", [None, 1, 3])
@pytest.mark.parametrize("weighting", ["none", "floats", "counts"])
def test_scikit_learn_agrees(name, n, K, weighting, seed):
    rng = np.random.default_rng([seed, n])
    shape = (n,) if K is None else (n, K)
    y, f = rng.normal(3, 1, shape), rng.normal(3, 1, shape)
    w = {"none": None, "floats": rng.random(n) + 0.01, "counts": rng.integers(0, 4, n) + (np.arange(n) < 2)}[weighting]
    ours = get_measure(name).value(y, f, w)
    assert ours == pytest.approx(SKLEARN[name](y, f, sample_weight=w), rel=1e-12, abs=1e-13)
    assert ours == get_measure(name).value(torch.as_tensor(y), torch.as_tensor(f), None if w is None else list(w))


def test_max_error_agrees_and_averages_over_outputs():
    y, f = np.array([[0.0, 0.0], [1.0, 5.0]]), np.array([[3.0, 0.0], [1.0, 4.0]])
    assert get_measure("max_error").value(y[:, 0], f[:, 0]) == metrics.max_error(y[:, 0], f[:, 0]) == 3
    assert get_measure("max_error").value(y, f) == 2
    assert get_measure("max_error").value(y, f, [0, 1]) == 0.5
    assert np.isnan(get_measure("max_error").interval(y, f)).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.3, -7.0])
def test_constant_targets_keep_r2_finite(value):
    y = np.full(5, value)
    for name in ("r2", "explained_variance"):
        assert get_measure(name).value(y, y) == 1.0
        wrong = y + np.array([1, 0, 0, 0, 0])
        assert get_measure(name).value(y, wrong) == 0.0
        assert get_measure(name).value(y, wrong, [1, 2, 3, 4, 0.1]) == 0.0
    assert get_measure("r2").value(y, y + 1) == 0.0 and get_measure("explained_variance").value(y, y + 1) == 1.0


def test_one_row():
    for name in ALL:
        value, (low, high) = get_measure(name).value([2.0], [1.0]), get_measure(name).interval([2.0], [1.0])
        assert np.isnan(value) == (name == "r2") and np.isnan(low) and np.isnan(high)


def test_r2_keeps_its_digits_far_from_zero(seed):
    rng = np.random.default_rng(seed)
    y, e = rng.integers(-8, 9, 40) / 8, rng.integers(-8, 9, 40) / 64
    for name in ("r2", "explained_variance", "rmse"):
        near, far = get_measure(name).value(y, y + e), get_measure(name).value(y + 2.0**45, y + e + 2.0**45)
        assert far == pytest.approx(near, rel=1e-13)


def test_zero_targets_make_mape_huge_not_infinite():
    assert 1e14 < get_measure("mape").value([0.0, 1.0], [0.1, 1.0]) < np.inf
    assert get_measure("mape").value([0.0, 1.0], [0.0, 1.1]) == pytest.approx(0.05)


finite = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))


@settings(max_examples=60)
@given(data=st.data(), n=st.integers(2, 12), K=st.integers(1, 3))
def test_a_weight_is_a_repetition(data, n, K):
    y, f = (data.draw(arrays(np.float64, (n, K), elements=finite)) for _ in range(2))
    w = data.draw(arrays(np.int64, n, elements=st.integers(0, 3)).filter(lambda a: (a > 0).sum() >= 2))
    for name in ALL:
        measure = get_measure(name)
        repeated = measure.value(np.repeat(y, w, 0), np.repeat(f, w, 0))
        assert measure.value(y, f, w) == pytest.approx(repeated, rel=1e-9, abs=1e-9)
        assert measure.range[0] <= repeated <= measure.range[1]


@settings(max_examples=40)
@given(arrays(np.float64, (7, 2), elements=finite), st.permutations(range(7)))
def test_order_of_rows_does_not_matter_and_the_truth_is_best(y, order):
    f = y[::-1].copy()
    for name in ALL:
        m = get_measure(name)
        assert m.value(y[order], f[order]) == pytest.approx(m.value(y, f), rel=1e-9, abs=1e-9)
        assert m.loss(m.value(y, y)) <= m.loss(m.value(y, f))


def test_terms_average_to_the_value(seed):
    rng = np.random.default_rng(seed)
    y, f = rng.normal(size=(2, 9, 2))
    for name in ALL:
        m = get_measure(name)
        if m.statistic == "mean":
            assert m.terms(y, f).shape == (9,)
            assert m.terms(y, f).mean() == pytest.approx(m.value(y, f), rel=1e-14)
        else:
            with pytest.raises(TypeError, match="not a mean over items"):
                m.terms(y, f)


class TestDoor:
    @pytest.mark.parametrize("name", ALL)
    def test_refusals(self, name):
        m = get_measure(name)
        for y, f in (([1.0, 2.0], [1.0]), ([[1.0, 2.0]], [1.0, 2.0]), ([1.0, 2.0], [[1.0, 2.0]])):
            with pytest.raises(DataError, match="must agree"):
                m.value(y, f)
        with pytest.raises(DataError, match=r"the prediction holds 1 values that are not finite \(first in row 1"):
            m.value([1.0, 2.0], [1.0, np.nan])
        with pytest.raises(DataError, match="y holds no values"):
            m.value([], [])
        with pytest.raises(DataError, match="y must be numbers"):
            m.value(["a", "b"], [1.0, 2.0])
        with pytest.raises(DataError, match=r"must have shape \(N,\)"):
            m.value(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))
        with pytest.raises(DataError, match="not be negative"):
            m.value([1.0, 2.0], [1.0, 2.0], [1, -1])
        with pytest.raises(DataError, match="zero for every row"):
            m.value([1.0, 2.0], [1.0, 2.0], [0, 0])
        with pytest.raises(DataError, match="one weight a row"):
            m.value([1.0, 2.0], [1.0, 2.0], [1, 2, 3])
        with pytest.raises(TypeError, match="not distributions"):
            m.value([1.0, 2.0], Normal([1.0, 2.0], 1.0))
        with pytest.raises(ValueError, match="level"):
            m.interval([1.0, 2.0], [1.0, 2.0], level=1.0)

    def test_a_column_is_an_output(self):
        assert get_measure("rmse").value([1.0, 3.0], [[1.0], [5.0]]) == pytest.approx(np.sqrt(2))


class TestRegistry:
    def test_scikit_learn_scorers_are_understood(self):
        for scorer in metrics.get_scorer_names():
            if (name := scorer.removeprefix("neg_")) in {f.__name__ for f in SKLEARN.values()} | {"r2", "max_error"}:
                assert get_measure(scorer) is get_measure(name)
        assert get_measure("neg_root_mean_squared_error").name == "rmse"

    def test_unknown_names_are_answered(self):
        with pytest.raises(DataError, match=r"unknown measure 'rsme'; did you mean 'rmse'\? There are: accuracy"):
            get_measure("rsme")

    def test_tasks(self):
        assert measures_for("regression")[0] is get_measure("rmse")
        assert measures_for("representation") == ()
        for m in measures_for("regression"):
            assert m.title and m.units and m.range[0] < m.range[1] and m.needs in ("predict", "predict_dist")
        with pytest.raises(AttributeError):
            get_measure("rmse").name = "other"
        assert get_measure("r2").loss(0.3) == -0.3 and get_measure("rmse").loss(2.0) == 2.0
