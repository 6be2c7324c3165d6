"""A training that is killed at any moment, and resumed, ends with the very same weights."""

import errno
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
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


BRIEF = Training(updates=2)


def layers(last=nn.ReLU):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 2), last())


OTHER = {
    "data": {"X": torch.ones(12, 2)},
    "training": {"training": Training(updates=3)},
    "order": {"seed": 1},
    "shapes": {"module": lambda: nn.Linear(2, 3)},
    "layers": {"module": lambda: layers(nn.Tanh)},
    "frozen": {"parts": lambda net: net[0].bias},
    "rates": {"parts": lambda net: net.parameters(), "rate": 0.5},
}


@pytest.mark.parametrize("change", OTHER)
def test_the_checkpoint_of_another_training_is_refused(tmp_path, change):
    def learn(module=layers, X=None, training=BRIEF, seed=0, parts=nn.Module.parameters, rate=0.1):
        net, X = module(), torch.zeros(12, 2) if X is None else X
        groups = [{"params": parts(net), "lr": rate}]
        with checkpointing(tmp_path, every=0.0):
            minimise(net, lambda x: (net(x) ** 2).mean(), InMemory(X, size=4, seed=seed), training, parameters=groups)

    learn()
    kept = (tmp_path / "training-1.safetensors").read_bytes()
    learn()
    with pytest.raises(UnreadableError, match="another training"):
        learn(**OTHER[change])
    assert (tmp_path / "training-1.safetensors").read_bytes() == kept


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


def test_a_checkpoint_cut_short_anywhere_is_refused_and_left_alone(tmp_path, seed):
    learn(tmp_path, small(), torch.ones(4, 2), BRIEF)
    file = tmp_path / "training-1.safetensors"
    content, module = file.read_bytes(), small(1)
    before = module.weight.detach().clone()
    for length in {8, len(content) - 1, *random.Random(seed).sample(range(len(content)), 20)}:
        file.write_bytes(content[:length])
        with pytest.raises(UnreadableError, match="training-1.safetensors is not a checkpoint"):
            learn(tmp_path, module, torch.ones(4, 2), BRIEF)
        assert file.read_bytes() == content[:length]
    assert torch.equal(module.weight, before)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "its tensors are somebody else's"),
        ({"peira": '{"format": 1, "training": ""}'}, "of this version of Peira; end that training with the version"),
        ({"peira": "[]"}, "of this version of Peira"),
        ({"peira": "{"}, "the header of .*training-1"),
    ],
)
def test_tensors_of_somebody_else_and_of_another_format_are_refused(tmp_path, header, said):
    save_file({"weight": torch.ones(2)}, tmp_path / "training-1.safetensors", metadata=header)
    with pytest.raises(UnreadableError, match=said):
        learn(tmp_path, small(), torch.ones(4, 2), BRIEF)


@pytest.mark.parametrize(("place", "name"), [(tempfile, "mkstemp"), (os, "fsync"), (os, "replace")])
def test_a_full_disk_is_said_and_the_checkpoint_before_it_stands(tmp_path, monkeypatch, place, name):
    X, training, file = torch.ones(4, 2), Training(updates=9), tmp_path / "training-1.safetensors"
    written, real = [], getattr(place, name)

    def full(*arguments, **named):
        written.append(None)
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **named)

    monkeypatch.setattr(place, name, full)
    with pytest.raises(OSError, match="training-1.safetensors was not written, the one before it is whole: No space"):
        learn(tmp_path, small(), X, training)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]  # and nothing half done
    onward, whole = learn(tmp_path, small(), X, training), learn(tmp_path / "whole", small(), X, training)
    assert torch.equal(onward.weight, whole.weight)


def test_a_training_that_was_over_says_again_why(tmp_path):
    X = torch.ones(4, 2)
    for _ in range(2):
        module, owner = small(), type("Owner", (), {})()
        with checkpointing(tmp_path):
            minimise(module, lambda x, m=module: (m(x) ** 2).mean(), InMemory(X, size=4, seed=0),
                     Training(updates=50, patience=3), owner=owner, evaluate=lambda: 1.0)  # fmt: skip
        assert owner.stopped_ == "no gain" and owner.n_iter_ == 4


def test_several_trainings_are_numbered(tmp_path):
    with checkpointing(tmp_path, every=0.0):
        for seed in (0, 1):
            module = small(seed)
            minimise(module, lambda x, m=module: (m(x) ** 2).mean(), InMemory(torch.ones(4, 2), size=4, seed=0),
                     Training(updates=2))  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["training-1.safetensors", "training-2.safetensors"]
