"""Structure without labels: a map of the rows, how many groups, and how much each direction carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from peira.study.report.figures import count, number, percent
from peira.study.report.plots.panel import Panel
from peira.study.report.plots.regions import legend, marked
from peira.study.report.svg import ACCENT, BAND, INK, PAPER, SECOND, SOFT, Canvas

_DEPTHS = (0.16, 0.34, 0.55, 0.78, 1.0)


@dataclass(frozen=True)
class Map:
    """Rows on a plane, with the group of each or a value for each (and which of them stand out)."""

    points: np.ndarray
    codes: np.ndarray | None
    names: list[str]
    values: np.ndarray | None
    title: str
    flagged: np.ndarray | None
    flag: str
    axes: tuple[str, str]
    shares: list[float]
    of: str
    rows: int


def rows_map(m: Map) -> Panel:
    """The rows where the two leading directions (or a map) put them."""
    drawings = [_map(key, width, m).svg("The rows on two axes", css) for key, width, css in (
        ("mw", 920, "wide"), ("mn", 400, "narrow"))]  # fmt: skip
    if m.codes is not None:
        caption = "Each mark is a row, in the colour and shape of its cluster."
        caption += " Grey crosses: rows that belong to none." if (m.codes < 0).any() else ""
    else:
        caption = f"Each mark is a row; the deeper the blue, the higher its {m.title}."
        caption += f" Orange: {m.flag}." if m.flagged is not None and m.flagged.any() else ""
    across, up = m.axes
    where = f" Across: {across}; up: {up}." if up else f" Across: {across}."
    if m.of == "principal directions" and len(m.shares) == 2:
        where = (
            f" The axes are the two directions along which the rows differ most, {percent(sum(m.shares))} of their "
            f"variance together: groups that lie over each other here may be apart in other directions.{where}"
        )
    shown = f" {count(len(m.points))} of {count(m.rows)} rows are drawn." if len(m.points) < m.rows else ""
    return Panel(drawings[0] + drawings[1], "The rows on two axes", caption + where + shown, broad=True)


def _map(key: str, width: int, m: Map) -> Canvas:
    wide = width > 600
    groups = [] if m.codes is None else [int(c) for c in np.unique(m.codes)]
    inside = [c for c in groups if c >= 0]
    beside = inside[:16]
    lines = 0 if wide or not groups else -(-len(beside) // 3)
    right = 150 if wide and groups else 8
    height = (480 if wide else 380) + 20 * lines
    canvas = Canvas(key, width, height, left=8, right=right, top=14, bottom=44 + 20 * lines)
    axes = canvas.axes
    axes.grid(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    low, high = m.points.min(0), m.points.max(0)
    pad = np.where(high > low, 0.04 * (high - low), 1.0)
    axes.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]))
    if m.codes is not None:
        for c in groups:
            here = m.points[m.codes == c]
            ink, mark = marked(c) if c >= 0 else (SOFT, "x")
            style = {"mec": PAPER, "mew": 0.6, "ms": 5.5} if c >= 0 else {"mec": ink, "mew": 1.2, "ms": 4.5}
            axes.plot(here[:, 0], here[:, 1], mark, color=ink, **style)
        legend(canvas, beside, len(inside) - len(beside), m.names, wide)
    elif m.values is not None:
        rank = np.argsort(np.argsort(m.values, kind="stable"), kind="stable") / max(len(m.values), 1)
        flagged = np.zeros(len(rank), bool) if m.flagged is None else m.flagged
        for step, depth in enumerate(_DEPTHS):
            here = m.points[(np.minimum(rank * len(_DEPTHS), len(_DEPTHS) - 1).astype(int) == step) & ~flagged]
            axes.plot(here[:, 0], here[:, 1], "o", color=ACCENT, alpha=depth, mew=0, ms=5.5)
        here = m.points[flagged]
        axes.plot(here[:, 0], here[:, 1], "D", color=SECOND, mec=PAPER, mew=0.6, ms=6.5, zorder=3)
    canvas.label(x="first direction →" if m.of == "principal directions" else "first code →")
    return canvas


def choice(
    numbers: np.ndarray, scores: np.ndarray, chosen: float, title: str, measure: str, nothing: list[tuple[str, float]]
) -> Panel:
    """The score against the number of clusters or components, with what references without structure reach."""
    canvas = Canvas("nc", 430, 300)
    axes = canvas.axes
    canvas.label(x=title, y=measure)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.plot(numbers, scores, "-o", color=ACCENT, mec=PAPER, mew=1.2, ms=7)
    best = np.flatnonzero(numbers == chosen)
    ends = np.r_[scores, [most for _, most in nothing]]
    pad = 0.12 * np.ptp(ends) or 0.1
    axes.set(ylim=(ends.min() - pad, ends.max() + pad), xlim=(numbers.min() - 0.5, numbers.max() + 0.5))
    if len(best):
        axes.plot([chosen], [scores[best[0]]], "o", color=SECOND, mec=PAPER, mew=1.2, ms=10, zorder=4)
    caption = f"Orange: the {title} that was chosen, {number(chosen)}."
    if nothing:
        height = max(most for _, most in nothing)
        axes.axhline(height, color=INK, lw=1, dashes=(3, 3))
        canvas.note(numbers.max() + 0.4, height, "without structure", SOFT, ha="right", offset=(0, 9))
        caption += (
            f" Dashed: the most that the same method with the same settings reached in "
            f"{' and '.join(w for w, _ in nothing)} of the same spread but without groups."
        )
    return Panel(canvas.svg(f"{measure} against the {title}"), f"How many? {title[0].upper() + title[1:]}", caption)


def scree(variances: np.ndarray, noise: np.ndarray, chosen: int | None) -> Panel:
    """The variance along each principal direction, beside that of shuffled columns."""
    canvas = Canvas("sc", 430, 300)
    axes = canvas.axes
    place = np.arange(1, len(variances) + 1)
    canvas.label(x="direction", y="variance along it")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.plot(place, variances, "-o", color=ACCENT, mec=PAPER, mew=1.2, ms=7)
    if len(noise) == len(variances):
        axes.plot(place, noise, color=BAND, alpha=0.5, dashes=(3, 3))
    top = float(max(variances.max(initial=0.0), noise.max(initial=0.0))) or 1.0
    axes.set(ylim=(0, 1.1 * top), xlim=(0.5, len(variances) + 0.5))
    caption = "Line: how much the rows differ along each direction. Dashed: the same after shuffling each column."
    if chosen is not None:
        share = float(variances[:chosen].sum() / max(variances.sum(), 1e-300))
        caption += f" The first {count(chosen)} hold {percent(share)} of the variance shown."
    return Panel(canvas.svg("Variance along each direction"), "How many? Variance along each direction", caption)
