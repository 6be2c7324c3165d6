"""Which rows belong together: what a clustering asks of a study."""

from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError
from ..core.params import Parameter
from ..experience.splits import Split
from ..measures import (
    Measure,
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    dunn_index,
    normalized_mutual_info_score,
    silhouette_samples,
)
from .model import TableModel
from .untargeted import Untargeted, few, halves, known_labels, number_of_parts

MOST = 10
"""Clusters that are tried, from 2 on, where a method does not choose their number itself."""
STARTS = 5
"""Starts of a method that may end in a poor optimum: one that does would be taken for a poor number of clusters."""
_INDICES = {
    "calinski_harabasz": calinski_harabasz_score,
    "davies_bouldin": davies_bouldin_score,
    "dunn": dunn_index,
}


class Clustering(Untargeted):
    """Which rows belong together?

    Each fold is a pair of halves. The clusters that one half teaches are given to the rows of the other, and judged
    there: are they compact and apart (the silhouette), and are they those that the other half teaches (stability)?
    """

    task = "clustering"
    measures: ClassVar[tuple[str, ...]] = (
        "silhouette", "stability", "calinski_harabasz", "davies_bouldin", "dunn", "log_likelihood", "adjusted_rand",
        "normalized_mutual_info",
    )  # fmt: skip
    margin = 0.02  # more clusters have to be worth it
    judged: ClassVar[tuple[str, ...]] = ("adjusted_rand", "normalized_mutual_info")

    @property
    def wanted(self) -> str:
        return "the cluster that it belongs to"

    @property
    def judges_seen_rows(self) -> bool:
        return False

    def split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return halves(len(y), k, seed)

    def inner_split(self, y: np.ndarray, k: int, seed: int) -> Split:
        return halves(len(y), 2, seed)

    def settings(self, parameters: dict[str, Parameter], budget: int) -> list[dict[str, Any]]:
        """Two to ten clusters where a method is told their number, else the settings that it names."""
        name = number_of_parts(parameters)
        if name is None:
            return super().settings(parameters, budget)
        starts = {"n_init": STARTS} if "n_init" in parameters else {}
        return [{name: K, **starts} for K in range(2, min(MOST, max(self.rows // 6, 2)) + 1)]

    def kept(self, model: TableModel, Z: np.ndarray, y: np.ndarray, only: str | None) -> dict[str, np.ndarray]:
        labels = np.asarray(model.answer("predict", Z)).astype(np.int64)
        arrays: dict[str, np.ndarray] = {"predicted": labels}
        if only in (None, "silhouette"):
            arrays["silhouette"] = silhouettes(Z, labels)
        if only in (None, "log_likelihood") and hasattr(model.method_, "log_prob"):
            arrays["log_likelihood"] = np.asarray(model.answer("log_prob", Z))
        whole: dict[str, float] = {}
        if only in (None, "stability"):
            twin = type(model)(**model.get_params(deep=False)).learn(Z, None)
            whole["stability"] = adjusted_rand_score(twin.labels_, labels)
        part = few(len(Z))
        for name, index in _INDICES.items():
            if only in (None, name) and 2 <= len(np.unique(labels[part])) < len(part):
                whole[name] = index(Z[part], labels[part])
        known = known_labels(y) if self.judge is not None else None
        if known is not None:
            whole["adjusted_rand"] = adjusted_rand_score(y[known], labels[known])
            whole["normalized_mutual_info"] = normalized_mutual_info_score(y[known], labels[known])
        return arrays | {name: np.full(len(Z), value) for name, value in whole.items()}

    def check(self, measure: Measure) -> None:
        super().check(measure)
        if measure.name == "log_likelihood":
            raise DataError("the log likelihood compares densities, not clusters: ask for it with --task density")


def silhouettes(Z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The silhouette of each row, NaN for rows that were not looked at.

    A row that belongs to no cluster counts as zero, which is between two clusters; so does every row where fewer than
    two clusters were found.
    """
    terms = np.full(len(Z), np.nan)
    part = few(len(Z))
    terms[part] = 0.0
    inside = part[labels[part] >= 0]
    if 2 <= len(np.unique(labels[inside])) < len(inside):
        terms[inside] = silhouette_samples(Z[inside], labels[inside])
    return terms
