r"""Items as a graph of neighbours, and the smoothest coordinates on it.

With W the symmetric weights of the edges (N, N), d the sums of its rows and L the normalised Laplacian,

.. math:: L = I - D^{-1/2} W D^{-1/2}, \qquad D = diag(d)

.. math:: \min \sum_{i,j} W_{ij} ( y_i - y_j )^2, \quad \sum_i d_i y_i^2 = 1, \quad \sum_i d_i y_i = 0

has the answer :math:`y = D^{-1/2} u` for the lowest eigenvectors u of L: neighbours lie together, and nothing else
counts. The constant is left out by the last condition. A graph that falls into C parts has C null vectors, one for
each part; they come first, and tell the parts apart and nothing more.

Cost: the neighbours (`peira.numerics.neighbours`), then N^3 up to a few hundred rows, beyond some hundred products with
L, or one sparse factorisation (`peira.latent.lowest_eigenvectors`).

Reference: Belkin & Niyogi (2003), Neural Computation 15, 1373-1396, eq. 3.1 to 3.3; von Luxburg (2007), A tutorial on
spectral clustering, Statistics and Computing 17, section 3.
"""

import warnings
from typing import Literal

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..core.errors import DataError
from ..numerics.distances import Metric, metric
from ..numerics.neighbours import Neighbours
from .lowest_eigenvectors import lowest_eigenvectors, turned

EUCLIDEAN = metric("euclidean")


class DisconnectedGraphWarning(UserWarning):
    """The graph of neighbours falls into parts, between which no distance along it is known."""


def nearest_others(X: torch.Tensor, k: int, metric: Metric | None = EUCLIDEAN) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices (N, k) of the k nearest other items of each item, nearest first, ties by index.

    All others where there are fewer than k. ``metric`` None says that X holds the distances (N, N) themselves.

    Raises
    ------
    DataError
        If there is no other.
    """
    N, k = len(X), min(k, len(X) - 1)
    if k < 1:
        raise DataError(f"a graph of neighbours needs two items at least, got n_samples = {N}: bring more rows")
    d, near = nearest(X, X, k + 1, metric)
    own = near == np.arange(N)[:, None]
    own[~own.any(1), -1] = True  # so many equal rows that an item is not among its own nearest: one of them stands in
    return d[~own].reshape(N, k), near[~own].reshape(N, k)


def nearest(
    queries: torch.Tensor, rows: torch.Tensor, k: int, metric: Metric | None = EUCLIDEAN
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices (M, k) of the k nearest rows of each query, of all rows where there are fewer.

    Without a metric the queries are distances (M, N) to the rows.
    """
    k = min(k, len(rows))
    if metric is None:
        S = queries.numpy(force=True)
        near = np.argsort(S, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(S, near, 1), near
    found, index = Neighbours(rows.contiguous(), metric).search(queries.contiguous(), k)
    if not torch.isfinite(found).all():
        raise DataError("distances between the rows overflow: rescale the columns, and fit again")
    return found.numpy(), index.numpy()


def neighbour_graph(
    X: torch.Tensor,
    k: int,
    metric: Metric | None = EUCLIDEAN,
    mode: Literal["distance", "connectivity"] = "connectivity",
) -> sparse.csr_array:
    """The graph that joins each item with its k nearest others, and with those to which it is one of the nearest.

    Parameters
    ----------
    X : tensor of shape (N, D)
        Or the distances (N, N), with metric None.
    k : int
    metric : Metric or None
    mode : "connectivity" or "distance"
        Edges weigh 1, or the distance (zeros between equal rows are kept as edges).

    Returns
    -------
    csr array of shape (N, N)
        Symmetric, without loops.
    """
    d, near = nearest_others(X, k, metric)
    N, k = near.shape
    i, j = np.repeat(np.arange(N), k), near.ravel()
    value = np.ones(N * k) if mode == "connectivity" else d.ravel()
    # Both directions, each edge once: they agree about the distance.
    ends = np.concatenate([i * N + j, j * N + i])
    ends, first = np.unique(ends, return_index=True)
    row, column, value = ends // N, ends % N, np.tile(value, 2)[first]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=N))])
    return sparse.csr_array((value, column, starts), shape=(N, N))


def parts_of(W: sparse.csr_array) -> tuple[int, np.ndarray]:
    """The number of connected parts, and the part of each item, the largest being number 0."""
    C, part = connected_components(W, directed=False)
    order = np.argsort(-np.bincount(part, minlength=C), kind="stable")
    rank = np.empty(C, dtype=np.int64)
    rank[order] = np.arange(C)
    return int(C), rank[part]


def warn_of_parts(owner: str, part: np.ndarray, what: str) -> None:
    """Say that the graph falls into parts, how large they are, and what follows."""
    sizes = np.bincount(part)
    shown = ", ".join(map(str, sizes[:5])) + (", ..." if len(sizes) > 5 else "")
    warnings.warn(
        f"{owner}: the graph of neighbours falls into {len(sizes)} parts (of {shown} items). {what} "
        "Raise n_neighbors until they join, or learn from each part alone",
        DisconnectedGraphWarning,
        stacklevel=3,
    )


def spectral_coordinates(
    W: sparse.csr_array, n_components: int, *, drop_first: bool = True
) -> tuple[np.ndarray, np.ndarray, int]:
    """The lowest eigenvalues (K,) of the normalised Laplacian, coordinates (N, K), and the number of parts.

    Parameters
    ----------
    W : csr array of shape (N, N)
        Symmetric weights, none negative.
    n_components : int
    drop_first : bool, default True
        Leave the constant out. Spectral clustering keeps it.

    Raises
    ------
    DataError
        If there are fewer items than coordinates.
    """
    N = W.shape[0]
    wanted = n_components + drop_first
    if wanted > N:
        raise DataError(
            f"n_samples = {N} items have at most {N - drop_first} coordinates of this kind, not {n_components}: "
            "lower n_components, or bring more rows"
        )
    C, part = parts_of(W)
    d = np.asarray(W.sum(1)).ravel()
    root = np.sqrt(np.where(d > 0, d, 1.0))  # an item without edges is a part of its own
    L = sparse.diags_array((d > 0).astype(np.float64)) - sparse.diags_array(1 / root) @ W @ sparse.diags_array(1 / root)
    # The null space: the constant first, then what tells the parts apart, the largest part first.
    each = np.zeros((N, C))
    each[np.arange(N), part] = root
    null = np.linalg.qr(np.column_stack([root, each[:, : C - 1]]))[0]
    known = turned(null[:, :wanted])
    values, vectors = np.zeros(known.shape[1]), known
    if wanted > C:
        more, rest = lowest_eigenvectors(sparse.csr_array(L), wanted - C, null, bound=2.0)
        values, vectors = np.concatenate([values, more]), np.column_stack([known, rest])
    return values[drop_first:], turned(vectors[:, drop_first:] / root[:, None]), C


def spectral_embedding(W: sparse.csr_array, n_components: int, *, drop_first: bool = True) -> np.ndarray:
    """The coordinates (N, K) of `spectral_coordinates` alone.

    Examples
    --------
    >>> import torch
    >>> line = torch.arange(5.0, dtype=torch.float64)[:, None]
    >>> spectral_embedding(neighbour_graph(line, 1), 1).ravel().round(2) + 0
    array([ 0.5 ,  0.35,  0.  , -0.35, -0.5 ])
    """
    return spectral_coordinates(W, n_components, drop_first=drop_first)[1]
