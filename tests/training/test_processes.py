"""Several processes learn what one learns from batches as large as theirs together."""

import subprocess
import sys

import pytest
import torch

SCRIPT = """
import sys, torch
from torch import nn
from peira.training import InMemory, Player, Training, join_processes, minimise, share, train, updates_of

torch.set_num_threads(1)


def learned(kind, size):
    g = torch.Generator().manual_seed(0)
    X = torch.randn(48, 5, generator=g)
    y = X.sum(1, keepdim=True).sin()
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
    training = Training(optimiser="adam", epochs=5, sharded=kind == "sharded", patience=100)
    batches = InMemory(X, y, size=12 // size, seed=3, share=share())

    def evaluate():
        return {"loss": float(((net(X) - y) ** 2).mean())}

    def step(batch, players):
        loss = ((players["net"](batch[0]) - batch[1]) ** 2).mean()
        players["net"].minimise(loss)
        return {"loss": loss.detach()}

    if kind == "players":
        train(step, {"net": Player(net, training, updates_of(training, batches))}, batches, training, seed=7)
    else:
        minimise(net, lambda x, t: ((net(x) - t) ** 2).mean(), batches, training, seed=7,
                 evaluate=evaluate if kind == "evaluated" else None)
    whole = {n: w.full_tensor() if hasattr(w, "full_tensor") else w for n, w in net.state_dict().items()}
    return {n: w.detach().clone() for n, w in whole.items()}


with join_processes("gloo") as (rank, size):
    weights = {kind: learned(kind, size) for kind in sys.argv[2:]}
    if rank == 0:
        torch.save(weights, sys.argv[1])
"""
KINDS = ("copied", "players", "evaluated", "sharded")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """What one process learns, and what two learn together."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "script.py"
    script.write_text(SCRIPT)
    found = []
    for launch in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]):
        out = folder / f"{len(found)}.pt"
        ran = subprocess.run(
            [sys.executable, *launch, str(script), str(out), *KINDS], capture_output=True, text=True, timeout=240
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        found.append(torch.load(out, weights_only=True))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one_with_the_doubled_batch(weights, kind):
    alone, together = (w[kind] for w in weights)
    for name, w in alone.items():
        torch.testing.assert_close(w, together[name], rtol=0, atol=1e-6)
