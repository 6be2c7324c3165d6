r"""The empirical distribution of draws: what a sampler or an ensemble predicts.

.. math:: F(x) = \frac{1}{S} \sum_{s=1}^S 1\{x_s \leq x\}

Every verb is exact for this distribution, not an estimate of the one that the draws came from:
the variance divides by S, quantiles are draws (the smallest at which F reaches the level), and

.. math:: CRPS(F, y) = \frac{1}{S} \sum_s |x_s - y| - \frac{1}{2 S^2} \sum_s \sum_t |x_s - x_t|

computed from the sorted draws in S log S steps (Gneiting and Raftery 2007, section 4.2, for the
empirical F). It has no density, so `log_prob` and `entropy` refuse.
"""

import math
from typing import Any, NoReturn

import numpy as np
import torch

from .base import Predictive, refuse


class Empirical(Predictive):
    """Distributions given by S equally likely draws for each target.

    Parameters
    ----------
    samples : array or tensor of shape (S, N) or (S, N, K)
        Finite, at least one draw. Row s is one joint draw: `sample` returns whole rows, so that the
        dependence between targets is kept.
    as_numpy : bool, optional
        The form of answers; by default that of ``samples``.

    Raises
    ------
    ValueError
        If there is no draw, or one is not finite.

    Examples
    --------
    >>> from peira.core.predictive import Empirical
    >>> d = Empirical([[1.0], [2.0], [4.0]])
    >>> d.median, d.crps([2.0])
    (array([2.]), array([0.33333333]))
    """

    def __init__(self, samples: Any, *, as_numpy: bool | None = None) -> None:
        form = not isinstance(samples, torch.Tensor) if as_numpy is None else as_numpy
        self._samples = torch.as_tensor(samples, dtype=torch.float64)
        if self._samples.ndim < 1 or len(self._samples) < 1:
            raise ValueError(f"samples must hold at least one draw, got shape {tuple(self._samples.shape)}")
        refuse(~self._samples.isfinite(), self._samples, "samples must be finite")
        self._set(self._samples.shape[1:], self._samples.device, form)
        self._ascending: torch.Tensor | None = None

    @property
    def samples(self) -> Any:
        """The draws, of shape (S, *batch)."""
        return self._give(self._samples)

    def _sorted(self) -> torch.Tensor:
        """The draws in ascending order along the last axis, of shape (*batch, S); sorted once."""
        if self._ascending is None:
            self._ascending = self._samples.movedim(0, -1).contiguous().sort(-1).values
        return self._ascending

    def _rank(self, y: torch.Tensor) -> torch.Tensor:
        """How many draws are at most y, of y's shape (..., *batch)."""
        flat = self._flat(y).movedim(0, -1).contiguous()
        return torch.searchsorted(self._sorted(), flat, right=True).movedim(-1, 0).reshape(y.shape)

    def _mean(self) -> torch.Tensor:
        return self._samples.mean(0)

    def _variance(self) -> torch.Tensor:
        return ((self._samples - self._mean()) ** 2).mean(0)

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        share = self._rank(y).to(torch.float64) / len(self._samples)
        return torch.where(y.isnan(), torch.nan, share)

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        S = len(self._samples)
        shares = torch.arange(1, S + 1, dtype=torch.float64, device=self.device) / S  # as in _cdf, so that F(Q(q)) >= q
        k = torch.searchsorted(shares, q.contiguous()).clamp(max=S - 1)
        flat = self._flat(k).movedim(0, -1)
        return self._sorted().gather(-1, flat).movedim(-1, 0).reshape(q.shape)

    def _crps(self, y: torch.Tensor) -> torch.Tensor:
        S = len(self._samples)
        centre = self._mean()  # sums of centred draws do not cancel
        x = self._sorted() - centre[..., None]
        below = torch.cat([torch.zeros_like(x[..., :1]), x.cumsum(-1)], -1)  # sums of the k smallest
        k = self._rank(y)
        flat = self._flat(k).movedim(0, -1)
        sum_below = below.gather(-1, flat).movedim(-1, 0).reshape(y.shape)
        to_target = (2 * k - S) * (y - centre) - 2 * sum_below + below[..., -1]
        i = torch.arange(1, S + 1, dtype=torch.float64, device=self.device)
        between = ((2 * i - S - 1) * x).sum(-1)  # half of the sum over all ordered pairs
        return to_target / S - between / S**2

    def _no_density(self, verb: str) -> NoReturn:
        raise TypeError(
            f"an empirical distribution has no density, hence no {verb}; "
            "use crps(y), cdf(y) and quantile(q), or predict a distribution that has one"
        )

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        self._no_density("log_prob")

    def _entropy(self) -> torch.Tensor:
        self._no_density("entropy")

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        rows = torch.as_tensor(rng.integers(len(self._samples), size=n), device=self.device)
        return self._samples[rows]

    def _take(self, positions: torch.Tensor) -> "Empirical":
        return Empirical(
            self._samples.reshape(len(self._samples), math.prod(self.shape))[:, positions], as_numpy=self.as_numpy
        )
