"""Evidence against the dense density, its gradient at the fixed point, and scikit-learn's steps one by one."""

import math
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
import torch
from scipy import stats
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

import peira
from peira.core.errors import DataError, RankWarning
from peira.linear.bayesian_regression import BayesianLinearRegression
from peira.linear.evidence_maximisation import BayesianRidge, log_evidence, spectrum
from peira.numerics.moments import Moments

SHAPES = [(2, 1), (3, 1), (3, 2), (40, 5), (8, 20), (10, 10)]


def draw(seed, N, D):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) + 2.0
    return X, X @ rng.normal(size=D) + 3.0 + 0.5 * rng.normal(size=N)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("N", "D"), SHAPES)
def test_log_evidence_is_the_normal_density_of_the_targets(seed, N, D, intercept):
    X, y = draw(seed, N, D)
    model = BayesianRidge(fit_intercept=intercept, max_iter=5, tol=1e3).fit(X, y)
    A, b = (X - X.mean(0), y - y.mean()) if intercept else (X, y)
    C = np.eye(N) / model.alpha_ + A @ A.T / model.lambda_
    _, log_det = np.linalg.slogdet(C)
    expected = -0.5 * (N * math.log(2 * math.pi) + log_det + b @ np.linalg.solve(C, b))
    np.testing.assert_allclose(model.log_evidence_, expected, rtol=1e-10)


def test_log_evidence_on_diabetes_is_scipys():
    X, y = load_diabetes(return_X_y=True)
    model = BayesianRidge().fit(X, y)
    A, b = X - X.mean(0), y - y.mean()
    density = stats.multivariate_normal(cov=np.eye(len(y)) / model.alpha_ + A @ A.T / model.lambda_)
    np.testing.assert_allclose(model.log_evidence_, density.logpdf(b), rtol=1e-12)


@pytest.mark.parametrize("gamma_priors", [(1e-6, 1e-6, 1e-6, 1e-6), (0.3, 0.2, 0.5, 0.1)])
@pytest.mark.parametrize(("N", "D"), [(40, 5), (12, 20)])
def test_gradient_of_the_objective_is_zero_at_the_fixed_point(seed, N, D, gamma_priors):
    X, y = draw(seed, N, D)
    names = ("alpha_1", "alpha_2", "lambda_1", "lambda_2")
    model = BayesianRidge(tol=1e-13, max_iter=20_000, **dict(zip(names, gamma_priors, strict=True))).fit(X, y)
    A, b = torch.from_numpy(X - X.mean(0)), torch.from_numpy(y - y.mean())
    log = torch.tensor([math.log(model.alpha_), math.log(model.lambda_)], dtype=torch.float64, requires_grad=True)
    alpha, lam = log.exp()
    C = torch.eye(N, dtype=torch.float64) / alpha + A @ A.T / lam
    objective = -(torch.logdet(C) + b @ torch.linalg.solve(C, b)) / 2
    a1, a2, l1, l2 = gamma_priors
    objective = objective + a1 * log[0] - a2 * alpha + l1 * log[1] - l2 * lam
    (gradient,) = torch.autograd.grad(objective, log)
    assert float(gradient.abs().max()) < 1e-6


def test_eigenbasis_formula_carries_gradients_and_agrees_in_both_forms(seed):
    X, y = (torch.from_numpy(a) for a in draw(seed, 9, 4))
    moments = Moments.of(X, y[:, None])
    e, u, rest, _ = spectrum(moments)
    alpha, lam = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.3, 0.4))
    value = log_evidence(e, u, rest, 9, alpha, lam)
    A, b = X - X.mean(0), y - y.mean()
    C = torch.eye(9, dtype=torch.float64) / alpha + A @ A.T / lam
    dense = torch.distributions.MultivariateNormal(torch.zeros(9, dtype=torch.float64), C).log_prob(b)
    torch.testing.assert_close(value, dense, rtol=1e-11, atol=0)
    for ours, theirs in zip(
        torch.autograd.grad(value, (alpha, lam)), torch.autograd.grad(dense, (alpha, lam)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("N", "D"), [(40, 5), (8, 20), (10, 10), (2, 1)])
def test_the_steps_are_scikit_learns(seed, N, D, intercept, weighted):
    X, y = draw(seed, N, D)
    w = np.random.default_rng(seed).random(N) + 0.5 if weighted else None
    names = {"fit_intercept": intercept, "tol": 1e-5}
    ours = BayesianRidge(**names).fit(X, y, w)
    theirs = sklearn.linear_model.BayesianRidge(**names).fit(X, y, w)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose([ours.alpha_, ours.lambda_], [theirs.alpha_, theirs.lambda_], rtol=1e-6)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(ours.sigma_, theirs.sigma_, rtol=1e-6, atol=1e-8 * abs(theirs.sigma_).max())
    np.testing.assert_allclose(ours.predict(X, return_std=True)[1], theirs.predict(X, return_std=True)[1], rtol=1e-6)


def test_scores_and_history(seed):
    X, y = draw(seed, 30, 4)
    ours = BayesianRidge(compute_score=True, alpha_1=0.1, lambda_2=0.2).fit(X, y)
    theirs = sklearn.linear_model.BayesianRidge(compute_score=True, alpha_1=0.1, lambda_2=0.2).fit(X, y)
    assert ours.scores_.shape == (ours.n_iter_ + 1,)
    np.testing.assert_allclose(ours.scores_[:-1], theirs.scores_[:-1], rtol=1e-10)
    # The last one, which scikit-learn 1.9 takes at the weights of the step before: evidence and hyperprior at the end.
    hyperprior = 0.1 * math.log(ours.alpha_) - 1e-6 * ours.alpha_ + 1e-6 * math.log(ours.lambda_) - 0.2 * ours.lambda_
    np.testing.assert_allclose(ours.scores_[-1], ours.log_evidence_ + hyperprior, rtol=1e-12)
    assert len(ours.history_["log_evidence"]) == len(ours.history_["change"]) == ours.n_iter_
    assert ours.stopped_ == "converged" and not hasattr(BayesianRidge().fit(X, y), "scores_")


def test_weights_are_ridge_of_the_ratio_and_the_posterior_is_conjugate(seed):
    X, y = draw(seed, 30, 4)
    model = BayesianRidge().fit(X, y)
    ridge = sklearn.linear_model.Ridge(model.lambda_ / model.alpha_).fit(X, y)
    np.testing.assert_allclose(model.coef_, ridge.coef_, rtol=1e-9)
    exact = BayesianLinearRegression(model.lambda_, beta=model.alpha_).fit(X, y)
    np.testing.assert_allclose(exact.coef_cov_, model.sigma_, rtol=1e-9, atol=1e-12)
    # That one integrates the constant out as well: a normal integral of precision alpha N.
    constant = math.log(2 * math.pi / (model.alpha_ * 30)) / 2
    np.testing.assert_allclose(exact.log_evidence_, model.log_evidence_ + constant, rtol=1e-11)
    np.testing.assert_allclose(
        exact.predict_dist(X).variance, model.predict_dist(X).variance + 1 / (30 * model.alpha_), rtol=1e-10
    )


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("N", "D"), [(30, 4), (8, 20)])
def test_blocks_in_any_order_equal_one_fit(seed, N, D, intercept):
    X, y = draw(seed, N, D)
    w = np.random.default_rng(seed).random(N) + 1.0
    whole = BayesianRidge(fit_intercept=intercept).fit(X, y, w)
    for first in (whole.__class__(fit_intercept=intercept).fit, BayesianRidge(fit_intercept=intercept).partial_fit):
        model = first(X[N // 2 :], y[N // 2 :], w[N // 2 :])
        model.partial_fit(X[1 : N // 2], y[1 : N // 2], w[1 : N // 2]).partial_fit(X[:1], y[:1], w[:1])
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-8, atol=1e-10)
        # 1 / alpha is a small difference of squares where the fit is nearly perfect: so many digits it can lose.
        rtol = max(1e-8, 10 * np.finfo(float).eps * whole.alpha_ * (y @ y))
        np.testing.assert_allclose([model.alpha_, model.lambda_], [whole.alpha_, whole.lambda_], rtol=rtol)


def test_weights_are_repetitions(seed):
    X, y = draw(seed, 12, 3)
    times = np.arange(12) % 3
    a = BayesianRidge().fit(X, y, times.astype(float))
    b = BayesianRidge().fit(np.repeat(X, times, 0), np.repeat(y, times))
    np.testing.assert_allclose([a.alpha_, a.lambda_, *a.coef_], [b.alpha_, b.lambda_, *b.coef_], rtol=1e-9)
    np.testing.assert_allclose(a.log_evidence_, b.log_evidence_, rtol=1e-10)


def test_sparse_equals_dense(seed):
    rng = np.random.default_rng(seed)
    for shape in ((40, 5), (6, 12)):
        X = rng.normal(size=shape) * (rng.random(shape) < 0.5)
        y = X.sum(1) + rng.normal(size=shape[0])
        a, b = (BayesianRidge().fit(v, y) for v in (sp.csr_matrix(X), X))
        np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(a.predict_dist(sp.csr_matrix(X)).std, b.predict_dist(X).std, rtol=1e-8)


@pytest.mark.parametrize("N", [1, 2, 3, 10])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_constant_target(seed, N, value):
    X, _ = draw(seed, N, 5)
    mean, std = BayesianRidge().fit(X, np.full(N, value)).predict(X, return_std=True)
    np.testing.assert_allclose(mean, value, atol=1e-9)
    assert (std < 0.01).all()


def test_a_perfect_fit_keeps_its_digits(seed):
    """The noise precision is 1e14 times the signal's: the residuals are taken themselves, not as a difference."""
    X, _ = draw(seed, 200, 3)
    y = 1e3 * X @ [1.0, 2.0, 3.0]
    a, b = BayesianRidge().fit(X, y), sklearn.linear_model.BayesianRidge().fit(X, y)
    np.testing.assert_allclose(a.alpha_, b.alpha_, rtol=1e-3)
    np.testing.assert_allclose(a.coef_, [1e3, 2e3, 3e3], rtol=1e-10)
    with pytest.raises(DataError, match="no maximum"):
        BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(X, np.zeros(200))


def test_weights_that_count_less_than_their_rows(seed):
    X, y = draw(seed, 8, 20)
    with pytest.raises(DataError, match="sample weights sum to 4"):
        BayesianRidge(fit_intercept=False, alpha_init=1e12).fit(X, y, np.full(8, 0.5))


def test_too_few_steps_are_said(seed):
    X, y = draw(seed, 30, 4)
    with pytest.warns(ConvergenceWarning, match="change is"):
        model = BayesianRidge(max_iter=2, tol=1e-12).fit(X, y)
    assert model.stopped_ == "max_iter" and model.n_iter_ == 2


def test_irrelevant_inputs_shrink_and_noise_is_found(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(4000, 10))
    w = rng.normal(size=10) * 3
    model = BayesianRidge().fit(X, X @ w + 0.5 * rng.normal(size=4000))
    assert abs(model.alpha_ * 0.25 - 1) < 5 * math.sqrt(2 / 4000)  # sampling error of a variance
    np.testing.assert_allclose(1 / model.lambda_, (w**2).mean(), rtol=0.02)


def test_a_column_that_rounding_hides_is_named(seed):
    X, y = draw(seed, 40, 3)
    X = np.column_stack([X * [1.0, 1e9, 2.0], np.full(40, 7.0)])
    with pytest.warns(RankWarning, match=r"column 'x0' and 1 more .*beside column 'x1' .*one scale"):
        BayesianRidge().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RankWarning)
        BayesianRidge(max_iter=3000).fit(X * [1.0, 1e-6, 1.0, 1.0], y)
        BayesianRidge(max_iter=3000).fit(np.column_stack([X[:, 0], X[:, 0], X[:, 2]]), y)


@pytest.mark.parametrize("shape", [(9, 2), (3, 5)])
def test_saved_and_loaded(seed, shape, tmp_path):
    X, y = draw(seed, *shape)
    model = BayesianRidge().fit(X, y)
    back = peira.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(back.predict_dist(X).std, model.predict_dist(X).std)
    np.testing.assert_array_equal(back.sigma_, model.sigma_)
    np.testing.assert_array_equal(back.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)


def test_tensors_in_tensors_out(seed):
    X, y = (torch.from_numpy(a) for a in draw(seed, 9, 2))
    model = BayesianRidge().fit(X, y)
    assert all(isinstance(v, torch.Tensor) for v in (model.coef_, model.sigma_, model.predict_dist(X).std))
    assert isinstance(model.partial_fit(X, y).coef_, torch.Tensor)


def test_tensors_are_saved(seed, tmp_path):
    model = BayesianRidge().fit(*(torch.from_numpy(a) for a in draw(seed, 9, 2)))
    assert torch.equal(peira.load(model.save(tmp_path / "m")).sigma_, model.sigma_)
