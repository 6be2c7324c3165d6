"""Batches of sequences of unlike length: gathered from ragged steps when they are wanted, and padded only then."""

from collections.abc import Iterator

import torch

from peira.numerics.ragged import starts, within

PADDED = 1 << 21  # numbers of a padded part that goes through a net at a time when it answers


class PaddedBatches:
    """Sequences from which batches are taken by row numbers.

    Parameters
    ----------
    lengths : int tensor of shape (N,)
    of_steps : sequence of tensors of shape (S, ...)
        What belongs to each step, such as inputs and labels.
    of_items : sequence of tensors of shape (N, ...)
        What belongs to each sequence, such as a label or a weight.
    firsts : int tensor of shape (N,), optional
        The row at which each begins; without it, one follows the other. Windows of a series may overlap.

    Examples
    --------
    >>> batches = PaddedBatches(torch.tensor([3, 1, 2]), [torch.arange(6)])
    >>> batches.take(torch.tensor([2, 1]))
    (tensor([[4, 5],
            [3, 0]]), tensor([2, 1]))
    """

    def __init__(
        self,
        lengths: torch.Tensor,
        of_steps: list[torch.Tensor] | tuple[torch.Tensor, ...],
        of_items: list[torch.Tensor] | tuple[torch.Tensor, ...] = (),
        firsts: torch.Tensor | None = None,
    ) -> None:
        self.lengths, self.firsts = lengths, starts(lengths) if firsts is None else firsts
        self.of_steps, self.of_items = of_steps, of_items

    def take(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Padded steps, filled up with zeros, of shape (B, T, ...); lengths (B,); and what belongs to the sequences."""
        n = self.lengths[rows]
        place, alive = self.places(rows)
        padded = []
        for steps in self.of_steps:
            part = steps[place]
            part[~alive] = 0
            padded.append(part)
        return (*padded, n, *(values[rows] for values in self.of_items))

    def places(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which row of all steps stands at each place of a padded batch, (B, T), and whether one does."""
        n = self.lengths[rows]
        T = int(n.max()) if len(n) else 0
        alive = within(n, T)
        place = self.firsts[rows][:, None] + torch.arange(T, device=n.device)
        return torch.where(alive, place, 0), alive

    def parts(self, rows: torch.Tensor, width: int) -> Iterator[torch.Tensor]:
        """Rows of like length together, so many that ``width`` numbers a step fit the memory."""
        order = rows[torch.argsort(self.lengths[rows], stable=True)]
        n = self.lengths[order].tolist()
        first = 0
        for i in range(1, len(n) + 1):
            if i == len(n) or (i + 1 - first) * n[i] * width > PADDED:
                yield order[first:i]
                first = i
