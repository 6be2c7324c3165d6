"""Labels at the door."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from peira.core import DataError, ParameterError
from peira.core.inputs import Data
from peira.core.labels import class_weights, open_labels

ONE = Data(torch.zeros(3, 1, dtype=torch.float64), as_numpy=True, device=torch.device("cpu"))


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a", "b"],
        np.array(["b", "a", "b"], dtype=object),
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="category"),
        pl.Series(["b", "a", "b"]),
        pl.DataFrame({"y": ["b", "a", "b"]}),
    ],
    ids=lambda y: type(y).__module__.split(".")[0],
)
def test_words_in_any_container(y):
    codes, classes = open_labels(y, 3, ONE, owner="it")
    assert codes.tolist() == [1, 0, 1] and classes.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (torch.tensor([2, -1, 2]), [-1, 2]),
        ([True, False, True], [False, True]),
        (np.array([True, False, True], dtype=object), [False, True]),
        ([1.0, 0.0, 1.0], [0.0, 1.0]),
        (np.array([3, 1, 3], dtype=object), [1.0, 3.0]),
        (np.array([3, 1, 3], dtype=">i2"), [1, 3]),
    ],
)
def test_numbers_and_truth_values(y, classes):
    codes, found = open_labels(y, 3, ONE, owner="it")
    assert codes.tolist() == [1, 0, 1] and found.tolist() == classes


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y"),
        (["a", "b"], "3 rows, y has 2"),
        (["a", None, "b"], "1 of 3 labels are missing, first in row 1"),
        ([1.0, np.nan, 2.0], "NaN.*row 1"),
        ([1.0, 2.5, 2.0], "continuous.*2.5 in row 1"),
        (np.array(["a", 1, "b"], dtype=object), "mixes int and str"),
        ([{}, {}, {}], "dict"),
        (np.array(["2020-01-01"] * 3, dtype="datetime64[D]"), "datetime"),
        (np.ma.masked_equal([1, 2, 3], 2), "masked"),
        (np.ones(3) * 1j, "Complex"),
    ],
)
def test_what_is_no_label_is_refused_in_words(y, words):
    with pytest.raises(DataError, match=words):
        open_labels(y, 3, ONE, owner="it")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float64"])
def test_counting_equals_sorting(seed, dtype):
    rng = np.random.default_rng(seed)
    for low, high in ((0, 3), (100, 120), (-3, 2), (-128, 127)):
        n = 50 if high < 127 else 300
        y = rng.integers(max(low, 0) if dtype == "uint8" else low, high, n).astype(dtype)
        codes, classes = open_labels(y, n, ONE, owner="it")
        expected, positions = np.unique(y, return_inverse=True)
        assert classes.dtype == y.dtype and classes.tolist() == expected.tolist()
        assert codes.tolist() == positions.tolist()


def test_declared_classes_fix_the_positions():
    codes, classes = open_labels(["b", "b", "c"], 3, ONE, ["c", "a", "b"], owner="it")
    assert codes.tolist() == [1, 1, 2] and classes.tolist() == ["a", "b", "c"]
    with pytest.raises(DataError, match="row 1 of y holds the label 'z'"):
        open_labels(["b", "z", "c"], 3, ONE, ["c", "a", "b"], owner="it")
    with pytest.raises(DataError, match="classes are like 1"):
        open_labels(["b", "z", "c"], 3, ONE, [1, 2], owner="it")


def given(codes, C, w=None):
    data = Data(torch.zeros(len(codes), 1, dtype=torch.float64), as_numpy=True, device=torch.device("cpu"))
    data.codes, data.classes = torch.tensor(codes), np.arange(C)
    data.w = None if w is None else torch.tensor(w, dtype=torch.float64)
    return data


def test_balanced_classes_weigh_the_same_in_all():
    data = given([0, 0, 0, 1], 2, [1.0, 2.0, 1.0, 0.5])
    w = class_weights("balanced", data, owner="it") * data.w
    assert float(w[:3].sum()) == pytest.approx(float(w[3])) and float(w.sum()) == pytest.approx(4.5)
    empty = class_weights("balanced", given([0, 0], 2), owner="it")
    assert empty.tolist() == [1.0, 1.0], "a class without items weighs nothing, and spoils nothing"


@pytest.mark.parametrize("weights", ["even", 2.0, {5: 1.0}, {0: np.inf}, {0: True}, {0: "1"}])
def test_class_weights_that_make_no_sense(weights):
    with pytest.raises(ParameterError, match="class_weight"):
        class_weights(weights, given([0, 1], 2), owner="it")
