"""A training that is killed at any moment, and resumed, ends with the very same weights."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from peira.core.errors import UnreadableError
from peira.neural import MLPRegressor
from peira.neural.deep_ensemble import DeepEnsembleRegressor
from peira.sequences import SequenceRegressor
from peira.training import InMemory, Training, checkpointing, minimise

SCRIPT = """
import os, signal, sys, time, torch
from torch import nn
from peira.training import InMemory, Training, checkpointing, minimise

torch.set_num_threads(1)


def life(folder, out, pause):
    g = torch.Generator().manual_seed(0)
    X = torch.randn(64, 5, generator=g)
    y = X.sum(1, keepdim=True).sin()
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
    training = Training(updates=90, batch_size=10, schedule="cosine", average=0.9, clip=1.0, patience=50)

    def loss(x, t):
        if net.training:
            time.sleep(pause)
        return ((net(x) - t) ** 2).mean()

    def evaluate():
        return {"loss": float(((net(X[:20]) - y[:20]) ** 2).mean())}

    class Owner: pass
    owner = Owner()
    with checkpointing(folder, every=0.0 if pause else 1e9):
        minimise(net, loss, InMemory(X[20:], y[20:], size=10, seed=3), training, owner=owner, seed=7, evaluate=evaluate)
    torch.save({"w": net.state_dict(), "h": owner.history_, "n": owner.n_iter_}, out)


def forked(*arguments, kill_after=None):  # a process that has imported everything, killed for good if asked
    child = os.fork()
    if child == 0:
        try:
            life(*arguments)
        except BaseException:
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    print("killed" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)


folder, *delays = sys.argv[1:]
forked(folder + "/whole", folder + "/whole.pt", 0.0)
for delay in [*map(float, delays), None]:
    forked(folder + "/cut", folder + "/cut.pt", 0.01, kill_after=delay)
"""


def test_killed_at_random_moments_it_ends_with_the_same_weights(tmp_path, seed):
    chance = random.Random(seed)
    delays = [str(chance.uniform(0.0, 0.35)) for _ in range(6)]
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *delays], capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    lives = ran.stdout.split()
    assert lives[0] == lives[-1] == "0" and lives.count("killed") >= 2
    whole, cut = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "cut"))
    assert all(torch.equal(whole["w"][name], cut["w"][name]) for name in whole["w"])
    assert whole["h"] == cut["h"]
    assert whole["n"] == cut["n"]


def small(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(2, 1)


def learn(folder, module, X, training):
    with checkpointing(folder, every=0.0):
        minimise(module, lambda x: (module(x) ** 2).mean(), InMemory(X, size=4, seed=0), training)
    return module


def test_a_training_that_ended_is_not_done_again(tmp_path):
    X, training = torch.randn(12, 2, generator=torch.Generator().manual_seed(0)), Training(updates=20)
    first = learn(tmp_path, small(), X, training)
    at = (tmp_path / "training-1.safetensors").stat().st_mtime_ns
    again = small(1)

    def never(x):
        raise AssertionError("nothing is left to do")

    with checkpointing(tmp_path, every=0.0):
        minimise(again, never, InMemory(X, size=4, seed=0), training)
    assert torch.equal(first.weight, again.weight)
    assert (tmp_path / "training-1.safetensors").stat().st_mtime_ns == at


@pytest.mark.parametrize("change", ["data", "training", "net"])
def test_the_checkpoint_of_another_training_is_refused(tmp_path, change):
    X, training = torch.randn(12, 2, generator=torch.Generator().manual_seed(0)), Training(updates=20)
    learn(tmp_path, small(), X, training)
    kept = (tmp_path / "training-1.safetensors").read_bytes()
    module = nn.Linear(2, 3) if change == "net" else small()
    with pytest.raises(UnreadableError, match="another training"):
        learn(tmp_path, module, X + (change == "data"), Training(updates=20 + (change == "training")))
    assert (tmp_path / "training-1.safetensors").read_bytes() == kept


BRIEF = Training(updates=2)


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        (MLPRegressor(hidden_layer_sizes=(2,), training=BRIEF, random_state=0), sparse.csr_array),
        (DeepEnsembleRegressor(hidden_layer_sizes=(2,), training=BRIEF), np.asarray),
        (SequenceRegressor(hidden=2, training=BRIEF, random_state=0), lambda X: list(X[:, :, None])),
    ],
)
def test_a_fit_whose_batches_are_gathered_by_number_notices_other_inputs(tmp_path, method, shape, seed):
    X, y = np.random.default_rng(seed).normal(size=(2, 6, 3)), np.arange(6.0)
    X[:, :, 0] = 0.0
    with checkpointing(tmp_path):
        method.fit(shape(X[0]), y)
    with checkpointing(tmp_path):
        method.fit(shape(X[0]), y)
    with checkpointing(tmp_path), pytest.raises(UnreadableError, match="another training"):
        method.fit(shape(X[1]), y)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 100])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "training-1.safetensors").write_bytes(content)
    with pytest.raises(UnreadableError, match="not a checkpoint"):
        learn(tmp_path, small(), torch.ones(4, 2), Training(updates=2))


def test_several_trainings_are_numbered(tmp_path):
    with checkpointing(tmp_path, every=0.0):
        for seed in (0, 1):
            module = small(seed)
            minimise(module, lambda x, m=module: (m(x) ** 2).mean(), InMemory(torch.ones(4, 2), size=4, seed=0),
                     Training(updates=2))  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["training-1.safetensors", "training-2.safetensors"]
