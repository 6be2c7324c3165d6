r"""Inside a working set: pairwise steps on a small dense matrix, in first-level cache.

The signed multipliers :math:`\beta` of one block, its gradient :math:`g` and its matrix :math:`K` are given. Of the
variables that may grow, i is the one with the steepest descent; of those that may shrink, j is the one with which i
gains most (Fan, Chen & Lin 2005, WSS 2):

.. math:: i = \arg\max_{\beta_t < U_t} -g_t

.. math:: j = \arg\max_{\beta_t > L_t, \; g_t > g_i} (g_t - g_i)^2 / a_{it}, \quad a_{it} = K_{ii} + K_{tt} - 2 K_{it}

.. math:: \beta_i \leftarrow \beta_i + s, \quad \beta_j \leftarrow \beta_j - s, \quad
          s = \min((g_j - g_i) / a_{ij}, \; U_i - \beta_i, \; \beta_j - L_j)

Where :math:`a_{ij} \leq 0` (a kernel that is not positive semidefinite, or equal rows) a tiny number stands in for it,
so that the step goes to the nearest bound.

Reference: Fan, Chen & Lin (2005), Working set selection using second order information for training support vector
machines, JMLR 6, 1889-1918.
"""

import numpy as np

from ..numerics.compile import compiled

TAU = 1e-12  # the curvature of a pair that has none


@compiled(fast=True)
def solve_block(K, diagonal, beta, g, low, high, starts, tol, max_steps):
    """Make pairwise steps until every group of the block violates its optimality by at most ``tol``.

    Parameters
    ----------
    K : array of shape (B, B)
    diagonal : array of shape (B,), float64
    beta, g : arrays of shape (B,), float64, changed in place
        Signed multipliers and gradient.
    low, high : arrays of shape (B,)
        Their bounds.
    starts : int array of shape (groups + 1,)
        A pair lies within ``starts[k] : starts[k + 1]``.
    tol : float
    max_steps : int

    Returns
    -------
    steps : int
    """
    for step in range(max_steps):
        best, best_i, best_j = 0.0, -1, -1
        for group in range(starts.size - 1):
            i, steepest, flattest = -1, -np.inf, np.inf
            for t in range(starts[group], starts[group + 1]):
                if beta[t] < high[t] and -g[t] > steepest:
                    i, steepest = t, -g[t]
                if beta[t] > low[t] and -g[t] < flattest:
                    flattest = -g[t]
            if i < 0 or steepest - flattest <= tol:
                continue
            row = K[i]
            for t in range(starts[group], starts[group + 1]):
                difference = steepest + g[t]
                if beta[t] > low[t] and difference > 0.0:
                    curvature = max(diagonal[i] + diagonal[t] - 2.0 * row[t], TAU)
                    gain = difference * difference / curvature
                    if gain > best:
                        best, best_i, best_j = gain, i, t
        if best_i < 0:
            return step
        i, j = best_i, best_j
        s = (g[j] - g[i]) / max(diagonal[i] + diagonal[j] - 2.0 * K[i, j], TAU)
        to_high, to_low = high[i] - beta[i], beta[j] - low[j]
        s = min(s, to_high, to_low)
        beta[i] = high[i] if s == to_high else beta[i] + s
        beta[j] = low[j] if s == to_low else beta[j] - s
        first, second = K[i], K[j]
        for t in range(g.size):
            g[t] += s * (first[t] - second[t])
    return max_steps
