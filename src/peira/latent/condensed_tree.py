r"""A tree of joins, read from the top: which clusters live long?

With :math:`\lambda = 1 / height` as the density, a cluster that grows denser loses items one by one; that is not news.
Only where it falls into two parts of at least m items each, it ends, and the parts are born. The tree of these clusters
is the condensed tree. How much of it a cluster explains is its stability,

.. math:: S(C) = \sum_{i \in C} ( \lambda_i(C) - \lambda_{birth}(C) )

with :math:`\lambda_i(C)` the density at which item i leaves C, alone or with a part. Of all ways to choose clusters
that do not overlap, the largest total stability comes from below: a cluster is chosen if it has more than its best
descendants together.

Joins of one height happen at once: a cluster may fall into more than two parts, and the tree does not depend on the
order of the items. (Taken one by one they make clusters that are born and end at one density.) Equal items never part.

Cost: a pass over the N - 1 joins; C steps for C clusters.

Reference: Campello, Moulavi & Sander (2013), PAKDD, 160-172, eq. 3 and algorithm 2; Malzer & Baum (2020),
A hybrid approach to hierarchical density-based cluster selection, MFI, 223-228 (epsilon).
"""

from typing import NamedTuple

import numpy as np

from ..numerics.compile import compiled


class CondensedTree(NamedTuple):
    """Clusters 0 (all items), 1, ..., C - 1, parents before their children.

    Attributes
    ----------
    cluster : int64 array of shape (N,)
        The last cluster that each item belonged to.
    left : array of shape (N,)
        The density at which it left it.
    parent : int64 array of shape (C,)
        -1 for cluster 0.
    birth : array of shape (C,)
    size : int64 array of shape (C,)
    """

    cluster: np.ndarray
    left: np.ndarray
    parent: np.ndarray
    birth: np.ndarray
    size: np.ndarray


@compiled
def _condense(Z, m):
    N = len(Z) + 1
    # Joins of one height, one below the other, are one join: its top, and how many of its parts are large.
    top, large = np.arange(2 * N - 1), np.zeros(2 * N - 1, dtype=np.int64)
    cluster, left = np.zeros(2 * N - 1, dtype=np.int64), np.full(2 * N - 1, -1.0)  # left < 0: still in its cluster
    parent, birth, size = np.full(N, -1), np.zeros(N), np.full(N, N)
    C = 1
    for counting in (True, False):
        for k in range(N - 2, -1, -1):
            node, height = N + k, Z[k, 2]
            density = 1 / height if height > 0 else np.inf
            for s in range(2):
                child = int(Z[k, s])
                n = int(Z[child - N, 3]) if child >= N else 1
                same = child >= N and Z[child - N, 2] == height
                if counting:
                    top[child] = top[node] if same else child
                    large[top[node]] += not same and n >= m
                    continue
                cluster[child], left[child] = cluster[node], left[node]
                if same or left[node] >= 0:
                    continue
                if n < m:
                    left[child] = density
                elif large[top[node]] > 1:
                    cluster[child] = C
                    parent[C], birth[C], size[C] = cluster[node], density, n
                    C += 1
    return cluster[:N], left[:N], parent[:C].copy(), birth[:C].copy(), size[:C].copy()


def condense(Z: np.ndarray, m: int) -> CondensedTree:
    """The condensed tree of a linkage matrix (N - 1, 4), for clusters of at least m >= 2 items."""
    return CondensedTree(*_condense(Z, m))


def stabilities(tree: CondensedTree) -> np.ndarray:
    """The stability (C,) of each cluster; infinite where equal items never part."""
    S = np.bincount(tree.cluster, tree.left - tree.birth[tree.cluster], minlength=len(tree.parent))
    inner = tree.parent[1:]
    np.add.at(S, inner, tree.size[1:] * (tree.birth[1:] - tree.birth[inner]))
    return S


def most_stable(tree: CondensedTree, *, root: bool, largest: float) -> np.ndarray:
    """Clusters of the largest total stability, as a mask (C,); cluster 0 only if ``root``, none above a size."""
    S, C = stabilities(tree), len(tree.parent)
    below, chosen = np.zeros(C), np.zeros(C, dtype=bool)
    for c in range(C - 1, -1, -1):
        chosen[c] = below[c] <= S[c] and tree.size[c] <= largest and (c > 0 or root)
        if c > 0:
            below[tree.parent[c]] += S[c] if chosen[c] else below[c]
    return _topmost(tree, chosen)


def leaves(tree: CondensedTree) -> np.ndarray:
    """Clusters without descendants, as a mask (C,); not cluster 0."""
    chosen = np.ones(len(tree.parent), dtype=bool)
    chosen[tree.parent[1:]] = chosen[0] = False
    return chosen


def merged_below(tree: CondensedTree, chosen: np.ndarray, epsilon: float, *, root: bool) -> np.ndarray:
    """In place of clusters born at a height below epsilon, the nearest ancestors born above it."""
    up = np.zeros_like(chosen)
    for c in np.flatnonzero(chosen):
        a = c
        while a > 0 and tree.birth[a] * epsilon > 1:
            if tree.parent[a] == 0 and not root:
                break
            a = tree.parent[a]
        up[a] = True
    return _topmost(tree, up)


def _topmost(tree: CondensedTree, chosen: np.ndarray) -> np.ndarray:
    """The chosen clusters without those that lie in another one."""
    kept, inside = chosen.copy(), np.zeros(len(chosen), dtype=bool)
    for c in range(1, len(chosen)):
        p = tree.parent[c]
        inside[c] = inside[p] or chosen[p]
    return kept & ~inside


def members(tree: CondensedTree, chosen: np.ndarray) -> np.ndarray:
    """The chosen cluster that each item belongs to, or -1."""
    of = np.where(chosen, np.arange(len(chosen)), -1)
    for c in range(1, len(chosen)):
        if of[c] < 0:
            of[c] = of[tree.parent[c]]
    return of[tree.cluster]


def last_densities(tree: CondensedTree) -> np.ndarray:
    """The greatest density (C,) at which a cluster itself is left, by an item or by its parts."""
    last = np.zeros(len(tree.parent))
    np.maximum.at(last, tree.cluster, tree.left)
    np.maximum.at(last, tree.parent[1:], tree.birth[1:])
    return last
