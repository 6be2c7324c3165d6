"""Regressors: which number belongs to these inputs?"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags

from ..errors import DataError, UnreadableError
from ..inputs import Queries
from ..method import Method


class Regressor(RegressorMixin, Method):
    """Base of the methods that predict numbers.

    A subclass writes ``fit``, the private ``_predict`` on tensors and, where its theory gives
    one, ``predict_dist``.
    """

    @abstractmethod
    def _predict(self, queries: Queries) -> torch.Tensor:
        """The decision for opened inputs, of shape (N, K)."""

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the target of each row.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        return_std : bool, default False
            Also return the standard deviation of the predictive distribution, for methods that
            have one (the alias of ``predict_dist``).

        Returns
        -------
        array or tensor of shape (N,) or (N, K)
            In the unit of the target; NumPy unless ``X`` is a tensor.

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, a value is not finite, or the answer overflows.
        """
        if return_std:
            if not hasattr(self, "predict_dist"):
                raise TypeError(f"{type(self).__name__} has no predictive distribution, so predict knows no return_std")
            answer = self.predict_dist(X)
            return answer.mean, answer.std
        queries = self._queries(X)
        answer = self._predict(queries).reshape(len(queries), *self.target_shape_)
        if not torch.isfinite(answer.sum()) and not torch.isfinite(answer).all():
            row = int((~torch.isfinite(answer)).reshape(len(queries), -1).any(1).nonzero()[0])
            raise DataError(
                f"{type(self).__name__} has no finite answer, first for row {row}: numbers this far from 1 overflow; "
                "rescale the columns and the target, and fit again"
            )
        return queries.give(answer)

    def _check_answers(self) -> None:
        row = np.zeros((1, self.n_features_in_))
        answers = [self.predict(row)]
        if hasattr(self, "predict_dist"):
            forecast = self.predict_dist(row)
            answers += [forecast.mean, forecast.std]
        expected = (1, *self.target_shape_)
        if any(np.shape(answer) != expected for answer in answers) or not np.isfinite(answers[0]).all():
            raise UnreadableError(
                f"this {type(self).__name__} does not answer one row with finite numbers of shape {expected}"
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.card.baseline
        return tags

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination R2 of the predictions; 1 is best, 0 is a constant's.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional

        Returns
        -------
        float
            Averaged over outputs.
        """
        y, prediction, weight = (
            v.numpy(force=True) if isinstance(v, torch.Tensor) else v for v in (y, self.predict(X), sample_weight)
        )
        return float(r2_score(np.asarray(y), prediction, sample_weight=weight))
