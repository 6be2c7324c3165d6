r"""Quadrature and inversion for distributions without closed forms, all items at once.

Integrals run panel by panel with Gauss and Legendre's rule,

.. math:: \int_a^b f(x)\, dx \approx \frac{b-a}{2} \sum_{j=1}^{12} w_j\, f\left(\frac{a+b}{2} + \frac{b-a}{2} t_j\right)

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

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)

# Half decades into both tails: on a panel of that width twelve nodes integrate powers, hence
# heavy tails, to rounding. Between them an even grid.
_TAIL = np.logspace(-14, -2, 25)
LEVELS = np.concatenate([_TAIL, np.linspace(0.05, 0.95, 19), (1 - _TAIL)[::-1]])


def panel(f: Function, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Integral of ``f`` from ``a`` to ``b``, one panel for each entry.

    ``f`` sees a tensor (12, ...) and returns one, or several integrands stacked behind the nodes.
    """
    half = (b - a) / 2
    t, w = (torch.as_tensor(v, device=a.device) for v in (NODES, WEIGHTS))
    values = f(a + half + half * t[(..., *[None] * a.ndim)])
    return torch.where(half == 0, 0.0, half * torch.tensordot(w, values, dims=1))


def panels(f: Function, points: torch.Tensor) -> torch.Tensor:
    """Integrals of ``f`` between neighbouring points.

    Parameters
    ----------
    f : function as in `panel`
    points : tensor of shape (L, ...)
        Ascending edges of the panels, for each item its own.

    Returns
    -------
    tensor of shape (L - 1, ...), or (L - 1, integrands, ...)

    Notes
    -----
    Costs 12 (L - 1) evaluations an item, of which 12 are held in memory at a time.
    """
    return torch.stack([panel(f, a, b) for a, b in pairwise(points)])


def _rank(x: torch.Tensor) -> torch.Tensor:
    """Float64 to int64 such that neighbouring floats are neighbouring integers; its own inverse on bits."""
    bits = x.contiguous().view(torch.int64)
    return torch.where(bits >= 0, bits, torch.iinfo(torch.int64).min - bits)


def _float(rank: torch.Tensor) -> torch.Tensor:
    """The float of that rank."""
    return torch.where(rank >= 0, rank, torch.iinfo(torch.int64).min - rank).view(torch.float64)


def bisect(F: Function, q: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Smallest float64 in [low, high] at which a non-decreasing ``F`` reaches ``q``.

    Parameters
    ----------
    F : function of a tensor, applied elementwise
    q, low, high : tensors of one shape, with F(low) <= q <= F(high)

    Returns
    -------
    tensor

    Notes
    -----
    Halves the number of floats in between, not the distance: after at most 64 steps nothing is
    left to halve, however wide the bracket or small the answer.
    """
    a, b = _rank(low), _rank(torch.where(F(low) >= q, low, high))
    while True:
        middle = (a >> 1) + (b >> 1) + (a & b & 1)
        open_ = (middle > a) & (middle < b)
        if not open_.any():
            return _float(b)
        reached = F(_float(middle)) >= q
        b = torch.where(open_ & reached, middle, b)
        a = torch.where(open_ & ~reached, middle, a)
