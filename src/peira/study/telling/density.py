"""How likely rows are, and which ones are hardly to be expected."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..account import Outcome
from ..evaluating import Cell
from ..report.figures import interval, measured
from ..showing import on_plane, rows_table
from ..told import Told
from .parts import FLAGGED, UNUSUAL, choice, coloured, run_of, tied_words, unlike


def tell_density(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How likely rows are, and which ones are hardly to be expected."""
    study, model, X = outcome.study, outcome.model, outcome.study.X
    Z = model.numbers(X)
    logs = np.asarray(model.answer("log_prob", Z))
    score, pair = verdict["score"], verdict["interval"]
    said = f"log likelihood {measured(score, pair)} nats a row ({interval(pair)})"
    gain, tied = verdict["gain"], verdict["tied_with"]
    baseline = verdict["baseline"]
    if baseline is None or gain is None:
        sentence = f"Nothing explains unseen rows better than independent normal columns: {said}."
    elif baseline["method"] in tied:
        best = outcome.best.method
        sentence = f"Nothing is clearly better than independent normal columns; the best, {best}: {said}."
    else:
        better = measured(gain, verdict["gain_interval"])
        sentence = (
            f"{outcome.best.method} explains unseen rows best: {said}, {better} nats more than independent normal "
            "columns, so columns depend on each other or rows are of several kinds."
        )
        sentence += tied_words(verdict)
    order = np.argsort(logs, kind="stable")
    structure = {
        "map": on_plane(
            Z, model.get_names(),
            coloured(logs, "log density", logs <= np.quantile(logs, FLAGGED), "the least likely 5 %"),
        ),
        "choice": choice(outcome, "number of components", None),
        "profiles": unlike(X, study.roles.kinds, logs, "the least likely rows"),
        "tables": [
            rows_table(X, "The most typical rows", "Those of the highest density.", order[::-1][:UNUSUAL],
                       {"Log density": [round(float(v), 2) for v in logs[order[::-1][:UNUSUAL]]]}),
            rows_table(X, "The most unusual rows", "Those of the lowest density: look at them for mistakes.",
                       order[:UNUSUAL], {"Log density": [round(float(v), 2) for v in logs[order[:UNUSUAL]]]}),
        ],
    }  # fmt: skip
    next_ = [f"Ask how likely new rows are: peira predict {run_of(outcome)} TABLE"]
    return Told(sentence, structure, next_, {"gain": gain})
