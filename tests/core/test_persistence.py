"""Storing and loading: exact round trips, and a refusal for everything else."""

import builtins
import hashlib
import importlib
import json
import math
import os
import pickle
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import peira
from peira.core import Card, Method, UnreadableError
from peira.core import persistence as store
from peira.core.persistence import load, save, write_atomically
from peira.linear.baseline import MeanRegressor
from tests.contract.discovery import same


def mean(y=(1.0, 2.0, 4.0)):
    return MeanRegressor().fit(np.arange(3.0)[:, None], np.array(y))


def holding(value):
    """A method that has learned this value."""
    method = mean()
    method.value_ = value
    return method


def round_trip(value, tmp_path):
    return load(save(holding(value), tmp_path / "model")).value_


@pytest.fixture
def model(tmp_path):
    return mean().save(tmp_path / "model")


def rewrite(folder, change, weights=None):
    """Write a description again, with digests that agree: what somebody does who knows the format."""
    described = json.loads((folder / "model.json").read_text())
    described = change(described) or described
    if weights is not None:
        (folder / "weights.safetensors").write_bytes(weights)
        described["members"]["weights.safetensors"]["sha256"] = hashlib.sha256(weights).hexdigest()
    described.pop("sha256", None)
    (folder / "model.json").write_text(json.dumps({**described, "sha256": store._digest(described)}))


def refused(folder, words):
    with pytest.raises(UnreadableError, match=words):
        load(folder)


# ---------------------------------------------------------------- what is stored


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(10**23),
        0.1,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        math.inf,
        -math.inf,
        math.nan,
        "",
        "δ \x00 \u2028 \ud800 \"'<script>",
        [],
        [1, [2.0, [None, "x"]]],
        (1, (2, [3])),
        {},
        {"$": "array", "a b": {"x": (1,)}, "": 0},
    ],
    ids=repr,
)
def test_plain_values_come_back(value, tmp_path):
    back = round_trip(value, tmp_path)
    assert same(back, value) and type(back) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, back) == math.copysign(1, value)


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3,), (2, 3), (1, 2, 3)])
def test_arrays_come_back(dtype, shape, tmp_path, seed):
    value = np.asarray(np.random.default_rng(seed).random(shape) * 3).astype(dtype)
    back = round_trip(value, tmp_path)
    assert type(back) is np.ndarray and (back.dtype, back.shape) == (value.dtype, value.shape)
    assert np.array_equal(back, value)
    back[...] = 0  # may be written to, as what fit learned may


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_tensors_come_back(dtype, tmp_path):
    value = torch.arange(6).reshape(2, 3).to(dtype).requires_grad_(dtype.is_floating_point)
    back = round_trip(value, tmp_path)
    assert isinstance(back, torch.Tensor) and back.dtype == dtype and torch.equal(back, value)
    assert not back.requires_grad


def test_special_numbers_in_arrays_come_back_bit_for_bit(tmp_path):
    value = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1e308])
    assert round_trip(value, tmp_path).tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "turn",
    [
        np.asfortranarray,
        np.ascontiguousarray,
        lambda v: v.T,
        lambda v: v.transpose(1, 2, 0),
        lambda v: v[::2, ::-1],
        lambda v: v[:, :1],
    ],
)
@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_the_order_in_memory_is_kept(turn, make, tmp_path):
    value = turn(np.arange(24.0).reshape(2, 3, 4))
    if make is torch.tensor:
        value = torch.from_numpy(np.ascontiguousarray(value)) if min(value.strides) < 0 else torch.from_numpy(value)
    back = round_trip(value, tmp_path)
    assert np.array_equal(np.asarray(back), np.asarray(value))
    dense = isinstance(value, torch.Tensor) or value.flags.c_contiguous or value.flags.f_contiguous
    if dense and min(value.shape) > 1:
        strides = (lambda v: v.stride()) if isinstance(value, torch.Tensor) else (lambda v: v.strides)
        assert strides(back) == strides(value)


def test_foreign_byte_order_comes_home(tmp_path):
    back = round_trip(np.arange(3, dtype=">i4"), tmp_path)
    assert back.dtype == np.dtype("<i4") and back.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a", "δδ", ""]),
        np.array([["a"], ["b"]]),
        np.array("alone"),
        np.array([], dtype="U3"),
        np.array(["a", None], dtype=object),
        np.array([], dtype=object),
    ],
)
def test_arrays_of_words_come_back(value, tmp_path):
    back = round_trip(value, tmp_path)
    assert back.shape == value.shape and back.dtype.kind == value.dtype.kind and back.tolist() == value.tolist()


def test_numpy_scalars_become_plain_ones(tmp_path):
    value = [np.float64(0.1), np.float32(0.1), np.int8(3), np.True_, np.str_("x")]
    back = round_trip(value, tmp_path)
    assert back == [0.1, float(np.float32(0.1)), 3, True, "x"]
    assert [type(v) for v in back] == [float, float, int, bool, str]


def test_methods_inside_methods_come_back(tmp_path):
    back = load(save(holding([mean((0.0, 1.0, 2.0)), {"part": MeanRegressor()}]), tmp_path / "model"))
    assert back.value_[0].predict([[5.0]]).tolist() == [1.0] and vars(back.value_[1]["part"]) == {}


def test_settings_of_scikit_learn_are_no_part_of_a_model(tmp_path):
    method = mean()
    method._sklearn_output_config = {"transform": "pandas"}
    assert "_sklearn_output_config" not in vars(load(save(method, tmp_path / "model")))


def test_a_file_stores_no_rows_paths_or_names_of_the_machine(model):
    text = (model / "model.json").read_text()
    described = json.loads(text)
    assert set(described) == {"format", "peira", "method", "parameters", "learned", "members", "sha256"}
    assert os.getcwd() not in text and (os.environ.get("USER") or "/home") not in text


# ---------------------------------------------------------------- what is refused at save


class Stranger(Method):
    card = Card(tasks="regression", reference="")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (len, "builtin_function"),
        (lambda: 0, "value_ is a function"),
        ({1, 2}, "is a set"),
        (b"bytes", "is a bytes"),
        (1j, "is a complex"),
        (object(), "is a object"),
        (Stranger, "never stored"),
        (Stranger(), "not a method of the peira package"),
        ([{"deep": len}], r"value_\[0\]\['deep'\] is a builtin"),
        ({1: 2}, "a key that is not a string"),
        (np.array([1, "a"], dtype=object), "objects that are not strings"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64"),
        (np.array([1j]), "complex128"),
        (np.zeros(2, dtype=[("a", int)]), "array of"),
        (np.zeros(2, dtype=np.longdouble), "longdouble|float128"),
        (torch.zeros(2, dtype=torch.complex64), "complex64"),
        (torch.eye(2).to_sparse(), "never stored"),
        (torch.nn.Linear(1, 1), "is a Linear"),
        (10**30, "too many digits"),
    ],
    ids=lambda v: str(type(v).__name__) if not isinstance(v, str) else "",
)
def test_what_is_never_stored(value, words, tmp_path):
    with pytest.raises(TypeError, match=words):
        save(holding(value), tmp_path / "model")
    assert not (tmp_path / "model").exists(), "nothing is left behind"


def test_what_could_not_be_read_back_is_not_stored(tmp_path):
    deep = []
    for _ in range(70):
        deep = [deep]
    with pytest.raises(TypeError, match="could not be read back.*nesting deeper than 64"):
        save(holding(deep), tmp_path / "model")


@pytest.mark.parametrize("name", ["value", "_value", "__value_", "predict", "card"])
def test_names_that_no_method_learns_are_not_stored(name, tmp_path):
    method = mean()
    vars(method)[name] = 1
    with pytest.raises(TypeError, match=f"{name} is not stored"):
        save(method, tmp_path / "model")


def test_other_people_s_files_are_not_overwritten(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "model.json").write_text('{"format": 1}')
    for name in ("file", "full", "foreign"):
        with pytest.raises(FileExistsError, match="is not a model of Peira"):
            mean().save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert load(mean().save(tmp_path / "empty")).predict([[0.0]]) == mean().predict([[0.0]])


# ---------------------------------------------------------------- atomicity


def test_a_model_is_replaced_by_another(model):
    mean((0.0, 0.0, 9.0)).save(model)
    assert load(model).predict([[0.0]]).tolist() == [3.0]
    assert sorted(p.name for p in model.iterdir()) == ["model.json", "weights.safetensors"]


@pytest.mark.parametrize("writes", range(3))
def test_a_save_that_is_cut_off_leaves_one_of_the_two_models(model, monkeypatch, writes):
    """Cut before the weights, between weights and description, and after both."""
    done = []

    def cut_off(path, content):
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        write_atomically(path, content)

    monkeypatch.setattr(store, "write_atomically", cut_off)
    if writes < 2:
        with pytest.raises(KeyboardInterrupt):
            mean((0.0, 0.0, 9.0)).save(model)
    else:
        mean((0.0, 0.0, 9.0)).save(model)
    assert load(model).predict([[0.0]]).tolist() == [3.0 if writes == 2 else 7 / 3]
    if writes < 2:  # and a second one is cut off as well
        done.clear()
        with pytest.raises(KeyboardInterrupt):
            mean((0.0, 0.0, 12.0)).save(model)
        assert load(model).predict([[0.0]]).tolist() == [7 / 3]
    monkeypatch.undo()
    mean((0.0, 0.0, 6.0)).save(model)
    assert load(model).predict([[0.0]]).tolist() == [2.0]
    assert sorted(p.name for p in model.iterdir()) == ["model.json", "weights.safetensors"]


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


# ---------------------------------------------------------------- what is refused at load


def test_what_is_not_there(tmp_path, model):
    refused(tmp_path / "nothing", "there is nothing at")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "model.json is missing")
    refused(model / "model.json", "is a file; a model of Peira is a folder")
    for name in ("model.json", "weights.safetensors"):
        copy = tmp_path / f"without {name}"
        shutil.copytree(model, copy)
        (copy / name).unlink()
        refused(copy, f"{name} is missing")
        (copy / name).mkdir()
        refused(copy, f"{name} is missing")


def test_every_damaged_byte_of_the_weights_is_noticed(model):
    weights = (model / "weights.safetensors").read_bytes()
    for position in range(len(weights)):
        damaged = bytearray(weights)
        damaged[position] ^= 1
        (model / "weights.safetensors").write_bytes(damaged)
        refused(model, "is damaged: its SHA-256")
    for length in (0, 1, 7, 8, 9, len(weights) - 1):
        (model / "weights.safetensors").write_bytes(weights[:length])
        refused(model, "is damaged")
    (model / "weights.safetensors").write_bytes(weights + b"\0")
    refused(model, "is damaged")


def test_every_truncation_of_the_description_is_noticed(model):
    text = (model / "model.json").read_bytes()
    for length in range(len(text)):
        (model / "model.json").write_bytes(text[:length])
        refused(model, None)


def test_an_edited_number_is_noticed(model):
    text = (model / "model.json").read_text()
    assert '"n_samples_": 3.0' in text
    (model / "model.json").write_text(text.replace('"n_samples_": 3.0', '"n_samples_": 4.0'))
    refused(model, "is damaged or was edited")


def test_another_layout_of_the_same_description_is_the_same_model(model):
    described = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(described))
    assert same(vars(load(model)), vars(mean()))


def setting(path, value):
    def change(described):
        *parents, last = path
        place = described
        for key in parents:
            place = place[key]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["format"], 2, "has format 2; this version of Peira reads format 1"),
        (["format"], "1", "has format '1'"),
        (["format"], None, "has format None"),
        (
            ["method"],
            "linear.baseline.MeanRegresor",
            "not one of Peira's; did you mean 'linear.baseline.MeanRegressor'",
        ),
        (["method"], "os.system", "not one of Peira's"),
        (["method"], "peira.linear.baseline.MeanRegressor", "not one of Peira's"),
        (["method"], "core.method.Method", "not one of Peira's"),
        (["method"], ".linear.baseline.MeanRegressor", "not one of Peira's"),
        (["method"], "tests.core.test_persistence.Stranger", "not one of Peira's"),
        (["method"], "\ud800", "not one of Peira's"),
        (["method"], ["linear.baseline.MeanRegressor"], "needs 'method' to be a str, found list"),
        (["members"], {}, "needs 'weights.safetensors' to be a dict"),
        (["members"], [], "needs 'members' to be a dict"),
        (["parameters"], {"alpha": 1.0}, "has parameters that it does not know: alpha"),
        (["parameters"], {"__class__": 1.0}, "does not know: __class__"),
        (["parameters"], None, "needs 'parameters' to be a dict"),
        (["learned"], [], "needs 'learned' to be a dict"),
        (["learned", "__class__"], 1, "named '__class__'"),
        (["learned", "__dict__"], {"$": "dict", "items": {}}, "named '__dict__'"),
        (["learned", "__class_"], 1, "named '__class_'"),
        (["learned", "predict"], 1, "named 'predict'"),
        (["learned", "predict_"], len, None),
        (["learned", "_check_learned"], 1, "named '_check_learned'"),
        (["learned", "a b_"], 1, "named 'a b_'"),
        (["learned", ""], 1, "named ''"),
        (["learned", "std_"], {"$": "module", "name": "os"}, "stored as 'module', which"),
        (["learned", "std_"], {"a": 1}, "stored as None, which"),
        (["learned", "std_"], {"$": ["array"]}, "which this version"),
        (["learned", "std_"], {"$": "float", "value": "1"}, "'1', which is not one that JSON lacks"),
        (["learned", "std_"], {"$": "tuple", "items": {}}, "'items' to be a list"),
        (["learned", "std_"], {"$": "strings", "shape": [2], "items": ["a"]}, "should be an array of"),
        (["learned", "std_"], {"$": "strings", "shape": [-1], "items": ["a"]}, "should be an array of"),
        (["learned", "std_"], {"$": "strings", "shape": ["1"], "items": ["a"]}, "should be an array of"),
        (["learned", "std_"], {"$": "strings", "shape": [1], "items": [1]}, "should be an array of"),
        (["learned", "std_"], {"$": "strings", "shape": [1], "items": [None]}, "should be an array of"),
        (["learned", "std_"], {"$": "strings", "shape": [0, 10**20], "items": []}, "make no sense"),
        (["learned", "std_", "name"], "t9", "should be float64 of shape .*, and is None"),
        (["learned", "std_", "name"], 0, "'name' to be a str"),
        (["learned", "std_", "shape"], [1, 1], r"should be float64 of shape \[1, 1\], and is \(\[1\], 'float64'\)"),
        (["learned", "std_", "dtype"], "float32", r"should be float32 of shape \[1\]"),
        (["learned", "std_", "axes"], [1], "axes in the order"),
        (["learned", "std_", "axes"], ["0"], "axes in the order"),
        (["learned", "std_", "axes"], 0, "axes in the order"),
        (["learned", "std_"], {"$": "method", "method": "os.system"}, "not one of Peira's"),
        (["learned", "n_features_in_"], 0, "not a positive whole number"),
        (["learned", "n_features_in_"], True, "not a positive whole number"),
        (["learned", "n_features_in_"], 10**24, "make no sense"),
        (["learned", "feature_names_in_"], {"$": "strings", "shape": [2], "items": ["a", "b"]}, "a name for each"),
        (["learned", "feature_names_in_"], None, "a name for each"),
        (["learned", "target_shape_"], [0], "not the shape of a target"),
        (["learned", "target_shape_"], [1, 1], "not the shape of a target"),
        (["learned", "target_shape_"], {"$": "tuple", "items": []}, "not the shape of a target"),
        (["learned", "constant_"], None, "make no sense|does not answer"),
    ],
    ids=lambda v: json.dumps(v)[:60] if not callable(v) else "",
)
def test_descriptions_that_make_no_sense(model, path, value, words):
    if words is None:  # JSON has no functions: nothing callable can be written down in the first place
        with pytest.raises(TypeError):
            rewrite(model, setting(path, value))
        return
    rewrite(model, setting(path, value))
    refused(model, words)


def test_a_parameter_out_of_its_range_is_refused(tmp_path):
    from peira.core.registry import registry

    cls, name, p = next(
        (c, n, p) for c in registry().values() for n, p in c.parameters().items() if p.low is not None and p.range
    )
    cls.example().save(tmp_path / "model")
    for value in (p.low - 1, "word", True, [1], {"$": "float", "value": "nan"}):
        rewrite(tmp_path / "model", setting(["parameters", name], value))
        refused(tmp_path / "model", f"cannot be used: parameter '{name}'")


def test_a_method_that_has_learned_only_half_is_refused(model):
    rewrite(model, lambda d: d["learned"].pop("n_features_in_") and None)
    refused(model, "has learned only")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not valid JSON"),
        (b"null", "has format 'NoneType'"),
        (b"[]", "has format 'list'"),
        (b'{"format": 1}', "is damaged or was edited"),
        (b'{"format": 1, "format": 1}', "holds the key 'format' twice"),
        (b'{"format": NaN}', "the token NaN"),
        (b'{"format": -Infinity}', "the token -Infinity"),
        (b'{"format": 1e999}', "the number 1e999, which no float holds"),
        (b'{"format": ' + b"1" * 5000 + b"}", "an integer of too many digits"),
        (b'{"format": 0.' + b"1" * 5000 + b"}", "a number of too many digits"),
        (b"[" * 100_000, "nesting deeper than 64"),
        (b'{"a":' * 100_000, "nesting deeper than 64"),
        (b'["' + b"[" * 100_000 + b'"]', "has format 'list'"),
        (b'"' + b"\\" * 99_999, "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'{"format": 1,}', "not valid JSON"),
        (pickle.dumps({"format": 1}), "not valid JSON"),
        (b"PK\x03\x04" + b"\0" * 99, "not valid JSON"),
        (b"\x1f\x8b" + b"\0" * 99, "not valid JSON"),
    ],
)
def test_texts_that_are_no_description(model, text, words):
    (model / "model.json").write_bytes(text)
    refused(model, words)


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def tensor(shape, start, end, dtype="F64"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        pytest.param(b"", "first eight bytes", id="empty"),
        pytest.param(b"\0" * 7, "first eight bytes", id="seven bytes"),
        pytest.param(pickle.dumps([1, 2, 3]), "first eight bytes", id="pickle"),
        pytest.param(b"PK\x03\x04" + b"\0" * 99, "first eight bytes|not valid JSON", id="zip"),
        pytest.param(b"\x93NUMPY\x01\x00" + b"\0" * 99, "first eight bytes", id="npy"),
        pytest.param(struct.pack("<Q", 2**63) + b"{}", "first eight bytes", id="endless header"),
        pytest.param(struct.pack("<Q", 2**24 + 1) + b" " * (2**24 + 1), "first eight bytes", id="huge header"),
        pytest.param(safetensors(b"[" * 9999), "nesting deeper", id="deep header"),
        pytest.param(safetensors(b"[]"), "arrays by name", id="a list"),
        pytest.param(safetensors(b'{"t0":{"dtype":"F64","dtype":"F64"}}'), "'dtype' twice", id="repeated key"),
        pytest.param(
            safetensors(
                b'{"t0":'
                + json.dumps(tensor([1], 0, 8)).encode()
                + b',"t0":'
                + json.dumps(tensor([1], 0, 8)).encode()
                + b"}",
                b"\0" * 8,
            ),
            "'t0' twice",
            id="repeated array",
        ),
        pytest.param(
            safetensors({"t0": tensor([2], 0, 16), "t1": tensor([2], 8, 24)}, b"\0" * 24), "not a safeten", id="overlap"
        ),
        pytest.param(
            safetensors({"t0": tensor([1], 0, 8), "t1": tensor([1], 16, 24)}, b"\0" * 24), "not a safeten", id="hole"
        ),
        pytest.param(safetensors({"t0": tensor([1], 0, 8)}, b"\0" * 24), "not a safetensors", id="trailing bytes"),
        pytest.param(safetensors({"t0": tensor([9], 0, 72)}, b"\0" * 8), "not a safetensors", id="too short"),
        pytest.param(safetensors({"t0": tensor([2**62, 2**62], 0, 8)}, b"\0" * 8), "not a safetensors", id="overflow"),
        pytest.param(safetensors({"t0": tensor([10**15], 0, 8 * 10**15)}, b"\0" * 8), "not a safetensors", id="giant"),
        pytest.param(safetensors({"t0": tensor([-1], 0, 8)}, b"\0" * 8), "not a safetensors", id="negative"),
        pytest.param(safetensors({"t0": tensor([1], 8, 0)}, b"\0" * 8), "not a safetensors", id="backwards"),
        pytest.param(safetensors({"t0": tensor([1], 0, 8, "object")}, b"\0" * 8), "not a safetensors", id="no dtype"),
        pytest.param(safetensors({"t0": tensor([2], 0, 1, "F4")}, b"\0"), "not a safetensors", id="odd dtype"),
        pytest.param(safetensors({f"t{i}": tensor([0], 0, 0) for i in range(10_001)}), "at most 10000", id="too many"),
        pytest.param(safetensors({}), "should be float64 .* and is None", id="none at all"),
    ],
)
def test_weights_that_are_none(model, weights, words):
    rewrite(model, lambda d: None, weights)
    refused(model, words)


def test_files_beyond_the_limits_are_not_read_whole(model, monkeypatch):
    monkeypatch.setattr(store, "MAX_JSON", 100)
    refused(model, "longer than 100 bytes")
    monkeypatch.undo()
    monkeypatch.setattr(store, "MAX_WEIGHTS", 10)
    refused(model, "longer than 10 bytes")


def test_links_out_of_the_folder_are_not_followed(model, tmp_path):
    for name in ("model.json", "weights.safetensors"):
        folder = tmp_path / f"linked {name}"
        shutil.copytree(model, folder)
        (folder / name).unlink()
        (folder / name).symlink_to(model / name)
        refused(folder, "a link that leads out of its folder")
        (folder / name).unlink()
        (folder / f"real {name}").write_bytes((model / name).read_bytes())
        (folder / name).symlink_to(f"real {name}")
        assert same(vars(load(folder)), vars(mean()))
    (tmp_path / "alias").symlink_to(model)
    assert same(vars(load(tmp_path / "alias")), vars(mean())), "the folder itself may be reached by a link"


def test_a_pipe_is_not_waited_for(model):
    (model / "weights.safetensors").unlink()
    os.mkfifo(model / "weights.safetensors")
    refused(model, "is missing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(model):
    (model / "model.json").chmod(0)
    refused(model, "cannot be read")


def test_the_winner_of_a_run(tmp_path):
    run = tmp_path / "run"
    mean().save(run / "models" / "m1")
    (run / "run.json").write_text('{"best": "m1"}')
    assert same(vars(load(run)), vars(mean()))
    for best, words in (
        ("m2", "'m2' as its best model, which is not there; there are: m1"),
        ("../../m1", "not there"),
        ("", "not there"),
        (None, "no model yet"),
    ):
        (run / "run.json").write_text(json.dumps({"best": best}))
        refused(run, words)
    (run / "run.json").write_text("[")
    refused(run, "not valid JSON")


def test_loading_imports_and_executes_nothing(model, monkeypatch):
    load(model)

    def forbidden(*args, **kwargs):
        raise AssertionError(f"loading called {args[:1]}")

    real = builtins.__import__

    def only_known(name, globals=None, locals=None, fromlist=(), level=0):
        known = level > 0 or name in sys.modules or name.split(".")[0] in ("torch", "numpy", "peira")
        assert known, f"loading imported {name}"
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(importlib, "import_module", forbidden)
    monkeypatch.setattr(builtins, "__import__", only_known)
    for module, name in (
        (builtins, "eval"),
        (builtins, "exec"),
        (builtins, "compile"),
        (pickle, "loads"),
        (pickle, "load"),
        (torch, "load"),
    ):
        monkeypatch.setattr(module, name, forbidden)
    assert same(vars(load(model)), vars(mean()))
    rewrite(model, setting(["method"], "os.system"))
    refused(model, "not one of Peira's")


def test_no_loader_of_code_is_anywhere_in_the_package():
    """No pickle, eval, exec or loader that falls back to them: not on any path, so not on a load path."""
    import re
    from pathlib import Path

    forbidden = re.compile(
        r"\b(import (pickle|marshal|dill|shelve|cloudpickle)|from (pickle|marshal|dill|shelve|cloudpickle)\b"
        r"|joblib\.(load|dump)|torch\.load|allow_pickle\s*=\s*True|(?<![\w.])(eval|exec)\(|yaml\.load)"
    )
    for path in Path(peira.__file__).parent.rglob("*.py"):
        code = re.sub(r'(?s)""".*?"""|#[^\n]*', "", path.read_text(encoding="utf-8"))
        assert not forbidden.search(code), f"{path}: {forbidden.search(code)}"


def test_a_model_loads_in_another_process(model):
    code = "import sys, peira; print(peira.load(sys.argv[1]).predict([[0.0]]).tolist())"
    done = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([7 / 3])


# ---------------------------------------------------------------- fuzzing


def loads_equal_or_is_refused(folder, original):
    try:
        back = load(folder)
    except UnreadableError:
        return
    assert same(vars(back), vars(original))


@pytest.fixture(scope="module")
def prey(tmp_path_factory):
    import pandas as pd

    method = MeanRegressor().fit(pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]}), [1.0, 3.0])
    method.extra_ = {"list": [1, 2.5, None, (True, "word")], "inf": math.inf, "part": mean()}
    return method, method.save(tmp_path_factory.mktemp("prey") / "model")


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_descriptions_are_refused_or_equal(prey, data):
    method, folder = prey
    text = bytearray((folder / "model.json").read_bytes())
    original = bytes(text)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        kind = data.draw(st.sampled_from(["flip", "drop", "insert", "copy"]))
        if kind == "flip":
            text[at] = data.draw(st.integers(0, 255))
        elif kind == "drop":
            del text[at : at + data.draw(st.integers(1, 30))]
        elif kind == "insert":
            text[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            text[at:at] = text[: data.draw(st.integers(1, 200))]
        if not text:
            break
    try:
        (folder / "model.json").write_bytes(text)
        loads_equal_or_is_refused(folder, method)
    finally:
        (folder / "model.json").write_bytes(original)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["array", "tensor", "strings", "method", "dict", "float", "tuple", "t0", "t1", "float64", "nan"]),
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$", "items", "shape", "name", "dtype", "axes", "value", "object", "method", "learned"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_meaningless_trees_are_refused_in_words_or_answer(prey, data):
    """With digests that agree: no value that stands anywhere in a description raises anything but UnreadableError."""
    _, folder = prey
    original = (folder / "model.json").read_bytes()
    described = json.loads(original)
    place, key = described, data.draw(st.sampled_from(["method", "parameters", "learned", "members"]))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    place[key] = data.draw(trees)
    described.pop("sha256")
    try:
        (folder / "model.json").write_text(json.dumps({**described, "sha256": store._digest(described)}))
        try:
            back = load(folder)
        except UnreadableError:
            return
        if hasattr(back, "n_features_in_"):
            back.__dict__.pop("feature_names_in_", None)
            assert np.isfinite(back.predict(np.zeros((2, back.n_features_in_)))).all()
    finally:
        (folder / "model.json").write_bytes(original)


@given(st.binary(max_size=200))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_as_weights_are_refused(prey, content):
    _, folder = prey
    original = (folder / "weights.safetensors").read_bytes(), (folder / "model.json").read_bytes()
    try:
        rewrite(folder, lambda d: None, content)
        refused(folder, None)
    finally:
        (folder / "weights.safetensors").write_bytes(original[0])
        (folder / "model.json").write_bytes(original[1])
