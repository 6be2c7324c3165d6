r"""A distribution in other units: what a method that learned a shifted and scaled target says of the target itself.

.. math:: y = a + b u, \quad b > 0

.. math:: \log p_y(y) = \log p_u\left((y - a) / b\right) - \log b

.. math:: Q_y(q) = a + b\, Q_u(q), \quad H_y = H_u + \log b, \quad CRPS_y = b\, CRPS_u
"""

import math

import numpy as np
import torch

from .base import Predictive


class Affine(Predictive):
    """The distribution of shift + scale * u, for u of any family.

    Parameters
    ----------
    base : Predictive
        Of u.
    shift : float
    scale : float
        Positive.

    Examples
    --------
    >>> from peira.core.predictive import Affine, Normal
    >>> fahrenheit = Affine(Normal([20.0], [5.0]), 32.0, 1.8)
    >>> fahrenheit.mean, fahrenheit.std
    (array([68.]), array([9.]))
    """

    def __init__(self, base: Predictive, shift: float, scale: float) -> None:
        if not (math.isfinite(shift) and math.isfinite(scale) and scale > 0):
            raise ValueError(f"shift must be finite and scale positive, got {shift} and {scale}")
        self._set(base.shape, base.device, base.as_numpy)
        self.base, self.shift, self.scale = base, float(shift), float(scale)

    def _mean(self) -> torch.Tensor:
        return self.shift + self.scale * self.base._mean()

    def _variance(self) -> torch.Tensor:
        return self.scale**2 * self.base._variance()

    def _std(self) -> torch.Tensor:
        return self.scale * self.base._std()

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        return self.base._log_prob((y - self.shift) / self.scale) - math.log(self.scale)

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        return self.base._cdf((y - self.shift) / self.scale)

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        return self.shift + self.scale * self.base._quantile(q)

    def _entropy(self) -> torch.Tensor:
        return self.base._entropy() + math.log(self.scale)

    def _crps(self, y: torch.Tensor) -> torch.Tensor:
        return self.scale * self.base._crps((y - self.shift) / self.scale)

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        return self.shift + self.scale * self.base._draw(n, rng)

    def _take(self, positions: torch.Tensor) -> "Affine":
        return Affine(self.base._take(positions), self.shift, self.scale)
