"""Saving and loading: bit for bit, and nothing that a stored model says is believed unseen."""

import copy
import hashlib
import json
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from sklearn.base import clone

import peira
from peira.core import UnreadableError
from peira.core.persistence import _digest
from tests.contract.discovery import answers, experience, for_methods, has, same, taught


@for_methods()
@pytest.mark.parametrize("form", ["arrays", "frame", "tensors"])
def test_a_stored_method_comes_back_bit_for_bit(cls, seed, tmp_path, form):
    import pandas as pd

    data = experience(cls, seed)
    X = {"arrays": data.X, "frame": pd.DataFrame(data.X, columns=list("abcd")), "tensors": torch.tensor(data.X)}[form]
    method = taught(cls, seed)[0] if X is data.X else cls.example().fit(X, *data.parts()[1:])
    back = peira.load(method.save(tmp_path / "model"))
    assert type(back) is cls
    assert same(vars(back), vars(method))
    assert same(answers(back, X), answers(method, X))
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"model.json", "weights.safetensors"}
    again = peira.load(back.save(tmp_path / "again"))
    assert (tmp_path / "again" / "model.json").read_bytes() == (tmp_path / "model" / "model.json").read_bytes()
    assert same(clone(again).get_params(), method.get_params())


@for_methods(data="any")
def test_an_unfitted_method_is_stored_too(cls, seed, tmp_path):
    back = peira.load(cls.example().save(tmp_path / "model"))
    assert vars(back).keys() == cls.parameters().keys() and same(back.get_params(), cls.example().get_params())
    data = experience(cls, seed)
    assert same(answers(data.teach(back), data.X), taught(cls, seed)[1])


@for_methods(has("partial_fit"), data="any")
def test_learning_goes_on_after_loading(cls, seed, tmp_path):
    data = experience(cls, seed)
    method = data[:30].teach(cls.example(), verb="partial_fit")
    back = peira.load(method.save(tmp_path / "model"))
    for m in (method, back):
        data[30:].teach(m, verb="partial_fit")
    assert same(vars(back), vars(method))


@for_methods(data="any")
def test_a_copy_and_a_pickle_for_workers_are_equal(cls, seed):
    import pickle  # joblib's workers need it; nothing of Peira reads one from a file

    data, (method, said) = experience(cls, seed), taught(cls, seed)
    for other in (copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        assert same(vars(other), vars(method)) and same(answers(other, data.X), said)


def rewrite(folder, stored, change):
    """Change a stored model as a stranger would who knows the format: the digests agree afterwards."""
    described, tensors = copy.deepcopy(stored[0]), dict(stored[1])
    change(described, tensors)
    weights = save_tensors({k: v.contiguous() for k, v in tensors.items()})
    described["members"]["weights.safetensors"]["sha256"] = hashlib.sha256(weights).hexdigest()
    described.pop("sha256")
    text = json.dumps({**described, "sha256": _digest(described)})
    for name, content in (("weights.safetensors", weights), ("model.json", text.encode())):
        (folder / name).unlink(missing_ok=True)  # a disk is waited for where a file is cut short and filled again
        (folder / name).write_bytes(content)


def taught_and_stored(cls, seed):
    """The inputs, what the method said of them before it was stored, and what was stored."""
    return experience(cls, seed).X, taught(cls, seed)[1], _stored(cls, seed)


@cache
def _stored(cls, seed):
    with TemporaryDirectory() as place:
        folder = taught(cls, seed)[0].save(Path(place) / "model")
        return (
            json.loads((folder / "model.json").read_text()),
            load_tensors((folder / "weights.safetensors").read_bytes()),
        )


def places(tree, path=()):
    """The learned leaves of a description, three of each list and net, with the path that leads to them."""
    if isinstance(tree, dict) and tree.get("$") in ("dict", "tuple"):
        tree, path = tree["items"], (*path, "items")
    if isinstance(tree, dict) and "$" not in tree:
        for key, value in tree.items():
            yield from places(value, (*path, key))
    elif isinstance(tree, list):
        for i in sorted({0, len(tree) // 2, len(tree) - 1} & set(range(len(tree)))):
            yield from places(tree[i], (*path, i))
    elif isinstance(tree, dict) and tree.get("$") == "method":
        yield from places(tree["learned"], (*path, "learned"))
    elif isinstance(tree, dict) and tree.get("$") == "net":
        names = list(tree["state"])
        for name in dict.fromkeys((names[0], names[len(names) // 2], names[-1])):
            yield (*path, "state", name), tree["state"][name]
    else:
        yield path, tree


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


HARM = {
    "not a number": lambda t: t.double() * float("nan") if t.is_floating_point() else None,
    "an entry short": lambda t: t[:-1].clone() if t.dim() and len(t) else None,
    "an entry more": lambda t: torch.cat([t, t[:1]]) if t.dim() and len(t) else None,
    "an axis more": lambda t: t[None].clone(),
    "flat": lambda t: t.reshape(-1).clone() if t.dim() > 1 else None,
    "empty": lambda t: t[:0].clone() if t.dim() else None,
    "negative": lambda t: -1 - t.abs() if t.dtype != torch.bool else None,
    "huge": lambda t: torch.full_like(t, 2**62) if t.dtype == torch.int64 else None,
}


@contextmanager
def naming(what):
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error


def loads_and_answers_or_is_refused(folder, honest, X):
    """Whatever stands in a model: it is refused, or every verb answers, in words at the least."""
    try:
        back = peira.load(folder)
    except UnreadableError:
        return
    with np.errstate(all="ignore"):
        try:
            said = answers(back, X)
        except ValueError as error:
            assert len(str(error)) > 20
            return
    assert {verb: len(v) for verb, v in said.items() if verb != "names"} == {
        verb: len(v) for verb, v in honest.items() if verb != "names"
    }
    first = next(iter(said))
    if said[first].dtype.kind not in "UO":
        assert np.isfinite(said[first]).all() or not np.isfinite(honest[first]).all()


@for_methods(data="any")
@pytest.mark.parametrize("harm", HARM)
def test_a_learned_array_that_no_fit_gives_is_refused(cls, seed, tmp_path, harm):
    X, honest, stored = taught_and_stored(cls, seed)
    for path, leaf in places(stored[0]["learned"]):
        if not isinstance(leaf, dict) or leaf.get("$") not in ("array", "tensor"):
            continue
        spoilt = HARM[harm](stored[1][leaf["name"]])
        if spoilt is None:
            continue

        def change(described, tensors, path=path, leaf=leaf, spoilt=spoilt):
            tensors[leaf["name"]] = spoilt
            entry = at(described["learned"], path)
            entry |= {"shape": list(spoilt.shape), "dtype": str(spoilt.dtype).removeprefix("torch.")}
            entry.pop("axes", None)

        rewrite(tmp_path, stored, change)
        with naming(f"{'.'.join(map(str, path))} with {harm} was believed"):
            loads_and_answers_or_is_refused(tmp_path, honest, X)


@for_methods(data="any")
def test_a_learned_value_of_another_type_is_refused(cls, seed, tmp_path):
    X, honest, stored = taught_and_stored(cls, seed)
    for path, leaf in places(stored[0]["learned"]):
        for value in (None, "word", -1, {"$": "float", "value": "nan"}, [], {"$": "dict", "items": {}}):
            if type(leaf) is type(value) and not isinstance(leaf, dict):
                continue
            rewrite(tmp_path, stored, lambda d, t, path=path, value=value: put(d["learned"], path, value))
            with naming(f"{'.'.join(map(str, path))} = {value!r} was believed"):
                loads_and_answers_or_is_refused(tmp_path, honest, X)


@for_methods(data="any")
def test_a_learned_value_that_is_missing_is_refused(cls, seed, tmp_path):
    X, honest, stored = taught_and_stored(cls, seed)
    for name in stored[0]["learned"]:
        rewrite(tmp_path, stored, lambda d, t, name=name: d["learned"].pop(name))
        with naming(f"{name} was not missed"):
            loads_and_answers_or_is_refused(tmp_path, honest, X)
