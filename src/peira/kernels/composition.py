r"""Kernels made of kernels: sums, products, powers, and kernels on some columns.

.. math:: (k_1 + k_2)(x, z) = k_1(x, z) + k_2(x, z), \quad (k_1 k_2)(x, z) = k_1(x, z) \, k_2(x, z)

A sum says that a function is a sum of functions, one of each kind; a product says "and": similar by both.

Reference: Bishop (2006), eqs 6.15 to 6.22; Rasmussen & Williams (2006), 4.2.4.
"""

import numpy as np
import torch

from ..core.errors import DataError, ParameterError
from ..core.params import param
from .constant import ConstantKernel, WhiteKernel
from .kernel import Kernel, Pullback
from .wording import number


class Sum(Kernel):
    """The sum of two kernels: ``k1 + k2``.

    Examples
    --------
    >>> from peira.kernels import RBF, WhiteKernel
    >>> RBF() + WhiteKernel(0.1)
    RBF() + WhiteKernel(0.1)
    """

    k1: Kernel = param(None, "first kernel", positional=True)
    k2: Kernel = param(None, "second kernel", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self.k2._add_to(self.k1._gram(X), X) if Z is None else self.k1._gram(X, Z) + self.k2._gram(X, Z)

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self.k1._diagonal(X) + self.k2._diagonal(X)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        K1, back1 = self.k1._pullback(X)
        if isinstance(self.k2, WhiteKernel):
            return self.k2._add_to(K1, X), lambda W: torch.cat([back1(W), self.k2._back(W)])
        K2, back2 = self.k2._pullback(X)
        return K1 + K2, lambda W: torch.cat([back1(W), back2(W)])

    def _n_features(self, D: int) -> int | None:
        M1, M2 = self.k1._n_features(D), self.k2._n_features(D)
        return None if M1 is None or M2 is None else M1 + M2

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.k1._features(X), self.k2._features(X)], 1)

    def _words(self, columns: list[str] | None) -> str:
        return f"{self.k1._words(columns)}, plus {self.k2._words(columns)}"

    def __repr__(self) -> str:
        return _between(self.k1, "+", self.k2)


class Product(Kernel):
    """The product of two kernels: ``k1 * k2``.

    Examples
    --------
    >>> from peira.kernels import RBF
    >>> 2.0 * RBF()
    2.0 * RBF()
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

    def _n_features(self, D: int) -> int | None:
        M1, M2 = self.k1._n_features(D), self.k2._n_features(D)
        return None if M1 is None or M2 is None else M1 * M2

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return (self.k1._features(X)[:, :, None] * self.k2._features(X)[:, None, :]).flatten(1)

    def _words(self, columns: list[str] | None) -> str:
        for constant, other in ((self.k1, self.k2), (self.k2, self.k1)):
            if isinstance(constant, ConstantKernel):
                scale = number(float(constant.constant_value) ** 0.5)
                return f"{_grouped(other, columns, (Sum,))}, scaled by {scale}"
        return f"{_grouped(self.k1, columns, (Sum,))}, times {_grouped(self.k2, columns, (Sum,))}"

    def __repr__(self) -> str:
        return _between(self.k1, "*", self.k2)


class Exponentiation(Kernel):
    """A kernel to some power: ``k ** 2``. The power itself is not learned.

    Examples
    --------
    >>> from peira.kernels import DotProduct
    >>> DotProduct() ** 2
    DotProduct() ** 2
    """

    kernel: Kernel = param(None, "the kernel", positional=True)
    exponent: float = param(2.0, "the power; a whole number keeps the kernel valid", above=0, positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self._raised(self.kernel._gram(X, Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self._raised(self.kernel._diagonal(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        K, back = self.kernel._pullback(X)
        return self._raised(K), lambda W: back(W * self.exponent * K ** (self.exponent - 1))

    def _raised(self, K: torch.Tensor) -> torch.Tensor:
        if self.exponent % 1 and bool((K < 0).any()):
            raise DataError(
                f"{self!r} has no value where the kernel is negative ({float(K.min()):.3g}): use a whole power"
            )
        return K**self.exponent

    def _words(self, columns: list[str] | None) -> str:
        return f"{_grouped(self.kernel, columns, (Sum, Product))}, to the power of {number(self.exponent)}"

    def __repr__(self) -> str:
        return f"{_operand(self.kernel, (Sum, Product, Exponentiation))} ** {self.exponent!r}"


class OnColumns(Kernel):
    """A kernel that sees some columns alone.

    Examples
    --------
    >>> from peira.kernels import RBF
    >>> RBF().on([0, 2])
    RBF().on([0, 2])
    """

    kernel: Kernel = param(None, "the kernel", positional=True)
    columns: list | tuple | np.ndarray = param((), "positions of the columns, from 0", positional=True)

    def _constructed(self) -> None:
        super()._constructed()
        given = np.asarray(self.columns)
        whole = given.ndim == 1 and given.dtype.kind in "iu" and len(given) and given.min() >= 0
        if not whole or len(set(given.tolist())) < len(given):
            raise ParameterError(
                f"parameter 'columns' of OnColumns must be different positions of columns, from 0; got {self.columns!r}"
            )

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self.kernel._gram(self._pick(X), None if Z is None else self._pick(Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self.kernel._diagonal(self._pick(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        return self.kernel._pullback(self._pick(X))

    def _n_features(self, D: int) -> int | None:
        return self.kernel._n_features(len(self.columns))

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return self.kernel._features(self._pick(X))

    def _pick(self, X: torch.Tensor) -> torch.Tensor:
        if max(self.columns) >= X.shape[1]:
            raise DataError(f"{self!r} needs column {max(self.columns)}, and the items have {X.shape[1]}, from 0")
        return X[:, np.asarray(self.columns).tolist()]

    def _words(self, columns: list[str] | None) -> str:
        names = [f"column {d}" if columns is None else columns[d] for d in np.asarray(self.columns)]
        return self.kernel._words(names)

    def __repr__(self) -> str:
        return f"{_operand(self.kernel, (Sum, Product, Exponentiation))}.on({np.asarray(self.columns).tolist()})"


def _between(left: Kernel, sign: str, right: Kernel) -> str:
    """``left + right`` as it is typed: a number for a constant, unless no kernel would be left to add it to."""
    looser = (Sum,) if sign == "*" else ()
    text = _operand(left, looser), _operand(right, (*looser, Product if sign == "*" else Sum))
    if _is_number(right) and not _is_number(left):
        return f"{text[0]} {sign} {right.constant_value!r}"
    if _is_number(left) and not _is_number(right):
        return f"{left.constant_value!r} {sign} {text[1]}"
    return f"{text[0]} {sign} {text[1]}"


def _is_number(kernel: Kernel) -> bool:
    """A constant that a number stands for when typed: it is learned within the usual bounds."""
    return isinstance(kernel, ConstantKernel) and kernel == ConstantKernel(kernel.constant_value)


def _operand(kernel: Kernel, looser: tuple[type[Kernel], ...]) -> str:
    return f"({kernel!r})" if isinstance(kernel, looser) else repr(kernel)


def _grouped(kernel: Kernel, columns: list[str] | None, looser: tuple[type[Kernel], ...]) -> str:
    words = kernel._words(columns)
    return f"({words})" if isinstance(kernel, looser) else words
