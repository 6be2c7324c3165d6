"""What the winning method goes by: effects with their intervals, one line a column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, INK, PAPER, SOFT, Canvas

SHOWN = 20
Effect = tuple[str, float, float | None, float | None]


def coefficients(effects: Sequence[Effect]) -> Panel | None:
    """Coefficients, the largest first; those whose interval holds zero are drawn faint."""
    caption = "Dot: coefficient. Bar: its interval. Grey where the interval holds zero: the sign is not settled."
    return _effects("co", effects, "coefficient", "Coefficients with their intervals", caption, signed=True)


def importance(effects: Sequence[Effect], unit: str) -> Panel | None:
    """How much worse the score gets when a column is shuffled."""
    caption = (
        "How much worse the score becomes when the column is shuffled, so that it tells nothing. "
        "Bar: single shuffles. Grey: may be chance."
    )
    return _effects("im", effects, unit, "Importance of the columns", caption, signed=False)


def _effects(key: str, effects: Sequence[Effect], unit: str, title: str, caption: str, signed: bool) -> Panel | None:
    if not effects:
        return None
    shown = effects[:SHOWN]
    if len(effects) > len(shown):
        caption += f" The first {len(shown)} of {len(effects)}."
    drawings = [_draw(key + css[0], shown, unit, css == "wide", signed).svg(title, css) for css in ("wide", "narrow")]
    return Panel(Markup("").join(drawings), title, caption, broad=True)


def _draw(key: str, effects: Sequence[Effect], unit: str, wide: bool, signed: bool) -> Canvas:
    row, width = (24, 920) if wide else (40, 380)
    left, right = (250, 30) if wide else (8, 8)
    top, bottom = (8, 44) if wide else (20, 44)
    canvas = Canvas(key, width, top + bottom + row * len(effects), left=left, right=right, top=top, bottom=bottom)
    axes = canvas.axes
    values = np.array([v for _, *numbers in effects for v in numbers if v is not None] + [0.0])
    pad = 0.05 * np.ptp(values) or 1.0
    low, high = values.min() - pad, values.max() + pad
    axes.set(xlim=(low, high), ylim=(len(effects) - 0.5, -0.5))
    axes.set_yticks([])
    axes.xaxis.grid(True)
    canvas.label(x=unit)
    axes.axvline(0, color=INK, lw=1)
    for y, (name, value, lower, upper) in enumerate(effects):
        settled = lower is None or upper is None or lower > 0 or (upper < 0 and signed)
        ink = ACCENT if settled else SOFT
        if lower is not None and upper is not None:
            axes.plot([lower, upper], [y, y], color=ink, lw=2.4)
        axes.plot([value], [y], "o", color=ink, mec=PAPER, mew=1.2, ms=8)
        canvas.note(
            low,
            y,
            name,
            INK if settled else SOFT,
            limit=36,
            **({"ha": "right", "offset": (-14, 0)} if wide else {"offset": (0, 14)}),
        )
    return canvas
