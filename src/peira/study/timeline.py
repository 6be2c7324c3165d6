"""Steps of series as what is learned from: a part of them comes with all that went before."""

from typing import Any

import numpy as np

from ..experience.sequences import Sequences


class Timeline:
    """Some steps of series.

    ``len(d)`` counts steps and ``d[index]`` takes some of them, as a study needs it. `learned` gives the series up to
    the last of these steps; `origins` gives, for these steps, what came before each of them, and what came in
    the ``horizon`` steps from there.

    Parameters
    ----------
    series : Sequences
        Whole series, of numbers.
    rows : int array, optional
        Positions among all steps, rising; all of them by default.
    """

    def __init__(self, series: Sequences, rows: np.ndarray | None = None) -> None:
        self.series = series
        self.rows = np.arange(len(series.values)) if rows is None else np.asarray(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> "Timeline":
        return Timeline(self.series, self.rows[index])

    @property
    def ids(self) -> np.ndarray:
        return self.series.ids

    @property
    def names(self) -> tuple[str, ...] | None:
        return self.series.names

    @property
    def owners(self) -> np.ndarray:
        """The series of each of these steps."""
        return np.repeat(np.arange(len(self.series)), self.series.lengths)[self.rows]

    def learned(self) -> Sequences:
        """The steps themselves, one series after the other."""
        counts = np.bincount(self.owners, minlength=len(self.series))
        there = counts > 0
        return Sequences(self.series.values[self.rows], counts[there], self.series.names, self.series.ids[there])

    def origins(
        self, horizon: int, longest: int | None = None, most: int | None = None
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Histories, what came in the ``horizon`` steps after each, and the first of these steps.

        Every step with so many after it is an origin; where that are more than ``most``, every second, third and so on.
        Of histories that are longer than ``longest``, the end.
        """
        count = np.bincount(self.owners, minlength=len(self.series))
        stride = 1 if most is None else max(1, -(-int(np.maximum(count - horizon + 1, 0).sum()) // most))
        histories, ends, firsts = [], [], []
        starts = np.cumsum(self.series.lengths) - self.series.lengths
        values = self.series.values.reshape(len(self.series.values), -1)
        for i, start in enumerate(starts):
            mine = self.rows[self.owners == i]
            for k in range(0, len(mine) - horizon + 1, stride):
                if mine[k] > start and mine[k + horizon - 1] - mine[k] == horizon - 1:
                    began = start if longest is None else max(start, mine[k] - longest)
                    histories.append(values[began : mine[k]])
                    ends.append(values[mine[k] : mine[k] + horizon])
                    firsts.append(mine[k])
        shape = (0, horizon, values.shape[1])
        return histories, np.array(ends) if ends else np.empty(shape), np.array(firsts, dtype=np.int64)


class Tagged:
    """Sequences with a label at each step, taken together."""

    def __init__(self, X: Sequences, labels: Sequences) -> None:
        self.X, self.labels = X, labels

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: Any) -> "Tagged":
        return Tagged(self.X[index], self.labels[index])
