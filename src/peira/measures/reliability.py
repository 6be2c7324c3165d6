r"""Reliability: do labels happen as often as was said?

Probabilities p are put in bins b; the curve shows the observed frequency against the mean probability of each, and
the expected calibration error is their mean distance (Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated
probabilities using Bayesian binning", AAAI):

.. math:: ECE = \sum_b \frac{W_b}{W} | \bar{o}_b - \bar{p}_b | = \frac{1}{W} \sum_b | \sum_{i \in b} w_i (o_i - p_i) |

For two classes p is the probability of the second one and o says whether it was observed. For more, p is that of the
most probable label and o says whether it was right (top-label: Guo, Pleiss, Sun and Weinberger 2017, "On calibration
of modern neural networks", ICML, equation 3). The error depends on the bins, and a perfectly calibrated forecast has
a positive one on a finite sample.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.errors import ParameterError
from .arrays import weights
from .bootstrap import wilson
from .labels import as_categorical, label_probabilities

Strategy = Literal["uniform", "quantile"]
BINS = 10


@dataclass(frozen=True)
class ReliabilityCurve:
    """Said and observed frequencies of the bins that hold items, each of shape (L,).

    Parameters
    ----------
    nominal : array
        Mean probability in the bin.
    observed : array
        How often it came true.
    low, high : arrays
        Wilson's pointwise interval of the observed frequency.
    share : array
        Of the items (by weight) in the bin.
    """

    nominal: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray


def said_and_seen(y: Any, dist: Any, label: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities (N,) that are held to account, and whether (N,) they came true (module docstring)."""
    codes, p, classes = label_probabilities(y, dist)
    if label is not None:
        chosen = np.flatnonzero(classes == label)
        if not len(chosen):
            raise ParameterError(f"label must be one of {classes.tolist()[:20]!r}, got {label!r}")
        return p[:, chosen[0]], codes == chosen[0]
    top = p.argmax(1) if len(classes) > 2 else np.full(len(codes), len(classes) - 1)
    return p[np.arange(len(codes)), top], codes == top


def bin_of(p: np.ndarray, bins: int, strategy: Strategy, w: np.ndarray | None = None) -> np.ndarray:
    """The bin (N,) of each probability: of equal width, or of equal weight; an edge belongs to the bin below.

    Equal probabilities share a bin, so bins of equal weight can be fewer than asked for.
    """
    if strategy not in ("uniform", "quantile"):
        raise ParameterError(f"strategy is 'uniform' or 'quantile', got {strategy!r}")
    if bins < 1:
        raise ParameterError(f"bins must be 1 or more, got {bins}")
    if strategy == "uniform":
        return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
    if w is None or np.ptp(w[w > 0]) == 0:
        edges = np.percentile(p if w is None else p[w > 0], np.linspace(0, 100, bins + 1))
    else:
        order = np.argsort(p, kind="stable")
        reached = (np.cumsum(w[order]) - w[order] / 2) / w.sum()
        edges = np.interp(np.linspace(0, 1, bins + 1), reached, p[order])
    return np.searchsorted(edges[1:-1], p)


def gaps_in_bins(y: Any, dist: Any, w: Any = None, bins: int = BINS, strategy: Strategy = "uniform") -> np.ndarray:
    """What each item adds to the distance of its bin: o - p in the column of the bin, of shape (N, bins)."""
    p, o = said_and_seen(y, dist)
    items = np.zeros((len(p), bins))
    items[np.arange(len(p)), bin_of(p, bins, strategy, w)] = o - p
    return items


def sum_of_distances(means: np.ndarray) -> np.ndarray:
    """The calibration error (B,) from the mean gaps (B, bins)."""
    return np.abs(means).sum(-1)


def expected_calibration_error(
    y: Any,
    probs: Any,
    *,
    bins: int = BINS,
    strategy: Strategy = "uniform",
    labels: Any = None,
    sample_weight: Any = None,
) -> float:
    """The mean distance of probabilities from observed frequencies.

    Parameters
    ----------
    y : array of shape (N,)
    probs : Categorical, or array of shape (N, C), or (N,) for the second of two classes
    bins : int, default 10
    strategy : "uniform" or "quantile"
        Bins of equal width, or of equal weight.
    labels : array of shape (C,), optional
        The class of each column; by default the sorted labels of y.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> from peira.measures import expected_calibration_error
    >>> round(expected_calibration_error([0, 0, 0, 1], [0.3, 0.3, 0.3, 0.3]), 12)
    0.05
    """
    n = len(y)
    w = np.ones(n) if sample_weight is None else weights(sample_weight, n)
    items = gaps_in_bins(y, as_categorical(y, probs, labels), w, bins, strategy)
    return float(sum_of_distances(w @ items / w.sum()))


def reliability_curve(
    y: Any,
    probs: Any,
    *,
    bins: int = BINS,
    strategy: Strategy = "uniform",
    label: Any = None,
    labels: Any = None,
    sample_weight: Any = None,
    level: float = 0.95,
) -> ReliabilityCurve:
    """The reliability curve, with Wilson's intervals.

    Parameters
    ----------
    y, probs, bins, strategy, labels, sample_weight
        As in `expected_calibration_error`.
    label : label, optional
        Whose probability is looked at; by default the second of two classes, and the most probable of more.
    level : float, default 0.95
        Of the pointwise intervals.

    Returns
    -------
    ReliabilityCurve

    Examples
    --------
    >>> from peira.measures import reliability_curve
    >>> reliability_curve([0, 0, 1, 1, 1], [0.1, 0.2, 0.7, 0.8, 0.9], bins=2).observed
    array([0., 1.])
    """
    if not 0 < level < 1:
        raise ParameterError(f"level must lie strictly between 0 and 1, got {level}")
    p, o = said_and_seen(y, as_categorical(y, probs, labels), label)
    w = np.ones(len(p)) if sample_weight is None else weights(sample_weight, len(p))
    p, o, w = p[w > 0], o[w > 0].astype(np.float64), w[w > 0]
    place = bin_of(p, bins, strategy, w)
    held = [place == b for b in np.unique(place)]
    nominal, observed = (np.array([np.average(v[b], weights=w[b]) for b in held]) for v in (p, o))
    low, high = np.array([wilson(o[b], w[b], level) for b in held]).T
    return ReliabilityCurve(nominal, observed, low, high, np.array([w[b].sum() for b in held]) / w.sum())
