"""Recurrent nets that generate a sequence from a vector: how they are taught, and how likely a sequence is."""

from abc import abstractmethod
from typing import Any, Self

import torch

from peira.core.inputs import Data, Queries
from peira.core.kinds import Density

from .given_vectors import GivenVectors
from .recurrent_method import RecurrentMethod


class VectorGenerator(RecurrentMethod, GivenVectors, Density):
    """Base of `SequenceGenerator` and `SymbolGenerator`; a subclass gives `_teach_from` and `_given_density`."""

    @abstractmethod
    def _teach_from(self, data: Data, vectors: torch.Tensor) -> None:
        """Learn to generate the sequences from their vectors, of shape (N, G)."""

    @abstractmethod
    def _given_density(self, queries: Queries, vectors: torch.Tensor) -> torch.Tensor:
        """The log density of each sequence given its vector, of shape (N,)."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, given: Any = None) -> Self:
        """Learn to generate sequences from vectors.

        Parameters
        ----------
        X : sequences
            N of them; of symbols, texts are sequences of characters.
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative.
        given : array, frame or tensor of shape (N, G), optional
            A vector for each sequence; none if all are of one kind.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a sequence will not do, or there are not as many vectors as sequences.
        """
        data = self._begin(X, sample_weight=sample_weight)
        self._learn_inputs(data)
        self._teach_from(data, self._learn_given(given, data).to(self._device()))
        return self

    def log_prob(self, X: Any, given: Any = None) -> Any:
        """The logarithm of the density of each sequence, in nats.

        Parameters
        ----------
        X : sequences
            N of them. Of vectors, their number of steps is taken as given, and a missing number does not count; of
            symbols, the end counts as one of them.
        given : array, frame or tensor of shape (N, G), optional

        Returns
        -------
        array or tensor of shape (N,)
        """
        queries = self._queries(X)
        return queries.give(self._given_density(queries, self._read_given(given, len(queries))))

    def _log_density(self, queries: Queries) -> torch.Tensor:
        return self._given_density(queries, self._read_given(None, len(queries)))
