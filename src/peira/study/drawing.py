"""Figures of sequences for the report: small PNG files as texts, as the pictures of images are."""

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

COLOURS = ("#2f6fb0", "#c25b1e", "#3f8f4f", "#8a5aa8", "#a98a1f", "#5b6470")
_POINTS = 600
"""Steps that a figure draws; longer sequences are thinned to their extremes."""


def strip(steps: np.ndarray, *, width: float = 1.5, height: float = 0.75) -> str:
    """One sequence, small: a line for each number of its steps, or a picture where there are more than six.

    Parameters
    ----------
    steps : array of shape (T, D)
        Numbers on a common scale.

    Returns
    -------
    str
        The base64 of a PNG.
    """
    figure, axes = _canvas(width, height, bare=True)
    steps = steps.reshape(len(steps), -1)
    if steps.shape[1] > 6:
        picture = _thin_picture(steps).T
        axes.imshow(picture, aspect="auto", origin="lower", cmap="magma", interpolation="nearest", vmin=-2.5, vmax=2.5)
    else:
        for d in range(steps.shape[1]):
            axes.plot(*_thin(steps[:, d]), color=COLOURS[d % len(COLOURS)], linewidth=0.8)
    return _png(figure)


def fan(
    history: np.ndarray,
    truth: np.ndarray,
    mean: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    name: str = "",
    when: np.ndarray | None = None,
    time: str | None = None,
) -> str:
    """The end of a series, how it went on, and what was said of it with its interval; the base64 of a PNG.

    ``when`` are the times of all these steps, dates or numbers, from the column ``time``; else steps are counted.
    """
    figure, axes = _canvas(7.2, 2.7)
    H, T = len(truth), len(history)
    at = np.arange(-T + 1, H + 1) if when is None else when
    ahead = at[T:]
    if H == 1:  # a band needs a width
        axes.vlines(ahead, low, high, color=COLOURS[1], alpha=0.4, linewidth=4)
    axes.fill_between(ahead, low, high, color=COLOURS[1], alpha=0.22, linewidth=0)
    axes.plot(at[:T], history, color="#5b6470", linewidth=1.0)
    mark = "." if H < 3 else ""
    axes.plot(ahead, truth, color=COLOURS[0], linewidth=1.2, marker=mark, label="what came")
    axes.plot(ahead, mean, color=COLOURS[1], linewidth=1.4, marker=mark, label="what was said")
    if T:
        axes.axvline(at[T - 1], color="#5b6470", linewidth=0.6, linestyle=":")
    axes.set_xlabel("steps from the last one known" if when is None else (time or "time"))
    axes.set_ylabel(name[:40])
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return _png(figure)


def states(steps: np.ndarray, codes: Sequence[int], names: Sequence[str], said: Sequence[int] | None = None) -> str:
    """A sequence over bands of the state (or label) of each step; a second band for what was said."""
    figure, axes = _canvas(7.2, 2.2)
    steps = steps.reshape(len(steps), -1)
    spread = np.nanstd(steps, axis=0)
    standard = (steps - np.nanmean(steps, axis=0)) / np.where(spread > 0, spread, 1)
    for d in range(min(steps.shape[1], 6)):
        axes.plot(standard[:, d], color="#33383d", linewidth=0.8, alpha=0.8)
    rows = [codes] if said is None else [codes, said]
    low, high = axes.get_ylim()
    band = 0.12 * (high - low)
    for k, row in enumerate(rows):
        changes = np.flatnonzero(np.diff(row)) + 1
        for a, b in zip([0, *changes], [*changes, len(row)], strict=True):
            axes.axvspan(
                a - 0.5,
                b - 0.5,
                ymin=0.13 * k,
                ymax=0.13 * k + 0.11,
                color=COLOURS[int(row[a]) % len(COLOURS)],
                alpha=0.8,
            )
    axes.set_ylim(low - band * (1.3 * len(rows)), high)
    for c, name in enumerate(list(names)[: len(COLOURS)]):
        axes.plot([], [], color=COLOURS[c], linewidth=6, label=str(name)[:24])
    axes.legend(frameon=False, fontsize=7, ncols=6, loc="upper right")
    axes.set_xlabel("step")
    return _png(figure)


def by_method(draw: Callable[[Any], Any], width: float, height: float) -> str:
    """What a method draws of itself on axes; the base64 of a PNG."""
    figure, axes = _canvas(width, height)
    draw(axes)
    return _png(figure)


def bars(values: Sequence[float], low: Sequence[float], high: Sequence[float], names: Sequence[str], axis: str) -> str:
    """Values with their intervals, side by side."""
    figure, axes = _canvas(5.2, 2.4)
    at = np.arange(len(values))
    axes.errorbar(
        at, values, [np.subtract(values, low), np.subtract(high, values)], fmt="o", color=COLOURS[0], capsize=3
    )
    axes.set_xticks(at, [str(name)[:24] for name in names], fontsize=8)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_ylabel(axis)
    return _png(figure)


def shares(names: Sequence[str], values: Sequence[float], base: float, axis: str, *, count: int = 15) -> bytes:
    """How the shares of columns lead from a mean to a prediction, the largest first; a PNG.

    Beyond ``count`` columns, the last bar is what all the others add together.
    """
    names, values = list(names), list(values)
    if len(names) > count:
        names = [*names[: count - 1], f"{len(names) - count + 1} other columns"]
        values = [*values[: count - 1], sum(values[count - 1 :])]
    ends = base + np.cumsum(values)
    starts = np.r_[base, ends[:-1]]
    figure, axes = _canvas(7.2, 1.0 + 0.3 * len(names))
    rows = np.arange(len(names))
    axes.barh(rows, values, left=starts, height=0.62, color=[COLOURS[0] if v > 0 else COLOURS[1] for v in values])
    axes.vlines(ends[:-1], rows[:-1] - 0.31, rows[1:] + 0.31, color=COLOURS[5], linewidth=0.6)
    for x, word in ((base, "mean"), (ends[-1], "here")):
        axes.axvline(x, color=COLOURS[5], linewidth=0.8, linestyle=":")
        axes.text(x, -0.75, word, fontsize=8, color=COLOURS[5], ha="center", va="bottom")
    axes.set_yticks(rows, [name if len(name) <= 32 else f"{name[:31]}…" for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.6)
    low, high = min(*ends, base), max(*ends, base)
    pad = 0.04 * (high - low) or 0.1 * abs(base) or 1.0
    axes.set_xlim(low - pad, high + pad)
    axes.set_xlabel(axis, parse_math=False, fontsize=8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in letters that the font lacks: the table has it
        return base64.b64decode(_png(figure))


def _canvas(width: float, height: float, *, bare: bool = False) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    if bare:
        axes.set_axis_off()
    else:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure, axes


def _png(figure: Any) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white", metadata={"Software": None})
    return base64.b64encode(file.getvalue()).decode()


def _thin(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of a line, thinned to least and greatest of each part where it is long."""
    if len(line) <= _POINTS:
        return np.arange(len(line)), line
    parts = np.array_split(np.arange(len(line)), _POINTS // 2)
    rows = np.array([sorted((p[np.argmin(line[p])], p[np.argmax(line[p])])) for p in parts]).ravel()
    return rows, line[rows]


def _thin_picture(steps: np.ndarray) -> np.ndarray:
    if len(steps) <= _POINTS:
        return steps
    return np.stack([part.mean(0) for part in np.array_split(steps, _POINTS)])
