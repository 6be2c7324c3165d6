"""Results as neat tables on stdout."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

YES, NO = "[green]✓[/green]", "[red]✗[/red]"
CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def show_list(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "method", "reference", "mark", "reproduction", "races"):
        table.add_column(name)
    for row in rows:
        state = {"ready": YES, "needs data": "needs data", "to do": "-"}[row["state"]]
        table.add_row(
            row["id"],
            escape(row["method"]),
            escape(row["reference"]),
            row["mark"],
            state,
            str(len(row["races"]) or "-"),
        )
    CONSOLE.print(table)
    for row in rows:
        for name in row["missing"]:
            CONSOLE.print(f"{row['id']} needs {name} below PEIRA_DATA", markup=False, soft_wrap=True)


def show_reproduction(result: dict[str, Any]) -> None:
    CONSOLE.print(f"\n{YES if result['held'] else NO} [bold]{result['id']}[/bold] {escape(result['claim'])}")
    CONSOLE.print(f"  {result['source']}", style="dim", markup=False, soft_wrap=True)
    for key in ("missing", "failed"):
        if key in result:
            CONSOLE.print(f"  {key}: {result[key]}", markup=False, soft_wrap=True)
    if not result["checks"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "check", "value", "reference", "within", "error"):
        table.add_column(name)
    for c in result["checks"]:
        mark = (YES if c["held"] else NO) + (" refuted" if "refuted" in c else "")
        table.add_row(mark, escape(c["name"]), _number(c["value"]), _number(c["reference"]), _within(c), _error(c))
    CONSOLE.print(table)
    for grid in result["grids"]:
        _show_grid(grid)
    for c in result["checks"]:
        for note in filter(None, (c.get("refuted"), c.get("note"))):
            CONSOLE.print(f"  {c['name']}: {note}", style="dim", markup=False, soft_wrap=True)


def _show_grid(grid: dict[str, Any]) -> None:
    """Columns stand as numbers, and what they are below: names of methods are too long for a head."""
    CONSOLE.print(f"  {grid['name']}", markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for j in range(len(grid["columns"])):
        table.add_column(str(j + 1), justify="right")
    for name, values in zip(grid["rows"], grid["values"], strict=True):
        table.add_row(escape(name), *("" if v is None else f"{v:.2f}" for v in values))
    CONSOLE.print(table)
    for j, name in enumerate(grid["columns"]):
        CONSOLE.print(f"  {j + 1}: {name}", style="dim", markup=False, soft_wrap=True)


def show_race(entry: dict[str, Any]) -> None:
    peer = " ".join(filter(None, [entry["peer"]["name"], entry["peer"].get("version")]))
    CONSOLE.print(f"\n[bold]{entry['id']}[/bold] {escape(entry['case'])}, against {escape(peer)}")
    for key in ("missing", "failed"):
        if key in entry:
            CONSOLE.print(f"  {key}: {entry[key]}", markup=False, soft_wrap=True)
            return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "seconds", "spread", "processor s", "peak MiB", entry["quality"]["measure"] or "quality"):
        table.add_column(escape(name))
    for name in ("ours", "peer"):
        side = entry[name]
        low, high = side["seconds_spread"]
        table.add_row(
            name,
            f"{side['seconds']:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{side['cpu']:.4g}",
            f"{side['peak_mib']:.1f}",
            _number(side["quality"]),
        )
    CONSOLE.print(table)
    quality = entry["quality"]["verdict"]
    mark = {"no worse": YES, "worse": NO}.get(quality, "")
    CONSOLE.print(
        f"  ratio [bold]{entry['ratio']:.2f}[/bold] (processor {entry['ratio_cpu']:.2f}); quality {mark} {quality}"
    )
    if "limit" in entry:
        limit = entry["limit"]
        CONSOLE.print(
            f"  {limit['ours_over_limit']:.1f} times the limit: {limit['what']}", markup=False, soft_wrap=True
        )
    CONSOLE.print(f"  {entry['threads']} thread(s); {entry['machine']}", style="dim", markup=False, soft_wrap=True)


def _number(value: Any, digits: int = 10) -> str:
    """A value in few characters: of an array its first three numbers, and its shape if it has more than one axis."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if not isinstance(value, list):
        return escape(str(value))
    shape, flat = [len(value)], value
    while flat and all(isinstance(item, list) for item in flat):
        shape.append(len(flat[0]))
        flat = [number for row in flat for number in row]
    shown = ", ".join(_number(item, 6) for item in flat[:3]) + (", ..." if len(flat) > 3 else "")
    return shown if len(shape) == 1 else f"{' x '.join(map(str, shape))}: {shown}"


def _within(c: dict[str, Any]) -> str:
    if c["compare"] == "range":
        low, high = c["tolerance"]
        bounds = ([f"at least {low:g}"] if low is not None else []) + (
            [f"at most {high:g}"] if high is not None else []
        )
        return ", ".join(bounds)
    if c["compare"] == "equal":
        return "equal"
    bound = _number(c["tolerance"])
    return {"digits": f"{bound} digits", "relative": f"{bound} relative"}.get(c["compare"], bound)


def _error(c: dict[str, Any]) -> str:
    if c["error"] is None:
        return ""
    return f"{c['error']:.1f} digits" if c["compare"] == "digits" else f"{c['error']:.3g}"
