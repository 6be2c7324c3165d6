"""A table as what a study learns from: its columns with their roles."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import strictjson
from ..core.errors import DataError, closest
from ..core.iteration import limiting, task
from ..diagnosis.learning_curve import learning_curve
from ..experience.reading import read
from ..experience.roles import Roles
from ..experience.table import Table
from ..explaining import permutation_importance
from .material import Material, items
from .run import plain

_MANY_ROWS = 10_000
_EXPLAIN_ROWS = 2_000
_EXPLAIN_SECONDS = 8.0
_SHOWN = 12  # columns of a row among the errors


class TableMaterial(Material):
    """The rows of a table.

    Parameters
    ----------
    table : Table
        As it was read.
    roles : Roles
        What its columns are.
    target : str, optional
    """

    data = "table"
    item = "row"

    def __init__(self, table: Table, roles: Roles, target: str | None) -> None:
        self.table, self.roles, self.target = table, roles, target
        self.X: Table = roles.X
        self.labels = None if target is None else roles.y
        self.repeated = roles.n_repeated

    @property
    def inputs(self) -> str:
        return items(self.X.shape[1], "column")

    @property
    def width(self) -> int:
        return self.X.shape[1]

    def digest(self) -> str:
        digest = hashlib.sha256()
        for name in self.table.names:
            column = self.table[name]
            digest.update(f"{name}\0{column.dtype.kind}\0".encode())
            digest.update(strictjson.dumps(column.tolist()).encode() if column.dtype.kind == "O" else column.tobytes())
        return digest.hexdigest()

    def profile(self) -> dict[str, Any]:
        return self.roles.to_json()

    def again(self, source: Any, target: str) -> tuple[Any, np.ndarray]:
        table = read(source)
        for name in self.roles.targets:
            if name not in table:
                raise DataError(f"the table to test on lacks the target {name!r}; {closest(name, table.names)}")
        columns = [table[name] for name in self.roles.targets]
        return table, columns[0] if len(columns) == 1 else np.column_stack(columns)

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.X.rows[rows].tolist()

    def look(self, row: int) -> dict[str, Any]:
        return {"values": {name: plain(self.X[name][row]) for name in self.X.names[:_SHOWN]}}

    def data_section(self, outcome: Any) -> dict[str, Any]:
        asked = f"no column is to be predicted: the task is {outcome.study.task}"
        if self.target is not None:
            asked = f"the target asks for {self.roles.task}: {self.roles.task_reason}"
        return columns_section(outcome, [asked, *outcome.study.question.decisions])

    def curve(self, outcome: Any) -> dict[str, Any]:
        study = outcome.study
        parts = 3 if len(study.y) < _MANY_ROWS else 2  # with many rows, folds differ little
        with task("learning curve"):
            return learning_curve(
                outcome.model, study.X, study.y, study.folds, study.measure, study.config["seed"], parts=parts
            )

    def explanation(self, outcome: Any) -> dict[str, Any]:
        """Importance of each column for rows of the first fold, and the weights where they can be read."""
        study, model, measure, seed = outcome.study, outcome.model, outcome.measure, outcome.study.config["seed"]
        train, test = study.folds[0]
        test = test[:_EXPLAIN_ROWS]
        with limiting(_EXPLAIN_SECONDS), task("explanation"):
            fitted = type(model)(**model.get_params(deep=False)).fit(study.X[train], study.y[train])

            def loss(table: Table) -> float:
                return measure.loss(measure.value(study.y[test], getattr(fitted, measure.needs)(table)))

            importance = permutation_importance(loss, study.X[test], seed=seed)
            coefficients, note = [], ""
            if model.basis_ is not None:
                note = (
                    f"The method weighs basis functions ({model.expansion}) of the columns, "
                    "whose weights say little one by one."
                )
            elif hasattr(model.method_, "coef_"):
                coefficients, note = study.question.coefficients(model, study.X, study.y, seed)
        return {"importance": importance, "coefficients": coefficients, "note": note}


def columns_section(outcome: Any, asked: list[str]) -> dict[str, Any]:
    """The columns, what was decided of them, and why; ``asked``: what was decided about the task."""
    roles = outcome.study.roles
    columns = []
    for profile in roles.profiles.values():
        summary = dict(profile.summary)
        quantiles = summary.pop("quantiles", None)
        if quantiles:
            summary["quartiles"] = [quantiles[k] for k in quantiles if float(k) in (0.25, 0.5, 0.75)]
        if "levels" in summary:
            summary["levels"] = [[level["level"], level["count"]] for level in summary["levels"]]
        columns.append(
            {
                "name": profile.name,
                "role": profile.kind if profile.kind in ("target", "ignored") else "input",
                "kind": profile.kind,
                "reason": profile.reason,
                "missing": profile.n_missing,
                "unique": profile.n_unique,
                "summary": summary,
            }
        )
    decisions = [
        *roles.notes,
        *asked,
        *outcome.model.design_.notes_,
    ]
    return {"decisions": [d for d in decisions if d], "duplicates": roles.n_repeated, "columns": columns}
