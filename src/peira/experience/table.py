"""A table: named columns of equal length, the plainest form of experience.

Numbers are float64 with NaN where a value is missing, words are strings with None, dates are
datetime64 with NaT, and truth values are bool. A table answers ``len(t)`` and ``t[rows]``, and that
is all that splitting, batching and resampling need.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from peira.core.errors import DataError, closest

EXACT_WHOLE = 2.0**53
"""Whole numbers up to here keep all their digits in float64."""


class Table:
    """Named columns of equal length; nothing in it changes once it is made.

    Parameters
    ----------
    columns : dict of str to array of shape (N,)
        Each float64, bool, datetime64, or object holding str and None.
    notes : sequence of str
        What was decided on the way here, for the reader.
    suggested_target : str, optional
        The column that the source means to be predicted.
    orders : dict of str to list of str
        Levels from low to high, for columns of words whose order is declared.
    rows : array of shape (N,), optional
        The number of each row in its source, counted from 1; kept through every selection, so
        that messages can name the row that a reader sees.

    Examples
    --------
    >>> t = Table.of({"age": [31, 45, None], "town": ["Ulm", "Bonn", None]})
    >>> t.names, len(t), t["age"].tolist()
    (['age', 'town'], 3, [31.0, 45.0, nan])
    >>> t[[2, 0]]["town"].tolist()
    [None, 'Ulm']
    """

    def __init__(
        self,
        columns: Mapping[str, np.ndarray],
        notes: Sequence[str] = (),
        suggested_target: str | None = None,
        orders: Mapping[str, list[str]] | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self._columns = dict(columns)
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            first, second = next(iter(lengths)), next(n for n, k in lengths.items() if k != next(iter(lengths.values())))
            raise DataError(
                f"columns of a table have equal length, but {first!r} has {lengths[first]} values and {second!r} {lengths[second]}"
            )
        N = next(iter(lengths.values()), 0 if rows is None else len(rows))
        self.notes = list(notes)
        self.suggested_target = suggested_target
        self.orders = dict(orders or {})
        self.rows = np.arange(1, N + 1) if rows is None else rows

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self), len(self._columns)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self):
        raise TypeError("a table is not iterable: ask for t.names, t['column'] or t[rows]")

    def __getitem__(self, index: Any) -> Any:
        """A column by its name, or the rows of a slice, mask or array of positions as a table."""
        if isinstance(index, str):
            if index not in self._columns:
                raise DataError(f"the table has no column {index!r}; {closest(index, self._columns)}")
            return self._columns[index]
        if isinstance(index, int | np.integer):
            index = slice(index, None) if index == -1 else slice(index, index + 1)
        rows = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(rows, slice) and rows.size == 0:
            rows = rows.astype(np.intp)
        return self._with({name: values[rows] for name, values in self._columns.items()}, self.rows[rows])

    def select(self, names: Iterable[str]) -> "Table":
        """The table of these columns, in this order."""
        return self._with({name: self[name] for name in names}, self.rows)

    def drop(self, names: str | Iterable[str]) -> "Table":
        """The table without these columns."""
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            self[name]
        return self._with({n: v for n, v in self._columns.items() if n not in set(names)}, self.rows)

    def to_dict(self) -> dict[str, np.ndarray]:
        """The columns by name."""
        return dict(self._columns)

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:8]) + (f", ... and {len(self.names) - 8} more" if len(self.names) > 8 else "")
        return f"Table({len(self)} rows, {len(self.names)} columns: {shown})"

    def _with(self, columns: dict[str, np.ndarray], rows: np.ndarray) -> "Table":
        orders = {name: order for name, order in self.orders.items() if name in columns}
        target = self.suggested_target if self.suggested_target in columns else None
        return Table(columns, self.notes, target, orders, rows)

    @classmethod
    def of(cls, data: Any) -> "Table":
        """A table of whatever holds one.

        Parameters
        ----------
        data : Table, data frame (pandas, polars, arrow, ...), dict of columns, or array
            An array of shape (N, D) gets the names x0, x1, ...; a structured array keeps its own.

        Raises
        ------
        DataError
            If it is no table, or a column holds what is neither number, word, truth value nor date.
        """
        if isinstance(data, Table):
            return data
        if isinstance(data, Mapping):
            return cls(*_clean((str(name), values) for name, values in data.items()))
        if not isinstance(data, np.ndarray):
            import narwhals as nw

            if nw.dependencies.is_into_dataframe(data) or hasattr(data, "collect"):
                return cls(**_from_frame(data))
            data = data.numpy(force=True) if hasattr(data, "detach") else np.asarray(data)
        if data.dtype.names:
            return cls(*_clean((name, data[name]) for name in data.dtype.names))
        if data.ndim != 2:
            raise DataError(f"Expected 2D array for a table, got an array of shape {data.shape}. Reshape your data")
        rows = np.arange(1, len(data) + 1)
        return cls(*_clean((f"x{d}", data[:, d]) for d in range(data.shape[1])), rows=rows)


def _clean(columns: Iterable[tuple[str, Any]]) -> tuple[dict[str, np.ndarray], list[str]]:
    notes: list[str] = []
    return {name: clean_column(name, values, notes) for name, values in columns}, notes


def clean_column(name: str, values: Any, notes: list[str]) -> np.ndarray:
    """One column in the form that tables hold; what had to be decided is added to the notes."""
    array = np.asarray(values.numpy(force=True) if hasattr(values, "detach") else values)
    if array.ndim != 1:
        raise DataError(f"column {name!r} of a table has shape {array.shape}; expected one value a row")
    kind = array.dtype.kind
    if kind == "c":
        raise DataError(f"Complex data not supported: column {name!r} holds {array.dtype}")
    if kind == "M":
        return array.astype("datetime64[us]")
    if kind == "m":
        notes.append(f"column {name!r} holds durations; taken in seconds")
        return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "s"))
    if kind in "iu" and len(array) and max(abs(int(array.max())), abs(int(array.min()))) > EXACT_WHOLE:
        notes.append(f"column {name!r} holds whole numbers beyond 2^53, which float64 would round; kept as words")
        return array.astype(str).astype(object)
    if kind == "f" or kind in "iu":
        return array.astype(np.float64, copy=False)
    if kind == "b":
        return array
    if kind == "U":
        return array.astype(object)
    if kind == "S":
        return np.char.decode(array, "utf-8", "replace").astype(object)
    if kind != "O":
        raise DataError(f"column {name!r} holds {array.dtype}; expected numbers, words, truth values or dates")
    return _clean_objects(name, array, notes)


def is_missing(value: Any) -> bool:
    """Whether a Python value stands for no value: None, NaN, NaT or pandas' NA."""
    if value is None or (isinstance(value, float) and value != value):
        return True
    return type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, np.datetime64) and np.isnat(value))


def _clean_objects(name: str, array: np.ndarray, notes: list[str]) -> np.ndarray:
    """Python objects: all of one kind they become that kind; numbers among words become words."""
    kinds = {type(v) for v in array}
    missing = {k for k in kinds if k is type(None) or k.__name__ in ("NAType", "NaTType")}
    kinds -= missing
    if kinds <= {str}:
        return array if missing <= {type(None)} else np.array([v if type(v) is str else None for v in array], object)
    gone = np.array([is_missing(v) for v in array])
    held = array[~gone]
    if all(issubclass(k, bool | np.bool_) for k in kinds):
        return held.astype(bool) if not gone.any() else np.array([None if g else str(bool(v)) for v, g in zip(array, gone, strict=True)], object)
    if all(hasattr(k, "isoformat") or issubclass(k, np.datetime64 | float) for k in kinds) and not all(issubclass(k, float) for k in kinds):
        out = np.full(len(array), np.datetime64("NaT"), "datetime64[us]")
        out[~gone] = [np.datetime64(v.isoformat() if hasattr(v, "isoformat") else v, "us") for v in held]
        return out
    odd = next((v for v in held if isinstance(v, dict | list | tuple | set | np.ndarray)), None)
    if odd is not None:
        raise TypeError(
            f"column {name!r} holds a {type(odd).__name__}; the argument must be a string or a real number in every cell"
        )
    if not any(issubclass(k, str) for k in kinds):
        try:
            out = np.full(len(array), np.nan)
            out[~gone] = held.astype(np.float64)
            return out
        except (TypeError, ValueError) as error:
            raise TypeError(f"column {name!r}: {error}; the argument must be a string or a real number") from error
    n_words = sum(isinstance(v, str) for v in held)
    if n_words < len(held):
        notes.append(f"column {name!r} mixes {n_words} words with {len(held) - n_words} other values; all kept as words")
    return np.array([None if g else str(v) for v, g in zip(array, gone, strict=True)], object)


def _from_frame(data: Any) -> dict[str, Any]:
    import narwhals as nw

    try:
        frame = nw.from_native(data)
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        names = [str(name) for name in frame.columns]
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        raise DataError(f"this {type(data).__name__} cannot be read as a table: {error}") from error
    notes: list[str] = []
    columns, orders = {}, {}
    for name in frame.columns:
        series = frame[name]
        columns[str(name)] = _from_series(str(name), series, notes)
        if isinstance(series.dtype, nw.Enum):
            orders[str(name)] = [str(level) for level in series.dtype.categories]
    if len(set(names)) < len(names):
        raise DataError(f"the frame has columns of the same name: {', '.join(n for n in set(names) if names.count(n) > 1)}")
    return {"columns": columns, "notes": notes, "orders": orders}


def _from_series(name: str, series: Any, notes: list[str]) -> np.ndarray:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric() and not isinstance(dtype, nw.Decimal):
        if dtype.is_integer() and len(series) and series.null_count() < len(series):
            if max(abs(int(series.max())), abs(int(series.min()))) > EXACT_WHOLE:
                return clean_column(name, np.array([None if v is None else str(v) for v in series.to_list()], object), notes)
        return series.cast(nw.Float64).to_numpy().astype(np.float64, copy=False) if series.null_count() else series.to_numpy().astype(np.float64, copy=False)
    if dtype == nw.Boolean and not series.null_count():
        return series.to_numpy().astype(bool)
    if isinstance(dtype, nw.Datetime) and dtype.time_zone:
        notes.append(f"column {name!r} has the time zone {dtype.time_zone}; taken in UTC")
        return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    if dtype in (nw.Date, nw.Datetime):
        return series.cast(nw.Datetime("us")).to_numpy().astype("datetime64[us]")
    if isinstance(dtype, nw.Duration):
        return clean_column(name, series.to_numpy(), notes)
    if isinstance(dtype, nw.List | nw.Struct | nw.Array | nw.Binary):
        raise DataError(f"column {name!r} holds {dtype}; expected numbers, words, truth values or dates")
    values = np.empty(len(series), object)
    values[:] = series.to_list()
    return clean_column(name, values, notes)
