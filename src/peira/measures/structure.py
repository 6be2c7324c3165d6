r"""Measures of structure without labels: how likely, how faithful, how stable.

* *Log likelihood*: the mean logarithm of the density that a model gives to rows that it had not seen, in nats; the
  expectation of it differs from that of the true density by the Kullback-Leibler divergence, so more is better whatever
  the model's form (Good 1952, "Rational decisions", Journal of the Royal Statistical Society B 14, 107-114).
* *Reconstruction*: with x' what the codes of a row x lead back to,

  .. math:: \frac{1}{N D} \sum_{nd} (x_{nd} - x'_{nd})^2

* *Trustworthiness* of a map: `peira.measures.embedding`, with 12 neighbours.

* *Agreement* and *stability* of scores: Spearman's rank correlation with the other methods' scores, and with those of a
  fit to other rows. *Stability* of a partition: Rand's adjusted index between what two fits say of the same rows.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from .arrays import numbers
from .classification import area_measure
from .embedding import trustworthiness
from .measure import Measure
from .partitions import adjusted_rand_score, normalized_mutual_info_score

NEIGHBOURS = 12
"""Neighbours that the measure called "trustworthiness" looks at."""


def rank_correlation(a: Any, b: Any) -> float:
    """Spearman's rank correlation of two scores of the same rows; 0 where one of them is constant."""
    a, b = (numbers(v, "the scores").ravel() for v in (a, b))
    return float(stats.spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def _log_density(X: Any, logs: Any, w: Any = None) -> np.ndarray:
    return np.reshape(np.asarray(logs, dtype=np.float64), (-1, 1))


def _squared(X: Any, back: Any, w: Any = None) -> np.ndarray:
    return ((numbers(X, "the rows") - numbers(back, "what the codes lead back to")) ** 2).mean(1, keepdims=True)


def _side_by_side(X: Any, codes: Any, w: Any = None) -> np.ndarray:
    """The number of columns of the rows, the rows, and their codes."""
    x, z = numbers(X, "the rows"), numbers(codes, "the codes")
    return np.column_stack([np.full(len(x), x.shape[1]), x, z])


def _trusted(items: np.ndarray, w: np.ndarray) -> float:
    D = int(items[0, 0])
    return trustworthiness(items[:, 1 : 1 + D], items[:, 1 + D :], n_neighbors=NEIGHBOURS)


def _pair(of: Any) -> Any:
    """A statistic of two columns as a whole, as the items and the reduction of a measure."""

    def items(a: Any, b: Any, w: Any = None) -> np.ndarray:
        return np.column_stack([np.unique(np.asarray(v), return_inverse=True)[1] for v in (a, b)]).astype(np.float64)

    return {"items": items, "reduce": lambda pair, w: of(pair[:, 0], pair[:, 1]), "statistic": "whole"}


def _partitions(name: str, title: str, of: Any, **more: Any) -> Measure:
    whole = _pair(lambda a, b: of(a.astype(np.int64), b.astype(np.int64)))
    return Measure(name, title, "higher", (-1, 1), "1: the same", "predict", **whole, tasks=("clustering",), **more)


def _scores(name: str, title: str) -> Measure:
    return Measure(name, title, "higher", (-1, 1), "a rank correlation", "predict", **_pair(rank_correlation),
                   tasks=("anomaly",))  # fmt: skip


_LIKELIHOOD: dict[str, Any] = {
    "title": "log likelihood of an unseen row", "better": "higher", "range": (-float("inf"), float("inf")),
    "units": "nats", "needs": "log_prob", "items": _log_density,
}  # fmt: skip

MEASURES = (
    Measure("log_likelihood", **_LIKELIHOOD, tasks=("density",)),
    Measure("reconstruction", "reconstruction error", "lower", (0, float("inf")), "variance of a standardised column",
            "inverse_transform", _squared, tasks=("reduction",)),
    Measure("trustworthiness", "trustworthiness of the map", "higher", (0, 1), "1: neighbours stay neighbours",
            "transform", _side_by_side, reduce=_trusted, statistic="whole", tasks=("reduction",),
            fewest=2 * NEIGHBOURS + 1),
    _scores("agreement", "agreement with the other detectors"),
    _scores("stability", "stability of the ranking"),
    replace(area_measure("roc_auc", "area under the ROC curve", "ovr", "macro"), tasks=("anomaly",)),
)  # fmt: skip

OF_PARTITIONS = (
    _partitions("stability", "stability of the clusters", adjusted_rand_score),
    _partitions("adjusted_rand", "adjusted Rand index", adjusted_rand_score, aliases=("adjusted_rand_score",)),
    _partitions("normalized_mutual_info", "normalised mutual information", normalized_mutual_info_score,
                aliases=("normalized_mutual_info_score", "nmi")),
    Measure("log_likelihood", **_LIKELIHOOD, tasks=("clustering",)),
)  # fmt: skip
"""They judge a partition by another one, or a density; those of `peira.measures.clusters`, by the points."""
