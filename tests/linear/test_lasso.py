"""The lasso and the elastic net: optimality conditions, other routes to the same answer, and laws of the data."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import linear_model as sk
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path
from sklearn.model_selection import KFold

import peira.linear.cross_validated_path as cross_validated_path
import peira.linear.elastic_net as elastic_net
import peira.linear.elastic_net_path as elastic_net_path_module
import peira.linear.working_set as working_set
from peira.core import DataError, ParameterError, observing
from peira.linear.coordinate_descent import duality_gap, feature_sign_step, soft_threshold
from peira.linear.elastic_net import ElasticNet, ElasticNetCV
from peira.linear.elastic_net_path import elastic_net_path, suits_gram
from peira.linear.lasso import Lasso, LassoCV

TIGHT = 1e-14
SHAPES = [(60, 8), (40, 30), (25, 60), (30, 300)]


def problem(seed: int, N: int, D: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) + spread * rng.standard_normal(D)
    w = np.where(np.arange(D) < 4, rng.standard_normal(D), 0.0)
    return X, X @ w + 0.5 * rng.standard_normal(N) + 3.0


def kkt(model, X, y, alpha, l1_ratio=1.0, sample_weight=None) -> float:
    """The largest violation of the optimality conditions, all columns and the constant."""
    s = np.ones(len(y)) if sample_weight is None else sample_weight
    r = s * (y - X @ model.coef_ - model.intercept_)
    g = X.T @ r / s.sum() - alpha * (1 - l1_ratio) * model.coef_
    w = model.coef_
    at_zero = np.maximum(np.abs(g) - alpha * l1_ratio, 0.0)
    if model.positive:
        at_zero = np.maximum(g - alpha * l1_ratio, 0.0)
        assert (w >= 0).all()
    constant = abs(r.sum() / s.sum()) if model.fit_intercept else 0.0
    return max(np.where(w != 0, np.abs(g - alpha * l1_ratio * np.sign(w)), at_zero).max(), constant)


def brute_force(X, y, alpha, l1_ratio, fit_intercept, positive=False) -> np.ndarray:
    """The minimum over all 3^D patterns of signs, each a linear system."""
    if fit_intercept:
        X, y = X - X.mean(0), y - y.mean()
    N, D = X.shape
    best, answer = np.inf, np.zeros(D)
    for signs in product((0, 1) if positive else (-1, 0, 1), repeat=D):
        s = np.array(signs, dtype=float)
        A = s != 0
        w = np.zeros(D)
        if A.any():
            H = X[:, A].T @ X[:, A] / N + alpha * (1 - l1_ratio) * np.eye(A.sum())
            w[A] = np.linalg.lstsq(H, X[:, A].T @ y / N - alpha * l1_ratio * s[A], rcond=None)[0]
            if (w * s < 0).any():
                continue
        value = ((y - X @ w) ** 2).sum() / (2 * N) + alpha * l1_ratio * np.abs(w).sum()
        value += alpha * (1 - l1_ratio) / 2 * (w @ w)
        if value < best:
            best, answer = value, w
    return answer


@pytest.fixture(params=["gram", "working set", "columns"])
def form(request, monkeypatch):
    """The same test on the Gram matrix, on a working set's Gram matrix, and on its columns."""
    gram = request.param == "gram"
    for module in (elastic_net_path_module, cross_validated_path):
        monkeypatch.setattr(module, "suits_gram", lambda N, D, penalties: gram)
    if request.param == "columns":
        monkeypatch.setattr(working_set, "GRAM_SIZE", 0)
    return request.param


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
@pytest.mark.parametrize(("N", "D"), [(1, 2), (2, 1), (3, 3), (6, 4), (3, 4)])
def test_every_pattern_of_signs(seed, form, N, D, l1_ratio, fit_intercept, positive):
    X, y = problem(seed, N, D)
    for alpha in (0.5, 0.05):
        model = ElasticNet(
            alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept, positive=positive, tol=1e-14, max_iter=3000
        ).fit(X, y)
        expected = brute_force(X, y, alpha, l1_ratio, fit_intercept, positive)
        np.testing.assert_allclose(model.coef_, expected, atol=1e-5)  # the error is the root of the gap over curvature


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("N", "D"), SHAPES)
def test_optimality_conditions(seed, form, N, D, weighted, kind):
    X, y = problem(seed, N, D)
    if kind == "sparse":
        X = np.where(np.random.default_rng(seed + 1).random((N, D)) < 0.3, X, 0.0)
        X[:, 1] = np.random.default_rng(seed + 2).standard_normal(N) + 5.0  # a full column among sparse ones
    s = np.random.default_rng(seed).integers(0, 3, N).astype(float) if weighted else None
    given = sparse.csr_array(X) if kind == "sparse" else X
    for l1_ratio, positive, fit_intercept in [
        (1.0, False, True),
        (0.5, False, True),
        (1.0, True, True),
        (0.5, False, False),
    ]:
        model = ElasticNet(
            0.1, l1_ratio=l1_ratio, positive=positive, fit_intercept=fit_intercept, tol=1e-14, max_iter=5000
        )
        model.fit(given, y, sample_weight=s)
        assert model.stopped_ == "converged"
        assert kkt(model, X, y, 0.1, l1_ratio, s) < 1e-5
        assert 0 <= model.dual_gap_ <= 1e-14 * (y**2).sum()


@pytest.mark.parametrize(("N", "D"), SHAPES)
def test_equals_scikit_learn(seed, form, N, D):
    X, y = problem(seed, N, D, spread=0.0)
    s = np.random.default_rng(seed).uniform(0.1, 2, N)
    for ours, theirs in [
        (Lasso(0.1, tol=1e-14, max_iter=5000), sk.Lasso(0.1, tol=1e-14, max_iter=10**6)),
        (ElasticNet(0.2, tol=1e-14, max_iter=5000), sk.ElasticNet(0.2, tol=1e-14, max_iter=10**6)),
        (Lasso(0.1, positive=True, tol=1e-14, max_iter=5000), sk.Lasso(0.1, positive=True, tol=1e-14, max_iter=10**6)),
        (
            Lasso(0.1, fit_intercept=False, tol=1e-14, max_iter=5000),
            sk.Lasso(0.1, fit_intercept=False, tol=1e-14, max_iter=10**6),
        ),
    ]:
        for weights in (None, s):
            ours.fit(X, y, sample_weight=weights)
            theirs.fit(X, y, sample_weight=weights)
            np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=3e-6)
            np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=3e-6)


def test_diabetes_equals_scikit_learn_to_eight_digits():
    X, y = load_diabetes(return_X_y=True)
    for alpha in (1.0, 0.1, 0.01):
        ours = Lasso(alpha, tol=TIGHT).fit(X, y)
        theirs = sk.Lasso(alpha, tol=TIGHT, max_iter=10**6).fit(X, y)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-6)


def test_orthonormal_columns_give_the_soft_threshold(seed, form):
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((40, 12)))
    y = rng.standard_normal(40)
    z, alpha = Q.T @ y, 0.01
    expected = np.sign(z) * np.maximum(np.abs(z) - 40 * alpha, 0.0)
    model = Lasso(alpha, fit_intercept=False, tol=TIGHT).fit(Q, y)
    np.testing.assert_allclose(model.coef_, expected, atol=1e-12)


def test_soft_threshold_minimises_its_quadratic():
    for z, t in product(np.linspace(-2, 2, 9), (0.0, 0.5, 1.0)):
        grid = np.linspace(-3, 3, 6001)
        for positive in (False, True):
            values = 0.5 * (grid - z) ** 2 + t * np.abs(grid)
            allowed = grid >= -1e-12 if positive else np.ones_like(grid, dtype=bool)
            assert abs(soft_threshold.py_func(z, t, positive) - grid[allowed][values[allowed].argmin()]) < 1e-3


def test_gap_bounds_the_distance_to_the_optimum(seed):
    X, y = problem(seed, 30, 5)
    G, c, yy, rng = X.T @ X, X.T @ y, y @ y, np.random.default_rng(seed)
    for l1, l2, positive in [(20.0, 0.0, False), (20.0, 5.0, False), (0.5, 5.0, True), (0.0, 3.0, False)]:

        def value(w, l1=l1, l2=l2):
            return ((y - X @ w) ** 2).sum() / 2 + l1 * np.abs(w).sum() + l2 / 2 * (w @ w)

        total = l1 + l2
        best = ElasticNet(
            total / 30, l1_ratio=l1 / total, fit_intercept=False, positive=positive, tol=1e-14, max_iter=300
        )
        lowest = value(best.fit(X, y).coef_)
        for _ in range(50):
            w = rng.standard_normal(5) * rng.integers(0, 2, 5)
            w = np.abs(w) if positive else w
            q = c - G @ w
            gap = duality_gap(w, q, ((y - X @ w) ** 2).sum(), l1, l2, positive)
            assert gap >= value(w) - lowest - 1e-9 * yy
            # the textbook's difference of primal and dual, where it applies
            g = q - l2 * w
            top = max(g.max(), l1) if positive else max(np.abs(g).max(), l1)
            scale = l1 / top
            r = y - X @ w
            dual = scale * (r @ y) - scale**2 / 2 * (r @ r + l2 * w @ w)
            assert gap <= value(w) - dual + 1e-9 * yy


def test_feature_sign_step_never_raises_the_objective(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        X, y, w = rng.standard_normal((12, 8)), rng.standard_normal(12), rng.standard_normal(8) * rng.integers(0, 2, 8)
        G, c, l1 = X.T @ X, X.T @ y, 1.0
        before, signs = 0.5 * ((y - X @ w) ** 2).sum() + l1 * np.abs(w).sum(), np.sign(w)
        q = c - G @ w
        feature_sign_step(G, c, l1, 0.0, w, q)
        assert 0.5 * ((y - X @ w) ** 2).sum() + l1 * np.abs(w).sum() <= before + 1e-12
        assert (np.sign(w) * signs >= 0).all()
        np.testing.assert_allclose(q, c - G @ w, atol=1e-10)


def test_penalty_at_which_all_is_zero(seed, form):
    X, y = problem(seed, 30, 6)
    top = np.abs((X - X.mean(0)).T @ (y - y.mean())).max() / 30
    assert not Lasso(top * (1 + 1e-12)).fit(X, y).coef_.any()
    assert np.count_nonzero(Lasso(top * 0.999, tol=TIGHT).fit(X, y).coef_) == 1
    assert Lasso(top).fit(X, y).intercept_ == pytest.approx(y.mean())


def test_no_penalty_is_least_squares(seed):
    X, y = problem(seed, 30, 6)
    expected = np.linalg.lstsq(np.c_[X, np.ones(30)], y, rcond=None)[0]
    for model in (Lasso(0.0).fit(X, y), ElasticNet(0.0).fit(sparse.csr_array(X), y)):
        np.testing.assert_allclose(model.coef_, expected[:-1], atol=1e-9)
        np.testing.assert_allclose(model.intercept_, expected[-1], atol=1e-9)
    for N, D in [(5, 9), (20, 300)]:  # more columns than rows: of smallest norm
        X, y = problem(seed, N, D)
        expected = np.linalg.pinv(X - X.mean(0)) @ (y - y.mean())
        np.testing.assert_allclose(Lasso(0.0).fit(X, y).coef_, expected, atol=1e-7)


def test_pure_squared_penalty_is_ridge(seed, form):
    X, y = problem(seed, 30, 6)
    model = ElasticNet(0.3, l1_ratio=0.0, tol=1e-14).fit(X, y)
    np.testing.assert_allclose(model.coef_, sk.Ridge(0.3 * 30).fit(X, y).coef_, atol=1e-7)


def test_units_of_target_and_inputs(seed, form):
    X, y = problem(seed, 40, 6)
    model = Lasso(0.1, tol=TIGHT).fit(X, y)
    scaled = Lasso(0.1 * 50, tol=TIGHT).fit(X, 50 * y - 7)
    np.testing.assert_allclose(scaled.coef_, 50 * model.coef_, atol=1e-7)
    np.testing.assert_allclose(scaled.intercept_, 50 * model.intercept_ - 7, atol=1e-6)
    shifted = Lasso(0.1, tol=1e-12).fit(X + 1e4, y)  # implicit centring loses the digits of the mean
    np.testing.assert_allclose(shifted.coef_, model.coef_, atol=1e-5)
    inputs = Lasso(0.1 * 4, tol=TIGHT).fit(X * 4, y)
    np.testing.assert_allclose(inputs.coef_ * 4, model.coef_, atol=1e-7)


@pytest.mark.parametrize("cls", [Lasso, ElasticNet])
def test_weights_are_repetitions(seed, form, cls):
    X, y = problem(seed, 20, 6)
    s = np.random.default_rng(seed).integers(0, 4, 20)
    weighted = cls(0.1, tol=TIGHT).fit(X, y, sample_weight=s)
    repeated = cls(0.1, tol=TIGHT).fit(X.repeat(s, 0), y.repeat(s))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-7)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-7)


def test_several_outputs_are_several_fits(seed, form):
    X, y = problem(seed, 30, 6)
    Y = np.c_[y, y[::-1] ** 2, np.full(30, 2.0)]
    model = Lasso(0.1, tol=TIGHT).fit(X, Y)
    for k in range(3):
        single = Lasso(0.1, tol=TIGHT).fit(X, Y[:, k])
        np.testing.assert_allclose(model.coef_[k], single.coef_, atol=1e-12)
        np.testing.assert_allclose(model.dual_gap_[k], single.dual_gap_, atol=1e-12)
    assert not model.coef_[2].any()
    assert model.intercept_[2] == 2.0


def test_duplicated_and_constant_columns(seed, form):
    X, y = problem(seed, 30, 6)
    alone = Lasso(0.05, tol=TIGHT).fit(X, y)
    twice = Lasso(0.05, tol=TIGHT).fit(np.c_[X, X[:, 0], np.full(30, 7.1), np.zeros(30)], y)
    np.testing.assert_allclose(twice.coef_[0] + twice.coef_[6], alone.coef_[0], atol=1e-6)
    assert twice.coef_[0] * twice.coef_[6] >= 0
    np.testing.assert_allclose(twice.coef_[1:6], alone.coef_[1:6], atol=1e-6)
    assert twice.coef_[7] == twice.coef_[8] == 0
    both = ElasticNet(0.05, tol=1e-14, max_iter=3000).fit(np.c_[X, X[:, 0]], y)
    assert both.coef_[0] == pytest.approx(both.coef_[6], abs=1e-5)  # the squared norm shares among equals


def test_constant_target_and_one_row():
    for X, y in [([[1.0, 2.0]], [3.0]), ([[1.0], [2.0]], [4.0, 4.0])]:
        model = Lasso(0.1).fit(X, y)
        assert not model.coef_.any()
        assert model.intercept_ == y[0]
        assert model.dual_gap_ == 0.0


def test_the_objective_falls_and_the_gap_closes(seed, form):
    X, y = problem(seed, 40, 60)
    model = Lasso(0.002, tol=1e-12, max_iter=5000).fit(X, y)
    objective = np.array(model.history_["objective"])
    assert (np.diff(objective) <= 1e-12 * objective[0]).all()
    assert model.history_["gap"][-1] <= 1e-12
    assert all(gap >= 0 for gap in model.history_["gap"])
    assert len(objective) == model.n_iter_


def test_too_few_rounds_warn_with_the_gap(seed):
    X, y = problem(seed, 30, 200)
    with pytest.warns(ConvergenceWarning, match="gap is .* raise max_iter"):
        model = Lasso(1e-5, tol=1e-14, max_iter=1).fit(X, y)
    assert model.stopped_ == "max_iter"
    with pytest.warns(ConvergenceWarning, match="the path"):
        LassoCV(tol=1e-14, max_iter=1, eps=1e-4, cv=3).fit(X, y)


@pytest.mark.parametrize("cls", [Lasso, ElasticNet])
def test_rows_in_any_order_equal_one_fit(seed, cls):
    X, y = problem(seed, 50, 6)
    whole = cls(0.1, tol=TIGHT).fit(X, y)
    for order in ([0, 1, 2], [2, 0, 1]):
        parts = [slice(0, 10), slice(10, 11), slice(11, 50)]
        streamed = cls(0.1, tol=TIGHT)
        for i in order:
            streamed.partial_fit(X[parts[i]], y[parts[i]])
        np.testing.assert_allclose(streamed.coef_, whole.coef_, atol=1e-7)
        np.testing.assert_allclose(streamed.intercept_, whole.intercept_, atol=1e-7)
    more = cls(0.1, tol=TIGHT).fit(X[:30], y[:30]).partial_fit(X[30:], y[30:])
    np.testing.assert_allclose(more.coef_, whole.coef_, atol=1e-7)


def test_rows_after_a_wide_fit_are_refused(seed):
    X, y = problem(seed, 10, 200)
    model = Lasso(0.1).fit(X, y)
    with pytest.raises(DataError, match="moments"):
        model.partial_fit(X, y)


def test_tensors_and_float32(seed):
    X, y = problem(seed, 20, 4)
    model = Lasso(0.1).fit(torch.from_numpy(X), torch.from_numpy(y))
    assert isinstance(model.coef_, torch.Tensor)
    np.testing.assert_allclose(model.coef_.numpy(), Lasso(0.1).fit(X, y).coef_)
    np.testing.assert_allclose(Lasso(0.1).fit(X.astype("float32"), y).coef_, model.coef_, atol=1e-4)


@pytest.mark.parametrize(("N", "D"), SHAPES)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_path_equals_single_fits_and_scikit_learn(seed, form, N, D, l1_ratio):
    X, y = problem(seed, N, D, spread=0.0)
    Xc, yc = X - X.mean(0), y - y.mean()
    alphas, coefs, gaps, n_iters = elastic_net_path(
        X, y, l1_ratio=l1_ratio, eps=0.01, alphas=12, fit_intercept=True, tol=1e-14, max_iter=5000
    )
    top = np.abs(Xc.T @ yc).max() / (N * l1_ratio)
    np.testing.assert_allclose(alphas, np.geomspace(top, 0.01 * top, 12))
    expected = sk.enet_path(Xc, yc, l1_ratio=l1_ratio, alphas=alphas, tol=1e-14, max_iter=10**6)[1]
    np.testing.assert_allclose(coefs, expected, atol=5e-6)  # roots of two gaps of 1e-14
    assert (gaps >= 0).all() and (gaps * N <= 1e-14 * (yc @ yc) * (1 + 1e-9)).all() and (n_iters >= 1).all()
    for k in (3, 11):
        single = ElasticNet(alphas[k], l1_ratio=l1_ratio, tol=1e-14, max_iter=5000).fit(X, y)
        np.testing.assert_allclose(coefs[:, k], single.coef_, atol=5e-6)


def test_path_without_a_constant_is_scikit_learns(seed):
    X, y = problem(seed, 30, 5)
    ours = elastic_net_path(X, y, l1_ratio=1.0, alphas=20, tol=1e-12)
    theirs = lasso_path(X, y, alphas=20, tol=1e-12, max_iter=10**6)
    np.testing.assert_allclose(ours[0], theirs[0])
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)


def test_path_of_a_constant_target_and_given_penalties():
    X = np.arange(8.0).reshape(4, 2) ** 2
    alphas, coefs, gaps, _ = elastic_net_path(X, np.ones(4), alphas=3, fit_intercept=True)
    assert (alphas > 0).all() and not coefs.any() and not gaps.any()
    assert list(elastic_net_path(X, X[:, 0], alphas=[0.1, 5.0, 1.0])[0]) == [5.0, 1.0, 0.1]


def test_the_form_is_chosen_by_shape():
    assert suits_gram(100_000, 100, 100)
    assert suits_gram(2, 3, 1)
    assert not suits_gram(1_000, 5_000, 100)
    assert not suits_gram(100_000, 1_000, 1)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_validation_equals_scikit_learn(seed, form, weighted, kind):
    X, y = problem(seed, 40, 12, spread=0.0)
    s = np.random.default_rng(seed).uniform(0.2, 2, 40) if weighted else None
    given = sparse.csr_array(X) if kind == "sparse" else X
    for kw in ({}, {"cv": 4, "fit_intercept": False}, {"cv": KFold(3, shuffle=True, random_state=1), "positive": True}):
        ours = LassoCV(alphas=30, tol=1e-12, max_iter=5000, **kw).fit(given, y, sample_weight=s)
        theirs = sk.LassoCV(alphas=30, tol=1e-12, max_iter=10**6, **kw).fit(X, y, sample_weight=s)
        np.testing.assert_allclose(ours.alphas_, theirs.alphas_)
        np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-5)
        assert ours.alpha_ == pytest.approx(theirs.alpha_)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


def test_elastic_net_cross_validation(seed, form):
    X, y = problem(seed, 40, 12, spread=0.0)
    shares = [0.2, 0.7, 1.0]
    ours = ElasticNetCV(l1_ratio=shares, alphas=20, tol=TIGHT, max_iter=5000).fit(X, y)
    theirs = sk.ElasticNetCV(l1_ratio=shares, alphas=20, tol=TIGHT, max_iter=10**6).fit(X, y)
    assert (ours.l1_ratio_, ours.alpha_) == (theirs.l1_ratio_, pytest.approx(theirs.alpha_))
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-5)
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_)
    ridge = ElasticNetCV(l1_ratio=0.0, alphas=[1.0, 0.1], cv=3).fit(X, y)
    assert ridge.l1_ratio_ == 0.0 and ridge.coef_.all()


def test_the_one_standard_error_rule(seed):
    X, y = problem(seed, 60, 10)
    best, simple = LassoCV(cv=6).fit(X, y), LassoCV(cv=6, rule="one_se").fit(X, y)
    mean = best.mse_path_.mean(1)
    se = best.mse_path_[mean.argmin()].std(ddof=1) / np.sqrt(6)
    allowed = best.alphas_[mean <= mean.min() + se]
    assert simple.alpha_ == allowed.max() >= best.alpha_
    np.testing.assert_allclose(simple.coef_, Lasso(simple.alpha_, tol=1e-10).fit(X, y).coef_, atol=0.05)


def test_overlapping_and_partial_test_rows(seed):
    X, y = problem(seed, 30, 4)
    folds = [(np.arange(15), np.arange(10, 30)), (np.arange(20, 30), np.arange(5))]
    ours = LassoCV(cv=folds, alphas=10, tol=1e-12).fit(X, y)
    theirs = sk.LassoCV(cv=folds, alphas=10, tol=1e-12, max_iter=10**6).fit(X, y)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-5)


def test_numbers_whose_squares_overflow_are_refused(seed, form):
    X, y = problem(seed, 10, 3)
    for huge in ((1e300 * X, y), (X, 1e300 * y)):
        with pytest.raises(DataError, match="standardise"):
            Lasso(0.1).fit(*huge)
    big = Lasso(0.1 * 1e100, tol=1e-12).fit(1e100 * X, y)
    np.testing.assert_allclose(1e100 * big.coef_, Lasso(0.1, tol=1e-12).fit(X, y).coef_, atol=1e-5)


def test_search_refuses_what_it_cannot_do(seed):
    X, y = problem(seed, 10, 3)
    with pytest.raises(ParameterError, match="alphas"):
        LassoCV(alphas=0).fit(X, y)
    with pytest.raises(ParameterError, match="alphas"):
        LassoCV(alphas=[1.0, -1.0]).fit(X, y)
    with pytest.raises(ParameterError, match="l1_ratio"):
        ElasticNetCV(l1_ratio=[0.5, 0.0]).fit(X, y)
    with pytest.raises(DataError, match="folds"):
        LassoCV(cv=20).fit(X, y)
    with pytest.raises(DataError, match="weight zero"):
        LassoCV(cv=2).fit(X, y, sample_weight=np.repeat([0.0, 1.0], 5))


def test_folds_and_penalties_are_heard(seed):
    X, y = problem(seed, 30, 4)
    heard = []
    with observing(lambda event: heard.append((event.path[-1], event.kind))):
        model = LassoCV(alphas=5, cv=3).fit(X, y)
    assert heard.count(("LassoCV.fold", "step")) == 3
    assert heard.count(("LassoCV.penalty", "step")) == model.n_iter_ == len(model.history_["gap"])


def test_a_share_is_the_models_own():
    assert Lasso()._share() == 1.0
    assert elastic_net.ElasticNet(l1_ratio=0.25)._share() == 0.25
