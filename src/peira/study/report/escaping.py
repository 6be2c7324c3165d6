"""Words from the data, made safe to show.

Three rules keep a report harmless, whatever stood in the table that it describes:

* every word passes `clean` (the template engine's ``finalize`` calls it, so a template cannot forget), which makes
  control characters, bidirectional overrides and lone surrogates visible and bounds the length;
* every word is escaped, quotes included, by the template engine's ``autoescape`` and by `escape` in the SVG writer;
* the page carries a content-security policy (`policy`) under which a browser would refuse a script, a remote address
  or an inline style even if the first two rules had a hole.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from typing import Any

from markupsafe import Markup, escape

from peira.study.report.figures import moment, number, real

__all__ = ["LIMIT", "breakable", "clean", "escape", "finalize", "named", "plain", "policy", "prose", "shorten"]

LIMIT = 600
"""Characters of one piece of text that are shown, unless a template asks for fewer."""

# C0 and C1 controls, invisible and direction-changing format characters, line separators, lone surrogates,
# non-characters and tag characters. The joiners U+200C and U+200D stay: Persian, Hindi and emoji need them.
_HIDDEN = (
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f"
)
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f" + _HIDDEN + "]")
_UNSAFE_PROSE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f" + _HIDDEN + "]")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return {9: r"\t", 10: r"\n", 13: r"\r"}.get(code) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def clean(text: Any, limit: int = LIMIT) -> str:
    """One line of text with nothing invisible in it, at most `limit` characters long.

    >>> clean("a\\x1b[31mb\\u202ec")
    'a\\\\x1b[31mb\\\\u202ec'
    """
    if isinstance(text, float) and not math.isfinite(text):
        return "—"
    text = _UNSAFE.sub(_visible, str(text)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def prose(text: Any, limit: int = 40_000) -> str:
    """Text of several lines: as `clean`, but line ends and tabs stay."""
    text = str(text)[: limit + 1].replace("\r\n", "\n")
    text = _UNSAFE_PROSE.sub(_visible, text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shorten(text: Any, limit: int = 48) -> str:
    """A name that fits: its middle left out, because long names differ at their ends.

    >>> shorten("abcdefghij", 7)
    'abcd…ij'
    """
    text = clean(text, 4 * LIMIT)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return text[: limit - 1 - tail] + "…" + text[-tail:]


def named(name: Any, limit: int = 300) -> str:
    """A name from the data, of which there is always something to see."""
    return clean("" if name is None else name, limit) or "(no name)"


def breakable(name: Any) -> Markup:
    """A name that may be parted after its underscores and the like, where a cell is narrow."""
    return Markup(re.sub(r"([_./-])(?=\w)", r"\1<wbr>", str(escape(clean(name)))))


def plain(value: Any, limit: int = 120) -> str:
    """Any JSON value in words: numbers as figures, truth as yes or no, dates as days, lists and tables in one line."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if real(value) is not None:
        return number(value)
    if isinstance(value, float):
        return "not a number" if value != value else "∞" if value > 0 else "−∞"
    if isinstance(value, dict):
        return clean(", ".join(f"{clean(k, 40)}: {plain(v, 40)}" for k, v in list(value.items())[:12]), limit)
    if isinstance(value, list | tuple):
        return clean(", ".join(plain(v, 40) for v in value[:12]) + (", …" if len(value) > 12 else ""), limit)
    return clean(moment(value) if isinstance(value, str) else value, limit)


def finalize(value: Any) -> Any:
    """What a template prints: our own mark-up as it is, everything else through `clean`."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else clean(value)


def policy(css: str) -> str:
    """The content-security policy of a page whose only style sheet is `css`: no script, no address, no inline style."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
