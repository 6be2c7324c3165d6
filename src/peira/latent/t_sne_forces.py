r"""Forces of t-SNE: what pulls neighbours together and pushes all items apart.

.. math:: w_{ij} = ( 1 + | y_i - y_j |^2 )^{-1}, \qquad Z = \sum_{i \neq j} w_{ij}, \qquad q_{ij} = w_{ij} / Z

.. math:: f_i = \sum_j p_{ij} w_{ij} ( y_i - y_j ), \qquad r_i = \sum_j w_{ij}^2 ( y_i - y_j )

.. math:: \frac{ \partial KL }{ \partial y_i } = 4 \, ( f_i - r_i / Z )

The pull f runs over the pairs with p > 0. The push r runs over all pairs, N^2 K / 2 steps;
`peira.latent.t_sne_tree` pools far items.

Coordinates are held as (K, N); in the plane, the usual case, both sums are written out, which is twice as fast.

Reference: van der Maaten & Hinton (2008), JMLR 9, 2579-2605, eq. 5; Jacobs (1988), Neural Networks 1, 295-307 (gains).
"""

import numpy as np

from ..numerics.compile import compiled


@compiled(fast=True)
def _pull_in_plane(Y, starts, columns, P, F):
    x, y, f, g = Y[0], Y[1], F[0], F[1]
    F[:] = 0.0
    for i in range(len(x)):
        x_i, y_i, f_i, g_i = x[i], y[i], 0.0, 0.0
        for e in range(starts[i], starts[i + 1]):
            j = columns[e]
            s, t = x_i - x[j], y_i - y[j]
            w = np.divide(P[e], 1.0 + s * s + t * t)
            f_i += w * s
            g_i += w * t
            f[j] -= w * s
            g[j] -= w * t
        f[i] += f_i
        g[i] += g_i


@compiled(fast=True)
def _pull(Y, starts, columns, P, F):
    K, N = Y.shape
    F[:] = 0.0
    for i in range(N):
        for e in range(starts[i], starts[i + 1]):
            j = columns[e]
            s = 1.0
            for c in range(K):
                s += (Y[c, i] - Y[c, j]) ** 2
            w = np.divide(P[e], s)
            for c in range(K):
                t = w * (Y[c, i] - Y[c, j])
                F[c, i] += t
                F[c, j] -= t


@compiled(fast=True)
def cross_entropy(Y, starts, columns, P):
    """The sum of p log(1 + distance^2) over the same: with log Z and the entropy of p it makes the divergence."""
    K, N = Y.shape
    total = 0.0
    for i in range(N):
        for e in range(starts[i], starts[i + 1]):
            j = columns[e]
            s = 1.0
            for c in range(K):
                s += (Y[c, i] - Y[c, j]) ** 2
            total += P[e] * np.log(s)
    return total


@compiled(fast=True)
def _push_in_plane(Y, F):
    x, y, f, g = Y[0], Y[1], F[0], F[1]
    F[:] = 0.0
    Z = 0.0
    for i in range(1, len(x)):
        x_i, y_i, f_i, g_i, z = x[i], y[i], 0.0, 0.0, 0.0
        for j in range(i):
            s, t = x_i - x[j], y_i - y[j]
            q = np.divide(1.0, 1.0 + s * s + t * t)  # Python's division would look for zeros, one by one
            z += q
            s, t = q * q * s, q * q * t
            f_i += s
            g_i += t
            f[j] -= s
            g[j] -= t
        Z += z
        f[i] += f_i
        g[i] += g_i
    return 2.0 * Z


@compiled(fast=True)
def _push(Y, F):
    K, N = Y.shape
    F[:] = 0.0
    Z = 0.0
    w = np.empty(N)
    for i in range(1, N):
        w[:i] = 1.0
        for c in range(K):
            y, here = Y[c], Y[c, i]
            for j in range(i):
                t = here - y[j]
                w[j] += t * t
        for j in range(i):
            q = np.divide(1.0, w[j])
            Z += q
            w[j] = q * q
        for c in range(K):
            y, f, here, s = Y[c], F[c], Y[c, i], 0.0
            for j in range(i):
                t = w[j] * (here - y[j])
                s += t
                f[j] -= t
            f[i] += s
    return 2.0 * Z


def pull(Y: np.ndarray, starts: np.ndarray, columns: np.ndarray, P: np.ndarray, F: np.ndarray) -> None:
    """Set F (K, N) to the sums of p w (y_i - y_j), over the pairs that stand once each in the rows of P."""
    (_pull_in_plane if len(Y) == 2 else _pull)(Y, starts, columns, P, F)


def push(Y: np.ndarray, F: np.ndarray) -> float:
    """Set F (K, N) to the sums of w^2 (y_i - y_j), pair by pair, and return Z."""
    return (_push_in_plane if len(Y) == 2 else _push)(Y, F)


@compiled
def descend(Y, gradient, velocity, gains, rate, momentum):
    """One step with momentum and a gain for each coordinate (Jacobs 1988), then the centre back to zero."""
    K, N = Y.shape
    for c in range(K):
        for i in range(N):
            turned = velocity[c, i] * gradient[c, i] < 0.0
            gains[c, i] = gains[c, i] + 0.2 if turned else max(gains[c, i] * 0.8, 0.01)
            velocity[c, i] = momentum * velocity[c, i] - rate * gains[c, i] * gradient[c, i]
            Y[c, i] += velocity[c, i]
        Y[c] -= Y[c].mean()
