"""The small steps of the Kalman filter on factors of covariances: triangles, Potter's update, independent noise.

The letters are those of `peira.sequences.kalman`; every function works in place on arrays that it is given.
"""

import math

import numpy as np

from ..numerics.compile import compiled


@compiled
def triangulate(B: np.ndarray, lower: int = 0) -> None:
    """Turn the first K columns of B (K, M) into the lower triangle L with L L' = B B', by reflections, in place.

    The last ``lower`` columns hold a lower triangle, whose zeros are left out.
    """
    K, M = B.shape
    for i in range(K):
        end = min(M, M - lower + i + 1)
        tail = 0.0
        for j in range(i + 1, end):
            tail += B[i, j] * B[i, j]
        if tail > 0.0:
            x = B[i, i]
            length = math.sqrt(x * x + tail)
            v = x + length if x > 0.0 else x - length
            beta = 1.0 / (length * (length + abs(x)))
            for l in range(i + 1, K):
                s = B[l, i] * v
                for j in range(i + 1, end):
                    s += B[l, j] * B[i, j]
                s *= beta
                B[l, i] -= s * v
                for j in range(i + 1, end):
                    B[l, j] -= s * B[i, j]
            B[i, i] = x - v
            for j in range(i + 1, end):
                B[i, j] = 0.0
        if B[i, i] < 0.0:
            for l in range(i, K):
                B[l, i] = -B[l, i]


@compiled(inline=True)
def copy(S: np.ndarray, out: np.ndarray) -> None:
    """What ``out[:] = S`` does, for a small matrix and at less cost."""
    for i in range(S.shape[0]):
        for j in range(S.shape[1]):
            out[i, j] = S[i, j]


@compiled
def keep(S: np.ndarray, table: np.ndarray, s: int) -> None:
    """Note S in slot s of a table."""
    for i in range(S.shape[0]):
        for j in range(S.shape[1]):
            table[s, i, j] = S[i, j]


@compiled
def unit_triangle(R: np.ndarray, seen: np.ndarray, L: np.ndarray, r: np.ndarray) -> None:
    """R = L diag(r) L' over the numbers that are seen, L with a diagonal of ones."""
    D = len(R)
    for i in range(D):
        r[i] = 0.0
        for j in range(D):
            L[i, j] = 0.0
        L[i, i] = 1.0
        if not seen[i]:
            continue
        rest = R[i, i]
        for j in range(i):
            if seen[j] and r[j] > 0.0:
                s = R[i, j]
                for l in range(j):
                    s -= L[i, l] * L[j, l] * r[l]
                L[i, j] = s / r[j]
                rest -= L[i, j] * L[i, j] * r[j]
        r[i] = max(rest, 0.0) if rest > 1e-15 * R[i, i] else 0.0


@compiled
def decorrelated(X: np.ndarray, d: np.ndarray, R: np.ndarray) -> np.ndarray:
    """The numbers less d, step by step turned so that their noise is independent."""
    S, D = X.shape
    Y = np.empty((S, D))
    L, r, seen = np.empty((D, D)), np.empty(D), np.empty(D, dtype=np.bool_)
    before = np.zeros(D, dtype=np.bool_)
    for t in range(S):
        same = t > 0
        for i in range(D):
            seen[i] = X[t, i] == X[t, i]
            same = same and seen[i] == before[i]
        if not same:
            unit_triangle(R, seen, L, r)
            before[:] = seen
        for i in range(D):
            v = X[t, i] - d[i]
            for j in range(i):
                if seen[j]:
                    v -= L[i, j] * Y[t, j]
            Y[t, i] = v
    return Y


@compiled
def take(S: np.ndarray, c: np.ndarray, r: float, k: np.ndarray, phi: np.ndarray) -> float:
    """Take one number in: Potter's update of S, the gain in k; returns F."""
    K = len(c)
    F = r
    for j in range(K):
        s = 0.0
        for i in range(K):
            s += S[i, j] * c[i]
        phi[j] = s
        F += s * s
    if F <= 0.0:
        k[:] = 0.0
        return 0.0
    g = 1.0 / (F + math.sqrt(r * F))
    for i in range(K):
        s = 0.0
        for j in range(K):
            s += S[i, j] * phi[j]
        k[i] = s / F
        s *= g
        for j in range(K):
            S[i, j] -= s * phi[j]
    return F


@compiled
def of_start(W: np.ndarray, c: np.ndarray, omega: np.ndarray, scale: float) -> float:
    """What a number tells of the start, F_inf = omega' omega with omega = W' c; 0 where that is but rounding."""
    K = len(c)
    size, F_inf = 0.0, 0.0
    for j in range(K):
        omega[j] = 0.0
        size += c[j] * c[j]
        for l in range(K):
            omega[j] += W[l, j] * c[l]
        F_inf += omega[j] * omega[j]
    return F_inf if F_inf > 1e-14 * size * scale else 0.0


@compiled
def find_start(
    S: np.ndarray,
    W: np.ndarray,
    c: np.ndarray,
    r: float,
    k: np.ndarray,
    k1: np.ndarray,
    omega: np.ndarray,
    F_inf: float,
) -> float:
    """Take one number in that tells of the start; the gain in k, its next term in k1; returns the finite part of F."""
    K = len(c)
    phi, M = np.empty(K), np.empty(K)
    F = r
    for j in range(K):
        s = 0.0
        for i in range(K):
            s += S[i, j] * c[i]
        phi[j] = s
        F += s * s
    for i in range(K):
        s = 0.0
        M[i] = 0.0
        for j in range(K):
            s += W[i, j] * omega[j]
            M[i] += S[i, j] * phi[j]
        k[i] = s / F_inf
        for j in range(K):
            W[i, j] -= k[i] * omega[j]
    B = np.empty((K, K + 1))
    for i in range(K):
        k1[i] = (M[i] - k[i] * F) / F_inf
        for j in range(K):
            B[i, j] = S[i, j] - k[i] * phi[j]
        B[i, K] = k[i] * math.sqrt(r)
    triangulate(B)
    for i in range(K):
        for j in range(K):
            S[i, j] = B[i, j]
    return F


@compiled
def gap(S: np.ndarray, table: np.ndarray, s: int) -> float:
    """The largest difference of S from slot s of a table, each row relative to its largest number there."""
    widest = 0.0
    for i in range(S.shape[0]):
        most, off = 0.0, 0.0
        for j in range(i + 1):
            most = max(most, abs(table[s, i, j]))
            off = max(off, abs(S[i, j] - table[s, i, j]))
        if off > 0.0:
            widest = max(widest, off / most if most > 0.0 else np.inf)
    return widest


@compiled
def ahead(S: np.ndarray, A: np.ndarray, G: np.ndarray, B: np.ndarray) -> None:
    """The factor one step ahead, in place; G is a lower triangle, B (K, 2 K) room."""
    K = len(A)
    for i in range(K):
        for j in range(K):
            s = 0.0
            for l in range(K):
                s += A[i, l] * S[l, j]
            B[i, j] = s
            B[i, K + j] = G[i, j]
    triangulate(B, K)
    for i in range(K):
        for j in range(K):
            S[i, j] = B[i, j]
