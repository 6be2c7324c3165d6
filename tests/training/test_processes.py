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
out, kind = sys.argv[1], sys.argv[2]
with join_processes("gloo") as (rank, size):
    g = torch.Generator().manual_seed(0)
    X = torch.randn(48, 5, generator=g)
    y = X.sum(1, keepdim=True).sin()
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
    training = Training(optimiser="adam", epochs=5, sharded=kind == "sharded", patience=100)
    batches = InMemory(X, y, size=12 // size, seed=3, share=share())

    def evaluate():
        return {"loss": float(((net(X) - y) ** 2).mean())}

    if kind == "players":
        player = Player(net, training, updates_of(training, batches))

        def step(batch, players):
            loss = ((players["net"](batch[0]) - batch[1]) ** 2).mean()
            players["net"].minimise(loss)
            return {"loss": loss.detach()}

        train(step, {"net": player}, batches, training, seed=7)
    else:
        minimise(net, lambda x, t: ((net(x) - t) ** 2).mean(), batches, training, seed=7,
                 evaluate=evaluate if kind == "evaluated" else None)
    whole = {n: w.full_tensor() if hasattr(w, "full_tensor") else w for n, w in net.state_dict().items()}
    state = {n: w.detach().clone() for n, w in whole.items()}
    if rank == 0:
        torch.save(state, out)
"""


@pytest.mark.parametrize("kind", ["copied", "players", "evaluated", "sharded"])
def test_two_processes_equal_one_with_the_doubled_batch(tmp_path, kind):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    weights = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.pt"
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if processes == 2 else []
        ran = subprocess.run(
            [sys.executable, *launch, str(script), str(out), kind], capture_output=True, text=True, timeout=240
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        weights.append(torch.load(out, weights_only=True))
    for name, w in weights[0].items():
        torch.testing.assert_close(w, weights[1][name], rtol=0, atol=1e-6)
