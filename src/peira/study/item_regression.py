"""A number for each thing in a container that is no table, such as a sequence: what that asks of a study.

As with tables (`Regression`), but judged and chosen as `peira.study.items_question` says. Of a net whose layers are to
be chosen two kinds are tried: recurrent ones, and causal convolutions.
"""

from typing import Any

from ..core.method import Method
from ..core.params import Parameter
from .items_question import ItemsQuestion
from .regression import Regression
from .sequences_regressor import SequencesRegressor

CELL, OTHER = "cell", "tcn"
"""The parameter that says what layers are made of, and what is tried beside its default."""


class ItemRegression(ItemsQuestion, Regression):
    """Which number belongs to this thing?"""

    models = {"sequences": SequencesRegressor}
    on_columns = ("RidgeCV", "KNeighborsRegressorCV")

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> SequencesRegressor:
        return self.models[self.data](method=method, expansion=expansion)

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        return [{}, {CELL: OTHER}][:budget] if CELL in parameters else [{}]
