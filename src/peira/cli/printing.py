"""How results look in a terminal: tables, one line of JSON, notes on stderr.

Text that comes from data passes `printable`, so that no name of a column moves the cursor.
"""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ..core.text import printable
from ..study.report.figures import interval, measured, moment, number
from ..study.report.sections.common import grouped
from ..study.run import Run, plain


class _Pipe(Console):
    def on_broken_pipe(self) -> None:  # `peira methods | head` is no failure
        raise BrokenPipeError


def console() -> Console:
    """As wide as the terminal; 160 columns where there is none."""
    return _Pipe(highlight=False, width=None if sys.stdout.isatty() else 160)


def grid(*headers: str) -> Grid:
    """An empty table without lines."""
    table = Grid(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def cell(value: str) -> Text:
    """Text from the data, harmless and short."""
    return Text(printable(str(value), 60))


def print_json(value: Any) -> None:
    """One line of strict JSON."""
    print(json.dumps(plain(value), allow_nan=False, ensure_ascii=False))


def note(text: str) -> None:
    """A remark beside the results, on stderr."""
    print(printable(text), file=sys.stderr)


def print_summary(run: Run, summary: dict[str, Any]) -> None:
    """The leaderboard, the verdict, and what to do next."""
    screen = console()
    table = grid("", "method", run.state["measure_title"], "95 % interval", "settings")
    board = summary["leaderboard"]
    for rank, row in enumerate((row for row in board if row["status"] == "ok"), 1):
        settings = ", ".join(f"{k}={_setting(v)}" for k, v in row["params"].items() if v != "none")
        mark = " (baseline)" if row["baseline"] else ""
        table.add_row(
            str(rank),
            row["method"] + mark,
            measured(row["score"], row["interval"]),
            interval(row["interval"]),
            settings,
        )
    screen.print(table)
    for status in ("failed", "skipped"):
        for reason, names in grouped([row for row in board if row["status"] == status]):
            screen.print(Text(f"{status}: {', '.join(names)}: {printable(reason)}", style="dim"))
    screen.print(Text(printable(summary["verdict"])))
    if summary["stopped"]:
        screen.print(Text(f"The search was cut short ({summary['stopped']})."))
    for step in run.state["verdict"]["next"]:
        screen.print(Text(f"  - {printable(step)}"))
    print(f"report: {summary['report']}")


def _setting(value: Any) -> str:
    if isinstance(value, list) and len(value) > 4:
        return f"{len(value)} values"
    return number(value) if isinstance(value, float) else str(value)


def values(summary: dict[str, Any]) -> str:
    """What a column holds, in a few words."""
    if summary.get("levels"):
        return printable(", ".join(f"{v['level']} ({v['count']})" for v in summary["levels"][:4]), 60)
    if summary.get("min") is None:
        return ""
    low, high = summary["min"], summary["max"]
    show = moment if isinstance(low, str) else number
    return f"{show(low)} to {show(high)}"
