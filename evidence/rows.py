"""What a row is: checks of reproductions, sides of races, and the decorators that declare them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MARKS = {
    "V": "read at its source",
    "R": "recomputed from the data with independent code",
    "C": "closed form or identity",
    "M": "from memory of the literature",
    "C(design)": "planted truth of our own design",
}


@dataclass(frozen=True)
class Check:
    """One comparison of a computed value with its reference; made by :func:`check`."""

    name: str
    value: Any
    reference: Any
    compare: str
    tolerance: Any
    held: bool
    error: float | None = None
    note: str = ""
    refuted: str = ""

    def plain(self) -> dict[str, Any]:
        entry = {
            "name": self.name,
            "reference": _plain(self.reference),
            "value": _plain(self.value),
            "compare": self.compare,
            "tolerance": _plain(self.tolerance),
            "error": self.error,
            "held": self.held,
        }
        return entry | {key: text for key in ("note", "refuted") if (text := getattr(self, key))}


def check(
    name: str,
    value: Any,
    reference: Any = None,
    *,
    tolerance: Any = None,
    relative: float | None = None,
    digits: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
    refuted: str = "",
) -> Check:
    """Compare a computed number, array or list with its reference, in one way.

    ``tolerance`` absolute; ``relative`` to each element of the reference; ``digits`` log relative error (NIST's
    number of correct digits; of a zero reference, the absolute error's); ``at_least``/``at_most`` a range; none of
    them: equal. Arrays hold if every element does; NaN never does. ``refuted`` see :mod:`evidence`.
    """
    ranged = at_least is not None or at_most is not None
    if sum([tolerance is not None, relative is not None, digits is not None, ranged]) > 1:
        raise ValueError(f"check {name!r}: give one of tolerance, relative, digits, or a range")
    if (reference is None) != ranged:
        raise ValueError(f"check {name!r}: give a reference, or a range (at_least, at_most)")
    if ranged:
        low, high = (-np.inf if at_least is None else at_least), (np.inf if at_most is None else at_most)
        v = np.asarray(value, dtype=float)
        held = bool(np.all((v >= low) & (v <= high)))
        return Check(name, value, None, "range", [at_least, at_most], held != bool(refuted), note=note, refuted=refuted)
    if tolerance is None and relative is None and digits is None:
        held = _plain(value) == _plain(reference)
        return Check(name, value, reference, "equal", 0, held != bool(refuted), note=note, refuted=refuted)

    v, r = np.asarray(value, dtype=float), np.asarray(reference, dtype=float)
    if v.shape != r.shape:
        raise ValueError(f"check {name!r}: value has shape {v.shape}, reference {r.shape}")
    gap = np.abs(v - r)
    if digits is not None:
        correct = _correct_digits(v, r)
        held, error = bool(np.all(correct >= digits)), float(np.min(correct, initial=np.inf))
        compare, bound = "digits", digits
    elif relative is not None:
        held, compare, bound = bool(np.all(gap <= relative * np.abs(r))), "relative", relative
        error = float(np.max(gap / np.where(r == 0, np.finfo(float).tiny, np.abs(r)), initial=0))
    else:
        held, compare, bound = bool(np.all(gap <= np.asarray(tolerance))), "absolute", tolerance
        error = float(np.max(gap, initial=0))
    return Check(name, value, reference, compare, bound, held != bool(refuted), error, note, refuted)


@dataclass(frozen=True)
class Grid:
    """Numbers worth seeing beside the checks, and held to nothing: a value for each row and column, None for none."""

    name: str
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "rows": self.rows, "columns": self.columns, "values": self.values}


def _correct_digits(v: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Log relative error, -log10(|v - r|/|r|) (absolute where r = 0), at most 15.95 (the digits of a double)."""
    error = np.abs(v - r) / np.where(r == 0, 1.0, np.abs(r))
    correct = 0.0 - np.log10(np.maximum(error, np.finfo(float).eps / 2))
    return np.where(np.isfinite(error), correct, -np.inf)


def _plain(value: Any) -> Any:
    """Numbers, strings and lists of them, as JSON has them."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True)
class Reproduction:
    id: str
    claim: str
    source: str
    protocol: str
    data: tuple[str, ...]
    mark: str
    public: str | None
    compute: Callable[[], Iterable[Check | Grid]]
    slow: bool = False


@dataclass(frozen=True)
class Sides:
    """What a race runs: two callables that do the same work, the quality of an answer, the machine's limit."""

    ours: Callable[[], Any]
    peer: Callable[[], Any]
    quality: Callable[[Any], float] | None = None
    limit: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Race:
    id: str
    case: str
    peer: str
    quality: str
    better: str
    target: float | None
    slack: float
    rule: str
    limit: str
    install: str
    environment: str | None
    data: tuple[str, ...]
    prepare: Callable[[], Sides]


REPRODUCTIONS: list[Reproduction] = []
RACES: list[Race] = []


def reproduction(
    id: str,
    *,
    claim: str,
    source: str,
    protocol: str,
    mark: str,
    data: str | Iterable[str] = (),
    public: str | None = None,
    slow: bool = False,
):
    """Declare a function that yields :class:`Check` as (part of) the reproduction of row ``id``.

    A ``slow`` one takes minutes, and is left out of the tests.
    """
    if mark not in MARKS:
        raise ValueError(f"row {id}: mark {mark!r} is none of {', '.join(MARKS)}")

    def declare(compute):
        row = Reproduction(_checked(id), claim, source, protocol, _files(data), mark, public, compute, slow)
        REPRODUCTIONS.append(row)
        return compute

    return declare


def racing(
    id: str,
    *,
    case: str,
    peer: str,
    quality: str = "",
    better: str = "higher",
    target: float | None = None,
    slack: float = 0.0,
    rule: str = "",
    limit: str = "",
    install: str = "",
    environment: str | None = None,
    data: str | Iterable[str] = (),
):
    """Declare a function that returns :class:`Sides` as one case of the race of row ``id``.

    ``peer`` is the distribution's name (its version is looked up); ``rule`` says when both stop; ``quality`` names
    what ``Sides.quality`` measures and ``better`` its direction (higher or lower).
    """
    if better not in ("higher", "lower"):
        raise ValueError(f"racing {id}: better is 'higher' or 'lower', not {better!r}")

    def declare(prepare):
        row = (_checked(id), case, peer, quality, better, target, slack, rule, limit)
        RACES.append(Race(*row, install or "make races", environment, _files(data), prepare))
        return prepare

    return declare


def races_of(module: str) -> list[Race]:
    """The races that one module declares, in its order."""
    return [race for race in RACES if race.prepare.__module__ == module]


def discover() -> None:
    """Import every module of ``evidence/reproduce`` and ``evidence/race``; their decorators declare the rows."""
    for folder in ("reproduce", "race"):
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"evidence.{folder}.{module.name}")


def _checked(id: str) -> str:
    if not re.fullmatch(r"\d+\.\d\d", id):
        raise ValueError(f"a row's id reads like '1.02', not {id!r}")
    return id


def _files(data: str | Iterable[str]) -> tuple[str, ...]:
    return (data,) if isinstance(data, str) else tuple(data)
