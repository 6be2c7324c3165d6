"""What comes in: arrays of every make, frames, sparse matrices, tensors, and everything that is wrong with data."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from peira.core import RankWarning
from tests.contract.discovery import (
    Experience,
    answering,
    answers,
    as_array,
    close,
    experience,
    for_methods,
    has,
    labelled,
    reads_tables,
    supervised,
    takes_weights,
    taught,
)

NAMES = ["age", "b<i>", "height (m)", "δ"]
FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "arrow": lambda X: pa.table({name: X[:, i] for i, name in enumerate(NAMES)}),
}


@for_methods()
@pytest.mark.parametrize("make", FRAMES)
def test_frames_bring_their_names(cls, seed, make):
    data = experience(cls, seed)
    framed = replace(data, X=FRAMES[make](data.X))
    method = framed.teach(cls.example())
    assert method.feature_names_in_.tolist() == NAMES and method.n_features_in_ == 4
    expected, got = taught(cls, seed)[1], answers(method, framed.X)
    expected.pop("names", None), got.pop("names", None)
    expected.pop("inverse_transform", None), got.pop("inverse_transform", None)
    close(got, expected, rtol=1e-9)
    with pytest.raises(ValueError, match=r"feature names should match|Feature names"):
        answers(method, pd.DataFrame(data.X, columns=NAMES[::-1]))


@for_methods()
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda v: np.repeat(v, 2, axis=0)[::2], id="strided"),
        pytest.param(lambda v: v[::-1][::-1], id="twice reversed"),
        pytest.param(lambda v: v.astype(">f8"), id="big-endian"),
        pytest.param(lambda v: v.astype(object), id="objects"),
        pytest.param(lambda v: v.tolist(), id="lists"),
        pytest.param(lambda v: v.astype(np.longdouble), id="long double"),
    ],
)
def test_every_make_of_array_gives_the_same_answer(cls, seed, make):
    data = experience(cls, seed)
    expected = taught(cls, seed)[1]
    close(answers(data.turned(make).teach(cls.example()), make(data.X)), expected, rtol=1e-7)


@pytest.mark.filterwarnings("ignore:NuSVC. with nu=0.3 there is no margin")  # of so few different rows
@for_methods(lambda cls: not reads_tables(cls))
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.bool_], ids=lambda d: d.__name__)
def test_other_numbers_are_exact_in_float64(cls, seed, dtype):
    data = experience(cls, seed)
    X = data.X if dtype == np.float32 else np.clip(np.abs(data.X), 0, 1).round()
    low = Experience(X.astype(dtype), data.y)
    high = Experience(low.X.astype(np.float64), data.y)
    expected, got = (answers(d.teach(cls.example()), d.X) for d in (high, low))
    close(got, expected, rtol=1e-10, atol=1e-10)
    for verb, value in got.items():
        assert value.dtype.kind != "f" or value.dtype == np.float64, f"{verb} answers in {value.dtype}"


@for_methods()
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_tensors_in_tensors_out(cls, seed, dtype):
    data = experience(cls, seed).turned(lambda v: v.astype(str(dtype).removeprefix("torch.")))
    tensors = data.turned(lambda v: torch.tensor(v, dtype=dtype, requires_grad=v.ndim == 2))
    method = tensors.teach(cls.example())
    verb = answering(cls)
    answer = getattr(method, verb)(tensors.X)
    assert isinstance(answer, torch.Tensor) and answer.device == tensors.X.device and not answer.requires_grad
    assert isinstance(getattr(method, verb)(data.X), np.ndarray), "NumPy in, NumPy out, whatever it was fitted on"
    numpy = data.teach(cls.example())
    assert isinstance(getattr(numpy, verb)(data.X), np.ndarray)
    assert isinstance(getattr(numpy, verb)(tensors.X), torch.Tensor)
    close(answers(method, tensors.X), answers(numpy, data.X), rtol=1e-10, atol=1e-10)
    close(answers(method, data.X), answers(numpy, tensors.X), rtol=1e-10, atol=1e-10)
    if hasattr(cls, "predict_dist"):
        forecast = method.predict_dist(tensors.X)
        parts = [forecast.probs] if labelled(cls) else [forecast.mean, forecast.std]
        assert all(isinstance(part, torch.Tensor) for part in parts)


def thinned(cls, seed):
    """The same problem with many zeros."""
    data = experience(cls, seed)
    return replace(data, X=np.where(np.abs(data.X) < 1.0, 0.0, data.X))


@for_methods(lambda cls: cls.card.sparse)
@pytest.mark.parametrize("form", ["csr_array", "csc_array", "coo_matrix", "csr_matrix"])
def test_sparse_equals_dense(cls, seed, form):
    data = thinned(cls, seed)
    thin = Experience(getattr(sparse, form)(data.X), data.y)
    method, expected = thin.teach(cls.example()), taught(cls, seed, thinned)[1]
    close(answers(method, thin.X), expected, rtol=1e-6, atol=1e-8)
    empty_row = getattr(sparse, form)(np.zeros((2, 4)))
    assert np.isfinite(as_array(getattr(method, answering(cls))(empty_row))).all()
    broken = thin.X.tocsr().astype(np.float64)
    broken.data[2] = np.nan
    with pytest.raises(ValueError, match=r"column .* row"):
        Experience(broken, data.y).teach(cls.example())


@for_methods(lambda cls: not cls.card.sparse)
def test_sparse_is_refused_in_words(cls, seed):
    data = experience(cls, seed)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        Experience(sparse.csr_array(data.X), data.y).teach(cls.example())


@for_methods(lambda cls: not cls.card.missing)
def test_what_is_not_finite_is_named_by_column_and_row(cls, seed):
    data = experience(cls, seed).turned(np.array)
    data.X[7, 2] = np.nan
    data.X[9, 2] = np.inf
    with pytest.raises(ValueError, match=r"column 2 .*2 NaN or infinite values.*NaN in row 7"):
        data.teach(cls.example())
    with pytest.raises(ValueError, match=r"column 'height \(m\)'.*row 7"):
        Experience(FRAMES["pandas"](data.X), data.y).teach(cls.example())
    method, _ = taught(cls, seed)
    with pytest.raises(ValueError, match=r"column 2 .*row 7"):
        answers(method, data.X)


@for_methods(lambda cls: cls.card.missing)
def test_missing_values_are_welcome_and_infinite_ones_are_not(cls, seed):
    data = experience(cls, seed).turned(np.array)
    data.X[7, 2] = np.nan
    said = answers(data.teach(cls.example()), data.X)
    assert all(v.dtype.kind != "f" or np.isfinite(v).all() for n, v in said.items() if n != "inverse_transform")
    data.X[9, 2] = np.inf
    with pytest.raises(ValueError, match="infin"):
        data.teach(cls.example())


@for_methods(supervised)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_targets_that_are_not_finite_are_named(cls, seed, bad):
    data = experience(cls, seed).turned(lambda v: np.array(v, dtype=np.float64))
    data.y[5] = bad
    with pytest.raises(ValueError, match="row 5"):
        data.teach(cls.example())


@for_methods()
@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        pytest.param(np.empty((0, 4)), ValueError, "0 sample", id="no rows"),
        pytest.param(np.empty((5, 0)), ValueError, "0 feature", id="no columns"),
        pytest.param(np.zeros(5), ValueError, "2D array|2-D|two", id="a vector"),
        pytest.param(np.zeros((5, 2, 2)), ValueError, "dim|shape", id="three axes"),
        pytest.param(np.ones((5, 2)) * 1j, ValueError, "Complex", id="complex"),
        pytest.param([[1.0], [1.0, 2.0], [3.0]], ValueError, "equal length|ragged|inhomogeneous", id="ragged"),
        pytest.param("words", (ValueError, TypeError), None, id="a word"),
        pytest.param(None, (ValueError, TypeError), None, id="nothing"),
        pytest.param(object(), (ValueError, TypeError), None, id="an object"),
    ],
)
def test_what_is_no_matrix_is_refused(cls, X, error, words):
    y = np.zeros(len(X)) if isinstance(X, np.ndarray | list) else np.zeros(5)
    with pytest.raises(error, match=words):
        cls.example().fit(X, *([y] if supervised(cls) else []))


@for_methods(lambda cls: not cls.card.missing)
@pytest.mark.parametrize(
    "X",
    [
        pytest.param(np.array([["a", "b"], ["c", "d"], ["e", "f"]]), id="words"),
        pytest.param(np.array([["1", "2"], ["3", "4"], ["5", "6"]]), id="digits as words"),
        pytest.param(np.array([["1", 2], [3, 4], [5, 6]], dtype=object), id="mixed objects"),
        pytest.param(np.arange(6).reshape(3, 2).astype("datetime64[D]"), id="dates"),
        pytest.param(np.ma.masked_equal(np.arange(6.0).reshape(3, 2), 3), id="masked"),
        pytest.param(pl.DataFrame({"a": ["1", "2", "3"]}), id="a column of words"),
        pytest.param(pl.DataFrame({"a": [1.0, 2.0, 3.0]}).lazy(), id="lazy"),
    ],
)
def test_what_is_no_number_is_refused_in_words(cls, X):
    with pytest.raises(ValueError, match=r"numbers|masked|collect"):
        cls.example().fit(X, *([np.arange(3.0)] if supervised(cls) else []))


@for_methods(supervised)
def test_targets_that_do_not_fit_the_inputs_are_refused(cls, seed):
    X = experience(cls, seed).X
    for y, words in (
        (None, "requires y"),
        (np.zeros(59), "60 rows, y has 59"),
        (np.zeros((60, 0)), "expected targets|y should be a 1d|0 feature"),
        (np.zeros((60, 1, 1)), "expected targets|1d array|dim"),
        *([] if labelled(cls) else [(np.array(["a"] * 60), "numbers")]),
        (np.zeros(60) * 1j, "Complex"),
    ):
        with pytest.raises(ValueError, match=words):
            cls.example().fit(X, y)


@for_methods(takes_weights)
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        pytest.param(-np.ones(60), "row 0", id="negative"),
        pytest.param(np.r_[np.ones(59), np.nan], "row 59", id="NaN"),
        pytest.param(np.zeros(60), "zero", id="all zero"),
        pytest.param(np.ones(59), "59", id="wrong length"),
        pytest.param(np.ones((60, 1)), "1D", id="two axes"),
        pytest.param(np.ones(60) * 1j, "Complex", id="complex"),
        pytest.param(["heavy"] * 60, "numbers", id="words"),
        pytest.param(np.full(60, 1e308), "infinity", id="too large to add up"),
    ],
)
def test_weights_that_make_no_sense_are_refused(cls, seed, weights, words):
    data = experience(cls, seed)
    with pytest.raises(ValueError, match=words):
        data.teach(cls.example(), weights)


def finite_or_clear(cls, data):
    """The fit answers in finite numbers, or says in words why it cannot."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        for allowed in (RankWarning, ConvergenceWarning):
            warnings.simplefilter("ignore", allowed)
        try:
            method = data.teach(cls.example())
            said = getattr(method, answering(cls))(data.X)
        except ValueError as error:
            assert len(str(error)) > 20, f"an error that explains itself, not {error}"
            assert "array must not contain infs or NaNs" not in str(error), "an error from the depths"
            return
    assert np.isfinite(as_array(said)).all(), "an answer of NaN or infinity"
    if hasattr(cls, "predict_proba"):
        np.testing.assert_allclose(as_array(method.predict_proba(data.X)).sum(1), 1.0, rtol=1e-14)


@for_methods()
@pytest.mark.parametrize("N", [1, 2, 3])
@pytest.mark.parametrize("D", [1, 3])
def test_few_rows_and_one_column(cls, seed, N, D):
    finite_or_clear(cls, experience(cls, seed, N=N, D=D))


@for_methods()
@pytest.mark.parametrize("D", [20, 61])
def test_more_columns_than_rows(cls, seed, D):
    finite_or_clear(cls, experience(cls, seed, N=12, D=D))


@for_methods()
@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e300, 1e-300, 1e-310])
@pytest.mark.parametrize("part", ["inputs", "targets", "both", "one column"])
def test_huge_and_tiny_numbers(cls, seed, scale, part):
    data = experience(cls, seed)
    X, y = data.X.copy(), data.y
    if part == "targets" and not supervised(cls):
        return  # nothing to scale
    if part in ("inputs", "both"):
        X = X * scale
    if part == "one column":
        X[:, 1] *= scale
    if part in ("targets", "both") and y is not None:
        y = y * scale
    finite_or_clear(cls, Experience(X, y))


@for_methods()
@pytest.mark.parametrize("shift", [0.0, 1.0, 1e8, -1e15])
def test_constant_columns_and_constant_targets(cls, seed, shift):
    data = experience(cls, seed)
    X = data.X.copy()
    X[:, 1] = shift
    finite_or_clear(cls, Experience(X, data.y))
    finite_or_clear(cls, Experience(np.full_like(X, shift), data.y))
    if supervised(cls):
        constant = np.full(len(data), shift)
        finite_or_clear(cls, Experience(data.X, constant))
        finite_or_clear(cls, Experience(np.full_like(X, shift), constant))


@for_methods()
def test_repeated_columns(cls, seed):
    data = experience(cls, seed)
    finite_or_clear(cls, Experience(np.column_stack([data.X, data.X[:, 0], -2.0 * data.X[:, 1]]), data.y))


@for_methods(has("predict_dist"))
@pytest.mark.parametrize("kind", ["one row", "exact", "constant target", "two rows"])
def test_predictive_distributions_survive_degenerate_data(cls, seed, kind):
    data = experience(cls, seed)
    if labelled(cls) and kind == "exact":
        data = Experience(data.X, (data.X[:, 0] > 2).astype(int))
    elif kind == "exact":
        data = Experience(data.X, data.X @ np.arange(1.0, 5.0))
    elif kind == "constant target":
        data = Experience(data.X, np.full(len(data), 3.0))
    else:
        data = data[: 1 if kind == "one row" else 2]
    with warnings.catch_warnings():
        for allowed in (RankWarning, ConvergenceWarning):
            warnings.simplefilter("ignore", allowed)
        try:
            forecast = data.teach(cls.example()).predict_dist(data.X)
        except ValueError as error:
            assert len(str(error)) > 20
            return
    if labelled(cls):
        np.testing.assert_allclose(forecast.probs.sum(1), 1.0, rtol=1e-14)
        return
    assert not np.isnan(forecast.mean).any() or kind in ("one row", "two rows")
    assert (np.isnan(forecast.std) | (forecast.std >= 0)).all()


@for_methods()
def test_asking_before_fitting_is_refused(cls, seed):
    X = experience(cls, seed).X
    for verb in ("predict", "predict_dist", "transform", "inverse_transform", "log_prob"):
        if callable(getattr(cls, verb, None)):
            with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted"):
                getattr(cls.example(), verb)(X)


@for_methods()
def test_queries_of_another_width_are_refused(cls, seed):
    data, (method, _) = experience(cls, seed), taught(cls, seed)
    for verb in ("predict", "predict_dist", "transform", "log_prob"):
        if callable(getattr(cls, verb, None)):
            with pytest.raises(ValueError, match=r"3 features.*4 features"):
                getattr(method, verb)(data.X[:, :3])
            with pytest.raises(ValueError, match="0 sample"):
                getattr(method, verb)(data.X[:0])
            assert len(getattr(method, verb)(data.X[:1])) == 1
