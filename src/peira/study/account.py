"""What the report says of the winner: data, performance, explanation, errors, method, and how to repeat it.

`account` gathers all of it; every part is a question asked of one `Outcome`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import peira

from ..core.iteration import limiting, task
from ..diagnosis import Evidence
from ..experience.table import Table
from ..explaining import permutation_importance
from ..measures import Measure, measures_for
from .candidates import Candidate
from .evaluating import Cell
from .model import TableModel
from .recipe import method_page, reproduce
from .run import Run, plain
from .verdict import LEVEL, Pooled, ties

_EXPLAIN_ROWS = 2_000
_EXPLAIN_SECONDS = 8.0


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
    model: TableModel
    tried: list[dict[str, Any]]
    """Settings that were tried on all rows, with their inner scores."""

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
    history = getattr(outcome.model.method_, "history_", {})
    return {
        **header(outcome),
        "verdict": verdict,
        "diagnosis": findings,
        "leaderboard": outcome.rows,
        "data": data(
            outcome,
            [
                f"the target asks for {outcome.study.roles.task}: {outcome.study.roles.task_reason}",
                *outcome.study.question.decisions,
            ],
        ),
        "performance": _performance(outcome),
        "learning": curve | {"history": history, "history_of": outcome.best.method},
        "explanation": explained,
        "errors": _errors(outcome),
        "method_page": method_page(outcome),
        "reproduce": reproduce(outcome),
    }


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
        repeated_rows=outcome.study.roles.n_repeated,
        ties=ties(outcome.rows),
        curve={"sizes": curve["sizes"], "validation": [float(np.mean(v)) for v in curve["validation"]]},
        warnings=sorted({text for cell in outcome.cells for text in cell.warnings}),
        candidates=len(outcome.rows),
        failed=sum(row["status"] == "failed" for row in outcome.rows),
        stopped=outcome.run.state.get("stopped"),
        importance=explained["importance"],
    )


def explanation(outcome: Outcome) -> dict[str, Any]:
    """Importance of each column for rows of the first fold, and the weights where they can be read."""
    study, model, measure, seed = outcome.study, outcome.model, outcome.measure, outcome.study.config["seed"]
    train, test = study.folds[0]
    test = test[:_EXPLAIN_ROWS]
    with limiting(_EXPLAIN_SECONDS), task("explanation"):
        fitted = type(model)(**model.get_params(deep=False)).fit(study.X[train], study.y[train])

        def loss(table: Table) -> float:
            return measure.loss(measure.value(study.y[test], getattr(fitted, measure.needs)(table)))

        importance = permutation_importance(loss, study.X[test], seed=seed)
        coefficients, note = [], ""
        if model.basis_ is not None:
            note = (
                f"The method weighs basis functions ({model.expansion}) of the columns, "
                "whose weights say little one by one."
            )
        elif hasattr(model.method_, "coef_"):
            coefficients, note = study.question.coefficients(model, study.X, study.y, seed)
    return {"importance": importance, "coefficients": coefficients, "note": note}


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
        "rows": len(outcome.study.y),
        "columns": outcome.study.X.shape[1],
        "seed": outcome.study.config["seed"],
        "seconds": state.get("seconds"),
        "complete": state.get("stopped") is None,
        "stopped": state.get("stopped"),
    }


def data(outcome: Outcome, asked: list[str]) -> dict[str, Any]:
    """The columns, what was decided of them, and why; ``asked``: what was decided about the task."""
    roles = outcome.study.roles
    columns = []
    for profile in roles.profiles.values():
        summary = dict(profile.summary)
        quantiles = summary.pop("quantiles", None)
        if quantiles:
            summary["quartiles"] = [quantiles[k] for k in quantiles if float(k) in (0.25, 0.5, 0.75)]
        if "levels" in summary:
            summary["levels"] = [[level["level"], level["count"]] for level in summary["levels"]]
        columns.append(
            {
                "name": profile.name,
                "role": profile.kind if profile.kind in ("target", "ignored") else "input",
                "kind": profile.kind,
                "reason": profile.reason,
                "missing": profile.n_missing,
                "unique": profile.n_unique,
                "summary": summary,
            }
        )
    decisions = [
        *roles.notes,
        *asked,
        *outcome.model.design_.notes_,
    ]
    return {"decisions": [d for d in decisions if d], "duplicates": roles.n_repeated, "columns": columns}


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
    """The rows worth a look, with their values."""
    X = outcome.study.X
    worst, said = outcome.study.question.errors(outcome, count)
    return [
        {"row": int(X.rows[row]), **words, "values": {name: plain(X[name][row]) for name in X.names[:12]}}
        for row, words in zip(outcome.unseen.rows[worst], said, strict=True)
    ]
