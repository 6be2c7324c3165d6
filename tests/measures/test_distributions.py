"""Measures of predictive distributions: known values, propriety, calibration."""

import numpy as np
import pytest
import torch
from scipy import stats

from peira.core.errors import DataError
from peira.core.predictive import Empirical, Mixture, Normal, StudentT
from peira.measures import calibration_curve, get_measure, measures_for, pit
from peira.measures.predictive import coverage, interval_score, interval_width

ALL = [m.name for m in measures_for("regression") if m.needs == "predict_dist"]


def test_known_values():
    d = Normal([0.0, 1.0], [1.0, 2.0])
    y = [0.5, -1.0]
    assert get_measure("nll").value(y, d) == pytest.approx(-stats.norm([0, 1], [1, 2]).logpdf(y).mean())
    assert get_measure("crps").value(y, d) == pytest.approx(d.crps(y).mean())
    assert get_measure("crps").value(y, Normal([0.0, 0.0], 0.0)) == get_measure("mae").value(y, [0.0, 0.0])
    assert get_measure("sharpness").value(y, d) == 1.5
    z = stats.norm.ppf(0.95)
    assert get_measure("interval_width").value(y, d) == pytest.approx(2 * z * 1.5)
    assert interval_width(0.5).value(y, d) == pytest.approx(2 * stats.norm.ppf(0.75) * 1.5)
    assert get_measure("coverage").value([z - 0.01, 1 + 2 * z + 0.01], d) == 0.5
    assert get_measure("coverage").value([z - 0.01, 1 + 2 * z + 0.01], d, [3, 1]) == 0.75
    assert get_measure("interval_score").value([z + 1, 1.0], d) == pytest.approx((2 * z + 20 + 4 * z) / 2)
    np.testing.assert_allclose(pit(y, d), stats.norm([0, 1], [1, 2]).cdf(y)[:, None])


def test_calibration_error_of_extremes():
    y = np.zeros(4)
    assert get_measure("calibration_error").value(y, Normal(y + 100, 1.0)) == pytest.approx(0.5)
    assert get_measure("calibration_error").value(y, Normal(y, 1e9)) == pytest.approx(0.25, abs=0.003)
    u = (np.arange(1000) + 0.5) / 1000
    assert get_measure("calibration_error").value(stats.norm.ppf(u), Normal(np.zeros(1000), 1.0)) < 1e-12


@pytest.mark.parametrize("name", ["nll", "crps", "interval_score"])
def test_proper_scores_favour_the_truth(name, seed):
    n = 4_000
    y = np.random.default_rng(seed).standard_t(5, n)
    m, zero = get_measure(name), np.zeros(n)
    best = m.terms(y, StudentT(5, zero, 1.0))
    for other in (StudentT(5, zero + 0.4, 1.0), StudentT(5, zero, 2.0), StudentT(5, zero, 0.5), Normal(zero, 3.0)):
        worse = m.terms(y, other) - best
        assert worse.mean() > 2 * worse.std() / np.sqrt(n)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: Normal(m, 2.0),
        lambda m: StudentT(3.0, m, 2.0),
        lambda m: Mixture([0.3, 0.7], [Normal(m - 3, 1.0), StudentT(4.0, m + 1, 0.5)]),
    ],
)
def test_a_true_forecast_is_calibrated(make, seed):
    n = 1_500
    d = make(np.random.default_rng(seed).normal(size=n) * 5)
    y = d.sample(1, seed + 1)[0]
    assert stats.kstest(pit(y, d)[:, 0], "uniform").pvalue > 1e-4
    for level in (0.5, 0.9, 0.99):
        low, high = coverage(level).interval(y, d, level=0.9999)
        assert low <= level <= high
    curve = calibration_curve(y, d)
    assert np.all(abs(curve.observed - curve.nominal) < 4.5 * np.sqrt(curve.nominal * (1 - curve.nominal) / n))
    assert np.all((curve.low <= curve.observed) & (curve.observed <= curve.high))
    central = calibration_curve(y, d, [0.9], central=True)
    assert central.observed[0] == pytest.approx(get_measure("coverage").value(y, d), abs=1e-12)
    assert get_measure("calibration_error").value(y, d) < 0.04


def test_too_narrow_shows():
    rng = np.random.default_rng(0)
    y = rng.normal(size=2_000)
    curve = calibration_curve(y, Normal(np.zeros(2_000), 0.5), [0.1, 0.9])
    assert curve.observed[0] > 0.2 and curve.observed[1] < 0.8
    assert get_measure("coverage").loss(0.7) == pytest.approx(0.2) == pytest.approx(get_measure("coverage").loss(1.1))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (3, 2), (4, 1)])
def test_shapes_weights_and_tensors(name, shape, seed):
    rng = np.random.default_rng(seed)
    y, loc = rng.normal(size=(2, *shape))
    w = rng.integers(0, 3, shape[0]) + (np.arange(shape[0]) == 0)
    m, d = get_measure(name), StudentT(4.0, loc, 1.3)
    value = m.value(y, d)
    assert m.range[0] <= value <= m.range[1]
    tensors = StudentT(4.0, torch.as_tensor(loc), 1.3)
    assert m.value(torch.as_tensor(y), tensors) == pytest.approx(value, rel=1e-14)
    rows = np.repeat(np.arange(shape[0]), w)
    assert m.value(y, d, w) == pytest.approx(m.value(y[rows], d[rows]), rel=1e-12)
    low, high = m.interval(y, d, 0.9)
    assert np.isnan(low) if shape[0] == 1 else low <= high
    if m.statistic in ("mean", "share"):
        assert m.terms(y, d).mean() == pytest.approx(value)


def test_refusals():
    d = Normal([0.0, 1.0], 1.0)
    for name in ALL:
        with pytest.raises(TypeError, match="judges a predictive distribution, got ndarray"):
            get_measure(name).value([0.0, 1.0], np.zeros(2))
        with pytest.raises(DataError, match=r"targets of shape \(2,\)"):
            get_measure(name).value([0.0, 1.0, 2.0], d)
        with pytest.raises(DataError, match="not finite"):
            get_measure(name).value([0.0, np.nan], d)
    with pytest.raises(TypeError, match="no density"):
        get_measure("nll").value([0.0], Empirical([[0.0]]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration_curve([0.0, 1.0], d, [1.5])
    assert interval_score(0.5).title == "score of 50 % intervals"
