"""The course of the learning rate against torch's schedulers and closed forms."""

import math
from itertools import pairwise
from typing import get_args

import pytest
import torch

from peira.training import InMemory, Player, Training, minimise
from peira.training.schedules import rate_factor
from peira.training.training import Schedule

NAMES = get_args(Schedule)
U = 200


@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_stays_within_its_bounds(name):
    factors = [rate_factor(name, u / U) for u in range(U + 1)]
    assert all(0 <= f <= 1 for f in factors) and max(factors) == 1
    if name != "one cycle":
        assert factors[0] == 1 and all(b <= a for a, b in pairwise(factors))


@pytest.mark.parametrize(
    ("name", "s", "factor"),
    [
        ("linear", 0.25, 0.75),
        ("linear", 1.0, 0.0),
        ("cosine", 0.0, 1.0),
        ("cosine", 1 / 3, 0.75),
        ("cosine", 1.0, 0.0),
        ("one cycle", 0.0, 1 / 25),
        ("one cycle", 0.15, (1 + 1 / 25) / 2),
        ("one cycle", 0.3, 1.0),
        ("one cycle", 1.0, 1e-4 / 25),
        ("steps", 0.49, 1.0),
        ("steps", 0.5, 0.1),
        ("steps", 0.74, 0.1),
        ("steps", 0.75, 0.01),
        ("inverse square root", 0.0, 1.0),
        ("inverse square root", 1.0, 0.01),
        ("inverse square root", 3 / 9999, 0.5),
    ],
)
def test_closed_forms(name, s, factor):
    assert rate_factor(name, s) == pytest.approx(factor, abs=1e-15)


def torch_rates(make, updates):
    w = torch.nn.Parameter(torch.zeros(1))
    rule = torch.optim.SGD([w], lr=0.5)
    course, rates = make(rule), []
    for _ in range(updates):
        rates.append(rule.param_groups[0]["lr"])
        rule.step()
        course.step()
    return rates


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("constant", lambda rule: torch.optim.lr_scheduler.ConstantLR(rule, factor=1.0)),
        ("linear", lambda rule: torch.optim.lr_scheduler.LinearLR(rule, 1.0, 0.0, total_iters=U)),
        ("cosine", lambda rule: torch.optim.lr_scheduler.CosineAnnealingLR(rule, T_max=U)),
        ("steps", lambda rule: torch.optim.lr_scheduler.MultiStepLR(rule, [U // 2, 3 * U // 4], gamma=0.1)),
    ],
)
def test_the_loop_follows_torchs_schedulers(name, make):
    w = torch.nn.Linear(1, 1)
    player = Player(w, Training(optimiser="sgd", learning_rate=0.5, schedule=name, updates=U), U)
    rates = []
    for _ in range(U):
        player.minimise(w(torch.ones(1, 1)).sum())
        rates.append(player.learning_rate)
    assert rates == pytest.approx(torch_rates(make, U), rel=1e-9, abs=1e-12)


def test_one_cycle_is_torchs_whose_last_update_has_the_last_rate():
    def make(rule):
        return torch.optim.lr_scheduler.OneCycleLR(rule, max_lr=0.5, total_steps=U + 1, pct_start=0.3)

    # torch counts the rise as pct_start * total_steps - 1 updates; the course between its own marks is ours.
    theirs = torch_rates(make, U)
    top = 0.3 * (U + 1) - 1
    for u, rate in enumerate(theirs):
        s = 0.3 * u / top if u <= top else 0.3 + 0.7 * (u - top) / (U - top)
        assert 0.5 * rate_factor("one cycle", s) == pytest.approx(rate, rel=1e-9)


def test_warm_up_multiplies_by_a_rise():
    for name in NAMES:
        assert rate_factor(name, 0.05, 0.2) == pytest.approx(0.25 * rate_factor(name, 0.05))
        assert rate_factor(name, 0.2, 0.2) == rate_factor(name, 0.2)
        assert rate_factor(name, 0.0, 0.2) == 0.0


def test_a_plateau_divides_the_rate_by_five():
    net = torch.nn.Linear(1, 1)
    seen = []

    def loss(x):
        seen.append(None)
        return 0 * net(x).sum() + 1.0

    how = Training(optimiser="sgd", learning_rate=1.0, schedule="plateau", patience=2, epochs=100, batch_size=None)
    minimise(net, loss, InMemory(torch.ones(4, 1), size=None, seed=0, shuffle=False), how)
    # Nine divisions bring the rate below a millionth; a loss that stands still divides it after every two epochs.
    assert len(seen) == 1 + 2 * (math.ceil(6 / math.log10(5)) + 1)
