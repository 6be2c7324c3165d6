"""Automatic relevance determination: evidence and its gradient, both forms of a step, scikit-learn's fixed point."""

import math

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
import torch
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

import peira
from peira.core.errors import DataError
from peira.linear.relevance_determination import ARDRegression


def draw(seed, N, D, relevant=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) + 2.0
    w = np.zeros(D)
    w[: min(relevant, D)] = rng.choice([-1, 1], min(relevant, D)) * (1 + rng.random(min(relevant, D)))
    return X, X @ w + 3.0 + 0.3 * rng.normal(size=N), w


def dense_log_evidence(X, y, alpha, lam, active, centre=True):
    """The density of the targets with the active weights integrated out, by torch, carrying gradients."""
    A, b = torch.from_numpy(X - X.mean(0) * centre)[:, active], torch.from_numpy(y - y.mean() * centre)
    C = torch.eye(len(y), dtype=torch.float64) / alpha + (A / lam) @ A.T
    return -(len(y) * math.log(2 * math.pi) + torch.logdet(C) + b @ torch.linalg.solve(C, b)) / 2


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("N", "D"), [(2, 1), (3, 2), (40, 5), (8, 20)])
def test_log_evidence_is_the_density_of_the_targets(seed, N, D, intercept):
    X, y, _ = draw(seed, N, D)
    model = ARDRegression(fit_intercept=intercept, max_iter=3, tol=1e6).fit(X, y)
    lam = torch.from_numpy(model.lambda_[model.active_])
    expected = dense_log_evidence(X, y, model.alpha_, lam, model.active_, intercept)
    np.testing.assert_allclose(model.log_evidence_, float(expected), rtol=1e-9)


@pytest.mark.parametrize(("N", "D"), [(60, 6), (30, 40)])
def test_gradient_of_the_objective_is_zero_for_every_precision(seed, N, D):
    X, y, _ = draw(seed, N, D)
    priors = {"alpha_1": 0.1, "alpha_2": 0.1, "lambda_1": 0.5, "lambda_2": 0.05}
    model = ARDRegression(tol=1e-13, max_iter=50_000, threshold_lambda=1e12, **priors).fit(X, y)
    log = torch.from_numpy(np.log(np.append(model.lambda_[model.active_], model.alpha_))).requires_grad_()
    lam, alpha = log[:-1].exp(), log[-1].exp()
    objective = dense_log_evidence(X, y, alpha, lam, model.active_)
    objective = objective + 0.1 * (log[-1] - alpha) + (0.5 * log[:-1] - 0.05 * lam).sum()
    (gradient,) = torch.autograd.grad(objective, log)
    assert float(gradient.abs().max()) < 1e-5


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("N", "D"), [(40, 5), (60, 30), (2, 1)])
def test_the_fixed_point_is_scikit_learns(seed, N, D, intercept):
    X, y, _ = draw(seed, N, D)
    ours = ARDRegression(fit_intercept=intercept).fit(X, y)
    theirs = sklearn.linear_model.ARDRegression(fit_intercept=intercept).fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_array_equal(ours.active_, np.flatnonzero(theirs.lambda_ < theirs.threshold_lambda))
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-5)
    np.testing.assert_allclose(ours.lambda_[ours.active_], theirs.lambda_[ours.active_], rtol=1e-4)
    np.testing.assert_allclose(ours.sigma_, theirs.sigma_, rtol=1e-4, atol=1e-6 * abs(theirs.sigma_).max())
    np.testing.assert_allclose(
        ours.predict(X, return_std=True)[1], theirs.predict(X, return_std=True)[1], rtol=1e-5, atol=1e-9
    )


def test_a_wide_problem_against_sixty_digits(seed):
    """Fewer rows than inputs: the noise goes to zero, and everything is ill-conditioned (scikit-learn drifts there)."""
    X, y, _ = draw(seed, 8, 20)
    with pytest.warns(ConvergenceWarning):
        model = ARDRegression(max_iter=6, tol=0.0).fit(X, y)
    with mpmath.workdps(60):
        A, b = mpmath.matrix((X - X.mean(0)).tolist()), mpmath.matrix((y - y.mean()).tolist())
        lam, active, two = [mpmath.mpf(1)] * 20, range(20), mpmath.mpf("2e-6")
        alpha = 1 / (mpmath.mpf(float(y.var())) + mpmath.mpf(2) ** -52)
        for _ in range(6):
            C = mpmath.eye(8) / alpha
            for j in active:
                C += A[:, j] * A[:, j].T / lam[j]
            inverse = C**-1
            v = inverse * b
            m = {j: (A[:, j].T * v)[0] / lam[j] for j in active}
            gamma = {j: (A[:, j].T * inverse * A[:, j])[0] / lam[j] for j in active}
            for j in active:
                lam[j] = (gamma[j] + two) / (m[j] ** 2 + two)
            sse = sum(x * x for x in v) / alpha**2
            alpha = (8 - sum(gamma.values()) + two) / (sse + two)
            active = [j for j in active if lam[j] < 10_000]
    np.testing.assert_array_equal(model.active_, active)
    np.testing.assert_allclose(model.alpha_, float(alpha), rtol=1e-7)
    np.testing.assert_allclose(model.lambda_[active], [float(lam[j]) for j in active], rtol=1e-6)


def test_diabetes():
    X, y = load_diabetes(return_X_y=True)
    ours, theirs = ARDRegression().fit(X, y), sklearn.linear_model.ARDRegression().fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-10)


def test_the_dual_step_is_the_primal_step(seed):
    """The same wide problem with its rows doubled at half their weight has more rows than columns."""
    X, y, _ = draw(seed, 12, 20)
    wide = ARDRegression(max_iter=7, tol=0.0)
    with pytest.warns(ConvergenceWarning):
        wide.fit(X, y)
    with pytest.warns(ConvergenceWarning):
        tall = ARDRegression(max_iter=7, tol=0.0).fit(np.vstack([X, X]), np.append(y, y), np.full(24, 0.5))
    np.testing.assert_allclose(wide.coef_, tall.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(wide.lambda_, tall.lambda_, rtol=1e-6)
    np.testing.assert_allclose(wide.history_["log_evidence"], tall.history_["log_evidence"], rtol=1e-9)
    np.testing.assert_allclose(wide.log_evidence_, tall.log_evidence_, rtol=1e-9)
    np.testing.assert_allclose(wide.predict_dist(X).std, tall.predict_dist(X).std, rtol=1e-7)


def test_relevant_inputs_are_found_and_the_others_are_zero(seed):
    X, y, w = draw(seed, 300, 12)
    model = ARDRegression().fit(X, y)
    assert set(model.active_) >= {0, 1} and len(model.active_) < 12
    assert (model.coef_[np.setdiff1d(np.arange(12), model.active_)] == 0).all()
    np.testing.assert_allclose(model.coef_, w, atol=0.1)
    assert model.history_["active"] == sorted(model.history_["active"], reverse=True)
    # Where one input explains everything it is recovered to rounding.
    np.testing.assert_allclose(ARDRegression().fit(X[:, :3], X[:, 1]).coef_[1], 1.0, rtol=1e-10)


def test_weights_are_repetitions(seed):
    X, y, _ = draw(seed, 15, 3)
    times = np.arange(15) % 3
    a = ARDRegression().fit(X, y, times.astype(float))
    b = ARDRegression().fit(np.repeat(X, times, 0), np.repeat(y, times))
    np.testing.assert_allclose([a.alpha_, *a.coef_], [b.alpha_, *b.coef_], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(a.log_evidence_, b.log_evidence_, rtol=1e-9)


def test_sparse_equals_dense(seed):
    rng = np.random.default_rng(seed)
    for shape in ((40, 5), (8, 12)):
        X = rng.normal(size=shape) * (rng.random(shape) < 0.5)
        y = 2 * X[:, 0] + 0.1 * rng.normal(size=shape[0])
        a, b = (ARDRegression().fit(v, y) for v in (sp.csr_matrix(X), X))
        np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(a.predict_dist(sp.csr_matrix(X)).std, b.predict_dist(X).std, rtol=1e-6)


@pytest.mark.parametrize("N", [1, 2, 3, 10])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_constant_target_leaves_no_weight(seed, N, value):
    X, _, _ = draw(seed, N, 5)
    model = ARDRegression(compute_score=True).fit(X, np.full(N, value))
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, value, atol=1e-9)
    assert (std < 0.01).all()
    if N > 5:
        assert model.stopped_ == "no weight is left" and model.sigma_.shape == (0, 0) and not model.coef_.any()
    assert model.scores_.shape == (model.n_iter_ + 1,)


def test_a_constant_column_keeps_its_prior_and_says_nothing(seed):
    X, y, _ = draw(seed, 20, 2)
    a, b = ARDRegression().fit(X, y), ARDRegression().fit(np.column_stack([X, np.full(20, 7.0)]), y)
    np.testing.assert_allclose(b.coef_, [*a.coef_, 0.0], rtol=1e-10)


def test_no_maximum_and_too_few_steps_are_said(seed):
    X, y, _ = draw(seed, 20, 2)
    with pytest.raises(DataError, match="no maximum"):
        ARDRegression(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(X, np.zeros(20))
    with pytest.warns(ConvergenceWarning, match="change is"):
        ARDRegression(max_iter=2, tol=1e-13).fit(X, y)


@pytest.mark.parametrize("shape", [(20, 3), (5, 12)])
def test_saved_and_loaded(seed, shape, tmp_path):
    X, y, _ = draw(seed, *shape)
    model = ARDRegression().fit(X, y)
    back = peira.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(back.predict_dist(X).std, model.predict_dist(X).std)
    np.testing.assert_array_equal(back.sigma_, model.sigma_)


def test_tensors_in_tensors_out(seed):
    X, y, _ = draw(seed, 20, 3)
    model = ARDRegression().fit(torch.from_numpy(X), torch.from_numpy(y))
    assert all(isinstance(v, torch.Tensor) for v in (model.coef_, model.lambda_, model.sigma_))
    assert isinstance(model.predict_dist(torch.from_numpy(X)).std, torch.Tensor)
