r"""Kernels by the names that scikit-learn has for them.

================  =========================================  ==================================
name              kernel                                     here
================  =========================================  ==================================
linear            :math:`x^T z`                              ``Linear()``
poly, polynomial  :math:`(\gamma \, x^T z + c_0)^p`          ``Polynomial(degree, gamma, coef0)``
rbf               :math:`\exp(-\gamma |x - z|^2)`            ``RBF(1 / sqrt(2 gamma))``
laplacian         :math:`\exp(-\gamma |x - z|_1)`            ``Laplacian(1 / gamma)``
sigmoid           :math:`\tanh(\gamma \, x^T z + c_0)`       ``Sigmoid(gamma, coef0)``
cosine            the cosine of the angle                    ``Cosine()``
================  =========================================  ==================================
"""

from collections.abc import Callable

from ..core.errors import ParameterError, closest
from .dot_product import Cosine, Linear, Polynomial, Sigmoid
from .function import FunctionKernel
from .kernel import Kernel
from .laplacian import Laplacian
from .stationary import RBF

NAMES = ("linear", "poly", "polynomial", "rbf", "laplacian", "sigmoid", "cosine")


def kernel_named(name: str, *, gamma: float = 1.0, degree: int = 3, coef0: float = 1.0) -> Kernel:
    """The kernel of that name.

    Parameters
    ----------
    name : str
        One of "linear", "poly", "polynomial", "rbf", "laplacian", "sigmoid" and "cosine".
    gamma : float, default 1.0
        Scale, > 0, for all but "linear" and "cosine".
    degree : int, default 3
        For "poly".
    coef0 : float, default 1.0
        The constant, for "poly" and "sigmoid".

    Raises
    ------
    ParameterError
        For an unknown name, with the nearest one.

    Examples
    --------
    >>> kernel_named("rbf", gamma=0.5)
    RBF()
    """
    if name not in NAMES:
        raise ParameterError(f"unknown kernel {name!r}; {closest(name, NAMES)}")
    if name == "linear":
        return Linear()
    if name == "cosine":
        return Cosine()
    if not gamma > 0:
        raise ParameterError(f"parameter 'gamma' of the kernel {name!r} must be > 0, got {gamma!r}")
    if name == "rbf":
        return RBF((2 * gamma) ** -0.5)
    if name == "laplacian":
        return Laplacian(1 / gamma)
    return Sigmoid(gamma, coef0) if name == "sigmoid" else Polynomial(degree, gamma, coef0)


def as_kernel(kernel: Kernel | str | Callable, *, gamma: float | None, degree: int, coef0: float, D: int) -> Kernel:
    """The kernel of a method's parameters: an object, a name, or a function of two vectors.

    ``gamma=None`` stands for 1 / D, as in scikit-learn.
    """
    if isinstance(kernel, Kernel):
        return kernel
    if isinstance(kernel, str):
        return kernel_named(kernel, gamma=1 / D if gamma is None else gamma, degree=degree, coef0=coef0)
    if type(kernel).__module__.startswith("sklearn."):
        raise ParameterError(f"{kernel!r} is scikit-learn's: use peira.kernels.{type(kernel).__name__}")
    return FunctionKernel(kernel)
