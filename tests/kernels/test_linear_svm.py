"""Linear support vector machines: the duality, brute force, agreement of the solvers and with scikit-learn."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC as PeerSVC
from sklearn.svm import LinearSVR as PeerSVR

import peira.kernels.linear_svm_newton as newton_module
from peira.core import DataError, ParameterError
from peira.kernels.linear_svm import LinearSVC, LinearSVR, choose, solve
from peira.kernels.linear_svm_dual import coordinate, violation
from peira.kernels.linear_svm_problem import Losses, Rows


def problem(seed: int, N: int = 120, D: int = 4, C: int = 2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.7) + 0.2
    Z = X @ rng.standard_normal((D, C)) + 0.7 * rng.gumbel(size=(N, C))
    y = Z.argmax(1)
    y[:C] = np.arange(C)
    return X, y, Z[:, 0], rng.uniform(0.5, 2.0, N)


def losses(seed: int, N: int, kind: str) -> Losses:
    rng = np.random.default_rng(seed)
    C, s, y = rng.uniform(0.3, 2.0, N), rng.choice([-1.0, 1.0], N), rng.standard_normal(N)
    squared = kind.endswith("2")
    return Losses.hinge(s, C, squared) if kind.startswith("hinge") else Losses.tube(y, 0.3, C, squared)


KINDS = ["hinge", "hinge2", "tube", "tube2"]


def objective(w, X, y, kind, C, epsilon=0.0, penalty="l2"):
    """By the definitions: signs or targets y, weights w with the constant's last."""
    z = X @ w
    t = np.maximum(0, 1 - y * z) if kind.startswith("hinge") else np.maximum(0, np.abs(y - z) - epsilon)
    paid = C @ (t**2 if kind.endswith("2") else t)
    return paid + (0.5 * w @ w if penalty == "l2" else np.abs(w).sum())


# ---------------------------------------------------------------------- the problem


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_what_their_conjugates_say(kind, seed):
    rng = np.random.default_rng(seed)
    f, z = losses(seed, 50, kind), 2 * rng.standard_normal(50)
    C = f.upper - f.lower if kind == "hinge" else f.upper if kind == "tube" else 0.5 / f.d
    direct = objective(np.ones(1), z[:, None], -f.q, kind, C, f.e) - 0.5
    assert f.total(z) == pytest.approx(direct, rel=1e-12)
    grid = np.linspace(np.maximum(f.lower, -20), np.minimum(f.upper, 20), 4001)
    values = -grid * (z + f.q) - f.e * np.abs(grid) - 0.5 * f.d * grid**2
    assert f.total(z) == pytest.approx(values.max(0).sum(), rel=1e-4)
    h = 1e-6
    slope = np.array([(f.total(z + h * e) - f.total(z - h * e)) / (2 * h) for e in np.eye(50)])
    np.testing.assert_allclose(-f.answer(z), slope, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_dual_is_never_above_the_primal(kind, seed):
    X, _, _, _ = problem(seed)
    rows, f, rng = Rows(X, 2.0), losses(seed, len(X), kind), np.random.default_rng(seed)
    for size in (0.01, 0.1, 1.0):
        beta = np.clip(size * rng.standard_normal(len(X)), f.lower, f.upper)
        w = size * rng.standard_normal(5)
        assert f.dual(beta, rows.back(beta)) <= 0.5 * w @ w + f.total(rows.times(w))


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("constant", [0.0, 2.0])
def test_products_of_the_rows(csr, constant, seed):
    X, _, z, s = problem(seed)
    s[::3] = 0.0
    A = np.column_stack([X, np.full(len(X), constant)])[:, : 4 + (constant > 0)]
    rows = Rows(sparse.csr_array(X) if csr else X, constant)
    w = np.arange(1.0, A.shape[1] + 1)
    np.testing.assert_allclose(rows.times(w), A @ w)
    np.testing.assert_allclose(rows.back(z), A.T @ z)
    np.testing.assert_allclose(rows.squares(), (A**2).sum(1))
    np.testing.assert_allclose(rows.gram(s), A.T @ (A * s[:, None]), atol=1e-12)


@pytest.mark.parametrize("bounds", [(0.0, 2.0), (-2.0, 0.0), (-1.5, 1.5), (-np.inf, np.inf)])
@pytest.mark.parametrize("e", [0.0, 0.4])
def test_a_coordinate_step_is_the_best_one(bounds, e, seed):
    """Against a grid; and no violation is left at it."""
    rng = np.random.default_rng(seed)
    low, high = bounds
    for b in [0.0, *(v for v in bounds if np.isfinite(v)), float(np.clip(rng.normal(), low, high))]:
        g, H = 3 * rng.normal(), rng.uniform(0.5, 3)
        new = coordinate(g, b, e, low, high, H)
        grid = np.linspace(max(low, -20), min(high, 20), 200_001)
        values = g * (grid - b) + 0.5 * H * (grid - b) ** 2 + e * np.abs(grid)
        assert new == pytest.approx(grid[values.argmin()], abs=3e-4)
        left = violation(g + H * (new - b), new, e, low, high)
        assert left <= 1e-12
        assert (violation(g, b, e, low, high) <= 0) == (abs(new - b) < 1e-15)


# ---------------------------------------------------------------------- solvers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_every_way_leads_to_the_same_minimum(kind, csr, constant, seed):
    X, _, _, _ = problem(seed, N=80, D=3)
    rows, f = Rows(sparse.csr_array(X) if csr else X, constant), losses(seed, 80, kind)
    ends = []
    for solver in ("dual coordinate descent", "newton" if kind.endswith("2") else "interior point"):
        states = [at for at, _ in zip(solve(solver, rows, f, np.random.default_rng(seed)), range(3000), strict=False)]
        values = np.array([at.primal for at in states])
        assert (np.diff(values) <= 1e-12 * values[0]).all()
        assert states[-1].gap <= 1e-7
        least = min(values)
        assert all(at.primal - least <= at.excess * (1 + 1e-9) + 1e-11 for at in states), "a bound of the excess"
        ends.append(states[-1].primal)
    assert ends[0] == pytest.approx(ends[1], rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_minimum_by_a_general_optimiser(kind, seed):
    """Slack variables and constraints for the corners: sequential quadratic programming."""
    X, y, z, w = problem(seed, N=12, D=2)
    A, C = np.column_stack([X, np.ones(12)]), 0.7 * w
    target = 2.0 * y - 1 if kind.startswith("hinge") else z
    f = (
        Losses.hinge(target, C, kind.endswith("2"))
        if kind.startswith("hinge")
        else Losses.tube(target, 0.2, C, kind.endswith("2"))
    )
    power = 2 if kind.endswith("2") else 1

    def kept(v):
        r = A @ v[:3]
        return (
            v[3:] - 1 + target * r
            if kind.startswith("hinge")
            else np.r_[v[3:] + 0.2 - (target - r), v[3:] + 0.2 - (r - target)]
        )

    best = minimize(
        lambda v: 0.5 * v[:3] @ v[:3] + C @ v[3:] ** power,
        np.r_[np.zeros(3), np.full(12, 5.0)],
        constraints={"type": "ineq", "fun": kept},
        bounds=[(None, None)] * 3 + [(0, None)] * 12,
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    solver = "newton" if power == 2 else "interior point"
    *_, at = solve(solver, Rows(X, 1.0), f, np.random.default_rng(seed))
    assert at.primal == pytest.approx(best.fun, rel=1e-6)
    np.testing.assert_allclose(at.w, best.x[:3], atol=1e-4)


def test_conjugate_gradients_and_a_start_from_a_part_change_nothing(seed, monkeypatch):
    X, y, _, _ = problem(seed, N=4_000, D=6)
    exact = LinearSVC(tol=1e-10, dual=False).fit(X, y)
    monkeypatch.setattr(newton_module, "LARGEST_FACTOR", 0)
    by_gradients = LinearSVC(tol=1e-10, dual=False).fit(X, y)
    np.testing.assert_allclose(by_gradients.coef_, exact.coef_, atol=1e-4)
    np.testing.assert_allclose(by_gradients.objective_, exact.objective_, rtol=1e-9)
    monkeypatch.undo()
    monkeypatch.setattr(newton_module, "ROWS_A_COLUMN", 10)
    big = np.repeat(X, 5, 0)
    *_, at = solve(
        "newton",
        Rows(big, 1.0),
        Losses.hinge(np.repeat(2.0 * y - 1, 5), np.full(20_000, 0.2), True),
        np.random.default_rng(0),
    )
    assert at.primal == pytest.approx(exact.objective_, rel=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.05, 5.0])
def test_the_l1_penalty_by_brute_force(fit_intercept, C, seed):
    """Positive and negative parts as variables with bounds, by a general optimiser."""
    X, y, _, w = problem(seed, D=5)
    A = np.column_stack([X, np.full(len(X), float(fit_intercept))])
    s = 2.0 * y - 1

    def split(v):
        u = v[:6] - v[6:]
        t = np.maximum(0, 1 - s * (A @ u))
        g = A.T @ (-2 * C * w * s * t)
        return C * w @ t**2 + v.sum(), np.r_[g + 1, 1 - g]

    best = minimize(
        split, np.zeros(12), jac=True, bounds=[(0, None)] * 12, options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000}
    )
    for form in (X, sparse.csr_array(X)):
        model = LinearSVC(penalty="l1", C=C, tol=1e-9, fit_intercept=fit_intercept, max_iter=10_000).fit(form, y, w)
        assert model.solver_ == "coordinate descent" and model.duality_gap_ <= 1e-9
        assert model.objective_ == pytest.approx(best.fun, rel=1e-7)
        np.testing.assert_allclose(model.coef_[0], (best.x[:6] - best.x[6:])[:5], atol=1e-4)


# ---------------------------------------------------------------------- scikit-learn's problem


def peer_objective(model, X, y, w, loss, C, kappa, penalty="l2", epsilon=0.0):
    values, kind = [], ("hinge" if "hinge" in loss else "tube") + ("2" if "squared" in loss else "")
    A = np.column_stack([X.toarray() if sparse.issparse(X) else X, np.full(X.shape[0], kappa)])
    W, b = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    for k in range(len(W)):
        target = y
        if kind.startswith("hinge"):
            target = np.where(y == model.classes_[1 if len(W) == 1 else k], 1.0, -1.0)
        values.append(objective(np.append(W[k], b[k] / kappa), A, target, kind, C * w, epsilon, penalty))
    return np.array(values)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize(("penalty", "loss"), [("l2", "hinge"), ("l2", "squared_hinge"), ("l1", "squared_hinge")])
def test_scikit_learn_has_the_same_problem(classes, csr, penalty, loss, seed):
    X, y, _, w = problem(seed, C=classes)
    X = sparse.csr_array(X) if csr else X
    settings = {"penalty": penalty, "loss": loss, "C": 0.5, "intercept_scaling": 2.0}
    peer = PeerSVC(**settings, dual=loss == "hinge", tol=1e-9, max_iter=200_000, random_state=0).fit(X, y, w)
    expected = peer_objective(peer, X, y, w, loss, 0.5, 2.0, penalty)
    for dual in ("auto", False) if penalty == "l1" else ("auto", True, False):
        ours = LinearSVC(**settings, dual=dual, tol=1e-8, max_iter=20_000).fit(X, y, w)
        np.testing.assert_allclose(peer_objective(ours, X, y, w, loss, 0.5, 2.0, penalty), ours.objective_, rtol=1e-10)
        np.testing.assert_allclose(ours.objective_, expected if classes > 2 else expected[0], rtol=1e-6)
        np.testing.assert_allclose(ours.decision_function(X), peer.decision_function(X), atol=5e-3)
        assert np.shape(ours.coef_) == peer.coef_.shape and np.shape(ours.intercept_) == peer.intercept_.shape


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_scikit_learn_has_the_same_regression(csr, loss, epsilon, seed):
    X, _, y, w = problem(seed)
    X = sparse.csr_array(X) if csr else X
    settings = {"loss": loss, "C": 0.5, "intercept_scaling": 2.0, "epsilon": epsilon}
    peer = PeerSVR(**settings, tol=1e-9, max_iter=200_000, random_state=0).fit(X, y, w)
    expected = peer_objective(peer, X, y, w, loss, 0.5, 2.0, epsilon=epsilon)[0]
    for dual in ("auto", True, False):
        ours = LinearSVR(**settings, dual=dual, tol=1e-8, max_iter=50_000).fit(X, y, w)
        assert ours.objective_ == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(ours.predict(X), peer.predict(X), atol=5e-3)


# ---------------------------------------------------------------------- laws of the data


@pytest.mark.parametrize("settings", [{}, {"loss": "hinge"}, {"loss": "hinge", "dual": True}, {"penalty": "l1"}])
def test_weights_are_repetitions_and_class_weights_multiply_them(settings, seed):
    X, y, _, _ = problem(seed, C=3)
    w = np.random.default_rng(seed).integers(0, 3, len(y))
    w[:3] = 1
    options = {"tol": 1e-9, "max_iter": 50_000, **settings}
    weighted = LinearSVC(**options).fit(X, y, w)
    repeated = LinearSVC(**options).fit(np.repeat(X, w, 0), np.repeat(y, w))
    np.testing.assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-8)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-3)
    each = {0: 2.0, 1: 0.5, 2: 1.0}
    by_class = LinearSVC(class_weight=each, **options).fit(X, y)
    by_row = LinearSVC(**options).fit(X, y, np.array([each[v] for v in y]))
    np.testing.assert_allclose(by_class.objective_, by_row.objective_, rtol=1e-12)


@pytest.mark.parametrize("dual", [True, False])
def test_forms_of_the_inputs_and_seeds(dual, seed):
    X, y, z, _ = problem(seed)
    for model, target in (
        (LinearSVC(dual=dual, tol=1e-9, max_iter=20_000), y),
        (LinearSVR(dual=dual, tol=1e-7, max_iter=50_000), z),
    ):
        one = model.fit(X, target).coef_
        assert (model.fit(X, target).coef_ == one).all(), "the same seed"
        for form, labels in (
            (np.asfortranarray(X), target),
            (sparse.csr_array(X), target),
            (torch.tensor(X), torch.tensor(target)),
        ):
            np.testing.assert_allclose(np.asarray(model.fit(form, labels).coef_), one, atol=2e-3)
    words = LinearSVC(dual=dual).fit(X, np.where(y == 1, "yes", "no"))
    np.testing.assert_allclose(words.coef_, LinearSVC(dual=dual).fit(X, y).coef_)


def test_the_margin_of_two_points_and_a_large_price():
    """The widest margin between 0 and 2 with a free threshold: w = 1, b = -1; with a penalised one, by hand."""
    X, y = [[0.0], [2.0]], [0, 1]
    free = LinearSVC(loss="hinge", C=1e6, intercept_scaling=1e4, tol=1e-9).fit(X, y)
    np.testing.assert_allclose([free.coef_[0, 0], free.intercept_[0]], [1.0, -1.0], atol=1e-4)
    # minimise w^2 + b^2 under -b >= 1, 2 w + b >= 1: b = -1, w = 1; with kappa = 1 both constraints bind as well
    hard = LinearSVC(loss="hinge", C=1e6, tol=1e-9).fit(X, y)
    np.testing.assert_allclose([hard.coef_[0, 0], hard.intercept_[0]], [1.0, -1.0], atol=1e-6)
    assert hard.objective_ == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("N", [1, 2, 3])
def test_very_few_rows(N):
    X, y = np.arange(2.0 * N).reshape(N, 2), np.arange(N)
    for dual in ("auto", True, False):
        assert np.isfinite(LinearSVR(dual=dual, max_iter=20_000).fit(X, y.astype(float)).coef_).all()
        if N > 1:
            assert LinearSVC(dual=dual, C=100.0, max_iter=20_000).fit(X, y).coef_.shape == (
                (1, 2) if N == 2 else (3, 2)
            )
    if N == 1:
        with pytest.raises(DataError, match="at least 2 classes"):
            LinearSVC().fit(X, y)


@pytest.mark.parametrize("settings", [{}, {"loss": "hinge"}, {"loss": "hinge", "dual": True}, {"penalty": "l1"}])
def test_rows_and_columns_without_entries(settings, seed):
    X, y, _, _ = problem(seed)
    X[5], X[:, 1] = 0.0, 0.0
    for fit_intercept in (True, False):
        model = LinearSVC(fit_intercept=fit_intercept, max_iter=20_000, **settings).fit(X, y)
        assert model.coef_[0, 1] == 0.0 and model.duality_gap_ <= 1e-4
        assert fit_intercept or model.intercept_[0] == 0.0


def test_the_solver_fits_the_shape():
    dense, wide = Rows(np.ones((2_000, 400)), 1.0), Rows(np.ones((50, 400)), 1.0)
    csr = Rows(sparse.csr_array(np.ones((2_000, 400))), 1.0)
    assert choose(dense, False, "auto") == "interior point" and choose(csr, False, "auto") == "dual coordinate descent"
    assert choose(dense, True, "auto") == choose(csr, True, "auto") == "newton"
    assert choose(wide, True, "auto") == choose(wide, False, "auto") == "dual coordinate descent"
    assert choose(wide, True, False) == "newton" and choose(dense, True, True) == "dual coordinate descent"


def test_what_goes_wrong_is_said_once(seed):
    X, y, _, _ = problem(seed, C=3)
    for labels in (y, y == 0):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = LinearSVC(loss="hinge", dual=True, max_iter=3, tol=1e-8).fit(X, labels)
        assert (
            len(told) == 1 and "gap is" in str(told[0].message) and model.n_iter_ == 3 and model.stopped_ == "max_iter"
        )
    with pytest.warns(ConvergenceWarning, match="rounding forbids more.*standardise"):
        LinearSVC(loss="hinge").fit(X + 1e8, y == 0)
    with pytest.raises(ParameterError, match="penalty='l1' needs loss='squared_hinge'"):
        LinearSVC(penalty="l1", loss="hinge").fit(X, y)
    with pytest.raises(ParameterError, match="dual='auto' or False"):
        LinearSVC(penalty="l1", dual=True).fit(X, y)
    with pytest.raises(DataError, match=r"reach .*e\+150.*overflow"):
        LinearSVR().fit(X * 1e150, y)  # their weighted products
    with pytest.raises(DataError, match=r"reach .*e\+200.*overflow"):
        LinearSVC().fit(X * 1e200, y)
