"""What a report shows of labels: the confusion, the curves, the reliability, the threshold, and the regions.

Plain data, bounded in size; the pictures are drawn from it by `peira.study.report`.
"""

from typing import Any

import numpy as np

from ..core.predictive import Categorical
from ..core.registry import get_method
from ..experience.table import Table
from ..measures import (
    ConfusionMatrix,
    average_precision_score,
    choose_threshold,
    f1_score,
    get_measure,
    precision_recall_curve,
    precision_score,
    recall_score,
    reliability_curve,
    roc_curve,
)
from ..measures.ranking import counts_at_thresholds
from .model import TableModel
from .table_classifier import cheapest, mistake_costs

MANY_CLASSES = 12  # more than these share a row "others" in the tables
RARE, FEW = 0.1, 20
"""A label is rare below this share of the rows (of an even share, with many labels), or below this number of them."""
CURVES = 5  # one curve for each of the most frequent classes
_POINTS, _GRID, _SCATTER = 200, 60, 600


def class_table(observed: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> list[dict[str, Any]]:
    """Support, whether it is rare, precision, recall and F1 of each class, the most frequent first.

    Parameters
    ----------
    observed, predicted : array of shape (N,)
        Positions in ``classes``.
    """
    support = np.bincount(observed, minlength=len(classes))
    each = {"labels": np.arange(len(classes)), "average": None, "zero_division": np.nan}
    rates = {
        "precision": precision_score(observed, predicted, **each),
        "recall": recall_score(observed, predicted, **each),
        "f1": f1_score(observed, predicted, **each),
    }
    rare = is_rare(support)
    return [
        {"label": str(classes[c]), "support": int(support[c]), "rare": bool(rare[c])}
        | {name: None if np.isnan(rate[c]) else float(rate[c]) for name, rate in rates.items()}
        for c in np.argsort(-support, kind="stable")
    ]


def is_rare(counts: np.ndarray) -> np.ndarray:
    """Which classes are rare, by their counts (C,)."""
    return (counts < FEW) | (counts < RARE * counts.sum() / max(1.0, len(counts) / 2))


def performance(
    observed: np.ndarray, predicted: np.ndarray, P: np.ndarray, classes: np.ndarray, costs: list[tuple] | None
) -> dict[str, Any]:
    """Everything that the section on performance draws, from answers on rows that the fits had not seen.

    Parameters
    ----------
    observed, predicted : array of shape (N,)
        Positions in ``classes``.
    P : array of shape (N, C)
    classes : array of shape (C,)
    costs : list of (true, predicted, cost), optional
    """
    frequent = np.argsort(-np.bincount(observed, minlength=len(classes)), kind="stable")
    return {
        "labels": [str(label) for label in classes[:MANY_CLASSES]],
        "confusion": _confusion(observed, predicted, classes, frequent),
        "classes": class_table(observed, predicted, classes)[: 5 * MANY_CLASSES],
        "curves": _curves(observed, P, classes, frequent),
        "reliability": _reliability(observed, P, classes),
        "threshold": _threshold(observed, P, classes, costs) if len(classes) == 2 else None,
    }


def _confusion(
    observed: np.ndarray, predicted: np.ndarray, classes: np.ndarray, frequent: np.ndarray
) -> dict[str, Any]:
    """Counts; the least frequent of many classes are pooled."""
    names = [str(label) for label in classes]
    if len(classes) > MANY_CLASSES:
        kept = np.sort(frequent[: MANY_CLASSES - 1])
        place = np.full(len(classes), MANY_CLASSES - 1)
        place[kept] = np.arange(len(kept))
        observed, predicted = place[observed], place[predicted]
        names = [*(names[c] for c in kept), f"{len(classes) - len(kept)} others"]
    table = ConfusionMatrix.of(observed, predicted, labels=np.arange(len(names)))
    return {"labels": names, "counts": table.counts.astype(int)}


def _curves(observed: np.ndarray, P: np.ndarray, classes: np.ndarray, frequent: np.ndarray) -> list[dict[str, Any]]:
    """ROC and precision-recall curves: of the second of two classes, or of the most frequent ones against the rest."""
    shown = [1] if len(classes) == 2 else sorted(frequent[:CURVES])
    area = get_measure("roc_auc", "classification")
    found = []
    for c in shown:
        y, p = (observed == c).astype(int), P[:, c]
        if y.min() == y.max():
            continue
        fpr, tpr, _ = roc_curve(y, p)
        precision, recall, _ = precision_recall_curve(y, p, drop_intermediate=True)
        both = Categorical(np.column_stack([1 - p, p]))
        low, high = area.interval(y, both, 0.95)
        found.append(
            {
                "label": str(classes[c]),
                "share": float(y.mean()),
                "fpr": _thinned(fpr),
                "tpr": _thinned(tpr),
                "auc": float(area.value(y, both)),
                "auc_interval": [float(low), float(high)],
                "precision": _thinned(precision),
                "recall": _thinned(recall),
                "average_precision": float(average_precision_score(y, p)),
            }
        )
    return found


def _thinned(curve: np.ndarray) -> np.ndarray:
    """At most so many points of a curve that a line of this width cannot be told from the whole."""
    if len(curve) <= _POINTS:
        return curve
    return curve[np.unique(np.linspace(0, len(curve) - 1, _POINTS).round().astype(int))]


def _reliability(observed: np.ndarray, P: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
    """Said and observed frequencies: of the second of two classes, or of the label that was held most probable."""
    two = len(classes) == 2
    curve = reliability_curve(observed, P, labels=np.arange(len(classes)), strategy="quantile")
    return {
        "of": str(classes[1]) if two else "the most probable label",
        "predicted": curve.nominal,
        "observed": curve.observed,
        "low": curve.low,
        "high": curve.high,
        "share": curve.share,
    }


def _threshold(observed: np.ndarray, P: np.ndarray, classes: np.ndarray, costs: list[tuple] | None) -> dict[str, Any]:
    """What decisions for the second class would cost at each threshold, and the thresholds that cost least."""
    L = mistake_costs(costs or [], classes)
    best = choose_threshold(observed, P[:, 1], L, labels=np.arange(2))
    fp, tp, thresholds = counts_at_thresholds(observed, P[:, 1], 1)
    N, positive = len(observed), observed.sum()
    cost = (L[0, 1] * fp + L[1, 0] * (positive - tp)) / N
    used = float(L[0, 1] / (L[0, 1] + L[1, 0])) if L[0, 1] + L[1, 0] > 0 else None
    keep = np.linspace(0, len(cost) - 1, _POINTS).round().astype(int)
    if used is not None:  # and the point that the decisions stand at
        keep = np.append(keep, max(int((thresholds >= used).sum()) - 1, 0))
    keep = np.unique(keep)
    return {
        "label": str(classes[1]),
        "stated": costs is not None,
        "costs": [float(L[0, 1]), float(L[1, 0])],
        "thresholds": thresholds[keep],
        "cost": cost[keep],
        "used": used,
        "best": {"threshold": best.threshold, "cost": best.cost, "precision": best.precision, "recall": best.recall},
    }


def decision_regions(model: TableModel, X: Table, y: np.ndarray, classes: np.ndarray) -> dict[str, Any] | None:
    """The decisions on a plane through the mean of the data, along the two directions that tell the classes apart best.

    The directions are discriminant ones, made orthonormal in the numbers that the method sees; for two classes, which
    have only one, the second is the direction of largest variance that is left. Rows are shown where they project to;
    decisions are the model's own, with all other directions at their mean.
    """
    Z = model.numbers(X)
    if Z.shape[1] < 2:
        return None
    mean, spread = Z.mean(0), Z.std(0)
    try:
        scalings = get_method("LinearDiscriminantAnalysis")().fit(Z, y).scalings_
    except ValueError:
        return None
    A = Z - mean
    first = np.linalg.qr(scalings[:, :2])[0]
    if first.shape[1] < 2:
        rest = A - (A @ first) @ first.T
        first = np.column_stack([first[:, 0], np.linalg.svd(rest[: 5 * _SCATTER], full_matrices=False)[2][0]])
    T = A @ first
    low, high = np.quantile(T, [0.005, 0.995], axis=0)
    if not (high > low).all() or not np.isfinite(spread).all():
        return None
    margin = 0.08 * (high - low)
    axes = [np.linspace(low[k] - margin[k], high[k] + margin[k], _GRID) for k in range(2)]
    grid = np.stack(np.meshgrid(*axes, indexing="xy"), -1).reshape(-1, 2)
    probs = np.asarray(model.answer("predict_dist", mean + grid @ first.T).probs)
    place = np.searchsorted(classes, model.classes_)
    rng = np.random.default_rng(0)
    shown = np.sort(rng.permutation(len(Z))[:_SCATTER])
    shown = shown[((T[shown] >= low - margin) & (T[shown] <= high + margin)).all(1)]
    return {
        "x": axes[0],
        "y": axes[1],
        "codes": place[cheapest(probs, model.costs_)].reshape(_GRID, _GRID),
        "top": probs.max(1).reshape(_GRID, _GRID),
        "points": T[shown],
        "labels": np.searchsorted(classes, y[shown]),
        "directions": [_in_words(first[:, k], model.get_names()) for k in range(2)],
    }


def _in_words(direction: np.ndarray, names: list[str], count: int = 3) -> str:
    """The columns that weigh most in a direction: "0.8 age - 0.5 sex=male"."""
    order = np.argsort(-np.abs(direction), kind="stable")[:count]
    parts = [f"{'-' if direction[j] < 0 else '+'} {abs(direction[j]):.2g} {names[j]}" for j in order]
    more = " ..." if len(direction) > count else ""
    return " ".join(parts).removeprefix("+ ") + more
