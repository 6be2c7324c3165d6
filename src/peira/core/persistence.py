"""Models as plain folders, and the one loader.

A stored model is a folder of two files that anybody can read:

``model.json``
    format number, key of the class, parameters, the tree of learned values in which each array
    stands as a reference, the SHA-256 of the other member, and the SHA-256 of all this;
``weights.safetensors``
    the arrays.

Loading never executes code and never imports by a name from the file: the key is looked up in
the registry of Peira's own classes, and everything else is data. Sizes, depth and counts are
bounded before parsing; the digests are checked before use; parameters pass the same checks as in
``fit``, and what was learned passes the method's own. What is not understood is refused, and
there is no second loader behind the first.

A model is written over another one so that a kill at any moment leaves one of the two: the old
weights step aside under a second name, and go only when the new description stands.
"""

import hashlib
import math
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

import peira

from . import strictjson
from .errors import DataError, UnreadableError, closest
from .method import Method
from .registry import key_of, registry

FORMAT = 1
DESCRIPTION, WEIGHTS, ASIDE = "model.json", "weights.safetensors", "weights.previous.safetensors"
MAX_JSON, MAX_WEIGHTS, MAX_HEADER, MAX_TENSORS = 64 * 2**20, 16 * 2**30, 16 * 2**20, 10_000
_SETTINGS = {"_sklearn_output_config", "_metadata_request"}  # set_output, set_fit_request: how it is used, not what it knows
_DTYPES = {
    torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
}  # fmt: skip


def save(method: Method, path: str | Path) -> Path:
    """Write a method, fitted or not, into a folder. See `Method.save`."""
    path = Path(path)
    if path.exists() and not _may_be_replaced(path):
        raise FileExistsError(f"{path} exists and is not a model of Peira; choose another name")
    tensors: dict[str, torch.Tensor] = {}
    described = _pack_method(method, tensors, type(method).__name__)
    if len(tensors) > MAX_TENSORS:
        raise TypeError(f"{type(method).__name__} has learned {len(tensors)} arrays; at most {MAX_TENSORS} are stored")
    weights = save_tensors(tensors)
    described = {
        "format": FORMAT,
        "peira": peira.__version__,
        **described,
        "members": {WEIGHTS: {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}},
    }
    text = strictjson.dumps({**described, "sha256": _digest(described)}, indent=1).encode()
    try:
        strictjson.loads(text, what="it", max_bytes=MAX_JSON)
    except UnreadableError as error:
        raise TypeError(f"this {type(method).__name__} could not be read back, so it is not stored: {error}") from error
    path.mkdir(parents=True, exist_ok=True)
    if (path / WEIGHTS).is_file():
        os.replace(path / WEIGHTS, path / ASIDE)
    write_atomically(path / WEIGHTS, weights)
    write_atomically(path / DESCRIPTION, text)
    (path / ASIDE).unlink(missing_ok=True)
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
    if not path.is_dir():
        raise UnreadableError(f"{path} is a file; a model of Peira is a folder with {DESCRIPTION} and {WEIGHTS}")
    described = strictjson.loads(_read(path / DESCRIPTION, MAX_JSON), what=str(path / DESCRIPTION), max_bytes=MAX_JSON)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        found = described.get("format") if isinstance(described, dict) else type(described).__name__
        raise UnreadableError(f"{path / DESCRIPTION} has format {found!r}; this version of Peira reads format {FORMAT}")
    if described.pop("sha256", None) != _digest(described):
        raise UnreadableError(f"{path / DESCRIPTION} is damaged or was edited: its SHA-256 is not the one that it states")
    expected = _field(_field(described, "members", dict), WEIGHTS, dict).get("sha256")
    weights = next((w for w in _weights(path) if hashlib.sha256(w).hexdigest() == expected), None)
    if weights is None:
        raise UnreadableError(f"{path / WEIGHTS} is damaged: its SHA-256 is not the one in {DESCRIPTION}")
    tensors = _parse_weights(weights, str(path / WEIGHTS))
    registry()  # here, so that an error of the package is not taken for one of the file
    try:
        return _unpack_method(described, tensors)
    except UnreadableError:
        raise
    except Exception as error:  # whatever a stranger's values provoke: there is one answer to a file that makes no sense
        raise UnreadableError(f"{path} holds values that make no sense: {type(error).__name__}: {error}") from error


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
    learned = {n: v for n, v in vars(method).items() if n not in method.parameters() and n not in _SETTINGS}
    for name in learned:
        if not _may_be_learned(type(method), name):
            raise TypeError(f"{where}.{name} is not stored: names of learned values end with an underscore and shadow nothing")
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
        whole = value.dtype.kind == "O"
        if not all(isinstance(v, str) or (v is None and whole) for v in value.flat):
            raise TypeError(f"{where} is an array of objects that are not strings, which is never stored")
        return {"$": "strings", "object": whole, "shape": list(value.shape), "items": value.ravel().tolist()}
    try:
        if isinstance(value, np.ndarray):
            # torch takes no foreign byte order and no negative strides; a copy in memory order has neither.
            kind, tensor = "array", torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="K", copy=True))
        else:
            kind, tensor = "tensor", value.detach().cpu().clone()
        fits = tensor.dtype in _DTYPES and tensor.layout == torch.strided
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise TypeError(f"{where} is an array of {value.dtype} that safetensors cannot hold, which is never stored")
    # The order of the axes in memory is kept: a product may round differently over another one.
    axes = sorted(range(tensor.dim()), key=lambda a: -tensor.stride(a))
    if tensor.is_contiguous() or not tensor.permute(axes).is_contiguous():
        axes = list(range(tensor.dim()))
    name = f"t{len(tensors)}"
    tensors[name] = tensor.permute(axes).contiguous()
    described = {"$": kind, "name": name, "shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
    return described if axes == sorted(axes) else {**described, "axes": axes}


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
        if not _may_be_learned(cls, name):
            raise UnreadableError(f"the stored {key} has a learned value named {name!r}, which no method learns")
        setattr(method, name, _unpack(value, tensors, f"{key}.{name}"))
    if not method.__sklearn_is_fitted__():
        if len(vars(method)) > len(cls.parameters()):
            raise UnreadableError(f"the stored {key} has learned only {', '.join(described['learned'])}")
        return method
    method._check_learned()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method._check_answers()
    except DataError:  # the row that it was asked about is none for it, or it says itself why it cannot answer yet
        pass
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
        whole = value.get("object") is True
        if (
            not all(isinstance(v, str) or (v is None and whole) for v in items)
            or not all(type(n) is int and n >= 0 for n in shape)
            or math.prod(shape) != len(items)
        ):
            raise UnreadableError(f"{where} should be an array of {shape} strings, and is not")
        array = np.empty(len(items), dtype=object) if whole else np.array(items, dtype=str)
        array[:] = items
        return array.reshape(shape)
    if kind in ("array", "tensor"):
        return _unpack_array(value, tensors, where)
    if kind == "method":
        return _unpack_method(value, tensors)
    raise UnreadableError(f"{where} is stored as {kind!r}, which this version of Peira does not know")


def _unpack_array(value: dict[str, Any], tensors: dict[str, torch.Tensor], where: str) -> torch.Tensor | np.ndarray:
    tensor = tensors.get(_field(value, "name", str))
    if tensor is not None and "axes" in value:
        axes = value["axes"]
        if not isinstance(axes, list) or sorted(axes) != list(range(tensor.dim())):
            raise UnreadableError(f"{where} has its axes in the order {axes!r}, which is none of {tensor.dim()} axes")
        tensor = tensor.permute([axes.index(a) for a in range(tensor.dim())])
    found = None if tensor is None else (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
    if found != (value.get("shape"), value.get("dtype")):
        raise UnreadableError(f"{where} should be {value.get('dtype')} of shape {value.get('shape')}, and is {found}")
    return tensor.numpy() if value["$"] == "array" else tensor


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


def _may_be_learned(cls: type, name: str) -> bool:
    return name.isidentifier() and name.endswith("_") and not name.startswith("__") and not hasattr(cls, name)


def _may_be_replaced(path: Path) -> bool:
    """Whether a folder is empty or holds a model of Peira, and not somebody else's file of the same name."""
    if not path.is_dir():
        return False
    if not (path / DESCRIPTION).is_file():
        return not any(path.iterdir())
    try:
        described = strictjson.loads(_read(path / DESCRIPTION, MAX_JSON), what="it")
    except UnreadableError:
        return False
    return isinstance(described, dict) and {"format", "peira", "members"} <= described.keys()


def _digest(described: dict[str, Any]) -> str:
    return hashlib.sha256(strictjson.dumps(described).encode()).hexdigest()


def _weights(path: Path) -> Iterator[bytes]:
    """The weights, and those that a save over them put aside and did not live to remove."""
    if (path / WEIGHTS).exists() or not (path / ASIDE).exists():
        yield _read(path / WEIGHTS, MAX_WEIGHTS)
    if (path / ASIDE).exists():
        yield _read(path / ASIDE, MAX_WEIGHTS)


def _parse_weights(weights: bytes, what: str) -> dict[str, torch.Tensor]:
    """The arrays of a safetensors file; its header is read strictly before safetensors reads it."""
    length = int.from_bytes(weights[:8], "little")
    if len(weights) < 8 or length > min(MAX_HEADER, len(weights) - 8):
        raise UnreadableError(f"{what} is not a safetensors file: its first eight bytes are not the length of a header")
    header = strictjson.loads(weights[8 : 8 + length], what=f"the header of {what}")
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise UnreadableError(f"{what} should hold at most {MAX_TENSORS} arrays by name, and does not")
    try:
        return load_tensors(weights)
    except (SafetensorError, ValueError, KeyError, OverflowError, RuntimeError) as error:
        raise UnreadableError(f"{what} is not a safetensors file: {error}") from error


def _read(path: Path, limit: int) -> bytes:
    """The bytes of a member; a link is followed no further than its folder."""
    try:
        if not path.is_file():
            raise UnreadableError(f"{path} is missing")
        if path.resolve().parent != path.parent.resolve():
            raise UnreadableError(f"{path} is a link that leads out of its folder; copy the file into it")
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise UnreadableError(f"{path} is longer than {limit} bytes, the most that is read")
    return content


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

