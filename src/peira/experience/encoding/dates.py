"""Dates: the time, and the place in the year, the week and the day on a circle.

.. math:: (t - m) / s, \\quad \\sin 2 \\pi t / P, \\quad \\cos 2 \\pi t / P

On the circle, December lies beside January. Cycles that the data do not go through are left out.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from peira.core.errors import DataError

from ..dates import dates_of
from ..profile import missing_in
from .base import MISSING, Dropped, Encoder, moments

_DAY = 86_400e6  # microseconds

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


@dataclass
class Dates(Encoder):
    """Dates: time in days, standardised (or counted from the middle date), and the place in the cycles."""

    kind: ClassVar[str] = "dates"
    fill: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    parts: list[str] = field(default_factory=list)
    indicator: bool = False

    @classmethod
    def learn(cls, name: str, column: np.ndarray, rows: np.ndarray, *, standardise: bool, indicator: bool) -> Encoder:
        """The encoder of a column of dates; `Dropped` where all are equal."""
        days, column, gone = _days(name, column, rows)
        held = days[~gone]
        if not len(held) or (held.min() == held.max() and not indicator):
            return Dropped(name, "the same date in every row" if len(held) else "no date at all")
        fill = float(np.median(held))
        varied = standardise and held.min() < held.max()
        mean, scale = map(float, moments(np.where(gone, fill, days))) if varied else (fill, 1.0)
        cycles = cycles_of(column[~gone])
        parts = [part for part, turn in cycles.items() if len(np.unique(np.floor(turn * CYCLES[part]))) > 1]
        return cls(name, fill, mean, scale, parts, indicator)

    def labels(self) -> list[str]:
        waves = [f":{part}_{wave}" for part in self.parts for wave in ("sin", "cos")]
        return [":time", *waves, *([f"={MISSING}"] if self.indicator else [])]

    def encode(self, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """As `Encoder.encode`."""
        days, column, gone = _days(self.name, column, rows)
        out[:, 0] = (np.where(gone, self.fill, days) - self.mean) / self.scale
        cycles = cycles_of(np.where(gone, np.datetime64("1970-01-01", "us"), column))
        for p, part in enumerate(self.parts):
            angle = 2 * np.pi * cycles[part]
            out[:, 1 + 2 * p] = np.where(gone, 0.0, np.sin(angle))
            out[:, 2 + 2 * p] = np.where(gone, 0.0, np.cos(angle))
        if self.indicator:
            out[:, -1] = gone

    def check(self) -> None:
        """As `Encoder.check`; the parts are known cycles."""
        super().check()
        if not set(self.parts) <= CYCLES.keys():
            raise TypeError(f"column {self.name!r} has the cycles {self.parts}, of which there are {list(CYCLES)}")

    def decode(self, block: np.ndarray) -> np.ndarray:
        """The dates, to the microsecond that float64 keeps."""
        days = block[:, 0] * self.scale + self.mean
        dates = np.rint(days * _DAY).astype(np.int64).view("datetime64[us]").copy()
        if self.indicator:
            dates[block[:, -1] > 0.5] = np.datetime64("NaT")
        return dates


def _days(name: str, column: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if column.dtype.kind != "M":
        gone = missing_in(column)
        words = {str(w) for w in column[~gone].tolist()}
        dates = dates_of(sorted(words), []) if column.dtype.kind == "O" else None
        if words and dates is None:
            i = int((~gone).argmax())
            raise DataError(
                f"column {name!r} holds {column[i : i + 1].tolist()[0]!r} in row {rows[i]} where a date is expected"
            )
        nothing = np.datetime64("NaT", "us")
        column = np.array(
            [nothing if g else dates[w] for w, g in zip(column.tolist(), gone, strict=True)], "datetime64[us]"
        )
    gone = np.isnat(column)
    return np.where(gone, 0.0, column.astype("datetime64[us]").astype(np.int64) / _DAY), column, gone
