"""Associative memories: patterns are stored, and a cue is answered by what it reminds of."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core import Transformer
from ..core.inputs import Data, Queries


class AssociativeMemory(Transformer):
    """Base of the Hopfield networks; a subclass gives `_store`, `_recalled` and `_energy`."""

    @abstractmethod
    def _store(self, data: Data) -> None:
        """Learn the patterns, one a row."""

    @abstractmethod
    def _recalled(self, queries: Queries) -> torch.Tensor:
        """What each cue reminds of, of shape (N, D)."""

    @abstractmethod
    def _energy(self, queries: Queries) -> torch.Tensor:
        """The energy of each row, of shape (N,)."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store patterns.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            A pattern a row.
        y : ignored

        Returns
        -------
        self
        """
        self._store(self._begin(X))
        return self

    def transform(self, X: Any) -> Any:
        """What each row reminds the memory of: the state of low energy that it leads to.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            Cues.

        Returns
        -------
        array or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give(self._recalled(queries))

    def energy(self, X: Any) -> Any:
        """The energy E of each row, of shape (N,): the lower, the more familiar."""
        queries = self._queries(X)
        return queries.give(self._energy(queries))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: those of the inputs."""
        check_is_fitted(self)
        return np.asarray(getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)]), object)
