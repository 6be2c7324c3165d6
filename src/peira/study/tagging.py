"""Which label belongs to each step: what tagging asks of a study.

Sequences stay whole: those that are judged took no part in the fit. Every step counts alike; intervals are for means
over sequences, since the steps of one depend on one another.
"""

from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError
from ..core.method import Method
from ..core.predictive import Categorical
from ..experience.splits import Split, kfold
from ..measures import Measure, get_measure
from .sequence_models import StepsModel
from .untargeted import Untargeted


class Tagging(Untargeted):
    """Which label belongs to each step?

    Parameters
    ----------
    tagged : Tagged
        Sequences and the labels of their steps.
    target : str
    config : dict
    """

    task = "tagging"
    data: ClassVar[str] = "sequences"
    measures: ClassVar[tuple[str, ...]] = ("log_loss", "accuracy", "balanced_accuracy", "f1")
    chooses_inside = False
    shares_time = True

    def __init__(self, tagged: Any, target: str, config: dict[str, Any]) -> None:
        super().__init__(len(tagged), None, None, config)
        self.target = target
        values = tagged.labels.values
        missing = np.array([v is None or v != v for v in values.tolist()])
        if missing.any():
            raise DataError(
                f"the label {target!r} is missing in {int(missing.sum())} steps: leave those rows out, or label them"
            )
        if values.dtype.kind == "f" and (values != np.floor(values)).any():
            raise DataError(f"the column {target!r} holds numbers with fractions: labels of steps are names")
        self.classes = np.unique(values)
        if len(self.classes) < 2:
            raise DataError(f"the {target!r} of every step is {self.classes[0]}: there is nothing to learn")
        if len(self.classes) > max(2, len(values) // 4):
            raise DataError(f"the column {target!r} holds {len(self.classes)} different labels in {len(values)} steps")
        if len(tagged) < 4:
            raise DataError(f"tagging is judged on whole sequences, and there are {len(tagged)}: 4 are needed")

    @property
    def wanted(self) -> str:
        names = ", ".join(map(str, self.classes[:4].tolist())) + (", ..." if len(self.classes) > 4 else "")
        return f"the label of every step, one of {len(self.classes)} ({names})"

    @property
    def sizes(self) -> dict[str, int]:
        return {"C": len(self.classes)}

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return kfold(len(y), min(k, len(y)), seed=seed)

    def resampling(self, N: int) -> str:
        return str(min(5, N))

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return self.split(y, 4, seed)[:1]

    def trials(self, cls: type[Method], most: int) -> int:
        return 1 if hasattr(cls, "build") else min(most, 4)

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> StepsModel:
        return StepsModel(method=method)

    def inner_value(self, part: Any, Z: Any, y: np.ndarray, Z_test: Any, y_test: np.ndarray, measure: Measure) -> float:
        value = self.value(self.keep(part.fit(Z), Z_test, y_test), measure)
        return np.nan if value is None else value

    def keep(self, model: Any, table: Any, y: np.ndarray) -> dict[str, np.ndarray]:
        return self.kept(model, table, y, None)

    def kept(self, model: Any, Z: Any, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        """By step, one sequence after the other."""
        place = np.searchsorted(self.classes, model.classes_)
        said = np.asarray(model.predict_dist(Z.X).probs)
        P = np.zeros((len(said), len(self.classes)))
        P[:, place] = said
        return {
            "observed": np.searchsorted(self.classes, Z.labels.values).astype(np.int64),
            "predicted": np.searchsorted(self.classes, np.concatenate(model.predict(Z.X))).astype(np.int64),
            "probs": P,
            "lengths": np.asarray(Z.X.lengths),
        }

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        return float(measure.value(*self._asked(arrays, measure)))

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        """Of the mean over sequences."""
        lengths = arrays["lengths"]
        if len(lengths) < 3:
            return [float("nan")] * 2
        ends = np.cumsum(lengths)
        parts = [
            {k: arrays[k][e - n : e] for k in ("observed", "predicted", "probs")}
            for e, n in zip(ends, lengths, strict=True)
        ]
        if measure.name in ("log_loss", "accuracy"):
            each = np.array([self.value(part, measure) for part in parts])
            centre = float(np.average(each, weights=lengths))
            spread = np.sqrt(np.sum((lengths / lengths.mean() * (each - centre)) ** 2) / (len(each) - 1) / len(each))
            return [float(np.clip(centre + s * 1.96 * spread, *measure.range)) for s in (-1, 1)]
        return [float(end) for end in measure.interval(*self._asked(arrays, measure), level)]

    def _asked(self, arrays: dict[str, np.ndarray], measure: Measure) -> tuple[np.ndarray, Any]:
        observed = self.classes[arrays["observed"]]
        if measure.needs == "predict":
            return observed, self.classes[arrays["predicted"]]
        return observed, Categorical(arrays["probs"], self.classes)

    def check(self, measure: Measure) -> None:
        if measure.better == "nominal":
            raise DataError(f"{measure.title} cannot rank methods by itself: take log_loss or accuracy")

    def measure(self, name: str) -> Measure:
        return get_measure(name, "classification")

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        return {name: self.classes[arrays[name]].tolist() for name in ("observed", "predicted")}

    @property
    def decisions(self) -> list[str]:
        return ["sequences stay whole: those that are judged took no part in the fit"]
