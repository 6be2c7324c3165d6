"""Values of any library as the columns of a table: numbers, words, truth values or dates."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from peira.core.errors import DataError

from .naming import count, gather_notes

EXACT_WHOLE = 2.0**53
"""Whole numbers up to here keep all their digits in float64."""

TOO_LONG = "whole numbers beyond 2^53, which float64 would round; kept as words"


def columns_of(columns: Iterable[tuple[str, Any]]) -> tuple[dict[str, np.ndarray], list[str]]:
    told: dict[str, list[str]] = {}
    cleaned = {name: clean_column(name, values, told.setdefault(name, [])) for name, values in columns}
    return cleaned, gather_notes(told)


def clean_column(name: str, values: Any, notes: list[str]) -> np.ndarray:
    """One column in the form that tables hold; what had to be decided is added to the notes, without its name."""
    array = np.asarray(values.numpy(force=True) if hasattr(values, "detach") else values)
    if array.ndim != 1:
        raise DataError(f"column {name!r} of a table has shape {array.shape}; expected one value a row")
    kind = array.dtype.kind
    if kind == "c":
        raise DataError(f"Complex data not supported: column {name!r} holds {array.dtype}")
    if kind == "M":
        return array.astype("datetime64[us]")
    if kind == "m":
        notes.append("durations, taken in seconds")
        return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "s"))
    if kind in "iu" and len(array) and max(abs(int(array.max())), abs(int(array.min()))) > EXACT_WHOLE:
        notes.append(TOO_LONG)
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
        if not gone.any():
            return held.astype(bool)
        return np.array([None if g else str(bool(v)) for v, g in zip(array, gone, strict=True)], object)
    if any(issubclass(k, date | np.datetime64) for k in kinds):
        try:
            out = np.full(len(array), np.datetime64("NaT"), "datetime64[us]")
            out[~gone] = [_moment(v) for v in held]
            return out
        except (TypeError, ValueError) as error:
            raise TypeError(f"column {name!r} mixes dates with other values: {error}") from error
    odd = next((v for v in held if isinstance(v, dict | list | tuple | set | np.ndarray)), None)
    if odd is not None:
        raise TypeError(f"column {name!r} holds a {type(odd).__name__}; every cell must be a number or a word")
    if not any(issubclass(k, str) for k in kinds):
        try:
            out = np.full(len(array), np.nan)
            out[~gone] = held.astype(np.float64)
            return out
        except (TypeError, ValueError) as error:
            raise TypeError(f"column {name!r}: {error}; every cell must be a number or a word") from error
    n_words = sum(isinstance(v, str) for v in held)
    if n_words < len(held):
        notes.append(f"{count(n_words, 'word')} among {count(len(held) - n_words, 'other value')}; all kept as words")
    return np.array([None if g else str(v) for v, g in zip(array, gone, strict=True)], object)


def _moment(value: Any) -> np.datetime64:
    """A date of any kind, in UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if not isinstance(value, date | np.datetime64):
        raise TypeError(f"{value!r} is no date")
    return np.datetime64(value, "us")


def columns_of_frame(data: Any) -> dict[str, Any]:
    import narwhals as nw

    try:
        frame = nw.from_native(data)
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        names = [str(name) for name in frame.columns]
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        raise DataError(f"this {type(data).__name__} cannot be read as a table: {error}") from error
    if len(set(names)) < len(names):
        raise DataError(
            f"the frame has columns of the same name: {', '.join(n for n in set(names) if names.count(n) > 1)}"
        )
    told: dict[str, list[str]] = {}
    columns, orders = {}, {}
    for name, series in zip(names, frame.iter_columns(), strict=True):
        columns[name] = _from_series(name, series, told.setdefault(name, []))
        if isinstance(series.dtype, nw.Enum):
            orders[name] = [str(level) for level in series.dtype.categories]
    return {"columns": columns, "notes": gather_notes(told), "orders": orders}


def _from_series(name: str, series: Any, notes: list[str]) -> np.ndarray:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric() and not isinstance(dtype, nw.Decimal):
        held = series.drop_nulls()
        if dtype.is_integer() and len(held) and max(abs(int(held.max())), abs(int(held.min()))) > EXACT_WHOLE:
            notes.append(TOO_LONG)
            return np.array([None if v is None else str(v) for v in series.to_list()], object)
        series = series.cast(nw.Float64) if series.null_count() else series
        return series.to_numpy().astype(np.float64, copy=False)
    if dtype == nw.Boolean and not series.null_count():
        return series.to_numpy().astype(bool)
    if isinstance(dtype, nw.Datetime) and dtype.time_zone:
        notes.append(f"times of the zone {dtype.time_zone}, taken in UTC")
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
