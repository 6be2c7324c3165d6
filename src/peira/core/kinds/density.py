"""Densities: how likely is an item, and what would further items look like?"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import DensityMixin

from ..errors import UnreadableError
from ..inputs import Queries
from ..method import Method


class Density(DensityMixin, Method):
    """Base of the methods that know how likely an item is.

    A subclass writes ``fit`` and the private ``_log_density`` on tensors, and ``sample`` where it can draw.
    """

    @abstractmethod
    def _log_density(self, queries: Queries) -> torch.Tensor:
        """The logarithm of the density of each item, nats, of shape (N,)."""

    def log_prob(self, X: Any) -> Any:
        """The logarithm of the density of each item, in nats.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N,)

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, or a value is not finite.
        """
        queries = self._queries(X)
        return queries.give(self._log_density(queries))

    def score_samples(self, X: Any) -> Any:
        """``log_prob`` under scikit-learn's name."""
        return self.log_prob(X)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean logarithm of the density of an item, in nats; higher is better."""
        return float(np.mean(np.asarray(self.log_prob(X))))

    def _check_answers(self) -> None:
        answer = np.asarray(self.log_prob(np.zeros((1, self.n_features_in_))))
        if answer.shape != (1,) or np.isnan(answer).any():
            raise UnreadableError(f"this {type(self).__name__} does not answer one row with one logarithm")
