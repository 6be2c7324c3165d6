r"""Rotations of loadings towards simple structure: each column on few factors, each factor in few columns.

A rotation R of the factors changes no probability. Of all of them, orthomax takes the one that maximises, for loadings
:math:`B = W R` of D columns on K factors,

.. math:: \sum_{k} ( \sum_d b_{dk}^4 - \frac{\gamma}{D} ( \sum_d b_{dk}^2 )^2 )

``varimax`` (:math:`\gamma = 1`, Kaiser 1958) spreads the squares within each factor, ``quartimax``
(:math:`\gamma = 0`) within each column. Two factors at a time have a closed form: with :math:`u = x^2 - y^2` and
:math:`v = 2 x y` of their loadings x and y,

.. math:: \tan 4 \varphi = \frac{2 ( \sum u v - \gamma \sum u \sum v / D )}
          { \sum (u^2 - v^2) - \gamma ( (\sum u)^2 - (\sum v)^2 ) / D }

and sweeps over all pairs never lower the sum.

Cost: D K^2 a sweep.

Reference: Kaiser (1958), Psychometrika 23, 187-200; Harman (1976), Modern Factor Analysis.
"""

import math
from typing import Literal

import torch

SWEEPS = 1000
SMALL = 1e-12  # radians: a sweep whose turns are all smaller ends the search


def orthomax(W: torch.Tensor, method: Literal["varimax", "quartimax"]) -> torch.Tensor:
    """The rotation that makes loadings simple.

    Parameters
    ----------
    W : tensor of shape (D, K)
    method : "varimax" or "quartimax"

    Returns
    -------
    R : tensor of shape (K, K)
        Orthogonal; W R are the new loadings.

    Examples
    --------
    >>> W = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    >>> (W @ orthomax(W, "varimax")).abs().round(decimals=3).tolist()
    [[1.414, 0.0], [0.0, 1.414]]
    """
    D, K = W.shape
    gamma = 1.0 if method == "varimax" else 0.0
    B, R = W.clone(), torch.eye(K, dtype=W.dtype, device=W.device)
    for _ in range(SWEEPS):
        largest = 0.0
        for j in range(K - 1):
            for k in range(j + 1, K):
                x, y = B[:, j], B[:, k]
                u, v = x.square() - y.square(), 2 * x * y
                across = 2 * (u @ v - gamma * u.sum() * v.sum() / D)
                along = (u.square() - v.square()).sum() - gamma * (u.sum().square() - v.sum().square()) / D
                turn = math.atan2(float(across), float(along)) / 4
                if abs(turn) <= SMALL:
                    continue
                largest = max(largest, abs(turn))
                c, s = math.cos(turn), math.sin(turn)
                G = torch.tensor([[c, -s], [s, c]], dtype=W.dtype, device=W.device)
                B[:, [j, k]] = B[:, [j, k]] @ G
                R[:, [j, k]] = R[:, [j, k]] @ G
        if largest <= SMALL:
            break
    return R
