"""The training loop: the same answer by hand, players, parts of batches, early ends, what is kept."""

import math

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

import peira
from peira.core.errors import DataError, LearningError, ParameterError
from peira.training import (
    InMemory,
    Player,
    Stream,
    Training,
    checkpointing,
    minimise,
    train,
    updates_of,
    watching_layers,
)

LOSS = nn.functional.mse_loss


def problem(seed: int, N: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(N, 3, generator=g)
    return X, X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(N, 1, generator=g)


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


def flat(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_it_is_the_loop_that_one_would_write(seed):
    X, y = problem(seed)
    ours, mine = net(), net()
    batches = InMemory(X, y, size=7, seed=seed)
    minimise(ours, lambda x, t: LOSS(ours(x), t), batches, Training(optimiser="adam", epochs=3))
    rule = torch.optim.Adam(mine.parameters(), fused=True)
    for epoch in range(3):
        for x, t in batches.epoch(epoch):
            rule.zero_grad()
            LOSS(mine(x), t).backward()
            rule.step()
    assert torch.equal(flat(ours), flat(mine))


def test_every_item_comes_once_in_an_epoch_in_another_order(seed):
    items = torch.arange(23)
    batches = InMemory(items, size=5, seed=seed)
    first, second = (torch.cat([b for (b,) in batches.epoch(e)]) for e in (0, 1))
    assert len(batches) == 5
    assert torch.equal(first.sort().values, items)
    assert torch.equal(second.sort().values, items)
    assert not torch.equal(first, second)
    assert torch.equal(torch.cat([b for (b,) in batches.epoch(1, start=2)]), second[10:])


def test_two_processes_share_each_batch(seed):
    items = torch.arange(24)
    whole = [b for (b,) in InMemory(items, size=6, seed=seed).epoch(3)]
    parts = [[b for (b,) in InMemory(items, size=3, seed=seed, share=(r, 2)).epoch(3)] for r in (0, 1)]
    for b, left, right in zip(whole, *parts, strict=True):
        assert torch.equal(b, torch.cat([left, right]))


def test_parts_of_a_batch_give_its_gradient(seed):
    X, y = problem(seed)
    whole, parts = net(), net()
    for module, size in ((whole, None), (parts, 3)):
        training = Training(optimiser="sgd", learning_rate=0.1, epochs=2, micro_batch=size)
        minimise(module, lambda x, t, m=module: LOSS(m(x), t), InMemory(X, y, size=8, seed=seed), training)
    torch.testing.assert_close(flat(whole), flat(parts), rtol=1e-5, atol=1e-6)


def test_same_seed_same_weights_and_global_chance_is_untouched(seed):
    X, y = problem(seed)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    runs = []
    for _ in range(2):
        module = net(dropout=0.5)
        minimise(
            module, lambda x, t, m=module: LOSS(m(x), t), InMemory(X, y, size=8, seed=3), Training(epochs=2), seed=5
        )
        runs.append(flat(module))
    assert torch.equal(*runs)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_two_players_against_each_other():
    """The saddle point of x y + (x^2 - y^2) / 10 is the origin; one descends, the other climbs."""
    x, y = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(x.weight, 1.0), nn.init.constant_(y.weight, -1.0)
    training = Training(optimiser="sgd", learning_rate=0.1, updates=2000)
    one = torch.ones(1, 1)
    players = {"down": Player(x, training, 2000), "up": Player(y, training, 2000)}

    def value() -> torch.Tensor:
        a, b = players["down"](one), players["up"](one)
        return (a * b + 0.1 * (a**2 - b**2)).sum()

    def step(batch, players):
        down = value()
        players["down"].minimise(down)  # leaves a gradient in y, which is none of the next loss
        players["up"].minimise(-value())
        return {"value": down, "mean": 0.5}

    train(step, players, InMemory(one, size=1, seed=0), training)
    assert abs(x.weight.item()) < 1e-3 and abs(y.weight.item()) < 1e-3


def test_only_the_named_weights_change():
    X, y = problem(0)
    module = net()
    before = [p.detach().clone() for p in module.parameters()]
    minimise(module, lambda x, t: LOSS(module(x), t), InMemory(X, y, size=8, seed=0), Training(epochs=1),
             parameters=module[3].parameters())  # fmt: skip
    same = [torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert same == [True, True, False, False]


def test_the_best_weights_by_evaluation_stay():
    w = nn.Linear(1, 1, bias=False)
    nn.init.constant_(w.weight, 3.0)
    one = torch.ones(1, 1)
    seen = []

    def evaluate() -> float:  # best when the weight passes 1 on its way to 0
        seen.append(w.weight.item())
        return abs(w.weight.item() - 1.0)

    training = Training(optimiser="sgd", learning_rate=0.05, updates=100, patience=5)
    owner = type("Owner", (), {})()
    minimise(w, lambda x: (w(x) ** 2).mean(), InMemory(one, size=1, seed=0), training, evaluate=evaluate, owner=owner)
    assert w.weight.item() == min(seen, key=lambda v: abs(v - 1.0))
    assert owner.stopped_ == "no gain" and len(seen) < 100
    assert len(owner.history_["loss"]) == len(owner.history_["validation_loss"]) == owner.n_iter_ == len(seen)


def test_running_means_answer():
    w = nn.Linear(1, 1, bias=False)
    nn.init.constant_(w.weight, 1.0)
    mean, value = 1.0, 1.0
    training = Training(optimiser="sgd", learning_rate=0.1, updates=7, average=0.8)
    minimise(w, lambda x: 0.5 * (w(x) ** 2).mean(), InMemory(torch.ones(1, 1), size=1, seed=0), training)
    for _ in range(7):
        value *= 0.9
        mean = 0.8 * mean + 0.2 * value
    assert math.isclose(w.weight.item(), mean, rel_tol=1e-6)


def test_a_plateau_divides_the_rate():
    w = nn.Linear(1, 1)
    told = []
    training = Training(optimiser="sgd", learning_rate=1.0, updates=20, schedule="plateau", patience=2)
    with peira.observing(lambda e: told.append(e.values.get("learning_rate")) if e.kind == "step" else None):
        minimise(w, lambda x: 0.0 * w(x).sum() + 1.0, InMemory(torch.ones(1, 1), size=1, seed=0), training)
    rates = [round(r, 10) for r in told if r]
    assert rates[0] == 1.0 and 0.2 in rates and 0.04 in rates and sorted(rates, reverse=True) == rates


def test_clipping_and_largest_norms(seed):
    X, y = problem(seed)
    module = net()
    training = Training(optimiser="sgd", learning_rate=1.0, updates=1, clip=0.01, max_norm=0.5, batch_size=None)
    before = flat(module)
    minimise(module, lambda x, t: 1e3 * LOSS(module(x), t), InMemory(X, y, size=None, seed=0),
             Training(**{**vars(training), "max_norm": None}))  # fmt: skip
    assert math.isclose(float((flat(module) - before).norm()), 0.01, rel_tol=1e-3)
    minimise(module, lambda x, t: LOSS(module(x), t), InMemory(X, y, size=None, seed=0), training)
    assert all(float(p.detach().norm(dim=1).max()) <= 0.5 + 1e-6 for p in module.parameters() if p.dim() > 1)


def test_lbfgs_solves_least_squares(seed):
    X, y = problem(seed)
    w = nn.Linear(3, 1, bias=False).double()
    training = Training(optimiser="lbfgs", updates=60, batch_size=None)
    minimise(
        w, lambda x, t: LOSS(w(x), t), InMemory(X.double(), y.double(), size=None, seed=0, shuffle=False), training
    )
    exact = torch.linalg.lstsq(X.double(), y.double()).solution
    torch.testing.assert_close(w.weight.T, exact, rtol=1e-6, atol=1e-8)


def test_a_stream_learns_as_memory_does(seed):
    X, y = problem(seed)
    memory = InMemory(X, y, size=8, seed=seed)
    a, b = net(), net()
    minimise(a, lambda x, t: LOSS(a(x), t), memory, Training(epochs=2))
    minimise(b, lambda x, t: LOSS(b(x), t), Stream(lambda e: memory.epoch(e), len(memory)), Training(epochs=2))
    assert torch.equal(flat(a), flat(b))


def test_a_part_of_an_epoch():
    assert updates_of(Training(epochs=0.5), InMemory(torch.ones(40, 1), size=4, seed=0)) == 5


def test_a_frozen_part_stays_as_it_is():
    X, y = problem(0)
    module = nn.Sequential(nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)), nn.Linear(8, 1))
    module[0].requires_grad_(False)
    before = {name: t.clone() for name, t in module.state_dict().items()}
    minimise(module, lambda a, b: LOSS(module(a), b), InMemory(X, y, size=8, seed=0), Training(epochs=1))
    changed = [name for name, t in module.state_dict().items() if not torch.equal(t, before[name])]
    assert changed == ["1.weight", "1.bias"]


def test_arrays_and_single_tensors_are_batches_too():
    X, y = problem(0)
    told, module = [], net()
    batches = Stream(lambda epoch: [X[:8], X[8:16].numpy()], 2)
    minimise(module, lambda x: (told.append(len(x)), module(x).square().mean())[1], batches, Training(epochs=1))
    assert told == [8, 8]
    rows = InMemory(X.numpy(), y.numpy(), size=8, seed=0)
    minimise(module, lambda x, t: LOSS(module(x), t), rows, Training(updates=1))


# ---------------------------------------------------------------------- no numbers


def test_a_loss_that_is_no_number_stops_with_the_layer_and_keeps_good_weights():
    class Root(nn.Module):
        def forward(self, x):
            return torch.sqrt(x)

    module = nn.Sequential(nn.Linear(1, 1, bias=False), Root())
    nn.init.constant_(module[0].weight, 0.5)
    training = Training(optimiser="sgd", learning_rate=0.3, updates=50)  # w falls below zero: the root is no number
    one = torch.ones(1, 1)
    because = r"the layer '1' \(Root\) is the first whose output is not finite: .* undefined there"
    with pytest.warns(ConvergenceWarning, match=rf"update \d+ is no number: {because}"):
        minimise(module, lambda x: module(x).mean(), InMemory(one, size=1, seed=0), training)
    assert torch.isfinite(module[0].weight).all()


def test_weights_that_overflow_are_put_back():
    w = nn.Linear(1, 1, bias=False)
    nn.init.constant_(w.weight, 1.0)
    training = Training(optimiser="sgd", learning_rate=1e30, updates=50)
    with pytest.warns(ConvergenceWarning, match="lower learning_rate"):
        minimise(w, lambda x: (w(x) ** 4).mean(), InMemory(torch.ones(1, 1), size=1, seed=0), training)
    assert torch.isfinite(w.weight).all()


def test_no_number_at_the_start_is_an_error():
    w = nn.Linear(1, 1)
    with pytest.raises(LearningError, match="update 1 is no number: the layer"):
        minimise(w, lambda x: w(x).mean(), InMemory(torch.full((1, 1), math.nan), size=1, seed=0), Training(updates=3))


# ---------------------------------------------------------------------- watching


def test_statistics_of_layers_come_when_asked():
    X, y = problem(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    found = []
    with peira.observing(lambda e: found.append(e.values) if e.kind == "step" else None), watching_layers(every=3):
        minimise(module, lambda x, t: LOSS(module(x), t), InMemory(X, y, size=10, seed=0), Training(epochs=2))
    told = [v for v in found if "weight/0.weight" in v]
    assert len(told) == 3  # updates 0, 3 and 6 of 8
    assert 0 < told[0]["zeros/1"] < 1
    assert all(told[0][f"{what}/0.weight"] > 0 for what in ("weight", "gradient", "change"))
    assert not any(p._backward_hooks for p in module.parameters())


def test_the_gradients_told_of_a_player_are_those_of_its_own_loss(seed):
    X, made, judged = problem(seed)[0], net(1), net(2)
    training = Training(optimiser="sgd", learning_rate=0.1, updates=1, clip=1e-3)
    own, found = {}, {}

    def step(batch, players):
        for name, of, sign in (("judged", judged, 1), ("made", made, -1)):
            loss = sign * judged(made(batch[0]) * batch[0]).mean()  # both have a part in both losses
            slopes = torch.autograd.grad(loss, list(of.parameters()), retain_graph=True)
            named = (f"gradient/{name}.{n}" for n, _ in of.named_parameters())
            own.update({n: float(g.norm()) for n, g in zip(named, slopes, strict=True)})
            players[name].minimise(loss)
        return {"loss": loss}

    with peira.observing(lambda e: found.update(e.values) if e.path[-1] == "update" else None), watching_layers():
        players = {"judged": Player(judged, training, 1), "made": Player(made, training, 1)}
        train(step, players, InMemory(X, size=None, seed=0), training)
    assert len(own) == 8 and {name: found[name] for name in own} == pytest.approx(own)


def test_the_gradients_told_are_without_the_scale_of_half_precision(seed):
    X, y = problem(seed)

    def first(precision):  # a scale that was too large is halved, and the weights stay as they are
        module, told = net(), []
        with peira.observing(lambda e: told.append(e.values)), watching_layers(every=1):
            minimise(module, lambda x, t: LOSS(module(x).float(), t), InMemory(X, y, size=None, seed=0),
                     Training(updates=9, precision=precision))  # fmt: skip
        slopes = ({n: v for n, v in values.items() if n.startswith("gradient/")} for values in told)
        return next(of for of in slopes if of and math.isfinite(sum(of.values())))

    assert len(first("float16")) == 4 and first("float16") == pytest.approx(first("float32"), rel=0.02)


def test_an_interruption_ends_it_and_keeps_what_was_learned():
    X, y = problem(0)
    module = net()
    owner = type("Owner", (), {})()
    with peira.limiting(seconds=0.0):
        minimise(
            module, lambda x, t: LOSS(module(x), t), InMemory(X, y, size=8, seed=0), Training(epochs=50), owner=owner
        )
    assert owner.stopped_ == "out of time" and owner.n_iter_ == 1


def test_weights_whose_loss_overflows_are_not_kept(seed):
    w = nn.Linear(1, 1)
    one = torch.ones(8, 1)
    training = Training(optimiser="sgd", learning_rate=50.0, updates=1000)
    with pytest.warns(ConvergenceWarning, match="Kept are the weights of"):
        minimise(w, lambda x: (w(x) ** 2).mean(), InMemory(one, size=2, seed=seed), training)
    assert torch.isfinite((w(one) ** 2).mean())


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_gradient_that_is_no_number_leaves_numbers(average):
    w, asked = nn.Linear(1, 1), 0

    def loss(x):  # the slope of a root at zero, at the last update of the first epoch
        nonlocal asked
        asked += 1
        value = w(x).mean()
        return value**2 + (torch.sqrt(value * 0).sum() if asked == 4 else 0.0)

    with pytest.warns(ConvergenceWarning, match="no longer finite"):
        minimise(w, loss, InMemory(torch.ones(8, 1), size=2, seed=0), Training(optimiser="sgd", average=average))
    assert torch.isfinite(w.weight).all()


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_a_gradient_of_the_last_update_that_is_no_number_leaves_numbers(seconds):
    w = nn.Linear(1, 1)
    training = Training(optimiser="sgd", updates=1 if seconds is None else 9)
    batches, asked = InMemory(torch.ones(8, 1), size=2, seed=0), []

    def loss(x):  # the slope of a root at zero, at every update but the first
        asked.append(None)
        value = w(x).mean()
        return value**2 + (torch.sqrt(value * 0).sum() if len(asked) == training.updates or seconds == 0.0 else 0.0)

    with (
        peira.limiting(seconds),
        pytest.warns(ConvergenceWarning, match="after update 1, the last one, the weights 'weight' are no longer fin"),
    ):
        minimise(w, loss, batches, training)
    assert torch.isfinite(w.weight).all()


def test_a_search_that_finds_no_number_names_the_layer():
    w = nn.Sequential(nn.Linear(1, 1))
    batches = InMemory(torch.full((2, 1), math.nan), size=None, seed=0)
    with pytest.raises(LearningError, match=r"the layer '0' \(Linear\) was given values that are not finite"):
        minimise(w, lambda x: w(x).mean(), batches, Training(optimiser="lbfgs", updates=3))


def test_a_trial_of_the_line_search_may_leave_where_the_loss_is_defined():
    w = nn.ParameterList([nn.Parameter(torch.tensor([3.0]))])
    training = Training(optimiser="lbfgs", learning_rate=20.0, batch_size=None, updates=20)
    batches = InMemory(torch.ones(4, 1), size=None, seed=0, shuffle=False)
    minimise(w, lambda x: (w[0] - torch.log(w[0])).sum() + 0 * x.sum(), batches, training)
    assert abs(w[0].item() - 1) < 1e-3


def test_a_training_cut_by_a_budget_goes_on_as_if_it_had_not_been(tmp_path, seed):
    X, y = problem(seed, N=400)

    def learn(folder, seconds):
        while True:
            module, owner = net(), type("Owner", (), {})()
            training = Training(optimiser="sgd", learning_rate=0.02, updates=1500, patience=3)
            with checkpointing(folder, every=1e9), peira.limiting(seconds):
                minimise(
                    module, lambda a, b, m=module: LOSS(m(a), b), InMemory(X, y, size=1, seed=0), training, owner=owner,
                    evaluate=lambda m=module: {"loss": float(LOSS(m(X[:50]), y[:50]))},
                )  # fmt: skip
            if owner.stopped_ != "out of time":
                return flat(module), owner.history_

    (whole, history), (cut, again) = learn(tmp_path / "whole", None), learn(tmp_path / "cut", 0.2)
    assert torch.equal(whole, cut)
    assert history == again


def test_what_is_asked_wrongly_is_said():
    with pytest.raises(DataError, match="not a single item"):
        InMemory(torch.zeros(0, 3), size=None, seed=0)
    w = nn.Linear(1, 1)
    stream = Stream(lambda epoch: [(torch.ones(1, 1),)] * 2, 3)
    with pytest.raises(DataError, match="epoch 1 ended after 2 of 3 batches"):
        minimise(w, lambda x: (w(x) ** 2).mean(), stream, Training(epochs=1))
    for size in (0, -1):
        with pytest.raises(ParameterError, match=f"one item or more, got size={size}"):
            InMemory(torch.ones(3, 1), size=size, seed=0)
    with pytest.raises(DataError, match="nothing to learn from"):
        InMemory(size=None, seed=0)
    training = Training(updates=1)
    one = InMemory(torch.ones(2, 1), size=2, seed=0)
    with pytest.raises(ParameterError, match="nobody is to learn"):
        train(lambda batch, players: {"loss": 1.0}, {}, one, training)
    for loss, expected in (
        (lambda x: None, "got NoneType"),
        (lambda x: w(x).mean().item(), "got float"),
        (lambda x: w(x), r"a tensor of shape \(2, 1\): take its mean"),
        (lambda x: w(x).mean() * 1j, "a real number, got complex64: take its modulus"),
        (lambda x: w(x).mean().detach(), "depends on no weight that learns"),
    ):
        with pytest.raises((TypeError, DataError), match=expected):
            minimise(w, loss, one, training)
    for batches in ([(torch.ones(1, 1),)], Stream(lambda epoch: [{"x": 1}], 1)):
        with pytest.raises((TypeError, DataError), match="got list; a DataLoader d becomes|tuple of tensors.*got dict"):
            minimise(w, lambda x: w(x).mean(), batches, training)
    with pytest.raises(DataError, match="got tuple of Tensor, int"):
        minimise(w, lambda x, n: w(x).mean(), Stream(lambda epoch: [(torch.ones(1, 1), 3)], 1), training)
    with pytest.raises(TypeError, match="tells at least its loss.* got 3.0"):
        train(lambda batch, players: 3.0, {"w": Player(w, training, 1)}, one, training)
    with pytest.raises(TypeError, match="tells at least its loss"):
        train(
            lambda batch, players: {},
            {"w": Player(w, training, 1)},
            InMemory(torch.ones(1, 1), size=1, seed=0),
            training,
        )


def test_what_was_put_aside_is_always_asked_once():
    X, y = problem(0)
    module, asked = net(), []
    minimise(
        module, lambda a, b: LOSS(module(a), b), InMemory(X, y, size=8, seed=0), Training(updates=7, evaluate_every=50),
        evaluate=lambda: asked.append(1) or {"loss": 1.0},
    )  # fmt: skip
    assert asked == [1]


def test_a_batch_may_be_one_number():
    w = nn.Linear(1, 1)
    minimise(w, lambda x: (w(x[None]) ** 2).mean(), Stream(lambda epoch: [torch.ones(())] * 2, 2), Training(epochs=1))


def test_weights_of_complex_numbers_and_of_whole_ones():
    """The least squares of complex numbers, with a table of whole numbers beside them that does not learn."""

    class Turn(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2, dtype=torch.complex64))
            self.table = nn.Parameter(torch.arange(3), requires_grad=False)
            self.unused = nn.Parameter(torch.ones(1))

    turn, z = Turn(), torch.randn(16, 2, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    wanted = torch.tensor([1j, -1 + 1j])
    training = Training(optimiser="adam", learning_rate=0.05, updates=400, average=0.5, clip=10.0)
    minimise(turn, lambda z: ((z * (turn.w - wanted)).abs() ** 2).mean(), InMemory(z, size=None, seed=0), training)
    torch.testing.assert_close(turn.w.detach(), wanted, rtol=0, atol=1e-3)
    assert torch.equal(turn.table, torch.arange(3)) and turn.unused.item() == 1.0
