"""What the clusterers of items by their distances share: the metric, and the rule for new items.

A new item belongs to the cluster of the item that is nearest to it, or to none with it.
"""

from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import DataError, InductiveClusterer, ParameterError, UnreadableError, param
from ..core.inputs import Data, Queries
from ..numerics.distances import Metric, metric
from ..numerics.moments import Moments
from .graph_embedding import nearest


class ItemClusterer(InductiveClusterer):
    """Base of the clusterers that know clusters by their items.

    Attributes
    ----------
    labels_ : array of shape (N,)
    rows_ : array of shape (N, D)
        The items; distances or similarities where these were given.
    """

    rows_: Any

    def _keep(self, data: Data, labels: np.ndarray) -> None:
        self.labels_ = data.give(torch.from_numpy(labels).to(data.device))
        self.rows_ = data.give(data.X.clone())

    def _nearest(self, queries: Queries) -> np.ndarray:
        """The item (M,) nearest to each query, in Euclid's distance."""
        return nearest(queries.X.cpu(), torch.as_tensor(self.rows_).cpu(), 1)[1][:, 0]

    def _assign(self, queries: Queries) -> torch.Tensor:
        return torch.from_numpy(np.asarray(self.labels_)[self._nearest(queries)]).to(queries.device)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name = type(self).__name__
        labels, rows = np.asarray(getattr(self, "labels_", 0)), np.asarray(getattr(self, "rows_", 0))
        if rows.shape != (len(labels), self.n_features_in_) or rows.dtype != np.float64 or not np.isfinite(rows).all():
            raise UnreadableError(f"rows_ of a stored {name} must be a row of finite numbers for each item")
        found = np.unique(labels[labels >= 0])
        if not np.array_equal(found, np.arange(len(found))):
            raise UnreadableError(f"labels_ of a stored {name} must use each number from 0 on")


class DistanceClusterer(ItemClusterer):
    """Base of the clusterers that know their items by distances."""

    metric: Literal[
        "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev", "minkowski", "cosine",
        "correlation", "mahalanobis", "hamming", "precomputed",
    ] = param("euclidean", "the distance; 'precomputed': X holds the distances (N, N) themselves")  # fmt: skip
    metric_params: dict | None = param(
        None,
        "for 'minkowski' its norm p; for 'mahalanobis' V or VI, without which it is the covariance of the rows",
    )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    def _nearest(self, queries: Queries) -> np.ndarray:
        """The item (M,) nearest to each query."""
        rows = torch.as_tensor(self.rows_).cpu()
        return nearest(queries.X.cpu(), rows, 1, self._metric(rows))[1][:, 0]

    def _metric(self, X: torch.Tensor) -> Metric | None:
        """The metric; None, after a look at them, for distances that are given.

        Raises
        ------
        ParameterError, DataError
            If the metric's own parameters do not suit it, or X is no matrix of distances.
        """
        given = dict(self.metric_params or {})
        if unknown := given.keys() - {"V", "VI", "p"}:
            raise ParameterError(f"metric_params knows V, VI and p, got {sorted(unknown)[0]!r}")
        if self.metric == "precomputed":
            _require_distances(X, type(self).__name__)
            return None
        if self.metric == "mahalanobis" and not given:
            m = Moments.of(X, X[:, :0], None)
            if len(X) < 2:
                raise DataError("the covariance of one row is unknown: give metric_params={'V': ...}")
            given["V"] = m.xx / (m.weight - 1)
        for key in given.keys() & {"V", "VI"}:
            if np.shape(given[key]) != (X.shape[1],) * 2:
                raise DataError(f"metric_params[{key!r}] must have shape {(X.shape[1],) * 2}")
        return metric(self.metric, **given)


def _require_distances(S: torch.Tensor, owner: str) -> None:
    if S.shape[0] != S.shape[1]:
        raise DataError(
            f"{owner} with metric='precomputed' expects the distances between all pairs of items, a square matrix; "
            f"got shape {tuple(S.shape)}"
        )
    if float(S.min()) < 0:
        i, j = (int(v) for v in (S < 0).nonzero()[0])
        raise DataError(f"distances cannot be negative: that from item {i} to item {j} is {float(S[i, j]):.6g}")
    if not torch.allclose(S, S.T, rtol=1e-9, atol=1e-12 * float(S.max())):
        i, j = (int(v) for v in ((S - S.T).abs() == (S - S.T).abs().max()).nonzero()[0])
        raise DataError(
            f"distances must be symmetric: from item {i} to item {j} it is {float(S[i, j]):.6g}, back "
            f"{float(S[j, i]):.6g}"
        )
    if float(S.diagonal().max()) > 0:
        i = int(S.diagonal().argmax())
        raise DataError(f"the distance of item {i} to itself is {float(S[i, i]):.6g}, and must be 0")


def numbered(roots: np.ndarray) -> np.ndarray:
    """Cluster numbers 0, 1, ... in the order in which the clusters first appear; -1 stays -1."""
    names, first, codes = np.unique(roots, return_index=True, return_inverse=True)
    noise = int(len(names) > 0 and names[0] == -1)
    rank = np.empty(len(names), dtype=np.int64)
    rank[noise:][np.argsort(first[noise:], kind="stable")] = np.arange(len(names) - noise)
    rank[:noise] = -1
    return rank[codes]
