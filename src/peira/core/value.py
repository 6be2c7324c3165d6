"""Values: immutable objects with declared parameters, such as kernels, that are themselves parameters of methods.

A value is its parameters: two with equal ones are equal, its repr builds it again, and a stored model holds it under
the module path of its class, like a method. Since nobody can change it, sharing replaces copying.
"""

from functools import cache
from typing import Any, Self

import numpy as np

from .params import Parametrised


class Value(Parametrised):
    """Base of immutable objects with declared parameters, which are checked at construction.

    Sequences given for a parameter are kept as read-only arrays.

    Raises
    ------
    ParameterError
        At construction, for a parameter of the wrong type or outside of its range.
    """

    def _constructed(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, list | np.ndarray):
                array = np.array(value)
                array.setflags(write=False)
                vars(self)[name] = array
        self._check_parameters()

    def _replace(self, **parameters: Any) -> Self:
        """The same value with other parameters, unchecked: they may be tensors in a graph."""
        new = object.__new__(type(self))
        vars(new).update(vars(self) | parameters)
        return new

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self) or name not in self._parameters:
            raise AttributeError(f"{type(self).__name__} is immutable: make a new one with another {name}")
        vars(self)[name] = value

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(value, vars(other)[name]) for name, value in vars(self).items())

    def __hash__(self) -> int:
        return hash((type(self), *(v.tobytes() if isinstance(v, np.ndarray) else v for v in vars(self).values())))

    def __repr__(self) -> str:
        shown = []
        for name, p in self._parameters.items():
            value = vars(self)[name]
            if p.positional and not _equal(value, p.default) and len(shown) == list(self._parameters).index(name):
                shown.append(_show(value))
            elif not _equal(value, p.default):
                shown.append(f"{name}={_show(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return (type(a) is type(b) and a == b) or (isinstance(a, int | float) and isinstance(b, int | float) and a == b)


def _show(value: Any) -> str:
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__  # not its address, which is another one in each process
    return repr(value.tolist()) if isinstance(value, np.ndarray) else repr(value)


@cache
def values() -> dict[str, type[Value]]:
    """All kinds of values that the package defines, by the key under which models store them."""
    from .registry import key_of, registry

    registry()  # imports the chapters that define values
    found: dict[str, type[Value]] = {}
    classes: list[type[Value]] = [Value]
    while classes:
        cls = classes.pop()
        classes += cls.__subclasses__()
        if cls.__module__.startswith("peira."):
            found[key_of(cls)] = cls
    return found
