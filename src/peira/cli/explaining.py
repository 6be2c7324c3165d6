"""``peira explain``: what a run found of its columns, and why a model answers as it does for other rows, or for one."""

import re
from pathlib import Path
from typing import Any

from rich.text import Text

from ..core.errors import ParameterError
from ..core.persistence import write_atomically
from ..core.text import printable
from ..study.drawing import shares
from ..study.explained import explain_row, explain_source, in_words
from ..study.report.figures import interval, measured, number, signed
from ..study.run import Run, as_csv, as_json
from . import printing

_EFFECTS = 20


def explain(model: str, source: str | None, *, row: int | None, output: str | None, as_json: bool) -> None:
    """Explain a run as its report does, or a model on a source, or one row."""
    if source is None and row is None:
        if output is not None:
            raise ParameterError("-o is for what is found anew: give a SOURCE or --row; this stands in the run already")
        return _of_run(model, as_json)
    folder = _folder(model, source, row, output)
    told = explain_source(model, source) if row is None else explain_row(model, source, row)
    if folder is not None:
        _write(folder, told, row)
        told["folder"] = str(folder)
    if as_json:
        return printing.print_json(told)
    console = printing.console()
    for sentence in told["words"][:-1]:
        console.print(Text(printable(sentence)))
    _columns(told) if row is None else _row(told)
    console.print(Text(printable(told["words"][-1]), style="dim"))
    if folder is not None:
        print(f"written: {folder}")


def _of_run(path: str, as_json: bool) -> None:
    """Which columns the winner of a run relies on, and how it weighs them."""
    if not (Path(path) / "run.json").is_file() and (Path(path) / "model.json").is_file():
        raise ParameterError(f"{path} is a model without its data: name the SOURCE whose rows are to be explained")
    run = Run.open(path)
    report = run.read_json("report.json")
    told = report.get("explanation") or {}
    if as_json:
        return printing.print_json(told)
    for part, figure, what, between in (
        ("importance", "mean", f"what shuffling it costs in {run.state['measure_title']}", "least to most"),
        ("coefficients", "value", "coefficient", "95 % interval"),
    ):
        _effects(told.get(part) or [], figure, what, between)
    absent = report.get("absent", {}).get("explanation", "This run explains nothing about columns.")
    if note := told.get("note") or ("" if told else absent):
        printing.console().print(Text(printable(note)))


def _effects(rows: list[dict[str, Any]], figure: str, what: str, between: str) -> None:
    if not rows:
        return
    grid = printing.grid("column", what, between)
    for row in rows[:_EFFECTS]:
        ends = [row["low"], row["high"]]
        grid.add_row(printing.cell(row["name"]), measured(row[figure], ends), interval(ends))
    _show(grid, len(rows))


def _row(told: dict[str, Any]) -> None:
    """The columns of one row with their shares."""
    grid = printing.grid("column", "here", "usual", "share", "95 % interval")
    for column in told["columns"][:_EFFECTS]:
        ends = [column["low"], column["high"]]
        cells = (printing.cell(in_words(column[name])) for name in ("value", "usual"))
        grid.add_row(printing.cell(column["name"]), *cells, signed(column["share"], ends), interval(ends))
    _show(grid, len(told["columns"]))


def _columns(told: dict[str, Any]) -> None:
    """The columns of a source with the size of their shares, and what shuffling them costs."""
    grid = printing.grid("column", "mean size of its share")
    for column in told["columns"][:_EFFECTS]:
        grid.add_row(printing.cell(column["name"]), number(column["share"], 3))
    _show(grid, len(told["columns"]))
    _effects(told["importance"], "mean", f"what shuffling it costs in {told['measure']}", "least to most")


def _show(grid: Any, count: int) -> None:
    printing.console().print(grid)
    if count > _EFFECTS:
        printing.console().print(f"and {count - _EFFECTS} more (all of them with --json)")


# ---------------------------------------------------------------------- what is written


def _folder(model: str, source: str | None, row: int | None, output: str | None) -> Path | None:
    """Where it is written: as asked, or into the run under a name that is free; nowhere for a model by itself."""
    if output is not None:
        if Path(output).exists():
            raise FileExistsError(f"{output} exists already, and nothing is overwritten")
        return Path(output)
    if not (Path(model) / "run.json").is_file():
        return None
    stem = "" if source is None else Path(source.removeprefix("example:")).name.split(".")[0]
    parts = [re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:40], "" if row is None else f"row-{row}"]
    name = "-".join(filter(None, parts)) or "source"
    taken = 1
    while (path := Path(model) / "explain" / (name if taken == 1 else f"{name}-{taken}")).exists():
        taken += 1
    return path


def _write(folder: Path, told: dict[str, Any], row: int | None) -> None:
    """Words, the table, the picture, and all of it as JSON."""
    folder.mkdir(parents=True)
    columns = told["columns"]
    head = list(columns[0]) if columns else []
    files = {
        "explanation.txt": "".join(f"{sentence}\n" for sentence in told["words"]).encode(),
        "explanation.json": as_json(told).encode(),
        "columns.csv": as_csv(head, [[column[name] for name in head] for column in columns]).encode(),
    }
    if row is not None:
        names, values = [c["name"] for c in columns], [c["share"] for c in columns]
        files["columns.png"] = shares([printable(name, 60) for name in names], values, told["base"], told["explained"])
    for name, content in files.items():
        write_atomically(folder / name, content)
