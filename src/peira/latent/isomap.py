r"""Isomap: distances along the manifold, and the flat map that keeps them.

On a graph that joins each item with its k nearest, with edges as long as the distances, the length of the shortest
path stands for the geodesic distance on the manifold; classical scaling turns these lengths into coordinates:

.. math:: G_{ij} = \min_{paths} \sum_{edges} | x_a - x_b |, \qquad B = -\frac{1}{2} J G^2 J = V \Lambda V^T

.. math:: Y = V_K \Lambda_K^{1/2}

**Assumes** a manifold that can be laid flat without stretching, without holes, densely sampled: then G tends to the
geodesic distances as N grows. A new item goes by way of its k nearest known ones, and is placed as in classical
scaling.

**How many neighbours**: few enough that no edge leaves the manifold (a short circuit ruins all distances), enough that
the graph holds together. If it falls into parts, a warning says so, and each pair of parts is joined by the edge
between its two nearest items: then distances between parts are straight lines.

Cost: the neighbours, N^2 (k + log N) for the paths, N^2 K for the coordinates. Memory: some N^2.

Reference: Tenenbaum, de Silva & Langford (2000), Science 290, 2319-2323; Bernstein et al. (2000), Graph approximations
to geodesics on embedded manifolds; Bengio et al. (2004), eq. 12, for new items.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import shortest_path

from ..core import Card, DataError, UnreadableError, integer, param
from ..core.inputs import Queries
from ..numerics.distances import Metric, distances
from .classical_scaling import classical_scaling, place
from .embedding import Embedding
from .graph_embedding import nearest, neighbour_graph, parts_of, warn_of_parts


class Isomap(Embedding):
    """Isomap: classical scaling of distances along the graph of neighbours.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
    dist_matrix_ : array of shape (N, N)
        Geodesic distances.
    eigenvalues_ : array of shape (K,)
        Of B, falling.
    n_parts_ : int
        Connected parts of the graph before they were joined; 1 is as it should be.
    rows_ : array of shape (N, D)

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import Isomap
    >>> t = np.linspace(0, np.pi, 50)  # half a circle, of length pi
    >>> y = Isomap(n_neighbors=2, n_components=1).fit_transform(np.column_stack([np.cos(t), np.sin(t)]))
    >>> round(float(np.ptp(y)), 2)
    3.14
    """

    card = Card(
        tasks="reduction", reference="Tenenbaum, de Silva & Langford (2000)", cost="N^2 (D + K + log N)", exact=True,
        largest={"N": 5_000},
    )  # fmt: skip
    n_neighbors: int = param(
        5, "neighbours k that each item is joined with; all others where fewer", low=1, tune=integer(5, 30)
    )
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3))
    metric: str = param("euclidean", "distance between rows, by name, or 'precomputed' if X holds distances")

    @classmethod
    def example(cls) -> "Isomap":
        return cls(n_neighbors=10)

    def fit(self, X: Any, y: Any = None) -> "Isomap":
        """Find the shortest paths, and lay the items out.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            With metric="precomputed" the distances (N, N).
        y : ignored

        Raises
        ------
        ValueError
            For a single item, or fewer items than coordinates.

        Warns
        -----
        DisconnectedGraphWarning
            If the graph falls into parts.
        """
        data = self._begin(X)
        by = self._metric()
        if by is None:
            self._check_distances(data)
        W = neighbour_graph(data.X, self.n_neighbors, by, mode="distance")
        if self.n_components > len(data):
            raise DataError(f"n_components = {self.n_components} is more than n_samples = {len(data)}: lower it")
        self.n_parts_, part = parts_of(W)
        if self.n_parts_ > 1:
            warn_of_parts(type(self).__name__, part, "They were joined by straight lines between the nearest items.")
            W = joined(W, data.X, part, by)
        # Each edge stands in W both ways; paths there and back may round differently.
        G = torch.from_numpy(shortest_path(W, method="D"))
        G = torch.minimum(G, G.T)
        Y, values, _, square = classical_scaling(G.square(), self.n_components)
        self.embedding_, self.eigenvalues_, self.dist_matrix_ = data.give(Y), values, data.give(G)
        self.left_ = max(square - float((values * values).sum()), 0.0)
        self.rows_ = data.give(data.X.clone())
        return self

    def reconstruction_error(self) -> float:
        """The root of the squares of B that the coordinates leave, over N."""
        return math.sqrt(self.left_) / len(self.embedding_)

    def _place(self, queries: Queries) -> torch.Tensor:
        d, near = nearest(queries.X, queries.tensor(self.rows_), self.n_neighbors, self._metric())
        G = queries.tensor(self.dist_matrix_)
        s = torch.full((len(queries), len(G)), torch.inf, dtype=queries.dtype)
        for k in range(near.shape[1]):
            s = torch.minimum(s, torch.from_numpy(d[:, k, None]) + G[torch.from_numpy(near[:, k])])
        Y, values = queries.tensor(self.embedding_), queries.tensor(self.eigenvalues_)
        return place(s.square(), Y, values, G.square().mean(0))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            N, K = np.shape(self.embedding_)
            self._check_arrays(dist_matrix_=(N, N), eigenvalues_=(K,))
            if type(self.left_) is not float or not 0 <= self.left_ < math.inf:
                raise UnreadableError(f"left_ of a stored Isomap is {self.left_!r}, not a sum of squares")


def joined(W: sparse.csr_array, X: torch.Tensor, part: np.ndarray, by: Metric | None) -> sparse.csr_array:
    """The graph with the edge between the two nearest items of each pair of parts."""
    members = [np.flatnonzero(part == c) for c in range(part.max() + 1)]
    old = W.tocoo()
    row, column, length = [old.row], [old.col], [old.data]
    for a, first in enumerate(members):
        for second in members[:a]:
            S = X[first][:, second] if by is None else distances(X[first], X[second], by)
            i, j = np.unravel_index(int(S.argmin()), S.shape)
            row.append([first[i], second[j]])
            column.append([second[j], first[i]])
            length.append([float(S[i, j])] * 2)
    ends = np.concatenate(row), np.concatenate(column)
    return sparse.coo_array((np.concatenate(length), ends), shape=W.shape).tocsr()
