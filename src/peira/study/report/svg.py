"""Drawings that live inside the page: small, themed by its style sheet, and free of anything that its policy refuses.

matplotlib draws (through a `Figure`, never pyplot) and its SVG is rewritten, element by element, from an allow-list:

* colours become classes. A plot is drawn in *inks* (`INK`, `ACCENT` ...), each a colour code that stands for a role;
  the style sheet says what the role looks like in light, in dark and on paper;
* style attributes, which the content-security policy would refuse, become presentation attributes;
* words become words. Text stays text, in the page's font, and names from the data never pass through matplotlib:
  a drawing holds placeholders, and the names are put in, escaped, at the end;
* coordinates are rounded to a hundredth of a pixel, and what repeats is said once.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from io import BytesIO
from typing import Any

import matplotlib.style
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator

from peira.study.report.escaping import clean, escape, shorten
from peira.study.report.figures import at

__all__ = ["ACCENT", "BAND", "CLASSES", "FAINT", "INK", "PAPER", "SECOND", "SOFT", "Canvas"]

INK, SOFT, FAINT, PAPER, ACCENT, SECOND, BAND = (f"#0000{i:02x}" for i in range(1, 8))
_INKS = {INK: "ink", SOFT: "soft", FAINT: "faint", PAPER: "paper", ACCENT: "accent", SECOND: "second", BAND: "band"}
CLASSES = tuple(f"#00010{i:x}" for i in range(1, 7))
"""Inks that tell classes apart, also for colour-blind eyes; always beside a name or a mark of its own shape."""
_INKS |= {ink: f"class{i}" for i, ink in enumerate(CLASSES, 1)}

FONT_SIZE = 12.0  # pixels at the drawing's natural width
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "peira",
    "text.parse_math": False,
    "font.size": FONT_SIZE,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 1.0,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "ytick.major.size": 0,
    "xtick.major.size": 4,
    "xtick.major.pad": 4,
    "ytick.major.pad": 6,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.3,
}
# Attributes of SVG that are kept, by element: what is not named here does not reach the page.
_KEEP = {
    "g": {"clip-path"},
    "path": {"d", "clip-path", "transform"},
    "use": {"x", "y"},
    "text": {"x", "y", "transform"},
    "defs": set(),
    "clipPath": set(),
    "rect": {"x", "y", "width", "height"},
}
_PAINT = {
    "stroke-width", "stroke-opacity", "fill-opacity", "opacity", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "text-anchor", "font-weight", "font-size",
}  # fmt: skip
_DECIMAL = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_PLACEHOLDER = re.compile(r"\[\[(\d+)\]\]")


class Ticks(Formatter):
    """Tick labels to the precision of their step: thousands separated, 250k and 1.5M where zeros would crowd."""

    def __init__(self, suffix: str = "") -> None:
        self.suffix = suffix

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Any) -> list[str]:
        values = np.asarray(values, dtype=float)
        largest = np.abs(values).max(initial=0.0)
        scale, letter = next(((s, c) for s, c in ((1e6, "M"), (1e3, "k")) if 10 * s <= largest < 1000 * s), (1.0, ""))
        scaled = values / scale
        step = np.diff(np.unique(scaled)).min(initial=np.inf)
        step = step if np.isfinite(step) else abs(scaled).max(initial=1.0) or 1.0
        places = max(0, -int(np.floor(np.log10(step) + 1e-9)))
        while places < 9 and np.abs(np.round(scaled, places) - scaled).max(initial=0.0) > 0.02 * step:
            places += 1  # a step of 2.5 needs one place more than its size says
        return [at(v, places) + (letter if v else "") + self.suffix for v in scaled]


class Canvas:
    """One drawing of natural size `width` x `height` pixels with one set of axes inside the given margins (pixels).

    `key` makes its identifiers unique in the page.
    """

    def __init__(
        self,
        key: str,
        width: float,
        height: float,
        left: float = 52,
        right: float = 16,
        top: float = 30,
        bottom: float = 44,
    ) -> None:
        self.key, self.width, self.height = key, width, height
        self._words: list[str] = []
        self.left, self.top = left, top
        with matplotlib.style.context(_STYLE, after_reset=True):
            self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
            self.axes = self.figure.add_axes(
                (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
            )
        self.axes.patch.set_visible(False)
        self.figure.patch.set_visible(False)
        for axis in (self.axes.xaxis, self.axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(Ticks())
        self.axes.xaxis.grid(False)

    def words(self, text: Any, limit: int = 60) -> str:
        """A placeholder that stands for `text` in the drawing; the whole of it is shown on hovering when shortened."""
        short, full = shorten(text, limit), clean(text)
        self._words.append(f"{escape(short)}" + (f"<title>{escape(full)}</title>" if short != full else ""))
        return f"[[{len(self._words) - 1}]]"

    def label(self, x: str = "", y: str = "") -> None:
        """Titles of the axes, both lying: the vertical axis has its title above it."""
        if x:
            self.axes.set_xlabel(self.words(x), loc="right", labelpad=5)
        if y:
            self.figure.text(
                4 / self.width, 1 - 16 / self.height, self.words(y), color=SOFT, fontsize=FONT_SIZE, parse_math=False
            )

    def note(
        self, x: float, y: float, text: Any, ink: str = SOFT, size: float = FONT_SIZE, limit: int = 60, **where: Any
    ) -> None:
        """A direct label at the point (x, y) of the axes."""
        where = {"ha": "left", "va": "center"} | where
        self.axes.annotate(
            self.words(text, limit), (x, y), color=ink, fontsize=size, annotation_clip=False, parse_math=False,
            xytext=where.pop("offset", (0, 0)), textcoords="offset points", **where,
        )  # fmt: skip

    def svg(self, title: str, css: str = "") -> Markup:
        """The drawing as an inline ``<svg>`` whose accessible name is `title`."""
        file = BytesIO()
        with matplotlib.style.context(_STYLE, after_reset=True):
            self.figure.savefig(file, format="svg", metadata={"Date": None})
        body = _Writer(self.key, self._words).write(ET.fromstring(file.getvalue()))
        name = escape(clean(title))
        return Markup(
            f'<svg class="plot {css}" viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{name}">{body}</svg>'
        )


class _Writer:
    """Rewrites matplotlib's SVG tree as described at the top of this file."""

    def __init__(self, key: str, words: list[str]) -> None:
        self.key, self.words = key, words
        self.ids: dict[str, str] = {}

    def write(self, root: ET.Element) -> str:
        return "".join(self._element(child) for child in root)

    def _element(self, node: ET.Element) -> str:
        tag = node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
        if tag not in _KEEP:
            return ""
        attributes = self._attributes(tag, node)
        if tag == "text":
            return f"<text{_join(attributes)}>{self._text(node.text or '')}</text>"
        children = list(node)
        if tag == "g" and (shared := self._shared(children)) is not None:
            inside = "".join(f"<use{_join(self._place(child))}/>" for child in children)
            return f"<g{_join(attributes | shared)}>{inside}</g>"
        inside = "".join(self._element(child) for child in children)
        if tag in {"g", "defs"} and not inside:
            return ""
        if tag == "g" and not attributes:
            return inside
        return f"<{tag}{_join(attributes)}>{inside}</{tag}>" if inside else f"<{tag}{_join(attributes)}/>"

    def _attributes(self, tag: str, node: ET.Element) -> dict[str, str]:
        kept = {k: _tidy(v) for k, v in node.attrib.items() if k in _KEEP[tag]}
        if "clip-path" in kept:
            kept["clip-path"] = f"url(#{self._id(kept['clip-path'][5:-1])})"
        if kept.get("transform", "").startswith("rotate(-0"):
            del kept["transform"]
        if tag == "use":
            kept |= self._place(node)
        if tag in {"path", "clipPath"} and "id" in node.attrib:
            kept["id"] = self._id(node.attrib["id"])
        return kept | _paint(node.get("style", ""))

    def _place(self, node: ET.Element) -> dict[str, str]:
        href = node.get("{http://www.w3.org/1999/xlink}href", "")
        return {"href": "#" + self._id(href[1:])} | {k: _tidy(node.get(k, "0")) for k in ("x", "y")}

    def _shared(self, children: list[ET.Element]) -> dict[str, str] | None:
        """The paint that all the children, marks of one series, have in common."""
        styles = {child.get("style", "") for child in children if child.tag.endswith("}use")}
        if len(styles) != 1 or not all(child.tag.endswith("}use") for child in children):
            return None
        return _paint(styles.pop())

    def _text(self, text: str) -> str:
        match = _PLACEHOLDER.fullmatch(text)
        return self.words[int(match[1])] if match else str(escape(clean(text)))

    def _id(self, name: str) -> str:
        return self.ids.setdefault(name, f"{self.key}-{len(self.ids)}")


def _paint(style: str) -> dict[str, str]:
    """A style attribute as presentation attributes, its inks as classes."""
    pairs = dict(part.strip().split(":", 1) for part in style.split(";") if ":" in part)
    pairs = {k.strip(): v.strip() for k, v in pairs.items()}
    if "font" in pairs:  # the shorthand: [weight] size family
        size = re.search(r"([\d.]+)px", pairs.pop("font"))
        pairs["font-size"] = size[0] if size else f"{FONT_SIZE}px"
    kept = {k: _tidy(v) for k, v in pairs.items() if k in _PAINT}
    if kept.get("font-size") in {f"{FONT_SIZE:g}px", f"{FONT_SIZE}px"}:
        del kept["font-size"]
    classes = []
    for what, letter in (("fill", "f"), ("stroke", "s")):
        colour = pairs.get(what)
        if colour in _INKS:
            classes.append(f"{letter}-{_INKS[colour]}")
        elif colour == "none":
            kept[what] = "none"
    return ({"class": " ".join(classes)} if classes else {}) | kept


def _tidy(value: str) -> str:
    value = _DECIMAL.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip(".") or "0", value)
    return (
        re.sub(r"\s+", " ", value).replace(" L ", "L").replace("M ", "M").replace(" M", "M").replace("L ", "L").strip()
    )


def _join(attributes: dict[str, str]) -> str:
    return "".join(f' {k}="{escape(v)}"' for k, v in attributes.items())
