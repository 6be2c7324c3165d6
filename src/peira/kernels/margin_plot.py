"""A picture of a support vector machine over two columns: regions, margin, support vectors."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core.axes import axes_for
from ..core.errors import DataError
from ..core.inputs import Queries

FINE = 240  # points of the grid on each side


def plot_margin(model: Any, X: Any = None, y: Any = None, ax: Any = None) -> Any:
    """Draw where a fitted machine decides what (Bishop 2006, figures 7.2 and 7.4).

    For two classes, and for one, the decision is drawn as a line and the margins, where it is +1 or -1, as dashed ones;
    for more classes their regions. Support vectors have a ring.

    Parameters
    ----------
    model : SVC, NuSVC or OneClassSVM
        Fitted to two columns.
    X, y : arrays of shape (N, 2) and (N,), optional
        Items to draw as well, with their labels.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the machine is not fitted, the inputs have another number of columns, or the kernel was precomputed.
    """
    check_is_fitted(model)
    name, classes = type(model).__name__, getattr(model, "classes_", None)
    Z = _dense(model.support_vectors_)
    if Z.ndim != 2 or Z.shape[1] != 2:
        what = "a precomputed kernel" if model.kernel == "precomputed" else f"{model.n_features_in_} columns"
        raise DataError(f"a picture of {name} needs inputs of two columns, and this one was fitted to {what}")
    points = Z if X is None else _dense(X)
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"X must have two columns like the inputs of fit, got shape {points.shape}")
    ax = axes_for(ax)
    low, high = np.vstack([points, Z]).min(0), np.vstack([points, Z]).max(0)
    room = 0.12 * np.where(high > low, high - low, 1.0)
    axes = [np.linspace(a, b, FINE) for a, b in zip(low - room, high + room, strict=True)]
    grid = torch.from_numpy(np.stack(np.meshgrid(*axes), -1).reshape(-1, 2))
    queries = Queries(grid, as_numpy=True, device=torch.device("cpu"))
    if classes is None or len(classes) == 2:
        _draw_decision(ax, axes, _decision(model, queries), margins=classes is not None)
    else:
        won = model._defined(queries).argmax(1).numpy()
        levels = np.arange(len(classes) + 1) - 0.5
        colours = [f"C{c % 10}" for c in range(len(classes))]
        ax.contourf(*axes, won.reshape(FINE, FINE), levels=levels, colors=colours, alpha=0.15)
        for c in np.unique(won):
            ax.contour(*axes, (won == c).reshape(FINE, FINE), levels=[0.5], colors="0.35", linewidths=1.0)
    _draw_items(ax, model, Z, X, y, classes)
    names = getattr(model, "feature_names_in_", ["x0", "x1"])
    ax.set(xlabel=str(names[0]), ylabel=str(names[1]))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _decision(model: Any, queries: Queries) -> np.ndarray:
    if getattr(model, "classes_", None) is None:
        return (model._usualness(queries) - model.offset_).numpy()
    return model._defined(queries)[:, 1].numpy()


def _draw_decision(ax: Any, axes: list[np.ndarray], f: np.ndarray, *, margins: bool) -> None:
    F = f.reshape(FINE, FINE)
    ax.contourf(*axes, F, levels=[-np.inf, 0, np.inf], colors=["C0", "C1"] if margins else ["C3", "C2"], alpha=0.15)
    if F.min() < 0 < F.max():
        ax.contour(*axes, F, levels=[0], colors="black", linewidths=1.5)
    inside = [level for level in (-1, 1) if margins and F.min() < level < F.max()]
    if inside:
        ax.contour(*axes, F, levels=inside, colors="0.35", linewidths=1.0, linestyles="dashed")


def _draw_items(ax: Any, model: Any, Z: np.ndarray, X: Any, y: Any, classes: np.ndarray | None) -> None:
    of_support = None if classes is None else np.repeat(np.arange(len(classes)), model.n_support_)
    for c in range(1 if classes is None else len(classes)):
        label = None if classes is None else str(classes.tolist()[c])
        mine = Z if classes is None else Z[of_support == c]
        if X is not None:
            items = _dense(X)
            items = items if classes is None or y is None else items[np.asarray(y) == classes[c]]
            if y is not None or c == 0:
                colour = "0.3" if classes is None or y is None else f"C{c % 10}"
                ax.scatter(*items.T, s=14, linewidths=0, color=colour, label=label if y is not None else None)
        if X is None or y is None:
            ax.scatter(*mine.T, s=14, linewidths=0, color="0.3" if classes is None else f"C{c % 10}", label=label)
    ax.scatter(*Z.T, s=60, facecolors="none", edgecolors="black", linewidths=0.8, label=f"{len(Z)} support vectors")
    ax.legend(fontsize=8, framealpha=0.85, edgecolor="none")


def _dense(X: Any) -> np.ndarray:
    if isinstance(X, torch.Tensor):
        return X.numpy(force=True)
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X, dtype=np.float64)
