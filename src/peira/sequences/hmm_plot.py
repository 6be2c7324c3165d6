"""Pictures of hidden Markov models: a sequence over its states, and the transition graph."""

import itertools
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from ..core.errors import DataError

LEAST = 0.005  # transitions below this are left out of the graph


def plot_states(model: Any, X: Any, ax: Any = None) -> Any:
    """Draw one sequence over the states that produced it.

    The background has the colour of the state on the most probable path, the stronger the surer each step is. Numbers
    are drawn as lines, symbols as points at their place in the list of symbols.

    Parameters
    ----------
    model : HiddenMarkovModel
        Fitted.
    X : sequences
        One; of several the first is drawn.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes
    """
    _, steps = model._asked(X)
    T = int(steps.lengths[0])
    if not T:
        raise DataError("a picture needs a sequence of at least one step")
    path, sure = model.predict(X)[0], model.predict_proba(X)[0]
    ax = _axes(ax, (8, 3))
    edges = np.r_[0, np.flatnonzero(np.diff(path)) + 1, T]
    named: set[int] = set()
    for a, b in itertools.pairwise(edges):
        k = int(path[a])
        strength = 0.1 + 0.3 * float(sure[a:b, k].mean())
        ax.axvspan(a - 0.5, b - 0.5, color=f"C{k % 10}", alpha=strength, linewidth=0)
        if k not in named:
            named.add(k)
            ax.text((a + b - 1) / 2, 1.0, str(k), transform=ax.get_xaxis_transform(), fontsize=8, ha="center", va="top")
    shown = steps.X[:T]
    symbols = getattr(model, "symbols_", None)
    if symbols is not None:
        seen = np.flatnonzero(shown[:, 0] >= 0)
        ax.plot(seen, shown[seen, 0], ".", color="black", markersize=3)
        if len(symbols) <= 30:
            ax.set_yticks(np.arange(len(symbols)), [str(s) for s in symbols])
    else:
        names = getattr(model, "feature_names_in_", [f"x{j}" for j in range(shown.shape[1])])
        for j, name in enumerate(names):
            ax.plot(
                np.arange(T), shown[:, j], color=str(0.6 * j / max(len(names) - 1, 1)), linewidth=1, label=str(name)
            )
        if 1 < len(names) <= 10:
            ax.legend(fontsize=8, frameon=False)
    ax.set(xlabel="step", xlim=(-0.5, T - 0.5), title="states over the signal")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_transitions(model: Any, ax: Any = None) -> Any:
    """Draw the transition graph: states on a circle, arrows as thick as their transitions are probable.

    Inside each state stand its number and the probability to stay.

    Parameters
    ----------
    model : HiddenMarkovModel
        Fitted.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    if not model.__sklearn_is_fitted__():
        raise NotFittedError(f"This {type(model).__name__} instance is not fitted yet: call fit before drawing")
    A = model.transmat_
    K = len(A)
    ax = _axes(ax, (5, 5))
    angle = np.pi / 2 - 2 * np.pi * np.arange(K) / K
    at = np.column_stack([np.cos(angle), np.sin(angle)]) if K > 1 else np.zeros((1, 2))
    radius = min(0.28, 1.6 / K)
    for i in range(K):
        for j in range(K):
            if i == j or A[i, j] < LEAST:
                continue
            way = at[j] - at[i]
            side = radius / np.linalg.norm(way) * way
            ax.annotate(
                "",
                at[j] - side,
                at[i] + side,
                arrowprops={
                    "arrowstyle": "-|>",
                    "connectionstyle": "arc3,rad=0.18",
                    "linewidth": 0.5 + 4 * A[i, j],
                    "color": f"C{i % 10}",
                    "alpha": 0.8,
                },
            )
            middle = (at[i] + at[j]) / 2 + 0.11 * np.array([way[1], -way[0]])
            ax.text(*middle, f"{A[i, j]:.2f}", fontsize=7, ha="center", va="center", color="0.25")
    from matplotlib.patches import Circle

    for k in range(K):
        ax.add_patch(Circle(tuple(at[k]), radius, facecolor=f"C{k % 10}", alpha=0.35, edgecolor="black", linewidth=0.8))
        ax.text(*at[k], f"{k}\n{A[k, k]:.2f}", ha="center", va="center", fontsize=9)
    room = 1.2 + radius
    ax.set(xlim=(-room, room), ylim=(-room, room), aspect="equal", title="transitions")
    ax.axis("off")
    return ax


def _axes(ax: Any, size: tuple[float, float]) -> Any:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").add_subplot()
