r"""Which items have many others near, and which of those hang together: neighbourhoods of one radius, never stored.

.. math:: N(i) = \{ j : d(i, j) \leq \epsilon \}, \quad core: \; \sum_{j \in N(i)} w_j \geq m

No coordinate differs by more than the norm. So items are sorted into cells of width :math:`\epsilon` on one or two
columns and, within a cell, by one more: the neighbours of an item lie in at most nine short runs. Two passes go over
them. The first counts until m is reached, and no further; the second joins core items, and measures only those that
are not together yet. Where no three columns tell items apart, both passes degrade to all pairs.

Cost: N D times the number of items in the runs; memory N D.

Reference: Bentley, Stanat & Williams (1977), Information Processing Letters 6, 209-212 (cells of the width of the
radius).
"""

import numpy as np

from ..numerics.compile import compiled
from .linkage import find
from .minimum_spanning_tree import norm_between

COARSE = 1 << 20  # cells a column at most


def dense_regions(X: np.ndarray, radius: float, norm_limit: float, p: float, w: np.ndarray, m: float):
    """Core items, and for each item a core item that stands for its cluster.

    Parameters
    ----------
    X : array of shape (N, D)
    radius : float
        The norm that counts as near.
    norm_limit : float
        The same, as `norm_between` gives it: squared for p = 2.
    p : float
    w : array of shape (N,)
    m : float
        Weight that makes a core item, if the item has any itself.

    Returns
    -------
    core : bool array of shape (N,)
    roots : int64 array of shape (N,)
        The first core item of the cluster; of the first of the clusters for an item within reach of several; -1 for
        none.
    """
    D = X.shape[1]
    spread = np.ptp(X, axis=0)
    wide = np.argsort(-spread, kind="stable")[: min(3, D)] if p != 0 else np.zeros(1, dtype=np.int64)
    along, across = wide[0], wide[1:]
    width = np.array([_width(radius, spread[c]) for c in across])
    cells = np.zeros((len(X), 2), dtype=np.int64)
    for a, c in enumerate(across):
        cells[:, a] = np.floor((X[:, c] - X[:, c].min()) / width[a])
    order = np.lexsort((X[:, along], cells[:, 1], cells[:, 0]))
    S, keys = np.ascontiguousarray(X[order]), cells[order]
    new = np.r_[True, (keys[1:] != keys[:-1]).any(1)]
    starts = np.r_[np.flatnonzero(new), len(X)]
    reach = radius * (1 + 1e-12) if p != 0 else np.inf
    line = np.ascontiguousarray(S[:, along])
    core, roots = _regions(S, line, keys[new], starts, np.cumsum(new) - 1, reach, norm_limit, p, w[order], m, order)
    back = np.empty(len(X), dtype=np.int64)
    back[order] = np.arange(len(X))
    return core[back], roots[back]


def _width(radius: float, spread: float) -> float:
    """The width of cells: the radius, but no more cells than can be counted."""
    return max(radius * (1 + 1e-12), spread / COARSE) or 1.0


@compiled
def _runs(keys, starts, line, cell, value, reach):
    """Where the neighbours of a value on a cell's line can be: first and last (9, 2) of each run."""
    runs = np.zeros((9, 2), dtype=np.int64)
    n = len(keys)
    for a in range(3):
        first, second = keys[cell, 0] + a - 1, keys[cell, 1] - 1
        low, high = 0, n  # the first cell that is not before (first, second)
        while low < high:
            middle = (low + high) // 2
            if keys[middle, 0] < first or (keys[middle, 0] == first and keys[middle, 1] < second):
                low = middle + 1
            else:
                high = middle
        b = 0
        while low < n and keys[low, 0] == first and keys[low, 1] <= second + 2:
            row = line[starts[low] : starts[low + 1]]
            runs[3 * a + b, 0] = starts[low] + np.searchsorted(row, value - reach)
            runs[3 * a + b, 1] = starts[low] + np.searchsorted(row, value + reach, side="right")
            low += 1
            b += 1
    return runs


@compiled
def _regions(S, line, keys, starts, cell, reach, limit, p, w, m, order):
    N = len(S)
    core, parent, roots = np.zeros(N, dtype=np.bool_), np.arange(N), np.full(N, -1)
    for i in range(N):
        weight = 0.0
        for run in _runs(keys, starts, line, cell[i], line[i], reach):
            for j in range(run[0], run[1]):
                if weight < m and norm_between(S[i], S[j], p) <= limit:
                    weight += w[j]
        core[i] = weight >= m and w[i] > 0
    for i in range(N):
        if core[i]:
            for run in _runs(keys, starts, line, cell[i], line[i], reach):
                for j in range(run[0], min(run[1], i)):
                    if core[j] and find(parent, i) != find(parent, j) and norm_between(S[i], S[j], p) <= limit:
                        parent[find(parent, i)] = find(parent, j)
    first = np.full(N, N)
    for i in range(N):
        if core[i]:
            root = find(parent, i)
            first[root] = min(first[root], order[i])
    for i in range(N):
        if core[i]:
            roots[i] = first[find(parent, i)]
            continue
        for run in _runs(keys, starts, line, cell[i], line[i], reach):
            for j in range(run[0], run[1]):
                if core[j] and norm_between(S[i], S[j], p) <= limit:
                    root = first[find(parent, j)]
                    if roots[i] < 0 or root < roots[i]:
                        roots[i] = root
    return core, roots


@compiled
def given_regions(distances, radius, w, m):
    """The same of given distances (N, N)."""
    N = len(distances)
    core, parent, roots = np.zeros(N, dtype=np.bool_), np.arange(N), np.full(N, -1)
    for i in range(N):
        weight = 0.0
        for j in range(N):
            if distances[i, j] <= radius:
                weight += w[j]
        core[i] = weight >= m and w[i] > 0
    for i in range(N):
        for j in range(i):
            if core[i] and core[j] and distances[i, j] <= radius:
                a, b = find(parent, i), find(parent, j)
                parent[max(a, b)] = min(a, b)
    for i in range(N):
        for j in range(N):
            if core[j] and (i == j or (not core[i] and distances[i, j] <= radius)):
                root = find(parent, j)
                if roots[i] < 0 or root < roots[i]:
                    roots[i] = root
    return core, roots
