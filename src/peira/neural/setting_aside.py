"""Items put aside, by which a training chooses the best weights."""

import torch

from peira.core.errors import DataError
from peira.core.seeds import torch_generator


def set_aside(
    N: int, share: float, seed: int, codes: torch.Tensor | None = None, *, owner: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the rows to learn from, in order, and of those put aside.

    Parameters
    ----------
    N : int
    share : float in (0, 1)
        What is put aside, rounded to whole items; of each class its share where ``codes`` are given.
    seed : int
    codes : tensor of shape (N,), optional
        Classes of the items.

    Raises
    ------
    DataError
        If fewer than two items would be put aside, or none left.

    Examples
    --------
    >>> learn, aside = set_aside(10, 0.2, seed=0, owner="it")
    >>> len(learn), len(aside)
    (8, 2)
    """
    rows = torch.randperm(N, generator=torch_generator(seed))
    place = torch.arange(N)
    if codes is None:
        out = place < round(N * share)
    else:
        rows = rows[codes.cpu()[rows].argsort(stable=True)]
        out = ((place + 1) * share + 0.5).floor() > (place * share + 0.5).floor()
    if int(out.sum()) < 2 or bool(out.all()):
        raise DataError(
            f"{owner}: the validation set is too small, {int(out.sum())} of {N} items: raise validation_fraction, or "
            "do without early stopping"
        )
    return rows[~out].sort().values, rows[out]
