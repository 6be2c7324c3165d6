"""Numbers, and levels in a declared order.

.. math:: z = (x - m) / s

with a missing :math:`x` replaced by the fill value, and a second column that says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

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
        names: list[str],
        columns: list[np.ndarray],
        rows: np.ndarray,
        *,
        impute: str,
        standardise: bool,
        indicators: list[bool],
        orders: list[list[str] | None],
    ) -> list[Encoder]:
        """The encoders of columns of numbers, all in one pass; `Dropped` where all values of one are equal."""
        for name, column, order in zip(names, columns, orders, strict=True):
            words = [] if order is None else [w for w in to_words(column) if w is not None and w not in order]
            if words:
                raise DataError(
                    f"column {name!r} holds {words[0]!r}, which is not among its levels {', '.join(order or ())}"
                )
        values = to_numbers(names, columns, rows, orders)
        gone = np.isnan(values)
        held = values.shape[1] - gone.sum(1)
        low, high = np.fmin.reduce(values, 1), np.fmax.reduce(values, 1)
        fill = np.where(held > 0, _fill(values, gone, held, impute), 0.0)
        if gone.any():
            values = np.where(gone, fill[:, None], values)
        mean, scale = np.zeros_like(fill), np.ones_like(fill)
        if standardise:
            varied, (m, s) = low < high, moments(values)
            mean, scale = np.where(varied, m, fill), np.where(varied, s, 1.0)
        learned: list[Encoder] = []
        numbers = (v.tolist() for v in (held, low, high, fill, mean, scale))
        for name, n, lo, hi, *plan, indicator, order in zip(names, *numbers, indicators, orders, strict=True):
            if not n:
                learned.append(Dropped(name, "no value at all"))
            elif lo == hi and not indicator:
                learned.append(Dropped(name, "the same value in every row", value=lo if order is None else None))
            else:
                learned.append(cls(name, *plan, indicator, order))
        return learned

    def check(self) -> None:
        """As `Encoder.check`; a declared order has levels."""
        super().check()
        if self.order == []:
            raise TypeError(f"column {self.name!r} has an order without levels")

    def labels(self) -> list[str]:
        return ["", f"={MISSING}"] if self.indicator else [""]

    @classmethod
    def encode_run(cls, encoders: Sequence[Self], columns: list[np.ndarray], rows: np.ndarray, out: np.ndarray) -> None:
        """As `Encoder.encode_run`, in one pass."""
        values = to_numbers([e.name for e in encoders], columns, rows, [e.order for e in encoders])
        fill, mean, scale = np.array([(e.fill, e.mean, e.scale) for e in encoders]).T[:, :, None]
        gone = np.isnan(values)
        if gone.any():
            values = np.where(gone, fill, values)
        # Divided before the difference is taken only where that could overflow.
        with np.errstate(over="ignore"):
            numbers = (values - mean) / scale
        if not (finite := np.isfinite(numbers).all(1)).all():
            numbers[~finite] = values[~finite] / scale[~finite] - mean[~finite] / scale[~finite]
        said = np.array([e.indicator for e in encoders])
        if not said.any():
            out[:] = numbers.T
            return
        place = np.arange(len(said)) + np.cumsum(said) - said
        out[:, place] = numbers.T
        out[:, place[said] + 1] = gone[said].T

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


def to_numbers(
    names: list[str], columns: list[np.ndarray], rows: np.ndarray, orders: list[list[str] | None]
) -> np.ndarray:
    """Columns (N,) as the rows of one float64 array (D, N) with NaN; levels in a declared order as their places.

    Raises
    ------
    DataError
        If a value is no number, or is infinite; the message names the column and the row.
    """
    read = [
        column if order is None and column.dtype.kind == "f" else _read(name, column, rows, order)
        for name, column, order in zip(names, columns, orders, strict=True)
    ]
    values = np.stack(read, dtype=np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        d = int(infinite.any(1).argmax())
        raise DataError(
            f"column {names[d]!r} holds {infinite[d].sum()} infinite values (first in row "
            f"{rows[infinite[d].argmax()]}); drop or clip them, or make them missing"
        )
    return values


def _read(name: str, column: np.ndarray, rows: np.ndarray, order: list[str] | None) -> np.ndarray:
    if order is not None:
        place = {level: float(k) for k, level in enumerate(order)}
        return np.array([place.get(word, np.nan) for word in to_words(column).tolist()], np.float64)
    if column.dtype.kind == "M":
        raise DataError(f"column {name!r} holds dates where numbers are expected")
    if column.dtype.kind != "O":
        return column
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
    return numbers


def _fill(values: np.ndarray, gone: np.ndarray, held: np.ndarray, impute: str) -> np.ndarray:
    """What stands for the missing values of each row of (D, N), of which ``held`` are there."""
    if impute == "mean":
        return moments(np.where(gone, 0.0, values))[0] * (values.shape[1] / np.maximum(held, 1))
    if impute == "median":
        below, above = np.maximum(held - 1, 0) // 2, held // 2
        ordered = np.partition(values, np.unique([below, above]), axis=1)  # missing values come last
        row = np.arange(len(values))
        return ordered[row, below] / 2 + ordered[row, np.minimum(above, values.shape[1] - 1)] / 2
    return np.array([_most_frequent(column[~empty]) for column, empty in zip(values, gone, strict=True)])


def _most_frequent(held: np.ndarray) -> float:
    values, counts = np.unique(held, return_counts=True)
    return values[counts.argmax()] if len(held) else np.nan
