"""How performance improves: with the amount of experience, and step by step."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from peira.study.report.figures import array, at, count
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, BAND, PAPER, SECOND, SOFT, Canvas

_STEPS = 400


def learning_curve(
    sizes: np.ndarray, validation: list[np.ndarray], train: list[np.ndarray], measure: str
) -> Panel | None:
    """Scores over folds at each size of the training set: the mean, and the range of the folds as a band."""
    known = [i for i in range(len(sizes)) if np.isfinite(sizes[i]) and sizes[i] > 0 and i < len(validation)]
    known = sorted((i for i in known if np.isfinite(validation[i]).any()), key=lambda i: sizes[i])
    if len(known) < 2:
        return None
    drawings = [
        _curve(
            key,
            width,
            sizes[known],
            [validation[i] for i in known],
            [train[i] if i < len(train) else np.empty(0) for i in known],
            measure,
        ).svg("Learning curve: score against the number of rows learned from", css)
        for key, width, css in (("cw", 920, "wide"), ("cn", 400, "narrow"))
    ]
    caption = "Line: mean over the folds. Band and faint dots: the single folds. "
    caption += "Where the two lines meet, more rows of the same kind help little; where they gape, they help."
    return Panel(drawings[0] + drawings[1], "Performance against experience", caption, broad=True)


def _curve(key: str, width: int, sizes: np.ndarray, validation: list, train: list, measure: str) -> Canvas:
    wide = width > 600
    canvas = Canvas(key, width, 340, right=130 if wide else 16)
    axes = canvas.axes
    canvas.label(x="rows learned from", y=measure)
    axes.set_xscale("log" if sizes[-1] >= 6 * sizes[0] else "linear")
    axes.xaxis.set_major_locator(FixedLocator(_apart(sizes, wide)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda x, pos=None: count(x))
    ends = []
    for scores, ink, name in ((train, SECOND, "on the rows learned from"), (validation, ACCENT, "on rows not seen")):
        there = [i for i, s in enumerate(scores) if np.isfinite(s).any()]
        if not there:
            continue
        x = sizes[there]
        mean = np.array([np.nanmean(scores[i]) for i in there])
        axes.fill_between(
            x,
            [np.nanmin(scores[i]) for i in there],
            [np.nanmax(scores[i]) for i in there],
            color=BAND if ink == ACCENT else ink,
            alpha=0.16,
            lw=0,
        )
        for i in there:
            axes.plot(np.full(len(scores[i]), sizes[i]), scores[i], "o", color=ink, ms=3.5, mew=0, alpha=0.4)
        axes.plot(x, mean, color=ink, marker="o", ms=6.5, mec=PAPER, mew=1.2)
        ends.append((x, mean, ink, name))
    _name(canvas, ends, wide)
    return canvas


def _name(canvas: Canvas, ends: list, wide: bool) -> None:
    """Direct labels: beside the last point, or, on a narrow page, above the drawing's first points."""
    above = ends[0][1][-1] > ends[-1][1][-1] if len(ends) == 2 else True
    for k, (x, mean, ink, name) in enumerate(ends):
        up = (k == 0) == above
        first, _, second = name.partition(" rows ")
        if wide:
            gap = 9 if len(ends) == 2 else 0
            near = gap if up else -gap
            canvas.note(x[-1], mean[-1], first + " rows", ink, offset=(12, near + 7), weight="bold")
            canvas.note(x[-1], mean[-1], second, ink, offset=(12, near - 7), weight="bold")
        else:
            m = len(x) // 2
            canvas.note(x[m], mean[m], name, ink, ha="center", offset=(0, 26 if up else -26), weight="bold")


def _apart(sizes: np.ndarray, wide: bool) -> list[float]:
    """Sizes whose labels do not touch, the last one always among them."""
    room = (0.07 if wide else 0.18) * max(np.log(sizes[-1] / sizes[0]), 1e-9)
    kept = [sizes[-1]]
    for size in sizes[-2::-1]:
        if np.log(kept[-1] / size) >= room:
            kept.append(size)
    return kept[::-1]


def history(values: dict[str, list], of: str) -> list[Panel]:
    """Each quantity that the fit recorded, step by step (the first four)."""
    panels = []
    for k, (name, series) in enumerate(list(values.items())[:4]):
        y = array(series)
        steps = np.flatnonzero(np.isfinite(y))
        if len(steps) < 2:
            continue
        if len(steps) > _STEPS:
            steps = steps[np.unique(np.linspace(0, len(steps) - 1, _STEPS).astype(int))]
        canvas = Canvas(f"h{k}", 430, 300, left=64)
        canvas.label(x="step", y=str(name))
        canvas.axes.plot(
            steps + 1, y[steps], color=ACCENT, lw=1.8, marker="o" if len(steps) <= 30 else "", ms=5, mec=PAPER
        )
        canvas.axes.xaxis.get_major_locator().set_params(integer=True)
        last = y[steps[-1]]
        canvas.axes.margins(x=0.04, y=0.08)
        size = float(np.ptp(y[steps])) or abs(last) or 1.0
        canvas.note(steps[-1] + 1, last, at(last, 2 - int(np.floor(np.log10(size)))), SOFT, ha="right", offset=(0, 12))
        caption = f"{count(np.isfinite(y).sum())} steps of {of}." if of else f"{count(np.isfinite(y).sum())} steps."
        panels.append(Panel(canvas.svg("Value at each step of the fit"), f"{name}, step by step", caption))
    return panels
