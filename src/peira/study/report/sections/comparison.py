"""Verdict, diagnosis and leaderboard: how the candidates compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from peira.study.report.escaping import clean, plain
from peira.study.report.figures import (
    array,
    at,
    bounds,
    count,
    decimals,
    duration,
    interval,
    measured,
    percent,
    real,
    signed,
)
from peira.study.report.plots import leaderboard as plot
from peira.study.report.plots.leaderboard import Entry
from peira.study.report.sections.classes import plain_figure
from peira.study.report.sections.common import Measure, capital, grouped, records, sentences, table, things

_ROWS = 100
_SURE = 0.95


def _title(row: dict) -> str:
    return clean(row.get("title") or row.get("method") or row.get("id") or "unnamed", 80)


def verdict(report: dict, measure: Measure) -> dict[str, Any] | None:
    """The answer in a sentence, in T/E/P words, in three figures, and what to do next."""
    v = table(report.get("verdict"))
    if not v:
        return None
    level = percent(real(v.get("level")) or 0.95)
    baseline = table(v.get("baseline"))
    figures = []
    if real(v.get("score")) is not None:
        pair = bounds(v.get("interval"))
        figures.append(
            {
                "name": capital(measure.title),
                "value": measured(v["score"], pair),
                "units": measure.units,
                "detail": f"{level} interval {interval(pair)}" if pair else "no interval",
                "note": measure.direction,
            }
        )
    if (figure := plain_figure(v.get("plain"), level)) is not None:
        figures.append(figure)
    if real(v.get("gain")) is not None:
        pair = bounds(v.get("gain_interval"))
        figures.append(
            {
                "name": "Gain over the baseline",
                "value": signed(v["gain"], pair),
                "units": measure.units,
                "detail": f"{level} interval {interval(pair)}" if pair else "no interval",
                "note": _baseline_words(baseline, v, measure),
            }
        )
    test = table(v.get("test"))
    held_out = "table" if things(report) == "rows" else things(report)
    if real(test.get("score")) is not None:
        pair = bounds(test.get("interval"))
        figures.append(
            {
                "name": f"{capital(measure.title)} on the test {held_out}",
                "value": measured(test["score"], pair),
                "units": measure.units,
                "detail": f"{level} interval {interval(pair)}" if pair else "no interval",
                "note": f"{count(test.get('rows'))} {things(report)} that took no part in anything",
            }
        )
    if (figure := plain_figure(test.get("plain"), level)) is not None:
        figure["name"] += f" on the test {held_out}"
        figures.append(figure)
    figures += [
        {
            "name": clean(f.get("name") or "", 60),
            "value": clean(f.get("value") or "", 40),
            "units": "",
            "detail": clean(f.get("detail") or "", 200),
            "note": "",
        }
        for f in records(v.get("figures"), 4)
    ]
    if isinstance(v.get("clear_winner"), bool):
        tied = sentences(v.get("tied_with"), 50)
        figures.append(
            {
                "name": "Clear winner?",
                "value": "Yes" if v["clear_winner"] else "No",
                "units": "",
                "note": "",
                "detail": "no other method is as good" if v["clear_winner"] and not tied else _tied(tied),
            }
        )
    parts = [
        (word, clean(v[key]))
        for word, key in (("Task", "task"), ("Experience", "experience"), ("Performance", "performance"))
        if isinstance(v.get(key), str)
    ]
    return {
        "sentence": v.get("sentence") if isinstance(v.get("sentence"), str) else None,
        "parts": parts,
        "figures": figures,
        "next": sentences(v.get("next"), 10),
    }


def _baseline_words(baseline: dict, v: dict, measure: Measure) -> str:
    score, gain = real(baseline.get("score")), real(v.get("gain"))
    name = clean(baseline.get("title") or baseline.get("method") or "the baseline", 60)
    words = f"{name}: {measured(score, bounds(baseline.get('interval')))}" if score is not None else name
    if measure.lower and measure.low == 0 and score and score > 0 and gain is not None:
        words += f", {percent(abs(gain), score)} {'less' if gain >= 0 else 'more'}"
    return words


def _tied(titles: list[str]) -> str:
    if not titles:
        return "the difference may be chance"
    shown = titles[:3]
    rest = len(titles) - len(shown)
    words = ", ".join(shown) + (f" and {rest} more" if rest else "")
    return f"as good within the noise: {words}"


def diagnosis(report: dict) -> list[dict] | None:
    """Findings, the gravest first; an empty list means that all checks passed, if there was anything to check."""
    rows = records(report.get("leaderboard"), 10_000)
    checked = not rows or any(r.get("status", "ok") == "ok" for r in rows)
    if not isinstance(report.get("diagnosis"), list) or not (report["diagnosis"] or checked):
        return None
    order = {"problem": 0, "warning": 1, "info": 2}
    findings = [
        f | {"severity": f.get("severity") if str(f.get("severity")) in order else "info"}
        for f in records(report["diagnosis"], 30)
    ]
    return sorted(findings, key=lambda f: order[f["severity"]])


def leaderboard(report: dict, measure: Measure) -> dict[str, Any] | None:
    """Rows of the table in the run's order, failures last, and the plot."""
    everything = records(report.get("leaderboard"), 10_000)
    if not everything:
        return None
    good = [r for r in everything if r.get("status", "ok") == "ok" and real(r.get("score")) is not None]
    good.sort(key=lambda r: real(r["score"]) if measure.lower else -real(r["score"]))
    chosen = table(report.get("verdict")).get("best")
    bad = [r for r in everything if not any(r is g for g in good)]
    skipped = [r for r in bad if r.get("status") == "skipped"]
    failed = [r for r in bad if r.get("status") != "skipped"]
    reasons = [(reason, ", ".join(names)) for reason, names in grouped(skipped[:_ROWS])]
    best = next((r for r in good if chosen is not None and r.get("id") == chosen), good[0] if good else {})
    places = decimals(best.get("interval"))
    shown = good[:_ROWS]
    rows = [_row(rank, r, best, measure, places) for rank, r in enumerate(shown, 1)]
    entries = [_entry(r, row) for r, row in zip(shown, rows, strict=True) if np.isfinite(array([r["score"]])[0])]
    return {
        "rows": rows,
        "failures": [
            {"title": _title(r), "reason": clean(r.get("reason") or "no reason recorded", 300)} for r in failed[:_ROWS]
        ],
        "skipped": [{"reason": reason, "methods": names} for reason, names in reasons],
        "left_out": sum(max(len(part) - _ROWS, 0) for part in (good, failed, skipped)),
        "total": len(everything),
        "panels": plot(entries, measure.label, measure.lower),
    }


def _row(rank: int, row: dict, best: dict, measure: Measure, places: int | None) -> dict[str, Any]:
    pair, difference = bounds(row.get("interval")), table(row.get("difference"))
    chosen = [(k, v) for k, v in table(row.get("params")).items() if (k, v) != ("expansion", "none")]
    parameters = [f"{clean(k, 40)} = {plain(v, 60)}" for k, v in chosen[:8]]
    return {
        "rank": count(rank),
        "title": _title(row),
        "method": clean(row.get("method") or "", 60),
        "best": row is best,
        "baseline": bool(row.get("baseline")),
        "score": measured(row["score"], pair) if places is None else at(row["score"], places),
        "interval": interval(pair, places),
        "difference": "" if row is best else signed(difference.get("mean"), difference.get("interval")),
        "difference_interval": "" if row is best else interval(difference.get("interval")),
        "against": "best" if row is best else _against(difference),
        "fit": duration(row.get("fit_seconds")),
        "predict": duration(row.get("predict_seconds")),
        "note": clean(row.get("note") or "", 200),
        "parameters": ", ".join(parameters) + (", …" if len(chosen) > 8 else ""),
    }


def _against(difference: dict) -> str:
    """The comparison with the best in one word: as good if that is sure, else what the interval says."""
    equivalent, pair = real(difference.get("equivalent")), bounds(difference.get("interval"))
    if equivalent is not None and equivalent >= _SURE:
        return "as good"
    if pair is None:
        return ""
    if pair[0] <= 0 <= pair[1]:
        return "not settled"
    return "worse" if pair[0] > 0 else "better"


def _drawn(pair: Any) -> tuple[float, float] | None:
    """The interval, if it can be drawn."""
    return bounds(array(pair).tolist())


def _entry(row: dict, shown: dict) -> Entry:
    role = (
        "best"
        if shown["best"]
        else "baseline"
        if shown["baseline"]
        else "tied"
        if shown["against"] in {"as good", "not settled"}
        else "other"
    )
    folds = array(row.get("fold_scores"))[:50]
    name = shown["title"] if len(shown["title"]) <= 38 else shown["method"] or shown["title"]
    return Entry(
        name,
        real(row["score"]),
        _drawn(row.get("interval")),
        folds[np.isfinite(folds)],
        role,
        shown["baseline"],
    )
