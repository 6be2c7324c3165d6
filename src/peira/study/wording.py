"""The verdict in words: task, experience, performance."""

from typing import Any

from .report.figures import interval, measured, number


def verdict_words(verdict: dict[str, Any], study: Any, measure: Any, stopped: str | None) -> dict[str, str]:
    """Task, experience and performance, a sentence each, and one that says it all.

    ``stopped``: why the search ended before every candidate had its turn.
    """
    score, between = measured(verdict["score"], verdict["interval"]), interval(verdict["interval"])
    material = study.material
    method, target = verdict["method"], study.target
    task = f"Predict {target!r}, {study.question.wanted}, from {material.inputs}."
    experience = f"{number(len(study.y))} {material.item}s of {study.config['source']}, "
    if len(study.folds) > 1:
        experience += f"each predicted by fits that had not seen it ({len(study.folds)} folds)."
    else:
        experience += f"of which {number(len(study.folds[0][1]))} were held out and predicted by fits without them."
    performance = (
        f"{measure.title} {score} ({100 * verdict['level']:g} % interval {between}; "
        "choosing the method is part of what was measured)"
    )
    baseline = verdict["baseline"]
    if verdict["gain"] is None:
        performance += "; nothing did better than the baseline." if baseline else "; no baseline could be fitted."
        sentence = f"{method} predicts {target!r} with {measure.title} {score} ({between})."
        if baseline:
            rivals = "No method that had its turn" if stopped else "No method"
            sentence = (
                f"{rivals} learned {target!r} better than the baseline, which ignores the inputs: {measure.title} "
                f"{measured(baseline['score'], baseline['interval'])}."
            )
    else:
        gain = _gain(verdict, measure)
        performance += f", {gain} the baseline's {measured(baseline['score'], verdict['interval'])}."
        sentence = f"{method} predicts {target!r} with {measure.title} {score} ({between}), {gain} the baseline."
        if plainly := verdict["plain"]:
            right, usual = (f"{100 * plainly[who]:.1f} %" for who in ("value", "baseline"))
            sentence += f" It is right for {right} of the {material.item}s; the most frequent label, for {usual}."
        if baseline["method"] in verdict["tied_with"]:
            theirs = measured(baseline["score"], verdict["interval"])
            sentence = (
                f"Nothing here is clearly better than the baseline: the best, {method}, predicts {target!r} with "
                f"{measure.title} {score} ({between}), the baseline with {theirs}."
            )
        elif verdict["tied_with"]:
            others = verdict["tied_with"]
            shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            sentence += f" No clear winner: {shown} cannot be told from it."
    return {"task": task, "experience": experience, "performance": performance, "sentence": sentence}


def _gain(verdict: dict[str, Any], measure: Any) -> str:
    """How far from the baseline: as a share where the measure has a true zero, else as a difference."""
    baseline = verdict["baseline"]["score"]
    if measure.range[0] != 0 or not baseline:
        return f"{measured(verdict['gain'], verdict['gain_interval'])} better than"
    return f"{100 * verdict['gain'] / abs(baseline):.0f} % {'above' if measure.better == 'higher' else 'below'}"
