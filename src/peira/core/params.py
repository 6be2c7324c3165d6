"""Parameters, declared once.

A parameter is a typed field with a default, one line of meaning and a range::

    alpha: float = param(1.0, "precision of the Gaussian prior", low=0, tune=log(1e-6, 1e6))

From that line come the constructor with a true signature, the checks in ``fit``, the command
line's help, the space that tuning searches, and the table in docs and report.
"""

import inspect
import math
import numbers
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, Union, dataclass_transform

import numpy as np

from .errors import ParameterError, closest


@dataclass(frozen=True)
class Space:
    """Where tuning looks for a parameter's value: an interval on some scale, or a few choices."""

    kind: Literal["log", "linear", "integer", "choice"]
    low: float = math.nan
    high: float = math.nan
    choices: tuple = ()

    def at(self, u: float) -> Any:
        """The value at the fraction ``u`` in [0, 1] of the way through the space."""
        if self.kind == "choice":
            return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]
        if self.kind == "log":
            return float(self.low * (self.high / self.low) ** u)
        if self.kind == "linear":
            return float(self.low + u * (self.high - self.low))
        return round(self.low + u * (self.high - self.low))


def log(low: float, high: float) -> Space:
    """A positive number whose order of magnitude is what matters."""
    return Space("log", low, high)


def linear(low: float, high: float) -> Space:
    """A number between two bounds."""
    return Space("linear", low, high)


def integer(low: int, high: int) -> Space:
    """A whole number, both bounds included."""
    return Space("integer", low, high)


def choice(*choices: Any) -> Space:
    """One of a few values."""
    return Space("choice", choices=choices)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method, as its class declares it."""

    default: Any
    doc: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    tune: Space | None = None
    positional: bool = False
    name: str = ""
    annotation: Any = field(default=Any, compare=False)

    @property
    def range(self) -> str:
        """The range in words, empty where any value of the type will do."""
        parts = [
            f"{sign} {bound:g}"
            for sign, bound in ((">=", self.low), (">", self.above), ("<=", self.high), ("<", self.below))
            if bound is not None
        ]
        return " and ".join(parts)

    def check(self, value: Any, owner: str) -> None:
        """Raise `ParameterError` unless ``value`` has the declared type and lies in the range."""
        if not _fits(value, self.annotation):
            options = _literals(self.annotation)
            hint = f"; {closest(value, options)}" if isinstance(value, str) and options else ""
            raise ParameterError(
                f"parameter {self.name!r} of {owner} must be {describe(self.annotation)}, "
                f"got {value!r} ({type(value).__name__}){hint}"
            )
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            inside = (
                _is_finite_or_welcome(value, self.low, self.high)
                and (self.low is None or value >= self.low)
                and (self.high is None or value <= self.high)
                and (self.above is None or value > self.above)
                and (self.below is None or value < self.below)
            )
            if not inside:
                finite = "" if abs(value) < math.inf else "finite"
                expected = " and ".join(filter(None, (finite, self.range)))
                raise ParameterError(f"parameter {self.name!r} of {owner} must be {expected}, got {value!r}")


def param(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    tune: Space | None = None,
    positional: bool = False,
) -> Any:
    """Declare a parameter in the body of a method's class.

    Parameters
    ----------
    default : object
        Immutable; for a parameter that takes an object, None.
    doc : str
        What it means, in one line.
    low, high : float, optional
        Bounds that belong to the range. Infinity is refused unless it is itself such a bound.
    above, below : float, optional
        Bounds that do not.
    tune : Space, optional
        Where tuning looks: `log`, `linear`, `integer` or `choice`. Without it, tuning leaves
        the default alone.
    positional : bool, default False
        Whether the value may be given without its name, in order of declaration.
    """
    return Parameter(default, doc, low, high, above, below, tune, positional)


# Named as a field specifier, `param` would have to take its default by name to count as one for type checkers.
@dataclass_transform()
class Parametrised:
    """Base of everything that has declared parameters; writes the constructor."""

    _parameters: typing.ClassVar[dict[str, Parameter]] = {}
    _own_parameters: typing.ClassVar[dict[str, Parameter]]
    _resolved_parameters: typing.ClassVar[dict[str, Parameter]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = {
            name: p for base in reversed(cls.__mro__[1:]) for name, p in vars(base).get("_own_parameters", {}).items()
        }
        own = {}
        for name, annotation in vars(cls).get("__annotations__", {}).items():
            declared = vars(cls).get(name)
            if isinstance(declared, Parameter):
                own[name] = Parameter(**{**vars(declared), "name": name, "annotation": annotation})
                delattr(cls, name)
        untyped = [name for name, value in vars(cls).items() if isinstance(value, Parameter)]
        if untyped:
            raise TypeError(
                f"parameter {untyped[0]!r} of {cls.__qualname__} needs a type: {untyped[0]}: float = param(...)"
            )
        cls._own_parameters = own
        # A redeclared parameter keeps its first place, so that positions do not depend on who redeclares.
        cls._parameters = {**inherited, **own}
        if "__init__" not in vars(cls):
            cls.__init__ = _constructor(cls._parameters, cls.__qualname__)

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """The declared parameters by name, with their types resolved."""
        if "_resolved_parameters" not in vars(cls):
            hints: dict[str, Any] = {}
            for base in reversed(cls.__mro__):
                if vars(base).get("_own_parameters"):
                    hints |= typing.get_type_hints(base)
            cls._resolved_parameters = {
                name: Parameter(**{**vars(p), "annotation": hints[name]}) for name, p in cls._parameters.items()
            }
        return cls._resolved_parameters

    def _constructed(self) -> None:
        """What the constructor does beyond storing: nothing for methods, checks for immutable values."""

    def _check_parameters(self) -> None:
        for name, p in type(self).parameters().items():
            p.check(getattr(self, name), type(self).__name__)


def _constructor(parameters: dict[str, Parameter], owner: str):
    positional = [p for p in parameters.values() if p.positional]
    keyword = [p for p in parameters.values() if not p.positional]
    order = tuple(p.name for p in positional)
    defaults = {p.name: p.default for p in (*positional, *keyword)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(order):
            named = f"only {', '.join(order)} may be given by position" if order else "parameters are given by name"
            raise TypeError(f"{owner} takes {len(order)} positional arguments, got {len(args)}: {named}")
        given = dict(zip(order, args, strict=False))
        for name in kwargs:
            if name not in defaults:
                raise TypeError(f"{owner} has no parameter {name!r}; {closest(name, defaults)}")
            if name in given:
                raise TypeError(f"{owner} got parameter {name!r} twice")
        for name, value in (defaults | given | kwargs).items():
            setattr(self, name, value)
        self._constructed()

    P = inspect.Parameter
    __init__.__signature__ = inspect.Signature(
        [P("self", P.POSITIONAL_OR_KEYWORD)]
        + [P(p.name, P.POSITIONAL_OR_KEYWORD, default=p.default, annotation=p.annotation) for p in positional]
        + [P(p.name, P.KEYWORD_ONLY, default=p.default, annotation=p.annotation) for p in keyword]
    )
    __init__.__qualname__ = f"{owner}.__init__"
    return __init__


def _is_finite_or_welcome(value: numbers.Real, low: float | None, high: float | None) -> bool:
    return value == value and (abs(value) != math.inf or value in (low, high))


def _options(annotation: Any) -> tuple:
    """The members of a union, or the annotation alone."""
    return typing.get_args(annotation) if typing.get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _literals(annotation: Any) -> tuple:
    return tuple(v for a in _options(annotation) if typing.get_origin(a) is Literal for v in typing.get_args(a))


def _fits(value: Any, annotation: Any) -> bool:
    for a in _options(annotation):
        if a is Any or a is object:
            return True
        if a is type(None) or a is None:
            fits = value is None
        elif typing.get_origin(a) is Literal:
            fits = any(value is v or (type(value) is type(v) and value == v) for v in typing.get_args(a))
        elif a is bool:
            fits = isinstance(value, bool | np.bool_)
        elif a is int:
            fits = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
        elif a is float:
            fits = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
        else:
            fits = isinstance(value, typing.get_origin(a) or a)
        if fits:
            return True
    return False


def describe(annotation: Any) -> str:
    """A type in words: ``float | Literal['auto']`` is "a number or 'auto'"."""
    words = {
        bool: "True or False",
        int: "a whole number",
        float: "a number",
        str: "a string",
        list: "a list",
        tuple: "a tuple",
        dict: "a dictionary",
        np.ndarray: "an array",
        object: "anything",
        type(None): "None",
        None: "None",
    }
    parts: list[str] = []
    for a in _options(annotation):
        if typing.get_origin(a) is Literal:
            parts += [repr(v) for v in typing.get_args(a)]
        else:
            parts.append(words.get(a) or getattr(a, "__name__", str(a)))
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
