r"""Laplace's approximation on the last layer: a net gives features, and a Bayesian linear model weighs them.

A net learns as any other. Its last hidden layer turns an item into H features :math:`\phi(x)`; the last layer is a
linear model of those, and for linear models the posterior is known,

.. math:: w \mid D \sim N( \hat w, A^{-1} ), \quad A = \alpha I + \sum_n \phi_n \Lambda_n \phi_n^T

with :math:`\Lambda` the curvature of -log p by what the net gives: one over the noise's variance for a number, where
this is exact, and :math:`p (1 - p)` for one of two classes, where it is Laplace's approximation at the mode
:math:`\hat w`. The last layer that the net learned is not kept: mode, prior precision :math:`\alpha` and noise are
those of the largest evidence given the features, so that nothing need be put aside to choose them (MacKay 1992). With
the posterior, the answer for a number is

.. math:: y \mid x \sim N( \hat w^T \phi(x), \; \sigma^2 + \phi(x)^T A^{-1} \phi(x) )

and for a label the sigmoid (the softmax of several) averaged over normally distributed scores, for which the probit
formula of MacKay is the shortcut (`peira.linear.BayesianLogisticRegression`).

Certainty is thus what `BayesianRidge` and `BayesianLogisticRegression` say of the features; without hidden layers the
method is these. The features themselves count as known, which is why far from the data it may be too sure: a relu net
is at least never fully certain there (Kristiadi, Hein & Hennig 2020). **Use it** to add honest intervals to one net for
next to nothing. **Not** on a few hundred rows without a larger `alpha`, or fewer updates: features that were learned by
heart leave no noise to be seen, and intervals for numbers become far too short.

Cost: T updates of the net, then N H^2 + H^3 (for C classes N (C H)^2 + (C H)^3 a step, a handful of steps).

Reference: MacKay (1992), The evidence framework applied to classification networks; Snoek et al. (2015); Kristiadi,
Hein & Hennig (2020); Daxberger et al. (2021).
"""

from typing import Literal

import torch

from peira.core import Card, param
from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.seeds import derive, private_chance
from peira.layers import activation
from peira.linear import BayesianLogisticRegression, BayesianRidge

from .stacked_perceptron import StackedPerceptron, answer
from .uncertain_perceptron import PenalisedPerceptron, UncertainClassifier, UncertainRegressor


class LaplaceLastLayer(PenalisedPerceptron):
    """Base of the regressor and the classifier.

    Attributes
    ----------
    net_ : Module
        A stack of one net.
    last_layer_ : Method
        The Bayesian linear model of the features.
    """

    net_: StackedPerceptron

    def build(self) -> torch.nn.Module:
        """The stack of one net."""
        return StackedPerceptron(1, self._sizes(), self.activation)

    def loss(self, X: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The mean -log p (of numbers half the squared error) and the penalty."""
        return self._improbability(self.net_(X), t).mean() + self._penalty()

    def _first_learn(self, data: Data, t: torch.Tensor) -> torch.Tensor:
        """The features of the items after the net has learned."""
        X = self._standardised(data)
        if len(self._sizes()) == 2:  # no hidden layer: nothing to learn but what the last layer learns better
            with private_chance(derive(data.seed, 1)):
                self.net_ = self.build().to(X.device).eval()
        else:
            self._learn((X, t), self._training(), derive(data.seed, 1))
        return self._features(data)

    def _features(self, queries: Queries) -> torch.Tensor:
        """What the last layer is given (N, H), in float64, on the device of the items."""
        return self._answers(queries)[0]

    def _functions(self, X: torch.Tensor) -> torch.Tensor:
        hidden = self.net_.layers(torch.float64)[:-1]
        return activation(self.activation)(answer(X, hidden, self.activation, S=1)) if hidden else X[None]

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            last = getattr(self, "last_layer_", None)
            if not isinstance(last, BayesianRidge | BayesianLogisticRegression):
                raise UnreadableError(f"a stored {type(self).__name__} needs its last layer")


class LaplaceLastLayerRegressor(UncertainRegressor, LaplaceLastLayer):
    """Net with a Bayesian last layer, for numbers.

    Attributes
    ----------
    last_layer_ : BayesianRidge
        Of the standardised target.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural.laplace_last_layer import LaplaceLastLayerRegressor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> y = np.sin(3 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> model = LaplaceLastLayerRegressor(updates=300).fit(x, y)
    >>> here, far = model.predict_dist([[0.5], [5.0]]).std
    >>> bool(0.09 < here < 0.12 < far)
    True
    """

    card = Card(
        tasks="regression",
        reference="MacKay (1992); Snoek et al. (2015); Daxberger et al. (2021)",
        cost="T updates of B D H, then N H^2 + H^3; batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "LaplaceLastLayerRegressor":
        """Few units and updates, and a penalty that suits few rows."""
        return cls(hidden_layer_sizes=(4,), activation="tanh", updates=40, learning_rate=0.05, alpha=10.0)

    def _find(self, data: Data, t: torch.Tensor) -> None:
        features = self._first_learn(data, t)
        y = (data.Y[:, 0] - self.target_mean_) / (self.target_scale_ or 1.0)
        self.last_layer_ = BayesianRidge().fit(features, y)

    def _outputs(self) -> int:
        return 1

    def _improbability(self, F: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return (t - F[..., 0]).square() / 2

    def _moments(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        mean, std = self.last_layer_.predict(self._features(queries), return_std=True)
        return self.target_mean_ + self.target_scale_ * mean[None], self.target_scale_ * std[None]


class LaplaceLastLayerClassifier(UncertainClassifier, LaplaceLastLayer):
    """Net with a Bayesian last layer, for labels.

    Attributes
    ----------
    last_layer_ : BayesianLogisticRegression
        Of the numbers of the classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from peira.neural.laplace_last_layer import LaplaceLastLayerClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> LaplaceLastLayerClassifier(hidden_layer_sizes=10, updates=200).fit(X, y).score(X, y) > 0.95
    True
    """

    card = Card(
        tasks="classification",
        reference="MacKay (1992); Kristiadi, Hein & Hennig (2020); Daxberger et al. (2021)",
        cost="T updates of B D H, then T (N C^2 H^2 + C^3 H^3); batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
        largest={"C": 10},
    )
    predictive: Literal["integral", "probit"] = param(
        "integral", "average the probabilities over the posterior by quadrature, or by the probit approximation"
    )

    @classmethod
    def example(cls) -> "LaplaceLastLayerClassifier":
        """Few units and updates."""
        return cls(hidden_layer_sizes=(6,), activation="tanh", updates=40, learning_rate=0.03, predictive="probit")

    def _find(self, data: Data, t: torch.Tensor) -> None:
        features = self._first_learn(data, t)
        self.last_layer_ = BayesianLogisticRegression(predictive=self.predictive).fit(features, data.codes)

    def _scores(self, queries: Queries) -> torch.Tensor:
        return self.last_layer_.predict_log_proba(self._features(queries))
