r"""Measures of predictive distributions F against observed numbers y.

A good forecast is as sharp as it can be, subject to being calibrated (Gneiting, Balabdaoui and
Raftery 2007, "Probabilistic forecasts, calibration and sharpness", Journal of the Royal
Statistical Society B 69(2)). NLL, CRPS and the interval score are *proper*: in expectation nobody
gains by stating anything but what they believe (Gneiting and Raftery 2007, "Strictly proper
scoring rules, prediction, and estimation", Journal of the American Statistical Association
102(477)). Coverage, width, sharpness and calibration error are not; read them together.
"""

from typing import Any

import numpy as np

from .arrays import against, columns
from .measure import Measure
from .regression import INF, TARGET

LEVEL = 0.9
CALIBRATION_LEVELS = np.linspace(0.01, 0.99, 99)


def negative_log_likelihood(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    r"""Negative log likelihood (the logarithmic score).

    .. math:: NLL = -\frac{1}{W} \sum_i w_i \log p_i(y_i)

    In nats; it shifts by log c when targets are measured in units c times as large. Infinite if a
    target falls where the density is zero.
    """
    y, dist = against(y, dist)
    losses = -columns(dist.log_prob(y))
    # Where one target was impossible, no point mass that was hit elsewhere makes up for it.
    return np.where(np.isneginf(losses), 0.0, losses) if np.isposinf(losses).any() else losses


def continuous_ranked_probability(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    r"""Continuous ranked probability score.

    .. math:: CRPS = \frac{1}{W} \sum_i w_i \int (F_i(x) - 1\{x \geq y_i\})^2\, dx

    The mean absolute error of a forecast that is a single point.
    """
    y, dist = against(y, dist)
    return columns(dist.crps(y))


def standard_deviations(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    r"""Sharpness: how wide the forecasts are, whatever was observed.

    .. math:: \frac{1}{W} \sum_i w_i \sigma_i
    """
    _, dist = against(y, dist)
    return columns(dist.std)


def calibration_items(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    r"""Calibration error: how far observed frequencies are from what was promised.

    .. math:: \frac{1}{99} \sum_{j=1}^{99} | \hat{p}_j - j/100 |

    where the observed frequency counts the targets at or below their j-percent quantile. It
    approaches the area between the calibration curve and the diagonal, zero for a calibrated
    forecast, 0.25 if every interval is infinitely wide and 0.5 if all targets are above or
    below. Even a perfect forecast has a positive value on a finite sample.
    """
    y, dist = against(y, dist)
    levels = columns(dist.cdf(y))[..., None] <= CALIBRATION_LEVELS
    return levels.reshape(len(levels), -1).astype(np.float64)


def mean_distance_to_promise(means: np.ndarray) -> np.ndarray:
    """The calibration error from observed frequencies (B, K * 99)."""
    observed = means.reshape(len(means), -1, len(CALIBRATION_LEVELS))
    return np.abs(observed - CALIBRATION_LEVELS).mean((1, 2))


def coverage(level: float = LEVEL) -> Measure:
    r"""How often the central interval [l, u] of that level holds the target; it should be ``level``.

    .. math:: \frac{1}{W} \sum_i w_i\, 1\{l_i \leq y_i \leq u_i\}
    """

    def items(y: Any, dist: Any, w: Any = None) -> np.ndarray:
        y, dist = against(y, dist)
        low, high = (columns(end) for end in dist.interval(level))
        t = columns(y)
        return ((low <= t) & (t <= high)).astype(np.float64)

    title = f"coverage of {100 * level:g} % intervals"
    return Measure("coverage", title, "nominal", (0, 1), "share of the targets", "predict_dist", items,
                   statistic="share", nominal=level)  # fmt: skip


def interval_width(level: float = LEVEL) -> Measure:
    r"""Mean width of the central intervals [l, u] of that level.

    .. math:: \frac{1}{W} \sum_i w_i (u_i - l_i)
    """

    def items(y: Any, dist: Any, w: Any = None) -> np.ndarray:
        _, dist = against(y, dist)
        low, high = dist.interval(level)
        return columns(high - low)

    return Measure("interval_width", f"width of {100 * level:g} % intervals", "lower", (0, INF), TARGET,
                   "predict_dist", items)  # fmt: skip


def interval_score(level: float = LEVEL) -> Measure:
    r"""Winkler's interval score: the width, and a fine for each target outside.

    .. math:: S = (u - l) + \frac{2}{\alpha} (l - y)_+ + \frac{2}{\alpha} (y - u)_+

    with alpha = 1 - level; proper for the central interval (Winkler 1972; Gneiting and Raftery 2007,
    section 6.2).
    """
    fine = 2 / (1 - level)

    def items(y: Any, dist: Any, w: Any = None) -> np.ndarray:
        y, dist = against(y, dist)
        low, high = (columns(end) for end in dist.interval(level))
        t = columns(y)
        return high - low + fine * np.maximum(low - t, 0) + fine * np.maximum(t - high, 0)

    return Measure("interval_score", f"score of {100 * level:g} % intervals", "lower", (0, INF), TARGET,
                   "predict_dist", items, aliases=("winkler",))  # fmt: skip


MEASURES = (
    Measure("nll", "negative log likelihood", "lower", (-INF, INF), "nats", "predict_dist", negative_log_likelihood),
    Measure("crps", "continuous ranked probability score", "lower", (0, INF), TARGET, "predict_dist",
            continuous_ranked_probability),
    coverage(),
    interval_width(),
    interval_score(),
    Measure("calibration_error", "calibration error", "lower", (0, 0.5), "share of the targets", "predict_dist",
            calibration_items, mean_distance_to_promise, statistic="function"),
    Measure("sharpness", "mean predicted standard deviation", "lower", (0, INF), TARGET, "predict_dist",
            standard_deviations),
)  # fmt: skip
