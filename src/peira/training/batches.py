"""Batches: what one update of the weights learns from.

Data in memory are whole tensors, of which a batch is a few rows: no workers, no collation, no copy of an item by
itself. Anything else is a stream: a function that begins an epoch anew. Which batch comes when follows from the seed
and from the numbers of epoch and batch alone, so that a training that was cut off continues with the very batch that
would have come next.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch

from peira.core.errors import DataError
from peira.core.seeds import derive, torch_generator

Batch = tuple[torch.Tensor, ...]
GATHERED = 1 << 22  # bytes of rows that are gathered at a time; a small batch is then a view


class Batches(Protocol):
    """Where a training gets its batches; tensors ``origin``, if there are any, tell data apart."""

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
        is not whole is then left out, another one in each epoch.
    behind : sequence of tensors, default ()
        What items stand for that are only numbers of it. Nothing is dealt from it here: a checkpoint belongs to it.

    Raises
    ------
    DataError
        If the tensors differ in length, or there are too few rows for a batch.
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
    """Batches that come from anywhere: a file too large for the memory, a simulator, a generator.

    Parameters
    ----------
    begin : callable(epoch) -> iterable of batches
        Begins the epoch of that number: tuples of tensors, or tensors alone where the loss takes one. For a training
        that can be resumed it gives the same batches each time.
    length : int
        Batches of an epoch.
    """

    def __init__(self, begin: Callable[[int], Iterable[Batch]], length: int) -> None:
        self.begin, self.length = begin, length

    def __len__(self) -> int:
        return self.length

    def epoch(self, index: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from the one numbered ``start`` on."""
        return map(_as_batch, islice(iter(self.begin(index)), start, self.length))


def _as_batch(given: Any) -> Batch:
    if isinstance(given, torch.Tensor | np.ndarray):
        given = (given,)
    if not isinstance(given, tuple | list):
        raise DataError(f"a batch is a tuple of tensors, which are what the loss takes; got {type(given).__name__}")
    return tuple(torch.as_tensor(part) if isinstance(part, np.ndarray) else part for part in given)
