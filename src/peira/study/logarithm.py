r"""Logarithms of series whose swings grow with their level.

A series is cut into blocks; with m the mean of a block and s the standard deviation of the changes within it, that of
two scales is taken on which swings differ less from block to block (Guerrero 1993, with powers 0 and 1):

.. math:: CV(s / m) < 0.8 \; CV(s), \quad CV(u) = std(u) / mean(u)

What a method says of the logarithm u is then told of the number x itself,

.. math:: F_x(x) = F_u(\log x), \quad \log p_x(x) = \log p_u(\log x) - \log x, \quad Q_x(q) = e^{Q_u(q)}

.. math:: E[x] = e^{\mu + \sigma^2 / 2}, \quad V[x] = ( e^{\sigma^2} - 1 ) E[x]^2

the moments exactly where u is normal.
"""

from typing import Any

import numpy as np
import torch

from ..core.predictive import Predictive
from ..experience.sequences import Sequences

STEPS, FEWEST, MOST = 12, 4, 30
"""Steps of a block, at least; blocks of a series, at least, to judge it by, and at most."""
CLEARLY, RISE = 0.8, 1.3
"""By how much swings must differ less, and levels between blocks must differ, for logarithms to be taken."""


def swings_grow(X: Sequences) -> bool:
    """Whether all numbers are positive and their swings grow with their level, in most series and columns."""
    values = np.asarray(X.values, dtype=np.float64).reshape(len(X.values), -1)
    known = values[np.isfinite(values)]
    if not len(known) or known.min() <= 0:
        return False
    votes = []
    for part in np.split(values, np.cumsum(X.lengths)[:-1]):
        for x in part.T:
            blocks = [b for b in np.array_split(x, max(1, min(MOST, len(x) // STEPS))) if np.isfinite(b).sum() > 3]
            if len(blocks) < FEWEST:
                continue
            m = np.array([np.nanmean(b) for b in blocks])
            s = np.array([np.nanmean(np.diff(b) ** 2) ** 0.5 if np.isfinite(np.diff(b)).any() else 0 for b in blocks])
            steady = s.mean() > 0 and (s / m).std() / (s / m).mean() < CLEARLY * s.std() / s.mean()
            votes.append(steady and m.max() > RISE * m.min())
    return bool(votes) and float(np.mean(votes)) > 0.5


def logged(X: Any, least: float) -> Any:
    """Sequences of logarithms; what lies below ``least`` counts as that."""
    if isinstance(X, Sequences):
        values = np.log(np.maximum(np.asarray(X.values, dtype=np.float64), least))
        return Sequences(values, X.lengths, X.names, X.ids)
    return [np.log(np.maximum(np.asarray(part, dtype=np.float64), least)) for part in X]


class Exponential(Predictive):
    """The distribution of exp(u).

    Parameters
    ----------
    base : Predictive
        Of u.

    Examples
    --------
    >>> from peira.core.predictive import Normal
    >>> Exponential(Normal([0.0], [1.0])).median.tolist()
    [1.0]
    """

    def __init__(self, base: Predictive) -> None:
        self._set(base.shape, base.device, base.as_numpy)
        self.base = base

    def _mean(self) -> torch.Tensor:
        return torch.exp(self.base._mean() + self.base._variance() / 2)

    def _variance(self) -> torch.Tensor:
        return torch.expm1(self.base._variance()) * self._mean() ** 2

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        inside = y > 0
        u = torch.log(torch.where(inside, y, 1.0))
        return torch.where(inside, self.base._log_prob(u) - u, -torch.inf)

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        inside = y > 0
        return torch.where(inside, self.base._cdf(torch.log(torch.where(inside, y, 1.0))), 0.0)

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        return torch.exp(self.base._quantile(q))

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        return torch.exp(self.base._draw(n, rng))

    def _take(self, positions: torch.Tensor) -> "Exponential":
        return Exponential(self.base._take(positions))
