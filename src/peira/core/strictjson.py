"""JSON from strangers: bounded before it is parsed, and read strictly.

Python's parser accepts NaN, duplicate keys, integers of any length and nesting up to the
interpreter's limit. Here each of these is refused, with a sentence and without a traceback from
the depths.
"""

import json
import math
import re
from collections import Counter
from typing import Any

from .errors import UnreadableError

MAX_DEPTH = 64
_MAX_DIGITS = 25
# A string, skipped whole whatever it holds, or a bracket. Possessive: strangers must not make it backtrack.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def loads(text: bytes, *, what: str, max_bytes: int = 64 * 2**20) -> Any:
    """Parse UTF-8 JSON within limits.

    Parameters
    ----------
    text : bytes
    what : str
        What is being read, for the messages.
    max_bytes : int, default 64 MiB

    Raises
    ------
    UnreadableError
        If the text is too large or too deep, is not JSON, or holds NaN, infinities, a number
        of too many digits or a key twice.
    """
    if len(text) > max_bytes:
        raise UnreadableError(f"{what} is {len(text)} bytes long; at most {max_bytes} are read")
    _refuse_depth(text, what)
    try:
        return json.loads(
            text.decode("utf-8"),
            parse_constant=lambda token: _refuse(what, f"the token {token}, which JSON does not have"),
            parse_int=lambda digits: (
                int(digits) if len(digits) <= _MAX_DIGITS else _refuse(what, "an integer of too many digits")
            ),
            parse_float=lambda digits: _finite(digits, what),
            object_pairs_hook=lambda pairs: _unique(pairs, what),
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"{what} is not valid JSON: {error}") from error


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON text in which a NaN is an error rather than a token that nobody can read."""
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, from a file in another encoding: only escapes can carry it
        text = json.dumps(value, indent=indent, allow_nan=False)
    return text


def _refuse(what: str, found: str) -> Any:
    raise UnreadableError(f"{what} holds {found}")


def _finite(digits: str, what: str) -> float:
    if len(digits) > 2 * _MAX_DIGITS:
        _refuse(what, "a number of too many digits")
    value = float(digits)
    return value if math.isfinite(value) else _refuse(what, f"the number {digits}, which no float holds")


def _unique(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        _refuse(what, f"the key {counts.most_common(1)[0][0][:100]!r} twice")
    return value


def _refuse_depth(text: bytes, what: str) -> None:
    """Count brackets outside of strings, before the parser recurses into them."""
    depth = 0
    for token in _TOKENS.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                _refuse(what, f"nesting deeper than {MAX_DEPTH}")
        elif first in b"]}":
            depth -= 1
