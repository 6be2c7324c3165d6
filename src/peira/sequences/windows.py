"""Windows: the pieces of series that a forecaster learns from, and those that it is judged by."""

from dataclasses import dataclass

import torch

FEW = 20  # series, below which the end of each is held out in place of some of them


@dataclass(frozen=True)
class Windows:
    """Pieces of series; every step but the first of a piece is a target.

    Attributes
    ----------
    firsts, lengths : int tensors of shape (M,)
        The row at which each begins, and its steps.
    skipped : int tensor of shape (M,)
        Targets at its beginning that do not count, since others count them.
    owners : int tensor of shape (M,)
        The series it is from.
    held_out : int tensor
        Numbers of the windows to choose the best weights by.
    """

    firsts: torch.Tensor
    lengths: torch.Tensor
    skipped: torch.Tensor
    owners: torch.Tensor
    held_out: torch.Tensor


def windows(lengths: torch.Tensor, width: int, fraction: float, generator: torch.Generator) -> Windows:
    """Cut series into windows of ``width`` steps and one more, each half over the one before.

    Parameters
    ----------
    lengths : int tensor of shape (N,)
    width : int
    fraction : float in [0, 1)
        What is held out: so many of the series, or of few series the ends.
    generator : Generator
        Chooses the series.

    Examples
    --------
    >>> cut = windows(torch.tensor([10]), 4, 0.2, torch.Generator())
    >>> list(zip(cut.firsts.tolist(), cut.lengths.tolist(), cut.skipped.tolist())), cut.held_out.tolist()
    ([(0, 5, 0), (2, 5, 0), (4, 4, 0), (6, 4, 1)], [3])
    """
    found: list[tuple[int, int, int, int]] = []  # first, length, skipped, owner
    aside: list[int] = []
    N = len(lengths)
    chosen: set[int] = set()
    if fraction and N >= FEW:
        chosen = set(torch.randperm(N, generator=generator)[: max(1, round(N * fraction))].tolist())
    begin = 0
    for i, T in enumerate(lengths.tolist()):
        end = T - max(1, round(T * fraction)) if fraction and N < FEW else T
        if fraction and N < FEW and end < 2:
            end = T  # too short to give anything away
        for first in _firsts(end, width):
            if i in chosen:
                aside.append(len(found))
            found.append((begin + first, min(width + 1, end - first), 0, i))
        for first in range(end, T, max(1, width // 2)):  # targets from `first` on, each with what comes before it
            upto, back = min(T, first + max(1, width // 2)), max(0, first - (width + 1) // 2)
            aside.append(len(found))
            found.append((begin + back, upto - back, first - back - 1, i))
        begin += T
    columns = torch.tensor(found, dtype=torch.int64).reshape(-1, 4).T
    return Windows(*columns, torch.tensor(aside, dtype=torch.int64))


def _firsts(T: int, width: int) -> list[int]:
    """Where windows of a series begin: every half of a width, until one reaches the end."""
    if T < 2:
        return []
    half = max(1, width // 2)
    return [0, *range(half, T - 1 - width + half, half)]
