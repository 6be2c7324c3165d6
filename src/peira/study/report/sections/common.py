"""Reading a dict that may lack anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peira.study.report.escaping import clean


def table(value: Any) -> dict:
    """The dict that `value` is, else an empty one."""
    return value if isinstance(value, dict) else {}


def records(value: Any, limit: int) -> list[dict]:
    """The dicts in a list, at most `limit` of them."""
    return [v for v in value if isinstance(v, dict)][:limit] if isinstance(value, list | tuple) else []


def sentences(value: Any, limit: int) -> list[str]:
    """The texts in a list (or the one text), at most `limit` of them."""
    value = [value] if isinstance(value, str) else value
    return (
        [clean(v) for v in value if isinstance(v, str) and v.strip()][:limit] if isinstance(value, list | tuple) else []
    )


def things(report: dict) -> str:
    """What was learned from, in the plural: "rows", "images"."""
    item = report.get("item")
    return clean(item, 20) + "s" if isinstance(item, str) and item.isalpha() else "rows"


def lower_is_better(better: Any) -> bool:
    """Whether the words of a measure's direction mean that less is better."""
    return str(better).lower() in {"lower", "less", "smaller", "min", "minimise", "minimize", "false", "-1"}


def capital(text: str) -> str:
    """The text with a capital at its beginning, as a label."""
    return text[:1].upper() + text[1:]


def grouped(rows: list[dict]) -> list[tuple[str, list[str]]]:
    """Reasons why candidates have no score, each with the names of all that share it."""
    names: dict[str, list[str]] = {}
    for row in rows:
        reason = clean(row.get("reason") or "no reason recorded", 300)
        names.setdefault(reason, []).append(clean(row.get("method") or row.get("title") or "unnamed", 80))
    return list(names.items())


@dataclass(frozen=True)
class Measure:
    """The performance measure in words."""

    title: str
    units: str
    lower: bool
    low: Any = None
    """The least possible value, if there is one."""

    @classmethod
    def of(cls, value: Any) -> Measure:
        m = table(value)
        least = m.get("range")[0] if isinstance(m.get("range"), list | tuple) and m["range"] else None
        units = clean(m.get("units") or "", 40)
        return cls(
            clean(m.get("title") or m.get("name") or "score", 80),
            "" if "unit of the target" in units else units,  # says nothing beside a number
            lower_is_better(m.get("better")),
            least,
        )

    @property
    def label(self) -> str:
        """Title and units, as an axis names them."""
        return capital(f"{self.title}, {self.units}" if self.units else self.title)

    @property
    def direction(self) -> str:
        return "lower is better" if self.lower else "higher is better"


def absence(report: dict, section: str) -> str:
    """Why a section that a reader would look for is not there."""
    if isinstance(reason := table(report.get("absent")).get(section), str):
        return clean(reason)
    rows = records(report.get("leaderboard"), 10_000)
    if rows and not any(r.get("status", "ok") == "ok" for r in rows):
        return "No candidate succeeded, so there is nothing to show here."
    why = {"budget": "its time budget was spent", "interrupted": "it was interrupted"}.get(str(report.get("stopped")))
    if why:
        return f"The run ended before this was computed, because {why}."
    return "This run did not record it."
