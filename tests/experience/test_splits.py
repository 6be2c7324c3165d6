"""Splits: every row is judged once, groups and time are kept, and a seed fixes everything."""

import json

import numpy as np
import pytest

from peira.core.errors import DataError
from peira.experience import splits


def is_partition(split, n):
    return all(np.array_equal(np.sort(np.concatenate(pair)), np.arange(n)) for pair in split)


def judged_once(split, n):
    return np.array_equal(np.sort(np.concatenate([test for _, test in split])), np.arange(n))


@pytest.mark.parametrize("n", [2, 3, 10, 11])
@pytest.mark.parametrize("k", [2, 3])
def test_kfold(n, k, seed):
    if n < k:
        with pytest.raises(DataError, match=f"{n} rows cannot be dealt"):
            splits.kfold(n, k, seed=seed)
        return
    split = splits.kfold(n, k, seed=seed)
    assert len(split) == k and is_partition(split, n) and judged_once(split, n)
    sizes = [len(test) for _, test in split]
    assert max(sizes) - min(sizes) <= 1


def test_a_seed_fixes_everything(seed):
    y = np.arange(40) % 4
    state = np.random.get_state()[1].copy()
    for make in (
        lambda s: splits.kfold(40, seed=s),
        lambda s: splits.stratified(y, seed=s),
        lambda s: splits.grouped(np.arange(40) // 2, seed=s),
        lambda s: splits.repeated(40, seed=s),
        lambda s: splits.holdout(40, seed=s),
        lambda s: splits.holdout(40, seed=s, y=y),
    ):
        first, again, other = make(seed), make(seed), make(seed + 1)
        assert all(np.array_equal(a, b) for p, q in zip(first, again, strict=True) for a, b in zip(p, q, strict=True))
        assert any(not np.array_equal(p[1], q[1]) for p, q in zip(first, other, strict=True))
    assert np.array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(
    "labels", [np.array(["a", "b", "c"], object), np.array([1, 2, 3]), np.array([True, False, False])]
)
def test_stratified_folds_have_the_shares_of_the_whole(labels, seed):
    y = labels[np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [10, 20, 30]))]
    split = splits.stratified(y, 5, seed=seed)
    assert judged_once(split, 60)
    for _, test in split:
        for value in set(labels.tolist()):
            assert (y[test] == value).sum() == (y == value).sum() // 5


def test_numbers_are_stratified_by_their_tenths(seed):
    y = np.random.default_rng(seed).normal(size=200)
    low = np.sort(y)[20]
    for _, test in splits.stratified(y, 5, seed=seed):
        assert (y[test] < low).sum() == 4


def test_a_rare_label_is_refused():
    with pytest.raises(DataError, match="label 'b' has 2 rows, fewer than the 5 folds"):
        splits.stratified(np.array(["a"] * 9 + ["b"] * 2, object), 5)


@pytest.mark.parametrize("kind", [int, str])
def test_groups_stay_together(kind, seed):
    groups = np.array([kind(g) for g in np.random.default_rng(seed).integers(0, 9, 50)])
    split = splits.grouped(groups, 3, seed=seed)
    assert judged_once(split, 50)
    for train, test in [*split, *splits.holdout(50, 0.3, seed=seed, groups=groups)]:
        assert not set(groups[train]) & set(groups[test])
    with pytest.raises(DataError, match="groups"):
        splits.grouped(groups, 10)


@pytest.mark.parametrize("gap", [0, 2])
def test_time_is_never_turned(gap):
    split = splits.time_ordered(20, 4, gap=gap)
    assert len(split) == 4 and np.array_equal(np.concatenate([test for _, test in split]), np.arange(4, 20))
    for train, test in split:
        assert np.array_equal(train, np.arange(test[0] - gap)) and len(train)
    with pytest.raises(DataError):
        splits.time_ordered(20, 4, gap=4)


def test_repeats_differ(seed):
    split = splits.repeated(12, 3, 2, seed=seed)
    assert len(split) == 6 and judged_once(split[:3], 12) and judged_once(split[3:], 12)
    assert any(not np.array_equal(split[i][1], split[i + 3][1]) for i in range(3))
    assert len(splits.repeated(12, 3, 2, seed=seed, y=np.arange(12) % 2)) == 6


@pytest.mark.parametrize(("n", "share", "size"), [(2, 0.01, 1), (2, 0.99, 1), (10, 0.2, 2), (3, 0.5, 2)])
def test_holdout(n, share, size, seed):
    ((train, test),) = split = splits.holdout(n, share, seed=seed)
    assert is_partition(split, n) and len(test) == size and len(train)


def test_stratified_holdout(seed):
    y = np.repeat(["a", "b"], [80, 20])
    ((_, test),) = splits.holdout(100, 0.2, seed=seed, y=y)
    assert (y[test] == "b").sum() == 4 and len(test) == 20


@pytest.mark.parametrize(
    "make",
    [
        lambda: splits.kfold(1, 2),
        lambda: splits.kfold(5, 1),
        lambda: splits.kfold(0, 5),
        lambda: splits.holdout(1),
        lambda: splits.holdout(10, 1.0),
        lambda: splits.holdout(10, y=np.arange(10) % 2, groups=np.arange(10)),
        lambda: splits.holdout(4, y=np.array(["a", "a", "a", "b"])),
        lambda: splits.repeated(10, 5, 0),
        lambda: splits.grouped(np.array([]), 2),
        lambda: splits.stratified(np.append(np.arange(30.0), np.nan), 2),
    ],
)
def test_what_cannot_be_split(make):
    with pytest.raises(DataError):
        make()


def test_written_and_read_back(seed):
    for split, n in ((splits.kfold(11, 3, seed=seed), 11), (splits.time_ordered(11, 3, gap=1), 11)):
        text = json.dumps(splits.to_json(split, n))
        back = splits.from_json(json.loads(text))
        assert all(np.array_equal(a, b) for p, q in zip(split, back, strict=True) for a, b in zip(p, q, strict=True))
    assert '"rest"' in json.dumps(splits.to_json(splits.kfold(6, 2), 6))


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"rows": 3},
        {"rows": 3, "folds": [{"test": [3], "train": "rest"}]},
        {"rows": 3, "folds": [{"test": [-1], "train": []}]},
    ],
)
def test_stored_splits_are_checked(written):
    with pytest.raises(DataError):
        splits.from_json(written)
