r"""DBSCAN: clusters are where items lie close together, whatever their shape; what lies alone is noise.

.. math:: N(i) = \{ j : d(x_i, x_j) \leq \epsilon \}

.. math:: i \; is \; core: \quad \sum_{j \in N(i)} w_j \geq m

An item counts itself. Core items within :math:`\epsilon` of each other belong to one cluster, and so does whoever is
within :math:`\epsilon` of one of them; all others are noise, -1. The core parts do not depend on the order of the
items. An item that is not core and within reach of two clusters goes to the one that comes first, by the first core
item.

An item without weight is no core item, and counts as a new one. A new item goes where the item nearest to it went, if
a core item is within :math:`\epsilon`, else to noise.

**Use it** for clusters of any shape and like density, with outliers, when a distance that counts as near is known. It
takes no number of clusters. One radius for all: where densities differ, HDBSCAN does better. To choose it, sort the
distances to the m-th neighbour, and look for the knee. In many dimensions all distances are alike, and no radius tells
items apart.

Cost: N D times the items in the cells about each item (`peira.latent.dense_regions`), N^2 D at worst; memory N D.

Reference: Ester, Kriegel, Sander & Xu (1996), KDD-96, 226-231; Schubert et al. (2017), ACM Transactions on Database
Systems 42, article 19.
"""

import math
from typing import Any

import numpy as np
import torch

from ..core import Card, integer, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..numerics.distances import Metric
from .dense_regions import dense_regions, given_regions
from .graph_embedding import nearest
from .item_clusterer import DistanceClusterer
from .minimum_spanning_tree import mapped_rows


class DBSCAN(DistanceClusterer):
    """Density-based clustering with one radius.

    Attributes
    ----------
    labels_ : array of shape (N,)
        Clusters by their least core item, in the order of the columns; -1 for noise.
    core_sample_indices_ : int array of shape (C,)
    components_ : array of shape (C, D)
        The core items.
    rows_ : array of shape (N, D)
        All items.
    counted_ : bool array of shape (N,), or None
        Which of them have a positive weight; None if all have.

    Notes
    -----
    Of scikit-learn's parameters, ``algorithm``, ``leaf_size`` and ``n_jobs`` are missing (there is one way to search),
    and ``p`` stands in ``metric_params``. The clusters are scikit-learn's, their numbers do not depend on the order of
    the items; an item without weight is never core.

    Examples
    --------
    >>> from peira.latent import DBSCAN
    >>> DBSCAN(eps=1.5, min_samples=2).fit_predict([[0.0], [1.0], [2.0], [7.0], [8.0], [20.0]])
    array([ 0,  0,  0,  1,  1, -1])
    """

    card = Card(
        tasks="clustering",
        reference="Ester, Kriegel, Sander & Xu (1996)",
        cost="N D log N to N^2 D",
        exact=True,
        largest={"N": 100_000},
    )
    eps: float = param(
        0.5, "how near is near, in the unit of the metric", above=0, tune=log(0.05, 5.0), positional=True
    )
    min_samples: int = param(
        5, "how many items (or what weight) near an item, itself included, make it core", low=1, tune=integer(3, 15)
    )

    @classmethod
    def example(cls) -> "DBSCAN":
        return cls(2.0, min_samples=3)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "DBSCAN":
        """Find the dense regions.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the distances (N, N) if ``metric`` is "precomputed"
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, None, sample_weight)
        rows = data.X.cpu()
        metric = self._metric(rows)
        w = np.ones(len(rows)) if data.w is None else data.w.cpu().numpy()
        if metric is None:
            core, roots = given_regions(np.ascontiguousarray(rows.numpy()), self.eps, w, self.min_samples)
        else:
            A, s = mapped_rows(rows, metric)
            radius, limit = norm_within(self.eps * s**metric.power, metric, rows.shape[1])
            core, roots = dense_regions(A, radius, limit, metric.p, w, self.min_samples)
        self._keep(data, numbered_by_rows(roots, core, rows if metric else None))
        self.counted_ = None if bool((w > 0).all()) else data.give(torch.from_numpy(w > 0).to(data.device))
        kept = torch.from_numpy(np.flatnonzero(core)).to(data.device)
        self.core_sample_indices_, self.components_ = data.give(kept), data.give(data.X[kept].clone())
        return self

    def _assign(self, queries: Queries) -> torch.Tensor:
        rows, Q = torch.as_tensor(self.rows_).cpu(), queries.X.cpu()
        labels, metric = np.asarray(self.labels_), self._metric(rows)
        core = np.asarray(self.core_sample_indices_)
        if not len(core):
            return torch.full((len(Q),), -1, device=queries.device)
        items = np.arange(len(rows)) if self.counted_ is None else np.flatnonzero(np.asarray(self.counted_))
        among = (lambda at: Q[:, at]) if metric is None else (lambda at: Q)
        near = items[nearest(among(items), rows[items], 1, metric)[1][:, 0]]
        d = nearest(among(core), rows[core], 1, metric)[0][:, 0]
        return torch.from_numpy(np.where(d <= self.eps, labels[near], -1)).to(queries.device)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        core, rows = np.asarray(getattr(self, "core_sample_indices_", 0.0)), np.asarray(getattr(self, "components_", 0))
        N = len(np.asarray(self.labels_))
        counted = getattr(self, "counted_", 0)
        if counted is not None and (
            np.shape(counted) != (N,) or np.asarray(counted).dtype != bool or not np.any(counted)
        ):
            raise UnreadableError("counted_ of a stored DBSCAN must be a truth value for each item, or None")
        if core.ndim != 1 or core.dtype.kind != "i" or (core < 0).any() or (core >= N).any():
            raise UnreadableError("core_sample_indices_ of a stored DBSCAN must be positions of items")
        if (
            rows.shape != (len(core), self.n_features_in_)
            or rows.dtype != np.float64
            or not np.array_equal(rows, np.asarray(self.rows_)[core])
        ):
            raise UnreadableError("components_ of a stored DBSCAN must be the rows of the core items")


def norm_within(eps: float, metric: Metric, D: int) -> tuple[float, float]:
    """The norm that belongs to a distance, and the same as it is measured: squared for p = 2."""
    if metric.p == 2 and metric.power == 1:
        return eps, _largest_square(eps)
    if metric.p == 2:
        square = eps if metric.power == 2 else 2 * eps
        return math.sqrt(square), square
    norm = eps * D if metric.p == 0 else eps
    return norm, norm


def _largest_square(radius: float) -> float:
    """The largest square whose root is no more than the radius, so that rounding moves no item across the edge."""
    square = radius * radius
    while math.sqrt(square) > radius:
        square = math.nextafter(square, 0.0)
    while math.sqrt(math.nextafter(square, math.inf)) <= radius:
        square = math.nextafter(square, math.inf)
    return square


def numbered_by_rows(roots: np.ndarray, core: np.ndarray, rows: torch.Tensor | None) -> np.ndarray:
    """Clusters numbered by their least core item, the columns compared from the first on; -1 stays.

    So the numbers do not depend on the order of the items. Without rows, they are those of the first core item.
    """
    items = np.flatnonzero(core)
    if rows is not None:
        items = items[np.lexsort(rows.numpy()[items].T[::-1])]
    names, first = np.unique(roots[items], return_index=True)
    number = np.empty(len(names) + 1, dtype=np.int64)
    number[:-1][np.argsort(first)] = np.arange(len(names))
    number[-1] = -1
    return number[np.where(roots < 0, -1, np.searchsorted(names, roots))]
