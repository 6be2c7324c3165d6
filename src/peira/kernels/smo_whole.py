r"""A small dual problem solved as one working set, in one compiled call.

With all rows of K at hand and no more variables than a working set has, there is nothing to choose: pairwise steps
(`peira.kernels.smo_block`) until the gap is small, then a fresh gradient

.. math:: g = K \beta + q

in the place of the one that the steps carried along, until the gap of that one is small as well. Machines of pairs of
classes and of folds are of this kind, by the dozen, and take less time than the calls that set them up.

Cost: about 1 ns a pairwise step and variable, and N for each multiplier a round.
"""

from ..numerics.compile import compiled
from .kernel_rows import row_of
from .smo_block import solve_block
from .smo_select import gap_of


@compiled(fast=True)
def gradient_at(K, there, store, slots, columns, beta, q, g):
    """g = K beta + q."""
    g[:] = q
    for i in range(beta.size):
        if beta[i] != 0.0:
            row, weight = row_of(i, K, there, store, slots, columns), beta[i]
            for t in range(beta.size):
                g[t] += weight * row[t]


@compiled
def solve_whole(K, there, store, slots, columns, diagonal, q, beta, g, low, high, group, groups, tol, rounds):
    """Make pairwise steps until the gap is at most ``tol``, in at most so many rounds.

    Parameters
    ----------
    K, there, store, slots, columns
        The matrix of all N rows (`peira.kernels.kernel_rows.KernelRows.block`).
    diagonal, q : arrays of shape (N,)
    beta, g : arrays of shape (N,), changed in place
        Signed multipliers, and room for their gradient.
    low, high : arrays of shape (N,)
    group : int array of shape (N,)
    groups : int
    tol : float
    rounds : int

    Returns
    -------
    gap : float
    done : int
        Rounds that were made.
    steps : int
    """
    steps = 0
    for done in range(rounds + 1):
        gradient_at(K, there, store, slots, columns, beta, q, g)
        gap = gap_of(beta, g, low, high, group, groups)
        if gap <= tol or done == rounds:
            break
        steps += solve_block(
            K, there, store, slots, columns, diagonal, beta, g, low, high, group, groups, 0.5 * tol, 100 * beta.size
        )
    return gap, done, steps
