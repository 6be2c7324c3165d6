"""The course of the learning rate against torch's schedulers and closed forms."""

import contextlib
import math
from itertools import pairwise
from typing import get_args

import pytest
import torch

import peira
from peira.sequences import LanguageModel
from peira.training import InMemory, Player, Training, checkpointing, minimise
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


# ---------------------------------------------------------------------- under a budget of time


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is told to go on."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def learned(clock, *, costs, seconds=None, schedule="cosine", updates=100, folder=None, stop=None):
    """The rates of a training whose updates take ``costs`` seconds each, and its last weight."""
    net, rates = torch.nn.Linear(1, 1, bias=False), []
    torch.nn.init.constant_(net.weight, 1.0)

    def hear(event):
        if event.path[-1] == "update" and event.kind == "step":
            rates.append(event.values["learning_rate"])
            clock[0] += costs(len(rates) - 1) if callable(costs) else costs
            if stop is not None and len(rates) == stop:
                raise KeyboardInterrupt  # what kills it between two updates

    how = Training(optimiser="sgd", learning_rate=1.0, schedule=schedule, updates=updates)
    keep = checkpointing(folder, every=0.0) if folder else contextlib.nullcontext()
    with peira.limiting(seconds), peira.observing(hear), keep, contextlib.suppress(KeyboardInterrupt):
        minimise(net, lambda x: 0.01 * (net(x) ** 2).sum(), InMemory(torch.ones(4, 1), size=1, seed=0), how)
    return rates, net.weight.item()


@pytest.mark.parametrize("name", ["linear", "cosine", "one cycle"])
def test_a_budget_of_time_that_ends_sooner_ends_the_course(clock, name):
    rates, _ = learned(clock, costs=3.0, seconds=30.0, schedule=name)
    assert rates == pytest.approx([rate_factor(name, t / 10) for t in range(10)])  # ten updates, of a hundred


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_that_suffices_changes_no_bit(clock, name):
    assert learned(clock, costs=0.2, schedule=name) == learned(clock, costs=0.2, seconds=21.0, schedule=name)


def test_what_is_nearer_its_end_leads(clock):
    rates, _ = learned(clock, costs=lambda u: 0.1 if u < 50 else 1.0, seconds=25.0, schedule="linear")
    # The first half of the updates takes a fifth of the time, the other half would take two thirds more than is left.
    spent = [0.1 * u if u <= 50 else 5.0 + (u - 50) for u in range(70)]
    assert rates == pytest.approx([1 - max(u / 100, t / 25) for u, t in enumerate(spent)])
    assert rates[-1] == pytest.approx(1 - 24 / 25)


def test_the_warm_up_follows_the_clock_too(clock):
    net = torch.nn.Linear(1, 1)
    with peira.limiting(10.0):
        player = Player(net, Training(optimiser="sgd", learning_rate=1.0, warmup=0.5, updates=10**6), 10**6)
        rates = []
        for _ in range(10):
            player.minimise(net(torch.ones(1, 1)).sum())
            rates.append(player.learning_rate)
            clock[0] += 1.0
    assert rates == pytest.approx([min(1.0, t / 5) for t in range(10)], abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_that_was_spent_before_still_gives_the_first_update_its_rate(clock, name):
    rates, weight = learned(clock, costs=1.0, seconds=0.0, schedule=name)
    assert rates == [rate_factor(name, 0.0)] and weight == pytest.approx(1 - 0.02 * rates[0])  # the slope is 0.02


def test_a_killed_training_goes_on_where_its_course_was(clock, tmp_path):
    first, _ = learned(clock, costs=3.0, seconds=30.0, schedule="linear", folder=tmp_path, stop=6)
    assert first == pytest.approx([1 - t / 10 for t in range(6)])
    onward, _ = learned(clock, costs=1.0, seconds=5.0, schedule="linear", folder=tmp_path)
    assert onward == pytest.approx([0.5 * (1 - t / 5) for t in range(5)])  # the checkpoint is of 15 seconds


def test_a_language_model_keeps_to_the_same_budget(clock):
    rates = []

    def hear(event):
        if event.path[-1] == "update" and event.kind == "step":
            rates.append(event.values["learning_rate"])
            clock[0] += 1.0

    model = LanguageModel(hidden_size=4, random_state=0, device="cpu")
    with peira.limiting(8.0), peira.observing(hear):
        model.fit(["abcab" * 8] * 200)
    assert model.stopped_ == "out of time" and model.updates_ == 8
    assert rates == pytest.approx([0.01 * rate_factor("one cycle", t / 8) for t in range(8)])
    assert len(model.history_["validation_loss"]) == 1  # what it came to is measured, though no epoch is whole


def test_the_rest_of_the_updates_shares_the_rest_of_the_course(clock, tmp_path):
    learned(clock, costs=1.0, seconds=10.0, schedule="linear", updates=20, folder=tmp_path, stop=6)
    onward, _ = learned(clock, costs=1.0, schedule="linear", updates=20, folder=tmp_path)
    assert onward == pytest.approx([0.5 * (1 - u / 14) for u in range(14)])


def test_after_a_spent_budget_the_course_stands_where_the_updates_do(clock, tmp_path):
    for _ in range(2):
        learned(clock, costs=1.0, seconds=5.0, schedule="linear", updates=20, folder=tmp_path)
    onward, _ = learned(clock, costs=1.0, schedule="linear", updates=20, folder=tmp_path)
    assert onward == [1 - u / 20 for u in range(10, 20)]


def test_a_kill_under_a_budget_that_suffices_changes_no_bit(clock, tmp_path):
    whole = learned(clock, costs=1.0, updates=20)
    learned(clock, costs=1.0, seconds=100.0, updates=20, folder=tmp_path, stop=7)
    rates, weight = learned(clock, costs=1.0, seconds=100.0, updates=20, folder=tmp_path)
    assert rates == whole[0][20 - len(rates) :] and weight == whole[1]
