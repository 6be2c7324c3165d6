r"""Models of numbers: targets in units of their spread, a method, and intervals by errors on unseen items.

.. math:: \hat y(x) = \bar y + s\, f(z(x))

with f the method, z what it sees, and the target's mean and standard deviation s: a penalty then means the same
whatever the units, and in dollars or in thousands of dollars the same model wins.
"""

from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if

from ..core.errors import DataError
from ..core.inputs import Queries, open_targets
from ..core.kinds import Regressor
from ..core.predictive import Affine


class NumberModel(Regressor):
    """Base of what a study keeps of a regression; it goes before one that gives `_learner` and `_asked`.

    Attributes
    ----------
    method_ : Method
        Learned from the standardised target.
    target_mean_, target_scale_ : float
        What the target was standardised with.
    residual_quantiles_ : array of shape (Q,)
        Quantiles, at even levels from 0 to 1, of residuals on items that the model had not seen, in units of the
        predictive standard deviation where the method has one; set by `calibrate`.
    """

    def learn(self, Z: Any, y: Any) -> Self:
        """Let the method learn from what `prepare` gave; for trying several methods on the same."""
        method = self._learner()
        like = Queries(torch.zeros(len(Z), 1), as_numpy=True, device=torch.device("cpu"))
        Y, _ = open_targets(y, len(Z), like, owner=type(self).__name__, multi_output=False)
        t = Y[:, 0].numpy()
        with np.errstate(over="ignore"):
            self.target_mean_, self.target_scale_ = float(np.mean(t)), float(np.std(t)) or 1.0
        if not np.isfinite([self.target_mean_, self.target_scale_]).all():
            raise DataError(
                f"the targets reach {np.abs(t).max():.3g}: their squares overflow; give them in a larger unit"
            )
        standardised = (t - self.target_mean_) / self.target_scale_
        self.method_ = type(method)(**method.get_params(deep=False)).fit(Z, standardised)
        self.target_shape_ = self.method_.target_shape_
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the target of each item; see `Regressor.predict`."""
        if return_std:
            answer = self.predict_dist(X)
            return answer.mean, answer.std
        return self.answer("predict", self._asked(X))

    @available_if(lambda self: hasattr(getattr(self, "method_", self._learner()), "predict_dist"))
    def predict_dist(self, X: Any) -> Any:
        """The method's own predictive distribution of each item's target."""
        return self.answer("predict_dist", self._asked(X))

    def answer(self, verb: str, Z: Any) -> Any:
        """The answer of a verb ("predict", "predict_dist") to what `numbers` gave, in the unit of the target."""
        said = getattr(self.method_, verb)(Z)
        if verb == "predict_dist":
            return Affine(said, self.target_mean_, self.target_scale_)
        return self.target_mean_ + self.target_scale_ * said

    def calibrate(self, observed: np.ndarray, predicted: np.ndarray, std: np.ndarray | None = None) -> None:
        """Set the width of `interval` by errors on items that the fits had not seen.

        Parameters
        ----------
        observed, predicted : array of shape (N,)
            From the folds of a cross-validation.
        std : array of shape (N,), optional
            Predictive standard deviations, for methods that have them.
        """
        residuals = (observed - predicted) / (1.0 if std is None else np.maximum(std, np.finfo(float).tiny))
        self.residual_quantiles_ = np.quantile(residuals, np.linspace(0, 1, 1001))
        self.residuals_scaled_ = std is not None

    def interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        r"""Bounds that hold the stated share of new targets.

        .. math:: [\hat y + s\, q_{(1-c)/2},\; \hat y + s\, q_{(1+c)/2}]

        with the quantiles q of the residuals on unseen items: right on average over items like those
        learned from, whatever the noise looks like.

        Parameters
        ----------
        X : as in `fit`
            N items.
        level : float in (0, 1), default 0.9

        Returns
        -------
        low, high : array of shape (N,)
        """
        if not 0 < level < 1:
            raise DataError(f"the level of an interval must lie between 0 and 1, got {level}")
        grid = np.linspace(0, 1, len(self.residual_quantiles_))
        q = np.interp([(1 - level) / 2, (1 + level) / 2], grid, self.residual_quantiles_)
        if not self.residuals_scaled_:
            mean = self.predict(X)
            return mean + q[0], mean + q[1]
        mean, std = self.predict(X, return_std=True)
        return mean + std * q[0], mean + std * q[1]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.method is None or self.method.card.baseline
        return tags
