"""From cells to an answer where nobody knows it: what was found, how sure that is, and what to do with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tasks import TASKS
from ..diagnosis.structure import StructureEvidence, diagnose_structure
from ..experience.profile import missing_in
from .account import Outcome, header, measured_by, steps
from .evaluating import Cell
from .recipe import method_page, reproduce
from .report.figures import interval, measured, number
from .run import plain
from .telling import TELLERS
from .untargeted import Untargeted
from .verdict import LEVEL, clear_winner, procedure, ties

_MENTIONED = {"P109", "P202", "P301"}  # said elsewhere, or nothing to be done
_DISCRETE = 0.5  # share of the rows that hold one of the few commonest values


def conclude(outcome: Outcome, cells: Sequence[Cell]) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """The verdict, the findings, and the whole content of the report."""
    study, measure = outcome.study, outcome.measure
    question: Untargeted = study.question
    if question.chooses_inside:
        pooled = procedure(study.candidates, cells, study.folds, measure) or outcome.unseen
    else:
        pooled = outcome.unseen
    score, pair = question.value(pooled.arrays, measure), question.interval(pooled.arrays, measure, LEVEL)
    tied = ties(outcome.rows)
    verdict: dict[str, Any] = {
        "method": outcome.best.method,
        "score": score,
        "interval": pair,
        "level": LEVEL,
        "clear_winner": clear_winner(outcome.rows),
        "tied_with": tied,
        "baseline": None,
        "gain": None,
        "gain_interval": None,
        "plain": None,
    }
    if outcome.baseline is not None:
        verdict["baseline"] = {k: outcome.baseline[k] for k in ("method", "score", "interval")}
        if outcome.baseline["id"] != outcome.best.id:
            verdict["gain"] = outcome.baseline["difference"]["mean"]
            verdict["gain_interval"] = outcome.baseline["difference"]["interval"]
    told = TELLERS[question.task](outcome, cells, verdict)
    findings = [finding.to_json() for finding in diagnose_structure(_evidence(outcome, told.facts))]
    performance = f"{measure.title} {measured(score, pair)} ({100 * LEVEL:g} % interval {interval(pair)})"
    verdict |= _words(outcome, told.sentence, performance)
    verdict["next"] = [*told.next, *(f"{f['title']}: {f['fix']}" for f in findings if f["code"] not in _MENTIONED)][:6]
    verdict["structure"], verdict["figures"] = plain(told.facts), told.figures
    report = {
        **header(outcome),
        "question": question.asked or TASKS[question.task].question.replace("item", study.material.item),
        "verdict": verdict,
        "structure": told.structure,
        "looks": told.looks,
        "diagnosis": findings,
        "leaderboard": outcome.rows,
        "data": study.material.data_section(outcome),
        "performance": {"measures": _measures(outcome)},
        "learning": steps(outcome),
        "method_page": method_page(outcome),
        "reproduce": reproduce(outcome),
    }
    return verdict, findings, report


def _words(outcome: Outcome, sentence: str, performance: str) -> dict[str, str]:
    study = outcome.study
    material, folds = study.material, len(study.folds)
    how = (
        f"{folds} times one half of them was judged by what the other half teaches"
        if len(study.folds[0][0]) <= len(study.folds[0][1]) + 1 and material.data == "table"
        else f"each was judged by fits that had not seen it ({folds} folds)"
        if study.task != "forecasting"
        else f"those of the second half were judged by fits that had seen none that came later ({folds} folds)"
    )
    if folds == 1:
        how = f"{number(len(study.folds[0][1]))} of them were judged by fits that had not seen them"
    return {
        "task": f"Find, for each {material.item}, {study.question.wanted}, from {material.inputs}.",
        "experience": f"{number(len(study.y))} {material.item}s of {study.config['source']}; {how}.",
        "performance": performance + ".",
        "sentence": sentence,
    }


def _measures(outcome: Outcome) -> list[dict[str, Any]]:
    """All measures of the winner for which something was kept, the one that it was chosen by first."""
    question, arrays = outcome.study.question, outcome.unseen.arrays
    names = [outcome.measure.name, *question.measures]
    told = []
    for name in dict.fromkeys(names):
        measure = question.measure(name)
        value = question.value(arrays, measure)
        if value is not None and np.isfinite(value):
            told.append(measured_by(measure, value, *question.interval(arrays, measure, LEVEL)))
    return told


def _evidence(outcome: Outcome, facts: dict[str, Any]) -> StructureEvidence:
    study, state = outcome.study, outcome.run.state
    return StructureEvidence(
        task=study.task,
        rows=len(study.y),
        repeated_rows=study.material.repeated,
        ties=ties(outcome.rows),
        warnings=sorted({text for cell in outcome.cells for text in cell.warnings}),
        stopped=state.get("stopped"),
        discrete=_discrete(outcome),
        facts=facts,
    )


def _discrete(outcome: Outcome) -> list[str]:
    """Columns of numbers most of whose values are among a few."""
    told = []
    for name, kind in outcome.study.kinds.items():
        column = outcome.study.X[name]
        if kind != "numeric" or column.dtype.kind != "f":
            continue
        held = column[~missing_in(column)]
        counts = np.sort(np.unique(held, return_counts=True)[1])[::-1]
        if len(held) >= 50 and counts[:5].sum() > _DISCRETE * len(held):
            told.append(name)
    return told
