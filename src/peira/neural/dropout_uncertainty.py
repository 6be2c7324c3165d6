r"""Uncertainty by dropout: a net answers many times, each time without some of its units.

Dropout multiplies the inputs of every layer by random zeros and ones. Learning with it and a penalty on the weights M
is variational inference in a deep Gaussian process, or in a net with a normal prior on its weights: the approximate
posterior draws a mask z and has the weights diag(z) M (Gal & Ghahramani 2016). With keep probability :math:`q`, prior
length scale l and noise precision :math:`\tau`, what is minimised is (eqs 5 to 7, times :math:`\tau`)

.. math:: \frac{1}{N} \sum_n -\log p(y_n \mid f(x_n, z_n)) + \frac{q \, l^2}{2 N} \sum_i |M_i|^2

.. math:: -\log p(y \mid f) = \frac{\tau}{2} (y - f)^2 - \frac{1}{2} \log \tau + \frac{1}{2} \log 2 \pi

(for labels: minus the logarithm of the softmax). The noise is learned by the same loss unless it is given. The
answer averages over T masks, that is T functions,

.. math:: p(y \mid x) = \frac{1}{T} \sum_t N( y \mid f(x, z_t), \; \tau^{-1} )

so that the variance is :math:`\tau^{-1}` plus the variance of the T answers (eqs 8 and 9). A mask is drawn once for
each function and serves all items that are asked about: each of the T functions is one function of x, the same at
every call.

The answers vary by construction, with the dropout rate: it does not shrink as data come in, and is a parameter to be
chosen (by the density of held-out targets). **Use it** where one net must do, and its training is what it is; deep
ensembles are the better judges of their certainty where five nets can be afforded.

Cost: T updates as for a plain net; an answer costs T passes, which run together.

Reference: Gal & Ghahramani (2016), Dropout as a Bayesian approximation, sections 3 and 4; Srivastava et al. (2014).
"""

import torch

from peira.core import Card, param
from peira.core.inputs import Data
from peira.core.params import log
from peira.core.seeds import derive, torch_generator

from .noisy_target import NoisyTarget
from .stacked_perceptron import StackedPerceptron, answer
from .uncertain_perceptron import DescendingPerceptron, UncertainClassifier


class DropoutUncertainty(DescendingPerceptron):
    """Base of the regressor and the classifier: one net, learned and asked with dropout.

    Attributes
    ----------
    net_ : Module
        A stack of one net.
    """

    net_: StackedPerceptron

    dropout: float = param(
        0.05, "share of the inputs of each layer that is left out", low=0, below=1, tune=log(5e-3, 0.2)
    )
    n_passes: int = param(50, "functions that an answer averages", low=1)
    length_scale: float = param(
        0.01, "of the prior: weights are normal with standard deviation 1 / length_scale", above=0, tune=log(1e-3, 1.0)
    )

    def build(self) -> torch.nn.Module:
        """The stack of one net."""
        return StackedPerceptron(1, self._sizes(), self.activation)

    def loss(self, X: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The mean -log p under random masks, plus what the prior adds for each item (eq. 7)."""
        F = self.net_(X, self._drop if self.net_.training else None)
        penalty = sum(M.square().sum() for M in (*self.net_.weights, *self.net_.biases))
        prior = (1 - self.dropout) * self.length_scale**2 / (2 * self.n_samples_fit_) * penalty
        return self._improbability(F, t).mean() + prior

    def _drop(self, l: int, h: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(h, self.dropout)

    def _find(self, data: Data, t: torch.Tensor) -> None:
        X = self._standardised(data)
        self._learn((X, t), self._training(), derive(data.seed, 1))

    def _functions(self, X: torch.Tensor) -> torch.Tensor:
        masks = [self._masks(l, units).to(X.device) for l, units in enumerate(self._sizes()[:-1])]
        layers = self.net_.layers(torch.float64)
        return answer(X, layers, self.activation, lambda l, h: h * masks[l], S=self.n_passes)

    def _masks(self, l: int, units: int) -> torch.Tensor:
        """The masks of layer l, of shape (T, 1, units), divided by the share that is kept."""
        generator = torch_generator(derive(self.seed_, 2, l))
        kept = torch.rand((self.n_passes, 1, units), generator=generator, dtype=torch.float64) >= self.dropout
        return kept.double() / (1 - self.dropout)


class DropoutRegressor(NoisyTarget, DropoutUncertainty):
    """Perceptron with dropout that is never switched off, for numbers.

    Attributes
    ----------
    net_ : Module
        With the logarithm of the noise's standard deviation, in units of the target's.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural.dropout_uncertainty import DropoutRegressor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> y = np.sin(3 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> model = DropoutRegressor(updates=500).fit(x, y)
    >>> here, far = model.predict_dist([[0.5], [5.0]]).std
    >>> bool(here < far)
    True
    """

    card = Card(
        tasks="regression",
        reference="Gal & Ghahramani (2016)",
        cost="T updates of B D H; batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "DropoutRegressor":
        """Few units, updates and passes, and a prior that suits few rows."""
        return cls(
            hidden_layer_sizes=(6,), activation="tanh", updates=60, learning_rate=0.05, n_passes=8,
            length_scale=3.0,
        )  # fmt: skip

    def build(self) -> torch.nn.Module:
        """The stack of one net, and the noise."""
        return self._with_noise(super().build())


class DropoutClassifier(UncertainClassifier, DropoutUncertainty):
    """Perceptron with dropout that is never switched off, for labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from peira.neural.dropout_uncertainty import DropoutClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> DropoutClassifier(updates=200).fit(X, y).score(X, y) > 0.95
    True
    """

    card = Card(
        tasks="classification",
        reference="Gal & Ghahramani (2016)",
        cost="T updates of B D H; batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "DropoutClassifier":
        """Few units, updates and passes."""
        return cls(hidden_layer_sizes=(10,), activation="tanh", updates=80, learning_rate=0.05, n_passes=8)
