r"""Kernels made of kernels: sums, products, powers, and kernels on some columns.

.. math:: (k_1 + k_2)(x, z) = k_1(x, z) + k_2(x, z), \quad (k_1 k_2)(x, z) = k_1(x, z) \, k_2(x, z)

A sum says that a function is a sum of functions, one of each kind; a product says "and": similar by both.

Reference: Bishop (2006), eqs 6.15 to 6.22; Rasmussen & Williams (2006), 4.2.4.
"""

import numpy as np
import torch

from ..core.params import param
from .kernel import Kernel, Pullback


class Sum(Kernel):
    """The sum of two kernels: ``k1 + k2``.

    Examples
    --------
    >>> from peira.kernels import RBF, WhiteKernel
    >>> RBF() + WhiteKernel(0.1)
    Sum(k1=RBF(), k2=WhiteKernel(0.1))
    """

    k1: Kernel = param(None, "first kernel", positional=True)
    k2: Kernel = param(None, "second kernel", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self.k1._gram(X, Z) + self.k2._gram(X, Z)

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self.k1._diagonal(X) + self.k2._diagonal(X)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        (K1, back1), (K2, back2) = self.k1._pullback(X), self.k2._pullback(X)
        return K1 + K2, lambda W: torch.cat([back1(W), back2(W)])


class Product(Kernel):
    """The product of two kernels: ``k1 * k2``.

    Examples
    --------
    >>> from peira.kernels import RBF, ConstantKernel
    >>> 2.0 * RBF()
    Product(k1=ConstantKernel(2.0), k2=RBF())
    """

    k1: Kernel = param(None, "first kernel", positional=True)
    k2: Kernel = param(None, "second kernel", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self.k1._gram(X, Z) * self.k2._gram(X, Z)

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self.k1._diagonal(X) * self.k2._diagonal(X)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        (K1, back1), (K2, back2) = self.k1._pullback(X), self.k2._pullback(X)
        return K1 * K2, lambda W: torch.cat([back1(W * K2), back2(W * K1)])


class Exponentiation(Kernel):
    """A kernel to a whole power: ``k ** 2``. The power itself is not learned."""

    kernel: Kernel = param(None, "the kernel", positional=True)
    exponent: float = param(2.0, "the power; a whole number keeps the kernel valid", above=0, positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self.kernel._gram(X, Z) ** self.exponent

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self.kernel._diagonal(X) ** self.exponent

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        K, back = self.kernel._pullback(X)
        return K**self.exponent, lambda W: back(W * self.exponent * K ** (self.exponent - 1))


class OnColumns(Kernel):
    """A kernel that sees some columns alone: ``RBF().on([0, 2])``."""

    kernel: Kernel = param(None, "the kernel", positional=True)
    columns: list | tuple | np.ndarray = param((), "positions of the columns, from 0", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self.kernel._gram(self._pick(X), None if Z is None else self._pick(Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self.kernel._diagonal(self._pick(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        return self.kernel._pullback(self._pick(X))

    def _pick(self, X: torch.Tensor) -> torch.Tensor:
        return X[:, list(self.columns)]
