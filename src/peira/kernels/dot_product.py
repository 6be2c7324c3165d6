r"""Kernels of inner products: linear and polynomial functions, angles.

.. math:: Linear: \quad k(x, z) = x^T z
.. math:: DotProduct: \quad k(x, z) = \sigma_0^2 + x^T z
.. math:: Polynomial: \quad k(x, z) = (\gamma \, x^T z + c_0)^p
.. math:: Sigmoid: \quad k(x, z) = \tanh(\gamma \, x^T z + c_0)
.. math:: Cosine: \quad k(x, z) = x^T z / ( |x| \, |z| )

The first three are inner products of finitely many features, which `_features` writes out. For the polynomial they are
the monomials, one for each way to share p among the columns and the constant (the multinomial theorem):

.. math:: \phi_a(x) = \sqrt{p! / (a_0! \, a_1! \cdots a_D!)} \; c_0^{a_0 / 2} \prod_d (\sqrt{\gamma} \, x_d)^{a_d},
          \quad \sum_{d=0}^D a_d = p

**The sigmoid is not a valid kernel**: its Gram matrix may have negative eigenvalues (`is_valid_kernel` finds them). It
is here because it is used. Methods that need a valid one say so.

Cost: one product of matrices, N M D.

Reference: Bishop (2006), 6.1 to 6.2; Scholkopf & Smola (2002), Learning with Kernels, chapter 2.
"""

import torch

from ..core.params import param
from .kernel import Bounds, Kernel, Pullback
from .monomials import monomials, number_of_monomials
from .pairs import products
from .wording import number, subject


class Linear(Kernel):
    """The inner product itself: linear functions through the origin.

    Examples
    --------
    >>> from peira.kernels import Linear
    >>> Linear()([[1.0, 2.0], [3.0, 4.0]])
    array([[ 5., 11.],
           [11., 25.]])
    """

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return products(X, Z)

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.square().sum(1)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        return products(X), lambda W: W.new_zeros(0)

    def _n_features(self, D: int) -> int | None:
        return D

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return X

    def _words(self, columns: list[str] | None) -> str:
        return f"a linear function {subject(columns)}"


class DotProduct(Kernel):
    """Linear functions with an unknown constant of standard deviation ``sigma_0``.

    Examples
    --------
    >>> from peira.kernels import DotProduct
    >>> DotProduct(sigma_0=2.0)([[1.0, 2.0]])
    array([[9.]])
    """

    sigma_0: float = param(1.0, "standard deviation of the constant", above=0, positional=True)
    sigma_0_bounds: Bounds = param((1e-5, 1e5), "bounds of sigma_0, or 'fixed'", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return products(X, Z) + self._tensor("sigma_0", X).square()

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.square().sum(1) + self._tensor("sigma_0", X).square()

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        variance = float(self.sigma_0) ** 2
        return self._gram(X), lambda W: (2 * variance * W.sum()).reshape(1)[: len(self._own_free())]

    def _n_features(self, D: int) -> int | None:
        return D + 1

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat([X, self._tensor("sigma_0", X).expand(len(X), 1)], 1)

    def _words(self, columns: list[str] | None) -> str:
        return f"a linear function {subject(columns)} with a constant of standard deviation {number(self.sigma_0)}"


class Polynomial(Kernel):
    """Polynomials of some degree; with ``coef0`` > 0 of lower degrees as well. Valid for ``coef0`` >= 0.

    Examples
    --------
    >>> from peira.kernels import Polynomial
    >>> Polynomial(degree=2)([[1.0, 2.0]], [[3.0, 4.0]])
    array([[144.]])
    """

    degree: int = param(3, "the degree p", low=1, positional=True)
    gamma: float = param(1.0, "scale of the inner product", above=0, positional=True)
    coef0: float = param(1.0, "the constant c_0", positional=True)
    gamma_bounds: Bounds = param((1e-5, 1e5), "bounds of gamma, or 'fixed'", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return (products(X, Z) * self._tensor("gamma", X) + float(self.coef0)).pow(self.degree)

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return (X.square().sum(1) * self._tensor("gamma", X) + float(self.coef0)).pow(self.degree)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        P = products(X) * float(self.gamma)
        inner = P + float(self.coef0)

        def back(W: torch.Tensor) -> torch.Tensor:
            slope = self.degree * (W * P * inner.pow(self.degree - 1)).sum()
            return slope.reshape(1)[: len(self._own_free())]

        return inner.pow(self.degree), back

    def _n_features(self, D: int) -> int | None:
        return number_of_monomials(D + (self.coef0 > 0), self.degree) if self.coef0 >= 0 else None

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        X = X * self._tensor("gamma", X).sqrt()
        constant = X.new_full((len(X), int(self.coef0 > 0)), float(self.coef0) ** 0.5 if self.coef0 > 0 else 0.0)
        return monomials(torch.cat([constant, X], 1), self.degree)

    def _words(self, columns: list[str] | None) -> str:
        return f"a polynomial of degree {self.degree} {subject(columns)}"


class Sigmoid(Kernel):
    """Hyperbolic tangent of the inner product: not positive semidefinite in general.

    Examples
    --------
    >>> from peira.kernels import Sigmoid
    >>> Sigmoid(gamma=0.5, coef0=0.0)([[1.0], [2.0]])[0].round(4)
    array([0.4621, 0.7616])
    """

    gamma: float = param(1.0, "scale of the inner product", above=0, positional=True)
    coef0: float = param(1.0, "the constant c_0", positional=True)
    gamma_bounds: Bounds = param((1e-5, 1e5), "bounds of gamma, or 'fixed'", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return (products(X, Z) * self._tensor("gamma", X) + float(self.coef0)).tanh()

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return (X.square().sum(1) * self._tensor("gamma", X) + float(self.coef0)).tanh()

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        P = products(X) * float(self.gamma)
        K = (P + float(self.coef0)).tanh()
        return K, lambda W: (W * (1 - K.square()) * P).sum().reshape(1)[: len(self._own_free())]

    def _words(self, columns: list[str] | None) -> str:
        return f"a sum of sigmoids {subject(columns)}"


class Cosine(Kernel):
    """Cosine of the angle between two items as seen from the origin; 0 for an item that is itself zero.

    Examples
    --------
    >>> from peira.kernels import Cosine
    >>> Cosine()([[1.0, 0.0], [1.0, 1.0]])[0].round(4)
    array([1.    , 0.7071])
    """

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return products(_directions(X), None if Z is None else _directions(Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return _directions(X).square().sum(1)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        return self._gram(X), lambda W: W.new_zeros(0)

    def _n_features(self, D: int) -> int | None:
        return D

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return _directions(X)

    def _words(self, columns: list[str] | None) -> str:
        return f"a function of the direction {subject(columns)}"


def _directions(X: torch.Tensor) -> torch.Tensor:
    largest = X.detach().abs().amax(1, keepdim=True)
    X = X / torch.where(largest > 0, largest, 1.0)  # squares neither overflow nor vanish
    length2 = X.square().sum(1, keepdim=True)
    return X / torch.where(length2 > 0, length2, 1.0).sqrt()
