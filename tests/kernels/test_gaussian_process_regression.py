"""Gaussian process regression: against dense formulas, leaving out, refitting, additive parts, and calibration."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor as Peer
from sklearn.gaussian_process import kernels as theirs

import peira
from peira.core.errors import RankWarning
from peira.kernels import RBF, ConstantKernel, WhiteKernel
from peira.kernels import gaussian_process_start as stages
from peira.kernels.gaussian_process_optimisation import BoundWarning
from peira.kernels.gaussian_process_posterior import summands
from peira.kernels.gaussian_process_priors import LogNormal
from peira.kernels.gaussian_process_regression import GaussianProcessRegressor

KERNEL = 2.0 * RBF([0.8, 1.5]) + WhiteKernel(0.2)


def fixed(kernel=KERNEL, **settings):
    return GaussianProcessRegressor(kernel, optimizer=None, **settings)


def problem(seed, N=12, D=2, K=None):
    rng = np.random.default_rng([seed, N, D])
    X = rng.normal(size=(N, D))
    shape = N if K is None else (N, K)
    return X, np.sin(2 * X[:, :1]).sum(1).reshape(N, *[1] * (K is not None)) + 0.4 * rng.normal(size=shape)


def dense(kernel, X, y, Q, alpha, w=None):
    """Mean and covariance of new targets by the partitioned normal distribution (Rasmussen & Williams, A.6)."""
    noise = kernel.diag(X) - np.diag(kernel(X, X)) + alpha
    C = kernel(X, X) + np.diag(noise / (1 if w is None else w))
    cross = kernel(Q, X)
    new = np.diag(kernel.diag(Q) - np.diag(kernel(Q, Q)) + (alpha if np.ndim(alpha) == 0 else 0))
    return cross @ np.linalg.solve(C, y), kernel(Q, Q) + new - cross @ np.linalg.solve(C, cross.T)


@pytest.mark.parametrize("N", [1, 2, 3, 12])
@pytest.mark.parametrize("alpha", [0.3, "rows"])
def test_predictions_are_those_of_the_partitioned_normal(N, alpha, seed):
    X, y = problem(seed, N)
    Q = np.random.default_rng(seed).normal(size=(5, 2))
    alpha = np.linspace(0.1, 0.9, N) if alpha == "rows" else alpha
    w = np.linspace(0.5, 2.0, N)
    gp = fixed(alpha=alpha).fit(X, y, w)
    mean, C = dense(KERNEL, X, y, Q, alpha, w)
    np.testing.assert_allclose(gp.predict(Q), mean, atol=1e-10)
    np.testing.assert_allclose(gp.predict(Q, return_cov=True)[1], C, atol=1e-10)
    np.testing.assert_allclose(gp.predict_dist(Q).variance, np.diag(C), atol=1e-10)
    joint = gp.joint_dist(Q)
    np.testing.assert_allclose(joint.covariance, C, atol=1e-10)
    noise = gp.predict_dist(Q).variance - gp.predict_dist(Q, noise=False).variance
    np.testing.assert_allclose(noise, 0.2 + (alpha if np.ndim(alpha) == 0 else 0), atol=1e-12)


@pytest.mark.parametrize("normalize_y", [False, True])
def test_it_is_scikit_learns_at_equal_hyper_parameters(normalize_y, seed):
    X, y = problem(seed, K=2)
    Q = X + 0.3
    their_kernel = theirs.ConstantKernel(2.0) * theirs.RBF([0.8, 1.5]) + theirs.WhiteKernel(0.2)
    ours = fixed(alpha=1e-10, normalize_y=normalize_y).fit(X, y)
    peer = Peer(their_kernel, optimizer=None, normalize_y=normalize_y).fit(X, y)
    np.testing.assert_allclose(ours.log_marginal_likelihood_value_, peer.log_marginal_likelihood_value_, rtol=1e-10)
    for name in ("X_train_", "y_train_", "L_", "alpha_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-8, atol=1e-10)
    for mine, its in zip(ours.predict(Q, return_cov=True), peer.predict(Q, return_cov=True), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-7, atol=1e-8)
    theta = peer.kernel_.theta + 0.1
    mine, its = (m.log_marginal_likelihood(theta, eval_gradient=True) for m in (ours, peer))
    np.testing.assert_allclose(mine[0], its[0], rtol=1e-10)
    np.testing.assert_allclose(mine[1], its[1], rtol=1e-6)


def test_what_is_learned_is_a_maximum_and_no_lower_than_the_peers(seed):
    X, y = problem(seed, 60)
    kernel = 1.0 * RBF([1.0, 1.0]) + WhiteKernel(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the second column does not matter: its length-scale ends at the bound
        gp = GaussianProcessRegressor(kernel, alpha=0.0, tol=1e-10).fit(X, y)
        peer = Peer(theirs.ConstantKernel() * theirs.RBF([1.0, 1.0]) + theirs.WhiteKernel(), alpha=0.0).fit(X, y)
    value, gradient = gp.log_marginal_likelihood(eval_gradient=True)
    assert value == pytest.approx(gp.log_marginal_likelihood_value_, rel=1e-12)
    free = gp.kernel_.theta < kernel.bounds[:, 1]
    np.testing.assert_allclose(gradient[free], 0, atol=1e-4)
    assert (gradient[~free] >= 0).all()
    assert value >= peer.log_marginal_likelihood_value_ - 1e-6


def test_parts_of_the_rows_lead_to_the_same_hyper_parameters(seed, monkeypatch):
    X, y = problem(seed, 420)
    kernel = 1.0 * RBF(1.0) + WhiteKernel(1.0)
    by_parts = GaussianProcessRegressor(kernel, tol=1e-9, random_state=seed).fit(X, y)
    monkeypatch.setattr(stages, "QUARTERS", 400)
    by_quarters = GaussianProcessRegressor(kernel, tol=1e-9, random_state=seed).fit(X, y)
    monkeypatch.setattr(stages, "FEWEST", 10_000)
    monkeypatch.setattr(stages, "QUARTERS", 10_000)
    at_once = GaussianProcessRegressor(kernel, tol=1e-9).fit(X, y)
    for gp in (by_parts, by_quarters):
        np.testing.assert_allclose(gp.kernel_.theta, at_once.kernel_.theta, atol=1e-4)
        assert gp.n_iter_ < at_once.n_iter_


def test_units_of_columns_and_targets_do_not_matter_to_the_default(seed):
    X, y = problem(seed, 40)
    unit = np.array([1e6, 1e-6])
    plain = GaussianProcessRegressor().fit(X, y)
    scaled = GaussianProcessRegressor().fit(X * unit + [3e6, -2e-6], 1e3 * y + 5e4)
    np.testing.assert_allclose(
        scaled.predict((X + 0.2) * unit + [3e6, -2e-6]), 1e3 * plain.predict(X + 0.2) + 5e4, rtol=1e-5
    )
    lengths = dict(
        zip(plain.kernel_.hyperparameter_names(), np.exp(scaled.kernel_.theta - plain.kernel_.theta), strict=True)
    )
    np.testing.assert_allclose(list(lengths.values()), [1e6, 1e6, 1e-6, 1e6], rtol=2e-2)  # in the units of the data


def test_small_and_degenerate_data_are_answered():
    for X, y in (([[1.0]], [3.0]), ([[1.0], [1.0]], [3.0, 5.0]), ([[0.0], [1.0], [2.0]], [7.0, 7.0, 7.0])):
        forecast = GaussianProcessRegressor().fit(X, y).predict_dist([[1.0], [1e3]])
        assert np.isfinite(forecast.mean).all() and (forecast.std >= 0).all() and np.isfinite(forecast.std).all()
        assert forecast.mean[0] == pytest.approx(np.mean(y), abs=1e-6)


def test_jitter_is_said(seed):
    X, y = problem(seed, 6)
    twice = np.vstack([X, X])
    with pytest.warns(RankWarning, match="jitter"):
        gp = fixed(RBF(1.0), alpha=0.0).fit(twice, np.concatenate([y, y]))
    assert 0 < gp.jitter_ < 1e-6
    forecast = gp.predict_dist(twice, noise=False)
    assert (forecast.variance >= 0).all() and (np.diag(gp.predict(twice, return_cov=True)[1]) >= 0).all()
    np.testing.assert_allclose(forecast.mean[:6], y, atol=1e-3)
    assert fixed(alpha=0.0).fit(X, y).jitter_ == 0.0


def test_more_items_equal_one_fit_at_the_same_hyper_parameters(seed):
    X, y = problem(seed, 30, K=2)
    w = np.linspace(0.5, 2.0, 30)
    gp = GaussianProcessRegressor(KERNEL, tol=1e-3, alpha=0.1).fit(X[:20], y[:20], w[:20])
    for rows in (slice(20, 21), slice(21, 30)):
        gp.partial_fit(X[rows], y[rows], w[rows])
    whole = fixed(gp.kernel_, alpha=0.1).fit(X, y, w)
    for name in ("L_", "alpha_", "X_train_", "y_train_", "weight_", "known_noise_"):
        np.testing.assert_allclose(getattr(gp, name), getattr(whole, name), atol=1e-9)
    assert gp.log_marginal_likelihood_value_ == pytest.approx(whole.log_marginal_likelihood_value_, rel=1e-10)
    np.testing.assert_allclose(gp.predict(X + 0.1), whole.predict(X + 0.1), atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_leaving_one_out_is_what_a_fit_without_it_says(weighted, seed):
    X, y = problem(seed, 9)
    w = np.linspace(0.5, 2.0, 9) if weighted else np.ones(9)
    left = fixed(alpha=0.1, normalize_y=False).fit(X, y, w).loo_dist()
    for i in range(9):
        rest = np.arange(9) != i
        alone = fixed(alpha=0.1).fit(X[rest], y[rest], w[rest]).predict_dist(X[[i]])
        np.testing.assert_allclose(left.mean[i], alone.mean[0], rtol=1e-8)
        np.testing.assert_allclose(left.std[i], alone.std[0], rtol=1e-8)


def test_parts_of_an_additive_kernel_explain_the_whole(seed):
    X, y = problem(seed, 15)
    kernel = 2.0 * (RBF(0.7).on([0]) + RBF(2.0).on([1])) + ConstantKernel(0.5) + WhiteKernel(0.2)
    gp = fixed(kernel, normalize_y=True).fit(X, y)
    parts = gp.decompose(X + 0.1)
    assert len(parts) == 3
    total = sum(part.mean for part in parts.values())
    np.testing.assert_allclose(total + gp.y_mean_, gp.predict(X + 0.1), atol=1e-10)
    # the posterior of one part by the joint normal of part and targets
    k = 2.0 * RBF(0.7).on([0])
    C = kernel(X) + 1e-10 * np.eye(15)
    Q = X[:4] + 0.1
    first = parts[next(name for name in parts if "0.7" in name)]
    z = (y - y.mean()) / y.std()
    np.testing.assert_allclose(first.mean[:4], y.std() * k(Q, X) @ np.linalg.solve(C, z), atol=1e-10)
    variance = k.diag(Q) - np.diag(k(Q, X) @ np.linalg.solve(C, k(X, Q)))
    np.testing.assert_allclose(first.variance[:4], y.var() * variance, atol=1e-10)


def test_products_are_multiplied_out_and_noise_is_no_part():
    a, b = RBF(1.0), RBF(2.0)
    kernel = (a + WhiteKernel(0.1)) * (b + ConstantKernel(3.0)) + 2.0 * WhiteKernel(0.3) + (a + b).on([0])
    X = np.random.default_rng(0).normal(size=(4, 2))
    parts = summands(kernel)
    assert len(parts) == 4
    signal = sum(part(X, X + 0.1) for part in parts)
    np.testing.assert_allclose(signal, kernel(X, X + 0.1), atol=1e-14)


def test_draws_are_functions_of_the_process(seed):
    X, y = problem(seed, 8, K=2)
    gp = fixed(alpha=0.1, normalize_y=True).fit(X, y)
    Q = X[:3] + 0.2
    draws = gp.sample_y(Q, 20_000, random_state=seed)
    assert draws.shape == (3, 2, 20_000)
    mean, C = gp.predict(Q, return_cov=True)
    sd = np.sqrt(np.einsum("iik->ik", C))
    assert (np.abs(draws.mean(-1) - mean) < 5 * sd / np.sqrt(20_000)).all()
    for k in range(2):
        error = np.cov(draws[:, k]) - C[:, :, k]
        assert (np.abs(error) < 6 * np.outer(sd[:, k], sd[:, k]) / np.sqrt(20_000)).all()
    assert np.array_equal(draws, gp.sample_y(Q, 20_000, random_state=seed))
    on_items = fixed(RBF(1.0), alpha=1e-8).fit(X, y[:, 0]).sample_y(X, 3, noise=False)
    np.testing.assert_allclose(on_items, np.repeat(y[:, :1], 3, 1), atol=1e-2)  # a known function is drawn as known


def test_draws_from_the_prior(seed):
    Q = np.array([[0.0, 0.0], [0.5, 0.1], [3.0, 3.0]])
    draws = GaussianProcessRegressor(KERNEL).sample_y(Q, 40_000, random_state=seed)
    assert draws.shape == (3, 40_000)
    np.testing.assert_allclose(np.cov(draws), KERNEL(Q), atol=0.1)
    gp = fixed().fit(*problem(seed))
    np.testing.assert_allclose(np.cov(gp.sample_y(Q, 40_000, seed, prior=True, noise=False)), KERNEL(Q, Q), atol=0.1)
    assert GaussianProcessRegressor(n_targets=2).sample_y(Q).shape == (3, 2, 1)


def test_calibration_on_data_drawn_from_the_model(seed):
    """Simulation-based: 90 % intervals hold 90 +- 2 % of targets that the model itself drew."""
    rng = np.random.default_rng([seed, 90])
    worlds, N, M = 300, 15, 15
    held = 0
    for _ in range(worlds):
        X = rng.uniform(-3, 3, (N + M, 2))
        y = np.linalg.cholesky(KERNEL(X)) @ rng.normal(size=N + M)
        low, high = fixed(alpha=0.0).fit(X[:N], y[:N]).predict_dist(X[N:]).interval(0.9)
        held += ((low <= y[N:]) & (y[N:] <= high)).mean() / worlds
    assert held == pytest.approx(0.9, abs=0.02)


def test_calibration_with_learned_hyper_parameters(seed):
    rng = np.random.default_rng([seed, 91])
    truth, held = 2.0 * RBF(1.2) + WhiteKernel(0.3), []
    for _ in range(25):
        X = rng.uniform(-4, 4, (160, 1))
        y = np.linalg.cholesky(truth(X)) @ rng.normal(size=160)
        gp = GaussianProcessRegressor(1.0 * RBF(1.0) + WhiteKernel(1.0), alpha=0.0).fit(X[:80], y[:80])
        low, high = gp.predict_dist(X[80:]).interval(0.9)
        held.append(((low <= y[80:]) & (y[80:] <= high)).mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.02 + 2 * np.std(held) / 5)


def test_hyper_priors_move_the_maximum(seed):
    X, y = problem(seed, 10)
    kernel = 1.0 * RBF(1.0) + WhiteKernel(0.3)
    tight = GaussianProcessRegressor(kernel, hyper_priors={"length_scale": LogNormal(5.0, 1e-3)}).fit(X, y)
    assert np.exp(tight.kernel_.theta[1]) == pytest.approx(5.0, rel=1e-3)
    assert tight.log_marginal_likelihood_value_ == pytest.approx(tight.log_marginal_likelihood())
    with pytest.raises(ValueError, match="did you mean 'k1.k2.length_scale'"):
        GaussianProcessRegressor(kernel, hyper_priors={"k1.k2.lenght_scale": LogNormal()}).fit(X, y)


def test_a_bound_is_named(seed):
    X, y = problem(seed, 30)
    with pytest.warns(BoundWarning, match="noise_level = 2"):
        GaussianProcessRegressor(1.0 * RBF(1.0) + WhiteKernel(3.0, (2.0, 10.0))).fit(X, y)


def test_mistakes_are_answered(seed):
    X, y = problem(seed)
    with pytest.raises(ValueError, match="holds 3 variances for 12 rows"):
        fixed(alpha=[1.0, 2.0, 3.0]).fit(X, y)
    with pytest.raises(ValueError, match="alpha"):
        fixed(alpha=[-1.0] * 12).fit(X, y)
    with pytest.raises(ValueError, match=r"peira\.kernels"):
        GaussianProcessRegressor(theirs.RBF()).fit(X, y)
    gp = fixed().fit(X, y)
    with pytest.raises(ValueError, match="return_std or return_cov"):
        gp.predict(X, return_std=True, return_cov=True)
    with pytest.raises(ValueError, match="n_samples"):
        gp.sample_y(X, 0)
    with pytest.raises(ValueError, match="one output"):
        fixed().fit(X, np.column_stack([y, y])).joint_dist(X)


def test_tensors_and_stored_models_answer_alike(seed, tmp_path):
    X, y = problem(seed)
    gp = GaussianProcessRegressor(KERNEL, tol=1e-2).fit(X, y)
    tensors = GaussianProcessRegressor(KERNEL, tol=1e-2).fit(torch.tensor(X), torch.tensor(y))
    assert isinstance(tensors.predict_dist(torch.tensor(X)).std, torch.Tensor)
    np.testing.assert_allclose(tensors.predict(torch.tensor(X)), gp.predict(X))
    loaded = peira.load(gp.save(tmp_path / "gp"))
    assert loaded.kernel_ == gp.kernel_
    np.testing.assert_array_equal(loaded.predict_dist(X).std, gp.predict_dist(X).std)
    np.testing.assert_array_equal(loaded.sample_y(X), gp.sample_y(X))


def test_the_picture_shows_data_mean_band_and_functions(seed):
    X, y = problem(seed)
    ax = fixed().fit(X, y).plot(column=1, samples=2)
    assert len(ax.lines) == 3 and len(ax.collections) == 2 and ax.get_xlabel() == "x1"
    with pytest.raises(ValueError, match="which column"):
        fixed().fit(X, y).plot()
    with pytest.raises(ValueError, match="no column 'x7'"):
        fixed().fit(X, y).plot("x7")
    single = fixed(RBF() + WhiteKernel()).fit(X[:, :1], y).plot(samples=0)
    assert len(single.lines) == 1
