"""How one column becomes numbers, and back.

Each encoder is learned from a column and from then on only computes. Its fields are plain values,
so that a fitted `DesignMatrix` is stored as JSON.

=========  ==============================================================================
Numeric    .. math:: z = (x - m) / s

           with missing ``x`` replaced by the fill value, and a column that says so
Levels     one column of 0 and 1 for each level but the reference; levels with few rows
           share one column
Dates      the standardised time, and sine and cosine of the place in year, week and day
Dropped    nothing: the column says nothing, or not in numbers
=========  ==============================================================================
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from peira.core.errors import DataError

from .kinds import TRUE
from .profile import count_levels, missing_in

MISSING, OTHER = "(missing)", "(other)"
_DAY = 86_400e6  # microseconds


@dataclass
class Encoder:
    """What all encoders share: the column they read and the columns they write."""

    name: str
    kind: ClassVar[str]

    def labels(self) -> list[str]:
        """What follows the column's name in the names of the columns written."""
        raise NotImplementedError


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
        values = to_numbers(name, column, rows, order)
        gone = np.isnan(values)
        held = values[~gone]
        if not len(held):
            return Dropped(name, "no value at all")
        low, high = float(held.min()), float(held.max())
        if low == high and not indicator:
            return Dropped(name, "the same value in every row", value=low if order is None else None)
        fill = _fill(held, impute) if gone.any() or not standardise else float(np.median(held))
        mean, scale = 0.0, 1.0
        if standardise and low < high:
            mean, scale = _moments(np.where(gone, fill, values))
        elif standardise:
            mean = fill
        return cls(name, fill, mean, scale, indicator, order)

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

    def decode(self, block: np.ndarray) -> np.ndarray:
        """The column that ``block`` (N, width) was written from."""
        values = block[:, 0] * self.scale + self.mean
        if self.order is not None:
            places = np.clip(np.rint(values), 0, len(self.order) - 1).astype(np.intp)
            values = np.array(self.order, object)[places]
        if self.indicator:
            values[block[:, 1] > 0.5] = None if self.order is not None else np.nan
        return values


@dataclass
class Levels(Encoder):
    """Words: a column of 0 and 1 for each level but the reference."""

    kind: ClassVar[str] = "levels"
    levels: list[str] = field(default_factory=list)
    base: str | None = None
    other: bool = False
    indicator: bool = False
    blank: bool = False  # missing is said by another column's indicator
    shares: list[float] = field(default_factory=list)

    @classmethod
    def learn(
        cls,
        name: str,
        column: np.ndarray,
        *,
        reference: bool,
        boolean: bool,
        min_share: float,
        max_levels: int,
        indicator: bool,
        blank: bool,
    ) -> Encoder:
        """The encoder of a column of words; `Dropped` where only one is left."""
        words = to_words(column)
        counted = count_levels(words)
        N, held = len(words), sum(count for _, count in counted)
        kept = [level for level, count in counted[:max_levels] if count >= min_share * N]
        if boolean:
            kept = sorted(level for level, _ in counted[:2])
        other = held > sum(count for level, count in counted if level in set(kept))
        base = None
        if (reference or boolean) and kept:
            base = next((k for k in kept if k.lower() not in TRUE), kept[0]) if boolean else kept[0]
            kept.remove(base)
        if not held or len(kept) + other + indicator + (base is not None) < 2:
            return Dropped(name, "no level has enough rows" if held else "no value at all", value=base)
        counts = dict(counted)
        numbers = [counts[k] for k in kept]
        rest = [held - sum(numbers) - counts.get(base, 0)] if other else []
        missing = [N - held] if indicator else []
        return cls(name, kept, base, other, indicator, blank, [n / N for n in (*numbers, *rest, *missing)])

    def labels(self) -> list[str]:
        return [
            f"={level}"
            for level in [*self.levels, *([OTHER] if self.other else []), *([MISSING] if self.indicator else [])]
        ]

    def encode(self, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """As `Numeric.encode`. A level never seen goes to the pooled ones; where there are none, the
        row gets the average of all rows, so that the level changes nothing."""
        K = len(self.levels)
        NONE, UNKNOWN = out.shape[1], out.shape[1] + 1
        place: dict[str | None, int] = {level: k for k, level in enumerate(self.levels)}
        if self.base is not None:
            place[self.base] = NONE
        place[None] = K + self.other if self.indicator else NONE if self.blank else UNKNOWN
        codes = np.array([place.get(word, K if self.other else UNKNOWN) for word in to_words(column).tolist()], np.intp)
        # One row of numbers for each case, then one gather: faster than writing column by column.
        cases = np.vstack([np.eye(NONE), np.zeros(NONE), self.shares])
        out[:] = cases[codes]

    def unknown(self, column: np.ndarray) -> dict[str, int]:
        """Levels of ``column`` that got no column of their own, with their counts."""
        return {
            level: n
            for level, n in count_levels(to_words(column))
            if level != self.base and level not in set(self.levels)
        }

    def decode(self, block: np.ndarray) -> np.ndarray:
        """The words; pooled and unknown ones come back as "(other)"."""
        words = np.array(
            [*self.levels, *([OTHER] if self.other else []), *([None] if self.indicator else []), self.base], object
        )
        largest = block.argmax(1)
        places = (
            np.where(block.max(1, initial=0.0) > 0.5, largest, len(words) - 1) if self.base is not None else largest
        )
        return words[places]


@dataclass
class Dates(Encoder):
    """Dates: time in days, standardised, and the place in the cycles that the data go through."""

    kind: ClassVar[str] = "dates"
    fill: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    parts: list[str] = field(default_factory=list)
    indicator: bool = False

    @classmethod
    def learn(cls, name: str, column: np.ndarray, rows: np.ndarray, *, standardise: bool, indicator: bool) -> Encoder:
        """The encoder of a column of dates; `Dropped` where all are equal."""
        days, _, gone = _days(name, column, rows)
        held = days[~gone]
        if not len(held) or (held.min() == held.max() and not indicator):
            return Dropped(name, "the same date in every row" if len(held) else "no date at all")
        fill = float(np.median(held))
        mean, scale = _moments(np.where(gone, fill, days)) if standardise and held.min() < held.max() else (fill, 1.0)
        cycles = cycles_of(column[~gone])
        parts = [part for part, turn in cycles.items() if len(np.unique(np.floor(turn * CYCLES[part]))) > 1]
        return cls(name, fill, mean, scale, parts, indicator)

    def labels(self) -> list[str]:
        waves = [f":{part}_{wave}" for part in self.parts for wave in ("sin", "cos")]
        return [":time", *waves, *([f"={MISSING}"] if self.indicator else [])]

    def encode(self, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """As `Numeric.encode`."""
        days, column, gone = _days(self.name, column, rows)
        out[:, 0] = (np.where(gone, self.fill, days) - self.mean) / self.scale
        cycles = cycles_of(np.where(gone, np.datetime64("1970-01-01", "us"), column))
        for p, part in enumerate(self.parts):
            angle = 2 * np.pi * cycles[part]
            out[:, 1 + 2 * p] = np.where(gone, 0.0, np.sin(angle))
            out[:, 2 + 2 * p] = np.where(gone, 0.0, np.cos(angle))
        if self.indicator:
            out[:, -1] = gone

    def decode(self, block: np.ndarray) -> np.ndarray:
        """The dates, to the microsecond that float64 keeps."""
        days = block[:, 0] * self.scale + self.mean
        dates = np.rint(days * _DAY).astype(np.int64).view("datetime64[us]").copy()
        if self.indicator:
            dates[block[:, -1] > 0.5] = np.datetime64("NaT")
        return dates


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


ENCODERS: dict[str, type[Encoder]] = {cls.kind: cls for cls in (Numeric, Levels, Dates, Dropped)}
CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Cycles of dates, and into how many parts each is counted."""


def cycles_of(dates: np.ndarray) -> dict[str, np.ndarray]:
    """How far each date has gone through its year (of months of equal length), week and day, in [0, 1)."""
    day = dates.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    length = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.float64)
    in_month = (day - month.astype("datetime64[D]")).astype(np.float64) / length
    return {
        "month": (month.astype(np.int64) % 12 + in_month) / 12,
        "weekday": ((day.astype(np.int64) + 3) % 7) / 7.0,  # 1970-01-01 was a Thursday
        "hour": (dates - day).astype("timedelta64[us]").astype(np.float64) / _DAY,
    }


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


def to_words(column: np.ndarray) -> np.ndarray:
    """The column as words with None: a whole number as its digits, so that 1, 1.0 and "1" are one level."""
    if column.dtype.kind == "O":
        return column
    gone = missing_in(column)
    if column.dtype.kind == "f":
        spell = {
            v: str(int(v)) if v == v and abs(v) < 1e16 and v == int(v) else repr(v) for v in set(column[~gone].tolist())
        }
        return np.array([None if g else spell[v] for v, g in zip(column.tolist(), gone.tolist(), strict=True)], object)
    words = column.astype(str).astype(object)
    words[gone] = None
    return words


def _days(name: str, column: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if column.dtype.kind != "M":
        gone = missing_in(column)
        if not gone.all():
            i = int((~gone).argmax())
            raise DataError(f"column {name!r} holds {column[i]!r} in row {rows[i]} where a date is expected")
        column = np.full(len(column), np.datetime64("NaT", "us"))
    gone = np.isnat(column)
    return np.where(gone, 0.0, column.astype("datetime64[us]").astype(np.int64) / _DAY), column, gone


def _fill(held: np.ndarray, impute: str) -> float:
    if impute == "mean":
        return _moments(held)[0]
    if impute == "median":
        return float(np.median(held / 2) * 2)
    values, counts = np.unique(held, return_counts=True)
    return float(values[counts.argmax()])


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (divisor N), safe against overflow."""
    unit = max(abs(float(values.min())), abs(float(values.max())), np.finfo(float).tiny)
    parts = values / unit
    mean = float(parts.mean())
    return mean * unit, max(float(np.sqrt(((parts - mean) ** 2).mean())) * unit, np.finfo(float).tiny)
