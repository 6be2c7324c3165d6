"""Things that are no rows of a table, such as images and sequences, with a label or a number beside each."""

from abc import abstractmethod
from collections import Counter
from typing import Any

import numpy as np

from ..core.iteration import limiting, task
from ..diagnosis.learning_curve import learning_curve
from .material import Material

SHARES = (0.1, 0.25, 0.5)
"""Of the training items, that a learning curve takes beside all of them."""
_CURVE_SECONDS = 60.0
_CLASSES, _EACH = 20, 8
_CONFUSIONS, _OF_ONE = 8, 4
_BANDS = 4
"""Groups by size that items with a number each are shown in."""


class ItemsMaterial(Material):
    """Base of what has a label or a number beside each item and can be drawn."""

    notes: list[str]
    task: str = "classification"
    """What is asked of it, as the study decided."""
    of_files: bool = True
    """Whether each item may lie in a file of its own, which may be damaged."""

    @abstractmethod
    def drawn(self, rows: Any) -> list[str]:
        """Some items as texts: the base64 of a PNG each."""

    def look(self, row: int) -> dict[str, Any]:
        return {"picture": self.drawn([row])[0]} if self.task == "classification" else {"values": self.told(row)}

    def told(self, row: int) -> dict[str, Any]:
        """An item in a few numbers, by their names."""
        return {}

    def explanation(self, outcome: Any) -> dict[str, Any]:
        return {"importance": [], "coefficients": [], "note": ""}

    def data_section(self, outcome: Any) -> dict[str, Any]:
        study = outcome.study
        decisions = [
            f"{len(self.X):,} {self.inputs}",
            *self.notes,
            f"a {'label' if self.task == 'classification' else 'number'} stands beside each {self.item}: its "
            f"{self.target} is to be predicted",
            *study.question.decisions,
            *study.question.protocol(study.candidates, study.folds, study.config.get("budget")),
        ]
        return {"decisions": decisions, "duplicates": self.repeated, "columns": []}

    def curve(self, outcome: Any) -> dict[str, Any]:
        """Performance against the number of items, on the first fold; the last size is the fit of the study itself."""
        study, cell, item = outcome.study, outcome.cells[0], self.item
        none: dict[str, Any] = {"sizes": [], "train": [], "validation": [], "doubling": None}
        if any(c.cut for c in outcome.cells):
            return none | {
                "sentence": f"Whether more {item}s would help was not measured: the fits were ended by their share of "
                f"the budget, and fits on fewer {item}s would have gone through them more often."
            }
        train, test = study.folds[0]
        seconds = _CURVE_SECONDS
        if (budget := study.config.get("budget")) is not None:
            seconds = min(seconds, max(0.0, budget - outcome.run.state["seconds"] - cell.fit_seconds))
        if cell.fit_seconds * sum(SHARES) > seconds:
            shares = ", ".join(f"{share:.0%}" for share in SHARES)
            return none | {
                "sentence": f"Whether more {item}s would help was not measured: fits on {shares} of them would have "
                f"taken about {cell.fit_seconds * sum(SHARES):.0f} s more."
            }
        with limiting(seconds), task("learning curve"):
            return learning_curve(
                outcome.model, study.X, study.y, [(train, test)], study.measure, study.config["seed"],
                shares=SHARES, last=(len(train), cell.train_score, cell.score),
            )  # fmt: skip

    def samples(self, outcome: Any) -> dict[str, Any]:
        """Some items of each label, or of each band of numbers, drawn by chance."""
        rng, groups = np.random.default_rng(0), self._groups(outcome.study)
        order = np.argsort([-len(rows) for _, rows in groups], kind="stable")[:_CLASSES]
        chosen = [(*groups[g], np.sort(rng.permutation(groups[g][1])[:_EACH])) for g in np.sort(order)]
        texts = iter(self.drawn([row for *_, rows in chosen for row in rows]))
        samples = [
            {
                "label": name,
                "count": len(all_rows),
                "pictures": [{"png": next(texts), "name": str(self.called(np.array([row]))[0])} for row in rows],
            }
            for name, all_rows, rows in chosen
        ]
        return {"samples": samples, "samples_left_out": len(groups) - len(samples)}

    def _groups(self, study: Any) -> list[tuple[str, np.ndarray]]:
        """Names and rows of what is shown together: items of one label, or with numbers of like size."""
        if self.task == "classification":
            return [(str(label), np.flatnonzero(study.y == label)) for label in study.question.classes]
        bands = np.array_split(np.argsort(study.y, kind="stable"), min(_BANDS, len(study.y)))
        return [(f"{study.y[rows[0]]:.4g} to {study.y[rows[-1]]:.4g}", np.sort(rows)) for rows in bands]

    def confusions(self, outcome: Any) -> list[dict[str, Any]]:
        """The most frequent mistakes, each with the items that were taken wrongly with most confidence."""
        if self.task != "classification":
            return []
        arrays, classes = outcome.unseen.arrays, outcome.study.question.classes
        observed, predicted = arrays["observed"], arrays["predicted"]
        sure = arrays["probs"][np.arange(len(predicted)), predicted]
        wrong = np.flatnonzero(observed != predicted)
        pairs = Counter(zip(observed[wrong].tolist(), predicted[wrong].tolist(), strict=True))
        found = []
        for (a, b), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_CONFUSIONS]:
            these = wrong[(observed[wrong] == a) & (predicted[wrong] == b)]
            found.append((a, b, count, these[np.argsort(-sure[these], kind="stable")][:_OF_ONE]))
        texts = iter(self.drawn([outcome.unseen.rows[i] for *_, these in found for i in these]))
        names = self.called(outcome.unseen.rows)
        return [
            {
                "observed": str(classes[a]),
                "predicted": str(classes[b]),
                "count": count,
                "of": int(np.sum(observed == a)),
                "pictures": [{"png": next(texts), "name": str(names[i]), "probability": float(sure[i])} for i in these],
            }
            for a, b, count, these in found
        ]
