"""Labels at the door: what a classifier is told about its items, checked and counted.

Labels are texts, whole numbers or truth values, or numbers that name classes (1.0, 2.0). Everything that could be
something else (a quantity, a missing value, a mixture of types) is refused in words.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import torch
from sklearn.utils.validation import column_or_1d

from .errors import DataError, ParameterError

if TYPE_CHECKING:
    from .inputs import Data, Queries

_SETS = (
    " Several labels of an item are learned together by the methods of peira.methods(task='multilabel'), and one by "
    "one by others: sklearn.multioutput.MultiOutputClassifier(method).fit(X, Y)"
)


def open_labels(
    y: Any, N: int, like: "Queries", declared: Any = None, *, owner: str
) -> tuple[torch.Tensor, np.ndarray]:
    """The class of each item as a position, of shape (N,), and the sorted classes, of shape (C,).

    Parameters
    ----------
    y : array, series or tensor of shape (N,)
    N : int
        How many items there are.
    like : Queries
        The inputs beside them.
    declared : array, optional
        All labels there are; without it, those of ``y``.

    Raises
    ------
    DataError
        If a label is missing, is not one of the declared, or looks like a quantity.
    """
    if y is None:
        raise DataError(f"requires y to be passed, but the target y is None: {owner} learns from inputs and labels")
    labels = as_labels(y, owner)
    if len(labels) != N:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: X has {N} rows, y has {len(labels)}"
        )
    if declared is None:
        classes, codes = _counted(labels)
    else:
        classes = np.unique(as_labels(declared, owner))
        if (classes.dtype.kind in "iufb") != (labels.dtype.kind in "iufb"):
            raise DataError(f"y holds {labels.dtype} labels, but the classes are like {classes.tolist()[0]!r}")
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        if (unknown := classes[codes] != labels).any():
            row = int(unknown.argmax())
            raise DataError(
                f"row {row} of y holds the label {labels.tolist()[row]!r}, which is not among the classes "
                f"{classes.tolist()[:20]!r} of {owner}; name all labels in the first call: "
                "partial_fit(X, y, classes=[...])"
            )
    return torch.as_tensor(codes, dtype=torch.int64, device=like.device), classes


def _counted(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sorted classes, and the position of each label among them; without sorting N items where they are few."""
    if labels.dtype.kind in "iuf" and len(labels):
        low, high = labels.min(), labels.max()
        if float(high) - float(low) < len(labels) and abs(float(low)) < 2**52:
            offset = labels.astype(np.int64) - int(low)
            there = np.bincount(offset) > 0
            return (np.flatnonzero(there) + int(low)).astype(labels.dtype), (np.cumsum(there) - 1)[offset]
    return np.unique(labels, return_inverse=True)


def class_weights(given: Any, data: "Data", *, owner: str) -> torch.Tensor:
    """The weight of each item by its class, of shape (N,).

    Parameters
    ----------
    given : "balanced" or dict of label to number
        "balanced": N / (C n_c), with items counted by their weights, so that every class weighs the same in all.
        Classes that a dictionary leaves out weigh 1.
    """
    C = len(data.classes)
    if isinstance(given, str):
        if given != "balanced":
            raise ParameterError(f"parameter 'class_weight' of {owner} is 'balanced', a dict or None; got {given!r}")
        w = torch.ones(len(data), dtype=data.dtype, device=data.device) if data.w is None else data.w
        counts = torch.zeros(C, dtype=data.dtype, device=data.device).index_add(0, data.codes, w)
        each = counts.sum() / ((counts > 0).sum() * counts)
        return torch.where(counts > 0, each, 0.0)[data.codes]
    if not isinstance(given, Mapping):
        raise ParameterError(f"parameter 'class_weight' of {owner} is 'balanced', a dict or None; got {given!r}")
    known = {label: c for c, label in enumerate(data.classes.tolist())}
    each = torch.ones(C, dtype=data.dtype, device=data.device)
    for label, weight in given.items():
        label = label.item() if isinstance(label, np.generic) else label
        if label not in known:
            raise ParameterError(
                f"The classes, [{label!r}], are not in class_weight's data: y of {owner} holds "
                f"{data.classes.tolist()[:20]!r}"
            )
        number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
        if not number or not np.isfinite(weight) or weight < 0:
            raise ParameterError(f"class_weight[{label!r}] of {owner} must be a finite number >= 0, got {weight!r}")
        each[known[label]] = float(weight)
    return each[data.codes]


def as_labels(y: Any, owner: str) -> np.ndarray:
    """Labels as a one-dimensional array of one type."""
    if isinstance(y, torch.Tensor):
        y = y.numpy(force=True)
    elif nw.dependencies.is_into_series(y):
        y = nw.from_native(y, series_only=True).to_numpy()
    elif nw.dependencies.is_into_dataframe(y):
        y = nw.from_native(y, eager_only=True).to_numpy()
        y = y[:, 0] if y.shape[1] == 1 else y
    if np.ma.is_masked(y):
        raise DataError(f"{owner} got a masked array as y: fill or drop the {np.ma.count_masked(y)} masked labels")
    labels = np.asarray(y)
    if labels.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {owner} got labels of {labels.dtype}")
    if labels.ndim != 1 and not (labels.ndim == 2 and labels.shape[1] == 1):
        raise DataError(
            f"{owner} expected one label an item, y of shape (N,), got {labels.shape}: y should be a 1d array.{_SETS}"
        )
    labels = column_or_1d(labels, warn=True)
    if labels.dtype.kind == "O":
        return _from_objects(labels, owner)
    if labels.dtype.kind == "f":
        return _from_floats(labels, owner)
    if labels.dtype.kind not in "iubUS":
        raise DataError(f"Unknown label type: {owner} needs texts, whole numbers or truth values, got {labels.dtype}")
    return labels.astype(labels.dtype.newbyteorder("="))


def _from_objects(labels: np.ndarray, owner: str) -> np.ndarray:
    missing = np.array([v is None or v != v for v in labels], dtype=bool)
    if missing.any():
        raise DataError(
            f"Input y contains NaN or None: {int(missing.sum())} of {len(labels)} labels are missing, "
            f"first in row {int(missing.argmax())}; drop these rows before fitting"
        )
    if all(isinstance(v, str) for v in labels):
        return labels
    if all(isinstance(v, bool | np.bool_) for v in labels):
        return labels.astype(bool)
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in labels):
        return _from_floats(labels.astype(np.float64), owner)
    if any(isinstance(v, set | frozenset) for v in labels):
        raise DataError(f"Unknown label type: {owner} expected one label an item, and y holds sets of labels.{_SETS}")
    kinds = sorted({type(v).__name__ for v in labels})
    raise DataError(
        f"Unknown label type: y mixes {' and '.join(kinds)}; {owner} needs labels of one type: turn them into texts"
        if len(kinds) > 1
        else f"Unknown label type: {kinds[0]}; {owner} needs texts, numbers or truth values as labels"
    )


def _from_floats(labels: np.ndarray, owner: str) -> np.ndarray:
    if (bad := ~np.isfinite(labels)).any():
        row = int(bad.argmax())
        raise DataError(
            f"Input y contains NaN or infinity: {int(bad.sum())} of {len(labels)} labels, first {labels[row]} "
            f"in row {row}; drop these rows before fitting"
        )
    whole = labels == np.round(labels)
    if not whole.all():
        row = int((~whole).argmax())
        raise DataError(
            f"Unknown label type: continuous. y holds {labels[row]} in row {row}, which looks like a quantity: use a "
            f"regressor, or turn the labels into texts if they are names ({owner})"
        )
    return labels.astype(np.float64)
