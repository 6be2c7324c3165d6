"""Forecasters: how does a series go on?"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from ..errors import DataError, ParameterError
from ..inputs import Queries
from ..predictive import Predictive
from .sequence_method import SequenceMethod


class Forecaster(SequenceMethod):
    """Base of the methods that say how a series goes on.

    A subclass writes ``fit`` and the private ``_forecast`` on tensors. A series is asked about by its history: what was
    learned is how such series go on, not where one of them ended.
    """

    @abstractmethod
    def _forecast(self, queries: Queries, horizon: int) -> Predictive:
        """The next steps of each history, of shape (N, horizon, D), each number by itself."""

    def predict(self, X: Any, horizon: int = 1) -> Any:
        """The mean of the next steps.

        Parameters
        ----------
        X : sequences
            N histories, of D numbers a step.
        horizon : int, at least 1
            How many steps ahead.

        Returns
        -------
        array or tensor of shape (N, horizon, D); (N, horizon) if the steps came as single numbers
        """
        queries = self._queries(X)
        mean = self._forecast(queries, self._checked(horizon)).mean
        return mean[..., 0] if queries.single else mean

    def predict_dist(self, X: Any, horizon: int = 1) -> Predictive:
        """What the next steps may be, each number by itself.

        Parameters
        ----------
        X : sequences
        horizon : int, at least 1

        Returns
        -------
        Predictive
            Of shape (N, horizon, D).
        """
        return self._forecast(self._queries(X), self._checked(horizon))

    def score(self, X: Any, y: Any = None, horizon: int = 1) -> float:
        """Minus the root mean squared error of the last steps of each series, forecast from those before them.

        Parameters
        ----------
        X : sequences
            Each longer than ``horizon``.
        y : ignored
        horizon : int, at least 1

        Returns
        -------
        float
        """
        queries = self._queries(X)
        self._checked(horizon)
        parts = queries.X.split(queries.lengths.tolist())
        short = [i for i, part in enumerate(parts) if len(part) <= horizon]
        if short:
            raise DataError(
                f"{type(self).__name__} is scored on the last {horizon} steps of each series, and sequence {short[0]} "
                f"has {len(parts[short[0]])} in all"
            )
        histories = [part[:-horizon].numpy(force=True) for part in parts]
        said = np.asarray(self.predict(histories, horizon)).reshape(len(parts), horizon, -1)
        ends = torch.stack([part[-horizon:] for part in parts]).numpy(force=True)
        return -float(np.sqrt(np.nanmean((said - ends) ** 2)))

    def _checked(self, horizon: Any) -> int:
        if not isinstance(horizon, int | np.integer) or isinstance(horizon, bool) or horizon < 1:
            raise ParameterError(f"horizon must be a whole number of steps, at least 1; got {horizon!r}")
        return int(horizon)
