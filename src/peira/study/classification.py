"""A label for each row: what a classification asks of a study."""

import json
from typing import Any

import numpy as np

from ..core.errors import DataError, closest
from ..core.method import Method
from ..core.predictive import Categorical
from ..experience.splits import Split, holdout, stratified
from ..experience.table import Table
from ..explaining import bootstrap_coefficients
from ..measures import Measure, expected_cost, get_measure
from .classes import FEW, RARE, class_table, decision_regions, performance
from .model import TableModel
from .question import Targeted
from .table_classifier import Calibration, TableClassifier, cheapest, mistake_costs


class Classification(Targeted):
    """Which label belongs to these inputs?

    Attributes
    ----------
    classes : array of shape (C,)
        All labels of the table, sorted; kept answers speak of positions in it.
    counts : array of shape (C,)
    costs : list of (true, predicted, cost), or None
    notes : list of str
        What was decided about labels of further tables.
    """

    task = "classification"

    def __init__(self, y: np.ndarray, target: str, config: dict[str, Any]) -> None:
        if y.dtype.kind == "f" and (fractions := y[np.isfinite(y) & (y != np.floor(y))]).size:
            raise DataError(
                f"the target {target!r} holds numbers with fractions, such as {fractions[0]}: learn it with "
                "--task regression, or cut it into named classes"
            )
        self.target, self.notes = target, []
        self.classes, self.counts = np.unique(self.read(y)[0], return_counts=True)
        if len(self.classes) > max(2, len(y) // 2):
            raise DataError(
                f"the target {target!r} holds {len(self.classes)} different labels in {len(y)} rows: too few rows of "
                "each to learn from; is it an identifier?"
            )
        self.calibration: Calibration = config.get("calibration") or "none"
        self.costs = [tuple(c) for c in json.loads(config["costs"])] if config.get("costs") else None
        if self.costs:
            mistake_costs(self.costs, self.classes)

    @property
    def wanted(self) -> str:
        names = [str(label) for label in self.classes[:4].tolist()]
        words = ", ".join(names) + (", ..." if len(self.classes) > 4 else "")
        return f"one of {len(self.classes)} labels ({words})"

    @property
    def sizes(self) -> dict[str, int]:
        return {"C": len(self.classes)}

    def read(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.array([v is not None and v == v for v in y]) if y.dtype.kind == "O" else y == y
        labels = y.copy()
        if y.dtype.kind == "f":
            labels = np.where(known, y, 0).astype(np.int64)
        elif y.dtype.kind == "O":
            labels[~known] = ""
            labels = labels.astype(str)
        if hasattr(self, "classes") and (strange := known & ~np.isin(labels, self.classes)).any():
            labels = self._respelt(labels, known, strange)
        return labels, known

    def _respelt(self, labels: np.ndarray, known: np.ndarray, strange: np.ndarray) -> np.ndarray:
        """Labels of a further table that are the known ones but for spaces, capitals or a full stop, as these.

        The test table of Adult writes '<=50K.' for '<=50K'. It is done for all labels or for none, and said.
        """
        there = np.unique(labels[known])
        plain = {str(c).strip(" .").casefold(): c for c in self.classes}
        meant = {label: plain.get(str(label).strip(" .").casefold()) for label in there}
        clear = len(plain) == len(self.classes) and len(set(meant.values())) == len(meant)
        if None in meant.values() or not clear or labels.dtype.kind != "U":
            found = str(labels[strange][0])
            raise DataError(
                f"the column {self.target!r} holds the label {found!r} ({int(strange.sum())} rows with labels that "
                f"were not there to learn); {closest(found, [str(c) for c in self.classes])}"
            )
        changed = ", ".join(f"{str(label)!r} for {str(c)!r}" for label, c in meant.items() if label != c)
        self.notes.append(f"labels of the test table are spelt otherwise, and taken as meant: {changed}")
        return np.array([meant.get(label, label) for label in labels])

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        """Stratified folds; labels with fewer rows than folds are dealt out together."""
        return stratified(_strata(y, k), k, seed=seed)

    def hold_out(self, y: np.ndarray, share: float, seed: int) -> Split:
        """A part with nearly the same share of every label."""
        return holdout(len(y), share, seed=seed, y=_strata(y, max(2, round(1 / share))))

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> TableClassifier:
        return TableClassifier(
            method=method, expansion=expansion, kinds=kinds, calibration=self.calibration, costs=self.costs
        )

    def default_measure(self, name: str, rivals: int) -> Measure:
        return get_measure(name, self.task) if self.costs is None else self.measure("expected_cost")

    def measure(self, name: str) -> Measure:
        found = get_measure(name, self.task)
        if found.name != "expected_cost":
            return found
        return expected_cost(None if self.costs is None else mistake_costs(self.costs, self.classes), self.classes)

    def check(self, measure: Measure) -> None:
        if measure.better == "nominal":
            raise DataError(f"{measure.title} cannot rank methods by itself: take log_loss, accuracy, roc_auc or f1")

    def keep(self, model: TableModel, table: Table, y: np.ndarray) -> dict[str, np.ndarray]:
        P = np.zeros((len(table), len(self.classes)))
        place = np.searchsorted(self.classes, model.classes_)  # a fold may have lacked a label
        said = np.asarray(model.predict_dist(table).probs)
        P[:, place] = said
        return {
            "observed": np.searchsorted(self.classes, y).astype(np.int64),
            "predicted": place[cheapest(said, model.costs_)].astype(np.int64),
            "probs": P,
        }

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        return float(measure.value(*self._asked(arrays, measure)))

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        return [float(end) for end in measure.interval(*self._asked(arrays, measure), level)]

    def _asked(self, arrays: dict[str, np.ndarray], measure: Measure) -> tuple[np.ndarray, Any]:
        observed = self.classes[arrays["observed"]]
        if measure.needs == "predict":
            return observed, self.classes[arrays["predicted"]]
        return observed, Categorical(arrays["probs"], self.classes)

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        named = {name: self.classes[arrays[name]].tolist() for name in ("observed", "predicted")}
        return named | {f"p({label})": arrays["probs"][:, c].tolist() for c, label in enumerate(self.classes.tolist())}

    def performance(self, outcome: Any) -> dict[str, Any]:
        arrays = outcome.unseen.arrays
        shown = performance(arrays["observed"], arrays["predicted"], arrays["probs"], self.classes, self.costs)
        return shown | {"regions": decision_regions(outcome.model, outcome.study.X, outcome.study.y, self.classes)}

    def errors(self, outcome: Any, count: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """The most confident errors: the label that was true had the smallest probability."""
        arrays = outcome.unseen.arrays
        truth = arrays["probs"][np.arange(len(arrays["observed"])), arrays["observed"]]
        wrong = np.flatnonzero(arrays["observed"] != arrays["predicted"])
        worst = wrong[np.argsort(truth[wrong], kind="stable")[:count]]
        said = [
            {
                "observed": str(self.classes[arrays["observed"][i]]),
                "predicted": str(self.classes[arrays["predicted"][i]]),
                "probability": float(arrays["probs"][i, arrays["predicted"][i]]),
                "truth": float(truth[i]),
            }
            for i in worst
        ]
        return worst, said

    def evidence(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        return {
            "observed": arrays["observed"],
            "predicted": arrays["predicted"],
            "probs": arrays["probs"],
            "classes": [str(label) for label in self.classes],
            "table": class_table(arrays["observed"], arrays["predicted"], self.classes),
            "costs": self.costs,
            "calibration": self.calibration,
        }

    def coefficients(
        self, model: TableClassifier, X: Table, y: np.ndarray, seed: int
    ) -> tuple[list[dict[str, Any]], str]:
        if len(self.classes) > 2:
            return [], "The method has one weight for each label and column; peira.load gives them as coef_."
        rows = bootstrap_coefficients(model.method_, model.numbers(X), y, model.get_names(), seed=seed)
        return rows, (
            f"Numeric columns were standardised first: a coefficient is what one standard deviation of the column adds "
            f"to the score of {str(self.classes[1])!r} (to its log odds, in a logistic regression)."
        )

    def plain(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> dict[str, Any] | None:
        """How often the label is right, and how often the most frequent label is."""
        accuracy = self.measure("accuracy")
        if measure.name == accuracy.name:
            return None
        return {
            "title": accuracy.title,
            "value": self.value(arrays, accuracy),
            "interval": self.interval(arrays, accuracy, level),
            "baseline": float(self.counts.max() / self.counts.sum()),
        }

    @property
    def decisions(self) -> list[str]:
        """What was decided about the labels, in sentences."""
        told = ["folds are stratified: each holds nearly the same share of every label"]
        shares = self.counts / self.counts.sum()
        least = int(self.counts.argmin())
        if len(shares) > 1 and shares[least] < RARE / max(1.0, len(shares) / 2):
            told.append(
                f"the labels are unbalanced: {str(self.classes[least])!r} stands in {100 * shares[least]:.2g} % of the "
                "rows. Nothing is resampled or reweighted, since that would distort the probabilities: methods are "
                "compared by proper scores, and the decision follows the costs that --cost states"
            )
        if few := [str(c) for c, n in zip(self.classes, self.counts, strict=True) if n < FEW]:
            names = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
            told.append(f"labels with fewer than {FEW} to learn from: {names}")
        if self.calibration != "none":
            told.append(f"probabilities are calibrated ({self.calibration}) on rows that the method did not see")
        if self.costs:
            words = "; ".join(f"{said!s} for {true!s} costs {cost:g}" for true, said, cost in self.costs)
            told.append(f"the decision is the one of least expected cost: saying {words}; other mistakes cost 1")
        return told + self.notes


def _strata(y: np.ndarray, fewest: int) -> np.ndarray:
    """Labels to stratify by; those with too few rows for it are taken together."""
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    strata = np.array([str(c) for c in range(len(labels))])
    rare = counts < fewest
    strata[rare] = "rare" if counts[rare].sum() >= fewest else strata[counts.argmax()]
    return strata[codes].astype(object)
