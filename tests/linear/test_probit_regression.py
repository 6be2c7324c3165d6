"""Probit regression against its gradient, statsmodels, a latent normal variable, and data that it cannot learn."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from peira.core.errors import DataError
from peira.linear.probit_regression import ProbitRegression


def world(N, D, *, seed):
    """Labels are the signs of a normal response: what the model assumes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) * rng.uniform(0.5, 3, D) + rng.normal(size=D)
    y = (0.3 + X @ rng.normal(size=D) + rng.normal(size=N) > 0).astype(int)
    y[: min(2, N)] = np.arange(min(2, N))
    return X, y, rng.uniform(0.1, 2, N)


@pytest.mark.parametrize("shape", [(2, 1), (3, 2), (3, 5), (40, 3), (10, 30)])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-2, 3.0])
def test_the_gradient_is_zero_for_every_parameter(seed, shape, intercept, alpha):
    X, y, w = world(*shape, seed=seed)
    model = ProbitRegression(alpha=alpha, fit_intercept=intercept).fit(X, y, w)
    coef = torch.tensor(model.coef_[0], requires_grad=True)
    b = torch.tensor(model.intercept_[0], requires_grad=True)
    t = (torch.tensor(X) @ coef + b) * torch.tensor(2.0 * y - 1)
    objective = torch.tensor(w) @ torch.special.log_ndtr(t) - alpha * coef @ coef / 2
    objective.backward()
    assert coef.grad.abs().max() < 1e-8 and (b.grad.abs() < 1e-8 if intercept else model.intercept_[0] == 0)


def test_coefficients_and_standard_errors_are_those_of_statsmodels(seed):
    sm = pytest.importorskip("statsmodels.api")
    X, y, _ = world(150, 3, seed=seed)
    theirs = sm.Probit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14)
    model = ProbitRegression(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(np.r_[model.intercept_, model.coef_[0]], theirs.params, atol=1e-8)
    np.testing.assert_allclose(np.r_[model.intercept_std_, model.coef_std_[0]], theirs.bse, rtol=1e-8)
    figures = (model.log_likelihood_, model.aic_, model.deviance_)
    np.testing.assert_allclose(figures, (theirs.llf, theirs.aic, -2 * theirs.llf), rtol=1e-10)
    assert model.null_log_likelihood_ == pytest.approx(theirs.llnull, rel=1e-8)  # theirs by iteration
    table = model.summary(0.9)
    np.testing.assert_allclose(table.t, theirs.tvalues, rtol=1e-7)
    np.testing.assert_allclose(table.p, theirs.pvalues, rtol=1e-6)
    np.testing.assert_allclose(np.c_[table.low, table.high], theirs.conf_int(0.1), rtol=1e-7)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], theirs.predict(), rtol=1e-8)


def test_without_a_constant_and_without_inputs_that_matter(seed):
    X, y, _ = world(60, 2, seed=seed)
    assert ProbitRegression(fit_intercept=False).fit(X, y).null_log_likelihood_ == pytest.approx(60 * math.log(0.5))
    only = ProbitRegression(alpha=1e12).fit(X, y)
    np.testing.assert_allclose(only.predict_proba(X)[:, 1], y.mean(), rtol=1e-6)
    np.testing.assert_allclose(only.intercept_, norm.ppf(y.mean()), rtol=1e-6, atol=1e-9)
    assert only.log_likelihood_ == pytest.approx(only.null_log_likelihood_, rel=1e-9) and math.isnan(only.aic_)


def test_intervals_cover_the_true_coefficients(seed):
    rng = np.random.default_rng([seed, 5])
    X, true, inside = rng.normal(size=(200, 2)), np.array([0.2, 0.8, -0.5]), []
    for _ in range(100):
        y = true[0] + X @ true[1:] + rng.normal(size=200) > 0
        table = ProbitRegression(alpha=0.0).fit(X, y).summary(0.9)
        inside.append((np.array(table.low) <= true) & (true <= np.array(table.high)))
    assert abs(np.mean(inside) - 0.9) < 4 * math.sqrt(0.09 / 300)


def test_weights_are_repetitions_and_classes_may_be_weighted(seed):
    X, y, _ = world(50, 3, seed=seed)
    counts = np.random.default_rng(seed).integers(0, 4, 50)
    counts[:2] = 1
    weighted = ProbitRegression().fit(X, y, counts)
    repeated = ProbitRegression().fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9)
    np.testing.assert_allclose(weighted.coef_std_, repeated.coef_std_, rtol=1e-9)
    names = np.array(["no", "yes"])[y]
    by_class = ProbitRegression(class_weight={"yes": 3.0}).fit(X, names)
    np.testing.assert_allclose(by_class.coef_, ProbitRegression().fit(X, y, np.where(y, 3.0, 1.0)).coef_, rtol=1e-10)
    assert set(by_class.predict(X)) <= {"no", "yes"}


def test_shifts_and_units_of_columns_change_nothing_without_a_penalty(seed):
    X, y, _ = world(80, 3, seed=seed)
    model = ProbitRegression(alpha=0.0).fit(X, y)
    units, shift = np.array([1e-6, 1e3, 1e9]), np.array([1.0, 1e8, -1e11])
    moved = ProbitRegression(alpha=0.0).fit(X * units + shift, y)
    np.testing.assert_allclose(moved.coef_ * units, model.coef_, rtol=1e-5)
    np.testing.assert_allclose(moved.coef_std_ * units, model.coef_std_, rtol=1e-5)
    np.testing.assert_allclose(moved.predict_proba(X * units + shift), model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("at", [1e8, 1e150, -1e150])
def test_probabilities_of_far_queries_sum_to_one(seed, at):
    X, y, _ = world(40, 2, seed=seed)
    p = ProbitRegression().fit(X, y).predict_proba([[at, at], [at, -at], [0.0, 0.0]])
    assert np.isfinite(p).all() and np.abs(p.sum(1) - 1).max() < 1e-15


def test_separable_classes_need_a_penalty_and_are_told_so(seed):
    X, _, _ = world(30, 2, seed=seed)
    y = X[:, 0] > np.median(X[:, 0])
    with pytest.raises(DataError, match="parts the two classes completely.*alpha > 0"):
        ProbitRegression(alpha=0.0).fit(X, y)
    small, large = (ProbitRegression(alpha=alpha).fit(X, y).coef_ for alpha in (1e-4, 1e-3))
    assert np.isfinite(small).all() and small[0, 0] > large[0, 0] > 0
    rare = np.r_[np.c_[np.zeros(30), X[:, 1]], [[1.0, 0.0]]]  # a column that marks a single row
    labels = np.r_[np.arange(30) % 2, 1]
    with pytest.raises(DataError, match="but for points that lie on it"):
        ProbitRegression(alpha=0.0).fit(rare, labels)
    assert np.isfinite(ProbitRegression(alpha=1e-3).fit(rare, labels).coef_).all()


def test_columns_that_depend_on_others_need_a_penalty_and_are_named(seed):
    X, y, _ = world(30, 2, seed=seed)
    y[2:6] = [0, 1, 1, 0]
    for extra in (np.full(30, 7.0), X.sum(1), np.zeros(30)):
        Z = np.c_[X, extra]
        with pytest.raises(DataError, match="column 'x2'"):
            ProbitRegression(alpha=0.0).fit(Z, y)
        assert ProbitRegression(alpha=0.1).fit(Z, y).score(Z, y) > 0.4
    with pytest.raises(DataError, match="rows are fewer than columns"):
        ProbitRegression(alpha=0.0).fit(X[:2], [0, 1])


def test_other_numbers_of_classes_are_refused(seed):
    X, y, _ = world(30, 2, seed=seed)
    with pytest.raises(DataError, match="at least 2 classes"):
        ProbitRegression().fit(X, np.zeros(30, dtype=int))
    with pytest.raises(DataError, match="y holds 3: "):
        ProbitRegression().fit(X, np.arange(30) % 3)
    with pytest.raises(DataError, match="class 1 has no rows of positive weight"):
        ProbitRegression().fit(X, y, 1.0 - y)
    assert not ProbitRegression().__sklearn_tags__().classifier_tags.multi_class


def test_too_few_steps_warn(seed):
    X, y, _ = world(30, 2, seed=seed)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        ProbitRegression(max_iter=1).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ProbitRegression().fit(X, y)
    assert model.stopped_ == "converged" and model.n_iter_ < 15
