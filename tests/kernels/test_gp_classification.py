"""Gaussian process classification: evidence, gradients and probabilities against brute force and other routes."""

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from peira.core import DataError, ParameterError
from peira.kernels import RBF, ConstantKernel, WhiteKernel
from peira.kernels.expectation_propagation import expectation_propagation
from peira.kernels.gaussian_process_classification import GaussianProcessClassifier
from peira.kernels.laplace_approximation import Logistic, Probit, hazard, laplace
from peira.kernels.site_posterior import SitePosterior, predict_latent
from peira.kernels.softmax_laplace import predict_latents, softmax_laplace
from peira.numerics.cholesky import NotPositiveDefiniteError

SIZES = [1, 2, 3, 40]


def labels(N, seed, C=2, D=2):
    rng = np.random.default_rng([seed, 31])
    X = rng.normal(size=(N, D))
    y = np.arange(N) % C
    X[:, 0] += y
    return X, y


def tensors(X, y):
    return torch.as_tensor(X), torch.as_tensor(2.0 * y - 1)


def one_hot(y, C):
    return torch.nn.functional.one_hot(torch.as_tensor(y), C).double()


SOLVERS = {
    "laplace, logistic": lambda K, y, **more: laplace(K, Logistic(2.0 * y - 1), **more),
    "laplace, probit": lambda K, y, **more: laplace(K, Probit(2.0 * y - 1), **more),
    "ep": lambda K, y, **more: expectation_propagation(K, 2.0 * y - 1, **{"tol": 1e-10} | more),
    "softmax": lambda K, y, **more: softmax_laplace(K, one_hot(y.long(), 3), **more),
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("amplitude", [0.3, 4.0, 400.0])
def test_the_gradient_of_the_evidence(name, N, amplitude, seed):
    X, y = labels(N, seed, 3 if name == "softmax" else 2)
    X, y = torch.as_tensor(X), torch.as_tensor(y).double()
    kernel = amplitude * RBF([0.7, 1.3]) + WhiteKernel(0.1)

    def value(theta):
        return SOLVERS[name](kernel.with_theta(theta)._gram(X), y).log_evidence

    K, back = kernel._pullback(X)
    slope = back(SOLVERS[name](K, y).slope())
    step = 1e-4
    for p, e in enumerate(step * np.eye(len(kernel.theta))):
        far, near = (value(kernel.theta + k * e) - value(kernel.theta - k * e) for k in (2, 1))
        central = (8 * near - far) / (12 * step)
        assert float(slope[p]) == pytest.approx(central, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("link", [Logistic, Probit])
def test_derivatives_of_the_links(link):
    f = torch.linspace(-8, 8, 61, dtype=torch.float64, requires_grad=True)
    y = torch.where(torch.arange(61) % 2 == 0, 1.0, -1.0).double()
    log_p = torch.nn.functional.logsigmoid(y * f) if link is Logistic else torch.special.log_ndtr(y * f)
    assert link(y).log_prob(f.detach()) == pytest.approx(float(log_p.detach().sum()))
    g, W = link(y).slope_and_curvature(f.detach())
    (slope,) = torch.autograd.grad(log_p.sum(), f)
    torch.testing.assert_close(g, slope, rtol=1e-9, atol=1e-14)
    at = f.detach()
    step = 1e-4
    ahead, behind = (link(y).slope_and_curvature(at + s) for s in (step, -step))
    torch.testing.assert_close(W, -(ahead[0] - behind[0]) / (2 * step), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(W * link(y).third(at), -(ahead[1] - behind[1]) / (2 * step), rtol=1e-5, atol=1e-8)


def test_the_hazard_stays_finite_in_both_tails():
    z = torch.tensor([-1e4, -40.0, 0.0, 40.0, 1e4], dtype=torch.float64)
    r = hazard(z)
    assert torch.isfinite(r).all()
    torch.testing.assert_close(r[:3], torch.tensor([1e4, 40.02493, 0.7978846], dtype=r.dtype), rtol=1e-6, atol=0)
    assert r[3] < 1e-300 and r[4] == 0


@pytest.mark.parametrize("N", [3, 30])
def test_the_posterior_under_sites_is_the_dense_one(N, seed):
    rng = np.random.default_rng(seed)
    A = torch.as_tensor(rng.normal(size=(N, N)))
    K, tau = A @ A.T, torch.as_tensor(rng.uniform(0.1, 3.0, N))
    tau[0], tau[1] = 0.0, 1e-9
    posterior = SitePosterior(K, tau)
    S = torch.linalg.inv(torch.linalg.inv(K) + tau.diag())
    torch.testing.assert_close(posterior.variances(), S.diagonal(), rtol=1e-8, atol=1e-10)
    T = tau.diag()
    R = T @ torch.linalg.inv(torch.eye(N).double() + K @ T)
    torch.testing.assert_close(posterior.R, R, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(posterior.reduce(K), R @ K, rtol=1e-8, atol=1e-8)
    assert posterior.log_det == pytest.approx(float(torch.logdet(torch.eye(N).double() + K @ T)), rel=1e-10)


def test_a_matrix_that_is_no_gram_matrix_is_named():
    with pytest.raises(NotPositiveDefiniteError, match="is the kernel valid"):
        SitePosterior(torch.tensor([[1.0, 5.0], [5.0, 1.0]]).double(), torch.ones(2).double())


@pytest.mark.parametrize("C", [2, 3, 4])
def test_the_softmax_is_the_dense_formula(C, seed):
    """All C N unknowns at once, as eqs 3.39 to 3.44 have it before any structure is used."""
    X, y = labels(20, seed, C)
    X, Y = torch.as_tensor(X), one_hot(y, C)
    kernel = 5.0 * RBF(1.2)
    K = kernel._gram(X)
    found = softmax_laplace(K, Y)
    f = K @ found.start
    P = f.softmax(1)
    torch.testing.assert_close(found.start, Y - P, atol=1e-8, rtol=0)  # the gradient of Psi is zero
    big = torch.block_diag(*[K] * C)
    Pi = torch.cat([p.diag() for p in P.T])
    W = P.T.reshape(-1).diag() - Pi @ Pi.T
    inner = torch.eye(20 * C).double() + big @ W
    value = float((Y * f).sum() - f.logsumexp(1).sum() - (found.start * f).sum() / 2 - torch.logdet(inner) / 2)
    assert found.log_evidence == pytest.approx(value, rel=1e-10)
    new = torch.as_tensor(np.random.default_rng(seed).normal(size=(3, 2)))
    cross = kernel._gram(new, X)
    mean, S = predict_latents(cross, kernel._diagonal(new), found.alpha, found.root, found.L)
    for q in range(3):
        k = torch.block_diag(*[cross[q][:, None]] * C)
        dense = 5.0 * torch.eye(C) - k.T @ W @ torch.linalg.inv(inner) @ k
        torch.testing.assert_close(S[q], dense, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(mean, cross @ (Y - P))


def grid_moments(K, y, link, half=14.0, points=81):
    """Evidence, mean and variance of f for two or three items by a sum over a grid of whitened coordinates."""
    N = len(K)
    u = np.linspace(-half / 2, half / 2, points)
    Z = np.stack(np.meshgrid(*[u] * N, indexing="ij"), -1).reshape(-1, N)
    f = Z @ np.linalg.cholesky(K).T
    w = np.exp(-(Z**2).sum(1) / 2) * (u[1] - u[0]) ** N / (2 * np.pi) ** (N / 2)
    w = w * np.prod(link(f * y), axis=1)
    mean = w @ f / w.sum()
    return np.log(w.sum()), mean, w @ (f - mean) ** 2 / w.sum()


@pytest.mark.parametrize("N", [1, 2, 3])
@pytest.mark.parametrize("amplitude", [1.0, 4.0])
def test_ep_has_the_moments_of_the_integral_and_laplace_has_not(N, amplitude, seed):
    X, y = labels(N, seed)
    K = (amplitude * RBF(1.0))._gram(torch.as_tensor(X))
    signs = torch.as_tensor(2.0 * y - 1)
    log_Z, mean, variance = grid_moments(K.numpy(), signs.numpy(), ndtr)
    ep = expectation_propagation(K, signs, tol=1e-10)
    posterior = SitePosterior(K, ep.start[0])
    error = abs(ep.log_evidence - log_Z), np.abs((K @ ep.alpha).numpy() - mean).max()
    mode = laplace(K, Probit(signs))
    other = abs(mode.log_evidence - log_Z), np.abs((K @ mode.alpha).numpy() - mean).max()
    assert error[0] < 0.02 and error[1] < 0.03 * amplitude**0.5
    np.testing.assert_allclose(posterior.variances().numpy(), variance, rtol=0.05)
    assert error[0] < other[0] / 3 and error[1] < other[1] / 3
    if N == 1:  # one site: EP is exact
        assert max(error) < 1e-6


def test_ep_is_closer_than_laplace_to_importance_sampling(seed):
    """Eight items: weights of 2e5 draws from a wide t about EP's posterior."""
    X, y = labels(8, seed)
    K = (16.0 * RBF(1.0) + WhiteKernel(1e-6))._gram(torch.as_tensor(X))
    signs = torch.as_tensor(2.0 * y - 1)
    ep, mode = expectation_propagation(K, signs), laplace(K, Probit(signs))
    S = np.linalg.inv(np.linalg.inv(K.numpy()) + np.diag(ep.start[0].numpy()))
    rng = np.random.default_rng(seed)
    L = np.linalg.cholesky(1.5 * (S + S.T) / 2)
    f = (K @ ep.alpha).numpy() + rng.standard_normal((200_000, 8)) @ L.T
    log_q = multivariate_normal((K @ ep.alpha).numpy(), L @ L.T).logpdf(f)
    log_w = multivariate_normal(np.zeros(8), K.numpy()).logpdf(f) + np.log(ndtr(f * signs.numpy())).sum(1) - log_q
    log_Z = np.log(np.exp(log_w - log_w.max()).mean()) + log_w.max()
    assert abs(ep.log_evidence - log_Z) < 0.05
    assert abs(ep.log_evidence - log_Z) < abs(mode.log_evidence - log_Z) / 5


@pytest.mark.parametrize("amplitude", [1.0, 1e3, 1e6])
def test_ep_settles_where_classes_are_separable(amplitude, seed):
    X, y = labels(60, seed)
    X[:, 0] = 4 * y + 0.1 * X[:, 1]
    K = (amplitude * RBF(2.0))._gram(torch.as_tensor(X))
    found = expectation_propagation(K, torch.as_tensor(2.0 * y - 1))
    assert found.gap <= 1e-8 and found.n_iter < 100 and np.isfinite(found.log_evidence)


def test_a_start_changes_the_way_and_not_the_end(seed):
    X, y = labels(30, seed, 3)
    X, y = torch.as_tensor(X), torch.as_tensor(y).double()
    for name, solve in SOLVERS.items():
        y2 = y if name == "softmax" else y.clamp(max=1)
        K = (6.0 * RBF(1.0))._gram(X)
        cold, near = solve(K, y2), solve(1.2 * K, y2)
        warm = solve(K, y2, start=near.start)
        assert warm.log_evidence == pytest.approx(cold.log_evidence, rel=1e-9)


# ---------------------------------------------------------------------- the method


@pytest.mark.parametrize("N", [2, 3, 40, 120])
def test_the_evidence_is_scikit_learns(N, seed):
    from sklearn.gaussian_process import GaussianProcessClassifier as Theirs
    from sklearn.gaussian_process import kernels as k

    X, y = labels(N, seed)
    theirs = Theirs(k.ConstantKernel(3.0) * k.RBF([0.8, 1.7]), optimizer=None).fit(X, y)
    ours = GaussianProcessClassifier(3.0 * RBF([0.8, 1.7]), optimizer=None).fit(X, y)
    assert ours.log_marginal_likelihood_value_ == pytest.approx(theirs.log_marginal_likelihood_value_, rel=1e-8)
    value, slope = ours.log_marginal_likelihood(ours.kernel_.theta + 0.3, eval_gradient=True)
    expected = theirs.log_marginal_likelihood(theirs.kernel_.theta + 0.3, eval_gradient=True)
    assert value == pytest.approx(expected[0], rel=1e-8)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-6, atol=1e-8)
    # scikit-learn averages by five error functions (Williams & Barber 1998), off by some 0.003
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=0.01)
    for mine, other in zip(
        ours.latent_mean_and_variance(X + 0.2), theirs.latent_mean_and_variance(X + 0.2), strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("inference", ["laplace", "ep"])
def test_learning_ends_where_the_gradient_is_zero(inference, seed):
    X, y = labels(80, seed)
    model = GaussianProcessClassifier(1.0 * RBF(1.0), inference=inference).fit(X, y)
    value, slope = model.log_marginal_likelihood(eval_gradient=True)
    inside = (model.kernel_.theta > model.kernel_.bounds[:, 0]) & (model.kernel_.theta < model.kernel_.bounds[:, 1])
    assert np.abs(slope[inside]).max() < 0.05
    assert value == pytest.approx(model.log_marginal_likelihood_value_, rel=1e-8)
    assert value == pytest.approx(model.log_marginal_likelihood(), rel=1e-12)
    assert (
        value
        > GaussianProcessClassifier(1.0 * RBF(1.0), inference=inference, optimizer=None)
        .fit(X, y)
        .log_marginal_likelihood_value_
    )
    steps = model.history_["log_marginal_likelihood"]
    assert (np.diff(steps) >= 0).all()


def test_probabilities_return_to_chance_far_away_and_are_averaged(seed):
    X, y = labels(50, seed)
    for more in ({}, {"link": "probit"}, {"inference": "ep"}):
        model = GaussianProcessClassifier(9.0 * RBF(1.0), optimizer=None, **more).fit(X, y)
        np.testing.assert_allclose(model.predict_proba([[1e3, 0.0]]), 0.5)
        mean, variance = model.latent_mean_and_variance([[0.5, 0.5]])
        f = mean + np.sqrt(variance) * np.random.default_rng(seed).standard_normal(400_000)
        p = ndtr(f) if more else 1 / (1 + np.exp(-f))
        assert model.predict_proba([[0.5, 0.5]])[0, 1] == pytest.approx(p.mean(), abs=2e-3)


@pytest.mark.parametrize("multi_class", ["one_vs_rest", "one_vs_one", "softmax"])
def test_many_classes(multi_class, seed):
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    y = np.arange(80) % 4
    X = centres[y] + 0.8 * rng.standard_normal((80, 2))
    model = GaussianProcessClassifier(9.0 * RBF(2.0), optimizer=None, multi_class=multi_class).fit(X, y)
    assert model.score(X, y) > 0.9
    P = model.predict_proba(np.vstack([X, [[12.0, 0.0]]]))
    np.testing.assert_allclose(P.sum(1), 1.0)
    np.testing.assert_allclose(P[-1], 0.25, atol=3e-3)  # what 1024 points of the softmax allow
    if multi_class == "softmax":
        assert model.latent_mean_and_variance(X)[1].shape == (80, 4)
        theta = model.kernel_.theta
        _, slope = model.log_marginal_likelihood(theta, eval_gradient=True)
        step = np.array([1e-5, 0.0])
        ahead = model.log_marginal_likelihood(theta + step) - model.log_marginal_likelihood(theta - step)
        assert slope[0] == pytest.approx(ahead / 2e-5, rel=1e-5)
    else:
        shared = model.log_marginal_likelihood(np.log([9.0, 2.0]))
        assert shared == pytest.approx(model.log_marginal_likelihood_value_, rel=1e-9)
        each = model.log_marginal_likelihood(np.tile(np.log([9.0, 2.0]), len(model.kernel_)), eval_gradient=True)
        assert each[1].shape == (2 * len(model.kernel_),) and each[0] == pytest.approx(shared)


def test_for_two_classes_the_softmax_is_not_asked(seed):
    X, y = labels(20, seed)
    plain = GaussianProcessClassifier(optimizer=None).fit(X, y)
    soft = GaussianProcessClassifier(optimizer=None, multi_class="softmax").fit(X, y)
    np.testing.assert_array_equal(soft.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("inference", ["laplace", "ep"])
def test_probabilities_are_calibrated_on_data_from_the_model(inference, seed):
    """Labels drawn from the process itself: of those said to be p, a share of p is there."""
    rng = np.random.default_rng([seed, 5])
    kernel = 6.0 * RBF(0.5)
    said, there = [], []
    for _ in range(12):
        X = rng.uniform(0, 4, size=(300, 1))
        K = kernel(X) + 1e-9 * np.eye(300)
        f = np.linalg.cholesky(K) @ rng.standard_normal(300)
        p = ndtr(f) if inference == "ep" else 1 / (1 + np.exp(-f))
        y = (rng.random(300) < p).astype(int)
        if len(set(y[:100])) < 2:
            continue
        model = GaussianProcessClassifier(kernel, inference=inference, optimizer=None).fit(X[:100], y[:100])
        said.append(model.predict_proba(X[100:])[:, 1])
        there.append(y[100:])
    said, there = np.concatenate(said), np.concatenate(there)
    assert abs((said - there).mean()) < 0.05
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        inside = (said >= low) & (said < high)
        assert abs(there[inside].mean() - said[inside].mean()) < 0.09


def test_separable_classes_duplicates_and_units_behave():
    x = np.r_[np.linspace(-3, -1, 10), np.linspace(1, 3, 10), 1.0, 1.0][:, None]
    y = (x[:, 0] > 0).astype(int)
    y[-1] = 0  # a duplicate of another label
    for more in ({}, {"inference": "ep"}):
        model = GaussianProcessClassifier(**more).fit(x, y)
        assert model.score(x, y) > 0.9
        scaled = GaussianProcessClassifier(**more).fit(1e6 * x, y)
        np.testing.assert_allclose(scaled.predict_proba(1e6 * x), model.predict_proba(x), atol=1e-4)


def test_a_thousand_rows(seed):
    X, y = labels(1000, seed)
    model = GaussianProcessClassifier(4.0 * RBF(1.0), optimizer=None).fit(X, y)
    assert model.predict_proba(X[:5]).shape == (5, 2)
    assert model.L_[0].shape == (1000, 1000)


def test_parts_of_many_rows_lead_to_the_same_maximum(seed):
    X, y = labels(420, seed)
    kernel = 2.0 * RBF(0.5)
    staged = GaussianProcessClassifier(kernel, random_state=0).fit(X, y)
    plain = GaussianProcessClassifier(kernel.with_theta(staged.kernel_.theta + 0.1), random_state=1).fit(X, y)
    assert staged.log_marginal_likelihood_value_ == pytest.approx(plain.log_marginal_likelihood_value_, abs=1e-4)


def test_a_callable_optimiser_restarts_and_warm_starts(seed):
    from scipy.optimize import minimize

    def theirs(f, theta, bounds):
        found = minimize(f, theta, jac=True, method="L-BFGS-B", bounds=bounds)
        return found.x, found.fun

    X, y = labels(40, seed)
    kernel = 1.0 * RBF(1.0)
    values = [
        GaussianProcessClassifier(kernel, random_state=0, **more).fit(X, y).log_marginal_likelihood_value_
        for more in ({"optimizer": theirs}, {"n_restarts_optimizer": 2}, {"warm_start": False}, {})
    ]
    assert np.ptp(values) < 1e-3


def test_what_contradicts_itself_is_refused(seed):
    X, y = labels(20, seed)
    for more, words in (
        ({"inference": "ep", "link": "logistic"}, "closed form"),
        ({"inference": "ep", "multi_class": "softmax"}, "softmax"),
        ({"link": "probit", "multi_class": "softmax"}, "softmax"),
    ):
        with pytest.raises(ParameterError, match=words):
            GaussianProcessClassifier(**more).fit(X, y)
    with pytest.raises(DataError, match="at least 2 classes"):
        GaussianProcessClassifier().fit(X, np.zeros(20, dtype=int))
    model = GaussianProcessClassifier(ConstantKernel(1.0) * RBF(1.0), optimizer=None).fit(X, y)
    with pytest.raises(ParameterError, match="theta has 5 entries"):
        model.log_marginal_likelihood(np.zeros(5))


def test_too_few_steps_are_said():
    X, y = labels(30, 0)
    with pytest.warns(UserWarning, match="did not converge in 1 steps"):
        GaussianProcessClassifier(50.0 * RBF(1.0), optimizer=None, max_iter_predict=1).fit(X, y)


def test_new_items_are_answered_as_by_the_dense_formula(seed):
    X, y = labels(25, seed)
    kernel = 3.0 * RBF(1.0)
    X, s = tensors(X, y)
    K = kernel._gram(X)
    found = laplace(K, Logistic(s))
    W = SitePosterior(K, found.root**2)
    new = X[:4] + 0.1
    cross = kernel._gram(new, X)
    mean, variance = predict_latent(cross, kernel._diagonal(new), found.alpha, found.root, found.L)
    torch.testing.assert_close(
        mean, cross @ torch.linalg.solve(K + 1e-12 * torch.eye(25), K @ found.alpha), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(variance, 3.0 - (cross @ W.R * cross).sum(1))
