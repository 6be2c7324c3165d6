r"""A label for each sequence: method, decision.

A method that learns from sequences gets them as they are, standardised by the mean and the spread of each number over
all steps that are learned from,

.. math:: z_{td} = (x_{td} - m_d) / s_d

A method that learns from tables gets what sums a sequence up, so that one sees how far one comes without the order of
the steps: of each number its mean, spread, least, greatest, first and last value and the mean size of a change, and the
logarithm of how many steps there are.

Cost: that of the method on N sequences.
"""

from typing import Any, Self

import numpy as np
import torch

from ..core import Card, UnreadableError
from ..core.registry import get_method
from ..core.sequences import open_sequences
from ..experience.sequences import Sequences
from .items_classifier import ItemsClassifier
from .items_model import ItemsModel

SUMMARY = ("mean", "spread", "least", "greatest", "first", "last", "mean change")


class SequenceItemsModel(ItemsModel):
    """Base of the models of sequences; ``shape_`` holds the number of numbers of a step.

    Attributes
    ----------
    step_means_, step_scales_ : array of shape (D,)
    reading_ : dict
        How a source of sequences is read; set by a run.
    """

    def prepare(self, X: Any) -> Any:
        self.step_means_, self.step_scales_ = None, None
        return super().prepare(X)

    def _gather(self, X: Any) -> tuple[Sequences, list[int]]:
        opened = open_sequences(X, owner=type(self).__name__)
        values = opened.X.numpy(force=True)
        D = values.shape[1]
        if self.step_means_ is None:
            spread = values.std(0)
            self.step_means_, self.step_scales_ = values.mean(0), np.where(spread > 1e-12, spread, 1.0)
        if len(self.step_means_) == D:  # others are refused by their shape
            values = (values - self.step_means_) / self.step_scales_
        return Sequences(values, opened.lengths), [D]

    def _columns(self, items: Sequences) -> np.ndarray:
        return summaries(items)

    def _width(self) -> int:
        return len(SUMMARY) * self.shape_[0] + 1

    def _queries(self, X: Any) -> Any:
        queries = super()._queries(X)
        queries.lengths = torch.as_tensor(np.array(queries.X.lengths)) if hasattr(queries.X, "lengths") else None
        return queries

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D = self.shape_[0]
        for name in ("step_means_", "step_scales_"):
            value = getattr(self, name, None)
            if not (isinstance(value, np.ndarray) and value.shape == (D,) and np.isfinite(value).all()):
                raise UnreadableError(f"a stored {type(self).__name__} needs {name} to hold a number for each of {D}")
        if not (self.step_scales_ > 0).all():
            raise UnreadableError(f"a stored {type(self).__name__} needs step_scales_ above 0")


class SequencesClassifier(SequenceItemsModel, ItemsClassifier):
    """A label for each sequence: method, decision.

    Attributes
    ----------
    method_, classes_, costs_, shape_, column_means_, column_scale_, target_
        See `ItemsModel` and `ItemsClassifier`.
    step_means_, step_scales_, reading_
        See `SequenceItemsModel`.

    Examples
    --------
    >>> from peira import methods
    >>> from peira.study.sequences_classifier import SequencesClassifier
    >>> sequences = [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0, 6.0], [5.0, 4.0], [9.0, 8.0, 7.0]]
    >>> model = SequencesClassifier(method=methods()["KNeighborsClassifier"](n_neighbors=1), expansion="columns")
    >>> model.fit(sequences, ["up", "up", "down", "down"]).predict([[1.0, 2.0, 3.0]]).tolist()
    ['up']
    """

    card = Card(
        tasks="classification",
        reference="Hastie, Tibshirani & Friedman (2009) 2.4; costs: Elkan (2001)",
        cost="that of the method on N sequences",
        data="sequences",
        wraps=True,
    )

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("GaussianNB")(), expansion="columns")

    def _check_answers(self) -> None:
        shape = tuple(self._defined(self._queries(np.zeros((1, 2, self.shape_[0])))).shape)
        if shape != (1, len(self.classes_)):
            raise UnreadableError(
                f"this {type(self).__name__} scores one sequence with shape {shape}, not {(1, len(self.classes_))}"
            )


def summaries(items: Sequences) -> np.ndarray:
    """What sums sequences up, of shape (N, 7 D + 1): `SUMMARY` of each number, and the logarithm of the length.

    >>> summaries(Sequences.from_list([[1.0, 3.0]])).round(3).tolist()
    [[2.0, 1.0, 1.0, 3.0, 1.0, 3.0, 2.0, 0.693]]
    """
    values = items.values.reshape(len(items.values), -1).astype(np.float64)
    lengths = items.lengths
    firsts = np.cumsum(lengths) - lengths
    mean = np.add.reduceat(values, firsts) / lengths[:, None]
    spread = np.sqrt(np.add.reduceat((values - np.repeat(mean, lengths, 0)) ** 2, firsts) / lengths[:, None])
    change = np.abs(np.diff(values, axis=0, prepend=values[:1]))
    change[firsts] = 0.0
    parts = [
        mean,
        spread,
        np.minimum.reduceat(values, firsts),
        np.maximum.reduceat(values, firsts),
        values[firsts],
        values[firsts + lengths - 1],
        np.add.reduceat(change, firsts) / np.maximum(lengths - 1, 1)[:, None],
    ]
    N, D = mean.shape
    each = np.stack(parts, axis=2).reshape(N, D * len(SUMMARY))
    return np.hstack([each, np.log(lengths)[:, None]])
