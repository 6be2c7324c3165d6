"""Heads: each loss against its formula, each link against the likelihood that it belongs to."""

import math

import numpy as np
import pytest
import torch

from peira.neural.heads import (
    Absolute,
    Huber,
    Logistic,
    Normal,
    Poisson,
    Quantiles,
    Softmax,
    SquaredError,
    class_head,
    number_head,
)
from peira.neural.quantile_curve import QuantileCurve

NUMBERS = [SquaredError(), Normal(), Absolute(), Huber(0.7), Quantiles((0.1, 0.5, 0.9)), Poisson()]


def given(head, seed, N=6, K=2):
    rng = torch.Generator().manual_seed(seed)
    F = torch.randn(N, K * head.width, generator=rng, dtype=torch.float64)
    return F, torch.randint(0, 5, (N, K), generator=rng).double() + 0.25


@pytest.mark.parametrize("head", NUMBERS, ids=lambda h: type(h).__name__)
@pytest.mark.parametrize("N", [1, 2, 3])
def test_the_loss_is_the_mean_of_the_items(head, seed, N):
    F, Y = given(head, seed, N)
    w = torch.arange(1.0, N + 1, dtype=torch.float64)
    losses = head.losses(F, Y)
    assert losses.shape == (N,) and head.decide(F).shape == Y.shape
    torch.testing.assert_close(head.loss(F, Y), losses.mean())
    torch.testing.assert_close(head.loss(F, Y, w), (w * losses).sum() / N)


@pytest.mark.parametrize("head", NUMBERS, ids=lambda h: type(h).__name__)
def test_gradients_are_central_differences(head, seed):
    F, Y = given(head, seed, 3)
    assert torch.autograd.gradcheck(lambda f: head.losses(f, Y), F.requires_grad_())


@pytest.mark.parametrize("head", [SquaredError(), Poisson()], ids=lambda h: type(h).__name__)
def test_the_canonical_link_leaves_the_residual(head, seed):
    F, Y = given(head, seed, K=1)
    head.losses(F.requires_grad_(), Y).sum().backward()
    torch.testing.assert_close(F.grad, (head.decide(F) - Y).detach())


def test_softmax_and_logistic_leave_the_residual(seed):
    F = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()
    codes = torch.tensor([0, 1, 2, 1, 0])
    Softmax().losses(F, codes).sum().backward()
    torch.testing.assert_close(F.grad, (F.softmax(1) - torch.eye(3, dtype=F.dtype)[codes]).detach())
    f, y = F.detach()[:, :1].requires_grad_(), torch.tensor([[0.0], [1], [1], [0], [1]], dtype=F.dtype)
    Logistic().losses(f, y).sum().backward()
    torch.testing.assert_close(f.grad, (f.sigmoid() - y).detach())


def test_two_classes_by_one_score_or_by_two(seed):
    f = torch.randn(7, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    codes = torch.arange(7) % 2
    for smoothing in (0.0, 0.1):
        one, two = Logistic(smoothing), Softmax(smoothing)
        torch.testing.assert_close(one.losses(f, codes[:, None].double()), two.losses(one.scores(f), codes))
    assert isinstance(class_head(2), Logistic) and isinstance(class_head(3), Softmax)


def test_smoothed_labels_are_probabilities(seed):
    F = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    codes, e = torch.tensor([0, 1, 2, 2]), 0.3
    spread = (1 - e) * torch.eye(3, dtype=F.dtype)[codes] + e / 3
    torch.testing.assert_close(Softmax(e).losses(F, codes), Softmax().losses(F, spread))


def test_the_normal_head_is_the_likelihood(seed):
    head = Normal()
    F, Y = given(head, seed)
    forecast = head.predictive(F, torch.zeros(2).double(), torch.ones(2).double(), as_numpy=False)
    expected = -forecast.log_prob(Y).mean(1) - math.log(2 * math.pi) / 2
    torch.testing.assert_close(head.losses(F, Y), expected)


def test_units_go_back_into_the_distribution(seed):
    mean, scale = torch.tensor([3.0, -1.0]).double(), torch.tensor([2.0, 10.0]).double()
    for head in (Normal(), Quantiles((0.2, 0.5, 0.7))):
        F, _ = given(head, seed)
        plain = head.predictive(F, torch.zeros(2).double(), torch.ones(2).double(), as_numpy=True)
        moved = head.predictive(F, mean, scale, as_numpy=True)
        np.testing.assert_allclose(moved.mean, mean.numpy() + scale.numpy() * plain.mean)
        np.testing.assert_allclose(moved.std, scale.numpy() * plain.std)


def test_quantiles_do_not_cross_and_their_loss_is_least_at_the_quantile(seed):
    head = Quantiles((0.1, 0.5, 0.9))
    F, _ = given(head, seed, 50)
    assert (head.curve(10 * F).diff() > 0).all()
    y = torch.randn(2001, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    single = Quantiles((0.3,))
    grid = torch.linspace(-1, 0, 401, dtype=torch.float64)
    losses = torch.stack([single.losses(f.expand(2001, 1), y).mean() for f in grid])
    assert abs(float(grid[losses.argmin()] - y.quantile(0.3))) < 0.01


def test_each_name_has_its_head():
    assert [type(number_head(n)).__name__ for n in ("squared_error", "poisson", "normal")] == [
        "SquaredError", "Poisson", "Normal",
    ]  # fmt: skip
    assert number_head("quantile", (0.1, 0.9)).width == 2 and not Quantiles((0.5,)).forecasts
    with pytest.raises(TypeError, match="no distribution"):
        SquaredError().predictive(torch.zeros(1, 1), torch.zeros(1), torch.ones(1), as_numpy=True)


# ------------------------------------------------------------------ the curve


def curve():
    return QuantileCurve([0.1, 0.4, 0.8], [[-1.0, 0.5, 2.0], [0.0, 1.0, 1.5]])


def test_a_curve_passes_through_its_quantiles():
    d = curve()
    np.testing.assert_allclose(d.quantile(0.4), [0.5, 1.0])
    np.testing.assert_allclose(d.cdf([2.0, 1.5]), 0.8)
    u = np.array([1e-6, 0.05, 0.1, 0.3, 0.79, 0.9, 1 - 1e-6])
    np.testing.assert_allclose(d.cdf(d.quantile(u)), np.repeat(u[:, None], 2, 1), atol=1e-12)
    assert d.quantile(0.0)[0] == -np.inf and d.quantile(1.0)[0] == np.inf


def test_the_moments_and_the_entropy_of_a_curve_are_integrals():
    d = curve()
    x = np.linspace(-60, 60, 600_001)[:, None]
    p = np.exp(d.log_prob(np.repeat(x, 2, 1)))
    step = x[1, 0] - x[0, 0]
    np.testing.assert_allclose(p.sum(0) * step, 1, atol=1e-4)
    np.testing.assert_allclose((x * p).sum(0) * step, d.mean, atol=1e-3)
    np.testing.assert_allclose(((x - d.mean) ** 2 * p).sum(0) * step, d.variance, rtol=1e-3)
    np.testing.assert_allclose((-p * np.log(np.maximum(p, 1e-300))).sum(0) * step, d.entropy(), atol=1e-3)


def test_the_score_of_a_curve_is_that_of_its_draws():
    d = curve()
    draws = d.sample(40_000, seed=0)
    y = np.array([0.3, -2.0])
    half = np.abs(draws[:20_000] - draws[20_000:]).mean(0) / 2
    np.testing.assert_allclose(d.crps(y), np.abs(draws - y).mean(0) - half, atol=0.03)
    assert d[1].quantile(0.4) == 1.0 and len(d) == 2


@pytest.mark.parametrize(
    ("levels", "values", "words"),
    [([0.5], [[1.0]], "two or more"), ([0.4, 0.6], [[1.0, 1.0]], "ascend"), ([0.4, 0.6], [[1.0]], "one for each")],
)
def test_a_curve_that_is_none_is_refused(levels, values, words):
    with pytest.raises(ValueError, match=words):
        QuantileCurve(levels, values)
