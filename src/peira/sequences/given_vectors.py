"""The vectors that sequences are generated from: one for each sequence, standardised."""

from typing import Any

import numpy as np
import torch

from peira.core.errors import DataError, UnreadableError
from peira.core.inputs import Queries, open_matrix
from peira.core.method import Method


class GivenVectors(Method):
    """Base of the generators; without vectors, all sequences are of one kind.

    Attributes
    ----------
    given_mean_, given_scale_ : array of shape (G,)
        What the given numbers are centred and scaled by; empty if none were given.
    """

    given_mean_: np.ndarray
    given_scale_: np.ndarray

    def _learn_given(self, given: Any, like: Queries) -> torch.Tensor:
        """Note mean and spread; the vectors in standard units, of shape (N, G)."""
        if given is None:
            self.given_mean_, self.given_scale_ = np.empty(0), np.empty(0)
            return torch.empty(len(like), 0)
        G = open_matrix(given, owner=type(self).__name__, name="given").X
        if len(G) != len(like):
            raise DataError(f"{type(self).__name__} got {len(like)} sequences, and {len(G)} vectors as given")
        spread = G.std(0, correction=0)
        self.given_mean_ = G.mean(0).numpy(force=True)
        self.given_scale_ = torch.where(spread == 0, 1.0, spread).numpy(force=True)
        return self._read_given(given, len(like))

    def _read_given(self, given: Any, N: int | None = None) -> torch.Tensor:
        """Vectors in standard units, of shape (N, G)."""
        owner, G = type(self).__name__, len(self.given_mean_)
        if given is None:
            if G:
                raise DataError(f"{owner} has learned sequences from {G} given numbers each; pass them as given")
            return torch.empty(1 if N is None else N, 0)
        opened = open_matrix(given, owner=owner, name="given").X
        if opened.shape[1] != G or (N is not None and len(opened) != N):
            raise DataError(
                f"{owner} expected given of shape ({'N' if N is None else N}, {G}), got {tuple(opened.shape)}"
            )
        z = (opened - torch.as_tensor(self.given_mean_)) / torch.as_tensor(self.given_scale_)
        return z.float()

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        mean, scale = getattr(self, "given_mean_", None), getattr(self, "given_scale_", None)
        for value in (mean, scale):
            if not (isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.float64):
                raise UnreadableError(f"a stored {type(self).__name__} needs given_mean_ and given_scale_: numbers")
        if len(mean) != len(scale) or not np.isfinite(mean).all() or not (scale > 0).all():
            raise UnreadableError(f"a stored {type(self).__name__} needs finite given_mean_, and given_scale_ above 0")
