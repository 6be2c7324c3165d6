"""The search for hyper-parameters: maxima that are known, bounds, failures, hyper-priors, stages."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from peira.kernels import RBF, WhiteKernel
from peira.kernels.gaussian_process_optimisation import BoundWarning, maximise_theta, warn_at_bounds
from peira.kernels.gaussian_process_priors import Gamma, HalfNormal, LogNormal, default_kernel, log_prior
from peira.kernels.gaussian_process_start import search_in_stages, stages_of
from peira.numerics.cholesky import NotPositiveDefiniteError


class Owner:
    """Whom the loop tells its story."""


def quadratic(peak, A):
    return lambda theta: (-(theta - peak) @ A @ (theta - peak) / 2, -A @ (theta - peak))


KERNEL = 2.0 * RBF([1.0, 1.0], (1e-2, 1e2)) + WhiteKernel(0.1)  # four hyper-parameters


def test_the_peak_of_a_quadratic(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(4, 4))
    A, peak = A @ A.T + np.eye(4), rng.uniform(-2, 2, 4)
    owner, f = Owner(), quadratic(peak, A)
    theta, value = maximise_theta(owner, f, KERNEL, tol=1e-14)
    np.testing.assert_allclose(theta, peak, atol=1e-6)
    assert value == f(theta)[0] and owner.stopped_.startswith("converged")
    assert (np.diff(owner.history_["log_marginal_likelihood"]) >= 0).all()
    with_curvature = Owner()
    maximise_theta(with_curvature, f, KERNEL, hessian=A, start=peak + 0.4, tol=1e-12)
    assert with_curvature.n_iter_ == 2  # Newton's step, and the look that it was enough


def test_the_peak_beyond_a_bound_is_sought_along_it(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(4, 4))
    A, peak = A @ A.T + np.eye(4), np.array([0.0, 9.0, 0.5, 1.0])  # the second is bounded by log 100
    theta, _ = maximise_theta(Owner(), quadratic(peak, A), KERNEL, tol=1e-14)
    gradient = quadratic(peak, A)(theta)[1]
    low, high = KERNEL.bounds.T
    assert ((low <= theta) & (theta <= high)).all()
    inside = (theta > low) & (theta < high)
    np.testing.assert_allclose(gradient[inside], 0, atol=1e-5)
    assert (gradient[theta == high] >= 0).all() and (gradient[theta == low] <= 0).all() and not inside.all()


def test_a_curved_valley(seed):
    def rosenbrock(t):
        a, b = 1 - t[0], t[1] - t[0] ** 2
        return -(a**2) - 30 * b**2, np.array([2 * a + 120 * t[0] * b, -60 * b, 0.0, 0.0])

    owner = Owner()
    start = np.random.default_rng(seed).uniform(-1.5, 1.5, 4)
    theta, _ = maximise_theta(owner, rosenbrock, KERNEL, start=start, tol=1e-12)
    np.testing.assert_allclose(theta[:2], 1, atol=1e-4)


def test_where_the_objective_is_not_defined_the_step_is_shortened():
    def f(theta):
        if theta[0] > 0.4:
            raise NotPositiveDefiniteError("beyond")
        return float(theta[0]) - 100 * max(0.0, theta[0] - 0.39) ** 2, np.array(
            [1.0 - 200 * max(0.0, theta[0] - 0.39), 0, 0, 0]
        )

    theta, _ = maximise_theta(Owner(), f, KERNEL, start=np.zeros(4))
    assert theta[0] == pytest.approx(0.395, abs=1e-4)

    def nowhere(theta):
        raise NotPositiveDefiniteError("nowhere")

    with pytest.raises(NotPositiveDefiniteError, match="nowhere"):
        maximise_theta(Owner(), nowhere, KERNEL, n_restarts=2, rng=np.random.default_rng(0))


def test_restarts_find_the_higher_of_two_peaks(seed):
    def f(theta):
        low, high = np.exp(-((theta[0] - 0.5) ** 2)), 3 * np.exp(-((theta[0] + 4) ** 2))
        return low + high, np.array([-2 * low * (theta[0] - 0.5) - 2 * high * (theta[0] + 4), 0, 0, 0])

    first, _ = maximise_theta(Owner(), f, KERNEL, start=np.zeros(4))
    best, value = maximise_theta(Owner(), f, KERNEL, start=np.zeros(4), n_restarts=20, rng=np.random.default_rng(seed))
    assert first[0] == pytest.approx(0.5, abs=0.01)
    assert best[0] == pytest.approx(-4, abs=0.01) and value == pytest.approx(3, abs=1e-3)


def test_other_optimisers_and_none():
    f = quadratic(np.zeros(4), np.eye(4))

    def theirs(minus, theta, bounds):
        assert bounds.shape == (4, 2)
        value, slope = minus(theta)
        assert minus(theta, eval_gradient=False) == value
        return theta - slope, 0.0

    theta, value = maximise_theta(Owner(), f, KERNEL, optimizer=theirs)
    np.testing.assert_allclose(theta, 0, atol=1e-15)
    assert value == 0
    theta, value = maximise_theta(Owner(), f, KERNEL, optimizer=None)
    assert np.array_equal(theta, KERNEL.theta) and value == f(KERNEL.theta)[0]
    with pytest.raises(ValueError, match="shape"):
        maximise_theta(Owner(), f, KERNEL, optimizer=lambda minus, theta, bounds: (theta[:1], 0.0))


def test_hyper_parameters_at_a_bound_are_named_once():
    at = KERNEL.with_theta(np.array([0.0, math.log(1e2), 0.0, 0.0]))
    with pytest.warns(BoundWarning, match=r"length_scale\[0\] = 100 \(upper\)") as told:
        warn_at_bounds(Owner(), at)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_at_bounds(Owner(), KERNEL)


@pytest.mark.parametrize(
    "prior", [LogNormal(2.0, 0.7), Gamma(3.0, 0.5), HalfNormal(1.5), HalfNormal(1.5, of_root=True)], ids=repr
)
def test_hyper_priors_are_densities_of_the_logarithm(prior):
    mass, _ = integrate.quad(lambda t: math.exp(prior.log_density(t)[0]), -40, 12, points=[0], limit=400)
    assert mass == pytest.approx(1, abs=1e-7)
    for t in (-2.0, 0.3, 1.1):
        slope = (prior.log_density(t + 1e-6)[0] - prior.log_density(t - 1e-6)[0]) / 2e-6
        assert prior.log_density(t)[1] == pytest.approx(slope, abs=1e-6)


def test_hyper_priors_are_those_of_their_unit():
    v = 1.7
    assert LogNormal(2.0, 0.7).log_density(math.log(v))[0] == pytest.approx(
        stats.lognorm(0.7, scale=2.0).logpdf(v) + math.log(v)
    )
    assert Gamma(3.0, 0.5).log_density(math.log(v))[0] == pytest.approx(stats.gamma(3, scale=2).logpdf(v) + math.log(v))
    by_sd = stats.halfnorm(scale=1.5).logpdf(math.sqrt(v)) + math.log(math.sqrt(v) / 2)  # d sd / d log(sd^2) = sd / 2
    assert HalfNormal(1.5, of_root=True).log_density(math.log(v))[0] == pytest.approx(by_sd)
    itself = stats.halfnorm(scale=1.5).logpdf(v) + math.log(v)
    assert HalfNormal(1.5).log_density(math.log(v))[0] == pytest.approx(itself)


def test_hyper_priors_find_their_parameters_by_name():
    priors = {"length_scale": LogNormal(3.0, 0.5), "k2.noise_level": Gamma(2.0, 1.0)}
    value, slope = log_prior(priors, KERNEL)
    parts = [LogNormal(3.0, 0.5).log_density(0.0), Gamma(2.0, 1.0).log_density(math.log(0.1))]
    assert value == pytest.approx(2 * parts[0][0] + parts[1][0])
    np.testing.assert_allclose(slope, [0, parts[0][1], parts[0][1], parts[1][1]])
    assert log_prior(None, KERNEL)[0] == 0
    with pytest.raises(ValueError, match="noise_level"):
        log_prior({"noise_levle": Gamma()}, KERNEL)
    with pytest.raises(ValueError, match="HyperPrior"):
        log_prior({"noise_level": 3.0}, KERNEL)


def test_the_default_kernel_is_in_the_units_of_the_data(seed):
    rng = np.random.default_rng(seed)
    X, Y = torch.tensor(rng.normal(size=(30, 2))), torch.tensor(rng.normal(size=(30, 1)))
    plain, scaled = default_kernel(X, Y), default_kernel(X * torch.tensor([1e6, 1e-6]) + 5.0, Y * 1e3)
    np.testing.assert_allclose(
        scaled.theta - plain.theta, np.log([1e6, 1e6, 1e-6, 1e6]), rtol=1e-9, atol=1e-6
    )  # variance, two lengths, noise
    np.testing.assert_allclose(scaled.bounds - plain.bounds, (scaled.theta - plain.theta)[:, None] + [0, 0], atol=1e-6)
    constant = default_kernel(torch.ones(3, 2, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64))
    np.testing.assert_allclose(np.exp(constant.theta)[0], 1)


@pytest.mark.parametrize("N", [1, 99, 400, 1599, 1600, 30_000])
def test_stages_are_disjoint_parts_that_grow(N):
    stages = stages_of(N, torch.Generator().manual_seed(0))
    sizes = [sum(map(len, stage)) for stage in stages]
    assert sizes == sorted(sizes) and all(size >= 100 for size in sizes)
    for stage in stages:
        rows = torch.cat(stage)
        assert len(rows.unique()) == len(rows) and int(rows.max()) < N
    assert (len(stages) > 0) == (N >= 400) and (N < 1600 or sizes[-1] == N)


def test_stages_end_at_the_maximum_of_all_items(seed):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=1600)
    calls = []

    def objective(parts):  # the normal with unknown mean, once for each coordinate, is a process without inputs
        rows = slice(None) if parts is None else torch.cat(parts).numpy()
        calls.append(None if parts is None else len(rows))
        peak = np.full(4, y[rows].mean())
        return quadratic(peak, np.eye(4) * len(y[rows]))

    def search(f, restarts, tol, **start):
        return maximise_theta(Owner(), f, KERNEL, tol=tol, **start)[0]

    theta = search_in_stages(
        objective, search, KERNEL, stages_of(1600, torch.Generator().manual_seed(1)), 1600, 0, 1e-12
    )
    np.testing.assert_allclose(theta, y.mean(), atol=1e-6)
    assert calls == [100, 1600, None]
