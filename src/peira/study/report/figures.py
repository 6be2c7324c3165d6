"""Numbers as a careful writer sets them.

The digits shown follow from what is known: a value with an interval is rounded to the second significant digit of the
interval's half width, so that 68 432.1 with the interval [66 012, 70 839] is written 68,400 [66,000, 70,800]. A value
without an interval gets four significant digits. What is not a finite number is written as a dash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

__all__ = [
    "array", "at", "bounds", "count", "decimals", "duration", "interval", "measured", "moment", "number", "percent",
    "real", "signed",
]  # fmt: skip

DASH = "—"
_DRAWABLE = 1e150
_ROUNDING = 1e-12
"""Half width of an interval, as a share of its ends, up to which it is one of rounding errors."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def real(value: Any) -> float | None:
    """The finite number that `value` is, else None (a truth value and a text are no numbers)."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return None
    try:
        x = float(value)
    except (OverflowError, ValueError):
        return None
    return x if math.isfinite(x) else None


def array(values: Any) -> np.ndarray:
    """A list as float64 for drawing, with NaN in place of whatever is not a number or is too large to be squared;
    anything but a list is an empty array."""
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str | bytes):
        return np.empty(0)
    return np.array([np.nan if (x := real(v)) is None or abs(x) > _DRAWABLE else x for v in values], dtype=float)


def bounds(pair: Any) -> tuple[float, float] | None:
    """An interval [low, high] with finite ends in order, else None."""
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        return None
    low, high = real(pair[0]), real(pair[1])
    return None if low is None or high is None or low > high else (low, high)


def decimals(pair: Any, digits: int = 2) -> int | None:
    """Decimal places (negative: tens, hundreds ...) at which the interval's half width has `digits` significant digits;
    None where there is no width but that of rounding errors.

    >>> decimals([0.60, 0.66]), decimals([66012, 70839]), decimals([1, 1]), decimals([0.3, 0.1 + 0.2])
    (3, -2, None, None)
    """
    ends = bounds(pair)
    if ends is None or not _ROUNDING * max(map(abs, ends)) < (half := ends[1] / 2 - ends[0] / 2) < math.inf:
        return None
    return digits - 1 - math.floor(math.log10(half))


def at(value: Any, places: int) -> str:
    """`value` at so many decimal places, with thousands separated; powers of ten where zeros would hide the number."""
    x = real(value)
    if x is None:
        return DASH
    size = math.floor(math.log10(abs(x))) if x else 0
    places = min(places, 6) if -1 <= size < 9 else places
    if size >= 9 or (x and size < -4) or places > 7:
        digits = min(max(size + places, 0), 6)
        mantissa, exponent = f"{x:.{digits}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", "−") if x else "0"
    text = f"{round(x, places):,.{max(places, 0)}f}"
    if text.strip("-0.,") == "":
        text = text.lstrip("-")
    return text.replace("-", "−")


def number(value: Any, digits: int = 4) -> str:
    """`value` to so many significant digits; whole numbers below a billion in full.

    >>> number(0.123456), number(20640), number(-1.5e-7), number(None)
    ('0.1235', '20,640', '−1.5×10⁻⁷', '—')
    """
    x = real(value)
    if x is None:
        return DASH
    if x == int(x) and abs(x) < 1e9:
        return at(x, 0)
    text = at(x, digits - 1 - math.floor(math.log10(abs(x))))
    mantissa, times, power = text.partition("×")
    if "." in mantissa:  # zeros at the end tell nothing where the precision is not known
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + times + power


def measured(value: Any, pair: Any = None, units: Any = None) -> str:
    """A value to the digits that its interval supports, with its units."""
    places = decimals(pair)
    text = number(value) if places is None else at(value, places)
    return f"{text} {units}" if units and text != DASH else text


def interval(pair: Any, places: int | None = None) -> str:
    """An interval as two numbers of the same precision: ``0.602 to 0.661``.

    >>> interval([66012, 70839])
    '66,000 to 70,800'
    """
    ends = bounds(pair)
    if ends is None:
        return DASH
    places = decimals(pair) if places is None else places
    low, high = (number(e) if places is None else at(e, places) for e in ends)
    return f"{low} to {high}"


def signed(value: Any, pair: Any = None) -> str:
    """A difference, with its sign always shown."""
    text = measured(value, pair)
    return text if text == DASH or text.startswith("−") or text.strip("0.") == "" else "+" + text


def count(value: Any) -> str:
    """A whole number with its thousands separated."""
    x = real(value)
    return DASH if x is None else at(round(x), 0)


def percent(part: Any, whole: Any = 1) -> str:
    """`part` of `whole` in per cent: no decimals from 10 % on, never a misleading 0 % or 100 %."""
    x, n = real(part), real(whole)
    if x is None or not n:
        return DASH
    share = 100 * x / n
    if abs(share) > 1e6:
        return DASH
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    text = f"{share:.0f}" if (share >= 10 and abs(share - round(share)) < 0.05) or 10 <= share < 99 else f"{share:.1f}"
    return f"{text.removesuffix('.0')} %"


def duration(seconds: Any) -> str:
    """A time span in the units that a reader would choose.

    >>> duration(0.00042), duration(3.14159), duration(75), duration(5400)
    ('0.42 ms', '3.1 s', '1 min 15 s', '1 h 30 min')
    """
    x = real(seconds)
    if x is None or x < 0:
        return DASH
    if x < 0.9995:
        return f"{number(1000 * x, 2)} ms"
    if x < 59.5:
        return f"{number(x, 2)} s"
    if x < 3599.5:
        minutes, rest = divmod(round(x), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(x / 60), 60)
    return f"{at(hours, 0)} h {minutes} min" if minutes else f"{at(hours, 0)} h"


def moment(text: str) -> str:
    """A date as one reads it: no clock at midnight, no seconds where there are none; other text as it is.

    >>> moment("2021-03-01T00:00:00.000000"), moment("2021-03-01T10:30:00"), moment("2021-03-01T10:30:05.250000")
    ('2021-03-01', '2021-03-01 10:30', '2021-03-01 10:30:05.25')
    """
    if not (found := _MOMENT.fullmatch(text)):
        return text
    day, clock, seconds, rest = found.groups(default="")
    rest = rest.rstrip("0").rstrip(".")
    if rest or seconds not in ("", ":00"):
        return f"{day} {clock}{seconds}{rest}"
    return day if clock == "00:00" else f"{day} {clock}"
