"""Documents from where they lie: a file, a folder of files, a stream, a list.

A file is read in pieces of a megabyte, so that the memory needed is that of its text, however its lines are broken:
one line of 50 MB is as good as a million short ones. Bytes that do not fit the encoding are an error that says where
they are, unless their replacement is asked for.
"""

import codecs
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from peira.core.errors import DataError, closest
from peira.core.text import printable

from .opening import _BOMS, MAX_BYTES, _refuse_binary, _wide_encoding, describe
from .text import Text

SUFFIXES = (".txt", ".text")
DOCUMENTS = ("auto", "lines", "paragraphs", "whole")
_PIECE = 2**20
_LONGEST_PATH = 4096
_WRAPPED = 50  # lines of a paragraph, on average, beyond which empty lines are no rule


def looks_like_text(source: Any) -> bool:
    """Whether a source holds plain text rather than a table: a `Text`, a file that ends in .txt, or a folder of them.

    A packed file counts by the name before its ``.gz``.
    """
    if isinstance(source, Text):
        return True
    if not isinstance(source, str | Path) or str(source) == "-" or str(source).startswith("example:"):
        return False
    path = Path(source).expanduser()
    if len(str(source)) > _LONGEST_PATH or "\0" in str(source):
        return False
    if path.is_dir():
        return next(_text_files(path), None) is not None
    return _is_text(path.name)


def read_text(
    source: Any,
    *,
    documents: str = "auto",
    encoding: str | None = None,
    errors: str = "strict",
    max_bytes: int = MAX_BYTES,
) -> Text:
    """Read documents.

    Parameters
    ----------
    source : path, "-", binary stream, Text or sequence of str
        A file (gzipped or not), standard input, a folder (each .txt file in it or in its sub-folders is a document), or
        documents in memory.
    documents : "auto", "lines", "paragraphs" or "whole", default "auto"
        What a document of a file is. "auto": the paragraphs where empty lines stand between them (at least one for
        every 50 lines), each line otherwise; so a book has paragraphs, and a list of sentences has lines. "whole": all
        of it, as it is. The notes say what was taken. Lines and paragraphs without a letter or mark are left out.
    encoding : str, optional
        UTF-8 without it, or what the mark at the start of the file says.
    errors : "strict" or "replace", default "strict"
        What becomes of bytes that are no characters: an error that names the byte and its line, or U+FFFD, with a note
        that says how many.
    max_bytes : int, default 2^30
        Limit on what is read, after unpacking.

    Returns
    -------
    Text
        ``ids`` are the numbers of the lines where the documents begin, counted from 1, or the names of the files.

    Raises
    ------
    DataError
        If there is no such file, it is no text, holds no character that can be seen, or passes the limit.

    Examples
    --------
    >>> text = read_text(io.BytesIO(b"one line\\nanother\\n"))
    >>> text.documents.tolist(), text.ids.tolist()
    (['one line', 'another'], ['1', '2'])
    >>> text.notes
    ("2 documents, the lines of the file (documents='whole' takes it as one)",)
    """
    if documents not in DOCUMENTS:
        raise DataError(f"unknown kind of documents {documents!r}; {closest(documents, DOCUMENTS)}")
    if errors not in ("strict", "replace"):
        raise DataError(f"errors is 'strict' or 'replace', got {errors!r}")
    if isinstance(source, Text):
        return source
    if isinstance(source, Sequence) and not isinstance(source, str):
        return Text(source)
    if isinstance(source, str) and (len(source) > _LONGEST_PATH or "\n" in source or "\0" in source):
        raise DataError(f"a text itself is no path ({printable(source, 40)}): make documents of it with Text([...])")
    if isinstance(source, str | Path) and str(source) != "-" and Path(source).expanduser().is_dir():
        return _read_folder(Path(source).expanduser(), encoding, errors, max_bytes)
    notes: list[str] = []
    lines = _read_lines(source, encoding, errors, max_bytes, notes)
    return _as_documents(lines, documents, describe(source), notes)


def _as_documents(lines: list[str], documents: str, where: str, notes: list[str]) -> Text:
    """The lines of a file as lines, as paragraphs or as one text."""
    filled = [i for i, line in enumerate(lines) if line and not line.isspace()]
    if not filled:
        raise DataError(f"{where} holds no text: {'it is empty' if lines == [''] else 'there are only spaces in it'}")
    firsts = [i for k, i in enumerate(filled) if k == 0 or filled[k - 1] != i - 1]
    if documents == "auto":
        documents = "paragraphs" if len(firsts) > 1 and len(filled) <= _WRAPPED * len(firsts) else "lines"
    other = "documents='whole' takes it as one"
    if documents == "whole":
        return Text(["\n".join(lines)], ["1"], (*notes, "1 document, the whole file"))
    if documents == "lines":
        empty = len(lines) - len(filled) - (not lines[-1])
        left = f", without {empty:,} empty ones" if empty else ""
        several = "the lines of the file" if len(filled) > 1 else "the only line of the file"
        note = f"{_counted(len(filled))}, {several}{left}" + (f" ({other})" if len(filled) > 1 else "")
        return Text([lines[i] for i in filled], [str(i + 1) for i in filled], (*notes, note))
    ends = [*firsts[1:], len(lines)]
    blocks = (lines[i:j] for i, j in zip(firsts, ends, strict=True))
    parts = ["\n".join(line for line in block if line and not line.isspace()) for block in blocks]
    note = (
        f"{_counted(len(parts))}, the paragraphs of the file, between empty lines (documents='lines' takes its lines, "
    )
    return Text(parts, [str(i + 1) for i in firsts], (*notes, f"{note}{other})"))


def _counted(N: int) -> str:
    return f"{N:,} document{'s' * (N != 1)}"


def _read_folder(folder: Path, encoding: str | None, errors: str, max_bytes: int) -> Text:
    """Each file a document, in the order of their names."""
    paths = sorted(_text_files(folder))
    if not paths:
        raise DataError(
            f"there is no text in the folder {str(folder)!r}: no file in it ends in {' or '.join(SUFFIXES)}"
        )
    notes: list[str] = []
    parts, left = [], max_bytes
    for path in paths:
        own: list[str] = []
        parts.append("\n".join(_read_lines(path, encoding, errors, left, own)))
        left -= len(parts[-1])
        notes += [f"{printable(path.name)}: {note}" for note in own]
    names = [str(path.relative_to(folder)) for path in paths]
    return Text(parts, names, (*notes, f"{_counted(len(parts))}, the files of the folder"))


def _is_text(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _text_files(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        yield from (Path(at) / name for name in sorted(files) if _is_text(name) and not name.startswith("."))


def _read_lines(source: Any, encoding: str | None, errors: str, max_bytes: int, notes: list[str]) -> list[str]:
    """All lines, without their ends; the last one is empty if the file ends with a line end."""
    where = describe(source)
    try:
        if not isinstance(source, str | Path):
            if not hasattr(source, "read"):
                raise DataError(f"a text is read from a path, a stream or a list of texts, got {type(source).__name__}")
            return _collect(source, where, encoding, errors, max_bytes, notes)
        if str(source) == "-":
            return _collect(sys.stdin.buffer, where, encoding, errors, max_bytes, notes)
        with Path(source).expanduser().open("rb") as stream:
            return _collect(stream, where, encoding, errors, max_bytes, notes)
    except FileNotFoundError:
        raise DataError(f"there is no file {where}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where} is packed with gzip but damaged or cut off: {error}") from error
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error


def _collect(
    stream: BinaryIO, where: str, encoding: str | None, errors: str, max_bytes: int, notes: list[str]
) -> list[str]:
    reader: Any = io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream
    first = reader.read(_PIECE)
    if isinstance(first, str):
        raise DataError(f"{where} gives text instead of bytes: open it in binary mode, or pass its documents as a list")
    if first[:2] == b"\x1f\x8b":
        reader = gzip.GzipFile(fileobj=_Again(first, reader))
        first = reader.read(_PIECE)
    _refuse_binary(first, where)
    marked = next((name for mark, name in _BOMS if first.startswith(mark)), None)
    chosen = encoding or marked or _wide_encoding(first) or "utf-8"
    if encoding is None and chosen != "utf-8":
        notes.append(f"encoding {chosen}, by {'its mark at the start' if marked else 'its zero bytes'}")
    decoder = _Decoder(chosen, errors, where)
    lines, open_line, size = [], [], 0
    piece = first
    while True:
        size += len(piece)
        if size > max_bytes:
            raise DataError(
                f"{where} holds more than {max_bytes:,} bytes once unpacked; "
                "read a part of it, or raise the limit with max_bytes"
            )
        head, *rest = decoder(piece, final=not piece).split("\n")
        open_line.append(head)
        if rest:
            lines.append("".join(open_line))
            lines += rest[:-1]
            open_line = [rest[-1]]
        if not piece:
            break
        piece = reader.read(_PIECE)
    lines.append("".join(open_line))
    if decoder.replaced:
        notes.append(f"{decoder.replaced:,} characters stand as U+FFFD, for bytes that are none in {chosen}")
    return lines


class _Decoder:
    """Bytes to text, piece by piece, with line ends as ``\\n``; knows the place of a byte that does not fit."""

    def __init__(self, encoding: str, errors: str, where: str) -> None:
        try:
            self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        except LookupError:
            raise DataError(
                f"no text encoding is called {encoding!r}; common ones are utf-8, utf-16, cp1252, latin-1, shift_jis"
            ) from None
        self._ends = io.IncrementalNewlineDecoder(None, translate=True)
        self._encoding, self._errors, self._where = encoding, errors, where
        self._bytes = self._lines = self.replaced = 0

    def __call__(self, piece: bytes, final: bool) -> str:
        pending = len(self._decoder.getstate()[0])
        try:
            decoded = self._decoder.decode(piece, final)
        except UnicodeError as error:
            start = getattr(error, "start", 0)
            broken = getattr(error, "object", b"")[start : start + 1]
            line = self._lines + getattr(error, "object", b"")[:start].count(b"\n") + 1
            raise DataError(
                f"{self._where} is not {self._encoding}: byte {self._bytes - pending + start}"
                + (f" (0x{broken[0]:02x}" if broken else " (the end")
                + f", line {line}) does not fit: {getattr(error, 'reason', error)}. If it is in "
                "another encoding (often cp1252 or latin-1), convert it (iconv -f cp1252 -t utf-8) or, in Python, pass "
                "encoding=...; errors='replace' reads on without such bytes"
            ) from None
        if (at := decoded.find("\0")) >= 0:
            if self._errors == "strict":
                line = self._lines + decoded.count("\n", 0, at) + 1
                raise DataError(
                    f"line {line} of {self._where} holds a NUL, which no text does: is it another kind of file, or "
                    "UTF-16 without a mark (then pass encoding='utf-16-le' or 'utf-16-be')? errors='replace' reads on"
                )
            decoded = decoded.replace("\0", "\ufffd")
        text = self._ends.decode(decoded, final)
        self._bytes += len(piece)
        self._lines += text.count("\n")
        if self._errors == "replace":
            self.replaced += text.count("\ufffd")
        return text


class _Again(io.RawIOBase):
    """A stream with the bytes put back that were read to look at them."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._stream.read(size)
        part, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
        return part
