r"""How frequent the classes are: what any classifier has to beat.

.. math:: P(c \mid x) = \pi_c = \sum_n w_n 1\{y_n = c\} / \sum_n w_n

It learns nothing from the inputs. Its label is the most frequent one, so its accuracy is that class's share; its log
loss on new data is the entropy of the frequencies. A method that does no better has found nothing.

Cost: N. Reference: Devroye, Györfi & Lugosi (1996), A Probabilistic Theory of Pattern Recognition, 2.1 (the rule that
is best without an observation).
"""

from typing import Any

import torch

from ..core import Card, ProbabilisticClassifier
from ..core.inputs import Data, Queries


class PriorClassifier(ProbabilisticClassifier):
    """The frequencies of the classes, whatever the inputs.

    Attributes
    ----------
    classes_ : array of shape (C,)
    class_count_ : array of shape (C,)
        Number of items, or sum of their weights.
    class_prior_ : array of shape (C,)

    Examples
    --------
    >>> from peira.linear import PriorClassifier
    >>> PriorClassifier().fit([[1.0], [2.0], [3.0]], ["no", "yes", "no"]).predict([[9.0]])
    array(['no'], dtype='<U3')
    """

    card = Card(
        tasks="classification",
        reference="Devroye, Györfi & Lugosi (1996) 2.1",
        cost="N",
        exact=True,
        incremental="equals one fit",
        sparse=True,
        baseline=True,
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "PriorClassifier":
        """Count the classes.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Checked, and otherwise ignored.
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
        """
        return self._learn(self._begin(X, y, sample_weight))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "PriorClassifier":
        """Count more items; ``classes`` names all labels in the first call, if its ``y`` lacks some."""
        return self._learn(self._continue(X, y, sample_weight, classes=classes))

    def _learn(self, data: Data) -> "PriorClassifier":
        before = data.tensor(getattr(self, "class_count_", torch.zeros(len(data.classes))))
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        counts = before.index_add(0, data.codes, w)
        self.class_count_ = data.give(counts)
        self.class_prior_ = data.give(counts / counts.sum())
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(self.class_prior_).log().expand(len(queries), -1)
