r"""Mean-field variational Bayes: every weight of a net is a normal distribution of its own.

With a normal prior on the weights, the posterior is approximated by independent normal distributions
:math:`q(w_i) = N(m_i, s_i^2)`, those that make the bound on the evidence largest (Blundell et al. 2015, eq. 1):

.. math:: \log p(y) \geq E_q[ \log p(y \mid w) ] - KL(q, p)

.. math:: KL(q, p) = \sum_i \log \frac{\sigma_i}{s_i} + \frac{s_i^2 + m_i^2}{2 \sigma_i^2} - \frac{1}{2}

with :math:`\sigma_i = \sigma_0 / \sqrt{D_i}` for a weight into a unit of :math:`D_i` inputs, and :math:`\sigma_0` for
a constant, so that a wider layer is no surer beforehand. The divergence is in closed form. The expectation is taken
over one draw for each item of a batch, made where it is cheap and varies least: not of the weights but of the net
inputs, which are normal as well (Kingma, Salimans & Welling 2015, eq. 6),

.. math:: z \sim N( h m + m_b, \; h^2 s^2 + s_b^2 )

with squares taken element by element. What is learned are m and log s (and the noise of the target, unless it is
given) by gradient descent on

.. math:: \frac{1}{B} \sum_n -\log p(y_n \mid f(x_n)) + \frac{1}{N} KL(q, p)

for batches of B out of N items. The answer is the mixture of what S nets say whose weights are drawn from q, the same
for all items and at every call.

Independence makes q narrower than the posterior wherever weights trade off against each other: for a linear model its
precisions are the diagonal of the posterior's precision. Wide nets tend to be pruned: units that the data do not need
stay at the prior, where they cost nothing, and the noise takes their place. **Use it** for a bound to compare models
by, and for weights whose signal-to-noise m / s says what may go; for certainty alone ensembles are better.

Cost: T updates of two products a layer (means and variances); an answer costs S nets.

Reference: Blundell, Cornebise, Kavukcuoglu & Wierstra (2015); Kingma, Salimans & Welling (2015); Hinton & van Camp
(1993).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import nn

from peira.core import Card, param
from peira.core.inputs import Data
from peira.core.params import log
from peira.core.seeds import derive, torch_generator
from peira.layers import activation

from .noisy_target import NoisyTarget
from .stacked_perceptron import StackedPerceptron, answer
from .uncertain_perceptron import DescendingPerceptron, UncertainClassifier

FIRST = 0.05  # standard deviation of the weights at the beginning, as a share of the prior's


class NormalWeights(nn.Module):
    """A perceptron whose weights are independent normal variables.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, from the inputs to the outputs.
    name : str
        Of the activation.
    prior_std : float
        The prior's standard deviation of constants, and of weights times the root of a unit's inputs.
    """

    def __init__(self, sizes: Sequence[int], name: str, prior_std: float) -> None:
        super().__init__()
        self.mean = StackedPerceptron(1, sizes, name)
        self.prior = [(prior_std / math.sqrt(i), prior_std) for i, _ in pairwise(sizes)]
        self.log_std = nn.ParameterList(
            nn.Parameter(torch.full(shape, math.log(FIRST * p)))
            for (i, o), prior in zip(pairwise(sizes), self.prior, strict=True)
            for shape, p in zip(((1, i, o), (1, 1, o)), prior, strict=True)
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """What the net gives for items (N, D) with net inputs drawn anew for each, of shape (1, N, K)."""
        f, h = activation(self.mean.activation), X[None]
        stds = [s.exp() for s in self.log_std]
        for l, (m, m_b) in enumerate(self.mean.layers()):
            h = f(h) if l else h
            s, s_b = stds[2 * l : 2 * l + 2]
            mean, variance = torch.baddbmm(m_b, h, m), torch.baddbmm(s_b.square(), h.square(), s.square())
            h = mean + variance.sqrt() * torch.randn_like(mean)  # Kingma et al. (2015), eq. 6
        return h

    def divergence(self) -> torch.Tensor:
        """KL(q, p), nats."""
        return sum(
            (math.log(p) - r + ((2 * r).exp() + m.square()) / (2 * p**2) - 0.5).sum() for m, r, p in self._each()
        )

    def draw(self, S: int, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Weights and biases of S nets drawn from q, in float64."""
        generator = torch_generator(seed)
        drawn = []
        for m, r, _ in self._each():
            noise = torch.randn((S, *m.shape[1:]), generator=generator, dtype=torch.float64).to(m.device)
            drawn.append(m.double() + r.double().exp() * noise)
        return list(zip(drawn[::2], drawn[1::2], strict=True))

    def _each(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Mean, logarithm of the standard deviation, and prior standard deviation of each tensor of weights."""
        means = [t for layer in self.mean.layers() for t in layer]
        priors = [p for prior in self.prior for p in prior]
        return zip(means, self.log_std, priors, strict=True)


class MeanField(DescendingPerceptron):
    """Base of the regressor and the classifier.

    Attributes
    ----------
    net_ : Module
        Means and logarithms of standard deviations of the weights.
    """

    net_: NormalWeights

    prior_std: float = param(
        1.0, "standard deviation of the prior, times the root of a unit's inputs", above=0, tune=log(0.3, 3.0)
    )
    n_draws: int = param(50, "nets that an answer averages", low=1)

    def build(self) -> torch.nn.Module:
        """The net of normal weights."""
        return NormalWeights(self._sizes(), self.activation, self.prior_std)

    def loss(self, X: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Minus the bound on the evidence, for each item: one draw for the expectation."""
        expected = self._improbability(self.net_(X), t).mean()
        divergence = self.net_.divergence() / self.n_samples_fit_
        return expected + divergence, {"divergence": divergence}

    def _find(self, data: Data, t: torch.Tensor) -> None:
        X = self._standardised(data)
        self._learn((X, t), self._training(), derive(data.seed, 1))

    def _functions(self, X: torch.Tensor) -> torch.Tensor:
        return answer(X, self.net_.draw(self.n_draws, derive(self.seed_, 2)), self.activation, S=self.n_draws)


class MeanFieldRegressor(NoisyTarget, MeanField):
    """Net of independent normal weights, for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural.mean_field import MeanFieldRegressor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> y = np.sin(3 * x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> model = MeanFieldRegressor(hidden_layer_sizes=10, activation="tanh", updates=1000).fit(x, y)
    >>> here, far = model.predict_dist([[0.5], [5.0]]).std
    >>> bool(here < far)
    True
    """

    card = Card(
        tasks="regression",
        reference="Blundell et al. (2015), eq. 1; Kingma, Salimans & Welling (2015), eq. 6",
        cost="T updates of B D H; batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "MeanFieldRegressor":
        """Few units, updates and draws."""
        return cls(hidden_layer_sizes=(4,), activation="tanh", updates=100, learning_rate=0.05, n_draws=8)

    def build(self) -> torch.nn.Module:
        """The net of normal weights, and the noise."""
        return self._with_noise(super().build())


class MeanFieldClassifier(UncertainClassifier, MeanField):
    """Net of independent normal weights, for labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from peira.neural.mean_field import MeanFieldClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> MeanFieldClassifier(hidden_layer_sizes=10, updates=300).fit(X, y).score(X, y) > 0.9
    True
    """

    card = Card(
        tasks="classification",
        reference="Blundell et al. (2015), eq. 1; Kingma, Salimans & Welling (2015), eq. 6",
        cost="T updates of B D H; batches of B, H units",
        on_request="thousands of updates for each of many fits: name it where how sure an answer is matters",
    )

    @classmethod
    def example(cls) -> "MeanFieldClassifier":
        """Few units, updates and draws."""
        return cls(hidden_layer_sizes=(6,), activation="tanh", updates=100, learning_rate=0.05, n_draws=8)
