r"""Spherical k-means: clusters of directions.

For texts and other counts the length of a row says how much there is, and its direction says of what. With rows x of
length one, and centres c of length one,

.. math:: J = \sum_n w_n (1 - x_n^T c_{r_n}), \quad c_k = \sum_{r_n = k} w_n x_n \, / \, \| \sum_{r_n = k} w_n x_n \|

Since :math:`\| x - c \|^2 = 2 (1 - x^T c)` on the sphere, a step is one of k-means with the mean brought back to length
one, and all that makes k-means fast holds. It is the limit of EM for a mixture of von Mises-Fisher distributions of one
common, large concentration.

**A row of zeros** has no direction: it takes no part in the fit, is at distance 1 from every centre, and is counted to
cluster 0.

**Use it** for sparse counts, weighted words, and representations that are compared by their cosine. Not where lengths
matter.

Cost: T N K D at most, or K for each entry that is not zero. A sparse X stays sparse.

Reference: Dhillon & Modha (2001), Concept decompositions for large sparse text data, Machine Learning 42, 143-175;
Hornik, Feinerer, Kober & Buchta (2012), Journal of Statistical Software 50(10).
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, integer, param
from ..core.inputs import Matrix, Queries
from ..numerics.distances import distances, metric
from .centre_clusterer import CentreClusterer, like
from .k_means import assign, k_means
from .kmeans import first_centres


class SphericalKMeans(CentreClusterer):
    """k-means for directions: the cosine takes the place of distances.

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
        Of length one.
    labels_ : int array of shape (N,)
    inertia_ : float
        J: the weighted sum of one minus the cosines; rows of zeros add nothing.
    n_iter_ : int

    Examples
    --------
    >>> from peira.latent import SphericalKMeans
    >>> X = [[1.0, 0.0], [9.0, 1.0], [0.0, 2.0], [1.0, 8.0]]
    >>> labels = SphericalKMeans(2, random_state=0).fit_predict(X)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """

    card = Card(
        tasks="clustering", reference="Dhillon & Modha (2001); Hornik et al. (2012)", cost="T N K D", sparse=True
    )
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    init: Literal["k-means++", "random"] | np.ndarray | list | torch.Tensor = param(
        "k-means++", "first centres: rows spread out, rows at random, or directions (K, D)"
    )
    n_init: int = param(1, "starts, of which the best is kept", low=1)
    max_iter: int = param(300, "most steps of a run", low=1)
    tol: float = param(1e-4, "squared moves of the centres, over the mean variance of the columns, that end it", low=0)
    random_state: Any = param(None, "seed of the starts")

    @classmethod
    def example(cls) -> "SphericalKMeans":
        """Few clusters, for few rows."""
        return cls(3, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "SphericalKMeans":
        """Find the directions.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            For more clusters than rows that are not all zero.
        """
        data = self._begin(X, None, sample_weight)
        U, zero = directions(data.X)
        init = first_centres(self, data)
        if isinstance(init, torch.Tensor):
            init, none = directions(init)
            if bool(none.any()):
                raise DataError(f"row {int(none.nonzero()[0])} of init holds only zeros: it has no direction")
        w = data.w
        if bool(zero.any()):
            w = torch.where(zero, 0.0, data.tensor(np.ones(len(data))) if w is None else w)
            if not bool(w.any()):
                raise DataError("SphericalKMeans: every row of positive weight holds only zeros, and has no direction")
        found = k_means(
            U,
            self.n_clusters,
            w=w,
            generator=data.generator(),
            n_init=1 if isinstance(init, torch.Tensor) else self.n_init,
            init=init,
            max_iter=self.max_iter,
            tol=self.tol,
            onto=_to_sphere,
            owner=self,
        )
        self.cluster_centers_ = data.give(found.centres)
        self.labels_ = data.give(torch.where(zero, 0, found.codes))
        self.inertia_ = found.inertia / 2
        return self

    def _to_centres(self, queries: Queries) -> torch.Tensor:
        """One minus the cosine."""
        C = queries.tensor(self.cluster_centers_)
        return distances(queries.X, like(queries.X, C), metric("cosine"))

    def _costs(self, queries: Queries) -> torch.Tensor:
        return self._to_centres(queries).amin(1)

    def _assign(self, queries: Queries) -> torch.Tensor:
        U, zero = directions(queries.X)
        return torch.where(zero, 0, assign(U, queries.tensor(self.cluster_centers_)))


def directions(X: Matrix) -> tuple[Matrix, torch.Tensor]:
    """Rows of length one, and which rows were zero (they stay so)."""
    if sparse.issparse(X):
        largest = abs(X).max(1).toarray().ravel()
        zero = largest == 0
        X = sparse.csr_array(sparse.diags_array(1 / np.where(zero, 1.0, largest)) @ X)
        lengths = np.sqrt(np.asarray(X.multiply(X).sum(1), dtype=np.float64).ravel())
        return sparse.csr_array(sparse.diags_array(1 / np.where(zero, 1.0, lengths)) @ X), torch.from_numpy(zero)
    largest = X.abs().amax(1, keepdim=True)
    zero = largest == 0
    X = X / torch.where(zero, 1.0, largest)
    return X / torch.where(zero, 1.0, X.norm(dim=1, keepdim=True)), zero[:, 0]


def _to_sphere(C: np.ndarray) -> np.ndarray:
    """Means as directions; a mean of zero, of directions that cancel, stays where it is."""
    lengths = np.linalg.norm(C, axis=1, keepdims=True)
    return C / np.where(lengths > 1e-12, lengths, 1.0)
