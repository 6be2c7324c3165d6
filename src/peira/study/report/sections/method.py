"""How the winning method works, and how to repeat the run."""

from __future__ import annotations

from typing import Any

from peira.study.report.escaping import clean, escape, plain, prose
from peira.study.report.pages import method_page
from peira.study.report.sections.common import records, sentences, table


def method(report: dict) -> dict[str, Any] | None:
    """What the method says it found, its page, its card and its parameters."""
    part = table(report.get("method_page"))
    text = method_page(part.get("text"))
    parameters = [
        {
            "name": clean(p.get("name"), 60),
            "value": _said(p.get("value")),
            "default": _said(p.get("default")),
            "changed": "default" in p and p.get("value") != p.get("default"),
            "doc": clean(p.get("doc") or "", 300).replace("`", ""),
        }
        for p in records(part.get("parameters"), 60)
    ]
    card = [
        (clean(k, 40).replace("_", " "), plain(v, 300))
        for k, v in list(table(part.get("card")).items())[:30]
        if v not in (None, "", [])
    ]
    found = sentences(part.get("found") or [], 20)
    if not text and not parameters and not card and not found:
        return None
    return {
        "title": clean(part.get("title") or "The winning method", 120),
        "found": found,
        "text": text,
        "card": card,
        "parameters": parameters,
    }


def _said(value: Any) -> str:
    """A parameter's value; whole numbers as one types them, since a seed that is rounded repeats nothing."""
    return str(value)[:80] if type(value) is int else plain(value, 80)


def reproduce(report: dict) -> dict[str, Any] | None:
    """Command, Python lines, and everything that the result depends on."""
    part = table(report.get("reproduce"))
    facts = [("Seed", _said(report["seed"]) if report.get("seed") is not None else None)]
    facts += [
        ("Splits", part.get("splits")),
        ("Data, SHA-256", part.get("data_sha256")),
        ("Peira", report.get("peira")),
    ]
    facts += list(table(part.get("environment")).items())[:40]
    shown = [(clean(k, 60), clean(v, 300) if isinstance(v, str) else plain(v)) for k, v in facts if v is not None]
    if not part:
        return None
    return {
        "command": escape(prose(part["command"], 4000)) if isinstance(part.get("command"), str) else "",
        "python": escape(prose(part["python"], 8000)) if isinstance(part.get("python"), str) else "",
        "facts": shown,
    }
