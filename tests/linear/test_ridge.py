"""Ridge against its gradient, its dual, a longer least-squares problem, and brute force over rows left out."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.model_selection import KFold

from peira.core import RankWarning
from peira.linear.least_squares import LinearRegression
from peira.linear.ridge import Ridge
from peira.linear.ridge_cv import RidgeCV

SHAPES = [(1, 1), (1, 3), (2, 2), (2, 5), (3, 1), (3, 3), (8, 3), (5, 12)]
PATH = np.logspace(-8, 3, 12)


def table(N, D, K=2, *, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) @ (np.eye(D) + 0.3) + 3
    return X, X @ rng.standard_normal((D, K)) + rng.standard_normal((N, K)), rng.uniform(0.1, 3, N)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 2.0, [0.5, 30.0]])
def test_the_gradient_of_the_penalised_sum_of_squares_is_zero(seed, shape, intercept, alpha):
    X, Y, w = table(*shape, seed=seed)
    model = Ridge(alpha, fit_intercept=intercept).fit(X, Y, w)
    W = torch.tensor(model.coef_, requires_grad=True)
    b = torch.tensor(np.broadcast_to(model.intercept_, 2).copy(), requires_grad=True)
    R = torch.as_tensor(Y) - torch.as_tensor(X) @ W.T - b
    loss = (torch.as_tensor(w)[:, None] * R**2).sum() + (torch.tensor(alpha, dtype=torch.float64) * (W**2).sum(1)).sum()
    loss.backward()
    scale = float(np.abs(X).max() * (w[:, None] * np.abs(Y)).sum())
    assert W.grad.abs().max() < 1e-11 * scale
    assert not intercept or b.grad.abs().max() < 1e-11 * scale


@pytest.mark.parametrize("shape", SHAPES)
def test_ridge_is_least_squares_with_a_row_for_each_coefficient(seed, shape):
    X, Y, _ = table(*shape, seed=seed)
    D, alpha = shape[1], 0.7
    more = LinearRegression(fit_intercept=False).fit(
        np.vstack([X, alpha**0.5 * np.eye(D)]), np.vstack([Y, np.zeros((D, 2))])
    )
    np.testing.assert_allclose(Ridge(alpha, fit_intercept=False).fit(X, Y).coef_, more.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.3, [0.3, 5.0]])
def test_effective_degrees_of_freedom_are_the_trace_of_the_smoother(seed, shape, alpha):
    X, Y, w = table(*shape, seed=seed)
    model = Ridge(alpha, fit_intercept=False).fit(X, Y, w)
    for df, a in zip(model.effective_df_, np.broadcast_to(alpha, 2), strict=True):
        A = np.sqrt(w)[:, None] * X
        assert df == pytest.approx(np.trace(A @ np.linalg.solve(A.T @ A + a * np.eye(shape[1]), A.T)), rel=1e-9)


def test_limits(seed):
    X, Y, _ = table(20, 4, seed=seed)
    np.testing.assert_allclose(Ridge(0.0).fit(X, Y).coef_, LinearRegression().fit(X, Y).coef_, rtol=1e-9)
    flat = Ridge(1e14).fit(X, Y)
    np.testing.assert_allclose(flat.intercept_, Y.mean(0), rtol=1e-9)
    assert np.abs(flat.coef_).max() < 1e-9


@pytest.mark.parametrize("shape", [(20, 4), (6, 11)])
def test_parts_in_any_order_weights_and_sparse(seed, shape):
    X, Y, w = table(*shape, seed=seed)
    whole = Ridge(2.0).fit(X, Y, w)
    for order in (slice(None), slice(None, None, -1)):
        model = Ridge(2.0)
        for part in np.array_split(np.arange(shape[0]), 3)[order]:
            model.partial_fit(X[part], Y[part], w[part])
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9)
        np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=1e-9)
    times = np.arange(shape[0]) % 3
    repeated = Ridge(2.0).fit(X.repeat(times, 0), Y.repeat(times, 0))
    np.testing.assert_allclose(Ridge(2.0).fit(X, Y, times).coef_, repeated.coef_, rtol=1e-9)
    np.testing.assert_allclose(Ridge(2.0).fit(sparse.csr_array(X), Y, w).coef_, whole.coef_, rtol=1e-9)


@pytest.mark.parametrize("alpha", [-1.0, [1.0, -1.0], [1.0, 2.0, 3.0], "strong", np.nan, np.inf, True])
def test_bad_penalties_are_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        Ridge(alpha).fit([[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize("shape", [(2, 1), (2, 2), (3, 1), (3, 2), (5, 5), (12, 4), (5, 20), (250, 3)])
@pytest.mark.parametrize("intercept", [True, False])
def test_leave_one_out_equals_as_many_fits(seed, shape, intercept):
    X, Y, w = table(*shape, seed=seed)
    alphas = PATH if shape[0] < 100 else PATH[::5]
    model = RidgeCV(alphas, fit_intercept=intercept, alpha_per_target=True).fit(X, Y, w)
    rows = np.arange(shape[0])
    for a, mse in zip(model.alphas_, model.mse_path_, strict=True):
        total = np.zeros(2)
        for i in rows:
            rest = rows != i
            # The reference: ridge as least squares with more rows, which keeps its digits for any penalty.
            x, y = (np.average(v[rest], axis=0, weights=w[rest]) if intercept else 0.0 for v in (X, Y))
            root = np.sqrt(w[rest])[:, None]
            A = np.vstack([root * (X[rest] - x), np.sqrt(a) * np.eye(shape[1])])
            b = np.linalg.lstsq(A, np.vstack([root * (Y[rest] - y), np.zeros((shape[1], 2))]), rcond=1e-17)[0]
            total += w[i] * (Y[i] - y - (X[i] - x) @ b) ** 2
        np.testing.assert_allclose(mse, total / w.sum(), rtol=1e-10)


def test_one_penalty_for_all_targets_or_one_for_each(seed):
    X, Y, _ = table(30, 4, seed=seed)
    Y[:, 1] = np.random.default_rng(seed).standard_normal(30)  # nothing to learn: wants a large penalty
    shared, apart = RidgeCV(PATH).fit(X, Y), RidgeCV(PATH, alpha_per_target=True).fit(X, Y)
    assert isinstance(shared.alpha_, float)
    np.testing.assert_allclose(shared.coef_, Ridge(shared.alpha_).fit(X, Y).coef_, rtol=1e-8)
    np.testing.assert_allclose(apart.coef_, Ridge(apart.alpha_).fit(X, Y).coef_, rtol=1e-8)
    np.testing.assert_allclose(apart.mse_path_.mean(1), shared.mse_path_, rtol=1e-12)
    np.testing.assert_allclose(-apart.best_score_, apart.mse_path_.min(0))
    for k in range(2):
        one = RidgeCV(PATH).fit(X, Y[:, k])
        assert one.alpha_ == apart.alpha_[k]
        assert one.effective_df_ == pytest.approx(Ridge(one.alpha_).fit(X, Y[:, k]).effective_df_)


@pytest.mark.parametrize("shape", [(30, 4), (12, 20)])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_folds_equal_fits_on_the_other_rows(seed, shape, form):
    X, Y, w = table(*shape, seed=seed)
    folds, alphas = KFold(4, shuffle=True, random_state=seed), [0.1, 1.0, 100.0]
    model = RidgeCV(alphas, cv=folds).fit(form(X), Y, w)
    for a, mse, se in zip(model.alphas_, model.mse_path_, model.mse_std_error_, strict=True):
        errors = []
        for train, test in folds.split(X):
            part = Ridge(a).fit(X[train], Y[train], w[train])
            errors.append(np.average(((Y[test] - part.predict(X[test])) ** 2).mean(1), weights=w[test]))
        assert mse == pytest.approx(np.mean(errors), rel=1e-9)
        assert se == pytest.approx(np.std(errors, ddof=1) / 2, rel=1e-7)


def test_one_standard_error_takes_the_largest_penalty_within_it(seed):
    X, Y, _ = table(40, 5, seed=seed)
    for cv in (None, 5):
        best, simple = (RidgeCV(PATH, cv=cv, rule=rule).fit(X, Y[:, 0]) for rule in ("best", "one_se"))
        i = best.mse_path_.argmin()
        within = best.mse_path_ <= best.mse_path_[i] + best.mse_std_error_[i]
        assert best.alpha_ == best.alphas_[i]
        assert simple.alpha_ == best.alphas_[within].max() >= best.alpha_


@pytest.mark.parametrize("N", [60, 400])
@pytest.mark.parametrize("cv", [None, 4])
def test_columns_of_very_different_scales_keep_their_part(N, cv, seed):
    rng, scale = np.random.default_rng(seed), np.array([1e-7, 1.0, 1e7, 3.0])
    Z = rng.standard_normal((N, 4))
    y = Z @ [0.0, 1.0, 1.0, 6.0] + rng.standard_normal(N)
    for power, lost in ((1, False), (8 / 7, cv is not None or N == 400)):
        X = Z * scale**power
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = RidgeCV(cv=cv).fit(X, y)
        assert any("one scale" in str(w.message) and w.category is RankWarning for w in told) or not lost
        np.testing.assert_allclose(model.coef_, Ridge(model.alpha_).fit(X, y).coef_, rtol=1e-12)
        assert model.score(X, y) > 0.9


def test_leaving_one_out_keeps_its_digits_on_any_scale(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 4)) * [1e-7, 1.0, 1e7, 3.0]
    y = X @ [0.0, 1.0, 1e-7, 2.0] + rng.standard_normal(40)
    for a, mse in zip(*[vars(RidgeCV(PATH).fit(X, y))[k] for k in ("alphas_", "mse_path_")], strict=True):
        rest = [np.arange(40) != i for i in range(40)]
        errors = [y[i] - Ridge(a).fit(X[r], y[r]).predict(X[i : i + 1])[0] for i, r in enumerate(rest)]
        assert mse == pytest.approx(np.mean(np.square(errors)), rel=1e-6)


def test_a_single_row_has_nothing_to_leave(seed):
    with pytest.raises(ValueError, match="n_samples=1"):
        RidgeCV().fit([[1.0]], [1.0])
    with pytest.raises(ValueError, match="two rows of positive weight"):
        RidgeCV().fit([[1.0], [2.0]], [1.0, 2.0], [0.0, 1.0])
    for alphas in ([], [0.0], [-1.0], [[1.0]], [np.nan], "many"):
        with pytest.raises(ValueError, match="alphas"):
            RidgeCV(alphas).fit([[1.0], [2.0]], [1.0, 2.0])
