"""What is asked of things in a container that is no table, such as images and sequences.

Fits take long there, so the protocol does without those that are not needed:

* many items are split once: one part is held out, and every score stands with its interval on that part;
* methods with nothing to set are not judged on inner folds; the choice among methods is judged by folds (or halves of
  the part that was held out) that it was not made on;
* settings are chosen on one part of the training items, of which at most 2,000 take part;
* a budget is dealt out among the fits: each ends with its share, and keeps what it has learned by then.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core.method import Method
from ..experience.splits import Split
from ..measures import Measure
from .items_model import ItemsModel
from .material import Material
from .question import CELL, Targeted
from .sequences_classifier import SUMMARY

HOLD_OUT_FROM = 10_000
"""Number of items from which on one part is held out in place of folds."""
_LARGEST_COLUMNS = 24_000_000
_ASIDE = 0.25  # of the training items, to choose settings by


class ItemsQuestion(Targeted):
    """Base of what is asked of each thing; it goes before the question that is asked of tables.

    Parameters
    ----------
    material : Material
    config : dict
        The arguments of `learn`.
    """

    chooses_inside = False
    shares_time = True
    choose_rows = 2_000
    models: ClassVar[dict[str, type[ItemsModel]]]
    """What learns, by what is learned from."""
    on_columns: ClassVar[tuple[str, ...]]
    """Methods of tables that run on the numbers of each item unasked; any other runs when it is named."""

    def __init__(self, material: Material, config: dict[str, Any]) -> None:
        self.data = material.data  # type: ignore[misc]
        self.item, self.count, self.numbers = material.item, len(material.X), int(material.width or 0)
        super().__init__(np.asarray(material.labels), str(material.target), config)

    def resampling(self, N: int) -> str:
        return "5" if N < HOLD_OUT_FROM else "holdout"

    def offers(self, cls: type[Method], named: bool) -> bool:
        if cls.card.data == self.data:
            return True
        return cls.card.data == "table" and (named or cls.card.baseline or cls.__name__ in self.on_columns)

    def expansions(self, cls: type[Method]) -> tuple[str, ...]:
        return ("none",) if cls.card.data == self.data else ("columns",)

    def unfit(self, cls: type[Method]) -> str | None:
        if cls.card.data == "table" and not cls.card.baseline and self.count * self.numbers > _LARGEST_COLUMNS:
            return (
                f"{self.count:,} {self.item}s as {self.numbers:,} columns are more than the {_LARGEST_COLUMNS:,} "
                "numbers that methods of tables get of them"
            )
        return None

    def trials(self, cls: type[Method], most: int) -> int:
        # Nets take their time: one kind of layers or the other. As columns the items are only there to compare with.
        return most if CELL in cls.parameters() else 1

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return self.hold_out(y, _ASIDE, seed)

    def coefficients(self, model: Any, X: Any, y: np.ndarray, seed: int) -> tuple[list[dict[str, Any]], str]:
        return [], ""

    def plain(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> dict[str, Any] | None:
        told = super().plain(arrays, measure, level)
        return None if told is None else {**told, "item": self.item}

    def _as_columns(self) -> str:
        """What a method of tables sees of an item, in words."""
        if self.data == "sequences":
            return f"of each {self.item} the {', '.join(SUMMARY)} of its {self.numbers} numbers and its length"
        return f"the {self.numbers:,} numbers of each {self.item}"

    def protocol(self, candidates: Sequence[Any], folds: Split, budget: float | None) -> list[str]:
        """How methods were compared, in sentences."""
        told = []
        if len(folds) == 1:
            train, test = folds[0]
            told.append(
                f"with so many {self.item}s one part is held out in place of folds: every method learned from "
                f"{len(train):,} and was judged by the other {len(test):,}; intervals are for these"
            )
        told.append(
            "the choice among methods is judged by "
            + ("folds" if len(folds) > 1 else f"the half of the held-out {self.item}s")
            + " that it was not made on"
        )
        if any(c.expansions == ("columns",) and not c.baseline and not c.skip for c in candidates):
            told.append(
                f"methods of tables saw {self._as_columns()} as columns (expansion: "
                "columns): they know nothing of what is beside what, and show how far one comes without that"
            )
        if budget is not None:
            told.append(
                f"the budget of {budget:,.0f} s was dealt out among the fits; a fit that its share ended was judged by "
                "what it had learned by then, which depends on the machine's speed"
            )
        return told
