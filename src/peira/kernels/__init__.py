"""Kernel methods: kernels as objects, kernel ridge, Gaussian processes, support vector machines."""

from ..core.registry import offer
from .composition import Exponentiation as Exponentiation
from .composition import OnColumns as OnColumns
from .composition import Product as Product
from .composition import Sum as Sum
from .constant import ConstantKernel as ConstantKernel
from .constant import WhiteKernel as WhiteKernel
from .dot_product import Cosine as Cosine
from .dot_product import DotProduct as DotProduct
from .dot_product import Linear as Linear
from .dot_product import Polynomial as Polynomial
from .dot_product import Sigmoid as Sigmoid
from .function import FunctionKernel as FunctionKernel
from .kernel import Kernel as Kernel
from .laplacian import Laplacian as Laplacian
from .matern import Matern as Matern
from .named import kernel_named as kernel_named
from .periodic import ExpSineSquared as ExpSineSquared
from .periodic import Wave as Wave
from .stationary import RBF as RBF
from .stationary import RationalQuadratic as RationalQuadratic
from .strings import Spectrum as Spectrum
from .validity import is_valid_kernel as is_valid_kernel

__getattr__, __dir__ = offer(__name__)
