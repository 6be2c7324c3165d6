"""The solver of the dual problem: LIBSVM, brute force over faces, closed forms, optimality."""

import warnings
from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from peira.kernels.kernel_rows import KernelRows
from peira.kernels.smo import PAIRS, solve

SETS = {"iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer, "digits": load_digits}


def two_classes(name):
    X, y = SETS[name](return_X_y=True)
    X = X[:500].astype(float)
    X = (X - X.mean(0)) / np.maximum(X.std(0), 1e-9)
    return X, np.where(y[:500] % 2 == 1, 1.0, -1.0)


def classify(rows, s, C, **options):
    return solve(rows, s, -np.ones(len(s)), np.broadcast_to(C, s.shape).astype(float), **options)


def regress(rows, z, C, epsilon, **options):
    N = len(z)
    return solve(
        rows, np.repeat([1.0, -1.0], N), np.concatenate([epsilon - z, epsilon + z]), np.full(2 * N, C), **options
    )


def objective(K, beta, q):
    return 0.5 * beta @ K @ beta + q @ beta


def faces(K, q, low, high, totals, group):
    """The minimum by brute force: each variable at a bound or free, the free ones by the linear system of the face."""
    n, best = len(q), (np.inf, None)
    for face in product((-1, 0, 1), repeat=n):
        face = np.array(face)
        if np.isinf(high[face == 1]).any() or np.isinf(low[face == -1]).any():
            continue
        beta = np.where(face == 1, high, np.where(face == -1, low, 0.0))
        free = face == 0
        E = np.array([(group == k).astype(float) for k in range(len(totals))])
        if free.any():
            A = np.block([[K[np.ix_(free, free)], E[:, free].T], [E[:, free], np.zeros((len(E), len(E)))]])
            b = np.concatenate([-q[free] - K[free][:, ~free] @ beta[~free], totals - E[:, ~free] @ beta[~free]])
            beta[free] = np.linalg.lstsq(A, b, rcond=None)[0][: free.sum()]
        feasible = np.abs(E @ beta - totals).max() < 1e-9 and (beta >= low - 1e-9).all() and (beta <= high + 1e-9).all()
        if feasible and (value := objective(K, beta, q)) < best[0]:
            best = value, beta
    return best


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("kernel", "C"), [("rbf", 1.0), ("rbf", 100.0), ("linear", 0.1), ("poly", 1.0)])
def test_dual_objective_equals_libsvm(name, kernel, C):
    X, s = two_classes(name)
    peer = SVC(kernel=kernel, C=C, gamma=0.1, coef0=1.0, tol=1e-6).fit(X, s)
    rows = KernelRows.of_products(X, kernel, gamma=0.1, coef0=1.0)
    found = classify(rows, s, C, tol=1e-6)
    K = rows.complete()
    theirs = np.zeros(len(s))
    theirs[peer.support_] = peer.dual_coef_[0]
    assert found.converged
    assert found.objective == pytest.approx(objective(K, theirs, -s), rel=1e-6)
    assert -found.rho == pytest.approx(peer.intercept_[0], abs=1e-4)
    assert abs(np.count_nonzero(found.alpha) - len(peer.support_)) <= 1
    # LIBSVM rounds its matrix to float32
    np.testing.assert_allclose(K @ (s * found.alpha) - found.rho, peer.decision_function(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("C", [0.5, 50.0])
def test_regression_equals_libsvm(C):
    X, z = load_diabetes(return_X_y=True)
    X, z = X / X.std(0), (z - z.mean()) / z.std()
    peer = SVR(C=C, gamma=0.1, tol=1e-6).fit(X, z)
    rows = KernelRows.of_products(X, "rbf", gamma=0.1)
    found = regress(rows, z, C, 0.1, tol=1e-6)
    beta = found.alpha[: len(z)] - found.alpha[len(z) :]
    theirs = np.zeros(len(z))
    theirs[peer.support_] = peer.dual_coef_[0]
    value = objective(rows.complete(), theirs, -z) + 0.1 * np.abs(theirs).sum()
    assert found.objective == pytest.approx(value, rel=1e-6)
    assert (found.alpha[: len(z)] * found.alpha[len(z) :] == 0).all()
    np.testing.assert_allclose(rows.complete() @ beta - found.rho, peer.predict(X), atol=1e-4)


def test_nu_classification_equals_libsvm():
    X, s = two_classes("cancer")
    nu, N = 0.3, len(s)
    a0 = np.zeros(N)
    for sign in (1, -1):
        members = np.flatnonzero(s == sign)
        a0[members] = np.clip(nu * N / 2 - np.arange(len(members)), 0, 1)
    rows = KernelRows.of_products(X, "rbf", gamma=0.05)
    found = solve(rows, s, np.zeros(N), np.ones(N), a0, tol=1e-6, nu=True)
    peer = NuSVC(nu=nu, gamma=0.05, tol=1e-6).fit(X, s)
    decision = (rows.complete() @ (s * found.alpha) - found.rho) / found.r
    np.testing.assert_allclose(decision, peer.decision_function(X), atol=2e-4)
    for sign in (1, -1):
        assert found.alpha[s == sign].sum() == pytest.approx(nu * N / 2)


def test_nu_regression_equals_libsvm():
    X, z = load_diabetes(return_X_y=True)
    X, z = X[:200] / X.std(0), (z[:200] - z.mean()) / z.std()
    N, C, nu = len(z), 2.0, 0.4
    a = np.clip(C * nu * N / 2 - C * np.arange(N), 0, C)
    rows = KernelRows.of_products(X, "rbf", gamma=0.1)
    y = np.repeat([1.0, -1.0], N)
    found = solve(rows, y, np.concatenate([-z, z]), np.full(2 * N, C), np.tile(a, 2), tol=1e-7, nu=True)
    peer = NuSVR(nu=nu, C=C, gamma=0.1, tol=1e-7).fit(X, z)
    beta = found.alpha[:N] - found.alpha[N:]
    np.testing.assert_allclose(rows.complete() @ beta - found.rho, peer.predict(X), atol=1e-5)


def test_one_class_equals_libsvm():
    X, _ = two_classes("wine")
    N, nu = len(X), 0.2
    rows = KernelRows.of_products(X, "rbf", gamma=0.1)
    found = solve(rows, np.ones(N), np.zeros(N), np.ones(N), np.clip(nu * N - np.arange(N), 0, 1), tol=1e-7)
    peer = OneClassSVM(nu=nu, gamma=0.1, tol=1e-7).fit(X)
    assert found.alpha.sum() == pytest.approx(nu * N)
    np.testing.assert_allclose(rows.complete() @ found.alpha - found.rho, peer.decision_function(X), atol=1e-5)


@pytest.mark.parametrize("N", [1, 2, 3, 5])
@pytest.mark.parametrize("nu", [False, True])
def test_equals_brute_force_over_all_faces(N, nu, seed):
    rng = np.random.default_rng(seed + N)
    for _ in range(5):
        s = rng.choice([-1.0, 1.0], N)
        A = rng.standard_normal((N, N + 1))
        K, p, C = A @ A.T, rng.standard_normal(N), rng.uniform(0, 2, N) * (rng.random(N) > 0.2)
        a0 = C * rng.random(N)
        found = solve(KernelRows.precomputed(K), s, p, C, a0, tol=1e-10, nu=nu)
        group = (s < 0).astype(int) if nu else np.zeros(N, dtype=int)
        totals = np.bincount(group, s * a0, minlength=2 if nu else 1)
        value, beta = faces(K, s * p, np.minimum(s * C, 0), np.maximum(s * C, 0), totals, group)
        assert found.converged
        assert found.objective == pytest.approx(value, abs=1e-8)
        np.testing.assert_allclose(s * found.alpha, beta, atol=1e-6)


def test_two_points():
    rows = KernelRows.of_products(np.array([[-1.0, 0.0], [1.0, 0.0]]), "linear")
    found = classify(rows, np.array([-1.0, 1.0]), np.inf)
    np.testing.assert_allclose(found.alpha, 0.5)
    assert (found.rho, found.objective, found.gap) == (0.0, -0.5, 0.0)


def test_three_points_with_a_hard_margin():
    # The widest street between (0, 0), (0, 1) and (2, 0) stands upright at x_1 = 1: w = (1, 0), b = -1. Of the two
    # points at x_1 = 0, only the shares with sum alpha_i x_i = w count: alpha = (1/2, 0, 1/2).
    X, s = np.array([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]]), np.array([-1.0, -1.0, 1.0])
    found = classify(KernelRows.of_products(X, "linear"), s, np.inf, tol=1e-12)
    np.testing.assert_allclose(found.alpha, [0.5, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose((s * found.alpha) @ X, [1.0, 0.0], atol=1e-12)
    assert found.rho == pytest.approx(1.0)


def test_duality_gap_and_optimality_residuals():
    X, s = two_classes("iris")
    C = 2.0
    rows = KernelRows.of_products(X, "rbf", gamma=0.3)
    found = classify(rows, s, C, tol=1e-10)
    products = rows.complete() @ (s * found.alpha)
    margin = s * (products - found.rho)
    primal = 0.5 * (s * found.alpha) @ products + C * np.maximum(0, 1 - margin).sum()
    assert primal + found.objective < 1e-8
    np.testing.assert_allclose(found.gradient, s * products - 1, atol=1e-9)
    assert abs(s @ found.alpha) < 1e-10
    free = (found.alpha > 0) & (found.alpha < C)
    assert np.abs(margin[free] - 1).max() < 1e-9
    assert margin[found.alpha == 0].min() > 1 - 1e-9
    assert margin[found.alpha == C].max() < 1 + 1e-9


def test_hard_margin_of_separable_classes():
    X, y = load_iris(return_X_y=True)
    X, s = X[:100], np.where(y[:100] == 0, -1.0, 1.0)
    rows = KernelRows.of_products(X, "linear")
    hard, soft = classify(rows, s, np.inf, tol=1e-9), classify(rows, s, 1e6, tol=1e-9)
    w = (s * hard.alpha) @ X
    assert hard.converged and (s * (X @ w - hard.rho)).min() == pytest.approx(1, abs=1e-8)
    assert w @ w == pytest.approx(hard.alpha.sum(), rel=1e-8)  # the margin is 1 / |w|: both objectives agree
    np.testing.assert_allclose(soft.alpha, hard.alpha, rtol=1e-6, atol=1e-9)


def test_large_sets_take_several_working_sets(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2600, 4))
    s = np.where(np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(len(X)) > 0, 1.0, -1.0)
    C = 5.0
    few, many = (KernelRows.of_products(X, "rbf", gamma=0.5, cache_size=mb) for mb in (2.0, 200.0))
    assert few.capacity < 250 and few.dtype == np.float32
    a, b = classify(few, s, C), classify(many, s, C)
    assert a.converged and b.converged and b.n_iter > 1
    assert a.objective == pytest.approx(b.objective, rel=1e-6)
    K = KernelRows.of_products(X, "rbf", gamma=0.5).rows(np.arange(len(X))).astype(float)
    for found in (a, b):
        np.testing.assert_allclose(found.gradient, s * (K @ (s * found.alpha)) - 1, atol=1e-4)
    peer = SVC(C=C, gamma=0.5).fit(X, s)
    theirs = np.zeros(len(s))
    theirs[peer.support_] = peer.dual_coef_[0]
    assert b.objective <= objective(K, theirs, -s) * (1 - 1e-6)


@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize("N", [1100, 2100])
def test_columns_far_from_zero_end_at_the_true_gap_and_not_at_that_of_rounded_rows(N, owned, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 2)) + 1e3  # rows in single precision are right to 0.1, and the decision is worth 1
    s = np.where(X[:, 0] - 1e3 + 0.5 * rng.standard_normal(N) > 0, 1.0, -1.0)
    rows = KernelRows.of_products(X, "linear")
    assert rows.dtype == np.float32
    found = classify(rows, s, 0.1, owner=ModelOfNothing() if owned else None)
    beta = s * found.alpha
    g = X @ (X.T @ beta) - s
    gap = g[beta > np.minimum(0.1 * s, 0)].max() - g[beta < np.maximum(0.1 * s, 0)].min()
    assert found.converged and rows.dtype == np.float64
    assert gap <= 1.01e-3 and found.gap == pytest.approx(gap, abs=1e-5)
    peer = SVC(kernel="linear", C=0.1).fit(X, s)  # in single precision as well
    theirs = np.zeros(N)
    theirs[peer.support_] = peer.dual_coef_[0]
    w = X.T @ theirs
    assert found.objective <= 0.5 * w @ w - s @ theirs + 1e-6 * abs(found.objective)


@pytest.mark.parametrize("name", ["linear", "rbf"])
def test_raw_columns_reach_at_least_the_objective_of_libsvm(name):
    X, y = load_breast_cancer(return_X_y=True)
    X, s = X[:100, :10], np.where(y[:100] == 1, 1.0, -1.0)  # 0.01 beside 2,000
    found = classify(KernelRows.of_products(X, name, gamma=1e-6), s, 10.0)
    peer = SVC(kernel=name, C=10.0, gamma=1e-6, max_iter=1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(X, s)
    theirs = np.zeros(len(s))
    theirs[peer.support_] = peer.dual_coef_[0]
    K = KernelRows.of_products(X, name, gamma=1e-6).complete()
    assert found.converged
    assert found.objective <= objective(K, theirs, -s) * (1 - 1e-6)


def test_start_does_not_change_the_solution(seed):
    X, s = two_classes("wine")
    rng = np.random.default_rng(seed)
    a0 = rng.random(len(s))
    for sign in (1, -1):
        a0[s == sign] /= a0[s == sign].sum()  # y'a0 = 0
    rows = KernelRows.of_products(X, "rbf", gamma=0.1)
    cold, warm = classify(rows, s, 1.0, tol=1e-9), classify(rows, s, 1.0, a0=a0, tol=1e-9)
    assert cold.objective == pytest.approx(warm.objective, rel=1e-12)


def test_items_without_weight_are_left_alone():
    X, s = two_classes("wine")
    keep = np.arange(len(s)) % 3 > 0
    a = classify(KernelRows.of_products(X, "rbf", gamma=0.1), s, np.where(keep, 1.0, 0.0), tol=1e-9)
    b = classify(KernelRows.of_products(X[keep], "rbf", gamma=0.1), s[keep], 1.0, tol=1e-9)
    assert not a.alpha[~keep].any()
    assert a.objective == pytest.approx(b.objective, rel=1e-10)


def test_duplicates_with_both_labels_reach_the_bound():
    X, s = np.zeros((4, 2)), np.array([1.0, -1.0, 1.0, -1.0])
    found = classify(KernelRows.of_products(X, "rbf"), s, 3.0)
    np.testing.assert_array_equal(found.alpha, 3.0)
    assert found.converged


def test_kernels_that_are_not_positive_semidefinite_end(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, 3))
    s = np.where(rng.random(80) > 0.5, 1.0, -1.0)
    A = rng.standard_normal((80, 80))
    for rows in (KernelRows.of_products(X, "sigmoid", gamma=1.0, coef0=-1.0), KernelRows.precomputed(A + A.T)):
        found = classify(rows, s, 10.0)
        assert found.converged and found.gap <= 1e-3
        assert (found.alpha >= 0).all() and (found.alpha <= 10).all() and abs(s @ found.alpha) < 1e-9


@pytest.mark.parametrize("C", [1e6, np.inf])
def test_hopeless_problems_end_within_their_bound(C, seed):
    rng = np.random.default_rng(seed)
    X, s = rng.standard_normal((60, 2)), np.where(rng.random(60) > 0.5, 1.0, -1.0)
    found = classify(KernelRows.of_products(X, "linear"), s, C, max_iter=3)
    assert found.n_iter <= 3 and found.n_pairs <= PAIRS and not found.converged and found.gap > 1e-3


def test_one_class_only_or_no_items():
    assert classify(KernelRows.of_products(np.ones((1, 1)), "rbf"), np.ones(1), 1.0).converged
    alone = classify(KernelRows.of_products(np.arange(3.0)[:, None], "rbf"), np.ones(3), 1.0)
    assert alone.converged and not alone.alpha.any()


def test_history_is_kept_and_the_objective_falls():
    X, s = two_classes("cancer")

    class Owner:
        pass

    owner = Owner()
    found = classify(KernelRows.of_products(X, "rbf", gamma=0.1), s, 10.0, owner=owner)
    assert owner.stopped_ == "converged"
    assert (np.diff(owner.history_["objective"]) <= 0).all()
    assert owner.history_["gap"][-1] == found.gap <= 1e-3


@pytest.mark.parametrize("few", [1, 2, 60])
def test_the_folds_of_a_small_machine_are_those_of_the_working_sets(seed, few):
    from peira.kernels import SVC
    from peira.kernels.support_vector_classifier import SupportVectorClassifier

    rng = np.random.default_rng(seed)
    X, s = rng.normal(size=(120, 3)), np.where(np.arange(120) < few, 1.0, -1.0)
    X[:few] += 1.0
    w, fold = rng.uniform(0.5, 2.0, 120), np.arange(120) % 5
    method, rows = SVC(C=3.0, tol=1e-6), KernelRows.of_products(X, "rbf", gamma=0.3)
    machine = method._machine(rows, s, w, None)
    fast = method._held_out(rows.subset(np.arange(120)), s, w, fold, machine)
    slow = SupportVectorClassifier._held_out(method, rows, s, w, fold, machine)
    np.testing.assert_allclose(fast, slow, atol=1e-4)


@pytest.mark.parametrize("nu", [False, True])
def test_a_problem_that_nobody_watches_has_the_same_solution(nu, seed):
    X, s = two_classes("wine")
    rows = KernelRows.of_products(X, "rbf", gamma=0.05)
    p, C, a0 = (np.zeros(len(s)), np.ones(len(s)), None) if nu else (-np.ones(len(s)), np.full(len(s), 10.0), None)
    if nu:
        a0 = np.where(s > 0, 20 / (s > 0).sum(), 20 / (s < 0).sum())
    quiet, seen = (solve(rows, s, p, C, a0, tol=1e-8, nu=nu, owner=owner) for owner in (None, ModelOfNothing()))
    assert quiet.converged and seen.converged and quiet.gap <= 1e-8
    np.testing.assert_allclose(quiet.alpha, seen.alpha, atol=1e-6)
    np.testing.assert_allclose(quiet.gradient, seen.gradient, atol=1e-7)
    assert quiet.objective == pytest.approx(seen.objective, rel=1e-12)
    assert quiet.rho == pytest.approx(seen.rho, abs=1e-6)
    few = solve(rows, s, p, C, a0, tol=1e-12, nu=nu, max_iter=1)
    assert few.n_iter == 1 and few.n_pairs > 0


class ModelOfNothing:
    """Something to keep a history in."""
