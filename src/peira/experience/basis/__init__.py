"""Basis functions of the inputs, as transformers that compose."""

from .base import Basis, BasisUnion, ColumnBasis
from .fourier import FourierBasis
from .natural import NaturalSpline
from .polynomial import PolynomialFeatures
from .radial import GaussianBasis, SigmoidBasis
from .splines import SplineTransformer

__all__ = [
    "Basis",
    "BasisUnion",
    "ColumnBasis",
    "FourierBasis",
    "GaussianBasis",
    "NaturalSpline",
    "PolynomialFeatures",
    "SigmoidBasis",
    "SplineTransformer",
]
