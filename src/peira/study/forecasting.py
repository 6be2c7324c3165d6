"""How a series goes on: what a forecast asks of a study.

Time runs one way, so each fold learns from the beginning of every series and is judged by the part that follows: a
rolling origin. Within that part the method is asked again at every step for the next ones, each time with all that has
come by then, as it would be used; what it has learned stays as it is. Two methods are compared origin by origin, and
intervals are widened by what the errors from earlier origins teach (`peira.study.rolling`).
"""

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError
from ..core.method import Method
from ..experience.splits import Split
from ..measures import Measure, get_measure
from .rolling import factor, factors, paired, strain, widened
from .sequence_models import LEVEL, SeriesModel
from .timeline import Timeline
from .untargeted import Untargeted

FOLDS = 5
FIRST = 0.5
"""Share of each series that the first fold learns from."""
_LONGEST, _ORIGINS = 5_000, 100
"""Steps of a history that a method is shown when it is asked; how often it is asked in a fold, at most."""


class Forecasting(Untargeted):
    """How does a series go on?

    Parameters
    ----------
    owners : int array of shape (S,)
        The series of each step.
    horizon : int
        How many steps ahead.
    config : dict
    """

    task = "forecasting"
    data: ClassVar[str] = "sequences"
    measures: ClassVar[tuple[str, ...]] = ("rmse", "mae")
    chooses_inside = False
    judges_seen_rows = False
    shares_time = True

    def __init__(self, owners: np.ndarray, horizon: int, config: dict[str, Any]) -> None:
        super().__init__(len(owners), None, None, config)
        self._codes, self.horizon = owners, horizon

    @property
    def wanted(self) -> str:
        return f"the next {self.horizon} step{'s' if self.horizon > 1 else ''}"

    def read(self, y: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self._codes, np.ones(len(self._codes), dtype=bool)

    def resampling(self, N: int) -> str:
        """Fewer folds where the longest series has no room for all of them."""
        return str(max(2, min(FOLDS, int(FIRST * np.bincount(self._codes).max()) // self.horizon)))

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        """Rolling origins: k parts of each series behind its first half, each judged by what came before it."""
        cuts = np.linspace(FIRST, 1.0, k + 1)
        place, length = _places(y)
        share = place / length
        folds = []
        for low, high in pairwise(cuts):
            train, test = np.flatnonzero(share < low), np.flatnonzero((share >= low) & (share < high))
            folds.append((train, test))
        shortest = min(np.bincount(y[test]).max(initial=0) for _, test in folds)
        if shortest < self.horizon:
            raise DataError(
                f"the series are too short to judge {self.horizon} steps ahead in {k} folds, of which one has only "
                f"{shortest}: longer series are needed, or a shorter --horizon, or fewer folds with --cv"
            )
        return folds

    def hold_out(self, y: np.ndarray, share: float, seed: int) -> Split:
        place, length = _places(y)
        late = place >= length * (1 - share)
        return [(np.flatnonzero(~late), np.flatnonzero(late))]

    def sample(self, y: np.ndarray, parts: int, seed: int) -> np.ndarray:
        return np.arange(len(y))  # a series with gaps would be another one

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return self.hold_out(y, max(0.2, min(0.5, 2 * self.horizon / max(1, np.bincount(y).max()))), seed)

    def trials(self, cls: type[Method], most: int) -> int:
        return 1 if hasattr(cls, "build") else min(most, 4)

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> SeriesModel:
        return SeriesModel(method=method, logs=True)

    def inner_value(self, part: Any, Z: Any, y: np.ndarray, Z_test: Any, y_test: np.ndarray, measure: Measure) -> float:
        value = self.value(self.keep(part.fit(Z), Z_test, y_test), measure)
        return np.nan if value is None else value

    def keep(self, model: Any, table: Timeline, y: np.ndarray) -> dict[str, np.ndarray]:
        return self.kept(model, table, y, None)

    def kept(self, model: Any, Z: Timeline, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        histories, observed, firsts = Z.origins(self.horizon, _LONGEST, _ORIGINS)
        if not histories:
            raise DataError(f"no part to be judged has {self.horizon} steps one after the other")
        dist = model.predict_dist(histories, self.horizon)
        low, high = (np.asarray(end) for end in dist.interval(LEVEL))
        mean = np.asarray(dist.mean)
        return {"observed": observed, "predicted": mean, "low": low, "high": high, "first": firsts}

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        there = np.isfinite(arrays["observed"])
        return float(measure.value(arrays["observed"][there], arrays["predicted"][there]))

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        """Of the mean over origins, which share much of what they forecast."""
        terms, there = self._losses(arrays, measure)
        ends = paired(terms, self._times(arrays["first"][there]), self.horizon, level=level)["interval"]
        ends = [max(0.0, end) if np.isfinite(end) else end for end in ends]
        return [float(np.sqrt(end)) for end in ends] if measure.name == "rmse" else ends

    def difference(
        self, best: dict[str, np.ndarray], other: dict[str, np.ndarray], measure: Measure, rope: float
    ) -> dict[str, Any]:
        """Origin by origin; of roots of mean squares by (b - a) / (sqrt(a) + sqrt(b))."""
        (ours, there), (theirs, _) = self._losses(best, measure), self._losses(other, measure)
        scale = 1.0
        if measure.name == "rmse":
            scale = 1 / max(float(np.sqrt(ours.mean()) + np.sqrt(theirs.mean())), 1e-300)
        return paired(theirs - ours, self._times(best["first"][there]), self.horizon, scale=scale, rope=rope)

    def _losses(self, arrays: dict[str, np.ndarray], measure: Measure) -> tuple[np.ndarray, np.ndarray]:
        """The mean loss from each origin, and from which there is one."""
        error = np.abs(arrays["observed"] - arrays["predicted"]) ** (2 if measure.name == "rmse" else 1)
        known = np.isfinite(arrays["observed"])
        counts = known.sum((1, 2))
        there = counts > 0
        return np.where(known, error, 0.0).sum((1, 2))[there] / counts[there], there

    def _times(self, firsts: np.ndarray) -> np.ndarray:
        """When each origin is, in steps from the beginning of its series."""
        return _places(self._codes)[0][firsts]

    def calibrated(self, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ends of intervals, widened by what earlier origins teach; and where these were enough to learn from."""
        strains = strain(*(arrays[name] for name in ("observed", "predicted", "low", "high")))
        by = factors(strains, self._times(arrays["first"]), self.horizon, LEVEL)
        return *widened(arrays, by), np.isfinite(by)

    def settle(self, model: Any, arrays: dict[str, np.ndarray]) -> None:
        by = factor(strain(*(arrays[name] for name in ("observed", "predicted", "low", "high"))), LEVEL)
        model.widths_ = np.where(np.isfinite(by), by, 1.0)

    def check(self, measure: Measure) -> None:
        if measure.needs != "predict":
            raise DataError(f"{measure.title} is not measured of forecasts yet: take rmse or mae")

    def measure(self, name: str) -> Measure:
        return get_measure(name, "regression")

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        return {name: arrays[name].reshape(len(arrays[name]), -1).tolist() for name in ("observed", "predicted")}

    @property
    def decisions(self) -> list[str]:
        return [
            f"forecasts reach {self.horizon} steps ahead; each fold learns from the beginning of the series and is "
            f"asked again at every step of the part that follows (at most {_ORIGINS} times), with all that has come by "
            "then",
            "two methods are compared by the differences of their errors from the same origins, with a variance that "
            "knows that forecasts from origins near each other share what they forecast (Diebold & Mariano 1995; "
            "Harvey, Leybourne & Newbold 1997)",
            "where numbers are positive and their swings grow with their level, as far as a fit sees, it learns their "
            "logarithms",
            f"intervals of {100 * LEVEL:.0f} % are widened or narrowed by the errors from earlier origins, and judged "
            "by what came after (split conformal)",
        ]


def _places(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of each step in its series, and how long that is; steps stand in order."""
    counts = np.bincount(y)
    order = np.argsort(y, kind="stable")
    place = np.empty(len(y), dtype=np.int64)
    place[order] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place, counts[y]
