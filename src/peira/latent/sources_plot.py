"""A picture of sources over time: one trace below the other."""

from typing import Any

import numpy as np
import torch

from ..core.axes import axes_for

POINTS = 2000  # more than a picture has room for are drawn as the band between their smallest and largest


def plot_sources(sources: Any, shares: Any, ax: Any = None) -> Any:
    """Draw the columns of ``sources`` (N, K) against the number of the row.

    Parameters
    ----------
    sources : array or tensor of shape (N, K)
    shares : array of shape (K,)
        Of the variance, for the labels.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes
    """
    S = sources.numpy(force=True) if isinstance(sources, torch.Tensor) else np.asarray(sources)
    N, K = S.shape
    ax = axes_for(ax, 7, 0.8 + 0.8 * K)
    low, high = S.min(0), S.max(0)
    S = (S - (low + high) / 2) / np.where(high > low, high - low, 1.0) * 0.9
    for k in range(K):
        colour = f"C{k % 10}"
        if N > POINTS:
            edges = np.linspace(0, N, POINTS + 1).astype(int)[:-1]
            low, high = np.minimum.reduceat(S[:, k], edges), np.maximum.reduceat(S[:, k], edges)
            ax.fill_between(edges, low - k, high - k, color=colour, linewidth=0.4)
        else:
            ax.plot(S[:, k] - k, color=colour, linewidth=0.9)
    ax.set_yticks(-np.arange(K), [f"source {k}\n{share:.0%} of variance" for k, share in enumerate(shares)])
    ax.set(xlabel="row", xlim=(0, max(1, N - 1)), ylim=(-K + 0.5, 0.5))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
