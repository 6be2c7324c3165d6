"""Ragged sequences: all steps one after the other, and how many belong to each."""

import torch


def starts(lengths: torch.Tensor) -> torch.Tensor:
    """The row at which each sequence begins, of shape (N,).

    >>> starts(torch.tensor([3, 1, 2])).tolist()
    [0, 3, 4]
    """
    return lengths.cumsum(0) - lengths


def owners(lengths: torch.Tensor) -> torch.Tensor:
    """The sequence to which each step belongs, of shape (S,).

    >>> owners(torch.tensor([3, 1, 2])).tolist()
    [0, 0, 0, 1, 2, 2]
    """
    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)


def pad(steps: torch.Tensor, lengths: torch.Tensor, fill: float = 0.0) -> torch.Tensor:
    """Sequences side by side, each filled up to the longest.

    Parameters
    ----------
    steps : tensor of shape (S, ...)
    lengths : int tensor of shape (N,)
    fill : float, default 0
        What stands after the end of a sequence.

    Returns
    -------
    tensor of shape (N, T, ...), T the longest length

    Examples
    --------
    >>> pad(torch.tensor([1, 2, 3, 4]), torch.tensor([3, 1]), -1).tolist()
    [[1, 2, 3], [4, -1, -1]]
    """
    T = int(lengths.max()) if len(lengths) else 0
    padded = steps.new_full((len(lengths), T, *steps.shape[1:]), fill)
    padded[within(lengths, T)] = steps
    return padded


def within(lengths: torch.Tensor, T: int) -> torch.Tensor:
    """Which of T steps belong to each sequence, truth values of shape (N, T).

    >>> within(torch.tensor([2, 0]), 3).tolist()
    [[True, True, False], [False, False, False]]
    """
    return torch.arange(T, device=lengths.device) < lengths[:, None]


def unpad(padded: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The steps of `pad` again, of shape (S, ...)."""
    return padded[within(lengths, padded.shape[1])]


def split(steps: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
    """One tensor a sequence, views of the steps."""
    return list(steps.split(lengths.tolist()))
