"""What texts, series and sequences with labels have shown: sentences, figures, samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..account import Outcome
from ..drawing import fan, states
from ..evaluating import Cell
from ..report.figures import interval, measured
from ..sequence_models import LEVEL
from ..told import Told
from .parts import figure, run_of, tied_words

_SAMPLES, _SYMBOLS = 3, 300
_SHOWN = 5
_HISTORY = 120


def tell_language(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How well the next symbol is foreseen, what the winner writes, and what surprises it."""
    study, unit = outcome.study, outcome.study.question.unit
    score, pair, gain = verdict["score"], verdict["interval"], verdict["gain"]
    said = f"{outcome.measure.title.replace('symbol', unit)} {measured(score, pair)} ({interval(pair)})"
    sentence = f"Nothing foresees the next {unit} better than how frequent each is: {said}."
    if gain is not None:
        sentence = (
            f"{outcome.best.method} foresees unseen text best: {said}; by how frequent each {unit} is alone, "
            f"{measured(verdict['baseline']['score'], pair)}.{tied_words(verdict)}"
        )
    bits = study.question.value(outcome.unseen.arrays, study.question.measure("bits"))
    texts = [
        {
            "title": f"What {outcome.best.method} writes",
            "caption": "Drawn from what it has learned of all texts, with nothing given.",
            "lines": written(outcome),
        }
    ]
    figures = [
        figure("Perplexity", f"{2**bits:.3g}", f"as unsure as among so many equally likely {unit}s"),
    ]
    looks = {"texts": [t for t in texts if t["lines"]], "tables": [_surprising(outcome)]}
    next_ = [f"Ask how likely other texts are: peira predict {run_of(outcome)} TEXT"]
    return Told(sentence, next=next_, facts={"gain": gain, "bits": bits}, figures=figures, looks=looks)


def written(outcome: Outcome) -> list[str]:
    """Texts drawn from the winner; none where it cannot draw."""
    method = outcome.model.method_
    if not hasattr(method, "sample"):
        return []
    joined = "" if outcome.study.question.unit == "character" else " "
    length = _SYMBOLS if joined == "" else _SYMBOLS // 5
    drawn = method.sample(_SAMPLES, length=length)
    texts = [part if isinstance(part, str) else joined.join(map(str, np.asarray(part).tolist())) for part in drawn]
    return [text.replace("\n", " ⏎ ") for text in texts]


def _surprising(outcome: Outcome) -> dict[str, Any]:
    """The texts that took the most bits, and the fewest."""
    arrays, material, unit = outcome.unseen.arrays, outcome.study.material, outcome.study.question.unit
    each = -arrays["log_prob"] / np.log(2) / np.maximum(arrays["symbols"], 1)
    order = np.argsort(-each, kind="stable")
    rows = outcome.unseen.rows
    chosen = [*order[:_SHOWN], *order[-_SHOWN:]] if len(order) > 2 * _SHOWN else order
    return {
        "title": "The most and the least surprising texts",
        "caption": f"On texts that the fits had not seen, by bits a {unit}.",
        "head": ["Text", f"Bits a {unit}", f"{unit.capitalize()}s", "It begins"],
        "rows": [
            [
                str(material.text.ids[rows[i]]),
                f"{each[i]:.2f}",
                int(arrays["symbols"][i]),
                material.text.documents[rows[i]][:60].replace("\n", " ⏎ "),
            ]
            for i in chosen
        ],
    }


def tell_forecast(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How well series were forecast, how wide the intervals are, and what it looks like."""
    study, question, arrays = outcome.study, outcome.study.question, outcome.unseen.arrays
    measure = outcome.measure
    score, pair, gain = verdict["score"], verdict["interval"], verdict["gain"]
    said = f"{measure.title} {measured(score, pair)} ({interval(pair)})"
    ahead = f"{question.horizon} step{'s' if question.horizon > 1 else ''} ahead"
    baseline = verdict["baseline"]
    if gain is None or (baseline and baseline["method"] in verdict["tied_with"]):
        sentence = f"Nothing forecasts {ahead} clearly better than repeating the last season: {said}."
    else:
        sentence = (
            f"{outcome.best.method} forecasts {ahead} with {said}; repeating the last season, "
            f"{measured(baseline['score'], pair)}.{tied_words(verdict)}"
        )
    observed, low, high = (arrays[k] for k in ("observed", "low", "high"))
    there = np.isfinite(observed)
    covered = float(np.mean(((observed >= low) & (observed <= high))[there]))
    figures = [
        figure("Coverage", f"{100 * covered:.0f} %", f"of what came lay in the {100 * LEVEL:.0f} % intervals"),
    ]
    looks = {"figures": _fans(outcome), "tables": [_by_step(outcome)]}
    facts = {"gain": gain, "coverage": covered, "horizon": question.horizon}
    next_ = [f"Forecast what comes next: peira predict {run_of(outcome)} {study.config['source']}"]
    if abs(covered - LEVEL) > 0.1:
        next_.insert(0, f"The intervals hold {100 * covered:.0f} % where they promise {100 * LEVEL:.0f} %: widen them.")
    return Told(sentence, next=next_, facts=facts, figures=figures, looks=looks)


def _fans(outcome: Outcome) -> list[dict[str, Any]]:
    """The last forecasts of the first numbers, over what came."""
    series, arrays = outcome.study.material.series, outcome.unseen.arrays
    values = series.values.reshape(len(series.values), -1)
    starts = np.cumsum(series.lengths) - series.lengths
    names = series.names or [f"x{d}" for d in range(values.shape[1])]
    drawn = []
    order = np.argsort(arrays["first"], kind="stable")
    for i, d in [(order[-1], d) for d in range(min(3, values.shape[1]))] + [(order[len(order) // 2], 0)]:
        first = int(arrays["first"][i])
        start = int(starts[starts <= first].max())
        history = values[max(start, first - _HISTORY) : first, d]
        parts = (arrays[k][i][:, d] for k in ("observed", "predicted", "low", "high"))
        drawn.append(
            {
                "title": f"{names[d]}: a forecast over what came",
                "caption": f"What the fit had not seen; shaded the {100 * LEVEL:.0f} % interval.",
                "png": fan(history, *parts, name=str(names[d])),
            }
        )
    return drawn


def _by_step(outcome: Outcome) -> dict[str, Any]:
    """How the error grows with the distance."""
    arrays = outcome.unseen.arrays
    error = arrays["observed"] - arrays["predicted"]
    inside = (arrays["observed"] >= arrays["low"]) & (arrays["observed"] <= arrays["high"])
    H = error.shape[1]
    shown = np.unique(np.linspace(0, H - 1, min(H, 12)).round().astype(int))
    return {
        "title": "Performance by distance",
        "caption": "Over all forecasts of parts that the fits had not seen.",
        "head": ["Steps ahead", "RMSE", "Mean error", "In the interval"],
        "rows": [
            [
                f"{h + 1}",
                f"{np.sqrt(np.nanmean(error[:, h] ** 2)):.4g}",
                f"{np.nanmean(error[:, h]):.3g}",
                f"{100 * np.mean(inside[:, h][np.isfinite(error[:, h])]):.0f} %",
            ]
            for h in shown
        ],
    }


def tell_tags(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How well labels of steps are found, which are taken for which, and what it looks like."""
    question, arrays = outcome.study.question, outcome.unseen.arrays
    score, pair, gain = verdict["score"], verdict["interval"], verdict["gain"]
    accuracy = question.measure("accuracy")
    right = question.value(arrays, accuracy)
    usual = float(np.bincount(arrays["observed"]).max() / len(arrays["observed"]))
    said = f"{outcome.measure.title} {measured(score, pair)} ({interval(pair)})"
    sentence = f"No method finds the {question.target!r} of a step better than the frequencies do: {said}."
    if gain is not None:
        sentence = (
            f"{outcome.best.method} finds the {question.target!r} of each step with {said}: right for "
            f"{100 * right:.1f} % of the steps; the most frequent label, for {100 * usual:.1f} %.{tied_words(verdict)}"
        )
    C = len(question.classes)
    counts = np.zeros((C, C), dtype=int)
    np.add.at(counts, (arrays["observed"], arrays["predicted"]), 1)
    names = [str(c) for c in question.classes[:10]]
    table = {
        "title": "What is taken for what",
        "caption": "Steps by true label (rows) and the one that was found (columns), none of them seen in fitting.",
        "head": ["True label", *names],
        "rows": [[names[c], *(int(n) for n in counts[c][:10])] for c in range(min(C, 10))],
    }
    looks = {"figures": _tracks(outcome), "tables": [table]}
    next_ = [f"Label new sequences: peira predict {run_of(outcome)} TABLE"]
    return Told(sentence, next=next_, facts={"gain": gain, "accuracy": right}, looks=looks)


def _tracks(outcome: Outcome) -> list[dict[str, Any]]:
    """Some sequences over their true labels, and over those that were found."""
    question, arrays = outcome.study.question, outcome.unseen.arrays
    X, rows = outcome.study.X.X, outcome.unseen.rows
    ends = np.cumsum(arrays["lengths"])
    wrong = np.add.reduceat((arrays["observed"] != arrays["predicted"]).astype(float), ends - arrays["lengths"])
    order = np.argsort(wrong / arrays["lengths"], kind="stable")
    drawn = []
    for i in dict.fromkeys([int(order[len(order) // 2]), int(order[-1])]):
        part = slice(int(ends[i] - arrays["lengths"][i]), int(ends[i]))
        drawn.append(
            {
                "title": f"Sequence {X.ids[rows[i]]}",
                "caption": "Lower band: the true labels; upper band: those that were found. Numbers are standardised.",
                "png": states(
                    X[[rows[i]]].values[:2000],
                    arrays["observed"][part][:2000],
                    question.classes,
                    arrays["predicted"][part][:2000],
                ),
            }
        )
    return drawn
