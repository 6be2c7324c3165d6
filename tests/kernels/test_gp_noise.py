"""Gaussian processes under Student-t and place-dependent noise: bounds, gradients, known noise and coverage."""

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from peira.kernels import RBF, Spectrum
from peira.kernels.anderson_mixing import AndersonMixing
from peira.kernels.gaussian_process_noise import fit_heteroscedastic, fit_student_t, gram_slope
from peira.kernels.heteroscedastic_gaussian_process_regression import HeteroscedasticGaussianProcessRegressor
from peira.kernels.robust_gaussian_process_regression import RobustGaussianProcessRegressor

SIZES = [1, 2, 3, 30]
BOTH = [RobustGaussianProcessRegressor, HeteroscedasticGaussianProcessRegressor]


def wave(N, seed, noise=0.1):
    rng = np.random.default_rng([seed, 41])
    X = rng.uniform(0, 5, size=(N, 1))
    f = 2 * np.sin(2 * X[:, 0])
    return X, f, f + noise * rng.standard_normal(N)


def central(value, theta, e):
    far, near = (value(theta + k * e) - value(theta - k * e) for k in (2, 1))
    return (8 * near - far) / (12 * np.abs(e).max())


@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("df", [2.5, 30.0])
def test_the_gradient_of_the_student_t_bound(N, df, seed):
    X, _, y = wave(N, seed)
    y[0] += 5.0
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    kernel = 2.0 * RBF(0.7)
    theta = np.r_[kernel.theta, np.log([0.2, df])]

    def fit(theta):
        K, back = kernel.with_theta(theta[:2])._pullback(X)
        return fit_student_t(K, y, *np.exp(theta[2:]).tolist(), tol=1e-10), back

    found, back = fit(theta)
    slope = torch.cat([back(gram_slope(*found.processes[0])), found.slopes])
    for p, e in enumerate(1e-4 * np.eye(4)):
        assert float(slope[p]) == pytest.approx(central(lambda at: fit(at)[0].bound, theta, e), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("N", SIZES)
def test_the_gradient_of_the_heteroscedastic_bound(N, seed):
    X, _, y = wave(N, seed)
    y = y * (1 + X[:, 0])
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    kernels = 2.0 * RBF(0.7), 1.5 * RBF(2.0)
    theta = np.r_[kernels[0].theta, kernels[1].theta, -1.0]

    def fit(theta):
        pulls = [k.with_theta(theta[2 * i : 2 * i + 2])._pullback(X) for i, k in enumerate(kernels)]
        return fit_heteroscedastic(pulls[0][0], pulls[1][0], y, float(theta[4]), tol=1e-10), [b for _, b in pulls]

    found, backs = fit(theta)
    slopes = [b(gram_slope(*p)) for b, p in zip(backs, found.processes, strict=True)]
    slope = torch.cat([*slopes, found.slopes])
    for p, e in enumerate(1e-4 * np.eye(5)):
        assert float(slope[p]) == pytest.approx(central(lambda at: fit(at)[0].bound, theta, e), rel=1e-6, abs=1e-6)


def test_the_bounds_are_below_the_evidence(seed):
    """One item: the integrals over f (and g) by a grid."""
    K, y = torch.tensor([[2.0]]).double(), torch.tensor([1.3]).double()
    f = np.linspace(-15, 15, 20001)
    prior = np.exp(-(f**2) / 4) / np.sqrt(4 * np.pi)
    exact = np.log(np.trapezoid(prior * student(4, scale=0.5).pdf(1.3 - f), f))
    bound = fit_student_t(K, y, 0.5, 4.0).bound
    assert exact - 0.2 < bound < exact
    g = np.linspace(-9, 7, 2001)
    inner = np.exp(-(1.3**2) / 2 / (2.0 + np.exp(g))) / np.sqrt(2 * np.pi * (2.0 + np.exp(g)))
    exact = np.log(np.trapezoid(inner * np.exp(-((g + 1) ** 2) / 2) / np.sqrt(2 * np.pi), g))
    bound = fit_heteroscedastic(K, torch.ones(1, 1).double(), y, -1.0).bound
    assert exact - 0.2 < bound < exact


def test_light_tails_and_flat_noise_are_the_ordinary_process(seed):
    X, _, y = wave(30, seed)
    K, y = (2.0 * RBF(0.7))._gram(torch.as_tensor(X)), torch.as_tensor(y)
    C = K + 0.04 * torch.eye(30).double()
    alpha = torch.linalg.solve(C, y)
    exact = float(-y @ alpha - torch.logdet(C) - 30 * np.log(2 * np.pi)) / 2
    robust = fit_student_t(K, y, 0.2, 1e8)
    assert robust.bound == pytest.approx(exact, rel=1e-5)
    torch.testing.assert_close(robust.processes[0][0], alpha, rtol=1e-5, atol=1e-5)
    flat = fit_heteroscedastic(K, 1e-12 * K, y, float(np.log(0.04)))
    assert flat.bound == pytest.approx(exact, rel=1e-8)
    torch.testing.assert_close(flat.processes[0][0], alpha, rtol=1e-6, atol=1e-6)


def test_at_the_maximum_lambda_is_its_fixed_point_and_the_bound_does_not_rise(seed):
    X, _, y = wave(20, seed)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    K, Kg = (2.0 * RBF(0.7))._gram(X), RBF(1.0)._gram(X)
    found = fit_heteroscedastic(K, Kg, y, -2.0, tol=1e-9)
    for i in range(3):
        moved = found.start.clone()
        for sign in (0.9, 1.1):
            moved[i] = found.start[i] * sign
            assert fit_heteroscedastic(K, Kg, y, -2.0, moved, max_iter=0).bound < found.bound


def test_mixing_finds_the_fixed_point_of_a_linear_map_in_few_steps(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(4, 4))
    A = torch.as_tensor(0.98 * A / np.abs(np.linalg.eigvals(A)).max())
    b = torch.as_tensor(rng.normal(size=4))
    x, mixing = torch.zeros(4).double(), AndersonMixing()
    for _ in range(12):
        f = A @ x + b - x
        x = mixing.step(x, f, 1.0, float(f.abs().max()))
    torch.testing.assert_close(x, torch.linalg.solve(torch.eye(4).double() - A, b), rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------------- the methods


def test_outliers_barely_move_the_function(seed):
    X, f, y = wave(80, seed)
    clean = RobustGaussianProcessRegressor().fit(X, y).predict(X)
    y[::10] += 20.0
    model = RobustGaussianProcessRegressor().fit(X, y)
    assert np.abs(model.predict(X) - clean).max() < 0.3
    assert np.sqrt(np.mean((model.predict(X) - f) ** 2)) < 0.1
    assert model.weights_[::10].max() < 0.01
    assert np.median(np.delete(model.weights_, np.s_[::10])) > 0.3


def test_the_noise_is_learned(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 5, size=(250, 1))
    heavy = np.sin(X[:, 0]) + 0.2 * rng.standard_t(3, size=250)
    light = np.sin(X[:, 0]) + 0.2 * rng.standard_normal(250)
    tails = [RobustGaussianProcessRegressor().fit(X, y) for y in (heavy, light)]
    assert tails[0].df_ < 10 < tails[1].df_
    for model in tails:
        assert model.scale_ == pytest.approx(0.2, rel=0.25)
    given = RobustGaussianProcessRegressor(df=5.0, scale=0.3).fit(X, heavy)
    assert given.df_ == pytest.approx(5.0) and given.scale_ == pytest.approx(0.3)


def test_the_forecast_is_normal_plus_student_t(seed):
    X, _, y = wave(30, seed)
    model = RobustGaussianProcessRegressor(9.0 * RBF(1.0), optimizer=None, df=3.0, scale=0.4).fit(X, y)
    at = np.array([[1.0], [2.5], [30.0]])
    mean, variance = model.latent_mean_and_variance(at)
    forecast = model.predict_dist(at)
    np.testing.assert_allclose(forecast.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(forecast.variance, variance + 0.4**2 * 3.0, rtol=1e-10)
    u = np.linspace(-9, 9, 2001)
    normal = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    for q in range(3):
        for z in (0.0, 1.0, 4.0):
            density = student(3.0, loc=mean[q] + np.sqrt(variance[q]) * u, scale=0.4).pdf(mean[q] + z)
            expected = np.trapezoid(density * normal, u)
            assert np.exp(forecast.log_prob(mean + z))[q] == pytest.approx(expected, rel=1e-5)
    assert forecast[1:].variance.tolist() == forecast.variance[1:].tolist()
    low, high = forecast.interval(0.9)
    np.testing.assert_allclose(forecast.cdf(high) - forecast.cdf(low), 0.9, atol=1e-9)


def test_the_profile_of_the_noise_is_found(seed):
    rng = np.random.default_rng([seed, 3])
    X = rng.uniform(0, 4, size=(200, 1))
    profile = 0.05 + 0.1 * X[:, 0] ** 2
    y = np.sin(3 * X[:, 0]) + profile * rng.standard_normal(200)
    model = HeteroscedasticGaussianProcessRegressor().fit(X, y)
    at = np.linspace(0.3, 3.7, 30)[:, None]
    ratio = model.noise_std(at) / (0.05 + 0.1 * at[:, 0] ** 2)
    assert np.abs(np.log(ratio)).mean() < 0.25
    assert np.abs(model.predict(at) - np.sin(3 * at[:, 0])).mean() < 0.25


@pytest.mark.parametrize("kind", ["Student-t", "place"])
def test_intervals_cover_data_from_the_model(kind, seed):
    """Functions, noise and items drawn from the model: 90 % intervals of new targets hold 90 +- 2 %."""
    rng = np.random.default_rng([seed, 17])
    kernel, noise = 4.0 * RBF(0.8), 1.0 * RBF(1.5)
    inside = []
    for _ in range(16):
        X = rng.uniform(0, 5, size=(200, 1))
        f = np.linalg.cholesky(kernel(X) + 1e-8 * np.eye(200)) @ rng.standard_normal(200)
        if kind == "Student-t":
            y = f + 0.3 * rng.standard_t(4, size=200)
            model = RobustGaussianProcessRegressor(kernel, optimizer=None, df=4.0, scale=0.3)
        else:
            g = np.linalg.cholesky(noise(X) + 1e-8 * np.eye(200)) @ rng.standard_normal(200) - 2.0
            y = f + np.exp(g / 2) * rng.standard_normal(200)
            model = HeteroscedasticGaussianProcessRegressor(_fixed(kernel), noise_kernel=_fixed(noise))
        model.fit(X[:60], y[:60])
        low, high = model.predict_dist(X[60:]).interval(0.9)
        inside.append((low <= y[60:]) & (y[60:] <= high))
    assert 0.88 < np.mean(inside) < 0.92


def _fixed(kernel):
    """The kernel with nothing to learn."""
    c, length = np.exp(kernel.theta)
    return type(kernel)(
        type(kernel.k1)(float(c), constant_value_bounds="fixed"), RBF(float(length), length_scale_bounds="fixed")
    )


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_items(cls, N, seed):
    X, _, y = wave(N, seed)
    forecast = cls().fit(X, y).predict_dist(np.vstack([X, [[1e3]]]))
    assert np.isfinite(forecast.mean).all() and (forecast.std > 0).all()


@pytest.mark.parametrize("cls", BOTH)
def test_constant_targets_duplicates_and_units(cls, seed):
    X, _, y = wave(25, seed)
    assert cls().fit(X, np.full(25, 3.0)).predict(X) == pytest.approx(np.full(25, 3.0))
    twice = cls().fit(np.vstack([X, X]), np.r_[y, y + 0.01])
    assert np.isfinite(twice.predict(X)).all()
    scaled, plain = cls().fit(1e4 * X, 1e3 * y + 1e3), cls().fit(X, y)
    np.testing.assert_allclose(scaled.predict(1e4 * X), 1e3 * plain.predict(X) + 1e3, rtol=1e-2, atol=5.0)


@pytest.mark.parametrize("cls", BOTH)
def test_the_search_raises_the_bound_and_what_is_short_of_steps_says_so(cls, seed):
    X, _, y = wave(25, seed)
    model = cls(random_state=0).fit(X, y)
    assert model.log_marginal_likelihood_value_ > cls(optimizer=None).fit(X, y).log_marginal_likelihood_value_
    assert (np.diff(model.history_["log_marginal_likelihood"]) >= 0).all()
    with pytest.warns(UserWarning, match="did not converge in 2 steps"):
        cls(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="rows of a table"):
        cls(Spectrum(2)).fit(X, y)


@pytest.mark.parametrize("cls", BOTH)
def test_a_thousand_rows(cls, seed):
    X, f, y = wave(1000, seed, 0.2)
    model = cls(4.0 * RBF(0.7), optimizer=None).fit(X, y)
    assert np.sqrt(np.mean((model.predict(X) - f) ** 2)) < 0.1
