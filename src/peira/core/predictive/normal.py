r"""The normal distribution.

.. math:: p(y) = \frac{1}{\sigma \sqrt{2 \pi}} \exp\left(-\frac{z^2}{2}\right)

.. math:: z = \frac{y - \mu}{\sigma}

.. math:: H = \log \sigma + \frac{1}{2} \log (2 \pi e)

.. math:: CRPS(F, y) = \sigma \left[ z (2 \Phi(z) - 1) + 2 \varphi(z) - \frac{1}{\sqrt{\pi}} \right]

The last line is from Gneiting and Raftery (2007), section 4.2 (there with the opposite sign).
"""

import math
from typing import Any

import numpy as np
import torch

from .base import open_parameters, refuse
from .location_scale import LocationScale


def normal_cdf(z: torch.Tensor) -> torch.Tensor:
    """Standard normal distribution function, with full relative accuracy in the lower tail."""
    return torch.special.erfc(z * -math.sqrt(0.5)) / 2


class Normal(LocationScale):
    """Normal distributions over a batch of targets.

    Parameters
    ----------
    mean : array or tensor, the batch shape (N,) or (N, K)
        Unit of the target.
    std : float, array or tensor, stretching to the batch shape; optional with ``covariance``
        Not negative; zero makes a point mass.
    covariance : array or tensor of shape (N, N), optional
        Joint covariance of N targets, in place of ``std``. `sample` then draws jointly; all other
        verbs speak of each target by itself.
    as_numpy : bool, optional
        The form of answers; by default that of the parameters.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, a std is negative, or the covariance is not symmetric.

    Examples
    --------
    >>> from peira.core.predictive import Normal
    >>> d = Normal([0.0, 10.0], [1.0, 2.0])
    >>> low, high = d.interval(0.95)
    >>> high.round(2)
    array([ 1.96, 13.92])
    """

    def __init__(self, mean: Any, std: Any = None, covariance: Any = None, *, as_numpy: bool | None = None) -> None:
        if (std is None) == (covariance is None):
            raise ValueError("pass either std or covariance")
        self._covariance: torch.Tensor | None = None
        if covariance is None:
            form, (loc, scale) = open_parameters(as_numpy, mean, std=std)
        else:
            form, (loc,) = open_parameters(as_numpy, mean)
            self._covariance = torch.as_tensor(covariance, dtype=torch.float64, device=loc.device)
            if as_numpy is None:
                form = form and not isinstance(covariance, torch.Tensor)
            scale = self._check(self._covariance, loc)
        self._place(loc, scale, "std", form)

    @staticmethod
    def _check(C: torch.Tensor, loc: torch.Tensor) -> torch.Tensor:
        """The standard deviations on the diagonal of a proper joint covariance."""
        if loc.ndim != 1 or C.shape != (len(loc), len(loc)):
            raise ValueError(
                f"a joint covariance must have shape (N, N) for a mean of shape (N,); "
                f"got {tuple(C.shape)} for {tuple(loc.shape)}"
            )
        refuse(~C.isfinite(), C, "the covariance must be finite")
        variance = C.diagonal()
        rounding = 1e-10 * float(variance.abs().max()) if len(loc) else 0.0
        refuse((C - C.T).abs() > rounding, C - C.T, "the covariance must be symmetric: C - C' must be 0")
        refuse(variance < -rounding, variance, "the diagonal of the covariance must not be negative")
        return variance.clamp(min=0).sqrt()

    @property
    def covariance(self) -> Any:
        """The joint covariance (N, N), or None where the targets are taken one by one."""
        return None if self._covariance is None else self._give(self._covariance)

    def _mean(self) -> torch.Tensor:
        return self._loc

    def _variance(self) -> torch.Tensor:
        return self._scale**2

    def _std(self) -> torch.Tensor:
        return self._scale

    def _standard_log_prob(self, z: torch.Tensor) -> torch.Tensor:
        return -(z**2) / 2 - math.log(2 * math.pi) / 2

    def _standard_cdf(self, z: torch.Tensor) -> torch.Tensor:
        return normal_cdf(z)

    def _standard_quantile(self, q: torch.Tensor) -> torch.Tensor:
        return torch.special.ndtri(q)

    def _standard_entropy(self) -> torch.Tensor:
        return torch.full_like(self._loc, math.log(2 * math.pi * math.e) / 2)

    def _standard_crps(self, z: torch.Tensor) -> torch.Tensor:
        density = (-(z**2) / 2).exp() / math.sqrt(2 * math.pi)
        return z * torch.special.erf(z * math.sqrt(0.5)) + 2 * density - 1 / math.sqrt(math.pi)

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        z = torch.as_tensor(rng.standard_normal((n, *self.shape)), device=self.device)
        if self._covariance is None:
            return self._loc + self._scale * z
        return self._loc + z @ self._root().T

    def _root(self) -> torch.Tensor:
        """A matrix whose product with its transpose is the covariance; N^3 / 3 steps or more."""
        L, failed = torch.linalg.cholesky_ex(self._covariance)
        if not failed and L.isfinite().all():
            return L
        # A singular covariance (points on a curve without noise) is proper: its exact root needs no jitter.
        values, vectors = torch.linalg.eigh(self._covariance)
        if values[0] < -1e-8 * values[-1]:
            raise ValueError(
                f"the covariance is not positive semi-definite: it has the eigenvalue {float(values[0]):g}"
            )
        return vectors * values.clamp(min=0).sqrt()

    def _take(self, positions: torch.Tensor) -> "Normal":
        if self._covariance is not None and positions.ndim == 1:
            covariance = self._covariance[positions][:, positions]
            return Normal(self._loc[positions], covariance=covariance, as_numpy=self.as_numpy)
        loc, scale = (t.reshape(-1)[positions] for t in (self._loc, self._scale))
        return Normal(loc, scale, as_numpy=self.as_numpy)
