"""Sets of labels at the door: what they are, and what they become."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse

from peira.core.errors import DataError
from peira.core.label_sets import are_sets, open_sets

Y = np.array([[1, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (Y, [0, 1]),
        (Y.tolist(), [0, 1]),
        (sparse.csc_array(Y), [0, 1]),
        (torch.from_numpy(Y), [0, 1]),
        (pd.DataFrame(Y, columns=["b", "a"]), ["b", "a"]),
        (pl.DataFrame({"b": Y[:, 0], "a": Y[:, 1]}), ["b", "a"]),
        ([{"a"}, set(), {"b", "a"}], ["a", "b"]),
        (pd.Series([{"a"}, set(), {"b", "a"}]), ["a", "b"]),
        (np.array([frozenset({7}), frozenset(), frozenset({9, 7})], dtype=object), [7, 9]),
    ],
)
def test_a_matrix_or_sets(y, names):
    found, labels = open_sets(y, "y")
    assert are_sets(y) and found.dtype == bool and labels.tolist() == names
    np.testing.assert_array_equal(found, Y)


@pytest.mark.parametrize(
    "y", [["a", "b"], np.arange(3), np.arange(3)[:, None], [[1], [1, 2]], torch.arange(3), [], None, [("a", "b")] * 0]
)
def test_one_label_an_item_is_no_set(y):
    assert not are_sets(y)


def test_declared_labels_are_the_columns_in_their_order():
    found, labels = open_sets([{"a"}, {"c"}], "y", ["c", "b", "a"])
    assert found.tolist() == [[False, False, True], [True, False, False]] and labels.tolist() == ["c", "b", "a"]
    assert open_sets([set(), set()], "y", ["a"])[0].tolist() == [[False], [False]]
    with pytest.raises(DataError, match="y has 2 columns, one for each label, but there are 3 labels"):
        open_sets(Y, "y", ["c", "b", "a"])
    with pytest.raises(DataError, match="y holds the label 'd', which is not among"):
        open_sets([{"d"}], "y", ["c", "b", "a"])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([{"a"}, "a"], "row 1 holds 'a': give every item a set"),
        ([{"a"}, {None, "b"}], "NaN or None"),
        ([{"a"}, {("b", "c")}], "mixes str and tuple"),
        (pd.DataFrame({"a": [0, 1], "b": [0, 5]}), "got 5 in row 1, column 'b'"),
        (np.zeros((0, 2)), r"items by labels; got shape \(0, 2\)"),
        ([["a", "b"], ["c", "d"]], "a list of sets of labels, or a matrix"),
    ],
)
def test_what_is_no_set_is_named(y, message):
    with pytest.raises(DataError, match=message):
        open_sets(y, "y")
