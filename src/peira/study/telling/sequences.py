"""What texts, series and sequences with and without labels have shown: sentences, figures, samples."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...experience.tokens import readable
from ..account import Outcome
from ..drawing import by_method, fan, states
from ..evaluating import Cell
from ..report.figures import interval, measured
from ..sequence_models import LEVEL
from ..told import Told
from .parts import choice, figure, run_of, tied_words

_SAMPLES, _SYMBOLS = 3, 300
_SHOWN = 5
_HISTORY = 120
_STRETCH = 300
"""Steps of a sequence that are drawn over their states."""


def tell_language(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How well the next symbol is foreseen, what the winner writes, and what surprises it."""
    study, unit, counted = outcome.study, outcome.study.question.unit, outcome.study.question.counted
    score, pair, gain = verdict["score"], verdict["interval"], verdict["gain"]
    said = f"{outcome.measure.title.replace('symbol', counted)} {measured(score, pair)} ({interval(pair)})"
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
        figure("Perplexity", f"{2**bits:.3g}", f"as unsure as among so many equally likely {counted}s"),
    ]
    looks = {"texts": [t for t in texts if t["lines"]], "tables": [_surprising(outcome)]}
    next_ = [f"Ask how likely other texts are: peira predict {run_of(outcome)} TEXT"]
    return Told(sentence, next=next_, facts={"gain": gain, "bits": bits}, figures=figures, looks=looks)


def written(outcome: Outcome) -> list[str]:
    """Texts drawn from the winner; none where it cannot draw."""
    method = outcome.model.method_
    if not hasattr(getattr(method, "method_", method), "sample"):  # of subwords, what draws is inside
        return []
    length = _SYMBOLS if outcome.study.question.unit == "character" else _SYMBOLS // 5
    drawn = method.sample(_SAMPLES, length=length)
    texts = [part if isinstance(part, str) else readable(np.asarray(part).tolist()) for part in drawn]
    return [text.replace("\n", " ⏎ ") for text in texts]


def _surprising(outcome: Outcome) -> dict[str, Any]:
    """The texts that took the most bits, and the fewest."""
    arrays, material, unit = outcome.unseen.arrays, outcome.study.material, outcome.study.question.counted
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
    observed = arrays["observed"]
    low, high, judged = question.calibrated(arrays)
    there = np.isfinite(observed) & (judged if judged.any() else True)
    covered = float(np.mean(((observed >= low) & (observed <= high))[there]))
    told = "what came lay in the {:.0f} % intervals" + (", set by earlier errors" if judged.any() else "")
    figures = [figure("Coverage", f"{100 * covered:.0f} %", f"of {told.format(100 * LEVEL)}")]
    looks = {"figures": _fans(outcome, low, high), "tables": [_by_step(outcome, low, high, there)]}
    facts = {"gain": gain, "coverage": covered, "horizon": question.horizon}
    if outcome.model.least_:
        figures.append(
            figure("Scale", "logarithm", "learned in place of the numbers: their swings grow with their level")
        )
    next_ = [f"Forecast what comes next: peira predict {run_of(outcome)} {study.config['source']}"]
    if abs(covered - LEVEL) > 0.1:
        next_.insert(0, f"The intervals hold {100 * covered:.0f} % where they promise {100 * LEVEL:.0f} %: widen them.")
    return Told(sentence, next=next_, facts=facts, figures=figures, looks=looks)


def _fans(outcome: Outcome, low: np.ndarray, high: np.ndarray) -> list[dict[str, Any]]:
    """The last forecasts of the first numbers, over what came."""
    series, arrays, times = outcome.study.material.series, outcome.unseen.arrays, outcome.study.material.times
    values = series.values.reshape(len(series.values), -1)
    starts = np.cumsum(series.lengths) - series.lengths
    names = series.names or [f"x{d}" for d in range(values.shape[1])]
    drawn, question = [], outcome.study.question
    order = np.argsort(arrays["first"], kind="stable")
    for i, d in [(order[-1], d) for d in range(min(3, values.shape[1]))] + [(order[len(order) // 2], 0)]:
        first = int(arrays["first"][i])
        start = int(starts[starts <= first].max())
        before = min(_HISTORY, max(24, 8 * question.horizon))
        shown = slice(max(start, first - before), first + question.horizon)
        parts = (part[i][:, d] for part in (arrays["observed"], arrays["predicted"], low, high))
        when = None if times is None or times.dtype.kind not in "Mfiu" else times[shown]
        drawn.append(
            {
                "title": f"{names[d]}: a forecast over what came",
                "caption": f"What the fit had not seen; shaded the {100 * LEVEL:.0f} % interval.",
                "png": fan(
                    values[shown.start : first, d],
                    *parts,
                    name=str(names[d]),
                    when=when,
                    time=question.config.get("time"),
                ),
            }
        )
    return drawn


def _by_step(outcome: Outcome, low: np.ndarray, high: np.ndarray, judged: np.ndarray) -> dict[str, Any]:
    """How the error grows with the distance."""
    arrays = outcome.unseen.arrays
    error = arrays["observed"] - arrays["predicted"]
    inside = np.where(judged, (arrays["observed"] >= low) & (arrays["observed"] <= high), np.nan)
    H = error.shape[1]
    shown = np.unique(np.linspace(0, H - 1, min(H, 12)).round().astype(int))
    return {
        "title": "Performance by distance",
        "caption": f"Over all forecasts of parts that the fits had not seen, from {len(error):,} origins.",
        "head": ["Steps ahead", "RMSE", "Mean error", "In the interval"],
        "rows": [
            [
                f"{h + 1}",
                f"{np.sqrt(np.nanmean(error[:, h] ** 2)):.4g}",
                f"{np.nanmean(error[:, h]):.3g}",
                f"{100 * np.nanmean(inside[:, h]):.0f} %" if np.isfinite(inside[:, h]).any() else "",
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


def tell_states(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How likely sequences are, which states they go through, and what each is like."""
    method, measure = outcome.model.method_, outcome.measure
    score, pair, gain, baseline = (verdict[name] for name in ("score", "interval", "gain", "baseline"))
    K = len(getattr(method, "transmat_", ()))
    said = f"{measure.title} {measured(score, pair)} nats ({interval(pair)})"
    if gain is None or baseline["method"] in verdict["tied_with"] or K == 1:
        sentence = f"Nothing explains unseen sequences clearly better than steps that are independent: {said}."
    else:
        with_states = f" with {K} hidden states" if K else ""
        sentence = (
            f"{outcome.best.method}{with_states} explains unseen sequences best: {said}; steps that are independent, "
            f"{measured(baseline['score'], pair)}.{tied_words(verdict)}"
        )
    next_ = [f"Find the states of new sequences: peira predict {run_of(outcome)} TABLE"]
    facts = {"gain": gain, "states": K}
    if not K:
        next_ = [f"Ask how likely new sequences are: peira predict {run_of(outcome)} TABLE"]
        return Told(sentence, next=next_, facts=facts)
    structure = {"choice": choice(outcome, "number of states", None)}
    paths, P = method.predict(outcome.study.material.whole), method.predict_proba(outcome.study.material.whole)
    looks = {"figures": _stretches(outcome, paths), "tables": [_states(outcome, np.concatenate(paths), np.vstack(P))]}
    figures = [figure("States", str(K), "that the steps come from, each with what it shows and how long it lasts")]
    return Told(sentence, structure, next_, facts, figures, looks)


def _stretches(outcome: Outcome, paths: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Two stretches of sequences that go through most states, over these; and how the states follow each other."""
    X, method = outcome.study.material.whole, outcome.model.method_
    starts = [(n, a) for n, path in enumerate(paths) for a in range(0, len(path), _STRETCH)]
    order = sorted(starts, key=lambda at: -len(np.unique(paths[at[0]][at[1] : at[1] + _STRETCH])))
    drawn = []
    for n, a in sorted(order[:2]):
        part = X[[n]].values[a : a + _STRETCH]
        drawn.append(
            {
                "title": f"Sequence {X.ids[n]}" + (f", from step {a}" if a else ""),
                "caption": "What is seen, over the most probable states; the stronger a colour, the surer the state.",
                "png": by_method(partial(method.plot, [part]), 7.2, 2.6),
            }
        )
    drawn.append(
        {
            "title": "How the states follow each other",
            "caption": "Arrows with the probability that one state follows another; loops, that it stays.",
            "png": by_method(method.plot_transitions, 4.6, 4.6),
        }
    )
    return drawn


def _states(outcome: Outcome, path: np.ndarray, P: np.ndarray) -> dict[str, Any]:
    """What each state is like: how often, how long, how sure, and the means of what is seen."""
    X, A = outcome.study.material.whole, outcome.model.method_.transmat_
    names, rows = (X.names or ())[:6], []
    for k in range(len(A)):
        mine = path == k
        lasts = 1 / (1 - A[k, k]) if A[k, k] < 1 else np.inf
        seen = [v[~np.isnan(v)] for v in X.values[mine][:, : len(names)].T]
        rows.append(
            [
                str(k),
                f"{100 * mine.mean():.1f} %",
                f"{lasts:.3g}" if np.isfinite(lasts) else "for ever",
                f"{100 * P[mine, k].mean():.0f} %" if mine.any() else "",
                *(f"{v.mean():.4g}" if len(v) else "" for v in seen),
            ]
        )
    return {
        "title": "What each state is like",
        "caption": "Its share of the steps, how long it lasts on average, how sure it is, and means of what is seen.",
        "head": ["State", "Steps", "Lasts, steps", "Sure", *map(str, names)],
        "rows": rows,
    }
