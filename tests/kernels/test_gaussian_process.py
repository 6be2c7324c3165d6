"""Marginal likelihood and gradient of exact Gaussian processes: by the dense formula, differences, repeated items."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from peira.kernels import RBF, ConstantKernel, Kernel, WhiteKernel
from peira.kernels import gaussian_process_tiles as by_tiles
from peira.kernels.gaussian_process import (
    MarginalLikelihood,
    Observations,
    factorise,
    invert,
    log_marginal_likelihood,
    noise_of,
    silent,
    solve,
    whiten,
)
from peira.kernels.matern import Matern
from peira.kernels.periodic import ExpSineSquared
from peira.kernels.stationary import RationalQuadratic
from peira.numerics.cholesky import NotPositiveDefiniteError


def observations(seed, N, D=2, K=1, weights=False):
    rng = np.random.default_rng([seed, N])
    X, Y = (torch.tensor(rng.normal(size=(N, size))) for size in (D, K))
    w = torch.tensor(rng.uniform(0.5, 3.0, N)) if weights else None
    return Observations(X, Y, torch.tensor(rng.uniform(0.1, 0.3, N)), w)


KERNELS: dict[str, Kernel] = {
    "ARD and noise": 2.0 * RBF([0.7, 1.6]) + WhiteKernel(0.3),
    "one length": RBF(0.8) + 0.5 * WhiteKernel(0.7),
    "sum of parts": 1.5 * Matern(0.9, nu=1.5) + ConstantKernel(0.4) * RBF(3.0).on([1]) + WhiteKernel(0.2),
    "product": RBF([0.7, 1.6]) * ExpSineSquared(1.2, 0.9) + WhiteKernel(0.2),
    "no closed block": RationalQuadratic(0.8, alpha=0.6) * 1.3 + (RBF(2.0) + WhiteKernel(0.1)) * 0.5,
    "power": (RBF(1.1) + WhiteKernel(0.2)) ** 2,
    "fixed": ConstantKernel(2.0, "fixed") * RBF([0.5, 2.0], "fixed") + WhiteKernel(0.2),
}


@pytest.fixture(params=[256, 3], ids=["one tile", "many tiles"])
def tile(request, monkeypatch):
    monkeypatch.setattr(by_tiles, "TILE", request.param)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("N", [1, 2, 3, 11])
def test_the_value_is_the_normal_density(kernel, N, tile, seed):
    o = observations(seed, N, K=2)
    C = kernel._gram(o.X).numpy() + np.diag(o.noise.numpy())
    expected = sum(multivariate_normal.logpdf(y, np.zeros(N), C) for y in o.Y.T.numpy())
    np.testing.assert_allclose(MarginalLikelihood(o).value(kernel), expected, rtol=1e-10)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("weights", [False, True], ids=["plain", "weighted"])
def test_the_gradient_is_that_of_automatic_differentiation(kernel, weights, tile, seed):
    o = observations(seed, 10, K=2, weights=weights)
    value, gradient = MarginalLikelihood(o).with_gradient(kernel)
    theta = torch.tensor(kernel.theta, requires_grad=True)
    k = kernel.with_theta(theta)
    s = (k._diagonal(o.X) - silent(k)._diagonal(o.X)) + o.noise
    w = torch.ones(10, dtype=torch.float64) if o.w is None else o.w
    C = k._gram(o.X) + torch.diag(o.noise + s * (1 / w - 1))
    density = torch.distributions.MultivariateNormal(torch.zeros(10, dtype=torch.float64), C)
    total = density.log_prob(o.Y.T).sum() - ((w - 1) * (2 * torch.pi * s).log() + w.log()).sum()
    total.backward()
    np.testing.assert_allclose(value, total.detach(), rtol=1e-11)
    np.testing.assert_allclose(gradient, theta.grad, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("N", [1, 2, 7])
def test_a_weight_is_a_number_of_equal_items(N, seed):
    kernel, o = KERNELS["sum of parts"], observations(seed, N)
    times = torch.tensor(np.random.default_rng(seed).integers(1, 4, N))
    rows = torch.repeat_interleave(torch.arange(N), times)
    once = MarginalLikelihood(Observations(o.X, o.Y, o.noise, times.to(o.X.dtype))).with_gradient(kernel)
    often = MarginalLikelihood(o.part(rows)).with_gradient(kernel)
    np.testing.assert_allclose(once[0], often[0], rtol=1e-10)
    np.testing.assert_allclose(once[1], often[1], rtol=1e-7, atol=1e-9)


def test_weights_without_noise_are_refused(seed):
    o = observations(seed, 4, weights=True)
    with pytest.raises(ValueError, match="WhiteKernel"):
        MarginalLikelihood(Observations(o.X, o.Y, 0 * o.noise, o.w)).value(RBF())


@pytest.mark.parametrize("N", [0, 1, 2, 3, 40])
def test_factor_inverse_and_solutions(N, seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(N, N + 3))
    S = torch.tensor(A @ A.T)
    L, jitter = factorise(lambda jitter: S.tril() + jitter * torch.eye(N, dtype=torch.float64)) if N else (S.clone(), 0)
    assert jitter == 0
    B = torch.tensor(rng.normal(size=(N, 2)))
    np.testing.assert_allclose(L.tril() @ L.tril().T, S, atol=1e-10)
    np.testing.assert_allclose(S @ solve(L, B), B, atol=1e-8)
    np.testing.assert_allclose(whiten(L, B.T.clone(memory_format=torch.contiguous_format)) @ L.tril().T, B.T, atol=1e-8)
    inverse = invert(L.clone()).tril()
    np.testing.assert_allclose((inverse + inverse.tril(-1).T) @ S, np.eye(N), atol=1e-7)


def test_a_singular_matrix_gets_the_least_jitter_that_helps():
    ones = torch.ones((3, 3), dtype=torch.float64)
    L, jitter = factorise(lambda jitter: ones + jitter * torch.eye(3, dtype=torch.float64))
    assert 0 < jitter < 1e-13
    np.testing.assert_allclose(L.tril() @ L.tril().T, ones, atol=2 * jitter)
    with pytest.raises(NotPositiveDefiniteError, match="eigenvalue"):
        factorise(lambda jitter: torch.eye(3, dtype=torch.float64) * (jitter - 1))
    with pytest.raises(NotPositiveDefiniteError, match="NaN"):
        factorise(lambda jitter: ones * torch.nan)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_signal_and_noise_add_up(kernel, seed):
    X = observations(seed, 5).X
    quiet = silent(kernel)
    assert quiet.hyperparameter_names() == kernel.hyperparameter_names()
    np.testing.assert_allclose(quiet._gram(X, X), quiet._gram(X), atol=1e-14)  # nothing sits on the diagonal alone
    np.testing.assert_allclose(quiet._gram(X, X.flip(0)), kernel._gram(X, X.flip(0)), atol=1e-14)
    np.testing.assert_allclose(quiet._diagonal(X) + noise_of(kernel, X), kernel._diagonal(X))


def test_the_value_needs_no_more_than_the_factor(seed):
    o = observations(seed, 6)
    ml, kernel = MarginalLikelihood(o), KERNELS["ARD and noise"]
    L, alpha, jitter = ml.condition(kernel)
    assert jitter == 0 and log_marginal_likelihood(o, kernel, L, alpha) == ml.value(kernel)
