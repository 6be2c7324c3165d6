"""P: performance measures, their intervals, and the comparison of methods."""

from .calibration import CalibrationCurve, calibration_curve, pit
from .comparison import Comparison, compare_folds, correlated_t_test, holm, mean_interval
from .measure import Measure
from .registry import get_measure, measures_for

__all__ = [
    "CalibrationCurve",
    "Comparison",
    "Measure",
    "calibration_curve",
    "compare_folds",
    "correlated_t_test",
    "get_measure",
    "holm",
    "mean_interval",
    "measures_for",
    "pit",
]
