r"""Classifiers that also learn several labels of an item, each of which is there or not.

Targets are then an indicator matrix of shape (N, K), dense or sparse: 1 where item n has label k. Given x, labels are
independent of each other, and each has a score of its own, its log odds,

.. math:: P(y_k = 1 \mid x) = \frac{1}{1 + e^{-F_k(x)}}

so that all verbs answer for each label, in the shape (N, K).
"""

from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import Tags

from peira.core.errors import DataError, ParameterError
from peira.core.inputs import Data, open_targets
from peira.core.kinds import Classifier, ProbabilisticClassifier
from peira.core.predictive import Categorical


class LabelSetClassifier(ProbabilisticClassifier):
    """Base of the classifiers that take one label for each item, or any number out of K labels.

    ``_scores`` are, where there are several, their log odds, of shape (N, K).

    Attributes
    ----------
    classes_ : array of shape (C,)
        The labels, sorted; the numbers of the columns, where an item has several labels.
    target_shape_ : list of int
        [K] where an item has several labels, else empty.
    """

    target_shape_: list[int]

    def predict(self, X: Any) -> Any:
        """The labels of each row.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array of shape (N,), or (N, K)
            The label with the largest score, as ``fit`` saw it; of several, a dense matrix of 1 for those whose
            probability is above one half, and 0 for the others.

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, a value is not finite, or the scores overflow.
        """
        if not self._several:
            return super().predict(X)
        queries = self._queries(X)
        return queries.give((self._defined(queries) > 0).long())

    def decision_function(self, X: Any) -> Any:
        """Scores: log odds of each of several labels; else as for any classifier.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N,) for two classes, (N, C) or (N, K) otherwise
        """
        if not self._several:
            return super().decision_function(X)
        queries = self._queries(X)
        return queries.give(self._defined(queries))

    def predict_dist(self, X: Any) -> Categorical:
        """The probabilities of the labels of each row.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        Categorical
            Over the labels ``classes_``; where there are several, over 0 and 1 for each of (N, K).
        """
        if not self._several:
            return super().predict_dist(X)
        queries = self._queries(X)
        F = self._defined(queries)
        return Categorical(torch.stack([-F, F], 2).sigmoid(), as_numpy=queries.as_numpy)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, of shape (N, C), or of each of several labels, of shape (N, K)."""
        probs = self.predict_dist(X).probs
        return probs[..., 1] if self._several else probs

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of ``predict_proba``, also where it rounds to zero."""
        if not self._several:
            return super().predict_log_proba(X)
        queries = self._queries(X)
        return queries.give(torch.nn.functional.logsigmoid(self._defined(queries)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy: the share of items whose labels are right, all of them where there are several.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,), or (N, K)
        sample_weight : array of shape (N,), optional

        Returns
        -------
        float
        """
        if not self._several:
            return super().score(X, y, sample_weight)
        parts = (v.numpy(force=True) if isinstance(v, torch.Tensor) else v for v in (y, self.predict(X), sample_weight))
        y, said, w = parts
        right = (y.toarray() if sparse.issparse(y) else np.asarray(y)) == said
        return float(np.average(right.all(1), weights=w))

    # ------------------------------------------------------------------ the door

    @property
    def _several(self) -> bool:
        return bool(getattr(self, "target_shape_", []))

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        data = super()._begin(X, y, sample_weight, supervised=supervised, **known)
        self.target_shape_ = [] if data.Y is None else [len(data.classes)]
        return data

    def _continue(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, classes: Any = None
    ) -> Data:
        if self.__sklearn_is_fitted__() and self._several and not _is_matrix(y):
            raise DataError(
                f"{type(self).__name__} has learned {self.target_shape_[0]} labels that an item may have, and expects "
                "their matrix of 0s and 1s as y"
            )
        return super()._continue(X, y, sample_weight, supervised=supervised, classes=classes)

    def _open(self, X: Any, y: Any, sample_weight: Any, supervised: bool | None, classes: Any = None) -> Data:
        if not _is_matrix(y):
            return super()._open(X, y, sample_weight, supervised, classes)
        owner = type(self).__name__
        if getattr(self, "class_weight", None) is not None:
            raise ParameterError(
                f"class_weight of {owner} weighs items by their one label, and y is a matrix of several labels: give "
                "sample_weight, or leave class_weight at None"
            )
        data = super(Classifier, self)._open(X, None, sample_weight, False)
        y = y.toarray() if sparse.issparse(y) else y
        data.Y, data.squeeze = open_targets(y, len(data), data, owner=owner, multi_output=True)
        if (bad := (data.Y != 0) & (data.Y != 1)).any():
            row, column = (int(i) for i in bad.nonzero()[0])
            raise DataError(
                f"{owner} expected targets of shape (N,), one label for each item, or a matrix that holds 1 for the "
                f"labels an item has and 0 for the others; got {float(data.Y[row, column]):g} in row {row}, column "
                f"{column} of y"
            )
        data.classes = np.arange(data.Y.shape[1])
        if classes is not None and not np.array_equal(np.unique(classes), data.classes):
            raise DataError(
                f"the classes of several labels are the numbers of their {len(data.classes)} columns; {owner} got "
                f"classes={classes!r}"
            )
        return data

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _is_matrix(y: Any) -> bool:
    """Whether labels came in more than one column."""
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError:  # rows of unequal length: the door of the labels has the words for it
        return False
    return len(shape) == 2 and shape[1] > 1
