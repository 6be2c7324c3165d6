r"""Where non-negative matrix factorisation starts.

**NNDSVD.** Each singular triple of X is a difference of two non-negative ones: with :math:`u = u^+ - u^-` and
:math:`v = v^+ - v^-`, the larger of :math:`|u^+| |v^+|` and :math:`|u^-| |v^-|` gives the factor

.. math:: w_k = \sqrt{s_k |u^\pm| |v^\pm|} \; \frac{u^\pm}{|u^\pm|}, \qquad
          h_k = \sqrt{s_k |u^\pm| |v^\pm|} \; \frac{v^\pm}{|v^\pm|}

The first triple has one sign already (Perron and Frobenius). Zeros stay zeros under multiplicative updates: ``nndsvda``
puts the mean of X in their place, ``nndsvdar`` small random numbers.

**Random**: absolute normal numbers times :math:`\sqrt{\bar X / K}`, so that W H has the size of X.

Reference: Boutsidis & Gallopoulos (2008), Pattern Recognition 41, 1350-1362.
"""

from typing import Literal

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Matrix
from .principal_components_svd import leading_directions

Start = Literal["random", "nndsvd", "nndsvda", "nndsvdar"]


def start(
    X: Matrix, K: int, how: Start, rng: np.random.Generator, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """W (N, K) and H (K, D) to start from, non-negative."""
    N, D = X.shape
    mean = float(X.mean())
    if how == "random":
        size = np.sqrt(mean / K)
        return size * np.abs(rng.standard_normal((N, K))), size * np.abs(rng.standard_normal((K, D)))
    found = leading_directions(X, K, centred=False, generator=generator)
    s = found.squares.sqrt().numpy(force=True)
    V = found.vectors.numpy(force=True)
    U = np.asarray(X @ V if sparse.issparse(X) else X.numpy(force=True) @ V) / np.where(s > 0, s, 1.0)
    W, H = np.zeros((N, K)), np.zeros((K, D))
    for k in range(len(s)):
        parts = [(np.maximum(sign * U[:, k], 0), np.maximum(sign * V[:, k], 0)) for sign in (1, -1)]
        if k == 0:
            parts = [(np.abs(U[:, 0]), np.abs(V[:, 0]))]
        u, v = max(parts, key=lambda p: np.linalg.norm(p[0]) * np.linalg.norm(p[1]))
        a, b = np.linalg.norm(u), np.linalg.norm(v)
        if a * b > 0:
            W[:, k], H[k] = np.sqrt(s[k] * b / a) * u, np.sqrt(s[k] * a / b) * v
    noise = np.finfo(float).eps * max(W.max(initial=0), H.max(initial=0))
    for part in (W, H):
        empty = part <= noise
        if how == "nndsvda":
            part[empty] = mean
        elif how == "nndsvdar":
            part[empty] = np.abs(mean * rng.standard_normal(int(empty.sum())) / 100)
        else:
            part[empty] = 0.0
    return W, H
