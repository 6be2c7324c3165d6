"""The plan of a study: what is to be learned from what, by whom, and how it will be judged.

It is made once, from the arguments and the data alone, and costs little: ``peira learn --dry-run``
shows it. Whatever is wrong with the data or the task is found here, before a run exists.
"""

import hashlib
import json
from typing import Any

import numpy as np

from ..core import strictjson
from ..core.errors import DataError, ParameterError, closest
from ..core.tasks import TASKS
from ..experience.design import DesignMatrix
from ..experience.reading import read
from ..experience.roles import Roles, infer_roles
from ..experience.splits import Split, grouped, kfold, time_ordered
from ..experience.table import Table
from ..measures import get_measure
from .candidates import candidates
from .evaluating import Protocol


class Study:
    """What is to be learned from what, decided once: the table's roles, the folds, the candidates.

    Parameters
    ----------
    config : dict
        The arguments of `learn`.
    source : object
        What `peira.read` takes.

    Attributes
    ----------
    roles : Roles
    y : array of shape (N,)
    folds : list of (train, test)
    measure : Measure
    candidates : list of Candidate
    digest : str
        SHA-256 of the values of the table.
    """

    def __init__(self, config: dict[str, Any], source: Any) -> None:
        self.config = config
        table = read(source)
        target = config.get("target") or table.suggested_target
        if target is None:
            raise DataError(
                "there is no target to learn: name the column to predict with -y; "
                f"tasks without a target are not there yet. Columns: {', '.join(table.names[:20])}"
            )
        kinds = json.loads(config["kinds"]) if config.get("kinds") else None
        self.roles: Roles = infer_roles(table, target, kinds)
        self.target = target
        self.task = self.roles.task if config["task"] == "auto" else config["task"]
        if self.task != "regression":
            raise DataError(
                f"the target {target!r} asks for {self.task} ({self.roles.task_reason}), which Peira cannot do yet; "
                "if its values are quantities, say so with --task regression"
            )
        self.X: Table = self.roles.X
        self.y = _numbers(self.roles.y, target)
        self.digest = _digest(table)
        self.measure = get_measure(config.get("measure") or TASKS[self.task].measure)
        if (self.measure.needs == "predict_dist" and not self.measure.has_terms) or self.measure.better == "nominal":
            raise DataError(
                f"{self.measure.title} cannot rank methods by itself: take rmse, mae, r2, nll, crps or interval_score"
            )
        self.folds = _folds(config["cv"], self.roles, config["seed"])
        methods = config["methods"]
        self.candidates = candidates(
            self.task,
            wanted=methods
            if methods == "all" or isinstance(methods, list)
            else [m.strip() for m in methods.split(",")],
            rows=len(self.y),
            columns=_design_width(self.X, self.roles),
            trials=config["trials"],
            verb=self.measure.needs,
        )

    @property
    def protocol(self) -> Protocol:
        return Protocol(self.measure, self.config["seed"], self.roles.kinds)


def _folds(cv: str, roles: Roles, seed: int) -> Split:
    how, _, column = cv.partition(":")
    table = roles.table
    if how in ("time", "group") and column:
        if column not in table.names:
            raise DataError(f"--cv {cv}: there is no column {column!r}; {closest(column, table.names)}")
        if how == "group":
            return grouped(table[column], min(5, max(len(set(table[column].tolist())), 2)), seed=seed)
        order = np.argsort(table[column], kind="stable")
        return [(np.sort(order[train]), np.sort(order[test])) for train, test in time_ordered(len(table))]
    if not cv.isdigit():
        raise ParameterError(f"cv must be a number of folds, 'time:COLUMN' or 'group:COLUMN', got {cv!r}")
    return kfold(len(table), int(cv), seed=seed)


def _numbers(y: np.ndarray, target: str) -> np.ndarray:
    if y.dtype.kind not in "fbiu":
        raise DataError(f"the target {target!r} holds words or dates; a regression needs numbers")
    return y.astype(np.float64)


def _design_width(X: Table, roles: Roles) -> int:
    width = len(DesignMatrix(kinds=roles.kinds).fit(X).get_feature_names_out()) if X.names else 0
    if not width:
        kinds = ", ".join(f"{name!r} ({profile.kind})" for name, profile in list(roles.profiles.items())[:10])
        raise DataError(
            f"no column is left to learn from: constants, identifiers and free text are left out. There are {kinds}; "
            "overrule a kind with --kind COLUMN=KIND"
        )
    return width


def _digest(table: Table) -> str:
    """SHA-256 over names and values: whether a resumed run still sees the same data."""
    digest = hashlib.sha256()
    for name in table.names:
        column = table[name]
        digest.update(f"{name}\0{column.dtype.kind}\0".encode())
        digest.update(strictjson.dumps(column.tolist()).encode() if column.dtype.kind == "O" else column.tobytes())
    return digest.hexdigest()
