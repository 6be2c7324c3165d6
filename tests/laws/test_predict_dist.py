"""Laws of ``predict_dist``: it is a distribution, its parts agree with each other, and its intervals cover."""

import math

import numpy as np
import pytest
from scipy.special import expit

from peira.training.network import Network
from tests.contract.discovery import Experience, experience, for_methods, has, resamples, taught

forecasting = for_methods(lambda cls: "regression" in cls.card.tasks and has("predict_dist")(cls))


def forecast_of(cls, seed, rows=5):
    X, (method, _) = experience(cls, seed).X[:rows], taught(cls, seed)
    return method, X, method.predict_dist(X)


def linear_gaussian(rng, N, D=3, noise=1.0, weights=None):
    """The world that linear regression with a standard normal prior assumes; without its inputs, a normal one."""
    X = rng.normal(size=(N, D))
    w = noise * rng.normal(size=D) if weights is None else weights
    return Experience(X, 1.0 + X @ w + noise * rng.normal(size=N)), w


@forecasting
def test_the_density_integrates_to_one(cls, seed):
    _, _, forecast = forecast_of(cls, seed)
    u = expit(np.linspace(-9.0, 9.0, 4001))
    x = forecast.quantile(u)
    middle = (x[1:] + x[:-1]) / 2
    mass = (np.exp(forecast.log_prob(middle)) * np.diff(x, axis=0)).sum(0)
    np.testing.assert_allclose(mass, u[-1] - u[0], atol=2e-5)


@forecasting
def test_the_mean_is_the_prediction(cls, seed):
    method, X, forecast = forecast_of(cls, seed)
    np.testing.assert_allclose(forecast.mean, method.predict(X), rtol=1e-12, atol=1e-12)
    mean, std = method.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, forecast.mean)
    np.testing.assert_array_equal(std, forecast.std)


@forecasting
def test_quantiles_undo_probabilities(cls, seed):
    _, _, forecast = forecast_of(cls, seed)
    u = np.array([1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6])
    x = forecast.quantile(u)
    assert (np.diff(x, axis=0) > 0).all()
    np.testing.assert_allclose(forecast.cdf(x), np.repeat(u[:, None], x.shape[1], 1), atol=1e-9)
    for row in x:
        np.testing.assert_allclose(forecast.quantile(float(forecast.cdf(row)[0]))[0], row[0], rtol=1e-6)


@forecasting
def test_the_spread_is_told_in_one_voice(cls, seed):
    _, _, forecast = forecast_of(cls, seed)
    np.testing.assert_allclose(forecast.std**2, forecast.variance, rtol=1e-12)
    u = expit(np.linspace(-30.0, 30.0, 20001))  # the second moment lives in the tails
    x = forecast.quantile(u)
    middle, width = (x[1:] + x[:-1]) / 2, np.diff(x, axis=0)
    second = ((middle - forecast.mean) ** 2 * np.exp(forecast.log_prob(middle)) * width).sum(0)
    np.testing.assert_allclose(second, forecast.variance, rtol=1e-3)


@forecasting
@pytest.mark.parametrize("level", [0.01, 0.5, 0.9, 0.999])
def test_an_interval_holds_its_probability_and_lies_within_the_wider_one(cls, seed, level):
    _, _, forecast = forecast_of(cls, seed)
    low, high = forecast.interval(level)
    np.testing.assert_allclose(forecast.cdf(high) - forecast.cdf(low), level, atol=1e-9)
    np.testing.assert_allclose(forecast.cdf(low), 1 - forecast.cdf(high), atol=1e-9)
    wider = forecast.interval((1 + level) / 2)
    assert (wider[0] < low).all() and (high < wider[1]).all()


@forecasting
def test_draws_have_the_moments_of_the_distribution(cls, seed):
    _, _, forecast = forecast_of(cls, seed)
    n = 20_000
    draws = forecast.sample(n, seed=seed)
    assert draws.shape == (n, len(forecast))
    assert np.array_equal(draws, forecast.sample(n, seed=seed)) and not np.array_equal(
        draws, forecast.sample(n, seed=seed + 1)
    )
    assert (np.abs(draws.mean(0) - forecast.mean) < 5 * forecast.std / math.sqrt(n)).all()
    for u in (0.1, 0.5, 0.9):
        share = (draws < forecast.quantile(u)).mean(0)
        assert (np.abs(share - u) < 5 * math.sqrt(u * (1 - u) / n)).all()


@forecasting
def test_each_row_is_answered_alone(cls, seed):
    method, X, forecast = forecast_of(cls, seed)
    for i in range(len(X)):
        alone = method.predict_dist(X[i : i + 1])
        np.testing.assert_allclose(alone.mean, forecast.mean[i], rtol=1e-10)
        np.testing.assert_allclose(alone.std, forecast.std[i], rtol=1e-10)
        np.testing.assert_allclose(forecast[i : i + 1].log_prob(0.5), alone.log_prob(0.5), rtol=1e-9)


@forecasting
def test_intervals_cover(cls, seed):
    """Simulation-based calibration: over many worlds, a 90 % interval holds 90 % of new targets.

    Exact methods must meet the binomial bounds; methods that estimate their prior from the same
    rows may be off by three points, since the estimate's own uncertainty is left out. Those that take
    long are asked in fewer worlds.
    """
    rng = np.random.default_rng([seed, 90])
    slow = issubclass(cls, Network) or cls.card.on_request
    worlds, queries = (20, 12) if slow else (200, 5)
    covered = np.empty(worlds)
    for r in range(worlds):
        data, _ = linear_gaussian(rng, 30 + queries)
        low, high = data[:30].teach(cls.example()).predict_dist(data.X[30:]).interval(0.9)
        covered[r] = ((low <= data.y[30:]) & (data.y[30:] <= high)).mean()
    error = 4 * max(covered.std(), 0.05) / math.sqrt(worlds)
    assert abs(covered.mean() - 0.9) < error + (0.0 if cls.card.exact else 0.03)


@for_methods(lambda cls: "regression" in cls.card.tasks and has("predict_dist")(cls) and not cls.card.baseline)
def test_with_much_data_only_the_noise_is_uncertain(cls, seed):
    rng = np.random.default_rng([seed, 91])
    many, w = linear_gaussian(rng, min(4000, cls.card.largest.get("N", 4000)), noise=0.7)
    X = rng.normal(size=(50, 3))
    method = many.teach(cls.example())
    narrow = method.predict_dist(X).std
    few = [linear_gaussian(rng, 15, noise=0.7, weights=w)[0] for _ in range(20)]
    wide = np.mean([data.teach(cls.example()).predict_dist(X).std for data in few])
    assert narrow.mean() < wide * (1.0 if cls.card.exact else 1.1)  # an estimated prior is taken for certain
    if np.abs(method.predict(X) - (1.0 + X @ w)).max() < 0.2:  # it found the function
        np.testing.assert_allclose(narrow, 0.7, rtol=0.1)


@for_methods(lambda cls: has("predict_dist")(cls) and cls.card.multi_output)
def test_several_targets_have_a_distribution_each(cls, seed):
    data = experience(cls, seed, K=2)
    method = data.teach(cls.example())
    forecast = method.predict_dist(data.X)
    assert forecast.mean.shape == forecast.std.shape == data.y.shape
    np.testing.assert_allclose(forecast.mean, method.predict(data.X), rtol=1e-12)
    shares = issubclass(cls, Network) or hasattr(
        method, "inducing_points_"
    )  # hidden units, or a kernel that is learned
    if not resamples(cls) and not shares:
        first = cls.example().fit(data.X, data.y[:, 0]).predict_dist(data.X)
        np.testing.assert_allclose(forecast.mean[:, 0], first.mean, rtol=1e-6, atol=1e-9)
