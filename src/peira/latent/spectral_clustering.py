r"""Spectral clustering: cut a graph of similar items where few edges must be cut.

With the similarities W (N, N) and the weight of a set's edges, :math:`vol(C) = \sum_{i \in C} \sum_j W_{ij}`, the cut

.. math:: \min_{C_1, ..., C_K} \; \sum_k \frac{\sum_{i \in C_k, j \notin C_k} W_{ij}}{vol(C_k)}

is hard to find. Let the indicators of the clusters be any numbers, and the answer is the lowest eigenvectors of the
normalised Laplacian (`peira.latent.graph_embedding`): coordinates in which a cluster is a spot, whatever its shape
among the columns. The spots are then told apart, by k-means, or without chance by a rotation (`assign_labels`).

Similarities: :math:`W_{ij} = \exp(-\gamma \| x_i - x_j \|^2)` ("rbf"), 1 for items that are among each other's k
nearest, 1/2 for those where that holds one way ("nearest_neighbors"), or given ones ("precomputed").

**Use it** for clusters of any shape that hang together, when their number is known. A few neighbours make a graph that
follows the shape, and keep it sparse. Bridges of noise and very different sizes mislead it. With "rbf" all depends on
gamma: bring the columns to one scale.

A new item goes to the cluster of the item nearest to it.

Cost: "nearest_neighbors" the search, and a sparse factorisation; otherwise N^2 D, 8 N^2 bytes, and an eigenproblem of
size N.

Reference: Shi & Malik (2000), IEEE Transactions on Pattern Analysis and Machine Intelligence 22, 888-905; Ng, Jordan &
Weiss (2002), NIPS 14, 849-856; von Luxburg (2007), Statistics and Computing 17, 395-416.
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import Tags

from ..core import Card, DataError, choice, integer, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.distances import distances, metric
from ..numerics.symmetric_eigen import leading_eigenvectors
from .graph_embedding import nearest_others, spectral_embedding
from .item_clusterer import ItemClusterer, numbered
from .k_means import k_means
from .spectral_rounding import by_pivots, by_rotation

SPARSE = 0.1  # share of edges, below which a graph that is given is worth a sparse factorisation


class SpectralClustering(ItemClusterer):
    """Clusters of a graph, from its smoothest coordinates.

    Attributes
    ----------
    labels_ : array of shape (N,)
        Clusters by first appearance.
    affinity_matrix_ : array of shape (N, N), or dict
        The similarities; for a sparse graph the three arrays of a csr matrix.
    embedding_ : array of shape (N, n_components)
        The coordinates.
    rows_ : array of shape (N, D)
        The items.
    seed_ : int

    Notes
    -----
    Of scikit-learn's parameters, ``eigen_solver``, ``eigen_tol``, ``degree``, ``coef0``, ``kernel_params`` and
    ``n_jobs`` are missing, and so are kernels other than "rbf": give them as "precomputed".

    Examples
    --------
    >>> from peira.latent import SpectralClustering
    >>> X = [[0.0], [0.5], [1.0], [6.0], [6.5], [7.0]]
    >>> SpectralClustering(2, assign_labels="cluster_qr").fit(X).labels_
    array([0, 0, 0, 1, 1, 1])
    """

    card = Card(
        tasks="clustering",
        reference="Shi & Malik (2000); Ng, Jordan & Weiss (2002); von Luxburg (2007)",
        cost="N^3, or N D log N for a sparse graph",
        largest={"N": 5_000},
    )
    n_clusters: int = param(8, "number of clusters", low=1, tune=integer(2, 10), positional=True)
    n_components: int | None = param(None, "number of coordinates; None: n_clusters", low=1)
    random_state: int | np.random.RandomState | None = param(None, "seed of k-means")
    n_init: int = param(10, "starts of k-means, of which the best is kept", low=1)
    gamma: float = param(
        1.0, "how fast similarity falls with the squared distance ('rbf')", above=0, tune=log(1e-3, 1e2)
    )
    affinity: Literal["rbf", "nearest_neighbors", "precomputed"] = param(
        "rbf", "how similar items are; 'precomputed': X holds the similarities (N, N)",
        tune=choice("rbf", "nearest_neighbors"),
    )  # fmt: skip
    n_neighbors: int = param(10, "neighbours of an item, itself included ('nearest_neighbors')", low=2)
    assign_labels: Literal["kmeans", "discretize", "cluster_qr"] = param(
        "kmeans", "how the coordinates become clusters; the last two need no chance"
    )

    @classmethod
    def example(cls) -> "SpectralClustering":
        return cls(3, affinity="nearest_neighbors", n_neighbors=8, random_state=0)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.affinity == "precomputed"
        return tags

    def fit(self, X: Any, y: Any = None) -> "SpectralClustering":
        """Build the graph, and cut it.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the similarities (N, N) if ``affinity`` is "precomputed"
        y : ignored

        Raises
        ------
        ValueError
            If there are fewer items than clusters or coordinates, or given similarities are no such matrix.
        """
        data = self._begin(X)
        N, K = len(data), self.n_clusters
        L = K if self.n_components is None else self.n_components
        if max(K, L) > N:
            raise DataError(f"n_samples = {N} items cannot make n_clusters = {K} clusters of {L} coordinates")
        if self.assign_labels != "kmeans" and L != K:
            raise DataError(f"assign_labels='{self.assign_labels}' needs n_components = n_clusters = {K}, got {L}")
        W = self._similarities(data)
        U = spectral_embedding(W, L, drop_first=False) if sparse.issparse(W) else dense_embedding(W, L)
        if self.assign_labels == "kmeans":
            rows = torch.from_numpy(np.ascontiguousarray(U))
            generator = torch.Generator().manual_seed(self.seed_)
            codes = k_means(rows, K, generator=generator, n_init=self.n_init, owner=self).codes.numpy()
        else:
            codes = by_pivots(U) if self.assign_labels == "cluster_qr" else by_rotation(U)
        self._keep(data, numbered(codes))
        self.embedding_ = data.give(torch.from_numpy(np.ascontiguousarray(U)).to(data.device))
        if not isinstance(W, torch.Tensor):
            self.affinity_matrix_ = {"data": W.data, "indices": W.indices, "indptr": W.indptr}
        else:
            self.affinity_matrix_ = data.give(W.to(data.device))
        return self

    def _similarities(self, data: Data) -> torch.Tensor | sparse.csr_array:
        X = data.X.cpu()
        if self.affinity == "rbf":
            return distances(X, X, metric("sqeuclidean")).mul_(-self.gamma).exp_()
        if self.affinity == "nearest_neighbors":
            return neighbour_similarities(X, self.n_neighbors)
        if X.shape[0] != X.shape[1] or float(X.min()) < 0:
            raise DataError(
                f"affinity='precomputed' expects similarities >= 0 between all pairs of items, a square matrix; got "
                f"shape {tuple(X.shape)}, least value {float(X.min()):.6g}"
            )
        if not torch.allclose(X, X.T, rtol=1e-9, atol=1e-12 * float(X.max())):
            raise DataError("similarities must be symmetric: give (W + W.T) / 2")
        if float((X > 0).double().mean()) < SPARSE:
            return sparse.csr_array(X.numpy())
        return X.clone()

    def _nearest(self, queries: Queries) -> np.ndarray:
        if self.affinity == "precomputed":
            return queries.X.argmax(1).cpu().numpy()  # the most similar item
        return super()._nearest(queries)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        N, U, W = (
            len(np.asarray(self.labels_)),
            np.asarray(getattr(self, "embedding_", 0)),
            getattr(self, "affinity_matrix_", 0),
        )
        if type(getattr(self, "seed_", None)) is not int or self.seed_ < 0:
            raise UnreadableError("seed_ of a stored SpectralClustering must be a whole number >= 0")
        if U.ndim != 2 or len(U) != N or not np.isfinite(U).all():
            raise UnreadableError("embedding_ of a stored SpectralClustering must be finite, a row for each item")
        sizes = (len(W.get("data", ())), len(W.get("indptr", ()))) if isinstance(W, dict) else np.shape(W)
        values = np.asarray(W.get("data", -1.0) if isinstance(W, dict) else W)
        wanted = (len(W.get("indices", ())), N + 1) if isinstance(W, dict) else (N, N)
        if tuple(sizes) != wanted or values.dtype != np.float64 or not (values >= 0).all():
            raise UnreadableError("affinity_matrix_ of a stored SpectralClustering must be similarities of all pairs")


def neighbour_similarities(X: torch.Tensor, k: int) -> sparse.csr_array:
    """1 for items among each other's k nearest (themselves the first), 1/2 where that holds one way."""
    N = len(X)
    if N == 1:
        return sparse.csr_array(np.ones((1, 1)))
    _, near = nearest_others(X, min(k, N) - 1)
    width = near.shape[1]
    A = sparse.csr_array(
        (np.ones(N * width), near.ravel(), np.arange(0, N * width + 1, width)), shape=(N, N)
    ) + sparse.eye_array(N)
    return sparse.csr_array((A + A.T) / 2)


def dense_embedding(W: torch.Tensor, K: int) -> np.ndarray:
    r"""The K smoothest coordinates :math:`D^{-1/2} u` (N, K) of a graph with similarities W (N, N)."""
    d = W.sum(1)
    root = torch.where(d > 0, d, 1.0).sqrt()
    S = W / root[:, None] / root
    S.diagonal()[d == 0] = 1.0  # an item without edges is a part of its own
    return (leading_eigenvectors((S + S.T) / 2, K)[1] / root[:, None]).numpy()
