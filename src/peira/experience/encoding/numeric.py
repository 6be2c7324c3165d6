"""Numbers, and levels in a declared order.

.. math:: z = (x - m) / s

with a missing :math:`x` replaced by the fill value, and a second column that says so.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from peira.core.errors import DataError

from ..profile import count_levels
from .base import MISSING, Dropped, Encoder, moments
from .levels import to_words


@dataclass
class Numeric(Encoder):
    """Numbers, or levels in a declared order counted from 0."""

    kind: ClassVar[str] = "numeric"
    fill: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    order: list[str] | None = None

    @classmethod
    def learn(
        cls,
        name: str,
        column: np.ndarray,
        rows: np.ndarray,
        *,
        impute: str,
        standardise: bool,
        indicator: bool,
        order: list[str] | None,
    ) -> Encoder:
        """The encoder of a column of numbers; `Dropped` where all are equal."""
        if order is not None:
            unknown = next((w for w in to_words(column) if w is not None and w not in order), None)
            if unknown is not None:
                raise DataError(f"column {name!r} holds {unknown!r}, which is not among its levels {', '.join(order)}")
        values = to_numbers(name, column, rows, order)
        gone = np.isnan(values)
        held = values[~gone]
        if not len(held):
            return Dropped(name, "no value at all")
        low, high = float(held.min()), float(held.max())
        if low == high and not indicator:
            return Dropped(name, "the same value in every row", value=low if order is None else None)
        fill = _fill(held, impute)
        mean, scale = 0.0, 1.0
        if standardise and low < high:
            mean, scale = moments(np.where(gone, fill, values))
        elif standardise:
            mean = fill
        return cls(name, fill, mean, scale, indicator, order)

    def check(self) -> None:
        """As `Encoder.check`; a declared order has levels."""
        super().check()
        if self.order == []:
            raise TypeError(f"column {self.name!r} has an order without levels")

    def labels(self) -> list[str]:
        return ["", f"={MISSING}"] if self.indicator else [""]

    def encode(self, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """Write the columns for ``column`` (N,) into ``out`` (N, width)."""
        values = to_numbers(self.name, column, rows, self.order)
        gone = np.isnan(values)
        if gone.any():
            values = np.where(gone, self.fill, values)
        # Divided before the difference is taken only where that could overflow.
        with np.errstate(over="ignore"):
            out[:, 0] = (values - self.mean) / self.scale
        if not np.isfinite(out[:, 0]).all():
            out[:, 0] = values / self.scale - self.mean / self.scale
        if self.indicator:
            out[:, 1] = gone

    def unknown(self, column: np.ndarray) -> dict[str, int]:
        """Words of ``column`` that are not among the declared levels, with their counts."""
        if self.order is None:
            return {}
        return {level: n for level, n in count_levels(to_words(column)) if level not in self.order}

    def decode(self, block: np.ndarray) -> np.ndarray:
        """The column that ``block`` (N, width) was written from."""
        values = block[:, 0] * self.scale + self.mean
        if self.order is not None:
            places = np.clip(np.rint(values), 0, len(self.order) - 1).astype(np.intp)
            values = np.array(self.order, object)[places]
        if self.indicator:
            values[block[:, 1] > 0.5] = None if self.order is not None else np.nan
        return values


def to_numbers(name: str, column: np.ndarray, rows: np.ndarray, order: list[str] | None = None) -> np.ndarray:
    """The column as float64 with NaN; levels in a declared order as their places.

    Raises
    ------
    DataError
        If a value is no number, or is infinite; the message names the column and the row.
    """
    if order is not None:
        place = {level: float(k) for k, level in enumerate(order)}
        return np.array([place.get(word, np.nan) for word in to_words(column).tolist()], np.float64)
    if column.dtype.kind == "M":
        raise DataError(f"column {name!r} holds dates where numbers are expected")
    if column.dtype.kind == "O":
        numbers = np.full(len(column), np.nan)
        for i, word in enumerate(column.tolist()):
            if word is not None:
                try:
                    numbers[i] = float(word)
                except ValueError:
                    raise DataError(
                        f"column {name!r} holds {word[:40]!r} in row {rows[i]} where a number is expected; "
                        "mend it or leave it empty"
                    ) from None
        column = numbers
    values = column.astype(np.float64, copy=False)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"column {name!r} holds {infinite.sum()} infinite values (first in row {rows[infinite.argmax()]}); "
            "drop or clip them, or make them missing"
        )
    return values


def _fill(held: np.ndarray, impute: str) -> float:
    if impute == "mean":
        return moments(held)[0]
    if impute == "median":
        return float(np.median(held / 2) * 2)
    values, counts = np.unique(held, return_counts=True)
    return float(values[counts.argmax()])
