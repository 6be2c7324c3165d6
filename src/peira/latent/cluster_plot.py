"""A picture of clusters: items in the plane of most variance, coloured by cluster, with the centres."""

from typing import Any

import numpy as np

from ..core.axes import axes_for

NAMED = 10  # more clusters than a legend and a cycle of colours can tell apart are numbered at their centres


def plot_clusters(X: Any, labels: Any, *, centres: Any = None, ax: Any = None) -> Any:
    """Draw items by cluster: the columns themselves for two, the items' order against one, else principal directions.

    Parameters
    ----------
    X : array, frame or sparse matrix of shape (N, D)
    labels : int array of shape (N,)
        0, 1, ..., or -1 for none, drawn in grey.
    centres : array of shape (K, D), optional
        Drawn as crosses.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes
    """
    names = [str(name) for name in getattr(X, "columns", [])]
    X = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    labels = np.asarray(labels)
    C = np.empty((0, X.shape[1])) if centres is None else np.asarray(centres, dtype=np.float64)
    ax = axes_for(ax)
    (x, c), titles = _plane(X, C), names
    if X.shape[1] > 2:
        parts = np.linalg.svd(X - X.mean(0), compute_uv=False) ** 2
        shares = parts / max(parts.sum(), np.finfo(float).tiny)
        titles = [f"principal direction {j + 1} ({shares[j]:.0%} of the variance)" for j in range(2)]
    elif X.shape[1] == 1:
        titles = [*(names or ["value"]), "row"]
        x, c = np.column_stack([x[:, 0], np.arange(len(x))]), np.column_stack([c[:, 0], np.full(len(c), len(x) / 2)])
    found = sorted(set(labels.tolist()))
    few = len(found) <= NAMED
    for k in found:
        mine = x[labels == k]
        share = f"{len(mine) / len(x):.0%}"
        name, colour = (f"none, {share}", "0.7") if k < 0 else (f"cluster {k}, {share}", f"C{k % 10}")
        ax.scatter(mine[:, 0], mine[:, 1], s=14, alpha=0.65, linewidths=0, color=colour, label=name if few else None)
    for k, centre in enumerate(c):
        ax.scatter(centre[0], centre[1], s=80, marker="X", color=f"C{k % 10}", edgecolors="black", zorder=3)
        if not few:
            ax.annotate(str(k), centre, xytext=(5, 5), textcoords="offset points", fontsize=8)
    if few:
        ax.legend(frameon=False, fontsize=8)
    ax.set(xlabel=titles[0] if titles else "column 0", ylabel=titles[1] if len(titles) > 1 else "column 1")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _plane(X: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Items and centres in at most two coordinates."""
    if X.shape[1] <= 2:
        return X, C
    mean = X.mean(0)
    _, _, V = np.linalg.svd(X - mean, full_matrices=False)
    V = V[:2] * np.sign(V[:2][np.arange(len(V[:2])), np.abs(V[:2]).argmax(1)])[:, None]
    if len(V) < 2:
        V = np.vstack([V, np.zeros_like(V)])
    return (X - mean) @ V.T, (C - mean) @ V.T
