"""What principal-component and partial-least-squares regression share: few directions, their number, their scores."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import TransformerMixin

from ..core.errors import UnreadableError
from ..core.inputs import Data
from .model import LinearRegressor, linear_map
from .reduced_data import Reduced, choose, fold_errors, make_folds, reduce


class LatentDirections(TransformerMixin, LinearRegressor):
    """Base of the regressions on M directions of the centred, standardised inputs.

    A subclass has the parameters ``n_components``, ``scale``, ``cv`` and ``rule``, and writes the family of models of
    0, 1, 2 ... directions.
    """

    @abstractmethod
    def _family(self, part: Reduced, most: int) -> torch.Tensor:
        """Coefficients (most + 1, R, K) of the models of 0 to ``most`` directions; beyond the rank they repeat."""

    @abstractmethod
    def _describe(self, data: Data, part: Reduced, M: int) -> int:
        """Keep what the first M directions are, ``x_rotations_`` at least."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LatentDirections":
        """Find the directions, their number if asked to, and the coefficients.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self
            ``n_components_`` is less than ``n_components`` where the inputs have no more directions.
        """
        data = self._begin(X, y, sample_weight)
        D = data.X.shape[1]
        M = self.n_components
        if M == "cv":
            folds = make_folds(data, self.cv, type(self).__name__)
            most = min(D, min(len(train) for train, _ in folds) - 1)
            errors = fold_errors(data, folds, lambda p: self._family(p, most), centred=True, scale=self.scale).mean(2)
            se = errors.std(1, correction=int(len(folds) > 1)) / len(folds) ** 0.5
            M = int(choose(errors.mean(1, keepdim=True), se[:, None], self.rule))
            self.mse_path_ = data.give(errors)
        part = reduce(data.X, data.Y, data.w, centred=True, scale=self.scale)
        B = part.back(self._family(part, min(M, D)))[-1]
        self._learned(data, B.T, part.intercept(B))
        self._describe(data, part, min(M, D))
        self.x_mean_, self.x_scale_ = data.give(part.x_mean), data.give(part.scale)
        self.n_components_ = int(self.x_rotations_.shape[1])
        return self

    def transform(self, X: Any) -> Any:
        """The scores of each row on the directions, of shape (N, M)."""
        queries = self._queries(X)
        R = queries.tensor(self.x_rotations_) / queries.tensor(self.x_scale_)[:, None]
        return queries.give(linear_map(queries.X, R.T) - queries.tensor(self.x_mean_) @ R)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the scores."""
        name = type(self).__name__.lower()
        return np.array([f"{name}{m}" for m in range(self.n_components_)], dtype=object)

    def _check_learned(self) -> None:
        super()._check_learned()
        if hasattr(self, "coef_"):
            D = self.n_features_in_
            shapes = [np.shape(v) for v in (self.x_rotations_, self.x_mean_, self.x_scale_)]
            if shapes != [(D, self.n_components_), (D,), (D,)]:
                raise UnreadableError(
                    f"{type(self).__name__} of {D} columns has directions, means and scales of shapes {shapes}"
                )
