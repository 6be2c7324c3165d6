r"""Decisions from probabilities when errors have different costs.

With L_jk the cost of deciding k where j is true, the best decision is the one of least expected cost,

.. math:: k(x) = \arg\min_k \sum_j L_{jk}\, P(j \mid x)

(Bishop 2006, equation 1.81). For two classes it means: decide for the second one where its probability is at least

.. math:: t = \frac{L_{01} - L_{00}}{L_{01} - L_{00} + L_{10} - L_{11}}

(Elkan 2001, "The foundations of cost-sensitive learning", IJCAI, equation 2), which is a half only where both errors
cost the same. That holds if the probabilities are right. Where they are not, a threshold can be chosen on observed
labels instead: the one under which the decisions cost least there. Choose it on rows that the method did not learn
from, and judge it on others: on its own rows it looks better than it is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.predictive import Categorical
from .arrays import numbers, weights
from .labels import as_categorical, label_codes, label_probabilities, open_labels, positions
from .measure import Measure
from .ranking import counts_at_thresholds


def cost_matrix(false_positive: float = 1.0, false_negative: float = 1.0) -> np.ndarray:
    """The costs (2, 2) of two classes, rows observed and columns decided, where what is right costs nothing."""
    return _costs([[0.0, false_positive], [false_negative, 0.0]], 2)


def decide(probs: Any, costs: Any, *, labels: Any = None) -> np.ndarray:
    """The labels of least expected cost.

    Parameters
    ----------
    probs : Categorical, or array of shape (N, C)
    costs : array of shape (C, C)
        Rows the true class, columns the decision, both in the order of the distribution's labels.
    labels : array of shape (C,), optional
        For plain probabilities; 0 ... C - 1 if left out.

    Returns
    -------
    ndarray of shape (N,)
        Labels; of equal costs the first, unless one is the most probable label.

    Notes
    -----
    N C^2 steps.

    Examples
    --------
    >>> from peira.measures import decide
    >>> decide([[0.8, 0.2], [0.95, 0.05]], [[0, 1], [10, 0]], labels=["well", "ill"]).tolist()
    ['ill', 'well']
    """
    if not isinstance(probs, Categorical):
        p = numbers(probs, "the probabilities")
        names = np.arange(p.shape[1]) if labels is None else labels
        probs = as_categorical(names, p, names)
    p = probs.probs if probs.as_numpy else probs.probs.numpy(force=True)
    expected = p @ _costs(costs, p.shape[1])
    least = expected <= expected.min(1, keepdims=True)
    return probs.labels[np.where(least, p, -1.0).argmax(1)]


def expected_cost(costs: Any = None, labels: Any = None) -> Measure:
    r"""The measure of what decisions cost on average.

    .. math:: \frac{1}{W} \sum_i w_i L_{y_i f_i}

    Parameters
    ----------
    costs : array of shape (C, C), optional
        Rows the true class, columns the decision. By default every error costs one: the error rate.
    labels : array of shape (C,), optional
        The classes in the order of ``costs``; 0 ... C - 1 if left out.

    Examples
    --------
    >>> from peira.measures import expected_cost
    >>> expected_cost([[0, 1], [10, 0]], ["ill", "well"]).value(["ill", "well"], ["well", "well"])
    0.5
    """
    if costs is None:
        names, table = None, np.ones((0, 0))
    else:
        table = _costs(costs, len(np.asarray(costs)))
        names = np.arange(len(table)) if labels is None else open_labels(labels, "labels")
        if len(names) != len(table):
            raise ParameterError(f"there are costs of {len(table)} classes, but {len(names)} labels")

    def items(y: Any, decided: Any, w: Any = None) -> np.ndarray:
        t, f, classes = label_codes(y, decided, ("y", "the decision"))
        if names is None:
            return (t != f).astype(np.float64)[:, None]
        place = positions(classes, names)
        if (place < 0).any():
            raise DataError(f"there are no costs of the label {classes.tolist()[int((place < 0).argmax())]!r}")
        return table[place[t], place[f]][:, None]

    low, high = (0.0, 1.0) if costs is None else (float(table.min()), float(table.max()))
    return Measure("expected_cost", "mean cost of a decision", "lower", (low, high), "cost of an error" if costs is None
                   else "unit of the costs", "predict", items, statistic="share" if costs is None else "mean",
                   tasks=("classification",))  # fmt: skip


@dataclass(frozen=True)
class Threshold:
    """A threshold of the probability of the second class, at or above which it is decided for.

    Parameters
    ----------
    threshold : float
    cost : float
        Mean cost of the decisions on the rows it was chosen on; NaN where no costs were stated.
    precision, recall : float
        There; precision is NaN if the second class is never decided for.
    calibrated : float
        The threshold that would be best if the probabilities were right; NaN where no costs were stated.
    """

    threshold: float
    cost: float
    precision: float
    recall: float
    calibrated: float


def choose_threshold(
    y: Any, probs: Any, costs: Any = None, *, labels: Any = None, sample_weight: Any = None
) -> Threshold:
    """The threshold under which decisions between two classes cost least on these rows.

    Parameters
    ----------
    y : array of shape (N,)
        Labels of two classes.
    probs : Categorical, or array of shape (N,) or (N, 2)
    costs : array of shape (2, 2), optional
        Rows the true class, columns the decision (`cost_matrix`); by default every error costs one.
    labels : array of shape (2,), optional
        Both classes; by default the sorted labels of y.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    Threshold
        In the middle between two neighbouring probabilities, or the calibrated one if that costs as little.

    Raises
    ------
    DataError
        If there are not two classes, or an error costs no more than what is right.

    Notes
    -----
    N log N steps.

    Examples
    --------
    >>> from peira.measures import choose_threshold, cost_matrix
    >>> y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.8, 0.9]
    >>> choose_threshold(y, p).threshold, choose_threshold(y, p, cost_matrix(false_negative=5)).threshold
    (0.5, 0.25)
    """
    L = _costs(cost_matrix() if costs is None else costs, 2)
    more = L[0, 1] - L[0, 0], L[1, 0] - L[1, 1]
    if min(more) <= 0:
        raise DataError(f"each error must cost more than the right decision; got costs {L.tolist()}")
    calibrated = float(more[0] / sum(more))
    p, fp, tp, W = _counts(y, probs, labels, sample_weight)
    P = tp[-1]
    cost = (L[0, 1] * fp + L[0, 0] * (W - P - fp) + L[1, 1] * tp + L[1, 0] * (P - tp)) / W
    upper, lower = p, np.append(p[1:], -np.inf)  # thresholds in (lower, upper] decide alike
    best = np.flatnonzero(cost <= cost.min() + 1e-12 * np.abs(cost).max())
    inside = (lower[best] < calibrated) & (calibrated <= upper[best])
    middle = (np.maximum(lower[best], 0.0) + np.minimum(upper[best], 1.0)) / 2
    middle = np.where(middle > lower[best], middle, np.nextafter(lower[best], np.inf))
    nearest = int(np.abs(middle - calibrated).argmin())
    k, chosen = (best[inside][0], calibrated) if inside.any() else (best[nearest], float(middle[nearest]))
    return _threshold(chosen, float(cost[k]), fp[k], tp[k], P, calibrated)


def threshold_for(
    y: Any,
    probs: Any,
    *,
    precision: float | None = None,
    recall: float | None = None,
    labels: Any = None,
    sample_weight: Any = None,
) -> Threshold:
    """The threshold that reaches a stated precision or recall on these rows, and gives up as little as possible.

    Parameters
    ----------
    y, probs, labels, sample_weight
        As in `choose_threshold`.
    precision, recall : float in (0, 1]
        One of them: the least that is asked for. The greatest recall among thresholds with that precision, or the
        highest threshold with that recall.

    Returns
    -------
    Threshold

    Raises
    ------
    DataError
        If no threshold reaches it (with the best there is), or there is no row of the second class.

    Examples
    --------
    >>> from peira.measures import threshold_for
    >>> threshold_for([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.8, 0.9], recall=1.0).threshold
    0.3
    """
    asked = recall if precision is None else precision
    if asked is None or (precision is not None and recall is not None):
        raise ParameterError("state either the precision or the recall to reach")
    if not 0 < asked <= 1:
        raise ParameterError(f"the precision or recall to reach lies in (0, 1], got {asked}")
    p, fp, tp, _ = _counts(y, probs, labels, sample_weight)
    p, fp, tp = p[1:], fp[1:], tp[1:]
    if not tp[-1] > 0:
        raise DataError("y holds no row of the second class, so there is no precision or recall to reach")
    reached = tp / (tp + fp) if recall is None else tp / tp[-1]
    good = np.flatnonzero(reached >= asked - 1e-12)
    if not len(good):
        raise DataError(f"no threshold has a precision of {asked:g}; the best is {reached.max():g}")
    k = good[0] if precision is None else good[np.lexsort((reached[good], tp[good]))[-1]]
    return _threshold(float(p[k]), float("nan"), fp[k], tp[k], tp[-1], float("nan"))


def _counts(y: Any, probs: Any, labels: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Distinct probabilities, falling, with the weights of false and true positives; first none at infinity."""
    codes, p, classes = label_probabilities(y, as_categorical(y, probs, labels))
    if len(classes) != 2:
        raise DataError(f"a threshold divides two classes, got {classes.tolist()[:20]!r}; use decide(probs, costs)")
    w = np.ones(len(codes)) if sample_weight is None else weights(sample_weight, len(codes))
    fp, tp, at = counts_at_thresholds(codes, p[:, 1], 1, w)
    return np.append(np.inf, at), np.append(0.0, fp), np.append(0.0, tp), float(w.sum())


def _threshold(threshold: float, cost: float, fp: float, tp: float, P: float, calibrated: float) -> Threshold:
    decided = float(tp + fp)
    return Threshold(
        threshold,
        cost,
        float(tp) / decided if decided > 0 else float("nan"),
        float(tp / P) if P > 0 else float("nan"),
        calibrated,
    )


def _costs(costs: Any, C: int) -> np.ndarray:
    L = numbers(costs, "the costs")
    if L.shape != (C, C):
        raise DataError(f"there are {C} classes: costs must have shape ({C}, {C}), true by decided, got {L.shape}")
    return L
