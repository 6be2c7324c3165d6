"""Outlier detectors: which items are unlike the others?

A detector gives each item a score of how usual it is, higher being more usual, and an offset: items below it are
called outliers, -1, and the others inliers, +1.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import OutlierMixin

from ..errors import UnreadableError
from ..inputs import Queries
from ..method import Method


class OutlierDetector(OutlierMixin, Method):
    """Base of the methods that tell unusual items from usual ones.

    A subclass writes ``fit``, which sets ``offset_``, and the private ``_usualness`` on tensors.

    Attributes
    ----------
    offset_ : float
        The score at which the decision changes.
    """

    offset_: float

    @abstractmethod
    def _usualness(self, queries: Queries) -> torch.Tensor:
        """A score for each item, of shape (N,): the higher, the more usual."""

    def score_samples(self, X: Any) -> Any:
        """How usual each item is, of shape (N,); higher is more usual, in the method's own unit."""
        queries = self._queries(X)
        return queries.give(self._usualness(queries))

    def decision_function(self, X: Any) -> Any:
        """``score_samples`` less the offset, of shape (N,): negative for outliers."""
        queries = self._queries(X)
        return queries.give(self._usualness(queries) - self.offset_)

    def predict(self, X: Any) -> Any:
        """+1 for each inlier and -1 for each outlier.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        int array or tensor of shape (N,)

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, or a value is not finite.
        """
        queries = self._queries(X)
        usual = self._usualness(queries) >= self.offset_
        return queries.give(torch.where(usual, 1, -1))

    def _check_answers(self) -> None:
        answer = np.asarray(self.decision_function(np.zeros((1, self.n_features_in_))))
        if answer.shape != (1,) or not np.isfinite(answer).all():
            raise UnreadableError(f"this {type(self).__name__} does not answer one row with one finite score")
