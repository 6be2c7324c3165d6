"""Scores with their intervals, one line a method: the picture of the comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from peira.study.report.figures import at, decimals, measured
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, BAND, FAINT, INK, PAPER, SECOND, SOFT, Canvas

SHOWN = 24


@dataclass(frozen=True)
class Entry:
    """A candidate with a score."""

    title: str
    score: float
    interval: tuple[float, float] | None
    folds: np.ndarray
    role: str  # "best", "tied", "baseline" or "other"
    baseline: bool = False  # also where the baseline is the best


_INK = {"best": ACCENT, "tied": ACCENT, "baseline": SECOND, "other": SOFT}


def leaderboard(entries: list[Entry], measure: str, lower_is_better: bool) -> list[Panel]:
    """The best `SHOWN` entries (in the order given) and the baseline; the leaders again where they lie close."""
    shown = entries[:SHOWN]
    shown += [e for e in entries[SHOWN:] if e.role == "baseline"][:1]
    if not shown:
        return []
    limits = _limits(shown)
    caption = (
        "Dot: mean score over the folds. Bar: its interval. Faint dots below: single folds. "
        f"Shaded: the interval of the best. {'Further left' if lower_is_better else 'Further right'} is better."
    )
    if len(entries) > len(shown):
        caption += f" {len(entries) - len(shown)} more stand in the table only."
    panels = [_panel("l", shown, measure, limits, "Scores with their intervals", caption)]
    leaders = _leaders(shown)
    if len(leaders) >= 2:
        near = _limits(leaders)
        if near[1] - near[0] < 0.2 * (limits[1] - limits[0]):
            panels.append(
                _panel(
                    "k",
                    leaders,
                    measure,
                    near,
                    "The best, closer",
                    "The same picture, cut to the methods next to the best.",
                )
            )
    return panels


def _panel(
    key: str, entries: list[Entry], measure: str, limits: tuple[float, float], title: str, caption: str
) -> Panel:
    drawings = [
        _draw(key + css[0], entries, measure, limits, css == "wide").svg(title, css) for css in ("wide", "narrow")
    ]
    return Panel(Markup("").join(drawings), title, caption, broad=True)


def _leaders(entries: list[Entry]) -> list[Entry]:
    """Those within a few widths of the best one's interval."""
    best = next((e for e in entries if e.role == "best"), None)
    if best is None or best.interval is None:
        return []
    reach = 3 * (best.interval[1] - best.interval[0])
    return [e for e in entries if e.role in {"best", "tied"} or abs(e.score - best.score) <= reach]


def _limits(entries: list[Entry]) -> tuple[float, float]:
    """A range in which the comparison can be seen: a method that went astray may not flatten all the others."""
    anchors = [e for e in entries if e.role in {"best", "tied", "baseline"}] or entries[:1]
    low, high = _extent(anchors)
    reach = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    full = _extent(entries)
    low, high = max(full[0], low - reach), min(full[1], high + reach)
    pad = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _extent(entries: list[Entry]) -> tuple[float, float]:
    values = np.concatenate([np.r_[e.score, e.interval or (), e.folds] for e in entries])
    return float(np.nanmin(values)), float(np.nanmax(values))


def _draw(key: str, entries: list[Entry], measure: str, limits: tuple[float, float], wide: bool) -> Canvas:
    row, width = (30, 920) if wide else (46, 380)
    names, figures = (264, 100) if wide else (8, 8)
    top, bottom = (10, 46) if wide else (22, 46)
    canvas = Canvas(key, width, top + bottom + row * len(entries), left=names, right=figures, top=top, bottom=bottom)
    axes = canvas.axes
    low, high = limits
    axes.set_xlim(low, high)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.grid(True)
    canvas.label(x=measure)
    best = next((e for e in entries if e.role == "best"), None)
    baseline = next((e for e in entries if e.baseline), None)
    places = decimals(best.interval) if best else None
    if best and best.interval:
        axes.axvspan(max(best.interval[0], low), min(best.interval[1], high), color=BAND, alpha=0.13, lw=0)
    if baseline and low < baseline.score < high:
        axes.axvline(baseline.score, color=SECOND, lw=1.2, dashes=(3, 3))
    for y, entry in enumerate(entries):
        ink = _INK[entry.role]
        inside = entry.folds[(entry.folds >= low) & (entry.folds <= high)]
        axes.plot(inside, np.full(len(inside), y + 0.24), "o", color=ink, alpha=0.45, ms=4, mew=0)
        if entry.interval:
            ends = np.clip(entry.interval, low, high)
            if ends[0] < ends[1]:
                axes.plot(ends, [y, y], color=ink, lw=2.4)
        if low <= entry.score <= high:
            axes.plot([entry.score], [y], "o", color=ink, mec=PAPER, mew=1.2, ms=8.5)
        else:  # far away: an arrow at the edge, the figure beside it
            edge = low if entry.score < low else high
            axes.plot([edge], [y], "<" if entry.score < low else ">", color=ink, ms=7, mew=0, clip_on=False)
        figure = measured(entry.score, entry.interval) if places is None else at(entry.score, places)
        strong = INK if entry.role in {"best", "tied"} else SOFT
        heavy = "bold" if entry.role == "best" else "normal"
        name = entry.title + (" (baseline)" if entry.baseline else "")
        if wide:
            canvas.note(low, y, name, strong, limit=38, ha="right", offset=(-14, 0), weight=heavy)
            canvas.note(high, y, figure, strong, offset=(14, 0), weight=heavy)
        else:
            canvas.note(low, y, name, strong, limit=38, offset=(0, 16), weight=heavy)
            canvas.note(high, y, figure, strong, ha="right", offset=(0, 16), weight=heavy)
    axes.spines["bottom"].set_color(FAINT)
    return canvas
