"""SAGA for logistic regression: loops against plain NumPy, the minimum against other solvers, and the choice."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

import peira.linear.logistic_problem as problem_module
import peira.linear.logistic_stochastic as stochastic
from peira.core import ParameterError
from peira.linear.logistic_loss import LogisticLoss
from peira.linear.logistic_regression import LogisticRegression
from peira.linear.logistic_state import State
from peira.linear.logistic_stochastic import dense_epoch, proximal_steps, saga, set_change, sparse_epoch


def problem(seed: int, N: int = 300, D: int = 6, C: int = 2):
    """Columns of different units, shifted, with zeros; labels drawn from softmax probabilities; weights."""
    rng = np.random.default_rng(seed)
    unit = rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.6)
    y = (unit @ rng.standard_normal((D, C)) + rng.gumbel(size=(N, C))).argmax(1)
    y[:C] = np.arange(C)
    return unit * 10.0 ** rng.uniform(-1, 1, D), y, rng.uniform(0.2, 3.0, N)


def proximal(u, threshold, shrink):
    return np.sign(u) * np.maximum(np.abs(u) - threshold, 0) * shrink


@pytest.mark.parametrize("l1", [0.0, 0.7])
@pytest.mark.parametrize("l2", [0.0, 1e-12, 0.3])
def test_steps_that_a_column_missed_are_made_up_for(l1, l2, seed):
    rng = np.random.default_rng(seed)
    eta = 0.05
    for _ in range(300):
        w, g, steps = rng.choice([0.0, 1.0, -2.0]) * rng.random(), rng.normal(), int(rng.integers(0, 200))
        one_by_one = w
        for _ in range(steps):
            one_by_one = proximal(one_by_one - eta * g, eta * l1, 1 / (1 + eta * l2))
        assert proximal_steps(w, g, steps, eta, l1, l2) == pytest.approx(one_by_one, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1", [0.0, 0.4])
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_an_epoch_follows_its_equations(classes, l1, constant, seed):
    """Both loops against the displayed update, and the sum of the memory against its definition."""
    X, y, c = problem(seed, N=40, D=3, C=classes)
    rng, m, eta = np.random.default_rng(seed), 1 if classes == 2 else classes, 0.01
    q = rng.uniform(0.5, 1, 40)
    q /= q.sum()
    order, l1, l2 = rng.integers(0, 40, 60), np.full(3, l1), rng.uniform(0.1, 1, 3)
    V0, memory0 = rng.standard_normal((m, 4)) * [1, 1, 1, constant], 0.1 * rng.standard_normal((40, m))
    A = np.column_stack([X, np.full(40, constant)])
    V, G, memory = V0.copy(), memory0.T @ A, memory0.copy()
    threshold, shrink = eta * np.r_[l1, 0.0], 1 / (1 + eta * np.r_[l2, 0.0])
    for i in order:
        z = V @ A[i]
        p = 1 / (1 + np.exp(-z)) if m == 1 else np.exp(z) / np.exp(z).sum()
        r = c[i] * (p - (y[i] if m == 1 else np.arange(m) == y[i]))
        V = proximal(V - eta * (np.outer(r - memory[i], A[i]) / q[i] + G), threshold, shrink)
        G = G + np.outer(r - memory[i], A[i])
        memory[i] = r
    np.testing.assert_allclose(G, memory.T @ A, atol=1e-12)
    csr = sparse.csr_array(X)
    for loop, rows in (
        (dense_epoch, (X, np.zeros(3), np.ones(3))),
        (sparse_epoch, (csr.data, csr.indices, csr.indptr)),
    ):
        V1, G1, memory1 = V0.copy(), memory0.T @ A, memory0.copy()
        loop(*rows, y, c, order, q, eta, l1, l2, constant, V1, G1, memory1)
        np.testing.assert_allclose(V1, V, atol=1e-11)
        np.testing.assert_allclose(G1, G, atol=1e-11)
        np.testing.assert_allclose(memory1, memory, atol=1e-12)


@pytest.mark.parametrize("z", [-800.0, -40.0, 0.0, 3.0, 40.0, 800.0])
@pytest.mark.parametrize("y", [0, 1])
def test_residuals_keep_their_digits(z, y):
    memory, change = np.zeros(1), np.empty(1)
    set_change(np.array([z]), y, 2.0, memory, change)
    s = -1.0 if y == 1 else 1.0
    with np.errstate(over="ignore"):
        assert memory[0] == pytest.approx(2.0 * s / (1 + np.exp(-s * z)), rel=1e-13, abs=0)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_minimum_is_that_of_the_other_solvers(classes, l1_ratio, csr, fit_intercept, seed):
    X, y, w = problem(seed, C=classes)
    X = sparse.csr_array(X) if csr else X + (5.0 if fit_intercept else 0.5)
    settings = {"C": 0.3, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    exact = LogisticRegression(tol=1e-9, **settings).fit(X, y, w)
    model = LogisticRegression(tol=1e-4, max_iter=1000, solver="saga", **settings).fit(X, y, w)
    assert exact.solver_ != "saga" and model.solver_ == "saga"
    assert model.stopped_ in ("converged", "precision") and model.history_["distance"][-1] <= 3e-4
    excess = model.history_["objective"][-1] / exact.history_["objective"][-1] - 1
    assert -1e-12 <= excess <= 1e-7
    np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-3)
    if not l1_ratio and classes > 2:
        np.testing.assert_allclose(model.coef_.sum(0), 0.0, atol=1e-12)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_sparse_and_dense_rows_and_seeds_agree_at_the_end(l1_ratio, seed):
    X, y, w = problem(seed, C=3)
    settings = {"l1_ratio": l1_ratio, "solver": "saga", "tol": 1e-7, "max_iter": 1000}
    one = LogisticRegression(random_state=seed, **settings).fit(X, y, w)
    for other in (
        LogisticRegression(random_state=seed + 1, **settings).fit(X, y, w),
        LogisticRegression(random_state=seed, **settings).fit(sparse.csr_array(X), y, w),
        LogisticRegression(random_state=seed, **settings).fit(torch.tensor(X), torch.tensor(y), w),
    ):
        np.testing.assert_allclose(np.asarray(other.coef_), one.coef_, atol=2e-6)
    again = LogisticRegression(random_state=seed, **settings).fit(X, y, w)
    assert (again.coef_ == one.coef_).all() and again.history_ == one.history_


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_weights_are_repetitions(l1_ratio, seed):
    X, y, _ = problem(seed)
    w = np.random.default_rng(seed).integers(0, 4, len(y))
    w[:2] = 1
    settings = {"l1_ratio": l1_ratio, "solver": "saga", "tol": 1e-5, "max_iter": 1000}
    weighted = LogisticRegression(**settings).fit(X, y, w)
    repeated = LogisticRegression(**settings).fit(np.repeat(X, w, 0), np.repeat(y, w))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1", [0.0, 1.0])
@pytest.mark.parametrize("ridge", [0.5, 0.0])
def test_the_gap_bounds_the_distance_to_the_minimum(classes, l1, ridge, seed):
    if not (l1 or ridge):
        return
    X, y, c = problem(seed, C=classes)
    D = X.shape[1]
    f = LogisticLoss(
        torch.tensor(X),
        torch.tensor(y),
        classes,
        torch.tensor(c),
        torch.full((D,), ridge, dtype=torch.float64),
        True,
        contrasts=False,
    )
    mu = torch.full((D,), l1, dtype=torch.float64)
    rounds = [r for r, _ in zip(saga(f, mu, f.zeros(), np.random.default_rng(seed)), range(200), strict=False)]
    values = np.array([r.value for r in rounds])
    assert (np.diff(values) <= 1e-14 * values[0]).all() and len(values) > 3
    for r in rounds:
        assert r.value - values[-1] <= r.gap * (1 + 1e-9) + 1e-11
        state = State(f, mu, r.W)
        assert state.value() == pytest.approx(r.value, rel=1e-13)
        assert float(state.R.sum(1).abs().max()) <= 1e-9 * f.total, "the constants are at their minimum"
    assert rounds[-1].gap <= 1e-6 * f.total


def test_rows_are_drawn_as_often_as_they_should(seed):
    X, y, c = problem(seed, N=50)
    c[0] = 300.0
    f = LogisticLoss(
        torch.tensor(X), torch.tensor(y), 2, torch.tensor(c), torch.ones(6, dtype=torch.float64), True, contrasts=False
    )
    rows, rng = stochastic._Rows(f, torch.zeros(6, dtype=torch.float64)), np.random.default_rng(seed)
    assert rows.q.sum() == pytest.approx(1) and rows.q.min() >= 0.5 / 50
    epochs = np.array([np.bincount(rows._draw(rng), minlength=50) for _ in range(400)])
    assert (epochs >= np.floor(50 * rows.q)).all() and (epochs <= np.ceil(50 * rows.q)).all()
    np.testing.assert_allclose(epochs.mean(0), 50 * rows.q, atol=0.15)


def test_more_than_a_few_weights_of_sparse_columns_are_saga_s(seed, monkeypatch):
    X, y, _ = problem(seed)
    csr = sparse.csr_array(X)
    assert LogisticRegression(l1_ratio=1.0).fit(csr, y).solver_ == "coordinate-descent"
    monkeypatch.setattr(problem_module, "STOCHASTIC", 2)
    assert LogisticRegression(l1_ratio=1.0).fit(csr, y).solver_ == "saga"
    assert LogisticRegression(l1_ratio=1.0).fit(X, y).solver_ == "coordinate-descent"
    assert LogisticRegression(l1_ratio=1.0, C=1e-4).fit(csr, y).solver_ == "coordinate-descent", "few take part"
    assert LogisticRegression().fit(csr, y).solver_ == "newton-cholesky"


def test_it_says_when_epochs_were_too_few_and_what_it_cannot_do(seed):
    X, y, _ = problem(seed)
    with pytest.warns(ConvergenceWarning, match="saga did not converge in 2 steps: distance is"):
        LogisticRegression(solver="saga", max_iter=2, tol=1e-6).fit(X, y)
    with pytest.raises(ParameterError, match="saga.*needs a penalty"):
        LogisticRegression(solver="saga", C=float("inf")).fit(X, y)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("N", [2, 3])
def test_hard_data(N, csr, seed):
    """Few rows, a row without entries, constant and empty columns, an offset of 1e8."""
    X = np.column_stack([np.arange(1.0, N + 1), np.zeros(N), np.full(N, 3.0), np.arange(N) + (0 if csr else 1e8)])
    X[0] = 0.0 if csr else X[0]
    y = np.arange(N)
    settings = {"solver": "saga", "max_iter": 1000}
    model = LogisticRegression(**settings).fit(sparse.csr_array(X) if csr else X, y)
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-14)
    assert np.isfinite(model.coef_).all() and (model.predict(X) == y).all()
