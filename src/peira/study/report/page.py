"""The page as a whole: sections in their order, templates, style sheet and policy."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from peira.study.report import sections
from peira.study.report.escaping import breakable, clean, finalize, policy, shorten
from peira.study.report.figures import count, duration, real

__all__ = ["page"]

_TITLES = {
    "verdict": "Verdict",
    "structure": "What was found",
    "diagnosis": "Diagnosis",
    "leaderboard": "Leaderboard",
    "data": "The data",
    "pictures": "The images",
    "looks": "A closer look",
    "performance": "Performance",
    "learning": "Learning",
    "explanation": "Explanation",
    "errors": "Errors worth a look",
    "method": "How the winning method works",
    "reproduce": "How to reproduce this",
}
# Sections that a reader would look for: where one is missing, a line says why. The others are left out.
_MISSED = {"verdict", "leaderboard", "performance", "learning", "explanation", "method"}

_OF_TARGETS = {"learning", "explanation"}
"""Sections that nobody would look for where there is no target."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("peira.study.report"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment


@cache
def _css() -> str:
    """The style sheet, with a class for each depth of a formula below its line (style attributes are refused)."""
    css = files("peira.study.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    return css + "".join(f".d{k}{{vertical-align:{-k / 20:g}em}}\n" for k in range(1, 61))


def page(report: dict) -> str:
    """The whole page as text."""
    measure = sections.Measure.of(report.get("measure"))
    views = {
        "verdict": sections.verdict(report, measure),
        "structure": sections.structure(report),
        "diagnosis": sections.diagnosis(report),
        "leaderboard": sections.leaderboard(report, measure),
        "data": sections.data(report),
        "pictures": sections.pictures(report),
        "looks": sections.looks(report),
        "performance": sections.performance(report),
        "learning": sections.learning(report, measure),
        "explanation": sections.explanation(report, measure),
        "errors": sections.errors(report),
        "method": sections.method(report),
        "reproduce": sections.reproduce(report),
    }
    shown = [
        {
            "key": key,
            "title": f"The {views[key]['of']}" if key == "pictures" and views[key] else title,
            "view": views[key],
            "absence": ""
            if views[key] is not None
            else sections.absence(report, "method_page" if key == "method" else key),
        }
        for key, title in _TITLES.items()
        if views[key] is not None
        or key in (_MISSED - _OF_TARGETS if views["structure"] or report.get("question") else _MISSED)
    ]
    css = _css()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(css=Markup(css), policy=policy(css), head=_head(report), sections=shown, measure=measure)
    )


def _head(report: dict) -> dict[str, object]:
    """Title and facts at the top of the page."""
    target = report.get("target")
    rows, columns = real(report.get("rows")), real(report.get("columns"))
    facts, of_table = [], not (report.get("pictures") or report.get("looks"))
    if rows is not None:
        facts.append(
            f"{count(rows)} {sections.things(report)[:-1] if rows == 1 else sections.things(report)}"
            + (f" × {count(columns)} columns" if columns is not None and of_table else "")
        )
    if isinstance(report.get("created"), str):
        facts.append(clean(report["created"].replace("T", " ", 1).partition(".")[0].replace("Z", " UTC"), 40))
    if real(report.get("seconds")) is not None:
        facts.append(f"took {duration(report['seconds'])}")
    return {
        "question": clean(report["question"], 120) if isinstance(report.get("question"), str) else "",
        "target": None if target is None else shorten(target, 60),
        "full": clean(target, 300),
        "source": clean(report["source"], 200) if isinstance(report.get("source"), str) else "",
        "run": clean(report["run"], 120) if isinstance(report.get("run"), str) else "",
        "task": clean(report["task"], 40) if isinstance(report.get("task"), str) else "",
        "facts": facts,
        "version": clean(report.get("peira") or "", 40),
        "stopped": _stopped(report),
    }


def _stopped(report: dict) -> str:
    """A sentence for a run that ended early."""
    if report.get("stopped") == "interrupted":
        return "This run was interrupted. The report shows the best so far."
    if report.get("stopped") == "budget":
        return "This run spent its time budget before every candidate had its turn. The report shows the best so far."
    return "This run is not complete." if report.get("complete") is False else ""
