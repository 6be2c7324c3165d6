"""The evidence's data: files below ``$PEIRA_DATA`` (unset: below ``../shared/data``, where that stands beside the
repository), else the small tables in ``evidence/data/``."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "data"


class DataAbsent(Exception):
    """A row's data are not at hand; the message names their public source."""


class Table:
    """A table read from CSV: ``table["age"]`` is a column (float where every cell is a number; empty cells are NaN)."""

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[str]]):
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        self._columns = {name: _column(cells) for name, cells in zip(names, columns, strict=True)}

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; the table has {', '.join(self._columns)}")
        return self._columns[name]

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()))) if self._columns else 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def matrix(self, names: Sequence[str] | None = None) -> np.ndarray:
        """The named columns (all without names) as a float array (N, D)."""
        return np.column_stack([self[name].astype(float) for name in (self.names if names is None else names)])


def data_path(name: str, public: str | None = None) -> Path:
    """The path of a data file such as ``esl/prostate.csv.gz``; raises :class:`DataAbsent` with its public source."""
    named = os.environ.get("PEIRA_DATA")
    for folder in (Path(named) if named else SHARED, HERE / "data"):
        if (folder / name).is_file():
            return folder / name
    where = f"PEIRA_DATA names {named}, which lacks it" if named else "PEIRA_DATA is not set"
    source = public or sources().get(name.split("/")[0], "see the row's source")
    raise DataAbsent(f"needs {name} ({where}). Public source: {source}")


def data(name: str, *, header: bool = True, delimiter: str = ",", public: str | None = None):
    """Read one data file.

    ``.csv`` a :class:`Table` (``header=False``: columns ``x0``, ``x1``...), ``.npz`` a dict of arrays, ``.json`` what
    it holds, anything else its text; each plain or with ``.gz``. For other formats see :func:`data_path`.
    """
    path = data_path(name, public)
    if name.endswith(".npz"):
        with np.load(path, allow_pickle=False) as members:
            return {key: members[key] for key in members.files}
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        match name.removesuffix(".gz").rsplit(".", 1)[-1]:
            case "json":
                return json.load(file)
            case "csv":
                rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
                names = rows.pop(0) if header else [f"x{i}" for i in range(len(rows[0]))]
                return Table(names, rows)
            case _:
                return file.read()


def sources() -> dict[str, str]:
    """Folder of the data -> public repository and path that it was made from."""
    with open(HERE / "sources.csv", encoding="utf-8", newline="") as file:
        return {row["folder"]: row["source"] for row in csv.DictReader(file)}


def _column(cells: Sequence[str]) -> np.ndarray:
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in cells])
    except ValueError:
        return np.array(cells, dtype=str)
