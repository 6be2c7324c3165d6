"""A number for each thing in a container that is no table, such as a sequence: what that asks of a study.

As with tables (`Regression`), but judged and chosen as `peira.study.items_question` says.
"""

from typing import Any

from ..core.method import Method
from .items_question import ItemsQuestion
from .regression import Regression
from .sequences_regressor import SequencesRegressor


class ItemRegression(ItemsQuestion, Regression):
    """Which number belongs to this thing?"""

    models = {"sequences": SequencesRegressor}
    on_columns = ("RidgeCV", "KNeighborsRegressorCV")

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> SequencesRegressor:
        return self.models[self.data](method=method, expansion=expansion)
