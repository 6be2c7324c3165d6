"""Log loss, Brier's score and its parts, calibration error and reliability curve."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from peira.core.errors import DataError, ParameterError
from peira.core.predictive import Categorical
from peira.measures import (
    brier_decomposition,
    brier_score_loss,
    expected_calibration_error,
    get_measure,
    log_loss,
    measures_for,
    reliability_curve,
)

NAMES = [m.name for m in measures_for("classification") if m.needs == "predict_dist"]


def measure(name):
    return get_measure(name, "classification")


def sample(rng, n, C):
    y = np.r_[np.arange(C), rng.integers(0, C, n)][:n]
    return y, rng.dirichlet(np.full(C, 0.7), n)


@pytest.mark.parametrize("C", [2, 4])
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_scikit_learn_agrees(C, n, seed):
    rng = np.random.default_rng([seed, n])
    y, p = sample(rng, n, C)
    p[0] = np.eye(C)[C - 1]  # says that what happens is impossible
    w, names = rng.integers(1, 4, n), np.arange(C)
    for weight in (None, w):
        expected = metrics.log_loss(y, p, labels=names, sample_weight=weight)
        assert log_loss(y, p, labels=names, sample_weight=weight) == pytest.approx(expected)
        assert measure("log_loss").value(y, Categorical(p), weight) == pytest.approx(expected)
        for half in ("auto", True, False):
            expected = metrics.brier_score_loss(y, p, labels=names, sample_weight=weight, scale_by_half=half)
            ours = brier_score_loss(y, p, labels=names, sample_weight=weight, scale_by_half=half)
            assert ours == pytest.approx(expected)
    assert measure("log_loss").terms(y, Categorical(p))[0] == pytest.approx(-np.log(np.finfo(float).eps))
    if C == 2 and n > 1:
        assert brier_score_loss(y, p[:, 1]) == pytest.approx(metrics.brier_score_loss(y, p[:, 1]))


def test_terms_average_to_the_value(seed):
    y, p = sample(np.random.default_rng(seed), 20, 3)
    for name in ("log_loss", "brier"):
        terms = measure(name).terms(y, Categorical(p))
        assert terms.shape == (20,) and terms.mean() == pytest.approx(measure(name).value(y, Categorical(p)))


def test_tensors_and_the_order_of_labels(seed):
    rng = np.random.default_rng(seed)
    y, p = sample(rng, 30, 3)
    names = np.array(["b", "c", "a"])
    for name in NAMES:
        value = measure(name).value(names[y], Categorical(p, names))
        order = [2, 0, 1]
        assert measure(name).value(names[y], Categorical(torch.as_tensor(p[:, order]), names[order])) == pytest.approx(
            value
        )
        w = rng.integers(1, 4, 30)
        repeated = measure(name).value(np.repeat(y, w), Categorical(np.repeat(p, w, 0)))
        assert measure(name).value(y, Categorical(p), w) == pytest.approx(repeated)


def test_a_label_that_was_never_thought_of():
    d = Categorical([[0.25, 0.75], [0.5, 0.5]], ["a", "b"])
    assert measure("log_loss").value(["z", "z"], d) == pytest.approx(-np.log(np.finfo(float).eps))
    assert measure("brier").value(["z", "z"], d) == pytest.approx((0.625 + 0.5) / 2 + 1)
    assert measure("calibration_error").value(["z", "z"], d) == pytest.approx((0.75 + 0.5) / 2)


class TestBrier:
    @pytest.mark.parametrize("C", [2, 3])
    @pytest.mark.parametrize("n", [1, 2, 3, 60])
    def test_the_parts_add_up(self, C, n, seed):
        rng = np.random.default_rng([seed, n])
        y, p = sample(rng, n, C)
        forecasts = p[rng.integers(0, min(4, n), n)]  # four forecasts in turn
        w = rng.integers(0, 3, n) + (np.arange(n) < 1)
        parts = brier_decomposition(y, forecasts, labels=np.arange(C), sample_weight=w)
        assert parts.score == pytest.approx(brier_score_loss(y, forecasts, labels=np.arange(C), sample_weight=w))
        assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(parts.score, abs=1e-14)
        assert parts.groups <= 4 and parts.within == 0
        repeated = brier_decomposition(np.repeat(y, w), np.repeat(forecasts, w, 0), labels=np.arange(C))
        assert repeated.reliability == pytest.approx(parts.reliability, abs=1e-14)

    def test_by_hand(self):
        """Rain said with 0.2 (once in three) and 0.9 (always)."""
        parts = brier_decomposition([0, 0, 1, 1, 1], [0.2, 0.2, 0.2, 0.9, 0.9])
        assert parts.reliability == pytest.approx(0.6 * (0.2 - 1 / 3) ** 2 + 0.4 * 0.01)
        assert parts.resolution == pytest.approx(0.6 * (1 / 3 - 0.6) ** 2 + 0.4 * 0.16)
        assert parts.uncertainty == pytest.approx(0.24)

    @pytest.mark.parametrize("C", [2, 3])
    def test_bins_leave_their_inside_over(self, C, seed):
        """Within a bin: the variance of forecasts less twice their covariance with what happened."""
        rng = np.random.default_rng(seed)
        y, p = sample(rng, 200, C)
        parts = brier_decomposition(y, p, bins=5)
        o, within = np.eye(C)[y], 0.0
        for c in range(C):
            for b in range(5):
                held = np.minimum((p[:, c] * 5).astype(int), 4) == b
                if held.any():
                    f, t = p[held, c] - p[held, c].mean(), o[held, c] - o[held, c].mean()
                    within += (f**2 - 2 * f * t).sum() / 200
        assert parts.within == pytest.approx(within * (0.5 if C == 2 else 1), abs=1e-14)

    def test_a_forecast_of_the_frequencies(self):
        parts = brier_decomposition([0, 1, 1, 2], np.tile([0.25, 0.5, 0.25], (4, 1)))
        assert parts.reliability == 0 == parts.resolution and parts.uncertainty == parts.score == 0.625


class TestCalibrationError:
    def test_by_brute_force(self, seed):
        rng = np.random.default_rng(seed)
        for C in (2, 4):
            y, p = sample(rng, 150, C)
            said = p[:, 1] if C == 2 else p.max(1)
            came = y == (1 if C == 2 else p.argmax(1))
            error = 0.0
            for b in range(10):
                held = (said > b / 10) & (said <= (b + 1) / 10) | ((b == 0) & (said == 0))
                error += abs(came[held].mean() - said[held].mean()) * held.mean() if held.any() else 0
            assert expected_calibration_error(y, p) == pytest.approx(error)
            assert measure("calibration_error").value(y, Categorical(p)) == pytest.approx(error)
            one = abs(came.mean() - said.mean())
            assert expected_calibration_error(y, p, bins=1, strategy="quantile") == pytest.approx(one)

    def test_calibrated_forecasts_have_little(self, seed):
        rng = np.random.default_rng(seed)
        p = rng.random(20_000)
        y = (rng.random(20_000) < p).astype(int)
        for strategy in ("uniform", "quantile"):
            assert expected_calibration_error(y, p, strategy=strategy) < 0.02
            assert expected_calibration_error(y, p**2, strategy=strategy) > 0.1
        low, high = measure("calibration_error").interval(y, Categorical(np.column_stack([1 - p**2, p**2])))
        assert low < 1 / 2 - 1 / 3 < high and high - low < 0.03

    def test_bins_of_equal_weight(self, seed):
        rng = np.random.default_rng(seed)
        p, w = rng.random(60), rng.integers(1, 4, 60)
        curve = reliability_curve(np.r_[0, 1, rng.integers(0, 2, 58)], p, strategy="quantile", bins=5, sample_weight=w)
        assert len(curve.share) == 5 and (np.abs(curve.share - 0.2) < 0.06).all()


class TestReliabilityCurve:
    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    def test_scikit_learn_agrees(self, strategy, seed):
        rng = np.random.default_rng(seed)
        for n in (2, 3, 100):
            y, p = np.r_[0, 1, rng.integers(0, 2, n - 2)], np.round(rng.random(n), 2)
            ours = reliability_curve(y, p, strategy=strategy, bins=7)
            observed, said = calibration_curve(y, p, n_bins=7, strategy=strategy)
            np.testing.assert_allclose(ours.observed, observed, atol=1e-15)
            np.testing.assert_allclose(ours.nominal, said, atol=1e-15)
            assert (
                ours.share.sum() == pytest.approx(1) and (ours.low <= observed).all() and (observed <= ours.high).all()
            )

    def test_wilsons_intervals(self):
        curve = reliability_curve([0] * 6 + [1] * 4, [0.45] * 10, bins=2)
        expected = stats.binomtest(4, 10).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose([curve.low[0], curve.high[0]], expected, rtol=1e-12)

    def test_of_one_label_of_many(self, seed):
        y, p = sample(np.random.default_rng(seed), 50, 3)
        ours = reliability_curve(y, p, label=2)
        theirs = calibration_curve(y == 2, p[:, 2], n_bins=10)
        np.testing.assert_allclose(ours.observed, theirs[0])


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_intervals_cover(name, seed):
    rng, m = np.random.default_rng(seed), measure(name)
    p = np.array([0.2, 0.5, 0.3])
    truth = {"log_loss": -(p * np.log(p)).sum(), "brier": 1 - (p**2).sum()}[name]
    runs, covered = 60, 0
    for run in range(runs):
        low, high = m.interval(rng.choice(3, 60, p=p), Categorical(np.tile(p, (60, 1))), 0.9, run)
        covered += low <= truth <= high
    assert covered / runs >= 0.87 - 4 * np.sqrt(0.09 / runs)


def test_one_item_and_one_class():
    for name in NAMES:
        assert np.isnan(measure(name).interval([1], Categorical([[0.5, 0.5]]))).all()
    alone = Categorical(np.ones((3, 1)), ["a"])
    for name in ("log_loss", "brier", "calibration_error"):
        assert measure(name).value(["a"] * 3, alone) == 0 and measure(name).interval(["a"] * 3, alone) == (0, 0)


def test_refusals():
    for name in NAMES:
        with pytest.raises(TypeError, match="pass predict_dist"):
            measure(name).value([0, 1], [0, 1])
        with pytest.raises(DataError, match="must agree"):
            measure(name).value([0, 1, 1], Categorical([[0.5, 0.5]]))
        with pytest.raises(DataError, match="one type"):
            measure(name).value(["a"], Categorical([[0.5, 0.5]]))
        with pytest.raises(DataError, match="zero for every row"):
            measure(name).value([0, 1], Categorical([[0.5, 0.5]] * 2), [0, 0])
    with pytest.raises(DataError, match="sum to 1"):
        log_loss([0, 1], [[0.5, 0.6], [0.5, 0.5]])
    with pytest.raises(DataError, match="name the class of each column"):
        log_loss([0, 0], [0.1, 0.2])
    with pytest.raises(DataError, match="not be negative"):
        brier_score_loss([0, 1], [1.2, 0.5])
    with pytest.raises(ParameterError, match="bins"):
        brier_decomposition([0, 1], [0.2, 0.5], bins=0)
    with pytest.raises(ParameterError, match="strategy"):
        expected_calibration_error([0, 1], [0.2, 0.5], strategy="equal")
    with pytest.raises(ParameterError, match="label must be one of"):
        reliability_curve([0, 1], [0.2, 0.5], label=7)
