"""The door: what passes, what it becomes, and the sentence for everything that does not."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from peira.core import DataError
from peira.core.inputs import column_names, open_matrix, open_targets, open_weights


def door(X, **options):
    return open_matrix(X, owner="Model", names=column_names(X), **options)


def targets(y, N=3, multi_output=True):
    return open_targets(y, N, door(np.zeros((N, 1))), owner="Model", multi_output=multi_output)


def weights(w, N=3):
    return open_weights(w, N, door(np.zeros((N, 1))), owner="Model")


# ---------------------------------------------------------------- what is shared, what is copied


def test_arrays_of_float64_are_looked_at_where_they_lie():
    for X in (np.ones((3, 2)), np.asfortranarray(np.ones((3, 2))), np.ones((6, 2))[::2], np.ones((3, 4))[:, 1:3]):
        assert np.shares_memory(door(X).X.numpy(), X)
    tensor = torch.ones(3, 2, dtype=torch.float64)
    assert door(tensor).X.data_ptr() == tensor.data_ptr()
    y = np.ones(3)
    assert np.shares_memory(targets(y)[0].numpy(), y)
    w = np.ones(3)
    assert np.shares_memory(weights(w).numpy(), w)


def test_a_read_only_memory_map_is_not_copied(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(6.0).reshape(3, 2))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    opened = door(X)
    assert np.shares_memory(opened.X.numpy(), X) and opened.X.tolist() == [[0, 1], [2, 3], [4, 5]]
    column = np.arange(3.0)
    column.setflags(write=False)
    assert np.shares_memory(targets(column)[0].numpy(), column)
    assert np.shares_memory(weights(column).numpy(), column)


def test_sparse_matrices_become_rows_in_float64():
    X = sparse.coo_matrix(np.eye(3, dtype=np.float32))
    opened = door(X, sparse_ok=True)
    assert sparse.issparse(opened.X) and opened.X.format == "csr" and opened.X.dtype == np.float64
    ready = sparse.csr_array(np.eye(3))
    assert np.shares_memory(door(ready, sparse_ok=True).X.data, ready.data)
    with pytest.raises(TypeError, match=r"Sparse data was passed, but Model needs dense data: use X.toarray"):
        door(X)
    with pytest.raises(TypeError, match="as SciPy matrices"):
        door(torch.eye(3).to_sparse(), sparse_ok=True)


@pytest.mark.parametrize(
    "turn",
    [
        lambda X: X[::-1],
        lambda X: X[:, ::-1],
        lambda X: X.astype(">f8"),
        lambda X: X.astype(">i4"),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(np.longdouble),
        lambda X: X.astype(np.uint64),
        lambda X: X.astype(object),
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X, columns=["a", "b"]),
        lambda X: pd.DataFrame(X).astype("Int64"),
        lambda X: pd.DataFrame(X).astype("float64[pyarrow]"),
        lambda X: pl.DataFrame(X),
        lambda X: pa.table({"a": X[:, 0], "b": X[:, 1]}),
    ],
)
def test_every_make_becomes_the_same_float64_tensor(turn):
    X = np.arange(6.0).reshape(3, 2)
    opened = door(turn(X))
    assert opened.X.dtype == torch.float64
    assert opened.X.tolist() == np.asarray(turn(X), dtype=np.float64).tolist()
    assert opened.as_numpy


def test_tensors_keep_their_place_and_lose_their_gradient():
    X = torch.ones(3, 2, dtype=torch.float32, requires_grad=True)
    opened = door(X)
    assert not opened.as_numpy and opened.X.dtype == torch.float64 and not opened.X.requires_grad
    assert isinstance(opened.give(opened.X), torch.Tensor)
    assert isinstance(door(X.detach().numpy()).give(torch.ones(2)), np.ndarray)
    y, squeeze = targets(torch.ones(3, requires_grad=True))
    assert not y.requires_grad and squeeze
    assert not weights(torch.ones(3, requires_grad=True)).requires_grad


def test_names_of_columns():
    assert column_names(pd.DataFrame({"a": [1], "b": [2]})) == ["a", "b"]
    assert column_names(pd.DataFrame([[1, 2]])) == ["0", "1"]
    assert column_names(pl.DataFrame({"δ": [1]})) == ["δ"]
    assert column_names(pa.table({"x": [1]})) == ["x"]
    assert column_names(np.ones((1, 1))) is None and column_names(torch.ones(1, 1)) is None
    with pytest.raises(DataError, match="names of the columns must differ"):
        column_names(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.zeros(3), "Expected 2D array, got 1D array"),
        (np.zeros((2, 2, 2)), "dim 3"),
        (3.0, "Expected 2D array, got scalar"),
        (torch.zeros(3), "expected 2D array for X, got a tensor of shape \\(3,\\)"),
        (torch.zeros(0, 3), "0 sample\\(s\\) .* minimum of 1 is required by Model"),
        (torch.zeros(3, 0), "0 feature\\(s\\)"),
        (torch.zeros(2, 2) * 1j, "Complex data not supported"),
        (np.zeros((2, 2)) * 1j, "Complex data not supported: Model got X of complex128"),
        (np.zeros((0, 3)), "0 sample"),
        (np.zeros((3, 0)), "0 feature"),
        ([[1], [1, 2]], "cannot read X as an array, are its rows of equal length"),
        ([["a"]], "needs numbers as X, got texts: convert them first, or put peira.experience.DesignMatrix before it"),
        ([["1"]], "needs numbers as X, got texts"),
        (np.array([[b"1"]]), "got texts"),
        (np.array([["1", 2.0]], dtype=object), "got texts"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "got datetime64\\[D\\]"),
        (np.array([[1]], dtype="m8[s]"), "got timedelta64\\[s\\]"),
        (np.ma.masked_equal([[1.0, 2.0]], 2), "masked array as X, with 1 values masked"),
        (pl.DataFrame({"a": [1.0]}).lazy(), "lazy frame as X: call collect"),
        (pl.DataFrame({"a": [1.0], "b": ["x"]}), "column 'b' holds String, not numbers; Model needs numbers"),
        (pl.DataFrame({"a": ["x"], "b": ["x"]}), "\\(so do 1 more\\)"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "column 'a' holds Datetime"),
        (pd.DataFrame({"a": pd.Categorical([1])}), "column 'a' holds Categorical"),
        (pd.DataFrame({"a": [1], "b": [object()]}), None),
        ({"a": [1]}, None),
    ],
)
def test_what_is_no_matrix_of_numbers(X, words):
    with pytest.raises((DataError, TypeError) if words is None else ValueError, match=words):
        door(X)


@pytest.mark.parametrize("make", [np.array, torch.tensor, lambda X: pd.DataFrame(X, columns=["a", "b", "c"])])
def test_what_is_not_finite_is_counted_and_placed(make):
    X = [[1.0, 2.0, 3.0], [4.0, np.nan, np.inf], [7.0, np.nan, 9.0]]
    label = "'b'" if isinstance(make(X), pd.DataFrame) else "1 of X"
    words = (
        f"column {label} holds 2 NaN or infinite values \\(first: NaN in row 1\\), other columns 1 more; Model needs"
    )
    with pytest.raises(DataError, match=words):
        door(make(X))
    with pytest.raises(DataError, match="holds 1 infinite value \\(first: infinite in row 1\\); Model"):
        door(make(X), missing_ok=True)


def test_what_is_not_finite_in_a_sparse_matrix():
    X = sparse.csr_array(([1.0, np.nan, -np.inf], ([0, 2, 1], [0, 1, 1])), shape=(3, 2))
    with pytest.raises(DataError, match="column 1 of X holds 2 NaN or infinite values \\(first: infinite in row 1\\)"):
        door(X, sparse_ok=True)


def test_large_but_finite_numbers_pass_although_their_sum_does_not():
    assert len(door(np.full((3, 2), 1.7e308))) == 3
    assert len(door(sparse.csr_array(np.full((3, 2), -1.7e308)), sparse_ok=True)) == 3


def test_missing_values_pass_where_they_are_welcome():
    assert torch.isnan(door(np.array([[np.nan, 1.0]]), missing_ok=True).X[0, 0])
    assert torch.isnan(door(pl.DataFrame({"a": [None, 1.0]}), missing_ok=True).X[0, 0])
    assert torch.isnan(door(pa.table({"a": pa.array([None, 1])}), missing_ok=True).X[0, 0])
    assert torch.isnan(door(pd.DataFrame({"a": pd.array([None, 1], dtype="Int64")}), missing_ok=True).X[0, 0])


@pytest.mark.parametrize(
    ("y", "shape", "squeeze"),
    [
        ([1, 2, 3], (3, 1), True),
        (np.ones((3, 1)), (3, 1), False),
        (np.ones((3, 2)), (3, 2), False),
        (torch.ones(3), (3, 1), True),
        (pd.Series([1, 2, 3], index=[7, 8, 9]), (3, 1), True),
        (pl.Series([1, 2, 3]), (3, 1), True),
        (pa.chunked_array([[1, 2], [3]]), (3, 1), True),
        (pd.DataFrame({"a": [1, 2, 3]}), (3, 1), False),
        (pl.DataFrame({"a": [1, 2, 3], "b": [1, 2, 3]}), (3, 2), False),
        (np.array([True, False, True]), (3, 1), True),
        (np.arange(3, dtype=">i2"), (3, 1), True),
        (np.arange(3.0)[::-1], (3, 1), True),
    ],
)
def test_targets(y, shape, squeeze):
    Y, squeezed = targets(y)
    assert (Y.dtype, tuple(Y.shape), squeezed) == (torch.float64, shape, squeeze)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([1, 2], "X has 3 rows, y has 2"),
        (3.0, "targets of shape \\(N,\\) or \\(N, K\\), got \\(\\)"),
        (np.ones((3, 1, 1)), "got \\(3, 1, 1\\)"),
        (np.ones((3, 0)), "got \\(3, 0\\)"),
        ([1.0, np.nan, np.inf], "2 of 3 targets, first NaN in row 1; drop"),
        (np.array([[1, 2], [3, np.inf], [0, 0]]), "first infinity in row 1 of output 1"),
        (["a", "b", "c"], "numbers as y, got texts"),
        (["1", "2", "3"], "numbers as y, got texts"),
        (np.arange(3).astype("M8[D]"), "got datetime64"),
        ([1j, 0, 0], "Complex data not supported"),
        (torch.ones(3) * 1j, "Complex data not supported"),
        (np.ma.masked_equal([1.0, 2.0, 3.0], 2), "masked array as y"),
        ([[1], [1, 2], [3]], "cannot read y"),
        ([None, 1.0, 2.0], "first NaN in row 0"),
    ],
)
def test_targets_that_are_refused(y, words):
    with pytest.raises(DataError, match=words):
        targets(y)


def test_one_target_only():
    from sklearn.exceptions import DataConversionWarning

    with pytest.raises(ValueError, match="1d array"):
        targets(np.ones((3, 2)), multi_output=False)
    with pytest.raises(DataError, match="targets of shape \\(N,\\), got \\(3, 2\\)"):
        targets(torch.ones(3, 2), multi_output=False)
    with pytest.warns(DataConversionWarning):
        Y, squeeze = targets(np.ones((3, 1)), multi_output=False)
    assert squeeze and Y.shape == (3, 1)


@pytest.mark.parametrize(
    "w",
    [
        2,
        2.0,
        np.float32(2),
        [2, 2, 2],
        np.full(3, 2.0)[::-1],
        np.full(3, 2, dtype=">i4"),
        torch.full((3,), 2),
        pd.Series([2, 2, 2], index=[5, 6, 7]),
        pl.Series([2.0, 2.0, 2.0]),
        pa.chunked_array([[2, 2], [2]]),
    ],
)
def test_weights(w):
    assert weights(w).tolist() == [2.0, 2.0, 2.0] and weights(w).dtype == torch.float64
    assert weights(None) is None


@pytest.mark.parametrize(
    ("w", "words"),
    [
        ([1, 1], r"sample_weight.shape == \(2,\), expected \(3,\)"),
        (np.ones((3, 1)), r"1D array or scalar, got shape \(3, 1\)"),
        ([1, -1, 1], r"got -1.0 .* in row 1"),
        ([1, 1, np.nan], r"got nan .* in row 2"),
        ([np.inf, 1, 1], r"got inf .* in row 0"),
        ([0, 0, 0], "all sample weights are zero"),
        (0, "all sample weights are zero"),
        ([1e308] * 3, "add up to infinity"),
        (["a"] * 3, "numbers as sample_weight"),
        (np.ones(3) * 1j, "Complex"),
        (torch.ones(3) * 1j, "Complex"),
    ],
)
def test_weights_that_are_refused(w, words):
    with pytest.raises(DataError, match=words):
        weights(w)
