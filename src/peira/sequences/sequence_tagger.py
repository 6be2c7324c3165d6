r"""Recurrent nets that label every step of a sequence: many steps in, as many labels out.

The scores of the labels of a step are linear in the outputs of the body at that step,

.. math:: P(c_t \mid x) \propto \exp(v_c^T h_t + b_c)

.. math:: E = -\frac{1}{N \bar T} \sum_n w_n \sum_t \log P(c_{nt} \mid x_n)

with N sequences of :math:`\bar T` steps on average (by weight), so that every step counts alike. With
``bidirectional``, the default, :math:`h_t` knows what comes after the step as well as what came before; without it the
tagger is causal, and its answer to a step does not change when the sequence goes on.

Labels are chosen step by step, each the most probable. Where labels follow each other by rules, so that a sequence of
them must be probable as a whole, an HMM tagger decides jointly.

**Use it** from some hundred sequences on: words that are given their part of speech, seconds of a signal that are given
a state.

Cost: an update of B sequences of T steps takes about :math:`6 B T \cdot 3 H (D + H)` operations with a GRU, twice that
when it reads in both directions.

Reference: Schuster & Paliwal (1997) for reading in both directions; Graves & Schmidhuber (2005).
"""

import torch
from torch.nn import functional

from peira.core.card import Card
from peira.core.inputs import Data, Queries
from peira.core.kinds import Tagger
from peira.core.params import param
from peira.numerics.ragged import within

from .recurrent_inputs import SymbolInputs, VectorInputs
from .recurrent_predictor import RecurrentPredictor


class RecurrentTagger(RecurrentPredictor, Tagger):
    """Base of `SequenceTagger` and `SymbolTagger`.

    Attributes
    ----------
    mean_length_ : float
        Steps of a sequence on average, by weight; the loss of a sequence is that of its steps, divided by it.
    """

    bidirectional: bool = param(True, "read sequences from the end too")
    mean_length_: float

    @property
    def _width(self) -> int:
        return len(self.classes_)

    def loss(self, x: torch.Tensor, codes: torch.Tensor, lengths: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the steps of a batch, so scaled that a step counts alike in every batch."""
        losses = functional.cross_entropy(self.net_(x, lengths).mT, codes, reduction="none")
        alive = within(lengths, x.shape[1])
        return (torch.where(alive, losses, 0.0) * w[:, None]).sum() / (len(x) * self.mean_length_)

    def _opened(self, data: Data) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        self.mean_length_ = self._mean_of(data.lengths, data)
        return [data.codes], []

    def _log_probs(self, queries: Queries) -> torch.Tensor:
        F = torch.empty(len(queries.X), self._width, dtype=torch.float64, device=self._device())
        for rows, part, batches in self._passes(queries):
            place, alive = batches.places(rows)
            F[place[alive]] = part[alive]
        return F.to(queries.device).log_softmax(1)


class SequenceTagger(VectorInputs, RecurrentTagger):
    """A recurrent net that gives every step of a sequence of vectors its label.

    Attributes
    ----------
    classes_, mean_, scale_
        As of `SequenceClassifier`.
    net_ : Module
        From standardised steps to scores of their labels.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import SequenceTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=n) for n in rng.integers(5, 15, 200)]
    >>> y = [np.where(np.cumsum(x) > 0, "above", "below") for x in X]
    >>> model = SequenceTagger(cell="elman", hidden=16, bidirectional=False, random_state=0).fit(X[:150], y[:150])
    >>> bool(model.score(X[150:], y[150:]) > 0.9)
    True
    """

    card = Card(
        tasks="tagging",
        reference="Schuster & Paliwal (1997); Graves & Schmidhuber (2005)",
        cost="U updates of B sequences: 36 U B T H (D + H) for a GRU in both directions",
        data="sequences",
        missing=True,
    )


class SymbolTagger(SymbolInputs, RecurrentTagger):
    """A recurrent net that gives every symbol of a sequence its label.

    It is for words that are given their part of speech, say.

    Attributes
    ----------
    classes_, symbols_
        As of `SymbolSequenceClassifier`.
    net_ : Module
        From positions of symbols to scores of their labels.

    Examples
    --------
    >>> from peira.sequences import SymbolTagger
    >>> X = [["the", "dog", "sees", "the", "cat"], ["a", "cat", "hears", "the", "dog"], ["the", "dog", "hears"]] * 10
    >>> kind = {"the": "article", "a": "article", "dog": "noun", "cat": "noun", "sees": "verb", "hears": "verb"}
    >>> model = SymbolTagger(hidden=8, embedding=4, random_state=0).fit(X, [[kind[word] for word in x] for x in X])
    >>> model.predict([["a", "dog", "sees", "a", "cat"]])[0].tolist()
    ['article', 'noun', 'verb', 'article', 'noun']
    """

    card = Card(
        tasks="tagging",
        reference="Schuster & Paliwal (1997); Graves & Schmidhuber (2005)",
        cost="U updates of B sequences: 36 U B T H (E + H) for a GRU in both directions",
        data="symbols",
        missing=True,
    )
