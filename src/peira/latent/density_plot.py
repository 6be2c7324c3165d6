"""A picture of a density over one or two columns."""

from typing import Any

import numpy as np
import torch

from ..core.axes import axes_for
from ..core.errors import DataError
from ..core.inputs import Queries

FINE = {1: 1200, 2: 160}  # points of the grid on each side


def plot_density(model: Any, low: Any, high: Any, X: Any = None, ax: Any = None) -> Any:
    """Draw a fitted density: as a curve over one column, as shades and contours over two.

    Parameters
    ----------
    model : Density
        Fitted to one or two columns.
    low, high : array of shape (D,)
        The part of space to show.
    X : array of shape (N, D), optional
        Items to draw as well: as ticks, or as points.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the density has more than two columns.
    """
    D = model.n_features_in_
    if D not in FINE:
        raise DataError(
            f"a picture of a density needs one or two columns, and this {type(model).__name__} has {D}: "
            "fit it to two columns, or to two components"
        )
    ax = axes_for(ax, 6, 4)
    axes = [np.linspace(a, b, FINE[D]) for a, b in zip(np.asarray(low), np.asarray(high), strict=True)]
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, D)
    names = [str(name) for name in getattr(model, "feature_names_in_", [f"x{j}" for j in range(D)])]
    asked = Queries(torch.from_numpy(grid), as_numpy=True, device=torch.device("cpu"))
    density = model._log_density(asked).exp().numpy()
    if D == 1:
        ax.fill_between(axes[0], density, color="C0", alpha=0.2, linewidth=0)
        ax.plot(axes[0], density, color="C0", linewidth=1.5)
        if X is not None:
            ax.plot(np.asarray(X)[:, 0], np.zeros(len(X)), "|", color="0.25", alpha=0.5, markersize=8)
        ax.set(xlabel=names[0], ylabel="density", ylim=(0, None))
    else:
        Z = density.reshape(FINE[D], FINE[D])
        shades = ax.pcolormesh(*axes, Z, cmap="Blues", shading="nearest", vmin=0, rasterized=True)
        if Z.max() > Z.min():
            ax.contour(*axes, Z, levels=_holding(Z, (0.95, 0.75, 0.5, 0.25)), colors="0.3", linewidths=0.7)
        if X is not None:
            ax.scatter(*np.asarray(X).T, s=6, color="black", alpha=0.4, linewidths=0)
        ax.figure.colorbar(shades, ax=ax, label="density")
        ax.set(xlabel=names[0], ylabel=names[1])
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _holding(Z: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """Levels, rising, above which lie these shares of what the grid shows."""
    z = np.sort(Z.ravel())[::-1]
    levels = z[np.searchsorted(np.cumsum(z) / z.sum(), shares).clip(max=len(z) - 1)]
    return np.unique(levels).tolist()
