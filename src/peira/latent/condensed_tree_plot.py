"""A picture of a condensed tree: clusters as wide as their items, from birth to end, the chosen ones in colours."""

from typing import Any

import numpy as np

from ..core.axes import axes_for


def plot_condensed_tree(T: np.ndarray, labels: np.ndarray, ax: Any = None) -> Any:
    """Draw it.

    Parameters
    ----------
    T : array of shape (N + C - 1, 4)
        Parent, child, density and size of each item (first) and each cluster.
    labels : int array of shape (N,)
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_for(ax, 7)
    N = len(labels)
    C = len(T) - N + 1
    parent, child = T[:, 0].astype(int) - N, T[:, 1].astype(int) - N
    finite = T[np.isfinite(T[:, 2]), 2]
    left = np.minimum(T[:, 2], finite.max(initial=1.0))
    birth, size, above = np.zeros(C), np.full(C, float(N)), np.full(C, -1)
    birth[child[N:]], size[child[N:]], above[child[N:]] = left[N:], T[N:, 3], parent[N:]
    label = np.full(C, -1)
    for c in range(C):  # all items of a chosen cluster carry its number, which its descendants inherit
        mine = labels[parent[:N] == c]
        label[c] = mine[0] if len(mine) and mine[0] >= 0 and (mine >= 0).mean() > 0.5 else label[above[c]] if c else -1
    middle = np.zeros(C)
    for c in range(C):
        parts = child[N:][parent[N:] == c]
        side = -size[c] / 2 + max(0.0, size[c] - size[parts].sum()) / 2 if len(parts) else 0.0
        for part in parts:
            middle[part] = middle[c] + side + size[part] / 2
            side += size[part]
        leaving = np.sort(left[parent == c])
        weights = T[parent == c, 3][np.argsort(left[parent == c], kind="stable")]
        heights = np.concatenate([[birth[c]], leaving])
        widths = size[c] - np.concatenate([[0.0], np.cumsum(weights)])
        heights, widths = np.repeat(heights, 2)[1:], np.repeat(widths, 2)[:-1]
        colour = f"C{label[c] % 10}" if label[c] >= 0 else "0.8"
        ax.fill_betweenx(heights, middle[c] - widths / 2, middle[c] + widths / 2, color=colour, linewidth=0)
    ax.set(xticks=[], xlabel="items", ylabel="density (1 / distance)", ylim=(left.max() * 1.02, 0.0))
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    return ax
