r"""The measures of sets of labels by name: of predicted sets, of the order of labels, and of their probabilities.

The formulas stand in `peira.measures.label_sets`, `peira.measures.averaging` and `peira.measures.areas`. The log loss
is that of each label by itself,

.. math:: log\ loss = -\frac{1}{N L} \sum_{il} \log P(y_{il} \mid x_i)

which is proper, and what nets with a logistic head make small. Items are what is drawn: intervals resample items with
all their labels, so they hold however labels hang together.
"""

from typing import Any

import numpy as np
from scipy import sparse

from .averaging import averaged, divided, f_parts, jaccard_parts
from .classification import faultless, sums_of
from .label_areas import How, label_area, label_area_interval, label_precision, label_precision_interval
from .label_sets import (
    by_item,
    coverage_of_items,
    marginals,
    ranking_loss_of_items,
    ranking_precision_of_items,
    set_pair,
    set_scores,
)
from .measure import Measure
from .probabilities import EPS

TASK, INF = ("multilabel",), float("inf")
RATE = "rate of the labels"


def _log_losses(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    """The log loss of each item and label (N, L); a probability below 2.2e-16 counts as that."""
    p = marginals(dist)
    T, _ = set_scores(y, dist)
    return -np.log(np.maximum(np.where(T, p[..., 1], p[..., 0]), EPS))


def _wrong(y: Any, predicted: Any, w: Any = None) -> np.ndarray:
    T, F, _ = set_pair(y, predicted)
    return (T != F).astype(np.float64)


def _whole(y: Any, predicted: Any, w: Any = None) -> np.ndarray:
    return 1 - _wrong(y, predicted).max(1, keepdims=True)


def _indicators(y: Any, predicted: Any, w: Any = None) -> sparse.csr_array:
    """Rightly predicted, predicted, observed labels, and the share of wrong ones, of shape (N, 3 L + 1)."""
    T, F, _ = set_pair(y, predicted)
    return sparse.csr_array(np.column_stack([T & F, F, T, (T != F).mean(1)]).astype(np.float64))


def _rates(name: str, title: str, parts: Any) -> tuple[Measure, ...]:
    """A rate over labels, over all answers, and over the labels of an item."""

    def of_items(y: Any, predicted: Any, w: Any = None) -> np.ndarray:
        T, F, _ = set_pair(y, predicted)
        return divided(*parts(by_item(T, F)), 0.0).T

    def over(average: Any, words: str) -> Measure:
        def combine(means: np.ndarray) -> np.ndarray:
            return averaged(parts, sums_of(means), average)

        return Measure(f"{name}_{average}", f"{title}, {words}", "higher", (0, 1), RATE, "predict", _indicators,
                       combine, statistic="function", tasks=TASK,
                       bounds=lambda items, w, level, seed: faultless(combine, items, w, level))  # fmt: skip

    return (
        over("micro", "all labels together"),
        over("macro", "mean over labels"),
        Measure(f"{name}_samples", f"{title}, mean over items", "higher", (0, 1), RATE, "predict", of_items,
                statistic="share", tasks=TASK),
        over("weighted", "mean over labels by how often they are observed"),
    )  # fmt: skip


def _parted(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, L) and scores (N, L), from their columns side by side."""
    T, S = np.hsplit(items, 2)
    return T > 0, S


def _scored(y: Any, dist: Any, w: Any = None) -> np.ndarray:
    return np.hstack(set_scores(y, dist))


def _area(name: str, words: str, how: How, *aliases: str) -> Measure:
    return Measure(
        name, f"area under the ROC curve, {words}", "higher", (0, 1), "share of the pairs", "predict_dist", _scored,
        reduce=lambda items, w: label_area(*_parted(items), w, how)[0], statistic="whole", tasks=TASK, aliases=aliases,
        bounds=lambda items, w, level, seed: label_area_interval(*_parted(items), w, level, how),
    )  # fmt: skip


def _precision(name: str, words: str, how: How, *aliases: str) -> Measure:
    return Measure(
        name, f"average precision, {words}", "higher", (0, 1), RATE, "predict_dist", _scored,
        reduce=lambda items, w: float(label_precision(*_parted(items), w[None], how)[0]),
        statistic="whole", tasks=TASK, aliases=aliases,
        bounds=lambda items, w, level, seed: label_precision_interval(*_parted(items), w, level, seed, how),
    )  # fmt: skip


def _ranking(name: str, title: str, better: Any, high: float, units: str, of: Any, *aliases: str) -> Measure:
    def items(y: Any, dist: Any, w: Any = None) -> np.ndarray:
        return of(*set_scores(y, dist))[:, None]

    return Measure(name, title, better, (0, high), units, "predict_dist", items, tasks=TASK, aliases=aliases,
                   statistic="share" if high == 1 else "mean")  # fmt: skip


_F1, _JACCARD, _PRECISION, _RECALL = (
    _rates(*named)
    for named in (
        ("f1", "F1", f_parts(1.0)),
        ("jaccard", "Jaccard's index", jaccard_parts),
        ("precision", "precision", f_parts(0.0)),
        ("recall", "recall", f_parts(INF)),
    )
)

MEASURES = (
    Measure("log_loss", "log loss of a label", "lower", (0, INF), "nats", "predict_dist", _log_losses, tasks=TASK),
    *_F1[:3],
    Measure("accuracy", "subset accuracy: all labels right", "higher", (0, 1), "share of the items", "predict", _whole,
            statistic="share", tasks=TASK, aliases=("accuracy_score", "subset_accuracy", "exact_match")),
    Measure("hamming_loss", "Hamming loss: labels that are wrong", "lower", (0, 1), "share of the labels", "predict",
            _wrong, statistic="share", tasks=TASK, aliases=("hamming",)),
    *_JACCARD[:3],
    _precision("average_precision", "mean over labels", "macro", "average_precision_macro", "average_precision_score"),
    _precision("average_precision_micro", "all labels together", "micro"),
    _area("roc_auc", "mean over labels", "macro", "roc_auc_macro", "roc_auc_score"),
    _area("roc_auc_micro", "all labels together", "micro"),
    _ranking("label_ranking_average_precision", "average precision of an item's labels", "higher", 1, RATE,
             ranking_precision_of_items, "label_ranking_average_precision_score", "lrap"),
    _ranking("label_ranking_loss", "ranking loss: an item's labels out of order", "lower", 1, "share of the pairs",
             ranking_loss_of_items, "ranking_loss"),
    _ranking("coverage_error", "coverage error: how far down the list an item's labels are", "lower", INF, "labels",
             coverage_of_items),
    *_PRECISION[:3],
    *_RECALL[:3],
)  # fmt: skip

VARIANTS = tuple(rates[3] for rates in (_F1, _JACCARD, _PRECISION, _RECALL))
"""Measures that are known by name but not shown in tables beside the others."""
