"""Checkpoints: a training that was killed at any moment goes on as if nothing had happened.

::

    with checkpointing("runs/x/net", every=30):
        method.fit(X, y)

keeps one file in the folder: weights, state of the optimiser, generators, history, the place in the epoch. It is
replaced atomically; where that fails (the disk is full), the training ends with an error and the file before it stands.
The same call continues from it and ends with bit-identical weights; a file that belongs to another training (another
net, other parameters, other data) is refused, never overwritten. The file is safetensors with its
description as JSON in the header: reading it executes nothing.

Of several processes, the first one writes; weights that are dealt among them (``sharded=True``) are gathered for it, so
that any number of processes may go on with the file, as many as before to the same bits. Where a budget of time leads
the learning rate (`peira.training.schedules`), the course goes on from where it was, but a clock cannot be repeated.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import nn

from peira.core import strictjson
from peira.core.errors import ParameterError, UnreadableError
from peira.core.packing import pack, unpack
from peira.core.persistence import write_atomically

from .batches import Batches, state_of
from .player import Player
from .processes import agreed, share
from .training import Training

FORMAT = 3


class _Folder:
    """The folder of an enclosing `checkpointing`; the trainings inside are numbered."""

    def __init__(self, path: Path, every: float) -> None:
        self.path, self.every, self.trainings = path, every, 0


class Checkpoint:
    """The file of one training.

    Attributes
    ----------
    kept : bool
        Whether there is to be one at all.
    """

    def __init__(self, path: Path | None, every: float, training: str) -> None:
        self.path, self.every, self.training = path, every, training
        self.kept = path is not None
        self._at = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for the next one; of several processes, the first one says so."""
        return self.kept and agreed(time.monotonic() - self._at >= self.every)

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file by the present state; of several processes, the first one writes."""
        self._at = time.monotonic()
        if share()[0] != 0:
            return
        tensors: dict[str, torch.Tensor] = {}
        described = {"format": FORMAT, "training": self.training, "state": pack(state, tensors, "the training")}
        content = save_tensors(tensors, metadata={"peira": strictjson.dumps(described)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, content)
        except OSError as error:
            stands = "the one before it is whole" if self.path.exists() else "there is none"
            why = f"the checkpoint {self.path} was not written, {stands}: {error.strerror or error}"
            raise OSError(error.errno, why) from error

    def read(self) -> dict[str, Any] | None:
        """The state to go on from, None where there is none yet."""
        if not self.kept or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                text = (file.metadata() or {}).get("peira", "")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise UnreadableError(f"{self.path} is not a checkpoint: {error}") from error
        if not text:
            raise UnreadableError(f"{self.path} is not a checkpoint: its tensors are somebody else's")
        described = strictjson.loads(text.encode(), what=f"the header of {self.path}")
        if not isinstance(described, dict) or described.get("format") != FORMAT:
            raise UnreadableError(
                f"{self.path} is not a checkpoint of this version of Peira; end that training with the version that "
                "began it, or remove it"
            )
        if described.get("training") != self.training:
            raise UnreadableError(
                f"{self.path} is the checkpoint of another training (another net, other parameters, or other data); "
                "name another folder, or remove it"
            )
        return unpack(described["state"], tensors, str(self.path))


_folder: ContextVar[_Folder | None] = ContextVar("checkpoints", default=None)


@contextmanager
def checkpointing(folder: str | Path, *, every: float = 30.0) -> Iterator[None]:
    """Let the trainings inside keep checkpoints in a folder, and go on from those that they find.

    Parameters
    ----------
    folder : path
        Made when the first checkpoint is written.
    every : float, seconds, default 30
        How often; 0 is after each update.

    Raises
    ------
    UnreadableError
        From the training inside, if the folder holds the checkpoint of another one.
    OSError
        From the training inside, if a checkpoint cannot be written; the one before it stands.
    """
    token = _folder.set(_Folder(Path(folder), every))
    try:
        yield
    finally:
        _folder.reset(token)


def open_checkpoint(training: Training, seed: int, players: dict[str, Player], batches: Batches) -> Checkpoint:
    """The checkpoint of a training: one that is kept, inside of a `checkpointing`."""
    folder = _folder.get()
    if folder is None:
        return Checkpoint(None, 0.0, "")
    if share()[1] > 1 and state_of(batches, [player.net for player in players.values()]):
        raise ParameterError(
            "of several processes, the first one writes the checkpoint, which has no place for what the streams of "
            "the others depend on"
        )
    folder.trainings += 1
    who = [
        (name, _parts(player.net), [(len(g["params"]), g["initial_lr"]) for g in player.optimiser.param_groups])
        for name, player in players.items()
    ]
    mark = _digest(training, seed, len(batches), getattr(batches, "seed", 0), who, *getattr(batches, "origin", ()))
    return Checkpoint(folder.path / f"training-{folder.trainings}.safetensors", folder.every, mark)


def _parts(net: nn.Module) -> list[tuple[Any, ...]]:
    """What a net is made of: its layers by kind, its weights and buffers by shape."""
    layers = [(name, type(layer).__name__) for name, layer in net.named_modules() if name]
    return [*layers, *((name, tuple(t.shape)) for name, t in net.state_dict().items())]


def _digest(*parts: Any) -> str:
    """A digest of what a training depends on: text, numbers, and tensors by shape and content."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
            digest.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()
