"""What texts, series and sequences with and without labels have shown: sentences, figures, samples."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...experience.tokens import readable
from ..account import Outcome
from ..drawing import by_method, fan, states
from ..evaluating import Cell
from ..material import items
from ..report.figures import interval, measured
from ..sequence_models import LEVEL
from ..told import Told
from .parts import choice, figure, nothing, run_of, tied_words

_SAMPLES, _SYMBOLS = 3, 300
_SHOWN, _SAYS = 5, 20
"""Texts at either end of a list; symbols from which on the bits of one say something."""
_HISTORY = 120
_ROWS, _CONTEXTS, _DRAWN = 20, 4096, 12
"""Contexts in a table of what follows them; those that a chain may have for that, and for a picture of it."""
_STRETCH = 300
"""Steps of a sequence that are drawn over their states."""


def tell_language(outcome: Outcome, cells: Sequence[Cell], verdict: dict[str, Any]) -> Told:
    """How well the next symbol is foreseen, what the winner writes, and what surprises it."""
    study, unit, counted = outcome.study, outcome.study.question.unit, outcome.study.question.counted
    score, pair, gain = verdict["score"], verdict["interval"], verdict["gain"]
    said = f"{outcome.measure.title.replace('symbol', counted)} {measured(score, pair)} ({interval(pair)})"
    sentence = f"{nothing(outcome)} foresees the next {unit} better than how frequent each is: {said}."
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
    told = arrays["symbols"][order] >= _SAYS
    order, few = (
        (order[told], f" Texts of fewer than {_SAYS} are left out.") if told.sum() > 2 * _SHOWN else (order, "")
    )
    rows = outcome.unseen.rows
    chosen = [*order[:_SHOWN], *order[-_SHOWN:]] if len(order) > 2 * _SHOWN else order
    return {
        "title": "The most and the least surprising texts",
        "caption": f"On texts that the fits had not seen, by bits a {unit}.{few}",
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
        sentence = f"{nothing(outcome)} forecasts {ahead} clearly better than repeating the last season: {said}."
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
    sentence = f"{nothing(outcome)} finds the {question.target!r} of a step better than the frequencies do: {said}."
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
    method, measure, whole = outcome.model.method_, outcome.measure, outcome.study.material.whole
    score, pair, gain, baseline = (verdict[name] for name in ("score", "interval", "gain", "baseline"))
    hidden, chain = hasattr(method, "predict_proba"), hasattr(method, "contexts")
    paths = method.predict(whole) if hidden else []
    used = np.unique(np.concatenate(paths)) if hidden else np.empty(0, dtype=np.int64)
    K, offered = len(used), len(method.transmat_) if hidden else 0
    said = f"{measure.title} {measured(score, pair)} nats ({interval(pair)})"
    if gain is None or baseline["method"] in verdict["tied_with"] or K == 1:
        sentence = (
            f"{nothing(outcome)} explains unseen sequences clearly better than steps that are independent: {said}."
        )
    else:
        kind = f" with {K} hidden states" if hidden else f" of order {method.order}" if chain else ""
        sentence = (
            f"{outcome.best.method}{kind} explains unseen sequences best: {said}; steps that are independent, "
            f"{measured(baseline['score'], pair)}.{tied_words(verdict)}"
        )
    facts = {"gain": gain, "states": K}
    if not hidden:
        next_ = [f"Ask how likely new sequences are: peira predict {run_of(outcome)} TABLE"]
        back = [figure("Looks back", items(method.order, "step"), "that decide what comes next")] if chain else []
        return Told(sentence, next=next_, facts=facts, figures=back, looks=_followers(outcome) if chain else {})
    next_ = [f"Find the states of new sequences: peira predict {run_of(outcome)} TABLE"]
    structure = {"choice": choice(outcome, "number of states" + (" offered" if offered > K else ""), None)}
    P = np.vstack(method.predict_proba(whole))
    looks = {
        "figures": [*_stretches(outcome, paths), _graph(partial(method.plot_transitions, states=used), "state")],
        "tables": [_states(outcome, used, np.concatenate(paths), P)],
    }
    left = f"; {offered} were offered" if offered > K else ""
    figures = [
        figure("States", str(K), f"that the steps come from, each with what it shows and how long it lasts{left}")
    ]
    return Told(sentence, structure, next_, facts, figures, looks)


def _stretches(outcome: Outcome, paths: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Two stretches of sequences that go through most states, over these."""
    X, method = outcome.study.material.whole, outcome.model.method_
    starts = [(n, a) for n, path in enumerate(paths) for a in range(0, len(path), _STRETCH)]
    order = sorted(starts, key=lambda at: -len(np.unique(paths[at[0]][at[1] : at[1] + _STRETCH])))
    return [
        {
            "title": f"Sequence {X.ids[n]}" + (f", from step {a}" if a else ""),
            "caption": "What is seen, over the most probable states; the stronger a colour, the surer the state.",
            "png": by_method(partial(method.plot, [X[[n]].values[a : a + _STRETCH]]), 7.2, 2.6),
        }
        for n, a in sorted(order[:2])
    ]


def _graph(draw: Callable[[Any], Any], what: str) -> dict[str, Any]:
    return {
        "title": f"How the {what}s follow each other",
        "caption": f"Arrows with the probability that one {what} follows another; loops, that it stays.",
        "png": by_method(draw, 4.6, 4.6),
    }


def _followers(outcome: Outcome) -> dict[str, Any]:
    """What follows the symbols that a chain looks back on: for those that are seen most often."""
    method, whole = outcome.model.method_, outcome.study.material.whole
    m, symbols = int(method.order), method.symbols_
    if len(symbols) ** m > _CONTEXTS:
        return {}
    place = {symbol: k for k, symbol in enumerate(symbols.tolist())}
    counts, K = np.zeros(len(symbols) ** m, dtype=int), len(symbols)
    for part in whole:
        codes = np.array([place.get(symbol, -1) for symbol in part[:, 0].tolist()])
        windows = np.lib.stride_tricks.sliding_window_view(codes, m) if len(codes) >= m else codes[:0].reshape(0, m)
        np.add.at(counts, windows[(windows >= 0).all(1)] @ K ** np.arange(m)[::-1], 1)
    rows, P = [], method.transmat_
    for c in np.argsort(-counts, kind="stable")[:_ROWS]:
        context = method.contexts[c]
        seen = context if m == 1 else " ".join(context)
        rows.append([str(seen), int(counts[c]), *(f"{symbols[k]} {100 * P[c, k]:.0f} %" for k in _most(P[c]))])
    table = {
        "title": "What follows what",
        "caption": "The most probable next symbols, after those that are seen most often.",
        "head": ["After", "Steps", *(f"{nth} likely" for nth in ("Most", "Second most", "Third most")[: min(K, 3)])],
        "rows": rows,
    }
    return {"tables": [table], "figures": [_graph(method.plot_transitions, "symbol")] if K**m <= _DRAWN else []}


def _most(probs: np.ndarray) -> np.ndarray:
    """The places of the three most probable."""
    return np.argsort(-probs, kind="stable")[:3]


def _states(outcome: Outcome, used: np.ndarray, path: np.ndarray, P: np.ndarray) -> dict[str, Any]:
    """What each state that is gone through is like: how often, how long, how sure, and the means of what is seen."""
    X, A = outcome.study.material.whole, outcome.model.method_.transmat_
    B, symbols = getattr(outcome.model.method_, "emissionprob_", None), outcome.study.material.symbols
    names, rows = (X.names or ())[:6], []
    for k in used:
        mine = path == k
        lasts = 1 / (1 - A[k, k]) if A[k, k] < 1 else np.inf
        if symbols is not None:
            shown = [f"{outcome.model.method_.symbols_[v]} {100 * B[k, v]:.0f} %" for v in _most(B[k])]
        else:
            seen = [v[~np.isnan(v)] for v in X.values[mine][:, : len(names)].T]
            shown = [f"{v.mean():.4g}" if len(v) else "" for v in seen]
        rows.append(
            [
                str(k),
                f"{100 * mine.mean():.1f} %",
                f"{lasts:.3g}" if np.isfinite(lasts) else "for ever",
                f"{100 * P[mine, k].mean():.0f} %",
                *([", ".join(shown)] if symbols is not None else shown),
            ]
        )
    return {
        "title": "What each state is like",
        "caption": "Its share of the steps, how long it lasts on average, how sure it is, and "
        + ("means of what is seen." if symbols is None else "what it shows most often."),
        "head": ["State", "Steps", "Lasts, steps", "Sure", *map(str, names)],
        "rows": rows,
    }
