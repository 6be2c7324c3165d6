"""Bayesian logistic regression against autograd, integration by grid, scikit-learn, and worlds drawn from its prior."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from peira.core.errors import DataError, ParameterError
from peira.linear.bayesian_logistic_regression import BayesianLogisticRegression as Bayes
from peira.linear.generalised_linear import Problem, Softmax, mode
from peira.linear.laplace_evidence import LogAlphaSearch

FLAT = float("inf")


def world(N, D, C=2, *, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) * rng.uniform(0.5, 2, D) + rng.normal(size=D)
    scores = (X - X.mean(0)) @ rng.normal(size=(D, C)) + rng.gumbel(size=(N, C))
    y = scores.argmax(1)
    y[: min(C, N)] = np.arange(min(C, N))
    return X, y, rng.uniform(0.1, 2, N)


def log_joint(model, X, y, w, coef, constant):
    """log p(y, w | X) up to the prior's normaliser, as defined; ``constant`` stands at the mean of the inputs."""
    scores = torch.tensor(X - model.centre_) @ coef.T + constant
    if len(coef) == 1:
        scores = torch.cat([torch.zeros_like(scores), scores], 1)
    likelihood = torch.tensor(w) @ scores.log_softmax(1)[torch.arange(len(y)), torch.tensor(y)]
    return likelihood - model.alpha_ * (coef**2).sum() / 2 - (constant**2).sum() / 2 / model.intercept_prior_std**2


@pytest.mark.parametrize("C", [2, 3, 5])
@pytest.mark.parametrize("shape", [(5, 1), (6, 8), (40, 3)])
@pytest.mark.parametrize("std", [0.7, 10.0, FLAT])
def test_the_gradient_of_the_log_posterior_is_zero(seed, C, shape, std):
    X, y, w = world(*shape, C, seed=seed)
    model = Bayes(alpha=0.3, intercept_prior_std=std, tol=1e-12).fit(X, y, w)
    coef = torch.tensor(model.coef_, requires_grad=True)
    constant = torch.tensor(model.intercept_ + model.coef_ @ model.centre_, requires_grad=True)
    log_joint(model, X, y, w, coef, constant).backward()
    assert max(coef.grad.abs().max(), constant.grad.abs().max()) < 1e-8
    if C > 2:
        np.testing.assert_allclose(model.coef_.sum(0), 0.0, atol=1e-12)


def test_the_covariance_is_the_inverse_of_autograds_hessian(seed):
    X, y, w = world(30, 2, seed=seed)
    model = Bayes(alpha=0.5).fit(X, y, w)

    def negative(theta):
        return -log_joint(model, X, y, w, theta[None, :2], theta[2:])

    theta = torch.tensor(np.r_[model.coef_[0], model.intercept_ + model.coef_[0] @ model.centre_])
    S = np.linalg.inv(torch.autograd.functional.hessian(negative, theta).numpy())
    np.testing.assert_allclose(model.coef_cov_, S[:2, :2], rtol=1e-7)
    at_zero = np.r_[-model.centre_, 1.0]
    table = model.summary(0.5)
    np.testing.assert_allclose(table.std_error, np.sqrt([at_zero @ S @ at_zero, S[0, 0], S[1, 1]]), rtol=1e-7)
    np.testing.assert_allclose(np.subtract(table.high, table.low) / table.std_error, 2 * 0.6744897501960817)


@pytest.mark.parametrize("C", [2, 4])
def test_the_mode_is_logistic_regression_with_that_penalty(seed, C):
    X, y, w = world(80, 3, C, seed=seed)
    model = Bayes(alpha=2.0, intercept_prior_std=FLAT, tol=1e-12).fit(X, y, w)
    theirs = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(X, y, w)
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, theirs.intercept_, atol=1e-5)


def test_two_classes_are_the_softmax_of_two(seed):
    """With a vector for each class the difference has twice the variance: alpha for two is alpha / 2 for one."""
    X, y, _ = world(30, 3, seed=seed)
    Z, codes = torch.tensor(X), torch.tensor(y)
    one = Bayes(alpha=0.4, fit_intercept=False, tol=1e-12).fit(X, y)

    class Pair(Softmax):
        def __init__(self):
            self.K, self.H = 1, torch.tensor([[-1.0], [1.0]]).double() / 2**0.5

    zero = torch.zeros(3).double()
    theta = mode(Problem(Pair(), Z, codes, None, zero, zero + 0.8), zero)
    torch.testing.assert_close(theta * 2**0.5, torch.tensor(one.coef_[0]), rtol=1e-7, atol=1e-8)


def exact_log_evidence(x, y, alpha, std):
    """log p(y) for one input and a constant, by a grid about the mode, 8 deviations wide."""
    model = Bayes(alpha=alpha, intercept_prior_std=std).fit(x[:, None], y)
    at = np.array([model.coef_[0, 0], float(model.intercept_[0] + model.coef_[0] @ model.centre_)])
    S = np.linalg.inv(hessian(x - x.mean(), at, alpha, std))
    L = np.linalg.cholesky(S)
    u = np.linspace(-9, 9, 241)
    w, b = at[:, None, None] + np.einsum("ij,jkl->ikl", L, np.stack(np.meshgrid(u, u, indexing="ij")))
    log_p = -alpha * w**2 / 2 - b**2 / 2 / std**2 + math.log(alpha) / 2 - math.log(std) - math.log(2 * math.pi)
    for value, label in zip(x - x.mean(), y, strict=True):
        log_p += log_expit((w * value + b) * (1 if label else -1))
    mass = np.exp(log_p - log_p.max()).sum() * (u[1] - u[0]) ** 2 * np.linalg.det(L)
    return model, log_p.max() + math.log(mass)


def hessian(x, at, alpha, std):
    Z = np.c_[x, np.ones(len(x))]
    p = expit(Z @ at)
    return (Z * (p * (1 - p))[:, None]).T @ Z + np.diag([alpha, std**-2])


def test_the_evidence_approaches_that_of_integration(seed):
    """The error falls as 1 / N (Kass & Raftery 1995, 4.1)."""
    rng = np.random.default_rng(seed)
    for N, worst in ((10, 0.3), (100, 0.03), (1000, 0.003)):
        x = rng.normal(size=N)
        y = rng.random(N) < expit(0.3 + x)
        y[:2] = [False, True]
        model, exact = exact_log_evidence(x, y, 0.5, 2.0)
        assert abs(model.log_evidence_ - exact) < worst


def test_the_evidence_is_exact_where_the_likelihood_is_flat(seed):
    X, y, _ = world(20, 2, 3, seed=seed)
    tight = Bayes(alpha=1e12, intercept_prior_std=1e-6).fit(X, y)
    assert tight.log_evidence_ == pytest.approx(20 * math.log(1 / 3), rel=1e-8)
    assert tight.effective_df_ == pytest.approx(0.0, abs=1e-8)
    light = Bayes(alpha=2.0).fit(X, y, np.full(20, 1e-9))
    assert light.log_evidence_ == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("C", [2, 3])
@pytest.mark.parametrize("intercept", [True, False])
def test_alpha_is_where_the_evidence_is_largest(seed, C, intercept):
    X, y, w = world(60, 3, C, seed=seed)
    X -= X.mean(0)  # without a constant, inputs far from the origin tell nothing
    model = Bayes(fit_intercept=intercept, tol=1e-9).fit(X, y, w)
    assert model.stopped_ == "converged"
    around = [
        Bayes(alpha=model.alpha_ * f, fit_intercept=intercept, tol=1e-13).fit(X, y, w).log_evidence_
        for f in (0.5, 0.9, 1.0, 1.1, 2.0)
    ]
    assert np.argmax(around) == 2 and around[2] == pytest.approx(model.log_evidence_, rel=1e-9)
    assert 0 < model.effective_df_ < (C - 1) * 3
    h = 1e-3  # the slope, elsewhere, against finite differences
    low, high = (Bayes(alpha=3 * math.exp(s), tol=1e-13).fit(X, y, w).log_evidence_ for s in (-h, h))
    one = Bayes(max_iter=1, tol=1e-13).set_params(fit_intercept=True)
    start = ((X - w @ X / w.sum()) ** 2 * w[:, None]).sum() / w.sum()
    scale = math.sqrt(3 / start)  # the search starts where alpha is the total variance
    with pytest.warns(ConvergenceWarning):
        one.fit(X * scale, y, w)
    low, high = (Bayes(alpha=3 * math.exp(s), tol=1e-13).fit(X * scale, y, w).log_evidence_ for s in (-h, h))
    assert one.alpha_ == pytest.approx(3)
    assert one.history_["slope"][0] == pytest.approx(abs(high - low) / (2 * h), rel=1e-4, abs=1e-6)


def test_alpha_scales_as_the_columns_do(seed):
    X, y, _ = world(50, 3, seed=seed)
    a, b = Bayes(tol=1e-9).fit(X, y), Bayes(tol=1e-9).fit(X * 1e5, y)
    assert b.alpha_ == pytest.approx(a.alpha_ * 1e10, rel=1e-5) and b.log_evidence_ == pytest.approx(a.log_evidence_)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X * 1e5), rtol=1e-5)


def test_inputs_that_tell_nothing_are_switched_off():
    X = np.tile([[-1.0], [1.0]], (20, 1))
    model = Bayes().fit(X, np.repeat([0, 1], 20))
    assert abs(model.coef_).max() < 1e-6 and model.effective_df_ < 1e-3
    assert Bayes().fit(np.ones((4, 2)), [0, 1, 1, 0]).stopped_ == "converged"


def test_the_search_finds_zeros_of_falling_slopes_and_ends_where_there_is_none():
    for slope, zero in ((lambda u: 3 - u**3, 3 ** (1 / 3)), (lambda u: math.tanh(5 - 4 * u), 1.25)):
        search = LogAlphaSearch(-4.0)
        tries = [search.at]
        while abs(slope(search.at)) > 1e-12 and search.move(slope(search.at)) is None:
            tries.append(search.at)
        assert search.at == pytest.approx(zero, rel=1e-9) and len(tries) < 30
    for slope in (1.0, -1.0):
        search = LogAlphaSearch(0.0)
        while (reason := search.move(slope)) is None:
            pass
        assert reason == "alpha at the end of its range" and abs(search.at) > 20


def test_predictions_average_over_the_posterior(seed):
    for C in (2, 3):
        X, y, _ = world(25, 2, C, seed=seed)
        model = Bayes(alpha=0.2).fit(X, y)
        Q = np.r_[X[:5], X[:5] * 20]
        draws = model.sample_functions(Q, 40_000, seed=seed)
        assert draws.shape == (40_000, 10, C)
        np.testing.assert_allclose(draws.sum(2), 1.0, rtol=1e-12)
        plain = draws.std(0) / math.sqrt(len(draws))
        fixed = 0.0 if C == 2 else 0.03 * draws.std(0)  # 1024 points of the sequence
        assert (np.abs(model.predict_proba(Q) - draws.mean(0)) < 5 * plain + fixed).all()
        approximate = np.abs(model.set_params(predictive="probit").predict_proba(Q) - draws.mean(0))
        plug_in = np.exp(Q @ model.coef_.T + model.intercept_)
        plug_in = np.c_[np.ones(10), plug_in] if C == 2 else plug_in
        worse = np.abs(plug_in / plug_in.sum(1, keepdims=True) - draws.mean(0))
        assert approximate.mean() < worse.mean() and (C > 2 or approximate.max() < 0.025)
    again = model.sample_functions(Q, 3, seed=1)
    assert np.array_equal(again, model.sample_functions(Q, 3, seed=1))


def test_functions_of_the_prior(seed):
    X, y, _ = world(25, 2, seed=seed)
    model = Bayes(alpha=2.0, intercept_prior_std=0.5).fit(X, y)
    p = model.sample_functions(X[:1], 20_000, seed=seed, prior=True)[:, 0, 1]
    log_odds = np.log(p / (1 - p))
    variance = ((X[0] - model.centre_) ** 2).sum() / 2 + 0.25
    assert log_odds.var() == pytest.approx(variance, rel=0.05) and abs(log_odds.mean()) < 4 * math.sqrt(variance / 2e4)
    with pytest.raises(ParameterError, match="flat prior"):
        Bayes(intercept_prior_std=FLAT).fit(X, y).sample_functions(X, 2, prior=True)


@pytest.mark.parametrize("predictive", ["integral", "probit"])
def test_the_names_of_the_classes_do_not_matter(seed, predictive):
    X, y, _ = world(40, 3, 4, seed=seed)
    turn = np.array([2, 0, 3, 1])
    a, b = (Bayes(alpha=0.1, predictive=predictive, tol=1e-12).fit(X, labels) for labels in (y, turn[y]))
    np.testing.assert_allclose(b.predict_proba(X)[:, turn], a.predict_proba(X), rtol=1e-8)
    np.testing.assert_allclose(b.coef_[turn], a.coef_, rtol=1e-8, atol=1e-10)


def test_bishops_formula(seed):
    X, y, _ = world(30, 2, seed=seed)
    model = Bayes(alpha=0.1, predictive="probit").fit(X, y)
    mean = X @ model.coef_[0] + model.intercept_[0]
    Z = np.c_[X - model.centre_, np.ones(30)]
    constant = model.intercept_[0] + model.coef_[0] @ model.centre_
    S = np.linalg.inv(hessian_of(Z, np.r_[model.coef_[0], constant], 0.1, 10.0))
    variance = np.einsum("np,pq,nq->n", Z, S, Z)
    expected = expit(mean / np.sqrt(1 + math.pi * variance / 8))  # eqs 4.153 to 4.155
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected, rtol=1e-7)


def hessian_of(Z, at, alpha, std):
    p = expit(Z @ at)
    return (Z * (p * (1 - p))[:, None]).T @ Z + np.diag([*[alpha] * (Z.shape[1] - 1), std**-2])


def test_intervals_cover_weights_drawn_from_the_prior(seed):
    """Simulation-based calibration: the 90 % interval holds the weight in 90 % of the prior's worlds."""
    rng = np.random.default_rng([seed, 11])
    inside = []
    for _ in range(150):
        X = rng.normal(size=(60, 2))
        w, b = rng.normal(size=2), rng.normal()
        y = rng.random(60) < expit((X - X.mean(0)) @ w + b)
        y[:2] = [False, True] if y.all() or not y.any() else y[:2]
        table = Bayes(alpha=1.0, intercept_prior_std=1.0).fit(X, y).summary(0.9)
        inside.append((np.array(table.low[1:]) <= w) & (w <= np.array(table.high[1:])))
    assert abs(np.mean(inside) - 0.9) < 4 * math.sqrt(0.09 / 300) + 0.01


def test_learning_in_blocks_comes_near_one_fit(seed):
    X, y, w = world(2000, 2, 3, seed=seed)
    whole = Bayes(alpha=1.0).fit(X, y, w)
    parts = Bayes(alpha=1.0).partial_fit(X[:1000], y[:1000], classes=[0, 1, 2], sample_weight=w[:1000])
    first = parts.log_evidence_
    parts.partial_fit(X[1000:1500], y[1000:1500], sample_weight=w[1000:1500])
    parts.partial_fit(X[1500:], y[1500:], sample_weight=w[1500:])
    assert np.abs(parts.predict_proba(X) - whole.predict_proba(X)).max() < 0.03
    assert parts.log_evidence_ < first and parts.log_evidence_ == pytest.approx(whole.log_evidence_, rel=1e-3)
    np.testing.assert_allclose(np.diag(parts.coef_cov_), np.diag(whole.coef_cov_), rtol=0.15)


@pytest.mark.parametrize("predictive", ["integral", "probit"])
def test_a_class_not_seen_yet_has_probability_zero_until_it_comes(seed, predictive):
    X, y, _ = world(30, 2, seed=seed)
    model = Bayes(alpha=1.0, predictive=predictive).partial_fit(X, y, classes=[0, 1, 2])
    p = model.predict_proba(X)
    assert (p[:, 2] == 0).all() and (p[:, :2] > 0).all()
    zeroed = Bayes(alpha=1.0, predictive=predictive).fit(np.r_[X, X[:1]], np.r_[y, 2], np.r_[np.ones(30), 0.0])
    np.testing.assert_allclose(zeroed.predict_proba(X), p, rtol=1e-6)
    later = model.partial_fit(X + 3, np.full(30, 2))
    assert later.class_count_.tolist() == [*np.bincount(y), 30]
    assert later.predict_proba(X + 3)[:, 2].mean() > 0.5
    one = Bayes(alpha=1.0, predictive=predictive).partial_fit(X, np.zeros(30), classes=[0, 1]).predict_proba(X)
    assert (one == [1.0, 0.0]).all()
    with pytest.raises(DataError, match="class 2 has no rows of positive weight"):
        Bayes(alpha=1.0, intercept_prior_std=FLAT).partial_fit(X, y, classes=[0, 1, 2])


def test_weights_are_repetitions(seed):
    X, y, _ = world(30, 2, 3, seed=seed)
    counts = np.r_[1, 1, 1, np.random.default_rng(seed).integers(0, 3, 27)]
    weighted = Bayes(tol=1e-9).fit(X, y, counts)
    repeated = Bayes(tol=1e-9).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    assert weighted.log_evidence_ == pytest.approx(repeated.log_evidence_, rel=1e-9)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-6)
    balanced = Bayes(alpha=1.0, class_weight="balanced").fit(X, y)
    each = 30 / (3 * np.bincount(y))
    np.testing.assert_allclose(balanced.coef_, Bayes(alpha=1.0).fit(X, y, each[y]).coef_, rtol=1e-9)


@pytest.mark.parametrize("C", [2, 3])
@pytest.mark.parametrize("predictive", ["integral", "probit"])
def test_probabilities_sum_to_one_and_are_never_nan(seed, C, predictive):
    X, y, _ = world(30, 2, C, seed=seed)
    for units, shift in ((1.0, 0.0), (1.0, 1e8), (1e150, 0.0), (1e-150, 0.0)):
        Z = X * units + shift
        for model in (Bayes(predictive=predictive), Bayes(alpha=1.0, predictive=predictive)):
            p = model.fit(Z, y).predict_proba(np.r_[Z, [[1e150, -1e150], [-1e150, 1e150], [0, 0], [1e8, 1.0]]])
            assert np.isfinite(p).all() and np.abs(p.sum(1) - 1).max() < 1e-12
    assert np.isfinite(Bayes().fit(np.tile([[-1e150], [1e150]], (20, 1)), np.repeat([0, 1], 20)).alpha_)
    with pytest.raises(DataError, match="rescale"):
        Bayes(alpha=1.0).fit(X * 1e170, y)


def test_separable_wide_and_constant_data(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 40))
    y = X[:, 0] > 0
    for model in (Bayes().fit(X, y), Bayes(alpha=1e-6).fit(X, y), Bayes().fit(X[:, :1], y)):
        p = model.predict_proba(X[:, : model.n_features_in_])
        assert np.isfinite(model.coef_).all() and (p > 0).all() and model.stopped_ == "converged"
    const = Bayes(alpha=1.0).fit(np.c_[X[:, :2], np.full(20, 3.0)], y)
    assert const.coef_[0, 2] == 0.0 and const.summary().std_error[3] == pytest.approx(1.0)


@pytest.mark.parametrize("N", [2, 3])
def test_a_row_or_two_for_each_class(N):
    model = Bayes().fit(np.arange(N)[:, None] * 1.0, ["a", "b", "c"][:N])
    p = model.predict_proba([[0.0], [1.0], [1e9]])
    assert p.shape == (3, N) and np.isfinite(p).all()
    assert len(model.summary(label="b")) == 2 and "class 'b'" in str(model.summary(label="b"))


def test_what_is_refused_is_refused_in_words(seed):
    X, y, _ = world(30, 2, seed=seed)
    with pytest.raises(DataError, match="at least 2 classes"):
        Bayes().fit(X, np.zeros(30, dtype=int))
    with pytest.raises(DataError, match="1000 classes and 2 columns would be 2997 weights"):
        Bayes().fit(np.random.default_rng(seed).normal(size=(2000, 2)), np.arange(2000) % 1000)
    with pytest.raises(DataError, match="3000 weights; 2 classes and 4000 columns"):
        Bayes().fit(np.zeros((2, 4000)), [0, 1])
    with pytest.raises(DataError, match="'maybe' is not among the classes"):
        Bayes(alpha=1.0).fit(X, y).summary(label="maybe")
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        Bayes(alpha=1e-3, max_iter=1).fit(X, y)


def test_tensors_come_out_as_tensors(seed):
    X, y, _ = world(30, 2, 3, seed=seed)
    model = Bayes(alpha=1.0).fit(torch.tensor(X), torch.tensor(y))
    assert isinstance(model.coef_, torch.Tensor) and isinstance(model.coef_cov_, torch.Tensor)
    plain = Bayes(alpha=1.0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(torch.tensor(X)).numpy(), plain.predict_proba(X))
    assert plain.coef_cov_.shape == (6, 6) and str(model.summary()) == str(plain.summary())
