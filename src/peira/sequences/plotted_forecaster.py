"""Forecasters that draw a series, its level with a band, and a fan of what may come."""

from typing import Any

import numpy as np

from ..core.axes import axes_for
from ..core.errors import DataError
from ..core.kinds.forecaster import Forecaster

LEVELS = (0.95, 0.8, 0.5)  # of the fan, the widest first


class PlottedForecaster(Forecaster):
    """Base of the forecasters of which one can see a picture."""

    def plot(self, X: Any, horizon: int = 1, column: int = 0, ax: Any = None) -> Any:
        """Draw one series, its level with a band of 95 % where the model tells one, and a fan of what may come.

        Parameters
        ----------
        X : one sequence
        horizon : int, at least 1
        column : int, default 0
            Which of the numbers of a step.
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        DataError
            If there are several sequences, or no such column.
        """
        queries = self._queries(X)
        if len(queries) != 1:
            raise DataError(f"a picture shows one sequence, got {len(queries)}")
        if not 0 <= column < queries.X.shape[1]:
            raise DataError(f"there is no column {column}: a step has {queries.X.shape[1]} numbers")
        ax = axes_for(ax, 8, 4)
        x = queries.X[:, column].numpy(force=True)
        t = np.arange(len(x))
        ax.plot(t, x, "o-", color="0.55", markersize=2.5, linewidth=0.8, label="series")
        if hasattr(self, "decompose"):
            parts = self.decompose(X)[0]
            level, std = parts["level"][:, column], parts["level_std"][:, column]
            ax.fill_between(t, level - 1.96 * std, level + 1.96 * std, color="C0", alpha=0.2, linewidth=0)
            ax.plot(t, level, color="C0", linewidth=1.5, label="level, 95 %")
        said = self.predict_dist(X, horizon)
        ahead = len(x) + np.arange(horizon)
        for level in LEVELS:
            low, high = (np.asarray(side)[0, :, column] for side in said.interval(level))
            ax.fill_between(ahead, low, high, color="C1", alpha=0.2, linewidth=0)
        fan = ", ".join(f"{100 * level:.0f}" for level in reversed(LEVELS))
        ax.plot(ahead, np.asarray(said.mean)[0, :, column], color="C1", linewidth=1.5, label=f"forecast, {fan} %")
        ax.set(xlabel="step", ylabel=str(queries.names[column]) if queries.names else "")
        ax.legend(fontsize=8, framealpha=0.85, edgecolor="none")
        ax.spines[["top", "right"]].set_visible(False)
        return ax
