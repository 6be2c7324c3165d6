r"""Measures of predicted numbers f against observed ones y, with weights w that sum to W.

Each is computed for every output by itself and then averaged over the K outputs, as
scikit-learn does. With no weights, every w is 1.
"""

from typing import Any

import numpy as np

from .arrays import pair
from .measure import Measure

EPS = np.finfo(np.float64).eps


def _centred(a: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Deviations from the weighted mean; exactly zero for a constant."""
    d = a - a[:1]
    return d - np.average(d, axis=0, weights=w)


def squared_errors(y: Any, f: Any, w: Any = None) -> np.ndarray:
    r"""Mean squared error.

    .. math:: MSE = \frac{1}{W} \sum_i w_i (y_i - f_i)^2
    """
    y, f = pair(y, f)
    return (y - f) ** 2


def absolute_errors(y: Any, f: Any, w: Any = None) -> np.ndarray:
    r"""Mean absolute error.

    .. math:: MAE = \frac{1}{W} \sum_i w_i |y_i - f_i|
    """
    y, f = pair(y, f)
    return np.abs(y - f)


def relative_errors(y: Any, f: Any, w: Any = None) -> np.ndarray:
    r"""Mean absolute percentage error, as a share (0.1 is ten percent).

    .. math:: MAPE = \frac{1}{W} \sum_i w_i \frac{|y_i - f_i|}{\max(|y_i|, \epsilon)}

    with the machine's epsilon, 2.2e-16, as in scikit-learn: one target of zero that is not
    predicted exactly makes the measure astronomically large. Choose another measure if targets
    can be zero.
    """
    y, f = pair(y, f)
    return np.abs(y - f) / np.maximum(np.abs(y), EPS)


def root_of_means(means: np.ndarray) -> np.ndarray:
    r"""Root mean squared error, averaged over outputs after the root.

    .. math:: RMSE = \sqrt{MSE}
    """
    return np.sqrt(means).mean(-1)


def explained_share(unexplained: np.ndarray, total: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """1 - unexplained / total, of shape (B,) from (B, K), kept finite where the targets are constant.

    Then, as with scikit-learn's ``force_finite=True``, a perfect prediction counts 1 and any other
    0. ``scale`` is the mean square that ``total`` was computed from, so that its rounding error is
    not taken for variation.
    """
    constant = total <= 8 * EPS * scale
    share = 1 - unexplained / np.where(constant, 1.0, total)
    return np.where(constant, np.where(unexplained == 0, 1.0, 0.0), share).mean(-1)


def r2_items(y: Any, f: Any, w: np.ndarray | None) -> np.ndarray:
    r"""Coefficient of determination: the share of the targets' variation that is predicted.

    .. math:: R^2 = 1 - \frac{\sum_i w_i (y_i - f_i)^2}{\sum_i w_i (y_i - m)^2}

    where m is the weighted mean of these targets. Zero is as good as predicting m; there is no
    lower bound. Not defined for fewer than two rows. Constant targets: see `explained_share`.
    """
    y, f = pair(y, f)
    d = _centred(y, w)
    return np.hstack([(y - f) ** 2, d**2, d])


def r2_of_means(means: np.ndarray) -> np.ndarray:
    """R2 from the mean squared error and the first two moments of the targets."""
    error, square, mean = np.split(means, 3, axis=-1)
    return explained_share(error, square - mean**2, square)


def explained_variance_items(y: Any, f: Any, w: np.ndarray | None) -> np.ndarray:
    r"""Explained variance: R2 of the predictions after their mean error is taken off.

    .. math:: 1 - \frac{Var(y - f)}{Var(y)}
    """
    y, f = pair(y, f)
    d, e = _centred(y, w), _centred(y - f, w)
    return np.hstack([e**2, e, d**2, d])


def explained_variance_of_means(means: np.ndarray) -> np.ndarray:
    """Explained variance from the first two moments of errors and targets."""
    e2, e, d2, d = np.split(means, 4, axis=-1)
    unexplained = np.where(e2 - e**2 <= 8 * EPS * e2, 0.0, e2 - e**2)
    return explained_share(unexplained, d2 - d**2, d2)


def weighted_median(items: np.ndarray, w: np.ndarray) -> float:
    r"""Median absolute error, from errors (N, K) and weights (N,), averaged over outputs.

    The error at which half of the weight lies on either side; the mean of two neighbours where
    the weight splits exactly between them.
    """
    order = np.argsort(items, axis=0, kind="stable")
    reached = np.cumsum(w[order], axis=0) / w.sum()
    lower, upper = (reached >= 0.5 - 4 * EPS).argmax(0), (reached > 0.5 + 4 * EPS).argmax(0)
    k = np.arange(items.shape[1])
    return float((items[order[lower, k], k] + items[order[upper, k], k]).mean() / 2)


def largest(items: np.ndarray, w: np.ndarray) -> float:
    r"""Maximum error among items that have weight, averaged over outputs.

    .. math:: \max_i |y_i - f_i|
    """
    return float(items[w > 0].max(0).mean())


INF = float("inf")
TARGET = "unit of the target"

MEASURES = (
    Measure("rmse", "root mean squared error", "lower", (0, INF), TARGET, "predict", squared_errors, root_of_means,
            statistic="function", aliases=("root_mean_squared_error",)),
    Measure("mse", "mean squared error", "lower", (0, INF), f"squared {TARGET}", "predict", squared_errors,
            aliases=("mean_squared_error",)),
    Measure("mae", "mean absolute error", "lower", (0, INF), TARGET, "predict", absolute_errors,
            aliases=("mean_absolute_error",)),
    Measure("median_ae", "median absolute error", "lower", (0, INF), TARGET, "predict", absolute_errors,
            reduce=weighted_median, statistic="median", aliases=("median_absolute_error",)),
    Measure("max_error", "maximum error", "lower", (0, INF), TARGET, "predict", absolute_errors, reduce=largest,
            statistic="maximum"),
    Measure("r2", "coefficient of determination R2", "higher", (-INF, 1), "share of the variance", "predict",
            r2_items, r2_of_means, statistic="function", fewest=2, aliases=("r2_score",)),
    Measure("explained_variance", "explained variance", "higher", (-INF, 1), "share of the variance", "predict",
            explained_variance_items, explained_variance_of_means, statistic="function",
            aliases=("explained_variance_score",)),
    Measure("mape", "mean absolute percentage error", "lower", (0, INF), "share of the target", "predict",
            relative_errors, aliases=("mean_absolute_percentage_error",)),
)  # fmt: skip
