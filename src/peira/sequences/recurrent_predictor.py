"""Recurrent nets that learn targets: a label or some numbers for each sequence, or a label for each step."""

from abc import abstractmethod
from typing import Any, Self

import torch
from torch import nn

from peira.core.inputs import Data, Queries
from peira.core.params import choice, param

from .padded_batches import PaddedBatches
from .recurrent_method import RecurrentMethod, recurrent_example
from .sequence_summary import SequenceSummary, Summary


class RecurrentPredictor(RecurrentMethod):
    """Base of the classifiers, taggers and regressors; a subclass gives `_width`, `_opened` and the loss.

    The loss takes what `PaddedBatches.take` gives: steps, targets of steps, lengths, targets of sequences, weights.
    """

    bidirectional: bool = param(False, "read sequences from the end too")

    @property
    @abstractmethod
    def _width(self) -> int:
        """How many numbers the net gives for a sequence, or for a step."""

    @abstractmethod
    def _opened(self, data: Data) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Targets that belong to the steps, and to the sequences; refuses what cannot be learned."""

    @classmethod
    def example(cls) -> Self:
        return recurrent_example(cls)

    def build(self) -> nn.Module:
        """Entrance, body, summary over the steps if there is one answer for all of them, and what is linear in it."""
        return self._net(self._width, bidirectional=self.bidirectional, summary=self._summary())

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : sequences
            N of them.
        y : array of shape (N,)
            The target of each sequence; some numbers for each, (N, K), for a regressor; for a tagger a list of N
            arrays, or Sequences, with a label for each step.
        sample_weight : array of shape (N,), optional
            Non-negative; a sequence of weight 2 counts as two equal sequences.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a sequence is empty, a value is infinite, or targets do not fit.
        """
        data = self._begin(X, y, sample_weight)
        of_steps, of_items = self._opened(data)
        self._learn_inputs(data)
        self._measure_depth(int(data.lengths.max()))
        of_steps, of_items = [self._read(data), *of_steps], [*of_items, self._weights(data)]
        device = self._device()
        self._teach(
            PaddedBatches(data.lengths.to(device), [t.to(device) for t in of_steps], [t.to(device) for t in of_items]),
            data.seed,
        )
        return self

    def _summary(self) -> SequenceSummary | None:
        """What one answer for all steps is linear in."""
        return None


class SummaryPredictor(RecurrentPredictor):
    """Base of those that answer once for a whole sequence."""

    summary: Summary = param("all", "what of the outputs the answer is linear in", tune=choice("last", "mean", "all"))

    def _summary(self) -> SequenceSummary:
        return SequenceSummary(self.summary, self.bidirectional)

    def _of_items(self, queries: Queries) -> torch.Tensor:
        """What the net gives for each sequence, float64 of shape (N, width), on the device of the queries."""
        F = torch.empty(len(queries), self._width, dtype=torch.float64, device=self._device())
        for rows, part, _ in self._passes(queries):
            F[rows] = part
        return F.to(queries.device)
