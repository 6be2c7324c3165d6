"""Levenberg-Marquardt against closed forms, certified values, scipy, and central differences."""

import math
import sys
import warnings
from itertools import pairwise

import pytest
import torch
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning

from evidence.nist_nonlinear import SETS, problem
from peira.core.errors import DataError, LearningError, ParameterError
from peira.core.iteration import limiting
from peira.numerics.least_squares import least_squares
from peira.training.levenberg_marquardt import fit_net_by_least_squares, levenberg_marquardt

f64 = torch.float64


def drawn(seed, *shape):
    return torch.randn(*shape, dtype=f64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["Misra1a", "DanWood", "BoxBOD", "Rat43", "Eckerle4", "Nelson", "Lanczos3"])
@pytest.mark.parametrize("start", ["start_1", "start_2"])
def test_nist(name, start):
    table, residuals = problem(name)
    fit = levenberg_marquardt(residuals, table[start], tol=1e-12)
    assert fit.stopped_ == "converged"
    torch.testing.assert_close(fit.parameters, torch.tensor(table["coefficients"], dtype=f64), rtol=1e-9, atol=0)
    torch.testing.assert_close(fit.std, torch.tensor(table["standard_errors"], dtype=f64), rtol=1e-8, atol=0)
    assert fit.rss == pytest.approx(table["rss"], rel=1e-8)
    assert fit.residual_std == pytest.approx(table["residual_sd"], rel=1e-8)


@pytest.mark.parametrize("name", SETS)
def test_the_certified_values_of_nist_are_stationary(name):
    """A digit that was copied wrongly would leave a slope: Newton's step from them is below their last digit."""
    table, residuals = problem(name)
    b = torch.tensor(table["coefficients"], dtype=f64)
    J = torch.func.jacrev(residuals)(b)
    size = J.norm(dim=0)
    step = torch.linalg.lstsq(J / size, -residuals(b)[:, None]).solution[:, 0] / size
    assert (step.abs() <= 2e-10 * b.abs()).all()
    if name != "Lanczos1":  # whose sum of squares, 1e-25, is that of the rounding of its coefficients
        assert float(residuals(b).square().sum()) == pytest.approx(table["rss"], rel=1e-9)


@pytest.mark.parametrize(("N", "P"), [(1, 1), (2, 1), (2, 2), (3, 2), (20, 3)])
def test_a_linear_problem_takes_one_step_without_border(seed, N, P):
    A, y = drawn(seed, N, P), drawn(seed + 1, N)
    fit = levenberg_marquardt(lambda b: A @ b - y, torch.zeros(P), radius=math.inf)
    exact = torch.linalg.lstsq(A, y[:, None]).solution[:, 0]
    torch.testing.assert_close(fit.parameters, exact, rtol=1e-10, atol=1e-12)
    assert fit.n_iter_ <= 3 and fit.stopped_ == "converged"
    if N > P:
        covariance = torch.linalg.inv(A.T @ A) * fit.rss / (N - P)
        torch.testing.assert_close(fit.std, covariance.diagonal().sqrt(), rtol=1e-10, atol=0)
    else:
        assert fit.std.isinf().all()


def test_fewer_residuals_than_parameters_ends_on_a_solution(seed):
    A, y = drawn(seed, 2, 3), drawn(seed + 1, 2)
    fit = levenberg_marquardt(lambda b: A @ b - y, torch.zeros(3), radius=math.inf)
    D = A.norm(dim=0)  # of all solutions, the one of least scaled length
    torch.testing.assert_close(fit.parameters, torch.linalg.pinv(A / D) @ y / D)
    assert fit.rss < 1e-25 and fit.std.isinf().all()


def test_a_parameter_without_influence_stays_and_is_undetermined(seed):
    x, y = drawn(seed, 10), drawn(seed + 1, 10)
    fit = levenberg_marquardt(lambda b: b[0] * x - y + 0 * b[1], [0.0, 7.0])
    torch.testing.assert_close(fit.parameters, torch.stack([x @ y / (x @ x), torch.tensor(7.0, dtype=f64)]))
    assert fit.std[1] == math.inf and fit.std[0] < math.inf


def test_nothing_to_do():
    fit = levenberg_marquardt(lambda b: b - 1, [1.0, 1.0])
    assert fit.parameters.tolist() == [1.0, 1.0] and fit.rss == 0 and fit.n_iter_ == 1
    flat = levenberg_marquardt(lambda b: 0 * b + 1, [3.0])
    assert flat.parameters.tolist() == [3.0] and flat.rss == 1 and flat.stopped_ == "converged"
    constant = levenberg_marquardt(lambda b: torch.ones(2, dtype=f64), [3.0])
    assert constant.parameters.tolist() == [3.0] and constant.std.isinf().all()
    zero = levenberg_marquardt(lambda b: torch.stack([b[0], 10 * b[0]]), [0.0])
    assert zero.parameters.tolist() == [0.0]


def test_a_step_lies_in_the_ellipsoid_and_solves_the_damped_equations(seed):
    """The first trial point, seen by the residuals themselves: (J'J + damping D^2) step = -J'r for some damping."""
    A, y = drawn(seed, 8, 3) * torch.tensor([1.0, 100.0, 0.01]), drawn(seed + 1, 8)
    start, seen = torch.ones(3, dtype=f64), []

    def residuals(b):
        seen.append(b.detach().clone())
        return A @ b - y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        levenberg_marquardt(residuals, start, jacobian=lambda b: A, radius=0.05, max_iter=1)
    step, D = seen[1] - start, A.norm(dim=0)
    border = 0.05 * (D * start).norm()
    assert 0.9 * border <= (D * step).norm() <= 1.1 * border
    gradient = A.T @ (A @ start - y)
    damping = -(A.T @ A @ step + gradient) / (D**2 * step)
    torch.testing.assert_close(damping, damping[:1].expand(3), rtol=1e-8, atol=0)
    assert damping[0] > 0


def test_units_of_parameters_and_residuals_do_not_matter(seed):
    x = torch.linspace(0, 3, 15, dtype=f64)
    y = 2 * torch.exp(-x) + 0.1 * drawn(seed, 15)
    unit = torch.tensor([1e6, 1e-4], dtype=f64)

    def fit(unit, size):
        return levenberg_marquardt(
            lambda b: size * (unit[0] * b[0] * torch.exp(-unit[1] * b[1] * x) - y), 1 / unit, tol=1e-9
        )

    one, other = fit(torch.ones(2, dtype=f64), 1.0), fit(unit, 1e-3)
    assert one.n_iter_ == other.n_iter_
    torch.testing.assert_close(other.parameters * unit, one.parameters, rtol=1e-8, atol=0)
    assert other.rss == pytest.approx(1e-6 * one.rss, rel=1e-9)


def test_the_sum_never_rises_and_the_radius_forgives_a_bad_start():
    """Rosenbrock's valley: residuals 10 (b2 - b1^2) and 1 - b1 (Moré, Garbow, Hillstrom 1981, problem 1)."""
    for radius in (1e-3, 0.1, 100.0, math.inf):
        fit = levenberg_marquardt(
            lambda b: torch.stack([10 * (b[1] - b[0] ** 2), 1 - b[0]]), [-1.2, 1.0], radius=radius
        )
        torch.testing.assert_close(fit.parameters, torch.ones(2, dtype=f64))
        rss = fit.history_["rss"]
        assert all(b <= a for a, b in pairwise(rss))


def test_a_step_to_where_a_residual_is_no_number_is_not_taken(seed):
    x = torch.linspace(0.1, 3, 12, dtype=f64)
    y = torch.log(0.5 + x) + 0.01 * drawn(seed, 12)
    fit = levenberg_marquardt(lambda b: b[1] * torch.log(b[0] + x) - y, [40.0, 3.0], radius=math.inf)
    assert fit.stopped_ == "converged" and all(map(math.isfinite, fit.history_["rss"]))
    peer = optimize.least_squares(lambda b: b[1] * torch.log(b[0] + x).numpy() - y.numpy(), [0.5, 1.0], xtol=1e-15)
    torch.testing.assert_close(fit.parameters, torch.from_numpy(peer.x), rtol=1e-6, atol=0)


def test_a_wall_at_the_minimum_ends_the_search_there():
    """sqrt(b) + 1 falls towards b = 0, where its slope is infinite and beyond which it is no number."""
    fit = levenberg_marquardt(lambda b: torch.sqrt(b) + 1, [1.0], max_iter=3000)
    assert fit.stopped_ in ("no descent", "converged")
    assert 0 <= fit.parameters[0] < 1e-6 and math.isfinite(fit.rss)


def test_overflow_is_refused():
    fit = levenberg_marquardt(lambda b: torch.exp(b) - 2, [-5.0], radius=math.inf)
    assert fit.parameters[0] == pytest.approx(math.log(2), rel=1e-9)


def test_both_scales_and_a_jacobian_by_hand_agree(seed):
    x = torch.linspace(0, 2, 25, dtype=f64)
    y = 1 / (1 + torch.exp(2 - 3 * x)) + 0.02 * drawn(seed, 25)

    def residuals(b):
        return 1 / (1 + torch.exp(b[0] - b[1] * x)) - y

    def jacobian(b):
        p = residuals(b) + y
        return torch.stack([-p * (1 - p), p * (1 - p) * x], 1)

    fits = [
        levenberg_marquardt(residuals, [0.0, 1.0], scale=scale, jacobian=by, tol=1e-12)
        for scale in ("largest", "present")
        for by in (None, jacobian)
    ]
    peer = optimize.least_squares(lambda b: residuals(torch.from_numpy(b)).numpy(), [0.0, 1.0], method="lm", xtol=1e-15)
    for fit in fits:
        torch.testing.assert_close(fit.parameters, torch.from_numpy(peer.x), rtol=1e-7, atol=0)


def test_steps_that_run_out_warn_and_keep_the_best():
    with pytest.warns(ConvergenceWarning, match="Levenberg-Marquardt did not converge in 2 steps"):
        fit = levenberg_marquardt(lambda b: torch.stack([10 * (b[1] - b[0] ** 2), 1 - b[0]]), [-1.2, 1.0], max_iter=2)
    assert fit.stopped_ == "max_iter" and fit.n_iter_ == 2 and fit.rss < 24.2


def test_a_budget_ends_it_and_the_owner_is_told():
    class Owner:
        pass

    owner = Owner()
    with limiting(0.0):
        fit = levenberg_marquardt(lambda b: torch.exp(b) - 2, [0.0], owner=owner)
    assert fit.stopped_ == owner.stopped_ == "out of time"
    assert owner.history_ is fit.history_ and owner.n_iter_ == 1


def test_what_cannot_be_begun_says_so():
    with pytest.raises(DataError, match="vector of one parameter"):
        levenberg_marquardt(lambda b: b, [])
    with pytest.raises(DataError, match="vector of one parameter"):
        levenberg_marquardt(lambda b: b, [[1.0]])
    with pytest.raises(DataError, match="float64"):
        levenberg_marquardt(lambda b: b.float(), [1.0])
    with pytest.raises(DataError, match="float64"):
        levenberg_marquardt(lambda b: b[:0], [1.0])
    with pytest.raises(LearningError, match="not finite"):
        levenberg_marquardt(torch.log, [-1.0])
    with pytest.raises(LearningError, match="not finite"):
        levenberg_marquardt(torch.sqrt, [0.0])
    with pytest.raises(ParameterError, match="scale"):
        levenberg_marquardt(lambda b: b, [1.0], scale="widest")
    with pytest.raises(ParameterError, match="radius"):
        levenberg_marquardt(lambda b: b, [1.0], radius=0)


# ---------------------------------------------------------------------- nets


def small_net(seed, inputs=2, hidden=3, outputs=1):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(hidden, outputs)
        )


def test_a_linear_net_gives_weighted_least_squares(seed):
    X, Y, w = drawn(seed, 30, 3), drawn(seed + 1, 30, 2), drawn(seed + 2, 30).abs()
    net = torch.nn.Linear(3, 2).double()
    fit = fit_net_by_least_squares(net, X, Y, weight=w)
    solution = least_squares(X, Y, w)
    torch.testing.assert_close(net.weight.detach(), solution.coef.T, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(net.bias.detach(), solution.intercept, rtol=1e-9, atol=1e-10)
    assert fit.rss == pytest.approx(float(solution.rss.sum()), rel=1e-10)


def test_a_linear_net_with_a_penalty_gives_ridge(seed):
    X, Y = drawn(seed, 20, 3), drawn(seed + 1, 20, 1)
    net = torch.nn.Linear(3, 1).double()
    fit_net_by_least_squares(net, X, Y, penalty=2.5)
    Z, t = X - X.mean(0), Y - Y.mean(0)
    ridge = torch.linalg.solve(Z.T @ Z + 2.5 * torch.eye(3, dtype=f64), Z.T @ t)
    torch.testing.assert_close(net.weight.detach(), ridge.T, rtol=1e-9, atol=1e-10)


def test_a_net_reaches_a_stationary_point(seed):
    X = drawn(seed, 40, 2)
    Y = torch.sin(X[:, :1]) * X[:, 1:] + 0.1 * drawn(seed + 1, 40, 1)
    net = small_net(seed).double()
    before = [w.detach().clone() for w in net.parameters()]
    fit = fit_net_by_least_squares(net, X, Y, penalty=1e-2, tol=1e-11)
    assert fit.stopped_ == "converged" and net.training
    net.eval()
    loss = ((net(X) - Y) ** 2).sum() + 1e-2 * sum((w**2).sum() for w in net.parameters() if w.dim() > 1)
    assert loss.item() == pytest.approx(fit.rss, rel=1e-10)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])
    assert gradient.norm() < 1e-5
    assert not any(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_frozen_weights_stay_and_single_precision_is_kept(seed):
    X, Y = drawn(seed, 30, 2).float(), drawn(seed + 1, 30, 1).float()
    net = small_net(seed)
    net[0].requires_grad_(False)
    frozen = net[0].weight.clone()
    fit = fit_net_by_least_squares(net, X, Y)
    assert torch.equal(net[0].weight, frozen) and net[3].weight.dtype == torch.float32
    assert len(fit.parameters) == 4
    H = torch.tanh(net[0].double()(X.double()))
    torch.testing.assert_close(fit.parameters[:3], least_squares(H, Y.double()).coef[:, 0], rtol=1e-6, atol=1e-6)


def test_chunks_of_items_change_nothing(seed, monkeypatch):
    module = sys.modules["peira.training.levenberg_marquardt"]

    X, Y = drawn(seed, 11, 2), drawn(seed + 1, 11, 1)
    one, other = small_net(seed).double(), small_net(seed).double()
    how = {"penalty": 0.1, "tol": 1e-9}
    fit_net_by_least_squares(one, X, Y, **how)
    monkeypatch.setattr(module, "PER_PASS", 40)
    fit_net_by_least_squares(other, X, Y, **how)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)
