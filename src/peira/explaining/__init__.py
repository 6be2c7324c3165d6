"""Why a model answers as it does."""

from .coefficients import bootstrap_coefficients
from .permutation import permutation_importance

__all__ = ["bootstrap_coefficients", "permutation_importance"]
