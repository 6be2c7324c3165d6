"""Which rows are unlike the others: what a search for anomalies asks of a study."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from ..core.kinds import OutlierDetector
from ..core.method import Method
from ..core.params import Parameter
from ..core.predictive import Categorical
from ..experience.splits import Split
from ..measures import Measure, rank_correlation
from .model import TableModel
from .untargeted import Untargeted, halves, known_labels

SHARE = 0.1
"""Share of the rows that a method which is told one may call unusual."""


class Anomaly(Untargeted):
    """Which rows are unlike the others?

    Nobody knows, so two things are asked of each detector. Do others, which look for something else, put the rows in
    the same order (agreement, with the mean rank that the others give)? Does a fit to other rows put them in the same
    order (stability)? With labels to judge by: does a row of the rare label get a lower score than one of another?
    """

    task = "anomaly"
    measures: ClassVar[tuple[str, ...]] = ("agreement", "stability", "roc_auc")
    judged: ClassVar[tuple[str, ...]] = ("roc_auc",)

    @property
    def wanted(self) -> str:
        return "how unusual it is"

    @property
    def judges_seen_rows(self) -> bool:
        return False

    @property
    def rare(self) -> int:
        """Position of the rarest label among those to judge by."""
        return int(np.bincount(self._codes[self._codes >= 0]).argmin())

    @property
    def decisions(self) -> list[str]:
        if self.judge is None:
            return []
        return [f"{str(self.names[self.rare])!r}, the rarest label of {self.judge!r}, is what should look unusual"]

    def default_measure(self, name: str, rivals: int) -> Measure:
        return self.measure("roc_auc" if self.judge is not None else name if rivals > 1 else "stability")

    def unfit(self, cls: type[Method]) -> str | None:
        if issubclass(cls, OutlierDetector):
            return None
        return "it has no score for rows that it did not learn from"

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return halves(len(y), k, seed)

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return []

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        """The defaults: without knowing the truth there is nothing to choose by."""
        fixed = {"nu": SHARE, "novelty": True}
        return [{name: value for name, value in fixed.items() if name in parameters}]

    def kept(self, model: TableModel, Z: np.ndarray, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        usual = np.asarray(model.answer("score_samples", Z), dtype=np.float64)
        twin = type(model)(**model.get_params(deep=False)).learn(Z, None)
        own = np.asarray(twin.answer("score_samples", Z))
        arrays = {
            "predicted": np.where(usual >= model.offset_, 1, -1),
            "usual": stats.rankdata(usual) / (len(usual) + 1),
            "stability": np.full(len(Z), rank_correlation(usual, own)),
            "agreement": np.full(len(Z), np.nan),  # until all detectors have spoken: see `together`
        }
        return arrays | ({"observed": y} if self.judge is not None else {})

    def together(self, cells: Sequence[Any], measure: Measure) -> None:
        """The agreement of each detector with the mean rank that the others give, fold by fold."""
        for fold in sorted({cell.fold for cell in cells}):
            said = [cell for cell in cells if cell.fold == fold and cell.status == "ok"]
            total = np.sum([cell.arrays["usual"] for cell in said], axis=0)
            for cell in said if len(said) > 1 else []:
                own = cell.arrays["usual"]
                cell.arrays["agreement"] = np.full(len(own), rank_correlation(own, total - own))
                if measure.name == "agreement":
                    cell.score = float(cell.arrays["agreement"][0])

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        if measure.name != "roc_auc":
            return super().value(arrays, measure)
        asked = self._asked(arrays)
        return None if asked is None else float(measure.value(*asked))

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        if measure.name != "roc_auc":
            return super().interval(arrays, measure, level)
        asked = self._asked(arrays)
        return [float("nan")] * 2 if asked is None else [float(end) for end in measure.interval(*asked, level)]

    def _asked(self, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, Categorical] | None:
        """Whether each row is of the rare label, and its rank as if it were a probability: the area sees only ranks."""
        known = known_labels(arrays["observed"]) if "observed" in arrays else None
        if known is None or not (arrays["observed"][known] == self.rare).any():
            return None
        usual = arrays["usual"][known]
        return arrays["observed"][known] == self.rare, Categorical(np.column_stack([usual, 1 - usual]), [False, True])
