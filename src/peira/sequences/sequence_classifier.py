r"""Recurrent nets that tell sequences apart: many steps in, one label out.

The outputs of the body are summed up over the steps, and the scores of the classes are linear in the summary g:

.. math:: P(c \mid x) \propto \exp(v_c^T g + b_c), \quad g = \mathrm{summary}(h_1, ..., h_T)

.. math:: E = -\frac{1}{N} \sum_n w_n \log P(c_n \mid x_n)

The summary is the last output, the mean or the maximum over time, or all three side by side. The last output alone is
what the theory of long lags is about; with the mean, errors reach every step directly, which learns faster where the
evidence is spread over the sequence.

A tenth of the sequences is held out, and training ends when they gain no more; the best weights are kept.

**Use it** from some hundred sequences on, when what matters is an order of events over time. With fewer, an HMM for
each class or a reservoir is better.

Cost: an update of B sequences of T steps takes about :math:`6 B T \cdot 3 H (D + H)` operations with a GRU.

Reference: Elman (1990); Hochreiter & Schmidhuber (1997); Cho et al. (2014); Bai, Kolter & Koltun (2018).
"""

from typing import Literal

import torch

from peira.core.card import Card
from peira.core.inputs import Data, Queries
from peira.core.kinds import ProbabilisticClassifier
from peira.core.params import linear, param
from peira.neural.heads import Softmax

from .recurrent_inputs import SymbolInputs, VectorInputs
from .recurrent_predictor import SummaryPredictor


class RecurrentClassifier(SummaryPredictor, ProbabilisticClassifier):
    """Base of `SequenceClassifier` and `SymbolSequenceClassifier`."""

    label_smoothing: float = param(
        0.0, "share of each label that is spread over all classes", low=0, below=1, tune=linear(0.0, 0.2)
    )
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")

    @property
    def _width(self) -> int:
        return len(self.classes_)

    def loss(self, x: torch.Tensor, lengths: torch.Tensor, codes: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the sequences of a batch."""
        return Softmax(self.label_smoothing).loss(self.net_(x, lengths), codes, w)

    def _opened(self, data: Data) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        self._require_classes(data)
        return [], [data.codes]

    def _scores(self, queries: Queries) -> torch.Tensor:
        return self._of_items(queries)


class SequenceClassifier(VectorInputs, RecurrentClassifier):
    """A recurrent net that gives a sequence of vectors its label.

    Attributes
    ----------
    classes_ : array of shape (C,)
        The labels, sorted.
    mean_, scale_ : array of shape (D,)
        What the numbers of a step are centred and scaled by.
    net_ : Module
        From standardised steps to scores of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SequenceClassifier
    >>> rng = np.random.default_rng(0)
    >>> rising = rng.integers(0, 2, 200)
    >>> X = [np.sort(rng.normal(size=n))[:: 1 if up else -1] for n, up in zip(rng.integers(5, 15, 200), rising)]
    >>> model = SequenceClassifier(cell="lstm", hidden=16, random_state=0).fit(X[:150], rising[:150])
    >>> bool(model.score(X[150:], rising[150:]) > 0.9)
    True
    """

    card = Card(
        tasks="classification",
        reference="Elman (1990); Hochreiter & Schmidhuber (1997); Cho et al. (2014)",
        cost="U updates of B sequences: 18 U B T H (D + H) for a GRU",
        data="sequences",
        missing=True,
    )


class SymbolSequenceClassifier(SymbolInputs, RecurrentClassifier):
    """A recurrent net that gives a sequence of symbols, such as a text, its label.

    Attributes
    ----------
    classes_ : array of shape (C,)
    symbols_ : array of shape (K,)
        The symbols; one that was not seen while learning counts as missing.
    net_ : Module
        From positions of symbols to scores of the classes.

    Examples
    --------
    >>> from peira.sequences import SymbolSequenceClassifier
    >>> X = ["abab", "ababab", "aabb", "aaabbb", "ab" * 5, "a" * 5 + "b" * 5] * 10
    >>> y = ["alternates", "alternates", "blocks", "blocks", "alternates", "blocks"] * 10
    >>> model = SymbolSequenceClassifier(hidden=16, embedding=4, random_state=0).fit(X, y)
    >>> model.predict(["abababab", "aaaabbbb"]).tolist()
    ['alternates', 'blocks']
    """

    card = Card(
        tasks="classification",
        reference="Elman (1990); Hochreiter & Schmidhuber (1997); Cho et al. (2014)",
        cost="U updates of B sequences: 18 U B T H (E + H) for a GRU",
        data="symbols",
        missing=True,
    )
