r"""Multilayer perceptron for regression.

A net of dense layers gives a number, or a few, for each target; a head says what they mean. The usual one is the mean
under normal noise of one size: the canonical link is the identity, the loss half the mean squared error (Bishop 2006,
eqs 5.9 to 5.14),

.. math:: \hat y(x) = W_L h_{L-1}(x) + b_L, \quad h_l = f(W_l h_{l-1} + b_l)

.. math:: E = \frac{1}{2 N} \sum_n w_n (y_n - \hat y(x_n))^2 + \frac{\alpha}{2 N} \sum_l |W_l|^2

``loss="normal"`` learns the size of the noise as a function of the inputs as well, and ``loss="quantile"`` a few
quantiles that cannot cross; both then answer ``predict_dist``. ``"absolute_error"`` and ``"huber"`` let outliers count
for less, ``"poisson"`` is for counts. `peira.neural.heads` has the formulas, `peira.neural.multilayer_perceptron` what
is done to inputs, targets and weights.

Cost: an update on B items takes :math:`6 B \sum_l D_{l-1} D_l` operations; memory holds the data in float32 and the
weights four times (Adam). Use it when there are thousands of rows and more than a few columns act together; below that,
ridge regression, a Gaussian process or trees are better and come with fewer choices.

Reference: Rumelhart, Hinton & Williams (1986); Bishop (2006), sections 5.1 to 5.3.
"""

from typing import Any, Literal, Self

import torch
from sklearn.utils.metaestimators import available_if

from peira.core.card import Card
from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds import Regressor
from peira.core.params import param
from peira.core.predictive import Predictive

from .heads import NumberHead, number_head
from .multilayer_perceptron import MultilayerPerceptron, check_spread
from .standardising import standardised

LossName = Literal["squared_error", "poisson", "absolute_error", "huber", "normal", "quantile"]


class MLPRegressor(MultilayerPerceptron, Regressor):
    """Regression by a multilayer perceptron.

    It has the names of scikit-learn's class, and more losses; left out is ``learning_rate="invscaling"``, for which
    there is ``Training(schedule="inverse square root")``. Losses are told in units of the target's variance (absolute
    ones, of its standard deviation), since targets are standardised inside; ``standardise=False`` undoes that.

    Attributes
    ----------
    net_ : Module
        The layers.
    target_mean_, target_scale_ : tensors of shape (K,), or None
        What the targets were standardised by.
    n_outputs_ : int
        Targets.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural import MLPRegressor
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> method = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs", random_state=0, max_iter=500)
    >>> bool(method.fit(x, np.sin(x[:, 0])).score(x, np.sin(x[:, 0])) > 0.999)
    True
    """

    card = Card(
        tasks="regression",
        reference="Rumelhart, Hinton & Williams (1986); Bishop (2006) 5.1-5.3, eqs 5.9-5.14",
        cost="6 B D H per update of B items, with H hidden units",
        incremental="approximate",
        largest={"N": 5_000},
        multi_output=True,
    )

    loss: LossName = param("squared_error", "what is minimised: the head of the net")  # type: ignore[assignment]
    quantiles: tuple | list = param((0.05, 0.25, 0.5, 0.75, 0.95), "levels that loss='quantile' learns, ascending")
    huber_delta: float = param(1.35, "where loss='huber' turns linear, in standard deviations of the target", above=0)

    @classmethod
    def example(cls) -> Self:
        return cls(
            hidden_layer_sizes=(3,), activation="tanh", solver="lbfgs", loss="normal", alpha=60.0, max_iter=3000,
            random_state=0,
        )  # fmt: skip

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data or a parameter will not do.
        """
        before = self._before()
        data = self._begin(X, y, sample_weight)
        return self._learn_targets(data, before)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from more data: one pass over these rows, from the present weights.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            Inputs and targets are standardised by the rows of the first call.
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional

        Returns
        -------
        self
        """
        data = self._continue(X, y, sample_weight)
        return self._learn_targets(data, dict(vars(self)), once=True)

    def _learn_targets(self, data: Data, before: dict[str, Any], *, once: bool = False) -> Self:
        Y = data.Y
        if self.loss == "poisson" and (bad := Y < 0).any():
            row = int(bad.any(1).nonzero()[0])
            raise DataError(
                f"loss='poisson' of MLPRegressor needs targets >= 0, got {float(Y[row].min())} in row {row}"
            )
        self.n_outputs_ = Y.shape[1]
        self._check_onward(before, "n_features_in_", "n_outputs_")
        if "net_" in before:
            self.target_mean_, self.target_scale_ = before["target_mean_"], before["target_scale_"]
        else:
            units = self._head.units(Y, data.w) if self.standardise else (None, None)
            self.target_mean_, self.target_scale_ = units
        self._teach(data, standardised(Y, self.target_mean_, self.target_scale_), before=before, once=once)
        return self

    @available_if(lambda self: self._head.forecasts)
    def predict_dist(self, X: Any) -> Predictive:
        """The distribution of each target, for ``loss="normal"`` and ``"quantile"``.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        Predictive
            A `Normal` whose mean and variance both depend on the inputs, or a `QuantileCurve`. It knows the noise; how
            uncertain the weights are, it does not.
        """
        queries = self._queries(X)
        F = self._run(self._net_inputs(queries.X)).double()
        mean, scale = self._origin(queries)
        forecast = self._head.predictive(F, mean, scale, as_numpy=queries.as_numpy)
        return forecast if self.target_shape_ else forecast[:, 0]

    def _predict(self, queries: Queries) -> torch.Tensor:
        mean, scale = self._origin(queries)
        return mean + scale * self._head.decide(self._run(self._net_inputs(queries.X)).double())

    def _origin(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        if self.target_mean_ is None:
            zero = torch.zeros(self.n_outputs_, dtype=torch.float64, device=queries.device)
            return zero, zero + 1
        return queries.tensor(self.target_mean_), queries.tensor(self.target_scale_)

    @property
    def _head(self) -> NumberHead:
        return number_head(self.loss, tuple(self.quantiles), float(self.huber_delta))

    def _score_of(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> float:
        w = torch.ones(len(Y), 1, dtype=Y.dtype, device=Y.device) if w is None else w[:, None]
        error = (w * (Y - self._head.decide(F)) ** 2).sum(0)
        total = (w * (Y - (w * Y).sum(0) / w.sum()) ** 2).sum(0)
        return float((1 - error / torch.where(total > 0, total, 1.0)).mean())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        levels = self.quantiles
        numbers = all(isinstance(p, float | int) and 0 < p < 1 for p in levels)
        if not levels or not numbers or sorted(set(levels)) != list(levels):
            raise ParameterError(
                f"parameter 'quantiles' of MLPRegressor must hold ascending numbers between 0 and 1, got {levels!r}"
            )

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        K = self.target_shape_[0] if self.target_shape_ else 1
        if self.n_outputs_ != K:
            raise UnreadableError(f"MLPRegressor.n_outputs_ is {self.n_outputs_}, and it has learned {K} targets")
        check_spread(self, "target", K)
