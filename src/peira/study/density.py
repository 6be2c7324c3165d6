"""How likely is a row: what a density estimation asks of a study."""

from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError
from ..core.params import Parameter
from .model import TableModel
from .untargeted import Untargeted, number_of_parts

MOST = 10


class DensityEstimation(Untargeted):
    """How likely is a row?

    Words and truth values have no density, so their columns are left out. What is compared is the density of the
    standardised row.
    """

    task = "density"
    measures: ClassVar[tuple[str, ...]] = ("log_likelihood",)
    by_row: ClassVar[tuple[str, ...]] = ("log_likelihood",)

    @property
    def wanted(self) -> str:
        return "how likely it is"

    @property
    def baseline(self) -> str:
        return "IndependentNormals"

    @property
    def decisions(self) -> list[str]:
        names = ", ".join(repr(name) for name in self.dropped[:10]) + (" ..." if len(self.dropped) > 10 else "")
        return [f"words and truth values have no density; left out: {names}"] if self.dropped else []

    def kinds(self, kinds: dict[str, Any]) -> dict[str, Any]:
        self.dropped = [name for name, kind in kinds.items() if kind in ("categorical", "boolean")]
        return kinds | dict.fromkeys(self.dropped, "ignored")

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        """One to ten components where a method is told their number, else the settings that it names."""
        name = number_of_parts(parameters)
        if name is None:
            return super().settings(parameters, budget)
        return [{name: K} for K in range(1, min(MOST, max(self.rows // 6, 1)) + 1)]

    def kept(self, model: TableModel, Z: np.ndarray, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        found = np.asarray(model.answer("log_prob", Z), dtype=np.float64)
        if (impossible := np.isneginf(found)).any():
            raise DataError(
                f"{impossible.sum()} of {len(found)} rows that it had not seen are impossible under what it learned"
            )
        return {"log_likelihood": found}
