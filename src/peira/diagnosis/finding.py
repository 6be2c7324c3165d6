"""Findings: what a check saw in a study, how serious it is, and what to do about it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

Severity = Literal["problem", "warning", "info"]
ORDER = {"problem": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Finding:
    """One thing that a reader should know.

    Parameters
    ----------
    code : str
        Stable, to search for and to link to.
    title : str
    severity : "problem", "warning" or "info"
    evidence : str
        The numbers that it rests on, in a sentence.
    fix : str
        What to do.
    """

    code: str
    title: str
    severity: Severity
    evidence: str
    fix: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What a study knows about its winner; every check looks at this and at nothing else.

    Attributes
    ----------
    task : str
        Which checks apply.
    observed, predicted : array of shape (N,)
        Targets and predictions on rows that the fit had not seen; positions in ``classes`` where they are labels.
    std, pit : array of shape (N,), optional
        Standard deviation and cumulative probability of the target, under the predictive distribution.
    probs : array of shape (N, C), optional
        Probabilities of the labels.
    classes : list of str
        The labels.
    table : list of dict
        For each label: "label", "support", "precision", "recall", "f1".
    costs : list of (true, predicted, cost), optional
        What mistakes were said to cost.
    calibration : str
        How probabilities were corrected already.
    scores, train_scores, baseline_scores : array of shape (folds,)
        Of the winner on its test and its training rows, and of the baseline on the same test rows.
    higher_is_better : bool
    measure : str
        Its title.
    target : str
    repeated_rows : int
    ties : list of str
        Candidates that no comparison tells from the winner.
    curve : dict, optional
        "sizes" and mean "validation" scores of the learning curve.
    warnings : list of str
        What the winner's fits warned of.
    candidates, failed : int
    stopped : str, optional
        Why the search ended early.
    importance : list of dict, optional
        "name" and "mean": what shuffling a column costs.
    item : str, default "row"
        What was learned from, in words.
    """

    task: str
    observed: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    train_scores: np.ndarray
    baseline_scores: np.ndarray
    higher_is_better: bool
    measure: str
    target: str
    std: np.ndarray | None = None
    pit: np.ndarray | None = None
    probs: np.ndarray | None = None
    classes: list[str] = field(default_factory=list)
    table: list[dict[str, Any]] = field(default_factory=list)
    costs: list[tuple] | None = None
    calibration: str = "none"
    repeated_rows: int = 0
    ties: list[str] = field(default_factory=list)
    curve: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    candidates: int = 0
    failed: int = 0
    stopped: str | None = None
    importance: list[dict[str, Any]] = field(default_factory=list)
    item: str = "row"

    @property
    def items(self) -> str:
        """What was learned from, in the plural."""
        return f"{self.item}s"

    @property
    def tabular(self) -> bool:
        """Whether there are columns, which a remedy may speak of."""
        return self.item == "row"


Check = Callable[[Evidence], Finding | None]


def diagnose(evidence: Evidence) -> list[Finding]:
    """Run every check of the task; the gravest findings first.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    list of Finding
        Empty if nothing was found.
    """
    from . import classification, common, regression

    own = {"regression": regression.CHECKS, "classification": classification.CHECKS}
    checks = common.CHECKS + own.get(evidence.task, ())
    found = [finding for check in checks if (finding := check(evidence)) is not None]
    return sorted(found, key=lambda f: (ORDER[f.severity], f.code))
