"""How good the probabilities of labels are: what they put in order, and whether they keep their word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from peira.study.report.figures import at, interval, measured, number, percent
from peira.study.report.plots.panel import Panel
from peira.study.report.plots.regions import marked
from peira.study.report.svg import ACCENT, BAND, FAINT, INK, PAPER, SOFT, Canvas, Ticks

_SIZE = (430, 350)


@dataclass(frozen=True)
class Ranking:
    """One class against the rest, by its probability."""

    label: str
    code: int
    """Its place among the classes, which gives it its ink."""
    share: float | None
    fpr: np.ndarray
    tpr: np.ndarray
    auc: float | None
    auc_interval: tuple[float, float] | None
    precision: np.ndarray
    recall: np.ndarray
    average_precision: float | None


def rankings(curves: list[Ranking], items: str = "rows") -> list[Panel]:
    """ROC and precision-recall curves, as far as there are points to draw."""
    return [panel for panel in (_roc(curves, items), _precision(curves, items)) if panel is not None]


def _roc(curves: list[Ranking], items: str) -> Panel | None:
    drawn = [c for c in curves if len(c.fpr) >= 2]
    if not drawn:
        return None
    canvas = _square("cu", "wrongly given the label (of the others)", "found (of the label)")
    canvas.axes.plot([0, 100], [0, 100], color=SOFT, lw=1, dashes=(3, 3))
    for curve in drawn:
        canvas.axes.plot(100 * curve.fpr, 100 * curve.tpr, color=_ink(curve, drawn), lw=1.8, clip_on=False)
    areas = [f"{c.label}: {at(c.auc, 4)}" for c in drawn]
    if len(drawn) == 1:
        c = drawn[0]
        pair = f" (95 % interval {interval(c.auc_interval)})" if c.auc_interval else ""
        caption = (
            f"{items.capitalize()} in the order of the probability of {c.label}. Area under the curve "
            f"{measured(c.auc, c.auc_interval)}{pair}: the chance that one of {c.label} is put before another. "
            "Dashed: pure guessing, area 0.5."
        )
    else:
        _key(canvas, drawn, areas, "area under the curve")
        caption = (
            "Each label against all others. The area is the chance that one of the label is put before another; "
            f"intervals: "
            f"{'; '.join(f'{c.label}: {interval(c.auc_interval, 4)}' for c in drawn)}. Dashed: pure guessing."
        )
    return Panel(canvas.svg("ROC curves"), "Found against false alarms (ROC)", caption)


def _precision(curves: list[Ranking], items: str) -> Panel | None:
    drawn = [c for c in curves if len(c.recall) >= 2]
    if not drawn:
        return None
    canvas = _square("cp", "found (of the label)", "right (of those given the label)")
    for curve in drawn:
        order = np.argsort(curve.recall, kind="stable")
        ink = _ink(curve, drawn)
        # the area counts each precision over the recall that it added: a line of steps
        canvas.axes.plot(
            100 * curve.recall[order], 100 * _best(curve.precision[order], curve.recall[order]), color=ink, lw=1.8,
            drawstyle="steps-pre",
        )  # fmt: skip
    shares = [c.share for c in drawn if c.share is not None and 0 <= c.share <= 1]
    alike = not shares or max(shares) - min(shares) < 0.02
    for curve in drawn if not alike else drawn[:1]:
        if curve.share in shares:
            ink = SOFT if alike else _ink(curve, drawn)
            canvas.axes.axhline(100 * curve.share, color=ink, lw=1, dashes=(3, 3))
    if len(drawn) == 1:
        c = drawn[0]
        caption = (
            f"What a wider net for {c.label} costs in false alarms. Average precision "
            f"{number(c.average_precision, 3)}. Dashed: giving the label to all {items}, {percent(c.share)} right."
        )
    else:
        _key(canvas, drawn, [f"{c.label}: {at(c.average_precision, 4)}" for c in drawn], "average precision", shares)
        caption = f"What a wider net costs in false alarms. Dashed: giving the label to all {items}."
    return Panel(canvas.svg("Precision against recall"), "Precision against recall", caption)


def _best(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Of points with one recall the greatest precision, so that no line runs up and down on one spot."""
    best = precision.copy()
    for i in range(len(best) - 2, -1, -1):
        if recall[i] == recall[i + 1]:
            best[i] = max(best[i], best[i + 1])
    return best


def _ink(curve: Ranking, drawn: list[Ranking]) -> str:
    return ACCENT if len(drawn) == 1 else marked(curve.code)[0]


def _square(key: str, x: str, y: str) -> Canvas:
    canvas = Canvas(key, *_SIZE)
    canvas.label(x=x, y=y)
    axes = canvas.axes
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.xaxis.set_major_formatter(Ticks(" %"))
    axes.yaxis.set_major_formatter(Ticks(" %"))
    return canvas


def _key(canvas: Canvas, drawn: list[Ranking], texts: list[str], of: str, shares: list[float] | None = None) -> None:
    """Names with their figures in the corner that good curves leave empty, between the dashed lines or above them."""
    x, height = 52 if shares is None else 4, 8 * len(drawn) + 6  # curves of precision fall on the right
    lines = sorted(100 * s for s in shares or [])
    floors = [foot for foot in (3.0, *(s + 5 for s in lines)) if not any(foot - 3 < s < foot + height for s in lines)]
    top = (floors[0] if floors else 3.0) + height - 3
    canvas.note(x, top, of, SOFT)
    for k, (curve, text) in enumerate(zip(drawn, texts, strict=True)):
        y = top - 8 * (k + 1)
        canvas.axes.plot([x, x + 5], [y, y], color=_ink(curve, drawn), lw=3)
        canvas.note(x + 7, y, text, INK, limit=26)


@dataclass(frozen=True)
class Reliability:
    """How often a thing happened, in groups of rows for which it was said to be about as probable."""

    of: str
    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray


def reliability(r: Reliability, items: str = "rows") -> Panel | None:
    """Said and seen frequencies with their intervals, and how many rows stand behind each dot where that differs."""
    if not len(r.predicted):
        return None
    canvas = Canvas("cl", *_SIZE)
    canvas.label(x=f"probability said of {r.of}", y="share that it was true of")
    axes = canvas.axes
    least = 100 * float(min(r.predicted.min(), r.low.min()))
    start = max(0.0, 10 * np.floor(least / 10 - 0.2))
    axes.set(xlim=(start, 100 + 0.01 * (100 - start)), ylim=(start, 100 + 0.02 * (100 - start)))
    axes.xaxis.set_major_formatter(Ticks(" %"))
    axes.yaxis.set_major_formatter(Ticks(" %"))
    even = len(r.share) == 0 or np.ptp(r.share) < 0.25 * r.share.mean()
    if not even:
        foot = 0.2 * (100 - start) / max(float(r.share.max()), 1e-12)
        axes.vlines(100 * r.predicted, start, start + foot * r.share, color=FAINT, lw=9)
    axes.plot([start, 100], [start, 100], color=INK, lw=1)
    x = 100 * r.predicted
    axes.vlines(x, 100 * r.low, 100 * r.high, color=BAND, lw=2.2, alpha=0.7)
    axes.plot(x, 100 * r.observed, "o", color=ACCENT, mec=PAPER, mew=1.2, ms=8, clip_on=False)
    out = (r.predicted < r.low) | (r.predicted > r.high)
    caption = "On the line, what is said is what happens. Bars: 95 % intervals. "
    caption += (
        f"Each dot: about {percent(r.share.mean())} of the {items}. "
        if even and len(r.share)
        else f"Grey columns: how the {items} spread over the dots. "
    )
    if not out.any():
        caption += "Every interval holds the line: the probabilities can be taken at their word."
    else:
        gaps = np.where(out, np.abs(r.observed - r.predicted), -1.0)
        i = int(gaps.argmax())
        worst = f"{percent(r.predicted[i])} said, {percent(r.observed[i])} seen"
        caption += f"{int(out.sum())} of {len(out)} intervals miss the line; the largest gap of these: {worst}."
    return Panel(
        canvas.svg("Observed frequency against predicted probability"), "Do probabilities keep their word?", caption
    )
