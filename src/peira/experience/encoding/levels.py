"""Words: one column of 0 and 1 for each level but the reference; levels with few rows share one.

.. math:: \\phi_k(x) = 1 \\quad if \\quad x = level_k, \\quad else \\quad 0
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..kinds import TRUE
from ..profile import count_levels, missing_in
from .base import MISSING, OTHER, Dropped, Encoder


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
        """As `Encoder.encode`. A level never seen goes to the pooled ones; where there are none, the
        row gets the average of all rows, so that the level changes nothing."""
        K = len(self.levels)
        NONE, UNKNOWN = out.shape[1], out.shape[1] + 1
        place: dict[str | None, int] = {level: k for k, level in enumerate(self.levels)}
        if self.base is not None:
            place[self.base] = NONE
        place[None] = K + self.other if self.indicator else NONE if self.blank else UNKNOWN
        words, each = _spelt(column)
        codes = np.array([place.get(word, K if self.other else UNKNOWN) for word in words], np.intp)[each]
        # One row of numbers for each case, then one gather: faster than writing column by column.
        cases = np.vstack([np.eye(NONE), np.zeros(NONE), self.shares])
        out[:] = cases[codes]

    def check(self) -> None:
        """As `Encoder.check`; there is one share for each column."""
        super().check()
        if len(self.shares) != len(self.labels()):
            raise TypeError(f"column {self.name!r} has {len(self.shares)} shares for {len(self.labels())} levels")

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


def to_words(column: np.ndarray) -> np.ndarray:
    """The column as words with None: a whole number as its digits, so that 1, 1.0 and "1" are one level."""
    if column.dtype.kind == "O":
        return column
    words, each = _spelt(column)
    return np.array(words, object)[each]


def _spelt(column: np.ndarray) -> tuple[list[str | None], Any]:
    """Words, and for each row which of them it holds; other values than words are spelt once each."""
    if column.dtype.kind == "O":
        return column.tolist(), slice(None)
    values, each = np.unique(column, return_inverse=True)
    spelt = map(_spell, values.tolist()) if column.dtype.kind == "f" else values.astype(str).tolist()
    return [None if gone else word for word, gone in zip(spelt, missing_in(values).tolist(), strict=True)], each


def _spell(v: float) -> str:
    return str(int(v)) if abs(v) < 1e16 and v == int(v) else repr(v)
