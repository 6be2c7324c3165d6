"""Batches: what one update of the weights learns from.

Data in memory are whole tensors, of which a batch is a few rows: no workers, no collation, no copy of an item by
itself. Anything else is a stream: a function that begins an epoch anew. Which batch comes when follows from the seed
and from the numbers of epoch and batch alone, so that a training that was cut off continues with the very batch that
would have come next. Where an epoch follows from the weights with which it begins as well, as the experience of a
policy does, such a training begins its epoch anew.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from peira.core.errors import DataError, ParameterError
from peira.core.seeds import derive, torch_generator

Batch = tuple[torch.Tensor, ...]
GATHERED = 1 << 22  # bytes of rows that are gathered at a time; a small batch is then a view


class Batches(Protocol):
    """Where a training gets its batches; tensors ``origin``, if there are any, tell data apart.

    `Stream` says what a ``depends_on`` means.
    """

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def epoch(self, index: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from the one numbered ``start`` on."""
        ...


class InMemory:
    """Rows of tensors that lie in memory, dealt anew in each epoch.

    Parameters
    ----------
    *tensors : tensor or array of shape (N, ...)
        Inputs, targets, weights: whatever the loss takes, an item a row.
    size : int, optional
        Items of a batch; all of them without it.
    seed : int
        Of the order of the items, and of what changes them.
    shuffle : bool, default True
        Deal the items anew in each epoch.
    change : callable(batch, generator) -> batch, optional
        Changes each batch before it is learned from, such as an augmentation of images.
    share : (rank, size) of ints, default (0, 1)
        Which of several processes this is. Each takes its rows of a batch ``size`` times as large; a last batch that
        is not whole is then left out: other items in each epoch, if they are dealt anew.
    behind : sequence of tensors, default ()
        What items stand for that are only numbers of it. Nothing is dealt from it here: a checkpoint belongs to it.

    Raises
    ------
    DataError
        If the tensors differ in length, or there are too few rows for a batch.
    ParameterError
        If a batch is to have less than one item.
    """

    def __init__(
        self,
        *tensors: torch.Tensor,
        size: int | None,
        seed: int,
        shuffle: bool = True,
        change: Callable[[Batch, torch.Generator], Batch] | None = None,
        share: tuple[int, int] = (0, 1),
        behind: Iterable[torch.Tensor] = (),
    ) -> None:
        if size is not None and size < 1:
            raise ParameterError(f"a batch has one item or more, got size={size}; size=None takes all items at once")
        if not tensors:
            raise DataError("there is nothing to learn from: InMemory(X, y, size=..., seed=...) takes tensors")
        tensors = tuple(map(torch.as_tensor, tensors))
        self.N = len(tensors[0])
        if any(len(t) != self.N for t in tensors):
            raise DataError(f"the parts of a batch differ in length: {', '.join(str(len(t)) for t in tensors)} items")
        if self.N == 0:
            raise DataError("there is not a single item to learn from")
        self.rank, self.processes = share
        self.size = min(size or self.N, max(1, self.N // self.processes))
        if self.size * self.processes > self.N:
            raise DataError(f"{self.N} items are too few for {self.processes} processes, each of which needs one")
        self.tensors, self.seed, self.shuffle, self.change = tensors, seed, shuffle, change
        self.origin = (*tensors, *behind)
        row = sum(t[:1].numel() * t.element_size() for t in tensors)
        self._gathered = self.size * max(1, GATHERED // max(1, row * self.size))

    def __len__(self) -> int:
        return self.N // (self.size * self.processes) if self.processes > 1 else -(-self.N // self.size)

    def epoch(self, index: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from the one numbered ``start`` on."""
        if self.size == self.N and not self.shuffle and self.change is None:
            if start == 0:
                yield self.tensors
            return
        rows = self._rows(index)
        for at in range(start * self.size, len(rows), self._gathered):
            piece = rows[at : at + self._gathered]
            parts = [torch.index_select(t, 0, piece.to(t.device)).split(self.size) for t in self.tensors]
            for b, batch in enumerate(zip(*parts, strict=True)):
                if self.change is None:
                    yield batch
                else:
                    seed = derive(self.seed, index, at // self.size + b, self.rank)
                    yield self.change(batch, torch_generator(seed, batch[0].device))

    def _rows(self, index: int) -> torch.Tensor:
        if self.shuffle:
            rows = torch.randperm(self.N, generator=torch_generator(derive(self.seed, index)))
        else:
            rows = torch.arange(self.N)
        if self.processes == 1:
            return rows
        whole = rows[: len(self) * self.size * self.processes]
        return whole.view(len(self), self.processes, self.size)[:, self.rank].reshape(-1)


class Stream:
    """Batches that come from anywhere: a file too large for the memory, a DataLoader, a simulator, a policy at play.

    While it draws, torch's generator of the CPU stands where ``seed`` and the number of the epoch put it. So whatever
    draws from it (a DataLoader that shuffles, an augmentation) gives the same batches when the epoch is begun again,
    and a training that was cut off goes on behind those that it had.

    Parameters
    ----------
    begin : callable(epoch) -> iterable of batches
        Begins the epoch of that number: tuples of tensors, or tensors alone where the loss takes one.
    length : int
        Batches of an epoch.
    seed : int, default 0
        Of what is drawn from torch's generator.
    depends_on : sequence of objects, optional
        What an epoch follows from besides its number: nets as they are when it begins, and whatever has ``state_dict``
        and ``load_state_dict``, or is a torch Generator (an environment, a buffer of experience). All of it is then in
        the checkpoints, which are kept between epochs only. Such an epoch may end before its ``length``, as
        where a policy has moved too far from the one that played; what was left out then counts as done.

    Raises
    ------
    ParameterError
        If an epoch is to have no batch, or for something to depend on whose state cannot be kept.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> from peira.training import Stream
    >>> loader = DataLoader(TensorDataset(torch.arange(6)), batch_size=2, shuffle=True)
    >>> stream = Stream(lambda epoch: loader, len(loader))
    >>> first, again = ([rows.tolist() for (rows,) in stream.epoch(0)] for _ in range(2))
    >>> first == again
    True
    """

    def __init__(
        self,
        begin: Callable[[int], Iterable[Batch]],
        length: int,
        *,
        seed: int = 0,
        depends_on: Sequence[Any] | None = None,
    ) -> None:
        if length < 1:
            raise ParameterError(
                f"an epoch has one batch or more, got length={length}; a DataLoader with drop_last=True has none if "
                "there are fewer items than in a batch"
            )
        for part in depends_on or ():
            if not isinstance(part, torch.Generator) and not hasattr(part, "load_state_dict"):
                raise ParameterError(
                    f"a stream depends on what has state_dict and load_state_dict, so that a checkpoint can keep it, "
                    f"got {type(part).__name__}"
                )
        self.begin, self.length, self.seed, self.depends_on = begin, length, seed, depends_on

    def __len__(self) -> int:
        return self.length

    def epoch(self, index: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from the one numbered ``start`` on."""
        chance, ahead = torch_generator(derive(self.seed, index)).get_state(), None
        for number in range(self.length):
            outside = torch.get_rng_state()
            torch.set_rng_state(chance)
            try:
                ahead = iter(self.begin(index)) if ahead is None else ahead
                batch = next(ahead, None)
                chance = torch.get_rng_state()
            finally:
                torch.set_rng_state(outside)
            if batch is None:
                return
            if number >= start:
                yield _as_batch(batch)


def state_of(batches: Batches, known: Iterable[nn.Module]) -> list[Any]:
    """The states of what a stream depends on besides nets whose states are known."""
    return [p.get_state() if isinstance(p, torch.Generator) else p.state_dict() for p in _carried(batches, known)]


def set_state_of(batches: Batches, known: Iterable[nn.Module], states: list[Any]) -> None:
    """Put what a stream depends on where it was."""
    for part, state in zip(_carried(batches, known), states, strict=True):
        part.set_state(state) if isinstance(part, torch.Generator) else part.load_state_dict(state)


def _carried(batches: Batches, known: Iterable[nn.Module]) -> list[Any]:
    known = set(known)
    return [p for p in getattr(batches, "depends_on", None) or () if not (isinstance(p, nn.Module) and p in known)]


def _as_batch(given: Any) -> Batch:
    if isinstance(given, torch.Tensor | np.ndarray):
        given = (given,)
    parts = given if isinstance(given, tuple | list) else ()
    if not parts or not all(isinstance(part, torch.Tensor | np.ndarray) for part in parts):
        came = type(given).__name__ + (f" of {', '.join(type(part).__name__ for part in parts)}" if parts else "")
        raise DataError(f"a batch is a tuple of tensors, which are what the loss takes; got {came}")
    return tuple(torch.as_tensor(part) if isinstance(part, np.ndarray) else part for part in parts)
