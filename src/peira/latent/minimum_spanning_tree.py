r"""The shortest tree that joins all items, of distances that are never stored.

.. math:: \min_T \sum_{(i, j) \in T} d(i, j)

Prim's algorithm: start with one item, and always join the item that is nearest to the tree so far. Each item keeps its
distance to the tree; a new member of the tree can only lower it,

.. math:: b_j \leftarrow \min( b_j, d(x, j) )

so the distances from the new member x are needed once, and then forgotten. The rows lie column by column, and those
that joined give their place to the last one that did not: the work is one pass over what is left, in the same
arithmetic for all of its rows.

For clusters by density (HDBSCAN) the distance between two items is at least what either needs to reach its own
neighbours, its core distance c:

.. math:: d_m(i, j) = \max( c_i, c_j, d(i, j) )

**Order.** Equal distances are taken by index, so the tree is the same for the same rows.

Cost: N^2 D / 2 in time, a few numbers an item in memory. Distances that are given (N, N): N^2 / 2.

Reference: Prim (1957), Bell System Technical Journal 36, 1389-1401; Campello, Moulavi, Zimek & Sander (2015), ACM
Transactions on Knowledge Discovery from Data 10, definition 3.2 (mutual reachability).
"""

from typing import NamedTuple

import numpy as np
import torch

from ..core.errors import DataError
from ..numerics.compile import compiled
from ..numerics.distances import Metric, distances, metric, scale, unscaled

BLOCK, LANES = 64, 16  # items that are measured together; their nearest one is sought in so many lanes
WIDE = 64  # columns, beyond which a product of matrices is faster than differences
EUCLIDEAN = metric("euclidean")


class SpanningTree(NamedTuple):
    """A tree over N items, in the order in which they joined.

    Attributes
    ----------
    order : int64 array of shape (N,)
        Item 0 first.
    sources : int64 array of shape (N - 1,)
        The member of the tree that item ``order[k + 1]`` was joined to.
    lengths : array of shape (N - 1,)
        Of these edges.
    """

    order: np.ndarray
    sources: np.ndarray
    lengths: np.ndarray


def minimum_spanning_tree(
    X: torch.Tensor,
    metric: Metric | None = EUCLIDEAN,
    core_neighbours: torch.Tensor | None = None,
    alpha: float = 1.0,
) -> SpanningTree:
    """The minimum spanning tree of rows X (N, D), or of given distances (N, N) if ``metric`` is None.

    Parameters
    ----------
    X : float64 tensor
    metric : Metric or None
    core_neighbours : int64 tensor of shape (N,), optional
        For mutual reachability: the item that is as far from each item as its core distance.
    alpha : float, default 1
        Divides the distances, but not the core distances.

    Raises
    ------
    DataError
        If distances overflow.

    Examples
    --------
    >>> tree = minimum_spanning_tree(torch.tensor([[0.0], [5.0], [1.0]], dtype=torch.float64))
    >>> tree.order, tree.sources, tree.lengths
    (array([0, 2, 1]), array([0, 2]), array([1., 4.]))
    """
    near = None if core_neighbours is None else core_neighbours.numpy()
    if metric is None:
        S = np.ascontiguousarray(X.numpy())
        core = np.zeros(len(S)) if near is None else S[np.arange(len(S)), near] * alpha
        tree = SpanningTree(*_prim_given(S, core))
    else:
        rows, s = mapped_rows(X, metric)
        core = np.zeros(len(rows)) if near is None else _to_neighbour(rows, near, metric.p)
        order, sources, norms = _prim(rows.T, growth_of_norms(alpha, metric) * core, metric.p)
        found = metric.finish(torch.from_numpy(norms), X.shape[1])
        tree = SpanningTree(order, sources, unscaled(found, s, metric.power).numpy())
    if not np.isfinite(tree.lengths).all():
        raise DataError("distances between the rows overflow: rescale the columns, and fit again")
    return tree._replace(lengths=tree.lengths / alpha)


def mapped_rows(X: torch.Tensor, metric: Metric) -> tuple[np.ndarray, float]:
    """Rows between which the metric is a function of a norm, as a C-contiguous array, and what they were scaled by."""
    rows = metric.mapped(X, metric.centre_of(X), second=False)
    s = scale(rows) if metric.power else 1.0
    return np.ascontiguousarray((rows * s).numpy()), s


def all_distances(X: torch.Tensor, metric: Metric) -> torch.Tensor:
    """All distances (N, N) between rows X (N, D): from the differences, each pair once; by products for many columns.

    The same as `peira.numerics.distances.distances`, and exactly symmetric.
    """
    if X.shape[1] > WIDE:
        W = distances(X, X, metric)
        return W.tril_(-1).add_(W.tril(-1).T)
    rows, s = mapped_rows(X, metric)
    if metric.p == 2 and metric.power == 1:
        W = torch.from_numpy(_pairs(rows.T, 2.0, True))
    else:
        W = metric.finish(torch.from_numpy(_pairs(rows.T, metric.p, False)), X.shape[1])
    return W if s == 1.0 else unscaled(W, s, metric.power)


def growth_of_norms(times: float, metric: Metric) -> float:
    """By what the norm (for p = 2 its square) grows if the distance grows so many times."""
    return times**2 if metric.p == 2 and metric.power == 1 else times


@compiled
def norm_between(a, b, p):
    """The norm of a difference, for p = 2 its square; terms in order, so that equal rows give equal bits."""
    s = 0.0
    for c in range(len(a)):
        t = abs(a[c] - b[c])
        if p == 2:
            s += t * t
        elif p == 1:
            s += t
        elif p == np.inf:
            s = max(s, t)
        elif p == 0:
            s += t != 0
        else:
            s += t**p
    return s if p == 0 or p == 1 or p == 2 or p == np.inf else s ** (1 / p)


@compiled
def _to_neighbour(rows, near, p):
    norms = np.empty(len(rows))
    for i in range(len(rows)):
        norms[i] = norm_between(rows[i], rows[near[i]], p)
    return norms


@compiled
def _measure(T, x, start, p, d):
    """Norms d (BLOCK,) between item x and the items from start on; the columns are the rows of T (D, N)."""
    d[:] = 0.0
    for c in range(T.shape[0]):
        value, row = T[c, x], T[c, start : start + BLOCK]
        if p == 2:
            for j in range(BLOCK):
                d[j] += (row[j] - value) * (row[j] - value)
        elif p == 1:
            for j in range(BLOCK):
                d[j] += abs(row[j] - value)
        elif p == np.inf:
            for j in range(BLOCK):
                d[j] = max(d[j], abs(row[j] - value))
        elif p == 0:
            for j in range(BLOCK):
                d[j] += 1.0 if row[j] != value else 0.0
        else:
            for j in range(BLOCK):
                d[j] += abs(row[j] - value) ** p
    if p != 0 and p != 1 and p != 2 and p != np.inf:
        for j in range(BLOCK):
            d[j] = d[j] ** (1 / p)


@compiled
def _pairs(columns, p, root):
    """Norms (N, N) between the columns of a matrix (D, N), their square roots if so asked; square by square."""
    D, N = columns.shape
    room = (N + BLOCK - 1) // BLOCK * BLOCK
    T, W, square = np.zeros((D, room)), np.empty((N, N)), np.empty((BLOCK, BLOCK))
    T[:, :N] = columns
    for i in range(0, N, BLOCK):
        rows = min(BLOCK, N - i)
        for j in range(i, N, BLOCK):
            cols = min(BLOCK, N - j)
            for a in range(rows):
                d = square[a]
                _measure(T, i + a, j, p, d)
                if root:
                    for b in range(BLOCK):
                        d[b] = np.sqrt(d[b])
                W[i + a, j : j + cols] = d[:cols]
            if j > i:
                for b in range(cols):
                    for a in range(rows):
                        W[j + b, i + a] = square[a, b]
    return W


@compiled
def _prim(columns, core, p):
    """Prim's algorithm on the columns (D, N) of N rows."""
    D, N = columns.shape
    room = (N + BLOCK - 1) // BLOCK * BLOCK
    T = np.zeros((D, room))
    T[:, :N] = columns
    c = np.full(room, np.inf)  # nothing reaches the places behind the last item
    c[:N] = core
    best, source, item = np.full(room, np.inf), np.zeros(room, dtype=np.int64), np.full(room, N)
    item[:N] = np.arange(N)
    order, sources, lengths = np.zeros(N, dtype=np.int64), np.zeros(N - 1, dtype=np.int64), np.zeros(N - 1)
    d, low, lows = np.empty(BLOCK), np.empty(LANES), np.empty(room // BLOCK)
    x, left = 0, N
    for k in range(N - 1):
        joined = order[k] = item[x]
        left -= 1
        # Exchange x and the last one that is left, which then stands behind the end.
        for a in range(D):
            T[a, x], T[a, left] = T[a, left], T[a, x]
        reach, c[x], c[left] = c[x], c[left], np.inf
        best[x], best[left] = best[left], np.inf
        source[x], item[x] = source[left], item[left]
        nearest = np.inf
        for b in range((left + BLOCK - 1) // BLOCK):
            start = b * BLOCK
            _measure(T, left, start, p, d)
            B, S, C = best[start : start + BLOCK], source[start : start + BLOCK], c[start : start + BLOCK]
            for j in range(BLOCK):
                v = C[j] if C[j] > reach else reach
                v = d[j] if d[j] > v else v
                closer = v < B[j]
                S[j] = joined if closer else S[j]
                B[j] = v if closer else B[j]
            low[:] = np.inf
            for i in range(0, BLOCK, LANES):
                for lane in range(LANES):
                    low[lane] = B[i + lane] if B[i + lane] < low[lane] else low[lane]
            lows[b] = low.min()
            nearest = min(nearest, lows[b])
        x = -1
        for b in range((left + BLOCK - 1) // BLOCK):
            if lows[b] == nearest:
                for j in range(b * BLOCK, min(b * BLOCK + BLOCK, left)):
                    if best[j] == nearest and (x < 0 or item[j] < item[x]):
                        x = j
        sources[k], lengths[k] = source[x], best[x]
    order[N - 1] = item[x]
    return order, sources, lengths


@compiled
def _prim_given(distances, core):
    """Prim's algorithm on given distances (N, N)."""
    N = len(distances)
    best, source, item = np.full(N, np.inf), np.zeros(N, dtype=np.int64), np.arange(N)
    order, sources, lengths = np.zeros(N, dtype=np.int64), np.zeros(N - 1, dtype=np.int64), np.zeros(N - 1)
    at = 0
    for k in range(N - 1):
        x = order[k] = item[at]
        item[at : N - k - 1] = item[at + 1 : N - k].copy()
        at = 0
        for i in range(N - k - 1):
            j = item[i]
            v = max(distances[x, j], core[x], core[j])
            if v < best[j]:
                best[j], source[j] = v, x
            if best[j] < best[item[at]]:
                at = i
        sources[k], lengths[k] = source[item[at]], best[item[at]]
    order[N - 1] = item[at]
    return order, sources, lengths
