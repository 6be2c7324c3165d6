"""Layers of nets: torch's own, under plain names, with their checks, and the compositions that nets are built from."""

from .activations import ActivationName, Maxout, activation, gain, pieces
from .convolution import PaddingMode, conv_block, convolution
from .dense import dense_stack
from .initialisation import Scheme, fans, initialise, zero_last
from .noise import DropoutKind, GaussianNoise, dropout
from .normalisation import Normalisation, normalisation
from .pooling import Pooling, pooling
from .residual import ResidualBlock, Shortcut
from .shapes import output_size, shape_after

__all__ = [
    "ActivationName",
    "DropoutKind",
    "GaussianNoise",
    "Maxout",
    "Normalisation",
    "PaddingMode",
    "Pooling",
    "ResidualBlock",
    "Scheme",
    "Shortcut",
    "activation",
    "conv_block",
    "convolution",
    "dense_stack",
    "dropout",
    "fans",
    "gain",
    "initialise",
    "normalisation",
    "output_size",
    "pieces",
    "pooling",
    "shape_after",
    "zero_last",
]
