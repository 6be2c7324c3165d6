"""The kind of a column, and the task of a target, from what the column holds.

The rules are few and in this order; the first that fits decides, and its words are the reason:

==============  ==========================================================================
constant        one value, or none at all
datetime        dates
ordinal         words whose order is declared
boolean         true and false, yes and no, or the numbers 0 and 1
identifier      whole numbers, all different, under a name such as "id" or "rownames"; words of
                which more than half are different and short
text            words of which more than half are different and long
categorical     other words
numeric         other numbers
==============  ==========================================================================
"""

import re
from typing import Any, Literal

import numpy as np

from peira.core.errors import DataError

KINDS = ("numeric", "categorical", "boolean", "datetime", "text", "identifier", "constant", "ignored")
PAIRS = tuple(
    frozenset(p) for p in (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("0", "1"))
)
TRUE = frozenset(("true", "yes", "y", "t", "on", "1"))

_ID_NAME = re.compile(
    r"(.*[_ .\-]|)(id|uuid|guid|key|index|rownames|row[_. ]?names?|row[_. ]?(id|number|nr)|unnamed.*)|.*[a-z]I[dD]"
)
MAX_LABELS = 10


def kind_of(name: str, column: np.ndarray, summary: dict[str, Any], order: list[str] | None = None) -> tuple[str, str]:
    """The kind of an input column and the reason in words.

    Parameters
    ----------
    name : str
    column : array of shape (N,)
    summary : dict
        From `peira.experience.profile.summarise`.
    order : list of str, optional
        Declared levels from low to high.
    """
    held = summary["n"] - summary["n_missing"]
    unique = summary["n_unique"]
    if not held:
        return "constant", "no value at all"
    if unique <= 1 and not summary.get("n_infinite"):
        if not summary["n_missing"]:
            return "constant", "the same value in every row"
        if column.dtype.kind == "O":
            return "categorical", "one value, or none"
    if column.dtype.kind == "M":
        return "datetime", "dates"
    if order is not None:
        return "ordinal", "its levels are declared in order"
    if column.dtype.kind == "b":
        return "boolean", "true or false"
    if column.dtype.kind == "O":
        return _kind_of_words(summary, held, unique)
    if unique == 2 and summary["min"] == 0 and summary["max"] == 1:
        return "boolean", "only 0 and 1"
    if summary.get("whole") and unique == held > 2 and (_ID_NAME.fullmatch(name) or _ID_NAME.fullmatch(name.lower())):
        return "identifier", f"whole numbers, all different, under the name {name!r}"
    return "numeric", f"numbers, {unique} different" if unique < held else "numbers"


def _kind_of_words(summary: dict[str, Any], held: int, unique: int) -> tuple[str, str]:
    levels = frozenset(level["level"].lower() for level in summary["levels"])
    if unique == 2 and levels in PAIRS:
        return "boolean", f"only {' and '.join(sorted(levels))}"
    if unique > 0.5 * held and held >= 10:
        share = f"{unique} different among {held}"
        if summary["mean_words"] >= 3 or summary["mean_length"] > 40:
            return "text", f"words, {share}, {summary['mean_words']:.1f} words each on average"
        return "identifier", f"words, {share}: too many to learn a level from"
    return "categorical", f"words, {unique} different"


def task_of(column: np.ndarray, name: str = "y") -> tuple[Literal["regression", "classification"], str]:
    """The task that a target asks for, and the reason in words.

    Parameters
    ----------
    column : array of shape (N,)
        Numbers, words or truth values.
    name : str, default "y"
        For messages.

    Raises
    ------
    DataError
        If the column holds dates.

    Examples
    --------
    >>> task_of(np.array([1.5, 2.25, 3.0]))
    ('regression', 'numbers with fractions')
    """
    if column.dtype.kind == "M":
        raise DataError(
            f"the target {name!r} holds dates; predict a number instead, such as the days since a fixed one"
        )
    if column.dtype.kind in "bO":
        n = len(set(column.tolist()) - {None})
        return "classification", f"{'truth values' if column.dtype.kind == 'b' else 'words'}, {n} different"
    held = column[~np.isnan(column)]
    if (held != np.floor(held)).any():
        return "regression", "numbers with fractions"
    n = len(np.unique(held))
    if n <= 2 or (n <= MAX_LABELS and len(held) >= 5 * n):
        return "classification", f"whole numbers, only {n} different"
    return "regression", f"whole numbers, {n} different"
