"""The plan of a study: what is to be learned from what, by whom, and how it will be judged.

It is made once, from the arguments and the data alone, and costs little: ``peira learn --dry-run``
shows it. Whatever is wrong with the data or the task is found here, before a run exists.
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError, closest
from ..core.tasks import TASKS, get_task
from ..experience.design import DesignMatrix
from ..experience.reading import read
from ..experience.roles import Roles, infer_roles, task_of
from ..experience.splits import Split, grouped, time_ordered
from ..experience.table import Table
from .anomaly import Anomaly
from .candidates import candidates
from .classification import Classification
from .clustering import Clustering
from .density import DensityEstimation
from .evaluating import Protocol
from .forecasting import Forecasting
from .hidden_states import HiddenStates
from .image_material import open_images_source
from .item_classification import ItemClassification
from .item_regression import ItemRegression
from .items_material import ItemsMaterial
from .items_question import ItemsQuestion
from .language import LanguageModelling
from .multilabel import Multilabel
from .question import Question, Targeted
from .reduction import Reduction
from .regression import Regression
from .sequence_material import open_sequences_source
from .series_material import SeriesMaterial, StatesMaterial, TaggedMaterial, open_series_source
from .table_material import TableMaterial
from .tagging import Tagging
from .text_material import TextMaterial, open_text_source
from .untargeted import Untargeted

QUESTIONS: dict[str, type[Targeted]] = {asked.task: asked for asked in (Regression, Classification, Multilabel)}
"""Tasks with a target."""
FOUND: dict[str, type[Untargeted]] = {
    asked.task: asked for asked in (Clustering, DensityEstimation, Anomaly, Reduction)
}
"""Tasks without one."""
OF_ITEMS: dict[str, type[ItemsQuestion]] = {asked.task: asked for asked in (ItemClassification, ItemRegression)}
"""Tasks with a label or a number beside each thing in a container that is no table."""

CALLED = {"forecast": "forecasting"}
"""What tasks are called as well."""

MEANT = dict.fromkeys(("kinds", "judge", "calibration"), "tables") | {
    "costs": "labels",
    "sequence": "long tables of sequences",
    "time": "long tables of sequences",
    "horizon": "forecasts",
    "unit": "texts",
    "test": "tasks with a target",
    "skip_damaged": "folders of images or recordings",
}
"""What options are for."""

FEWEST = 12
"""Rows without which nothing can be learned of a table without a target: halves of halves are compared."""


HELD_OUT, MOST_HELD_OUT = 0.2, 10_000
"""Share and number of items that a single part for the test holds, at most."""


class Study:
    """What is to be learned from what, decided once: the task, the folds, the candidates.

    Parameters
    ----------
    config : dict
        The arguments of `learn`.
    source : object
        What `peira.read` takes; a folder, idx or npz file of images; or a container of them.

    Attributes
    ----------
    material : Material
        What is learned from.
    roles : Roles
        Of the columns, where it is a table.
    question : Question
        What is asked of each row.
    X : Table, Images
    y : array of shape (N,)
    folds : list of (train, test)
    measure : Measure
    candidates : list of Candidate
    digest : str
        SHA-256 of the values of the table.
    """

    def __init__(self, config: dict[str, Any], source: Any) -> None:
        self.config = config = {**config, "task": CALLED.get(config["task"], config["task"])}
        self.task, self.target = config["task"], config.get("target")
        for opens, asks in (
            (open_images_source, self._ask_of_items),
            (open_text_source, self._ask_of_text),
            (open_series_source, self._ask_of_series),
            (open_sequences_source, self._ask_of_items),
        ):
            if (material := opens(source, config)) is not None:
                width = asks(material)
                break
        else:
            width = self._ask_of_table(read(source))
        self.X: Any = self.material.X
        self.y = self.question.read(self.material.labels)[0]
        self.digest = self.material.digest()
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
        self.folds = self._folds()

    def _ask_of_items(self, material: ItemsMaterial) -> int:
        """What is asked of the things in a container; how many numbers each of them is."""
        self.material = material
        self._without(f"{material.item}s", "kinds", "judge", "calibration", "horizon", "unit")
        if not material.of_files:
            self._without("a table", "skip_damaged")
        offered = [name for name, asked in OF_ITEMS.items() if material.data in asked.models]
        if self.task != "auto" and get_task(self.task).name not in offered:
            raise DataError(f"{self.task} of {material.item}s is not there yet; there is {', '.join(offered)}")
        if material.labels is None:
            images = ", an npz file of images an array of labels, and an idx file its file of labels beside it"
            raise DataError(
                f"the {material.item}s have no labels, so there is nothing to predict: a folder needs a sub-folder for "
                f"each class{images if material.data == 'images' else ', or a csv file with their labels beside them'}"
            )
        if self.task == "auto":
            labels = np.asarray(material.labels)
            meant = task_of(labels, str(material.target))[0] if labels.dtype.kind in "fiu" else offered[0]
            self.task = meant if meant in offered else offered[0]
        self.target, self.kinds, material.task = material.target, {}, self.task
        self.question: Question = OF_ITEMS[self.task](material, self.config)
        return int(material.width or 0)

    def _ask_of_text(self, material: TextMaterial) -> int:
        """What is asked of texts."""
        self._without("texts", "kinds", "judge", "calibration", "costs", "sequence", "time", "horizon", "test")
        self._without("texts", "skip_damaged")
        self.material, self.task, self.target, self.kinds = material, "language", None, {}
        self.question = LanguageModelling(
            len(material.X), len(material.X.values), material.symbols.removesuffix("s"), material.cut, self.config
        )
        return 1

    def _ask_of_series(self, material: SeriesMaterial | TaggedMaterial | StatesMaterial) -> int:
        """What is asked of series: how they go on, or which label, or which hidden state, each step has."""
        self._without("series", "kinds", "judge", "calibration", "costs", "unit", "test", "skip_damaged")
        self.material, self.target, self.kinds = material, None, {}
        if isinstance(material, SeriesMaterial):
            self.task = "forecasting"
            self.question = Forecasting(material.owners, material.horizon, self.config)
        elif isinstance(material, StatesMaterial):
            self._without("sequences without labels", "horizon")
            self.task = "density"
            self.question = HiddenStates(material.X.lengths, material.cut, self.config, material.symbols)
        else:
            self._without("labels of steps", "horizon")
            self.task = "tagging"
            self.question = Tagging(material.X, material.called_, self.config)
        return material.width

    def _without(self, what: str, *options: str) -> None:
        """Refuse options that mean nothing for what is learned from."""
        for option in options:
            if self.config.get(option):
                said = option.replace("_", "-")
                raise ParameterError(f"--{said} is for {MEANT[option]}, and {self.config['source']} holds {what}")

    def _ask_of_table(self, table: Table) -> int:
        """What is asked of the rows of a table; how many columns of numbers it becomes."""
        self._without("tables", "sequence", "time", "horizon", "unit", "skip_damaged")
        config = self.config
        target = config.get("target") or table.suggested_target
        kinds = json.loads(config["kinds"]) if config.get("kinds") else {}
        self.target = target
        if self.task == "auto" and target is None:
            raise DataError(
                "there is no target to learn: name the column to predict with -y, or a task without a target with "
                f"--task {', '.join(FOUND)}. Columns: {', '.join(table.names[:20])}"
            )
        if self.task != "auto" and get_task(self.task).name not in (*QUESTIONS, *FOUND):
            raise DataError(f"{self.task} of a table is not there yet; there are {', '.join((*QUESTIONS, *FOUND))}")
        if self.task in FOUND:
            self.target = None
            self.roles, self.question = _without_target(table, kinds, config)
        else:
            if config.get("judge"):
                raise ParameterError(f"a column to judge by is for tasks without a target: --task {', '.join(FOUND)}")
            if target is None:
                raise DataError(f"{self.task} needs a target: name the column to predict with -y")
            names = target_names(table, target)
            self.roles = infer_roles(table, names, kinds)
            if len(names) > 1:
                self._ask_of_sets(names)
            elif self.task == "multilabel":
                raise DataError(
                    f"multilabel needs a column of 0 and 1 for each label, and -y names only {names[0]!r}: "
                    "-y LABEL,LABEL. Whether a row has one label, --task classification learns"
                )
            self.task = str(self.roles.task) if self.task == "auto" else self.task
            self.question = QUESTIONS[self.task](self.roles.y, self.target, self.config)
        self.material = TableMaterial(table, self.roles, self.target)
        self.kinds = self.question.kinds(self.roles.kinds)
        width = _design_width(self.roles.X, self.roles, self.kinds)
        if isinstance(self.question, Untargeted):
            self.question.look(self.roles.X, self.kinds)
        return width

    def _ask_of_sets(self, names: list[str]) -> None:
        """Several targets are asked for together: which of these labels a row has."""
        if self.task not in ("auto", "multilabel"):
            raise DataError(
                f"{self.task} learns one target, and {len(names)} were named: learn one at a time, as -y {names[0]} "
                f"{' '.join(f'--kind {name}=ignored' for name in names[1:])}. Several columns of 0 and 1 are learned "
                "together as a set of labels: --task multilabel"
            )
        self.target, self.config["labels"] = ", ".join(names), names
        reason = f"each of {len(names)} columns says whether a row has a label (1) or not (0)"
        self.roles = replace(self.roles, task="multilabel", task_reason=reason)

    def _folds(self) -> Split:
        """What is learned from and what is judged by, as ``cv`` asks for it."""
        cv, y, seed = self.config["cv"], self.y, self.config["seed"]
        if cv == "auto":
            cv = self.question.resampling(len(y))
        if cv.isdigit():
            return self.question.split(y, int(cv), seed)
        if cv == "holdout":
            return self.question.hold_out(y, min(HELD_OUT, MOST_HELD_OUT / len(y)), seed)
        how, _, column = cv.partition(":")
        if how not in ("time", "group") or not column:
            raise ParameterError(
                f"cv must be a number of folds, 'holdout', 'time:COLUMN' or 'group:COLUMN', got {cv!r}"
            )
        if not isinstance(self.material, TableMaterial):
            raise ParameterError(
                f"--cv {cv} names a column, and {self.material.item}s have none: give a number of folds"
            )
        table = self.roles.table
        if column not in table.names:
            raise DataError(f"--cv {cv}: there is no column {column!r}; {closest(column, table.names)}")
        if how == "group":
            return grouped(table[column], min(5, max(len(set(table[column].tolist())), 2)), seed=seed)
        order = np.argsort(table[column], kind="stable")
        return [(np.sort(order[train]), np.sort(order[test])) for train, test in time_ordered(len(table))]

    @property
    def protocol(self) -> Protocol:
        return Protocol(self.question, self.measure, self.config["seed"], self.kinds)


def target_names(table: Table, target: Any) -> list[str]:
    """The columns that a target names: "rain,wind" are two where the table has either, and no column of that name."""
    if not isinstance(target, str):
        return list(target)
    names = [name.strip() for name in target.split(",")]
    return names if target not in table and any(name in table for name in names) else [target]


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


def _design_width(X: Table, roles: Roles, kinds: dict[str, Any]) -> int:
    width = len(DesignMatrix(kinds=kinds).fit(X).get_feature_names_out()) if X.names else 0
    if not width:
        kinds = ", ".join(f"{name!r} ({profile.kind})" for name, profile in list(roles.profiles.items())[:10])
        raise DataError(
            f"no column is left to learn from: constants, identifiers and free text are left out. There are {kinds}; "
            "overrule a kind with --kind COLUMN=KIND"
        )
    return width
