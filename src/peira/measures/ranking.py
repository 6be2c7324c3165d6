r"""Curves and areas of scores: how well does a score put one class above the other?

At each threshold the items with scores at or above it are taken for positive. Over all thresholds,

.. math:: TPR = \frac{tp}{P}, \quad FPR = \frac{fp}{N}, \quad precision = \frac{tp}{tp + fp}, \quad recall = TPR

The area under the ROC curve (TPR against FPR, straight lines between the points) is the probability that a positive
item has a higher score than a negative one, ties counting half: Mann and Whitney's U over P N. Average precision is
the sum under the precision-recall curve, in steps:

.. math:: AP = \sum_k (recall_k - recall_{k-1})\, precision_k

For more than two classes, each is put against the rest ("ovr") or each against each other ("ovo": Hand and Till
2001, "A simple generalisation of the area under the ROC curve for multiple class classification problems", Machine
Learning 45), then averaged plainly ("macro") or by how often classes are observed ("weighted").
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.label_sets import are_sets
from .areas import areas, precision_of
from .arrays import numbers, weights
from .label_areas import averaged_area
from .label_sets import set_scores
from .labels import label_codes, label_scores, positive_class


class RocCurve(NamedTuple):
    """False and true positive rates and thresholds, each (L,); the first threshold is infinite: nothing positive."""

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall (L + 1,) by rising thresholds (L,); the last point is (1, 0), without a threshold."""

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray


def counts_at_thresholds(
    y: Any, score: Any, pos_label: Any = None, sample_weight: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of false and true positives (L,) at each distinct score as the threshold (L,), falling."""
    t, _, classes = label_codes(y, y)
    s = numbers(score, "the scores")
    if s.shape != (len(t), 1):
        raise DataError(f"one score an item is needed, shape ({len(t)},); got {s.shape}")
    w = np.ones(len(t)) if sample_weight is None else weights(sample_weight, len(t))
    positive = t == positive_class(classes, pos_label)
    s, positive, w = s[w > 0, 0], positive[w > 0], w[w > 0]
    order = np.argsort(-s, kind="stable")
    s, positive, w = s[order], positive[order], w[order]
    ends = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    tp, everything = np.cumsum(w * positive)[ends], np.cumsum(w)[ends]
    return np.maximum(everything - tp, 0) if positive.any() else everything, tp, s[ends]


def roc_curve(
    y: Any, score: Any, *, pos_label: Any = None, sample_weight: Any = None, drop_intermediate: bool = True
) -> RocCurve:
    """The receiver operating characteristic.

    Parameters
    ----------
    y : array of shape (N,)
        Labels of two classes.
    score : array of shape (N,)
        Higher speaks for the positive class.
    pos_label : label, optional
        The positive class; the second of two sorted labels if left out.
    sample_weight : array of shape (N,), optional
    drop_intermediate : bool, default True
        Leave out points on a straight line between their neighbours.

    Returns
    -------
    RocCurve
        A rate is NaN throughout where there is no item to count.

    Notes
    -----
    N log N steps.

    Examples
    --------
    >>> from peira.measures import roc_curve
    >>> fpr, tpr, thresholds = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    fp, tp, thresholds = counts_at_thresholds(y, score, pos_label, sample_weight)
    if drop_intermediate and len(fp) > 2:
        corner = np.r_[True, (np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0), True]
        fp, tp, thresholds = fp[corner], tp[corner], thresholds[corner]
    fp, tp = np.r_[0.0, fp], np.r_[0.0, tp]
    none = np.full(len(fp), np.nan)
    return RocCurve(fp / fp[-1] if fp[-1] > 0 else none, tp / tp[-1] if tp[-1] > 0 else none, np.r_[np.inf, thresholds])


def precision_recall_curve(
    y: Any, score: Any, *, pos_label: Any = None, sample_weight: Any = None, drop_intermediate: bool = False
) -> PrecisionRecallCurve:
    """Precision and recall at each threshold; parameters as in `roc_curve`.

    Without positive items recall is one throughout, as in scikit-learn.

    Examples
    --------
    >>> from peira.measures import precision_recall_curve
    >>> precision, recall, thresholds = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> recall.tolist(), thresholds.tolist()
    ([1.0, 1.0, 0.5, 0.5, 0.0], [0.1, 0.35, 0.4, 0.8])
    """
    fp, tp, thresholds = counts_at_thresholds(y, score, pos_label, sample_weight)
    if drop_intermediate and len(fp) > 2:
        kept = np.r_[True, (np.diff(tp[:-1]) != 0) | (np.diff(tp[1:]) != 0), True]
        fp, tp, thresholds = fp[kept], tp[kept], thresholds[kept]
    recall = tp / tp[-1] if tp[-1] > 0 else np.ones(len(tp))
    return PrecisionRecallCurve(np.r_[(tp / (tp + fp))[::-1], 1.0], np.r_[recall[::-1], 0.0], thresholds[::-1])


def roc_auc_score(
    y: Any,
    score: Any,
    *,
    multi_class: Literal["ovr", "ovo"] = "ovr",
    average: Literal["macro", "weighted", "micro", "samples"] | None = "macro",
    labels: Any = None,
    sample_weight: Any = None,
    max_fpr: float | None = None,
) -> Any:
    """The area under the ROC curve.

    Parameters
    ----------
    y : array of shape (N,), or sets of labels: a matrix of 0s and 1s of shape (N, L), or a list of N sets
    score : array of shape (N,), (N, C) or (N, L), or Categorical
        Higher speaks for the class; a single column is that of the second of two sorted labels.
    multi_class : "ovr" or "ovo"
        For more than two classes: one against the rest, or one against each other.
    average : "macro" or "weighted"
        Over more than two classes. Over the labels of sets, also "micro" (all answers together), "samples" (mean over
        items) or None (each label).
    labels : array of shape (C,), optional
        The classes of the columns.
    sample_weight : array of shape (N,), optional
    max_fpr : float in (0, 1], optional
        Two classes: the area up to this false positive rate, rescaled so that chance has 0.5 and perfection 1
        (McClish 1989).

    Returns
    -------
    float, or ndarray of shape (L,)
        NaN if only one class is observed. Classes that are not observed, and labels that no item has or every item, are
        left out of averages.

    Notes
    -----
    N log N steps for each class ("ovr") or N log N for each class twice the number of the others ("ovo").

    Examples
    --------
    >>> from peira.measures import roc_auc_score
    >>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    if are_sets(y):
        if max_fpr is not None:
            raise ParameterError(f"max_fpr asks for one label an item, and y holds sets of labels; got {max_fpr}")
        T, S = set_scores(y, score, labels)
        return averaged_area("roc_auc", T, S, weights(sample_weight, len(T)), average)
    codes, s, _ = label_scores(y, score, labels)
    w = np.ones(len(codes)) if sample_weight is None else weights(sample_weight, len(codes))
    if multi_class not in ("ovr", "ovo") or average not in ("macro", "weighted"):
        raise ParameterError(
            f"multi_class is 'ovr' or 'ovo' and average 'macro' or 'weighted', got {multi_class!r} and {average!r}"
        )
    if max_fpr is None:
        return areas(codes[w > 0], s[w > 0], w[w > 0], multi_class, average)[0]
    if s.shape[1] > 2 or not 0 < max_fpr <= 1:
        raise ParameterError(f"max_fpr lies in (0, 1] and asks for two classes; got {max_fpr} and {s.shape[1]} classes")
    fpr, tpr, _ = roc_curve(codes, s[:, -1], pos_label=1, sample_weight=w)
    if np.isnan(fpr[-1] + tpr[-1]):
        return float("nan")
    inside = fpr <= max_fpr
    x, h = np.append(fpr[inside], max_fpr), np.append(tpr[inside], np.interp(max_fpr, fpr, tpr))
    least = max_fpr**2 / 2
    return float((1 + (np.trapezoid(h, x) - least) / (max_fpr - least)) / 2)


def average_precision_score(
    y: Any,
    score: Any,
    *,
    average: Literal["macro", "weighted", "micro", "samples"] | None = "macro",
    labels: Any = None,
    sample_weight: Any = None,
) -> Any:
    """Average precision, the sum under the precision-recall curve; parameters as in `roc_auc_score`.

    Two classes: that of the second sorted label, zero if it is not observed. More, or sets of labels: the average over
    those observed, each against the rest.

    Examples
    --------
    >>> from peira.measures import average_precision_score
    >>> average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    if are_sets(y):
        T, S = set_scores(y, score, labels)
        return averaged_area("average_precision", T, S, weights(sample_weight, len(T)), average)
    codes, s, _ = label_scores(y, score, labels)
    w = np.ones(len(codes)) if sample_weight is None else weights(sample_weight, len(codes))
    if average not in ("macro", "weighted"):
        raise ParameterError(f"average is 'macro' or 'weighted', got {average!r}")
    return float(np.nan_to_num(precision_of(codes[w > 0], s[w > 0], w[None, w > 0], average)[0]))
