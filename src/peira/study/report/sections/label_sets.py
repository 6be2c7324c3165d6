"""Performance and errors where sets of labels are predicted, label by label."""

from __future__ import annotations

from typing import Any

from peira.study.report.escaping import clean, named, plain, shorten
from peira.study.report.figures import array, count, number, percent, real
from peira.study.report.sections.common import records, table

_TABLE, _SIZES, _WORDS = 100, 20, 100


def label_rows(p: dict) -> list[dict[str, Any]]:
    """The table of labels: how many rows have each, and how well they are told; the first `_TABLE`."""
    return [
        {
            "name": named(row.get("label")),
            "short": shorten(named(row.get("label")), 48),
            "support": count(row.get("support")),
            "share": "" if (share := real(row.get("share"))) is None else percent(share),
        }
        | {key: number(row.get(key), 3) for key in ("recall", "f1", "average_precision")}
        | {"precision": number(row.get("precision"), 3) if real(row.get("precision")) is not None else "never said"}
        for row in records(p.get("label_sets"), _TABLE)
    ]


def set_sizes(p: dict) -> list[dict[str, str]]:
    """How many rows have so many labels, and how many are given so many."""
    sizes = table(p.get("set_sizes"))
    pairs = zip(array(sizes.get("observed")), array(sizes.get("predicted")), strict=False)
    return [{"labels": str(i), "observed": count(a), "predicted": count(b)} for i, (a, b) in enumerate(pairs)][:_SIZES]


def error_rows(rows: list[dict]) -> list[dict[str, str]]:
    """What was said of each row, in words."""
    words = ("observed", "lacking", "too_many")
    return [{key: clean(plain(r.get(key)), _WORDS) for key in words} | {"loss": number(r.get("loss"), 3)} for r in rows]
