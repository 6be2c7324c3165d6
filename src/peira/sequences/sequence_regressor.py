r"""Recurrent nets that read a number off a sequence, or several: many steps in, one answer out.

The outputs of the body are summed up over the steps as by `SequenceClassifier`, and what is answered is linear in the
summary g:

.. math:: \hat y = m + s \, (V g + b), \quad g = \mathrm{summary}(h_1, ..., h_T)

.. math:: E = \frac{1}{N} \sum_n w_n \, l \left( \frac{y_n - m}{s}, V g_n + b \right)

with m and s the mean and deviation of the targets. The loss l is half the squared error, so that the mean is learned;
``loss="absolute_error"`` and ``"huber"`` let outliers count for less, ``"poisson"`` is for counts; ``"normal"`` learns
the size of the noise as a function of the sequence as well, ``"quantile"`` a few quantiles that cannot cross, and both
answer ``predict_dist`` (`peira.neural.heads` has the formulas).

A tenth of the sequences is held out, and training ends when they gain no more; the best weights are kept.

**Use it** from some hundred sequences on, when the number depends on an order of events over time: what is left of a
battery after its discharges, a rating from the words of a text. With fewer, ridge regression on summaries of the
sequences (means, spreads, changes) is hard to beat.

Cost: an update of B sequences of T steps takes about :math:`6 B T \cdot 3 H (D + H)` operations with a GRU.

Reference: Hochreiter & Schmidhuber (1997), whose adding problem is one; Cho et al. (2014); Bai, Kolter & Koltun
(2018).
"""

from typing import Self

import torch

from peira.core.card import Card
from peira.core.inputs import Data, Queries
from peira.neural.number_targets import NumberTargets

from .recurrent_inputs import SymbolInputs, VectorInputs
from .recurrent_method import recurrent_example
from .recurrent_predictor import SummaryPredictor


class RecurrentRegressor(SummaryPredictor, NumberTargets):
    """Base of `SequenceRegressor` and `SymbolSequenceRegressor`."""

    @classmethod
    def example(cls) -> Self:
        return recurrent_example(cls, loss="normal")

    @property
    def _width(self) -> int:
        return self._K * self._head.width

    def _objective(self, x: torch.Tensor, lengths: torch.Tensor, Y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """The mean loss of the sequences of a batch."""
        return self._head.loss(self.net_(x, lengths), Y, w)

    def _opened(self, data: Data) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        self._check_targets(data.Y)
        return [], [self._standardised(data).float()]

    def _outputs(self, queries: Queries) -> torch.Tensor:
        return self._of_items(queries)


class SequenceRegressor(VectorInputs, RecurrentRegressor):
    """A recurrent net that reads a number off a sequence of vectors, or several.

    Attributes
    ----------
    mean_, scale_
        As of `SequenceClassifier`.
    target_mean_, target_scale_ : tensor of shape (K,)
        What the targets are centred and scaled by.
    net_ : Module
        From standardised steps to standardised targets.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SequenceRegressor
    >>> from peira.training import Training
    >>> rng, brief = np.random.default_rng(0), Training(learning_rate=0.02, updates=80, batch_size=None)
    >>> X = [rng.uniform(size=n) for n in rng.integers(5, 15, 200)]
    >>> drop = [np.max(np.maximum.accumulate(x) - x) for x in X]  # the largest fall from what was reached before
    >>> model = SequenceRegressor(hidden=16, training=brief, random_state=0).fit(X[:150], drop[:150])
    >>> bool(model.score(X[150:], drop[150:]) > 0.7)
    True
    """

    card = Card(
        tasks="regression",
        reference="Hochreiter & Schmidhuber (1997); Cho et al. (2014); losses: Bishop (2006) 5.2",
        cost="U updates of B sequences: 18 U B T H (D + H) for a GRU",
        data="sequences",
        missing=True,
        multi_output=True,
    )


class SymbolSequenceRegressor(SymbolInputs, RecurrentRegressor):
    """A recurrent net that reads a number off a sequence of symbols, or several.

    It is for texts that are given a rating, say.

    Attributes
    ----------
    symbols_
        As of `SymbolSequenceClassifier`.
    target_mean_, target_scale_ : tensor of shape (K,)
    net_ : Module
        From positions of symbols to standardised targets.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SymbolSequenceRegressor
    >>> from peira.training import Training
    >>> rng, brief = np.random.default_rng(0), Training(learning_rate=0.02, updates=80, batch_size=None)
    >>> X = ["".join(rng.choice(list("01"), n)) for n in rng.integers(1, 9, 60)]
    >>> y = [x.count("1") for x in X]
    >>> model = SymbolSequenceRegressor(hidden=8, embedding=4, training=brief, random_state=0).fit(X[:40], y[:40])
    >>> bool(model.score(X[40:], y[40:]) > 0.9)
    True
    """

    card = Card(
        tasks="regression",
        reference="Hochreiter & Schmidhuber (1997); Cho et al. (2014); losses: Bishop (2006) 5.2",
        cost="U updates of B sequences: 18 U B T H (E + H) for a GRU",
        data="symbols",
        missing=True,
        multi_output=True,
    )
