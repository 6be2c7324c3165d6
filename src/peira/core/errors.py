"""What goes wrong at the door, in words: what was expected, what came, what to do."""

import difflib
from collections.abc import Iterable

from .text import printable


class DataError(ValueError):
    """The data, or the task asked of them, cannot be understood as they are."""


class ParameterError(ValueError):
    """A parameter is outside of its type or range."""


class UnreadableError(ValueError):
    """A stored model or run cannot be read, or must not be."""


class NoCandidateError(ValueError):
    """Not one candidate of a study, the baseline included, could be fitted."""


class LearningError(ValueError):
    """Learning broke down before anything was learned."""


class RankWarning(UserWarning):
    """Columns depend on each other: the coefficients are not determined by the data alone."""


def closest(name: object, choices: Iterable[object]) -> str:
    """The end of a sentence that answers an unknown name: the nearest one, and the choices.

    >>> closest("Rigde", ["Lasso", "Ridge"])
    "did you mean 'Ridge'? There are: Lasso, Ridge"
    >>> closest("a", ["Lasso", "Ridge"])
    'there are: Lasso, Ridge'
    """
    names = sorted({printable(str(c), 60) for c in choices})
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    if near:
        return f"did you mean {near[0]!r}? There are: {shown}"
    return f"there are: {shown}" if names else "there are none"
