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
from matplotlib.textpath import text_to_path

from peira.study.report.escaping import clean, escape, prose

__all__ = ["display", "inline"]

_EM = 200  # units of the drawing to one em of the text around it
_STEP = 10  # a twentieth of an em
_LONGEST = 500  # characters of a formula
_LARGEST = 60_000  # characters of its outline
_DEEPEST = 24  # braces within each other
_LINES = 60  # of one display
# Commands that mathtext does not know, in those that it does; "" where they only choose a size or a place.
_COMMANDS = {
    "tfrac": r"\frac", "cfrac": r"\frac",
    "lVert": r"\Vert ", "rVert": r"\Vert ", "lvert": r"\vert ", "rvert": r"\vert ",
    "le": r"\leq", "ge": r"\geq", "ne": r"\neq", "gets": r"\leftarrow", "iff": r"\Leftrightarrow",
    "implies": r"\Rightarrow", "land": r"\wedge", "lor": r"\vee", "stackrel": r"\overset", "bm": r"\boldsymbol",
    "tr": r"\operatorname{tr}", "argmin": r"\operatorname{arg\,min}", "argmax": r"\operatorname{arg\,max}",
    "textrm": r"\text", "mbox": r"\text", "nonumber": "", "notag": "", "limits": "", "nolimits": "",
    "displaystyle": "", "textstyle": "", "middle": "",
    **dict.fromkeys((size + side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "m", "r")), ""),
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SPELLINGS = tuple(
    (re.compile(pattern), ours)
    for pattern, ours in (
        (r"\\begin\{[a-z]+\*?\}(\{[lrc]*\})?|\\end\{[a-z]+\*?\}|\\(?:tag|label)\{[^{}]*\}", ""),
        (r"\\operatorname\*", r"\\operatorname"),
        (r"\\arg\s*\\(min|max)(?![a-zA-Z])", r"\\operatorname{arg\\,\1}"),
        # Spaces: mathtext sets a transpose like an operator, and a logarithm close to what stands beside it.
        (r"\^\s*(?:\\top(?![a-zA-Z])|\{\\top\})", r"^{\\!\\top\\!\\!}"),
        (r"\}\s*\\(ln|log|exp)(?![a-zA-Z])", r"}\\,\\\1 "),
        (r"\\(ln|log)\s*(\||\\vert|\\left)", r"\\\1\\,\2"),
    )
)
_LETTER = {int(Path.MOVETO): "M", int(Path.LINETO): "L", int(Path.CURVE3): "Q", int(Path.CURVE4): "C"}


def inline(source: str) -> Markup:
    """A formula in a line of text, standing on the line's baseline; its source as code where it cannot be read."""
    drawing = _drawing(source.strip())
    return _svg(drawing, source, "tex") if drawing else Markup(f"<code>{escape(clean(source))}</code>")


def display(source: str) -> Markup:
    """Displayed formulas, one a line of the source (blank lines and ``\\\\`` part them)."""
    lines = [line for line in _lines(source) if line and not re.fullmatch(r"\\(?:begin|end)\{.*\}|:[a-z]+:.*", line)]
    drawings = [_drawing(_roomy(line)) for line in lines] if len(lines) <= _LINES else []
    if not drawings or None in drawings:
        return Markup(f'<pre class="source">{escape(prose(source))}</pre>')
    rows = "".join(f"<div>{_svg(d, line, 'tex')}</div>" for d, line in zip(drawings, lines, strict=True) if d)
    return Markup(f'<div class="display">{rows}</div>')


def _lines(source: str) -> list[str]:
    """The lines of a display; a line whose braces are still open goes on in the next."""
    lines: list[str] = []
    for line in re.split(r"\\\\|\n", source):
        if lines and lines[-1].count("{") > lines[-1].count("}"):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    return lines


def _svg(drawing: tuple[str, int, int, int], source: str, css: str) -> Markup:
    """Width and height in em, so that a formula grows with the text; the depth below the baseline is a class
    (d0, d1 ...) in twentieths of an em, because the page's policy refuses style attributes."""
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
    text = _COMMAND.sub(lambda match: _COMMANDS.get(match[1], match[0]), text)
    for pattern, ours in _SPELLINGS:
        text = pattern.sub(ours, text)
    if not text.strip() or len(text) > _LONGEST or "$" in text or _depth(text) > _DEEPEST or not text.isascii():
        return None
    try:
        with matplotlib.style.context({"mathtext.fontset": "stix"}, after_reset=True):
            font = FontProperties(math_fontfamily="stix")
            vertices, codes = text_to_path.get_text_path(font, f"${text}$", ismath=True)
    except (ValueError, RecursionError):  # mathtext's word for "I cannot read this"
        return None
    if len(vertices) == 0:  # nothing but space
        return None
    outline = Path(np.asarray(vertices) * (1.08 * _EM / text_to_path.FONT_SCALE), codes)
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
