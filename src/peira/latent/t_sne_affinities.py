r"""Affinities of t-SNE: how probable each item finds the others as its neighbours.

.. math:: p_{j|i} = \frac{ exp( -\beta_i d_{ij}^2 ) }{ \sum_{k \neq i} exp( -\beta_i d_{ik}^2 ) }

.. math:: p_{ij} = \frac{ p_{j|i} + p_{i|j} }{ 2 N }

with the precision :math:`\beta_i` at which the entropy of row i is the logarithm of the perplexity, so that each item
has about as many effective neighbours. The entropy falls with beta, and its slope is known, so Newton's method within
a shrinking bracket finds it in a few steps.

A row with more equal nearest items than the perplexity cannot go below their number: they share the row alike.

Reference: van der Maaten & Hinton (2008), JMLR 9, 2579-2605, eq. 1 and 4; the search: Vladymyrov & Carreira-Perpinan
(2013), Entropic affinities, ICML.
"""

import numpy as np
from scipy import sparse

from ..numerics.compile import compiled

TOLERANCE = 1e-10  # of the entropy, nats
STEPS = 100


@compiled
def conditional(squares, perplexity):
    """The probabilities (N, k) of neighbours from their squared distances (N, k), and the rows' precisions (N,)."""
    N, k = squares.shape
    P, betas = np.empty((N, k)), np.empty(N)
    target = np.log(perplexity)
    for i in range(N):
        low, high = 0.0, np.inf
        nearest, total = squares[i].min(), 0.0
        for j in range(k):
            total += squares[i, j] - nearest
        beta = k / total if total > 0.0 else 1.0
        for _ in range(STEPS):
            z, first, second = 0.0, 0.0, 0.0
            for j in range(k):
                s = squares[i, j] - nearest  # the nearest has probability 1 / z: nothing underflows to all zeros
                p = np.exp(-beta * s)
                P[i, j] = p
                z += p
                first += p * s
                second += p * s * s
            mean = first / z
            gap = np.log(z) + beta * mean - target
            if abs(gap) <= TOLERANCE:
                break
            if gap > 0.0:
                low = beta
            else:
                high = beta
            slope = -beta * max(second / z - mean * mean, 0.0)  # of the entropy, by beta
            step = beta - gap / slope if slope < 0.0 else np.inf
            if not (low < step < high):
                step = (low + high) / 2.0 if high < np.inf else 2.0 * beta
            if step == beta or step > 1e300:
                break
            beta = step
        for j in range(k):
            P[i, j] /= z
        betas[i] = beta
    return P, betas


def joint(P: np.ndarray, near: np.ndarray) -> sparse.csr_array:
    """The symmetric probabilities (N, N), of sum one, from conditional ones of the neighbours ``near`` (N, k)."""
    N, k = P.shape
    C = sparse.csr_array((P.ravel(), near.ravel(), np.arange(0, N * k + 1, k)), shape=(N, N))
    S = sparse.csr_array(C + C.T) / (2.0 * N)
    S.sort_indices()
    return sparse.csr_array(S)
