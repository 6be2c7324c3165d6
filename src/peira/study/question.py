"""What a task asks of the study of a table: everything that differs between numbers and labels, in one place.

A study asks one question of all candidates alike. How its target is read, how rows are split, what is kept of an
answer, how it is measured again from what was kept, and what the report shows of it, stand in `Regression`,
`Classification`, and for tasks without a target in `Clustering`, `DensityEstimation`, `Anomaly` and `Reduction`; the
search, the leaderboard and the verdict know only this face.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core.errors import ParameterError
from ..core.method import Method
from ..core.params import Parameter
from ..core.tasks import TASKS
from ..experience.splits import Split, holdout
from ..experience.table import Table
from ..measures import Measure, get_measure
from ..tuning import trials
from .model import TableModel

CELL, OTHER = "cell", "tcn"
"""The parameter that says what the layers of a net of sequences are made of, and what is tried beside its default."""


class Question(ABC):
    """What is asked of each row."""

    task: ClassVar[str]
    margin: ClassVar[float] = 0.0
    """By how much a setting must do better than those before it to be chosen."""

    @property
    @abstractmethod
    def wanted(self) -> str:
        """What is wanted of each row, in words: "a number"."""

    @property
    def baseline(self) -> str:
        """Name of the method that everything is compared with; "" without one."""
        return TASKS[self.task].baseline

    data: ClassVar[str] = "table"
    """What a method's card says that it learns from."""
    chooses_inside: ClassVar[bool] = True
    """Whether methods with nothing to set are judged on inner folds as well, so that a choice among methods can be
    judged by folds that it was not made on; else it is judged by what other folds say (`verdict.crosswise`)."""
    shares_time: ClassVar[bool] = False
    """Whether a budget is dealt out among the fits, each ending with its share, in place of ending the search."""
    choose_rows: ClassVar[int] = 10_000
    """How many training rows settings are chosen on, at most."""

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the target by their letter, which decide what methods are offered."""
        return {}

    @abstractmethod
    def read(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A column of targets as `fit` takes it, and which rows have one."""

    @abstractmethod
    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        """Folds of rows that count alike."""

    def hold_out(self, y: np.ndarray, share: float, seed: int) -> Split:
        """One part of the rows to be judged on, in place of folds."""
        raise ParameterError(f"--cv holdout is for tasks with a target, and {self.task} has none")

    def resampling(self, N: int) -> str:
        """How so many rows are split when nothing else is said: a number of folds, or "holdout"."""
        return "5"

    def sample(self, y: np.ndarray, parts: int, seed: int) -> np.ndarray:
        """The positions of one of so many parts of the rows, each like the whole."""
        return self.split(y, parts, seed)[0][1]

    @abstractmethod
    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> Any:
        """The model that a candidate becomes on the data, not yet fitted."""

    def offers(self, cls: type[Method], named: bool) -> bool:
        """Whether a method of the task is a candidate; ``named``: it was asked for."""
        return cls.card.data == self.data

    def expansions(self, cls: type[Method]) -> tuple[str, ...] | None:
        """What a method is tried on, where the question decides that: views of the items; None for a table."""
        return None

    def trials(self, cls: type[Method], most: int) -> int:
        """How many settings a method may try."""
        return most

    def kinds(self, kinds: dict[str, Any]) -> dict[str, Any]:
        """The kinds of the columns as the models take them."""
        return kinds

    def unfit(self, cls: type[Method]) -> str | None:
        """Why a method of the task cannot answer this question, in words; None if it can."""
        return None

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        """Settings of a method to try, the defaults first; at most ``budget`` of them.

        Of nets of sequences two kinds: recurrent ones, and causal convolutions.
        """
        return [{}, {CELL: OTHER}][:budget] if CELL in parameters else list(trials(parameters, budget))

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        """Folds of training rows on which settings are chosen; none where nothing can be chosen."""
        return self.split(y, k, seed)

    def inner_value(
        self, part: TableModel, Z: np.ndarray, y: np.ndarray, Z_test: np.ndarray, y_test: np.ndarray, measure: Measure
    ) -> float:
        """The measure on numbers ``Z_test`` of a method that has yet to learn from ``Z``."""
        return measure.value(y_test, part.learn(Z, y).answer(measure.needs, Z_test))

    @property
    def judges_seen_rows(self) -> bool:
        """Whether the measure on training rows says something."""
        return True

    def together(self, cells: Sequence[Any], measure: Measure) -> None:  # noqa: B027  (most need nothing)
        """Complete cells by what only all candidates together can tell."""

    @abstractmethod
    def keep(self, model: TableModel, table: Table, y: np.ndarray) -> dict[str, np.ndarray]:
        """All that is kept of a model's answers, by row: arrays of plain numbers, "observed" and "predicted" first."""

    @abstractmethod
    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        """A measure of the answers that were kept; None where too little was kept for it."""

    @abstractmethod
    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        """The interval of such a value."""

    @abstractmethod
    def check(self, measure: Measure) -> None:
        """Refuse a measure that cannot rank methods by answers that were kept."""

    def measure(self, name: str) -> Measure:
        """The measure of that name, made for these targets."""
        return get_measure(name, self.task)

    def default_measure(self, name: str, rivals: int) -> Measure:
        """The measure where none is asked for: ``name`` is that of the table of tasks, ``rivals`` how many compete."""
        return self.measure(name)

    def difference(
        self, best: dict[str, np.ndarray], other: dict[str, np.ndarray], measure: Measure, rope: float
    ) -> dict[str, Any] | None:
        """By how much the other's answers are worse, with an interval; None where folds, or draws of items, tell it."""
        return None

    def settle(self, model: TableModel, arrays: dict[str, np.ndarray]) -> None:  # noqa: B027  (most need nothing)
        """Finish the model of all rows by what was seen on rows that the fits had not seen."""

    @abstractmethod
    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        """The kept answers as columns of a csv file."""

    @property
    def decisions(self) -> list[str]:
        """What was decided about the target, in sentences."""
        return []


class Targeted(Question):
    """What is asked of each row, where a column of the table holds the answer.

    Parameters
    ----------
    y : array of shape (N,)
        The target as the table holds it.
    target : str
        Its name.
    config : dict
        The arguments of `learn`.
    """

    @abstractmethod
    def __init__(self, y: np.ndarray, target: str, config: dict[str, Any]) -> None: ...

    def hold_out(self, y: np.ndarray, share: float, seed: int) -> Split:
        return holdout(len(y), share, seed=seed)

    @abstractmethod
    def performance(self, outcome: Any) -> dict[str, Any]:
        """What the report's section on performance shows, beside the measures."""

    @abstractmethod
    def errors(self, outcome: Any, count: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """The rows worth a look: positions among the kept answers, and what was said of each."""

    @abstractmethod
    def evidence(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        """What the checks of `peira.diagnosis` look at, as far as it differs between tasks."""

    @abstractmethod
    def coefficients(self, model: TableModel, X: Table, y: np.ndarray, seed: int) -> tuple[list[dict[str, Any]], str]:
        """The model's weights with intervals where they can be read, and a note on their meaning."""

    def plain(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> dict[str, Any] | None:
        """A second figure in everyday terms beside the measure: title, value, interval, and that of knowing nothing."""
        return None
