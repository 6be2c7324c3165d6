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

from peira.core.card import Card
from peira.core.errors import ParameterError, UnreadableError
from peira.core.inputs import Data
from peira.core.params import param

from .multilayer_perceptron import MultilayerPerceptron
from .number_targets import NumberTargets
from .standardising import standardised


class MLPRegressor(MultilayerPerceptron, NumberTargets):
    """Regression by a multilayer perceptron.

    It has the names of scikit-learn's class, and more losses. Losses are told in units of the target's variance
    (absolute ones, of its standard deviation), since targets are standardised inside; ``standardise=False`` undoes
    that. ``solver="lm"`` is Levenberg-Marquardt (`peira.training.levenberg_marquardt`), for the squared error and nets
    of up to some hundred weights: fewer steps than ``"lbfgs"`` takes, each with the derivatives of all rows. Its
    ``max_iter`` counts steps, and ``tol`` is the length of a step over that of the weights.

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
        sparse=True,
        multi_output=True,
    )

    solver: Literal["lbfgs", "sgd", "adam", "lm"] = param(
        "adam", "rule of the update; lbfgs for some thousand rows at most, lm (Levenberg-Marquardt) for small nets"
    )

    @classmethod
    def example(cls) -> Self:
        return cls(
            hidden_layer_sizes=(3,), activation="tanh", solver="lbfgs", loss="normal", alpha=60.0, max_iter=2000,
            random_state=0,
        )  # fmt: skip

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
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
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Inputs and targets are standardised by the rows of the first call.
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional

        Returns
        -------
        self
        """
        if self.solver == "lm":
            raise ParameterError("solver='lm' of MLPRegressor needs all rows at once: call fit, or take solver='adam'")
        data = self._continue(X, y, sample_weight)
        return self._learn_targets(data, dict(vars(self)), once=True)

    def _learn_targets(self, data: Data, before: dict[str, Any], *, once: bool = False) -> Self:
        self._check_targets(data.Y)
        self.n_outputs_ = data.Y.shape[1]
        self._check_onward(before, "n_features_in_", "n_outputs_")
        if "net_" in before or not self.standardise:
            self.target_mean_, self.target_scale_ = (before.get(f"target_{part}_") for part in ("mean", "scale"))
            Y = standardised(data.Y, self.target_mean_, self.target_scale_)
        else:
            Y = self._standardised(data)
        self._teach(data, Y, before=before, once=once)
        return self

    _head = NumberTargets._head

    def _score_of(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> float:
        w = torch.ones(len(Y), 1, dtype=Y.dtype, device=Y.device) if w is None else w[:, None]
        error = (w * (Y - self._head.decide(F)) ** 2).sum(0)
        total = (w * (Y - (w * Y).sum(0) / w.sum()) ** 2).sum(0)
        return float((1 - error / torch.where(total > 0, total, 1.0)).mean())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("loss", "batch_size", "early_stopping") if self.solver == "lm" else ():
            usual = type(self).parameters()[name].default
            if getattr(self, name) != usual:
                raise ParameterError(
                    f"solver='lm' of MLPRegressor makes a sum of squares over all rows small, and has no place for "
                    f"{name}={getattr(self, name)!r}: leave that at {usual!r}, or take solver='adam'"
                )

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and self.n_outputs_ != self._K:
            raise UnreadableError(f"MLPRegressor.n_outputs_ is {self.n_outputs_}, and it has learned {self._K} targets")
