r"""Linear classification with an L1 penalty and the squared hinge, by coordinate descent over the columns.

.. math:: P(w) = \| w \|_1 + \sum_n \ell_n(w^T x_n)

The slope and the curvature of the loss along one weight, from the multipliers :math:`\beta_n(z)` and the rows A that
have a loss to pay (:mod:`~peira.kernels.linear_svm_problem`),

.. math:: g = - \sum_n \beta_n x_{nj}, \qquad h = \sum_{n \in A} x_{nj}^2 / d_n

give a Newton step under the penalty, :math:`w_j \leftarrow S(w_j - g / h, \; 1 / h)` (Yuan, Chang, Hsieh & Lin 2010,
algorithm CDN). Other rows may come to pay on the way; if P rises, the step is taken again with the curvature of all
rows, which bounds that of the loss everywhere, and P must fall. Weights at zero whose slope is further from the
penalty than any violation of the last sweep are left out for a while.

**The gap.** The dual asks for :math:`|x_j^T \beta| \leq 1` in all columns; the multipliers at hand, scaled until that
holds, give

.. math:: D(\beta) = - \sum_n q_n \beta_n + \frac{d_n}{2} \beta_n^2

**Cost.** Four passes over the stored entries a sweep; a copy of X by columns.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from ..numerics.compile import compiled
from .linear_svm_dual import BACK, LOOK
from .linear_svm_problem import Best, Losses, Progress, Rows


def descend_columns(rows: Rows, losses: Losses, rng: np.random.Generator) -> Iterator[Progress]:
    """Sweeps over the columns; what is known after some of them: the gap is looked at less and less often."""
    columns = sparse.csc_array(rows.X)
    if rows.constant:
        columns = sparse.hstack([columns, np.full((rows.N, 1), rows.constant)], format="csc")
    w, z, best = np.zeros(rows.size), np.zeros(rows.N), Best()
    active, bound, begun, sweeps, due = np.arange(rows.size), np.inf, np.inf, 0, 1.0
    at = best.see(w, losses.total(z), 0.0)
    while True:
        order = rng.permutation(active)
        parts = (columns.data, columns.indices, columns.indptr)
        worst, kept = sweep(*parts, order, losses.q, losses.d, bound, w, z)
        sweeps += 1
        whole = len(active) == rows.size
        begun = worst if whole else begun
        active, bound = order[:kept], worst
        if sweeps >= due or worst <= 0:
            z = rows.times(w)  # without the rounding of the updates
            beta = losses.answer(z)
            at = best.see(w, float(np.abs(w).sum()) + losses.total(z), _bound(rows, losses, beta))
            due = sweeps * LOOK
        yield at
        if worst <= 0 and whole:
            return
        if worst <= BACK * begun:
            active, bound = np.arange(rows.size), np.inf


def _bound(rows: Rows, losses: Losses, beta: np.ndarray) -> float:
    """D at the best feasible multiple of beta."""
    slope, curvature = float(-losses.q @ beta), float((losses.d * beta) @ beta)
    if not curvature:
        return 0.0
    steepest = float(np.abs(rows.back(beta)).max())
    t = min(1 / steepest if steepest else np.inf, slope / curvature)
    return t * slope - 0.5 * t * t * curvature


@compiled(inline=True)
def paid(z, q):
    """How far a row is inside of its margin: sign (1 - sign z) of its slope, or 0."""
    v = -(z + q)
    return v if v * q < 0 else 0.0


@compiled(inline=True)
def shrunk(w, g, h):
    """S(w - g / h, 1 / h)."""
    u = w * h - g
    return (u - 1) / h if u > 1 else ((u + 1) / h if u < -1 else 0.0)


@compiled
def sweep(data, index, starts, order, q, d, bound, w, z):
    """One sweep over the columns in ``order``; w and z = X w are changed, columns to keep come first in ``order``.

    Returns the largest violation that was met, and how many columns to keep.
    """
    worst, kept = 0.0, 0
    for turn in range(order.size):
        j = order[turn]
        g, h, most, before = 0.0, 0.0, 0.0, 0.0
        for a in range(starts[j], starts[j + 1]):
            n, x = index[a], data[a]
            v = paid(z[n], q[n])
            most += x * x / d[n]
            if v != 0.0:
                g -= v / d[n] * x
                h += x * x / d[n]
                before += 0.5 * v * v / d[n]
        v = abs(g) - 1 if w[j] == 0.0 else abs(g + 1 if w[j] > 0 else g - 1)
        if v < -bound:
            continue
        order[kept] = j
        kept += 1
        if v <= 0 or most == 0.0:
            continue
        worst = max(worst, v)
        for curvature in (max(h, 1e-12 * most), most):
            new = shrunk(w[j], g, curvature)
            step, after = new - w[j], 0.0
            for a in range(starts[j], starts[j + 1]):
                n = index[a]
                v = paid(z[n] + step * data[a], q[n])
                after += 0.5 * v * v / d[n]
            # as much as the expansion promises a tenth of; with the curvature of all rows it always falls
            promised = g * step + abs(new) - abs(w[j])
            if curvature == most or after + abs(new) <= before + abs(w[j]) + 0.1 * promised:
                break
        for a in range(starts[j], starts[j + 1]):
            z[index[a]] += step * data[a]
        w[j] = new
    return worst, kept
