"""Splits: parts to learn from and parts to be judged on.

Each function gives a list of pairs ``(train, test)`` of sorted row positions, fixed by its seed
and by nothing else. How rows are dealt out is scikit-learn's; what is checked beforehand and how a
split is written to a run is stated here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import model_selection

from peira.core.errors import DataError

Split = list[tuple[np.ndarray, np.ndarray]]


def kfold(n: int, k: int = 5, *, seed: int = 0) -> Split:
    """Each row is in the test part of exactly one of ``k`` folds.

    Parameters
    ----------
    n : int
        Number of rows, at least ``k``.
    k : int, default 5
    seed : int, default 0

    Examples
    --------
    >>> [test.tolist() for _, test in kfold(5, 2, seed=0)]
    [[0, 1, 2], [3, 4]]
    """
    _check_folds(n, k)
    return _sorted(model_selection.KFold(k, shuffle=True, random_state=seed).split(np.empty(n)))


def stratified(y: Any, k: int = 5, *, seed: int = 0) -> Split:
    """As `kfold`, with (nearly) the same share of each label in every fold.

    Parameters
    ----------
    y : array of shape (N,)
        Labels. Numbers that take more than 20 different values are dealt out by their tenths:
        each fold then holds as many low, middling and high ones as the next.
    k : int, default 5
    seed : int, default 0

    Raises
    ------
    DataError
        If a label has fewer than ``k`` rows, so that some folds would go without it.
    """
    y = np.asarray(y)
    _check_folds(len(y), k)
    strata = _strata(y)
    values, counts = np.unique(strata, return_counts=True)
    if counts.min() < k:
        rare = values[counts.argmin()]
        raise DataError(
            f"label {str(rare)!r} has {counts.min()} rows, fewer than the {k} folds; "
            "take fewer folds, pool rare labels, or use kfold"
        )
    return _sorted(model_selection.StratifiedKFold(k, shuffle=True, random_state=seed).split(strata, strata))


def label_stratified(Y: Any, k: int = 5, *, seed: int = 0) -> Split:
    """As `kfold`, with (nearly) the same share of each label in every fold, where rows have any number of labels.

    Rows are dealt out label by label, the one with the fewest rows left first, each to the fold that lacks most of it:
    Sechidis, Tsoumakas & Vlahavas (2011), On the stratification of multi-label data, algorithm 1.

    Parameters
    ----------
    Y : array of shape (N, L)
        1 where a row has the label, else 0.
    k : int, default 5
    seed : int, default 0

    Notes
    -----
    Takes N k L operations.

    Examples
    --------
    >>> Y = [[1, 0], [1, 0], [1, 1], [1, 1], [0, 0], [0, 0]]
    >>> [np.sum(np.asarray(Y)[test], 0).tolist() for _, test in label_stratified(Y, 2)]
    [[2, 1], [2, 1]]
    """
    T = np.asarray(Y) == 1
    if T.ndim != 2:
        raise DataError(f"labels have shape {T.shape}; expected a matrix of rows by labels")
    N = len(T)
    _check_folds(N, k)
    order = np.random.default_rng(seed).permutation(N)
    rows_wanted, wanted = np.full(k, N / k), np.tile(T.sum(0) / k, (k, 1))
    fold, left = np.full(N, -1), T.sum(0)
    while left.any():
        label = int(np.where(left > 0, left, N + 1).argmin())
        rows = order[(fold[order] < 0) & T[order, label]]
        for row in rows:
            to = np.lexsort((-rows_wanted, -wanted[:, label]))[0]
            fold[row] = to
            wanted[to] -= T[row]
            rows_wanted[to] -= 1
        left = left - T[rows].sum(0)
    for row in order[fold[order] < 0]:  # without labels
        fold[row] = rows_wanted.argmax()
        rows_wanted[fold[row]] -= 1
    return [(np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(k)]


def grouped(groups: Any, k: int = 5, *, seed: int = 0) -> Split:
    """As `kfold`, with all rows of a group on the same side, so that none is learned from and judged on.

    Parameters
    ----------
    groups : array of shape (N,)
        Which group (patient, household, session) each row belongs to.
    k : int, default 5
    seed : int, default 0
    """
    codes = _codes(groups)
    _check_folds(int(codes.max(initial=-1)) + 1, k, "groups")
    return _sorted(model_selection.GroupKFold(k, shuffle=True, random_state=seed).split(codes, groups=codes))


def time_ordered(n: int, k: int = 5, *, gap: int = 0) -> Split:
    """The test parts follow each other in time, and each is judged on what was learned from all rows before it.

    Parameters
    ----------
    n : int
        Number of rows, in the order of time.
    k : int, default 5
    gap : int, default 0
        Rows left out between the parts, where neighbours in time depend on each other.
    """
    _check_folds(n, k + 1)
    size = n // (k + 1)
    if not 0 <= gap < n - k * size:
        raise DataError(f"a gap of {gap} rows leaves the first of {k} folds of {n} rows nothing to learn from")
    return _sorted(model_selection.TimeSeriesSplit(k, gap=gap).split(np.empty(n)))


def repeated(n: int, k: int = 5, repeats: int = 3, *, seed: int = 0, y: Any = None) -> Split:
    """``repeats`` times `kfold` (or `stratified`, if labels are given), each with a seed of its own.

    Parameters
    ----------
    n : int
        Number of rows.
    k, repeats : int
    seed : int, default 0
    y : array of shape (N,), optional
    """
    if repeats < 1:
        raise DataError(f"the number of repeats must be at least 1, got {repeats}")
    seeds = np.random.SeedSequence(seed).generate_state(repeats)
    return [pair for s in seeds for pair in (kfold(n, k, seed=int(s)) if y is None else stratified(y, k, seed=int(s)))]


def holdout(n: int, share: float = 0.2, *, seed: int = 0, y: Any = None, groups: Any = None) -> Split:
    """One pair: a random share of the rows is kept for the test.

    Parameters
    ----------
    n : int
        Number of rows, at least 2.
    share : float in (0, 1), default 0.2
        Share of the rows (of the groups, if given) in the test part, at least one and not all.
    seed : int, default 0
    y : array of shape (N,), optional
        Keep the share of each label, as in `stratified`.
    groups : array of shape (N,), optional
        Keep groups together, as in `grouped`.
    """
    if not 0 < share < 1:
        raise DataError(f"the share of the test part must lie between 0 and 1, got {share}")
    if y is not None and groups is not None:
        raise DataError("a hold-out is stratified by y or grouped, not both")
    codes = np.arange(n) if groups is None else _codes(groups)
    units = int(codes.max(initial=-1)) + 1
    if len(codes) != n or units < 2:
        raise DataError(f"a hold-out needs at least two rows or groups, got {units} of {n} rows")
    size = min(max(round(units * share), 1), units - 1)
    if y is not None:
        strata = _strata(np.asarray(y))
        _, counts = np.unique(strata, return_counts=True)
        if counts.min() < 2 or size < len(counts) or n - size < len(counts):
            raise DataError(
                f"{len(counts)} labels, the rarest with {counts.min()} rows, cannot all stand in both parts of {n} rows"
            )
        return _sorted(
            model_selection.StratifiedShuffleSplit(1, test_size=size, random_state=seed).split(strata, strata)
        )
    chosen = np.zeros(units, bool)
    chosen[np.random.default_rng(seed).permutation(units)[:size]] = True
    test = chosen[codes]
    return [(np.flatnonzero(~test), np.flatnonzero(test))]


def to_json(split: Split, n: int) -> dict[str, Any]:
    """A split as plain lists, small: a training part that is all the rest is not written out."""
    folds = []
    for train, test in split:
        rest = np.setdiff1d(np.arange(n), test)
        folds.append({"test": test.tolist(), "train": "rest" if np.array_equal(rest, train) else train.tolist()})
    return {"rows": n, "folds": folds}


def from_json(written: dict[str, Any]) -> Split:
    """The split that `to_json` wrote.

    Raises
    ------
    DataError
        If it is not one, or names rows that are not there.
    """
    try:
        n = int(written["rows"])
        split = []
        for fold in written["folds"]:
            test = np.asarray(fold["test"], np.intp)
            rest = fold["train"] == "rest" if isinstance(fold["train"], str) else False
            train = np.setdiff1d(np.arange(n), test) if rest else np.asarray(fold["train"], np.intp)
            if any(part.ndim != 1 or (part.size and not 0 <= part.min() <= part.max() < n) for part in (train, test)):
                raise DataError(f"a stored split names rows that are not among the {n}")
            split.append((train, test))
        return split
    except (KeyError, TypeError, OverflowError) as error:
        raise DataError(f"this is not a stored split: {error!r}") from error


def _sorted(pairs: Any) -> Split:
    return [(np.sort(train), np.sort(test)) for train, test in pairs]


def _check_folds(n: int, k: int, what: str = "rows") -> None:
    if k < 2:
        raise DataError(f"the number of folds must be at least 2, got {k}")
    if n < k:
        raise DataError(
            f"{n} {what} cannot be dealt out into {k} parts; take at most {n}"
            if n > 1
            else f"{n} {what} cannot be split"
        )


def _codes(labels: Any) -> np.ndarray:
    """Labels of any kind as whole numbers, in order of first appearance."""
    codes: dict[Any, int] = {}
    values: Sequence[Any] = np.asarray(labels).tolist()
    return np.array([codes.setdefault(v, len(codes)) for v in values], np.intp)


def _strata(y: np.ndarray) -> np.ndarray:
    if y.ndim != 1:
        raise DataError(f"labels have shape {y.shape}; expected one a row")
    if y.dtype.kind in "fiu" and len(np.unique(y)) > 20:
        if not np.isfinite(y).all():
            raise DataError("targets to stratify by hold NaN or infinite values")
        rank = np.empty(len(y), np.intp)
        rank[np.argsort(y, kind="stable")] = np.arange(len(y))
        return rank * min(10, max(len(y) // 20, 1)) // len(y)
    return np.array([str(v) for v in y]) if y.dtype.kind == "O" else y
