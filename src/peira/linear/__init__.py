"""Linear models: regression and Bayesian inference on weighted sums of basis functions."""

from ..core.registry import offer

__getattr__, __dir__ = offer(__name__)
