"""A method's page (its module's docstring) as HTML.

The docstrings are written in a small part of reStructuredText, and that part is read here: headings underlined, lists,
simple tables, ``.. math::`` and other directives, footnotes, literal and doctest blocks, field lists, and inline
``code``, *emphasis*, **strong words** and roles. Anything else is a paragraph. Addresses stay text: the page links to
nothing outside itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from markupsafe import Markup, escape

from peira.study.report.escaping import clean, prose
from peira.study.report.formulas import display, inline

__all__ = ["method_page"]

_UNDERLINE = re.compile(r"([=\-~^\"'*+#.])\1{2,}$")
_BORDER = re.compile(r"=+( +=+)+$")
_ITEM = re.compile(r"(?P<mark>[*+\-•]|\(?(?:\d{1,3}|[a-z]|#)[.)])\s+(?=\S)")
_DIRECTIVE = re.compile(r"\.\.\s+(?P<name>[a-zA-Z][\w:.-]*)::\s*(?P<argument>.*)$")
_NOTE = re.compile(r"\.\.\s+\[(?P<label>[^\]]{1,40})\]\s*(?P<text>.*)$")
_FIELD = re.compile(r":(?P<name>[^:`]{1,80}):\s+(?P<text>.*)$")
_INLINE = re.compile(
    r"``(?P<code>.+?)``"
    r"|:(?P<role>[a-zA-Z:+.-]{1,40}):`(?P<content>[^`]+)`"
    r"|`(?P<link>[^`<>]+?)(?:\s*<(?P<address>[^`<>]+)>)?`_{0,2}"
    r"|(?<![\w*])\*\*(?P<strong>[^*\s](?:[^*]*[^*\s])?)\*\*(?![\w*])"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|\[(?P<note>[#\w.-]{1,40})\]_",
    re.DOTALL,
)
_DEEPEST = 6  # lists and quotations within each other
_LARGEST = 700_000  # characters of HTML


def method_page(text: object) -> Markup:
    """The page as HTML; its plain text where its formulas would make the report too large."""
    if not isinstance(text, str):
        return Markup("")
    text = inspect.cleandoc(prose(text)).expandtabs(4)
    page = Markup("").join(_blocks(text.splitlines()[:2000], 0))
    return page if len(page) <= _LARGEST else _pre(text.splitlines())


def _blocks(lines: list[str], depth: int) -> Iterator[Markup]:
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
            continue
        if i + 1 < len(lines) and _UNDERLINE.match(lines[i + 1].strip()) and not line.startswith(" "):
            yield _tag("h4", _inline(line.strip()))
            i += 2
            continue
        if match := _DIRECTIVE.match(line.strip()):
            end = _indented(lines, i + 1, _indent(line))
            yield _directive(match["name"], match["argument"], _dedent(lines[i + 1 : end]), depth)
            i = end
            continue
        if match := _NOTE.match(line.strip()):
            end = _indented(lines, i + 1, _indent(line))
            body = " ".join([match["text"], *(x.strip() for x in lines[i + 1 : end])])
            yield Markup('<p class="reference"><span>[{}]</span> {}</p>').format(
                match["label"].lstrip("#"), _inline(body)
            )
            i = end
            continue
        if line.lstrip().startswith(".. "):  # a comment
            i = _indented(lines, i + 1, _indent(line))
            continue
        if line.lstrip().startswith(">>> "):
            end = next((j for j in range(i, len(lines)) if not lines[j].strip()), len(lines))
            yield _pre(lines[i:end])
            i = end
            continue
        if _BORDER.match(line.strip()):
            end = next((j for j in range(i, len(lines)) if not lines[j].strip()), len(lines))
            yield _table(lines[i:end])
            i = end
            continue
        if _ITEM.match(line.lstrip()):
            block, i = _list(lines, i, depth)
            yield block
            continue
        if _FIELD.match(line) and depth < _DEEPEST:
            block, i = _fields(lines, i)
            yield block
            continue
        if _indent(line) and depth < _DEEPEST:
            end = _indented(lines, i, _indent(line) - 1)
            yield _tag("blockquote", Markup("").join(_blocks(_dedent(lines[i:end]), depth + 1)))
            i = end
            continue
        end = _paragraph_end(lines, i)
        body = " ".join(x.strip() for x in lines[i:end])
        if body.endswith("::"):
            stop = _indented(lines, end, _indent(line))
            if stop > end:
                if words := body[:-2].rstrip():
                    yield _tag("p", _inline(words + ("" if words.endswith((":", ".")) else ":")))
                yield _pre(_dedent(lines[end:stop]))
                i = stop
                continue
        yield _tag("p", _inline(body))
        i = end


def _directive(name: str, argument: str, body: list[str], depth: int) -> Markup:
    if name == "math":
        return display("\n".join([argument, *body]))
    if name in {"code", "code-block", "sourcecode", "doctest", "testcode", "parsed-literal"}:
        return _pre([x for x in body if not x.startswith(":")])
    inside = (
        Markup("").join(_blocks([argument, "", *body] if argument else body, depth + 1)) if depth < _DEEPEST else ""
    )
    if name in {"note", "warning", "important", "tip", "seealso", "admonition"}:
        return Markup('<div class="note">{}</div>').format(inside)
    return Markup(inside)


def _list(lines: list[str], start: int, depth: int) -> tuple[Markup, int]:
    """Items of one list: each runs to the next mark at the same indent, with what is indented below it."""
    margin, items, i = _indent(lines[start]), [], start
    ordered = lines[start].lstrip()[0] not in "*+-•"
    while i < len(lines) and _indent(lines[i]) == margin and (match := _ITEM.match(lines[i].lstrip())):
        if (match["mark"] not in "*+-•") != ordered:
            break
        end = _indented(lines, i + 1, margin)
        first = lines[i].lstrip()[match.end() :]
        rest = _dedent(lines[i + 1 : end])
        if depth < _DEEPEST:
            inside = list(_blocks([first, *rest], depth + 1))
            # One paragraph needs no paragraph of its own inside the item.
            single = len(inside) == 1 and inside[0].startswith("<p>")
            items.append(inside[0][3:-4] if single else Markup("").join(inside))
        else:
            items.append(_inline(" ".join([first, *rest])))
        i = end
        while i < len(lines) and not lines[i].strip():
            i += 1
    tag = "ol" if ordered else "ul"
    return _tag(tag, Markup("").join(_tag("li", item) for item in items)), i


def _table(lines: list[str]) -> Markup:
    """A simple table: columns as wide as its borders say, of which the last runs on; a second border ends the head."""
    starts = [match.start() for match in re.finditer("=+", lines[0])]
    ends = [*starts[1:], None]
    parts: list[list[list[str]]] = [[]]
    for line in lines[1:]:
        cells = [line[a:b].strip() for a, b in zip(starts, ends, strict=True)]
        if _BORDER.match(line.strip()):
            parts.append([])
        elif cells[0] or not parts[-1]:
            parts[-1].append(cells)
        else:  # the line above goes on
            parts[-1][-1] = [f"{a} {b}".strip() for a, b in zip(parts[-1][-1], cells, strict=True)]
    parts = [part for part in parts if part]
    rows = [
        _tag("tr", Markup("").join(_tag("th" if k < len(parts) - 1 else "td", _inline(cell)) for cell in row))
        for k, part in enumerate(parts)
        for row in part
    ]
    return _tag("table", Markup("").join(rows))


def _fields(lines: list[str], start: int) -> tuple[Markup, int]:
    rows, i = [], start
    while i < len(lines) and (match := _FIELD.match(lines[i])):
        end = _indented(lines, i + 1, 0)
        text = " ".join([match["text"], *(x.strip() for x in lines[i + 1 : end])])
        rows.append(_tag("dt", _inline(match["name"])) + _tag("dd", _inline(text)))
        i = end
    return _tag("dl", Markup("").join(rows)), i


def _inline(text: str) -> Markup:
    out, at = [], 0
    for match in _INLINE.finditer(text):
        out.append(escape(clean(text[at : match.start()], 20_000)))
        at = match.end()
        if match["code"] is not None:
            out.append(_tag("code", escape(clean(match["code"]))))
        elif match["role"] is not None:
            content = match["content"]
            out.append(
                inline(content) if match["role"] == "math" else _tag("code", escape(clean(content.lstrip("~!"))))
            )
        elif match["link"] is not None:
            out.append(escape(clean(match["link"])) if match["address"] else _tag("code", escape(clean(match["link"]))))
            if match["address"]:
                out.append(escape(f" ({clean(match['address'])})"))
        elif match["note"] is not None:
            out.append(escape(f"[{match['note'].lstrip('#')}]"))
        else:
            tag = "strong" if match["strong"] else "em"
            out.append(_tag(tag, escape(clean(match["strong"] or match["emphasis"]))))
    out.append(escape(clean(text[at:], 20_000)))
    return Markup("").join(out)


def _tag(name: str, inside: Markup) -> Markup:
    return Markup(f"<{name}>{inside}</{name}>")


def _pre(lines: list[str]) -> Markup:
    return Markup("<pre>{}</pre>").format(prose("\n".join(lines).strip("\n")))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _indented(lines: list[str], start: int, margin: int) -> int:
    """End of the block of lines that are blank or indented by more than `margin`, trailing blank lines not counted."""
    end = i = start
    while i < len(lines) and (not lines[i].strip() or _indent(lines[i]) > margin):
        i += 1
        if lines[i - 1].strip():
            end = i
    return end


def _paragraph_end(lines: list[str], start: int) -> int:
    """A paragraph ends at a blank line, at a directive, or where the next line is a heading."""
    for i in range(start + 1, len(lines)):
        below = lines[i + 1].strip() if i + 1 < len(lines) else ""
        if not lines[i].strip() or lines[i].lstrip().startswith(".. ") or _UNDERLINE.match(below):
            return i
    return len(lines)


def _dedent(lines: list[str]) -> list[str]:
    margin = min((_indent(x) for x in lines if x.strip()), default=0)
    return [x[margin:] for x in lines]
