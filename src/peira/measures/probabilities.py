r"""Measures of probabilities of labels: log loss and Brier's score with its decomposition.

With the probabilities p of the classes c, and o = 1 for the class observed and 0 for the others,

.. math:: log\ loss = -\frac{1}{W} \sum_i w_i \log p_{i, y_i}

.. math:: Brier = \frac{1}{W} \sum_i w_i \sum_c (p_{ic} - o_{ic})^2

Both are proper: in expectation nobody gains by stating anything but what they believe. For two classes Brier's
score is halved, to (p - o)^2 of the second class, as everybody has it.

Let the items be grouped by what was forecast, with share q_k, forecast p_k and observed frequencies o_k of group k,
and overall frequencies m. Then (Murphy 1973, "A new vector partition of the probability score", Journal of Applied
Meteorology 12)

.. math:: Brier = \sum_k q_k |p_k - o_k|^2 - \sum_k q_k |o_k - m|^2 + \sum_c m_c (1 - m_c)

reliability (small is good: things happen as often as was said), less resolution (large is good: the forecasts tell
items apart), plus uncertainty (of the labels themselves). Where forecasts differ inside of a group, because groups
are bins, a fourth part is left over: the variance inside of the bins and what it explains (Stephenson, Coelho and
Jolliffe 2008, "Two extra components in the Brier score decomposition", Weather and Forecasting 23).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ParameterError
from .arrays import weights
from .labels import as_categorical, label_probabilities

EPS = float(np.finfo(np.float64).eps)


def log_losses(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    """The log loss of each item (N, 1), in nats; a probability below 2.2e-16 counts as that, as in scikit-learn.

    So what was called impossible and happened costs 36 nats: a method that does so is far behind, but can be ranked.
    """
    codes, p, _ = label_probabilities(y, dist)
    return -np.log(np.maximum(p[np.arange(len(codes)), codes], EPS))[:, None]


def brier_losses(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    """Brier's score of each item (N, 1): from 0 to 1 for two classes, to 2 for more."""
    codes, p, classes = label_probabilities(y, dist)
    return _squares(codes, p)[:, None] * (0.5 if len(classes) <= 2 else 1.0)


def _squares(codes: np.ndarray, p: np.ndarray) -> np.ndarray:
    o = np.arange(p.shape[1]) == codes[:, None]
    return ((p - o) ** 2).sum(1)


def log_loss(y: Any, probs: Any, *, labels: Any = None, sample_weight: Any = None) -> float:
    """The mean negative log probability of what was observed.

    Parameters
    ----------
    y : array of shape (N,)
    probs : Categorical, or array of shape (N, C), or (N,) for the second of two classes
    labels : array of shape (C,), optional
        The class of each column; by default the sorted labels of y.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    float
        In nats. Probabilities below 2.2e-16 count as that.

    Examples
    --------
    >>> from peira.measures import log_loss
    >>> round(log_loss(["spam", "ham", "ham", "spam"], [0.9, 0.1, 0.2, 0.65]), 5)
    0.21616
    """
    losses = log_losses(y, as_categorical(y, probs, labels))[:, 0]
    return float(np.average(losses, weights=None if sample_weight is None else weights(sample_weight, len(losses))))


def brier_score_loss(
    y: Any, probs: Any, *, labels: Any = None, sample_weight: Any = None, scale_by_half: bool | str = "auto"
) -> float:
    """Brier's score.

    Parameters
    ----------
    y, probs, labels, sample_weight
        As in `log_loss`.
    scale_by_half : bool or "auto", default "auto"
        "auto" halves it for two classes.

    Returns
    -------
    float

    Examples
    --------
    >>> from peira.measures import brier_score_loss
    >>> round(brier_score_loss([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]), 12)
    0.0375
    """
    if scale_by_half not in (True, False, "auto"):
        raise ParameterError(f"scale_by_half is True, False or 'auto', got {scale_by_half!r}")
    codes, p, classes = label_probabilities(y, as_categorical(y, probs, labels))
    half = len(classes) <= 2 if scale_by_half == "auto" else scale_by_half
    w = None if sample_weight is None else weights(sample_weight, len(codes))
    return float(np.average(_squares(codes, p), weights=w) * (0.5 if half else 1.0))


@dataclass(frozen=True)
class BrierDecomposition:
    """Murphy's parts: score = reliability - resolution + uncertainty + within.

    Parameters
    ----------
    score : float
    reliability, resolution, uncertainty : float
    within : float
        What differences of forecasts inside of a bin leave over; zero without bins.
    groups : int
        Groups of items with the same forecast, or bins that hold any, over all classes.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    groups: int


def brier_decomposition(
    y: Any, probs: Any, *, bins: int | None = None, labels: Any = None, sample_weight: Any = None
) -> BrierDecomposition:
    """Brier's score in its parts.

    Parameters
    ----------
    y, probs, labels, sample_weight
        As in `log_loss`.
    bins : int, optional
        Group each class's probabilities in this many bins of equal width. By default items are grouped by the whole
        forecast, exactly: right for forecasts of few distinct values; with as many groups as items every forecast
        looks both unreliable and well resolved.

    Returns
    -------
    BrierDecomposition
        In the unit of `brier_score_loss`: halved for two classes.

    Notes
    -----
    N log N steps for each class.

    Examples
    --------
    >>> from peira.measures import brier_decomposition
    >>> parts = brier_decomposition([0, 0, 1, 1, 1], [0.2, 0.2, 0.2, 0.9, 0.9])
    >>> round(parts.score, 6), round(parts.reliability - parts.resolution + parts.uncertainty, 6)
    (0.148, 0.148)
    """
    if bins is not None and bins < 1:
        raise ParameterError(f"bins must be 1 or more, got {bins}")
    codes, p, classes = label_probabilities(y, as_categorical(y, probs, labels))
    C, w = len(classes), np.ones(len(codes)) if sample_weight is None else weights(sample_weight, len(codes))
    codes, p, w = codes[w > 0], p[w > 0], w[w > 0] / w.sum()
    o = (np.arange(C) == codes[:, None]).astype(np.float64)
    m = w @ o
    if bins is None:
        _, group = np.unique(p, axis=0, return_inverse=True)
        parts = [_parts(group.ravel(), p, o, w, m)]
    else:
        binned = np.minimum((p * bins).astype(np.int64), bins - 1)
        parts = [_parts(binned[:, c], p[:, [c]], o[:, [c]], w, m[[c]]) for c in range(C)]
    reliability, resolution, groups = (sum(part[k] for part in parts) for k in range(3))
    unit = 0.5 if C <= 2 else 1.0
    score, uncertainty = unit * float(w @ ((p - o) ** 2).sum(1)), unit * float((m * (1 - m)).sum())
    reliability, resolution = unit * float(reliability), unit * float(resolution)
    within = 0.0 if bins is None else score - (reliability - resolution + uncertainty)
    return BrierDecomposition(score, reliability, resolution, uncertainty, within, int(groups))


def _parts(group: np.ndarray, p: np.ndarray, o: np.ndarray, w: np.ndarray, m: np.ndarray) -> tuple[float, float, int]:
    """Reliability and resolution of groups (N,) of forecasts (N, C), and how many there are."""
    _, group = np.unique(group, return_inverse=True)
    q = np.bincount(group, w)
    forecast, frequency = (np.stack([np.bincount(group, w * v) for v in a.T], 1) / q[:, None] for a in (p, o))
    return float(q @ ((forecast - frequency) ** 2).sum(1)), float(q @ ((frequency - m) ** 2).sum(1)), len(q)
