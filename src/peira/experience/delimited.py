"""Tables as lines of text: which character stands between cells, whether names stand on top, and the cells.

The delimiter is the one that gives the same number of cells on (nearly) every line. The first row
holds names if words stand there over numbers. What is found is stated, and can be overruled.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice, pairwise
from typing import NoReturn

from peira.core.errors import DataError

from .cells import MISSING, column_of
from .naming import gather_notes, unique_names
from .table import Table

MAX_COLUMNS = 100_000
_PREFERENCE = ("\t", ";", "|", ",", " ")
_SPOKEN = {"\t": "tab", ";": "';'", ",": "','", "|": "'|'", " ": "blanks"}
_LOOK = 200  # rows that delimiter and header are found from
_BLOCK = 20_000  # cells turned from rows into columns at a time; few, so that the garbage collector has little to visit
_SEPARATOR = "\0"  # between the cells of a stored column: the door lets no cell with a NUL byte in


def parse_delimited(text: str, where: str, *, header: bool | None, delimiter: str | None, notes: list[str]) -> Table:
    """The table in a text of delimited lines.

    Parameters
    ----------
    text : str
    where : str
        Name of the source, for messages.
    header : bool or None
        Whether the first row holds names; None finds out.
    delimiter : str or None
        One character; None finds out.
    notes : list of str
        What was decided so far; what is decided here is added.

    Raises
    ------
    DataError
        If the text is empty, has a header only, or its rows differ in length; the message names the lines.
    """
    if not text.strip():
        raise DataError(f"{where} is empty: it holds no table")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\r\n"'):
        raise DataError(f"a delimiter is one character (such as ',' or a tab), got {delimiter!r}")
    delimiter = delimiter or find_delimiter(text, where, notes)
    head = [cells for _, cells in islice(_rows(text, delimiter, where), _LOOK)]
    if not head:
        raise DataError(f"{where} holds no cells: it has no table")
    if len(head[0]) > MAX_COLUMNS:
        raise DataError(f"{where} has {len(head[0]):,} columns in its first row; the limit is {MAX_COLUMNS:,}")
    if header is None:
        header, why = find_header(head)
        notes.append(("the first row holds the names: " if header else "no row of names: ") + why)
    names = [cell.strip() for cell in head[0]] if header else [f"x{d}" for d in range(len(head[0]))]
    names, parts = _collect(text, delimiter, where, header, names, notes)
    told: dict[str, list[str]] = {}
    columns = {}
    for d, name in enumerate(unique_names(names, notes)):
        cells = [cell for part in parts for cell in part[d].split(_SEPARATOR)]
        told[name] = []
        columns[name] = column_of(cells, told[name], decimal_comma=delimiter in ";\t")
    return Table(columns, notes + gather_notes(told))


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends, without a copy of the whole text; a lone carriage return also ends a line."""
    end = "\n" if "\n" in text else "\r"
    start = 0
    while start < len(text):
        stop = text.find(end, start) + 1 or len(text)
        yield text[start:stop]
        start = stop


def _rows(text: str, delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line on which it ends; blank lines are passed over."""
    lines = _lines(text)
    if delimiter == " ":
        lines = (line.strip() + "\n" for line in lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    last = 0
    try:
        for cells in reader:
            last = reader.line_num
            if any(cells) or len(cells) > 1:
                yield last, cells
    except csv.Error as error:
        what = str(error)
        if "unexpected end" in what or "field larger" in what:
            limit = csv.field_size_limit()
            what = f'a quotation mark (") is opened and not closed, or a cell is longer than {limit:,} characters'
        elif "expected after" in what:
            what = 'text follows a closing quotation mark; a quotation mark inside a quoted cell is written twice ("")'
        elif "new-line" in what:
            what = "a carriage return stands within it; give all lines of the file the same end"
        raise DataError(f"the row of {where} that begins on line {last + 1} cannot be read: {what}") from None


def find_delimiter(text: str, where: str, notes: list[str]) -> str:
    """The character between cells, stated in the notes."""
    sample = _sample(text)
    best, best_key = ",", (0.0, 0, 0)
    for rank, candidate in enumerate(_PREFERENCE):
        if candidate not in sample:
            continue
        rows = list(_loosely(sample, candidate))
        body = rows[1:] or rows  # the first row may have one name fewer than there are columns
        width, n = Counter(map(len, body)).most_common(1)[0]
        share = n / len(body)
        if width < 2 or (candidate == " " and not (share > 0.95 and _mostly_numbers(rows))):
            continue
        # A tab, semicolon or bar on every line is no accident; commas also stand in sentences and decimals.
        key = (round(share, 1), -rank if share >= 0.95 else 0, width)
        if key > best_key:
            best, best_key = candidate, key
    notes.append(f"cells are separated by {_SPOKEN[best]}" if best_key[2] else "one column: no delimiter found")
    return best


def _sample(text: str) -> str:
    lines = list(islice(_lines(text), 5 * _LOOK))
    return "".join([line for line in lines if line.strip()][:_LOOK])


def _loosely(sample: str, delimiter: str) -> Iterator[list[str]]:
    lines = _lines(sample)
    if delimiter == " ":
        lines = (line.strip() + "\n" for line in lines)
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield []


def _mostly_numbers(rows: list[list[str]]) -> bool:
    cells = [cell for row in rows[1:] or rows for cell in row]
    return sum(map(is_number, cells)) >= 0.5 * len(cells)


def is_number(cell: str) -> bool:
    """Whether a cell alone reads as a number, in any of the styles that columns may have."""
    s = cell.strip().strip("$€£¥₹% ")
    if s[:1].isalpha() or "_" in s:
        return False
    try:
        float(s)
        return True
    except ValueError:
        return bool(s) and s.replace(",", "").replace(".", "").replace(" ", "").lstrip("+-").isdigit()


def find_header(rows: list[list[str]]) -> tuple[bool, str]:
    """Whether the first row holds names, and the reason in words."""
    first, below = [c.strip() for c in rows[0]], rows[1:]
    if counting := _counting(first):
        if below and _counting(below[0]):
            return False, "its numbers count up, but so do those of the second row"
        return True, f"numbers that count up ({counting[0]}, {counting[1]}, ...) stand in it"
    number = next((c for c in first if is_number(c)), None)
    if number is not None:
        return False, f"the first row holds a number ({number!r})"
    gap = next((c for c in first if c and c.lower() in MISSING and not c.isalpha()), None)
    if gap is not None:
        return False, f"the first row holds a missing value ({gap!r})"
    if not below:
        return True, "it holds words only, and stands alone"
    shift = len(below[0]) - len(first) == 1  # R writes no name over the names of rows
    columns = [[v for row in below if len(row) > d and (v := row[d].strip())] for d in range(shift, len(first) + shift)]
    for name, column in zip(first, columns, strict=True):
        known = [v for v in column if v.lower() not in MISSING]
        if name and known and sum(map(is_number, known)) > 0.5 * len(known):
            return True, f"words stand over numbers (such as {name[:40]!r})"
    if "" in first[1:]:
        return False, "the first row holds an empty cell"
    again = next((c for c, column in zip(first, columns, strict=True) if c in column), None)
    if again is not None:
        return False, f"{again[:40]!r} of the first row stands below it as well"
    if len(first) > 1 and len(set(first)) == len(first):
        return True, "its words differ and do not stand below it"
    return False, "nothing sets the first row apart"


def _counting(cells: list[str]) -> list[int]:
    """Five or more whole numbers among the cells, each one more than the one before; else nothing."""
    whole = [int(c) for c in cells if c.isdecimal() and len(c) < 9]
    return whole if len(whole) >= 5 and all(b - a == 1 for a, b in pairwise(whole)) else []


def _collect(
    text: str, delimiter: str, where: str, header: bool, names: list[str], notes: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Names, and the cells of each column: one string a block, so that memory stays near the size of the file."""
    rows = (cells for _, cells in _rows(text, delimiter, where))
    if header:
        next(rows)
    first = next(rows, None)
    if first is None:
        shown = ", ".join(map(repr, names[:5])) + (" ..." if len(names) > 5 else "")
        raise DataError(f"{where} holds a row of names ({shown}) but no rows of data below it")
    trailing = False
    if header and len(first) == len(names) + 1:
        trailing = not first[-1]
        names = names if trailing else ["row_name", *names]
        notes.append(
            "each row ends with a delimiter; the empty last column was left out"
            if trailing
            else "there is one name fewer than columns: the first column, of names of rows, is called 'row_name'"
        )
    width = len(names)
    rows = chain([first], rows)
    parts: list[list[str]] = []
    while block := list(islice(rows, max(_BLOCK // width, 1))):
        if trailing:
            block = [cells[:-1] if len(cells) == width + 1 and not cells[-1] else cells for cells in block]
        if any(len(cells) != width for cells in block):
            _refuse_ragged(_rows(text, delimiter, where), where, header, width, trailing)
        parts.append(list(map(_SEPARATOR.join, zip(*block, strict=True))))
    return names, parts


def _refuse_ragged(
    rows: Iterator[tuple[int, list[str]]], where: str, header: bool, width: int, trailing: bool
) -> NoReturn:
    """Raise the error that names the rows whose number of cells is not ``width``."""
    odd = []
    N = -int(header)
    for line, cells in rows:
        N += 1
        if N > 0 and len(cells) != width and not (trailing and len(cells) == width + 1 and not cells[-1]):
            odd.append((N, line, len(cells), ", ".join(cells)[:60]))
    row, line, length, shown = odd[0]
    others = ", ".join(f"row {r} with {k}" for r, _, k, _ in odd[1:5]) + (" ..." if len(odd) > 5 else "")
    raise DataError(
        f"row {row} of {where} (line {line}) has {length} cells where "
        f"{'the header' if header else 'the first row'} has {width}: {shown!r}; {len(odd)} of {N} rows differ"
        + (f" (then {others})" if others else "")
        + ". Mend or remove them; cells that hold the delimiter must stand in quotation marks"
    )
