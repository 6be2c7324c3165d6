"""``python -m evidence list | reproduce ID... | race ID...`` (see the package's docstring and ``evidence/README.md``).

Results on stdout, progress on stderr. Exit codes: 0 all held (list: always; race: every race that could run did),
1 something did not hold or failed, 2 usage.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from .loading import HERE, DataAbsent, data_path
from .rows import RACES, REPRODUCTIONS, discover
from .showing import show_list, show_race, show_reproduction


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    discover()
    rows = _rows()
    if options.command == "list":
        if options.json:
            _write(list(rows.values()))
        else:
            show_list(list(rows.values()))
        return 0
    ids = _chosen(options.ids, rows, options.command)
    if ids is None:
        return 2
    return _reproduce(ids, options) if options.command == "reproduce" else _race(ids, options)


def _reproduce(ids: list[str], options: argparse.Namespace) -> int:
    from .reproducing import reproduce

    results = []
    for id in ids:
        parts = [row for row in REPRODUCTIONS if row.id == id]
        _progress(f"{id}  {parts[0].claim}")
        results.append(reproduce(id, parts))
        if not options.json:
            show_reproduction(results[-1])
    if options.json:
        _write(results[0] if len(results) == 1 else results)
    return 0 if all(result["held"] for result in results) else 1


def _race(ids: list[str], options: argparse.Namespace) -> int:
    from .contest import run_race

    races = [race for id in ids for race in RACES if race.id == id and options.case.lower() in _words(race).lower()]
    if not races:
        there = "; ".join(_words(race) for race in RACES if race.id in ids)
        _progress(f"no case of {', '.join(ids)} contains {options.case!r}; there is: {there}")
        return 2
    results = []
    for race in races:
        _progress(f"{race.id}  {_words(race)}, {options.threads} thread{'s' * (options.threads > 1)}")
        results.append(run_race(race, options.threads, options.rounds))
        if not options.json:
            show_race(results[-1])
    if options.json:
        _write(results)
    return 1 if any("failed" in result for result in results) else 0


def _rows() -> dict[str, dict[str, Any]]:
    """Every row: those of the curriculum's chapters so far, and any other that is declared."""
    with open(HERE / "curriculum.csv", encoding="utf-8", newline="") as file:
        rows = {row["id"]: dict(row) for row in csv.DictReader(file)}
    for row in REPRODUCTIONS:
        rows.setdefault(row.id, {"id": row.id, "method": row.claim, "reference": row.source})
    for race in RACES:
        rows.setdefault(race.id, {"id": race.id, "method": race.case, "reference": ""})
    for id, row in rows.items():
        parts = [part for part in REPRODUCTIONS if part.id == id]
        races = [race for race in RACES if race.id == id]
        row["reproduction"] = bool(parts)
        row["mark"] = " ".join(dict.fromkeys(part.mark for part in parts))
        row["races"] = [f"{race.case} against {race.peer}" for race in races]
        row["missing"] = sorted({name for item in [*parts, *races] for name in item.data if not _at_hand(name)})
        row["state"] = "to do" if not parts else "ready" if not row["missing"] else "needs data"
    return dict(sorted(rows.items(), key=lambda item: [int(number) for number in item[0].split(".")]))


def _chosen(asked: list[str], rows: dict[str, dict[str, Any]], command: str) -> list[str] | None:
    """The ids asked for: rows, whole chapters (``1``) or ``all``; None after saying what is wrong."""
    kind, key = ("reproduction", "reproduction") if command == "reproduce" else ("race", "races")
    able = [id for id, row in rows.items() if row[key]]
    chosen: list[str] = []
    for word in asked:
        found = [id for id in able if word in ("all", id, id.split(".")[0])]
        if not found:
            known = f"row {word} has no {kind} yet" if word in rows else f"there is no row {word!r}"
            _progress(f"{known}; rows with a {kind}: {' '.join(able) or 'none'}")
            return None
        chosen += [id for id in found if id not in chosen]
    return chosen


def _at_hand(name: str) -> bool:
    try:
        data_path(name)
    except DataAbsent:
        return False
    return True


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m evidence", description="Reference results and races.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="every row, its reference, its state")
    reproduce = commands.add_parser("reproduce", help="compute rows and compare them with their references")
    race = commands.add_parser("race", help="run rows against the best specialist library")
    for command in (reproduce, race):
        command.add_argument("ids", nargs="+", metavar="ID", help="1.02, a whole chapter (1), or all")
    for command in (listing, reproduce, race):
        command.add_argument("--json", action="store_true", help="print JSON on stdout")
    race.add_argument("--threads", type=_positive, default=1, help="threads of either side (default 1)")
    race.add_argument("--rounds", type=_positive, default=5, help="timed samples of either side (default 5)")
    race.add_argument("--case", default="", help="only the cases whose words contain this")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {text!r}")
    return int(text)


def _words(race) -> str:
    return f"{race.case} against {race.peer}"


def _progress(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, markup=False)


def _write(result: Any) -> None:
    json.dump(_finite(result), sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _finite(value: Any) -> Any:
    """JSON has no NaN nor infinity: they are written as words."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
