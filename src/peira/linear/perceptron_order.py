r"""In which order rows are shown: drawn from a seed, and the same however they came.

Rows are sorted by their projections on a random direction, drawn from the seed,

.. math:: k_n = g^T x_n, \quad g \sim N(0, I)

so the order they came in leaves no trace, and equal rows meet. Equal rows of one class are shown as one, with the sum
of their steps: a row of weight two is then the same as two equal rows, and a row of weight zero is none. Each epoch
permutes the result.

Cost: N D + N log N, less than the first epoch.
"""

import numpy as np
from scipy import sparse

from ..numerics.compile import compiled


def drawn_order(
    X: np.ndarray | sparse.csr_array, codes: np.ndarray, step: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to show, in an order that depends on the rows and the seed alone, and the steps that stand for them.

    Parameters
    ----------
    X : array or CSR matrix of shape (N, D)
    codes : int array of shape (N,)
    step : array of shape (N,)
        Rows of step zero are not shown.
    rng : numpy Generator
        Draws the direction.

    Returns
    -------
    rows : int array of shape (M,)
        One of each set of equal rows of one class.
    steps : array of shape (N,)
        At ``rows``, the sum over the set; 0 elsewhere.
    """
    rows, g = np.flatnonzero(step), rng.standard_normal(X.shape[1])
    key = project_sparse(X.data, X.indices, X.indptr, g) if sparse.issparse(X) else project(X, g)
    key = key[rows]
    order = np.lexsort((step[rows], codes[rows], key))
    rows, key = rows[order], key[order]
    # Equal rows have equal keys to the last bit, since each is summed in the same order; the converse is looked up.
    alike = np.flatnonzero((key[1:] == key[:-1]) & (codes[rows[1:]] == codes[rows[:-1]]))
    a, b = X[rows[alike]], X[rows[alike + 1]]
    equal = abs(a - b).sum(1) == 0 if sparse.issparse(X) else (a == b).all(1)
    first = np.ones(len(rows), dtype=bool)
    first[alike[equal] + 1] = False
    steps = np.zeros(len(step))
    steps[rows[first]] = np.add.reduceat(step[rows], np.flatnonzero(first))
    return rows[first], steps


@compiled
def project(X, g):
    """X g, each row summed from left to right, so that equal rows give equal numbers."""
    N, D = X.shape
    key = np.zeros(N)
    for n in range(N):
        for j in range(D):
            key[n] += X[n, j] * g[j]
    return key


@compiled
def project_sparse(data, columns, starts, g):
    """The same for a CSR matrix."""
    N = starts.size - 1
    key = np.zeros(N)
    for n in range(N):
        for k in range(starts[n], starts[n + 1]):
            key[n] += data[k] * g[columns[k]]
    return key
