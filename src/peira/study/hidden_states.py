"""Which hidden states produce sequences: what a density of sequences asks of a study.

Nobody knows the states, so models of each number of them are judged by how likely they hold sequences that they have
not seen, in nats a step, against steps that are independent of each other. Where steps show symbols, Markov chains
compete: what comes next may depend on what is seen, and need no hidden state. Sequences stay whole; a few long ones are
cut into pieces, and parts that are learned from and judged lie side by side.
"""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from ..core.errors import DataError
from ..core.method import Method
from ..core.params import Parameter
from ..experience.splits import Split, kfold
from ..measures import Measure
from .sequence_models import StatesModel, lengths_of
from .untargeted import Untargeted, number_of_parts, side_by_side

MOST = 8
ALSO = {"n_init": 2, "n_mix": 2, "ends": False}
"""What every setting is tried with, where a method has it: a second start, a mixture that is one, and no ends to
foretell, which others do not foretell either."""
ROOM = {"emissionprob_prior": 1.1}
"""Room for symbols that a part of the sequences does not hold, where a method has none of its own."""


class HiddenStates(Untargeted):
    """Which hidden states produce the sequences?

    Parameters
    ----------
    lengths : array of shape (N,)
        Steps of each sequence, or piece.
    cut : bool
        Whether they are pieces, one behind the other.
    config : dict
    symbols : list of str, optional
        Those that steps show, where they are no numbers.
    """

    task = "density"
    data: ClassVar[str] = "sequences"
    measures: ClassVar[tuple[str, ...]] = ("log_likelihood",)
    asked: ClassVar[str | None] = "which hidden states do sequences go through?"
    chooses_inside = False
    shares_time = True

    def __init__(
        self, lengths: np.ndarray, cut: bool, config: dict[str, Any], symbols: list[str] | None = None
    ) -> None:
        super().__init__(len(lengths), None, None, config)
        self.steps, self.cut, self.symbols = int(lengths.sum()), cut, symbols
        if symbols is not None:
            self.data = "symbols"  # type: ignore[misc]

    @property
    def wanted(self) -> str:
        return "the hidden state of every step"

    @property
    def baseline(self) -> str:
        return "IndependentSteps" if self.symbols is None else "IndependentSymbols"

    def offers(self, cls: type[Method], named: bool) -> bool:
        """Methods of states, hidden or seen; others of the task when they are named."""
        return super().offers(cls, named) and (named or hasattr(cls, "plot_transitions"))

    def unfit(self, cls: type[Method]) -> str | None:
        if cls.example().__sklearn_tags__().input_tags.positive_only:
            return "probabilities of counts cannot be compared with densities of numbers"
        told = "ends" in cls.parameters() or hasattr(cls, "plot_transitions") or cls.card.baseline
        if self.symbols is not None and not told:
            return "it foretells where sequences end as well, which the others do not"
        return None

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        """One to eight states, within the budget of trials; without states, what else a method may try."""
        also = {key: value for key, value in ALSO.items() if key in parameters}
        also |= {key: value for key, value in ROOM.items() if key in parameters and parameters[key].default == 1}
        if (name := number_of_parts(parameters)) is None:
            return [also | chosen for chosen in super().settings(parameters, budget)]
        return [{name: K, **also} for K in range(1, max(1, min(MOST, budget, self.steps // 20)) + 1)]

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return side_by_side(len(y), k) if self.cut else kfold(len(y), k, seed=seed)

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return self.split(y, 3, seed)[:1]

    def resampling(self, N: int) -> str:
        return str(min(5, N))

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> StatesModel:
        return StatesModel(method=method, symbols=self.symbols)

    def inner_value(self, part: Any, Z: Any, y: np.ndarray, Z_test: Any, y_test: np.ndarray, measure: Measure) -> float:
        return float(self.value(self.keep(part.fit(Z), Z_test, y_test), measure))

    def keep(self, model: Any, table: Any, y: np.ndarray) -> dict[str, np.ndarray]:
        return self.kept(model, table, y, None)

    def kept(self, model: Any, Z: Any, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        found = np.asarray(model.log_prob(Z), dtype=np.float64)
        if (impossible := np.isneginf(found)).any():
            raise DataError(f"{impossible.sum()} of {len(found)} sequences that it had not seen are impossible for it")
        return {"log_prob": found, "steps": lengths_of(Z)}

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float:
        return float(arrays["log_prob"].sum() / arrays["steps"].sum())

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        """Of a ratio of sums over sequences."""
        centre, steps = self.value(arrays, measure), arrays["steps"]
        if len(steps) < 3:
            return [float("nan")] * 2
        off = (arrays["log_prob"] - centre * steps) / steps.mean()
        half = stats.t.ppf((1 + level) / 2, len(steps) - 1) * off.std(ddof=1) / len(steps) ** 0.5
        return [float(centre - half), float(centre + half)]

    def measure(self, name: str) -> Measure:
        return replace(super().measure(name), title="log likelihood of an unseen step")

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        return {"steps": arrays["steps"].tolist(), "log_likelihood": arrays["log_prob"].tolist()}

    @property
    def decisions(self) -> list[str]:
        if self.cut:
            return ["parts that are learned from and judged lie side by side"]
        return ["sequences stay whole: those that are judged took no part in the fit"]
