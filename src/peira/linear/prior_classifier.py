r"""How frequent the classes are: what any classifier has to beat.

.. math:: P(c \mid x) = \pi_c = \sum_n w_n 1\{y_n = c\} / \sum_n w_n

Where an item may have several labels, the same is said of each: the share of the items that have it.

It learns nothing from the inputs. Its label is the most frequent one, so its accuracy is that class's share; its log
loss on new data is the entropy of the frequencies. A method that does no better has found nothing.

Cost: N. Reference: Devroye, Györfi & Lugosi (1996), A Probabilistic Theory of Pattern Recognition, 2.1 (the rule that
is best without an observation).
"""

from typing import Any

import torch

from ..core import Card, LabelSetClassifier
from ..core.inputs import Data, Queries


class PriorClassifier(LabelSetClassifier):
    """The frequencies of the classes, whatever the inputs.

    Attributes
    ----------
    classes_ : array of shape (C,)
    class_count_ : array of shape (C,)
        Number of items, or sum of their weights.
    class_prior_ : array of shape (C,)
        Their shares of all items.
    weight_ : float
        Number of all items, or sum of their weights.

    Examples
    --------
    >>> from peira.linear import PriorClassifier
    >>> PriorClassifier().fit([[1.0], [2.0], [3.0]], ["no", "yes", "no"]).predict([[9.0]])
    array(['no'], dtype='<U3')
    >>> PriorClassifier().fit([[1.0], [2.0], [3.0]], [{"dry"}, {"dry", "cold"}, set()]).predict([[9.0]])
    [{'dry'}]
    """

    card = Card(
        tasks=("classification", "multilabel"),
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
        y : array of shape (N,), matrix of 0s and 1s of shape (N, C), or list of N sets
            Texts, whole numbers or truth values; 1 for the labels that an item has, or sets of them.
        sample_weight : array of shape (N,), optional
        """
        return self._learn(self._begin(X, y, sample_weight))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "PriorClassifier":
        """Count more items; ``classes`` names all labels in the first call, if its ``y`` lacks some."""
        return self._learn(self._continue(X, y, sample_weight, classes=classes))

    def _learn(self, data: Data) -> "PriorClassifier":
        before = data.tensor(getattr(self, "class_count_", torch.zeros(len(data.classes))))
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        counts = before.index_add(0, data.codes, w) if data.Y is None else before + w @ data.Y
        self.weight_ = getattr(self, "weight_", float(before.sum())) + float(w.sum())
        self.class_count_ = data.give(counts)
        self.class_prior_ = data.give(counts / self.weight_)
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        shares = queries.tensor(self.class_prior_).expand(len(queries), -1)
        return shares.clamp(0, 1).logit() if self._several else shares.log()
