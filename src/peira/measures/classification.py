r"""The measures of classification by name: of predicted labels, and of distributions over labels.

Of two classes the second of the sorted labels is the positive one; with more classes, precision, recall, F and areas
are the plain mean over classes. `rate_measure` makes others.

What is a function of the confusion matrix is a function of means of indicators, so its interval is that of
`peira.measures.measure` for functions (and that of `faultless` where every label is right); shares of two classes
(precision, recall, specificity) have Wilson's interval over the items that they are shares of. Areas under ROC curves
have DeLong's (`peira.measures.areas`).
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy import sparse

from .agreement import balanced, kappa, matthews
from .areas import area_interval, areas, precision_interval, precision_of
from .averaging import Average, Parts, Sums, averaged, f_parts, jaccard_parts, specificity_parts
from .bootstrap import wilson
from .labels import label_codes, label_probabilities, positive_class, ranks
from .measure import Measure
from .probabilities import brier_losses, log_losses
from .reliability import gaps_in_bins, sum_of_distances
from .threshold import expected_cost

TASK, INF = ("classification",), float("inf")
LABELS, ITEMS, RATE = "share of the labels", "share of the items", "rate of the class"


def rightness(y: Any, predicted: Any, w: Any = None) -> np.ndarray:
    """1 for a right label, 0 for a wrong one, of shape (N, 1)."""
    t, f, _ = label_codes(y, predicted)
    return (t == f).astype(np.float64)[:, None]


def indicators(t: np.ndarray, f: np.ndarray, C: int, distance: np.ndarray | None = None) -> sparse.csr_array:
    """For each item: rightly predicted, predicted, observed in each class, and a distance, of shape (N, 3 C + 1).

    Position -1 is no class.
    """
    N, rows = len(t), np.arange(len(t))
    d = (t != f).astype(np.float64) if distance is None else distance
    row = np.concatenate([rows[t == f], rows, rows, rows])
    column = np.concatenate([t[t == f], C + f, 2 * C + t, np.full(N, 3 * C)])
    value = np.concatenate([np.ones(len(row) - N), d])
    known = np.concatenate([t[t == f] >= 0, f >= 0, t >= 0, d != 0])
    return sparse.csr_array((value[known], (row[known], column[known])), shape=(N, 3 * C + 1))


def sums_of(means: np.ndarray) -> Sums:
    """The sums (B, C) from means (B, 3 C + 1)."""
    tp, pred, true = np.split(means[:, :-1], 3, axis=1)
    return Sums(tp, pred, true, np.ones((len(means), 1)))


def table_items(y: Any, predicted: Any, w: Any = None) -> sparse.csr_array:
    """The indicators of all classes."""
    t, f, classes = label_codes(y, predicted)
    return indicators(t, f, len(classes))


def faultless(
    combine: Callable[[np.ndarray], np.ndarray], items: sparse.csr_array, w: np.ndarray, level: float
) -> tuple[float, float] | None:
    """The interval where every label is right, so that resampling cannot show an error; None elsewhere.

    Its lower end is the value if as many labels as Wilson's interval allows were given by chance, with the same shares.
    """
    means = (w @ items / w.sum())[None]
    if means[0, -1] > 0:
        return None
    wrong = 1 - wilson(np.ones(len(w)), w, level)[0]
    s = sums_of(means)
    tp = (1 - wrong) * s.tp + wrong * s.true * s.pred
    high = float(combine(means)[0])
    return float(combine(np.hstack([tp, s.pred, s.true, means[:, -1:]]))[0]), high


def rate_measure(
    name: str,
    title: str,
    parts: Callable[[Sums], Parts],
    average: Average | Literal["auto"] = "auto",
    positive: Any = None,
    zero_division: float = 0.0,
    aliases: tuple[str, ...] = (),
) -> Measure:
    """A measure from a rate of `peira.measures.averaging`.

    Parameters
    ----------
    name, title : str
    parts : function of Sums
        `f_parts(beta)`, `jaccard_parts` or `specificity_parts`.
    average : "auto", "binary", "micro", "macro" or "weighted"
        "auto": binary for two classes or where ``positive`` is named, else macro.
    positive : label, optional
        The positive class; the second of two by default.
    zero_division : float, default 0.0

    Returns
    -------
    Measure
    """

    def items(y: Any, predicted: Any, w: Any = None) -> sparse.csr_array:
        t, f, classes = label_codes(y, predicted)
        if average in ("macro", "micro", "weighted") or (average == "auto" and positive is None and len(classes) > 2):
            return indicators(t, f, len(classes))
        c = positive_class(classes, positive)  # one class remains: whether an item is of it
        return indicators(np.where((t == c) & (c >= 0), 0, -1), np.where((f == c) & (c >= 0), 0, -1), 1)

    over_classes: Average = "macro" if average == "auto" or average == "binary" else average

    def combine(means: np.ndarray) -> np.ndarray:
        return averaged(parts, sums_of(means), over_classes, zero_division)

    def bounds(items: sparse.csr_array, w: np.ndarray, level: float, seed: int) -> tuple[float, float] | None:
        if items.shape[1] > 4:
            return faultless(combine, items, w, level)
        numerator, denominator = (v[:, 0] for v in parts(sums_of(items.toarray())))
        if not set(np.unique(denominator).tolist()) <= {0.0, 1.0}:  # F is no share of some of the items
            return faultless(combine, items, w, level)
        inside = denominator > 0
        return wilson(numerator[inside], w[inside], level) if inside.any() else (float("nan"), float("nan"))

    return Measure(name, title, "higher", (0, 1), RATE, "predict", items, combine, statistic="function",
                   tasks=TASK, aliases=aliases, bounds=bounds)  # fmt: skip


def kappa_measure(name: str, title: str, power: int, aliases: tuple[str, ...] = ()) -> Measure:
    """Cohen's kappa with distances of classes to a power (0: all alike)."""

    def items(y: Any, predicted: Any, w: Any = None) -> sparse.csr_array:
        t, f, classes = label_codes(y, predicted)
        return indicators(t, f, len(classes), np.abs(t - f).astype(np.float64) ** power if power else None)

    def combine(means: np.ndarray) -> np.ndarray:
        return kappa(means[:, -1], sums_of(means), power)

    def bounds(items: sparse.csr_array, w: np.ndarray, level: float, seed: int) -> tuple[float, float] | None:
        found = faultless(combine, items, w, level)
        return None if found is None else (found[1] - 1 + wilson(np.ones(len(w)), w, level)[0], found[1])

    return Measure(name, title, "higher", (-INF, 1), "agreement beyond chance", "predict", items, combine,
                   statistic="function", tasks=TASK, aliases=aliases, bounds=bounds)  # fmt: skip


def scored_items(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    """The position of the label and the ranks of the probabilities of all classes, of shape (N, 1 + C)."""
    codes, p, _ = label_probabilities(y, dist)
    return np.column_stack([codes, ranks(p)])


def _parted(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return items[:, 0].astype(np.int64), items[:, 1:]


def area_measure(
    name: str, title: str, multi_class: Literal["ovr", "ovo"], average: str, aliases: tuple[str, ...] = ()
) -> Measure:
    """The area under the ROC curve, with DeLong's interval."""
    return Measure(
        name, title, "higher", (0, 1), "share of the pairs", "predict_dist", scored_items,
        reduce=lambda items, w: areas(*_parted(items), w, multi_class, average)[0],
        statistic="whole", tasks=TASK, aliases=aliases,
        bounds=lambda items, w, level, seed: area_interval(*_parted(items), w, level, multi_class, average),
    )  # fmt: skip


def _function(name: str, title: str, low: float, units: str, of: Callable[[Sums], np.ndarray], alias: str) -> Measure:
    def combine(means: np.ndarray) -> np.ndarray:
        return of(sums_of(means))

    return Measure(name, title, "higher", (low, 1), units, "predict", table_items, combine, statistic="function",
                   tasks=TASK, aliases=(alias,),
                   bounds=lambda items, w, level, seed: faultless(combine, items, w, level))  # fmt: skip


MEASURES = (
    Measure("log_loss", "log loss", "lower", (0, INF), "nats", "predict_dist", log_losses, tasks=TASK),
    Measure("accuracy", "accuracy", "higher", (0, 1), LABELS, "predict", rightness, statistic="share", tasks=TASK,
            aliases=("accuracy_score",)),
    area_measure("roc_auc", "area under the ROC curve", "ovr", "macro", ("roc_auc_ovr", "roc_auc_score")),
    _function("balanced_accuracy", "balanced accuracy", 0, RATE, balanced, "balanced_accuracy_score"),
    rate_measure("f1", "F1", f_parts(1.0), aliases=("f1_score",)),
    Measure("brier", "Brier score", "lower", (0, 2), "squared probability", "predict_dist", brier_losses, tasks=TASK,
            aliases=("brier_score", "brier_score_loss")),
    Measure("average_precision", "average precision", "higher", (0, 1), RATE, "predict_dist", scored_items,
            reduce=lambda items, w: float(np.nan_to_num(precision_of(*_parted(items), w[None])[0])),
            statistic="whole", tasks=TASK, aliases=("average_precision_score",),
            bounds=lambda items, w, level, seed: precision_interval(*_parted(items), w, level, seed)),
    _function("matthews", "Matthews' correlation", -1, "correlation", matthews, "matthews_corrcoef"),
    kappa_measure("kappa", "Cohen's kappa", 0, ("cohen_kappa_score", "cohen_kappa")),
    rate_measure("precision", "precision", f_parts(0.0), aliases=("precision_score",)),
    rate_measure("recall", "recall", f_parts(INF), aliases=("recall_score", "sensitivity")),
    rate_measure("specificity", "specificity", specificity_parts, aliases=("specificity_score",)),
    Measure("calibration_error", "expected calibration error", "lower", (0, 1), ITEMS, "predict_dist", gaps_in_bins,
            sum_of_distances, statistic="function", tasks=TASK, aliases=("expected_calibration_error", "ece")),
    expected_cost(),
)  # fmt: skip

_RATES = (
    ("f1", "F1", f_parts(1.0)),
    ("precision", "precision", f_parts(0.0)),
    ("recall", "recall", f_parts(INF)),
    ("jaccard", "Jaccard's index", jaccard_parts),
)
_AVERAGES: tuple[tuple[Average, str], ...] = (
    ("macro", "mean over classes"),
    ("micro", "of all classes together"),
    ("weighted", "mean over classes by their shares"),
)
VARIANTS = (
    rate_measure("jaccard", "Jaccard's index", jaccard_parts, aliases=("jaccard_score",)),
    *(rate_measure(f"{name}_{how}", f"{title}, {words}", parts, how)
      for name, title, parts in _RATES for how, words in _AVERAGES),
    area_measure("roc_auc_ovr_weighted", "area under the ROC curve, by class shares", "ovr", "weighted"),
    area_measure("roc_auc_ovo", "area under the ROC curve, class against class", "ovo", "macro"),
    area_measure("roc_auc_ovo_weighted", "area under the ROC curve, class against class, by shares", "ovo", "weighted"),
    kappa_measure("kappa_linear", "Cohen's kappa, linear weights", 1),
    kappa_measure("kappa_quadratic", "Cohen's kappa, quadratic weights", 2),
)  # fmt: skip
"""Measures that are known by name (scikit-learn's scorers) but not shown in tables beside the others."""
