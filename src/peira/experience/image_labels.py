"""What the pictures of a flat folder show, from the table that lies beside them."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from peira.core.errors import DataError, closest
from peira.core.text import printable

from .image_folders import Found
from .opening import describe
from .reading import read
from .table import Table


def labels_from_table(found: Found, path: Path, target: str | None, skip_damaged: bool = False) -> np.ndarray:
    """A label for each picture, and the pictures without one left out if that is allowed.

    One column of the table names the files, with or without folder and ending; another holds the labels.

    Raises
    ------
    DataError
        If no column names the files, it is unclear which one holds the labels, a file is named twice, or a picture has
        no row or no label.
    """
    where = describe(path)
    table = read(path)
    rows, column = _row_of_each(found, table, where)
    values = table[_label_column(table, column, target, where)]
    known = {name: values[row] for name, row in rows.items() if not _missing(values[row])}
    without = [name for name in found.names if name not in known]
    if without and not skip_damaged:
        raise DataError(
            f"{len(without)} of {len(found.names)} pictures in {found.where} have no label in {where}: "
            f"{_some(without)}; add rows for them, or leave them out: "
            "--skip-damaged, in Python skip_damaged=True"
        )
    if without:
        found.notes.append(f"left out, because they have no label: {_some(without)}")
    unused = len(table) - len(rows)
    found.notes.append(
        f"labels from {path.name!r}, whose column {column!r} names the files"
        + (f"; {unused} of its rows name no file here" if unused else "")
    )
    keep = [name in known for name in found.names]
    found.paths = [path for path, kept in zip(found.paths, keep, strict=True) if kept]
    found.names = [name for name in found.names if name in known]
    return _plain([known[name] for name in found.names])


def _row_of_each(found: Found, table: Table, where: str) -> tuple[dict[str, int], str]:
    """The row of each picture, and the column that names the pictures: the one that names most."""
    keys: dict[str, str | None] = {}
    for name in found.names:
        path = PurePosixPath(name)
        for key in {name, path.name, str(path.with_suffix("")), path.stem}:
            keys[key] = name if key not in keys else None  # None: two files answer to it
    best: dict[str, int] = {}
    chosen, repeated = "", ""
    for column in table.names:
        rows: dict[str, int] = {}
        twice = ""
        for row, value in enumerate(table[column].tolist()):
            name = keys.get(_as_name(value)) or ""
            if name:
                twice = twice or (name if name in rows else "")
                rows.setdefault(name, row)
        if (len(rows), not twice) > (len(best), not repeated):
            best, chosen, repeated = rows, column, twice
    if not best:
        raise DataError(
            f"no column of {where} names the pictures in {found.where}: expected names such as {found.names[0]!r} in "
            f"one of its columns {', '.join(table.names[:20])}"
        )
    if repeated:
        raise DataError(f"column {chosen!r} of {where} names {printable(repeated, 60)!r} in more than one row")
    return best, chosen


def _as_name(value: Any) -> str:
    if isinstance(value, float) and value == value and value.is_integer():
        return str(int(value))
    return str(value).replace("\\", "/").removeprefix("./")


def _label_column(table: Table, column: str, target: str | None, where: str) -> str:
    others = [name for name in table.names if name != column]
    if target is not None:
        if target not in others:
            raise DataError(f"{where} has no column {target!r} of labels; {closest(target, others)}")
        return target
    if table.suggested_target in others:
        return table.suggested_target
    if len(others) != 1:
        raise DataError(
            f"which column of {where} says what the pictures show? Name it as the target; there are "
            f"{', '.join(others[:20]) or 'none beside their names'}"
        )
    return others[0]


def _missing(value: Any) -> bool:
    return value is None or value != value


def _plain(values: list[Any]) -> np.ndarray:
    """Labels as texts, truth values, whole numbers or numbers."""
    if values and isinstance(values[0], str):
        return np.array(values, dtype=str)
    array = np.array(values)
    return array.astype(np.int64) if array.dtype.kind == "f" and (array == np.floor(array)).all() else array


def _some(names: list[str]) -> str:
    return ", ".join(printable(n, 60) for n in names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
