r"""Matern kernels: stationary, with as many derivatives as one wants.

.. math:: k(x, z) = 2^{1 - \nu} \, t^\nu K_\nu(t) / \Gamma(\nu), \quad t = \sqrt{2 \nu} \, r

with the modified Bessel function K. Functions have :math:`\lceil \nu \rceil - 1` derivatives; for half-integers the
kernel is a polynomial times an exponential, and :math:`\nu = \infty` is the RBF kernel:

.. math:: \nu = 1/2: \quad e^{-r}
.. math:: \nu = 3/2: \quad (1 + \sqrt{3} \, r) \, e^{-\sqrt{3} \, r}
.. math:: \nu = 5/2: \quad (1 + \sqrt{5} \, r + 5 r^2 / 3) \, e^{-\sqrt{5} \, r}

By :math:`d(t^\nu K_\nu(t)) / dt = -t^\nu K_{\nu - 1}(t)`, the slope in the squared distance is

.. math:: s'(r^2) = -\nu \, 2^{1 - \nu} \, t^{\nu - 1} K_{\nu - 1}(t) / \Gamma(\nu)

Reference: Rasmussen & Williams (2006), eqs 4.14 to 4.17; Abramowitz & Stegun (1964), 9.6.9 to 9.6.28.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy.special import gammaln, kv

from ..core.errors import ParameterError
from ..core.params import param
from .kernel import Bounds
from .stationary import Stationary

LARGEST = 50.0  # beyond, t^nu and K_nu(t) leave the range of float64 together


class Matern(Stationary):
    """Matern kernel: rougher functions than RBF's, with ceil(nu) - 1 derivatives.

    ``nu`` of 0.5, 1.5, 2.5 and infinity cost as much as RBF; others about thirty times that, on the CPU.

    Examples
    --------
    >>> from peira.kernels import Matern
    >>> Matern(nu=0.5)([[0.0], [1.0]])[0, 1].round(4)
    np.float64(0.3679)
    """

    length_scale: float | list | np.ndarray = param(1.0, "length-scale, one or one for each column", positional=True)
    length_scale_bounds: Bounds = param((1e-5, 1e5), "bounds of the length-scales, or 'fixed'", positional=True)
    nu: float = param(1.5, "smoothness: at most 50, or infinity", above=0, high=math.inf, positional=True)

    def _constructed(self) -> None:
        super()._constructed()
        if LARGEST < self.nu < math.inf:
            raise ParameterError(
                f"parameter 'nu' of Matern must be at most {LARGEST:g}, or infinity for the limit; got {self.nu!r}"
            )

    def _profile(self, r2: torch.Tensor) -> torch.Tensor:
        if self.nu == math.inf:
            return (r2 * -0.5).exp()
        if self.nu not in (0.5, 1.5, 2.5):
            return _Bessel.apply(r2, float(self.nu))
        t = _root(r2 * (2 * self.nu))
        decay = (-t).exp()
        if self.nu == 0.5:
            return decay
        return (1 + t) * decay if self.nu == 1.5 else (1 + t + t.square() / 3) * decay

    def _slope(self, r2: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        if self.nu == math.inf:
            return -0.5 * K
        if self.nu not in (0.5, 1.5, 2.5):
            return _bessel_slope(r2, float(self.nu))
        t = _root(r2 * (2 * self.nu))
        if self.nu == 0.5:
            return torch.where(r2 > 0, -0.5 * K / t, 0.0)  # a cusp at r = 0
        decay = (-t).exp()
        return -1.5 * decay if self.nu == 1.5 else -(5 / 6) * (1 + t) * decay

    def _words(self, columns: list[str] | None) -> str:
        if self.nu == math.inf:
            return f"a smooth function {self._in_columns(columns)}"
        derivatives = math.ceil(self.nu) - 1
        times = {0: "a rough function", 1: "a function with one derivative"}
        return f"{times.get(derivatives, f'a function with {derivatives} derivatives')} {self._in_columns(columns)}"


def _root(r2: torch.Tensor) -> torch.Tensor:
    """The root, with the slope 0 instead of infinity at 0; there its value is that of the smallest number."""
    return r2.clamp(min=torch.finfo(r2.dtype).tiny).sqrt()


class _Bessel(torch.autograd.Function):
    """The profile for any nu, with its slope for automatic differentiation."""

    @staticmethod
    def forward(ctx: Any, r2: torch.Tensor, nu: float) -> torch.Tensor:
        ctx.save_for_backward(r2)
        ctx.nu = nu
        return torch.where(r2 > 0, _bessel(r2, nu, nu).exp(), 1.0)

    @staticmethod
    def backward(ctx: Any, W: torch.Tensor) -> tuple[torch.Tensor, None]:
        (r2,) = ctx.saved_tensors
        return W * _bessel_slope(r2, ctx.nu), None


def _bessel_slope(r2: torch.Tensor, nu: float) -> torch.Tensor:
    # at r = 0 it is -nu / (2 nu - 2) for nu > 1, and has no value otherwise
    at_zero = -nu / (2 * nu - 2) if nu > 1 else 0.0
    return torch.where(r2 > 0, -nu * _bessel(r2, nu, nu - 1).exp(), at_zero)


def _bessel(r2: torch.Tensor, nu: float, order: float) -> torch.Tensor:
    r"""Logarithm of :math:`2^{1 - \nu} t^{order} K_{order}(t) / \Gamma(\nu)`; anything where r = 0."""
    t = np.sqrt(2 * nu * np.maximum(r2.detach().cpu().numpy().astype(np.float64), 1e-300))
    with np.errstate(divide="ignore", over="ignore"):
        bessel = kv(order, t)
        value = (1 - nu) * math.log(2) - gammaln(nu) + order * np.log(t) + np.log(bessel)
    over = np.isinf(bessel)  # there t is so small that two terms of the ascending series (9.6.9) are exact
    if over.any():
        value[over] = (order - nu) * math.log(2) - gammaln(nu) + gammaln(order)
        value[over] += np.log1p(-(t[over] ** 2) / (4 * (order - 1))) if order > 1 else 0.0
    return torch.as_tensor(value, dtype=r2.dtype, device=r2.device)
