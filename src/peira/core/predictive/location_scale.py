r"""Families that are one standard distribution, moved and stretched.

.. math:: y = \mu + \sigma z

.. math:: \log p(y) = \log p_0(z) - \log \sigma

.. math:: Q(q) = \mu + \sigma Q_0(q)

.. math:: H = H_0 + \log \sigma

.. math:: CRPS(F, y) = \sigma\, CRPS(F_0, z)

A scale of zero is a point mass at the location: its quantiles all equal the location, its
distribution function is a step, its log density is inf there and -inf elsewhere, its entropy is
-inf, and its CRPS is the absolute error.
"""

from abc import abstractmethod

import torch

from .base import Predictive, refuse


class LocationScale(Predictive):
    """Base of the location-scale families; subclasses write the standard distribution."""

    _loc: torch.Tensor
    _scale: torch.Tensor

    @abstractmethod
    def _standard_log_prob(self, z: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _standard_cdf(self, z: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _standard_quantile(self, q: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _standard_entropy(self) -> torch.Tensor: ...

    @abstractmethod
    def _standard_crps(self, z: torch.Tensor) -> torch.Tensor: ...

    def _place(self, loc: torch.Tensor, scale: torch.Tensor, scale_name: str, as_numpy: bool) -> None:
        refuse(~loc.isfinite(), loc, "the location of a distribution must be finite")
        refuse(~(scale.isfinite() & (scale >= 0)), scale, f"{scale_name} must be finite and not negative")
        self._set(loc.shape, loc.device, as_numpy)
        self._loc, self._scale = loc, scale
        self._point = scale == 0

    def _z(self, y: torch.Tensor) -> torch.Tensor:
        return (y - self._loc) / torch.where(self._point, 1.0, self._scale)

    def _log_prob(self, y: torch.Tensor) -> torch.Tensor:
        smooth = self._standard_log_prob(self._z(y)) - torch.where(self._point, 1.0, self._scale).log()
        return torch.where(self._point, torch.where(y == self._loc, torch.inf, -torch.inf), smooth)

    def _cdf(self, y: torch.Tensor) -> torch.Tensor:
        return torch.where(self._point, (y >= self._loc).to(y.dtype), self._standard_cdf(self._z(y)))

    def _quantile(self, q: torch.Tensor) -> torch.Tensor:
        return torch.where(self._point, self._loc, self._loc + self._scale * self._standard_quantile(q))

    def _entropy(self) -> torch.Tensor:
        return self._standard_entropy() + self._scale.log()

    def _crps(self, y: torch.Tensor) -> torch.Tensor:
        return torch.where(self._point, (y - self._loc).abs(), self._scale * self._standard_crps(self._z(y)))
