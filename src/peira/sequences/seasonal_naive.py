r"""The seasonal naive forecast: it will be as it was one period ago.

.. math:: \hat{x}_{T+h} = x_{T+h-m(k+1)}, \quad k = \lfloor (h-1) / m \rfloor, \quad
          x_{T+h} \sim N\left( \hat{x}_{T+h}, \; (k+1) \sigma_m^2 \right)

:math:`\sigma_m^2` is the mean square of :math:`x_t - x_{t-m}` over the series that were learned from. Without a period
(m = 1) it is the random walk: as it was last.

It is the baseline of forecasting: a method that does not beat it has learned nothing about the series. The period is
given, or found by the autocorrelation (`peira.sequences.periods`). Where the number of one period ago is missing, the
one of two periods ago is taken, and so on; if there is none, the last number that is known, and if none is, the mean of
what was learned from.

Cost: S D (S log S to find the period).

Reference: Hyndman & Athanasopoulos (2021), sections 5.2 and 5.5.
"""

from typing import Any

import numpy as np
import torch

from ..core import Card, UnreadableError, param
from ..core.inputs import Queries
from ..core.kinds.forecaster import Forecaster
from ..core.predictive import Normal, Predictive
from ..numerics.ragged import split
from .periods import find_period


class SeasonalNaive(Forecaster):
    """As it was one period ago.

    Attributes
    ----------
    period_ : int
        m, in steps; 1 if there is none.
    sigma_ : array of shape (D,)
        Root mean square of the change over one period, in the unit of each number.
    mean_ : array of shape (D,)
        What is said of a history without numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SeasonalNaive
    >>> x = np.tile([1.0, 2.0, 5.0, 3.0], 6)
    >>> model = SeasonalNaive().fit(x)
    >>> model.period_, model.predict(x, horizon=5).tolist()
    (4, [[1.0, 2.0, 5.0, 3.0, 1.0]])
    """

    card = Card(
        tasks="forecasting",
        reference="Hyndman & Athanasopoulos (2021), section 5.2",
        cost="T D",
        exact=True,
        missing=True,
        baseline=True,
        data="sequences",
    )
    period: int | None = param(None, "steps after which the series repeat; None finds it, 1 for none", low=1)

    def fit(self, X: Any, y: Any = None) -> "SeasonalNaive":
        """Find the period, and how far numbers are from those of one period ago.

        Parameters
        ----------
        X : sequences of D numbers a step; NaN is missing
        y : ignored
        """
        data = self._begin(X)
        values, lengths = data.X.numpy(force=True), data.lengths.numpy(force=True)
        m = find_period(values, lengths) if self.period is None else int(self.period)
        changes = [part[m:] - part[:-m] for part in split(data.X, data.lengths) if len(part) > m]
        D = values.shape[1]
        all_changes = torch.cat(changes).numpy(force=True) if changes else np.empty((0, D))
        seen = ~np.isnan(values)
        counts = seen.sum(0)
        mean = np.where(seen, values, 0.0).sum(0) / np.maximum(counts, 1)
        spread = np.where(seen, values - mean, 0.0)
        known = ~np.isnan(all_changes)
        pairs = known.sum(0)
        square = np.where(known, all_changes, 0.0)
        self.period_ = m
        self.mean_ = mean
        # without a pair one period apart, twice the variance: what two unrelated numbers differ by
        self.sigma_ = np.sqrt(
            np.where(
                pairs > 0,
                (square**2).sum(0) / np.maximum(pairs, 1),
                2 * (spread**2).sum(0) / np.maximum(counts, 1),
            )
        )
        return self

    def _forecast(self, queries: Queries, horizon: int) -> Predictive:
        m, D = self.period_, queries.X.shape[1]
        said = np.empty((len(queries), horizon, D))
        for i, part in enumerate(split(queries.X, queries.lengths)):
            said[i] = self._repeated(part.numpy(force=True), m, horizon)
        k = np.arange(horizon) // m
        std = np.sqrt(k + 1.0)[:, None] * self.sigma_
        return Normal(
            queries.tensor(said), queries.tensor(np.broadcast_to(std, said.shape).copy()), as_numpy=queries.as_numpy
        )

    def _repeated(self, x: np.ndarray, m: int, horizon: int) -> np.ndarray:
        """The last number known at each place of the period, (horizon, D)."""
        T, D = x.shape
        blocks = -(-T // m)
        room = np.full((blocks * m, D), np.nan)
        room[blocks * m - T :] = x
        room = room.reshape(blocks, m, D)
        last = np.take_along_axis(room, _latest(room)[None], axis=0)[0]
        ever = np.take_along_axis(x, _latest(x)[None], axis=0)[0]
        last = np.where(np.isnan(last), np.where(np.isnan(ever), self.mean_, ever), last)
        return last[np.arange(horizon) % m]

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D = self.n_features_in_
        if type(self.period_) is not int or self.period_ < 1:
            raise UnreadableError(f"{type(self).__name__}.period_ is {self.period_!r}, not a number of steps")
        for name in ("sigma_", "mean_"):
            value = getattr(self, name)
            if not (isinstance(value, np.ndarray) and value.shape == (D,) and np.isfinite(value).all()):
                raise UnreadableError(f"{type(self).__name__}.{name} is not a number for each of {D} columns")


def _latest(x: np.ndarray) -> np.ndarray:
    """Along the first axis, the last position that is known; the last one if none is."""
    back = ~np.isnan(x[::-1])
    return np.where(back.any(0), len(x) - 1 - back.argmax(0), len(x) - 1)
