"""Roles: what each column of a table is, why, and which task its target asks for.

Nothing is decided in silence: every column has a profile with the reason in words, what concerns
the whole table stands in the notes, and every decision can be overruled by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from peira.core.errors import DataError, closest

from .kinds import KINDS, kind_of, task_of
from .profile import missing_in, repeated_rows, summarise
from .table import Table

__all__ = ["ColumnProfile", "Roles", "infer_roles", "task_of"]


@dataclass(frozen=True)
class ColumnProfile:
    """One column: what it is, why, and what it holds."""

    name: str
    kind: str
    reason: str
    n_missing: int
    n_unique: int
    summary: dict[str, Any]
    order: list[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """The profile as plain values."""
        return {**vars(self)}


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are, and the table as the task sees it.

    Attributes
    ----------
    table : Table
        Without the rows whose target is missing.
    targets : list of str
    profiles : dict of str to ColumnProfile
    task : str or None
        "regression", "classification", or None without a target.
    task_reason : str
    notes : list of str
        What was decided about the table as a whole.
    n_dropped : int
        Rows left out because their target is missing.
    n_repeated : int
        Rows that repeat an earlier row, target included, identifiers aside.
    """

    table: Table
    targets: list[str]
    profiles: dict[str, ColumnProfile]
    task: str | None
    task_reason: str
    notes: list[str] = field(default_factory=list)
    n_dropped: int = 0
    n_repeated: int = 0

    @property
    def kinds(self) -> dict[str, Any]:
        """Kind of each input column, as `DesignMatrix` takes it: a list of levels for ordinal ones."""
        return {
            name: p.order if p.kind == "ordinal" else p.kind
            for name, p in self.profiles.items()
            if p.kind not in ("target", "ignored")
        }

    @property
    def X(self) -> Table:
        """The input columns: all but targets and ignored ones."""
        return self.table.select(self.kinds)

    @property
    def y(self) -> np.ndarray | None:
        """The target of shape (N,), or (N, K) for several; None without one."""
        if not self.targets:
            return None
        if len(self.targets) == 1:
            return self.table[self.targets[0]]
        return np.column_stack([self.table[t] for t in self.targets])

    def to_json(self) -> dict[str, Any]:
        """Everything but the table, as plain values."""
        return {
            "rows": len(self.table),
            "columns": [p.to_json() for p in self.profiles.values()],
            "targets": self.targets,
            "task": self.task,
            "task_reason": self.task_reason,
            "notes": self.notes,
            "dropped_rows": self.n_dropped,
            "repeated_rows": self.n_repeated,
        }


def infer_roles(
    table: Table,
    target: str | Sequence[str] | None = None,
    overrides: Mapping[str, str | Sequence[str]] | None = None,
) -> Roles:
    """Say what each column of a table is.

    Parameters
    ----------
    table : Table
    target : str or list of str, optional
        What is to be predicted.
    overrides : dict, optional
        The kind of a column by its name: numeric, categorical, boolean, datetime, text, identifier,
        ignored; or the list of its levels from low to high, which makes it ordinal.

    Returns
    -------
    Roles

    Raises
    ------
    DataError
        If there is no such column, the target is constant or missing throughout, or an input holds infinite values.

    Examples
    --------
    >>> from peira.experience import read
    >>> roles = infer_roles(read("example:iris"), target="species")
    >>> roles.task, roles.profiles["petal width (cm)"].kind
    ('classification', 'numeric')
    """
    overrides = dict(overrides or {})
    targets = [target] if isinstance(target, str) else list(target or [])
    _check_names(table, targets, overrides)
    notes = list(table.notes)
    table, dropped = _with_targets(table, targets, notes)
    task, reason = _task(table, targets)
    profiles = {}
    for name in table.names:
        summary = summarise(table[name])
        profiles[name] = _profile(name, table, summary, "target" if name in targets else None, overrides.get(name))
    infinite = next((p for p in profiles.values() if p.kind != "ignored" and p.summary.get("n_infinite")), None)
    if infinite is not None:
        row = table.rows[np.flatnonzero(np.isinf(table[infinite.name]))[0]]
        raise DataError(
            f"column {infinite.name!r} holds {infinite.summary['n_infinite']} infinite values (first in row {row}); "
            "drop or clip them, leave the cells empty, or ignore the column"
        )
    inputs = [p for p in profiles.values() if p.kind not in ("target", "ignored", "identifier", "constant", "text")]
    if targets and not inputs:
        notes.append("no column is left to predict from; say what the columns are if this is wrong")
    repeated = repeated_rows(
        [table[p.name] for p in profiles.values() if p.kind not in ("identifier", "ignored")], len(table)
    )
    if repeated:
        notes.append(f"{repeated} of {len(table)} rows repeat an earlier row (identifiers aside); they are kept")
    return Roles(table, targets, profiles, task, reason, notes, dropped, repeated)


def _check_names(table: Table, targets: list[str], overrides: dict[str, Any]) -> None:
    for name in targets:
        if name not in table:
            raise DataError(f"there is no target column {name!r}; {closest(name, table.names)}")
    for name, kind in overrides.items():
        if name not in table:
            raise DataError(f"a kind is given for {name!r}, which is no column; {closest(name, table.names)}")
        if isinstance(kind, str) and kind not in KINDS:
            hint = "declare ordinal columns by the list of their levels; " if kind == "ordinal" else ""
            raise DataError(f"unknown kind {kind!r} for column {name!r}; {hint}{closest(kind, KINDS)}")
        if name in targets:
            raise DataError(f"column {name!r} is the target, so no kind can be given for it")
    if len(set(targets)) < len(targets):
        raise DataError(f"a target is named twice: {', '.join(targets)}")


def _with_targets(table: Table, targets: list[str], notes: list[str]) -> tuple[Table, int]:
    """The rows whose targets are all there, and how many others were left out."""
    gone = np.zeros(len(table), bool)
    for name in targets:
        missing = missing_in(table[name])
        if missing.all():
            raise DataError(f"the target {name!r} is missing in every row; there is nothing to learn from")
        gone |= missing
    dropped = int(gone.sum())
    if dropped == len(table) and dropped:
        raise DataError(f"in every row one of the targets {', '.join(targets)} is missing")
    if dropped:
        rows = ", ".join(map(str, table.rows[gone][:10].tolist())) + (" ..." if dropped > 10 else "")
        notes.append(f"{dropped} of {len(table)} rows are left out because their target is missing (rows {rows})")
        table = table[~gone]
    for name in targets:
        values = table[name]
        if values.dtype.kind == "f" and np.isinf(values).any():
            row = table.rows[np.flatnonzero(np.isinf(values))[0]]
            raise DataError(
                f"the target {name!r} holds {np.isinf(values).sum()} infinite values (first in row {row}); "
                "drop or clip them"
            )
        if len(values) and (values == values[0]).all():
            raise DataError(
                f"the target {name!r} is constant: {values[:1].tolist()[0]!r} in all {len(values)} rows that have one; "
                "there is nothing to learn"
            )
    return table, dropped


def _task(table: Table, targets: list[str]) -> tuple[str | None, str]:
    found = [task_of(table[name], name) for name in targets]
    if not found:
        return None, "no target was named"
    if len({task for task, _ in found}) > 1:
        raise DataError(
            "the targets ask for different tasks: "
            + "; ".join(f"{n!r}: {t}" for n, (t, _) in zip(targets, found, strict=True))
        )
    return found[0]


def _profile(name: str, table: Table, summary: dict[str, Any], kind: str | None, override: Any) -> ColumnProfile:
    order = None
    if kind == "target":
        reason = "named as the target"
    elif override is None:
        kind, reason = kind_of(name, table[name], summary, table.orders.get(name))
        order = table.orders.get(name) if kind == "ordinal" else None
    elif isinstance(override, str):
        kind, reason = override, "declared"
    else:
        kind, reason, order = "ordinal", "its order is declared", [str(level) for level in override]
        unknown = [level["level"] for level in summary.get("levels", []) if level["level"] not in order]
        if unknown:
            raise DataError(
                f"column {name!r} holds {unknown[0]!r}, which is not among its declared levels {', '.join(order)}"
            )
    return ColumnProfile(name, kind, reason, summary["n_missing"], summary["n_unique"], summary, order)
