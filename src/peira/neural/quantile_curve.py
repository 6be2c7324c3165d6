r"""The distribution that a few quantiles describe.

Between the quantiles :math:`q_1 < \dots < q_L` at levels :math:`p_1 < \dots < p_L` the distribution function is
linear, so that the density is a step of height

.. math:: d_k = \frac{p_{k+1} - p_k}{q_{k+1} - q_k}

and beyond them it falls off exponentially, without a jump at the ends:

.. math:: F(x) = p_1 \exp\left(\frac{x - q_1}{a}\right), \quad a = \frac{p_1}{d_1}

.. math:: 1 - F(x) = (1 - p_L) \exp\left(-\frac{x - q_L}{b}\right), \quad b = \frac{1 - p_L}{d_{L-1}}

Every verb is in closed form but the continuous ranked probability score, which is integrated.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from peira.core.predictive import Predictive


class QuantileCurve(Predictive):
    """Distributions given by their quantiles at common levels.

    Parameters
    ----------
    levels : sequence of L floats in (0, 1), ascending, L >= 2
    values : array or tensor of shape (*batch, L)
        Ascending along the last axis, without ties.
    as_numpy : bool, optional
        The form of answers; by default that of ``values``.

    Raises
    ------
    ValueError
        If levels or values are not ascending, or differ in number.

    Examples
    --------
    >>> d = QuantileCurve([0.25, 0.75], [[-1.0, 1.0]])
    >>> d.mean, d.quantile(0.75), d.cdf([0.0])
    (array([0.]), array([1.]), array([0.5]))
    """

    def __init__(self, levels: Sequence[float], values: Any, *, as_numpy: bool | None = None) -> None:
        form = not isinstance(values, torch.Tensor) if as_numpy is None else as_numpy
        q = torch.as_tensor(values, dtype=torch.float64)
        p = torch.as_tensor(levels, dtype=torch.float64, device=q.device)
        L = len(p)
        if L < 2 or not (p.diff() > 0).all() or p[0] <= 0 or p[-1] >= 1:
            raise ValueError(f"levels must be two or more ascending numbers between 0 and 1, got {p.tolist()}")
        if q.ndim < 1 or q.shape[-1] != L:
            raise ValueError(f"values must have shape (*batch, {L}), one for each level, got {tuple(q.shape)}")
        if not (q.isfinite().all() and (q.diff() > 0).all()):
            raise ValueError("the quantiles of a distribution must be finite and ascend with their levels")
        self._p, self._q = p, q
        self._density = p.diff() / q.diff()
        self._below, self._above = p[0] / self._density[..., 0], (1 - p[-1]) / self._density[..., -1]
        self._set(q.shape[:-1], q.device, form)

    def _mean(self) -> torch.Tensor:
        p, q = self._p, self._q
        inner = (p.diff() * (q[..., 1:] + q[..., :-1]) / 2).sum(-1)
        return inner + p[0] * (q[..., 0] - self._below) + (1 - p[-1]) * (q[..., -1] + self._above)

    def _variance(self) -> torch.Tensor:
        p, q = self._p, self._q - self._mean()[..., None]
        low, high, a, b = q[..., :-1], q[..., 1:], self._below, self._above
        inner = (p.diff() * (low**2 + low * high + high**2) / 3).sum(-1)
        first, last = q[..., 0], q[..., -1]
        return inner + p[0] * (first**2 - 2 * first * a + 2 * a**2) + (1 - p[-1]) * (last**2 + 2 * last * b + 2 * b**2)

    def _place(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """For y of shape (..., *batch): number of quantiles below it, and the piece of the curve that holds it."""
        k = (y[..., None] > self._q).sum(-1)
        piece = (k - 1).clamp(0, len(self._p) - 2)
        at = (*y.shape, len(self._p))
        q = self._q.expand(at).gather(-1, piece[..., None])[..., 0]
        d = self._density.expand((*y.shape, len(self._p) - 1)).gather(-1, piece[..., None])[..., 0]
        return k, self._p[piece], q, d

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        k, _, _, d = self._place(y)
        q, L = self._q, len(self._p)
        beyond = torch.where(
            k == 0, (y - q[..., 0]) / self._below, torch.where(k == L, (q[..., -1] - y) / self._above, 0)
        )
        return d.log() + beyond

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        k, p, q, d = self._place(y)
        left = self._p[0] * ((y - self._q[..., 0]) / self._below).clamp(max=0).exp()
        right = 1 - (1 - self._p[-1]) * ((self._q[..., -1] - y) / self._above).clamp(max=0).exp()
        return torch.where(k == 0, left, torch.where(k == len(self._p), right, p + d * (y - q)))

    def _quantile(self, u: torch.Tensor) -> torch.Tensor:
        p, q, L = self._p, self._q, len(self._p)
        piece = (torch.searchsorted(p, u.contiguous()) - 1).clamp(0, L - 2)
        at = q.expand((*u.shape, L)).gather(-1, piece[..., None])[..., 0]
        d = self._density.expand((*u.shape, L - 1)).gather(-1, piece[..., None])[..., 0]
        left = q[..., 0] + self._below * (u / p[0]).log()
        right = q[..., -1] - self._above * ((1 - u) / (1 - p[-1])).log()
        return torch.where(u < p[0], left, torch.where(u > p[-1], right, at + (u - p[piece]) / d))

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        return self._quantile(torch.as_tensor(rng.random((n, *self.shape)), device=self.device))

    def _entropy(self) -> torch.Tensor:
        p, d = self._p, self._density
        inner = -(p.diff() * d.log()).sum(-1)
        return inner - p[0] * (d[..., 0].log() - 1) - (1 - p[-1]) * (d[..., -1].log() - 1)

    def _take(self, positions: torch.Tensor) -> "QuantileCurve":
        values = self._q.reshape(math.prod(self.shape), -1)[positions]
        return QuantileCurve(self._p.tolist(), values, as_numpy=self.as_numpy)
