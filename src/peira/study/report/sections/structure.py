"""What was found where no column holds the answer: a map, profiles in words, and rows worth a look."""

from __future__ import annotations

from typing import Any

import numpy as np

from peira.study.report.escaping import clean, named, plain, shorten
from peira.study.report.figures import array, at, count, percent, real
from peira.study.report.plots import Panel, bar
from peira.study.report.plots import structure as plots
from peira.study.report.plots.structure import Map
from peira.study.report.sections.common import records, sentences, table
from peira.study.report.sections.results import Column

_POINTS = 2_000
_GROUPS = 60
_ROWS = 40
_VALUES = 8


def structure(report: dict) -> dict[str, Any] | None:
    """The map and the pictures of how many, the profile of each group, tables of rows, and what other methods say."""
    part = table(report.get("structure"))
    panels = [_map(table(part.get("map"))), _choice(table(part.get("choice"))), _scree(table(part.get("scree")))]
    shown = [panel for panel in panels if panel is not None]
    profiles = [_profile(p) for p in records(part.get("profiles"), _GROUPS)]
    directions = [
        {"name": clean(p.get("name") or "", 40), "share": percent(p.get("share")), "words": clean(p.get("words") or "")}
        for p in records(part.get("loadings"), 20)
    ]
    others = [
        {"title": clean(r.get("title") or r.get("id") or "", 80), "alike": at(r.get("alike"), 2)}
        for r in records(part.get("others"), 40)
    ]
    tables = [t for t in (_rows(p) for p in records(part.get("tables"), 6)) if t["rows"]]
    if not (shown or profiles or directions or tables or others):
        return None
    return {
        "panels": shown,
        "profiles": profiles,
        "profiles_left_out": count(part["profiles_left_out"]) if real(part.get("profiles_left_out")) else "",
        "directions": directions,
        "others": others,
        "others_title": clean(part.get("others_title") or "Other methods", 120),
        "others_caption": clean(part.get("others_caption") or ""),
        "tables": tables,
    }


def _profile(p: dict) -> dict[str, Any]:
    share = real(p.get("share"))
    return {
        "name": named(p.get("name"), 60),
        "rows": count(p.get("rows")),
        "share": percent(share),
        "bar": bar(share) if share is not None else "",
        "words": sentences(p.get("words"), 8),
    }


def _finite(value: Any, n: int) -> np.ndarray | None:
    found = array(value)[:n]
    return found if len(found) == n and np.isfinite(found).all() and n else None


def _map(part: dict) -> Panel | None:
    given = part.get("points")
    rows = [array(p) for p in given[:_POINTS]] if isinstance(given, list | tuple | np.ndarray) else []
    if not rows or any(len(p) != 2 or not np.isfinite(p).all() for p in rows):
        return None
    points, n = np.array(rows), len(rows)
    codes, values = _finite(part.get("codes"), n), _finite(part.get("values"), n)
    if codes is not None and ((codes < -1).any() or (codes > 1e6).any() or (codes != np.floor(codes)).any()):
        codes = None
    if codes is None and values is None:
        return None
    words = part.get("axes")
    axes = [named(w, 200) for w in words[:2]] if isinstance(words, list | tuple) else []
    axes += ["not named"] if not axes else []
    axes += [""] * (2 - len(axes))
    flagged = _finite(part.get("flagged"), n)
    names = part.get("names")
    return plots.rows_map(
        Map(
            points,
            None if codes is None else codes.astype(int),
            _names(names, codes),
            values,
            clean(part.get("title") or "value", 80),
            None if flagged is None else flagged > 0,
            clean(part.get("flag") or "rows that stand out", 80),
            (axes[0], axes[1]),
            [s for s in array(part.get("shares"))[:2].tolist() if np.isfinite(s)],
            clean(part.get("of") or "", 40),
            int(real(part.get("rows")) or n),
        )
    )


def _names(given: Any, codes: np.ndarray | None) -> list[str]:
    """Names by code; those that are missing are numbered."""
    names = [named(v, 40) for v in given[:1000]] if isinstance(given, list | tuple) else []
    if codes is None:
        return names
    return names + [f"cluster {c}" for c in range(len(names), min(int(codes.max(initial=0)) + 1, 1000))]


def _choice(part: dict) -> Panel | None:
    numbers, scores = array(part.get("numbers"))[:60], array(part.get("scores"))[:60]
    chosen = real(part.get("chosen"))
    if len(numbers) < 2 or len(numbers) != len(scores) or chosen is None:
        return None
    good = np.isfinite(numbers) & np.isfinite(scores) & (np.abs(numbers) < 1e6)
    if good.sum() < 2:
        return None
    nothing = [
        (f"{kind} data", float(most))
        for kind, pair in list(table(part.get("nothing")).items())[:4]
        if len(ends := array(pair)) == 2 and np.isfinite(most := ends[1])
    ]
    words = [clean(part.get(key) or "", 60) for key in ("title", "measure")]
    return plots.choice(numbers[good], scores[good], chosen, words[0] or "number", words[1], nothing)


def _scree(part: dict) -> Panel | None:
    variances, noise = array(part.get("variances"))[:60], array(part.get("noise"))[:60]
    if len(variances) < 2 or not np.isfinite(variances).all() or (variances < 0).any():
        return None
    chosen = real(part.get("chosen"))
    inside = chosen is not None and 1 <= chosen <= len(variances)
    noise = noise if np.isfinite(noise).all() else np.empty(0)
    return plots.scree(variances, noise, int(chosen) if inside and chosen is not None else None)


def _rows(part: dict) -> dict[str, Any]:
    """Rows of the table: what is said of each, then its first columns."""
    rows = records(part.get("rows"), _ROWS)
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(map(str, list(table(row.get("values")))[:1000])))
    columns = [Column.of(name, rows) for name in list(names)[:_VALUES]]
    heads = part.get("said")
    head = [clean(h, 40) for h in heads[:4]] if isinstance(heads, list | tuple) else []
    return {
        "title": clean(part.get("title") or "Rows", 80),
        "caption": clean(part.get("caption") or ""),
        "head": head,
        "columns": columns,
        "left_out": len(names) - len(columns),
        "rows": [
            {
                "row": plain(row.get("row")).replace(",", ""),
                "said": _said(row.get("said"), len(head)),
                "values": [column.text(row) for column in columns],
            }
            for row in rows
        ],
    }


def _said(value: Any, width: int) -> list[str]:
    told = [shorten(plain(v, 60), 40) for v in value[:width]] if isinstance(value, list | tuple) else []
    return told + ["—"] * (width - len(told))
