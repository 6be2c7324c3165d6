"""Where the decisions change: areas on the two directions that tell the labels apart best, with rows upon them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from peira.study.report.figures import count, percent
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import CLASSES, INK, PAPER, SOFT, Canvas

SURE = 0.9
"""A decision is drawn as sure from this probability on."""
TELLING = 0.5
"""Areas are drawn if at least this share of the rows lie over an area of their own label."""
_MARKS = "osD^v"  # with the inks: thirty classes can be told apart


def marked(code: int) -> tuple[str, str]:
    """Ink and mark of a class."""
    return CLASSES[code % len(CLASSES)], _MARKS[code // len(CLASSES) % len(_MARKS)]


@dataclass(frozen=True)
class Regions:
    """Decisions on a plane: the decided class and its probability on a grid, and rows with their true class."""

    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    top: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    directions: tuple[str, str]

    @property
    def agreement(self) -> float:
        """Share of the rows that lie over an area of their own label: how much of the decisions the cut can show."""
        if not len(self.points):
            return 1.0
        column, row = (np.abs(axis[None, :] - self.points[:, [k]]).argmin(1) for k, axis in enumerate((self.x, self.y)))
        return float((self.codes[row, column] == self.labels).mean())


def regions(r: Regions, names: list[str]) -> Panel:
    """Decision regions as areas, deep where the decision is sure, under the rows themselves."""
    drawings = [
        _plane(key, width, r, names).svg("Decision regions on the two directions that tell the labels apart best", css)
        for key, width, css in (("gw", 920, "wide"), ("gn", 400, "narrow"))
    ]
    marks = "rows, in the colour and shape of their true label, where they project to"
    if r.agreement < TELLING:
        caption = (
            f"Marks: {marks}. The decisions depend on more than these two directions: areas on a cut through the mean "
            f"would be right for only {percent(r.agreement)} of these rows, so they are not drawn."
        )
        return Panel(drawings[0] + drawings[1], "The labels on their two best directions", caption + _axes(r), True)
    caption = (
        "Areas: the label that is decided on a cut through the mean of all columns; deep colour: with a probability "
        f"of at least {percent(SURE)}. Marks: {marks}; "
        "a row need not lie on the cut, so it may be judged otherwise than the area under it says."
    )
    return Panel(drawings[0] + drawings[1], "Decision regions", caption + _axes(r), broad=True)


def _axes(r: Regions) -> str:
    words = f" {count(len(r.points))} rows are shown." if len(r.points) else ""
    across, up = (d.removesuffix("...").rstrip(" .") for d in r.directions)
    return words + f" Across, mostly: {across}; up: {up}."


def _plane(key: str, width: int, r: Regions, names: list[str]) -> Canvas:
    wide = width > 600
    areas = r.agreement >= TELLING
    shown = [int(c) for c in (np.union1d(r.codes, r.labels) if areas else np.unique(r.labels))]
    beside = shown[:16]
    lines = 0 if wide else -(-len(beside) // 3)
    height = 480 if wide else 380 + 20 * lines
    canvas = Canvas(key, width, height, left=8, right=150 if wide else 8, top=14, bottom=44 + 20 * lines)
    axes = canvas.axes
    axes.grid(False)
    axes.set(xlim=(r.x[0], r.x[-1]), ylim=(r.y[0], r.y[-1]))
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    for c in np.unique(r.codes) if areas else []:
        ink, inside = marked(int(c))[0], r.codes == c
        lead = np.maximum(2 * r.top - 1, 1e-6)  # over all other labels together: it leaves smooth borders
        for level, field, alpha in (
            (0.0, np.where(inside, lead, -lead), 0.16),
            (SURE, np.where(inside, r.top, 1 - r.top), 0.2),
        ):
            if (field > level).any():
                axes.contourf(r.x, r.y, field, levels=[level, 2.0], colors=[ink], alpha=alpha, antialiased=False)
    for c in np.unique(r.labels):
        ink, mark = marked(int(c))
        here = r.points[r.labels == c]
        axes.plot(here[:, 0], here[:, 1], mark, color=ink, mec=PAPER, mew=0.6, ms=5.5)
    for c in shown if len(shown) > 2 else []:  # names on the plane too, where the clouds are
        here = r.points[r.labels == c]
        if len(here) and c < len(names):
            middle = np.median(here, axis=0)
            canvas.note(middle[0], middle[1], names[c], INK, limit=14, ha="center", weight="bold", size=14)
    legend(canvas, beside, len(shown) - len(beside), names, wide)
    canvas.label(x="first direction →")
    return canvas


def legend(canvas: Canvas, codes: list[int], more: int, names: list[str], wide: bool) -> None:
    """Mark and name of each class, beside the plane or under it."""
    box = canvas.axes.get_position()
    W, H = canvas.width, canvas.height
    for k, c in enumerate(codes):
        if wide:
            x, y = W * box.x1 + 22, 26 + 22 * k
        else:
            x, y = 16 + 128 * (k % 3), H * (1 - box.y0) + 44 + 20 * (k // 3)
        ink, mark = marked(c)
        # a line artist of the figure stands outside of the axes, where nothing is clipped
        canvas.figure.add_artist(_dot(x / W, 1 - y / H, ink, mark, canvas))
        name = names[c] if c < len(names) else f"label {c + 1}"
        text = canvas.words(name, 16 if wide else 13)
        canvas.figure.text((x + 11) / W, 1 - (y + 4) / H, text, color=INK, fontsize=12, parse_math=False)
    if more > 0 and wide:
        canvas.figure.text(
            box.x1 + 16 / W, 1 - (30 + 22 * len(codes)) / H, canvas.words(f"and {more} more"), color=SOFT, fontsize=12,
            parse_math=False,
        )  # fmt: skip


def _dot(x: float, y: float, ink: str, mark: str, canvas: Canvas) -> Line2D:
    return Line2D(
        [x], [y], marker=mark, color=ink, mec=PAPER, mew=0.6, ms=8, ls="", transform=canvas.figure.transFigure
    )
