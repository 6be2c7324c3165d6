"""The range test of the learning rate on losses whose useful range is known."""

import copy

import pytest
import torch
from torch import nn

from peira.core.errors import LearningError, ParameterError
from peira.core.iteration import observing
from peira.training import InMemory, Training
from peira.training.rate_finder import SMOOTHING, find_learning_rate

SGD = Training(optimiser="sgd")


class Bowl(nn.Module):
    """The loss a w^2 / 2, on which descent diverges from the rate 2 / a on."""

    def __init__(self, curvature):
        super().__init__()
        self.w, self.a = nn.Parameter(torch.tensor([1.0])), curvature

    def forward(self, x):
        return (self.a * self.w**2 / 2).sum() + 0 * x.sum()


def items(N=8):
    return InMemory(torch.zeros(N, 1), size=None, seed=0, shuffle=False)


@pytest.mark.parametrize("curvature", [0.1, 1.0, 100.0])
def test_on_a_bowl_the_range_ends_near_two_over_the_curvature(curvature):
    bowl = Bowl(curvature)
    curve = find_learning_rate(bowl, bowl, items(), SGD, low=1e-5 / curvature, high=1e3 / curvature, updates=200)
    assert 0.01 < curve.suggestion * curvature < 2 < curve.rates[-1] * curvature
    assert curve.suggestion <= curve.minimum
    assert len(curve.rates) == len(curve.losses) == len(curve.smoothed) < 200
    assert curve.smoothed[-1] > 4 * min(curve.smoothed) or curve.rates[-1] * curvature < 1e3


def test_rates_losses_and_smoothing_are_those_of_the_formulas():
    bowl = Bowl(1.0)
    curve = find_learning_rate(bowl, bowl, items(), SGD, low=1e-3, high=1e-1, updates=5)
    assert curve.rates == pytest.approx([1e-3, 10**-2.5, 1e-2, 10**-1.5, 1e-1])
    w, mean = 1.0, 0.0
    for u, rate in enumerate(curve.rates):
        assert curve.losses[u] == pytest.approx(w * w / 2, rel=1e-5)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * curve.losses[u]
        assert curve.smoothed[u] == pytest.approx(mean / (1 - SMOOTHING ** (u + 1)))
        w *= 1 - rate
    assert curve.minimum == 1e-1 or curve.minimum == pytest.approx(1e-1)


@pytest.mark.parametrize("rule", ["sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_nothing_is_left_behind(seed, rule):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    net[2].eval()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    X, y = torch.randn(40, 3), torch.randn(40, 1)
    state, modes = copy.deepcopy(net.state_dict()), [m.training for m in net.modules()]
    chance = torch.get_rng_state()
    curves = [
        find_learning_rate(net, lambda x, t: ((net(x) - t) ** 2).mean(), InMemory(X, y, size=8, seed=seed),
                           Training(optimiser=rule), low=1e-6, updates=40, seed=seed)
        for _ in range(2)
    ]  # fmt: skip
    assert curves[0] == curves[1]
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), net.state_dict().values(), strict=True))
    assert [m.training for m in net.modules()] == modes
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight)) and net[3].weight.grad is None


def test_noise_of_batches_at_low_rates_suggests_nothing(seed):
    """Descent on y = 3 x + 1 learns from a rate of a hundredth on; below, the loss only differs from batch to batch."""
    x = torch.linspace(-1, 1, 64)[:, None]
    torch.manual_seed(seed)
    net = nn.Linear(1, 1)
    batches = InMemory(x, 3 * x + 1, size=16, seed=seed)
    curve = find_learning_rate(net, lambda x, t: ((net(x) - t) ** 2).mean(), batches, SGD)
    assert 1e-2 < curve.suggestion < curve.minimum


def test_a_loss_that_turns_nan_ends_the_test_early():
    bowl = Bowl(1.0)
    curve = find_learning_rate(
        bowl, lambda x: bowl(x) + torch.log(bowl.w + 1e-3).sum() * 0, items(), SGD, high=1e4, updates=60
    )
    assert len(curve.rates) < 60 and curve.rates[-1] < 1e4 and bowl.w.item() == 1.0


def test_groups_keep_the_ratio_of_their_rates():
    bowl = Bowl(1.0)
    seen = []
    weights = [{"params": [bowl.w], "lr": 0.5e-3}]  # half of the lowest rate
    with observing(lambda event: seen.append(event)):
        curve = find_learning_rate(bowl, bowl, items(), SGD, low=1e-3, high=1e-1, updates=3, parameters=weights)
    assert curve.losses[1] == pytest.approx((1 - 0.5e-3) ** 2 / 2)
    assert [e.values["loss"] for e in seen if e.kind == "step"] == pytest.approx(list(curve.losses))


def test_frozen_parts_rest_as_they_do_in_a_training():
    """In evaluation mode: a frozen dropout of everything lets everything pass, and the means of batches stay."""
    head, held = nn.Linear(1, 1, bias=False), nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.9)).requires_grad_(False)
    nn.init.constant_(head.weight, 1.0)
    net = nn.Sequential(held, head)
    batches = InMemory(torch.tensor([[2.0], [4.0]]), size=None, seed=0, shuffle=False)
    curve = find_learning_rate(net, lambda x: (net(x) ** 2).mean(), batches, SGD, low=1e-3, high=1e-2, updates=3)
    assert curve.losses[0] == pytest.approx(10.0, rel=1e-4)


def test_what_cannot_be_tested_says_so():
    bowl = Bowl(1.0)
    with pytest.raises(TypeError, match="got list; a DataLoader d becomes"):
        find_learning_rate(bowl, bowl, [(torch.zeros(1, 1),)], SGD)
    for wrong in ({"low": 0.0}, {"low": 1.0, "high": 0.1}, {"updates": 2}):
        with pytest.raises(ParameterError, match="low < high"):
            find_learning_rate(bowl, bowl, items(), SGD, **wrong)
    for rule in ("lbfgs", "rprop"):
        with pytest.raises(ParameterError, match="by itself"):
            find_learning_rate(bowl, bowl, items(), Training(optimiser=rule))
    with pytest.raises(LearningError, match="no number"):
        find_learning_rate(bowl, lambda x: bowl(x) / 0, items(), SGD)
    with pytest.raises(LearningError, match="rises"):
        find_learning_rate(bowl, bowl, items(), SGD, low=3.0, high=30.0)
    assert bowl.w.item() == 1.0 and bowl.w.grad is None


def test_the_picture_shows_rates_and_suggestion():
    bowl = Bowl(1.0)
    curve = find_learning_rate(bowl, bowl, items(), SGD, low=1e-3)
    axes = curve.plot()
    assert axes.get_xscale() == "log" and tuple(axes.lines[1].get_ydata()) == curve.smoothed
    assert axes.lines[2].get_xdata()[0] == curve.suggestion
