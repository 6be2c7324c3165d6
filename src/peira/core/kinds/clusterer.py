"""Clusterers: which items belong together?

A clusterer gives each item of its experience the number of its cluster, ``labels_``; -1 is an item that belongs to
none. One that has a rule for new items, such as the nearest centre, is inductive, and has ``predict``.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import ClusterMixin

from ..errors import UnreadableError
from ..inputs import Queries
from ..method import Method


class Clusterer(ClusterMixin, Method):
    """Base of the methods that tell which items belong together.

    A subclass writes ``fit``, which sets ``labels_``; ``fit_predict`` follows from it.

    Attributes
    ----------
    labels_ : int array or tensor of shape (N,)
        The cluster of each item of the experience: 0, 1, ..., or -1 for none.
    """

    labels_: Any

    def _check_learned(self) -> None:
        super()._check_learned()
        labels = np.asarray(getattr(self, "labels_", 0))
        if self.__sklearn_is_fitted__() and (labels.ndim != 1 or labels.dtype.kind != "i" or (labels < -1).any()):
            raise UnreadableError(
                f"{type(self).__name__}.labels_ should be whole numbers from -1 on, one for each item"
            )


class InductiveClusterer(Clusterer):
    """Base of the clusterers that have a rule for new items.

    A subclass writes the private ``_assign`` on tensors.
    """

    @abstractmethod
    def _assign(self, queries: Queries) -> torch.Tensor:
        """The cluster of each item, whole numbers of shape (N,)."""

    def predict(self, X: Any) -> Any:
        """The cluster that each item belongs to.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        int array or tensor of shape (N,)

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, or a value is not finite.
        """
        queries = self._queries(X)
        return queries.give(self._assign(queries))

    def _check_answers(self) -> None:
        answer = np.asarray(self.predict(np.zeros((1, self.n_features_in_))))
        if answer.shape != (1,) or answer.dtype.kind != "i":
            raise UnreadableError(f"this {type(self).__name__} does not answer one row with one cluster")
