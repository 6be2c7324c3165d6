"""Transformers: which numbers describe an item?"""

from abc import abstractmethod
from typing import Any

from sklearn.base import TransformerMixin

from ..method import Method


class Transformer(TransformerMixin, Method):
    """Base of the methods that turn items into numbers.

    A subclass writes ``fit``, ``transform`` and ``get_feature_names_out``, and
    ``inverse_transform`` where there is a way back.
    """

    @abstractmethod
    def transform(self, X: Any) -> Any:
        """The representation of each item, of shape (N, D')."""

    @abstractmethod
    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the columns of the representation."""
