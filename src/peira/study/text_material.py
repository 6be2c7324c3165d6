"""Texts as what a study learns from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..experience.sequences import Sequences
from ..experience.text import Text, read_text
from .material import UntargetedMaterial

DOCUMENTS = 50
"""Texts from which on they are learned from as they are; fewer are cut into passages."""
PASSAGES = 100
UNITS = {
    "characters": "a unit is a character, spaces and line breaks included",
    "words": "a unit is a word, a number or a mark; spaces are left out, and bits a word do not compare with others",
    "spaces": "a unit is what stands between spaces; these are left out, and bits a word do not compare with others",
    "subwords": "a unit is a subword, made of bytes by up to 1,000 merges of frequent neighbours, which each fit "
    "learns from its own text alone; bits are told for a character, so that they compare with those of characters",
}
"""What documents are taken apart into, and what that means."""


class TextMaterial(UntargetedMaterial):
    """Texts, as sequences of symbols.

    Parameters
    ----------
    text : Text
        As it is learned from: documents, or passages.
    unit : "characters", "words", "spaces" or "subwords"
    cut : bool
        Whether they are passages.
    notes : list of str
    """

    data = "symbols"
    item = "text"

    def __init__(self, text: Text, unit: str, cut: bool, notes: Sequence[str]) -> None:
        self.text, self.unit, self.cut, self.notes = text, unit, cut, list(notes)
        self.X: Sequences = text.tokens(self.reading["unit"])
        self.repeated = 0 if cut else len(text) - len(set(text.documents.tolist()))

    @property
    def inputs(self) -> str:
        return f"the {self.symbols} before it"

    @property
    def symbols(self) -> str:
        """What a symbol is, in the plural."""
        return "words" if self.unit == "spaces" else self.unit

    @property
    def width(self) -> int | None:
        return None

    @property
    def reading(self) -> dict[str, Any]:
        return {"unit": "characters" if self.unit == "subwords" else self.unit}  # subwords are learned from these

    def digest(self) -> str:
        return hashlib.sha256(f"{self.unit}\0".encode() + "\0".join(self.text.documents.tolist()).encode()).hexdigest()

    def profile(self) -> dict[str, Any]:
        lengths = self.X.lengths
        return {
            "data": "text",
            "texts": len(self.X),
            "unit": self.unit,
            "symbols": len(self.X.values),
            "different": len(np.unique(self.X.values)),
            "shortest": int(lengths.min()),
            "longest": int(lengths.max()),
            "repeated": self.repeated,
            "notes": self.notes,
        }

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.text.ids[rows].tolist()

    def data_section(self, outcome: Any) -> dict[str, Any]:
        told = self.profile()
        what = self.reading["unit"].replace("spaces", "words")
        decisions = [
            f"{told['symbols']:,} {what}, {told['different']:,} different ones, in {told['texts']:,} texts",
            UNITS[self.unit],
            *self.notes,
            *outcome.study.question.decisions,
        ]
        return {"decisions": decisions, "duplicates": self.repeated, "columns": []}

    def recipe(self, verb: str, source: str) -> str:
        return (
            "from peira.experience.text import read_text\n"
            f"model.{verb}(read_text({source!r}).tokens(model.reading_['unit']))"
        )


def open_text_source(source: Any, config: dict[str, Any]) -> TextMaterial | None:
    """The texts of a source; None if it holds something else."""
    from ..experience.text import looks_like_text

    if config.get("target") is not None or config.get("task") not in ("auto", "language"):
        return None
    if not isinstance(source, Text) and not (isinstance(source, str | Path) and looks_like_text(source)):
        return None
    unit = config.get("unit") or "characters"
    if unit not in UNITS:
        raise ParameterError(f"--unit is one of {', '.join(UNITS)}; got {unit!r}")
    text = source if isinstance(source, Text) else read_text(source)
    notes = list(text.notes)
    kept = [i for i, document in enumerate(text.documents) if document.strip()]
    if len(kept) < len(text):
        notes.append(f"{len(text) - len(kept)} empty texts are left out")
        text = text[np.array(kept, dtype=np.intp)]
    if not len(text):
        raise DataError("there is no text to learn from: every document is empty")
    cut = len(text) < DOCUMENTS
    if cut:
        size = sum(map(len, text.documents.tolist()))
        if size < 20 * PASSAGES:
            raise DataError(f"the text has {size} characters: too few to learn from and to judge by; 2,000 are needed")
        text = text.passages(-(-size // PASSAGES))
        notes.append(f"learned from and judged in {len(text)} passages of about {size // PASSAGES:,} characters")
    return TextMaterial(text, unit, cut, notes)
