r"""Linear support vector machines by coordinate descent in the dual, with shrinking.

The dual of :mod:`~peira.kernels.linear_svm_problem` has one multiplier a row and no equality constraint (the constant
feature is penalised), so that one multiplier at a time can be set to its best value, with
:math:`w = X^T \beta` kept up to date (Hsieh et al. 2008, algorithm 1; Ho & Lin 2012, algorithm 4):

.. math:: g = w^T x_n + q_n + d_n \beta_n, \quad H = \|x_n\|^2 + d_n

.. math:: \beta_n \leftarrow \mathrm{clip}( S(\beta_n - g / H, \; e / H), \; l_n, u_n )

.. math:: S(z, t) = \mathrm{sign}(z) \max(|z| - t, 0)

**Shrinking.** A multiplier that sits at a bound (or at zero, where e > 0) while its slope pushes outwards by more than
any violation that the last sweep met is left out. When the largest violation has become a hundredth of what it was with
all rows, all come back.

**The end**: the objectives of the primal and of the dual, computed over all rows after every few sweeps.

**Cost.** N D a sweep, or the stored entries; sweeps in the tens where columns are many, in the thousands where rows
are many, classes overlap and C is large.
"""

from collections.abc import Iterator

import numpy as np

from ..numerics.compile import compiled
from .linear_svm_problem import Best, Losses, Progress, Rows

BACK = 0.01  # share of the violation of all rows at which those left out come back
LOOK = 1.2  # by how much more sweeps lie between one look at the gap and the next


def descend(rows: Rows, losses: Losses, rng: np.random.Generator) -> Iterator[Progress]:
    """Sweeps of coordinate descent; what is known after some of them: the gap is looked at less and less often."""
    beta, w = np.zeros(rows.N), np.zeros(rows.D + 1)
    squares, best = rows.squares(), Best()
    active, bound, begun, sweeps, due = np.arange(rows.N), np.inf, np.inf, 0, 1.0
    at = best.see(w[: rows.size], losses.total(np.zeros(rows.N)), 0.0)
    while True:
        order = rng.permutation(active)
        task = (order, losses.q, losses.e, losses.lower, losses.upper, losses.d, squares, rows.constant, bound)
        if rows.sparse:
            worst, kept = sparse_sweep(rows.X.data, rows.X.indices, rows.X.indptr, *task, beta, w)
        else:
            worst, kept = dense_sweep(rows.X, *task, beta, w)
        sweeps += 1
        whole = len(active) == rows.N
        begun = worst if whole else begun
        active, bound = order[:kept], worst
        if sweeps >= due or worst <= 0:
            w[: rows.size] = rows.back(beta)  # without the rounding of the updates
            v = w[: rows.size]
            at = best.see(v, 0.5 * float(v @ v) + losses.total(rows.times(v)), losses.dual(beta, v))
            due = sweeps * LOOK
        yield at
        if worst <= 0 and whole:
            return
        if worst <= BACK * begun:
            active, bound = np.arange(rows.N), np.inf


@compiled(inline=True)
def coordinate(g, b, e, low, high, H):
    """The best value of a multiplier b whose slope is g and curvature H."""
    target = b - g / H
    if target > e / H:
        target -= e / H
    elif target < -e / H:
        target += e / H
    else:
        target = 0.0
    return min(max(target, low), high)


@compiled(inline=True)
def violation(g, b, e, low, high):
    """How steep the dual still is at b within its bounds; below zero: by how much it pushes against where b sits."""
    if b == low:
        return -(g - e if low < 0.0 else g + e)
    if b == high:
        return g + e if high > 0.0 else g - e
    if b == 0.0:
        return abs(g) - e
    return abs(g + e) if b > 0 else abs(g - e)


@compiled(fast=True)
def dense_sweep(X, order, q, e, low, high, d, squares, constant, bound, beta, w):
    """One sweep over the rows in ``order``; beta and w are changed, and the rows to keep come first in ``order``.

    Returns the largest violation that was met, and how many rows to keep.
    """
    D = X.shape[1]
    worst, kept = 0.0, 0
    for t in range(order.size):
        i = order[t]
        x = X[i]
        g = q[i] + d[i] * beta[i] + constant * w[D]
        for j in range(D):
            g += w[j] * x[j]
        v = violation(g, beta[i], e, low[i], high[i])
        if v < -bound:
            continue
        order[kept] = i
        kept += 1
        if v > 0:
            worst = max(worst, v)
            H = squares[i] + d[i]
            new = coordinate(g, beta[i], e, low[i], high[i], H) if H > 0 else (low[i] if g > e else high[i])
            step = new - beta[i]
            if step != 0.0:
                beta[i] = new
                for j in range(D):
                    w[j] += step * x[j]
                w[D] += step * constant
    return worst, kept


@compiled(fast=True)
def sparse_sweep(data, columns, starts, order, q, e, low, high, d, squares, constant, bound, beta, w):
    """The same on the rows of a CSR matrix."""
    D = w.size - 1
    worst, kept = 0.0, 0
    for t in range(order.size):
        i = order[t]
        g = q[i] + d[i] * beta[i] + constant * w[D]
        for a in range(starts[i], starts[i + 1]):
            g += w[columns[a]] * data[a]
        v = violation(g, beta[i], e, low[i], high[i])
        if v < -bound:
            continue
        order[kept] = i
        kept += 1
        if v > 0:
            worst = max(worst, v)
            H = squares[i] + d[i]
            new = coordinate(g, beta[i], e, low[i], high[i], H) if H > 0 else (low[i] if g > e else high[i])
            step = new - beta[i]
            if step != 0.0:
                beta[i] = new
                for a in range(starts[i], starts[i + 1]):
                    w[columns[a]] += step * data[a]
                w[D] += step * constant
    return worst, kept
