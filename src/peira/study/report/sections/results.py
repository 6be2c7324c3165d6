"""Performance, learning, explanation and errors: what the winner does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from peira.study.report.escaping import clean, named, plain, shorten
from peira.study.report.figures import array, at, bounds, count, decimals, interval, measured, number, real
from peira.study.report.plots import (
    Curve,
    NetCourse,
    Panel,
    coefficients,
    history,
    importance,
    learning_curve,
    net_course,
)
from peira.study.report.plots import performance as plots
from peira.study.report.plots.explanation import Effect
from peira.study.report.plots.performance import POINTS, Predictions
from peira.study.report.sections import classes, label_sets
from peira.study.report.sections.common import Measure, capital, lower_is_better, records, sentences, table, things
from peira.study.report.sections.pictures import errors as pictured

_ERRORS = 20
_VALUES = 8
_EFFECTS = 100


def performance(report: dict) -> dict[str, Any] | None:
    """Measures with intervals, the panels of predictions, and the table of classes where labels are predicted."""
    p = table(report.get("performance"))
    measures = [
        {
            "title": capital(clean(m.get("title") or m.get("name") or "", 80)),
            "value": measured(m.get("value"), m.get("interval")),
            "interval": interval(m.get("interval")),
            "units": clean(m.get("units") or "", 40),
            "better": ("lower" if lower_is_better(m["better"]) else "higher") if m.get("better") else "",
        }
        for m in records(p.get("measures"), 40)
    ]
    panels = plots(_predictions(p, clean(report.get("target") or "target", 80))) + classes.panels(p, things(report))
    labels = classes.class_rows(p)
    if not measures and not panels and not labels:
        return None
    sets = {"sets": label_sets.label_rows(p), "sizes": label_sets.set_sizes(p)}
    return {"measures": measures, "panels": panels, "classes": labels, "items": things(report)} | sets


def _predictions(p: dict, target: str) -> Predictions:
    """The rows that can be drawn: those in which everything is a finite number, evenly thinned to `POINTS`."""
    y, f, low, high = (array(p.get(k)) for k in ("observed", "predicted", "low", "high"))
    n = len(y) if len(y) == len(f) else 0
    bounded = n > 0 and len(low) == len(high) == n and np.isfinite(low).any()
    parts = [v[:n] for v in ((y, f, low, high) if bounded else (y, f))]
    finite = np.flatnonzero(np.logical_and.reduce([np.isfinite(v) for v in parts]))
    if len(finite) > POINTS:
        finite = finite[np.linspace(0, len(finite) - 1, POINTS).astype(int)]
    y, f, *ends = (v[finite] for v in parts)
    calibration = table(p.get("calibration"))
    n_rows = real(calibration.get("rows"))
    return Predictions(
        target, y, f, *(ends or (None, None)),
        level=real(p.get("level")),
        nominal=array(calibration.get("nominal"))[:200],
        empirical=array(calibration.get("empirical"))[:200],
        rows=int(n_rows) if n_rows and n_rows > 0 else None,
        whose=clean(calibration.get("whose") or "", 120),
    )  # fmt: skip


def learning(report: dict, measure: Measure) -> dict[str, Any] | None:
    """The curve against experience, the fit's history, and what they say."""
    part = table(report.get("learning"))
    sizes = array(part.get("sizes"))[:60]
    validation, train = (
        [array(s)[:60] for s in part[k]][:60] if isinstance(part.get(k), list | tuple) else []
        for k in ("validation", "train")
    )
    curve = Curve.of(sizes, validation, train, real(array([part.get("doubling")])[0]))
    net = _net_course(table(part.get("net")))
    told = {net.name, f"validation_{net.name}"} if net else set()
    steps = history(
        {name: v for k, v in table(part.get("history")).items() if (name := clean(k, 60)) not in told},
        clean(part.get("history_of") or "", 80),
    )
    panels = [learning_curve(curve, measure.label, things(report)) if curve else None, net and net_course(net), *steps]
    panels = list(filter(None, panels))
    said = sentences(part.get("sentence"), 1)
    if not panels and not said:
        return None
    return {"panels": panels, "sentence": said[0] if said else _lesson(curve, measure, things(report)) if curve else ""}


def _net_course(net: dict) -> NetCourse | None:
    """How the winner, a net, learned; None where nothing of the kind was told."""
    updates, loss, rate, aside, aside_loss = (
        array(net.get(k))[:1000] for k in ("updates", "loss", "rate", "aside", "aside_loss")
    )
    made = real(net.get("made"))
    if made is None or made < 1 or len(updates) != len(loss) or len(aside) != len(aside_loss):
        return None
    return NetCourse(
        clean(net.get("name") or "loss", 60),
        updates,
        loss,
        rate if len(rate) == len(updates) else np.full(len(updates), np.nan),
        aside,
        aside_loss,
        judged=clean(net.get("judged") or "", 60),
        made=int(made),
        epoch=int(real(net.get("epoch")) or 0),
        best=real(net.get("best")),
        stopped=clean(net.get("stopped") or "", 40),
        nets=int(real(net.get("nets")) or 1),
    )


def _lesson(curve: Curve, measure: Measure, items: str) -> str:
    """How much more data would help, in words, when the run did not say it."""
    sizes, mean, units = curve.sizes, curve.mean, f" {measure.units}" if measure.units else ""
    spread = [float(np.nanmin(curve.validation[-1])), float(np.nanmax(curve.validation[-1]))]
    now = f"{measured(mean[-1], spread)}{units}"
    if curve.doubling is None:
        before = f"{measured(mean[-2], spread)}{units}"
        return f"From {count(sizes[-2])} to {count(sizes[-1])} {items} the {measure.title} went from {before} to {now}."
    gain = (mean[-1] - curve.doubling) if measure.lower else (curve.doubling - mean[-1])
    expected = f"{measured(curve.doubling, spread)}{units}"
    then = f"With twice the {items}, the {measure.title} should be about {expected} (now {now} with {count(sizes[-1])})"
    if gain < 0.02 * abs(mean[-1] - mean[0]):
        return f"{then}: more {items} of the same kind would hardly help."
    if gain < 0.5 * (spread[1] - spread[0]):
        return f"{then}: a gain smaller than the differences between folds."
    return f"{then}: more {items} of the same kind would help."


def _effects(value: Any, middle: str) -> list[Effect]:
    effects = []
    for r in records(value, 100_000):
        x, low, high = array([r.get(middle), r.get("low"), r.get("high")])
        if np.isfinite(x):
            effects.append((named(r.get("name")), float(x), *(bounds([low, high]) or (None, None))))
    return effects


def explanation(report: dict, measure: Measure) -> dict[str, Any] | None:
    """Coefficients and importances: plots of the largest, tables of the rest."""
    part = table(report.get("explanation"))
    weights = sorted(_effects(part.get("coefficients"), "value"), key=lambda effect: -abs(effect[1]))
    shuffled = sorted(_effects(part.get("importance"), "mean"), key=lambda effect: -effect[1])
    unit = f"loss in {measure.title}" + (f", {measure.units}" if measure.units else "")
    found: list[tuple[Panel, list[Effect]]] = []
    for panel, effects in ((importance(shuffled, unit), shuffled), (coefficients(weights), weights)):
        if panel is not None:
            found.append((panel, effects))
    note = sentences(part.get("note"), 1)
    if not found:
        return None
    blocks = [
        {
            "panel": panel,
            "total": len(effects),
            "rows": [
                {"name": name, "short": shorten(name, 48), "value": measured(v, [a, b]), "interval": interval([a, b])}
                for name, v, a, b in effects[:_EFFECTS]
            ],
        }
        for panel, effects in found
    ]
    return {"note": note[0] if note else "", "blocks": blocks}


def errors(report: dict) -> dict[str, Any] | None:
    """The rows that the winner misjudged most, with the values of their first columns."""
    rows = records(report.get("errors"), _ERRORS)
    if not rows:
        return None
    items = things(report)
    if any("picture" in row for row in rows):
        return {"pictures": pictured(rows), "items": items}
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(map(str, list(table(row.get("values")))[:1000])))
    shown = [Column.of(name, rows) for name in list(names)[:_VALUES]]
    common = {"items": items, "columns": shown, "left_out": len(names) - len(shown), "pictures": [], "sets": False}
    if any("lacking" in row for row in rows):
        told = [
            {"row": plain(row.get("row")), "values": [column.text(row) for column in shown]} | words
            for row, words in zip(rows, label_sets.error_rows(rows), strict=True)
        ]
        return common | {"rows": told, "sets": True}
    if labels := any("probability" in row or "truth" in row for row in rows):
        said = classes.error_rows(rows)
        told = [
            {"row": plain(row.get("row")), "values": [column.text(row) for column in shown]} | words
            for row, words in zip(rows, said, strict=True)
        ]
        return common | {"rows": told, "labels": labels}
    places = _places([r.get(key) for r in rows for key in ("observed", "predicted")])
    return common | {
        "rows": [_error(row, shown, places) for row in rows],
        "labels": False,
        "bounded": any(bounds([r.get("low"), r.get("high")]) for r in rows),
    }


def _places(values: list) -> int | None:
    """Decimals at which numbers that stand below each other can be told apart."""
    numbers = [x for x in map(real, values) if x is not None]
    whole = all(x == int(x) for x in numbers)
    return 0 if whole or not numbers else decimals([min(numbers), max(numbers)], 3)


def _to(value: Any, places: int | None) -> str:
    return number(value) if places is None else at(value, places)


@dataclass(frozen=True)
class Column:
    """A column among the errors: numbers, aligned and to one precision, or words."""

    name: str
    short: str
    key: str
    numeric: bool
    places: int | None

    @classmethod
    def of(cls, key: str, rows: list[dict]) -> Column:
        values = [v for v in (_values(row).get(key) for row in rows) if v is not None]
        numeric = all(real(v) is not None for v in values)
        return cls(named(key), shorten(named(key), 24), key, numeric, _places(values) if numeric else None)

    def text(self, row: dict) -> str:
        value = _values(row).get(self.key)
        return _to(value, self.places) if self.numeric else plain(value, 48)


def _values(row: dict) -> dict[str, Any]:
    return {str(k): v for k, v in table(row.get("values")).items()}


def _error(row: dict, columns: list[Column], places: int | None) -> dict[str, Any]:
    observed, predicted = real(row.get("observed")), real(row.get("predicted"))
    residual = number(None)
    if observed is not None and predicted is not None:
        residual = _to(observed - predicted, places)
        residual = residual if residual.startswith("−") else "+" + residual
    return {
        "row": plain(row.get("row")),
        "observed": number(observed, 6),
        "predicted": _to(predicted, places),
        "interval": interval([row.get("low"), row.get("high")], places),
        "residual": residual,
        "values": [column.text(row) for column in columns],
    }
