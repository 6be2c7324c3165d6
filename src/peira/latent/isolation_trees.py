r"""Trees of random cuts, and how deep items fall in them.

A node draws a column among those that vary in it, and a threshold t uniformly between the column's least and largest
value there; items with :math:`x > t` go right. A node ends at the depth allowed, with a single item, or with equal
items. The path length of an item is the depth of its last node, and for n items left there the length that cutting on
would have added on average,

.. math:: c(n) = 2 H_{n-1} - \frac{2 (n - 1)}{n}

with the harmonic numbers :math:`H_i = 1 + 1/2 + ... + 1/i`: the mean depth of an unsuccessful search in a binary tree
of n random keys (Liu, Ting & Zhou 2008, eq. 1, who put :math:`\ln i + 0.5772` for :math:`H_i`, which is 0.4 less of
c(3)).

A forest lies in four arrays, tree after tree. The children of a node lie side by side, so one number leads to both, and
a last node leads to itself: all items take the same number of steps, without a question on the way.
"""

from typing import NamedTuple

import numpy as np

from ..numerics.compile import compiled

ROWS = 128  # rows in a block, which stay in the cache while all trees pass


class Forest(NamedTuple):
    """Trees, node after node.

    Attributes
    ----------
    columns : int32 array of shape (nodes,)
    thresholds : array of shape (nodes,)
        Infinite at last nodes.
    children : int32 array of shape (nodes,)
        The left child, before the right one; the node itself at last nodes.
    lengths : array of shape (nodes,)
        Path lengths at last nodes.
    roots : int32 array of shape (T,)
    """

    columns: np.ndarray
    thresholds: np.ndarray
    children: np.ndarray
    lengths: np.ndarray
    roots: np.ndarray


def average_path(n: np.ndarray | int) -> np.ndarray:
    """c(n), of whole numbers n >= 1."""
    n = np.asarray(n)
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, max(int(n.max()), 2))))
    return 2 * harmonic[n - 1] - 2 * (n - 1) / n


def grow(X: np.ndarray, samples: np.ndarray, columns: np.ndarray, depth: int, rng: np.random.Generator) -> Forest:
    """A tree for each sample.

    Parameters
    ----------
    X : array of shape (N, D)
    samples : int array of shape (T, psi)
        Rows.
    columns : int array of shape (T, d)
        Columns that each tree may cut.
    depth : int
        The most cuts on a path.
    rng : Generator
    """
    T, psi = samples.shape
    most = 2 * psi - 1
    c = average_path(np.arange(1, psi + 1))
    parts = (np.zeros(T * most, np.int32), np.full(T * most, np.inf), np.zeros(T * most, np.int32), np.zeros(T * most))
    roots, used = np.zeros(T, np.int32), 0
    for t in range(T):
        roots[t] = used
        used = _grow_tree(X, samples[t].copy(), columns[t].copy(), depth, c, rng, *parts, used)
    return Forest(*(part[:used].copy() for part in parts), roots)


@compiled
def _grow_tree(X, rows, columns, depth, c, rng, cut, thresholds, children, lengths, first):
    """One tree from node ``first`` on; returns the node behind its last."""
    begins, ends = np.zeros(2 * len(rows), np.int64), np.zeros(2 * len(rows), np.int64)
    depths = np.zeros(2 * len(rows), np.int64)
    ends[0], made, node = len(rows), 1, 0
    while node < made:  # nodes in the order of making: their items are rows[begin:end]
        begin, end = begins[node], ends[node]
        children[first + node] = first + node
        lengths[first + node] = depths[node] + c[end - begin - 1]
        left = len(columns)
        while end - begin > 1 and depths[node] < depth and left > 0:
            place = min(int(rng.random() * left), left - 1)
            j = columns[place]
            low = high = X[rows[begin], j]
            for i in range(begin + 1, end):
                low, high = min(low, X[rows[i], j]), max(high, X[rows[i], j])
            if low == high:  # try another one of those that are left
                left -= 1
                columns[place], columns[left] = columns[left], columns[place]
                continue
            u = rng.random()
            t = low * (1 - u) + high * u
            if not low <= t < high:
                t = low
            middle = begin
            for i in range(begin, end):
                if X[rows[i], j] <= t:
                    rows[i], rows[middle] = rows[middle], rows[i]
                    middle += 1
            cut[first + node], thresholds[first + node], children[first + node] = j, t, first + made
            begins[made], ends[made], depths[made] = begin, middle, depths[node] + 1
            begins[made + 1], ends[made + 1], depths[made + 1] = middle, end, depths[node] + 1
            made += 2
            break
        node += 1
    return first + made


def path_lengths(X: np.ndarray, forest: Forest, depth: int) -> np.ndarray:
    """The mean over the trees of each row's path length, (N,)."""
    leads = forest.children.astype(np.int64) << 32 | forest.columns  # one number to load for both
    return _total_length(X, leads, forest.thresholds, forest.lengths, forest.roots, depth) / len(forest.roots)


@compiled
def _total_length(X, leads, thresholds, lengths, roots, depth):
    """Steps of different rows do not wait for each other, so the rows of a block take each step together."""
    N = len(X)
    total, nodes = np.zeros(N), np.zeros(ROWS, np.int64)
    for start in range(0, N, ROWS):
        n = min(ROWS, N - start)
        for root in roots:
            nodes[:n] = root
            for _ in range(depth):
                for i in range(n):
                    k = nodes[i]
                    lead = leads[k]
                    nodes[i] = (lead >> 32) + (X[start + i, lead & 0xFFFFFFFF] > thresholds[k])
            for i in range(n):
                total[start + i] += lengths[nodes[i]]
    return total
