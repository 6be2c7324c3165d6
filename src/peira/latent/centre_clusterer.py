"""Clusters that have a centre: new items go to the nearest, and distances to the centres are a representation."""

from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core import InductiveClusterer, Transformer
from ..core.errors import UnreadableError
from ..core.inputs import Matrix, Queries
from ..numerics.distances import distances, metric
from .k_means import assign


class CentreClusterer(InductiveClusterer, Transformer):
    """Base of the clusterers around centres, which Euclid's distance measures unless a subclass says otherwise.

    A subclass writes ``fit``, which sets ``cluster_centers_`` (K, D) and ``labels_``.
    """

    cluster_centers_: Any

    def transform(self, X: Any) -> Any:
        """The distance of each item to each centre.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, K)
        """
        queries = self._queries(X)
        return queries.give(self._to_centres(queries))

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the distances: the class and the number of the cluster."""
        return np.array([f"{type(self).__name__.lower()}{k}" for k in range(len(self.cluster_centers_))], dtype=object)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus what the method minimises, for these items and the centres learned: higher is better.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
        """
        queries = self._queries(X)
        cost = self._costs(queries)
        return -float(cost.sum() if sample_weight is None else queries.tensor(sample_weight) @ cost)

    def plot(self, X: Any, ax: Any = None) -> Any:
        """Items and centres in the plane, by cluster; see `peira.latent.cluster_plot.plot_clusters`."""
        from .cluster_plot import plot_clusters

        return plot_clusters(X, self.predict(X), centres=self.cluster_centers_, ax=ax)

    def _to_centres(self, queries: Queries) -> torch.Tensor:
        return distances(queries.X, like(queries.X, queries.tensor(self.cluster_centers_)), metric("euclidean"))

    def _costs(self, queries: Queries) -> torch.Tensor:
        """What each item adds to the objective, of shape (N,)."""
        return self._to_centres(queries).amin(1).square()

    def _assign(self, queries: Queries) -> torch.Tensor:
        return assign(queries.X, queries.tensor(self.cluster_centers_))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            C, labels = np.asarray(self.cluster_centers_), np.asarray(self.labels_)
            if C.ndim != 2 or not len(C) or C.shape[1] != self.n_features_in_ or C.dtype.kind != "f":
                raise UnreadableError(f"{type(self).__name__}.cluster_centers_ has shape {C.shape}, not (K, D)")
            if not np.isfinite(C).all() or (labels >= len(C)).any():
                raise UnreadableError(f"{type(self).__name__} has {len(C)} finite centres, and labels beyond them")


def like(X: Matrix, C: torch.Tensor) -> Matrix:
    """Centres in the form of the rows, sparse or dense."""
    return sparse.csr_array(C.numpy(force=True)) if sparse.issparse(X) else C
