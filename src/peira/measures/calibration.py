r"""Calibration: do things happen as often as was promised?

.. math:: u_i = F_i(y_i)

The probability integral transform u of a calibrated continuous forecast is uniform on [0, 1]
(Dawid 1984; Gneiting, Balabdaoui and Raftery 2007). Its distribution function is the calibration
curve: the share of targets at or below their p-quantile, against p. A curve above the diagonal
at low p and below it at high p: intervals too narrow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from .arrays import against, columns, weights


@dataclass(frozen=True)
class CalibrationCurve:
    """Promised and observed frequencies, each of shape (L,).

    ``low`` and ``high`` are Wilson's pointwise 95 % interval of the observed frequency.
    """

    nominal: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray


def pit(y: Any, dist: Any) -> np.ndarray:
    """Probability integral transform of each target.

    Parameters
    ----------
    y : array or tensor of shape (N,) or (N, K)
    dist : Predictive
        Continuous; a point mass gives 0 or 1.

    Returns
    -------
    ndarray of shape (N, K)
    """
    y, dist = against(y, dist)
    return columns(dist.cdf(y))


def calibration_curve(
    y: Any, dist: Any, levels: Any = None, sample_weight: Any = None, *, central: bool = False
) -> CalibrationCurve:
    """The calibration curve.

    Parameters
    ----------
    y : array or tensor of shape (N,) or (N, K)
        All outputs count alike.
    dist : Predictive
    levels : array of shape (L,), optional
        Promised frequencies; 0.05 ... 0.95 if left out.
    sample_weight : array of shape (N,), optional
    central : bool, default False
        Count targets inside central intervals of each level, rather than at or below its quantile.

    Returns
    -------
    CalibrationCurve
    """
    nominal = np.linspace(0.05, 0.95, 19) if levels is None else np.asarray(levels, dtype=np.float64)
    if nominal.ndim != 1 or not ((nominal >= 0) & (nominal <= 1)).all():
        raise ValueError("levels must be a list of numbers between 0 and 1")
    u = pit(y, dist)
    w = np.repeat(weights(sample_weight, len(u)), u.shape[1])
    position = np.abs(2 * u.ravel() - 1) if central else u.ravel()
    observed = np.array([w @ (position <= level) for level in nominal]) / w.sum()
    n = w.sum() ** 2 / (w**2).sum()
    z = special.ndtri(0.975)
    centre = (observed + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(observed * (1 - observed) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return CalibrationCurve(nominal, observed, np.maximum(centre - half, 0), np.minimum(centre + half, 1))
