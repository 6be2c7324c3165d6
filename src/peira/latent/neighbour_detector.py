"""What detectors by nearest neighbours share: the rows, the search among them, and which verbs answer when."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if

from ..core import DataError, OutlierDetector, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..linear.neighbourhoods import without_self
from ..numerics.distances import metric
from ..numerics.neighbours import Neighbours

_INDEXES: "weakref.WeakKeyDictionary[NeighbourDetector, tuple[Any, Neighbours]]" = weakref.WeakKeyDictionary()
"""The index of each fitted detector: made from its rows when first asked, and no part of what it learned."""


def _when(novelty: bool) -> Callable[[Any], bool]:
    def check(self: "NeighbourDetector") -> bool:
        if self.novelty != novelty:
            what = "new items are asked about: novelty=True" if novelty else "the experience is judged: novelty=False"
            raise AttributeError(f"{type(self).__name__} has this verb when {what}")
        return True

    return check


class NeighbourDetector(OutlierDetector):
    """Base of the detectors that look at the k nearest training rows.

    A training row is its own nearest, and a new item is not there: the two are judged in different ways, and so the
    verbs are kept apart. With ``novelty=False`` the experience itself is judged, each row without itself, by
    ``fit_predict``; with ``novelty=True`` new items are, by the other verbs.
    """

    algorithm: Literal["auto", "brute", "kd_tree"] = param("auto", "how to search; all find the same")
    metric: Literal[
        "minkowski", "euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "cosine", "correlation"
    ] = param("minkowski", "the distance")
    p: float = param(2.0, "the norm of the metric 'minkowski'", low=1, high=float("inf"))
    n_neighbors: int = param(20, "how many neighbours", low=1, positional=True)
    novelty: bool = param(False, "judge new items, and not the training rows")

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Keep the rows, and judge each by the others."""

    @abstractmethod
    def _scores_of_experience(self) -> torch.Tensor:
        """How usual each training row is among the others, (N,)."""

    @available_if(_when(novelty=False))
    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """Fit, and call each training row an inlier, +1, or an outlier, -1; each is judged by the other rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Returns
        -------
        int array or tensor of shape (N,)
        """
        usual = self.fit(X)._scores_of_experience() >= self.offset_
        queries = self._training()
        return queries.give(torch.where(usual, 1, -1))

    @available_if(_when(novelty=True))
    def predict(self, X: Any) -> Any:
        """+1 for each new item that is an inlier, -1 for each outlier, of shape (N,)."""
        return super().predict(X)

    @available_if(_when(novelty=True))
    def decision_function(self, X: Any) -> Any:
        """``score_samples`` less the offset, of shape (N,): negative for outliers."""
        return super().decision_function(X)

    @available_if(_when(novelty=True))
    def score_samples(self, X: Any) -> Any:
        """How usual each new item is, of shape (N,); higher is more usual."""
        return super().score_samples(X)

    @available_if(_when(novelty=True))
    def p_value(self, X: Any) -> Any:
        """The share of the training rows, each judged by the others, that is at most as usual as each new item."""
        return super().p_value(X)

    # ------------------------------------------------------------------ rows and search

    def _keep(self, data: Data, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep the rows; distances and positions of the nearest others of each, as many as wanted, or there are."""
        N, k = len(data), self.n_neighbors
        if k >= N:
            raise DataError(
                f"n_neighbors={k} of {type(self).__name__} needs {k + 1} rows, so that each has so many others; "
                f"got n_samples={N}{' (1 sample)' if N == 1 else ''}: lower n_neighbors, or give more rows"
            )
        self.rows_, self.n_samples_fit_ = data.give(data.X.clone()), N
        d, near = self._search(data, min(wanted + 1, N))
        if bool((near[:, 0] == torch.arange(N, device=near.device)).all()):  # no row equals another one
            return d[:, 1:].contiguous(), near[:, 1:].contiguous()
        return without_self(d, near)

    def _training(self) -> Queries:
        X = torch.as_tensor(self.rows_)
        return Queries(X, isinstance(self.rows_, np.ndarray), X.device)

    def _search(self, queries: Queries, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances and positions of the k nearest training rows, (M, k)."""
        rows, index = _INDEXES.get(self, (None, None))
        if index is None or rows is not self.rows_:
            index = Neighbours(self._training().X.cpu(), metric(self.metric, p=self.p), self.algorithm)
            _INDEXES[self] = (self.rows_, index)
        d, near = index.search(queries.X.cpu(), k)
        if not bool(d.isfinite().all()):
            row = int((~d.isfinite()).any(1).nonzero()[0])
            raise DataError(f"the distances of row {row} overflow: rescale the columns, and fit again")
        return d.to(queries.device), near.to(queries.device)

    # ------------------------------------------------------------------ loading

    def _numbers(self, *names: str) -> None:
        """Refuse learned values that are not one number >= 0 for each training row."""
        for name in names:
            value = getattr(self, name, None)
            value = torch.as_tensor(value) if isinstance(value, np.ndarray | torch.Tensor) else torch.zeros(0, 0)
            if value.shape != (self.n_samples_fit_,) or value.dtype != torch.float64 or not (value >= 0).all():
                raise UnreadableError(f"{name} of a stored {type(self).__name__} must be a number >= 0 for each row")

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name, N, rows = type(self).__name__, getattr(self, "n_samples_fit_", None), getattr(self, "rows_", None)
        if type(N) is not int or self.n_neighbors >= N:
            raise UnreadableError(f"n_samples_fit_ of a stored {name} must be above n_neighbors={self.n_neighbors}")
        rows = torch.as_tensor(rows) if isinstance(rows, np.ndarray | torch.Tensor) else torch.zeros(0)
        if rows.shape != (N, self.n_features_in_) or rows.dtype != torch.float64 or not rows.isfinite().all():
            raise UnreadableError(f"rows_ of a stored {name} must be {N} rows of {self.n_features_in_} finite numbers")

    def _check_answers(self) -> None:
        if self.novelty:
            super()._check_answers()
