"""From a source to bytes, and from bytes to text, within bounds.

A file may be a thousand times larger once it is unpacked, may hold one endless line, or may be no
text at all. So it is read in pieces; size and lines are watched while it is read, and what goes
past a limit is refused before memory is spent on it.
"""

import codecs
import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import BinaryIO

from peira.core.errors import DataError

MAX_BYTES = 2**30
"""Bytes of a source after unpacking, unless the caller says otherwise."""

MAX_LINE = 2**23
"""Bytes of one line."""

_PIECE = 2**20
_BOMS = (  # the longer mark first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    (b"PAR1", "a parquet file; give it the ending .parquet"),
    (
        b"PK\x03\x04",
        "a zip archive, as xlsx and npz are; save the sheet as csv, or give an archive of arrays the ending .npz",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file; save the sheet as csv"),
    (b"%PDF", "a PDF; export the table as csv"),
    (b"SQLite format 3", "an SQLite data base; export the table as csv"),
    (b"BZh", "packed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "packed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it first"),
    (b"\x89PNG", "a picture"),
    (b"\x89HDF", "an HDF5 file; export the table as csv or parquet"),
    (b"\x93NUMPY", "a single NumPy array; save it with numpy.savez"),
    (b"\x80\x04", "a pickle, which Peira never loads, because loading one runs code; save the table as csv or parquet"),
)


def read_bytes(
    source: str | Path | BinaryIO, max_bytes: int = MAX_BYTES, *, text: bool, encoding: str | None = None
) -> bytes:
    """All bytes of a source, unpacked if they are gzipped.

    Parameters
    ----------
    source : path, "-" for stdin, or binary stream
    max_bytes : int
        Limit on the bytes after unpacking.
    text : bool
        Whether the bytes are meant to be text: NUL bytes and endless lines are then refused early.
    encoding : str, optional
        Of text, if it is known: in UTF-16 and UTF-32, NUL bytes are halves of characters.

    Raises
    ------
    DataError
        If there is no such file, it is damaged, or a limit is passed.
    """
    where = describe(source)
    try:
        if not isinstance(source, str | Path):
            return _collect(source, where, max_bytes, text, encoding)
        if str(source) == "-":
            return _collect(sys.stdin.buffer, where, max_bytes, text, encoding)
        path = Path(source).expanduser()
        if path.is_dir():
            raise DataError(f"{where} is a folder, not a table; name a file in it")
        with path.open("rb") as stream:
            return _collect(stream, where, max_bytes, text, encoding)
    except FileNotFoundError:
        raise DataError(f"there is no file {where}; {_neighbours(Path(source).expanduser())}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where} is packed with gzip but damaged or cut off: {error}") from error
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where} cannot be read: {error}") from error


def describe(source: object) -> str:
    """The source as messages name it, on one line and free of control characters."""
    if str(source) == "-":
        return "standard input"
    name = getattr(source, "name", "the stream") if not isinstance(source, str | Path) else str(source)
    return repr(str(name))


def _collect(stream: BinaryIO, where: str, max_bytes: int, text: bool, encoding: str | None) -> bytes:
    head = stream.read(2)
    stream = _Prefixed(head, stream)
    if head == b"\x1f\x8b":
        stream = gzip.GzipFile(fileobj=stream)
    pieces: list[bytes] = []
    size = open_line = lines = 0
    wide = (encoding or "").lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32", "utf32"))
    while piece := stream.read(_PIECE):
        if not pieces and text:
            _refuse_binary(piece, where)
            wide = wide or _wide_encoding(piece) is not None
        size += len(piece)
        if size > max_bytes:
            raise DataError(
                f"{where} holds more than {max_bytes:,} bytes once unpacked; "
                "read a part of it, or raise the limit with max_bytes"
            )
        if text:
            first = _line_end(piece, piece.find)
            if open_line + (len(piece) if first < 0 else first) > MAX_LINE:
                raise DataError(
                    f"line {lines + 1} of {where} is longer than {MAX_LINE:,} bytes; no table has such "
                    "lines, is it another kind of file, or are its line ends missing?"
                )
            if not wide and (nul := piece.find(b"\0")) >= 0:
                line = lines + piece.count(b"\n", 0, nul) + 1
                raise DataError(
                    f"line {line} of {where} holds a NUL byte (byte {size - len(piece) + nul}): "
                    "this is not text, or it is UTF-16 without a mark (then pass encoding='utf-16-le' or 'utf-16-be')"
                )
            lines += piece.count(b"\n")
            open_line = open_line + len(piece) if first < 0 else len(piece) - 1 - _line_end(piece, piece.rfind)
        pieces.append(piece)
    return b"".join(pieces)


def _line_end(piece: bytes, find) -> int:
    newline = find(b"\n")
    return newline if newline >= 0 else find(b"\r")


class _Prefixed(io.RawIOBase):
    """A stream with the bytes put back that were read to look at them."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head + (self._stream.read(size - len(head)) if size > len(head) else b"")
        return self._stream.read(size)


def _refuse_binary(piece: bytes, where: str) -> None:
    for magic, what in _BINARY:
        if piece.startswith(magic):
            raise DataError(f"{where} is not text but {what}")


def _wide_encoding(piece: bytes) -> str | None:
    """UTF-16 or UTF-32 by its mark, or UTF-16 by the zero byte in nearly every second place."""
    for mark, name in _BOMS:
        if piece.startswith(mark) and name != "utf-8-sig":
            return name
    start = piece[:4096]
    if len(start) >= 4:
        half = len(start) // 2
        for name, zeros, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
            if zeros.count(0) > 0.8 * half and others.count(0) < 0.05 * half:
                return name
    return None


def decode(data: bytes, encoding: str | None, where: str, notes: list[str]) -> str:
    """Bytes as text: in the encoding that was given, or in the one that is found and stated.

    Raises
    ------
    DataError
        If the bytes are not in the given encoding, or no encoding has that name.
    """
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except LookupError:
            raise DataError(
                f"no text encoding is called {encoding!r}; common ones are utf-8, utf-16, cp1252, latin-1, shift_jis"
            ) from None
        except UnicodeError as error:
            at = getattr(error, "start", 0)
            line = data.count(b"\n", 0, at) + 1
            raise DataError(
                f"{where} is not {encoding}: byte {at} (line {line}) does not fit: "
                f"{getattr(error, 'reason', error)}; leave encoding out to have it found"
            ) from error
    marked = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    found = marked or _wide_encoding(data)
    if found:
        text = decode(data, found, where, notes)
        notes.append(f"encoding {found}, by {'its mark at the start' if marked else 'its zero bytes'}")
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = error.start
    # Five bytes have no character in cp1252; latin-1 has one for every byte, so it comes last.
    found = "latin-1" if any(b in data for b in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")) else "cp1252"
    line = data.count(b"\n", 0, bad) + 1
    notes.append(
        f"not UTF-8 (byte 0x{data[bad]:02x} in line {line}), so read as {found}, the usual Western "
        "encoding; pass encoding=... if accented letters look wrong"
    )
    return data.decode(found)


def _neighbours(path: Path) -> str:
    from peira.core.errors import closest

    if not path.parent.is_dir():
        return f"nor a folder {str(path.parent)!r}"
    files = [p.name for p in sorted(path.parent.iterdir())[:1000] if p.is_file() and not p.name.startswith(".")]
    return f"in its folder: {closest(path.name, files)}" if files else "its folder is empty"
