"""Results as neat tables on stdout."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

YES, NO = "[green]✓[/green]", "[red]✗[/red]"
CONSOLE = Console(highlight=False)


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
        note = c.get("refuted") or c.get("note", "")
        label = escape(c["name"]) + (f"\n[dim]{escape(note)}[/dim]" if note else "")
        mark = (YES if c["held"] else NO) + (" refuted" if "refuted" in c else "")
        table.add_row(mark, label, _number(c["value"]), _number(c["reference"]), _within(c), _error(c))
    CONSOLE.print(table)


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


def _number(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        shown = ", ".join(_number(item) for item in value[:4])
        return f"[{shown}{', ...' if len(value) > 4 else ''}]".replace("[", "\\[")
    return escape(str(value))


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
