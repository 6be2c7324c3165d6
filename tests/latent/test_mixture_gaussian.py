"""Gaussian mixtures: scikit-learn's E step, a gradient of zero, integrals of one, two routes, floors, conditionals."""

import warnings

import numpy as np
import pytest
import torch
from scipy import integrate
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Oracle

import peira
from peira.latent import GaussianMixture, MixtureOfFactorAnalysers, StudentMixture
from peira.latent import gaussian_components as engine
from peira.latent.gaussian_forms import add_thin_product, thin_product
from peira.latent.mixture import MixtureWarning
from peira.latent.mixture_components import share_out

SHAPES = ["full", "tied", "diag", "spherical"]
shapes = pytest.mark.parametrize("shape", SHAPES)


def rows(seed, N=200, D=3):
    rng = np.random.default_rng([seed, 2])
    return 3.0 * rng.normal(size=(2, D))[rng.integers(0, 2, N)] + rng.normal(size=(N, D)) @ rng.normal(size=(D, D))


def fitted(X, shape="full", **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        parameters = {"n_components": 2, "random_state": 0, "tol": 1e-12, "max_iter": 1000} | more
        return GaussianMixture(covariance_type=shape, **parameters).fit(X)


@shapes
def test_the_e_step_is_that_of_scikit_learn(shape, seed):
    X = rows(seed)
    mixture, oracle = fitted(X, shape, max_iter=3), Oracle(2, covariance_type=shape)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(oracle, name, getattr(mixture, name))
    np.testing.assert_allclose(mixture.predict_proba(X), oracle.predict_proba(X), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mixture.score_samples(X), oracle.score_samples(X), rtol=1e-12, atol=1e-12)
    assert mixture.bic(X) == pytest.approx(oracle.bic(X), rel=1e-12)
    assert mixture.aic(X) == pytest.approx(oracle.aic(X), rel=1e-12)


@shapes
def test_twenty_steps_are_those_of_scikit_learn(shape, seed):
    X = rows(seed)
    precisions = {"full": [np.eye(3)] * 2, "tied": np.eye(3), "diag": np.ones((2, 3)), "spherical": np.ones(2)}[shape]
    given = {"weights_init": [0.5, 0.5], "means_init": X[:2], "precisions_init": precisions, "max_iter": 20, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours = GaussianMixture(2, covariance_type=shape, **given).fit(X)
        theirs = Oracle(2, covariance_type=shape, reg_covar=0.0, **given).fit(X)
    order = ours.means_[:, 0].argsort(), theirs.means_[:, 0].argsort()
    np.testing.assert_allclose(ours.means_[order[0]], theirs.means_[order[1]], rtol=1e-8)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-8, atol=1e-8)


def log_likelihood(X, shape, logits, means, root, nu=None):
    """By plain autograd: weights as a softmax, precisions as A A'."""
    X, D = torch.tensor(X), X.shape[1]
    total = []
    for k in range(len(means)):
        A = root if shape == "tied" else root[k]
        A = torch.diag(A * torch.ones(D, dtype=A.dtype)) if shape in ("diag", "spherical") else A
        q = ((X - means[k]) @ A).square().sum(1)
        half = torch.linalg.slogdet(A)[1]
        if nu is None:
            total.append(half - 0.5 * D * np.log(2 * np.pi) - 0.5 * q)
        else:
            v = nu[k]
            head = torch.lgamma((v + D) / 2) - torch.lgamma(v / 2) - 0.5 * D * torch.log(v * np.pi) + half
            total.append(head - 0.5 * (v + D) * torch.log1p(q / v))
    return torch.logsumexp(torch.stack(total) + torch.log_softmax(logits, 0)[:, None], 0).mean()


def gradients(X, shape, weights, means, root, nu=None):
    given = [np.log(weights), means, root, *([] if nu is None else [nu])]
    parts = [torch.tensor(part, requires_grad=True) for part in given]
    value = log_likelihood(X, shape, *parts)
    return float(value.detach()), torch.autograd.grad(value, parts)


@shapes
def test_the_gradient_is_zero_for_every_parameter(shape, seed):
    X = rows(seed)
    m = fitted(X, shape, tol=1e-14, max_iter=4000)
    value, parts = gradients(X, shape, m.weights_, m.means_, m.precisions_cholesky_)
    assert value == pytest.approx(m.lower_bound_, rel=1e-12)
    assert max(float(part.abs().max()) for part in parts) < 2e-5


def test_the_gradient_of_a_mixture_of_t_is_zero_for_every_parameter(seed):
    rng = np.random.default_rng(seed)
    X = rows(seed, N=300) + rng.standard_t(2.5, size=(300, 3))
    for df in (None, 4.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            m = StudentMixture(1, df=df, tol=1e-14, max_iter=4000).fit(X)
        value, parts = gradients(X, "full", m.weights_, m.locations_, m.precisions_cholesky_, m.df_)
        assert value == pytest.approx(m.lower_bound_, rel=1e-12)
        assert max(float(part.abs().max()) for part in parts[: 3 if df else 4]) < 1e-5


@shapes
def test_both_routes_of_the_e_step_agree(shape, seed, monkeypatch):
    X = rows(seed)
    fast = fitted(X, shape, max_iter=15, tol=0.0)
    monkeypatch.setattr(engine, "LIMIT", -1.0)
    slow = fitted(X, shape, max_iter=15, tol=0.0)
    np.testing.assert_allclose(fast.log_prob(X), slow.log_prob(X), rtol=1e-9)


@shapes
def test_groups_far_apart_against_their_size_keep_their_digits(shape, seed):
    """Spread 1, distance 1e9: the expanded form would have lost everything."""
    rng = np.random.default_rng(seed)
    near = rng.normal(size=(60, 2))
    X = np.r_[near, near + 1e9]
    mixture = fitted(X, shape, tol=1e-10)
    # To move by 1e9 costs the last 9 digits of the data themselves.
    np.testing.assert_allclose(np.sort(mixture.means_[:, 0])[0], near[:, 0].mean(), rtol=1e-4, atol=1e-5)
    single = GaussianMixture(1, covariance_type=shape).fit(near)
    np.testing.assert_allclose(mixture.score(X), single.score(near) - np.log(2), rtol=1e-5)


@pytest.mark.parametrize("kind", [GaussianMixture, StudentMixture])
def test_the_density_integrates_to_one(kind, seed):
    X = rows(seed, D=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = kind(2, random_state=0, max_iter=50, tol=1e-6).fit(X)
    x = np.sinh(np.linspace(-12.0, 12.0, 200_001))  # from -81,000 to 81,000, fine in the middle
    total = integrate.trapezoid(np.exp(mixture.log_prob(x[:, None])), x)
    assert total == pytest.approx(1.0, abs=1e-3 if kind is StudentMixture else 1e-7)


@shapes
def test_a_constant_column_lies_on_the_floor_and_is_said(shape, seed):
    X = np.column_stack([rows(seed), np.full(200, 7.0)])
    if shape == "spherical":
        X = np.full((20, 2), 3.0)
    with pytest.warns(MixtureWarning, match="floor of the variance, reg_covar=0.001"):
        mixture = GaussianMixture(1, covariance_type=shape, reg_covar=1e-3).fit(X)
    assert (mixture.floored_ >= 1).all()
    smallest = (
        np.linalg.eigvalsh(mixture.covariances_).min() if shape in ("full", "tied") else mixture.covariances_.min()
    )
    assert smallest == pytest.approx(1e-3, rel=1e-6)
    with pytest.raises(ValueError, match="no extent"):
        GaussianMixture(1, covariance_type=shape, reg_covar=0.0).fit(np.full((5, 2), 3.0))


def test_repeated_rows_never_give_an_indefinite_covariance(seed):
    X = np.repeat(np.random.default_rng(seed).normal(size=(4, 5)), 10, axis=0)
    for shape in SHAPES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixture = GaussianMixture(3, covariance_type=shape, random_state=0).fit(X)
        assert np.isfinite(mixture.log_prob(X)).all()
        C = mixture.covariances_
        assert (np.linalg.eigvalsh(C) > 0).all() if shape in ("full", "tied") else (C > 0).all()


def test_the_floor_is_the_constrained_maximum(seed):
    """Against a search over all covariances whose eigenvalues are at least the floor."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 2)) @ np.diag([1.0, 0.1]) @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    with pytest.warns(MixtureWarning):
        best = GaussianMixture(1, reg_covar=0.1).fit(X).score(X)
    S = np.cov(X.T, bias=True)
    for _ in range(500):
        A = np.linalg.qr(rng.normal(size=(2, 2)))[0]
        C = A @ np.diag(0.1 + rng.exponential(size=2)) @ A.T
        value = -0.5 * (2 * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + np.trace(np.linalg.solve(C, S)))
        assert value <= best + 1e-12


@shapes
def test_the_conditional_distribution_is_the_joint_over_the_marginal(shape, seed, tmp_path):
    X = rows(seed)
    mixture = fitted(X, shape, max_iter=20)
    other = mixture.conditional({1: 0.7})
    points = np.random.default_rng(seed).normal(size=(5, 2))
    joint = np.column_stack([points[:, 0], np.full(5, 0.7), points[:, 1]])
    marginal = mixture.log_prob([[np.nan, 0.7, np.nan]])
    np.testing.assert_allclose(other.log_prob(points), mixture.log_prob(joint) - marginal, rtol=1e-10)
    drawn, _ = other.sample(2000, random_state=0)
    filled = mixture.impute([[np.nan, 0.7, np.nan]])[0, [0, 2]]
    assert (np.abs(drawn.mean(0) - filled) < 5 * drawn.std(0) / np.sqrt(2000)).all()
    back = peira.load(other.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.log_prob(points), other.log_prob(points))
    for given in ({}, {0: 1.0, 1: 1.0, 2: 1.0}, {0: np.inf}):
        with pytest.raises(ValueError, match="finite values for some"):
            mixture.conditional(given)
    with pytest.raises(ValueError, match="unknown column 'age'"):
        mixture.conditional({"age": 1.0})


def test_factor_analysers_with_all_factors_are_full_gaussians(seed):
    X = rows(seed)
    full = fitted(X, "full", max_iter=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ppca = MixtureOfFactorAnalysers(2, n_factors=2, noise="spherical", random_state=0, tol=1e-12, max_iter=400).fit(
            X
        )
    np.testing.assert_allclose(ppca.score(X), full.score(X), rtol=1e-7)
    W, noise = ppca.loadings_, ppca.noise_variance_
    np.testing.assert_allclose(
        W @ W.transpose(0, 2, 1) + noise[:, None, None] * np.eye(3), ppca.covariances_, rtol=1e-9
    )
    assert (np.take_along_axis(W, np.abs(W).argmax(1)[:, None], 1) > 0).all()


def test_the_gradient_of_a_factor_analyser_is_zero(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 1)) * np.array([1.0, -2.0, 0.5, 1.5]) + rng.normal(size=(200, 4)) * [0.5, 1, 1.5, 1]
    m = MixtureOfFactorAnalysers(1, n_factors=1, tol=1e-14, max_iter=4000).fit(X)
    S = torch.tensor(np.cov(X.T, bias=True))
    W, psi = (torch.tensor(v[0], requires_grad=True) for v in (m.loadings_, m.noise_variance_))
    C = W @ W.T + torch.diag(psi)
    value = -0.5 * (torch.logdet(C) + torch.trace(torch.linalg.solve(C, S)))
    assert max(float(g.abs().max()) for g in torch.autograd.grad(value, [W, psi])) < 1e-5


def test_outliers_do_not_pull_a_mixture_of_t(seed):
    rng = np.random.default_rng(seed)
    X = np.r_[rng.normal(-4, 1, size=(100, 2)), rng.normal(4, 1, size=(100, 2)), rng.uniform(-60, 60, size=(10, 2))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        m = StudentMixture(2, df=3.0, random_state=0, tol=1e-5, max_iter=200).fit(X)
    assert np.abs(np.sort(m.locations_[:, 0]) - [-4, 4]).max() < 0.8


@pytest.mark.parametrize(("K", "P", "n"), [(1, 1, 1), (2, 3, 1), (3, 7, 50), (20, 4, 9)])
def test_thin_products_are_products(seed, K, P, n):
    A, B, R = (torch.randn(*shape, dtype=torch.float64) for shape in ((K, P), (P, n), (K, n)))
    out = torch.ones(K, P, dtype=torch.float64)
    torch.testing.assert_close(thin_product(A, B), A @ B)
    assert thin_product(A, B).is_contiguous()
    add_thin_product(out, R, B)
    torch.testing.assert_close(out, 1 + R @ B.T)


def test_components_far_below_the_best_get_no_share_at_all(seed):
    L = torch.tensor([[0.0, -5.0, -1e9, -torch.inf], [-680.0, -5.0, 0.0, -3.0], [-700.0, -900.0, -740.0, -1e308]])
    L = L.double()
    exact = L.softmax(0)
    total = share_out(R := L.clone(), None)
    torch.testing.assert_close(total, L.logsumexp(0).sum())
    torch.testing.assert_close(R, torch.where(exact > 1e-299, exact, 0.0), rtol=1e-12, atol=0)
    assert (R[R > 0] > torch.finfo(R.dtype).tiny).all() and (R[2] == 0).all()
