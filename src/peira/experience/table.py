"""A table: named columns of equal length, the plainest form of experience.

Numbers are float64 with NaN where a value is missing, words are strings with None, dates are
datetime64 with NaT, and truth values are bool. A table answers ``len(t)`` and ``t[rows]``, and that
is all that splitting, batching and resampling need.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from peira.core.errors import DataError, closest

from .columns import columns_of, columns_of_frame


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
            first, second = (
                next(iter(lengths)),
                next(n for n, k in lengths.items() if k != next(iter(lengths.values()))),
            )
            raise DataError(
                "columns of a table have equal length, "
                f"but {first!r} has {lengths[first]} values and {second!r} {lengths[second]}"
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
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # so does scikit-learn take the rows of an array
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The columns side by side, where all hold numbers or truth values."""
        words = next((n for n, v in self._columns.items() if v.dtype.kind not in "fb"), None)
        if words is not None:
            kind = "dates" if self._columns[words].dtype.kind == "M" else "words"
            raise DataError(
                f"column {words!r} holds {kind}, not numbers; "
                "put peira.experience.DesignMatrix before a method that needs numbers"
            )
        columns = [v.astype(dtype or np.float64) for v in self._columns.values()]
        return np.column_stack(columns) if columns else np.empty((len(self), 0))

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
            return cls(*columns_of((str(name), values) for name, values in data.items()))
        if not isinstance(data, np.ndarray):
            import narwhals as nw

            if nw.dependencies.is_into_dataframe(data) or hasattr(data, "collect"):
                return cls(**columns_of_frame(data))
            data = data.numpy(force=True) if hasattr(data, "detach") else np.asarray(data)
        if data.dtype.names:
            return cls(*columns_of((name, data[name]) for name in data.dtype.names))
        if data.ndim != 2:
            raise DataError(f"Expected 2D array for a table, got an array of shape {data.shape}. Reshape your data")
        rows = np.arange(1, len(data) + 1)
        return cls(*columns_of((f"x{d}", data[:, d]) for d in range(data.shape[1])), rows=rows)
