"""How few numbers describe a row, and what they stand for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..account import Outcome
from ..evaluating import Cell
from ..plane import principal
from ..report.figures import interval, measured, percent
from ..showing import in_words, loadings, on_map, rows_table
from ..told import Told
from .parts import FLAGGED, UNUSUAL, coloured, figure, run_of, tied_words


def tell_reduction(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How few numbers describe a row, and what they stand for."""
    model, X, question = outcome.model, outcome.study.X, outcome.study.question
    Z, method = model.numbers(X), outcome.model.method_
    codes = np.asarray(model.answer("transform", Z) if hasattr(method, "transform") else method.embedding_)
    K, D = codes.shape[1], Z.shape[1]
    numbers = f"{K} number{'' if K == 1 else 's'}"
    score = measured(verdict["score"], verdict["interval"])
    if question.maps:
        sentence = (
            f"{outcome.best.method} draws the most trustworthy map of the rows: trustworthiness {score} "
            f"({interval(verdict['interval'])}), 1 if no neighbour on the map is a stranger in the data."
        )
    else:
        spread = max(float(Z.var(0).mean()), 1e-300)
        lost, low, high = (percent(min(v, spread) / spread) for v in (verdict["score"], *verdict["interval"]))
        sentence = (
            f"{outcome.best.method} describes a row of {D} columns by {numbers} and loses {lost} of the variance of "
            f"unseen rows ({low} to {high})."
        )
    sentence += tied_words(verdict)
    none = not question.maps and bool((question.variances <= question.noise).all())
    if none:
        sentence = (
            "No structure that few numbers could hold: no direction carries more variance than in columns that were "
            f"shuffled one by one. {sentence}"
        )
    plane, names = principal(Z), model.get_names()
    back = np.asarray(method.inverse_transform(codes)) if hasattr(method, "inverse_transform") else None
    error = None if back is None else ((Z - back) ** 2).mean(1)
    if error is None:
        colour = coloured(Z[:, 0], str(names[0]), np.zeros(len(Z), dtype=bool), "")
    else:
        worst = error >= np.quantile(error, 1 - FLAGGED)
        colour = coloured(error, "squared error", worst, f"the {percent(FLAGGED)} that are described worst")
    up = codes[:, 1] if K > 1 else np.zeros(len(codes)) if error is None else error
    axes = _axes(method, names, K)
    if K == 1 and error is not None:
        axes.append("what the code leaves, the squared error")
    drawn = on_map(np.column_stack([codes[:, 0], up]), colour) | {"axes": axes, "of": "codes"}
    tables = []
    if error is not None:
        order = np.argsort(-error, kind="stable")
        tables = [
            rows_table(X, "The most unusual rows", "Those that their codes describe worst.", order[:UNUSUAL],
                       {"Squared error": [round(float(v), 3) for v in error[order[:UNUSUAL]]]}),
            rows_table(X, "The most typical rows", "Those that their codes describe best.", order[::-1][:5],
                       {"Squared error": [round(float(v), 4) for v in error[order[::-1][:5]]]}),
        ]  # fmt: skip
    structure = {
        "map": drawn,
        "scree": {"variances": question.variances[:30], "noise": question.noise[:30], "chosen": K},
        "loadings": loadings(plane, names, max(K, 2)),
        "tables": tables,
    }
    next_ = [f"Code new rows: peira predict {run_of(outcome)} TABLE"] if hasattr(method, "transform") else []
    if not question.maps:
        next_.append("To look at the rows on two axes, compare maps: -M trustworthiness")
    figures = [figure("Codes", str(K), f"for {D} columns of numbers")]
    return Told(sentence, structure, next_, {"codes": K, "clear": not none}, figures)


def _axes(method: Any, names: Sequence[str], K: int) -> list[str]:
    """What the codes stand for: the columns that weigh most, where a method weighs them."""
    weights = getattr(method, "components_", None)
    if weights is None or np.ndim(weights) != 2 or np.shape(weights)[1] != len(names):
        return [f"code {k + 1}" for k in range(min(K, 2))]
    return [in_words(np.asarray(weights)[k], names) for k in range(min(K, 2))]
