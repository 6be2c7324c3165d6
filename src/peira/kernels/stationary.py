r"""Stationary kernels: similarity depends on distance alone, measured in length-scales of each column.

.. math:: k(x, z) = s(r^2), \quad r^2 = \sum_d (x_d - z_d)^2 / l_d^2

The gradient by the length-scales for W = df/dK is, with M = W s'(r^2) entry by entry and u = x / l,

.. math:: \partial f / \partial \log l_d = -2 \sum_{ij} M_{ij} (u_{id} - u_{jd})^2
          = -4 ( \sum_i u_{id}^2 \sum_j M_{ij} - u_d^T M u_d )

one product of matrices for all D columns.

Reference: Rasmussen & Williams (2006), 4.2.1 and 5.4.1.
"""

from abc import abstractmethod

import numpy as np
import torch

from ..core.errors import DataError
from ..core.params import param
from .kernel import Bounds, Kernel, Pullback
from .pairs import squared_distances
from .wording import number, of_columns


class Stationary(Kernel):
    """Base: a subclass declares the length-scales, and writes the profile s of the squared distance and its slope."""

    length_scale: float | list | np.ndarray

    @abstractmethod
    def _profile(self, r2: torch.Tensor) -> torch.Tensor:
        """s(r^2); may overwrite r2 unless it requires a gradient."""

    @abstractmethod
    def _slope(self, r2: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        """s'(r^2), given s; any finite value where r = 0 and s has no slope."""

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self._profile(squared_distances(self._scaled(X), None if Z is None else self._scaled(Z)))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.new_ones(len(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        U = self._scaled(X)
        r2 = squared_distances(U)
        K = self._profile(r2.clone())
        return K, lambda W: self._by_length_scale(W, U, r2, K)

    def _by_length_scale(self, W: torch.Tensor, U: torch.Tensor, r2: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        """Gradient by the logarithms of the length-scales: none, one, or one for each column."""
        if "length_scale" not in self._own_free():
            return K.new_zeros(0)
        M = W * self._slope(r2, K)
        if U.shape[1] == 1 or not np.ndim(self.length_scale):
            return -2 * (M * r2).sum().reshape(1)
        V = U - U.mean(0)
        return -4 * ((V.square() * M.sum(1, keepdim=True)).sum(0) - (V * (M @ V)).sum(0))

    def _scaled(self, X: torch.Tensor) -> torch.Tensor:
        scale = self._tensor("length_scale", X)
        if scale.dim() and len(scale) != X.shape[1]:
            raise DataError(f"{type(self).__name__} has {len(scale)} length-scales, and the items {X.shape[1]} columns")
        return X / scale

    def _in_columns(self, columns: list[str] | None) -> str:
        return of_columns(columns, self.length_scale, "length-scale")


class RBF(Stationary):
    r"""Radial basis function, also Gaussian or squared exponential: infinitely smooth functions.

    .. math:: k(x, z) = \exp(-r^2 / 2)

    Examples
    --------
    >>> from peira.kernels import RBF
    >>> RBF(length_scale=2.0)([[0.0], [2.0]]).round(3)
    array([[1.   , 0.607],
           [0.607, 1.   ]])
    """

    length_scale: float | list | np.ndarray = param(1.0, "length-scale, one or one for each column", positional=True)
    length_scale_bounds: Bounds = param((1e-5, 1e5), "bounds of the length-scales, or 'fixed'", positional=True)

    def _profile(self, r2: torch.Tensor) -> torch.Tensor:
        return (r2 * -0.5).exp() if r2.requires_grad else r2.mul_(-0.5).exp_()

    def _slope(self, r2: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        return -0.5 * K

    def _words(self, columns: list[str] | None) -> str:
        return f"a smooth function {self._in_columns(columns)}"


class RationalQuadratic(Stationary):
    r"""A mixture of RBF kernels of many length-scales: smooth functions with near and far detail.

    .. math:: k(x, z) = (1 + r^2 / (2 \alpha))^{-\alpha}

    The inverse squared length-scales are gamma distributed with shape alpha; for large alpha it is the RBF kernel
    (Rasmussen & Williams 2006, eq. 4.19).

    Examples
    --------
    >>> from peira.kernels import RationalQuadratic
    >>> RationalQuadratic(alpha=1.0)([[0.0], [1.0]])[0, 1].round(4)
    np.float64(0.6667)
    """

    length_scale: float | list | np.ndarray = param(1.0, "length-scale, one or one for each column", positional=True)
    alpha: float = param(1.0, "few length-scales (large) or many (small)", above=0, positional=True)
    length_scale_bounds: Bounds = param((1e-5, 1e5), "bounds of the length-scales, or 'fixed'", positional=True)
    alpha_bounds: Bounds = param((1e-5, 1e5), "bounds of alpha, or 'fixed'", positional=True)

    def _profile(self, r2: torch.Tensor) -> torch.Tensor:
        a = self._tensor("alpha", r2)
        return torch.exp(-a * torch.log1p(r2 / (2 * a)))

    def _slope(self, r2: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        return -0.5 * K / (1 + r2 / (2 * float(self.alpha)))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        U = self._scaled(X)
        r2 = squared_distances(U)
        K, a = self._profile(r2), float(self.alpha)

        def back(W: torch.Tensor) -> torch.Tensor:
            by_alpha = K.new_zeros(0)
            if "alpha" in self._own_free():
                q = r2 / (2 * a)
                by_alpha = a * (W * K * (q / (1 + q) - q.log1p())).sum().reshape(1)
            return torch.cat([by_alpha, self._by_length_scale(W, U, r2, K)])

        return K, back

    def _words(self, columns: list[str] | None) -> str:
        words = f"a smooth function {self._in_columns(columns)}"
        return f"{words} that mixes near and far detail (alpha {number(self.alpha)})"
