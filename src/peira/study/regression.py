"""A number for each row: what a regression asks of a study."""

import warnings
from typing import Any

import numpy as np
from scipy import stats

from ..core.errors import DataError, ParameterError
from ..core.method import Method
from ..experience.splits import Split, kfold
from ..experience.table import Table
from ..explaining import bootstrap_coefficients
from ..measures import Measure, measures_for, pit
from .model import TableModel
from .question import Targeted
from .table_regressor import TableRegressor

_SHOWN = 2_000


class Regression(Targeted):
    """Which number belongs to these inputs?"""

    task = "regression"
    wanted = "a number"

    def __init__(self, y: np.ndarray, target: str, config: dict[str, Any]) -> None:
        if y.dtype.kind not in "fbiu":
            raise DataError(f"the target {target!r} holds words or dates; a regression needs numbers")
        for option in ("costs", "calibration"):
            if config.get(option):
                raise ParameterError(f"{option} are for labels, and {target!r} is learned as a number")

    def read(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = y.astype(np.float64)
        return y, np.isfinite(y)

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return kfold(len(y), k, seed=seed)

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> TableRegressor:
        return TableRegressor(method=method, expansion=expansion, kinds=kinds)

    def keep(self, model: TableModel, table: Table, y: np.ndarray) -> dict[str, np.ndarray]:
        kept = {"observed": y, "predicted": model.predict(table)}
        try:
            dist = model.predict_dist(table) if hasattr(model, "predict_dist") else None
        except DataError as error:  # as many parameters as rows, say: the predictions stand, the spread is unknown
            warnings.warn(f"no predictive distribution: {error}", UserWarning, stacklevel=2)
            dist = None
        if dist is not None:
            kept |= {"std": dist.std, "pit": pit(y, dist)}
            kept |= {
                m.name: m.terms(y, dist) for m in measures_for(self.task) if m.needs == "predict_dist" and m.has_terms
            }
        return {name: np.asarray(value, dtype=np.float64) for name, value in kept.items()}

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        if measure.needs == "predict":
            return float(measure.value(arrays["observed"], arrays["predicted"]))
        # Measures of distributions are means over rows, and their terms are kept.
        return float(arrays[measure.name].mean()) if measure.name in arrays else None

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        if measure.needs == "predict":
            return [float(end) for end in measure.interval(arrays["observed"], arrays["predicted"], level)]
        terms = arrays[measure.name]
        half = stats.norm.ppf((1 + level) / 2) * terms.std(ddof=1) / len(terms) ** 0.5
        return [float(terms.mean() - half), float(terms.mean() + half)]

    def check(self, measure: Measure) -> None:
        if (measure.needs == "predict_dist" and not measure.has_terms) or measure.better == "nominal":
            raise DataError(
                f"{measure.title} cannot rank methods by itself: take rmse, mae, r2, nll, crps or interval_score"
            )

    def settle(self, model: TableRegressor, arrays: dict[str, np.ndarray]) -> None:
        model.calibrate(arrays["observed"], arrays["predicted"], arrays.get("std"))

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        return {name: arrays[name].tolist() for name in ("observed", "predicted", "std") if name in arrays}

    def performance(self, outcome: Any) -> dict[str, Any]:
        arrays = outcome.unseen.arrays
        shown = np.sort(np.random.default_rng(0).permutation(len(arrays["observed"]))[:_SHOWN])
        low, high = _interval(outcome, 0.9)
        return {
            "observed": arrays["observed"][shown],
            "predicted": arrays["predicted"][shown],
            "low": low[shown],
            "high": high[shown],
            "level": 0.9,
            "calibration": _calibration(outcome),
        }

    def errors(self, outcome: Any, count: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
        arrays = outcome.unseen.arrays
        low, high = _interval(outcome, 0.9)
        worst = np.argsort(-np.abs(arrays["observed"] - arrays["predicted"]), kind="stable")[:count]
        said = [
            {
                "observed": float(arrays["observed"][i]),
                "predicted": float(arrays["predicted"][i]),
                "low": float(low[i]),
                "high": float(high[i]),
            }
            for i in worst
        ]
        return worst, said

    def evidence(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        return {
            "observed": arrays["observed"],
            "predicted": arrays["predicted"],
            "std": arrays.get("std"),
            "pit": arrays.get("pit"),
        }

    def coefficients(
        self, model: TableRegressor, X: Table, y: np.ndarray, seed: int
    ) -> tuple[list[dict[str, Any]], str]:
        standardised = (y - model.target_mean_) / model.target_scale_
        rows = bootstrap_coefficients(model.method_, model.numbers(X), standardised, model.get_names(), seed=seed)
        for row in rows:
            for part in ("value", "low", "high"):
                row[part] = None if row[part] is None else row[part] * model.target_scale_
        return rows, (
            "Numeric columns were standardised first: a coefficient is the change of the target for one standard "
            "deviation of the column; that of a level, the difference from the level left out."
        )


def _interval(outcome: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated intervals for the rows of the folds."""
    arrays, model = outcome.unseen.arrays, outcome.model
    quantiles = model.residual_quantiles_
    q = np.interp([(1 - level) / 2, (1 + level) / 2], np.linspace(0, 1, len(quantiles)), quantiles)
    scale = arrays["std"] if model.residuals_scaled_ else 1.0
    return arrays["predicted"] + scale * q[0], arrays["predicted"] + scale * q[1]


def _calibration(outcome: Any) -> dict[str, Any]:
    """How often central intervals hold the target of an unseen row: the method's own, else those set by errors.

    The latter are judged on each fold with the errors on the other folds, as a new row would be; of a single part that
    was held out, on each half with the errors on the other.
    """
    if "pit" in outcome.unseen.arrays:
        pit_, whose = outcome.unseen.arrays["pit"], "those of the method's own predictive distribution"
    else:
        errors = [cell.arrays["observed"] - cell.arrays["predicted"] for cell in outcome.cells]
        errors = errors if len(errors) > 1 else [errors[0][::2], errors[0][1::2]]
        others = [np.sort(np.concatenate(errors[:f] + errors[f + 1 :])) for f in range(len(errors))]
        sides = [
            (np.searchsorted(o, e, "left") + np.searchsorted(o, e, "right")) / (2 * len(o))
            for o, e in zip(others, errors, strict=True)
        ]
        pit_, whose = np.concatenate(sides), "set by the errors on the other folds, as 'peira predict --interval' does"
    nominal = np.linspace(0.05, 0.95, 19)
    distance = 2 * np.abs(pit_ - 0.5)
    inside = [float(np.mean(distance <= level)) for level in nominal]
    return {"nominal": nominal, "empirical": inside, "rows": len(pit_), "whose": whose}
