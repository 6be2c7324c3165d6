r"""The dual problem of every support vector machine, solved by sequential minimal optimisation in working sets."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.iteration import iterate
from ..numerics.compile import compiled
from .kernel_rows import KernelRows
from .smo_block import solve_block

WORKING_SET = 512


@dataclass(frozen=True, eq=False)
class Solution:
    """A solution of the dual problem.

    Attributes
    ----------
    alpha : array of shape (n,)
    gradient : array of shape (n,)
        Q a + p.
    rho : float
        The threshold: a decision function is sum_i y_i a_i k(x_i, x) - rho.
    r : float
        For the nu-form, the scale: margins lie at +-r before division by it; 1 otherwise.
    objective : float
        f(a).
    gap : float
        The largest violation of a pair.
    n_iter : int
        Outer steps.
    n_steps : int
        Pairwise steps.
    converged : bool
    """

    alpha: np.ndarray
    gradient: np.ndarray
    rho: float
    r: float
    objective: float
    gap: float
    n_iter: int
    n_steps: int
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
    """Minimise 1/2 a'Qa + p'a subject to y'a = y'a0 and 0 <= a <= C.

    Parameters
    ----------
    kernel_rows : KernelRows
        Of N items.
    y, p, C : arrays of shape (n,)
        Signs (+-1), linear term, upper bounds. n = N, or 2 N for regression, where variable i belongs to item i mod N.
    a0 : array of shape (n,), optional
        A feasible start; zero by default.
    tol : float, default 1e-3
    max_iter : int or None
        The most outer steps.
    nu : bool, default False
        Keep the sums over both signs: sum of a over y = +1 and over y = -1, each.
    owner : object, optional
        Gets ``history_`` (see `peira.core.iteration.iterate`).

    Returns
    -------
    Solution
    """
    y = np.asarray(y, dtype=np.float64)
    n, N = len(y), kernel_rows.n
    q = y * p
    low, high = np.where(y > 0, 0.0, -C), np.where(y > 0, C, 0.0)
    beta = np.zeros(n) if a0 is None else y * a0
    item = np.arange(n) % max(N, 1)
    F = np.zeros(N)
    touched = np.flatnonzero(beta)
    _add(kernel_rows, F, item[touched], beta[touched])
    groups = [np.flatnonzero(y > 0), np.flatnonzero(y < 0)] if nu else [np.arange(n)]
    size = min(WORKING_SET, kernel_rows.capacity)
    kept = np.zeros(0, dtype=np.int64)
    g = F[item] + q
    gap, steps, converged, done = np.inf, 0, False, 0
    for step in iterate(owner, max_iter, name="SMO", expect={"objective": "decrease"}):
        gap = max(_gap(beta, g, low, high, members) for members in groups)
        step.record(objective=0.5 * beta @ (g + q), gap=gap)
        if gap <= tol:
            converged = step.stop("converged")
            break
        chosen = [_select(beta, g, low, high, members, size // len(groups), kept) for members in groups]
        starts = np.cumsum([0] + [len(part) for part in chosen])
        B = np.concatenate(chosen)
        store, slots = kernel_rows.slots(np.unique(item[B]))
        slot = kernel_rows._slot[item[B]] if kernel_rows.whole is None else item[B]
        K = store[np.ix_(slot, item[B])]
        b, gb = beta[B], g[B]
        steps += solve_block(K, kernel_rows.diagonal[item[B]], b, gb, low[B], high[B], starts, max(0.1 * gap, 0.5 * tol), 100 * len(B))
        delta = b - beta[B]
        moved = np.flatnonzero(delta)
        add_rows(store, slot[moved], delta[moved], F)
        beta[B] = b
        g = F[item] + q
        kept = B
        done += 1
    levels = [_level(beta, g, low, high, members) for members in groups]
    rho, r = (levels[0], 1.0) if not nu else (0.5 * (levels[0] + levels[1]), 0.5 * (levels[1] - levels[0]))
    return Solution(y * beta, y * g, rho, r, float(0.5 * beta @ (g + q)), float(gap), done, steps, converged)


def _add(kernel_rows, F, items, delta):
    size = kernel_rows.capacity
    for start in range(0, len(items), size):
        part = items[start : start + size]
        store, slots = kernel_rows.slots(part)
        add_rows(store, slots, delta[start : start + size], F)


@compiled(fast=True)
def add_rows(K, slots, delta, F):
    """F += delta' K[slots], in float64."""
    N = F.size
    for start in range(0, N, 2048):
        end = min(start + 2048, N)
        k = 0
        while k + 4 <= slots.size:
            a, b, c, d = delta[k], delta[k + 1], delta[k + 2], delta[k + 3]
            A, B, C, D = K[slots[k]], K[slots[k + 1]], K[slots[k + 2]], K[slots[k + 3]]
            for t in range(start, end):
                F[t] += a * A[t] + b * B[t] + c * C[t] + d * D[t]
            k += 4
        while k < slots.size:
            a, A = delta[k], K[slots[k]]
            for t in range(start, end):
                F[t] += a * A[t]
            k += 1


def _gap(beta, g, low, high, members):
    up, down = members[beta[members] < high[members]], members[beta[members] > low[members]]
    return (g[down].max() - g[up].min()) if up.size and down.size else 0.0


def _level(beta, g, low, high, members):
    """The threshold of a group: the mean gradient of its free variables, else the middle of what is possible."""
    b, h, l, v = beta[members], high[members], low[members], g[members]
    free = (b > l) & (b < h)
    if free.any():
        return float(v[free].mean())
    up, down = v[b < h], v[b > l]
    if up.size and down.size:
        return float(0.5 * (up.min() + down.max()))
    return float(up.min() if up.size else down.max() if down.size else 0.0)


def _select(beta, g, low, high, members, size, kept):
    if len(members) <= size:
        return members
    b, v = beta[members], g[members]
    up = np.where(b < high[members], v, np.inf)
    down = np.where(b > low[members], -v, np.inf)
    half = size // 4 if kept.size else size // 2
    a = np.argpartition(up, half)[:half]
    a = a[np.isfinite(up[a])]
    c = np.argpartition(down, half)[:half]
    c = c[np.isfinite(down[c])]
    new = np.union1d(members[a], members[c])
    if kept.size:
        old = kept[~np.isin(kept, new)]
        old = old[np.isin(old, members)]
        free = (beta[old] > low[old]) & (beta[old] < high[old])
        old = np.concatenate([old[free], old[~free]])
        new = np.concatenate([new, old[: size - len(new)]])
    return new
