"""Least angle regression: equal angles, knots against coordinate descent and brute force, degenerate columns."""

from itertools import product

import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model as sk
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

import peira.linear.elastic_net_path as elastic_net_path_module
from peira.core import DataError
from peira.linear.lars import Lars, LassoLars, LassoLarsIC
from peira.linear.lasso import Lasso
from peira.linear.path_plot import plot_path


def problem(seed: int, N: int, D: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) + rng.standard_normal(D)
    X[:, 1:] += 0.5 * X[:, :-1]  # correlated neighbours, so that columns leave
    return X, X @ np.where(np.arange(D) < 4, rng.standard_normal(D), 0.0) + rng.standard_normal(N)


def objective(model, X, y) -> float:
    r = y - X @ model.coef_ - model.intercept_
    return (r @ r) / (2 * len(y)) + model.alpha * np.abs(model.coef_).sum()


@pytest.fixture(params=["gram", "columns"])
def form(request, monkeypatch):
    """The same test on the Gram matrix, and on products computed when a column joins."""
    gram = request.param == "gram"
    monkeypatch.setattr(elastic_net_path_module, "suits_gram", lambda N, D, penalties: gram)


@pytest.mark.parametrize(("N", "D"), [(30, 6), (10, 25), (3, 3), (2, 2)])
def test_active_columns_have_equal_and_largest_correlations(seed, form, N, D):
    X, y = problem(seed, N, D)
    Xc, yc = X - X.mean(0), y - y.mean()
    model = Lars().fit(X, y)
    for k in range(1, len(model.alphas_)):
        q = np.abs(Xc.T @ (yc - Xc @ model.coef_path_[:, k])) / N
        assert (q <= model.alphas_[k] + 1e-9).all()
        np.testing.assert_allclose(q[model.active_[:k]], model.alphas_[k], atol=1e-9)
    assert (np.diff(model.alphas_) <= 0).all()
    assert model.alphas_[-1] == 0.0
    fitted = X @ model.coef_ + model.intercept_
    best = np.linalg.lstsq(Xc, yc, rcond=None)[0]
    np.testing.assert_allclose(fitted - y.mean(), Xc @ best, atol=1e-7)  # ends at least squares


def test_first_step_by_hand(form):
    # Orthogonal columns of norm sqrt(2): q = (3, 1) * 2; the first moves until its correlation is the second's.
    X = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    model = Lars(fit_intercept=False).fit(X, X @ [3.0, 1.0])
    np.testing.assert_allclose(model.alphas_, [3.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(model.coef_path_, [[0, 2, 3], [0, 0, 1]], atol=1e-12)
    assert model.active_ == [0, 1]


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("N", "D"), [(40, 10), (15, 40)])
def test_knots_solve_the_lasso(seed, form, N, D, positive):
    X, y = problem(seed, N, D)
    path = LassoLars(0.005, positive=positive).fit(X, y)
    for k in range(0, len(path.alphas_), 3):
        at = Lasso(path.alphas_[k], positive=positive, tol=1e-14, max_iter=20_000).fit(X, y)
        np.testing.assert_allclose(path.coef_path_[:, k], at.coef_, atol=1e-6)
    middle = (path.alphas_[2] + path.alphas_[3]) / 2  # linear between two knots
    at = Lasso(middle, positive=positive, tol=1e-14, max_iter=20_000).fit(X, y)
    np.testing.assert_allclose(path.coef_path_[:, 2:4].mean(1), at.coef_, atol=1e-6)


@pytest.mark.parametrize(("N", "D"), [(1, 2), (2, 1), (2, 3), (3, 3), (8, 4)])
def test_lasso_beats_every_pattern_of_signs(seed, form, N, D):
    X, y = problem(seed, N, D)
    Xc, yc = X - X.mean(0), y - y.mean()
    for alpha in (0.3, 0.03, 0.0):
        model = LassoLars(alpha).fit(X, y)
        found = objective(model, X, y)
        for signs in product((-1, 0, 1), repeat=D):
            s = np.array(signs, dtype=float)
            A, w = s != 0, np.zeros(D)
            w[A] = np.linalg.lstsq(Xc[:, A].T @ Xc[:, A], Xc[:, A].T @ yc - N * alpha * s[A], rcond=None)[0]
            r = yc - Xc @ w
            assert found <= (r @ r) / (2 * N) + alpha * np.abs(w).sum() + 1e-10


def test_a_column_leaves_and_returns():
    X, y = load_diabetes(return_X_y=True)
    model = LassoLars(0.0).fit(X, y)
    counts = model.coef_path_ != 0
    assert (counts[:, :-1] & ~counts[:, 1:]).any()
    assert len(model.alphas_) > len(Lars().fit(X, y).alphas_)


def test_equals_scikit_learn_on_diabetes(form):
    X, y = load_diabetes(return_X_y=True)
    for ours, theirs in [
        (Lars(), sk.Lars()),
        (Lars(n_nonzero_coefs=4), sk.Lars(n_nonzero_coefs=4)),
        (LassoLars(0.0), sk.LassoLars(0.0)),
        (LassoLars(0.1), sk.LassoLars(0.1)),
        (LassoLars(0.05, positive=True), sk.LassoLars(0.05, positive=True)),
        (LassoLars(0.05, fit_intercept=False), sk.LassoLars(0.05, fit_intercept=False)),
    ]:
        ours.fit(X, y)
        theirs.fit(X, y)
        np.testing.assert_allclose(ours.alphas_, theirs.alphas_, atol=1e-9)
        # scikit-learn 1.9 ends its positive path before alpha; the next test holds ours to the lasso there.
        M = -1 if getattr(ours, "positive", False) else None
        np.testing.assert_allclose(ours.coef_path_[:, :M], theirs.coef_path_[:, :M], atol=1e-6)
        assert ours.active_ == list(theirs.active_)
        assert ours.n_iter_ == theirs.n_iter_


def test_positive_path_ends_at_the_lasso():
    X, y = load_diabetes(return_X_y=True)
    path, at = (cls(0.05, positive=True).fit(X, y) for cls in (LassoLars, lambda *a, **k: Lasso(*a, tol=1e-14, **k)))
    np.testing.assert_allclose(path.coef_, at.coef_, atol=1e-7)


@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_information_criteria_equal_scikit_learns(criterion):
    X, y = load_diabetes(return_X_y=True)
    for noise in (None, 3000.0):
        ours = LassoLarsIC(criterion, noise_variance=noise).fit(X, y)
        theirs = sk.LassoLarsIC(criterion, noise_variance=noise).fit(X, y)
        assert ours.alpha_ == pytest.approx(theirs.alpha_)
        np.testing.assert_allclose(ours.criterion_, theirs.criterion_)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-7)
        assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_)


def test_criterion_without_spare_rows_is_refused(seed):
    X, y = problem(seed, 5, 5)
    with pytest.raises(DataError, match="noise_variance"):
        LassoLarsIC().fit(X, y)
    assert LassoLarsIC(noise_variance=1.0).fit(X, y).criterion_.shape == (len(LassoLars(0.0).fit(X, y).alphas_),)


@pytest.mark.parametrize("alpha", [0.2, 0.02, 0.0])
def test_dependent_columns(seed, form, alpha):
    X, y = problem(seed, 30, 6)
    Z = np.c_[X, X[:, 0], -X[:, 1], X[:, 2] + X[:, 3], np.full(30, 4.2), np.zeros(30)]
    path = LassoLars(alpha).fit(Z, y)
    at = Lasso(alpha, tol=1e-14, max_iter=20_000).fit(Z, y)
    assert objective(path, Z, y) == pytest.approx(objective(at, Z, y), abs=1e-10)
    assert not path.coef_[-2:].any()
    assert np.isfinite(path.coef_path_).all()
    lars = Lars().fit(Z, y)
    assert len(lars.active_) == 6  # as many as are independent
    alone = Lars().fit(X, y)
    np.testing.assert_allclose(Z @ lars.coef_ + lars.intercept_, X @ alone.coef_ + alone.intercept_, atol=1e-7)


def test_equal_correlations_join_together(form):
    # Two columns tie at the start and a third joins them at the same moment.
    X = np.eye(4)[:, :3]
    for model in (Lars(fit_intercept=False), LassoLars(0.0, fit_intercept=False)):
        model.fit(X, [1.0, 1.0, -1.0, 0.0])
        np.testing.assert_allclose(model.coef_, [1, 1, -1], atol=1e-12)
        assert sorted(model.active_) == [0, 1, 2]
        np.testing.assert_allclose(model.alphas_[:3], 0.25)


def test_constant_target_and_one_row(form):
    for model in (Lars(), LassoLars(0.1), LassoLarsIC(noise_variance=1.0)):
        for X, y in [([[1.0, 2.0]], [3.0]), ([[1.0], [2.0]], [4.0, 4.0])]:
            model.fit(X, y)
            assert not model.coef_.any()
            assert model.intercept_ == y[0]
            assert model.active_ == []


def test_weights_are_repetitions_and_sparse_is_dense(seed, form):
    X, y = problem(seed, 20, 6)
    s = np.random.default_rng(seed).integers(0, 4, 20)
    for make in (Lars, lambda: LassoLars(0.01)):
        expected = make().fit(X.repeat(s, 0), y.repeat(s))
        for given in (X, sparse.csr_array(X)):
            got = make().fit(given, y, sample_weight=s)
            np.testing.assert_allclose(got.coef_path_, expected.coef_path_, atol=1e-8)
            np.testing.assert_allclose(got.alphas_, expected.alphas_, atol=1e-9)


def test_units_of_the_target(seed, form):
    X, y = problem(seed, 30, 5)
    np.testing.assert_allclose(
        Lars().fit(X, 1e6 * y + 5).coef_path_, 1e6 * Lars().fit(X, y).coef_path_, rtol=1e-6, atol=1e-2
    )


def test_steps_that_run_out_warn(seed):
    X, y = problem(seed, 30, 8)
    with pytest.warns(ConvergenceWarning, match="path did not converge in 2 steps"):
        model = LassoLars(0.0, max_iter=2).fit(X, y)
    assert model.alphas_.shape == (3,)
    assert np.count_nonzero(model.coef_) == 2


def test_a_picture_of_the_path(seed):
    X, y = problem(seed, 30, 5)
    model = LassoLars(0.001).fit(X, y)
    ax = model.plot_path()
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) == len(model.alphas_)]
    assert len(lines) == (model.coef_path_ != 0).any(1).sum()
    assert lines[0].get_xdata()[-1] == 1.0
    assert plot_path(model.coef_path_, list("abcde"), ax) is ax
    assert {text.get_text() for text in ax.texts} >= {"abcde"[j] for j in model.active_}
