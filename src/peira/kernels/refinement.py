r"""The last digits of a support vector machine: Newton's method on the multipliers between their bounds.

Pairwise steps converge linearly, and an objective that is off by :math:`\delta` leaves the function off by
:math:`\sqrt{2 \delta}`. Once it is known which multipliers lie between their bounds (F), what is left is linear: with
signed multipliers :math:`\beta` and gradient g,

.. math:: K_{FF} d - r = \rho - g_F, \quad \sum_F d = 0

gives their step d and that of the threshold. A step that would leave the bounds ends at the first of them, which takes
that multiplier out of F. Equal rows make the matrix singular, but the equations stay consistent: of all solutions the
shortest is taken.

Cost: some F^3 a step; it is left out for more than `MOST`.
"""

import numpy as np
from scipy.linalg import lstsq

from .kernel_rows import KernelRows
from .smo import Solution

COARSE = 1e-6  # where pairwise steps end and this begins
ROUNDING = 1e-13
MOST, BLOCKED = 300, 30  # free multipliers, and bounds that are met in a turn


def refine(
    rows: KernelRows, y: np.ndarray, p: np.ndarray, C: np.ndarray, solution: Solution, *, nu: bool
) -> np.ndarray:
    """Multipliers (n,) whose free ones are optimal given the others; those of the solution if they are too many."""
    beta, g = y * solution.alpha, y * solution.gradient
    low, high = np.where(y > 0, 0.0, -C), np.where(y > 0, C, 0.0)
    item = np.arange(len(y)) % rows.n
    sides = [y > 0, y < 0] if nu else [np.ones(len(y), dtype=bool)]
    free = np.flatnonzero((beta > low) & (beta < high))
    if not 0 < len(free) <= min(MOST, rows.capacity):
        return solution.alpha
    items, place = np.unique(item[free], return_inverse=True)
    K = rows.rows(items)[:, items].astype(np.float64)[np.ix_(place, place)]
    active = np.ones(len(free), dtype=bool)
    for _ in range(BLOCKED):
        if not active.any():
            break
        now, F = free[active], int(active.sum())
        E = np.stack([side[now].astype(np.float64) for side in sides if side[now].any()], 1)
        G = E.shape[1]
        M = np.block([[K[np.ix_(active, active)], -E], [E.T, np.zeros((G, G))]])
        mean = E @ ((E.T @ g[now]) / E.sum(0))
        d = lstsq(M, np.concatenate([mean - g[now], np.zeros(G)]), lapack_driver="gelsy", check_finite=False)[0][:F]
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(d > 0, (high[now] - beta[now]) / d, np.where(d < 0, (low[now] - beta[now]) / d, np.inf))
        step = min(1.0, float(room.min()))
        beta[now] += step * d
        g[free] += step * (K[:, active] @ d)
        if step == 1.0:
            break
        first = now[room.argmin()]
        beta[first] = high[first] if d[room.argmin()] > 0 else low[first]
        active[np.flatnonzero(active)[room.argmin()]] = False
    tiny = ROUNDING * np.abs(beta).max(initial=0.0)  # what is left of a multiplier that met its bound but for rounding
    beta = np.where(beta - low < tiny, low, np.where(high - beta < tiny, high, beta))
    return y * beta
