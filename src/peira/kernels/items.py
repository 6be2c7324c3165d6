"""Items that are no rows of a table: texts, graphs, trees, anything that a function can compare.

A kernel of such items is called like any other, adds and multiplies like any other, and gives a Gram matrix, which is
what ``kernel="precomputed"`` of the methods takes: that is how graphs reach a support vector machine.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..core.errors import DataError


class Items:
    """A sequence of things, standing where kernels of tables have a float64 matrix."""

    dtype = torch.float64
    device = torch.device("cpu")

    def __init__(self, things: Sequence[Any]):
        self.things = things

    def __len__(self) -> int:
        return len(self.things)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.things)

    def __getitem__(self, rows: slice) -> "Items":
        return Items(self.things[rows])

    def new_zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(*shape, dtype=self.dtype)


def open_items(things: Any, *, owner: str, texts: bool, name: str = "X") -> Items:
    """Check a sequence of items; of texts, that they are."""
    if isinstance(things, str | bytes | dict) or not (hasattr(things, "__len__") and hasattr(things, "__getitem__")):
        raise DataError(f"{owner} takes a list of items as {name}, got a {type(things).__name__}")
    if isinstance(things, np.ndarray) and texts and things.ndim == 2 and things.shape[1] == 1:
        things = things[:, 0]
    found = list(things)
    if not found:
        raise DataError(f"{owner} got no items: {name} is empty")
    for row, thing in enumerate(found if texts else ()):
        if not isinstance(thing, str):
            raise DataError(f"{owner} compares texts; item {row} of {name} is a {type(thing).__name__}: {thing!r:.40}")
    return Items(found)
