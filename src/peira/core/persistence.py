"""Models as plain folders, and the one loader.

A stored model is a folder of two files that anybody can read:

``model.json``
    format number, key of the class, parameters, the tree of learned values in which each array
    stands as a reference, and the SHA-256 of the other member;
``weights.safetensors``
    the arrays.

Loading never executes code and never imports by a name from the file: the key is looked up in
the registry of Peira's own classes, and everything else is data. Sizes, depth and counts are
bounded before parsing; the digest is checked before use; parameters pass the same checks as in
``fit``, and arrays are finite where fitted ones are. What is not understood is refused, and
there is no second loader behind the first.
"""

import hashlib
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

import peira

from . import strictjson
from .errors import UnreadableError, closest
from .method import Method
from .registry import key_of, registry

FORMAT = 1
MAX_JSON, MAX_WEIGHTS, MAX_TENSORS = 64 * 2**20, 16 * 2**30, 10_000
_NUMPY_KINDS = "biuf"


def save(method: Method, path: str | Path) -> Path:
    """Write a method, fitted or not, into a folder. See `Method.save`."""
    path = Path(path)
    if path.exists() and not (path / "model.json").is_file() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists and is not a model of Peira; choose another name")
    tensors: dict[str, torch.Tensor] = {}
    described = _pack_method(method, tensors, type(method).__name__)
    weights = save_tensors(tensors)
    described = {
        "format": FORMAT,
        "peira": peira.__version__,
        **described,
        "members": {"weights.safetensors": {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}},
    }
    path.mkdir(parents=True, exist_ok=True)
    write_atomically(path / "weights.safetensors", weights)
    write_atomically(path / "model.json", strictjson.dumps(described, indent=1).encode())
    return path


def load(path: str | Path) -> Method:
    """Load a model, or the winner of a run.

    Parameters
    ----------
    path : path
        A folder that `Method.save` or ``peira learn`` wrote.

    Returns
    -------
    Method

    Raises
    ------
    UnreadableError
        If the folder is not a model, is damaged, was written by a later format, or holds
        anything but data.

    Examples
    --------
    >>> import peira, tempfile
    >>> from peira.linear.ridge import Ridge
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Ridge().fit([[0.0], [1.0]], [0.0, 1.0]).save(folder + "/model")
    ...     peira.load(path).predict([[0.5]])
    array([0.5])
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableError(f"there is nothing at {path}")
    if (path / "run.json").is_file():
        path = _winner(path)
    described = strictjson.loads(_read(path / "model.json", MAX_JSON), what=str(path / "model.json"), max_bytes=MAX_JSON)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        found = described.get("format") if isinstance(described, dict) else type(described).__name__
        raise UnreadableError(f"{path / 'model.json'} has format {found!r}; this version of Peira reads format {FORMAT}")
    weights = _read(path / "weights.safetensors", MAX_WEIGHTS)
    member = _field(_field(described, "members", dict), "weights.safetensors", dict)
    if hashlib.sha256(weights).hexdigest() != member.get("sha256"):
        raise UnreadableError(f"{path / 'weights.safetensors'} is damaged: its SHA-256 is not the one in model.json")
    try:
        tensors = load_tensors(weights)
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        raise UnreadableError(f"{path / 'weights.safetensors'} is not a safetensors file: {error}") from error
    if len(tensors) > MAX_TENSORS:
        raise UnreadableError(f"{path} holds {len(tensors)} arrays; at most {MAX_TENSORS} are read")
    return _unpack_method(described, tensors)


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside it, flush to disk, and move into place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# ---------------------------------------------------------------------- packing


def _pack_method(method: Method, tensors: dict[str, torch.Tensor], where: str) -> dict[str, Any]:
    key = key_of(type(method))
    if key not in registry():
        raise TypeError(
            f"{where}: {type(method).__module__}.{type(method).__qualname__} is not a method of the peira package, and only "
            "those are stored: a stored model must not need anybody's code to come back"
        )
    learned = {name: value for name, value in vars(method).items() if name not in method.parameters()}
    return {
        "method": key,
        "parameters": {n: _pack(getattr(method, n), tensors, f"{where}.{n}") for n in method.parameters()},
        "learned": {n: _pack(v, tensors, f"{where}.{n}") for n, v in learned.items()},
    }


def _pack(value: Any, tensors: dict[str, torch.Tensor], where: str) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else {"$": "float", "value": repr(float(value))}
    if isinstance(value, list | tuple):
        items = [_pack(v, tensors, f"{where}[{i}]") for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"$": "tuple", "items": items}
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value):
            raise TypeError(f"{where} has a key that is not a string; stored dictionaries have string keys")
        return {"$": "dict", "items": {k: _pack(v, tensors, f"{where}[{k!r}]") for k, v in value.items()}}
    if isinstance(value, torch.Tensor | np.ndarray):
        return _pack_array(value, tensors, where)
    if isinstance(value, Method):
        return {"$": "method", **_pack_method(value, tensors, where)}
    raise TypeError(
        f"{where} is a {type(value).__name__}, which is never stored; allowed are None, bool, int, float, str, list, tuple, dict, "
        "arrays of numbers or strings, tensors and methods"
    )


def _pack_array(value: torch.Tensor | np.ndarray, tensors: dict[str, torch.Tensor], where: str) -> dict[str, Any]:
    if isinstance(value, np.ndarray) and value.dtype.kind in "UO":
        if not all(isinstance(v, str) or v is None for v in value.ravel()):
            raise TypeError(f"{where} is an array of objects that are not strings, which is never stored")
        return {"$": "strings", "object": value.dtype.kind == "O", "shape": list(value.shape), "items": value.ravel().tolist()}
    if isinstance(value, np.ndarray) and value.dtype.kind not in _NUMPY_KINDS:
        raise TypeError(f"{where} is an array of {value.dtype}, which is never stored")
    name = f"t{len(tensors)}"
    kind = "array" if isinstance(value, np.ndarray) else "tensor"
    tensor = torch.from_numpy(np.array(value)) if kind == "array" else value.detach().cpu()
    tensors[name] = tensor.contiguous().clone()
    return {"$": kind, "name": name, "shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}


# -------------------------------------------------------------------- unpacking


def _unpack_method(described: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Method:
    key = _field(described, "method", str)
    cls = registry().get(key)
    if cls is None:
        raise UnreadableError(f"the stored method {key!r} is not one of Peira's; {closest(key, registry())}")
    parameters = {n: _unpack(v, tensors, n) for n, v in _field(described, "parameters", dict).items()}
    unknown = parameters.keys() - cls.parameters().keys()
    if unknown:
        raise UnreadableError(f"the stored {key} has parameters that it does not know: {', '.join(sorted(unknown))}")
    method = cls(**parameters)
    try:
        method._check_parameters()
    except ValueError as error:
        raise UnreadableError(f"the stored {key} cannot be used: {error}") from error
    for name, value in _field(described, "learned", dict).items():
        if not name.isidentifier() or name.startswith("__") or not name.endswith("_") or hasattr(cls, name):
            raise UnreadableError(f"the stored {key} has a learned value named {name!r}, which no method learns")
        setattr(method, name, _unpack(value, tensors, f"{key}.{name}"))
    method._check_learned()
    return method


def _unpack(value: Any, tensors: dict[str, torch.Tensor], where: str) -> Any:
    if isinstance(value, list):
        return [_unpack(v, tensors, where) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind == "float":
        text = _field(value, "value", str)
        if text not in ("nan", "inf", "-inf"):
            raise UnreadableError(f"{where} is the number {text!r}, which is not one that JSON lacks")
        return float(text)
    if kind == "tuple":
        return tuple(_unpack(v, tensors, where) for v in _field(value, "items", list))
    if kind == "dict":
        return {k: _unpack(v, tensors, f"{where}[{k!r}]") for k, v in _field(value, "items", dict).items()}
    if kind == "strings":
        items, shape = _field(value, "items", list), _field(value, "shape", list)
        if not all(isinstance(v, str) or v is None for v in items) or math.prod(map(int, shape)) != len(items):
            raise UnreadableError(f"{where} should be an array of {shape} strings, and is not")
        return np.array(items, dtype=object if value.get("object") else str).reshape(shape)
    if kind in ("array", "tensor"):
        name = _field(value, "name", str)
        tensor = tensors.get(name)
        found = None if tensor is None else (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        if found != (value.get("shape"), value.get("dtype")):
            raise UnreadableError(f"{where} should be {value.get('dtype')} of shape {value.get('shape')}, and is {found}")
        return tensor.numpy() if kind == "array" else tensor
    if kind == "method":
        return _unpack_method(value, tensors)
    raise UnreadableError(f"{where} is stored as {kind!r}, which this version of Peira does not know")


def _winner(run: Path) -> Path:
    described = strictjson.loads(_read(run / "run.json", MAX_JSON), what=str(run / "run.json"))
    best = described.get("best") if isinstance(described, dict) else None
    if not isinstance(best, str):
        raise UnreadableError(f"the run {run} has no model yet; finish it with: peira learn --resume {run}")
    names = {folder.name: folder for folder in (run / "models").iterdir()} if (run / "models").is_dir() else {}
    if best not in names:
        raise UnreadableError(f"the run {run} names {best!r} as its best model, which is not there; {closest(best, names)}")
    return names[best]


def _field(value: dict[str, Any], name: str, kind: type) -> Any:
    found = value.get(name)
    if not isinstance(found, kind):
        raise UnreadableError(f"a stored model needs {name!r} to be a {kind.__name__}, found {type(found).__name__}")
    return found


def _read(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise UnreadableError(f"{path} is missing")
    size = path.stat().st_size
    if size > limit:
        raise UnreadableError(f"{path} is {size} bytes long; at most {limit} are read")
    with open(path, "rb") as file:
        return file.read(limit)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

