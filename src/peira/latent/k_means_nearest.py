r"""The nearest centre of each row: scores in single precision, decisions in double precision.

For rows z and centres c about a common origin,

.. math:: \min_k \| z - c_k \|^2 = \| z \|^2 - 2 \max_k s_k, \quad s_k = z^T c_k - \| c_k \|^2 / 2

so one matrix product scores all centres. It is taken in single precision, at twice the speed of double, and the largest
score and the second are found while the block is in the cache. Rounding moves a score by at most

.. math:: e = u (D + 8) \, \| z \| \, \max_k \| c_k \| + 4 u \max_k \| c_k \|^2

with u the unit roundoff of single precision. Where the two best are more than 2 e apart, the nearest centre is certain.
Where not, the centres within 2 e of the best are measured again, in double precision and from the differences
themselves, and the first of equal ones wins. So **every label is that of measuring all distances in double precision**,
in whatever order a matrix product adds and however many threads it takes. The scores also bound the distance to the
nearest centre from above, and to every other one from below.

Cost: N K D multiplications in single precision and N K comparisons.

Reference: Higham (2002), Accuracy and Stability of Numerical Algorithms, eq. 3.5 (errors of inner products).
"""

import math

import numpy as np

from ..numerics.compile import compiled

ROWS = 1024  # scores of a block stay in the cache
U32, U64 = 2.0**-24, 2.0**-53
NARROW = 1e-36  # what single precision loses below its range, when the largest entry is about 1


class Scorer:
    """Scores blocks of rows against K centres.

    Parameters
    ----------
    origin : array of shape (D,)
        Subtracted from rows and centres; near their mean, so that no digits are lost to an offset.
    unit : float
        A power of two by which entries are multiplied, so that the largest is about 1.
    K : int
    """

    def __init__(self, origin: np.ndarray, unit: float, K: int) -> None:
        self.origin, self.unit, self.K = origin, unit, K
        self._scores = np.empty(K * ROWS, dtype=np.float32)
        self._best = np.empty((2, ROWS), dtype=np.float32)

    def rows(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows in single precision about the origin, and their squared lengths."""
        Z, squares = np.empty(X.shape, dtype=np.float32), np.empty(len(X))
        _shorten(X, self.origin, self.unit, Z, squares)
        return Z, squares

    def centres(self, C: np.ndarray) -> None:
        """Score against these centres from now on."""
        self.C = C
        self.Z, squares = self.rows(C)
        self._half = (squares / 2).astype(np.float32)
        self.reach = math.sqrt(squares.max())

    def nearest(
        self,
        X: np.ndarray,
        at: np.ndarray,
        Z: np.ndarray,
        squares: np.ndarray,
        codes: np.ndarray,
        up: np.ndarray,
        low: np.ndarray,
    ) -> None:
        """Fill in the nearest centre of rows ``at`` (n,) of X, and bounds of their distances to it and to all others.

        Z (n, D) and ``squares`` (n,) are of these rows, at most `ROWS` of them. Bounds are in ``unit``.
        """
        S = self._scores[: self.K * len(Z)].reshape(self.K, len(Z))
        np.matmul(self.Z, Z.T, out=S)
        _decide(S, self._half, squares, X, at, self.C, self.reach, self.unit, self._best, codes, up, low)


def unit_of(X: np.ndarray, C: np.ndarray, origin: np.ndarray) -> float:
    """The power of two that brings the largest entry of X and C about the origin to about 1."""
    largest = max(float(np.abs(ends - origin).max()) for A in (X, C) for ends in (A.max(0), A.min(0)))
    return 2.0 ** -max(-1000, min(1000, math.frexp(largest)[1])) if largest > 0 else 1.0


def nearest_centre(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    """The nearest of the centres C (K, D) to each row of X (N, D), the first of equal ones: int64 of shape (N,)."""
    N, codes = len(X), np.zeros(len(X), dtype=np.int64)
    origin = C.mean(0)
    scorer = Scorer(origin, unit_of(X, C, origin), len(C))
    scorer.centres(C)
    up, low, at = np.empty(ROWS), np.empty(ROWS), np.arange(N)
    for i in range(0, N, ROWS):
        part = slice(i, i + ROWS)
        scorer.nearest(X, at[part], *scorer.rows(X[part]), codes[part], up, low)
    return codes


@compiled
def _shorten(X, origin, unit, Z, squares):
    for n in range(X.shape[0]):
        s = 0.0
        for j in range(X.shape[1]):
            z = (X[n, j] - origin[j]) * unit
            Z[n, j] = z
            s += z * z
        squares[n] = s


@compiled(fast=True)
def square(a, b, unit):
    """The squared distance of two rows, each times a power of two."""
    s = 0.0
    for j in range(len(a)):
        t = (a[j] - b[j]) * unit
        s += t * t
    return s


@compiled
def _decide(S, half, squares, X, at, C, reach, unit, best, codes, up, low):
    """The centre with the largest score of each column of S (K, n) in exact arithmetic, and bounds of distances."""
    K, n = S.shape
    first, second = best[0], best[1]
    _two_largest(S, half, first, second, codes)
    linear, fixed = U32 * (X.shape[1] + 8) * reach, 4 * U32 * reach * reach + NARROW
    own = (X.shape[1] + 8) * U64
    for i in range(n):
        s = squares[i]
        e = linear * math.sqrt(s) + fixed + own * s
        nearest, others = s - 2 * (first[i] - e), s - 2 * (second[i] + e)
        up[i] = math.sqrt(nearest if nearest > 0 else 0.0)
        low[i] = math.sqrt(others if others > 0 else 0.0)
    for i in range(n):
        if up[i] >= low[i]:
            e = linear * math.sqrt(squares[i]) + fixed + own * squares[i]
            least = np.inf
            for k in range(K):
                if first[i] - (np.float64(S[k, i]) - half[k]) <= 2.5 * e:
                    d = float(square(X[at[i]], C[k], unit))
                    if d < least:
                        least, codes[i] = d, k
            up[i] = math.sqrt(least) * (1 + 1e-12)
            others = squares[i] - 2 * (first[i] + e)
            low[i] = math.sqrt(others if others > 0 else 0.0)


@compiled
def _two_largest(S, half, first, second, codes):
    """The largest and the second score of each column; without branches, so that it runs on vectors."""
    K, n = S.shape
    for i in range(n):
        first[i] = S[0, i] - half[0]
        second[i] = np.float32(-np.inf)
        codes[i] = 0
    for k in range(1, K):
        h = half[k]
        for i in range(n):
            s = S[k, i] - h
            b = first[i]
            smaller = s if s < b else b
            second[i] = smaller if smaller > second[i] else second[i]
            first[i] = s if s > b else b
            codes[i] = k if s > b else codes[i]
