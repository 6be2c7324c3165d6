r"""The graph of UMAP: memberships of the neighbours of each item, joined.

Each item measures distance on a scale of its own, beyond its nearest neighbour at :math:`\rho_i`,

.. math:: \mu_{j|i} = exp( - \max( 0, d_{ij} - \rho_i ) / \sigma_i ), \qquad \sum_j \mu_{j|i} = \log_2 k

and two items are neighbours if one says so, or the other (the probabilistic union):

.. math:: \mu_{ij} = \mu_{j|i} + \mu_{i|j} - \mu_{j|i} \, \mu_{i|j}

Reference: McInnes, Healy & Melville (2018), UMAP: uniform manifold approximation and projection, arXiv 1802.03426,
algorithms 2 and 3.
"""

import numpy as np
from scipy import sparse

from ..numerics.compile import compiled

STEPS = 64
LEAST = 1e-3  # the least scale, over the mean distance: of rows with many equal ones


@compiled
def memberships(d, k):
    """The memberships (N, n) of neighbours at distances d (N, n), nearest first, on a scale that suits k of them."""
    N, n = d.shape
    M = np.empty((N, n))
    target = np.log2(k)
    overall = d.mean()
    for i in range(N):
        rho = 0.0
        for j in range(n):
            if d[i, j] > 0.0:
                rho = d[i, j]
                break
        low, high, sigma = 0.0, np.inf, 1.0
        for _ in range(STEPS):
            total = 0.0
            for j in range(n):
                total += np.exp(-max(0.0, d[i, j] - rho) / sigma)
            if abs(total - target) < 1e-10:
                break
            if total > target:
                high = sigma
            else:
                low = sigma
            sigma = (low + high) / 2.0 if high < np.inf else 2.0 * sigma
        sigma = max(sigma, LEAST * (d[i].mean() if rho > 0.0 else overall), 1e-300)
        for j in range(n):
            M[i, j] = np.exp(-max(0.0, d[i, j] - rho) / sigma)
    return M


def fuzzy_graph(d: np.ndarray, near: np.ndarray, k: float) -> sparse.csr_array:
    """The symmetric memberships (N, N) from distances d and indices (N, n) of each item's nearest others."""
    N, n = d.shape
    M = memberships(d, k)
    A = sparse.csr_array((M.ravel(), near.ravel(), np.arange(0, N * n + 1, n)), shape=(N, N))
    A.sort_indices()
    T = sparse.csr_array(A.T)
    return sparse.csr_array(A + T - A.multiply(T))
