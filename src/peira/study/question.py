"""What a task asks of the study of a table: everything that differs between numbers and labels, in one place.

A study asks one question of all candidates alike. How its target is read, how rows are split, what is kept of an
answer, how it is measured again from what was kept, and what the report shows of it, stand in `Regression` and in
`Classification`; the search, the leaderboard and the verdict know only this face.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..core.method import Method
from ..experience.splits import Split
from ..experience.table import Table
from ..measures import Measure, get_measure
from .model import TableModel


class Question(ABC):
    """What is asked of each row.

    Parameters
    ----------
    y : array of shape (N,)
        The target as the table holds it.
    target : str
        Its name.
    config : dict
        The arguments of `learn`.
    """

    task: ClassVar[str]

    @abstractmethod
    def __init__(self, y: np.ndarray, target: str, config: dict[str, Any]) -> None: ...

    @property
    @abstractmethod
    def wanted(self) -> str:
        """What is wanted of each row, in words: "a number"."""

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

    @abstractmethod
    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> TableModel:
        """The model that a candidate becomes on the table, not yet fitted."""

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

    def default_measure(self, name: str) -> Measure:
        """The measure where none is asked for; ``name`` is that of the table of tasks."""
        return self.measure(name)

    def settle(self, model: TableModel, arrays: dict[str, np.ndarray]) -> None:  # noqa: B027  (most need nothing)
        """Finish the model of all rows by what was seen on rows that the fits had not seen."""

    @abstractmethod
    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        """The kept answers as columns of a csv file."""

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

    @property
    def decisions(self) -> list[str]:
        """What was decided about the target, in sentences."""
        return []
