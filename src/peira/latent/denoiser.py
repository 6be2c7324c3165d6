"""What methods that remove noise share: rows are signals, or images of a given height and width."""

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import _check_feature_names_in

from ..core import ParameterError, Transformer, param
from ..core.errors import UnreadableError
from ..core.inputs import Data
from .noise_level import noise_level


class Denoiser(Transformer):
    """Base of the methods that turn noisy rows into clean ones of the same length. A subclass writes ``_clean``."""

    sigma: float | None = param(None, "standard deviation of the noise; None: estimated from the rows of fit", low=0)
    shape: tuple | list | None = param(None, "height and width of the images that the rows are; None: signals")

    @abstractmethod
    def _clean(self, Y: torch.Tensor) -> torch.Tensor:
        """The signals (N, 1, D), or images (N, H, W), without their noise."""

    def _learn(self, data: Data, Y: torch.Tensor) -> None:
        """What a method learns besides the level of the noise: nothing."""

    def fit(self, X: Any, y: Any = None) -> "Denoiser":
        """Learn what the noise is like.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            A signal, or an image row by row, in each row.
        y : ignored

        Returns
        -------
        self
        """
        data = self._begin(X)
        self.shape_ = self._grid(data.X.shape[1])
        Y = data.X.reshape(-1, *self.shape_)
        self.sigma_ = float(noise_level(Y) if self.sigma is None else self.sigma)
        self._learn(data, Y)
        return self

    def transform(self, X: Any) -> Any:
        """The rows without their noise, of shape (N, D); each is cleaned alone.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give(self._clean(queries.X.reshape(-1, *self.shape_)).reshape(queries.X.shape))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the inputs."""
        return _check_feature_names_in(self, input_features)

    def _grid(self, D: int) -> list[int]:
        if self.shape is None:
            return [1, D]
        sizes = list(self.shape)
        if not (len(sizes) == 2 and all(isinstance(n, int | np.integer) and n > 0 for n in sizes)):
            raise ParameterError(f"shape of {type(self).__name__} is (height, width), got {self.shape!r}")
        if math.prod(sizes) != D:
            raise ParameterError(
                f"shape={tuple(sizes)} of {type(self).__name__} makes {math.prod(sizes)} numbers, but rows hold {D}"
            )
        return [int(n) for n in sizes]

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        sizes, sigma = self.shape_, self.sigma_
        whole = isinstance(sizes, list) and len(sizes) == 2 and all(type(n) is int and n > 0 for n in sizes)
        if not whole or math.prod(sizes) != self.n_features_in_:
            raise UnreadableError(f"{type(self).__name__} of {self.n_features_in_} columns has shape_ {sizes!r}")
        if type(sigma) is not float or not 0 <= sigma < math.inf:
            raise UnreadableError(f"{type(self).__name__}.sigma_ is {sigma!r}, not the size of any noise")
