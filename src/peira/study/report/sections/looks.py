"""What there is to look at of data that are no table: figures, tables and texts, checked and bounded."""

from __future__ import annotations

import re
from typing import Any

from peira.study.report.escaping import clean, named, plain, shorten
from peira.study.report.sections.common import records, sentences, table
from peira.study.report.sections.pictures import Room

_FIGURES, _TABLES, _TEXTS = 12, 6, 6
_ROWS, _CELLS = 40, 12
_LINES, _LINE = 40, 2_000
_NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?( %)?|nan|—")


def looks(report: dict) -> dict[str, Any] | None:
    """Figures with their captions, tables, and texts such as samples of a language model."""
    part, room = table(report.get("looks")), Room(None)
    figures = [
        {
            "title": clean(f.get("title") or "", 80),
            "caption": clean(f.get("caption") or ""),
            "picture": room.picture({"png": f.get("png"), "name": f.get("title")}),
        }
        for f in records(part.get("figures"), _FIGURES)
    ]
    tables = [_grid(t) for t in records(part.get("tables"), _TABLES)]
    texts = [
        {
            "title": clean(t.get("title") or "", 80),
            "caption": clean(t.get("caption") or ""),
            "lines": [named(line, _LINE) for line in sentences(t.get("lines"), _LINES)],
        }
        for t in records(part.get("texts"), _TEXTS)
    ]
    if not figures and not tables and not texts:
        return None
    return {"figures": figures, "tables": [t for t in tables if t["rows"]], "texts": texts}


def _grid(t: dict) -> dict[str, Any]:
    """A table with its heads; columns of numbers stand to the right."""
    heads, given = (value if isinstance(value := t.get(key), list | tuple) else [] for key in ("head", "rows"))
    head = [clean(h, 40) for h in heads[:_CELLS] if isinstance(h, str)]
    rows = [
        [shorten(plain(v, 80), 60) for v in row[: len(head)]]
        for row in given[:_ROWS]
        if isinstance(row, list | tuple) and len(row) >= len(head)
    ]
    return {
        "title": clean(t.get("title") or "", 80),
        "caption": clean(t.get("caption") or ""),
        "head": [(h, bool(rows) and all(_NUMBER.fullmatch(row[k]) for row in rows)) for k, h in enumerate(head)],
        "rows": rows,
    }
