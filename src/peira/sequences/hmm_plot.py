"""Pictures of hidden Markov models: a sequence over its states, and their transition graph."""

import itertools
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from ..core.axes import axes_for
from ..core.errors import DataError
from . import transition_graph

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
    ax = axes_for(ax, 8, 3)
    _bands(ax, path, sure[np.arange(T), path])
    shown = steps.X[:T]
    symbols = getattr(model, "symbols_", None)
    if symbols is not None:
        seen = np.flatnonzero(shown[:, 0] >= 0)
        ax.plot(seen, shown[seen, 0], ".", color="black", markersize=3)
        ax.set_ylim(-0.5, len(symbols) - 0.5)
        if len(symbols) <= 30:
            ax.set_yticks(np.arange(len(symbols)), [str(s) for s in symbols])
    else:
        names = getattr(model, "feature_names_in_", [f"x{j}" for j in range(shown.shape[1])])
        if len(names) > 1:  # on one scale, whatever their units
            there = np.ma.masked_invalid(shown)
            spread = np.ma.filled(there.std(0), 0.0)
            shown = (shown - np.ma.filled(there.mean(0), 0.0)) / np.where(spread > 0, spread, 1.0)
        for j, name in enumerate(names):
            ax.plot(shown[:, j], color=str(0.6 * j / max(len(names) - 1, 1)), linewidth=1, label=str(name))
        ax.set_ylabel("standardised" if len(names) > 1 else str(names[0]))
        if 1 < len(names) <= 10:
            ax.legend(fontsize=8, frameon=False)
    ax.set(xlabel="step", xlim=(-0.5, T - 0.5))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _bands(ax: Any, path: np.ndarray, sure: np.ndarray) -> None:
    """The state of each step as the colour behind it, the stronger the surer; its number where it lasts."""
    from matplotlib.colors import to_rgb

    T, colours = len(path), np.array([to_rgb(f"C{k % 10}") for k in range(path.max() + 1)])
    strips = np.column_stack([colours[path], 0.05 + 0.45 * sure])[None]
    ax.imshow(
        strips, extent=(-0.5, T - 0.5, 0, 1), transform=ax.get_xaxis_transform(), aspect="auto",
        interpolation="nearest", zorder=0,
    )  # fmt: skip
    edges = np.r_[0, np.flatnonzero(np.diff(path)) + 1, T]
    runs = list(itertools.pairwise(edges))
    first = {int(path[a]): (a, b) for a, b in reversed(runs)}
    for a, b in runs:
        if b - a >= 0.03 * T or first[int(path[a])] == (a, b):
            ax.text((a + b - 1) / 2, 1.01, str(path[a]), transform=ax.get_xaxis_transform(), fontsize=8, ha="center")


def plot_transitions(model: Any, ax: Any = None, states: Any = None) -> Any:
    """Draw the transition graph: states on a circle, the larger the more often, arrows with their probabilities.

    Parameters
    ----------
    model : HiddenMarkovModel
        Fitted.
    ax : matplotlib Axes, optional
    states : sequence of int, optional
        Those that are drawn; all without it.

    Returns
    -------
    matplotlib Axes
    """
    if not model.__sklearn_is_fitted__():
        raise NotFittedError(f"This {type(model).__name__} instance is not fitted yet: call fit before drawing")
    chain = model._chain()
    shown = np.arange(len(chain.A)) if states is None else np.asarray(states)
    return transition_graph.plot_transitions(
        chain.A[np.ix_(shown, shown)], [str(k) for k in shown], chain.stationary()[shown], LEAST, ax
    )
