"""What a task without a target says of its winner."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Told:
    """What a task has to say of its winner.

    Parameters
    ----------
    sentence : str
    structure : dict
        The report's section.
    next : list of str
        What to do with it.
    facts : dict
        For the checks of `peira.diagnosis.structure`, and for scripts.
    figures : list of dict
        Further figures of the verdict: "name", "value", "detail".
    looks : dict
        Figures, tables and texts: the report's closer look.
    """

    sentence: str
    structure: dict[str, Any] = field(default_factory=dict)
    next: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    figures: list[dict[str, str]] = field(default_factory=list)
    looks: dict[str, Any] = field(default_factory=dict)
