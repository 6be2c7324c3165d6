r"""Batches for truncated back-propagation through time: streams side by side, a few steps at a time.

A recurrent net that learns from a long sequence cannot keep all of it for its gradient. So the sequences are laid out
in B streams, which the net reads in parallel; an update sees the next U steps of each, and begins in the state in which
the update before ended (Williams & Peng 1990). In one array, each sequence stands behind a mark of its beginning,

.. math:: \circ \, x_1 \, x_2 \, ... \, x_T \; \circ \, x'_1 \, ... \, x'_{T'} \; \circ

so that what is predicted at a place is what stands one place further on, and the mark that follows a sequence is its
end. Sequences longer than their share of the streams are cut into pieces, of which the later ones begin in an empty
state, yet behind the symbol that came before. Pieces of like length run side by side, so that little is padded: in a
group of B pieces, those that are shorter pause until the longest has ended, and a new group begins in an empty state.

Which pieces meet in a group, and the order of groups, are dealt anew in each epoch, and follow from the seed and the
number of the epoch alone.
"""

from collections.abc import Iterator

import numpy as np
import torch

from peira.core.seeds import derive, torch_generator
from peira.training.batches import Batch

PAUSED = -1  # the target where a stream pauses
SHADES = 4  # pieces count as alike in length if they are so up to this part of the unrolled steps


def marked(symbols: torch.Tensor, lengths: torch.Tensor, mark: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All sequences in one array, with a mark before each of them and one behind the last.

    Parameters
    ----------
    symbols : int tensor of shape (S,)
    lengths : int tensor of shape (N,)
    mark : int

    Returns
    -------
    tensor of shape (S + N + 1,)
    starts : tensor of shape (N,)
        Where the mark before each sequence stands.

    Examples
    --------
    >>> row, starts = marked(torch.tensor([1, 2, 3]), torch.tensor([2, 1]), 9)
    >>> row.tolist(), starts.tolist()
    ([9, 1, 2, 9, 3, 9], [0, 3])
    """
    N, S = len(lengths), len(symbols)
    starts = lengths.cumsum(0) - lengths + torch.arange(N, device=lengths.device)
    row = symbols.new_full((S + N + 1,), mark)
    there = torch.ones(S + N + 1, dtype=torch.bool, device=symbols.device)
    there[starts] = there[-1] = False
    row[there] = symbols
    return row, starts


class Unrolled:
    """The batches of a training by truncated back-propagation through time.

    A batch holds inputs and targets of shape (B, U or fewer), the target -1 where a stream pauses, and a number: 1 if
    the streams go on in the state in which they ended, 0 if they begin in an empty one.

    Parameters
    ----------
    row : int tensor of shape (S,)
        What stands at each place; the target of a place is what stands at the next one.
    starts, counts : int tensors of shape (N,)
        The first place of each sequence, and how many places of it there are to predict from.
    streams : int, optional
        B; as many as there are sequences, without it.
    unroll : int
        U, steps of an update.
    seed : int
    shuffle : bool, default True
    cut : bool, default True
        Cut sequences that are longer than their share of the streams.

    Examples
    --------
    >>> text = Unrolled(torch.arange(8), torch.tensor([0]), torch.tensor([7]), streams=2, unroll=3, seed=0)
    >>> for inputs, targets, carried in text.epoch(0):
    ...     print(inputs.tolist(), targets.tolist(), carried.item())
    [[0, 1, 2], [6, 0, 0]] [[1, 2, 3], [7, -1, -1]] 0.0
    [[3, 4, 5], [0, 0, 0]] [[4, 5, 6], [-1, -1, -1]] 1.0
    """

    def __init__(
        self,
        row: torch.Tensor,
        starts: torch.Tensor,
        counts: torch.Tensor,
        *,
        streams: int | None,
        unroll: int,
        seed: int = 0,
        shuffle: bool = True,
        cut: bool = True,
    ) -> None:
        first, n = starts.numpy(force=True), counts.numpy(force=True)
        first, n = first[n > 0], n[n > 0]
        self.U, self.seed, self.shuffle = unroll, seed, shuffle
        if cut and streams is not None and len(n):
            first, n = _pieces(first, n, streams, unroll)
        self.row, self.starts, self.counts = row, first, n
        self.B = max(1, min(streams or len(n), len(n)))
        self.origin = (row, torch.from_numpy(first), torch.from_numpy(n))  # what a checkpoint belongs to
        alike = max(1, unroll // SHADES)
        self._shade = -(-n // alike) if unroll % alike == 0 else -(-n // unroll)
        ordered = np.sort(n)[::-1] if len(n) else n
        self._length = int((-(-ordered[:: self.B] // unroll)).sum())

    def __len__(self) -> int:
        return self._length

    def epoch(self, index: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from the one numbered ``start`` on."""
        for _, at, inputs, targets in self.windows(index, start):
            yield inputs, targets, torch.tensor(float(at > 0))

    def windows(self, index: int = 0, start: int = 0) -> Iterator[tuple[np.ndarray, int, torch.Tensor, torch.Tensor]]:
        """Pieces that run side by side (at most B), steps of them that went before, inputs, targets."""
        skipped = 0
        for group in self._groups(index):
            longest = int(self.counts[group].max())
            steps = -(-longest // self.U)
            if skipped + steps <= start:
                skipped += steps
                continue
            for s in range(max(0, start - skipped), steps):
                yield group, s * self.U, *self._window(group, s * self.U, min(self.U, longest - s * self.U))
            skipped += steps

    def _groups(self, index: int) -> list[np.ndarray]:
        P = len(self.counts)
        if not self.shuffle:
            order = np.argsort(-self.counts, kind="stable")
            return [order[p : p + self.B] for p in range(0, P, self.B)]
        generator = torch_generator(derive(self.seed, index))
        chance = torch.randperm(P, generator=generator).numpy()
        order = chance[np.argsort(-self._shade[chance], kind="stable")]
        groups = [order[p : p + self.B] for p in range(0, P, self.B)]
        return [groups[g] for g in torch.randperm(len(groups), generator=generator).tolist()]

    def _window(self, group: np.ndarray, at: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        device, idle = self.row.device, self.B - len(group)
        starts = np.pad(self.starts[group], (0, idle))  # a last group that is not whole has idle streams
        left = np.pad(self.counts[group], (0, idle)) - at
        places = torch.from_numpy(starts + at).to(device)[:, None] + torch.arange(width, device=device)
        if left.min() >= width:
            return self.row[places], self.row[places + 1]
        there = torch.arange(width, device=device) < torch.from_numpy(left).to(device)[:, None]
        places = torch.where(there, places, 0)
        return torch.where(there, self.row[places], 0), torch.where(there, self.row[places + 1], PAUSED)


def put_aside(
    starts: torch.Tensor, counts: torch.Tensor, share: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """What to learn from, and what to choose the best weights by: whole sequences, or the last part of a single one."""
    N = len(starts)
    if N == 1 and share and (few := round(int(counts[0]) * share)):
        return starts, counts - few, (starts + counts - few, torch.full_like(counts, few))
    few = min(N - 1, max(1, round(N * share))) if share else 0
    order = torch.randperm(N, generator=torch_generator(seed))
    aside, rest = order[:few].sort().values, order[few:].sort().values
    return starts[rest], counts[rest], (starts[aside], counts[aside])


def _pieces(first: np.ndarray, n: np.ndarray, streams: int, unroll: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut what is longer than its share of the streams."""
    share = -(-int(n.sum()) // streams)
    share = -(-share // unroll) * unroll
    many = -(-n // share)
    within = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
    begin = within * share
    return np.repeat(first, many) + begin, np.minimum(np.repeat(n, many) - begin, share)
