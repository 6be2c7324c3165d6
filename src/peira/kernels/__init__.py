"""Kernel methods: kernels as objects, kernel ridge, Gaussian processes, support vector machines."""

from ..core.registry import offer
from .composition import Exponentiation, OnColumns, Product, Sum
from .constant import ConstantKernel, WhiteKernel
from .kernel import Kernel
from .stationary import RBF

__getattr__, __dir__ = offer(__name__)

__all__ = ["RBF", "ConstantKernel", "Exponentiation", "Kernel", "OnColumns", "Product", "Sum", "WhiteKernel"]
