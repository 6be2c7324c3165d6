r"""Probabilities for scores that have none: Platt's sigmoid, and the coupling of pairs.

**A pair.** The score f of an item that training had not seen is mapped to the probability of the first class,

.. math:: r(f) = 1 / (1 + \exp(A f + B))

by maximum likelihood. With N+ items of the first class and N- of the second, the targets are not 1 and 0 but

.. math:: t_+ = (N_+ + 1) / (N_+ + 2), \quad t_- = 1 / (N_- + 2)

so that separable scores do not end in certainty. The loss is convex in (A, B); Newton's method with halved steps
finds its minimum (Lin, Lin & Weng 2007, Algorithm 1), with the logarithms written so that nothing overflows.

**More classes.** With :math:`r_{ij}` the probability of class i against class j alone, the probabilities p minimise

.. math:: \sum_i \sum_{j \neq i} (r_{ji} p_i - r_{ij} p_j)^2, \quad \sum_i p_i = 1

which is :math:`2 p^T Q p` with :math:`Q_{ii} = \sum_{j \neq i} r_{ji}^2` and :math:`Q_{ij} = -r_{ji} r_{ij}`. With a
multiplier for the sum it is a linear system of C + 1 equations (Wu, Lin & Weng 2004, section 4.2). LIBSVM stops an
iteration for it at a residual of 0.005 / C; here the equations are solved.

Cost: some ten passes over N scores for a pair; C^3 for an item of C classes.

Reference: Platt (1999), Probabilistic outputs for support vector machines; Lin, Lin & Weng (2007), A note on Platt's
probabilistic outputs for support vector machines, Machine Learning 68, 267-276; Wu, Lin & Weng (2004), Probability
estimates for multi-class classification by pairwise coupling, JMLR 5, 975-1005.
"""

import math

import numpy as np
import torch

from ..numerics.compile import compiled

LEAST = 1e-7  # pairs are never more certain than this (as in LIBSVM)
RIDGE = 1e-12  # added to the Hessian, which is singular for scores that are all alike


def fit_sigmoid(f: np.ndarray, first: np.ndarray, w: np.ndarray | None = None) -> tuple[float, float]:
    """Platt's A and B.

    Parameters
    ----------
    f : array of shape (N,)
        Scores of unseen items; positive ones speak for the first class.
    first : bool array of shape (N,)
        Which items are of the first class.
    w : array of shape (N,), optional
        How often each item counts.

    Returns
    -------
    A, B : float

    Examples
    --------
    >>> import numpy as np
    >>> A, B = fit_sigmoid(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))
    >>> float(round(1 / (1 + np.exp(2 * A + B)), 3))
    0.794
    """
    f, first = np.asarray(f, dtype=np.float64), np.asarray(first, dtype=bool)
    w = np.ones(len(f)) if w is None else np.asarray(w, dtype=np.float64)
    ones, zeros = float(w[first].sum()), float(w[~first].sum())
    t = np.where(first, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    return newton(f, t, w, 0.0, np.log((zeros + 1) / (ones + 1)))


@compiled
def cross_entropy(f, t, w, A, B):
    """The sum of w (-t log r - (1 - t) log(1 - r)) = w (log(1 + exp(z)) - (1 - t) z), with z = A f + B."""
    total = 0.0
    for n in range(f.size):
        z = A * f[n] + B
        total += w[n] * (max(z, 0.0) + math.log1p(math.exp(-abs(z))) - (1 - t[n]) * z)
    return total


@compiled
def newton(f, t, w, A, B):
    """Its minimum from (A, B) on, by Newton's steps, halved until the value falls enough."""
    value, weight = cross_entropy(f, t, w, A, B), w.sum()
    for _ in range(100):
        a = b = 0.0  # the gradient
        aa = bb = RIDGE  # the Hessian
        ab = 0.0
        for n in range(f.size):
            z = A * f[n] + B
            e = math.exp(-abs(z))
            r = (e if z > 0 else 1.0) / (1.0 + e)
            slope, curvature = w[n] * (t[n] - r), w[n] * r * (1.0 - r)
            a += slope * f[n]
            b += slope
            aa += curvature * f[n] * f[n]
            ab += curvature * f[n]
            bb += curvature
        if max(abs(a), abs(b)) <= 1e-9 * weight:
            break
        determinant = aa * bb - ab * ab
        step_a, step_b = (bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant
        fall, size = a * step_a + b * step_b, 1.0
        while size > 1e-10:
            tried = cross_entropy(f, t, w, A - size * step_a, B - size * step_b)
            if tried < value - 1e-4 * size * fall:
                break
            size /= 2
        if size <= 1e-10:  # no descent left beyond rounding
            break
        A, B, value = A - size * step_a, B - size * step_b, tried
    return A, B


def pair_probabilities(f: torch.Tensor, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """r of each item and pair (N, P), from scores (N, P) and the sigmoids (P,); infinite scores are certain."""
    z = torch.where(A == 0, B, A * f + B)
    return torch.sigmoid(-z).clamp(LEAST, 1 - LEAST)


def couple(r: torch.Tensor) -> torch.Tensor:
    """Probabilities of the classes from those of all pairs.

    Parameters
    ----------
    r : tensor of shape (N, C (C - 1) / 2)
        Of the first class of each pair, in the order (0, 1), (0, 2), ..., (1, 2), ...

    Returns
    -------
    tensor of shape (N, C)

    Examples
    --------
    >>> p = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)
    >>> r = torch.stack([p[:, i] / (p[:, i] + p[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))], 1)
    >>> couple(r).round(decimals=6)
    tensor([[0.2000, 0.3000, 0.5000]], dtype=torch.float64)
    """
    C = round((1 + (1 + 8 * r.shape[1]) ** 0.5) / 2)
    if C == 2:
        return torch.cat([r, 1 - r], 1)
    i, j = torch.triu_indices(C, C, 1, device=r.device)
    R = r.new_zeros(len(r), C, C)
    R[:, i, j], R[:, j, i] = r, 1 - r
    Q = -R * R.mT
    Q.diagonal(dim1=1, dim2=2).copy_(R.square().sum(1))
    size = Q.diagonal(dim1=1, dim2=2).rsqrt()  # equations brought to a diagonal of one: certain pairs span 14 orders
    M = r.new_zeros(len(r), C + 1, C + 1)
    M[:, :C, :C] = size[:, :, None] * Q * size[:, None, :]
    M[:, :C, C] = M[:, C, :C] = size / size.amax(1, keepdim=True)
    one = torch.zeros_like(M[..., :1])
    one[:, C] = 1
    p = size * torch.linalg.solve(M, one)[:, :C, 0]
    p = p.clamp(min=0)
    return p / p.sum(1, keepdim=True)
