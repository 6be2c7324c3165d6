"""Sparse Gaussian processes against dense formulas, the exact process, differences, and simulation."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

from peira.core import ParameterError
from peira.kernels import RBF, ConstantKernel, WhiteKernel
from peira.kernels import sparse_gaussian_process_inducing as inducing
from peira.kernels.gaussian_process_regression import GaussianProcessRegressor
from peira.kernels.sparse_gaussian_process import SparseEvidence
from peira.kernels.sparse_gaussian_process_inducing import InducingPosterior, greedy, split_noise
from peira.kernels.sparse_gaussian_process_regression import SparseGaussianProcessRegressor
from peira.kernels.sparse_gaussian_process_stochastic_classification import StochasticGaussianProcessClassifier
from peira.kernels.sparse_gaussian_process_stochastic_regression import StochasticGaussianProcessRegressor

METHODS = ("vfe", "fitc")


def kernel(D):
    return 1.3 * RBF(np.linspace(0.8, 1.6, D).tolist()) + WhiteKernel(0.2)


def problem(seed, N=30, D=2, M=7):
    rng = np.random.default_rng(seed)
    X, w = torch.tensor(rng.normal(size=(N, D))), torch.tensor(rng.uniform(0.5, 2.0, N))
    y = torch.sin(2 * X[:, 0]) + 0.3 * torch.tensor(rng.normal(size=N))
    return X, y, w, torch.tensor(rng.normal(size=(M, D)))


def evidence(X, y, w, method="vfe", memory=1e9):
    return SparseEvidence(kernel(X.shape[1]), X, y.reshape(len(X), -1), w, method, memory)


def dense(X, y, Z, method):
    """The log evidence and the predictive moments at X + 0.1 by N x N matrices."""
    smooth, noise = split_noise(kernel(X.shape[1]), X)
    X, y, Z, s = X.numpy(), y.numpy(), Z.numpy(), float(noise)
    k = lambda a, b: smooth(a, b)  # noqa: E731
    T = X + 0.1
    inner = np.linalg.inv(k(Z, Z) + inducing.JITTER * 1.3 * np.eye(len(Z)))
    Q, cross = k(X, Z) @ inner @ k(Z, X), k(T, Z) @ inner @ k(Z, X)
    left = smooth.diag(X) - np.diag(Q)
    noise = np.diag(left + s) if method == "fitc" else s * np.eye(len(X))
    value = multivariate_normal(np.zeros(len(X)), Q + noise).logpdf(y)
    value -= left.sum() / s / 2 if method == "vfe" else 0.0
    solve = np.linalg.solve(Q + noise, np.column_stack([y, cross.T]))
    return value, cross @ solve[:, 0], smooth.diag(T) - np.einsum("ij,ji->i", cross, solve[:, 1:])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("N", "D", "M"), [(1, 1, 1), (2, 1, 1), (3, 2, 3), (20, 2, 6), (20, 6, 5)])
def test_evidence_and_predictions_are_those_of_the_dense_formula(seed, method, N, D, M):
    X, y, _, Z = problem(seed, N, D, M)
    f = evidence(X, y, torch.ones(N, dtype=torch.float64), method)
    theta = torch.tensor(f.kernel.theta)
    posterior, value, _ = f.posterior(theta, Z)
    mean, variance = posterior.at(X + 0.1)
    expected = dense(X, y, Z, method)
    np.testing.assert_allclose([value, f.value(theta, Z)], expected[0], rtol=1e-9)
    np.testing.assert_allclose(mean[:, 0], expected[1], atol=1e-9)
    np.testing.assert_allclose(variance[:, 0], expected[2], atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_several_targets_are_as_many_processes(seed, method, monkeypatch):
    """Evidence, gradient and posterior of two targets are the sum, and the pair, of those of one each."""
    monkeypatch.setattr(inducing, "ENTRIES", 50)
    X, y, w, Z = problem(seed)
    Y = torch.stack([y, X[:, 1] - y.square()], 1)
    theta = torch.tensor(kernel(2).theta)
    both, first, second = (evidence(X, part, w, method) for part in (Y, Y[:, 0], Y[:, 1]))
    for joint, a, b in zip(*(f.gradient(theta, Z) for f in (both, first, second)), strict=True):
        np.testing.assert_allclose(joint, a + b, rtol=1e-9, atol=1e-9)
    mean, variance = both.posterior(theta, Z)[0].at(X + 0.2)
    for k, f in enumerate((first, second)):
        one = f.posterior(theta, Z)[0].at(X + 0.2)
        np.testing.assert_allclose(mean[:, k], one[0][:, 0], atol=1e-10)
        np.testing.assert_allclose(variance[:, k], one[1][:, 0], atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_with_all_rows_as_inducing_inputs_it_is_the_exact_process(seed, method):
    X, y, _, _ = problem(seed)
    f = evidence(X, y, torch.ones(30, dtype=torch.float64), method)
    posterior, value, _ = f.posterior(torch.tensor(f.kernel.theta), X)
    K, y = f.kernel(X.numpy()), y.numpy()
    exact = multivariate_normal(np.zeros(30), K).logpdf(y)
    assert abs(value - exact) < 1e-5
    T = X.numpy() + 0.3
    smooth = split_noise(f.kernel, X)[0]
    cross = smooth(T, X.numpy())
    mean, variance = posterior.at(torch.tensor(T))
    np.testing.assert_allclose(mean[:, 0], cross @ np.linalg.solve(K, y), atol=1e-5)
    expected = smooth.diag(T) - np.einsum("ij,ji->i", cross, np.linalg.solve(K, cross.T))
    np.testing.assert_allclose(variance[:, 0], expected, atol=1e-5)


def test_the_bound_stays_below_the_evidence_and_grows_with_the_inducing_inputs(seed):
    X, y, _, _ = problem(seed, N=40)
    f = evidence(X, y, torch.ones(40, dtype=torch.float64))
    exact = multivariate_normal(np.zeros(40), f.kernel(X.numpy())).logpdf(y)
    theta = torch.tensor(f.kernel.theta)
    bounds = [f.value(theta, X[:M]) for M in range(1, 41, 3)]
    assert (np.diff(bounds) > -1e-6).all() and max(bounds) <= exact + 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("D", [2, 6])
@pytest.mark.parametrize("memory", [0.0, 1e9])
def test_gradients_are_those_of_differences(seed, method, D, memory, monkeypatch):
    monkeypatch.setattr(inducing, "ENTRIES", 50)  # several blocks
    X, y, w, Z = problem(seed, D=D)
    f = evidence(X, y, w, method, memory)
    theta = torch.tensor(f.kernel.theta)
    value, slope, slope_Z = f.gradient(theta, Z)
    assert abs(value - f.value(theta, Z)) < 1e-10 * abs(value)

    def difference(at, i, h=1e-5):
        e = torch.zeros_like(at).flatten()
        e[i] = h
        e = e.reshape(at.shape)
        plus, minus = ((theta + e, Z), (theta - e, Z)) if at is theta else ((theta, Z + e), (theta, Z - e))
        return (f.value(*plus) - f.value(*minus)) / (2 * h)

    np.testing.assert_allclose(slope, [difference(theta, i) for i in range(len(theta))], rtol=1e-6, atol=1e-5)
    chosen = [0, 3, Z.numel() - 1]
    np.testing.assert_allclose(slope_Z.flatten()[chosen], [difference(Z, i) for i in chosen], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_repetitions_and_blocks_change_nothing(seed, method, monkeypatch):
    X, y, _, Z = problem(seed)
    n = torch.tensor(np.random.default_rng(seed).integers(1, 4, 30))
    weighted = evidence(X, y, n.double(), method)
    theta = torch.tensor(weighted.kernel.theta)
    whole = weighted.gradient(theta, Z)
    monkeypatch.setattr(inducing, "ENTRIES", 20)
    again = X.repeat_interleave(n, 0), y.repeat_interleave(n), torch.ones(int(n.sum()), dtype=torch.float64)
    for a, b in zip(whole, evidence(*again, method, memory=3000.0).gradient(theta, Z), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


def test_memory_is_bounded_by_blocks(seed, monkeypatch):
    """No matrix of all rows is ever asked of the kernel."""
    X, y, w, Z = problem(seed, N=500)
    sizes, gram = [], RBF._gram

    def watched(self, A, B=None):
        sizes.append(len(A) * len(A if B is None else B))
        return gram(self, A, B)

    monkeypatch.setattr(RBF, "_gram", watched)
    monkeypatch.setattr(inducing, "ENTRIES", 70)
    f = evidence(X, y, w, memory=0.0)
    f.gradient(torch.tensor(f.kernel.theta), Z)
    f.posterior(torch.tensor(f.kernel.theta), Z)[0].at(X)
    assert max(sizes) <= 70


def test_greedy_choice_is_that_of_conditional_variances(seed):
    X, _, _, _ = problem(seed, N=25)
    smooth = split_noise(kernel(2), X)[0]
    chosen = greedy(smooth, X, 6).tolist()
    K = smooth(X.numpy())
    for j in range(1, 6):
        a = chosen[:j]
        left = np.diag(K) - np.einsum("ij,ji->i", K[:, a], np.linalg.solve(K[np.ix_(a, a)], K[a]))
        assert left[chosen[j]] > left.max() - 1e-8
    assert len(greedy(smooth, X[:1].repeat(9, 1), 5)) == 1, "duplicates explain nothing more"
    assert len(greedy(smooth, X, 60)) <= 25


def test_variances_are_never_negative_and_the_jitter_is_told(seed):
    rng = np.random.default_rng(seed)
    X = np.repeat(rng.normal(size=(20, 1)), 3, axis=0)
    model = SparseGaussianProcessRegressor(100.0 * RBF(50.0) + WhiteKernel(1e-6), optimizer=None, n_inducing=60)
    model.fit(X, X[:, 0])
    assert model.jitter_ > 0 and (model.predict_dist(np.linspace(-9, 9, 200)[:, None]).variance > 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_rows_and_constant_targets(seed, method, N):
    X = np.random.default_rng(seed).normal(size=(N, 2))
    model = SparseGaussianProcessRegressor(method=method).fit(X, np.full(N, 4.0))
    np.testing.assert_allclose(model.predict(X * 3), 4.0)
    assert np.isfinite(model.predict_dist(X).std).all()


def test_a_wave_is_not_taken_for_noise(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, size=(400, 1))
    y = 5 + 3 * np.sin(2 * np.pi * 8 * X[:, 0]) + 0.3 * rng.normal(size=400)
    model = SparseGaussianProcessRegressor(n_inducing=40).fit(X, y)
    assert model.score(X, y) > 0.95 and 0.05 < model.noise_variance_ < 0.15
    assert model.inducing_points_.shape == (40, 1)


def test_the_kernel_needs_its_noise_and_labels_none():
    X, y = np.zeros((3, 1)), np.arange(3.0)
    with pytest.raises(ParameterError, match="WhiteKernel"):
        SparseGaussianProcessRegressor(RBF()).fit(X, y)
    with pytest.raises(ParameterError, match="outermost"):
        SparseGaussianProcessRegressor(2.0 * (RBF() + WhiteKernel())).fit(X, y)
    with pytest.raises(ParameterError, match="labels have no additive noise"):
        StochasticGaussianProcessClassifier(RBF() + WhiteKernel()).fit(X, [0, 1, 1])
    with pytest.raises(ParameterError, match=r"\(M, 1\)"):
        SparseGaussianProcessRegressor(inducing_points=np.zeros((3, 2))).fit(X, y)


def test_a_search_cut_short_says_so(seed):
    X, y, _, _ = problem(seed, N=60)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        SparseGaussianProcessRegressor(n_inducing=10, max_iter=2, tol=0.0).fit(X.numpy(), y.numpy())


def fixed_kernel(noise=0.2):
    given = kernel(2)
    return ConstantKernel(1.3, "fixed") * RBF(given.k1.k2.length_scale, "fixed") + WhiteKernel(noise, "fixed")


EVERY_ROW = {
    "vfe": lambda Z: SparseGaussianProcessRegressor(fixed_kernel(), inducing_points=Z, optimizer=None),
    "fitc": lambda Z: SparseGaussianProcessRegressor(fixed_kernel(), inducing_points=Z, optimizer=None, method="fitc"),
    "batches": lambda Z: StochasticGaussianProcessRegressor(
        fixed_kernel(), inducing_points=Z, step_size=1e-12, max_iter=2
    ),
}


@pytest.mark.parametrize("K", [0, 1, 2])
@pytest.mark.parametrize("name", EVERY_ROW)
def test_with_every_row_inducing_targets_and_draws_are_those_of_the_exact_process(seed, name, K):
    X, y, _, _ = problem(seed)
    X, y = X.numpy(), y.numpy()
    Y = y if not K else np.column_stack([y, 100 + 9 * X[:, 1] ** 2])[:, :K]
    model = EVERY_ROW[name](X).fit(X, Y)
    exact = GaussianProcessRegressor(fixed_kernel(), optimizer=None, normalize_y=True).fit(X, Y)
    T = np.random.default_rng(seed + 1).normal(size=(6, 2)) * 1.5
    unit = 1 + np.abs(Y).max()
    for noise in (True, False):
        ours, theirs = model.predict_dist(T, noise), exact.predict_dist(T, noise)
        np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-5 * unit)
        np.testing.assert_allclose(ours.variance, theirs.variance, atol=1e-5 * unit**2)
        for prior in (True, False):
            draws = (p.sample_y(T, 3, 7, noise=noise, prior=prior) for p in (model, exact))
            np.testing.assert_allclose(*draws, atol=1e-3 * unit)
    assert model.sample_y(T, 3).shape == ((6, 3) if not K else (6, K, 3))


def test_draws_have_the_moments_of_the_belief(seed):
    X, y, _, Z = problem(seed)
    model = SparseGaussianProcessRegressor(fixed_kernel(), inducing_points=Z.numpy(), optimizer=None)
    model.fit(X.numpy(), y.numpy())
    T = X[:3].numpy() + 0.1
    draws, told = model.sample_y(T, 20_000, seed), model.predict_dist(T)
    np.testing.assert_allclose(draws.mean(1), told.mean, atol=5 * told.std.max() / 20_000**0.5)
    np.testing.assert_allclose(draws.var(1), told.variance, rtol=0.06)
    with pytest.raises(ParameterError, match="1 or more"):
        model.sample_y(T, 0)


# ---------------------------------------------------------------------- minibatches


def test_one_natural_step_by_all_rows_is_the_collapsed_posterior(seed):
    """Without a move of the hyper-parameters, normal noise is solved exactly by the last pass."""
    X, y, w, Z = problem(seed)
    model = StochasticGaussianProcessRegressor(
        fixed_kernel(), inducing_points=Z.numpy(), step_size=1e-12, max_iter=3, batch_size=10, normalize_y=False
    ).fit(X.numpy(), y.numpy(), w.numpy())
    f = evidence(X, y, w)
    mean, variance = f.posterior(torch.tensor(f.kernel.theta), Z)[0].at(X)
    forecast = model.predict_dist(X.numpy())
    np.testing.assert_allclose(forecast.mean, mean[:, 0], atol=1e-8)
    np.testing.assert_allclose(forecast.variance, variance[:, 0] + 0.2, atol=1e-8)


def test_batches_reach_nearly_the_collapsed_bound(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, size=(2000, 1))
    y = np.sin(2 * X[:, 0]) + 0.2 * rng.normal(size=2000)
    T = np.linspace(-3, 3, 200)[:, None]
    model = StochasticGaussianProcessRegressor(n_inducing=15, batch_size=200, max_iter=150).fit(X, y)
    assert np.abs(model.predict(T) - np.sin(2 * T[:, 0])).max() < 0.1
    assert abs(model.noise_variance_ - 0.04) < 0.01
    stream = StochasticGaussianProcessRegressor(n_inducing=15, batch_size=200)
    for i in range(0, 2000, 500):
        stream.partial_fit(X[i : i + 500], y[i : i + 500])
    assert stream.n_seen_ == 2000 and stream.n_steps_ == 12
    assert np.abs(stream.predict(T) - np.sin(2 * T[:, 0])).max() < 0.3


@pytest.mark.parametrize("C", [1, 3])
def test_expected_likelihoods_have_the_slopes_that_they_state(seed, C):
    rng = np.random.default_rng(seed)
    model = StochasticGaussianProcessClassifier()
    mean = torch.tensor(rng.normal(size=(4, C)))
    variance = torch.tensor(rng.uniform(0.2, 2.0, size=(4, C)))
    y, noise = torch.tensor([0, 1, 0, 1]), torch.zeros(())
    told = model._expected(mean, variance, y, noise)
    e = torch.zeros(4, C, dtype=torch.float64)
    e[:, 0] = 1e-4
    by_mean = model._expected(mean + e, variance, y, noise).value - model._expected(mean - e, variance, y, noise).value
    by_variance = (
        model._expected(mean, variance + e, y, noise).value - model._expected(mean, variance - e, y, noise).value
    )
    np.testing.assert_allclose(by_mean / 2e-4, told.g[:, 0], atol=1e-6 if C == 1 else 0.02)
    np.testing.assert_allclose(by_variance / 2e-4, -told.h[:, 0] / 2, atol=1e-6 if C == 1 else 0.02)
    draws = mean + variance.sqrt() * torch.tensor(rng.normal(size=(200_000, 4, C)))
    logits = torch.cat([torch.zeros_like(draws), draws], 2) if C == 1 else draws
    logs = logits.log_softmax(2).mean(0).gather(1, y[:, None])[:, 0]
    np.testing.assert_allclose(told.value, logs, atol=0.01)


def test_the_classifier_knows_what_it_does_not_know(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(400, 2))
    y = (np.hypot(*X.T) > 1.2).astype(int) + (X[:, 0] > 1.5)
    model = StochasticGaussianProcessClassifier(n_inducing=40, max_iter=40, step_size=0.1).fit(X, y)
    assert model.score(X, y) > 0.93
    far = model.predict_proba([[300.0, 300.0]])[0]
    assert abs(far - 1 / 3).max() < 0.05
    two = StochasticGaussianProcessClassifier(n_inducing=40, max_iter=40, step_size=0.1).fit(X, y > 0)
    assert two.score(X, y > 0) > 0.93 and abs(two.predict_proba([[300.0, 300.0]])[0, 0] - 0.5) < 0.01
    assert two.mean_.shape == (40, 1) and model.mean_.shape == (40, 3)


def test_a_belief_without_data_is_the_prior():
    Z = torch.zeros(1, 1, dtype=torch.float64)
    one = torch.ones(1, 1, dtype=torch.float64)
    mean, variance = InducingPosterior(RBF(), Z, one, 0 * one, one[None]).at(Z + math.pi)
    np.testing.assert_allclose([float(mean), float(variance)], [0.0, 1.0])
