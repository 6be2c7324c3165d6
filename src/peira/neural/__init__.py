"""Nets: multilayer perceptrons and convolutional nets, alone, in ensembles, and with their uncertainty."""

from ..core.registry import offer

__getattr__, __dir__ = offer(__name__)
