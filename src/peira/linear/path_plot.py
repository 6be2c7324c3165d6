"""A picture of a path of weights: each weight against the size of all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.axes import axes_for


def plot_path(coefs: Any, names: Sequence[str] | None = None, ax: Any = None, labelled: int = 12) -> Any:
    """Draw the weights of a path against their L1 norm, as a share of the largest (Hastie et al. 2009, figure 3.10).

    Parameters
    ----------
    coefs : array of shape (D, M)
        Weights at M penalties, such as ``coef_path_`` or the second result of ``elastic_net_path``.
    names : sequence of D str, optional
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.
    labelled : int, default 12
        How many of the largest final weights get their name at the right end.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from peira.linear.path_plot import plot_path
    >>> axes = plot_path([[0.0, 1.0, 2.0], [0.0, 0.0, -1.0]], names=["age", "dose"])  # doctest: +SKIP
    """
    coefs = np.asarray(coefs, dtype=float)
    ax = axes_for(ax, 7)
    size = np.abs(coefs).sum(0)
    share = size / (size.max() or 1.0)
    order = np.argsort(-np.abs(coefs[:, -1]), kind="stable")
    for j in order[np.any(coefs[order] != 0, axis=1)]:
        ax.plot(share, coefs[j], linewidth=1.2)
    for j in order[: min(labelled, np.count_nonzero(coefs[:, -1]))]:
        name = str(j) if names is None else names[j]
        ax.annotate(name, (share[-1], coefs[j, -1]), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set(xlabel="L1 norm of the weights, as a share of its largest", ylabel="weight")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
