"""How a net learned: its losses against the updates of its weights, and the course of its learning rate beneath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator, NullLocator

from peira.study.report.figures import count, number
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, FAINT, PAPER, SECOND, SOFT, Canvas

_DECADES = 20.0
"""Times the least loss, from which the largest one is drawn on a logarithmic scale."""
_ENDED = {
    "out of time": "Its share of the time budget ended it.",
    "interrupted": "It was interrupted.",
    "no gain": "It ended when nothing was gained any more.",
    "max_iter": "It made all of its updates.",
}


@dataclass(frozen=True)
class NetCourse:
    """Losses and learning rates at some of the updates; what was put aside was measured at others."""

    name: str
    updates: np.ndarray
    loss: np.ndarray
    rate: np.ndarray
    aside: np.ndarray
    aside_loss: np.ndarray
    judged: str
    made: int
    epoch: int
    best: float | None
    stopped: str
    nets: int


def net_course(course: NetCourse) -> Panel | None:
    """The losses while a net learned, with the place of the weights that were kept, and the learning rate."""
    known = np.isfinite(course.updates) & np.isfinite(course.loss)
    if known.sum() < 2:
        return None
    drawings = Markup("")
    for key, width, css in (("nw", 920, "wide"), ("nn", 400, "narrow")):
        drawings += _losses(key, width, course, known).svg(f"{course.name} against updates of the weights", css)
        if np.isfinite(course.rate).sum() > 1:
            drawings += _rates(key, width, course).svg("Learning rate against updates of the weights", css)
    return Panel(drawings, "How the net learned", _caption(course), broad=True)


def _caption(course: NetCourse) -> str:
    said = [f"{count(course.made)} updates of the weights"]
    if 0 < course.epoch < course.made:
        said[0] += (
            f": {number(course.made / course.epoch, 3)} passes over the data, of {count(course.epoch)} updates each"
        )
    said[0] += f"; the last of {course.nets} nets." if course.nets > 1 else "."
    said.append(_ENDED.get(course.stopped, ""))
    if course.best is None:
        said.append("The last weights were kept: nothing was put aside to choose by.")
    else:
        by = "" if course.judged == course.name else f" (by the {course.judged})"
        said.append(f"Kept are the weights after update {count(course.best)}, best on what was put aside{by}.")
    return " ".join(filter(None, said))


def _losses(key: str, width: int, course: NetCourse, known: np.ndarray) -> Canvas:
    wide = width > 600
    canvas = Canvas(key, width, 320, right=150 if wide else 16)
    axes = canvas.axes
    canvas.label(x="" if np.isfinite(course.rate).sum() > 1 else "updates of the weights", y=course.name)
    lines = [(course.updates[known], course.loss[known], SECOND, "learned from")]
    seen = np.isfinite(course.aside) & np.isfinite(course.aside_loss)
    if seen.any():
        lines.append((course.aside[seen], course.aside_loss[seen], ACCENT, "put aside"))
    high = _scaled(axes, np.concatenate([y for _, y, _, _ in lines]))
    axes.set_xlim(0, 1.02 * course.made)
    above = len(lines) < 2 or lines[0][1][-1] > lines[1][1][-1]
    for k, (x, y, ink, name) in enumerate(lines):
        axes.plot(x, y, color=ink, marker="o" if len(x) <= 30 and ink == ACCENT else "", ms=5, mec=PAPER, mew=1)
        up = (k == 0) == above
        text = f"{name}: {number(y[-1], 3)}"
        if wide:
            near = 9 if up else -9
            canvas.note(course.made, y[-1], text, ink, offset=(14, near if len(lines) == 2 else 0), weight="bold")
        else:
            m = int(0.6 * len(x))
            canvas.note(x[m], y[m], text, ink, ha="center", offset=(0, 22 if up else -22), weight="bold")
    if course.best is not None:
        axes.axvline(course.best, color=SOFT, lw=1.2, dashes=(3, 3), zorder=1.5)
        left = course.best < 0.6 * course.made
        canvas.note(
            course.best, high, "weights kept", SOFT, ha="left" if left else "right", va="top",
            offset=(6 if left else -6, -4),
        )  # fmt: skip
    return canvas


def _scaled(axes: Any, losses: np.ndarray) -> float:
    """Choose a scale on which the end of the losses can be read; gives its upper end."""
    low, high = losses.min(), np.quantile(losses, 0.97)  # a first step from chaos may leave the picture
    if low > 0 and high > _DECADES * low:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda y, pos=None: number(y, 1))
        low, high = low / 1.3, losses.max() * 1.3
    else:
        pad = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        low, high = low - pad, high + pad
    axes.set_ylim(low, high)
    return float(high)


def _rates(key: str, width: int, course: NetCourse) -> Canvas:
    canvas = Canvas(f"{key}r", width, 130, right=150 if width > 600 else 16)
    canvas.label(x="updates of the weights", y="learning rate")
    canvas.axes.plot(course.updates, course.rate, color=SOFT, lw=1.6)
    canvas.axes.set(xlim=(0, 1.02 * course.made), ylim=(0, 1.08 * np.nanmax(course.rate)))
    canvas.axes.yaxis.set_major_locator(MaxNLocator(2))
    if course.best is not None:
        canvas.axes.axvline(course.best, color=FAINT, lw=1.2, dashes=(3, 3), zorder=1.5)
    return canvas
