"""Labels of sequences from a linear readout of any reservoir: the part that does not depend on its kind."""

from typing import Any, Self

import torch

from ..core.inputs import Queries
from ..core.kinds.classifier import ProbabilisticClassifier
from .reservoir_reading import SequenceReader
from .reservoir_readout import check_sharpness


class ReservoirClassifier(SequenceReader, ProbabilisticClassifier):
    """Base of the classifiers that read the states of a reservoir; a subclass says which reservoir."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Draw a reservoir, and learn to read labels from its states.

        Parameters
        ----------
        X : sequences
            N of them, of D numbers a step; a missing number is taken as the last known one of its sequence.
        y : array of shape (N,)
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal sequences.

        Returns
        -------
        self
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        readout, rows_to_judge = self._learn_sequences(data, data.indicators())
        self.sharpness_ = rows_to_judge.sharpness(readout)
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        return self.sharpness_ * self._said(queries)

    def _check_learned(self) -> None:
        super()._check_learned()
        check_sharpness(self)
