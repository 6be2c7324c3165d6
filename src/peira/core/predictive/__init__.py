"""Predictive distributions: what a method says about targets that it has not seen."""

from .affine import Affine
from .base import Predictive
from .categorical import Categorical
from .empirical import Empirical
from .mixture import Mixture
from .normal import Normal
from .student_t import StudentT

__all__ = ["Affine", "Categorical", "Empirical", "Mixture", "Normal", "Predictive", "StudentT"]
