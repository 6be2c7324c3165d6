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
from .kalman_steps import times


@compiled
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
    c: np.ndarray, k: np.ndarray, k1: np.ndarray, v: float, F: float, F_inf: float, r: np.ndarray, N: np.ndarray
) -> None:
    """Take out a number that told of the start; r (2, K) and N (3, K, K) are the terms of a series, in place."""
    K = len(c)
    L, L1 = np.eye(K), np.zeros((K, K))
    for i in range(K):
        for j in range(K):
            L[i, j] -= k[i] * c[j]
            L1[i, j] = -k1[i] * c[j]
    cc = c.reshape(K, 1) * c.reshape(1, K)
    cross = L.T @ N[1] @ L1
    half = L1.T @ N[0] @ L
    N2 = L.T @ N[2] @ L + cross + cross.T + L1.T @ N[0] @ L1 - cc * (F / (F_inf * F_inf))
    N1 = L.T @ N[1] @ L + half + half.T + cc / F_inf
    r1 = L.T @ r[1] + L1.T @ r[0] + c * (v / F_inf)
    N0 = L.T @ N[0] @ L
    r0 = L.T @ r[0]
    r[0], r[1] = r0, r1
    N[0], N[1], N[2] = N0, N1, N2


@compiled(inline=True)  # handing the table over would cost more than the step
def _out(
    model: StateSpace,
    g: Gains,
    v: np.ndarray,
    s: int,
    r: np.ndarray,
    N: np.ndarray,
    slope_R: np.ndarray,
    spread: np.ndarray,
    x: np.ndarray,
) -> None:
    """Take the numbers of a step out, the last first; adds to the gradient, notes U of each number; x is room."""
    D, K = model.C.shape
    w = g.wide[s]
    for i in range(D - 1, -1, -1):
        F, F_inf = g.F[s, i], g.F_inf[w, i] if w >= 0 else 0.0
        spread[i] = 0.0
        if F < 0.0 or (F == 0.0 and F_inf == 0.0):
            continue
        c, k = g.C[s, i], g.k[s, i]
        kr = 0.0
        for j in range(K):
            kr += k[j] * r[0, j]
        if F_inf > 0.0:
            slope_R[i] += (kr * kr - k @ (N[0] @ k)) / 2
            _back_from_start(c, k, g.k1[w, i], v[i], F, F_inf, r, N)
            continue
        if w >= 0:  # a number that says nothing of the start: the later terms of the series
            L = np.eye(K) - k.reshape(K, 1) * c.reshape(1, K)
            N[1] = L.T @ N[1] @ L
            N[2] = L.T @ N[2] @ L
            r[1] = L.T @ r[1]
        u = v[i] / F - kr
        spread[i] = _back(c, k, u, F, r[0], N[0], x)
        slope_R[i] += (u * u - spread[i]) / 2


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
    S, D = v.shape
    K = len(model.m)
    rows = S if moments else 0
    mean, V, cross = np.empty((rows, K)), np.empty((rows, K, K)), np.zeros((rows if lagged else 0, K, K))
    slope_Q, slope_R, slope_P, of_step = np.zeros((K, K)), np.zeros(D), np.zeros((K, K)), np.zeros(D)
    # N before the numbers of a step are taken out, at this step and at the one after it; and after they were
    r, N, before, after = np.empty((2, K)), np.zeros((3, K, K)), np.empty((K, K)), np.zeros((K, K))
    x, U = np.empty(K), np.empty(D)
    M, T, P = np.empty((K, K)), np.empty((K, K)), np.empty((K, K))
    At = np.ascontiguousarray(model.A.T)
    end = S
    for n in range(len(lengths) - 1, -1, -1):
        first = end - lengths[n]
        r[:] = 0.0
        N[:] = 0.0
        same = False  # whether N is what it was at the step after, and so everything but the means
        for t in range(end - 1, first - 1, -1):
            s = g.slot[t]
            wide = g.wide[s] >= 0
            same = t < end - 1 and s == g.slot[t + 1] and not wide and (same or _close(N[0], before))
            if same:
                for i in range(D - 1, -1, -1):
                    if g.F[s, i] > 0.0:
                        u = v[t, i] / g.F[s, i]
                        for j in range(K):
                            u -= g.k[s, i, j] * r[0, j]
                        for j in range(K):
                            r[0, j] += g.C[s, i, j] * u
                        slope_R[i] += (u * u - U[i]) / 2
            else:
                before[:] = N[0]
                of_step[:] = 0.0
                _out(model, g, v[t], s, r, N, of_step, U, x)
                slope_R += of_step
                after[:] = N[0]
            if moments:
                if not same:
                    times(g.predicted[s], g.predicted[s].T, P)
                for i in range(K):
                    z = predicted[t, i]
                    for j in range(K):
                        z += P[i, j] * r[0, j]
                    mean[t, i] = z
                if same:
                    for i in range(K):
                        for j in range(K):
                            V[t, i, j] = V[t + 1, i, j]
                else:
                    _posterior(g.predicted[s], after, V[t], M, T)
                    if wide:
                        _widen(g.predicted[s], g.W[g.wide[s]], r, N, mean[t], V[t])
                if lagged and t > first:
                    if same and g.slot[t - 1] == g.slot[t]:
                        cross[t] = cross[t + 1]
                    else:
                        last = g.filtered[g.slot[t - 1]]
                        C = model.A @ (last @ last.T)
                        cross[t] = C - g.predicted[s] @ (g.predicted[s].T @ (after @ C))
            else:
                slope = slope_Q if t > first else slope_P
                for i in range(K):
                    for j in range(K):
                        slope[i, j] += (r[0, i] * r[0, j] - after[i, j]) / 2
            _transposed_times(At, r[0], x)
            if not same:
                _congruent(At, model.A, N[0], M)
                if wide:
                    _transposed_times(At, r[1], x)
                    N[1] = At @ N[1] @ model.A
                    N[2] = At @ N[2] @ model.A
        end = first
    return mean, V, cross, slope_Q, slope_R, slope_P


@compiled
def _widen(S: np.ndarray, W: np.ndarray, r: np.ndarray, N: np.ndarray, mean: np.ndarray, V: np.ndarray) -> None:
    """What the start that is not found yet adds to mean and covariance, in place."""
    P, P_inf = S @ S.T, W @ W.T
    mean += P_inf @ r[1]
    half = P_inf @ N[1] @ P
    V -= half + half.T + P_inf @ N[2] @ P_inf


@compiled
def _transposed_times(At: np.ndarray, r: np.ndarray, x: np.ndarray) -> None:
    K = len(r)
    for i in range(K):
        s = 0.0
        for j in range(K):
            s += At[i, j] * r[j]
        x[i] = s
    r[:] = x


@compiled
def _close(N: np.ndarray, other: np.ndarray) -> bool:
    most, gap = 0.0, 0.0
    for i in range(len(N)):
        for j in range(i + 1):
            most = max(most, abs(N[i, j]))
            gap = max(gap, abs(N[i, j] - other[i, j]))
    return gap <= STEADY * most


@compiled
def _posterior(S: np.ndarray, N: np.ndarray, V: np.ndarray, M: np.ndarray, T: np.ndarray) -> None:
    """S (I - S' N S) S', through a factor of the middle, so that rounding cannot make it indefinite; M, T are room."""
    K = len(S)
    times(N, S, T)
    for i in range(K):
        for j in range(i + 1):
            s = 1.0 if i == j else 0.0
            for l in range(j, K):  # S is a lower triangle
                s -= (S[l, i] * T[l, j] + S[l, j] * T[l, i]) / 2
            M[i, j] = s
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
            M[j, i] = 0.0
    times(S, M, T)
    for i in range(K):
        for j in range(i + 1):
            s = 0.0
            for l in range(K):
                s += T[i, l] * T[j, l]
            V[i, j] = s
            V[j, i] = s


@compiled
def _congruent(At: np.ndarray, A: np.ndarray, N: np.ndarray, room: np.ndarray) -> None:
    """A' N A, in place."""
    times(N, A, room)
    times(At, room, N)
