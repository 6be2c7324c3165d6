"""Formulas as drawings: LaTeX as far as matplotlib's mathtext knows it, one path a formula.

What mathtext cannot read is shown as its source, never dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache

import matplotlib.style
import numpy as np
from markupsafe import Markup
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from peira.study.report.escaping import clean, escape, prose

__all__ = ["display", "inline"]

_EM = 200  # units of the drawing to one em of the text around it
_STEP = 10  # a twentieth of an em
_LONGEST = 500  # characters of a formula
_LARGEST = 60_000  # characters of its outline
_DEEPEST = 24
# Spellings that mathtext does not know, in ones that it does.
_SPELLINGS = (
    (
        re.compile(
            r"\\begin\{[a-z]+\*?\}(\{[lrc]*\})?|\\end\{[a-z]+\*?\}|\\(?:nonumber|notag)(?![a-zA-Z])|\\(?:tag|label)\{[^{}]*\}"
        ),
        "",
    ),
    (re.compile(r"\\(?:tfrac|cfrac)(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\[lr]Vert(?![a-zA-Z])"), r"\\Vert "),
    (re.compile(r"\\[lr]vert(?![a-zA-Z])"), r"\\vert "),
    (re.compile(r"\\(?:bigg|Bigg|big|Big)[lrm]?(?![a-zA-Z])"), ""),
    (re.compile(r"\\operatorname\*"), r"\\operatorname"),
    (re.compile(r"\\arg\s*\\(min|max)(?![a-zA-Z])"), r"\\operatorname{arg\\,\1}"),
    (re.compile(r"\\(?:textrm|textnormal|mbox)(?=\{)"), r"\\text"),
    (re.compile(r"\\(?:limits|nolimits|displaystyle|textstyle)(?![a-zA-Z])"), ""),
    (re.compile(r"\^\s*(?:\\top(?![a-zA-Z])|\{\\top\})"), r"^{\\!\\top\\!\\!}"),  # mathtext spaces it as an operator
    (re.compile(r"\}\s*\\(ln|log|exp)(?![a-zA-Z])"), r"}\\,\\\1 "),
    (re.compile(r"\\(ln|log)\s*(\||\\vert|\\left)"), r"\\\1\\,\2"),
    (re.compile(r"\\tr(?![a-zA-Z])"), r"\\operatorname{tr}"),
)
_LETTER = {int(Path.MOVETO): "M", int(Path.LINETO): "L", int(Path.CURVE3): "Q", int(Path.CURVE4): "C"}


def inline(source: str) -> Markup:
    """A formula in a line of text, standing on the line's baseline; its source in a ``<code>`` where it is not readable."""
    drawing = _drawing(source.strip())
    return _svg(drawing, source, "tex") if drawing else Markup(f"<code>{escape(clean(source))}</code>")


def display(source: str) -> Markup:
    """Displayed formulas, one a line of the source (blank lines and ``\\\\`` part them)."""
    lines = [line.strip() for line in re.split(r"\\\\|\n", source)]
    lines = [line for line in lines if line and not re.fullmatch(r"\\(?:begin|end)\{.*\}|:[a-z]+:.*", line)][:60]
    drawings = [_drawing(_roomy(line)) for line in lines]
    if not drawings or None in drawings:
        return Markup(f'<pre class="source">{escape(prose(source, 4000))}</pre>')
    rows = "".join(f"<div>{_svg(d, line, 'tex')}</div>" for d, line in zip(drawings, lines, strict=True) if d)
    return Markup(f'<div class="display">{rows}</div>')


def _svg(drawing: tuple[str, int, int, int], source: str, css: str) -> Markup:
    """Width and height in em, so that a formula grows with the text; the depth below the baseline is a class (d0, d1 ...),
    in twentieths of an em, because the page's policy refuses style attributes."""
    path, width, height, depth = drawing
    return Markup(
        f'<svg class="{css} d{min(depth // _STEP, 60)}" width="{width / _EM:.2f}em" height="{height / _EM:.2f}em" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(clean(source))}">'
        f'<path class="f-ink" d="{path}"/></svg>'
    )


@lru_cache(maxsize=512)
def _drawing(source: str) -> tuple[str, int, int, int] | None:
    """Path, width, height and depth (units) of one formula; None where mathtext cannot read it."""
    text = clean(source.replace("&", " ").strip().rstrip(",;"), 10 * _LONGEST)
    for pattern, ours in _SPELLINGS:
        text = pattern.sub(ours, text)
    if not text.strip() or len(text) > _LONGEST or "$" in text or _depth(text) > _DEEPEST or not text.isascii():
        return None
    try:
        with matplotlib.style.context({"mathtext.fontset": "stix"}, after_reset=True):
            outline = TextPath((0, 0), f"${text}$", size=_EM * 1.08, prop=FontProperties(math_fontfamily="stix"))
    except (ValueError, RecursionError):  # mathtext's word for "I cannot read this"
        return None
    if not len(outline.vertices):
        return None
    low, high = np.floor(outline.vertices.min(axis=0)) - 4, np.ceil(outline.vertices.max(axis=0)) + 4
    # Whole twentieths of an em below the baseline, so that a class can say them.
    depth = _STEP * int(np.ceil(max(-low[1], 0.0) / _STEP))
    path = _outline(outline, origin=(min(low[0], 0.0), max(high[1], 0.0)))
    if len(path) > _LARGEST:
        return None
    return path, int(high[0] - min(low[0], 0.0)), int(max(high[1], 0.0)) + depth, depth


def _outline(outline: Path, origin: tuple[float, float]) -> str:
    """SVG path in whole units relative to the point before (the shortest way to write it); the page's y runs down."""
    pieces, here, start = [], np.zeros(2, int), np.zeros(2, int)
    for vertices, code in outline.iter_segments(curves=True, simplify=False):
        letter = _LETTER.get(int(code), "Z")
        if letter == "Z":
            pieces.append("z")
            here = start
            continue
        points = np.rint((np.asarray(vertices).reshape(-1, 2) - origin) * (1, -1)).astype(int)
        pieces.append(letter.lower() + " ".join(str(v) for v in (points - here).ravel()).replace(" -", "-"))
        here = points[-1]
        if letter == "M":
            start = here
    return "".join(pieces)


def _roomy(source: str) -> str:
    """Fractions that stand by themselves, outside all braces, in the size of displayed formulas."""
    level, out = 0, []
    for part in re.split(r"(\\frac(?![a-zA-Z])|[{}])", source):
        level += (part == "{") - (part == "}")
        out.append(r"\dfrac" if part == r"\frac" and level == 0 else part)
    return "".join(out)


def _depth(text: str) -> int:
    """How deep its braces nest."""
    level = deepest = 0
    for character in text:
        level += (character == "{") - (character == "}")
        deepest = max(deepest, level)
    return deepest
