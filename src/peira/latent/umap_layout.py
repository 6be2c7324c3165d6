r"""The layout of UMAP: edges pull, random items push.

An edge of weight mu on the map is as probable as

.. math:: \nu_{ij} = ( 1 + a | y_i - y_j |^{2 b} )^{-1}

and the cross-entropy of mu and nu falls along

.. math:: \frac{ - 2 a b \, s^{b - 1} }{ 1 + a s^b } ( y_i - y_j ), \qquad s = | y_i - y_j |^2

.. math:: \frac{ 2 b }{ ( 10^{-3} + s ) ( 1 + a s^b ) } ( y_i - y_j )

the first at both ends of an edge, in proportion to its weight, the second at an item against some others drawn at
random. Each coordinate of a move is cut at 4. An edge of weight mu has its turn every max(mu) / mu epochs.

Reference: McInnes, Healy & Melville (2018), arXiv 1802.03426, section 3.2 and algorithm 5.
"""

import numpy as np
from scipy.optimize import curve_fit

from ..numerics.compile import compiled

CUT = 4.0


def curve(min_dist: float, spread: float) -> tuple[float, float]:
    """The a and b for which nu is nearly 1 up to min_dist and falls as exp(-(d - min_dist) / spread) beyond."""
    x = np.linspace(0, 3, 300)  # in units of the spread
    wanted = np.where(x < min_dist / spread, 1.0, np.exp(-(x - min_dist / spread)))
    (a, b), _ = curve_fit(lambda x, a, b: 1.0 / (1.0 + a * x ** (2 * b)), x, wanted)
    return float(a / spread ** (2 * b)), float(b)


@compiled(inline=True)
def _drawn(state, N):
    """A whole number below N; xorshift64* (Vigna 2016), whose upper bits are the good ones."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return np.int64(((x * np.uint64(2685821657736338717)) >> np.uint64(33)) % np.uint64(N))


@compiled(inline=True)
def _cut(x):
    return min(max(x, -CUT), CUT)


@compiled(fast=True)
def epoch(Y, head, tail, every, due, n, a, b, rate, negatives, strength, state):
    """One epoch, number n: the edges whose turn it is pull, and push their heads off ``negatives`` items each.

    ``due`` holds when each edge has its next turn, ``state`` the random numbers'; Y (N, K) moves.
    """
    N, K = Y.shape
    for e in range(len(head)):
        if due[e] > n:
            continue
        due[e] += every[e]
        y, z = Y[head[e]], Y[tail[e]]
        s = 0.0
        for c in range(K):
            s += (y[c] - z[c]) ** 2
        if s > 0.0:
            p = s**b
            force = np.divide(-2.0 * a * b * p, s * (1.0 + a * p))
            for c in range(K):
                move = rate * _cut(force * (y[c] - z[c]))
                y[c] += move
                z[c] -= move
        for _ in range(negatives):
            z = Y[_drawn(state, N)]
            s = 0.0
            for c in range(K):
                s += (y[c] - z[c]) ** 2
            if s > 0.0:
                force = np.divide(2.0 * strength * b, (0.001 + s) * (1.0 + a * s**b))
                for c in range(K):
                    y[c] += rate * _cut(force * (y[c] - z[c]))


@compiled(fast=True)
def attraction(Y, head, tail, weight, a, b):
    """The mean of -log(nu) over the edges, by weight: the pulling half of the cross-entropy."""
    total, size = 0.0, 0.0
    for e in range(len(head)):
        s = 0.0
        for c in range(Y.shape[1]):
            s += (Y[head[e], c] - Y[tail[e], c]) ** 2
        total += weight[e] * np.log(1.0 + a * s**b)
        size += weight[e]
    return total / size if size > 0.0 else 0.0


@compiled(fast=True)
def settle(Y, M, near, epochs, a, b, rate, negatives, strength, seed):
    """The places (Q, K) of new items with memberships M (Q, k) of the neighbours ``near`` (Q, k) on the map Y (N, K).

    From the weighted mean of their places, each new item moves alone, against the same random numbers.
    """
    N, K = Y.shape
    places, state = np.zeros((len(M), K)), np.empty(1, dtype=np.uint64)
    for i in range(len(M)):
        y, total, most = places[i], M[i].sum(), M[i].max()
        for m in range(M.shape[1]):
            for c in range(K):
                y[c] += M[i, m] / total * Y[near[i, m], c]
        state[0] = seed
        for n in range(epochs):
            alpha = rate * (1.0 - n / epochs)
            for m in range(M.shape[1]):
                # A turn every most / M epochs, as on the map.
                if np.floor((n + 1) * M[i, m] / most) == np.floor(n * M[i, m] / most):
                    continue
                for draw in range(negatives + 1):
                    z = Y[near[i, m]] if draw == 0 else Y[_drawn(state, N)]
                    s = 0.0
                    for c in range(K):
                        s += (y[c] - z[c]) ** 2
                    if s == 0.0:
                        continue
                    p = s**b
                    pulled = np.divide(-2.0 * a * b * p, s * (1.0 + a * p))
                    pushed = np.divide(2.0 * strength * b, (0.001 + s) * (1.0 + a * p))
                    force = pulled if draw == 0 else pushed
                    for c in range(K):
                        y[c] += alpha * _cut(force * (y[c] - z[c]))
    return places
