"""Missing values: without gaps nothing changes, gaps are filled by regression, EM reaches the maximum."""

import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from peira.latent import GaussianImputer, GaussianMixture, MixtureOfFactorAnalysers

SHAPES = ["full", "tied", "diag", "spherical"]
shapes = pytest.mark.parametrize("shape", SHAPES)


def rows(seed, N=120, D=3):
    rng = np.random.default_rng([seed, 3])
    return 3.0 * rng.normal(size=(2, D))[rng.integers(0, 2, N)] + rng.normal(size=(N, D)) @ rng.normal(size=(D, D))


def with_gaps(X, seed, share=0.2):
    gaps = np.random.default_rng([seed, 4]).random(X.shape) < share
    gaps[:5] = False
    gaps[6] = True  # a row of which nothing was seen
    return np.where(gaps, np.nan, X)


def fitted(X, shape="full", **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        parameters = {"n_components": 2, "random_state": 0, "tol": 1e-9, "max_iter": 200} | more
        return GaussianMixture(covariance_type=shape, **parameters).fit(X)


@shapes
def test_the_density_of_a_row_with_gaps_is_that_of_what_was_seen(shape, seed):
    mixture = fitted(rows(seed), shape, max_iter=5)
    X = with_gaps(rows(seed), seed)
    C = mixture.covariances_
    for x, said, R in zip(X[:40], mixture.log_prob(X[:40]), mixture.predict_proba(X[:40]), strict=True):
        o, logs = ~np.isnan(x), []
        for k in range(2):
            Ck = {"full": lambda k: C[k], "tied": lambda k: C, "diag": lambda k: np.diag(C[k])}.get(
                shape, lambda k: C[k] * np.eye(3)
            )(k)
            part = stats.multivariate_normal(mixture.means_[k][o], Ck[np.ix_(o, o)]).logpdf(x[o]) if o.any() else 0.0
            logs.append(np.log(mixture.weights_[k]) + part)
        assert said == pytest.approx(np.logaddexp(*logs), abs=1e-10)
        np.testing.assert_allclose(R, np.exp(logs - np.logaddexp(*logs)), atol=1e-9)


@shapes
def test_em_with_gaps_climbs_to_a_gradient_of_zero(shape, seed):
    X = with_gaps(rows(seed), seed)
    mixture = fitted(X, shape, tol=1e-14, max_iter=1500)
    L = mixture.history_["log_likelihood"]
    assert (np.diff(L) >= -1e-11 * abs(L[-1])).all() and mixture.lower_bound_ == pytest.approx(mixture.score(X))
    # A step in any direction lowers the likelihood to first order by nothing.
    rng, step = np.random.default_rng(seed), 1e-4
    for _ in range(3):
        ends = []
        direction = rng.normal(size=mixture.means_.shape)
        for sign in (1, -1):
            moved = fitted(X, shape, max_iter=1)
            for name in ("weights_", "covariances_", "precisions_cholesky_", "floored_"):
                setattr(moved, name, getattr(mixture, name))
            moved.means_ = mixture.means_ + sign * step * direction
            ends.append(moved.score(X))
        assert abs(ends[0] - ends[1]) / (2 * step) < 1e-4


@shapes
def test_gaps_of_weight_zero_change_nothing(shape, seed):
    """The route for incomplete rows beside that for complete ones, on the same rows."""
    X = rows(seed)
    gap = np.r_[X, [[np.nan, 1.0, np.nan]]]
    plain = fitted(X, shape)
    weighted = GaussianMixture(2, covariance_type=shape, random_state=0, tol=1e-9, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted.fit(gap, sample_weight=np.r_[np.ones(len(X)), 0.0])
    np.testing.assert_allclose(weighted.log_prob(X), plain.log_prob(X), rtol=1e-8)


def test_one_column_missing_is_regression(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 3))
    gap = X.copy()
    gap[60:, 2] = np.nan
    imputer = GaussianImputer(tol=1e-14, max_iter=5000).fit(gap)
    # Monotone gaps have a closed form: the regression on the complete rows, applied to the rest (Anderson 1957).
    A = np.column_stack([np.ones(60), X[:60, :2]])
    coef = np.linalg.lstsq(A, X[:60, 2], rcond=None)[0]
    expected = np.column_stack([np.ones(20), X[60:, :2]]) @ coef
    np.testing.assert_allclose(imputer.transform(gap)[60:, 2], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(imputer.mean_[:2], X[:, :2].mean(0), rtol=1e-9, atol=1e-9)
    assert imputer.mean_[2] == pytest.approx(np.r_[X[:60, 2], expected].mean(), abs=1e-6)
    np.testing.assert_array_equal(imputer.transform(gap)[:60], X[:60])


def test_without_gaps_the_imputer_takes_mean_and_covariance(seed):
    X = rows(seed)
    imputer = GaussianImputer().fit(X)
    np.testing.assert_allclose(imputer.mean_, X.mean(0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(imputer.covariance_, np.cov(X.T, bias=True), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(imputer.transform(X), X)
    assert imputer.n_iter_ == 1 and imputer.converged_


def test_the_gradient_of_the_likelihood_of_what_was_seen_is_zero(seed):
    X = with_gaps(rows(seed), seed, share=0.3)
    imputer = GaussianImputer(tol=1e-15, max_iter=20_000).fit(X)
    mean, root = torch.tensor(imputer.mean_), torch.linalg.cholesky(torch.tensor(imputer.covariance_))
    mean.requires_grad_(), root.requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for x in X:
        o = ~np.isnan(x)
        if o.any():
            C = (root @ root.T)[o][:, o]
            total = total + torch.distributions.MultivariateNormal(mean[o], C).log_prob(torch.tensor(x[o]))
    for part in torch.autograd.grad(total / len(X), [mean, root]):
        assert float(part.tril().abs().max() if part.dim() == 2 else part.abs().max()) < 1e-5


def test_draws_have_the_conditional_mean_and_covariance(seed):
    X = with_gaps(rows(seed), seed)
    imputer = GaussianImputer().fit(X)
    x = np.array([[np.nan, 0.5, np.nan]])
    drawn = imputer.impute_many(x, n_imputations=1000, random_state=seed)[:, 0]
    assert (drawn[:, 1] == 0.5).all()
    C, o, m = imputer.covariance_, [1], [0, 2]
    expected = C[np.ix_(m, m)] - C[np.ix_(m, o)] @ np.linalg.solve(C[np.ix_(o, o)], C[np.ix_(o, m)])
    mean = imputer.transform(x)[0, m]
    assert (np.abs(drawn[:, m].mean(0) - mean) < 5 * np.sqrt(np.diag(expected) / 1000)).all()
    np.testing.assert_allclose(np.cov(drawn[:, m].T), expected, atol=0.2 * np.abs(expected).max())
    np.testing.assert_array_equal(imputer.impute_many(X, 2, random_state=1), imputer.impute_many(X, 2, random_state=1))
    with pytest.raises(ValueError, match="n_imputations"):
        imputer.impute_many(X, 0)


@shapes
def test_a_mixture_fills_gaps_from_both_components(shape, seed):
    mixture = fitted(rows(seed), shape, max_iter=10)
    x = np.array([[1.0, np.nan, np.nan]])
    parts = mixture.conditional({0: 1.0})
    np.testing.assert_allclose(mixture.impute(x)[0, 1:], parts.weights_ @ parts.means_, rtol=1e-10)
    np.testing.assert_array_equal(mixture.impute(rows(seed)), rows(seed))


def test_a_column_without_values_is_named(seed):
    X = rows(seed)
    X[:, 1] = np.nan
    for method in (GaussianImputer(), GaussianMixture(), MixtureOfFactorAnalysers()):
        with pytest.raises(ValueError, match=r"column 'x1' holds no value"):
            method.fit(X)


def test_factor_analysers_take_gaps_too(seed):
    X = with_gaps(rows(seed), seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        m = MixtureOfFactorAnalysers(2, n_factors=1, random_state=0, max_iter=40, tol=0.0, reg_covar=1e-3).fit(X)
    L = m.history_["log_likelihood"]
    assert (np.diff(L) >= -1e-11 * abs(L[-1])).all()
