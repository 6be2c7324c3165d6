"""Which few numbers describe a row: what a reduction asks of a study."""

from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError
from ..core.method import Method
from ..core.params import Parameter
from ..experience.table import Table
from ..measures import Measure, get_measure, trustworthiness
from ..measures.structure import NEIGHBOURS
from .model import TableModel
from .plane import parallel_analysis, principal
from .table_structures import TableReducer
from .untargeted import Untargeted, few

MOST = 10
_MAPPED = 1_000  # rows whose neighbours are compared, at most


class Reduction(Untargeted):
    """Which few numbers describe a row?

    All methods get the same number of codes. They are judged by what the codes of an unseen row lead back to, or, as
    maps (``-M trustworthiness``), by whether neighbours on the map are neighbours in the data.

    Attributes
    ----------
    K : int
        Number of codes: for a map 2, else what `parallel_analysis` finds, at least 1 and at most 10.
    noise : array
        Variances of the shuffled columns, direction by direction.
    """

    task = "reduction"
    measures: ClassVar[tuple[str, ...]] = ("reconstruction", "trustworthiness")
    by_row: ClassVar[tuple[str, ...]] = ("reconstruction",)

    @property
    def wanted(self) -> str:
        return "a number that describes it" if self.K == 1 else f"{self.K} numbers that describe it"

    @property
    def decisions(self) -> list[str]:
        if self.maps:
            return ["a map has two codes"]
        return [f"{self.K} codes: so many directions carry more variance than those of columns shuffled one by one"]

    @property
    def maps(self) -> bool:
        """Whether methods are judged as maps."""
        wanted = self.config.get("measure")
        return wanted is not None and get_measure(wanted, self.task).name == "trustworthiness"

    def look(self, X: Table, kinds: dict[str, Any]) -> None:
        Z = TableReducer(kinds=kinds).prepare(X[few(len(X), 5_000)])
        if self.maps and Z.shape[1] < 2:
            raise DataError("there is one column of numbers: it is its own map")
        found, self.noise = parallel_analysis(Z, self.config["seed"])
        self.K = 2 if self.maps else min(max(found, 1), MOST, max(Z.shape[1] - 1, 1))
        self.variances = principal(Z).variances

    def unfit(self, cls: type[Method]) -> str | None:
        if not self.maps and not hasattr(cls, "inverse_transform"):
            return "its codes do not lead back to a row: compare it as a map with -M trustworthiness"
        return None

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        """So many codes, and with them the settings that a method names."""
        asked = {"n_components": self.K, "fit_inverse_transform": not self.maps}
        fixed = {name: value for name, value in asked.items() if name in parameters}
        free = {name: p for name, p in parameters.items() if name not in fixed}
        return [fixed | setting for setting in super().settings(free, budget)]

    def kept(self, model: TableModel, Z: np.ndarray, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        method, arrays = model.method_, {}
        if hasattr(method, "transform"):
            codes = np.asarray(method.transform(Z))
        elif only in (None, "trustworthiness"):  # a map of the rows that it sees
            codes = np.asarray(type(method)(**method.get_params(deep=False)).fit_transform(Z))
        if only in (None, "reconstruction") and hasattr(method, "inverse_transform"):
            back = np.asarray(method.inverse_transform(codes))
            arrays["reconstruction"] = ((Z - back) ** 2).mean(1)
        part = few(len(Z), _MAPPED)
        if only in (None, "trustworthiness") and len(part) > 2 * NEIGHBOURS:
            trust = trustworthiness(Z[part], codes[part], n_neighbors=NEIGHBOURS)
            arrays["trustworthiness"] = np.full(len(Z), trust)
        return arrays

    def check(self, measure: Measure) -> None:
        super().check(measure)
        if measure.name == "trustworthiness" and self.rows < 5 * (2 * NEIGHBOURS + 1):
            raise DataError(f"{self.rows} rows are too few to compare the neighbours of a map")
