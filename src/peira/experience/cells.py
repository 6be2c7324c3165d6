"""What the cells of a column mean: numbers, dates or words.

All cells of a column are looked at before anything is decided, and what is decided beyond the
plain reading of a number is stated:

1. A cell that spells "no value" is missing.
2. If the rest are numbers in one style (plain, with thousands separated, with a decimal comma, with
   one currency or per-cent sign throughout), the column holds numbers.
3. If at most one cell in ten is not a number, and these are at most ten different words, the words
   become missing values. Otherwise the whole column holds words.
4. Words that are dates in one format, all of them, become dates.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .columns import EXACT_WHOLE, TOO_LONG
from .dates import dates_of
from .naming import count

MISSING = frozenset(
    (
        *("", "na", "n/a", "n.a.", "<na>", "nan", "+nan", "-nan", "nat", "null", "none", "nil", "missing"),
        *("?", "-", "--", ".", ".."),
        *("#n/a", "#na", "#value!", "#div/0!", "#null!", "#num!", "#ref!", "1.#qnan", "-1.#ind"),
    )
)
"""Spellings of "no value", in lower case."""

_SPELT = frozenset(
    spelling for m in MISSING for spelling in (m, m.upper(), m.capitalize(), m.title(), "NaN", "-NaN", "#NA")
)

_WHOLE = r"[+-]?\d+"
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"0\d{2,}", re.ASCII)
_SIGN = re.compile(r"^([$€£¥₹])\s*|\s*([%$€£¥₹])$")
# name of the style, what a number in it looks like, (separator of thousands, decimal mark)
_STYLES = (
    ("thousands separated by ','", re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII), (",", ".")),
    ("decimal comma", re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII), ("", ",")),
    (
        "decimal comma and thousands separated by '.'",
        re.compile(r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?", re.ASCII),
        (".", ","),
    ),
    (
        "thousands separated by blanks",
        re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d*)?", re.ASCII),
        (" \u00a0\u202f", "."),
    ),
    ("thousands separated by apostrophes", re.compile(r"[+-]?\d{1,3}(['’]\d{3})+(\.\d*)?", re.ASCII), ("'’", ".")),
)
STRAY_SHARE, STRAY_WORDS = 0.1, 10


def column_of(cells: Sequence[str], notes: list[str], *, decimal_comma: bool = False) -> np.ndarray:
    """The cells of one column as numbers, dates or words.

    Parameters
    ----------
    cells : sequence of N str
    notes : list of str
        What was decided is added here, without the column's name.
    decimal_comma : bool, default False
        How to read "1,234" where both readings are possible.

    Returns
    -------
    array of shape (N,)
        float64, datetime64, or object with str and None.
    """
    numbers = _plainly(cells)
    if numbers is None:
        numbers = _carefully(Counter(cells), cells, notes, decimal_comma)
    elif (codes := _codes(cells, numbers)) is not None:
        notes.append(codes)
        numbers = None
    elif np.isnan(numbers).any():
        _tell_missing({cells[i]: None for i in np.flatnonzero(np.isnan(numbers))}, notes)
    if numbers is not None:
        _tell_infinite(numbers, notes)
        return numbers
    words = {cell: None if (s := cell.strip()).lower() in MISSING else s for cell in set(cells)}
    _tell_missing(words, notes)
    dates = dates_of([w for w in words.values() if w is not None], notes)
    if dates is not None:
        gone = np.datetime64("NaT", "us")
        return np.array([gone if (w := words[c]) is None else dates[w] for c in cells], "datetime64[us]")
    return np.array([words[c] for c in cells], object)


def _plainly(cells: Sequence[str]) -> np.ndarray | None:
    """The usual case at full speed: every cell is what ``float`` takes, or a usual spelling of no value."""
    try:
        numbers = np.array(list(map(float, cells)), np.float64)
    except ValueError:
        try:
            numbers = np.array([np.nan if c in _SPELT else float(c) for c in cells], np.float64)
        except ValueError:
            return None
    # ``float`` also takes 1_000 and digits of other scripts, which are words here.
    text = "".join(cells)
    return numbers if "_" not in text and text.isascii() else None


def _codes(cells: Sequence[str], numbers: np.ndarray) -> str | None:
    """Why digits are no numbers: post codes would lose their zeros, long keys their last digits."""
    first = next((c for c in cells if c not in _SPELT), "").strip()
    if first.isdigit() and len(first) > 2:
        stripped = [c.strip() for c in cells if c not in _SPELT]
        if len({len(c) for c in stripped}) == 1 and any(_CODE.fullmatch(c) for c in stripped):
            return f"codes with leading zeros (such as {next(c for c in stripped if c[0] == '0')!r}); kept as words"
    huge = first.lstrip("+-").isdigit() and np.max(np.abs(numbers[np.isfinite(numbers)]), initial=0.0) > EXACT_WHOLE
    if huge and all(c.strip().lstrip("+-").isdigit() for c in cells if c not in _SPELT):
        return TOO_LONG
    return None


def _carefully(counts: Counter, cells: Sequence[str], notes: list[str], decimal_comma: bool) -> np.ndarray | None:
    """Numbers in another style, or with missing values or a few words among them; None where they are words."""
    stripped = {cell: cell.strip() for cell in counts}
    held = {c: s for c, s in stripped.items() if s.lower() not in MISSING}
    sign = _common_sign(held.values())
    bare = {c: _SIGN.sub("", s).strip() if sign else s for c, s in held.items()}
    style, values = _best_style(bare, counts, decimal_comma)
    total = sum(counts[c] for c in held)
    strays = {c: s for c, s in held.items() if c not in values}
    n_strays = sum(counts[c] for c in strays)
    if not held:
        _tell_missing(dict.fromkeys(counts), notes)
        return np.full(len(cells), np.nan)
    if not values or n_strays > STRAY_SHARE * total or len(set(strays.values())) > STRAY_WORDS:
        if values and n_strays < total:
            shown = ", ".join(repr(s[:40]) for s in list(strays.values())[:3])
            notes.append(
                f"{count(total - n_strays, 'number')} among {count(n_strays, 'word')} (such as {shown}); "
                "all kept as words"
            )
        return None
    numbers = np.array([values.get(c, np.nan) for c in cells])
    if style:
        notes.append(f"read with {style}")
    if sign:
        notes.append(f"the sign {sign!r} was taken off" + ("; the numbers are per cent" if sign == "%" else ""))
    if strays:
        rows = [i + 1 for i, c in enumerate(cells) if c in strays]
        notes.append(
            f"numbers except for {count(n_strays, 'cell')} taken as missing: "
            + ", ".join(sorted({repr(s[:40]) for s in strays.values()}))
            + f" in row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:10]))}{' ...' * (len(rows) > 10)}"
        )
    _tell_missing(dict.fromkeys(c for c in counts if c not in held), notes)
    return numbers


def _common_sign(held) -> str | None:
    """The currency or per-cent sign that nearly all cells carry."""
    signs = Counter(m.group(1) or m.group(2) for s in held if (m := _SIGN.search(s)))
    if not signs:
        return None
    sign, n = signs.most_common(1)[0]
    return sign if n >= (1 - STRAY_SHARE) * len(held) else None


def _best_style(bare: dict[str, str], counts: Counter, decimal_comma: bool) -> tuple[str, dict[str, float]]:
    """The style in which most cells are numbers, and those numbers; plain numbers come first."""
    plain = {c: float(s) for c, s in bare.items() if _PLAIN.fullmatch(s)}
    best = ("", plain, sum(counts[c] for c in plain))
    if len(plain) == len(bare):
        return best[:2]
    styles = (_STYLES[1], _STYLES[2], _STYLES[0], *_STYLES[3:]) if decimal_comma else _STYLES
    maybe = {c: s for c, s in bare.items() if s[:1] in "0123456789+-.,"}
    whole = {c: float(s) for c, s in maybe.items() if re.fullmatch(_WHOLE, s, re.ASCII)}
    for style, pattern, (thousands, mark) in styles:
        # A plain fraction fits beside thousands with a comma, but contradicts a decimal comma.
        values = dict(plain if mark == "." else whole)
        for c, s in maybe.items():
            if pattern.fullmatch(s):
                values[c] = float(s.translate({ord(t): None for t in thousands}).replace(mark, "."))
        n = sum(counts[c] for c in values)
        if n > best[2]:
            best = (style, values, n)
    return best[:2]


def _tell_missing(words: dict[str, str | None], notes: list[str]) -> None:
    spelled = sorted({c.strip() for c, w in words.items() if w is None} - {""})
    if spelled:
        notes.append(f"{', '.join(map(repr, spelled))} read as missing")


def _tell_infinite(numbers: np.ndarray, notes: list[str]) -> None:
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        notes.append(f"{count(len(infinite), 'infinite value')} (first in row {infinite[0] + 1}); kept")
