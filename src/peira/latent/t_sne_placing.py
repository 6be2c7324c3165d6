r"""New items on a finished map of t-SNE, each by itself.

With p over the item's neighbours and q over all N items of the map, the item's own divergence is, up to a constant,

.. math:: f(y) = \sum_j p_j \log( 1 + | y - y_j |^2 ) + \log \sum_j ( 1 + | y - y_j |^2 )^{-1}

It is lowered from the neighbours' weighted mean on, by steps as long as the curvature of the first sum allows, halved
until f falls.

Cost: N K a step, some dozens of steps. Reference: Policar, Strazar & Zupan (2023), Machine Learning 112, 721-740.
"""

import numpy as np

from ..numerics.compile import compiled

STEPS = 200
CLOSE = 1e-8  # a step of that length, relative to the distance gone so far or 1, is the last


@compiled(fast=True)
def _value(y, Y, P, near):
    """f(y); the gradient's two sums would cost as much again, and are not needed while a step is halved."""
    pulled, Z = 0.0, 0.0
    for m in range(len(P)):
        s = 1.0
        for c in range(len(y)):
            s += (y[c] - Y[near[m], c]) ** 2
        pulled += P[m] * np.log(s)
    for j in range(len(Y)):
        s = 1.0
        for c in range(len(y)):
            s += (y[c] - Y[j, c]) ** 2
        Z += 1.0 / s
    return pulled + np.log(Z)


@compiled(fast=True)
def _gradient(y, Y, P, near, g):
    """Set g to half the gradient, and return the sum of p w, half the curvature of the pull."""
    K, weight, Z = len(y), 0.0, 0.0
    g[:] = 0.0
    for j in range(len(Y)):
        s = 1.0
        for c in range(K):
            s += (y[c] - Y[j, c]) ** 2
        Z += 1.0 / s
        for c in range(K):
            g[c] -= (y[c] - Y[j, c]) / (s * s)
    for c in range(K):
        g[c] /= Z
    for m in range(len(P)):
        s = 1.0
        for c in range(K):
            s += (y[c] - Y[near[m], c]) ** 2
        weight += P[m] / s
        for c in range(K):
            g[c] += P[m] / s * (y[c] - Y[near[m], c])
    return weight


@compiled
def settle(Y, P, near):
    """The places (M, K) of new items with probabilities P of the neighbours ``near`` (M, k) on the map Y (N, K)."""
    M, k = P.shape
    K = Y.shape[1]
    places, g = np.zeros((M, K)), np.empty(K)
    for i in range(M):
        y = places[i]
        for m in range(k):
            for c in range(K):
                y[c] += P[i, m] * Y[near[i, m], c]
        f = _value(y, Y, P[i], near[i])
        for _ in range(STEPS):
            weight = _gradient(y, Y, P[i], near[i], g)
            step, moved = 1.0 / max(weight, 1e-300), False
            while step * np.sqrt((g * g).sum()) > CLOSE:
                new = y - step * g
                value = _value(new, Y, P[i], near[i])
                if value < f:
                    y[:], f, moved = new, value, True
                    break
                step /= 2.0
            if not moved:
                break
    return places
