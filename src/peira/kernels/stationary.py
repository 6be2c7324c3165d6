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

FEW = 4  # up to so many columns, differences are as cheap as a product of matrices, and exact


class Stationary(Kernel):
    """Base: a subclass writes the profile s of the squared distance, and its slope."""

    length_scale: float | list | np.ndarray = param(1.0, "length-scale, one or one for each column", positional=True)
    length_scale_bounds: Bounds = param((1e-5, 1e5), "bounds of the length-scales, or 'fixed'", positional=True)

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

        def back(W: torch.Tensor) -> torch.Tensor:
            if not self._own_free():
                return K.new_zeros(0)
            M = W * self._slope(r2, K)
            if U.shape[1] == 1 or not self._is_anisotropic():
                return -2 * (M * r2).sum().reshape(1)
            V = U - U.mean(0)
            return -4 * ((V.square() * M.sum(1, keepdim=True)).sum(0) - (V * (M @ V)).sum(0))

        return K, back

    def _is_anisotropic(self) -> bool:
        return np.ndim(self.length_scale) > 0

    def _scaled(self, X: torch.Tensor) -> torch.Tensor:
        scale = self._tensor("length_scale", X)
        if scale.dim() and len(scale) != X.shape[1]:
            raise DataError(f"{type(self).__name__} has {len(scale)} length-scales, and the items {X.shape[1]} columns")
        return X / scale


class RBF(Stationary):
    r"""Radial basis function, also Gaussian or squared exponential: infinitely smooth functions.

    .. math:: k(x, z) = \exp(-r^2 / 2)
    """

    def _profile(self, r2: torch.Tensor) -> torch.Tensor:
        return (r2 * -0.5).exp() if r2.requires_grad else r2.mul_(-0.5).exp_()

    def _slope(self, r2: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        return -0.5 * K


def squared_distances(U: torch.Tensor, V: torch.Tensor | None = None) -> torch.Tensor:
    """Squared Euclidean distances (N, M) of rows; among themselves exactly symmetric with a zero diagonal.

    From differences for few columns; otherwise from one product about the mean, with an absolute error of some
    roundings of the squared lengths (`peira.numerics.distances` repairs that, at a price that no kernel needs to pay).
    """
    B = U if V is None else V
    if U.shape[1] <= FEW:
        r2 = U.new_zeros(len(U), len(B))
        for d in range(U.shape[1]):
            r2 = r2 + (U[:, d, None] - B[None, :, d]).square()
        return r2
    mean = B.detach().mean(0)
    A, B = U - mean, B - mean
    a, b = A.square().sum(1), B.square().sum(1)
    r2 = torch.addmm(a[:, None] + b, A, B.T, alpha=-2).clamp(min=0)
    if V is None:
        r2 = (r2 + r2.T) / 2
        r2 = r2 - torch.diag_embed(r2.diagonal())
    return r2
