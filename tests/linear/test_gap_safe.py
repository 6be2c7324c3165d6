"""Safe screening: what the Gap Safe rule discards is zero in solutions found without it."""

import numpy as np
import pytest
import torch
from scipy import sparse

import peira.linear.elastic_net_path as elastic_net_path_module
import peira.linear.working_set as working_set
from peira.linear.coordinate_descent import dual_bounds, duality_gap, gap_safe
from peira.linear.elastic_net import ElasticNet
from peira.linear.elastic_net_path import GramProblem, elastic_net_path, solve
from peira.linear.lasso import Lasso
from peira.numerics.moments import Moments

SHAPES = [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3), (30, 8), (20, 60)]


def problem(seed, N, D):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) + rng.standard_normal(D)
    return X, X[:, : min(D, 3)].sum(1) + 0.5 * rng.standard_normal(N) + 2.0


def solution(X, y, w, l1, l2, positive):
    """By coordinate descent on the whole Gram matrix, which discards nothing, to a gap of 1e-13."""
    moments = Moments.of(*(torch.from_numpy(a) for a in (X, y[:, None], w)))
    exact = GramProblem(moments, 0, positive)
    solve(exact, l1, l2, 1e-13 * exact.yy, 10_000)
    return exact


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.7, 0.1])
@pytest.mark.parametrize(("N", "D"), SHAPES)
def test_what_is_discarded_is_zero_in_the_solution(seed, N, D, share, positive):
    """From any weights, near the solution or far from it, weighted rows and constant columns among the data."""
    X, y = problem(seed, N, D)
    if D > 5:
        X[:, 5] = 3.0
    rng = np.random.default_rng(seed)
    discarded = 0
    for rows in (np.ones(N), rng.uniform(0.1, 3.0, N), rng.integers(0, 3, N) + 0.0):
        if not rows.any():
            continue
        root, total = np.sqrt(rows), rows.sum()
        Z, t = root[:, None] * (X - rows @ X / total), root * (y - rows @ y / total)
        top = np.abs(Z.T @ t).max() / share
        for strength in (1.1 * top, 0.9 * top, 0.3 * top, 0.03 * top):
            l1, l2 = strength * share, strength * (1 - share)
            exact = solution(X, y, rows, l1, l2, positive).w
            for step in (0.0, 1e-9, 1e-6, 1e-3, 1.0):
                w = exact + step * rng.standard_normal(D) * (rng.random(D) < 0.5)
                w = np.maximum(w, 0.0) if positive else w
                r = t - Z @ w
                at = (w, Z.T @ r, 0.0, (Z * Z).sum(0), float(r @ r), l1, l2, positive)
                safe = gap_safe(*at, rounding=1e-15 * (t @ t))
                assert not exact[safe].any()
                discarded += safe.sum()
    assert discarded or N == 1  # one row is all mean: no penalty is positive


def test_both_balls_hold_the_dual_solution(seed):
    """The rule's proof, on numbers: distances between dual points are at most the root of twice the gap."""
    X, y = problem(seed, 25, 10)
    rng = np.random.default_rng(seed)
    X, y = X - X.mean(0), y - y.mean()
    for l1, l2 in [(8.0, 0.0), (8.0, 3.0), (1.0, 20.0)]:
        best = solution(X, y, np.ones(25), l1, l2, False).w
        A, b = np.r_[X, np.sqrt(l2) * np.eye(10)], np.r_[y, np.zeros(10)]
        for _ in range(50):
            w = best + rng.standard_normal(10) * 10.0 ** rng.integers(-4, 1)
            r = y - X @ w
            c, shrunk, conjugate = dual_bounds(w, X.T @ r, float(r @ r), l1, l2, False)
            assert np.linalg.norm(c * (b - A @ w) - (b - A @ best)) <= np.sqrt(2 * shrunk) * (1 + 1e-6) + 1e-7
            assert np.linalg.norm(X @ (w - best)) <= np.sqrt(2 * conjugate) * (1 + 1e-6) + 1e-7
            assert duality_gap(w, X.T @ r, float(r @ r), l1, l2, False) == min(shrunk, conjugate)


@pytest.fixture(params=["working set", "columns", "sparse"])
def form(request, monkeypatch):
    """The forms that discard columns."""
    monkeypatch.setattr(elastic_net_path_module, "suits_gram", lambda N, D, penalties: False)
    if request.param != "working set":
        monkeypatch.setattr(working_set, "GRAM_SIZE", 0)
    return sparse.csr_array if request.param == "sparse" else np.asarray


def planted(seed, N=80, D=640):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) + 1.0
    return X, X[:, :6] @ np.array([3.0, -3.0, 2.0, -2.0, 1.5, 1.5]) + 0.1 * rng.standard_normal(N)


def test_most_columns_of_a_planted_problem_are_discarded_and_looked_at_no_more(seed, form, monkeypatch):
    X, y = planted(seed)
    counts, wide = [], []

    def counting(*arguments, **how):
        safe = gap_safe(*arguments, **how)
        counts.append(int(safe.sum()))
        return safe

    def looking(self, r, columns=slice(None)):
        wide.append(isinstance(columns, slice))
        return correlations(self, r, columns)

    correlations = working_set.DenseDesign.correlations
    monkeypatch.setattr(working_set, "gap_safe", counting)
    monkeypatch.setattr(working_set.DenseDesign, "correlations", looking)
    monkeypatch.setattr(working_set, "BURST", 1)  # many looks
    monkeypatch.setattr(working_set, "feature_sign_step", lambda *arguments: None)
    model = Lasso(0.3, tol=1e-12).fit(form(X), y)
    assert len(counts) > 3 and counts[-1] > 0.97 * X.shape[1]
    assert wide[0] and not any(wide[-3:])
    exact = solution(X, y, np.ones(len(y)), 0.3 * len(y), 0.0, False).w
    np.testing.assert_allclose(model.coef_, exact, atol=1e-6)
    assert ((model.coef_ != 0) == (exact != 0)).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.8, 0.2])
def test_the_same_weights_with_and_without_the_rule(seed, form, l1_ratio, weighted, monkeypatch):
    X, y = planted(seed, 40, 320)
    rows = np.random.default_rng(seed).uniform(0.2, 2.0, 40) if weighted else None
    monkeypatch.setattr(working_set, "BURST", 2)
    for positive in (False, True):
        how = {"l1_ratio": l1_ratio, "positive": positive, "sample_weight": rows, "tol": 1e-12, "fit_intercept": True}
        with monkeypatch.context() as patch:
            patch.setattr(working_set, "gap_safe", lambda w, *rest, **how: np.zeros(len(w), dtype=bool))
            without = elastic_net_path(form(X), y, alphas=6, eps=0.05, **how)
        _, coefs, gaps, _ = elastic_net_path(form(X), y, alphas=6, eps=0.05, **how)
        np.testing.assert_allclose(coefs, without[1], atol=2e-5)  # roots of two gaps of 1e-12
        assert (gaps >= 0).all() and (gaps <= 1e-12 * (y @ y)).all()


def test_a_discard_ends_with_its_penalty(seed, form):
    """From a strong penalty, where nearly everything is discarded, to a weak one and to another mix."""
    X, y = planted(seed, 30, 96)
    how = {"fit_intercept": True, "positive": False, "penalties": 1}
    given = sparse.csr_matrix(X) if form is sparse.csr_array else torch.from_numpy(X)
    found = elastic_net_path_module.problems(given, torch.from_numpy(y)[:, None], None, **how)[0][0]
    goal = 1e-13 * found.yy
    for l1, l2 in [(200.0, 0.0), (5.0, 0.0), (200.0, 0.0), (100.0, 50.0), (5.0, 20.0)]:
        assert solve(found, l1, l2, goal, 5000)[0] <= goal
        exact = solution(X, y, np.ones(30), l1, l2, False)
        np.testing.assert_allclose(found.w, exact.w, atol=1e-5)


@pytest.mark.parametrize(("N", "D"), [(1, 1), (2, 1), (1, 2), (2, 2), (3, 3), (2, 3)])
def test_the_smallest_sizes(seed, form, N, D):
    X, y = problem(seed, N, D)
    for alpha in (1.0, 0.1):
        model = ElasticNet(alpha, l1_ratio=0.9, tol=1e-13, max_iter=5000).fit(form(X), y)
        exact = solution(X, y, np.ones(N), 0.9 * alpha * N, 0.1 * alpha * N, False).w
        np.testing.assert_allclose(model.coef_, exact, atol=1e-5)
