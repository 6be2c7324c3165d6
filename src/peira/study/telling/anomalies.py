"""Which rows are unlike the others, and whether several methods think so."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...measures import rank_correlation
from ..account import Outcome
from ..evaluating import Cell
from ..report.figures import measured, number, percent
from ..showing import on_plane, others, rows_table
from ..told import Told
from .parts import STABLE, UNUSUAL, coloured, figure, run_of, titled, unlike


def tell_anomalies(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """Which rows are unlike the others, and whether several methods think so."""
    study, model, X = outcome.study, outcome.model, outcome.study.X
    Z = model.numbers(X)
    usual = np.asarray(model.answer("score_samples", Z)) - model.offset_
    flagged = int((usual < 0).sum())
    stability = float(np.mean([cell.arrays["stability"][0] for cell in outcome.cells]))
    agreement = float(np.mean([cell.arrays["agreement"][0] for cell in outcome.cells]))
    method = outcome.best.method
    score = measured(verdict["score"], verdict["interval"])
    how = {
        "roc_auc": f"puts {percent(verdict['score'])} of the pairs of a row of the rarest label of "
        f"{study.question.judge!r} and another one in the right order",
        "agreement": f"agrees best with the other detectors (rank correlation {score})",
        "stability": f"puts rows in the most stable order (rank correlation {score} between halves of the table)",
    }[outcome.measure.name]
    sentence = f"{method} {how}; it calls {number(flagged)} of {number(len(Z))} rows unusual."
    if np.isfinite(agreement) and agreement < STABLE:
        sentence += " The detectors do not agree with each other: perhaps no rows are plainly unlike the rest."
    if outcome.measure.name != "roc_auc":
        sentence += " Nobody said which rows are: agreement is no proof."
    order = np.argsort(usual, kind="stable")
    alike = others(cells, outcome.best.id, "usual", rank_correlation)
    structure = {
        "map": on_plane(
            Z, model.get_names(), coloured(usual, "score", usual < 0, "called unusual"),
        ),
        "profiles": unlike(X, study.roles.kinds, usual, "the most unusual rows"),
        "others": titled(outcome, alike),
        "others_title": "Do other detectors put the rows in the same order?",
        "others_caption": "Spearman's rank correlation with the winner's scores, on the same rows.",
        "tables": [
            rows_table(X, "The most unusual rows", "Lowest score first: look at them for mistakes and special cases.",
                       order[: 2 * UNUSUAL], {"Score": [round(float(v), 4) for v in usual[order[: 2 * UNUSUAL]]]}),
            rows_table(X, "The most typical rows", "Highest score first.", order[::-1][:5],
                       {"Score": [round(float(v), 4) for v in usual[order[::-1][:5]]]}),
        ],
    }  # fmt: skip
    next_ = [
        "Look at the most unusual rows: a wrong entry, a missing value or a special case often shows there.",
        f"Score new rows: peira predict {run_of(outcome)} TABLE",
    ]
    if study.question.judge is None:
        next_.append("If some rows are known to be wrong, mark them in a column and judge by it: --judge COLUMN")
    facts = {"stability": stability, "agreement": agreement, "flagged": flagged, "alike": alike[:5]}
    figures = [figure("Called unusual", number(flagged), f"of {number(len(Z))} rows")]
    figures.append(figure("Stability", f"{stability:.2f}", "rank correlation of the scores of two halves' fits"))
    return Told(sentence, structure, next_, facts, figures)
