"""What principal-component and partial-least-squares regression share: few directions, their number, their scores."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..core.errors import UnreadableError
from ..core.inputs import Data
from .folds import Split, choose, folds_of_stream, make_folds, mean_and_error
from .model import linear_map
from .reduced_data import Reduced, fold_errors
from .streaming import StreamedRegressor
from .sufficient_statistics import Summary, summarise


class LatentDirections(TransformerMixin, StreamedRegressor):
    """Base of the regressions on M directions of the centred, standardised inputs.

    A subclass has the parameters ``n_components``, ``scale``, ``cv`` and ``rule``, and writes the family of models of
    0, 1, 2 ... directions.
    """

    @abstractmethod
    def _family(self, part: Reduced, most: int) -> torch.Tensor:
        """Coefficients (most + 1, R, K) of the models of 0 to ``most`` directions; beyond the rank they repeat."""

    @abstractmethod
    def _describe(self, data: Data, part: Reduced, M: int) -> None:
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
        if self.n_components == "cv":
            folds = make_folds(data, self.cv, type(self).__name__)
            return self._solve(data, *self._split(data, folds))
        summary = summarise(data, centred=True)
        self._remember(data, [summary])
        return self._solve(data, summary, iter(()))

    def _folds_of_stream(self) -> int:
        return folds_of_stream(self.cv, type(self).__name__) if self.n_components == "cv" else 1

    def _solve(self, data: Data, whole: Summary, splits: Iterator[Split]) -> Self:
        D, M = self.n_features_in_, self.n_components
        if M == "cv":
            errors = fold_errors(splits, lambda p: self._family(p, min(D, p.n - 1)), scale=self.scale).mean(2)
            mean, se = mean_and_error(errors[:, :, None])
            M = int(choose(mean, se, self.rule))
            self.mse_path_ = data.give(errors)
        M, part = min(M, D), Reduced.of(whole, scale=self.scale)
        B = part.back(self._family(part, M))[-1]
        self._learned(data, B.T, part.intercept(B))
        self._describe(data, part, M)
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
        check_is_fitted(self, "n_components_")
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
