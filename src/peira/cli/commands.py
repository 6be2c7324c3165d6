"""What each command does: call `peira.study`, and print."""

import json
import re
import sys
import textwrap
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from ..core.errors import DataError, ParameterError, closest
from ..core.persistence import load, write_atomically
from ..core.text import printable
from ..measures import get_measure
from ..study.asking import inputs_for
from ..study.comparing import compare as compare_models
from ..study.learning import learn as run_learn
from ..study.learning import parse_duration
from ..study.material import items
from ..study.planning import Study
from ..study.report import render
from ..study.report.figures import interval, measured
from ..study.run import Run, as_csv
from . import printing
from .ending import RequirementNotMetError

_REQUIRE = re.compile(r"\s*([A-Za-z0-9_]+)\s*(<=|>=|<|>)\s*([-+0-9.eE]+)\s*")


def learn(
    *,
    source: str | None,
    resume: str | None,
    as_json: bool,
    dry_run: bool,
    require: list[str],
    kinds: list[str],
    costs: list[str],
    **options: Any,
) -> None:
    """``peira learn``."""
    required = [_requirement(text) for text in require]
    methods = options.pop("methods")
    options["methods"] = methods if methods == "all" else [name.strip() for name in methods.split(",")]
    options["kinds"] = dict(_kind(text) for text in kinds) or None
    options["costs"] = [_cost(text) for text in costs] or None
    if (source is None) == (resume is None):
        raise ParameterError("learn takes either a SOURCE or --resume RUN")
    if dry_run:
        return _plan(source, options, as_json)
    run = run_learn(source, options.pop("target"), **options, resume=resume)
    profile = run.read_json("data/profile.json")
    if profile.get("data") is not None:  # of a table, the report says it column by column
        _tell(profile["notes"])
    summary = _summary(run)
    if as_json:
        printing.print_json(summary)
    else:
        printing.print_summary(run, summary)
    for measure, sign, bound in required:
        value = _achieved(run, measure)
        met = {"<=": value <= bound, ">=": value >= bound, "<": value < bound, ">": value > bound}[sign]
        if not met:
            raise RequirementNotMetError(f"required {measure} {sign} {bound:g}, reached {value:.6g}")


def predict(
    model: str, source: str, *, output: str | None, level: float | None, proba: bool, skip_damaged: bool = False
) -> None:
    """``peira predict``: a csv with what the model says of each row or image, in their order."""
    if output is not None and Path(output).exists():
        raise FileExistsError(f"{output} exists already, and nothing is overwritten")
    fitted = load(model)
    table, beside = inputs_for(fitted, source, skip_damaged=skip_damaged)
    if fitted.card.data != "table":
        _tell(getattr(table, "notes", ()))
    if hasattr(fitted, "answers"):  # without a target there may be more, or something else, to say than a prediction
        columns = {name: values.tolist() for name, values in fitted.answers(table).items()}
    else:
        columns = {"prediction": np.asarray(fitted.predict(table)).tolist()}
    what, names = ("image", table.names) if fitted.card.data == "images" else ("sequence", getattr(table, "ids", ()))
    if what not in columns and len(names) == len(next(iter(columns.values()))) and fitted.card.data != "table":
        columns = {what: names.tolist(), **columns}
    if proba:
        if not hasattr(fitted, "predict_proba"):
            raise DataError(
                f"the model of {model} predicts no labels, and only they have probabilities: leave --proba out"
                + ("; --interval 0.9 gives the range of each number" if hasattr(fitted, "interval") else "")
            )
        probs = fitted.predict_proba(table)
        columns |= {f"p({label})": probs[:, c].tolist() for c, label in enumerate(fitted.classes_.tolist())}
    if level is not None:
        if "forecasting" in fitted.card.tasks:
            raise DataError("forecasts come with their intervals of 90 % as they are: leave --interval out")
        if not hasattr(fitted, "interval"):
            raise DataError(
                f"the model of {model} predicts no numbers, and only they have an interval"
                + (": ask for --proba" if hasattr(fitted, "predict_proba") else "")
            )
        columns["low"], columns["high"] = (end.tolist() for end in fitted.interval(table, level))
    text = as_csv(list(columns), zip(*columns.values(), strict=True))
    target = getattr(fitted, "target_", None)
    y = table[target] if fitted.card.data == "table" and target in table else beside
    if level is not None and y is not None:
        known = np.isfinite(y)
        low, high = np.array(columns["low"]), np.array(columns["high"])
        inside = np.mean(((y >= low) & (y <= high))[known]) if known.any() else np.nan
        printing.note(
            f"{100 * inside:.1f} % of {int(known.sum())} known targets lie inside the {100 * level:g} % intervals"
        )
    if output is None:
        sys.stdout.write(text)
    else:
        write_atomically(Path(output), text.encode())
        rows = len(next(iter(columns.values())))
        of = "" if rows == len(table) else f" for {items(len(table), what)}"  # steps, of sequences
        printing.note(f"{rows} predictions{of} written to {output}")


def compare(models: list[str], *, on: str | None, target: str | None, measure: str | None, as_json: bool) -> None:
    """``peira compare``."""
    rows = compare_models(models, on=on, target=target, measure=measure)
    if as_json:
        return printing.print_json(rows)
    title = rows[0]["title"]
    grid = printing.grid("model", title, "95 % interval", "worse than the best by")
    for row in rows:
        gap, behind = row["difference"], ""
        if gap is not None:
            behind = f"{measured(gap['mean'], gap['interval'])} ({interval(gap['interval'])})" + (
                "" if gap["clear"] else "  not clear"
            )
        grid.add_row(
            printing.cell(row["name"]), measured(row["score"], row["interval"]), interval(row["interval"]), behind
        )
    printing.console().print(grid)


def report(path: str, *, show: bool) -> None:
    """``peira report``."""
    run = Run.open(path)
    written = render(run.read_json("report.json"), run.path / "report.html")
    print(written)
    if show:
        webbrowser.open(Path(written).resolve().as_uri())


def diagnose(path: str, *, as_json: bool) -> None:
    """``peira diagnose``."""
    findings = Run.open(path).read_json("diagnosis.json")
    if as_json:
        return printing.print_json(findings)
    console = printing.console()
    for finding in findings:
        console.print(Text(f"{finding['code']}  {finding['severity']}: {printable(finding['title'])}", style="bold"))
        for part in ("evidence", "fix"):
            console.print(Text(textwrap.indent(textwrap.fill(printable(finding[part]), 96), "      ")))
    if not findings:
        console.print("nothing found")


# ---------------------------------------------------------------------- what is printed


def _tell(notes: Iterable[str]) -> None:
    """What was found and decided in reading, on stderr."""
    for text in notes:
        printing.note(f"  {text}")


def _summary(run: Run) -> dict[str, Any]:
    state = run.state
    verdict, board = state["verdict"], state["leaderboard"]
    summary = {
        "run": str(run.path),
        "task": state["task"],
        "target": state["target"],
        "measure": state["measure"],
        "baseline": verdict["baseline"],
        "best": {
            "method": verdict["method"],
            "score": verdict["score"],
            "interval": verdict["interval"],
            "params": board[0]["params"],
        },
        "leaderboard": board,
        "verdict": verdict["sentence"],
        "stopped": state.get("stopped"),
        "report": str(run.path / "report.html"),
    }
    return summary | ({"test": verdict["test"]} if "test" in verdict else {})


def _plan(source: str | None, options: dict[str, Any], as_json: bool) -> None:
    options["budget"] = parse_duration(options["budget"])
    for name in ("kinds", "costs"):
        options[name] = json.dumps(options[name]) if options[name] else None
    study = Study({"source": str(source), **options}, source)
    rows = [
        {"method": c.method, "expansions": list(c.expansions), "trials": c.trials, "skip": c.skip}
        for c in study.candidates
    ]
    plan = {
        "task": study.task,
        "target": study.target,
        "measure": study.measure.name,
        "rows": len(study.y),
        "folds": len(study.folds),
        "candidates": rows,
    }
    if as_json:
        return printing.print_json(plan)
    console = printing.console()
    console.print(
        Text(
            f"{plan['task']}{'' if study.target is None else f' of {printable(study.target)!r}'} by "
            f"{study.measure.title}: "
            f"{plan['rows']} {study.material.item}s, "
            + (f"{plan['folds']} folds" if plan["folds"] > 1 else f"{len(study.folds[0][1])} of them held out")
        )
    )
    grid = printing.grid("method", "basis functions", "settings to try", "left out because")
    for row in rows:
        grid.add_row(row["method"], ", ".join(row["expansions"]), str(row["trials"]), row["skip"] or "")
    console.print(grid)


def _achieved(run: Run, name: str) -> float:
    measured = {m["name"]: m["value"] for m in run.read_json("report.json")["performance"]["measures"]}
    state = run.state
    measured[state["measure"]] = state["verdict"].get("test", state["verdict"])["score"]
    measure = get_measure(name, state["task"]).name
    if measure not in measured:
        raise DataError(f"the run did not measure {name!r}; {closest(name, measured)}")
    return measured[measure]


def _requirement(text: str) -> tuple[str, str, float]:
    parts = _REQUIRE.fullmatch(text)
    try:
        return parts[1], parts[2], float(parts[3])
    except (TypeError, ValueError):
        raise ParameterError(
            f"--require takes a measure, a sign and a number, such as 'rmse<=60', got {text!r}"
        ) from None


def _kind(text: str) -> tuple[str, Any]:
    name, sign, kind = text.rpartition("=")
    if not sign or not name:
        raise ParameterError(f"--kind takes COLUMN=KIND, or COLUMN=low<middle<high for an order, got {text!r}")
    return name, kind.split("<") if "<" in kind else kind


def _cost(text: str) -> tuple[str, str, float]:
    mistake, _, cost = text.rpartition("=")
    true, sign, said = mistake.partition(":")
    try:
        if not (true and sign and said):
            raise ValueError
        return true, said, float(cost)
    except ValueError:
        raise ParameterError(f"--cost takes TRUE:PREDICTED=COST, such as 'ill:healthy=10', got {text!r}") from None
