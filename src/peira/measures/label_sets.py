r"""Measures of sets of labels, where an item has any number of L labels: the door, and what each item says by itself.

Let T be the labels that an item has and F those that were predicted of it. Over items,

.. math:: subset\ accuracy = mean\, 1\{T = F\}, \quad Hamming\ loss = mean\, \frac{|T \setminus F| + |F \setminus T|}{L}

The rates of `peira.measures.averaging` are taken over all items of a label ("macro", their mean over labels; "micro",
all labels together), or over the labels of an item, and then averaged over items ("samples"; Godbole & Sarawagi 2004).

Scores order the labels of an item. With :math:`r_l` the number of labels that score at least as much as label l,

.. math:: coverage\ error = mean\, \max_{l \in T} r_l

.. math:: ranking\ average\ precision = mean\, \frac{1}{|T|} \sum_{l \in T} \frac{|\{k \in T: s_k \geq s_l\}|}{r_l}

.. math:: ranking\ loss = mean\, \frac{|\{l \in T, k \notin T: s_l \leq s_k\}|}{|T|\, (L - |T|)}

**What has nothing to count**, as in scikit-learn: an item without labels needs to go 0 labels down the list, and with
no label or all of them there is nothing to put in order (precision 1, loss 0). A rate of zero by zero is
``zero_division``, so an item without labels, of which none was predicted, has F1 = 0 unless that says 1.

References: Schapire & Singer (2000), BoosTexter, Machine Learning 39, section 3, for the measures of rankings;
Tsoumakas, Katakis & Vlahavas (2010), Mining multi-label data, in Data Mining and Knowledge Discovery Handbook, 34.7.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.inputs import is_frame
from ..core.label_sets import are_sets, list_of_sets, open_sets
from ..core.predictive import Categorical, Predictive
from .arrays import numbers, weights
from .averaging import Parts, Sums, averaged, divided
from .labels import label_codes, positions


def set_pair(y: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which labels were observed and which predicted, truth values (N, L), and the labels (L,)."""
    if isinstance(predicted, Predictive):
        raise TypeError("this measure judges predicted labels, not distributions; pass predict(X)")
    if list_of_sets(y) != list_of_sets(predicted):
        raise DataError("y and the prediction must be alike: both lists of sets, or both matrices of 0s and 1s")
    if list_of_sets(y):  # either may lack labels that the other has
        _agree(len(y), len(predicted))
        both, names = open_sets([*y, *predicted], "y (and the prediction behind it)")
        return both[: len(y)], both[len(y) :], names
    T, names = open_sets(y, "y")
    F, others = open_sets(predicted, "the prediction")
    _agree(len(T), len(F))
    if len(names) != len(others) or (is_frame(y) and is_frame(predicted) and names.tolist() != others.tolist()):
        raise DataError(
            f"y has the columns {names.tolist()[:10]!r} and the prediction {others.tolist()[:10]!r}; they must agree"
        )
    return T, F, names


def set_scores(y: Any, score: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Which labels were observed, truth values (N, L), and the scores (N, L) of them.

    A distribution over 0 and 1 for each label scores it with the probability of 1.
    """
    if list_of_sets(y) and labels is None:
        raise DataError(
            "which column of the scores belongs to which label? Name them, labels=[...], or give y as a matrix of 0s "
            "and 1s with the same columns"
        )
    T, _ = open_sets(y, "y", labels)
    S = marginals(score)[..., 1] if isinstance(score, Predictive) else numbers(score, "the scores")
    if S.shape != T.shape:
        raise DataError(f"y has shape {T.shape}, items by labels, but the scores have {S.shape}; they must agree")
    return T, S


def marginals(dist: Any) -> np.ndarray:
    """The probabilities that an item lacks each label and that it has it, of shape (N, L, 2)."""
    if not isinstance(dist, Categorical) or len(dist.shape) != 2 or sorted(dist.labels.tolist()) != [0, 1]:
        raise TypeError(
            "this measure judges the probabilities of L labels that an item may have, a Categorical of shape (N, L) "
            f"over 0 and 1; got {type(dist).__name__} of shape {getattr(dist, 'shape', '?')}. Pass predict_dist(X)"
        )
    probs = dist.probs if dist.as_numpy else dist.probs.numpy(force=True)
    return probs[..., np.argsort(dist.labels)]


def _agree(items: int, predicted: int) -> None:
    if items != predicted:
        raise DataError(f"y has {items} items, but the prediction has {predicted}; they must agree")


# ---------------------------------------------------------------------- what each item says, or each label


def by_item(T: np.ndarray, F: np.ndarray) -> Sums:
    """Rightly predicted, predicted and observed labels of each item, of shape (1, N)."""
    tp, pred, true = (part.sum(1)[None].astype(np.float64) for part in (T & F, F, T))
    return Sums(tp, pred, true, np.full((1, 1), float(T.shape[1])))


def by_label(T: np.ndarray, F: np.ndarray, w: np.ndarray) -> Sums:
    """Weights of items with each label, rightly predicted, predicted and observed, of shape (1, L)."""
    return Sums(*((w @ part)[None] for part in (T & F, F, T)), np.full((1, 1), w.sum()))


def rate_of_sets(
    parts: Callable[[Sums], Parts],
    y: Any,
    predicted: Any,
    labels: Any,
    average: str | None,
    sample_weight: Any,
    zero_division: float,
) -> Any:
    """A rate of `peira.measures.averaging`, of sets of labels; the parameters are those of `fbeta_score`."""
    T, F, names = set_pair(y, predicted)
    if average not in ("micro", "macro", "weighted", "samples", None):
        raise ParameterError(
            f"y holds sets of labels, so average is 'micro', 'macro', 'weighted', 'samples' or None, got {average!r}"
        )
    if labels is not None:
        chosen = positions(labels, names)
        if (chosen < 0).any():
            unknown = np.asarray(labels).tolist()[int((chosen < 0).argmax())]
            raise DataError(f"the label {unknown!r} is not among {names.tolist()[:20]!r}")
        T, F = T[:, chosen], F[:, chosen]
    w = weights(sample_weight, len(T))
    if average == "samples":
        return weighted_mean(divided(*parts(by_item(T, F)), zero_division)[0], w)
    if average is None:
        return divided(*parts(by_label(T, F, w)), zero_division)[0]
    return float(averaged(parts, by_label(T, F, w), average, zero_division)[0])


def weighted_mean(values: np.ndarray, w: np.ndarray) -> float:
    """The mean of the values that are defined; NaN if none is."""
    known = ~np.isnan(values) & (w > 0)
    return float(np.average(values[known], weights=w[known])) if known.any() else float("nan")


def ranked(T: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each item's labels by falling score: whether it has them, the rank r of each, and how many it has up to there."""
    order = np.argsort(-S, axis=1, kind="stable")
    t, s = np.take_along_axis(T, order, 1), np.take_along_axis(S, order, 1)
    L = T.shape[1]
    ends = np.where(np.diff(s, axis=1, append=-np.inf) != 0, np.arange(L), L)  # equal scores share the last rank
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return t, ends + 1, np.take_along_axis(np.cumsum(t, axis=1), ends, 1)


def coverage_of_items(T: np.ndarray, S: np.ndarray) -> np.ndarray:
    """How far down each item's list its labels reach, of shape (N,)."""
    t, rank, _ = ranked(T, S)
    return (t * rank).max(1).astype(np.float64)


def ranking_precision_of_items(T: np.ndarray, S: np.ndarray) -> np.ndarray:
    """The mean precision at each of an item's labels, of shape (N,)."""
    t, rank, owned = ranked(T, S)
    n = t.sum(1)
    some = (n > 0) & (n < T.shape[1])
    return np.where(some, (t * owned / rank).sum(1) / np.maximum(n, 1), 1.0)


def ranking_loss_of_items(T: np.ndarray, S: np.ndarray) -> np.ndarray:
    """The share of pairs of an item's labels and others that are not in order, of shape (N,); ties are not."""
    t, rank, owned = ranked(T, S)
    n = t.sum(1)
    pairs = n * (T.shape[1] - n)
    return np.divide((t * (rank - owned)).sum(1), pairs, out=np.zeros(len(t)), where=pairs > 0)


# ---------------------------------------------------------------------- with scikit-learn's names


def hamming_loss(y: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """The share of wrong labels; of sets of labels, the share of wrong answers to "has it label l?".

    Parameters
    ----------
    y, predicted : arrays of shape (N,), or sets of labels
        Sets come as matrices of 0s and 1s (N, L), dense, sparse or frames, or as lists of sets.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    float

    Raises
    ------
    DataError
        If shapes or labels do not agree, or a matrix holds more than 0 and 1.

    Examples
    --------
    >>> from peira.measures import hamming_loss
    >>> hamming_loss([[0, 1], [1, 1]], [[0, 0], [1, 1]])
    0.25
    >>> hamming_loss([{"rain"}, {"rain", "wind"}], [set(), {"rain", "wind"}])
    0.25
    """
    if are_sets(y) or are_sets(predicted):
        T, F, _ = set_pair(y, predicted)
        wrong = (T != F).mean(1)
    else:
        t, f, _ = label_codes(y, predicted)
        wrong = (t != f).astype(np.float64)
    return weighted_mean(wrong, weights(sample_weight, len(wrong)))


def coverage_error(y: Any, score: Any, *, labels: Any = None, sample_weight: Any = None) -> float:
    """How many labels, by falling score, one must name of an item to name all that it has; ties are named together.

    Parameters
    ----------
    y : matrix of 0s and 1s of shape (N, L), or list of N sets
    score : array of shape (N, L), or Categorical over 0 and 1 for each label
        Higher speaks for the label.
    labels : array of shape (L,), optional
        The labels of the columns, where y is a list of sets.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    float
        At best, the mean number of labels of an item.

    Notes
    -----
    N L log L steps.

    Examples
    --------
    >>> from peira.measures import coverage_error
    >>> coverage_error([[1, 0, 0], [0, 1, 1]], [[0.9, 0.1, 0.3], [0.2, 0.8, 0.1]])
    2.0
    """
    return _over_items(coverage_of_items, y, score, labels, sample_weight)


def label_ranking_average_precision_score(
    y: Any, score: Any, *, labels: Any = None, sample_weight: Any = None
) -> float:
    """The mean, over an item's labels, of how many of the labels that score as much belong to it.

    Parameters as in `coverage_error`.

    Examples
    --------
    >>> from peira.measures import label_ranking_average_precision_score
    >>> label_ranking_average_precision_score([[1, 0, 0], [0, 1, 1]], [[0.9, 0.1, 0.3], [0.2, 0.8, 0.1]])
    0.9166666666666666
    """
    return _over_items(ranking_precision_of_items, y, score, labels, sample_weight)


def label_ranking_loss(y: Any, score: Any, *, labels: Any = None, sample_weight: Any = None) -> float:
    """The share of pairs of a label that an item has and one that it has not that are not in order.

    Parameters as in `coverage_error`.

    Examples
    --------
    >>> from peira.measures import label_ranking_loss
    >>> label_ranking_loss([[1, 0, 0], [0, 1, 1]], [[0.9, 0.1, 0.3], [0.2, 0.8, 0.1]])
    0.25
    """
    return _over_items(ranking_loss_of_items, y, score, labels, sample_weight)


def _over_items(
    of: Callable[[np.ndarray, np.ndarray], np.ndarray], y: Any, score: Any, labels: Any, sample_weight: Any
) -> float:
    T, S = set_scores(y, score, labels)
    return weighted_mean(of(T, S), weights(sample_weight, len(T)))
