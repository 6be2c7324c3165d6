"""Tables: rows and columns of whatever came in."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from peira.core.errors import DataError
from peira.experience import Table


def test_rows_and_columns(seed):
    rng = np.random.default_rng(seed)
    columns = {"a": rng.normal(size=7), "b": rng.choice(["u", "v"], 7).astype(object), "c": rng.random(7) < 0.5}
    t = Table.of(columns)
    for index in (
        slice(2, 5),
        slice(None, None, -2),
        np.array([3, 3, 0]),
        [1],
        [],
        rng.random(7) < 0.5,
        slice(0, 0),
        -1,
        2,
    ):
        part = t[index]
        plain = np.array(index, np.intp) if isinstance(index, int | list) else index
        for name, values in columns.items():
            np.testing.assert_array_equal(part[name], np.atleast_1d(values[plain]))
        np.testing.assert_array_equal(part.rows, np.atleast_1d((np.arange(7) + 1)[plain]))
        assert len(part) == len(part.rows)
    assert t.drop("b").names == ["a", "c"] and t.select(["c", "a"]).names == ["c", "a"]
    assert t[4:][[1]].rows.tolist() == [6]


@pytest.mark.parametrize("N", [0, 1, 2, 3])
def test_small_arrays(N):
    t = Table.of(np.arange(2.0 * N).reshape(N, 2))
    assert t.shape == (N, 2) and t.names == ["x0", "x1"]
    np.testing.assert_array_equal(np.asarray(t), np.arange(2.0 * N).reshape(N, 2))
    assert Table.of(np.empty((N, 0))).shape == (N, 0)


def test_unknown_columns_are_answered_with_the_nearest():
    t = Table.of({"height": [1.0], "width": [2.0]})
    for ask in (lambda: t["heigth"], lambda: t.drop("heigth"), lambda: t.select(["heigth"])):
        with pytest.raises(DataError, match="did you mean 'height'"):
            ask()


def test_columns_of_unequal_length():
    with pytest.raises(DataError, match="'a' has 1 values and 'b' 2"):
        Table.of({"a": [1.0], "b": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, None], np.array([1, 2, np.nan])),
        ([True, False], np.array([True, False])),
        ([True, None], np.array(["True", None], object)),
        (["a", None, float("nan")], np.array(["a", None, None], object)),
        ([1, "a"], np.array(["1", "a"], object)),
        ([None, None], np.array([None, None], object)),
        (np.array([1, 2], np.uint8), np.array([1.0, 2.0])),
        (np.array([1.5], np.float16), np.array([1.5])),
        (np.array([b"a"]), np.array(["a"], object)),
        ([2**60, 1], np.array([str(2**60), "1"], object)),
        (torch.tensor([1, 2]), np.array([1.0, 2.0])),
        ([date(2020, 1, 2), None], np.array(["2020-01-02", "NaT"], "datetime64[us]")),
        ([datetime(2020, 1, 2, 3, tzinfo=UTC)], np.array(["2020-01-02T03"], "datetime64[us]")),
        (np.array([90], "timedelta64[s]"), np.array([90.0])),
        (pd.array([1, None], dtype="Int64"), np.array([1.0, np.nan])),
        (pd.Series(["a", pd.NA], dtype="string"), np.array(["a", None], object)),
        (pd.Series([1.5, None]), np.array([1.5, np.nan])),
    ],
)
def test_values_of_every_kind(values, expected):
    sources = [{"v": values}]
    if not isinstance(values, torch.Tensor) and getattr(values, "dtype", None) != np.dtype("S1"):
        sources.append(pd.DataFrame({"v": values}))
    for source in sources:
        got = Table.of(source)["v"]
        if expected.dtype.kind == "O" and got.dtype.kind == "f":  # pandas gives all-missing columns as NaN
            assert np.isnan(got).all() and not any(expected)
            continue
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected, equal_nan=expected.dtype.kind in "fM")


def test_polars_types():
    frame = pl.DataFrame(
        {
            "i": pl.Series([1, None], dtype=pl.Int32),
            "u": pl.Series([2**63, 1], dtype=pl.UInt64),
            "b": pl.Series([True, None]),
            "c": pl.Series(["x", None], dtype=pl.Categorical),
            "e": pl.Series(["lo", "hi"], dtype=pl.Enum(["lo", "hi"])),
            "t": pl.Series([datetime(2020, 1, 1, 12), None]).dt.replace_time_zone("Europe/Berlin"),
            "n": pl.Series([None, None], dtype=pl.Null),
        }
    )
    t = Table.of(frame.lazy())
    assert np.array_equal(t["i"], [1, np.nan], equal_nan=True)
    assert t["u"].tolist() == [str(2**63), "1"] and t["b"].tolist() == ["True", None] and t["c"].tolist() == ["x", None]
    assert t.orders == {"e": ["lo", "hi"]} and t["t"][0] == np.datetime64("2020-01-01T11:00") and np.isnat(t["t"][1])
    assert len(t.notes) == 2


def test_ordered_pandas_categories_keep_their_order():
    t = Table.of(pd.DataFrame({"size": pd.Categorical(["S", "L"], categories=["S", "M", "L"], ordered=True)}))
    assert t.orders == {"size": ["S", "M", "L"]}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (np.ones(3), DataError),
        (np.ones((2, 2, 2)), DataError),
        (5, DataError),
        ({"a": [1 + 2j]}, DataError),
        ({"a": [[1], [2]]}, DataError),
        ({"a": [{}, 1]}, TypeError),
        ({"a": [object()]}, TypeError),
        (pl.DataFrame({"a": [[1], [2]]}), DataError),
    ],
)
def test_what_is_no_table(data, error):
    with pytest.raises(error):
        Table.of(data)


def test_structured_arrays():
    t = Table.of(np.array([(1, "a"), (2, "b")], [("n", int), ("w", "U1")]))
    assert t["n"].tolist() == [1, 2] and t["w"].tolist() == ["a", "b"]


def test_a_table_with_words_is_no_array():
    with pytest.raises(DataError, match="'w' holds words"):
        np.asarray(Table.of({"n": [1.0], "w": ["a"]}))


def test_frames_whose_columns_are_numbered():
    """pandas numbers unnamed columns; a number must not be taken for a row."""
    table = Table.of(pd.DataFrame([[1.0, "a"], [2.0, "b"], [3.0, "c"]]))
    assert table.names == ["0", "1"]
    assert table["0"].tolist() == [1.0, 2.0, 3.0] and table["1"].tolist() == ["a", "b", "c"]
