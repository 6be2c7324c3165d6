r"""Inside a working set: pairwise steps on a small dense matrix that stays in the caches.

The signed multipliers :math:`\beta` of one block, its gradient :math:`g` and its matrix :math:`K` are given. Of the
variables that may grow, i is the one with the steepest descent; of those that may shrink, j is the one with which i
gains most (Fan, Chen & Lin 2005, WSS 2):

.. math:: i = \arg\min_t \{ g_t : \beta_t < U_t \}

.. math:: j = \arg\max_t \{ (g_t - g_i)^2 / a_{it} : \beta_t > L_t, \; g_t > g_i \}

.. math:: a_{it} = K_{ii} + K_{tt} - 2 K_{it}

.. math:: \beta_i \leftarrow \beta_i + s, \quad \beta_j \leftarrow \beta_j - s, \quad g \leftarrow g + s (K_i - K_j)

.. math:: s = \min((g_j - g_i) / a_{ij}, \; U_i - \beta_i, \; \beta_j - L_j)

Where :math:`a_{ij} \leq 0` (a kernel that is not positive semidefinite, or equal rows) a tiny number stands in for it,
so that the step goes to the nearest bound.

**The search is the cost**, and a loop that remembers the place of the best value so far does not become vector
instructions. A maximum of integers does. The bits of a double, read as an integer, are in the order of the doubles
(negative ones once their other bits are flipped); the place takes the last 11 bits, so that one maximum finds value
and place. Values that agree in the first 41 bits of the mantissa count as equal; only the choice depends on that.

Cost: about 1 ns a step and variable. Blocks have at most `LARGEST` variables.

Reference: Fan, Chen & Lin (2005), Working set selection using second order information for training support vector
machines, JMLR 6, 1889-1918.
"""

import numpy as np

from ..numerics.compile import compiled
from .kernel_rows import row_of

TAU = 1e-12  # the curvature of a pair that has none
LARGEST = 2048
PLACE = np.int64(LARGEST - 1)  # the bits of a key that hold the place
VALUE = ~PLACE
FIRST, LAST = np.int64(-(2**63)), np.int64(2**63 - 1)  # below and above all keys


@compiled
def extremes(g, may_grow, may_shrink, place):
    """Keys of the least gradient among the variables that may grow, and of the greatest among those that may shrink."""
    bits = g.view(np.int64)
    least, most = LAST, FIRST
    for t in range(g.size):
        ordered = bits[t] ^ ((bits[t] >> 63) & LAST)
        key = (ordered & VALUE) | place[t]
        least = min(least, key if may_grow[t] != 0 else LAST)
        most = max(most, key if may_shrink[t] != 0 else FIRST)
    return least, most


@compiled(fast=True)
def best_partner(i, row, diagonal, g, may_shrink, place, gains):
    """Key of the greatest gain of a pair with variable i, of this row of K."""
    lowest, own = g[i], diagonal[i]
    for t in range(g.size):
        difference = g[t] - lowest
        curvature = own + diagonal[t] - 2.0 * row[t]
        curvature = curvature if curvature > TAU else TAU
        gains[t] = difference * difference / curvature if (may_shrink[t] != 0) & (difference > 0.0) else 0.0
    bits = gains.view(np.int64)
    most = np.int64(0)
    for t in range(g.size):
        most = max(most, (bits[t] & VALUE) | place[t])
    return most


@compiled(fast=True)
def solve_block(K, there, store, slots, columns, diagonal, beta, g, low, high, group, groups, tol, max_steps):
    """Make pairwise steps until every group of the block violates its optimality by at most ``tol``.

    Parameters
    ----------
    K, there, store, slots, columns
        The matrix (B, B), gathered row by row as it is used: `peira.kernels.kernel_rows.KernelRows.block`.
    diagonal : array of shape (B,), float64
    beta, g : arrays of shape (B,), float64, changed in place
        Signed multipliers and gradient.
    low, high : arrays of shape (B,), float64
        Their bounds.
    group : int array of shape (B,)
        0 ... ``groups`` - 1: the members of a pair are of one group.
    groups : int
    tol : float
    max_steps : int

    Returns
    -------
    steps : int
    """
    B = g.size
    place, gains = np.arange(B), np.empty(B)
    may_grow, may_shrink = np.zeros((groups, B), np.int64), np.zeros((groups, B), np.int64)
    for t in range(B):
        may_grow[group[t], t], may_shrink[group[t], t] = beta[t] < high[t], beta[t] > low[t]
    for step in range(max_steps):
        best, i = np.int64(0), -1
        for k in range(groups):
            least, most = extremes(g, may_grow[k], may_shrink[k], place)
            if least == LAST or most == FIRST or not g[most & PLACE] - g[least & PLACE] > tol:
                continue
            row = row_of(least & PLACE, K, there, store, slots, columns)
            gain = best_partner(least & PLACE, row, diagonal, g, may_shrink[k], place, gains)
            if gain > best:
                best, i = gain, least & PLACE
        if i < 0:
            return step
        j = best & PLACE
        row, other = K[i], row_of(j, K, there, store, slots, columns)
        s = (g[j] - g[i]) / max(diagonal[i] + diagonal[j] - 2.0 * row[j], TAU)
        to_high, to_low = high[i] - beta[i], beta[j] - low[j]
        s = min(s, to_high, to_low)
        beta[i] = high[i] if s == to_high else beta[i] + s
        beta[j] = low[j] if s == to_low else beta[j] - s
        may_grow[group[i], i], may_shrink[group[i], i] = beta[i] < high[i], 1
        may_grow[group[j], j], may_shrink[group[j], j] = 1, beta[j] > low[j]
        for t in range(B):
            g[t] += s * (row[t] - other[t])
    return max_steps
