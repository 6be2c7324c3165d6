"""Kernel methods: kernels as objects, kernel ridge, Gaussian processes, support vector machines."""

from ..core.registry import offer
from .composition import Exponentiation, OnColumns, Product, Sum
from .constant import ConstantKernel, WhiteKernel
from .dot_product import Cosine, DotProduct, Linear, Polynomial, Sigmoid
from .function import FunctionKernel
from .kernel import Kernel
from .laplacian import Laplacian
from .matern import Matern
from .named import kernel_named
from .periodic import ExpSineSquared, Wave
from .stationary import RBF, RationalQuadratic
from .strings import Spectrum
from .validity import is_valid_kernel

__getattr__, _methods = offer(__name__)

__all__ = [
    "RBF",
    "ConstantKernel",
    "Cosine",
    "DotProduct",
    "ExpSineSquared",
    "Exponentiation",
    "FunctionKernel",
    "Kernel",
    "Laplacian",
    "Linear",
    "Matern",
    "OnColumns",
    "Polynomial",
    "Product",
    "RationalQuadratic",
    "Sigmoid",
    "Spectrum",
    "Sum",
    "Wave",
    "WhiteKernel",
    "is_valid_kernel",
    "kernel_named",
]


def __dir__() -> list[str]:
    return sorted([*__all__, *_methods()])
