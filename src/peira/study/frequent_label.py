r"""The frequencies of the labels of steps, whatever is seen: what any tagger has to beat.

.. math:: P(y_t = c) = n_c / S

with n_c of the S steps that were learned from labelled c. Cost: one pass.

Reference: Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, 2.4.
"""

from typing import Any

import torch

from ..core import Card, SequenceMethod, Tagger
from ..core.inputs import Queries
from .independent_symbols import check_logs


class FrequentLabel(SequenceMethod, Tagger):
    """Every step gets the most frequent label, with the frequencies as probabilities.

    Attributes
    ----------
    log_frequencies_ : tensor of shape (C,)

    Examples
    --------
    >>> from peira.study.frequent_label import FrequentLabel
    >>> FrequentLabel().fit([[0.0, 1.0, 2.0]], [["a", "b", "b"]]).predict([[7.0]])[0].tolist()
    ['b']
    """

    card = Card(
        tasks="tagging", reference="Hastie, Tibshirani & Friedman (2009) 2.4", cost="S", exact=True, baseline=True,
        data="sequences", missing=True,
    )  # fmt: skip

    def fit(self, X: Any, y: Any = None) -> "FrequentLabel":
        """Count the labels.

        Parameters
        ----------
        X : sequences
        y : list of arrays, or Sequences
            The label of each step.
        """
        data = self._begin(X, y)
        counts = torch.bincount(data.codes, minlength=len(data.classes)).double()
        self.log_frequencies_ = (counts / counts.sum()).log()
        return self

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            check_logs(self, "log_frequencies_", len(self.classes_))

    def _log_probs(self, queries: Queries) -> torch.Tensor:
        return self.log_frequencies_.to(queries.device).expand(len(queries.X), -1)
