"""What the report says of the winner: data, performance, explanation, errors, method, and how to repeat it.

`account` gathers all of it; every part is a question asked of one `Outcome`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import peira

from ..diagnosis import Evidence
from ..measures import Measure, measures_for
from .candidates import Candidate
from .evaluating import Cell
from .recipe import method_page, reproduce
from .run import Run
from .verdict import LEVEL, Pooled, ties


@dataclass(frozen=True)
class Outcome:
    """What a study has come to: the best candidate, what it did on the folds, and its model of all rows."""

    study: Any
    run: Run
    rows: list[dict[str, Any]]
    best: Candidate
    cells: list[Cell]
    unseen: Pooled
    baseline: dict[str, Any] | None
    model: Any
    tried: list[dict[str, Any]]
    """Settings that were tried on all rows, with their inner scores."""
    lessons: dict[str, Any]
    """How the net of the model learned; empty where it has none."""

    @property
    def measure(self) -> Measure:
        return self.study.measure


def account(
    outcome: Outcome,
    verdict: dict[str, Any],
    findings: list[dict[str, Any]],
    curve: dict[str, Any],
    explained: dict[str, Any],
) -> dict[str, Any]:
    """The whole content of the report."""
    return {
        **header(outcome),
        "verdict": verdict,
        "diagnosis": findings,
        "leaderboard": outcome.rows,
        "data": outcome.study.material.data_section(outcome),
        "performance": _performance(outcome),
        "learning": curve | steps(outcome),
        "explanation": explained,
        "errors": _errors(outcome),
        "method_page": method_page(outcome),
        "reproduce": reproduce(outcome),
        **outcome.study.material.sections(outcome),
    }


def steps(outcome: Outcome) -> dict[str, Any]:
    """How the winner learned, step by step."""
    method = outcome.model.method_
    history = getattr(getattr(method, "method_", method), "history_", {})  # of subwords, what learns is inside
    return {"history": history, "history_of": outcome.best.method, "net": outcome.lessons}


def evidence(outcome: Outcome, curve: dict[str, Any], explained: dict[str, Any]) -> Evidence:
    """What the checks of `peira.diagnosis` look at."""
    baseline = outcome.baseline or outcome.rows[0]
    return Evidence(
        task=outcome.study.task,
        **outcome.study.question.evidence(outcome.unseen.arrays),
        scores=np.array([cell.score for cell in outcome.cells]),
        train_scores=np.array([cell.train_score for cell in outcome.cells]),
        baseline_scores=np.array(baseline["fold_scores"]),
        higher_is_better=outcome.measure.better == "higher",
        measure=outcome.measure.title,
        target=outcome.study.target,
        repeated_rows=outcome.study.material.repeated,
        ties=ties(outcome.rows),
        curve={"sizes": curve["sizes"], "validation": [float(np.mean(v)) for v in curve["validation"]]},
        warnings=sorted({text for cell in outcome.cells for text in cell.warnings}),
        candidates=len(outcome.rows),
        failed=sum(row["status"] == "failed" for row in outcome.rows),
        stopped=outcome.run.state.get("stopped"),
        importance=explained["importance"],
        item=outcome.study.material.item,
    )


def header(outcome: Outcome) -> dict[str, Any]:
    """What was learned of what, when and by which measure."""
    state, measure = outcome.run.state, outcome.measure
    return {
        "peira": peira.__version__,
        "created": state["created"],
        "run": outcome.run.path.name,
        "source": outcome.study.config["source"],
        "task": outcome.study.task,
        "target": outcome.study.target,
        "measure": {
            "name": measure.name,
            "title": measure.title,
            "better": measure.better,
            "units": measure.units,
            "range": list(measure.range),
        },
        "item": outcome.study.material.item,
        "rows": len(outcome.study.y),
        "columns": outcome.study.material.width,
        "seed": outcome.study.config["seed"],
        "seconds": state.get("seconds"),
        "complete": state.get("stopped") is None,
        "stopped": state.get("stopped"),
    }


def _performance(outcome: Outcome) -> dict[str, Any]:
    """Further measures of the winner, and what the plots of its task need."""
    question, arrays, measures = outcome.study.question, outcome.unseen.arrays, []
    for measure in (question.measure(m.name) for m in measures_for(question.task)):
        value = question.value(arrays, measure)
        if value is not None:
            measures.append(measured_by(measure, value, *question.interval(arrays, measure, LEVEL)))
    return {"measures": measures, **question.performance(outcome)}


def measured_by(measure: Measure, value: float, low: float, high: float) -> dict[str, Any]:
    """A line of the table of measures."""
    return {
        "name": measure.name,
        "title": measure.title,
        "value": value,
        "interval": [low, high],
        "units": measure.units,
        "better": measure.better,
    }


def _errors(outcome: Outcome, count: int = 10) -> list[dict[str, Any]]:
    """The items worth a look, with what there is to see of them."""
    material = outcome.study.material
    worst, said = outcome.study.question.errors(outcome, count)
    rows = outcome.unseen.rows[worst]
    return [
        {"row": name, **words, **material.look(int(row))}
        for name, row, words in zip(material.called(rows), rows, said, strict=True)
    ]
