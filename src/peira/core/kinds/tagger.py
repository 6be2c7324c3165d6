"""Taggers: which label belongs to each step of a sequence?"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from ..errors import DataError, UnreadableError
from ..inputs import Data, Queries
from ..labels import open_labels
from ..method import Method
from ..predictive import Categorical


class Tagger(Method):
    """Base of the methods that give every step a label, to be combined with a door for sequences.

    A subclass writes ``fit`` and the private ``_log_probs`` on tensors. ``_begin`` gives it the classes in order
    (``data.classes``) and the class of each step (``data.codes``, of shape (S,)).

    Attributes
    ----------
    classes_ : array of shape (C,)
        The labels, sorted.
    """

    @abstractmethod
    def _log_probs(self, queries: Queries) -> torch.Tensor:
        """Logarithms of the probabilities of the labels of each step, of shape (S, C)."""

    def _path(self, queries: Queries) -> torch.Tensor:
        """The class chosen for each step, of shape (S,): the most probable, unless the method decides jointly."""
        return self._log_probs(queries).argmax(1)

    def predict(self, X: Any) -> list[np.ndarray]:
        """The label of every step.

        Parameters
        ----------
        X : sequences
            N of them.

        Returns
        -------
        list of N arrays
            One label a step.
        """
        queries = self._queries(X)
        labels = self.classes_[self._path(queries).numpy(force=True)]
        return np.split(labels, queries.lengths.cumsum(0).numpy(force=True)[:-1])

    def predict_dist(self, X: Any) -> Categorical:
        """The probabilities of the labels of all steps, one sequence after the other.

        Parameters
        ----------
        X : sequences
            S steps in all.

        Returns
        -------
        Categorical
            Of shape (S,), over the labels ``classes_``.
        """
        queries = self._queries(X)
        return Categorical(self._log_probs(queries).exp(), self.classes_, as_numpy=queries.as_numpy)

    def score(self, X: Any, y: Any) -> float:
        """Accuracy: the share of steps whose label is right.

        Parameters
        ----------
        X : sequences
        y : list of N arrays, or Sequences
            One label a step.

        Returns
        -------
        float
        """
        said = np.concatenate(self.predict(X))
        return float(np.mean(said == _flat(y, type(self).__name__)[0]))

    # ------------------------------------------------------------------ the door

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        data = super()._begin(X, y, sample_weight, supervised=supervised, **known)
        self.classes_ = data.classes
        return data

    def _open(self, X: Any, y: Any, sample_weight: Any, supervised: bool | None, classes: Any = None) -> Data:
        data = super()._open(X, None, sample_weight, False)
        owner = type(self).__name__
        if y is None:
            raise DataError(f"requires y to be passed, but the target y is None: {owner} learns from steps and labels")
        labels, lengths = _flat(y, owner)
        if len(lengths) != len(data.lengths) or (lengths != data.lengths.numpy(force=True)).any():
            raise DataError(_unlike(lengths, data.lengths.numpy(force=True), owner))
        data.codes, data.classes = open_labels(labels, len(labels), data, classes, owner=owner)
        return data

    def _check_learned(self) -> None:
        super()._check_learned()
        classes = getattr(self, "classes_", None)
        if self.__sklearn_is_fitted__() and not (
            isinstance(classes, np.ndarray) and classes.ndim == 1 and 0 < len(classes) == len(np.unique(classes))
        ):
            raise UnreadableError(f"a stored {type(self).__name__} needs classes_ to be a list of distinct labels")


def _flat(y: Any, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all steps, one sequence after the other, and how many belong to each."""
    if hasattr(y, "values") and hasattr(y, "lengths"):
        return np.asarray(y.values), np.asarray(y.lengths)
    parts = [np.asarray(part.numpy(force=True) if isinstance(part, torch.Tensor) else part) for part in y]
    if any(part.ndim != 1 for part in parts):
        raise DataError(f"{owner} expected y as a list with an array of labels for each sequence, one label a step")
    return np.concatenate(parts) if parts else np.empty(0), np.array([len(part) for part in parts])


def _unlike(given: np.ndarray, expected: np.ndarray, owner: str) -> str:
    if len(given) != len(expected):
        return f"{owner} got {len(expected)} sequences and labels for {len(given)}"
    i = int((given != expected).argmax())
    return f"{owner}: sequence {i} has {expected[i]} steps and {given[i]} labels"
