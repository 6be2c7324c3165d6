"""Why a model answers as it does."""

from .coefficients import bootstrap_coefficients
from .permutation import permutation_importance
from .shapley import Shares, shapley_values

__all__ = ["Shares", "bootstrap_coefficients", "permutation_importance", "shapley_values"]
