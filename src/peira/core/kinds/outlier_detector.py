r"""Outlier detectors: which items are unlike the others?

A detector gives each item a score of how usual it is, higher being more usual, and an offset: items below it are
called outliers, -1, and the others inliers, +1.

Scores of different detectors have different units. Their ranks among the N items of the experience have not:

.. math:: p(x) = \frac{1 + \#\{ n : s(x_n) \leq s(x) \}}{N + 1}

is the chance that an item of the same kind as those is at most as usual as x. For new items like the old ones it is
uniform, up to the steps of 1 / (N + 1), whatever the detector measures: what is below 0.01 is so one time in a hundred
(Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, 2.2). That holds as far as the detector did not
adapt to the very items that it was fitted to; methods of neighbours leave each item out when they score it.
"""

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import OutlierMixin

from ...numerics.quantiles import quantile
from ..errors import DataError, UnreadableError
from ..inputs import Queries
from ..method import Method

FINE = 256  # p-values are right to one part in so many, and never too small


class OutlierDetector(OutlierMixin, Method):
    """Base of the methods that tell unusual items from usual ones.

    A subclass writes ``fit``, which ends with ``_settle``, and the private ``_usualness`` on tensors.

    Attributes
    ----------
    offset_ : float
        The score at which the decision changes.
    reference_ : dict
        Scores of the experience, for p-values: "scores" in ascending order (some of them, where there are many), and
        "below", the number of items below each of them, and in all.
    """

    offset_: float
    reference_: dict[str, np.ndarray]

    @abstractmethod
    def _usualness(self, queries: Queries) -> torch.Tensor:
        """A score for each item, of shape (N,): the higher, the more usual."""

    def score_samples(self, X: Any) -> Any:
        """How usual each item is, of shape (N,); higher is more usual, in the method's own unit."""
        queries = self._queries(X)
        return queries.give(self._usualness(queries))

    def decision_function(self, X: Any) -> Any:
        """``score_samples`` less the offset, of shape (N,): negative for outliers."""
        queries = self._queries(X)
        return queries.give(self._usualness(queries) - self.offset_)

    def p_value(self, X: Any) -> Any:
        """The share of the experience that is at most as usual as each item, counting the item itself.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N,)
            Above 0 and at most 1: small for outliers. Beyond a few hundred items, right to one part in 256, and
            rounded up.
        """
        queries = self._queries(X)
        scores, below = (queries.tensor(self.reference_[name]) for name in ("scores", "below"))
        place = torch.searchsorted(scores, self._usualness(queries).contiguous(), right=True)
        return queries.give((1 + below[place]) / (1 + below[-1]))

    def predict(self, X: Any) -> Any:
        """+1 for each inlier and -1 for each outlier.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        int array or tensor of shape (N,)

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, or a value is not finite.
        """
        queries = self._queries(X)
        usual = self._usualness(queries) >= self.offset_
        return queries.give(torch.where(usual, 1, -1))

    # ------------------------------------------------------------------ for the subclass

    def _settle(
        self, scores: torch.Tensor, w: torch.Tensor | None = None, *, contamination: Any = "auto", auto: float = 0.0
    ) -> None:
        """Keep what decisions and p-values need from the scores (N,) of the experience, and its weights.

        The offset is ``auto`` if ``contamination`` is "auto", else the quantile of that share of the scores.
        """
        if not bool(scores.isfinite().all()):
            row = int((~scores.isfinite()).nonzero()[0])
            raise DataError(
                f"the score of row {row} under {type(self).__name__} is not finite: its numbers are too large or too "
                "small to be multiplied; rescale the columns, and fit again"
            )
        self.offset_ = float(auto) if contamination == "auto" else quantile(scores, float(contamination), w)
        self.reference_ = _thinned(scores.numpy(force=True), None if w is None else w.numpy(force=True))

    # ------------------------------------------------------------------ loading

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name, offset, kept = type(self).__name__, getattr(self, "offset_", None), getattr(self, "reference_", None)
        if not isinstance(offset, float) or not math.isfinite(offset):
            raise UnreadableError(f"offset_ of a stored {name} must be a finite number")
        if not (isinstance(kept, dict) and kept.keys() == {"scores", "below"}) or not _is_reference(**kept):
            raise UnreadableError(f"reference_ of a stored {name} must be rising scores and the items below each")

    def _check_answers(self) -> None:
        answer = np.asarray(self.decision_function(np.zeros((1, self.n_features_in_))))
        if answer.shape != (1,) or not np.isfinite(answer).all():
            raise UnreadableError(f"this {type(self).__name__} does not answer one row with one finite score")


def _thinned(scores: np.ndarray, w: np.ndarray | None) -> dict[str, np.ndarray]:
    """Different scores in order and the weight below each and in all; where there are many, enough for `FINE` steps.

    The first and the last of each level stay. Items between them are counted up to the last: never too few, and too
    many by less than one part in `FINE`.
    """
    w = np.ones(len(scores)) if w is None else w
    values, place = np.unique(scores[w > 0], return_inverse=True)
    ends = np.cumsum(np.bincount(place, weights=w[w > 0]))
    below = np.append(0.0, ends)
    rank = below[:-1] + 1
    level = np.floor(FINE * np.log((rank / FINE).clip(min=1)))  # ranks of the same level are too near to tell apart
    kept = (rank <= FINE) | (np.diff(level, prepend=-1) > 0) | (np.diff(level, append=np.inf) > 0)
    return {"scores": values[kept], "below": np.append(below[:-1][kept], below[-1])}


def _is_reference(scores: Any, below: Any) -> bool:
    if not all(isinstance(v, np.ndarray) and v.ndim == 1 and v.dtype == np.float64 for v in (scores, below)):
        return False
    sound = len(scores) > 0 and len(below) == len(scores) + 1 and bool(np.isfinite([*scores, *below]).all())
    return sound and below[0] >= 0 and bool((np.diff(scores) > 0).all() and (np.diff(below) > 0).all())
