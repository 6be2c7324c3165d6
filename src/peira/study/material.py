"""What a study learns from, once it is read: the rows of a table, or a container of things that are no rows.

The study itself asks of it only what all experience can answer: ``len(X)`` and ``X[index]``, which is all that folds,
cells, curves and resampling need. What else differs (how it is told apart from other data, what a further source must
look like, what the report shows of it) is asked of a `Material`: `TableMaterial`, `ImageMaterial`. A further kind of
experience is one more of them, a model (`peira.study.items_classifier`) and a line in `open_material`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError


class Material(ABC):
    """What a study learns from.

    Attributes
    ----------
    X : container
        The inputs.
    labels : array of shape (N,), or None
        What stands beside each item, as the source holds it.
    target : str, or None
        What that is called.
    repeated : int
        Items that repeat an earlier one.
    """

    data: ClassVar[str]
    """What a method's card says that it learns from."""
    item: ClassVar[str]
    """One of the things that are learned from, in words."""

    X: Any
    labels: np.ndarray | None
    target: str | None
    repeated: int

    @property
    @abstractmethod
    def inputs(self) -> str:
        """What an answer is made from, in words: "4 columns"."""

    @property
    @abstractmethod
    def width(self) -> int | None:
        """Columns of the inputs, where there are any."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the values: whether a resumed run still sees the same data."""

    @abstractmethod
    def profile(self) -> dict[str, Any]:
        """What is in it and what was decided, for ``profile.json``."""

    @abstractmethod
    def again(self, source: Any, target: str) -> tuple[Any, np.ndarray]:
        """The inputs and labels of a further source, in the same form."""

    @abstractmethod
    def called(self, rows: np.ndarray) -> Sequence[Any]:
        """What items are called where they are listed: numbers of rows, names of files."""

    @abstractmethod
    def data_section(self, outcome: Any) -> dict[str, Any]:
        """The report's section on the data."""

    @abstractmethod
    def curve(self, outcome: Any) -> dict[str, Any]:
        """Performance against the amount of experience, as `peira.diagnosis.learning_curve` gives it."""

    @abstractmethod
    def explanation(self, outcome: Any) -> dict[str, Any]:
        """What the answers rest on: ``importance``, ``coefficients``, ``note``."""

    def asked(self, X: Any) -> Any:
        """The inputs as the model of all of them is asked about them in the end."""
        return X

    def remember(self, model: Any) -> None:
        """Note on the model what it takes to read a further source."""
        if self.target is not None:
            model.target_ = self.target

    @abstractmethod
    def look(self, row: int) -> dict[str, Any]:
        """What the report shows of an item among the errors."""

    def recipe(self, verb: str, source: str) -> str:
        """Lines of Python that ask ``model`` about the source."""
        return f"model.{verb}(peira.read({source!r}))"

    def sections(self, outcome: Any) -> dict[str, Any]:
        """Further sections of the report."""
        return {}


class UntargetedMaterial(Material):
    """What is learned from without a target: no answers to compare with, and no columns to weigh."""

    labels = None
    target = None

    def again(self, source: Any, target: str) -> tuple[Any, np.ndarray]:
        raise DataError("a task without a target has no answers to compare with: leave --test out")

    def curve(self, outcome: Any) -> dict[str, Any]:
        return {}

    def explanation(self, outcome: Any) -> dict[str, Any]:
        return {}

    def look(self, row: int) -> dict[str, Any]:
        return {}

    def remember(self, model: Any) -> None:
        model.reading_ = self.reading

    @property
    @abstractmethod
    def reading(self) -> dict[str, Any]:
        """How a further source is read."""


def items(count: int, item: str) -> str:
    """A number of items in words.

    >>> items(1, "row"), items(2, "image")
    ('1 row', '2 images')
    """
    return f"{count:,} {item}{'' if count == 1 else 's'}"
