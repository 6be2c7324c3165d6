r"""Sums of products in doubled precision: the residuals that iterative refinement lives on.

Two float64 numbers hold what one can't. With :math:`\oplus, \otimes` the rounded operations, the errors

.. math:: a + b = (a \oplus b) + e, \quad a b = (a \otimes b) + f

are themselves float64 numbers, found by a few more operations (Knuth's two-sum; Dekker's two-product by
Veltkamp's splitting: Ogita, Rump & Oishi 2005, algorithms 3.1 to 3.3). A sum that carries its errors along in a
second number is as accurate as one computed in twice the precision and then rounded (their algorithm 5.3).

Matrices are passed by columns (transposed, contiguous), so that the inner loops run along memory and use vector
instructions; about one nanosecond a product. Entries should be of moderate size (the splitting overflows beyond
1e300): callers scale by powers of two, which is exact.
"""

import numpy as np

from .compile import compiled

LANES = 16  # independent sums side by side: what a processor can add at once
ROWS = 512  # rows at a time: their two sums stay in the nearest cache


@compiled(inline=True)
def two_sum(a, b):
    """a + b, and what rounding lost."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@compiled(inline=True)
def split(a):
    """The upper and lower half of the digits of ``a``."""
    c = 134217729.0 * a  # 2^27 + 1
    high = c - (c - a)
    return high, a - high


@compiled(inline=True)
def two_product(a, b_high, b_low):
    """a (b_high + b_low), and what rounding lost."""
    a_high, a_low = split(a)
    p = a * (b_high + b_low)
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@compiled
def residuals(XT, B, Y, R):
    """Y - R - X B, rounded once.

    Parameters
    ----------
    XT : array of shape (D, N)
        The columns of X.
    B : array of shape (D, K)
    Y, R : arrays of shape (K, N)
        Targets and current residuals, by columns.

    Returns
    -------
    array of shape (K, N)
    """
    D, N = XT.shape
    K = Y.shape[0]
    F = np.empty((K, N))
    high, low = np.empty(ROWS), np.empty(ROWS)
    for first in range(0, N, ROWS):
        n = min(ROWS, N - first)
        for k in range(K):
            for i in range(n):
                high[i], low[i] = two_sum(Y[k, first + i], -R[k, first + i])
            for j in range(D):
                b_high, b_low = split(-B[j, k])
                x = XT[j, first : first + n]
                for i in range(n):
                    p, f = two_product(x[i], b_high, b_low)
                    s, e = two_sum(high[i], p)
                    high[i] = s
                    low[i] += e + f
            for i in range(n):
                F[k, first + i] = high[i] + low[i]
    return F


@compiled
def weighted_products(XT, w, R):
    """X' diag(w) R, rounded once; returns an array of shape (D, K).

    Parameters
    ----------
    XT : array of shape (D, N)
        The columns of X.
    w : array of shape (N,)
    R : array of shape (K, N)
    """
    D, N = XT.shape
    K = R.shape[0]
    G = np.empty((D, K))
    p_high, p_low, p_error = np.empty(N), np.empty(N), np.empty(N)
    high, low = np.empty(LANES), np.empty(LANES)
    for k in range(K):
        for i in range(N):
            r_high, r_low = split(R[k, i])
            p, e = two_product(w[i], r_high, r_low)
            p_high[i], p_low[i] = split(p)
            p_error[i] = e
        for j in range(D):
            high[:] = 0.0
            low[:] = 0.0
            whole = N - N % LANES
            for first in range(0, whole, LANES):
                for i in range(LANES):
                    x = XT[j, first + i]
                    p, f = two_product(x, p_high[first + i], p_low[first + i])
                    s, e = two_sum(high[i], p)
                    high[i] = s
                    low[i] += e + f + x * p_error[first + i]
            total, rest = 0.0, 0.0
            for i in range(LANES):
                total, e = two_sum(total, high[i])
                rest += low[i] + e
            for i in range(whole, N):
                x = XT[j, i]
                p, f = two_product(x, p_high[i], p_low[i])
                total, e = two_sum(total, p)
                rest += e + f + x * p_error[i]
            G[j, k] = total + rest
    return G
