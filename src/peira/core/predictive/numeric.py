r"""Quadrature and inversion for distributions without closed forms, all items at once.

Integrals run panel by panel with Gauss and Legendre's rule,

.. math:: \int_a^b f(x)\, dx \approx \frac{b-a}{2} \sum_{j=1}^{16} w_j\, f\left(\frac{a+b}{2} + \frac{b-a}{2} t_j\right)

between points that the caller lays where the mass is; a jump of the integrand at such a point
costs no accuracy, because no node lies on the edge of a panel. Quantiles are found by bisection,
which asks nothing of the distribution function but that it does not fall, and so also stops
exactly at jumps: the answer is the smallest number found with

.. math:: F(x) \geq q
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

Function = Callable[[torch.Tensor], torch.Tensor]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)

# Half decades into both tails: on a panel of that width sixteen nodes integrate powers, hence
# heavy tails, to rounding. Between them an even grid.
_TAIL = np.logspace(-16, -2, 29)
LEVELS = np.concatenate([_TAIL, np.linspace(0.05, 0.95, 19), (1 - _TAIL)[::-1]])


def integrate(f: Function, points: torch.Tensor) -> torch.Tensor:
    """Integral of ``f`` from the first to the last of the points.

    Parameters
    ----------
    f : function of a tensor (16, ...) that returns the same shape
    points : tensor of shape (L, ...)
        Ascending edges of the panels, for each item its own.

    Returns
    -------
    tensor of shape (...)

    Notes
    -----
    Costs 16 (L - 1) evaluations an item; holds 16 values an item in memory.
    """
    shape = (-1, *[1] * (points.ndim - 1))
    t, w = (torch.as_tensor(v, device=points.device).reshape(shape) for v in (NODES, WEIGHTS))
    total = torch.zeros_like(points[0])
    for a, b in pairwise(points):
        half = (b - a) / 2
        values = f(a + half + half * t)
        total = total + torch.where(half > 0, half * (w * values).sum(0), 0.0)
    return total


def bisect(F: Function, q: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Smallest number in [low, high] at which a non-decreasing ``F`` reaches ``q``, to full precision.

    Parameters
    ----------
    F : function of a tensor, applied elementwise
    q, low, high : tensors of one shape, with F(low) <= q <= F(high)

    Returns
    -------
    tensor
        The upper end of an interval no wider than a rounding error of its ends, or than 1e-30
        of the first interval (where the answer is zero but for rounding).
    """
    high = torch.where(F(low) >= q, low, high)
    enough = (high - low) * 1e-30
    eps = torch.finfo(q.dtype).eps
    while True:
        middle = low + (high - low) / 2
        width = high - low
        open_ = (width > enough) & (width > eps * torch.maximum(low.abs(), high.abs()))
        open_ &= (middle > low) & (middle < high)
        if not open_.any():
            return high
        reached = F(middle) >= q
        high = torch.where(open_ & reached, middle, high)
        low = torch.where(open_ & ~reached, middle, low)
