r"""Predicted labels as a whole: accuracy, balanced accuracy, Matthews' correlation, Cohen's kappa.

With t the weights of the observed and p those of the predicted classes, n their sum, s the weight of the right:

.. math:: accuracy = \frac{s}{n}

.. math:: balanced = \frac{1}{C} \sum_c \frac{tp_c}{t_c}

over the classes observed (Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", ICPR),

.. math:: MCC = \frac{s\, n - t \cdot p}{\sqrt{(n^2 - p \cdot p)(n^2 - t \cdot t)}}

which is the correlation of the indicators (Gorodkin 2004, "Comparing two K-category assignments by a K-category
correlation coefficient", Computational Biology and Chemistry 28; for two classes Matthews 1975), and

.. math:: \kappa = 1 - \frac{\sum_{jk} d_{jk}\, n_{jk}}{\sum_{jk} d_{jk}\, t_j p_k / n}

with d = 1 for different classes (Cohen 1960), the distance of their positions ("linear") or its square ("quadratic";
Cohen 1968): the disagreement against the one expected of the same shares by chance.

All functions of `Sums` work on B tables at once.
"""

from typing import Any, Literal

import numpy as np

from ..core.errors import ParameterError
from ..core.label_sets import are_sets
from .arrays import weights
from .averaging import Sums, averaged, f_parts
from .confusion import confusion_matrix
from .label_sets import set_pair
from .labels import label_codes
from .rates import sums

Weighting = Literal["linear", "quadratic"]
POWERS: dict[Weighting | None, int] = {None: 0, "linear": 1, "quadratic": 2}


def matthews(s: Sums) -> np.ndarray:
    """Matthews' correlation, of shape (B,); zero where only one class is observed or predicted."""
    right, t, p = s.tp.sum(-1), s.true, s.pred
    n = t.sum(-1, keepdims=True), p.sum(-1, keepdims=True)
    covariance = right * n[0][:, 0] - (t * p).sum(-1)
    variances = (t * (n[0] - t)).sum(-1) * (p * (n[1] - p)).sum(-1)  # zero exactly for a single class
    return np.divide(covariance, np.sqrt(variances), out=np.zeros(len(t)), where=variances > 0).clip(-1, 1)


def kappa(disagreement: np.ndarray, s: Sums, power: int) -> np.ndarray:
    """Cohen's kappa, of shape (B,), from the weighted disagreement (B,); NaN where none could be expected."""
    t, p = s.true, s.pred
    n = p.sum(-1, keepdims=True)
    if power:
        places = np.arange(t.shape[-1])
        chance = ((t @ np.abs(places[:, None] - places) ** power) * p).sum(-1)
    else:
        chance = (t * (n - p)).sum(-1)
    return 1 - np.divide(disagreement * n[:, 0], chance, out=np.full(len(t), np.nan), where=chance > 0)


def balanced(s: Sums) -> np.ndarray:
    """The mean recall over the classes observed, of shape (B,)."""
    return averaged(f_parts(np.inf), s, "macro", np.nan)


def accuracy_score(y: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """The share of right labels, or of items whose set of labels is right.

    Parameters
    ----------
    y, predicted : arrays of shape (N,), or sets of labels
        Sets are matrices of 0s and 1s of shape (N, L), or lists of sets.
    sample_weight : array of shape (N,), optional

    Examples
    --------
    >>> from peira.measures import accuracy_score
    >>> accuracy_score(["no", "yes"], ["no", "no"])
    0.5
    """
    if are_sets(y) or are_sets(predicted):
        T, F, _ = set_pair(y, predicted)
        right = (T == F).all(1)
    else:
        t, f, _ = label_codes(y, predicted)
        right = t == f
    return float(np.average(right, weights=None if sample_weight is None else weights(sample_weight, len(right))))


def balanced_accuracy_score(y: Any, predicted: Any, *, sample_weight: Any = None, adjusted: bool = False) -> float:
    """The mean recall over the classes observed; labels that are only predicted are no class of their own.

    Parameters
    ----------
    y, predicted : arrays of shape (N,)
    sample_weight : array of shape (N,), optional
    adjusted : bool, default False
        Rescale so that guessing has 0 and perfection 1; NaN for a single observed class.

    Examples
    --------
    >>> from peira.measures import balanced_accuracy_score
    >>> balanced_accuracy_score([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    s = _sums(y, predicted, sample_weight)
    value, C = float(balanced(s)[0]), int((s.true > 0).sum())
    if not adjusted:
        return value
    return (value - 1 / C) / (1 - 1 / C) if C > 1 else float("nan")


def matthews_corrcoef(y: Any, predicted: Any, *, sample_weight: Any = None) -> float:
    """Matthews' correlation coefficient: 1 perfect, 0 no better than chance; 0 also if there is only one label.

    Parameters
    ----------
    y, predicted : arrays of shape (N,)
        Of any number of classes.
    sample_weight : array of shape (N,), optional

    Examples
    --------
    >>> from peira.measures import matthews_corrcoef
    >>> round(matthews_corrcoef([1, 1, 1, -1], [1, -1, 1, 1]), 3)
    -0.333
    """
    return float(matthews(_sums(y, predicted, sample_weight))[0])


def cohen_kappa_score(
    y1: Any, y2: Any, *, labels: Any = None, weights: Weighting | None = None, sample_weight: Any = None
) -> float:
    """Cohen's kappa, the agreement of two raters beyond chance.

    Parameters
    ----------
    y1, y2 : arrays of shape (N,)
    labels : array of shape (C,), optional
        The classes and their order; items with others are left out.
    weights : "linear", "quadratic" or None
        How disagreements of distant classes count.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    float
        NaN if both name a single, the same label, so that no disagreement could be expected.

    Examples
    --------
    >>> from peira.measures import cohen_kappa_score
    >>> cohen_kappa_score(["neg", "pos", "neg", "pos"], ["neg", "pos", "pos", "pos"])
    0.5
    """
    if weights not in POWERS:
        raise ParameterError(f"weights is 'linear', 'quadratic' or None, got {weights!r}")
    n = confusion_matrix(y1, y2, labels=labels, sample_weight=sample_weight).astype(np.float64)
    places, power = np.arange(len(n)), POWERS[weights]
    distance = np.abs(places[:, None] - places) ** power if power else 1 - np.eye(len(n))
    s = Sums(n.diagonal()[None], n.sum(0)[None], n.sum(1)[None], n.sum()[None, None])
    return float(kappa(np.array([(distance * n).sum()]), s, power)[0])


def _sums(y: Any, predicted: Any, sample_weight: Any) -> Sums:
    t, f, classes = label_codes(y, predicted)
    return sums(t, f, len(classes), None if sample_weight is None else weights(sample_weight, len(t)))
