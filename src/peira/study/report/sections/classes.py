"""Performance where labels are predicted: the parts that the run recorded, made fit to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from peira.study.report.escaping import clean, named, shorten
from peira.study.report.figures import array, at, bounds, count, interval, number, percent, real
from peira.study.report.plots import Panel, chances, classes, regions
from peira.study.report.plots.chances import Ranking, Reliability
from peira.study.report.plots.classes import Threshold
from peira.study.report.plots.regions import Regions
from peira.study.report.sections.common import capital, records, table
from peira.study.report.svg import CLASSES

_NAME = 40
_CLASSES = 20
"""A confusion matrix of more labels could not be read."""
_TABLE = 60
_CURVES = 5
_CURVE_POINTS = 1000
_GRID = 200
_SCATTER = 1000


def panels(p: dict, items: str = "rows") -> list[Panel]:
    """All drawings for which the dict holds what they need."""
    names = _names(p.get("labels"))
    found: list[Panel | None] = [*_confusion(table(p.get("confusion")), items)]
    found += chances.rankings(_rankings(p.get("curves"), names), items)
    reliable = _reliability(table(p.get("reliability")))
    found += [] if reliable is None else [chances.reliability(reliable, items)]
    cost = _threshold(table(p.get("threshold")))
    found += [] if cost is None else [classes.threshold(cost)]
    plane = _regions(table(p.get("regions")))
    found += [] if plane is None else [regions.regions(plane, names)]
    return [panel for panel in found if panel is not None]


def class_rows(p: dict) -> list[dict[str, Any]]:
    """The table of classes: how many rows each has, how well they are found, and how sure that is."""
    rows = records(p.get("classes"), _TABLE)
    support = [real(r.get("support")) or 0.0 for r in rows]
    total = sum(support)
    told = []
    for row, n in zip(rows, support, strict=True):
        recall = real(row.get("recall"))
        name = named(row.get("label"))
        told.append(
            {
                "name": name,
                "short": shorten(name, 48),
                "support": count(row.get("support")),
                "share": percent(n, total) if total > 0 else "",
                "rare": row.get("rare") is True,
                "recall": _share(recall),
                "recall_interval": _wilson(recall, n),
                "precision": _share(row.get("precision")),
                "f1": _share(row.get("f1")),
                "never": real(row.get("precision")) is None and "precision" in row,
            }
        )
    return told


def _share(value: Any) -> str:
    return at(value, 3)


def _wilson(share: float | None, n: float) -> str:
    """Wilson's 95 % interval of a share of n rows; nothing where it cannot be."""
    if share is None or not 0 <= share <= 1 or not 1 <= n < 1e15:
        return ""
    pair = stats.binomtest(round(share * n), int(n)).proportion_ci(method="wilson")
    return interval([float(pair.low), float(pair.high)], 2)


def plain_figure(value: Any, level: str) -> dict[str, Any] | None:
    """A measure in everyday terms for the verdict: a share of rows, in per cent."""
    v = table(value)
    share, pair, known = real(v.get("value")), bounds(v.get("interval")), real(v.get("baseline"))
    if share is None:
        return None
    figure = {
        "name": capital(clean(v.get("title") or "right", 60)),
        "value": percent(share),
        "units": "",
        "detail": f"{level} interval {percent(pair[0])} to {percent(pair[1])}" if pair else "no interval",
        "note": "",
    }
    if known is not None:
        figure["note"] = f"always saying the most frequent label is right for {percent(known)}"
    return figure


def error_rows(rows: list[dict]) -> list[dict[str, Any]]:
    """What was said of each row, and how sure it seemed."""
    return [
        {
            "observed": _label(row.get("observed")),
            "predicted": _label(row.get("predicted")),
            "probability": _chance(row.get("probability")),
            "truth": _chance(row.get("truth")),
        }
        for row in rows
    ]


def _label(value: Any) -> str:
    return number(value) if real(value) is not None else clean("—" if value is None else value, _NAME) or "(no name)"


def _chance(value: Any) -> str:
    """A probability to three places, and the small ones to two digits: never a 0 or a 1 that is none."""
    x = real(value)
    if x is None:
        return number(None)
    if 0 < x < 0.001:
        return number(x, 2)
    return "> 0.999" if 0.9995 <= x < 1 else at(x, 3)


def _names(value: Any) -> list[str]:
    return [named(v, _NAME) for v in value[:1000]] if isinstance(value, list | tuple) else []


def _square(value: Any, limit: int) -> np.ndarray | None:
    """A table of finite numbers with as many rows as columns, or at least lines of one length; else None."""
    if not isinstance(value, list | tuple | np.ndarray) or not 0 < len(value) <= limit:
        return None
    rows = [array(row[: limit + 1]) if isinstance(row, list | tuple | np.ndarray) else np.empty(0) for row in value]
    if len({len(row) for row in rows}) != 1 or not 0 < len(rows[0]) <= limit:
        return None
    filled = np.stack(rows)
    return filled if np.isfinite(filled).all() else None


def _confusion(part: dict, items: str) -> list[Panel]:
    counts, names = _square(part.get("counts"), _CLASSES), _names(part.get("labels"))
    if counts is None or counts.shape != (len(names), len(names)) or len(names) < 2:
        return []
    if (counts < 0).any() or not 0 < counts.sum() < 1e15:
        return []
    return classes.confusion(counts, names, items)


def _together(part: dict, keys: tuple[str, ...], limit: int, low: float = 0.0, high: float = 1.0) -> list[np.ndarray]:
    """Columns of one length, without the rows in which anything is missing or out of bounds."""
    columns = [array(v[:limit] if isinstance(v := part.get(k), list | tuple | np.ndarray) else None) for k in keys]
    n = min(len(c) for c in columns)
    columns = [c[:n] for c in columns]
    good = np.logical_and.reduce([np.isfinite(c) & (c >= low) & (c <= high) for c in columns])
    return [c[good] for c in columns]


def _rankings(value: Any, names: list[str]) -> list[Ranking]:
    found = []
    for k, part in enumerate(records(value, _CURVES)):
        label = named(part.get("label"), _NAME)
        fpr, tpr = _together(part, ("fpr", "tpr"), _CURVE_POINTS)
        precision, recall = _together(part, ("precision", "recall"), _CURVE_POINTS)
        code = names.index(label) if label in names and len(names) <= len(CLASSES) else k
        area = real(part.get("auc"))
        found.append(
            Ranking(
                shorten(label, 24), code, real(part.get("share")), fpr, tpr, area, bounds(part.get("auc_interval")),
                precision, recall, real(part.get("average_precision")),
            )
        )  # fmt: skip
    return found


def _reliability(part: dict) -> Reliability | None:
    said, seen, low, high, share = _together(part, ("predicted", "observed", "low", "high", "share"), 100)
    if not len(said):
        return None
    return Reliability(shorten(named(part.get("of"), _NAME), 24), said, seen, low, high, share)


def _threshold(part: dict) -> Threshold | None:
    costs = array(part.get("costs"))
    thresholds, cost = _together(part, ("thresholds", "cost"), _CURVE_POINTS, -1e12, 1e12)
    if len(costs) != 2 or not np.isfinite(costs).all() or not len(thresholds):
        return None
    inside = (thresholds >= 0) & (thresholds <= 1)
    best, used = table(part.get("best")), real(part.get("used"))
    precision, recall = real(best.get("precision")), real(best.get("recall"))
    detail = ""
    if precision is not None and recall is not None:
        detail = f" (precision {at(precision, 2)}, recall {at(recall, 2)})"
    return Threshold(
        shorten(named(part.get("label"), _NAME), 24),
        part.get("stated") is True,
        (float(costs[0]), float(costs[1])),
        thresholds[inside],
        cost[inside],
        used if used is not None and 0 <= used <= 1 else None,
        _finite(best.get("threshold")),
        _finite(best.get("cost")),
        detail,
    )


def _finite(value: Any) -> float | None:
    x = real(value)
    return x if x is not None and abs(x) <= 1e12 else None


def _regions(part: dict) -> Regions | None:
    x, y = array(part.get("x")), array(part.get("y"))
    codes, top = _square(part.get("codes"), _GRID), _square(part.get("top"), _GRID)
    if codes is None or top is None or codes.shape != top.shape or codes.shape != (len(y), len(x)) or len(x) < 2:
        return None
    if len(y) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    if not (np.diff(x) > 0).all() or not (np.diff(y) > 0).all() or (codes < 0).any() or (codes > 1e6).any():
        return None
    where, labels = part.get("points"), array(part.get("labels"))[:_SCATTER]
    where = [array(v) for v in where[:_SCATTER]] if isinstance(where, list | tuple | np.ndarray) else []
    kept = [
        i
        for i in range(min(len(where), len(labels)))
        if len(where[i]) == 2 and np.isfinite(where[i]).all() and 0 <= labels[i] <= 1e6
    ]
    directions = part.get("directions")
    words = [named(d, 200) for d in directions[:2]] if isinstance(directions, list | tuple) else []
    words += ["not named"] * (2 - len(words))
    return Regions(
        x, y, codes.astype(int), np.clip(top, 0.0, 1.0),
        np.array([where[i] for i in kept]).reshape(-1, 2), labels[kept].astype(int), (words[0], words[1]),
    )  # fmt: skip
