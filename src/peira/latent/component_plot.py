"""Pictures of components: how much each keeps, and items beside columns on the first two."""

from typing import Any

import numpy as np

from ..core.axes import axes_for

NAMED = 12  # more arrows than this are drawn without names, except for the longest
COLOURS = 10


def plot_scree(shares: np.ndarray, left: float, ax: Any = None) -> Any:
    """Draw the share of the variance that each component has (bars), and that all up to it keep (line).

    Parameters
    ----------
    shares : array of shape (K,)
    left : float
        Mean share of the directions that were left out.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = axes_for(ax)
    k = np.arange(1, len(shares) + 1)
    ax.bar(k, 100 * shares, color="C0", alpha=0.8, label="each component")
    ax.plot(k, 100 * np.cumsum(shares), color="C1", marker="o", markersize=4, label="all up to it")
    if left > 0:
        ax.axhline(100 * left, color="0.4", linestyle=":", label="mean of those left out")
    ax.set(xlabel="component", ylabel="share of the variance (%)", ylim=(0, 104))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, loc="center right", fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_codes(codes: Any, loadings: Any, shares: Any, names: list[str], y: Any = None, ax: Any = None) -> Any:
    """Draw items on the first two components, with an arrow for each column (a biplot; Gabriel 1971).

    The arrow of a column points to where items have much of it; its length is the column's standard deviation as far
    as two components show it, all arrows in one scale of their own.

    Parameters
    ----------
    codes : array of shape (N, K), K >= 1
    loadings : array of shape (K, D)
        Directions times the standard deviations along them.
    shares : array of shape (K,)
    names : list of D str
    y : array of shape (N,), optional
        Groups, for the colours.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there is no component to draw.
    """
    codes, loadings = np.asarray(codes, dtype=float), np.asarray(loadings, dtype=float)
    if codes.ndim != 2 or codes.shape[1] < 1:
        raise ValueError(f"a picture needs one component at least, got codes of shape {codes.shape}")
    if codes.shape[1] == 1:
        codes, loadings = np.c_[codes, np.zeros(len(codes))], np.r_[loadings, np.zeros_like(loadings)]
    ax = axes_for(ax)
    groups = [None] if y is None else list(dict.fromkeys(np.asarray(y).tolist()))
    for g, group in enumerate(groups):
        mine = codes if y is None else codes[np.asarray(y) == group]
        label = None if y is None or len(groups) > COLOURS else str(group)
        ax.scatter(mine[:, 0], mine[:, 1], s=12, alpha=0.6, linewidths=0, color=f"C{g % COLOURS}", label=label)
    length = np.hypot(loadings[0], loadings[1])
    reach = 0.85 * np.abs(codes[:, :2]).max() / max(length.max(), np.finfo(float).tiny)
    shown = np.argsort(-length, kind="stable")[:NAMED]
    for j in shown[length[shown] > 0.02 * length.max()]:
        x, v = reach * loadings[0, j], reach * loadings[1, j]
        ax.annotate("", (x, v), (0, 0), arrowprops={"arrowstyle": "->", "color": "0.25", "linewidth": 1})
        ax.annotate(names[j], (x, v), (4 if x >= 0 else -4, 4 if v >= 0 else -8), textcoords="offset points",
                    fontsize=8, ha="left" if x >= 0 else "right", color="0.15")  # fmt: skip
    titles = [f"component {k + 1} ({100 * share:.0f} % of the variance)" for k, share in enumerate(shares[:2])]
    ax.set(xlabel=titles[0], ylabel=titles[1] if len(titles) > 1 else "")
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.margins(0.12)
    if y is not None and len(groups) <= COLOURS:
        ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
