"""A long table as sequences: which rows belong together, and in what order.

One column says to which sequence a row belongs, another one when; all other columns of numbers are what is seen at each
step. Everything that is decided on the way is said in a sentence.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError, closest
from ..experience.profile import missing_in
from ..experience.sequences import Sequences
from ..experience.table import Table


@dataclass(frozen=True)
class Series:
    """Sequences out of a table.

    Parameters
    ----------
    X : Sequences
        What is seen at each step; numbers that are missing are NaN.
    rows : array of shape (S,)
        The row of the table that each step comes from.
    times : array of shape (S,), or None
    notes : list of str
    """

    X: Sequences
    rows: np.ndarray
    times: np.ndarray | None
    notes: list[str]

    def beside(self, column: np.ndarray) -> Sequences:
        """A column of the table as sequences, step for step."""
        return Sequences(column[self.rows], self.X.lengths)


def series_of(
    table: Table,
    *,
    sequence: str | None,
    time: str | None,
    without: tuple[str, ...] = (),
    columns: list[str] | None = None,
    symbols: bool = False,
) -> Series:
    """Cut a table into sequences.

    Parameters
    ----------
    table : Table
    sequence : str, optional
        The column that says which rows belong together; without it, all rows are one sequence.
    time : str, optional
        The column to order them by; without it, they stand in order.
    without : tuple of str
        Columns that are not seen, such as the target.
    columns : list of str, optional
        The columns that are seen; without it, all that hold numbers.
    symbols : bool, default False
        Where there are no numbers, see a single column of words as symbols.

    Raises
    ------
    DataError
        If a column is not there, holds no numbers, or a row lacks its sequence or time.
    """
    for name in filter(None, (sequence, time)):
        if name not in table:
            raise DataError(f"there is no column {name!r}; {closest(name, table.names)}")
        absent = missing_in(table[name])
        if absent.any():
            raise DataError(
                f"the column {name!r} is missing in {int(absent.sum())} rows, first row "
                f"{table.rows[absent.argmax()]}: it says where a row belongs; fill it, or leave those rows out"
            )
    N, notes = len(table), []
    codes, ids = np.zeros(N, dtype=np.int64), np.array(["series"], dtype=object)
    if sequence is not None:
        said = table[sequence]
        if said.dtype.kind == "f" and (said == np.floor(said)).all() and np.abs(said).max(initial=0) < 2**53:
            said = said.astype(np.int64)  # a number that is a name is written as one writes it: 3, not 3.0
        found, first, codes = np.unique(said.astype(str), return_index=True, return_inverse=True)
        place = np.argsort(np.argsort(first))  # in the order in which they appear
        codes, ids = place[codes], found[np.argsort(first)]
    if time is None:
        order = np.argsort(codes, kind="stable")
        notes.append("steps stand in the order of the rows; say otherwise with --time COLUMN")
        times = None
    else:
        stamps = _as_dates(table[time])
        order = np.lexsort((stamps, codes))
        times = stamps[order]
        same = (codes[order][1:] == codes[order][:-1]) & (times[1:] == times[:-1])
        if same.any():
            notes.append(
                f"{int(same.sum())} rows have the {time!r} of another row of their sequence; they keep their order"
            )
        if times.dtype.kind in "Mfiu":
            apart = np.diff(times)[(codes[order][1:] == codes[order][:-1]) & ~same]
            if len(apart) and (uneven := int(np.sum(apart > 1.5 * np.median(apart)))):
                notes.append(
                    f"the rows are not equally far apart by {time!r}: {uneven} gaps are more than half as long again "
                    "as the usual one; each row counts as one step, so add rows without numbers where steps are missing"
                )
    if columns is None:
        left = [name for name in table.names if name not in (sequence, time, *without)]
        columns = [name for name in left if table[name].dtype.kind in "fiub"]
        words = [name for name in left if name not in columns]
        counters = [name for name in columns if _counts(table[name][order], codes[order])]
        if counters and (len(counters) < len(columns) or (symbols and len(words) == 1)):
            columns = [name for name in columns if name not in counters]
            why = "it only counts" if len(counters) == 1 else "they only count"
            notes.append(f"left out, because {why} the rows: {', '.join(map(repr, counters))}")
        if symbols and not columns and len(words) == 1:
            columns = words
        elif words:
            notes.append(f"only numbers are seen at a step; left out: {', '.join(map(repr, words[:10]))}")
    if unknown := [name for name in columns if name not in table]:
        raise DataError(f"there is no column {unknown[0]!r}; {closest(unknown[0], table.names)}")
    wrong = [name for name in columns if table[name].dtype.kind not in "fiub"]
    symbolic = symbols and len(columns) == 1 and table[columns[0]].dtype.kind == "O"
    if wrong and not symbolic:
        raise DataError(f"the column {wrong[0]!r} holds no numbers, and what is seen at a step are numbers")
    if not columns:
        raise DataError(
            f"no column of numbers is left to learn from{', and more than one of words' if symbols else ''}; there are "
            f"{', '.join(map(repr, table.names[:10]))}"
            + ("" if symbols else "; one of words is learned from where there are no labels")
        )
    values = np.column_stack([table[name] if symbolic else table[name].astype(np.float64) for name in columns])[order]
    lengths = np.bincount(codes, minlength=len(ids))
    return Series(Sequences(values, lengths, columns, ids), order, times, notes)


def _counts(column: np.ndarray, owners: np.ndarray) -> bool:
    """Whether a column goes up by one from step to step of each sequence: numbers of rows, and no series."""
    ahead = np.diff(column.astype(np.float64))[owners[1:] == owners[:-1]]
    return len(ahead) > 1 and bool((ahead == 1).all())


def _as_dates(stamps: np.ndarray) -> np.ndarray:
    """Numbers that are all written as days, 20240131, as the days; other stamps as they are."""
    if stamps.dtype.kind not in "fiu" or not len(stamps) or not ((stamps > 1e7) & (stamps < 3e7)).all():
        return stamps
    whole = stamps.astype(np.int64)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    if (whole != stamps).any() or not ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
        return stamps
    months = (12 * (year - 1970) + month - 1).astype("M8[M]")
    return months.astype("M8[D]") + (day - 1)


def filled(X: Sequences) -> tuple[Sequences, str | None]:
    """Missing numbers replaced by the last one of their sequence (at its beginning the next, else the mean of all).

    Returns
    -------
    Sequences
    str or None
        What was done, in a sentence.
    """
    values = np.array(X.values, dtype=np.float64)
    gaps = np.isnan(values)
    if not gaps.any():
        return X, None
    owner = np.repeat(np.arange(len(X)), X.lengths)
    rows = np.arange(len(values))
    for d in range(values.shape[1]):
        known = np.where(gaps[:, d], -1, rows)
        last = np.maximum.accumulate(known)
        good = (last >= 0) & (owner[np.maximum(last, 0)] == owner)
        ahead = np.where(gaps[:, d], len(values), rows)[::-1]
        next_ = np.minimum.accumulate(ahead)[::-1]
        later = (next_ < len(values)) & (owner[np.minimum(next_, len(values) - 1)] == owner)
        mean = np.nanmean(values[:, d]) if not gaps[:, d].all() else 0.0
        line = np.where(later, values[np.minimum(next_, len(values) - 1), d], mean)
        values[:, d] = np.where(gaps[:, d], np.where(good, values[np.maximum(last, 0), d], line), values[:, d])
    return Sequences(values, X.lengths, X.names, X.ids, X.notes), (
        f"{int(gaps.sum()):,} missing numbers are filled by the last one seen in their sequence"
    )


def one_each(labels: Sequences) -> np.ndarray | None:
    """The label of each sequence, if all its steps bear the same, or all none; None if one changes on the way."""
    values, lengths = labels.values, labels.lengths
    firsts = np.cumsum(lengths) - lengths
    each = values[firsts]
    spread = np.repeat(each, lengths)
    same = (values == spread) | (missing_in(values) & missing_in(spread))
    return each if bool(same.all()) else None


def of_config(table: Table, config: dict[str, Any], without: tuple[str, ...]) -> Series:
    """The sequences that the arguments of `learn` name."""
    return series_of(table, sequence=config.get("sequence"), time=config.get("time"), without=without)
