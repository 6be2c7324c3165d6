"""What the methods of nearest neighbours share: the rows that they keep, the search among them, and the votes."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import torch
from scipy import sparse

from ..core import DataError, Method, ParameterError, choice, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.distances import Metric, metric
from ..numerics.moments import Moments
from ..numerics.neighbours import Neighbours

_SPARSE = ("cosine", "euclidean", "sqeuclidean")
_INDEXES: "weakref.WeakKeyDictionary[NeighbourMethod, tuple[Any, Neighbours]]" = weakref.WeakKeyDictionary()
"""The index of each fitted method: made from what it learned when first asked, and no part of it."""


class NeighbourMethod(Method):
    """Base of the methods that predict from the k nearest training rows."""

    weights: Literal["uniform", "distance"] | Callable = param(
        "uniform",
        "votes: all alike, one over the distance, or a function of the distances",
        tune=choice("uniform", "distance"),
    )
    algorithm: Literal["auto", "brute", "kd_tree"] = param("auto", "how to search; all find the same")
    p: float = param(2.0, "the norm of the metric 'minkowski'", low=1, high=float("inf"))
    metric: Literal[
        "minkowski", "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev", "cosine",
        "correlation", "mahalanobis", "hamming",
    ] = param("minkowski", "the distance")  # fmt: skip
    metric_params: dict | None = param(
        None, "for 'mahalanobis': the covariance V or its inverse VI; without them, the covariance of the training rows"
    )

    @abstractmethod
    def _k(self) -> int:
        """How many neighbours answer, as a total weight."""

    def kneighbors(self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        """The nearest training rows of each row.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (M, D), optional
            Without it, the training rows, each of which then is not its own neighbour.
        n_neighbors : int, optional
            How many, whatever their weights; by default the parameter's number.
        return_distance : bool, default True

        Returns
        -------
        distances : array or tensor of shape (M, k)
            In ascending order; left out if ``return_distance`` is False.
        indices : array or tensor of shape (M, k)
            Positions among the training rows of positive weight, by index where distances are equal.

        Raises
        ------
        ValueError
            If there are fewer rows than neighbours, or a distance is beyond the range of numbers.
        """
        k = self._k() if n_neighbors is None else n_neighbors
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
            raise ParameterError(f"n_neighbors must be a whole number >= 1, got {k!r}")
        own = X is None
        queries = self._training() if own else self._queries(X)
        self._require_rows(k + own, f"kneighbors of the training rows needs one more: {k} + 1" if own else f"{k}")
        d, near = self._search(queries, k + own)
        if own:
            d, near = without_self(d, near)
        return (queries.give(d), queries.give(near)) if return_distance else queries.give(near)

    # ------------------------------------------------------------------ what is kept

    def _keep(self, data: Data) -> torch.Tensor:
        """Keep the rows of positive weight, after those of before; their positions in the data."""
        name = self._metric_name()
        if sparse.issparse(data.X) and name not in _SPARSE:
            raise DataError(f"sparse rows take the metrics {', '.join(_SPARSE)}, not {name!r}; or use X.toarray()")
        if self.algorithm == "kd_tree" and (sparse.issparse(data.X) or name == "hamming"):
            raise ParameterError("algorithm='kd_tree' takes dense rows and a norm; use 'brute' or 'auto'")
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        kept = (w > 0).nonzero()[:, 0]
        X, w = _copied(data.X, kept), w[kept]
        if "rows_" in vars(self):
            X = _stacked(self._training().X, X)
            before = torch.ones(self.n_samples_fit_) if self.row_weights_ is None else self.row_weights_
            w = torch.cat([data.tensor(before), w])
        self.row_weights_ = None if bool((w == 1).all()) else data.give(w)
        self.rows_ = {"data": X.data, "indices": X.indices, "indptr": X.indptr} if sparse.issparse(X) else data.give(X)
        self.n_samples_fit_, self.effective_metric_ = int(X.shape[0]), name
        return kept

    def _training(self) -> Queries:
        """The rows kept, as queries."""
        if not self.__sklearn_is_fitted__():
            return self._queries(np.zeros((1, 1)))  # says so
        if isinstance(self.rows_, dict):
            parts = (self.rows_["data"], self.rows_["indices"], self.rows_["indptr"])
            X = sparse.csr_array(parts, shape=(self.n_samples_fit_, self.n_features_in_))
            return Queries(X, True, torch.device("cpu"))
        X = torch.as_tensor(self.rows_)
        return Queries(X, isinstance(self.rows_, np.ndarray), X.device)

    def _metric_name(self) -> str:
        """The metric as scikit-learn calls it in ``effective_metric_``: Minkowski's by the name of its norm."""
        special = {1.0: "manhattan", 2.0: "euclidean", float("inf"): "chebyshev"}
        name = {"l1": "manhattan", "cityblock": "manhattan", "l2": "euclidean"}.get(self.metric, self.metric)
        return special.get(float(self.p), name) if name == "minkowski" else name

    def _metric(self, rows: torch.Tensor) -> Metric:
        given = dict(self.metric_params or {})
        if unknown := given.keys() - {"V", "VI", "p"}:
            raise ParameterError(f"metric_params knows V, VI and p, got {sorted(unknown)[0]!r}")
        if self.effective_metric_ == "mahalanobis" and not given:
            w = None if self.row_weights_ is None else torch.as_tensor(self.row_weights_)
            m = Moments.of(rows, rows[:, :0], w)
            if m.weight <= 1:
                raise DataError("the covariance of one row is unknown: give metric_params={'V': ...}")
            given["V"] = m.xx / (m.weight - 1)
        for key in given.keys() & {"V", "VI"}:
            if np.shape(given[key]) != (rows.shape[1],) * 2:
                raise DataError(f"metric_params[{key!r}] must have shape {(rows.shape[1],) * 2}")
        return metric(self.effective_metric_, **({"p": self.p} | given))

    def _ready(self) -> Self:
        """Find now what would stop an answer later: too few rows, or a metric that these rows do not allow."""
        self._require_rows(self._k(), f"{self._k()}")
        self._index()
        return self

    # ------------------------------------------------------------------ what is asked

    def _index(self) -> Neighbours:
        """The rows ready to be searched; made anew whenever they or the way to search are not those of before."""
        key = (self.rows_, self.row_weights_, self.algorithm, self.p, self.metric_params)
        made, index = _INDEXES.get(self, (None, None))
        if index is None or any(a is not b for a, b in zip(made, key, strict=True)):
            rows = self._training().X
            rows = rows if sparse.issparse(rows) else rows.cpu()
            index = Neighbours(rows, self._metric(rows), self.algorithm)
            _INDEXES[self] = (key, index)
        return index

    def _search(self, queries: Queries, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        X = queries.X
        if isinstance(self.rows_, dict):
            X = X if sparse.issparse(X) else sparse.csr_array(X.numpy(force=True))
        else:
            X = torch.from_numpy(X.toarray()) if sparse.issparse(X) else X.cpu()
        d, near = self._index().search(X, k)
        if not torch.isfinite(d.sum()) and not torch.isfinite(d).all():
            row = int((~torch.isfinite(d)).any(1).nonzero()[0])
            raise DataError(f"the distances of row {row} overflow: rescale the columns, and fit again")
        return d.to(queries.device), near.to(queries.device)

    def _votes(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        """The neighbours of each query, and how much each of them counts, both (M, k)."""
        k = self._k()
        self._require_rows(k, f"{k}")
        d, near, w = self._nearest_of_weight(queries, k)
        return near, self._cast(queries, d, taken(w, k))

    def _cast(self, queries: Queries, d: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Votes of neighbours at distances d (M, n) that count as so many rows."""
        if self.weights == "uniform":
            return share
        if self.weights == "distance":  # times the distance of the nearest, so that nothing overflows
            first = d[:, :1]
            return share * torch.where(first > 0, first / torch.where(d > 0, d, 1.0), (d == 0).to(d.dtype))
        votes = queries.tensor(self.weights(queries.give(d)))
        if votes.shape != d.shape or not (votes >= 0).all() or not votes.isfinite().all():
            raise ParameterError(f"the function 'weights' must give finite numbers >= 0 of shape {tuple(d.shape)}")
        if not ((votes * share).sum(1) > 0).all():
            raise ParameterError("the function 'weights' must give each query at least one neighbour that counts")
        return votes * share

    def _nearest_of_weight(
        self, queries: Queries, k: int, *, own: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As many nearest rows as weigh k or more, all (M, n): distances, positions, weights.

        With ``own`` the queries are the training rows, and each lacks one of itself: weights are counts.
        """
        N = self.n_samples_fit_
        wanted = min(k + own, N)
        while True:
            d, near = self._search(queries, wanted)
            w = torch.ones_like(d) if self.row_weights_ is None else queries.tensor(self.row_weights_)[near]
            if own:
                d, near, w = less_one_of_itself(d, near, w)
            if wanted == N or bool((w.sum(1) >= k).all()):
                return d, near, w
            wanted = min(2 * wanted, N)

    def _require_rows(self, k: int, words: str) -> None:
        n = self.n_samples_fit_
        if n < k and self.row_weights_ is None:
            raise DataError(
                f"Expected n_neighbors <= n_samples_fit, but n_neighbors = {words}, n_samples_fit = {n} (n_samples={n} "
                "rows that count): give more rows, or lower n_neighbors"
            )
        if self.row_weights_ is not None and (total := float(torch.as_tensor(self.row_weights_).sum())) < k * (
            1 - 1e-9
        ):
            raise DataError(
                f"n_neighbors = {words}, but n_samples_fit = {n} rows weigh {total:.6g} in all: a weight of one counts "
                "as one row; scale the weights, or lower n_neighbors"
            )

    # ------------------------------------------------------------------ loading

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name, N, D = type(self).__name__, getattr(self, "n_samples_fit_", None), self.n_features_in_
        rows, w = getattr(self, "rows_", None), getattr(self, "row_weights_", "")
        if type(N) is not int or N < 0 or getattr(self, "effective_metric_", None) != self._metric_name():
            raise UnreadableError(f"n_samples_fit_ or effective_metric_ of a stored {name} is not one")
        if isinstance(rows, dict):
            try:
                X = self._training().X
                X.check_format(full_check=True)
                sound = (
                    X.dtype == np.float64 and np.isfinite(X.data).all() and rows.keys() == {"data", "indices", "indptr"}
                )
            except (ValueError, TypeError, KeyError, AttributeError):
                sound = False
        else:
            sound = isinstance(rows, np.ndarray | torch.Tensor) and tuple(rows.shape) == (N, D)
            sound = sound and torch.as_tensor(rows).dtype == torch.float64 and torch.as_tensor(rows).isfinite().all()
        if not sound:
            raise UnreadableError(f"rows_ of a stored {name} must be {N} rows of {D} finite numbers")
        if w is not None:
            w = torch.as_tensor(w) if isinstance(w, np.ndarray | torch.Tensor) else torch.zeros(0)
            if w.shape != (N,) or w.dtype != torch.float64 or not w.isfinite().all() or not (w > 0).all():
                raise UnreadableError(f"row_weights_ of a stored {name} must be {N} numbers > 0, or None")


def taken(w: torch.Tensor, k: float) -> torch.Tensor:
    """How much of each weight (M, n) is taken, in order, until k is."""
    return torch.minimum(w, (k - (w.cumsum(1) - w)).clamp(min=0))


def itself(near: torch.Tensor) -> torch.Tensor:
    """Where the neighbours (N, n) of rows among themselves are the rows."""
    return near == torch.arange(len(near), device=near.device)[:, None]


def without_self(d: torch.Tensor, near: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbours of the rows among themselves (N, k + 1), less each row itself; less the last if it is not there."""
    own = itself(near)
    own[:, -1] |= ~own.any(1)
    return d[~own].reshape(len(d), -1), near[~own].reshape(len(d), -1)


def less_one_of_itself(d: torch.Tensor, near: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same with weights (N, n): one less of each row itself, which goes to the end if nothing is left of it."""
    own = itself(near)
    w = torch.where(own, (w - 1).clamp(min=0), w)
    d = torch.where(own & (w == 0), torch.inf, d)
    order = d.argsort(dim=1, stable=True)
    return d.gather(1, order), near.gather(1, order), w.gather(1, order)


def _copied(X: Any, kept: torch.Tensor) -> Any:
    """Some of the rows, in memory of their own: what is kept must not change with the caller's array."""
    if sparse.issparse(X):
        return sparse.csr_array(X[kept.numpy()])
    return X.clone() if len(kept) == len(X) else X[kept]


def _stacked(old: Any, new: Any) -> Any:
    """Rows below rows, in the form of the old ones."""
    if sparse.issparse(old):
        return sparse.csr_array(sparse.vstack([old, new if sparse.issparse(new) else sparse.csr_array(new.numpy())]))
    return (
        torch.cat([old.to(new.device), new])
        if torch.is_tensor(new)
        else torch.cat([old, torch.from_numpy(new.toarray())])
    )
