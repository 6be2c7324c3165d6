r"""Classifiers: which label belongs to these inputs?

A classifier gives each class a score, and the largest wins. Where the theory says how probable the classes are, the
scores are log probabilities up to a constant of the row,

.. math:: P(c \mid x) = \exp(s_c(x)) / \sum_k \exp(s_k(x))

and the decision follows from them.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags

from ..errors import DataError, ParameterError, UnreadableError
from ..inputs import Data, Queries
from ..labels import class_weights, open_labels
from ..method import Method
from ..predictive import Categorical


class Classifier(ClassifierMixin, Method):
    """Base of the methods that predict labels.

    A subclass writes ``fit`` and the private ``_scores`` on tensors. ``_begin`` gives it the classes in order
    (``data.classes``), the class of each item (``data.codes``), and weights in which a parameter ``class_weight``, if
    the method has one, is already counted.

    Attributes
    ----------
    classes_ : array of shape (C,)
        The labels, sorted.
    """

    @abstractmethod
    def _scores(self, queries: Queries) -> torch.Tensor:
        """A score for each item and class, of shape (N, C); the largest wins."""

    def predict(self, X: Any) -> Any:
        """The label of each row: the class with the largest score, the first of several.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array of shape (N,)
            Labels as ``fit`` saw them; a tensor if ``X`` is one and the labels are numbers.

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, a value is not finite, or the scores overflow.
        """
        queries = self._queries(X)
        return self._labels(queries, self._defined(queries).argmax(1))

    def decision_function(self, X: Any) -> Any:
        """Scores: those of the second class against the first for two classes, else one for each class.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N,) for two classes, (N, C) otherwise
        """
        queries = self._queries(X)
        S = self._defined(queries)
        return queries.give(S[:, 1] - S[:, 0] if S.shape[1] == 2 else S)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy: the share of labels that are right.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,)
        sample_weight : array of shape (N,), optional

        Returns
        -------
        float
        """
        parts = (v.numpy(force=True) if isinstance(v, torch.Tensor) else v for v in (y, self.predict(X), sample_weight))
        y, said, w = parts
        return float(np.average(np.asarray(y) == said, weights=w))

    # ------------------------------------------------------------------ for the subclass

    def _require_classes(self, data: Data, fewest: int = 2) -> None:
        """Refuse data with fewer classes than the method tells apart."""
        if len(data.classes) < fewest:
            raise DataError(
                f"{type(self).__name__} needs at least {fewest} classes in y, got {len(data.classes)} class: "
                f"{data.classes.tolist()[0]!r}; is it the right column?"
            )

    # ------------------------------------------------------------------ the door

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        data = super()._begin(X, y, sample_weight, supervised=supervised, **known)
        self.classes_ = data.classes
        return data

    def _continue(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, classes: Any = None
    ) -> Data:
        if isinstance(getattr(self, "class_weight", None), str):
            raise ParameterError(
                f"class_weight={self.class_weight!r} of {type(self).__name__} needs all rows at once, and partial_fit "
                "sees them in blocks: give the weights as a dict"
            )
        learned = getattr(self, "classes_", classes)
        if classes is not None and not np.array_equal(np.unique(classes), np.unique(learned)):
            raise DataError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {learned.tolist()!r}"
            )
        return super()._continue(X, y, sample_weight, supervised=supervised, classes=learned)

    def _open(self, X: Any, y: Any, sample_weight: Any, supervised: bool | None, classes: Any = None) -> Data:
        data = super()._open(X, y, sample_weight, False)
        data.codes, data.classes = open_labels(y, len(data), data, classes, owner=type(self).__name__)
        if (given := getattr(self, "class_weight", None)) is not None:
            w = class_weights(given, data, owner=type(self).__name__)
            data.w = w if data.w is None else data.w * w
        return data

    def _defined(self, queries: Queries) -> torch.Tensor:
        S = self._scores(queries)
        if torch.isnan(S.sum()) and torch.isnan(S).any():  # an infinite score may be meant, NaN never is
            row = int(torch.isnan(S).any(1).nonzero()[0])
            raise DataError(
                f"{type(self).__name__} has no answer, first for row {row}: numbers this far from 1 overflow; "
                "rescale the columns, and fit again"
            )
        return S

    def _labels(self, queries: Queries, codes: torch.Tensor) -> Any:
        labels = self.classes_[codes.numpy(force=True)]
        return (
            labels
            if queries.as_numpy or labels.dtype.kind not in "iufb"
            else torch.as_tensor(labels, device=codes.device)
        )

    # ------------------------------------------------------------------ loading, and scikit-learn's tags

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        classes = getattr(self, "classes_", None)
        if not (isinstance(classes, np.ndarray) and classes.ndim == 1 and 0 < len(classes) == len(np.unique(classes))):
            raise UnreadableError(f"a stored {type(self).__name__} needs classes_ to be a list of distinct labels")

    def _check_answers(self) -> None:
        row = np.zeros((1, self.n_features_in_))
        shape = tuple(self._defined(self._queries(row)).shape)
        if shape != (1, len(self.classes_)):
            raise UnreadableError(
                f"this {type(self).__name__} scores one row with shape {shape}, not {(1, len(self.classes_))}"
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.card.baseline
        return tags


class ProbabilisticClassifier(Classifier):
    """Base of the classifiers that know how probable each class is.

    ``_scores`` are log probabilities up to a constant of the row; ``-inf`` is a class that cannot be.
    """

    def predict_dist(self, X: Any) -> Categorical:
        """The probabilities of the labels of each row.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        Categorical
            Over the labels ``classes_``.
        """
        queries = self._queries(X)
        return Categorical(self._log_probs(queries).exp(), self.classes_, as_numpy=queries.as_numpy)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities of ``predict_dist``, of shape (N, C)."""
        return self.predict_dist(X).probs

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the probabilities, of shape (N, C), also where these round to zero."""
        queries = self._queries(X)
        return queries.give(self._log_probs(queries))

    def _log_probs(self, queries: Queries) -> torch.Tensor:
        """Normalised scores. Where some are infinite, they alone share the probability."""
        S = self._defined(queries)
        top = S.amax(1, keepdim=True)
        beyond = torch.isinf(top)  # +inf: infinitely better than the others; -inf: none can be, all are alike
        S = torch.where(beyond, torch.where(top == S, 0.0, -torch.inf), S - torch.where(beyond, 0.0, top))
        return S.log_softmax(1)
