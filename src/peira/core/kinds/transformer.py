"""Transformers: which numbers describe an item?"""

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin

from ..errors import UnreadableError
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

    def _check_answers(self) -> None:
        codes = self.transform(np.zeros((1, self.n_features_in_)))
        expected = (1, len(self.get_feature_names_out()))
        if np.shape(codes) != expected or not np.isfinite(codes).all():
            raise UnreadableError(
                f"this {type(self).__name__} does not turn one row into finite numbers of shape {expected}"
            )
