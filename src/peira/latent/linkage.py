r"""Agglomeration: join the two nearest clusters, again and again, until one is left.

What changes from method to method is how far the union of two clusters x and y is from a third one. With sizes n and
distances d (Lance and Williams 1967):

.. math:: single: \quad \min(d_{xi}, d_{yi}), \qquad complete: \quad \max(d_{xi}, d_{yi})

.. math:: average: \quad \frac{n_x d_{xi} + n_y d_{yi}}{n_x + n_y}, \qquad weighted: \quad \frac{d_{xi} + d_{yi}}{2}

.. math:: ward: \quad d^2 = \frac{(n_x + n_i) d_{xi}^2 + (n_y + n_i) d_{yi}^2 - n_i d_{xy}^2}{n_x + n_y + n_i}

.. math:: centroid: \quad d^2 = \frac{n_x d_{xi}^2 + n_y d_{yi}^2}{n_x + n_y} - \frac{n_x n_y d_{xy}^2}{(n_x + n_y)^2}

.. math:: median: \quad d^2 = \frac{d_{xi}^2 + d_{yi}^2}{2} - \frac{d_{xy}^2}{4}

Ward's distance squared is twice what the union adds to the squares within clusters; centroid and median are Euclid's
distances between centres, and the only ones whose joins can come lower than the joins before.

**How.** Single linkage is the minimum spanning tree, its edges in order of length. For complete, average, weighted and
ward a union is never nearer to a third cluster than both of its parts: two clusters that are each other's nearest stay
so whatever else is joined. A chain from a cluster to its nearest one, and on, therefore ends in a pair that may be
joined at once, and its beginning stays valid (nearest-neighbour chain; Müllner 2011, figure 3). Centroid and median
keep for each cluster a lower bound of the distance to its nearest one, and look again only when it is the lowest of all
(the generic algorithm; figure 2).

The distances stand in full, so that each pass runs along a row; rows and columns of clusters that are gone are closed
up whenever a quarter of them are.

Cost: N^2 D for the distances, then N^2 (generic: N^3 at worst, N^2 in practice); memory 8 N^2 bytes. Single: N memory.

Reference: Lance & Williams (1967), Computer Journal 9, 373-380; Müllner (2011), Modern hierarchical, agglomerative
clustering algorithms, arXiv:1109.2378; Ward (1963), Journal of the American Statistical Association 58, 236-244.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core.errors import DataError
from ..numerics.compile import compiled
from ..numerics.distances import Metric, metric
from .minimum_spanning_tree import all_distances, minimum_spanning_tree

Linkage = Literal["single", "complete", "average", "weighted", "ward", "centroid", "median"]
RULES = ("single", "complete", "average", "weighted", "ward", "centroid", "median")
GEOMETRIC = ("ward", "centroid", "median")
"""Those that are about Euclid's distances between centres."""
BLOCK = 64  # entries of a row that are compared at once
EUCLIDEAN = metric("euclidean")


def linkage(X: torch.Tensor, method: Linkage = "single", metric: Metric | None = EUCLIDEAN) -> np.ndarray:
    """The joins in ascending order, as SciPy writes them.

    Parameters
    ----------
    X : float64 tensor of shape (N, D)
        Rows; distances (N, N) if ``metric`` is None.
    method : str
        One of `RULES`.
    metric : Metric or None

    Returns
    -------
    ndarray of shape (N - 1, 4)
        The two clusters of each join (items are 0 to N - 1, the cluster of join k is N + k; the lower number first),
        the height of the join, and the size of the union.

    Raises
    ------
    DataError
        If distances overflow.

    Examples
    --------
    >>> linkage(torch.tensor([[0.0], [1.0], [5.0], [7.0]], dtype=torch.float64), "average")
    array([[0. , 1. , 1. , 2. ],
           [2. , 3. , 2. , 2. ],
           [4. , 5. , 5.5, 4. ]])
    """
    if method == "single":
        tree = minimum_spanning_tree(X, metric)
        # As far as joins go, each item may as well hang on the one that joined before it: the heights between two
        # items in this order are those of the tree.
        joins = np.column_stack([tree.order[:-1], tree.order[1:]])
        return named_joins(joins, tree.lengths)
    W = X.clone() if metric is None else all_distances(X, metric)
    if not torch.isfinite(W.sum()) and not torch.isfinite(W).all():
        raise DataError("distances between the rows overflow: rescale the columns, and fit again")
    # Times a power of two, which changes no digit, so that no square leaves the range of float64.
    largest = float(W.max()) if len(W) else 0.0
    s = 2.0 ** -max(-1000, math.frexp(largest)[1]) if largest > 0 else 1.0
    apart: np.ndarray = W.mul_(s).fill_diagonal_(torch.inf).numpy()
    rule = RULES.index(method)
    Z = _generic(apart, rule) if method in ("centroid", "median") else named_joins(*_chain(apart, rule))
    Z[:, 2] /= s
    return Z


def named_joins(joins: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The linkage matrix of joins (N - 1, 2), each named by any item of either side, sorted by their heights."""
    by_height = np.argsort(heights, kind="stable")
    return _named(joins[by_height], heights[by_height])


@compiled
def _named(joins, heights):
    N = len(joins) + 1
    Z, parent, size = np.empty((N - 1, 4)), np.arange(2 * N - 1), np.ones(2 * N - 1)
    for k in range(N - 1):
        a, b = find(parent, joins[k, 0]), find(parent, joins[k, 1])
        size[N + k] = size[a] + size[b]
        parent[a] = parent[b] = N + k
        Z[k, 0], Z[k, 1], Z[k, 2], Z[k, 3] = min(a, b), max(a, b), heights[k], size[N + k]
    return Z


@compiled
def find(parent, i):
    """The root of i in a forest of parents; the way is halved as it is gone."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def _nearest(row: Any, gone: Any, start: int, low: float, at: int) -> tuple[float, int]:
    """The first of the least entries of a row from start on that is less than ``low``, else ``at``."""
    n = len(row)
    for first in range(start, n, BLOCK):
        last = min(first + BLOCK, n)
        lower = 0
        for j in range(first, last):
            lower += row[j] + gone[j] < low
        if lower:
            for j in range(first, last):
                if row[j] + gone[j] < low:
                    low, at = row[j], j
    return low, at


@compiled
def _join(rule, row_x, row_y, size, nx, ny, height):
    """Distances from the union of x and y, into row_y; each rule as SciPy computes it, to the last bit."""
    n = len(row_y)
    if rule == 1:
        for i in range(n):
            row_y[i] = row_x[i] if row_x[i] > row_y[i] else row_y[i]
    elif rule == 2:
        for i in range(n):
            row_y[i] = np.divide(nx * row_x[i] + ny * row_y[i], nx + ny)
    elif rule == 3:
        for i in range(n):
            row_y[i] = 0.5 * (row_x[i] + row_y[i])
    elif rule == 4:
        for i in range(n):
            t = np.divide(1.0, nx + ny + size[i])
            row_y[i] = np.sqrt(
                (size[i] + nx) * t * row_x[i] * row_x[i]
                + (size[i] + ny) * t * row_y[i] * row_y[i]
                - size[i] * t * height * height
            )
    elif rule == 5:
        for i in range(n):
            away = nx * row_x[i] * row_x[i] + ny * row_y[i] * row_y[i]
            left = np.divide(away - np.divide(nx * ny * height * height, nx + ny), nx + ny)
            row_y[i] = np.sqrt(max(left, 0.0))  # rounding, where i lies half way
    else:
        for i in range(n):
            left = 0.5 * (row_x[i] * row_x[i] + row_y[i] * row_y[i]) - 0.25 * height * height
            row_y[i] = np.sqrt(max(left, 0.0))


@compiled
def _chain(W, rule):
    """Joins by the nearest-neighbour chain; W (N, N) has an infinite diagonal, and is used up."""
    N = len(W)
    joins, heights = np.empty((N - 1, 2), dtype=np.int64), np.empty(N - 1)
    size, name, gone = np.ones(N), np.arange(N), np.zeros(N)
    chain, length, n = np.empty(N, dtype=np.int64), 0, N
    for k in range(N - 1):
        if 4 * (N - k) <= 3 * n and n > BLOCK:
            place = np.cumsum(gone[:n] == 0) - 1
            for i in range(length):
                chain[i] = place[chain[i]]
            n = _close_up(W, gone, size, name, n)
        if length == 0:
            chain[0], length = 0, 1
            while gone[chain[0]]:
                chain[0] += 1
        while True:
            x = chain[length - 1]
            # The one before comes first, so that equal distances lead into no circle.
            before = chain[length - 2] if length > 1 else -1
            low, y = _nearest(W[x, :n], gone, 0, W[x, before] if length > 1 else np.inf, before)
            if y == before:
                break
            chain[length] = y
            length += 1
        length -= 2
        x, y = min(x, y), max(x, y)
        joins[k, 0], joins[k, 1], heights[k] = name[x], name[y], low
        gone[x] = np.inf
        _join(rule, W[x, :n], W[y, :n], size, size[x], size[y], low)
        W[y, y] = np.inf
        size[y] += size[x]
        for i in range(n):
            if gone[i] == 0:
                W[i, y] = W[y, i]
    return joins, heights


@compiled
def _close_up(W, gone, size, name, n):
    """Move what is left of the first n clusters together, in order; how many they are."""
    kept = np.nonzero(gone[:n] == 0)[0]
    for a in range(len(kept)):
        for b in range(len(kept)):
            W[a, b] = W[kept[a], kept[b]]
        size[a], name[a] = size[kept[a]], name[kept[a]]
    gone[: len(kept)] = 0.0
    return len(kept)


@compiled
def _generic(W, rule):
    """The linkage matrix by lower bounds; W (N, N) has an infinite diagonal, and is used up.

    Each cluster looks only at those behind it, so a pair is seen by its first member.
    """
    N = len(W)
    Z, size, name, gone = np.empty((N - 1, 4)), np.ones(N), np.arange(N), np.zeros(N)
    bound, nearest = np.full(N, np.inf), np.zeros(N, dtype=np.int64)
    for x in range(N - 1):
        bound[x], nearest[x] = _nearest(W[x], gone, x + 1, np.inf, x + 1)
    for k in range(N - 1):
        while True:
            low, x = _nearest(bound, gone, 0, np.inf, -1)
            y = nearest[x]
            if gone[y] == 0 and low == W[x, y]:
                break
            bound[x], nearest[x] = _nearest(W[x], gone, x + 1, np.inf, x)
        a, b = min(name[x], name[y]), max(name[x], name[y])
        Z[k, 0], Z[k, 1], Z[k, 2], Z[k, 3] = a, b, low, size[x] + size[y]
        gone[x] = np.inf
        _join(rule, W[x], W[y], size, size[x], size[y], low)
        W[y, y] = np.inf
        size[y] += size[x]
        name[y] = N + k
        for i in range(y):  # those behind y see it from its own row
            if gone[i] == 0:
                W[i, y] = W[y, i]
                if W[i, y] < bound[i]:
                    bound[i], nearest[i] = W[i, y], y
        for i in range(y + 1, N):
            if gone[i] == 0:
                W[i, y] = W[y, i]
        bound[y], nearest[y] = _nearest(W[y], gone, y + 1, np.inf, y)
    return Z
