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
from .anomaly import Anomaly
from .candidates import candidates
from .classification import Classification
from .clustering import Clustering
from .density import DensityEstimation
from .evaluating import Protocol
from .question import Question, Targeted
from .reduction import Reduction
from .regression import Regression
from .untargeted import Untargeted

QUESTIONS: dict[str, type[Targeted]] = {asked.task: asked for asked in (Regression, Classification)}
"""Tasks with a target."""
FOUND: dict[str, type[Untargeted]] = {
    asked.task: asked for asked in (Clustering, DensityEstimation, Anomaly, Reduction)
}
"""Tasks without one."""


FEWEST = 12
"""Rows without which nothing can be learned of a table without a target: halves of halves are compared."""


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
        kinds = json.loads(config["kinds"]) if config.get("kinds") else {}
        self.task, self.target = config["task"], target
        if self.task == "auto" and target is None:
            raise DataError(
                "there is no target to learn: name the column to predict with -y, or a task without a target with "
                f"--task {', '.join(FOUND)}. Columns: {', '.join(table.names[:20])}"
            )
        if self.task != "auto" and get_task(self.task).name not in (*QUESTIONS, *FOUND):
            raise DataError(f"{self.task} of a table is not there yet; there are {', '.join((*QUESTIONS, *FOUND))}")
        self.question: Question
        if self.task in FOUND:
            self.target = None
            self.roles, self.question = _without_target(table, kinds, config)
        else:
            if config.get("judge"):
                raise ParameterError(f"a column to judge by is for tasks without a target: --task {', '.join(FOUND)}")
            if target is None:
                raise DataError(f"{self.task} needs a target: name the column to predict with -y")
            self.roles = infer_roles(table, target, kinds)
            self.task = str(self.roles.task) if self.task == "auto" else self.task
            self.question = QUESTIONS[self.task](self.roles.y, target, config)
        self.X: Table = self.roles.X
        self.y = self.question.read(self.roles.y)[0]
        self.digest = _digest(table)
        self.kinds = self.question.kinds(self.roles.kinds)
        width = _design_width(self.X, self.roles, self.kinds)
        if isinstance(self.question, Untargeted):
            self.question.look(self.X, self.kinds)
        methods = config["methods"]
        self.candidates = candidates(
            self.question,
            wanted=methods
            if methods == "all" or isinstance(methods, list)
            else [m.strip() for m in methods.split(",")],
            sizes={"N": len(self.y), "D": width} | self.question.sizes,
            trials=config["trials"],
        )
        wanted = config.get("measure")
        rivals = sum(c.skip is None and not c.baseline for c in self.candidates)
        self.measure = (
            self.question.measure(wanted)
            if wanted
            else self.question.default_measure(TASKS[self.task].measure, rivals=rivals)
        )
        self.question.check(self.measure)
        self.folds = _folds(config["cv"], self.roles, self.question, self.y, config["seed"])

    @property
    def protocol(self) -> Protocol:
        return Protocol(self.question, self.measure, self.config["seed"], self.kinds)


def _without_target(table: Table, kinds: dict[str, Any], config: dict[str, Any]) -> tuple[Roles, Untargeted]:
    """The roles of the columns where none is to be predicted: labels to judge by are left out of the inputs."""
    task, judge = config["task"], config.get("judge")
    if config.get("target"):
        raise ParameterError(
            f"{task} has no target: leave -y {config['target']} out. To keep the column out of the inputs, "
            f"--kind {config['target']}=ignored; to compare what is found with its labels, --judge {config['target']}"
        )
    for option in ("costs", "calibration", "test"):
        if config.get(option):
            raise ParameterError(f"--{option} is for tasks with a target, and {task} has none")
    if len(table) < FEWEST:
        raise DataError(
            f"the table has {len(table)} row{'' if len(table) == 1 else 's'}: nothing can be compared; {task} needs at "
            f"least {FEWEST}"
        )
    if judge is not None and judge not in table:
        raise DataError(f"there is no column {judge!r} to judge by; {closest(judge, table.names)}")
    meant = table.suggested_target
    out = {name: "ignored" for name in (judge, meant) if name is not None}
    roles = infer_roles(table, None, kinds | out)
    if meant is not None and judge is None:
        roles.notes.append(
            f"column {meant!r} holds what the source means to be predicted, and is left out; compare with it: "
            f"--judge {meant!r}"
        )
    if judge is not None:
        roles.notes.append(f"column {judge!r} is left out of the inputs, and what is found is compared with it")
    labels = None if judge is None else table[judge]
    return roles, FOUND[task](len(table), labels, judge, config)


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


def _design_width(X: Table, roles: Roles, kinds: dict[str, Any]) -> int:
    width = len(DesignMatrix(kinds=kinds).fit(X).get_feature_names_out()) if X.names else 0
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
