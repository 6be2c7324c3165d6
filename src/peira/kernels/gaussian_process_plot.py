"""A picture of a Gaussian process along one column: mean, band, a few functions, and the data."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.axes import axes_for
from ..core.errors import DataError, closest

if TYPE_CHECKING:
    from .gaussian_process_regression import GaussianProcessRegressor

POINTS = 200


def plot_process(gp: "GaussianProcessRegressor", column: int | str | None, ax: Any, level: float, samples: int) -> Any:
    """Draw a fitted process (Rasmussen & Williams 2006, figure 2.2).

    Parameters
    ----------
    gp : GaussianProcessRegressor
        Of one output.
    column : int, str or None
        Position or name; None if there is only one.
    ax : matplotlib Axes or None
        New ones if None.
    level : float
        Of the band for new targets.
    samples : int
        Functions drawn from the posterior.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there are several outputs, or the column is not known.
    """
    if len(gp.y_mean_) > 1:
        raise DataError(f"a picture shows one output, and this process has {len(gp.y_mean_)}: fit one of them")
    X = np.asarray(gp.X_train_)
    names = [str(n) for n in getattr(gp, "feature_names_in_", [f"x{d}" for d in range(X.shape[1])])]
    if column is None and len(names) > 1:
        raise DataError(f"which column? plot({names[0]!r}) draws the first; {closest('', names)}")
    at = names.index(column) if column in names else 0 if column is None else column
    if not isinstance(at, int) or not 0 <= at < len(names):
        raise DataError(f"there is no column {column!r}; {closest(column, names)}")
    low, high = X[:, at].min(), X[:, at].max()
    margin = 0.1 * (high - low) or 1.0
    grid = np.tile(np.median(X, axis=0), (POINTS, 1))
    grid[:, at] = np.linspace(low - margin, high + margin, POINTS)
    forecast = gp.predict_dist(_named(grid, gp))
    ax = axes_for(ax)
    lower, upper = (np.ravel(end) for end in forecast.interval(level))
    ax.fill_between(grid[:, at], lower, upper, alpha=0.2, color="C0", linewidth=0, label=f"{level:.0%} of targets")
    if samples:
        draws = np.asarray(gp.sample_y(_named(grid, gp), samples, noise=False)).reshape(POINTS, samples)
        labels = ["functions drawn"] + ["_"] * (samples - 1)
        ax.plot(grid[:, at], draws, color="C0", linewidth=0.7, alpha=0.6, label=labels if samples > 1 else labels[0])
    ax.plot(grid[:, at], np.ravel(forecast.mean), color="C0", linewidth=2, label="mean")
    y = np.asarray(gp.y_train_).ravel() * float(gp.y_scale_[0]) + float(gp.y_mean_[0])
    ax.scatter(X[:, at], y, s=12, color="black", linewidths=0, label="data", zorder=3)
    ax.set(xlabel=names[at], ylabel="target")
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _named(grid: np.ndarray, gp: "GaussianProcessRegressor") -> Any:
    """The grid with the names of the columns, where the process knows any."""
    if not hasattr(gp, "feature_names_in_"):
        return grid
    import pandas as pd

    return pd.DataFrame(grid, columns=list(gp.feature_names_in_))
