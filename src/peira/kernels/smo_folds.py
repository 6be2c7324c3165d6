r"""Held-out decisions of a small machine: the rows of each fold are judged by the machine of all others.

The machine of a fold has the bounds :math:`C_i = 0` for its rows, and is the minimum of the same dual problem
(`peira.kernels.smo`), started from the multipliers of the machine of all rows: those of the fold go to zero, and the
side that lost less is scaled down, or the other filled up, until :math:`\sum_i y_i a_i = 0` holds again. Most are
right already, so that a fold takes a small part of the first machine's steps.

One compiled pass over all folds: machines of some hundred rows take less time than the calls that set them up.

Cost: 1 ns a pairwise step and row, and N for each multiplier and fold.
"""

import numpy as np

from ..numerics.compile import compiled
from .machine import fill
from .smo_select import level
from .smo_whole import solve_whole

ROUNDS = 20  # of pairwise steps and a fresh gradient


@compiled
def held_out(K, there, store, slots, columns, diagonal, y, C, fold, alpha, tol):
    """Decisions of all rows, each by the machine of the other folds.

    Parameters
    ----------
    K, there, store, slots, columns
        The matrix of all N rows (`peira.kernels.kernel_rows.KernelRows.block`).
    diagonal : array of shape (N,)
    y : array of shape (N,)
        Signs.
    C : array of shape (N,)
        Bounds, finite.
    fold : int array of shape (N,)
        0, 1, ...
    alpha : array of shape (N,)
        Multipliers of the machine of all rows.
    tol : float
        The gap at which a machine is done.

    Returns
    -------
    array of shape (N,)
    """
    N = y.size
    f, beta, g = np.empty(N), np.empty(N), np.empty(N)
    low, high, group = np.empty(N), np.empty(N), np.zeros(N, np.int64)
    for k in range(fold.max() + 1):
        left, count = 0.0, 0
        for i in range(N):
            bound = 0.0 if fold[i] == k else C[i]
            low[i], high[i] = (0.0, bound) if y[i] > 0 else (-bound, 0.0)
            left += 0.0 if fold[i] == k else y[i]
            count += fold[i] != k
        if abs(left) == count:  # nothing to compare: LIBSVM's answer
            for i in range(N):
                if fold[i] == k:
                    f[i] = np.sign(left)
            continue
        first, second = np.minimum(alpha[y > 0], high[y > 0]), np.minimum(alpha[y < 0], -low[y < 0])
        total = min(first.sum(), second.sum())
        beta[y > 0] = fill(first, high[y > 0], total)
        beta[y < 0] = -fill(second, -low[y < 0], total)
        solve_whole(K, there, store, slots, columns, diagonal, -y, beta, g, low, high, group, 1, tol, ROUNDS)
        rho = level(beta, g, low, high, group, 0)
        for i in range(N):
            if fold[i] == k:
                f[i] = g[i] + y[i] - rho
    return f
