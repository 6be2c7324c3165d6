"""The data: what was decided about them, and each column in a line."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from peira.study.report.escaping import clean, named, shorten
from peira.study.report.figures import at, count, decimals, moment, number, percent, real
from peira.study.report.plots import bar, histogram
from peira.study.report.sections.common import records, sentences, table, things

COLUMNS = 100
_LEVELS = 4


def data(report: dict) -> dict[str, Any] | None:
    """Decisions, duplicates, and the first `COLUMNS` columns with the target before all others."""
    d = table(report.get("data"))
    if not d:
        return None
    columns = records(d.get("columns"), 1_000_000)
    columns.sort(key=lambda c: c.get("role") != "target")
    decisions = sentences(d.get("decisions"), 40)
    total = len(d["decisions"]) if isinstance(d.get("decisions"), list) else len(decisions)
    return {
        "decisions": decisions,
        "decisions_left_out": total - len(decisions),
        "duplicates": real(d.get("duplicates")),
        "thing": things(report)[:-1],
        "columns": [_column(c, real(report.get("rows"))) for c in columns[:COLUMNS]],
        "total": len(columns),
        "left_out": max(len(columns) - COLUMNS, 0),
    }


def _column(c: dict, rows: float | None) -> dict[str, Any]:
    s = table(c.get("summary"))
    missing = real(c.get("missing"))
    return {
        "name": named(c.get("name")),
        "short": shorten(named(c.get("name")), 40),
        "role": clean(c.get("role") or "", 30),
        "kind": clean(c.get("kind") or "", 30),
        "reason": clean(c.get("reason") or "", 200),
        "missing": "none" if missing == 0 else count(missing),
        "missing_share": percent(missing, rows) if missing and rows else "",
        "unique": count(c.get("unique")),
        "picture": histogram(table(s.get("histogram")).get("counts"), f"Distribution of {named(c.get('name'), 80)}"),
        "levels": _levels(s, rows, real(c.get("unique"))),
        "numbers": _numbers(s),
    }


def _levels(summary: dict, rows: float | None, unique: float | None) -> list[dict[str, Any]]:
    """The commonest levels; of the others, of which a summary may name only some, how many there are."""
    pairs = summary.get("levels") if isinstance(summary.get("levels"), list | tuple) else []
    pairs = [(p[0], real(p[1])) for p in pairs if isinstance(p, list | tuple) and len(p) == 2][:1000]
    total = rows or sum(n or 0 for _, n in pairs)
    shown = [
        {
            "name": shorten(name, 24) or "(empty)",
            "count": count(n),
            "share": percent(n, total),
            "bar": bar(n / total) if n and total else Markup(""),
        }
        for name, n in pairs[:_LEVELS]
    ]
    more = max(len(pairs), unique or 0) - len(shown)
    if pairs and more > 0:
        shown.append({"name": f"{count(more)} more", "count": "", "share": "", "bar": Markup("")})
    return shown


def _numbers(summary: dict) -> list[tuple[str, str]]:
    """Least, median and greatest, to the precision of the column's spread."""
    low, high = summary.get("min"), summary.get("max")
    quartiles = summary.get("quartiles")
    middle = (
        quartiles[len(quartiles) // 2] if isinstance(quartiles, list | tuple) and quartiles else summary.get("mean")
    )
    if real(low) is None or real(high) is None:  # dates and the like say their ends in words
        return [(w, clean(moment(v), 40)) for w, v in (("from", low), ("to", high)) if isinstance(v, str)]
    whole = all(x is None or x == int(x) for x in map(real, (low, middle, high)))
    places = 0 if whole else decimals([low, high], 3)
    word = "median" if isinstance(quartiles, list | tuple) and quartiles else "mean"
    pairs = (("least", low), (word, middle), ("greatest", high))
    return [(w, number(v) if places is None else at(v, max(places, 0))) for w, v in pairs if real(v) is not None]
