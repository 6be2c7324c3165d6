r"""Multiplicative updates: non-negative factors under a beta divergence.

.. math:: d_\beta(x | y) = \frac{x^\beta + (\beta - 1) y^\beta - \beta x y^{\beta - 1}}{\beta (\beta - 1)}

with the limits :math:`x \log(x / y) - x + y` at 1 (Kullback-Leibler: counts) and :math:`x / y - \log(x / y) - 1` at 0
(Itakura-Saito: powers); 2 is half the squared distance. With :math:`Y = W H`,

.. math:: W \leftarrow W \cdot \left( \frac{(X \cdot Y^{\beta - 2}) H^T}{Y^{\beta - 1} H^T + \lambda_1 + \lambda_2 W}
          \right)^{\gamma}

and the same for H, transposed. The exponent is 1 for :math:`1 \leq \beta \leq 2`, :math:`1 / (2 - \beta)` below and
:math:`1 / (\beta - 1)` above: then the divergence never rises. An entry that is zero stays zero.

Cost: 4 N D K a step; for sparse X and beta = 1 or 2 the stored entries in place of N D.

Reference: Lee & Seung (2001), NIPS 13; Fevotte & Idier (2011), Neural Computation 23, 2421-2456.
"""

from typing import Any

import numpy as np
from scipy import sparse

TINY = np.finfo(np.float64).tiny ** 0.5  # below, a product counts as zero: nothing divides by it


def divergence(X: Any, W: np.ndarray, H: np.ndarray, beta: float) -> float:
    """The sum of d_beta(X, W H) over all entries."""
    if sparse.issparse(X):
        if beta == 2:
            cross, G = (X @ H.T * W).sum(), (W.T @ W) * (H @ H.T)
            return float(max(X.multiply(X).sum() / 2 - cross + G.sum() / 2, 0.0))
        y = np.maximum(_at_entries(X, W, H), TINY)
        return float((X.data * np.log(np.maximum(X.data, TINY) / y) - X.data).sum() + W.sum(0) @ H.sum(1))
    Y = W @ H
    if beta == 2:
        return float(((X - Y) ** 2).sum() / 2)
    Y = np.maximum(Y, TINY)
    if beta == 1:
        return float((X * np.log(np.maximum(X, TINY) / Y) - X + Y).sum())
    if beta == 0:
        ratio = np.maximum(X, TINY) / Y
        return float((ratio - np.log(ratio) - 1).sum())
    total = (X**beta).sum() + (beta - 1) * (Y**beta).sum() - beta * (X * Y ** (beta - 1)).sum()
    return float(total / (beta * (beta - 1)))


def update(X: Any, W: np.ndarray, H: np.ndarray, beta: float, l1: float, l2: float) -> np.ndarray:
    """W after one step; for H call with everything transposed."""
    if beta == 2:
        above, below = np.asarray(X @ H.T), W @ (H @ H.T)
    elif sparse.issparse(X):
        ratio = X.copy()
        ratio.data = X.data / np.maximum(_at_entries(X, W, H), TINY)
        above, below = np.asarray(ratio @ H.T), np.broadcast_to(H.sum(1), W.shape)
    else:
        Y = np.maximum(W @ H, TINY)
        above = (X / Y if beta == 1 else X * Y ** (beta - 2)) @ H.T
        below = np.broadcast_to(H.sum(1), W.shape) if beta == 1 else Y ** (beta - 1) @ H.T
    below = below + l1 + l2 * W if l1 or l2 else below
    factor = above / np.maximum(below, TINY)
    if beta < 1:
        factor **= 1 / (2 - beta)
    elif beta > 2:
        factor **= 1 / (beta - 1)
    return W * factor


def _at_entries(X: Any, W: np.ndarray, H: np.ndarray) -> np.ndarray:
    """W H where X stores an entry, some at a time."""
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    out, HT = np.empty(len(X.data)), np.ascontiguousarray(H.T)
    step = max(1, (1 << 20) // max(1, W.shape[1]))
    for i in range(0, len(out), step):
        part = slice(i, i + step)
        out[part] = np.einsum("ek,ek->e", W[rows[part]], HT[X.indices[part]])
    return out
