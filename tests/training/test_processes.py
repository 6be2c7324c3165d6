"""Several processes learn what one learns from batches as large as theirs together."""

import runpy
import subprocess
import sys
from unittest import mock

import pytest
import torch

SCRIPT = """
import contextlib, pathlib, shutil, sys, torch
from torch import nn
import peira
from peira.training import (
    InMemory, Player, Training, checkpointing, join_processes, minimise, share, train, updates_of
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


with join_processes("gloo") as (rank, size):
    weights = {kind: learned(kind, size) for kind in sys.argv[3:]}
    weights["resumed"] = resumed(rank, size, sys.argv[2])
    if rank == 0:
        torch.save(weights, sys.argv[1])
"""
KINDS = ("copied", "players", "evaluated", "sharded", "kept", "ended")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """What one process learns, and what two learn together."""
    folder = tmp_path_factory.mktemp("processes")
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
