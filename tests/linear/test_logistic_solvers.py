"""The solvers of logistic regression: derivatives, agreement, and the certificate of coordinate descent."""

import numpy as np
import pytest
import torch
from scipy import sparse

import peira.linear.logistic_coordinate_descent as descent
import peira.linear.logistic_loss as loss_module
import peira.linear.logistic_quasi_newton as quasi_newton
from peira.linear.logistic_coordinate_descent import descend, minimise
from peira.linear.logistic_design import Design
from peira.linear.logistic_loss import LogisticLoss, contrasts_of
from peira.linear.logistic_newton import Factor, newton
from peira.linear.logistic_quasi_newton import start
from peira.linear.logistic_state import State
from peira.numerics.descent import lbfgs


def loss(seed: int, N: int = 60, D: int = 3, C: int = 3, *, csr: bool = False, intercept: bool = True, contrasts=True):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.6)
    codes = torch.tensor(np.r_[np.arange(C), rng.integers(0, C, N - C)])
    c = torch.tensor(rng.uniform(0.5, 2.0, N))
    matrix = sparse.csr_array(X) if csr else torch.tensor(X)
    ridge = torch.tensor(rng.uniform(0.5, 2.0, D))
    return LogisticLoss(matrix, codes, C, c, ridge, intercept, contrasts)


def by_autograd(f: LogisticLoss, V: torch.Tensor) -> torch.Tensor:
    X = torch.tensor(f.X.toarray()) if sparse.issparse(f.X) else f.X
    W = f.Q @ V
    Z = X @ W[:, : f.D].T + (W[:, -1] if f.intercept else 0.0)
    Z = torch.cat([torch.zeros_like(Z), Z], 1) if f.classes == 2 else Z
    losses = torch.nn.functional.cross_entropy(Z, f.codes, reduction="none")
    return f.c @ losses + 0.5 * (V[:, : f.D].square() @ f.ridge).sum()


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("block", [1 << 18, 1])
def test_value_gradient_and_hessian(classes, csr, intercept, block, seed, monkeypatch):
    monkeypatch.setattr(loss_module, "BLOCK", block)
    f = loss(seed, N=300, C=classes, csr=csr, intercept=intercept)
    V = torch.randn(f.m, f.D + intercept, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    V.requires_grad_()
    value = by_autograd(f, V)
    (gradient,) = torch.autograd.grad(value, V)
    H = torch.autograd.functional.hessian(lambda v: by_autograd(f, v.view_as(V)), V.detach().flatten())
    ours, G = f(V.detach())
    assert ours == pytest.approx(float(value.detach()), rel=1e-13)
    torch.testing.assert_close(G, gradient, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(f.hessian(V.detach()), H, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_contrasts_are_orthonormal_and_sum_to_zero(classes):
    Q = contrasts_of(classes, torch.zeros(1, dtype=torch.float64))
    assert Q.shape == ((1, 1) if classes == 2 else (classes, classes - 1))
    torch.testing.assert_close(Q.T @ Q, torch.eye(Q.shape[1], dtype=torch.float64))
    assert classes == 2 or Q.sum(0).abs().max() < 1e-14


@pytest.mark.parametrize("classes", [2, 4])
def test_losses_keep_their_digits_far_out(classes):
    """exp(-40) is a loss of 4e-18, and its derivative as well."""
    X = torch.ones(1, 1, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    f = LogisticLoss(X, torch.tensor([1]), classes, one, 0 * one, False, contrasts=False)
    V = f.zeros()
    V[0 if classes == 2 else 1, 0] = 40.0
    value, G = f(V)
    rivals = 1 if classes == 2 else classes - 1
    assert value == pytest.approx(rivals * np.exp(-40), rel=1e-12 if classes == 2 else np.inf, abs=1e-15)
    assert abs(float(G[0 if classes == 2 else 1, 0]) + rivals * np.exp(-40)) < 1e-15


def first_guesses(monkeypatch):
    """The three tiers of the first guess, forced onto small data."""
    yield "classes"
    monkeypatch.setattr(quasi_newton, "LARGEST_GRAM", 0)
    yield "diagonal"
    monkeypatch.setattr(quasi_newton, "FEWEST_ROWS", 40)
    yield "sample"


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("csr", [False, True])
def test_every_way_leads_to_the_same_minimum(classes, csr, seed, monkeypatch):
    f = loss(seed, N=2_000, C=classes, csr=csr)
    *_, exact = newton(f, f.zeros())
    for guess in first_guesses(monkeypatch):
        for s in (seed, seed + 1):
            V, metric = start(f, torch.Generator().manual_seed(s))
            assert quasi_newton.suits_sample(f) == (guess == "sample")
            for steps, at in enumerate(lbfgs(f, V, metric)):
                if -at.slope <= 1e-20 * f.total:
                    break
                assert steps < 100, f"{guess}: {-at.slope / f.total:.3g}"
            torch.testing.assert_close(at.V, exact.V, rtol=0, atol=1e-8)
            assert steps <= {"classes": 20, "diagonal": 40, "sample": 15}[guess]


def test_a_sample_holds_every_class(seed):
    f = loss(seed, N=500, C=5)
    f.codes[:] = 0
    f.codes[[3, 14, 159, 265]] = torch.tensor([1, 2, 3, 4])
    f.c[::2] = 0.0
    f.c[14] = 1.0
    part = quasi_newton.sample(f, 20, torch.Generator().manual_seed(seed))
    assert set(part.codes.tolist()) == {0, 1, 2, 3, 4} and part.N >= 20 and (part.c > 0).all()
    assert float(part.c.sum()) == pytest.approx(f.total)


def test_a_start_from_elsewhere_leads_to_the_same_minimum(seed):
    """Far out, where a full Newton step overshoots by orders of magnitude."""
    f = loss(seed, C=2)
    *_, exact = newton(f, f.zeros())
    for size in (1.0, 10.0, 30.0):
        *_, at = newton(f, f.zeros() + size)
        torch.testing.assert_close(at.V, exact.V, rtol=0, atol=1e-9)


def test_the_factor_of_a_badly_scaled_hessian(seed):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-60, 60, 5)
    A = rng.standard_normal((9, 5))
    H = torch.tensor(A.T @ A)
    g = torch.tensor(rng.standard_normal(5))
    s = torch.tensor(scale)
    torch.testing.assert_close(Factor(H * s * s[:, None]).solve(g) * s, torch.linalg.solve(H, g / s), rtol=1e-9, atol=0)
    torch.testing.assert_close(Factor(H).inverse(), torch.linalg.inv(H))


# ---------------------------------------------------------------------- coordinate descent


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ridge", [True, False])
@pytest.mark.parametrize("together", [1_000, 0])
def test_the_gap_bounds_the_distance_to_the_minimum(classes, intercept, ridge, together, seed, monkeypatch):
    monkeypatch.setattr(descent, "TOGETHER", together)
    f = loss(seed, D=6, C=classes, intercept=intercept, contrasts=False)
    f.ridge *= ridge
    l1 = torch.tensor(np.random.default_rng(seed).uniform(1.0, 4.0, 6))
    rounds = [r for r, _ in zip(descend(f, l1, f.zeros()), range(300), strict=False)]
    best = rounds[-1]
    assert best.gap <= (1e-9 if together or classes == 2 else 1e-5) * f.total
    for r in rounds:
        assert r.value - best.value <= r.gap * (1 + 1e-9) + 1e-12
        smooth, _ = f(r.W)
        assert r.value == pytest.approx(smooth + float((r.W[:, :6].abs() @ l1).sum()), rel=1e-12)
    values = np.array([r.value for r in rounds])
    assert (np.diff(values) <= 1e-12 * values[0]).all()


@pytest.mark.parametrize("csr", [False, True])
def test_columns_enter_a_few_at_a_time(csr, seed, monkeypatch):
    f = loss(seed, N=40, D=30, C=2, csr=csr, contrasts=False)
    l1 = torch.full((30,), 1.0, dtype=torch.float64)
    *_, all_at_once = descend(f, l1, f.zeros())
    monkeypatch.setattr(descent, "ENTER", 1)
    *_, one_by_one = descend(f, l1, f.zeros())
    torch.testing.assert_close(one_by_one.W, all_at_once.W, rtol=0, atol=1e-7)


def test_what_is_common_to_all_classes_leaves_the_weights(seed):
    """The shift against a fine grid of shifts."""
    f = loss(seed, D=4, C=5, contrasts=False)
    f.ridge[0] = 0.0
    l1 = torch.tensor([1.0, 0.5, 2.0, 1e-9])
    W = torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 1.0
    state = State(f, l1.double(), W.clone())
    before = state.losses.clone()
    state.take_out_common()
    torch.testing.assert_close(state.losses, before)

    def penalties(B):
        return l1 * B.abs().sum(0) + 0.5 * f.ridge * B.square().sum(0)

    grid = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    best = torch.stack([penalties(W[:, :4] - t) for t in grid]).amin(0)
    assert (penalties(state.W[:, :4]) <= best + 1e-12).all()


@pytest.mark.parametrize("D", [1, 2, 3, 8])
def test_the_quadratic_problem(D, seed):
    """Nearly dependent columns, where sweeps alone crawl; the optimality conditions."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((20, 1)) + 1e-3 * rng.standard_normal((20, D))
    G, q0 = A.T @ A, A.T @ (3 * rng.standard_normal(20))
    l1, l2 = np.full(D, 0.3), np.full(D, 1e-6)
    w, q = np.zeros(D), q0.copy()
    minimise(G, q, w, l1, l2)
    np.testing.assert_allclose(q, q0 - G @ w, atol=1e-8)
    slope = q - l2 * w
    violation = np.where(w != 0, np.abs(slope - l1 * np.sign(w)), np.maximum(np.abs(slope) - l1, 0))
    assert violation.max() < 1e-4


# ---------------------------------------------------------------------- columns


def test_columns_are_copied_only_where_that_is_needed(seed):
    rng = np.random.default_rng(seed)
    X, w = torch.tensor(rng.standard_normal((50, 3))), torch.ones(50, dtype=torch.float64)
    assert Design.of(X, w, True, scaled=True).X is X
    assert Design.of(X + 1e4, w, False, scaled=True).offset.eq(0).all()
    far = X * torch.tensor([1.0, 1e-3, 1.0]) + torch.tensor([0.0, 2000.0, 5.0])
    for design in (Design.of(far, w, True, scaled=True), Design.of(far, w, True, scaled=False)):
        restored = design.X * design.scale + design.offset
        torch.testing.assert_close(restored, far, rtol=1e-14, atol=1e-12)
        V = torch.tensor(rng.standard_normal((2, 4)))
        coef, constant = design.back(V, True)
        expected = V[:, :3] @ design.X.T + V[:, 3:]
        torch.testing.assert_close(coef @ far.T + constant[:, None], expected, rtol=1e-8, atol=1e-8)
        full = V @ design.map(True).T
        torch.testing.assert_close(full, torch.column_stack([coef, constant]))
