"""What all encoders share."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_args, get_origin

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


def moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (divisor N), safe against overflow."""
    # A power of two as the unit: dividing by it is exact.
    unit = 2.0 ** (int(np.frexp(max(abs(float(values.min())), abs(float(values.max())), np.finfo(float).tiny))[1]) - 1)
    parts = values / unit
    mean = float(parts.mean())
    return mean * unit, max(float(np.sqrt(((parts - mean) ** 2).mean())) * unit, np.finfo(float).tiny)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a stored value has the type of its field."""
    if get_origin(kind) is list:
        return type(value) is list and all(_fits(v, get_args(kind)[0]) for v in value)
    if get_args(kind):
        return any(_fits(value, option) for option in get_args(kind))
    return type(value) is kind and (kind is not float or np.isfinite(value))
