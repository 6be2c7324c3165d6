"""The posterior by brute force, by another route, in any order; evidence against dense densities; calibration."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy import integrate, stats

import peira
from peira.core.errors import DataError, RankWarning
from peira.linear.bayesian_regression import BayesianLinearRegression
from peira.linear.recursion import one_step_ahead

SHAPES = [(1, 1), (2, 1), (3, 1), (3, 2), (30, 4), (6, 9)]


def draw(seed, N, D, K=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) + 2.0
    W = rng.normal(size=(D, K) if K else D)
    return X, X @ W + 3.0 + 0.5 * rng.normal(size=(N, K) if K else N)


def dense_posterior(X, y, P, m0, beta, intercept):
    """Textbook formulas with the constant as a column of zero prior precision."""
    N = len(X)
    if intercept:
        X, P, m0 = np.column_stack([X, np.ones(N)]), np.pad(P, (0, 1)), np.append(m0, 0.0)
    S = np.linalg.inv(P + beta * X.T @ X)
    return S @ (P @ m0 + beta * X.T @ y), S


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("N", "D"), SHAPES)
@pytest.mark.parametrize("prior", ["scalar", "vector", "matrix"])
def test_posterior_and_prediction_are_the_textbook_formulas(seed, N, D, intercept, prior):
    X, y = draw(seed, N, D)
    rng = np.random.default_rng(seed + 1)
    R = rng.normal(size=(D, D))
    P = {"scalar": 0.7 * np.eye(D), "vector": np.diag(1.0 + rng.random(D)), "matrix": R @ R.T + np.eye(D)}[prior]
    given = {"scalar": 0.7, "vector": P.diagonal(), "matrix": P}[prior]
    m0 = rng.normal(size=D)
    model = BayesianLinearRegression(beta=4.0, prior_precision=given, prior_mean=m0, fit_intercept=intercept).fit(X, y)
    m, S = dense_posterior(X, y, P, m0, 4.0, intercept)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_)[: len(m)], m, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.coef_cov_, S[:D, :D], rtol=1e-9, atol=1e-10)
    Q = rng.normal(size=(3, D))
    Phi = np.column_stack([Q, np.ones(3)]) if intercept else Q
    variance = np.einsum("nd,de,ne->n", Phi, S, Phi)
    np.testing.assert_allclose(model.predict_dist(Q).variance, 1 / 4.0 + variance, rtol=1e-9)
    np.testing.assert_allclose(model.predict_dist(Q, noise=False).variance, variance, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.predict_dist(Q).mean, Phi @ m, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("N", "D"), SHAPES)
def test_evidence_is_the_density_of_the_targets(seed, N, D):
    X, y = draw(seed, N, D)
    P, m0, beta = np.diag(1.0 + np.arange(D)), np.full(D, 0.3), 2.0
    model = BayesianLinearRegression(beta=beta, prior_precision=P, prior_mean=m0, fit_intercept=False).fit(X, y)
    C = np.eye(N) / beta + X @ np.linalg.inv(P) @ X.T
    expected = stats.multivariate_normal(X @ m0, C).logpdf(y)
    np.testing.assert_allclose(model.log_evidence_, expected, rtol=1e-10)
    # Unknown noise: the targets are multivariate Student (Murphy 2012, eq. 7.75 before its predictive form).
    model = BayesianLinearRegression(prior_precision=P, prior_mean=m0, a0=1.5, b0=0.8, fit_intercept=False).fit(X, y)
    C = (np.eye(N) + X @ np.linalg.inv(P) @ X.T) * 0.8 / 1.5
    np.testing.assert_allclose(model.log_evidence_, stats.multivariate_t(X @ m0, C, df=3.0).logpdf(y), rtol=1e-10)


def test_evidence_of_the_constant_by_integration(seed):
    """A flat prior counts with density 1: integrate the density of the targets over the constant."""
    X, y = draw(seed, 5, 2)
    beta = 2.0
    model = BayesianLinearRegression(beta=beta).fit(X, y)
    density = stats.multivariate_normal(np.zeros(5), np.eye(5) / beta + X @ X.T)
    value, _ = integrate.quad(lambda c: density.pdf(y - c), model.intercept_ - 30, model.intercept_ + 30, points=[0.0])
    np.testing.assert_allclose(model.log_evidence_, np.log(value), rtol=1e-9)


def test_evidence_with_all_flat_priors_by_integration(seed):
    """One weight, no constant, flat weight, variance with density 1 / variance: a double integral."""
    X, y = draw(seed, 4, 1)
    y = X[:, 0] + 0.5 * np.random.default_rng(seed).normal(size=4)
    model = BayesianLinearRegression(0.0, fit_intercept=False).fit(X, y)

    # With w = mean + sqrt(v) z, and dv / v = d log v; the trapezoidal rule is exact to rounding for such integrands.
    z, log_v = np.linspace(-15, 15, 1501)[:, None], np.linspace(-15, 40, 2201)[None, :]
    sd = np.exp(log_v / 2)
    w = model.coef_[0] + sd * z / abs(X[:, 0]).max()
    log = sum(stats.norm(w * xi, sd).logpdf(yi) for xi, yi in zip(X[:, 0], y, strict=True))
    value = (np.exp(log) * sd / abs(X[:, 0]).max()).sum() * (z[1] - z[0]) * (log_v[0, 1] - log_v[0, 0])
    np.testing.assert_allclose(model.log_evidence_, np.log(value), rtol=1e-10)


def test_posterior_of_one_weight_by_brute_force(seed):
    """Prior times likelihood on a grid, with unknown noise: mean, and the predictive density at a point."""
    X, y = draw(seed, 6, 1)
    model = BayesianLinearRegression(0.5, a0=2.0, b0=1.0, fit_intercept=False).fit(X, y)
    w = model.coef_[0] + np.linspace(-8, 8, 1601)[:, None]
    v = np.exp(np.linspace(-6, 6, 601))[None, :]
    log = stats.norm(0, np.sqrt(v / 0.5)).logpdf(w) + stats.invgamma(2.0, scale=1.0).logpdf(v) + np.log(v)
    for xi, yi in zip(X[:, 0], y, strict=True):
        log = log + stats.norm(w * xi, np.sqrt(v)).logpdf(yi)
    p = np.exp(log - log.max())
    p /= p.sum()
    np.testing.assert_allclose(model.coef_[0], (p * w).sum(), rtol=1e-5)
    np.testing.assert_allclose(model.coef_cov_[0, 0], (p * w**2).sum() - (p * w).sum() ** 2, rtol=1e-3)
    predictive = (p * stats.norm(w * 1.3, np.sqrt(v)).pdf(4.0)).sum()
    np.testing.assert_allclose(np.exp(model.predict_dist([[1.3]]).log_prob([4.0]))[0], predictive, rtol=1e-4)


def test_flat_prior_is_least_squares_with_its_t_intervals(seed):
    X, y = draw(seed, 25, 3)
    model = BayesianLinearRegression(0.0).fit(X, y)
    A = np.column_stack([X, np.ones(25)])
    w, rss, *_ = np.linalg.lstsq(A, y, rcond=None)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), w, rtol=1e-10)
    assert model.noise_shape_ == (25 - 4) / 2
    q = np.array([0.3, -1.0, 2.0, 1.0])
    half = stats.t(21).ppf(0.975) * np.sqrt(rss[0] / 21 * (1 + q @ np.linalg.inv(A.T @ A) @ q))
    low, high = model.predict_dist(q[None, :3]).interval(0.95)
    np.testing.assert_allclose([low[0], high[0]], [q @ w - half, q @ w + half], rtol=1e-9)


def test_unknown_noise_gives_ridge_and_known_noise_ridge_of_the_ratio(seed):
    from sklearn.linear_model import Ridge

    X, y = draw(seed, 20, 3)
    np.testing.assert_allclose(BayesianLinearRegression(5.0).fit(X, y).coef_, Ridge(5.0).fit(X, y).coef_, rtol=1e-10)
    known = BayesianLinearRegression(5.0, beta=2.0).fit(X, y)
    np.testing.assert_allclose(known.coef_, Ridge(2.5).fit(X, y).coef_, rtol=1e-10)


def test_limits_of_the_prior(seed):
    X, y = draw(seed, 20, 3)
    strong = BayesianLinearRegression(1e14, prior_mean=[1.0, -2.0, 0.5], beta=1.0).fit(X, y)
    np.testing.assert_allclose(strong.coef_, [1.0, -2.0, 0.5], rtol=1e-10)
    # No data is the prior: its mean, its covariance, its noise.
    model = BayesianLinearRegression(4.0, prior_mean=[1.0, 0.0, 2.0], a0=3.0, b0=2.0, fit_intercept=False)
    dist = model.prior_dist(X)
    np.testing.assert_allclose(dist.mean, X @ [1.0, 0.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(dist.variance, 2.0 / (3.0 - 1) * (1 + (X**2).sum(1) / 4.0), rtol=1e-12)
    assert not model.__sklearn_is_fitted__()  # asking the prior learns nothing
    # Weights that vanish are no data.
    nearly = model.fit(X, y, np.full(20, 1e-14)).predict_dist(X)
    np.testing.assert_allclose(nearly.mean, dist.mean, rtol=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("beta", [None, 4.0])
@pytest.mark.parametrize(("N", "D"), [(3, 1), (20, 4), (6, 9)])
def test_any_order_and_any_blocks_equal_one_fit(seed, N, D, beta, intercept):
    X, y = draw(seed, N, D)
    w = np.random.default_rng(seed).random(N) + 0.1
    whole = BayesianLinearRegression(beta=beta, fit_intercept=intercept).fit(X, y, w)
    Q = X + 1.0
    for order in (np.arange(N), np.random.default_rng(seed).permutation(N)):
        for cuts in (range(1, N), [N // 2], []):
            part = BayesianLinearRegression(beta=beta, fit_intercept=intercept)
            for rows in np.split(order, list(cuts)):
                part.partial_fit(X[rows], y[rows], w[rows])
            np.testing.assert_allclose(part.coef_, whole.coef_, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(part.log_evidence_, whole.log_evidence_, rtol=1e-12)
            np.testing.assert_allclose(part.predict(Q), whole.predict(Q), rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(part.predict_dist(Q).interval(), whole.predict_dist(Q).interval(), rtol=1e-11)
    # Rows of a wide fit become moments when more come, and two halves merge.
    half = BayesianLinearRegression(beta=beta, fit_intercept=intercept)
    a, b = half.fit(X[: N // 2], y[: N // 2], w[: N // 2]), None
    b = BayesianLinearRegression(beta=beta, fit_intercept=intercept).fit(X[N // 2 :], y[N // 2 :], w[N // 2 :])
    for merged in (a.merge(b), b.merge(a)):
        np.testing.assert_allclose(merged.coef_, whole.coef_, rtol=1e-12, atol=1e-12)
    a.partial_fit(X[N // 2 :], y[N // 2 :], w[N // 2 :])
    np.testing.assert_allclose(a.coef_, whole.coef_, rtol=1e-12, atol=1e-12)


def test_merge_refuses_strangers(seed):
    X, y = draw(seed, 8, 2)
    a = BayesianLinearRegression().fit(X, y)
    for other in (BayesianLinearRegression(2.0).fit(X, y), BayesianLinearRegression().fit(X[:, :1], y)):
        with pytest.raises(DataError, match="merge needs"):
            a.merge(other)


def test_weights_are_repetitions(seed):
    X, y = draw(seed, 12, 3)
    times = np.arange(12) % 3
    a = BayesianLinearRegression().fit(X, y, times.astype(float))
    b = BayesianLinearRegression().fit(np.repeat(X, times, 0), np.repeat(y, times))
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(a.log_evidence_, b.log_evidence_, rtol=1e-12)
    np.testing.assert_allclose(a.predict_dist(X).std, b.predict_dist(X).std, rtol=1e-12)


@pytest.mark.parametrize("beta", [None, 4.0])
@pytest.mark.parametrize("K", [0, 2])
def test_one_step_ahead_is_what_the_posterior_says_before_each_row(seed, beta, K):
    X, y = draw(seed, 30, 3, K)
    model = BayesianLinearRegression(beta=beta).fit(X[:5], y[:5])
    dist = model.predict_then_learn(X[5:], y[5:])
    step = BayesianLinearRegression(beta=beta).fit(X[:5], y[:5])
    for n in range(25):
        now = step.predict_dist(X[5 + n : 6 + n])
        np.testing.assert_allclose(dist[n : n + 1].mean, now.mean, rtol=1e-9)
        np.testing.assert_allclose(dist[n : n + 1].interval(0.9), now.interval(0.9), rtol=1e-9)
        step.partial_fit(X[5 + n : 6 + n], y[5 + n : 6 + n])
    np.testing.assert_allclose(model.coef_, step.coef_, rtol=1e-12)
    # The chain rule: the one-step densities multiply to the evidence.
    first = BayesianLinearRegression(beta=beta).fit(X[:5], y[:5]).log_evidence_
    np.testing.assert_allclose(first + dist.log_prob(y[5:]).sum(), model.log_evidence_, rtol=1e-10)


def test_one_step_ahead_from_a_proper_prior(seed):
    X, y = draw(seed, 10, 2)
    model = BayesianLinearRegression(beta=3.0, fit_intercept=False)
    dist = model.predict_then_learn(X, y)
    np.testing.assert_allclose(dist.log_prob(y).sum(), model.log_evidence_, rtol=1e-10)
    with pytest.raises(DataError, match="flat prior"):
        BayesianLinearRegression().predict_then_learn(X, y)


def row_by_row(X, Y, m, S, variance):
    """The textbook's recursion: errors and variances of one-step-ahead predictions, mean and covariance after them."""
    errors, variances = [], []
    for x, y in zip(X, Y, strict=True):
        total = variance + x @ S @ x
        errors.append(y - x @ m)
        variances.append(total)
        m = m + np.outer(S @ x, errors[-1]) / total
        S = S - np.outer(S @ x, S @ x) / total
    return np.array(errors), np.array(variances), m, S


@pytest.mark.parametrize(
    ("N", "D", "K"), [(1, 1, 1), (2, 3, 2), (3, 2, 1), (7, 7, 1), (8, 8, 3), (9, 9, 1), (50, 20, 2)]
)
def test_rotations_equal_the_recursion_row_by_row(seed, N, D, K):
    rng = np.random.default_rng(seed)
    X, Y, m = rng.normal(size=(N, D)), rng.normal(size=(N, K)), rng.normal(size=(D, K))
    A = rng.normal(size=(D + 2, D))
    Lambda = A.T @ A + 0.1 * np.eye(D)
    L = np.linalg.cholesky(Lambda)
    U, d = np.ascontiguousarray((L / np.diag(L)).T), np.diag(L) ** 2
    start = U, d, U @ m
    kept = [a.copy() for a in start]
    origin = rng.normal(size=D + K)
    expected = row_by_row(X - origin[:D], Y - origin[D:], m, np.linalg.inv(Lambda), 0.5)
    for function in (one_step_ahead, one_step_ahead.py_func):  # compiled, and as Python
        error, variance = function(X, Y, origin, *start, 2.0)
        np.testing.assert_allclose(error, expected[0], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(variance, expected[1], rtol=1e-10)
    for a, b in zip(start, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    # With one column fewer than weights, the last one is of ones.
    constant = one_step_ahead(np.ascontiguousarray(X[:, :-1]), Y, np.delete(origin, D - 1), *start, 2.0)
    ones = one_step_ahead(np.c_[X[:, :-1], np.full(N, 1 + origin[D - 1])], Y, origin, *start, 2.0)
    for a, b in zip(constant, ones, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("beta", [None, 4.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_one_step_ahead_keeps_its_digits_over_many_rows(seed, intercept, beta):
    """After 20,000 rows, nearly collinear and far from the origin, the last prediction is that of one fit."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20_000, 4)) + 100.0
    X[:, 3] = X[:, 0] + 1e-3 * rng.normal(size=len(X))
    y = X @ [1.0, -1.0, 0.5, 2.0] + rng.normal(size=len(X))
    model = BayesianLinearRegression(beta=beta, fit_intercept=intercept).fit(X[:6], y[:6])
    dist = model.predict_then_learn(X[6:], y[6:])
    last = BayesianLinearRegression(beta=beta, fit_intercept=intercept).fit(X[:-1], y[:-1]).predict_dist(X[-1:])
    np.testing.assert_allclose(dist[-1:].mean, last.mean, rtol=1e-10)
    np.testing.assert_allclose(dist[-1:].std, last.std, rtol=1e-10)


@pytest.mark.parametrize("K", [0, 2])
def test_one_step_ahead_in_any_blocks_and_after_a_wide_fit(seed, K):
    X, y = draw(seed, 40, 9, K)
    whole = BayesianLinearRegression().fit(X[:5], y[:5])  # five rows, nine columns: the dual form
    parts = BayesianLinearRegression().fit(X[:5], y[:5])
    assert whole.posterior_["rows"].shape == (5, 9)
    dist = whole.predict_then_learn(X[5:], y[5:])
    for i, j in [(5, 6), (6, 8), (8, 11), (11, 30), (30, 40)]:
        part = parts.predict_then_learn(X[i:j], y[i:j])
        np.testing.assert_allclose(part.mean, dist[i - 5 : j - 5].mean, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(part.interval(0.9), dist[i - 5 : j - 5].interval(0.9), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("beta", [None, 4.0])
def test_wide_goes_through_the_dual_and_agrees_with_the_primal(seed, beta):
    X, y = draw(seed, 12, 40)
    dual = BayesianLinearRegression(2.0, beta=beta).fit(X, y)
    primal = BayesianLinearRegression(prior_precision=2.0 * np.eye(40), beta=beta).fit(X, y)  # a matrix has no dual
    assert dual.posterior_["factor"].shape == (12, 12) and primal.posterior_["factor"].shape == (40, 40)
    np.testing.assert_allclose(dual.coef_, primal.coef_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(dual.coef_cov_, primal.coef_cov_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(dual.log_evidence_, primal.log_evidence_, rtol=1e-11)
    np.testing.assert_allclose(dual.predict_dist(X).std, primal.predict_dist(X).std, rtol=1e-9)


def test_sparse_equals_dense(seed):
    rng = np.random.default_rng(seed)
    for shape in ((40, 5), (5, 12)):
        X = rng.normal(size=shape) * (rng.random(shape) < 0.4)
        y = X.sum(1) + rng.normal(size=shape[0])
        a, b = (BayesianLinearRegression().fit(v, y) for v in (sp.csr_matrix(X), X))
        np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(
            a.predict_dist(sp.csr_matrix(X)).interval(), b.predict_dist(X).interval(), rtol=1e-10
        )


def test_outputs_are_regressions_of_their_own(seed):
    X, Y = draw(seed, 15, 3, K=2)
    for beta in (None, 2.0):
        both = BayesianLinearRegression(beta=beta).fit(X, Y)
        single = [BayesianLinearRegression(beta=beta).fit(X, Y[:, k]) for k in range(2)]
        np.testing.assert_allclose(both.log_evidence_, sum(m.log_evidence_ for m in single), rtol=1e-12)
        for k, m in enumerate(single):
            np.testing.assert_allclose(both.coef_[k], m.coef_, rtol=1e-12)
            np.testing.assert_allclose(both.predict_dist(X).std[:, k], m.predict_dist(X).std, rtol=1e-12)
            np.testing.assert_allclose(both.coef_cov_[k] if beta is None else both.coef_cov_, m.coef_cov_, rtol=1e-12)


@pytest.mark.parametrize("shape", [(30, 3), (4, 8)])
@pytest.mark.parametrize("beta", [None, 4.0])
def test_sampled_functions_have_the_posterior_moments(seed, shape, beta):
    X, y = draw(seed, *shape)
    model = BayesianLinearRegression(beta=beta, a0=5.0, b0=1.0).fit(X, y)
    Q = X[:3] + 0.7
    F = model.sample_functions(Q, 40_000, seed)
    dist = model.predict_dist(Q, noise=False)
    assert (abs(F.mean(0) - dist.mean) < 5 * dist.std / 200).all()
    np.testing.assert_allclose(F.std(0), dist.std, rtol=0.04)
    # Values of one function belong together: their covariance is that of weights and constant.
    C = (Q - X.mean(0)) @ np.atleast_2d(model.coef_cov_) @ (Q - X.mean(0)).T
    constant = 1 / (beta * len(X)) if beta else model.noise_rate_[0] / (model.noise_shape_ - 1) / len(X)
    np.testing.assert_allclose(np.cov(F.T), C + constant, rtol=0.1, atol=0.03 * C.max())
    assert (model.sample_functions(Q, 3, 1) == model.sample_functions(Q, 3, 1)).all()


def test_functions_from_the_prior(seed):
    X = np.linspace(-1, 1, 4)[:, None]
    model = BayesianLinearRegression(4.0, beta=1.0, fit_intercept=False, prior_mean=2.0)
    F = model.sample_functions(X, 20_000, seed, prior=True)
    np.testing.assert_allclose(F.mean(0), 2 * X[:, 0], atol=0.02)
    np.testing.assert_allclose(F.std(0), abs(X[:, 0]) / 2, rtol=0.04)
    for improper in (BayesianLinearRegression(), BayesianLinearRegression(0.0, fit_intercept=False)):
        with pytest.raises(DataError, match="flat"):
            improper.prior_dist(X)


@pytest.mark.parametrize("beta", [None, 4.0])
def test_calibration_over_the_prior(seed, beta):
    """Weights, noise and data from the prior: the targets' ranks in their predictive distributions are uniform."""
    rng = np.random.default_rng(seed)
    ranks = []
    for _ in range(400):
        N, D = int(rng.integers(1, 9)), 3
        X = rng.normal(size=(N + 1, D))
        variance = 0.25 if beta else 1 / rng.gamma(2.0, 1 / 1.0)
        w = rng.normal(size=D) * np.sqrt(0.5 if beta else variance / 2.0)
        y = X @ w + np.sqrt(variance) * rng.normal(size=N + 1)
        model = BayesianLinearRegression(2.0, beta=beta, a0=2.0, b0=1.0, fit_intercept=False).fit(X[:N], y[:N])
        ranks.append(model.predict_dist(X[N:]).cdf(y[N:])[0])
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def test_units_do_not_matter(seed):
    """Scaling a column and its prior, or the targets, changes nothing but units; shifting changes the constant."""
    X, y = draw(seed, 20, 3)
    s = np.array([1e-6, 1.0, 1e7])
    a = BayesianLinearRegression(prior_precision=[1.0, 2.0, 3.0]).fit(X, y)
    b = BayesianLinearRegression(prior_precision=np.array([1.0, 2.0, 3.0]) * s**2).fit(X * s + 1e3 * s, 10 * y + 5)
    np.testing.assert_allclose(b.coef_ * s, 10 * a.coef_, rtol=1e-8)
    np.testing.assert_allclose(b.predict(X * s + 1e3 * s), 10 * a.predict(X) + 5, rtol=1e-8)
    np.testing.assert_allclose(b.predict_dist(X * s + 1e3 * s).std, 10 * a.predict_dist(X).std, rtol=1e-8)


def test_variance_never_grows_with_data(seed):
    X, y = draw(seed, 20, 3)
    Q = np.random.default_rng(seed).normal(size=(5, 3))
    model = BayesianLinearRegression(beta=2.0)
    before = np.inf
    for n in range(20):
        now = model.partial_fit(X[n : n + 1], y[n : n + 1]).predict_dist(Q).variance
        assert (now <= before * (1 + 1e-12)).all()
        before = now


def test_what_the_data_cannot_tell_is_said(seed):
    X, y = draw(seed, 6, 2)
    one = BayesianLinearRegression().fit(X[:1], y[:1])
    assert np.isnan(one.log_evidence_) and one.predict(X[:1]) == pytest.approx(y[:1])
    with pytest.raises(DataError, match="noise can't be told from 1 row"):
        one.predict_dist(X)
    frame = np.column_stack([X, np.ones(6)])
    with pytest.raises(DataError, match="column 'x2'"):
        BayesianLinearRegression(0.0).fit(frame, y)
    with pytest.raises(DataError, match="column 'x2'"):
        BayesianLinearRegression(0.0, fit_intercept=False).fit(np.column_stack([X, X.sum(1)]), y)
    with pytest.raises(DataError, match="flat"):
        BayesianLinearRegression(0.0).fit(X[:2], y[:2])
    with pytest.warns(RankWarning, match="jitter"):
        BayesianLinearRegression(1e-30).fit(np.column_stack([X, X]), y)


@pytest.mark.parametrize(
    "bad", [{"prior_mean": [1.0]}, {"prior_precision": [1.0, np.nan]}, {"prior_precision": [[1.0, 2.0], [2.0, 1.0]]}]
)
def test_malformed_priors_are_refused(seed, bad):
    with pytest.raises(DataError, match="prior_"):
        BayesianLinearRegression(**bad).fit(*draw(seed, 5, 2))


def test_overflow_is_named(seed):
    for shape in ((9, 2), (2, 9)):
        X, y = draw(seed, *shape)
        X[:, 1] *= 1e200
        with pytest.raises(DataError, match="squares of column 'x1'"):
            BayesianLinearRegression().fit(X, y)
        with pytest.raises(DataError, match="squares of the targets"):
            BayesianLinearRegression().partial_fit(X[:, :1], y * 1e200)


@pytest.mark.parametrize("shape", [(9, 2), (3, 5)])
def test_saved_and_loaded_goes_on_learning(seed, shape, tmp_path):
    X, y = draw(seed, *shape)
    model = BayesianLinearRegression(prior_mean=np.ones(shape[1])).fit(X, y)
    back = peira.load(model.save(tmp_path / "m"))
    assert (back.predict_dist(X).mean == model.predict_dist(X).mean).all()
    assert back.log_evidence_ == model.log_evidence_
    np.testing.assert_array_equal(back.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)


def test_tensors_in_tensors_out(seed):
    X, y = (torch.from_numpy(a) for a in draw(seed, 9, 2))
    model = BayesianLinearRegression().fit(X, y)
    assert isinstance(model.coef_, torch.Tensor) and isinstance(model.predict_dist(X).std, torch.Tensor)
    assert isinstance(model.sample_functions(X, 2, 0), torch.Tensor) and isinstance(model.coef_cov_, torch.Tensor)
    assert isinstance(model.partial_fit(X, y).merge(model).coef_, torch.Tensor)
