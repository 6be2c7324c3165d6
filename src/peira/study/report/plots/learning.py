"""How performance improves: with the amount of experience, and step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from peira.study.report.figures import array, count, number
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, BAND, PAPER, SECOND, SOFT, Canvas

_STEPS = 400


@dataclass(frozen=True)
class Curve:
    """Scores over folds at each size of the training set (in rising order), and what twice the rows should bring."""

    sizes: np.ndarray
    validation: list[np.ndarray]
    train: list[np.ndarray]
    doubling: float | None = None

    @classmethod
    def of(cls, sizes: np.ndarray, validation: list, train: list, doubling: float | None) -> Curve | None:
        """The sizes at which something is known; None with fewer than two."""
        known = [
            i for i in range(min(len(sizes), len(validation))) if sizes[i] > 0 and np.isfinite(validation[i]).any()
        ]
        known.sort(key=lambda i: sizes[i])
        if len(known) < 2:
            return None
        train = [train[i] if i < len(train) else np.empty(0) for i in known]
        return cls(sizes[known], [validation[i] for i in known], train, doubling)

    @property
    def mean(self) -> np.ndarray:
        """Mean score on rows not seen, at each size."""
        return np.array([np.nanmean(s) for s in self.validation])


def learning_curve(curve: Curve, measure: str, items: str = "rows") -> Panel:
    """Scores against experience: the mean, and the range of the folds as a band."""
    drawings = [
        _curve(key, width, curve, measure, items).svg(
            f"Learning curve: score against the number of {items} learned from", css
        )
        for key, width, css in (("cw", 920, "wide"), ("cn", 400, "narrow"))
    ]
    several = max(len(scores) for scores in curve.validation) > 1
    caption = "Line: mean over the folds. Band and faint dots: the single folds. " if several else ""
    if curve.doubling is not None:
        caption += f"Open dot: what the course of the curve lets expect from twice the {items}. "
    caption += f"Where the lines meet, more {items} of the same kind help little; where they gape, they help."
    return Panel(drawings[0] + drawings[1], "Performance against experience", caption, broad=True)


def _curve(key: str, width: int, curve: Curve, measure: str, items: str) -> Canvas:
    wide = width > 600
    canvas = Canvas(key, width, 340, right=130 if wide else 16)
    axes, sizes = canvas.axes, curve.sizes
    canvas.label(x=f"{items} learned from", y=measure)
    axes.set_xscale("log" if sizes[-1] >= 3 * sizes[0] else "linear")
    axes.xaxis.set_major_locator(FixedLocator(_apart(sizes, wide)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda x, pos=None: count(x))
    ends = [
        (x, mean, ink, name)
        for scores, ink, name in (
            (curve.train, SECOND, f"on the {items} learned from"),
            (curve.validation, ACCENT, f"on {items} not seen"),
        )
        for x, mean in _line(axes, sizes, scores, ink)
    ]
    edge, last = sizes[-1], curve.mean[-1]
    if curve.doubling is not None:
        edge, expected = 2 * sizes[-1], curve.doubling
        axes.plot([sizes[-1], edge], [last, expected], color=ACCENT, lw=1.4, dashes=(3, 3), zorder=1.9)
        axes.plot([edge], [expected], "o", color=PAPER, mec=ACCENT, mew=1.8, ms=7)
    axes.set_ylim(_limits(curve))
    _name(canvas, ends, float(edge), wide, items)
    return canvas


def _line(axes: Any, sizes: np.ndarray, scores: list[np.ndarray], ink: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draws one line with its band; gives its points, or nothing where no score is known."""
    there = [i for i, s in enumerate(scores) if np.isfinite(s).any()]
    if not there:
        return
    x, mean = sizes[there], np.array([np.nanmean(scores[i]) for i in there])
    low, high = ([bound(scores[i]) for i in there] for bound in (np.nanmin, np.nanmax))
    axes.fill_between(x, low, high, color=BAND if ink == ACCENT else ink, alpha=0.16, lw=0)
    for i in there:
        axes.plot(np.full(len(scores[i]), sizes[i]), scores[i], "o", color=ink, ms=3.5, mew=0, alpha=0.4)
    axes.plot(x, mean, color=ink, marker="o", ms=6.5, mec=PAPER, mew=1.2)
    yield x, mean


def _limits(curve: Curve) -> tuple[float, float]:
    """A range in which the end of the curve can be read: a first step from chaos may leave the picture."""
    everything = np.concatenate([*curve.validation, *curve.train, [curve.doubling or np.nan]])
    end = np.concatenate(curve.validation[len(curve.validation) // 2 :])
    reach = 5 * (np.nanmax(end) - np.nanmin(end)) or np.inf
    low = max(np.nanmin(everything), np.nanmin(end) - reach)
    high = min(np.nanmax(everything), np.nanmax(end) + reach)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - pad), float(high + pad)


def _name(canvas: Canvas, ends: list, edge: float, wide: bool, items: str) -> None:
    """Direct labels: beside the end of the lines, or, on a narrow page, over and under their middle."""
    above = len(ends) < 2 or ends[0][1][-1] > ends[1][1][-1]
    for k, (x, mean, ink, name) in enumerate(ends):
        up = (k == 0) == above
        first, _, second = name.partition(f" {items} ")
        if wide:
            near = (9 if up else -9) if len(ends) == 2 else 0
            canvas.note(edge, mean[-1], f"{first} {items}", ink, offset=(14, near + 7), weight="bold")
            canvas.note(edge, mean[-1], second, ink, offset=(14, near - 7), weight="bold")
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
    """Each quantity that the fit recorded, step by step (the first four); beside it the same of data put aside."""
    panels, aside = [], "validation_"
    shown = [name for name in values if name.removeprefix(aside) == name or name.removeprefix(aside) not in values]
    for k, name in enumerate(shown[:4]):
        y = array(values[name])
        steps = _thinned(y)
        if len(steps) < 2:
            continue
        canvas = Canvas(f"h{k}", 430, 300, left=64)
        canvas.label(x="step", y=str(name))
        canvas.axes.plot(
            steps + 1, y[steps], color=ACCENT, lw=1.8, marker="o" if len(steps) <= 30 else "", ms=5, mec=PAPER
        )
        canvas.axes.xaxis.get_major_locator().set_params(integer=True)
        last = y[steps[-1]]
        canvas.axes.margins(x=0.04, y=0.08)
        caption = f"{count(np.isfinite(y).sum())} steps of {of}." if of else f"{count(np.isfinite(y).sum())} steps."
        other = array(values.get(aside + name))
        if len(seen := _thinned(other)) > 1:
            canvas.axes.plot(
                seen + 1, other[seen], color=SECOND, lw=1.8, marker="o" if len(seen) <= 30 else "", ms=5, mec=PAPER
            )
            best = int(seen[-1])
            canvas.note(
                best + 1, other[best], f"put aside: {number(other[best], 3)}", SECOND, ha="right", offset=(0, 12)
            )
            canvas.note(steps[-1] + 1, last, f"learned from: {number(last, 3)}", ACCENT, ha="right", offset=(0, -14))
            caption += " Blue: what it learned from. Orange: what was put aside, to choose the best weights by."
        else:
            canvas.note(steps[-1] + 1, last, number(last, 3), SOFT, ha="right", offset=(0, 12))
        panels.append(Panel(canvas.svg("Value at each step of the fit"), f"{name}, step by step", caption))
    return panels


def _thinned(y: np.ndarray) -> np.ndarray:
    """The steps at which something is known, at most as many as can be told apart."""
    steps = np.flatnonzero(np.isfinite(y))
    return steps if len(steps) <= _STEPS else steps[np.unique(np.linspace(0, len(steps) - 1, _STEPS).astype(int))]
