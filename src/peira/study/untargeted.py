"""What a study asks of a table without a target: structure that other rows confirm.

Nobody knows the answer, so what is judged is whether rows that took no part in a fit agree with it: by their
likelihood, by what codes lead back to, or because a fit to *them* finds the same. For the latter the table is cut into
halves, again and again: what one half teaches is compared with what the other half teaches, on the rows of the other.
A column of labels may be named to judge by; it stays out of the inputs, and out of every choice but that of a measure.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from ..core.errors import DataError
from ..core.method import Method
from ..core.params import Parameter
from ..experience.splits import Split, kfold, repeated
from ..experience.table import Table
from ..measures import Measure, mean_interval
from .model import TableModel
from .question import Question
from .table_structures import MODELS

JUDGED_ROWS = 2_000
"""Rows on which a measure is taken that compares all pairs of them."""


class Untargeted(Question):
    """What do the rows of a table have in common?

    Parameters
    ----------
    rows : int
    labels : array of shape (N,), optional
        The column to judge by.
    judge : str, optional
        Its name.
    config : dict
        The arguments of `learn`.

    Attributes
    ----------
    names : array of shape (C,)
        The labels to judge by, sorted; `read` speaks of positions in it, and -1 is a label that is missing.
    """

    measures: ClassVar[tuple[str, ...]] = ()
    """Names of the measures that are reported where something was kept for them."""
    by_row: ClassVar[tuple[str, ...]] = ()
    """Measures whose interval is that of a mean over rows, each of which is judged once; else it is one over folds."""
    judged: ClassVar[tuple[str, ...]] = ()
    """Measures that need labels to judge by."""
    asked: ClassVar[str | None] = None
    """What is asked, where the table of tasks says it too generally."""

    def __init__(self, rows: int, labels: np.ndarray | None, judge: str | None, config: dict[str, Any]) -> None:
        self.rows, self.judge, self.config = rows, judge, config
        self._codes = np.zeros(rows, dtype=np.int64)
        self.names = np.empty(0, dtype=object)
        if labels is not None:
            known = np.array([v is not None and v == v for v in labels.tolist()])
            texts = np.array([_spelt(v) for v in labels.tolist()], dtype=object)
            self.names, codes = np.unique(texts[known].astype(str), return_inverse=True)
            if not 2 <= len(self.names) <= max(2, rows // 2):
                raise DataError(
                    f"the column {judge!r} holds {len(self.names)} different labels in {rows} rows: nothing to judge by"
                )
            self._codes = np.full(rows, -1, dtype=np.int64)
            self._codes[known] = codes

    def look(self, X: Table, kinds: dict[str, Any]) -> None:
        """See the whole table once, before any fit: for what is decided for all candidates alike."""

    def read(self, y: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self._codes, self._codes >= 0

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return kfold(len(y), k, seed=seed)

    def sample(self, y: np.ndarray, parts: int, seed: int) -> np.ndarray:
        return kfold(len(y), parts, seed=seed)[0][1]

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> TableModel:
        return MODELS[self.task](method=method, expansion=expansion, kinds=kinds)

    def inner_value(
        self, part: TableModel, Z: np.ndarray, y: np.ndarray, Z_test: np.ndarray, y_test: np.ndarray, measure: Measure
    ) -> float:
        value = self.value(self.kept(part.learn(Z, None), Z_test, y_test, measure.name), measure)
        return np.nan if value is None else value

    def keep(self, model: TableModel, table: Table, y: np.ndarray) -> dict[str, np.ndarray]:
        return self.kept(model, model.numbers(table), y, None)

    @abstractmethod
    def kept(self, model: TableModel, Z: np.ndarray, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        """What is kept of a model's answers to numbers Z: by row; NaN for rows that were not asked.

        With ``only``, what the measure of that name needs is enough.
        """

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        if measure.name not in arrays:
            return None
        terms = arrays[measure.name]
        return float(np.mean(terms[~np.isnan(terms)])) if not np.isnan(terms).all() else float("nan")

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        terms, nothing = arrays[measure.name], [float("nan")] * 2
        if measure.name in self.by_row:
            terms = terms[~np.isnan(terms)]
            if len(terms) < 2:
                return nothing
            half = stats.norm.ppf((1 + level) / 2) * terms.std(ddof=1) / len(terms) ** 0.5
            return [float(terms.mean() - half), float(terms.mean() + half)]
        folds = np.unique(arrays["fold"])
        if len(folds) < 2 or not all(np.isfinite(terms[arrays["fold"] == f]).any() for f in folds):
            return nothing
        values = [float(np.nanmean(terms[arrays["fold"] == f])) for f in folds]
        tested = len(terms) / len(folds)
        ends = mean_interval(values, self.rows - tested, tested, level)
        return [float(np.clip(end, *measure.range)) for end in ends]

    def check(self, measure: Measure) -> None:
        if measure.name in self.judged and self.judge is None:
            raise DataError(f"{measure.title} needs labels to judge by: name their column with --judge")

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        return {name: arrays[name].tolist() for name in ("predicted", *self.by_row, "usual") if name in arrays}


def halves(n: int, k: int, seed: int) -> Split:
    """The first k of pairs of halves: each half teaches once and is asked once."""
    return repeated(n, 2, -(-k // 2), seed=seed)[:k]


def side_by_side(n: int, k: int) -> Split:
    """k parts of n things that follow one another, each judged by the others."""
    parts = np.array_split(np.arange(n), k)
    return [(np.concatenate(parts[:i] + parts[i + 1 :]), part) for i, part in enumerate(parts)]


def few(n: int, most: int = JUDGED_ROWS) -> np.ndarray:
    """Positions of at most so many of n rows, the same at every call."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).permutation(n)[:most])


def known_labels(y: np.ndarray) -> np.ndarray | None:
    """Which rows have a label to judge by; None without any two."""
    known = y >= 0
    return known if len(np.unique(y[known])) > 1 else None


def number_of_parts(parameters: dict[str, Parameter]) -> str | None:
    """The parameter that says how many clusters or components there are, if a method has one."""
    return next((name for name in ("n_clusters", "n_components") if name in parameters), None)


def _spelt(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
