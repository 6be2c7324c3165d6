"""Several processes learn what one learns from batches as large as theirs together."""

import re
import runpy
import subprocess
import sys
from unittest import mock

import pytest
import torch

SCRIPT = """
import contextlib, pathlib, shutil, sys, warnings, torch
from torch import nn
import peira
from peira.core.errors import LearningError
from peira.neural import LangevinRegressor
from peira.training import (
    InMemory, Player, Stream, Training, checkpointing, join_processes, minimise, share, train, updates_of,
    watching_layers,
)

torch.set_num_threads(1)


def resumed(rank, size, folder):
    # A training with checkpoints, cut off in its second epoch, and continued; of one process, as two left it.
    kept = pathlib.Path(folder, "left")
    if size == 2:
        with contextlib.suppress(KeyboardInterrupt):
            learned("kept", size, kept, stop=7)
        torch.distributed.barrier()
        if rank == 0:
            shutil.copytree(kept, pathlib.Path(folder, "taken over"))
    return learned("kept", size, kept if size == 2 else pathlib.Path(folder, "taken over"))


def learned(kind, size, folder=None, stop=None):
    g = torch.Generator().manual_seed(0)
    X = torch.randn(48, 5, generator=g)
    y = X.sum(1, keepdim=True).sin()
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
    kept = kind == "kept"
    training = Training(
        optimiser="adam", epochs=5, sharded=kind == "sharded" or kept, patience=100, average=0.9 if kept else None,
        schedule="cosine" if kept or kind == "ended" else "constant", clip=1.0 if kept else None,
    )
    batches = InMemory(X, y, size=12 // size, seed=3, share=share())
    if kind == "searched":
        training = Training(optimiser="lbfgs", updates=5)
        batches = InMemory(X, y, size=48 // size, seed=3, share=share())

    def evaluate():
        return {"loss": float(((net(X) - y) ** 2).mean())}

    def step(batch, players):
        loss = ((players["net"](batch[0]) - batch[1]) ** 2).mean()
        players["net"].minimise(loss)
        return {"loss": loss.detach()}

    told = []

    def hear(event):
        if event.path[-1] == "update" and event.kind == "step":
            told.append(event)
            if len(told) == stop:
                raise KeyboardInterrupt
            if kind == "ended" and len(told) == 7:
                end.set()

    if kind == "ended":  # the first has time until it is asked to end, the second none from the start
        with peira.limiting(600.0 if share()[0] == 0 else 0.0) as end, peira.observing(hear):
            minimise(net, lambda x, t: ((net(x) - t) ** 2).mean(), batches, training, seed=7)
        assert len(told) == 7
    elif kept:
        where = checkpointing(folder, every=0.0) if folder else contextlib.nullcontext()
        with where, peira.observing(hear):
            minimise(net, lambda x, t: ((net(x) - t) ** 2).mean(), batches, training, seed=7, evaluate=evaluate)
    elif kind == "players":
        train(step, {"net": Player(net, training, updates_of(training, batches))}, batches, training, seed=7)
    else:
        minimise(net, lambda x, t: ((net(x) - t) ** 2).mean(), batches, training, seed=7,
                 evaluate=evaluate if kind == "evaluated" else None)
    whole = {n: w.full_tensor() if hasattr(w, "full_tensor") else w for n, w in net.state_dict().items()}
    return {n: w.detach().clone() for n, w in whole.items()}


def spoilt(kind, rank):
    # The seventh batch of the second process (in "first", the first one) holds what is no number.
    g = torch.Generator().manual_seed(rank)
    rows = [torch.randn(4, 5, generator=g) for _ in range(40)]
    if rank == 1:
        rows[0 if kind == "first" else 6][2, 3] = torch.nan
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
    training = Training(updates=40, sharded=kind == "sharded", optimiser="lbfgs" if kind == "searched" else "adam")
    batches = Stream(lambda epoch: rows, 40)

    def step(batch, players):
        player = players["net"]
        player._looks = kind != "unseen"  # as on a device that would have to be waited for
        player.minimise(loss := (player(*batch) ** 2).mean())
        return {"loss": loss}

    said, told = "", []
    listening = peira.observing(lambda e: told.append(e.values)) if rank == 0 else contextlib.nullcontext()
    with warnings.catch_warnings(record=True) as heard, listening, watching_layers(every=3):
        warnings.simplefilter("always")
        try:
            if kind in ("unseen", "players"):
                train(step, {"net": Player(net, training, 40)}, batches, training)
            else:
                minimise(net, lambda x: (net(x) ** 2).mean(), batches, training)
        except LearningError as error:
            said = str(error)
    said += "".join(str(w.message) for w in heard if "no number" in str(w.message))
    whole = {n: w.full_tensor() if hasattr(w, "full_tensor") else w for n, w in net.state_dict().items()}
    return said, {n: w.detach().clone() for n, w in whole.items()}, any("gradient/0.weight" in v for v in told)


def chains(rank):
    # The seventh loss of the chains in the second process is no number.
    model = LangevinRegressor(hidden_layer_sizes=2, n_chains=1, n_samples=2, updates=20, random_state=0)
    finite, calls = model.loss, []

    def loss(*batch):
        calls.append(0)
        return finite(*batch) * (torch.nan if rank == 1 and len(calls) == 7 else 1)

    model.loss = loss
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    return "".join(str(w.message) for w in heard)


with join_processes("gloo") as (rank, size):
    if size == 2:
        pathlib.Path(sys.argv[2], f"chains-{rank}.txt").write_text(chains(rank))
        kinds = ("copied", "players", "sharded", "searched", "unseen", "first")
        torch.save({kind: spoilt(kind, rank) for kind in kinds}, sys.argv[2] + f"/spoilt-{rank}.pt")
    weights = {kind: learned(kind, size) for kind in sys.argv[3:]}
    weights["resumed"] = resumed(rank, size, sys.argv[2])
    if rank == 0:
        torch.save(weights, sys.argv[1])
"""
KINDS = ("copied", "players", "evaluated", "sharded", "kept", "ended", "searched")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def weights(folder):
    """What one process learns, and what two learn together."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    two, one = ([str(script), str(folder / f"{name}.pt"), str(folder), *KINDS] for name in ("two", "one"))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run([*launch, *two], capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr[-3000:]
    threads = torch.get_num_threads()
    with mock.patch.object(sys, "argv", one), torch.random.fork_rng():
        runpy.run_path(one[0])
    torch.set_num_threads(threads)
    return [torch.load(run[1], weights_only=True) for run in (one, two)]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one_with_the_doubled_batch(weights, kind):
    alone, together = (w[kind] for w in weights)
    for name, w in alone.items():
        torch.testing.assert_close(w, together[name], rtol=0, atol=1e-6)


def test_dealt_weights_that_were_cut_off_go_on_to_the_same_bits(weights):
    _, together = weights
    for name, w in together["kept"].items():
        assert torch.equal(w, together["resumed"][name])


def test_one_process_goes_on_with_what_two_left(weights):
    alone, _ = weights
    for name, w in alone["kept"].items():
        torch.testing.assert_close(w, alone["resumed"][name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["copied", "players", "sharded", "searched", "unseen", "first"])
def test_what_is_no_number_in_one_process_ends_all_with_its_cause(weights, folder, kind):
    (said, kept, told), (other, same, _) = (
        torch.load(folder / f"spoilt-{rank}.pt", weights_only=True)[kind] for rank in (0, 1)
    )
    assert said == other
    if kind == "unseen":  # found at one of the looks that all take together, when the weights are spoilt everywhere
        assert re.search(
            r"update 32 in process \d of 2 is no number: the weights '0.weight' are no longer finite", said
        )
    else:
        update = 1 if kind == "first" else 7
        assert f"update {update} in process 2 of 2 is no number: the layer '0' (Linear) was given values" in said
        assert ("Kept are the weights of 6 updates before" in said) == (kind != "first")
    assert all(torch.equal(w, same[name]) and torch.isfinite(w).all() for name, w in kept.items())
    assert told == (kind != "first")


def test_chains_whose_loss_is_no_number_in_one_process_end_in_all(weights, folder):
    said = [(folder / f"chains-{rank}.txt").read_text() for rank in (0, 1)]
    assert said[0] == said[1] and "update 7 in process 2 of 2 is no number" in said[0]
