"""Checks of a study without a target: may a reader act on what was found?

The thresholds are conventions; each docstring says what the number stands for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .finding import ORDER, Finding


@dataclass(frozen=True)
class StructureEvidence:
    """What a study without a target knows about its winner.

    Attributes
    ----------
    task : str
    rows, repeated_rows : int
    ties : list of str
        Candidates that no comparison tells from the winner.
    warnings : list of str
        What the winner's fits warned of.
    stopped : str, optional
        Why the search ended early.
    discrete : list of str
        Columns of numbers most of whose values are among a few.
    facts : dict
        What the task found: "clear", "stability", "sizes", "noise", "alike", "agreement".
    """

    task: str
    rows: int
    repeated_rows: int = 0
    ties: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    stopped: str | None = None
    discrete: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def no_structure(e: StructureEvidence) -> Finding | None:
    """What was found is found in references without structure as well, or not by the other half of the rows."""
    if e.facts.get("clear", True):
        return None
    nothing = e.facts.get("against_nothing")
    told = "No direction carries more variance than those of columns shuffled one by one."
    if nothing:
        told = (
            f"Silhouette {nothing['silhouette']:.2f}; in uniform references {nothing['uniform']['mean']:.2f} on "
            f"average and at most {nothing['uniform']['max']:.2f}, in normal ones {nothing['normal']['mean']:.2f} and "
            f"{nothing['normal']['max']:.2f}. Stability between halves: {e.facts['stability']:.2f}."
        )
    return Finding("P301", "No clear structure", "problem", told, "Look for other columns, or do without groups.")


def unsteady(e: StructureEvidence) -> Finding | None:
    """Two halves of the table agree by less than 0.8 (Rand's adjusted index, or a rank correlation)."""
    stability = e.facts.get("stability")
    if stability is None or stability >= 0.8 or not e.facts.get("clear", True):
        return None
    return Finding(
        "P302",
        "Another half of the table finds something else",
        "warning",
        f"Stability {stability:.2f} between halves of the table; 1 would be the same.",
        "More rows, fewer columns or fewer clusters; trust only what the profiles make plain.",
    )


def tiny(e: StructureEvidence) -> Finding | None:
    """A cluster of less than a hundredth of the rows."""
    small = [n for n in e.facts.get("sizes", []) if n < 0.01 * e.rows]
    if not small or not e.facts.get("clear", True):
        return None
    return Finding(
        "P303",
        "Some clusters are tiny",
        "info",
        f"{len(small)} of {len(e.facts['sizes'])} clusters hold less than 1 % of the rows (the smallest {min(small)}).",
        "Look at their rows: they may be mistakes rather than a kind of their own.",
    )


def loners(e: StructureEvidence) -> Finding | None:
    """More than a third of the rows belong to no cluster."""
    noise = e.facts.get("noise", 0)
    if noise <= e.rows / 3:
        return None
    return Finding(
        "P304",
        "Many rows belong to no cluster",
        "warning",
        f"{noise} of {e.rows} rows were left out of all clusters.",
        "The clusters describe the others only; a method that gives every row a cluster may suit better.",
    )


def disputed(e: StructureEvidence) -> Finding | None:
    """The winner's answers are less alike to those of all the others than 0.5."""
    alike = [row["alike"] for row in e.facts.get("alike", [])]
    if not alike or max(alike) >= 0.5 or not e.facts.get("clear", True):
        return None
    return Finding(
        "P305",
        "Other methods find something else",
        "warning",
        f"The most similar one agrees by {max(alike):.2f} (1: the same, 0: chance).",
        "Each method has its own idea of structure: read how the winner works, and whether its idea suits the rows.",
    )


def lattice(e: StructureEvidence) -> Finding | None:
    """More than half of the rows hold one of five values of a column of numbers."""
    if not e.discrete or e.task not in ("clustering", "density"):
        return None
    names = ", ".join(repr(name) for name in e.discrete[:5]) + (" ..." if len(e.discrete) > 5 else "")
    return Finding(
        "P306",
        "Numbers with few values",
        "warning",
        f"Most rows hold one of the few commonest values of {names}.",
        "A density that peaks at each of them, or clusters of equal values, say little; leave such columns out with "
        "--kind COLUMN=ignored, or compare without them.",
    )


def repeats(e: StructureEvidence) -> Finding | None:
    """At least one row in a hundred repeats another."""
    if e.repeated_rows < max(1, 0.01 * e.rows):
        return None
    return Finding(
        "P108",
        "Rows repeat",
        "warning",
        f"{e.repeated_rows} rows repeat an earlier one: what is found twice looks more certain than it is.",
        "If they are copies, remove them.",
    )


def unsettled_fits(e: StructureEvidence) -> Finding | None:
    """A fit of the winner warned."""
    if not e.warnings:
        return None
    return Finding(
        "P109", "The winner's fits warned", "warning", "; ".join(e.warnings[:3]), "Follow the warning's own advice."
    )


def tied(e: StructureEvidence) -> Finding | None:
    """Some candidate cannot be told from the winner."""
    if not e.ties:
        return None
    names = ", ".join(e.ties[:5]) + (f" and {len(e.ties) - 5} more" if len(e.ties) > 5 else "")
    return Finding(
        "P202",
        "No clear winner",
        "info",
        f"Over the folds, the winner cannot be told from: {names}.",
        "Take the one that is simplest to explain or fastest.",
    )


def stopped(e: StructureEvidence) -> Finding | None:
    """The search ended before every candidate had its turn."""
    if not e.stopped:
        return None
    return Finding(
        "P203",
        "The search was cut short",
        "warning",
        f"It ended early ({e.stopped}); candidates that did not get their turn stand in the leaderboard as skipped.",
        "Give it more time with --budget, or fewer methods with --methods.",
    )


CHECKS: tuple[Callable[[StructureEvidence], Finding | None], ...] = (
    no_structure, unsteady, tiny, loners, disputed, lattice, repeats, unsettled_fits, tied, stopped,
)  # fmt: skip


def diagnose_structure(evidence: StructureEvidence) -> list[Finding]:
    """Run every check; the gravest findings first.

    Parameters
    ----------
    evidence : StructureEvidence

    Returns
    -------
    list of Finding
        Empty if nothing was found.
    """
    found = [finding for check in CHECKS if (finding := check(evidence)) is not None]
    return sorted(found, key=lambda f: (ORDER[f.severity], f.code))
