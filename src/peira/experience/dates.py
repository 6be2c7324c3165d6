"""Words that are dates.

A column becomes dates only if every word in it is one, in one format. Where day and month could be
either way round, the days past the twelfth decide; if there are none, the month is taken first and
that is stated.
"""

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_TIME = r"( \d\d?:\d\d(:\d\d)?)?"
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_SLASHED_ISO = re.compile(rf"\d{{4}}/\d\d?/\d\d?{_TIME}", re.ASCII)
_DOTTED = re.compile(rf"\d\d?\.\d\d?\.\d{{4}}{_TIME}", re.ASCII)
_SLASHED = re.compile(rf"\d\d?[/-]\d\d?[/-]\d{{4}}{_TIME}", re.ASCII)


def dates_of(words: Sequence[str], notes: list[str]) -> dict[str, np.datetime64] | None:
    """The date that each word is, or None if one of them is no date.

    Parameters
    ----------
    words : sequence of str
        The different words of the column, none of them missing.
    notes : list of str
        What was decided is added here.
    """
    if not words or not words[0][:1].isdigit():
        return None
    pattern = next((p for p in _PARSERS if p.fullmatch(words[0])), None)
    if pattern is None:
        return None
    if not all(pattern.fullmatch(w) for w in words):
        return None
    parse, order = _PARSERS[pattern]
    if pattern is _SLASHED:
        parts = [re.split("[/-]", w.split(" ")[0]) for w in words]
        day_first = any(int(p[0]) > 12 for p in parts)
        parse, order = (_day_first, "day, month, year") if day_first else (parse, order)
        if not day_first and not any(int(p[1]) > 12 for p in parts):
            order += " (nothing in it tells; pass dates as 2024-12-31 to be sure)"
    try:
        dates = {w: np.datetime64(parse(w), "us") for w in words}
    except ValueError:
        return None
    zones = ", its time zones turned into UTC" if pattern is _ISO and any(_zoned(w) for w in words) else ""
    notes.append(f"read as dates: {order}{zones}")
    return dates


def _zoned(word: str) -> bool:
    return len(word) > 10 and (word[-1] == "Z" or "+" in word or "-" in word[10:])


def _iso(word: str) -> datetime | str:
    if not _zoned(word):
        return word.replace(",", ".")
    moment = datetime.fromisoformat(word)
    return (moment - moment.utcoffset()).replace(tzinfo=None)


def _year_first(word: str) -> datetime:
    return _parts(word, "/", (0, 1, 2))


def _day_first(word: str) -> datetime:
    return _parts(word, "[./-]", (2, 1, 0))


def _month_first(word: str) -> datetime:
    return _parts(word, "[/-]", (2, 0, 1))


def _parts(word: str, separator: str, place: tuple[int, int, int]) -> datetime:
    day, _, time = word.partition(" ")
    numbers = re.split(separator, day)
    clock = [int(t) for t in time.split(":")] if time else []
    return datetime(*(int(numbers[p]) for p in place), *clock)


_PARSERS = {
    _ISO: (_iso, "year, month, day"),
    _MONTH: (_iso, "year, month"),
    _SLASHED_ISO: (_year_first, "year, month, day"),
    _DOTTED: (_day_first, "day, month, year"),
    _SLASHED: (_month_first, "month, day, year"),
}
