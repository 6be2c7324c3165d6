"""A picture of a chain: states on a circle, arrows as wide as they are probable."""

from typing import Any

import numpy as np

from ..core.axes import axes_for
from ..core.errors import DataError

MOST = 60  # states beyond which a circle cannot be read


def plot_transitions(P: np.ndarray, names: list[str], pi: np.ndarray | None, least: float, ax: Any = None) -> Any:
    """Draw the transition graph.

    Parameters
    ----------
    P : array of shape (K, K)
    names : list of K str
    pi : array of shape (K,), optional
        Area of the states; alike without.
    least : float
        Transitions of lower probability are not drawn; the title says how many.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes
    """
    K = len(P)
    if K > MOST:
        raise DataError(f"a transition graph of {K} states cannot be read; at most {MOST} are drawn. See transmat_")
    ax = axes_for(ax, 6, 6)
    angle = np.pi / 2 - 2 * np.pi * np.arange(K) / K
    where = np.stack([np.cos(angle), np.sin(angle)], 1) * (K > 1)
    weight = np.full(K, 1 / K) if pi is None else pi
    radius = np.clip(0.28 * np.sqrt(weight / weight.max()), 0.07, 0.28) * min(1.0, 6 / max(K, 1)) ** 0.7
    drawn = (P > 0) & np.greater_equal(P, least)
    for i, j in zip(*np.nonzero(drawn), strict=True):
        if i == j:
            _loop(ax, where[i], radius[i], P[i, i], K)
        else:
            _arrow(ax, where[i], where[j], radius[i], radius[j], P[i, j], both=bool(drawn[j, i]), words=K <= 8)
    from matplotlib.patches import Circle

    for k in range(K):
        ax.add_patch(
            Circle(
                (where[k, 0], where[k, 1]),
                radius[k],
                facecolor="white",
                edgecolor=f"C{k % 10}",
                linewidth=1.8,
                zorder=3,
            )
        )
        ax.text(*where[k], names[k], ha="center", va="center", fontsize=8 if K > 12 else 10, zorder=4)
    ax.set(xlim=(-1.65, 1.65), ylim=(-1.65, 1.65), aspect="equal")
    ax.axis("off")
    left_out = int(((P > 0) & ~drawn).sum())
    if left_out:
        ax.set_title(f"{left_out} transitions below {least:g} are not drawn", fontsize=9)
    return ax


def _arrow(ax: Any, a: np.ndarray, b: np.ndarray, ra: float, rb: float, p: float, both: bool, words: bool) -> None:
    """An arrow from rim to rim, bent where another comes back."""
    from matplotlib.patches import FancyArrowPatch

    bend, along = 0.18 if both else 0.0, (b - a) / np.hypot(*(b - a))
    across = np.array([along[1], -along[0]])
    start, end = a + ra * _turned(along, across, bend), b - rb * _turned(along, across, -bend)
    ax.add_patch(
        FancyArrowPatch(
            (start[0], start[1]), (end[0], end[1]), connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>",
            mutation_scale=8 + 6 * p, linewidth=0.6 + 2.4 * p, color="0.25", alpha=0.4 + 0.55 * p,
            shrinkA=0, shrinkB=0, zorder=1,
        )
    )  # fmt: skip
    if words:
        length = np.hypot(*(end - start))
        at = start + (0.5 if both else 0.35) * (end - start) + across * (0.5 * bend * length + 0.06)
        ax.text(*at, f"{p:.2g}", fontsize=7, color="0.2", ha="center", va="center", zorder=2)


def _turned(along: np.ndarray, across: np.ndarray, bend: float) -> np.ndarray:
    """The direction in which a bent arrow leaves."""
    return (along + 2 * bend * across) / np.hypot(1, 2 * bend)


def _loop(ax: Any, at: np.ndarray, radius: float, p: float, K: int) -> None:
    from matplotlib.patches import Circle

    outward = at / np.hypot(*at) if K > 1 else np.array([0.0, 1.0])
    centre = at + outward * radius * 1.25
    ax.add_patch(
        Circle(
            (centre[0], centre[1]), radius * 0.7, facecolor="none", edgecolor="0.25", alpha=0.25 + 0.7 * p,
            linewidth=0.4 + 2.6 * p,
        )
    )  # fmt: skip
    if K <= 8:
        ax.text(
            *(centre + outward * (0.7 * radius + 0.13)), f"{p:.2g}", fontsize=7, color="0.2", ha="center", va="center"
        )
