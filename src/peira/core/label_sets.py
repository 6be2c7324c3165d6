"""Sets of labels at the door: which of L labels each item has, as a matrix of 0s and 1s.

They come as such a matrix (an array, a frame, a sparse matrix, a tensor), or as a list with a set of labels for each
item, ``[{"rain", "wind"}, set(), {"wind"}]``.
"""

from typing import Any

import narwhals as nw
import numpy as np
import torch
from scipy import sparse

from .errors import DataError
from .inputs import column_names, is_frame
from .labels import as_labels


def are_sets(y: Any) -> bool:
    """Whether y tells a set of labels of each item, not one label: a list of sets, or a matrix of several columns."""
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError:  # rows of unequal length: the door of the labels has the words for it
        return False
    return (len(shape) == 2 and shape[1] > 1) or list_of_sets(y)


def list_of_sets(y: Any) -> bool:
    """Whether y is a list (or a column of objects) with sets among its items."""
    listed = y.ndim == 1 and y.dtype.kind == "O" if isinstance(y, np.ndarray) else isinstance(y, list | tuple)
    return (listed or nw.dependencies.is_into_series(y)) and any(isinstance(item, set | frozenset) for item in y)


def open_sets(y: Any, what: str, declared: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Which labels each item has, truth values of shape (N, L), and the labels, of shape (L,).

    Parameters
    ----------
    y : list of N sets, or array, frame, sparse matrix or tensor of shape (N, L)
    what : str
        Its name in messages.
    declared : array of shape (L,), optional
        The labels of the columns, in order; by default the sorted labels of all sets, the names of a frame's columns,
        or the numbers of a matrix's columns.

    Raises
    ------
    DataError
        If an item is no set, a label is missing or not declared, or a matrix holds more than 0 and 1.
    """
    names = None if declared is None else np.asarray(declared)
    if list_of_sets(y):
        return _from_sets(list(y), what, names)
    Y = _matrix(y, what)
    if names is None:
        names = np.array(column_names(y)) if is_frame(y) else np.arange(Y.shape[1])
    if len(names) != Y.shape[1]:
        raise DataError(f"{what} has {Y.shape[1]} columns, one for each label, but there are {len(names)} labels")
    if (bad := (Y != 0) & (Y != 1)).any():
        row, column = (int(i[0]) for i in bad.nonzero())
        raise DataError(
            f"{what} must hold 1 for the labels that an item has and 0 for the others; got {Y[row, column]:g} in row "
            f"{row}, column {names.tolist()[column]!r}. (Where an item has one label, {what} should be a 1d array)"
        )
    return Y == 1, names


def _from_sets(items: list[Any], what: str, names: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    for row, item in enumerate(items):
        if not isinstance(item, set | frozenset):
            raise DataError(
                f"{what} holds sets of labels, but row {row} holds {item!r}: give every item a set, set() for no label"
            )
    flat = [label for item in items for label in item]
    if names is None and not flat:
        raise DataError(f"{what} holds no label at all: all {len(items)} sets are empty")
    as_labels(np.fromiter(flat, dtype=object, count=len(flat)), what)  # refuses what is no label, and mixtures
    names = np.unique(np.array(flat)) if names is None else names
    place = {label: column for column, label in enumerate(names.tolist())}
    if unknown := [label for label in flat if label not in place]:
        raise DataError(f"{what} holds the label {unknown[0]!r}, which is not among {names.tolist()[:20]!r}")
    Y = np.zeros((len(items), len(names)), dtype=bool)
    Y[np.repeat(np.arange(len(items)), [len(item) for item in items]), [place[label] for label in flat]] = True
    return Y, names


def _matrix(y: Any, what: str) -> np.ndarray:
    if isinstance(y, torch.Tensor):
        y = y.numpy(force=True)
    elif sparse.issparse(y):
        y = y.toarray()
    elif is_frame(y):
        y = nw.from_native(y, eager_only=True).to_numpy()
    try:
        Y = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what} must be a list of sets of labels, or a matrix of 0s and 1s with a column for each label: {error}"
        ) from error
    if Y.ndim != 2 or 0 in Y.shape:
        raise DataError(f"{what} must be a matrix of 0s and 1s, items by labels; got shape {Y.shape}")
    return Y
