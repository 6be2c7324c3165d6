"""Listeners: what hears the events of a fit without changing it.

`Recorder` writes them into a file, `Progress` shows them to a person: live in a terminal, in
plain lines otherwise, always on stderr.
"""

import json
import math
import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .iteration import Event
from .text import printable


class Recorder:
    """Write events as lines of JSON.

    Parameters
    ----------
    path : path
        Lines are added to what stands there.
    depth : int, optional
        Only tasks nested at most so deep; None writes every step of every fit.

    Examples
    --------
    >>> import peira, tempfile
    >>> from peira.core.listeners import Recorder
    >>> with tempfile.TemporaryDirectory() as folder, Recorder(folder + "/events.jsonl") as recorder:
    ...     with peira.observing(recorder):
    ...         pass  # method.fit(X, y)
    """

    def __init__(self, path: str | Path, depth: int | None = None) -> None:
        self.depth = depth
        self._file: IO[str] = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)

    def __call__(self, event: Event) -> None:
        if self.depth is not None and len(event.path) > self.depth:
            return
        record = {
            "time": round(time.time(), 3),
            "kind": event.kind,
            "path": list(event.path),
            "index": event.index,
            "total": event.total,
            "values": {k: _number(v) for k, v in event.values.items()},
            "seconds": round(event.seconds, 6),
        }
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        if event.kind != "step":
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Progress:
    """Show on stderr how far the outermost tasks have come.

    Parameters
    ----------
    every : float, default 2.0
        Where stderr is no terminal: the least seconds between two lines of a task.
    depth : int, default 2
        Tasks nested deeper are not shown.
    """

    def __init__(self, every: float = 2.0, depth: int = 2) -> None:
        self.every, self.depth = every, depth
        self._live = sys.stderr.isatty()
        self._last = -math.inf

    def __call__(self, event: Event) -> None:
        if len(event.path) > self.depth:
            return
        if event.kind == "end" and len(event.path) > 1:
            return  # what comes next tells more than that something ended
        now = time.monotonic()
        outermost = len(event.path) == 1 and event.kind != "step"
        if not outermost and now - self._last < (0.1 if self._live else self.every):
            return
        self._last = now
        line = self._line(event)
        if self._live:
            end = "\n" if event.kind == "end" and len(event.path) == 1 else ""
            width = shutil.get_terminal_size().columns - 1  # a wrapped line could not be written over
            sys.stderr.write(f"\r\x1b[2K{printable(line, width)}{end}")
        elif event.kind != "start":
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    @staticmethod
    def _line(event: Event) -> str:
        where = " > ".join(printable(name) for name in event.path)
        if event.kind == "start":
            return f"{where} ..."
        if event.kind == "end":
            return f"{where}: {event.values.get('stopped', 'done')} after {event.seconds:.1f} s"
        count = f" {event.index + 1}/{event.total}" if event.total else f" {event.index + 1}"
        values = "  ".join(
            f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {printable(str(v))}" for k, v in event.values.items()
        )
        return f"{where}{count}  {values}"


def _number(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
