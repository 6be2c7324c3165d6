r"""The Kalman smoother: what is believed of a hidden state when the whole sequence is known.

The sequence is gone through backwards, number by number, with what the later numbers say of the state in a vector r
and a matrix N (in the letters of `peira.sequences.kalman`):

.. math:: r \leftarrow \frac{c v}{F} + L^T r, \quad N \leftarrow \frac{c c^T}{F} + L^T N L, \quad L = I - k c^T

.. math:: E[z_t] = a_t + P_t r, \quad V[z_t] = S ( I - S^T N S ) S^T, \quad
          V[z_{t+1}, z_t] = (I - P_{t+1} N_{t+1}) A P_{t|t}

Nothing is inverted. The same r and N give the gradient of the likelihood, with neither finite differences nor a
derivative of the recursions:

.. math:: \frac{\partial \log p}{\partial Q} = \frac{1}{2} \sum_t (r_t r_t^T - N_t), \quad
          \frac{\partial \log p}{\partial R_{ii}} = \frac{1}{2} \sum_t (u_{ti}^2 - U_{ti}), \quad
          u = \frac{v}{F} - k^T r, \quad U = \frac{1}{F} + k^T N k

While the start is not found yet, r and N are followed to the first and second power of :math:`1 / \kappa`.

Cost: as the filter's; in the steady middle of a sequence, covariances are computed once.

Reference: de Jong (1989); Koopman & Shephard (1992); Durbin & Koopman (2012), 4.4, 5.3, 6.4, 7.3.3.
"""

import numpy as np

from ..numerics.compile import compiled
from .kalman import STEADY, Gains, StateSpace
from .kalman_steps import copy


@compiled(inline=True)
def _back(c: np.ndarray, k: np.ndarray, u: float, F: float, r: np.ndarray, N: np.ndarray, w: np.ndarray) -> float:
    """Take one number out: r and N before it, in place; returns U = 1 / F + k' N k."""
    K = len(c)
    U = 1.0 / F
    for i in range(K):
        s = 0.0
        for j in range(K):
            s += N[i, j] * k[j]
        w[i] = s
        U += s * k[i]
    for i in range(K):
        r[i] += c[i] * u
        for j in range(i + 1):
            N[i, j] += c[i] * c[j] * U - c[i] * w[j] - w[i] * c[j]
            N[j, i] = N[i, j]
    return U


@compiled
def _back_from_start(
    c: np.ndarray,
    k: np.ndarray,
    k1: np.ndarray,
    w: int,
    d: int,
    v: float,
    F: float,
    F_inf: float,
    r: np.ndarray,
    r1: np.ndarray,
    N: np.ndarray,
    N1: np.ndarray,
    N2: np.ndarray,
) -> None:
    """Take out a number that told of the start; r1, N1 and N2 are the later terms of a series; all in place."""
    K = len(c)
    L, L1 = np.eye(K), np.zeros((K, K))
    for i in range(K):
        for j in range(K):
            L[i, j] -= k[i] * c[j]
            L1[i, j] = -k1[w, d, i] * c[j]
    cc = c.reshape(K, 1) * c.reshape(1, K)
    cross = L.T @ N1 @ L1
    half = L1.T @ N @ L
    N2[:] = L.T @ N2 @ L + cross + cross.T + L1.T @ N @ L1 - cc * (F / (F_inf * F_inf))
    N1[:] = L.T @ N1 @ L + half + half.T + cc / F_inf
    r1[:] = L.T @ r1 + L1.T @ r + c * (v / F_inf)
    N[:] = L.T @ N @ L
    r[:] = L.T @ r


@compiled
def _past(c: np.ndarray, k: np.ndarray, r1: np.ndarray, N1: np.ndarray, N2: np.ndarray) -> None:
    """The later terms, in place, where a number is taken out that said nothing of the start."""
    K = len(c)
    L = np.eye(K) - k.reshape(K, 1) * c.reshape(1, K)
    N1[:] = L.T @ N1 @ L
    N2[:] = L.T @ N2 @ L
    r1[:] = L.T @ r1


@compiled
def backward(
    model: StateSpace,
    g: Gains,
    v: np.ndarray,
    predicted: np.ndarray,
    lengths: np.ndarray,
    moments: bool,
    lagged: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Go back through all sequences.

    Returns the means (S, K) and covariances (S, K, K) of the states given the whole sequences, where ``moments`` are
    wanted; with ``lagged`` the covariances of each state with the one before it, (S, K, K), 0 at the first steps; and
    the gradient of the log likelihood in Q = G G' (K, K), in a diagonal R (D,) and in the start's S S' (K, K).
    """
    # One by one: to take an array out of a tuple, or a part out of an array, costs more than a step's arithmetic.
    A, (T, D), K = model.A, v.shape, len(model.m)
    slot, before_, after_, c_, _, F_, k_, _, wide, W_, F_inf_, k1_ = g
    rows = T if moments else 0
    mean, V, cross = np.empty((rows, K)), np.empty((rows, K, K)), np.zeros((rows if lagged else 0, K, K))
    slope_Q, slope_R, slope_P = np.zeros((K, K)), np.zeros(D), np.zeros((K, K))
    r, r1, N, N1, N2 = np.empty(K), np.empty(K), np.empty((K, K)), np.empty((K, K)), np.empty((K, K))
    # N of the step after, before its numbers were taken out, and of this one, after
    before, after = np.empty((K, K)), np.zeros((K, K))
    c, k, x, U = np.empty(K), np.empty(K), np.empty(K), np.zeros(D)
    S, P, M, room = np.empty((K, K)), np.empty((K, K)), np.empty((K, K)), np.empty((K, K))
    end = T
    for n in range(len(lengths) - 1, -1, -1):
        first = end - lengths[n]
        for part in (N, N1, N2):
            part[:] = 0.0
        r[:] = 0.0
        r1[:] = 0.0
        same = False  # whether N is what it was at the step after, and so everything but the means
        for t in range(end - 1, first - 1, -1):
            s = slot[t]
            w = wide[s]
            same = t < end - 1 and s == slot[t + 1] and w < 0 and (same or _close(N, before))
            if not same:
                copy(N, before)
            for i in range(D - 1, -1, -1):
                F = F_[s, i]
                tells = w >= 0 and F_inf_[w, i] > 0.0
                if F <= 0.0 and not tells:
                    continue
                kr = 0.0
                for j in range(K):
                    c[j], k[j] = c_[s, i, j], k_[s, i, j]
                    kr += k[j] * r[j]
                if tells:
                    slope_R[i] += (kr * kr - k @ (N @ k)) / 2
                    _back_from_start(c, k, k1_, w, i, v[t, i], F, F_inf_[w, i], r, r1, N, N1, N2)
                    continue
                u = v[t, i] / F - kr
                if w >= 0:
                    _past(c, k, r1, N1, N2)
                if same:
                    for j in range(K):
                        r[j] += c[j] * u
                else:
                    U[i] = _back(c, k, u, F, r, N, x)
                slope_R[i] += (u * u - U[i]) / 2
            if not same:
                copy(N, after)
            if moments:
                if not same:
                    for i in range(K):
                        for j in range(K):
                            S[i, j] = before_[s, i, j]
                    _posterior(S, after, P, M, room)
                for i in range(K):
                    x[i] = 0.0
                    for j in range(i, K):
                        x[i] += S[j, i] * r[j]
                for i in range(K):
                    z = predicted[t, i]
                    for j in range(i + 1):
                        z += S[i, j] * x[j]
                    mean[t, i] = z
                    for j in range(K):
                        V[t, i, j] = P[i, j]
                if w >= 0:
                    _widen(S, W_, w, r1, N1, N2, mean, V, t)
                if lagged and t > first:
                    if same and slot[t - 1] == s:
                        cross[t] = cross[t + 1]
                    else:
                        _lag(A, S, after, after_, slot[t - 1], cross, t)
            elif t > first:
                _slope(slope_Q, r, after)
            else:
                _slope(slope_P, r, after)
            _transposed_times(A, r, x)
            if not same:
                _congruent(A, N, room)
                if w >= 0:
                    _transposed_times(A, r1, x)
                    _congruent(A, N1, room)
                    _congruent(A, N2, room)
        end = first
    return mean, V, cross, slope_Q, slope_R, slope_P


@compiled
def _slope(slope: np.ndarray, r: np.ndarray, N: np.ndarray) -> None:
    """Add (r r' - N) / 2."""
    for i in range(len(r)):
        for j in range(len(r)):
            slope[i, j] += (r[i] * r[j] - N[i, j]) / 2


@compiled
def _widen(
    S: np.ndarray,
    W: np.ndarray,
    w: int,
    r1: np.ndarray,
    N1: np.ndarray,
    N2: np.ndarray,
    mean: np.ndarray,
    V: np.ndarray,
    t: int,
) -> None:
    """What the start that is not found yet adds to mean and covariance, in place."""
    P, P_inf = S @ S.T, W[w] @ W[w].T
    mean[t] += P_inf @ r1
    half = P_inf @ N1 @ P
    V[t] -= half + half.T + P_inf @ N2 @ P_inf


@compiled
def _lag(A: np.ndarray, S: np.ndarray, N: np.ndarray, filtered: np.ndarray, s: int, cross: np.ndarray, t: int) -> None:
    """Covariance of a state with the one before it, (I - P N) A P_before, the latter from slot s."""
    C = A @ (filtered[s] @ filtered[s].T)
    cross[t] = C - S @ (S.T @ (N @ C))


@compiled(inline=True)
def _transposed_times(A: np.ndarray, r: np.ndarray, x: np.ndarray) -> None:
    """A' r, in place; x is room."""
    K = len(r)
    for i in range(K):
        s = 0.0
        for j in range(K):
            s += A[j, i] * r[j]
        x[i] = s
    for i in range(K):
        r[i] = x[i]


@compiled(inline=True)
def _close(N: np.ndarray, other: np.ndarray) -> bool:
    most, gap = 0.0, 0.0
    for i in range(len(N)):
        for j in range(i + 1):
            most = max(most, abs(N[i, j]))
            gap = max(gap, abs(N[i, j] - other[i, j]))
    return gap <= STEADY * most


@compiled(inline=True)
def _posterior(S: np.ndarray, N: np.ndarray, V: np.ndarray, M: np.ndarray, T: np.ndarray) -> None:
    """V = S (I - S' N S) S', through a factor of the middle, so that rounding cannot make it indefinite.

    S is a lower triangle, as M and T = S M are; M and T are room.
    """
    K = len(S)
    for i in range(K):
        for j in range(K):
            s = 0.0
            for l in range(j, K):
                s += N[i, l] * S[l, j]
            T[i, j] = s
    for i in range(K):
        for j in range(i + 1):
            s = 0.0
            for l in range(j, K):
                s -= (S[l, i] * T[l, j] + S[l, j] * T[l, i]) / 2
            M[i, j] = s + 1.0 if i == j else s
    for j in range(K):  # Cholesky; a pivot that rounding has made 0 or less has no column
        s = M[j, j]
        for l in range(j):
            s -= M[j, l] * M[j, l]
        root = np.sqrt(s) if s > 1e-15 else 0.0
        M[j, j] = root
        for i in range(j + 1, K):
            s = M[i, j]
            for l in range(j):
                s -= M[i, l] * M[j, l]
            M[i, j] = s / root if root > 0.0 else 0.0
    for i in range(K):
        for j in range(i + 1):
            s = 0.0
            for l in range(j, i + 1):
                s += S[i, l] * M[l, j]
            T[i, j] = s
        for j in range(i + 1):
            s = 0.0
            for l in range(j + 1):
                s += T[i, l] * T[j, l]
            V[i, j] = s
            V[j, i] = s


@compiled(inline=True)
def _congruent(A: np.ndarray, N: np.ndarray, room: np.ndarray) -> None:
    """A' N A of a symmetric N, in place; much of A is 0."""
    K = len(A)
    for i in range(K):
        for j in range(K):
            room[i, j] = 0.0
        for l in range(K):
            a = A[l, i]
            if a != 0.0:
                for j in range(K):
                    room[i, j] += a * N[l, j]
    for i in range(K):
        for j in range(i + 1):
            s = 0.0
            for l in range(K):
                s += A[l, i] * room[j, l]
            N[i, j] = s
            N[j, i] = s
