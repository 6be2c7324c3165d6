"""Folds by their moments, against the rows themselves."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.model_selection import KFold, LeaveOneOut, ShuffleSplit

from peira.core.errors import DataError, ParameterError
from peira.core.inputs import Data
from peira.linear.folds import (
    choose,
    deal,
    error_on,
    folds_of_stream,
    leave_each_out,
    make_folds,
    mean_and_error,
    parts_of,
    split_one_by_one,
    squared_error,
)
from peira.numerics.moments import Moments

SUMS = ("n", "weight", "x_mean", "y_mean", "xx", "xy", "yy")


def rows(N, D=3, K=2, *, seed, weighted=True):
    rng = np.random.default_rng(seed)
    X, Y = torch.from_numpy(rng.standard_normal((N, D)) + 3), torch.from_numpy(rng.standard_normal((N, K)))
    w = torch.from_numpy(rng.uniform(0.1, 3, N)) if weighted else None
    return Data(X, True, torch.device("cpu"), Y=Y, w=w, names=tuple("abc"[:D]), squeeze=False)


def moments(data, index, centred=True):
    return Moments.of(data.X[index], data.Y[index], None if data.w is None else data.w[index], centred=centred)


def close(a, b, rtol=1e-12):
    for name in SUMS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("F", [1, 2, 3, 7])
@pytest.mark.parametrize("ends", [[], [1], [1, 2, 3], [5, 5, 16], range(1, 23)])
def test_rows_are_dealt_in_turn_wherever_blocks_end(seed, F, ends, centred):
    data, parts = rows(23, seed=seed), [Moments.empty(3, 2, centred=centred)] * F
    for block in np.split(np.arange(23), ends):
        one = Data(data.X[block], True, data.device, Y=data.Y[block], w=data.w[block])
        parts = deal(one, parts)
    for f, part in enumerate(parts):
        close(part, moments(data, slice(f, None, F), centred))


def test_a_fold_that_gets_no_row_is_left_as_it_is(seed):
    parts = [Moments.empty(3, 2)] * 5
    dealt = deal(rows(2, seed=seed), parts)
    assert [part.n for part in dealt] == [1, 1, 0, 0, 0]
    assert all(a is b for a, b in zip(dealt[2:], parts[2:], strict=True))


@pytest.mark.parametrize("F", [1, 2, 3, 6])
def test_each_part_is_left_out_once(seed, F):
    data = rows(20, seed=seed)
    parts = [moments(data, slice(f, None, F)) for f in range(F)]
    whole, splits = leave_each_out(parts)
    close(whole, moments(data, slice(None)))
    splits = list(splits)
    assert len(splits) == F
    for f, split in enumerate(splits):
        close(split.learned, moments(data, np.arange(20) % F != f))


def test_a_fold_that_outweighs_the_others_costs_them_no_digits(seed):
    data = rows(20, seed=seed, weighted=False)
    data.X[0] *= 1e9
    parts = [moments(data, slice(f, None, 4)) for f in range(4)]
    whole, splits = leave_each_out(parts)
    direct = moments(data, np.arange(20) % 4 != 0)
    close(next(splits).learned, direct)
    assert not np.allclose(whole.minus(parts[0]).xx, direct.xx, rtol=1e-3)  # what the difference would have given


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("S", [1, 4])
def test_errors_by_moments_are_those_by_rows(seed, weighted, kind, S):
    data = rows(15, seed=seed, weighted=weighted)
    rng = np.random.default_rng(seed)
    B, start = torch.from_numpy(rng.standard_normal((S, 3, 2))), torch.from_numpy(rng.standard_normal((S, 2)))
    w = np.ones(15) if data.w is None else data.w.numpy()
    expected = [
        np.average((data.Y - data.X @ b - c).numpy() ** 2, axis=0, weights=w) for b, c in zip(B, start, strict=True)
    ]
    by_moments = squared_error(moments(data, slice(None)), B, start)
    if kind == "sparse":
        data.X = sparse.csr_array(data.X.numpy())
    np.testing.assert_allclose(error_on(data)(B, start), expected, rtol=1e-12)
    np.testing.assert_allclose(by_moments, expected, rtol=1e-12)


@pytest.mark.parametrize("cv", [4, KFold(3, shuffle=True, random_state=0), LeaveOneOut()])
def test_a_partition_is_left_out_by_sums(seed, cv):
    data = rows(12, seed=seed)
    folds = make_folds(data, cv, "test")
    whole, splits = leave_each_out(parts_of(data, folds, centred=True))
    one_whole, one_by_one = split_one_by_one(data, folds, centred=True)
    close(whole, one_whole)
    B, start = torch.ones(1, 3, 2, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    for a, b in zip(splits, one_by_one, strict=True):
        close(a.learned, b.learned)
        np.testing.assert_allclose(a.error(B, start), b.error(B, start), rtol=1e-12)


def test_folds_that_are_no_partition_have_no_parts(seed):
    data = rows(12, seed=seed)
    half = (np.arange(6), np.arange(6, 12))
    for cv in (
        ShuffleSplit(3, random_state=0),
        [half],
        [half, half],
        [half, half[::-1], half],
        [half, (half[1][1:], half[0])],
    ):
        assert parts_of(data, make_folds(data, cv, "test"), centred=True) == []
    assert len(parts_of(data, [half, half[::-1]], centred=True)) == 2


def test_what_a_stream_takes_for_cv():
    assert [folds_of_stream(cv, "M") for cv in (None, 2, np.int64(7))] == [5, 2, 7]
    for cv in (1, 0, True, 2.0, "5", KFold(3), [(np.arange(2), np.arange(2, 4))]):
        with pytest.raises(ParameterError, match="pass cv=5"):
            folds_of_stream(cv, "M")


def test_weights_of_zero_and_too_few_rows_are_refused(seed):
    data = rows(6, seed=seed)
    data.w[:3] = 0
    with pytest.raises(DataError, match="weight zero"):
        parts_of(data, make_folds(data, 2, "test"), centred=True)
    with pytest.raises(DataError, match="6 rows"):
        make_folds(data, 7, "test")


def test_mean_error_and_choice_by_hand():
    errors = torch.tensor([[5.0, 5.0], [3.0, 2.0], [1.0, 3.0], [2.0, 2.5]], dtype=torch.float64)
    mean, se = mean_and_error(errors[:, :, None])
    np.testing.assert_allclose(mean[:, 0], [5, 2.5, 2, 2.25])
    np.testing.assert_allclose(se[:, 0], [0, 0.5, 1, 0.25])
    assert choose(mean, se, "best").tolist() == [2]
    assert choose(mean, se, "one_se").tolist() == [1]
    alone = mean_and_error(errors[:, :1])
    assert alone[0].tolist() == [5, 3, 1, 2] and alone[1].tolist() == [0, 0, 0, 0]
