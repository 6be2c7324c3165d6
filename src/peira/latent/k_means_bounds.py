r"""Assigning rows to centres that move a little: bounds tell which rows need not be looked at.

Between two steps of k-means centre k moves by :math:`\delta_k`. By the triangle inequality an upper bound u of a row's
distance to its own centre a, and a lower bound l of its distance to every other, stay bounds if

.. math:: u \leftarrow u + \delta_a, \quad l \leftarrow l - \max_{k \neq a} \delta_k

While :math:`u < \max(l, \min_k \| c_a - c_k \| / 2)` the row stays where it is (Hamerly 2010, Theorem 1 and
Algorithm 1), and nothing of it is read but the bounds. They are moved for all rows at once: each centre keeps the sum
of the moves since the start, and a row keeps its bounds less these sums. Only a row that fails the test is measured to
its own centre, and only if it fails again scored against all of them.

The sums of the rows of each cluster change only by the rows that move (they are added anew from time to time, so that
rounding does not pile up). From sums :math:`t_k` about the origin and sizes :math:`n_k` follows the objective at any
centres, without a look at the rows:

.. math:: J = \sum_n w_n \| x_n \|^2 - 2 \sum_k t_k^T c_k + \sum_k n_k \| c_k \|^2

Cost of a step: N + M D + M' K D, with M and M' the rows that fail the first and the second test; N K D at first.
Memory: 4 N D bytes for rows in single precision, and 40 N.

Reference: Hamerly (2010), Making k-means even faster, SIAM Conference on Data Mining, 130-140.
"""

import math

import numpy as np

from ..numerics.compile import compiled
from .k_means_nearest import ROWS, U32, Scorer, unit_of

ANEW = 64  # steps after which the sums are added again
SAFE = 1e-9  # relative, far above the rounding of a bound


class BoundedAssignment:
    """Rows, the cluster of each, and the weight, size and sum of each cluster.

    Parameters
    ----------
    X : array of shape (N, D), float64, C-contiguous
    w : array of shape (N,), optional
    C : array of shape (K, D)
        The first centres.
    bounds : bool, default True
        False: look at every row in every step. The answer is the same, bit for bit.
    """

    def __init__(self, X: np.ndarray, w: np.ndarray | None, C: np.ndarray, *, bounds: bool = True) -> None:
        (N, D), K = X.shape, len(C)
        self.X, self.bounds = X, bounds
        self.w = np.ones(N) if w is None else w
        self.weight = float(self.w.sum())
        self.origin = self.w @ X / self.weight
        self.unit = unit_of(X, C, self.origin)
        self.scorer = Scorer(self.origin, self.unit, K)
        self.Z, self.squares = self.scorer.rows(X)
        self.total = float(self.w @ self.squares)
        self.codes = np.full(N, -1, dtype=np.int64)
        self.up, self.low = np.full(N, np.inf), np.zeros(N)
        self.moves, self.other_moves = np.zeros(K), np.zeros(K)
        self.sums, self.weights, self.members = np.zeros((K, D)), np.zeros(K), np.zeros(K, dtype=np.int64)
        self.steps = 0

    def assign(self, C: np.ndarray) -> int:
        """Give each row to its nearest centre; how many changed."""
        self._move_bounds(C)
        self.scorer.centres(C)
        N = len(self.X)
        active = np.arange(N)
        if self.steps and self.bounds:
            count = _unsure(
                self.codes, self.up, self.low, self.moves, self.other_moves, _half_apart(C, self.unit),
                self.Z, self.squares, self.scorer.Z, self.scorer.reach, active,
            )  # fmt: skip
            active = active[:count]
        codes, up, low = np.empty(ROWS, dtype=np.int64), np.empty(ROWS), np.empty(ROWS)
        changed = 0
        for i in range(0, len(active), ROWS):
            at = active[i : i + ROWS]
            n = len(at)
            rows = slice(i, i + n) if len(active) == N else at
            self.scorer.nearest(self.X, at, self.Z[rows], self.squares[rows], codes[:n], up[:n], low[:n])
            changed += _take(
                at, codes, up, low, self.codes, self.up, self.low, self.moves, self.other_moves,
                self.X, self.origin, self.w, self.sums, self.weights, self.members,
            )  # fmt: skip
        self.steps += 1
        if self.steps % ANEW == 0:
            self.add_anew()
        return changed

    def means(self, C: np.ndarray) -> np.ndarray:
        """The mean of each cluster's rows; an empty one's centre stays."""
        return _means(C, self.origin, self.sums, self.weights, self.members)

    def objective(self, C: np.ndarray) -> float:
        """J of the present clusters about these centres, in the square of the unit."""
        return max(0.0, self.total + _objective(C, self.origin, self.unit, self.sums, self.weights, self.members))

    def costs(self, C: np.ndarray) -> np.ndarray:
        """The squared distance of each row to its centre, in the square of the unit."""
        return _squares(self.X, C, self.codes, self.unit)

    def give(self, n: int, k: int) -> None:
        """Put row n into cluster k, whichever centre is nearest."""
        _transfer(n, k, self.codes, self.X, self.origin, self.w, self.sums, self.weights, self.members)
        self.up[n], self.low[n] = np.inf, 0.0

    def add_anew(self) -> None:
        """The sums of the clusters again from their rows, without the rounding of additions and subtractions."""
        _add(self.X, self.origin, self.w, self.codes, self.sums, self.weights)

    def _move_bounds(self, C: np.ndarray) -> None:
        if self.steps:
            _move(C, self.scorer.C, self.unit, self.moves, self.other_moves)


@compiled
def _move(C, before, unit, moves, other_moves):
    """Add to the moves of each centre, and to the largest moves of all others."""
    K = C.shape[0]
    far, first, second = 0, 0.0, 0.0
    for k in range(K):
        s = 0.0
        for j in range(C.shape[1]):
            t = (C[k, j] - before[k, j]) * unit
            s += t * t
        d = math.sqrt(s) * (1 + SAFE)
        moves[k] += d
        if d > first:
            far, first, second = k, d, first
        elif d > second:
            second = d
    for k in range(K):
        other_moves[k] += second if k == far else first


@compiled(fast=True)
def _half_apart(C, unit):
    """Half of the distance of each centre to the nearest other one."""
    K = C.shape[0]
    half = np.full(K, np.inf)
    for k in range(K):
        for i in range(k):
            s = 0.0
            for j in range(C.shape[1]):
                t = (C[k, j] - C[i, j]) * unit
                s += t * t
            half[k], half[i] = min(half[k], s), min(half[i], s)
    for k in range(K):
        half[k] = math.sqrt(half[k]) * (0.5 - SAFE)
    return half


@compiled
def _means(C, origin, sums, weights, members):
    new = C.copy()
    for k in range(C.shape[0]):
        if members[k] > 0:
            for j in range(C.shape[1]):
                new[k, j] = origin[j] + sums[k, j] / weights[k]
    return new


@compiled
def _objective(C, origin, unit, sums, weights, members):
    """What the centres add to the sum of squares about the origin."""
    J = 0.0
    for k in range(C.shape[0]):
        if members[k] > 0:
            for j in range(C.shape[1]):
                c = (C[k, j] - origin[j]) * unit
                J += c * (weights[k] * c - 2 * sums[k, j] * unit)
    return J


@compiled
def _unsure(codes, up, low, moves, other_moves, half, Z, squares, C, reach, active):
    """The rows whose own centre may not be the nearest any more, into active; how many."""
    count, D = 0, Z.shape[1]
    for n in range(len(codes)):
        a = codes[n]
        least = max(low[n] - other_moves[a], half[a]) * (1 - SAFE)
        if up[n] + moves[a] < least:
            continue
        d = math.sqrt(_distance(Z[n], C[a])) * (1 + (D + 8) * U32) + U32 * (math.sqrt(squares[n]) + reach)
        up[n] = d - moves[a]
        if d < least:
            continue
        active[count] = n
        count += 1
    return count


@compiled(fast=True)
def _distance(z, c):
    s = np.float32(0.0)
    for j in range(len(z)):
        t = z[j] - c[j]
        s += t * t
    return s


@compiled
def _take(at, new, up, low, codes, ups, lows, moves, other_moves, X, origin, w, sums, weights, members):
    """Keep the nearest centres and bounds of the rows at; how many changed."""
    changed = 0
    for i in range(len(at)):
        n, k = at[i], new[i]
        ups[n], lows[n] = up[i] - moves[k], low[i] + other_moves[k]
        if codes[n] != k:
            changed += 1
            _transfer(n, k, codes, X, origin, w, sums, weights, members)
    return changed


@compiled
def _transfer(n, k, codes, X, origin, w, sums, weights, members):
    """Move row n, with its weight, from its cluster to another."""
    old, v = codes[n], w[n]
    codes[n] = k
    if v == 0:
        return
    members[k] += 1
    weights[k] += v
    for j in range(X.shape[1]):
        sums[k, j] += v * (X[n, j] - origin[j])
    if old >= 0:
        members[old] -= 1
        weights[old] -= v
        for j in range(X.shape[1]):
            sums[old, j] -= v * (X[n, j] - origin[j])


@compiled
def _add(X, origin, w, codes, sums, weights):
    sums[:] = 0.0
    weights[:] = 0.0
    for n in range(X.shape[0]):
        k, v = codes[n], w[n]
        weights[k] += v
        for j in range(X.shape[1]):
            sums[k, j] += v * (X[n, j] - origin[j])


@compiled(fast=True)
def _squares(X, C, codes, unit):
    out = np.empty(X.shape[0])
    for n in range(X.shape[0]):
        s = 0.0
        for j in range(X.shape[1]):
            t = (X[n, j] - C[codes[n], j]) * unit
            s += t * t
        out[n] = s
    return out
