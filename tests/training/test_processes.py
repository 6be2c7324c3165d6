"""Several processes learn what one learns from batches as large as theirs together."""

import subprocess
import sys

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
        schedule="cosine" if kept else "constant", clip=1.0 if kept else None,
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

    if kept:
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
KINDS = ("copied", "players", "evaluated", "sharded", "kept")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """What one process learns, and what two learn together."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "script.py"
    script.write_text(SCRIPT)
    found = []
    for launch in (["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"], []):
        out = folder / f"{len(found)}.pt"
        ran = subprocess.run(
            [sys.executable, *launch, str(script), str(out), str(folder), *KINDS], capture_output=True, text=True,
            timeout=240,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-3000:]
        found.append(torch.load(out, weights_only=True))
    return found[::-1]


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
