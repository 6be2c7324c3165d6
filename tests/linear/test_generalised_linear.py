"""Links and Newton's method against autograd, statsmodels, and the limits of floating point."""

import numpy as np
import pytest
import torch

from peira.core.errors import DataError, RankWarning
from peira.linear.generalised_linear import Probit, Problem, Softmax, factored, laplace, mode, newton

ONE = torch.ones(1, dtype=torch.float64)
LINKS = {"logit": (lambda: Softmax(2, ONE), 2), "softmax": (lambda: Softmax(4, ONE), 4), "probit": (Probit, 2)}
every_link = pytest.mark.parametrize("name", LINKS)


def problem(name, seed, N=30, D=3, precision=0.7):
    make, C = LINKS[name]
    rng = np.random.default_rng(seed)
    link = make()
    Z = torch.tensor(np.c_[rng.normal(size=(N, D)), np.ones(N)])
    M = link.K * (D + 1)
    codes = torch.tensor(np.r_[np.arange(C), rng.integers(0, C, N)][:N])
    w = torch.tensor(rng.uniform(0, 2, N))
    mean = torch.tensor(rng.normal(size=M)) * (precision > 0)
    return Problem(link, Z, codes, w, mean, torch.full((M,), precision, dtype=torch.float64))


@every_link
@pytest.mark.parametrize("N", [1, 2, 3, 30])
@pytest.mark.parametrize("full", [False, True])
def test_gradient_and_hessian_are_those_of_autograd(name, seed, N, full):
    p = problem(name, seed, N)
    if full:
        root = torch.tensor(np.random.default_rng(seed).normal(size=(len(p.mean),) * 2))
        p = Problem(p.link, p.Z, p.codes, p.w, p.mean, root @ root.T)
    Q = p.precision if full else p.precision.diag()

    def objective(theta):
        off = theta - p.mean
        return p.w @ p.link.log_likelihood(p.predictors(theta), p.codes) - off @ Q @ off / 2

    theta = torch.tensor(np.random.default_rng(seed + 1).normal(size=len(p.mean)))
    gradient, A = p.expand(theta)
    torch.testing.assert_close(gradient, torch.autograd.functional.jacobian(objective, theta), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(A, -torch.autograd.functional.hessian(objective, theta), rtol=1e-9, atol=1e-9)
    assert p.log_posterior(theta) == pytest.approx(float(objective(theta)), rel=1e-12)


@pytest.mark.parametrize("name", ["logit", "softmax"])
def test_the_curvature_moves_as_finite_differences_say(name, seed):
    p = problem(name, seed)
    rng = np.random.default_rng(seed)
    eta, along = (torch.tensor(rng.normal(size=(len(p.Z), p.link.K))) for _ in range(2))
    h = 1e-5
    above, below = (p.link.derivatives(eta + sign * h * along, p.codes)[1] for sign in (1, -1))
    torch.testing.assert_close(p.link.curvature_along(eta, along), (above - below) / (2 * h), rtol=1e-7, atol=1e-8)


@every_link
def test_probabilities_sum_to_one_and_far_predictors_stay_finite(name, seed):
    make, C = LINKS[name]
    link = make()
    eta = torch.tensor([[v] * link.K for v in (-1e9, -1e5, -300.0, -8.0, 0.0, 8.0, 300.0, 1e5, 1e9)])
    eta[:, -1] *= 0.5
    eta = eta.double()
    each = torch.stack([link.log_likelihood(eta, torch.full((len(eta),), c)) for c in range(C)], 1)
    torch.testing.assert_close(each.exp().sum(1), torch.ones(len(eta)).double(), rtol=1e-13, atol=0)
    for c in range(C):
        score, curvature = link.derivatives(eta, torch.full((len(eta),), c))
        assert score.isfinite().all() and curvature.isfinite().all()
        assert (torch.linalg.eigvalsh(curvature) >= -1e-15).all()


def test_small_probabilities_keep_their_digits():
    link, one = Softmax(2, ONE), torch.tensor([1])
    score, curvature = link.derivatives(torch.tensor([[50.0]]).double(), one)
    assert float(score) == pytest.approx(np.exp(-50), rel=1e-13) == float(curvature)
    assert float(link.log_likelihood(torch.tensor([[50.0]]).double(), one)) == pytest.approx(-np.exp(-50), rel=1e-13)


def test_the_probits_curvature_meets_its_series():
    t = torch.tensor([[-9999.0], [-10001.0]]).double()
    curvature = Probit().derivatives(t, torch.tensor([1, 1]))[1][:, 0, 0]
    np.testing.assert_allclose(curvature, 1 - t[:, 0] ** -2, atol=1e-7)
    np.testing.assert_allclose(Probit().derivatives(-t, torch.tensor([1, 1]))[1], 0.0)


def test_the_scores_of_all_classes_are_alike(seed):
    H = Softmax(5, ONE).H
    torch.testing.assert_close(H.T @ H, torch.eye(4).double())
    torch.testing.assert_close(H.sum(0), torch.zeros(4).double())
    torch.testing.assert_close(H @ H.T, torch.eye(5).double() - 0.2)


@every_link
def test_newton_ascends_from_far_away_and_ends_where_the_gradient_is_zero(name, seed):
    p = problem(name, seed)
    start = torch.tensor(np.random.default_rng(seed + 2).normal(size=len(p.mean))) * 30
    values = []
    for at in newton(p, start):
        values.append(at.value)
        if at.gain < 1e-12 or len(values) > 60:
            break
    assert len(values) < 40 and (np.diff(values) >= -1e-10 * np.abs(values[1:])).all()
    assert p.expand(at.theta)[0].abs().max() < 1e-9
    torch.testing.assert_close(mode(p, p.mean), at.theta, rtol=1e-7, atol=1e-8)


def test_rows_of_weight_zero_are_not_there(seed):
    p = problem("softmax", seed)
    kept = torch.arange(len(p.Z)) % 3 > 0
    zeroed = Problem(p.link, p.Z, p.codes, torch.where(kept, p.w, 0.0), p.mean, p.precision)
    dropped = Problem(p.link, p.Z[kept], p.codes[kept], p.w[kept], p.mean, p.precision)
    torch.testing.assert_close(mode(zeroed, p.mean), mode(dropped, p.mean), rtol=1e-9, atol=1e-10)


def test_maximum_likelihood_is_that_of_statsmodels(seed):
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(seed)
    Z = np.c_[rng.normal(size=(120, 2)), np.ones(120)]
    y = rng.integers(0, 3, 120)
    for C, model in ((2, sm.Logit), (2, sm.Probit), (3, sm.MNLogit)):
        codes = np.minimum(y, C - 1)
        link = Probit() if model is sm.Probit else Softmax(C, ONE)
        M = link.K * 3
        zeros = torch.zeros(M).double()
        p = Problem(link, torch.tensor(Z), torch.tensor(codes), None, zeros, zeros)
        theta = mode(p, zeros, 1e-20)
        theirs = model(codes, Z).fit(disp=0, tol=1e-14)
        S = laplace(p, theta).covariance()
        if C == 3:  # statsmodels sets the scores of the first class to 0
            T = torch.kron(link.H[1:] - link.H[:1], torch.eye(3).double())
            theta, S = T @ theta, T @ S @ T.T
        np.testing.assert_allclose(theta, np.ravel(theirs.params, order="F"), atol=1e-8)
        np.testing.assert_allclose(S.diagonal().sqrt(), np.ravel(theirs.bse, order="F"), rtol=1e-8)
        assert p.log_likelihood(theta if C == 2 else mode(p, zeros)) == pytest.approx(theirs.llf, rel=1e-12)


def test_what_cannot_be_factored_is_said():
    with pytest.raises(DataError, match="overflows"):
        factored(torch.full((2, 2), torch.inf).double())
    with pytest.raises(DataError, match="no curvature"):
        factored(torch.tensor([[1.0, 2.0], [2.0, 1.0]]).double())


def test_a_jitter_is_reported(seed):
    p = problem("logit", seed, D=1)
    Z = torch.cat([p.Z, p.Z[:, :1] @ torch.tensor([[0.1, 0.3, 0.7, 3.0, 7.0, 11.0, 13.0]]).double()], 1)
    none = torch.zeros(9).double()
    same = Problem(p.link, Z, p.codes, p.w, none, none + 1e-30)
    with pytest.warns(RankWarning, match="collinear to rounding"):
        laplace(same, none)
