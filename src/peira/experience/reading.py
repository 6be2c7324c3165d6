"""Reading a table from where it lies.

Nothing has to be said about a file: what packs it, how its characters are coded, what stands
between its cells, whether names stand on top, how missing values are spelled and what each column
holds are found, and stated in the table's notes. Each can be overruled.
"""

from pathlib import Path
from typing import Any, BinaryIO

from peira.core.errors import DataError

from .bundled import load_example
from .delimited import parse_delimited
from .formats import parse_jsonl, parse_npz, parse_parquet
from .opening import MAX_BYTES, decode, describe, read_bytes
from .table import Table

_BINARY = {".parquet": parse_parquet, ".pq": parse_parquet, ".npz": parse_npz}


def read(
    source: Any,
    *,
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Table:
    """Read a table.

    Parameters
    ----------
    source : str, path, binary stream, frame, dict or array
        A csv, tsv, jsonl, parquet or npz file, plain or gzipped; ``"-"`` for standard input;
        ``"example:NAME"`` for bundled data (iris, diabetes, wine, breast_cancer, digits,
        linnerud); or anything that `Table.of` takes.
    header : bool, optional
        Whether the first row of delimited text holds names. None finds out.
    delimiter : str, optional
        The character between cells. None finds out.
    encoding : str, optional
        None finds out: UTF-8 if it fits, UTF-16 or UTF-32 by their marks, else a Western one.
    max_bytes : int, default 2^30
        Limit on the size after unpacking.

    Returns
    -------
    Table
        Its ``notes`` say what was found and decided.

    Raises
    ------
    DataError
        If there is no table in the source; the message says what is wrong, where, and what to do.

    Notes
    -----
    Time and memory grow with the size of the file; nothing is left on disk and nothing is executed.

    Examples
    --------
    >>> t = read("example:iris")
    >>> t.shape, t.suggested_target
    ((150, 5), 'species')
    """
    if isinstance(source, bytes | bytearray):
        raise DataError("a source is a path, a stream or a frame; wrap bytes in io.BytesIO")
    if not isinstance(source, str | Path) and not hasattr(source, "read"):
        return Table.of(source)
    if isinstance(source, str) and source.startswith("example:"):
        return load_example(source.removeprefix("example:"))
    where = describe(source)
    suffixes = [s.lower() for s in _suffixes(source)]
    kind = next((s for s in reversed(suffixes) if s != ".gz"), "")
    if kind in _BINARY:
        return _BINARY[kind](read_bytes(source, max_bytes, text=False), where, max_bytes)
    data = read_bytes(source, max_bytes, text=True, encoding=encoding)
    notes: list[str] = []
    text = decode(data, encoding, where, notes)
    del data
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"line {line} of {where} holds a NUL character: this is not text, or the encoding is wrong")
    if kind in (".jsonl", ".ndjson", ".json") or (kind not in (".csv", ".tsv") and text.lstrip()[:1] == "{"):
        return parse_jsonl(text, where, notes)
    return parse_delimited(text, where, header=header, delimiter=delimiter, notes=notes)


def _suffixes(source: str | Path | BinaryIO) -> list[str]:
    name = source if isinstance(source, str | Path) else getattr(source, "name", "")
    return Path(str(name)).suffixes[-2:]
