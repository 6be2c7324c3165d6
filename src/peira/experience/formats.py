"""Tables that are not delimited text: one JSON object a line, parquet, and archives of arrays."""

import io
import json
import math
import zipfile
import zlib
from typing import Any

import numpy as np

from peira.core.errors import DataError

from .cells import MISSING
from .columns import EXACT_WHOLE, TOO_LONG, clean_column
from .dates import dates_of
from .delimited import MAX_COLUMNS
from .naming import gather_notes
from .table import Table

_TARGETS = ("y", "target", "targets", "label", "labels", "labels0")
_INPUTS = ("x", "data", "features", "inputs")


def parse_jsonl(text: str, where: str, notes: list[str]) -> Table:
    """One JSON object a line; the columns are the keys in the order in which they first appear.

    A key that an object lacks is a missing value. Lists and objects inside are kept as JSON text.
    """
    columns: dict[str, list[Any]] = {}
    told: dict[str, list[str]] = {}
    N = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"line {number} of {where} is not JSON: {str(error).split(';')[0]}; "
                'expected one object a line, such as {"age": 31}'
            ) from None
        if not isinstance(item, dict):
            raise DataError(f"line {number} of {where} holds a {type(item).__name__}; expected one JSON object a line")
        for key, value in item.items():
            if key not in columns:
                columns[key] = [None] * N
                if len(columns) > MAX_COLUMNS:
                    raise DataError(f"{where} has more than {MAX_COLUMNS:,} different keys (line {number})")
            if isinstance(value, dict | list):
                value = json.dumps(value, ensure_ascii=False)
                told[key] = ["lists and objects kept as JSON text"]
            columns[key].append(value)
        N += 1
        if len(item) < len(columns):
            for values in columns.values():
                if len(values) < N:
                    values.append(None)
    if not columns:
        raise DataError(f"{where} holds no JSON objects: there is no table in it")
    table = {key: _from_json(key, values, told.setdefault(key, [])) for key, values in columns.items()}
    return Table(table, [*notes, "one JSON object a line", *gather_notes(told)])


def _from_json(key: str, values: list[Any], told: list[str]) -> np.ndarray:
    if any(type(v) is int and abs(v) > EXACT_WHOLE for v in values):
        told.append(TOO_LONG)
        values = [v if v is None else str(v) for v in values]
    array = np.empty(len(values), object)
    array[:] = values
    if all(v is None for v in values):
        return np.full(len(values), np.nan)
    column = clean_column(key, array, told)
    if column.dtype != object:
        return column
    words = {v: None if v.strip().lower() in MISSING else v for v in set(column) - {None}}
    spelled = sorted(v for v, w in words.items() if w is None and v)
    if spelled:
        told.append(f"{', '.join(map(repr, spelled))} read as missing")
    dates = dates_of([w for w in words.values() if w is not None], told)
    if dates is not None:
        gone = np.datetime64("NaT", "us")
        return np.array([gone if v is None or words[v] is None else dates[v] for v in column], "datetime64[us]")
    return np.array([None if v is None else words[v] for v in column], object)


def parse_parquet(data: bytes, where: str, max_bytes: int) -> Table:
    """A parquet file, read with pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f"reading {where} needs pyarrow: install it, or save the table as csv") from error
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        rows, columns = file.metadata.num_rows, file.metadata.num_columns
        packed = sum(file.metadata.row_group(g).total_byte_size for g in range(file.metadata.num_row_groups))
        if max(rows * columns * 8, packed) > max_bytes:
            raise DataError(
                f"{where} has {rows:,} rows and {columns:,} columns, more than {max_bytes:,} bytes; raise max_bytes"
            )
        frame = file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{where} is not a parquet file, or is damaged: {str(error)[:200]}") from error
    if not rows or not columns:
        raise DataError(f"{where} holds no table: {rows} rows, {columns} columns")
    return Table.of(frame)


def parse_npz(data: bytes, where: str, max_bytes: int) -> Table:
    """An archive of NumPy arrays; pickled objects in it are refused.

    Arrays of one length become columns: a vector one, a matrix one for each of its columns. A
    target called y comes last and is suggested. Arrays of another length are left out, and named.
    """
    arrays = load_arrays(data, where, max_bytes)
    usable = {name: a for name, a in arrays.items() if a.ndim in (1, 2) and a.dtype.kind in "fiubUSM" and a.size}
    lengths = [len(a) for a in usable.values()]
    lower = {name.lower(): name for name in usable}
    lead = next((lower[n] for n in (*_INPUTS, *_TARGETS) if n in lower), None)
    N = len(usable[lead]) if lead else max(set(lengths), key=lambda n: (lengths.count(n), n), default=0)
    table = {name: a for name, a in usable.items() if len(a) == N}
    shown = ", ".join(f"{name} {a.shape}" for name, a in list(arrays.items())[:12])
    if not table:
        raise DataError(
            f"{where} holds no table: expected vectors or matrices of equal length, got {shown or 'no arrays'}"
        )
    notes = [f"arrays in the archive: {shown}"]
    matrices = [name for name, a in table.items() if a.ndim == 2]
    names_in, feature_names = _feature_names(arrays, table, matrices)
    left = [name for name in arrays if name not in table and name != names_in]
    if left:
        notes.append(f"left out, because they do not have {N} rows of numbers or words: {', '.join(left[:12])}")
    target = next((lower[n] for n in _TARGETS if n in lower and lower[n] in table), None)
    if target in matrices:
        notes.append(
            f"{target!r} has {table[target].shape[1]} columns, which may all be targets; the last is suggested"
        )
    order = sorted(table, key=lambda name: name == target)
    told: dict[str, list[str]] = {}
    columns: dict[str, np.ndarray] = {}
    for name in order:
        array = table[name]
        prefix = "x" if name.lower() in _INPUTS else name
        for column, values in _columns_of(prefix, array, feature_names if name != target else None).items():
            columns[column] = clean_column(column, values, told.setdefault(column, []))
    if len(columns) > MAX_COLUMNS:
        raise DataError(f"{where} has {len(columns):,} columns; the limit is {MAX_COLUMNS:,}")
    suggested = None if target is None else next(c for c in reversed(columns) if c.startswith(target))
    return Table(columns, notes + gather_notes(told), suggested_target=suggested)


def _columns_of(prefix: str, array: np.ndarray, names: list[str] | None) -> dict[str, np.ndarray]:
    if array.ndim == 1:
        return {prefix: array}
    if names is None or len(names) != array.shape[1] or len(set(names)) < len(names):
        names = [f"{prefix}{d}" for d in range(array.shape[1])]
    return {name: array[:, d] for d, name in enumerate(names)}


def _feature_names(
    arrays: dict[str, np.ndarray], table: dict[str, np.ndarray], matrices: list[str]
) -> tuple[str | None, list[str] | None]:
    """The array of words that names the columns of the only matrix, and the words."""
    if len(matrices) == 1:
        for name, a in arrays.items():
            if name not in table and a.dtype.kind in "US" and a.shape == (table[matrices[0]].shape[1],):
                return name, [str(v) for v in a]
    return None, None


def load_arrays(data: bytes, where: str, max_bytes: int) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            size = sum(m.file_size for m in members)
            if size > max_bytes:
                raise DataError(
                    f"{where} unpacks to {size:,} bytes, more than {max_bytes:,}; raise max_bytes to read it"
                )
            for member in members:
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = _load_array(stream, member, where)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{where} is not an archive of NumPy arrays, or is damaged: {error}") from error
    return arrays


def _load_array(stream: Any, member: zipfile.ZipInfo, where: str) -> np.ndarray:
    """One array, once its header is known to promise no more than the member holds."""
    name = member.filename
    try:
        version = np.lib.format.read_magic(stream)
        head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = head(stream)
        if dtype.hasobject:
            raise DataError(f"{name} in {where} holds pickled objects, which Peira never loads; save plain arrays")
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise DataError(f"{name} in {where} promises {shape} values of {dtype} but is shorter than that")
        values = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype)
        return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} in {where} is not a NumPy array: {str(error)[:120]}") from error
