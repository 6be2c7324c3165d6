"""Precision, recall, F, Jaccard and specificity of predicted labels, with scikit-learn's words for averages.

The formulas stand in `peira.measures.averaging`. What differs from scikit-learn: zero by zero gives ``zero_division``
without a warning, ``pos_label=None`` means the second of two sorted labels, and there is a specificity.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..core.errors import ParameterError
from ..core.label_sets import are_sets
from .arrays import weights
from .averaging import Average, Parts, Sums, averaged, divided, f_parts, jaccard_parts, specificity_parts
from .label_sets import rate_of_sets
from .labels import label_codes, positions, positive_class


def sums(t: np.ndarray, f: np.ndarray, C: int, w: np.ndarray | None = None) -> Sums:
    """The sums of each of C classes from positions of observed and predicted labels, of shape (1, C)."""
    w = np.ones(len(t)) if w is None else w
    tp, pred, true = (np.bincount(c, v, minlength=C)[None] for c, v in ((t, w * (t == f)), (f, w), (t, w)))
    return Sums(tp, pred, true, np.full((1, 1), w.sum()))


def fbeta_score(
    y: Any,
    predicted: Any,
    *,
    beta: float,
    labels: Any = None,
    pos_label: Any = 1,
    average: Average | Literal["samples"] | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    r"""F-beta, the weighted harmonic mean of precision and recall.

    .. math:: F_\beta = (1 + \beta^2) \frac{precision \cdot recall}{\beta^2\, precision + recall}

    Parameters
    ----------
    y, predicted : arrays of shape (N,), or sets of labels
        Observed and predicted labels. Sets are matrices of 0s and 1s of shape (N, L), or lists of sets.
    beta : float
        Recall counts beta times as much as precision; 0 is precision, infinity recall.
    labels : array, optional
        The classes to average over, or to report and in which order; by default all, sorted.
    pos_label : label, default 1
        The positive class of "binary"; None for the second of two sorted labels.
    average : "binary", "micro", "macro", "weighted", "samples" or None
        None gives the value of each class. "samples", the mean over items of the rate of their labels, is for sets of
        labels, which have no "binary".
    sample_weight : array of shape (N,), optional
    zero_division : float, default 0.0
        The value of zero by zero. A class whose value is NaN is left out of averages.

    Returns
    -------
    float, or ndarray of shape (C,)

    Raises
    ------
    DataError
        For "binary" with more than two labels, or if ``pos_label`` is not one of two.

    Notes
    -----
    N log N steps.

    Examples
    --------
    >>> from peira.measures import fbeta_score
    >>> fbeta_score([0, 0, 1, 1], [0, 1, 1, 1], beta=2.0)
    0.9090909090909091
    """
    if not beta >= 0:
        raise ParameterError(f"beta must be 0 or more, got {beta}")
    return _rate(f_parts(beta), y, predicted, labels, pos_label, average, sample_weight, zero_division)


def f1_score(
    y: Any,
    predicted: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: Average | Literal["samples"] | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """The harmonic mean of precision and recall: `fbeta_score` with beta 1."""
    return _rate(f_parts(1.0), y, predicted, labels, pos_label, average, sample_weight, zero_division)


def precision_score(
    y: Any,
    predicted: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: Average | Literal["samples"] | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """How much of what was predicted as a class is of that class; parameters as in `fbeta_score`."""
    return _rate(f_parts(0.0), y, predicted, labels, pos_label, average, sample_weight, zero_division)


def recall_score(
    y: Any,
    predicted: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: Average | Literal["samples"] | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """How much of a class was found (sensitivity, true positive rate); parameters as in `fbeta_score`."""
    return _rate(f_parts(np.inf), y, predicted, labels, pos_label, average, sample_weight, zero_division)


def specificity_score(
    y: Any,
    predicted: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: Average | Literal["samples"] | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """How much of what is not of a class was not taken for it (true negative rate); parameters as in `fbeta_score`."""
    return _rate(specificity_parts, y, predicted, labels, pos_label, average, sample_weight, zero_division)


def jaccard_score(
    y: Any,
    predicted: Any,
    *,
    labels: Any = None,
    pos_label: Any = 1,
    average: Average | Literal["samples"] | None = "binary",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """Items of a class and predicted so, among those that are either; parameters as in `fbeta_score`."""
    return _rate(jaccard_parts, y, predicted, labels, pos_label, average, sample_weight, zero_division)


def _rate(
    parts: Callable[[Sums], Parts],
    y: Any,
    predicted: Any,
    labels: Any,
    pos_label: Any,
    average: Average | Literal["samples"] | None,
    sample_weight: Any,
    zero_division: float,
) -> Any:
    if are_sets(y) or are_sets(predicted):
        return rate_of_sets(parts, y, predicted, labels, average, sample_weight, zero_division)
    if average not in ("binary", "micro", "macro", "weighted", None):
        raise ParameterError(
            f"average is 'binary', 'micro', 'macro', 'weighted' or None ('samples' of sets of labels), got {average!r}"
        )
    t, f, classes = label_codes(y, predicted)
    all_sums = sums(t, f, len(classes), None if sample_weight is None else weights(sample_weight, len(t)))
    if average == "binary":
        if len(classes) > 2:
            positive_class(classes)  # says what to choose
        chosen = np.array([positive_class(classes, pos_label)])
    else:
        chosen = np.arange(len(classes)) if labels is None else positions(labels, classes)
    if average is None:
        return divided(*parts(all_sums.of(chosen)), zero_division)[0]
    return float(averaged(parts, all_sums.of(chosen), average, zero_division)[0])
