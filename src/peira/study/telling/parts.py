"""Parts that the accounts of several tasks share."""

from typing import Any

import numpy as np

from ..account import Outcome
from ..profiles import describe
from ..untargeted import number_of_parts

STABLE = 0.5
"""Least stability that is worth a report: Rand's adjusted index, or a rank correlation, between two halves."""
UNUSUAL = 10
"""Rows in a table of unusual ones."""
FLAGGED = 0.05
"""Share of the rows that a profile of unusual ones speaks of."""


def figure(name: str, value: str, detail: str) -> dict[str, str]:
    """A further figure of the verdict."""
    return {"name": name, "value": value, "detail": detail}


def tied_words(verdict: dict[str, Any]) -> str:
    """Which methods cannot be told from the winner, in a sentence."""
    names = verdict["tied_with"]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" No clear winner: {', '.join(names[:3])}{more} cannot be told from it." if names else ""


def nothing(outcome: Outcome) -> str:
    """How a sentence begins that says that nothing is better than the baseline."""
    return "Nothing that had its turn" if outcome.run.state.get("stopped") else "Nothing"


def run_of(outcome: Outcome) -> str:
    """How a command names the run."""
    return str(outcome.run.path)


def titled(outcome: Outcome, alike: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What other candidates are like, with their titles."""
    titles = {row["id"]: row["title"] for row in outcome.rows}
    return [row | {"title": titles.get(row["id"], row["id"])} for row in alike]


def coloured(values: np.ndarray, title: str, flagged: np.ndarray, flag: str) -> dict[str, Any]:
    """The colour of each row on a map by a value, and which rows stand out."""
    return {"values": values, "title": title, "flagged": flagged.astype(np.int64), "flag": flag}


def choice(outcome: Outcome, title: str, nothing: dict[str, Any] | None) -> dict[str, Any]:
    """The score against the number of clusters or components, as tried on all rows; empty where none was chosen."""
    name = number_of_parts(outcome.best.cls.parameters())
    tried = [t for t in outcome.tried if name in t["settings"] and t["score"] is not None]
    if len(tried) < 2:
        return {}
    found = {
        "title": title,
        "numbers": [t["settings"][name] for t in tried],
        "scores": [t["score"] for t in tried],
        "chosen": getattr(outcome.model.method, str(name)),
        "measure": outcome.measure.title,
    }
    if nothing is not None and nothing["where"] == "in all columns":
        found["nothing"] = {k: [nothing[k]["mean"], nothing[k]["max"]] for k in ("uniform", "normal")}
    return found


def unlike(X: Any, kinds: dict[str, Any], usual: np.ndarray, name: str) -> list[dict[str, Any]]:
    """What sets the least usual rows apart."""
    count = max(1, round(FLAGGED * len(usual)))
    inside = np.zeros(len(usual), dtype=bool)
    inside[np.argsort(usual, kind="stable")[:count]] = True
    words = describe(X, kinds, inside)
    return [{"code": -1, "name": name, "rows": count, "share": count / len(usual), "words": words}]
