"""A picture of labelled items on one or two directions: histograms of the classes, or a scatter with their means."""

from typing import Any

import numpy as np

from ..core.axes import axes_for

NAMED = 10  # more classes than a legend or a cycle of colours can tell apart are named at their means


def plot_projection(codes: Any, y: Any, classes: Any, means: Any, ax: Any = None) -> Any:
    """Draw items in the first two directions (Hastie et al. 2009, figures 4.4 and 4.8), or on the only one.

    Parameters
    ----------
    codes : array of shape (N, L)
        Coordinates, such as those of ``transform``.
    y : array of shape (N,)
        Labels, for the colours.
    classes : array of shape (C,)
        The labels to draw, in this order.
    means : array of shape (C, L)
        Their means.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there is no direction to draw.
    """
    codes, y, classes, means = (np.asarray(v) for v in (codes, y, classes, means))
    if codes.ndim != 2 or codes.shape[1] < 1:
        raise ValueError(f"a picture needs one direction at least, got coordinates of shape {codes.shape}")
    ax = axes_for(ax)
    flat, few = codes.shape[1] == 1, len(classes) <= NAMED
    edges = np.histogram_bin_edges(codes[:, 0], "auto") if flat else None
    for c, label in enumerate(classes.tolist()):
        mine, colour, name = codes[y == label], f"C{c % 10}", str(label) if few else None
        if flat:
            ax.hist(mine[:, 0], bins=edges, alpha=0.5, color=colour, label=name)
            ax.axvline(means[c, 0], color=colour, linewidth=1.5)
            continue
        ax.scatter(mine[:, 0], mine[:, 1], s=12, alpha=0.6, linewidths=0, color=colour, label=name)
        ax.scatter(means[c, 0], means[c, 1], s=70, marker="X", color=colour, edgecolors="black")
        if not few:
            ax.annotate(str(label), means[c, :2], xytext=(5, 5), textcoords="offset points", fontsize=8)
    if few:
        ax.legend(frameon=False, fontsize=8)
    ax.set(xlabel="direction 1", ylabel="items" if flat else "direction 2")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
