"""A run: a plain folder that is readable without Peira and survives a kill at any moment.

::

    run.json            what was run, its state ("running", "complete") and the best model
    config.toml         the arguments, enough to run it again
    trials.jsonl        a line for each finished cell (one candidate on one fold)
    leaderboard.csv     candidates, best first
    events.jsonl        what happened, as it happened
    diagnosis.json      findings
    data/               profile.json, splits.json
    predictions/        of each candidate on rows that it had not seen
    models/<id>/        model.json, weights.safetensors
    errors/             one text for each failure
    report.html, report.json, log.txt

Two rules make it safe to kill: files are replaced whole (written under another name and moved),
and ``trials.jsonl`` only grows, a line being written after everything that it speaks of. A torn
last line is what a kill in the middle of writing leaves; it is cut off when the run resumes.
"""

import csv
import io
import json
import os
import shlex
import shutil
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..core import strictjson
from ..core.errors import UnreadableError
from ..core.persistence import umask, write_atomically

FORMAT = 1
_MAX_FILE = 512 * 2**20


class Run:
    """A run's folder, to write while it goes on and to read for ever after.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    # ------------------------------------------------------------------ making and opening

    @classmethod
    def create(cls, path: str | Path, config: dict[str, Any], state: dict[str, Any], data: dict[str, bytes]) -> "Run":
        """Make the folder with all that is known before the first fit; nothing that stands there is overwritten.

        It is made under another name and moved into place, so that a kill leaves a whole run or none.

        Parameters
        ----------
        path : path
        config : dict
            The arguments, flat.
        state : dict
            First entries of ``run.json``.
        data : dict of str to bytes
            Files of the folder ``data``.

        Raises
        ------
        FileExistsError
            If the path exists and is not an empty folder.
        """
        final = cls(path)
        if final.path.exists() and (not final.path.is_dir() or any(final.path.iterdir())):
            resume = f"; to go on with it: peira learn --resume {shlex.quote(str(path))}" if final.exists() else ""
            raise FileExistsError(f"{path} exists already, and nothing is overwritten{resume}")
        final.path.parent.mkdir(parents=True, exist_ok=True)
        run = cls(tempfile.mkdtemp(dir=final.path.parent, prefix=f".{final.path.name}."))
        try:
            for folder in ("data", "models", "predictions", "errors"):
                (run.path / folder).mkdir()
            for name, content in data.items():
                write_atomically(run.path / "data" / name, content)
            run.write_text("config.toml", _toml(config))
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            run.update(format=FORMAT, state="running", created=created, **state)
            run.path.chmod(0o777 & ~umask())
            run.path.rename(final.path)
        except BaseException:
            shutil.rmtree(run.path, ignore_errors=True)
            raise
        return final

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open what `create` made.

        Raises
        ------
        UnreadableError
            If there is no run, or one of another format.
        """
        run = cls(path)
        if not run.exists():
            raise UnreadableError(f"there is no run at {run.path} (no run.json)")
        if run.state.get("format") != FORMAT:
            raise UnreadableError(
                f"{run.path} has format {run.state.get('format')!r}; this version of Peira reads {FORMAT}"
            )
        return run

    def exists(self) -> bool:
        return (self.path / "run.json").is_file()

    # ------------------------------------------------------------------ whole files

    @property
    def state(self) -> dict[str, Any]:
        """What ``run.json`` says; empty before it is written."""
        return self.read_json("run.json") if self.exists() else {}

    def update(self, **values: Any) -> None:
        """Change entries of ``run.json``."""
        self.write_json("run.json", {**self.state, **values})

    @property
    def config(self) -> dict[str, Any]:
        """The arguments, from ``config.toml``."""
        try:
            return tomllib.loads(self._read("config.toml").decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UnreadableError(f"{self.path / 'config.toml'} cannot be read: {error}") from error

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, as_json(value))

    def read_json(self, name: str) -> Any:
        return strictjson.loads(self._read(name), what=str(self.path / name), max_bytes=_MAX_FILE)

    def write_text(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())

    def write_csv(self, name: str, header: list[str], rows: list[list[Any]]) -> None:
        """A table for people and spreadsheets: cells that a spreadsheet would execute are quoted."""
        self.write_text(name, as_csv(header, rows))

    def _read(self, name: str) -> bytes:
        path = self.path / name
        if not path.is_file():
            raise UnreadableError(f"{path} is missing")
        if path.stat().st_size > _MAX_FILE:
            raise UnreadableError(f"{path} is larger than {_MAX_FILE} bytes")
        return path.read_bytes()

    # ------------------------------------------------------------------ lines that are only added

    def append(self, name: str, record: dict[str, Any]) -> None:
        """Add one line to a ``.jsonl`` file and flush it to disk."""
        line = strictjson.dumps(plain(record)) + "\n"
        with open(self.path / name, "ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of a ``.jsonl`` file; a torn last one is left out."""
        if not (self.path / name).is_file():
            return []
        content = self._read(name)
        whole = content[: content.rfind(b"\n") + 1]
        return [
            strictjson.loads(line, what=f"{self.path / name}, line {i}") for i, line in enumerate(whole.splitlines(), 1)
        ]

    def cut_torn_line(self, name: str) -> None:
        """Remove what a kill left after the last whole line, so that appending starts on a line of its own."""
        path = self.path / name
        if path.is_file():
            content = path.read_bytes()
            if not content.endswith(b"\n") and content:
                write_atomically(path, content[: content.rfind(b"\n") + 1])

    # ------------------------------------------------------------------ predictions

    def write_predictions(self, candidate: str, fold: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep a cell's predictions on its test rows, as a plain ``.npz``."""
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        folder = self.path / "predictions" / candidate
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"fold-{fold}.npz", buffer.getvalue())

    def read_predictions(self, candidate: str, fold: int) -> dict[str, np.ndarray]:
        path = self.path / "predictions" / candidate / f"fold-{fold}.npz"
        if not path.is_file():
            raise UnreadableError(f"{path} is missing")
        try:
            with zipfile.ZipFile(path) as members:
                size = sum(member.file_size for member in members.infolist())
            if size > _MAX_FILE:
                raise UnreadableError(f"{path} unpacks to {size} bytes; at most {_MAX_FILE} are read")
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise UnreadableError(f"{path} cannot be read as arrays: {error}") from error


def plain(value: Any) -> Any:
    """A value as JSON has it: arrays as lists, numbers as Python's, NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)


def as_json(value: Any) -> str:
    """The text of a ``.json`` file of a run."""
    return strictjson.dumps(plain(value), indent=1) + "\n"


def as_csv(header: list[str], rows: Iterable[Iterable[Any]]) -> str:
    """The text of a table, with cells that a spreadsheet would execute quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([harmless_cell(name) for name in header])
    writer.writerows([harmless_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def harmless_cell(value: Any) -> Any:
    """A cell that no spreadsheet executes: text that starts like a formula gets a leading quote.

    >>> harmless_cell("=cmd()"), harmless_cell(-1.5), harmless_cell("plain")
    ("'=cmd()", -1.5, 'plain')
    """
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _toml(config: dict[str, Any]) -> str:
    """Flat arguments as TOML; what is None is left out."""
    lines = []
    for name, value in config.items():
        if value is None:
            continue
        # JSON's strings, numbers, booleans and lists are TOML's as well, but for a raw DEL.
        lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    return "\n".join(lines) + "\n"
