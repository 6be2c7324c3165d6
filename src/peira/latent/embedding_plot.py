"""A picture of items in two dimensions, coloured by what is known of them."""

from typing import Any

import numpy as np
import torch

from ..core.axes import axes_for

NAMED = 10  # groups that a legend and a cycle of colours can tell apart


def plot_embedding(Y: Any, ax: Any = None, labels: Any = None) -> Any:
    """Draw the first two coordinates (a single one as a histogram); see `Embedding.plot`."""
    Y, labels = (v.numpy(force=True) if isinstance(v, torch.Tensor) else v for v in (Y, labels))
    groups = None if labels is None else np.asarray(labels)
    if groups is not None and len(groups) != len(Y):
        raise ValueError(f"there are {len(Y)} items, but {len(groups)} labels; they must agree")
    ax = axes_for(ax, 6, 5)
    names = np.unique(groups) if groups is not None else np.array(["items"])
    groups = np.full(len(Y), "items") if groups is None else groups
    flat = Y.shape[1] == 1
    size = float(np.clip(4000 / len(Y), 3, 20))
    if len(names) > NAMED and groups.dtype.kind in "iuf" and not flat:
        drawn = ax.scatter(Y[:, 0], Y[:, 1], c=groups, s=size, alpha=0.8, linewidths=0, cmap="viridis")
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    else:
        for c, name in enumerate(names.tolist()):
            mine, look = Y[groups == name], {"color": f"C{c % 10}", "label": str(name)}
            if flat:
                ax.hist(mine[:, 0], bins=np.histogram_bin_edges(Y[:, 0], "auto"), alpha=0.5, **look)
            else:
                ax.scatter(mine[:, 0], mine[:, 1], s=size, alpha=0.8, linewidths=0, **look)
        if 1 < len(names) <= NAMED:
            ax.legend(frameon=False, fontsize=8, markerscale=2)
    ax.set(xlabel="coordinate 1", ylabel="items" if flat else "coordinate 2")
    if not flat:
        ax.set_aspect("equal", adjustable="datalim")  # distances are what an embedding is about
    ax.spines[["top", "right"]].set_visible(False)
    return ax
