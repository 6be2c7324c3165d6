"""Structural time series: known parts are found, the Nile's variances, and histories of any length are answered."""

import matplotlib
import numpy as np
import pytest

from peira.core.errors import DataError
from peira.sequences import SeasonalNaive, StructuralForecaster
from peira.sequences.periods import find_period
from peira.sequences.state_space import filtered
from peira.sequences.structural_model import Structure

matplotlib.use("agg")


def season(rng, T=120, m=6, noise=0.3):
    t = np.arange(T)
    return 0.2 * t + 3 * np.sin(2 * np.pi * t / m) + np.cumsum(0.1 * rng.normal(size=T)) + noise * rng.normal(size=T)


@pytest.mark.parametrize("trend", ["none", "local", "damped"])
@pytest.mark.parametrize(("period", "harmonics"), [(1, 0), (2, 1), (5, 2), (4, 2), (12, 3)])
def test_the_model_repeats_itself_without_noise(trend, period, harmonics):
    structure = Structure(trend, period, harmonics)
    model = structure.model(np.zeros(len(structure.names)), 1.0 if trend != "damped" else 0.9)
    assert model.A.shape == (structure.K, structure.K)
    part = structure.parts.get("season", slice(0, 0))
    power = np.linalg.matrix_power(model.A, period)[part, part]
    np.testing.assert_allclose(power, np.eye(len(power)), atol=1e-12)
    shown = sum(model.C[0, part] @ np.linalg.matrix_power(model.A, h)[part, part] for h in range(period))
    np.testing.assert_allclose(shown, 0, atol=1e-12, err_msg="a season sums to 0 over a period")


def test_the_gradient_is_that_of_central_differences(seed):
    rng = np.random.default_rng(seed)
    x, lengths = rng.normal(size=(40, 1)).cumsum(0), np.array([25, 15])
    x[7] = np.nan
    structure = Structure("damped", 5, 2)
    at, damping = np.array([0.3, 0.1, 0.05, 0.02]), 0.8

    def log(variances):
        return filtered(structure.model(variances, damping), x, lengths).log_likelihood.sum()

    slope_Q, slope_R, slope_P = filtered(structure.model(at, damping), x, lengths).slopes()
    slope = structure.gathered(slope_Q, slope_R)
    slope[2] += slope_P[1, 1] / (1 - damping**2)
    for i in range(4):
        h = 1e-5 * np.eye(4)[i]
        np.testing.assert_allclose(slope[i], (log(at + h) - log(at - h)) / 2e-5, rtol=1e-5)


def test_beats_the_baseline_and_finds_the_parts(seed):
    x = season(np.random.default_rng(seed))
    model = StructuralForecaster().fit(x[:-12])
    assert model.period_ == 6
    assert model.score(x, horizon=12) > SeasonalNaive().fit(x[:-12]).score(x, horizon=12)
    parts = model.decompose(x)[0]
    np.testing.assert_allclose(parts["season"][:, 0], 3 * np.sin(2 * np.pi * np.arange(120) / 6), atol=0.6)
    assert abs(parts["slope"].mean() - 0.2) < 0.1 and (parts["level_std"] > 0).all()


def test_units_change_nothing(seed):
    x = season(np.random.default_rng(seed))
    one, other = StructuralForecaster().fit(x), StructuralForecaster().fit(1e3 * x - 5e4)
    np.testing.assert_allclose(other.predict(1e3 * x - 5e4, 8), 1e3 * one.predict(x, 8) - 5e4, rtol=1e-4)
    np.testing.assert_allclose(other.variances_, 1e6 * one.variances_, rtol=1e-2, atol=1e-3)
    spent = filtered(one._structure.model(one.variances_[0], one.damping_[0]), x[:, None], np.array([120])).spent
    shift = (len(x) - spent) * np.log(1e3)
    np.testing.assert_allclose(other.log_likelihood_, one.log_likelihood_ - shift, atol=1e-3)


def test_the_likelihood_is_that_of_the_series_as_they_are(seed):
    x = season(np.random.default_rng(seed))
    model = StructuralForecaster(period=6).fit(x)
    plain = filtered(model._structure.model(model.variances_[0], model.damping_[0]), x[:, None], np.array([120]))
    np.testing.assert_allclose(model.log_likelihood_, plain.log_likelihood, rtol=1e-9)


@pytest.mark.parametrize("T", [1, 2, 3, 5, 9, 30])
def test_histories_of_any_length_are_answered(seed, T):
    x = season(np.random.default_rng(seed))
    model = StructuralForecaster().fit(x)
    said = model.predict_dist(x[:T], 15)
    assert said.shape == (1, 15, 1) and np.isfinite(said.mean).all() and (said.std > 0).all()
    assert (said.std[0, :, 0] < 10 * x.std()).all()


def test_gaps_cost_little(seed):
    rng = np.random.default_rng(seed)
    x = season(rng)
    holed = x.copy()
    holed[rng.uniform(size=120) < 0.2] = np.nan
    model = StructuralForecaster(period=6).fit(holed[:-6])
    said = model.predict_dist(holed[:-6], 6)
    assert (np.abs(said.mean[0, :, 0] - x[-6:]) < 4.5 * said.std[0, :, 0]).all()
    only = model.predict_dist(np.full(4, np.nan), 2)
    assert np.isfinite(only.mean).all() and np.isfinite(only.std).all()


def test_a_column_without_numbers_is_named():
    with pytest.raises(DataError, match="column x1"):
        StructuralForecaster().fit(np.column_stack([np.arange(5.0), np.full(5, np.nan)]))


@pytest.mark.parametrize("method", [SeasonalNaive, StructuralForecaster])
def test_constant_series_stay(method):
    said = method().fit([np.full(20, 3.0), np.full(5, 3.0)]).predict_dist(np.full(4, 3.0), 3)
    np.testing.assert_allclose(said.mean, 3.0, rtol=1e-6)
    assert (said.std < 0.1).all()


@pytest.mark.parametrize("method", [SeasonalNaive, StructuralForecaster])
def test_intervals_cover_what_comes(seed, method):
    rng = np.random.default_rng(seed)
    X = np.cumsum(rng.normal(size=(300, 40)), 1)
    low, high = method(period=1).fit(list(X[:, :35])).predict_dist(list(X[:, :35]), 5).interval(0.9)
    inside = (low[..., 0] <= X[:, 35:]) & (X[:, 35:] <= high[..., 0])
    assert abs(inside.mean() - 0.9) < 0.05


def test_the_picture_has_band_and_fan(seed):
    x = season(np.random.default_rng(seed))
    ax = StructuralForecaster().fit(x).plot(x, horizon=12)
    assert len(ax.collections) == 4 and len(ax.lines) == 3
    with pytest.raises(DataError, match="one sequence"):
        StructuralForecaster().fit(x).plot([x, x])


@pytest.mark.parametrize("trend", ["damped", "local", "none"])
def test_series_of_one_step_have_nothing_to_climb(trend):
    model = StructuralForecaster(trend=trend).fit([[1.0], [2.0], [4.0]])
    assert model.stopped_ == "converged" and model.n_iter_ == 1
    assert np.isfinite(model.predict_dist([[3.0]], 2).std).all()


def test_the_naive_forecast_by_hand():
    x = [1.0, 5.0, 2.0, np.nan, 3.0, 6.0, np.nan]
    model = SeasonalNaive(period=2).fit(x)
    np.testing.assert_allclose(model.predict(x, 3), [[6.0, 3.0, 6.0]])
    changes = np.array([1.0, 1.0])  # 2 - 1, 3 - 2: all others lack one side
    np.testing.assert_allclose(model.sigma_, np.sqrt((changes**2).mean()))
    np.testing.assert_allclose(model.predict_dist(x, 3).std[0, :, 0], model.sigma_ * np.sqrt([1, 1, 2]))
    np.testing.assert_allclose(model.predict([np.nan], 1), [[np.nanmean(x)]])
    np.testing.assert_allclose(model.predict([4.0], 2), [[4.0, 4.0]])


@pytest.mark.parametrize("m", [2, 3, 4, 7, 12, 24])
def test_periods_are_found_beside_trends_noise_and_gaps(seed, m):
    rng = np.random.default_rng([seed, m])
    shape = rng.normal(size=m)
    t = np.arange(max(60, 6 * m))
    x = shape[t % m] / shape.std() + 0.05 * t + 0.4 * rng.normal(size=len(t))
    x[rng.uniform(size=len(t)) < 0.05] = np.nan
    found = find_period(x[:, None], np.array([len(t)]))
    assert found % m == 0 or (m % found == 0 and found > 1)


def test_walks_and_noise_have_no_period(seed):
    rng = np.random.default_rng(seed)
    steps = [rng.normal(size=(200, 1)) for _ in range(20)]
    found = [find_period(x, np.array([200])) for e in steps for x in (e, e.cumsum(0))]
    assert np.mean(np.array(found) == 1) > 0.85
    assert find_period(np.ones((50, 1)), np.array([50])) == find_period(np.ones((2, 1)), np.array([1, 1])) == 1
