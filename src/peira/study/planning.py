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
from ..core.tasks import TASKS, get_task
from ..experience.design import DesignMatrix
from ..experience.reading import read
from ..experience.roles import Roles, infer_roles
from ..experience.splits import Split, grouped, time_ordered
from ..experience.table import Table
from .candidates import candidates
from .classification import Classification
from .evaluating import Protocol
from .question import Question
from .regression import Regression

QUESTIONS: dict[str, type[Question]] = {asked.task: asked for asked in (Regression, Classification)}


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
    question : Question
        What is asked of each row.
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
        if get_task(self.task).name not in QUESTIONS:
            raise DataError(f"{self.task} of a table is not there yet; there are {', '.join(QUESTIONS)}")
        self.X: Table = self.roles.X
        self.question = QUESTIONS[self.task](self.roles.y, target, config)
        self.y = self.question.read(self.roles.y)[0]
        self.digest = _digest(table)
        wanted = config.get("measure")
        self.measure = (
            self.question.measure(wanted) if wanted else self.question.default_measure(TASKS[self.task].measure)
        )
        self.question.check(self.measure)
        self.folds = _folds(config["cv"], self.roles, self.question, self.y, config["seed"])
        methods = config["methods"]
        self.candidates = candidates(
            self.task,
            wanted=methods
            if methods == "all" or isinstance(methods, list)
            else [m.strip() for m in methods.split(",")],
            sizes={"N": len(self.y), "D": _design_width(self.X, self.roles)} | self.question.sizes,
            trials=config["trials"],
        )

    @property
    def protocol(self) -> Protocol:
        return Protocol(self.question, self.measure, self.config["seed"], self.roles.kinds)


def _folds(cv: str, roles: Roles, question: Question, y: np.ndarray, seed: int) -> Split:
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
    return question.split(y, int(cv), seed)


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
