"""What all encoders share."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, get_args, get_origin

import numpy as np

MISSING, OTHER = "(missing)", "(other)"


@dataclass
class Encoder:
    """What all encoders share: the column they read and the columns they write."""

    name: str
    kind: ClassVar[str]

    def labels(self) -> list[str]:
        """What follows the column's name in the names of the columns written."""
        raise NotImplementedError

    def encode(self, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """Write the columns for ``column`` (N,) into ``out`` (N, width); ``rows`` (N,) are named in messages."""
        raise NotImplementedError

    @classmethod
    def encode_run(cls, encoders: Sequence[Self], columns: list[np.ndarray], rows: np.ndarray, out: np.ndarray) -> None:
        """Write what neighbours of this kind have to write; one after another, unless the kind does it at once."""
        start = 0
        for encoder, column in zip(encoders, columns, strict=True):
            stop = start + len(encoder.labels())
            encoder.encode(column, rows, out[:, start:stop])
            start = stop

    def check(self) -> None:
        """Raise TypeError unless every field has its type and every number is finite."""
        for f in fields(self):
            if not _fits(getattr(self, f.name), f.type):
                raise TypeError(f"{f.name!r} of column {self.name!r} is {getattr(self, f.name)!r}, expected {f.type}")


@dataclass
class Dropped(Encoder):
    """A column that is left out, and why."""

    kind: ClassVar[str] = "dropped"
    why: str = ""
    value: float | str | None = None

    def labels(self) -> list[str]:
        return []

    def encode(self, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """Nothing is written."""


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (divisor N) along the last axis, safe against overflow."""
    # A power of two as the unit: dividing by it is exact.
    tiny = np.finfo(float).tiny
    largest = np.maximum(np.maximum(np.abs(values.min(-1)), np.abs(values.max(-1))), tiny)
    unit = np.ldexp(1.0, np.frexp(largest)[1] - 1)
    parts = values / unit[..., None]
    mean = parts.mean(-1)
    parts -= mean[..., None]
    return mean * unit, np.maximum(np.sqrt(np.square(parts, out=parts).mean(-1)) * unit, tiny)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a stored value has the type of its field."""
    if get_origin(kind) is list:
        return type(value) is list and all(_fits(v, get_args(kind)[0]) for v in value)
    if get_args(kind):
        return any(_fits(value, option) for option in get_args(kind))
    return type(value) is kind and (kind is not float or np.isfinite(value))
