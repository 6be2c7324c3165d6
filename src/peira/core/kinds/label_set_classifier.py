r"""Classifiers that also learn several labels of an item, each of which is there or not.

Targets are then a matrix of shape (N, K), dense or sparse, with 1 where item n has label k, or a list with a set of
labels for each item. The answer is about each label by itself: its score is its log odds given x,

.. math:: P(y_k = 1 \mid x) = \frac{1}{1 + e^{-F_k(x)}}

so that all verbs answer for each label, in the shape (N, K); where sets came, ``predict`` gives sets. How labels hang
together given x is not said.
"""

from typing import Any

import numpy as np
import torch
from sklearn.utils import Tags

from ..errors import DataError, ParameterError, UnreadableError
from ..inputs import Data
from ..label_sets import are_sets, list_of_sets, open_sets
from ..predictive import Categorical
from .classifier import Classifier, ProbabilisticClassifier


class LabelSetClassifier(ProbabilisticClassifier):
    """Base of the classifiers that take one label for each item, or any number out of K labels.

    ``_scores`` are, where there are several, their log odds, of shape (N, K).

    Attributes
    ----------
    classes_ : array of shape (C,)
        The labels, sorted; of a matrix, the names of its columns, or their numbers where they have none.
    target_shape_ : list of int
        [K] where an item has several labels, else empty.
    as_sets_ : bool
        Whether they came as a list of sets.
    """

    target_shape_: list[int]
    as_sets_: bool

    def predict(self, X: Any) -> Any:
        """The labels of each row.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array of shape (N,), or (N, K), or list of N sets
            The label with the largest score, as ``fit`` saw it; of several, those whose probability is above one half:
            as sets if such were learned, else as a dense matrix of 1 for them and 0 for the others.

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, a value is not finite, or the scores overflow.
        """
        if not self._several:
            return super().predict(X)
        queries = self._queries(X)
        has = self._defined(queries) > 0
        if not self.as_sets_:
            return queries.give(has.long())
        return [set(self.classes_[row].tolist()) for row in has.numpy(force=True)]

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
        y : array or tensor of shape (N,), or (N, K), or list of N sets
        sample_weight : array of shape (N,), optional

        Returns
        -------
        float
        """
        if not self._several:
            return super().score(X, y, sample_weight)
        T, _ = open_sets(y, "y", self.classes_)
        said, _ = open_sets(self.predict(X), "the prediction", self.classes_)
        w = sample_weight.numpy(force=True) if isinstance(sample_weight, torch.Tensor) else sample_weight
        return float(np.average((said == T).all(1), weights=w))

    # ------------------------------------------------------------------ the door

    @property
    def _several(self) -> bool:
        return bool(getattr(self, "target_shape_", []))

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        data = super()._begin(X, y, sample_weight, supervised=supervised, **known)
        self.target_shape_ = [] if data.Y is None else [len(data.classes)]
        self.as_sets_ = list_of_sets(y)
        return data

    def _continue(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, classes: Any = None
    ) -> Data:
        if self.__sklearn_is_fitted__() and self._several and (not are_sets(y) or list_of_sets(y) != self.as_sets_):
            form = "a list of sets of them" if self.as_sets_ else "their matrix of 0s and 1s"
            raise DataError(
                f"{type(self).__name__} has learned {self.target_shape_[0]} labels that an item may have, and expects "
                f"{form} as y"
            )
        return super()._continue(X, y, sample_weight, supervised=supervised, classes=classes)

    def _open(self, X: Any, y: Any, sample_weight: Any, supervised: bool | None, classes: Any = None) -> Data:
        if not are_sets(y):
            return super()._open(X, y, sample_weight, supervised, classes)
        owner = type(self).__name__
        if getattr(self, "class_weight", None) is not None:
            raise ParameterError(
                f"class_weight of {owner} weighs items by their one label, and y holds sets of labels: give "
                "sample_weight, or leave class_weight at None"
            )
        data = super(Classifier, self)._open(X, None, sample_weight, False)
        listed = list_of_sets(y)
        T, data.classes = open_sets(y, "y", None if classes is None or not listed else np.unique(classes))
        if len(T) != len(data):
            raise DataError(
                f"Found input variables with inconsistent numbers of samples: X has {len(data)} rows, y has {len(T)}"
            )
        if classes is not None and not listed and not np.array_equal(np.sort(classes), np.sort(data.classes)):
            raise DataError(
                f"the classes of several labels are the names or numbers of their {len(data.classes)} columns, "
                f"{data.classes.tolist()[:20]!r}; {owner} got classes={np.asarray(classes).tolist()[:20]!r}"
            )
        data.Y, data.squeeze = data.tensor(T), False
        return data

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        shape, listed = getattr(self, "target_shape_", None), getattr(self, "as_sets_", None)
        if shape not in ([], [len(self.classes_)]) or type(listed) is not bool or (listed and not shape):
            raise UnreadableError(
                f"a stored {type(self).__name__} with {len(self.classes_)} labels has target_shape_ {shape!r} and "
                f"as_sets_ {listed!r}, which no fit gives"
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = "multilabel" in self.card.tasks
        return tags
