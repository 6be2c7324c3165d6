r"""Contrast functions of independent component analysis, and the averages over the data that its methods ask for.

With sources :math:`y = W z` of N items with weights :math:`v_n` that add up to one, a contrast G, its slope
:math:`g = G'` and curvature :math:`g'`, a pass over the data gives

.. math:: \sum_n v_n \, g(y_n) z_n^T, \quad \sum_n v_n \, g'(y_n), \quad \sum_n v_n \, G(y_n)

The three contrasts of Hyvarinen (1999, eqs 23 to 25, IEEE Trans. Neural Networks 10, 626-634):

.. math:: G_1(y) = \frac{1}{a} \log \cosh(a y), \quad G_2(y) = -\frac{1}{a} \exp(-a y^2 / 2), \quad G_3(y) = y^4 / 4

with the slopes :math:`\tanh(a y)`, :math:`y \exp(-a y^2 / 2)` and :math:`y^3`. The first is a good choice for most
data, the second where sources are very heavy-tailed, the third (kurtosis) only without outliers.

Cost: N K^2 for each of the products with K components, which BLAS computes, and N K for the contrast, in one
compiled loop over blocks of rows that stay in the cache. Neither the sources nor their slopes are ever stored whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ParameterError
from ..numerics.compile import compiled
from .vector_exp import LN2, exp_of_negative

NUMBERS = 1 << 14  # numbers in a block of sources: four such arrays fit into the second cache
ROOT2 = np.sqrt(2.0)


@compiled(fast=True)
def log_cosh(Y, v, a, S, T, sums, valued):
    """Of sources Y (K, B): S = v g(y), T = v g'(y); sums (2, K) gains their curvatures' and values' means.

    ``np.divide``, not ``/``: the operator stops at a zero, and a loop that may stop is not made of vector instructions.
    """
    E, A = np.empty(Y.shape[1]), np.empty(Y.shape[1])
    for k in range(Y.shape[0]):
        y, s, t = Y[k], S[k], T[k]
        for n in range(y.size):
            A[n] = 2 * a * abs(y[n])
        exp_of_negative(A, E, t)
        slope = value = weight = 0.0
        for n in range(y.size):
            h = np.divide(1 - E[n], 1 + E[n])
            t[n] = v[n] * a * (1 - h * h)
            s[n] = v[n] * np.copysign(h, y[n])
            slope += t[n]
        if valued:
            for n in range(y.size):  # log(1 + e) = log(2) / 2 + 2 artanh(u), with |u| < 0.172: a series to 2e-18
                u = np.divide(1 + E[n] - ROOT2, 1 + E[n] + ROOT2)
                q = u * u
                p = 1 / 21
                p = p * q + 1 / 19
                p = p * q + 1 / 17
                p = p * q + 1 / 15
                p = p * q + 1 / 13
                p = p * q + 1 / 11
                p = p * q + 1 / 9
                p = p * q + 1 / 7
                p = p * q + 1 / 5
                p = p * q + 1 / 3
                value += v[n] * (A[n] / 2 + 2 * u * (p * q + 1))
                weight += v[n]
        sums[0, k] += slope
        sums[1, k] += (value - weight * LN2 / 2) / a


@compiled(fast=True)
def gauss(Y, v, a, S, T, sums, valued):
    """The same for -exp(-a y^2 / 2) / a."""
    E, A = np.empty(Y.shape[1]), np.empty(Y.shape[1])
    for k in range(Y.shape[0]):
        y, s, t = Y[k], S[k], T[k]
        for n in range(y.size):
            A[n] = a * y[n] * y[n] / 2
        exp_of_negative(A, E, t)
        slope = value = 0.0
        for n in range(y.size):
            e = v[n] * E[n]
            s[n] = y[n] * e
            t[n] = (1 - 2 * A[n]) * e
            slope += t[n]
            value -= e
        sums[0, k] += slope
        sums[1, k] += value / a


@compiled(fast=True)
def cube(Y, v, a, S, T, sums, valued):
    """The same for y^4 / 4; a has no part in it."""
    for k in range(Y.shape[0]):
        y, s, t = Y[k], S[k], T[k]
        slope = value = 0.0
        for n in range(y.size):
            q = y[n] * y[n]
            s[n] = v[n] * q * y[n]
            t[n] = 3 * v[n] * q
            slope += t[n]
            value += v[n] * q * q
        sums[0, k] += slope
        sums[1, k] += value / 4


CONTRASTS = {"logcosh": log_cosh, "tanh": log_cosh, "exp": gauss, "cube": cube}


@dataclass
class FixedPoint:
    """Averages for a fixed-point step: ``slopes`` (K, L) of g(y) z', ``curvatures`` (K,) of g'(y)."""

    slopes: np.ndarray
    curvatures: np.ndarray


@dataclass
class Likelihood:
    """Averages for a step of maximum likelihood, of sources y: ``slopes`` (K, K) of g(y) y', ``squares`` (K, K) of
    g'(y_i) y_j^2, ``curvatures``, ``values`` and ``variances`` (K,) of g'(y), G(y) and y^2."""

    slopes: np.ndarray
    squares: np.ndarray
    curvatures: np.ndarray
    values: np.ndarray
    variances: np.ndarray


class Passes:
    """Passes over items Z (L, N) with weights v (N,) that add up to one.

    Parameters
    ----------
    Z : array of shape (L, N)
        An item in each column.
    v : array of shape (N,)
    fun : "logcosh", "tanh", "exp", "cube" or callable
        A callable gets sources of shape (K, N) and gives g(y) and g'(y), or the means of g'(y) over the last axis.
    a : float
        The constant of the contrast.
    **more
        Arguments of a callable.
    """

    def __init__(self, Z: np.ndarray, v: np.ndarray, fun: Any, a: float = 1.0, **more: Any) -> None:
        self.Z, self.v, self.a, self._more = Z, v, a, more
        self._fun, self._kernel = (fun, None) if callable(fun) else (None, CONTRASTS[fun])

    def fixed_point(self, W: np.ndarray) -> FixedPoint:
        """For sources W z, W of shape (K, L)."""
        if self._fun is not None:
            return self._called(W)
        K, L = W.shape
        G, sums = np.zeros((K, L)), np.zeros((2, K))
        for Z, v, Y, S, T in self._blocks(W):
            self._kernel(Y, v, self.a, S, T, sums, False)
            G += S @ Z.T
        return FixedPoint(G, sums[0])

    def likelihood(self, W: np.ndarray, *, squares: bool) -> Likelihood:
        """For sources W z, W of shape (K, L); ``squares`` only where asked for (they cost a product more)."""
        K = len(W)
        G, H, sums, variances = np.zeros((K, K)), np.zeros((K, K)), np.zeros((2, K)), np.zeros(K)
        for _, v, Y, S, T in self._blocks(W):
            self._kernel(Y, v, self.a, S, T, sums, True)
            G += S @ Y.T
            np.multiply(Y, Y, out=S)
            variances += S @ v
            if squares:
                H += T @ S.T
        return Likelihood(G, H, sums[0], sums[1], variances)

    def _blocks(self, W: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Items, weights, sources (K, B) and room of the same shape, block by block."""
        N, B = len(self.v), max(64, NUMBERS // len(W))
        room = np.empty((3, len(W), min(B, N)))
        for i in range(0, N, B):
            Z = self.Z[:, i : i + B]
            if Z.shape[1] < room.shape[2]:
                room = np.empty((3, len(W), Z.shape[1]))
            np.matmul(W, Z, out=room[0])
            yield Z, self.v[i : i + B], *room

    def _called(self, W: np.ndarray) -> FixedPoint:
        """The caller's own contrast, on all items at once as scikit-learn's FastICA has it."""
        Y = W @ self.Z
        g, curvatures = (np.asarray(part, dtype=np.float64) for part in self._fun(Y.copy(), **self._more))
        if g.shape != Y.shape or curvatures.shape not in (Y.shape, Y.shape[:1]):
            raise ParameterError(
                f"fun must give g(y) of the shape of y, {Y.shape}, and g'(y) or its mean over the last axis; "
                f"got {g.shape} and {curvatures.shape}"
            )
        if curvatures.ndim == 2:
            curvatures = curvatures @ self.v
        elif np.ptp(self.v) > 0:
            raise ParameterError("with sample weights, fun must give g'(y) for each item, not its mean over them")
        return FixedPoint((g * self.v) @ self.Z.T, curvatures)
