"""Factor analysis against the likelihood's gradient, rotations against a search, non-negative parts against theory."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import nnls
from scipy.stats import multivariate_normal
from sklearn.decomposition import NMF as NMFPeer
from sklearn.decomposition import FactorAnalysis as Peer

from peira.core import DataError, ParameterError
from peira.latent import NMF, FactorAnalysis
from peira.latent.nmf_multiplicative import divergence
from peira.latent.rotation import orthomax


def planted(seed, N=300, D=6, K=2):
    rng = np.random.default_rng([seed, 6])
    return rng.normal(size=(N, K)) @ rng.normal(size=(K, D)) + rng.normal(size=(N, D)) * rng.uniform(0.5, 1.5, D) + 3


# ---------------------------------------------------------------------- factors


@pytest.mark.parametrize("K", [0, 1, 2])
def test_the_gradient_of_the_likelihood_is_zero(seed, K):
    X = planted(seed)
    model = FactorAnalysis(K, tol=1e-11).fit(X)
    W = torch.tensor(model.components_.T, requires_grad=True)
    psi = torch.tensor(model.noise_variance_, requires_grad=True)
    mean = torch.tensor(model.mean_, requires_grad=True)
    value = torch.distributions.MultivariateNormal(mean, W @ W.T + torch.diag(psi)).log_prob(torch.as_tensor(X)).mean()
    for slope in torch.autograd.grad(value, [W, psi, mean]):
        assert not slope.numel() or float(slope.abs().max()) < 1e-6
    assert float(value.detach()) * len(X) == pytest.approx(model.loglike_[-1], rel=1e-10)
    assert (np.diff(model.loglike_) > -1e-9).all()


def test_factors_are_at_least_as_likely_as_scikit_learns(seed):
    X = planted(seed)
    ours, peer = FactorAnalysis(2).fit(X), Peer(2, tol=1e-8, max_iter=5000, svd_method="lapack").fit(X)
    assert ours.score(X) >= peer.score(X) - 1e-9
    np.testing.assert_allclose(ours.get_covariance(), peer.get_covariance(), atol=1e-3)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(peer.transform(X)), atol=5e-3)
    np.testing.assert_allclose(ours.get_precision() @ ours.get_covariance(), np.eye(6), atol=1e-9)
    exact = multivariate_normal(ours.mean_, ours.get_covariance()).logpdf(X)
    np.testing.assert_allclose(ours.log_prob(X), exact, rtol=1e-9)


def test_expected_factors_are_conditional_means(seed):
    X = planted(seed)
    model = FactorAnalysis(2).fit(X)
    W, C = model.components_.T, model.get_covariance()
    np.testing.assert_allclose(model.transform(X), (X - model.mean_) @ np.linalg.solve(C, W), atol=1e-9)


def test_units_change_nothing(seed):
    X, units = planted(seed), 10.0 ** np.arange(-3, 3)
    one, other = FactorAnalysis(2).fit(X), FactorAnalysis(2).fit(X * units)
    np.testing.assert_allclose(one.noise_variance_ * units**2, other.noise_variance_, rtol=1e-5)
    assert one.score(X) - np.log(units).sum() == pytest.approx(other.score(X * units), abs=1e-7)


def test_a_wide_table_is_fitted_through_its_rows(seed):
    X = planted(seed, 12, 30)
    model = FactorAnalysis(1, tol=1e-9).fit(X)
    exact = multivariate_normal(model.mean_, model.get_covariance()).logpdf(X).sum()
    assert model.loglike_[-1] == pytest.approx(exact, rel=1e-7)
    assert (np.diff(model.loglike_) > -1e-8).all()


def test_samples_have_the_covariance_of_the_model(seed):
    model = FactorAnalysis(2).fit(planted(seed))
    draws, C = model.sample(200_000, random_state=0), model.get_covariance()
    np.testing.assert_allclose(np.cov(draws.T), C, atol=6 * C.max() * np.sqrt(2 / 2e5))
    np.testing.assert_allclose(draws.mean(0), model.mean_, atol=5 * np.sqrt(C.max() / 2e5))


def test_constant_columns_have_no_noise_and_no_density():
    X = np.c_[np.random.default_rng(0).normal(size=(20, 3)), np.ones(20)]
    model = FactorAnalysis(1).fit(X)
    assert model.noise_variance_[3] == 0 and np.isfinite(model.transform(X)).all()
    with pytest.raises(DataError, match="column 3 was constant"):
        model.log_prob(X)
    with pytest.raises(DataError, match="at most"):
        FactorAnalysis(5).fit(X)
    with pytest.raises(ParameterError, match="4 positive numbers"):
        FactorAnalysis(1, noise_variance_init=[1.0]).fit(X)


def simplicity(B, gamma):
    return (B**4).sum() - gamma / len(B) * ((B**2).sum(0) ** 2).sum()


@pytest.mark.parametrize(("method", "gamma"), [("varimax", 1.0), ("quartimax", 0.0)])
@pytest.mark.parametrize("K", [1, 2, 4])
def test_rotations_are_orthogonal_and_simplest(seed, method, gamma, K):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(9, K))
    R = orthomax(torch.as_tensor(W), method).numpy()
    np.testing.assert_allclose(R.T @ R, np.eye(K), atol=1e-12)
    best = simplicity(W @ R, gamma)
    for _ in range(200):  # no small turn is better, and no random one either for two factors
        A = rng.normal(size=(K, K)) * 1e-3
        small = torch.matrix_exp(torch.as_tensor(A - A.T)).numpy()
        assert simplicity(W @ R @ small, gamma) <= best + 1e-10
        if K == 2:
            assert simplicity(W @ np.linalg.qr(rng.normal(size=(2, 2)))[0], gamma) <= best + 1e-10


def test_rotated_factors_are_as_likely_and_ordered(seed):
    X = planted(seed)
    plain, turned = FactorAnalysis(2).fit(X), FactorAnalysis(2, rotation="varimax").fit(X)
    np.testing.assert_allclose(plain.get_covariance(), turned.get_covariance(), atol=1e-9)
    sizes = (turned.components_**2).sum(1)
    assert sizes[0] >= sizes[1]


# ---------------------------------------------------------------------- parts


def counts(seed, N=40, D=9, K=3):
    rng = np.random.default_rng([seed, 8])
    return rng.gamma(1.0, size=(N, K)) @ rng.gamma(1.0, size=(K, D)) + 0.1 * rng.random((N, D))


CASES = [("cd", 2.0), ("mu", 2.0), ("mu", 1.0), ("mu", 0.0), ("mu", 0.5), ("mu", 1.5), ("mu", 3.0)]


@pytest.mark.parametrize(("solver", "beta"), CASES)
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_the_loss_never_rises_and_is_the_divergence(seed, solver, beta, alpha):
    X = counts(seed)
    model = NMF(3, solver=solver, beta_loss=beta, tol=1e-4, max_iter=3000, alpha_W=alpha, l1_ratio=0.5).fit(X)
    loss = np.array(model.history_["loss"])
    assert (np.diff(loss) <= 1e-9 * loss[0]).all()
    if not alpha:
        assert model.reconstruction_err_ == pytest.approx(np.sqrt(2 * loss[-1]))
        assert divergence(X, model.transform(X), model.components_, beta) <= loss[-1] * 1.01


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_divergences_agree_with_scikit_learn(seed, beta):
    from sklearn.decomposition._nmf import _beta_divergence

    rng = np.random.default_rng(seed)
    X, W, H = counts(seed), rng.random((40, 3)), rng.random((3, 9))
    assert divergence(X, W, H, beta) == pytest.approx(_beta_divergence(X, W, H, beta), rel=1e-9)
    if beta in (1.0, 2.0):
        X[np.median(X) > X] = 0
        assert divergence(sparse.csr_array(X), W, H, beta) == pytest.approx(divergence(X, W, H, beta), rel=1e-9)


def test_coordinate_descent_ends_where_scikit_learn_does(seed):
    X = counts(seed)
    for settings in ({}, {"alpha_W": 0.01, "l1_ratio": 0.5}, {"alpha_W": 0.002, "alpha_H": 0.01}):
        ours = NMF(3, init="nndsvd", tol=1e-5, max_iter=20_000, **settings).fit(X)
        peer = NMFPeer(3, init="nndsvd", tol=1e-5, max_iter=20_000, **settings).fit(X)
        assert ours.reconstruction_err_ == pytest.approx(peer.reconstruction_err_, rel=1e-4)
        np.testing.assert_allclose(ours.components_, peer.components_, rtol=0.02, atol=0.02 * ours.components_.max())


def test_codes_are_the_solutions_of_non_negative_least_squares(seed):
    X = counts(seed)
    model = NMF(3, random_state=0, max_iter=3000).fit(X)
    expected = np.stack([nnls(model.components_.T, x)[0] for x in X])
    np.testing.assert_allclose(model.transform(X), expected, atol=1e-7)
    thin = sparse.csr_array(X)
    np.testing.assert_allclose(model.transform(thin), expected, atol=1e-7)


@pytest.mark.parametrize(("solver", "beta"), [("cd", 2.0), ("mu", 2.0), ("mu", 1.0)])
def test_sparse_counts_give_the_parts_of_dense_ones(seed, solver, beta):
    X = counts(seed)
    X[np.median(X) > X] = 0
    settings = {"solver": solver, "beta_loss": beta, "random_state": 0, "max_iter": 2000, "init": "random"}
    thin, dense = NMF(3, **settings).fit(sparse.csr_array(X)), NMF(3, **settings).fit(X)
    np.testing.assert_allclose(thin.components_, dense.components_, rtol=1e-5, atol=1e-6)


def test_planted_parts_are_found(seed):
    """Parts that do not overlap are the only factorisation, up to size and order."""
    rng = np.random.default_rng(seed)
    H = np.kron(np.eye(3), np.ones((1, 4))) * rng.uniform(0.5, 2, (1, 12))
    X = rng.gamma(0.5, size=(60, 3)) @ H
    found = NMF(3, tol=1e-6, max_iter=5000).fit(X).components_
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosine = np.abs(unit @ (H / np.linalg.norm(H, axis=1, keepdims=True)).T)
    assert cosine.max(0).min() > 1 - 1e-3


def test_what_is_not_known_is_refused():
    with pytest.raises(DataError, match="Negative values"):
        NMF(1).fit([[1.0, -1.0], [2.0, 3.0]])
    with pytest.raises(ParameterError, match="use 'mu'"):
        NMF(1, beta_loss="kullback-leibler").fit(np.ones((3, 2)))
    with pytest.raises(DataError, match="needs positive"):
        NMF(1, solver="mu", beta_loss="itakura-saito").fit([[1.0, 0.0], [2.0, 3.0]])
    with pytest.raises(ParameterError, match="at most"):
        NMF(3, init="nndsvd").fit(np.ones((5, 2)))
    with pytest.raises(ParameterError, match="dense rows"):
        NMF(1, solver="mu", beta_loss=0.5).fit(sparse.csr_array(np.ones((3, 2))))
