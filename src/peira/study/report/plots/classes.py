"""How good the labels are: which are taken for which, and what other decisions would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from peira.study.report.figures import count, number, percent
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, INK, PAPER, SECOND, Canvas

_WIDTH = 430
_LETTER = 6.6  # pixels of one letter, about


def confusion(counts: np.ndarray, names: list[str], items: str = "rows") -> list[Panel]:
    """The confusion matrix twice: as shares of each true label, and as shares of each predicted one.

    Parameters
    ----------
    counts : array of shape (C, C)
        True labels in rows, predicted ones in columns.
    names : list of str
    """
    right = percent(np.trace(counts), counts.sum())
    rows, columns = counts.sum(1, keepdims=True), counts.sum(0, keepdims=True)
    told = "Blue: right; orange: wrong; empty: never."
    return [
        _matrix(
            "cr", counts, np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0), names,
            "What became of each true label",
            f"{'Rows of the table' if items == 'rows' else items.capitalize()} by true label; the shade is the share "
            f"within a true label (recall, on the diagonal). {told} {right} of {count(counts.sum())} {items} are "
            "right.",
        ),
        _matrix(
            "cc", counts, np.divide(counts, columns, out=np.zeros(counts.shape), where=columns > 0), names,
            "What a predicted label is worth",
            f"The same counts; the shade is the share within a predicted label (precision, on the diagonal). {told}",
        ),
    ]  # fmt: skip


def _matrix(key: str, counts: np.ndarray, shares: np.ndarray, names: list[str], title: str, caption: str) -> Panel:
    C = len(names)
    longest = max(len(name) for name in names)
    limit = 12 if C > 4 else 16
    left = 22 + _LETTER * min(longest, limit)
    cell = (_WIDTH - left - 8) / C
    turned = _LETTER * min(longest, limit) > cell - 4
    below = _LETTER * min(longest, limit) if turned else 12
    side = min(max(cell, 27.0), 84.0)
    canvas = Canvas(key, _WIDTH, 34 + side * C + below + 30, left=left, right=8, top=34, bottom=below + 30)
    axes = canvas.axes
    axes.set(xlim=(-0.5, C - 0.5), ylim=(C - 0.5, -0.5))
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    for i, j in zip(*np.nonzero(counts), strict=True):
        ink = ACCENT if i == j else SECOND
        shade = 0.08 + 0.47 * float(shares[i, j]) ** 0.5  # few mistakes in a large class must still be seen
        axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, color=ink, alpha=shade, lw=0))
        heavy = "bold" if i == j else "normal"
        if C <= 6:
            canvas.note(j, i, count(counts[i, j]), INK, ha="center", offset=(0, 6), weight=heavy)
            canvas.note(j, i, percent(shares[i, j]), INK, ha="center", offset=(0, -8), size=11)
        else:
            canvas.note(j, i, _narrow(counts[i, j]), INK, ha="center", size=12 if C <= 10 else 11, weight=heavy)
    for c, name in enumerate(names):
        canvas.note(-0.5, c, name, INK, limit=limit, ha="right", offset=(-6, 0))
        upright: dict[str, Any] = {"ha": "right", "rotation": 90, "rotation_mode": "anchor"}  # they end at the matrix
        where = upright if turned else {"ha": "center", "va": "top"}
        canvas.note(c, C - 0.5, name, INK, limit=limit, offset=(0, -5), **where)
    axes.set_xlabel(canvas.words("predicted"), loc="right", labelpad=below + 9)
    canvas.label(y="true")
    return Panel(canvas.svg(f"Confusion matrix: {title.lower()}", "bare"), title, caption)


def _narrow(value: float) -> str:
    """A count in at most four signs."""
    return count(value) if value < 1000 else f"{number(value / 1000, 2 if value < 99500 else 3)}k"


@dataclass(frozen=True)
class Threshold:
    """What decisions for one of two labels cost, at each probability from which it is said."""

    label: str
    stated: bool
    costs: tuple[float, float]
    """Of saying the label wrongly, and of missing it."""
    thresholds: np.ndarray
    cost: np.ndarray
    used: float | None
    best: float | None
    least: float | None
    detail: str = ""

    def at(self, threshold: float) -> float:
        """The cost at a threshold: rows from it on are given the label."""
        order = np.argsort(self.thresholds, kind="stable")
        place = int(np.searchsorted(self.thresholds[order], threshold))
        return float(self.cost[order][min(place, len(order) - 1)])


def threshold(t: Threshold) -> Panel | None:
    """Cost against threshold; None where no cost was stated and no other threshold would do better."""
    if len(t.thresholds) < 2:
        return None
    now = None if t.used is None else t.at(t.used)
    gain = None if now is None or t.least is None else now - t.least
    if not t.stated and (gain is None or not now or gain < 0.05 * now):
        return None
    order = np.argsort(t.thresholds, kind="stable")
    canvas = Canvas("ct", _WIDTH, 330)
    canvas.label(x="said from this probability on", y="mean cost of a decision")
    axes = canvas.axes
    axes.plot(t.thresholds[order], t.cost[order], color=ACCENT, drawstyle="steps-pre", lw=1.8)
    top = float(t.cost.max())
    floor = min(0.0, float(t.cost.min()))
    axes.set(xlim=(0, 1), ylim=(floor, floor + 1.18 * (top - floor) or 1))
    side: dict[str, Any]
    if now is not None and t.used is not None:
        axes.axvline(t.used, color=INK, lw=1, dashes=(3, 3))
        side = {"ha": "left", "offset": (5, 0)} if t.used < 0.6 else {"ha": "right", "offset": (-5, 0)}
        canvas.note(t.used, floor + 1.1 * (top - floor), f"used: {number(t.used, 2)}", INK, weight="bold", **side)
    if t.best is not None and t.least is not None and 0 <= t.best <= 1:
        axes.plot([t.best], [t.least], "o", color=SECOND, mec=PAPER, mew=1.2, ms=9, zorder=4)
        side = {"ha": "left"} if t.best < 0.6 else {"ha": "right"}
        canvas.note(t.best, t.least, f"least: {number(t.best, 2)}", SECOND, weight="bold", offset=(0, -16), **side)
    wrongly, missed = (number(c, 3) for c in t.costs)
    stated = "" if t.stated else " (no costs were stated)"
    caption = f"Saying {t.label} wrongly costs {wrongly}, missing it {missed}{stated}. "
    if now is not None:
        caption += f"Dashed: the threshold that these costs ask for; it cost {number(now, 3)} a row. "
    if t.least is not None:
        caption += f"Orange: the least on these rows, {number(t.least, 3)}{t.detail}; found in hindsight. "
    if gain is not None and now:
        caption += (
            "Close together: the probabilities can be trusted where it counts."
            if gain < 0.05 * now
            else "Far apart: the probabilities are off where it counts, or the rows are few; --calibrate may help."
        )
    return Panel(canvas.svg("Mean cost of a decision against the threshold"), "What each threshold costs", caption)
