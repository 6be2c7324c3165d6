"""Nets that predict numbers: which loss is minimised, in which units, and how the net is read.

Targets are learned as (y - m) / s, and a head (`peira.neural.heads`) says what the numbers F of the net stand for then.
"""

from abc import abstractmethod
from typing import Any, Literal

import torch
from sklearn.utils.metaestimators import available_if

from peira.core.errors import DataError, ParameterError
from peira.core.inputs import Data, Queries
from peira.core.kinds import Regressor
from peira.core.params import param
from peira.core.predictive import Predictive

from .heads import NumberHead, number_head
from .multilayer_perceptron import check_spread
from .standardising import standardised

LossName = Literal["squared_error", "poisson", "absolute_error", "huber", "normal", "quantile"]


def _forecasts(net: "NumberTargets") -> bool:
    if not net._head.forecasts:
        raise AttributeError(f"loss={net.loss!r} gives no distribution; loss='normal' and loss='quantile' give one")
    return True


class NumberTargets(Regressor):
    """Base of the nets that predict numbers; a subclass gives `_outputs`.

    Attributes
    ----------
    target_mean_, target_scale_ : tensors of shape (K,), or None
        What the targets were standardised by.
    """

    loss: LossName = param("squared_error", "what is minimised: the head of the net")
    quantiles: tuple | list = param((0.05, 0.25, 0.5, 0.75, 0.95), "levels that loss='quantile' learns, ascending")
    huber_delta: float = param(1.35, "where loss='huber' turns linear, in standard deviations of the target", above=0)
    target_mean_: torch.Tensor | None
    target_scale_: torch.Tensor | None

    @abstractmethod
    def _outputs(self, queries: Queries) -> torch.Tensor:
        """What the net gives for each item, float64 of shape (N, K * width of the head)."""

    @available_if(_forecasts)
    def predict_dist(self, X: Any) -> Predictive:
        """The distribution of each target, for ``loss="normal"`` and ``"quantile"``.

        Parameters
        ----------
        X : as in `fit`
            N items.

        Returns
        -------
        Predictive
            A `Normal` whose mean and variance both depend on the inputs, or a `QuantileCurve`. It knows the noise; how
            uncertain the weights are, it does not.
        """
        queries = self._queries(X)
        mean, scale = self._origin(queries)
        forecast = self._head.predictive(self._outputs(queries), mean, scale, as_numpy=queries.as_numpy)
        return forecast if self.target_shape_ else forecast[:, 0]

    def _predict(self, queries: Queries) -> torch.Tensor:
        mean, scale = self._origin(queries)
        return mean + scale * self._head.decide(self._outputs(queries))

    @property
    def _head(self) -> NumberHead:
        return number_head(self.loss, tuple(self.quantiles), float(self.huber_delta))

    @property
    def _K(self) -> int:
        return self.target_shape_[0] if self.target_shape_ else 1

    def _check_targets(self, Y: torch.Tensor) -> None:
        """Refuse targets of which the loss knows nothing."""
        if self.loss == "poisson" and (bad := Y < 0).any():
            row = int(bad.any(1).nonzero()[0])
            raise DataError(
                f"loss='poisson' of {type(self).__name__} needs targets >= 0, got {float(Y[row].min())} in row {row}"
            )

    def _standardised(self, data: Data) -> torch.Tensor:
        """Learn the units of the targets, and give these in them."""
        self.target_mean_, self.target_scale_ = self._head.units(data.Y, data.w)
        return standardised(data.Y, self.target_mean_, self.target_scale_)

    def _origin(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        if self.target_mean_ is None:
            zero = torch.zeros(self._K, dtype=torch.float64, device=queries.device)
            return zero, zero + 1
        return queries.tensor(self.target_mean_), queries.tensor(self.target_scale_)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        levels = self.quantiles
        numbers = all(isinstance(p, float | int) and 0 < p < 1 for p in levels)
        if not levels or not numbers or sorted(set(levels)) != list(levels):
            raise ParameterError(
                f"parameter 'quantiles' of {type(self).__name__} must hold ascending numbers between 0 and 1, "
                f"got {levels!r}"
            )

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            check_spread(self, "target", self._K)
