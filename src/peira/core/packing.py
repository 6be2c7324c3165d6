"""A method as a tree of plain values that JSON can write, and back.

Allowed leaves are None, bool, int, float, str, list, tuple, dict, arrays of numbers or strings, tensors, values,
methods, and nets, of which the weights are kept and which the method builds again. What JSON lacks stands as a
dictionary whose key "$" names the kind; arrays are put aside by name, for safetensors to hold. Anything else is
refused, on the way out with a TypeError and on the way in with an `UnreadableError`.
"""

import math
import warnings
from typing import Any

import numpy as np
import torch

from .errors import DataError, UnreadableError, closest
from .method import Method
from .registry import key_of, registry
from .value import Value, values

# How a method is used, noted by scikit-learn's set_output and set_fit_request: no part of what it knows.
_SETTINGS = {"_sklearn_output_config", "_metadata_request"}
_DTYPES = {
    torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int16, torch.int32,
    torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
}  # fmt: skip


def pack_method(method: Method, tensors: dict[str, torch.Tensor], where: str) -> dict[str, Any]:
    """The description of a method; its arrays are added to ``tensors``. ``where`` names it in errors."""
    key = key_of(type(method))
    if key not in registry():
        raise TypeError(
            f"{where}: {type(method).__module__}.{type(method).__qualname__} is not a method of the peira package, and "
            "only those are stored: a stored model must not need anybody's code to come back"
        )
    learned = {n: v for n, v in vars(method).items() if n not in method.parameters() and n not in _SETTINGS}
    for name in learned:
        if not _may_be_learned(type(method), name):
            raise TypeError(
                f"{where}.{name} is not stored: names of learned values end with an underscore and shadow nothing"
            )
    return {
        "method": key,
        "parameters": {n: pack(getattr(method, n), tensors, f"{where}.{n}") for n in method.parameters()},
        "learned": {
            n: _pack_net(v, tensors, where)
            if n == "net_" and hasattr(method, "build")
            else pack(v, tensors, f"{where}.{n}")
            for n, v in learned.items()
        },
    }


def pack(value: Any, tensors: dict[str, torch.Tensor], where: str) -> Any:
    """A value as JSON can write it; its arrays are added to ``tensors``. ``where`` names it in errors."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else {"$": "float", "value": repr(float(value))}
    if isinstance(value, list | tuple):
        items = [pack(v, tensors, f"{where}[{i}]") for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"$": "tuple", "items": items}
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value):
            raise TypeError(f"{where} has a key that is not a string; stored dictionaries have string keys")
        return {"$": "dict", "items": {k: pack(v, tensors, f"{where}[{k!r}]") for k, v in value.items()}}
    if isinstance(value, torch.Tensor | np.ndarray):
        return _pack_array(value, tensors, where)
    if isinstance(value, Method):
        return {"$": "method", **pack_method(value, tensors, where)}
    if isinstance(value, Value) and key_of(type(value)) in values():
        parameters = {n: pack(v, tensors, f"{where}.{n}") for n, v in vars(value).items()}
        return {"$": "value", "value": key_of(type(value)), "parameters": parameters}
    raise TypeError(
        f"{where} is a {type(value).__name__}, which is never stored; allowed are None, bool, int, float, str, list, "
        "tuple, dict, arrays of numbers or strings, tensors and methods"
    )


def _pack_net(net: torch.nn.Module, tensors: dict[str, torch.Tensor], where: str) -> dict[str, Any]:
    """The weights of the net that a method builds."""
    return {"$": "net", "state": {n: _pack_array(t, tensors, f"{where}.{n}") for n, t in net.state_dict().items()}}


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
    described = {
        "$": kind,
        "name": name,
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
    }
    return described if axes == sorted(axes) else {**described, "axes": axes}


def unpack_method(described: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Method:
    """The method of a description, with parameters and learned values checked as far as the method knows how."""
    key = field(described, "method", str)
    cls = registry().get(key)
    if cls is None:
        raise UnreadableError(f"the stored method {key!r} is not one of Peira's; {closest(key, registry())}")
    parameters = {n: unpack(v, tensors, n) for n, v in field(described, "parameters", dict).items()}
    unknown = parameters.keys() - cls.parameters().keys()
    if unknown:
        raise UnreadableError(f"the stored {key} has parameters that it does not know: {', '.join(sorted(unknown))}")
    method = cls(**parameters)
    try:
        method._check_parameters()
    except ValueError as error:
        raise UnreadableError(f"the stored {key} cannot be used: {error}") from error
    nets = {}
    for name, value in field(described, "learned", dict).items():
        if not _may_be_learned(cls, name):
            raise UnreadableError(f"the stored {key} has a learned value named {name!r}, which no method learns")
        if isinstance(value, dict) and value.get("$") == "net":
            nets[name] = value
        else:
            setattr(method, name, unpack(value, tensors, f"{key}.{name}"))
    for name, value in nets.items():  # last, since nets are built from everything else
        setattr(method, name, _unpack_net(method, name, value, tensors))
    if nets:  # in the order in which they were stored, so that storing again gives the same file
        for name in field(described, "learned", dict):
            vars(method)[name] = vars(method).pop(name)
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


def unpack(value: Any, tensors: dict[str, torch.Tensor], where: str) -> Any:
    """The value of a description."""
    if isinstance(value, list):
        return [unpack(v, tensors, where) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind == "float":
        text = field(value, "value", str)
        if text not in ("nan", "inf", "-inf"):
            raise UnreadableError(f"{where} is the number {text!r}, which is not one that JSON lacks")
        return float(text)
    if kind == "tuple":
        return tuple(unpack(v, tensors, where) for v in field(value, "items", list))
    if kind == "dict":
        return {k: unpack(v, tensors, f"{where}[{k!r}]") for k, v in field(value, "items", dict).items()}
    if kind == "strings":
        items, shape = field(value, "items", list), field(value, "shape", list)
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
        return unpack_method(value, tensors)
    if kind == "value":
        return _unpack_value(value, tensors, where)
    raise UnreadableError(f"{where} is stored as {kind!r}, which this version of Peira does not know")


def _unpack_value(value: dict[str, Any], tensors: dict[str, torch.Tensor], where: str) -> Value:
    key = field(value, "value", str)
    cls = values().get(key)
    if cls is None:
        raise UnreadableError(f"{where} is stored as {key!r}, which is not one of Peira's; {closest(key, values())}")
    parameters = {n: unpack(v, tensors, f"{where}.{n}") for n, v in field(value, "parameters", dict).items()}
    if parameters.keys() != cls.parameters().keys():
        raise UnreadableError(f"{where} is a {cls.__name__} with the parameters {', '.join(sorted(parameters))}")
    try:
        return cls(**parameters)
    except (TypeError, ValueError) as error:
        raise UnreadableError(f"{where} cannot be used: {error}") from error


def _unpack_net(method: Method, name: str, value: dict[str, Any], tensors: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The net that the method builds, with the stored weights; it takes no memory until the sizes agree."""
    where = f"{type(method).__name__}.{name}"
    if name != "net_" or not hasattr(method, "build"):
        raise UnreadableError(f"{where} is stored as a net, and {type(method).__name__} builds none of that name")
    stored = {n: _unpack_array(t, tensors, f"{where}.{n}") for n, t in field(value, "state", dict).items()}
    try:
        with torch.device("meta"):
            net = method.build()
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableError(f"{where} cannot be built from what is stored: {error}") from error
    built = {n: (tuple(t.shape), t.dtype) for n, t in net.state_dict().items()}
    for n in built.keys() | stored.keys():
        found = (tuple(stored[n].shape), stored[n].dtype) if n in stored else "missing"
        if built.get(n) != found:
            raise UnreadableError(
                f"{where} has {n!r} as {found}, and the net is built with {built.get(n, 'no such part')}"
            )
    net.load_state_dict(stored, assign=True)
    return net.eval()


def _unpack_array(value: dict[str, Any], tensors: dict[str, torch.Tensor], where: str) -> torch.Tensor | np.ndarray:
    tensor = tensors.get(field(value, "name", str))
    if tensor is not None and "axes" in value:
        axes = value["axes"]
        if not isinstance(axes, list) or sorted(axes) != list(range(tensor.dim())):
            raise UnreadableError(f"{where} has its axes in the order {axes!r}, which is none of {tensor.dim()} axes")
        tensor = tensor.permute([axes.index(a) for a in range(tensor.dim())])
    found = None if tensor is None else (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
    if found != (value.get("shape"), value.get("dtype")):
        raise UnreadableError(f"{where} should be {value.get('dtype')} of shape {value.get('shape')}, and is {found}")
    return tensor.numpy() if value["$"] == "array" else tensor


def field(value: dict[str, Any], name: str, kind: type) -> Any:
    """An entry of a description that must be there and of that type."""
    found = value.get(name)
    if not isinstance(found, kind):
        raise UnreadableError(f"a stored model needs {name!r} to be a {kind.__name__}, found {type(found).__name__}")
    return found


def _may_be_learned(cls: type, name: str) -> bool:
    return name.isidentifier() and name.endswith("_") and not name.startswith("__") and not hasattr(cls, name)
