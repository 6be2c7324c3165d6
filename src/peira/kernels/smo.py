r"""The dual problem of every support vector machine, solved by sequential minimal optimisation in working sets.

.. math:: f(a) = \frac{1}{2} a^T Q a + p^T a, \quad Q_{ij} = y_i y_j k(x_i, x_j)

is minimised subject to :math:`y^T a = const` and :math:`0 \leq a_i \leq C_i`, with signs y (Chang & Lin 2011,
eqs 11 and 18). In signed multipliers :math:`\beta_i = y_i a_i`, with :math:`q_i = y_i p_i`, the signs disappear:

.. math:: f = \frac{1}{2} \beta^T K \beta + q^T \beta, \quad \sum_i \beta_i = const, \quad L_i \leq \beta_i \leq U_i

and with the gradient :math:`g = K \beta + q` a point is optimal if and only if some level :math:`\rho` separates

.. math:: \min_{\beta_i < U_i} g_i \geq \rho \geq \max_{\beta_i > L_i} g_i

The *gap* is by how much it does not. In the nu-form the sums over y = +1 and over y = -1 are both kept, so that there
are two groups of variables, each with its own level. Regression has two variables an item, which share a row of K.

Each step takes a *working set* of up to 2,048 variables (`peira.kernels.smo_select`), solves the problem in it by
pairwise steps with K at hand (`peira.kernels.smo_block`), and brings the gradient up to date by one pass over the rows
of the multipliers that moved. A pair chosen from all N would cost three passes over N; in the working set its data
stay in the caches. Only rows of items that were in some working set are ever computed. A small problem is one working
set, and where nobody watches, as in machines of pairs of classes, one compiled call (`peira.kernels.smo_whole`).

Rows begin in single precision. Once the gap is no larger than what their rounding may do to it, and ``tol`` is smaller
than that, they are computed anew in double precision, and the steps go on from where they are; the objective may rise
there, once, by what rounding had hidden.

Cost: N D for each of these rows, N for each multiplier that moves in a step, and about 1 ns for each pair and variable
of a working set. Memory: the rows (`KernelRows`), and 16 MiB.

Reference: Chang & Lin (2011), LIBSVM: a library for support vector machines, ACM TIST 2(3); Joachims (1999), Making
large-scale SVM learning practical, for working sets; Wen, Shi, Li, He & Chen (2018), ThunderSVM, JMLR 19(21), for those
that keep half of the last.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.iteration import iterate
from ..numerics.compile import compiled
from .kernel_rows import KernelRows
from .smo_block import LARGEST, solve_block
from .smo_select import gap_of, level, select
from .smo_whole import solve_whole

SMALLEST = 1024  # working set
UNDIVIDED = 1536  # variables that are one working set if their rows are at hand
PAIRS = 10_000_000  # pairwise steps in all, as in LIBSVM: minutes
ROUNDS = 5  # of pairwise steps in a problem that nobody watches: at most a second between two looks at the clock
SHARE = 0.2  # of the gap, to which a working set is solved
CHUNK = 1024  # of the gradient: stays in first-level cache while rows are added


@dataclass(frozen=True, eq=False)
class Solution:
    r"""A solution of the dual problem.

    Attributes
    ----------
    alpha : array of shape (n,)
        Multipliers a.
    gradient : array of shape (n,)
        Q a + p.
    rho : float
        The threshold: the decision is :math:`\sum_i y_i a_i k(x_i, x) - \rho`.
    r : float
        In the nu-form half of the distance of the two levels, to which margins are scaled; otherwise 1.
    objective : float
        f(a).
    gap : float
        By how much the worst pair violates optimality.
    n_iter : int
        Working sets that were solved.
    n_pairs : int
        Pairwise steps that were made.
    converged : bool
        Whether the gap is at most the tolerance.
    """

    alpha: np.ndarray
    gradient: np.ndarray
    rho: float
    r: float
    objective: float
    gap: float
    n_iter: int
    n_pairs: int
    converged: bool


def solve(
    kernel_rows: KernelRows,
    y: np.ndarray,
    p: np.ndarray,
    C: np.ndarray,
    a0: np.ndarray | None = None,
    *,
    tol: float = 1e-3,
    max_iter: int | None = 100_000,
    nu: bool = False,
    owner: Any = None,
) -> Solution:
    """Minimise a'Qa / 2 + p'a subject to y'a = y'a0 and 0 <= a <= C.

    Parameters
    ----------
    kernel_rows : KernelRows
        Of N items.
    y : array of shape (n,)
        Signs, 1 or -1. n is N, or 2 N for regression: variable i belongs to item i mod N.
    p : array of shape (n,)
        Linear term.
    C : array of shape (n,)
        Upper bounds; may hold infinity and 0.
    a0 : array of shape (n,), optional
        A feasible start, 0 by default.
    tol : float, default 1e-3
        The gap at which to end, in units of the decision function.
    max_iter : int or None, default 100 000
        The most working sets. It is for the caller to warn.
    nu : bool, default False
        Keep the sums of a over y = 1 and over y = -1, each.
    owner : Method, optional
        Gets ``history_`` with "objective" and "gap" (see `peira.core.iteration.iterate`).

    Returns
    -------
    Solution

    Examples
    --------
    Two points at distance 2, one of each class: the multipliers are 1/2, and the level is half-way.

    >>> import numpy as np
    >>> rows = KernelRows.of_products(np.array([[1.0], [3.0]]), "linear")
    >>> solution = solve(rows, np.array([-1.0, 1.0]), -np.ones(2), np.full(2, np.inf))
    >>> solution.alpha, solution.rho
    (array([0.5, 0.5]), 2.0)
    """
    n, N = len(y), kernel_rows.n
    y = np.asarray(y, dtype=np.float64)
    q, low, high = y * p, np.where(y > 0, 0.0, -C), np.where(y > 0, C, 0.0)
    every = np.arange(n)
    item = every if n == N else every % max(N, 1)
    group = (y < 0).astype(np.int64) if nu else np.zeros(n, dtype=np.int64)
    groups = 2 if nu else 1
    beta = np.zeros(n) if a0 is None else y * a0
    if N <= LARGEST and kernel_rows.capacity == N and not kernel_rows.at_hand:
        kernel_rows.complete()
    gap, done, pairs, converged = np.inf, 0, 0, False
    g, working, products = np.empty(n), np.zeros(0, dtype=np.int64), np.zeros(N)  # K beta
    if owner is None and n == N <= UNDIVIDED and kernel_rows.at_hand:  # nobody sees the steps
        rounds = ROUNDS if max_iter is None else min(ROUNDS, max_iter)
        rows, K_nn = kernel_rows.block(None), kernel_rows.diagonal
        gap, done, pairs = solve_whole(*rows, K_nn, q, beta, g, low, high, group, groups, tol, rounds)
        converged, products = max(gap, noise_of(kernel_rows, item, beta)) <= tol, g - q
    elif a0 is not None:
        add(kernel_rows, None if n == N else item, beta, products)
    g = products[item] + q
    left = 0 if converged else max_iter if max_iter is None else max_iter - done
    for step in iterate(owner, left, name="SMO", expect={"objective": "decrease"}):
        gap = gap_of(beta, g, low, high, group, groups)
        if (noise := noise_of(kernel_rows, item, beta)) > tol and gap <= max(noise, tol):
            kernel_rows.sharpen()
            if N <= LARGEST and kernel_rows.capacity == N:
                kernel_rows.complete()
            products = np.zeros(N)
            add(kernel_rows, None if n == N else item, beta, products)
            g = products[item] + q
            gap = gap_of(beta, g, low, high, group, groups)
        step.record(objective=0.5 * beta @ (g + q), gap=gap)
        if gap <= tol:
            converged = step.stop("converged")
            break
        size = working_set(n, beta, low, high, kernel_rows)
        if size < n:
            working = select(beta, g, low, high, group, groups, working, size)
        B = np.sort(working) if size < n else slice(None)
        moved, at = beta[B].copy(), g[B].copy()
        items = None if size == n == N else item[B]
        pairs += solve_block(
            *kernel_rows.block(items),
            kernel_rows.diagonal[item[B]],
            moved,
            at,
            low[B],
            high[B],
            group[B],
            groups,
            0.5 * tol if size == n else max(SHARE * gap, 0.5 * tol),
            min(100 * size, PAIRS - pairs),
        )
        change = moved - beta[B]
        beta[B] = moved
        add(kernel_rows, items, change, products)
        g = products[item] + q
        done += 1
        if pairs >= PAIRS:
            step.stop("max_iter")
            break
    if not converged:  # the last step may have been enough
        gap = gap_of(beta, g, low, high, group, groups)
        converged = bool(max(gap, noise_of(kernel_rows, item, beta)) <= tol)
        if converged and owner is not None and owner.stopped_ == "max_iter":
            owner.stopped_ = "converged"
    levels = [level(beta, g, low, high, group, k) for k in range(groups)]
    rho, r = (sum(levels) / 2, (levels[0] - levels[1]) / 2) if nu else (levels[0], 1.0)
    objective = float(0.5 * beta @ (g + q))
    return Solution(y * beta, y * g, rho, r, objective, float(gap), done, pairs, converged)


def noise_of(kernel_rows: KernelRows, item: np.ndarray, beta: np.ndarray) -> float:
    """The gap that remains, whatever is done, where entries are rounded to single precision."""
    if not kernel_rows.rounding:
        return 0.0
    total = beta if len(beta) == kernel_rows.n else np.bincount(item, beta, minlength=kernel_rows.n)
    return kernel_rows.rounding * math.sqrt(total @ total)


def working_set(n: int, beta: np.ndarray, low: np.ndarray, high: np.ndarray, kernel_rows: KernelRows) -> int:
    """Its size: twice the variables between their bounds, which belong together, as far as there is room."""
    if n <= UNDIVIDED and kernel_rows.at_hand:
        return n
    free = int(np.count_nonzero((beta > low) & (beta < high)))
    return max(2, min(max(SMALLEST, 2 * free), LARGEST, kernel_rows.capacity))


def add(kernel_rows: KernelRows, items: np.ndarray | None, change: np.ndarray, products: np.ndarray) -> None:
    """products += K[:, items] change, in float64; of all items for None."""
    total = change if items is None else np.bincount(items, change, minlength=kernel_rows.n)
    moved = np.flatnonzero(total)
    for start in range(0, len(moved), max(kernel_rows.capacity, 1)):
        part = moved[start : start + kernel_rows.capacity]
        add_rows(*kernel_rows.slots(part), total[part], products)


@compiled(fast=True)
def add_rows(store, slots, weights, out):
    """out += weights' store[slots], four rows at a time."""
    for start in range(0, out.size, CHUNK):
        part = out[start : start + CHUNK]
        k = 0
        while k + 4 <= slots.size:
            u, v, w, x = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            a = store[slots[k]][start : start + CHUNK]
            b = store[slots[k + 1]][start : start + CHUNK]
            c = store[slots[k + 2]][start : start + CHUNK]
            d = store[slots[k + 3]][start : start + CHUNK]
            for t in range(part.size):
                part[t] += (u * a[t] + v * b[t]) + (w * c[t] + x * d[t])
            k += 4
        while k < slots.size:
            u, a = weights[k], store[slots[k]][start : start + CHUNK]
            for t in range(part.size):
                part[t] += u * a[t]
            k += 1
