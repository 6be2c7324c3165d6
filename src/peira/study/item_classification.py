"""A label for each thing in a container that is no table, such as an image: what that asks of a study.

As with tables (`Classification`), but judged and chosen as `peira.study.items_question` says.
"""

from typing import Any

from ..core.errors import DataError
from ..core.method import Method
from ..core.tasks import TASKS
from .classes import performance
from .classification import Classification
from .items_classifier import ImagesClassifier, ItemsClassifier
from .items_question import ItemsQuestion
from .material import Material
from .sequences_classifier import SequencesClassifier


class ItemClassification(ItemsQuestion, Classification):
    """Which label belongs to this thing?"""

    models = {"images": ImagesClassifier, "sequences": SequencesClassifier}
    on_columns = ("KNeighborsClassifier", "LogisticRegression", "SVC")

    def __init__(self, material: Material, config: dict[str, Any]) -> None:
        super().__init__(material, config)
        if len(self.classes) < 2:
            raise DataError(f"all {self.item}s have one {self.target}, {self.classes[0]}: there is nothing to learn")

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> ItemsClassifier:
        return self.models[self.data](method=method, expansion=expansion, costs=self.costs)

    def unfit(self, cls: type[Method]) -> str | None:
        if cls.card.data == self.data and not any(hasattr(cls, verb) for verb in TASKS[self.task].verbs[1:]):
            return "it gives no probabilities"
        return super().unfit(cls)

    def performance(self, outcome: Any) -> dict[str, Any]:
        arrays = outcome.unseen.arrays
        return performance(arrays["observed"], arrays["predicted"], arrays["probs"], self.classes, self.costs)

    @property
    def decisions(self) -> list[str]:
        first = f"what is judged is stratified: each part holds nearly the same share of every {self.target}"
        return [first, *super().decisions[1:]]
