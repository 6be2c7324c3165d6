"""The verdict in words: task, experience, performance."""

import math
from typing import Any


def number(value: float | None, width: float | None = None) -> str:
    """A number with as many digits as its interval supports.

    Parameters
    ----------
    value : float
    width : float, optional
        Of its interval: two digits of the width are kept. Four significant digits without one.

    >>> number(54321.987, 1200.0), number(0.51234, 0.02), number(12.0)
    ('54 300', '0.512', '12')
    """
    if value is None or not math.isfinite(value):
        return "?"
    if value == 0:
        return "0"
    scale = abs(width) / 10 if width else abs(value) / 1000
    places = -math.floor(math.log10(scale)) if scale > 0 else 3
    text = f"{round(value, places):,.{max(places, 0)}f}".replace(",", "\u202f")
    return text.rstrip("0").rstrip(".") if "." in text and not width else text


def verdict_words(verdict: dict[str, Any], study: Any, measure: Any) -> dict[str, str]:
    """Task, experience and performance, a sentence each, and one that says it all."""
    width = verdict["interval"][1] - verdict["interval"][0]
    score, low, high = (number(v, width) for v in (verdict["score"], *verdict["interval"]))
    rows, columns = study.X.shape
    method, target = verdict["method"], study.target
    task = f"Predict {target!r}, a number, from {columns} column{'s' if columns != 1 else ''}."
    experience = f"{rows} rows of {study.config['source']}, each predicted by fits that had not seen it ({len(study.folds)} folds)."
    performance = f"{measure.title} {score} ({100 * verdict['level']:g} % interval {low} to {high}; choosing the method is part of what was measured)"
    baseline = verdict["baseline"]
    if verdict["gain"] is None:
        performance += "; nothing did better than the baseline." if baseline else "; no baseline could be fitted."
        sentence = f"No method learned {target!r} better than a constant: {measure.title} {score}."
    else:
        share = verdict["gain"] / abs(baseline["score"]) if baseline["score"] else math.nan
        gain = f"{100 * share:.0f} % " + ("above" if measure.better == "higher" else "below") if math.isfinite(share) else "away from"
        performance += f", {gain} the baseline's {number(baseline['score'], width)}."
        sentence = f"{method} predicts {target!r} with {measure.title} {score} ({low} to {high}), {gain} the baseline."
        if verdict["tied_with"]:
            others = verdict["tied_with"]
            shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            sentence += f" No clear winner: {shown} cannot be told from it."
    return {"task": task, "experience": experience, "performance": performance, "sentence": sentence}
