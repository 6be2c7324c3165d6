"""Predictive distributions: what a method says about targets that it has not seen."""

from .base import Predictive
from .categorical import Categorical
from .empirical import Empirical
from .mixture import Mixture
from .normal import Normal
from .student_t import StudentT

__all__ = ["Categorical", "Empirical", "Mixture", "Normal", "Predictive", "StudentT"]
