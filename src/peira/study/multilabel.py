"""A set of labels for each row: what columns of 0s and 1s ask of a study."""

from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.method import Method
from ..core.predictive import Categorical
from ..experience.splits import Split, label_stratified
from ..experience.table import Table
from ..measures import Measure
from .model import TableModel
from .question import Targeted
from .table_label_sets import TableLabelSets, in_words


class Multilabel(Targeted):
    """Which labels, any number of them, belong to these inputs?

    Attributes
    ----------
    names : array of shape (L,)
        The labels: names of the columns.
    counts : array of shape (L,)
        How many rows have each.
    """

    task = "multilabel"

    def __init__(self, y: np.ndarray, target: str, config: dict[str, Any]) -> None:
        for option in ("costs", "calibration"):
            if config.get(option):
                raise ParameterError(f"{option} are for one label a row, and {target!r} are learned as a set of them")
        self.names = np.array(config["labels"])
        Y, known = self.read(y)
        self.counts, self.rows = Y[known].sum(0), int(known.sum())

    @property
    def wanted(self) -> str:
        return f"any number of {len(self.names)} labels"

    @property
    def sizes(self) -> dict[str, int]:
        return {"C": len(self.names)}

    def read(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            Y = y.astype(np.float64)
        except ValueError:
            raise DataError(
                f"the columns of labels ({', '.join(self.names[:5])}) must hold 0 and 1, not words"
            ) from None
        known = ~np.isnan(Y).any(1)
        strange = ((Y != 0) & (Y != 1) & known[:, None]).nonzero()
        if len(strange[0]):
            row, label = (int(place[0]) for place in strange)
            raise DataError(
                f"column {str(self.names[label])!r} holds {Y[row, label]:g}: several targets are learned together as a "
                "set of labels, and each must hold 1 where a row has the label and 0 where not; numbers: one at a time"
            )
        return np.where(known[:, None], Y, 0).astype(np.int64), known

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return label_stratified(y, k, seed=seed)

    def hold_out(self, y: np.ndarray, share: float, seed: int) -> Split:
        """A part with nearly the same share of every label."""
        return self.split(y, max(2, round(1 / share)), seed)[:1]

    def model(self, method: Method | None, expansion: str, kinds: dict[str, Any]) -> TableLabelSets:
        return TableLabelSets(method=method, expansion=expansion, kinds=kinds, labels=self.names.tolist())

    def check(self, measure: Measure) -> None:
        if measure.better == "nominal":
            raise DataError(f"{measure.title} cannot rank methods by itself: take log_loss, f1_macro or hamming_loss")

    def keep(self, model: TableModel, table: Table, y: np.ndarray) -> dict[str, np.ndarray]:
        P = np.asarray(model.predict_dist(table).probs)[..., 1]
        return {"observed": y, "predicted": (P > 0.5).astype(np.int64), "probs": P}

    def value(self, arrays: dict[str, np.ndarray], measure: Measure) -> float | None:
        return float(measure.value(*self._asked(arrays, measure)))

    def interval(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> list[float]:
        return [float(end) for end in measure.interval(*self._asked(arrays, measure), level)]

    def _asked(self, arrays: dict[str, np.ndarray], measure: Measure) -> tuple[np.ndarray, Any]:
        if measure.needs == "predict":
            return arrays["observed"], arrays["predicted"]
        P = arrays["probs"]
        return arrays["observed"], Categorical(np.stack([1 - P, P], 2))

    def columns(self, arrays: dict[str, np.ndarray]) -> dict[str, list]:
        told = {who: in_words(arrays[who] == 1, self.names).tolist() for who in ("observed", "predicted")}
        return told | {f"p({name})": arrays["probs"][:, i].tolist() for i, name in enumerate(self.names)}

    def performance(self, outcome: Any) -> dict[str, Any]:
        """How well each label is told, and how many labels rows have against how many they are given."""
        arrays = outcome.unseen.arrays
        T, F, P = arrays["observed"] == 1, arrays["predicted"] == 1, arrays["probs"]
        right, told, true = (T & F).sum(0), F.sum(0), T.sum(0)
        precision = self.measure("average_precision")
        rows = [
            {
                "label": str(name),
                "support": int(true[i]),
                "share": float(true[i] / len(T)),
                "precision": float(right[i] / told[i]) if told[i] else None,
                "recall": float(right[i] / true[i]) if true[i] else None,
                "f1": float(2 * right[i] / (told[i] + true[i])) if told[i] + true[i] else None,
                "average_precision": self.value({"observed": T[:, [i, i]] * 1, "probs": P[:, [i, i]]}, precision),
            }
            for i, name in enumerate(self.names)
        ]
        most = int(max(T.sum(1).max(), F.sum(1).max())) + 1
        counts = [np.bincount(had.sum(1), minlength=most).tolist() for had in (T, F)]
        return {"label_sets": rows, "set_sizes": {"observed": counts[0], "predicted": counts[1]}}

    def errors(self, outcome: Any, count: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """The rows whose set was told wrong, those with the largest log loss first."""
        arrays = outcome.unseen.arrays
        T, F, P = arrays["observed"] == 1, arrays["predicted"] == 1, arrays["probs"]
        loss = -np.log(np.maximum(np.where(T, P, 1 - P), np.finfo(np.float64).eps)).mean(1)
        wrong = np.flatnonzero((T != F).any(1))
        worst = wrong[np.argsort(-loss[wrong], kind="stable")[:count]]
        said = [
            {
                "lacking": ", ".join(self.names[T[i] & ~F[i]].tolist()) or "none",
                "too_many": ", ".join(self.names[F[i] & ~T[i]].tolist()) or "none",
                "observed": ", ".join(self.names[T[i]].tolist()) or "none",
                "loss": float(loss[i]),
            }
            for i in worst
        ]
        return worst, said

    def evidence(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        return {"observed": arrays["observed"], "predicted": arrays["predicted"]}

    def coefficients(self, model: TableModel, X: Table, y: np.ndarray, seed: int) -> tuple[list[dict[str, Any]], str]:
        return [], "The method has one weight for each label and column; peira.load gives them as coef_."

    def plain(self, arrays: dict[str, np.ndarray], measure: Measure, level: float) -> dict[str, Any] | None:
        return None

    @property
    def decisions(self) -> list[str]:
        """What was decided about the labels, in sentences."""
        mean = self.counts.sum() / self.rows
        return [
            f"a row has {mean:.2g} of {len(self.names)} labels on average; a row of 0s has none, which counts too",
            "folds are dealt out so that each holds nearly the same share of every label (Sechidis et al. 2011)",
            "a label is told where its probability is above one half",
        ]
