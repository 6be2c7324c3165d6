"""A picture of a correlation matrix: colours from blue over white to red, columns that go together side by side."""

from typing import Any

import numpy as np

from ..core.axes import axes_for
from .comparison import holm

WRITTEN = 14  # columns up to which the coefficients are written into their cells


def plot_correlations(
    names: list[str], r: np.ndarray, p: np.ndarray, title: str, ax: Any, order: bool, level: float
) -> Any:
    """Draw the coefficients r (D, D) with their p-values p; see `CorrelationMatrix.plot`."""
    D = len(names)
    side = 2.2 + 0.42 * min(D, 24)
    ax = axes_for(ax, side + 0.8, side)
    rows = together(r) if order else np.arange(D)
    r, sure = r[np.ix_(rows, rows)], beyond_chance(p, level)[np.ix_(rows, rows)]
    ax.set_facecolor("0.85")  # what is not defined
    image = ax.imshow(r, cmap="RdBu_r", vmin=-1, vmax=1)
    if D <= WRITTEN:
        for i in range(D):
            for j in range(D):
                if i != j and np.isfinite(r[i, j]):
                    colour = "0.6" if not sure[i, j] else "white" if abs(r[i, j]) > 0.6 else "black"
                    ax.text(
                        j, i, f"{r[i, j]:.2f}".replace("0.", "."), ha="center", va="center", color=colour, fontsize=7
                    )
    names = [names[k] for k in rows]
    if D <= 60:
        ax.set_xticks(range(D), names, rotation=90, fontsize=8)
        ax.set_yticks(range(D), names, fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(f"{title[0].upper()}{title[1:]}; grey: may be chance", fontsize=9, loc="left")
    ax.figure.colorbar(image, ax=ax, shrink=0.7, label="coefficient")
    return ax


def together(r: np.ndarray) -> np.ndarray:
    """An order of the columns in which those of large |r| are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(r) < 3:
        return np.arange(len(r))
    d = 1 - np.abs(np.nan_to_num(r))
    np.fill_diagonal(d, 0.0)
    return leaves_list(linkage(squareform((d + d.T) / 2, checks=False), "average", optimal_ordering=True))


def beyond_chance(p: np.ndarray, level: float) -> np.ndarray:
    """Which pairs have a p-value of at most ``level`` after adjustment for their number."""
    i, j = np.triu_indices(len(p), 1)
    known = np.isfinite(p[i, j])
    sure = np.zeros(p.shape, dtype=bool)
    i, j = i[known], j[known]
    if len(i):
        sure[i, j] = sure[j, i] = np.asarray(holm(p[i, j])) <= level
    return sure
