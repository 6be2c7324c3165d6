"""Which symbol comes next: what a model of texts asks of a study.

Texts are judged by how many bits a symbol takes, the fewer the better the text was foreseen. A text that was cut into
passages is split into parts that lie side by side, so that what is judged is not surrounded by what was learned from.
"""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ..core.method import Method
from ..experience.splits import Split, kfold
from ..measures import Measure
from .sequence_models import TextModel, lengths_of
from .untargeted import Untargeted, side_by_side

LARGE = 150_000
"""Symbols from which on one part is held out in place of folds."""
MERGES = 1000
"""Merges that subwords are made by, at most."""
_SETTINGS = 4


class LanguageModelling(Untargeted):
    """Which symbol comes next?

    Parameters
    ----------
    rows, symbols : int
        Texts, and symbols in all.
    unit : str
        "character", "word" or "subword".
    cut : bool
        Whether the texts are passages of one, in its order.
    config : dict
    """

    task = "language"
    data: ClassVar[str] = "symbols"
    measures: ClassVar[tuple[str, ...]] = ("bits", "perplexity")
    chooses_inside = False
    shares_time = True

    def __init__(self, rows: int, symbols: int, unit: str, cut: bool, config: dict[str, Any]) -> None:
        super().__init__(rows, None, None, config)
        self.symbols, self.unit, self.cut = symbols, unit, cut

    @property
    def wanted(self) -> str:
        return f"which {self.unit} comes next"

    @property
    def counted(self) -> str:
        """What bits are told for: of subwords a character, so that they compare with the bits of characters."""
        return "character" if self.unit == "subword" else self.unit

    def measure(self, name: str) -> Measure:
        found = super().measure(name)
        return replace(found, title=found.title.replace("symbol", self.counted))

    def resampling(self, N: int) -> str:
        return "holdout" if self.symbols > LARGE else "5"

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return side_by_side(len(y), k) if self.cut else kfold(len(y), k, seed=seed)

    def hold_out(self, y: np.ndarray, share: float, seed: int) -> Split:
        """The last part of one text; some of many texts, drawn by chance."""
        N = len(y)
        test = max(1, round(N * share / 2))
        order = np.arange(N) if self.cut else np.random.default_rng(seed).permutation(N)
        return [(np.sort(order[:-test]), np.sort(order[-test:]))]

    def sample(self, y: np.ndarray, parts: int, seed: int) -> np.ndarray:
        return self.split(y, parts, seed)[0][1]

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return self.split(y, 4, seed)[-1:]

    def trials(self, cls: type[Method], most: int) -> int:
        return 1 if hasattr(cls, "build") else min(most, _SETTINGS)  # nets take their time

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> TextModel:
        return TextModel(method=method, n_merges=MERGES if self.unit == "subword" else None)

    def inner_value(self, part: Any, Z: Any, y: np.ndarray, Z_test: Any, y_test: np.ndarray, measure: Measure) -> float:
        value = self.value(self.keep(part.fit(Z), Z_test, y_test), measure)
        return np.nan if value is None else value

    def keep(self, model: Any, table: Any, y: np.ndarray) -> dict[str, np.ndarray]:
        return self.kept(model, table, y, None)

    def kept(self, model: Any, Z: Any, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        return {"log_prob": np.asarray(model.log_prob(Z), dtype=np.float64), "symbols": lengths_of(Z)}

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        return float(measure.value(arrays["symbols"], arrays["log_prob"]))

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        return [float(end) for end in measure.interval(arrays["symbols"], arrays["log_prob"], level)]

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        return {"symbols": arrays["symbols"].tolist(), "bits": (-arrays["log_prob"] / np.log(2)).tolist()}

    @property
    def decisions(self) -> list[str]:
        if self.cut:
            return ["the text was cut into passages; parts that are learned from and judged lie side by side"]
        return ["texts are split as wholes, drawn by chance"]
