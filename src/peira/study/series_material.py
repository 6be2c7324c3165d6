"""Series, and series with a label at each step, as what a study learns from."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DataError, closest
from ..experience.profile import count_levels, missing_in
from ..experience.reading import read
from ..experience.sequences import Sequences
from .material import UntargetedMaterial, items
from .series import Series, filled, of_config, one_each, series_of
from .timeline import Tagged, Timeline

HORIZON = 12
"""Steps ahead where nobody says how many, at most a twentieth of the shortest series."""
SEQUENCES, PIECES, LEAST = 10, 20, 10
"""Sequences that are judged as wholes, at least; pieces that fewer are cut into; steps of a piece, at least."""


class LongTable(UntargetedMaterial):
    """What comes out of a long table."""

    data = "sequences"

    def recipe(self, verb: str, source: str) -> str:
        return (
            "from peira.study.series_material import series_like\n"
            f"model.{verb}(series_like({source!r}, model.reading_))"
        )


class SeriesMaterial(LongTable):
    """Series that go on.

    Parameters
    ----------
    series : Series
    config : dict
        The arguments of `learn`.
    """

    item = "step"

    def __init__(self, series: Series, config: dict[str, Any]) -> None:
        self.series, self.config, self.notes = series.X, config, list(series.notes)
        gaps = int(np.isnan(series.X.values).sum())
        if gaps:
            self.notes.append(f"{gaps:,} numbers are missing; a method that cannot do without them is left out")
        self.X: Any = Timeline(series.X)
        self.times, self.repeated = series.times, 0
        shortest = int(series.X.lengths.min())
        self.horizon = int(config.get("horizon") or max(1, min(HORIZON, shortest // 20)))

    @property
    def owners(self) -> np.ndarray:
        return self.X.owners

    @property
    def inputs(self) -> str:
        N, names = len(self.series), self.series.names or ()
        return f"what came before in {'the series' if N == 1 else f'{N:,} series'} of {', '.join(names[:6])}"

    @property
    def width(self) -> int:
        return int(self.series.values.shape[1])

    @property
    def reading(self) -> dict[str, Any]:
        return {
            "sequence": self.config.get("sequence"),
            "time": self.config.get("time"),
            "columns": list(self.series.names or ()),
            "horizon": self.horizon,
        }

    def digest(self) -> str:
        digest = hashlib.sha256(f"series\0{self.reading}\0{self.series.lengths.tolist()}\0".encode())
        digest.update(np.ascontiguousarray(self.series.values).tobytes())
        return digest.hexdigest()

    def profile(self) -> dict[str, Any]:
        lengths = self.series.lengths
        return {
            "data": "series",
            "series": len(self.series),
            "steps": int(lengths.sum()),
            "shortest": int(lengths.min()),
            "longest": int(lengths.max()),
            "numbers": list(self.series.names or ()),
            "missing": int(np.isnan(self.series.values).sum()),
            "horizon": self.horizon,
            "notes": self.notes,
        }

    def asked(self, X: Timeline) -> Sequences:
        return X.series

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return rows.tolist()

    def data_section(self, outcome: Any) -> dict[str, Any]:
        told = self.profile()
        decisions = [
            f"{told['series']:,} series, {told['steps']:,} steps in all, of {', '.join(told['numbers'][:10])}",
            *self.notes,
            *outcome.study.question.decisions,
        ]
        return {"decisions": decisions, "duplicates": 0, "columns": []}


class TaggedMaterial(LongTable):
    """Sequences with a label at each step.

    Parameters
    ----------
    X : Sequences
    labels : Sequences
        Of labels.
    notes : list of str
    target : str
    reading : dict
    """

    item = "sequence"

    def __init__(self, X: Sequences, labels: Sequences, notes: Sequence[str], target: str, reading: dict[str, Any]):
        self.X: Any = Tagged(X, labels)
        self.notes, self.called_, self._reading, self.repeated = list(notes), target, reading, 0

    @property
    def inputs(self) -> str:
        return f"{items(self.width, 'number')} a step and the steps around it"

    @property
    def width(self) -> int:
        return int(self.X.X.values.shape[1])

    @property
    def reading(self) -> dict[str, Any]:
        return self._reading

    def digest(self) -> str:
        digest = hashlib.sha256(f"tagged\0{self._reading}\0{self.X.X.lengths.tolist()}\0".encode())
        digest.update(np.ascontiguousarray(self.X.X.values).tobytes())
        digest.update("\0".join(map(str, self.X.labels.values.tolist())).encode())
        return digest.hexdigest()

    def profile(self) -> dict[str, Any]:
        labels, counts = np.unique(self.X.labels.values.astype(str), return_counts=True)
        lengths = self.X.X.lengths
        return {
            "data": "tagged sequences",
            "sequences": len(self.X),
            "steps": int(lengths.sum()),
            "shortest": int(lengths.min()),
            "longest": int(lengths.max()),
            "target": self.called_,
            "labels": [{"label": str(a), "count": int(n)} for a, n in zip(labels, counts, strict=True)],
            "notes": self.notes,
        }

    def asked(self, X: "Tagged") -> Sequences:
        return X.X

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.X.X.ids[rows].tolist()

    def data_section(self, outcome: Any) -> dict[str, Any]:
        told = self.profile()
        decisions = [
            f"{told['sequences']:,} sequences, {told['steps']:,} steps in all, {items(self.width, 'number')} a step",
            f"the label of every step is to be found: its {self.called_}",
            *self.notes,
            *outcome.study.question.decisions,
        ]
        return {"decisions": decisions, "duplicates": 0, "columns": []}


class StatesMaterial(LongTable):
    """Sequences without labels, of numbers or of symbols, of whose steps the hidden states are wanted.

    Parameters
    ----------
    series : Series
    config : dict
        The arguments of `learn`.

    Attributes
    ----------
    whole : Sequences
        As they are; ``X`` holds pieces of them where they are few.
    symbols : list of str, or None
        Those there are, the most frequent first; None where steps are numbers.
    """

    def __init__(self, series: Series, config: dict[str, Any]) -> None:
        self.whole, self.config, self.notes, self.repeated = series.X, config, list(series.notes), 0
        self.symbols = None
        if series.X.values.dtype.kind == "O":
            self.data, self.symbols = "symbols", self._known_symbols()  # type: ignore[misc]
        self.X: Any = self.whole
        self.cut = len(self.whole) < SEQUENCES
        self.item = "piece" if self.cut else "sequence"  # type: ignore[misc]
        if not self.cut:
            return
        lengths = self.whole.lengths
        size = max(LEAST, -(-int(lengths.sum()) // PIECES))
        pieces = [np.array_split(np.arange(T), max(1, round(T / size))) for T in lengths]
        ids = [f"{i}, from step {part[0]}" for i, parts in zip(self.whole.ids, pieces, strict=True) for part in parts]
        if len(ids) < 4:
            raise DataError(
                f"{items(int(lengths.sum()), 'step')} are too few to learn hidden states from and to judge them by; "
                f"{4 * LEAST} are needed"
            )
        self.X = Sequences(self.whole.values, [len(part) for parts in pieces for part in parts], self.whole.names, ids)
        self.notes.append(f"learned from and judged in {len(ids)} pieces of about {size} steps")

    def _known_symbols(self) -> list[str]:
        names, S = self.whole.names or (), len(self.whole.values)
        known = [symbol for symbol, _ in count_levels(self.whole.values[:, 0])]
        if not 2 <= len(known) <= S // 4:
            raise DataError(
                f"the column {names[0]!r} holds {items(len(known), 'different word')} in {items(S, 'step')}: too "
                f"{'few' if len(known) < 2 else 'many'} to learn what follows what"
            )
        shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        self.notes.append(f"steps show one of {len(known)} symbols, of which every fit knows: {shown}")
        return known

    @property
    def inputs(self) -> str:
        return f"what is seen at its steps: {', '.join((self.whole.names or ())[:6])}"

    @property
    def width(self) -> int:
        return int(self.whole.values.shape[1])

    @property
    def reading(self) -> dict[str, Any]:
        named = {name: self.config.get(name) for name in ("sequence", "time")}
        symbols = {} if self.symbols is None else {"symbols": True}
        return {**named, "columns": list(self.whole.names or ()), **symbols}

    def digest(self) -> str:
        digest = hashlib.sha256(f"states\0{self.reading}\0{self.whole.lengths.tolist()}\0".encode())
        steps = self.whole.values if self.symbols is None else self.whole.values.astype(str)
        digest.update(np.ascontiguousarray(steps).tobytes())
        return digest.hexdigest()

    def profile(self) -> dict[str, Any]:
        lengths = self.whole.lengths
        return {
            "data": "sequences without labels",
            "sequences": len(lengths),
            "steps": int(lengths.sum()),
            "shortest": int(lengths.min()),
            "longest": int(lengths.max()),
            "numbers" if self.symbols is None else "symbols": list(self.whole.names or ()),
            "missing": int(sum(missing_in(column).sum() for column in self.whole.values.T)),
            "notes": self.notes,
        }

    def asked(self, X: Any) -> Sequences:
        return self.whole

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.whole.ids[rows].tolist()

    def data_section(self, outcome: Any) -> dict[str, Any]:
        told = self.profile()
        decisions = [
            f"{items(told['sequences'], 'sequence')}, {told['steps']:,} steps in all, of "
            f"{', '.join((self.whole.names or ())[:10])}",
            *self.notes,
            *outcome.study.question.decisions,
        ]
        return {"decisions": decisions, "duplicates": 0, "columns": []}


def open_series_source(source: Any, config: dict[str, Any]) -> SeriesMaterial | TaggedMaterial | StatesMaterial | None:
    """Series to forecast, sequences whose steps have labels, or ones without any; None if none was asked for."""
    if config.get("task") == "forecasting":
        table, target = read(source), config.get("target")
        if target is not None and target not in table:
            raise DataError(f"there is no column {target!r}; {closest(target, table.names)}")
        columns = None if target is None else [target]
        time = config.get("time")
        if time is None:
            time = next((name for name in table.names if name.lower() in ("time", "date", "t", "month", "year")), None)
        series = series_of(table, sequence=config.get("sequence"), time=time, columns=columns)
        return SeriesMaterial(series, {**config, "time": time})
    free = config.get("target") is None and config.get("task") in ("auto", "density")
    if config.get("sequence") is None and not (free and config.get("time") is not None):
        return None
    table, target = read(source), config.get("target")
    if free and table.suggested_target is None:
        named = {name: config.get(name) for name in ("sequence", "time")}
        return StatesMaterial(series_of(table, **named, symbols=True), config)
    if target is None or target not in table:
        raise DataError(f"there is no column {target!r} of labels; {closest(str(target), table.names)}")
    series = of_config(table, config, (target,))
    labels = series.beside(table[target])
    if one_each(labels) is not None and config.get("task") != "tagging":
        return None
    X, said = filled(series.X)
    reading = {"sequence": config["sequence"], "time": config.get("time"), "columns": list(X.names or ())}
    return TaggedMaterial(X, labels, [*series.notes, *([said] if said else [])], target, reading)


def series_like(source: Any, reading: dict[str, Any]) -> Sequences:
    """Series of a further source, read as those that a model has learned from."""
    named = {name: reading[name] for name in ("sequence", "time", "columns")}
    return series_of(read(source), **named, symbols=reading.get("symbols", False)).X
