r"""How many clusters? Five answers, none of which is the truth.

With W_K the sum of squared distances to the means of K clusters:

* **gap**: how much smaller log W is than for data without clusters, rows drawn evenly from the box along the
  principal directions,

  .. math:: \mathrm{Gap}(K) = E^*[\log W_K] - \log W_K

  The answer is the smallest K whose gap is no less than that of K + 1 minus its standard error
  :math:`s_{K+1} = sd \sqrt{1 + 1/B}`, for B drawn sets. It can be one: no clusters.
* **silhouette**: the largest mean silhouette. At least two.
* **elbow**: the point of the curve of W that is farthest from the chord between its ends. A habit rather than a theory.
* **bic**: the lowest Bayesian information criterion, of methods that have a likelihood and a ``bic``.
* **stability**: two subsamples of 80 % of the rows are clustered, and compared on the rows that they share by the
  adjusted Rand index. The same is done with rows drawn evenly from the box. The answer is the K that gains most over
  that; one, if none gains by two standard errors.

Look at the table and at the picture of it before the answer.

Cost: a fit for each K; B more for "gap", 4 B for "stability"; N^2 D for a silhouette.

Reference: Tibshirani, Walther & Hastie (2001), Journal of the Royal Statistical Society B 63, 411-423, eqs 3 and 4 and
the algorithm of section 4; Rousseeuw (1987), Journal of Computational and Applied Mathematics 20, 53-65; Ben-Hur,
Elisseeff & Guyon (2002), Pacific Symposium on Biocomputing 7, 6-17 (stability).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone

from ..core import Clusterer, DataError, ParameterError
from ..core.axes import axes_for
from ..core.inputs import open_matrix
from ..core.seeds import derive, draw_seed
from ..measures.clusters import scatter, silhouette_score
from ..measures.partitions import adjusted_rand_score

By = Literal["silhouette", "gap", "bic", "elbow", "stability"]
SHARE = 0.8  # of the rows in a subsample


@dataclass(frozen=True, eq=False)
class ClusterNumbers:
    """A table of numbers of clusters and what speaks for them.

    Attributes
    ----------
    by : str
    answer : int
        The number that the criterion picks.
    why : str
        The rule, with the figures that decided.
    table : dict of str to array
        "n_clusters", "value" (higher is better, but for "bic" and "elbow"), "error" (standard errors, where there are
        any), and for "gap" and "stability" the value of the data and of data without clusters.
    """

    by: str
    answer: int
    why: str
    table: dict[str, np.ndarray]

    def __repr__(self) -> str:
        names = list(self.table)
        rows = [[f"{v:.4g}" if name != "n_clusters" else str(int(v)) for name, v in zip(names, line, strict=True)]
                for line in zip(*self.table.values(), strict=True)]  # fmt: skip
        widths = [max(len(name), *(len(row[i]) for row in rows)) for i, name in enumerate(names)]
        lines = ["  ".join(v.rjust(width) for v, width in zip(row, widths, strict=True)) for row in [names, *rows]]
        return "\n".join([*lines, f"{self.answer} by {self.by}: {self.why}"])

    def plot(self, ax: Any = None) -> Any:
        """The value against the number of clusters, with two standard errors, and the answer; returns the Axes."""
        ax = axes_for(ax, 6, 4)
        K, value = self.table["n_clusters"], self.table["value"]
        known = np.isfinite(value)
        if "error" in self.table:
            error = 2 * np.nan_to_num(self.table["error"])
            ax.fill_between(K, value - error, value + error, color="C0", alpha=0.15, linewidth=0)
        ax.plot(K[known], value[known], "o-", color="C0", markersize=4)
        if self.by == "elbow":
            ax.plot(K[[0, -1]], value[[0, -1]], ":", color="0.5", linewidth=1)
        ax.axvline(self.answer, color="C3", linewidth=1, linestyle="--")
        ax.annotate(
            f"{self.answer}", (self.answer, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
            textcoords="offset points", color="C3", va="top",
        )  # fmt: skip
        ax.set(xlabel="number of clusters", ylabel=LABELS[self.by], xticks=K)
        ax.spines[["top", "right"]].set_visible(False)
        return ax


LABELS = {
    "silhouette": "mean silhouette",
    "gap": "gap",
    "bic": "BIC (lower is better)",
    "elbow": "sum of squares within clusters",
    "stability": "adjusted Rand index over that without clusters",
}


def choose_n_clusters(
    method: Clusterer,
    X: Any,
    n_clusters: Iterable[int] = range(1, 11),
    *,
    by: By = "silhouette",
    n_references: int = 20,
    random_state: Any = None,
) -> ClusterNumbers:
    """Compare numbers of clusters.

    Parameters
    ----------
    method : Clusterer
        With a parameter ``n_clusters`` or ``n_components``; it is copied, not fitted.
    X : array, frame or tensor of shape (N, D)
    n_clusters : iterable of int, default 1 to 10
        Whole numbers from 1; "silhouette" leaves out 1 and N.
    by : "silhouette", "gap", "bic", "elbow" or "stability"
        See `peira.latent.choosing_clusters`.
    n_references : int, default 20
        Sets drawn without clusters (B), and pairs of subsamples.
    random_state : int, optional
        Seed of the draws, and of the method where it has one.

    Returns
    -------
    ClusterNumbers

    Raises
    ------
    ParameterError
        If the method has no number of clusters, or no ``bic`` where it is asked for; for an unknown criterion.
    DataError
        If the numbers do not suit the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import KMeans
    >>> from peira.latent.choosing_clusters import choose_n_clusters
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(c, 0.3, size=(30, 2)) for c in (0, 3, 6)])
    >>> choose_n_clusters(KMeans(n_init=5), X, range(1, 6), by="gap", random_state=0).answer
    3
    """
    if by not in CRITERIA:
        raise ParameterError(f"'by' is one of {', '.join(CRITERIA)}; got {by!r}")
    name = next((n for n in ("n_clusters", "n_components") if n in method.get_params()), None)
    if name is None:
        raise ParameterError(f"{type(method).__name__} finds its number of clusters by itself: there is none to choose")
    rows = open_matrix(X, owner="choose_n_clusters").X.numpy(force=True)
    numbers = sorted({int(k) for k in n_clusters})
    if not numbers or numbers[0] < 1 or numbers[-1] > len(rows):
        raise DataError(f"numbers of clusters should lie between 1 and the {len(rows)} rows, got {numbers}")
    seed = draw_seed(random_state)

    def fitted(rows: np.ndarray, K: int, *path: int) -> Any:
        copy = clone(method).set_params(**{name: K})
        if "random_state" in copy.get_params():
            copy.set_params(random_state=derive(seed, K, *path))
        return copy.fit(rows)

    return CRITERIA[by](fitted, rows, numbers, n_references, np.random.default_rng(seed))


def _labels(found: Any) -> np.ndarray:
    return np.asarray(found.labels_)


def _within(rows: np.ndarray, labels: np.ndarray) -> float:
    """W, without the rows that belong to no cluster."""
    kept = labels >= 0
    return scatter(rows[kept], labels[kept]).within if kept.any() else 0.0


def _silhouette(fitted: Callable, rows: np.ndarray, numbers: list[int], B: int, rng: Any) -> ClusterNumbers:
    numbers = [k for k in numbers if 2 <= k < len(rows)]
    if not numbers:
        raise DataError("a silhouette needs from 2 to N - 1 clusters")
    values = []
    for K in numbers:
        labels = _labels(fitted(rows, K))
        kept = labels >= 0
        several = 2 <= len(set(labels[kept].tolist())) < kept.sum()
        values.append(silhouette_score(rows[kept], labels[kept]) if several else np.nan)
    value = np.array(values)
    if np.isnan(value).all():
        raise DataError("no number gave several clusters with several rows: there is no silhouette to compare")
    best = int(np.nanargmax(value))
    return ClusterNumbers(
        "silhouette", numbers[best], f"the largest mean silhouette, {value[best]:.3f}; it can't answer one",
        {"n_clusters": np.array(numbers), "value": value},
    )  # fmt: skip


def _gap(fitted: Callable, rows: np.ndarray, numbers: list[int], B: int, rng: Any) -> ClusterNumbers:
    box = _Box(rows)
    sets = [box.draw(rng) for _ in range(B)]
    W = np.array([_within(rows, _labels(fitted(rows, K))) for K in numbers])
    if (W <= 0).any():
        K = numbers[int(np.argmax(W <= 0))]
        raise DataError(f"nothing varies within {K} clusters, and the gap has no logarithm of zero: ask for fewer")
    reference = np.log([[_within(rows, _labels(fitted(rows, K, b + 1))) for b, rows in enumerate(sets)]
                        for K in numbers])  # fmt: skip
    gap = reference.mean(1) - np.log(W)
    error = reference.std(1) * np.sqrt(1 + 1 / B)
    table = {"n_clusters": np.array(numbers), "value": gap, "error": error, "log_within": np.log(W),
             "without_clusters": reference.mean(1)}  # fmt: skip
    for i in range(len(numbers) - 1):
        if gap[i] >= gap[i + 1] - error[i + 1]:
            why = (f"the smallest whose gap, {gap[i]:.3f}, is no less than the next one's minus its standard error, "
                   f"{gap[i + 1]:.3f} - {error[i + 1]:.3f}")  # fmt: skip
            return ClusterNumbers("gap", numbers[i], why, table)
    return ClusterNumbers("gap", numbers[-1], "the gap still grows at the last number: ask for more", table)


def _bic(fitted: Callable, rows: np.ndarray, numbers: list[int], B: int, rng: Any) -> ClusterNumbers:
    models = [fitted(rows, K) for K in numbers]
    if not hasattr(models[0], "bic"):
        raise ParameterError(f"{type(models[0]).__name__} has no likelihood, and so no bic; take a mixture")
    value = np.array([model.bic(rows) for model in models])
    best = int(value.argmin())
    return ClusterNumbers(
        "bic", numbers[best], f"the lowest, {value[best]:.2f}", {"n_clusters": np.array(numbers), "value": value}
    )


def _elbow(fitted: Callable, rows: np.ndarray, numbers: list[int], B: int, rng: Any) -> ClusterNumbers:
    if len(numbers) < 3:
        raise DataError("an elbow needs three numbers of clusters at least")
    W = np.array([_within(rows, _labels(fitted(rows, K))) for K in numbers])
    K = np.array(numbers, dtype=float)
    x, y = (K - K[0]) / (K[-1] - K[0]), (W - W[-1]) / max(W[0] - W[-1], np.finfo(float).tiny)
    below = (1 - x - y) / np.sqrt(2)  # distance to the chord from (0, 1) to (1, 0)
    best = int(below.argmax())
    table = {"n_clusters": np.array(numbers), "value": W, "below_chord": below}
    return ClusterNumbers("elbow", numbers[best], f"farthest below the chord, by {below[best]:.3f} of the axes", table)


def _stability(fitted: Callable, rows: np.ndarray, numbers: list[int], B: int, rng: Any) -> ClusterNumbers:
    numbers = [k for k in numbers if 2 <= k <= SHARE * len(rows)]
    if not numbers:
        raise DataError("stability needs two clusters at least, and no more than 80 % of the rows")
    box = _Box(rows)
    pairs = [(rows, *_two_parts(len(rows), rng)) for _ in range(B)]
    empty = [(box.draw(rng), *_two_parts(len(rows), rng)) for _ in range(B)]
    agreed, chance = (
        np.array([[_agreement(fitted, *pair, K, b) for b, pair in enumerate(sets)] for K in numbers])
        for sets in (pairs, empty)
    )
    value = agreed.mean(1) - chance.mean(1)
    error = np.sqrt((agreed.var(1, ddof=1) + chance.var(1, ddof=1)) / B) if B > 1 else np.full(len(value), np.inf)
    table = {"n_clusters": np.array(numbers), "value": value, "error": error, "adjusted_rand": agreed.mean(1),
             "without_clusters": chance.mean(1)}  # fmt: skip
    best = int(value.argmax())
    if value[best] <= 2 * error[best]:
        why = f"no partition is more stable than that of data without clusters: {value[best]:.3f} more at best"
        return ClusterNumbers("stability", 1, why, table)
    why = f"its subsamples agree by {agreed[best].mean():.3f}, {value[best]:.3f} more than without clusters"
    return ClusterNumbers("stability", numbers[best], why, table)


def _two_parts(N: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.sort(rng.permutation(N)[: max(2, int(SHARE * N))]) for _ in range(2))
    return first, second


def _agreement(fitted: Callable, rows: np.ndarray, first: np.ndarray, second: np.ndarray, K: int, b: int) -> float:
    """Adjusted Rand index of two clusterings on the rows that both have seen."""
    one, two = (_labels(fitted(rows[part], K, b, i)) for i, part in enumerate((first, second)))
    _, at, other = np.intersect1d(first, second, return_indices=True)
    return adjusted_rand_score(one[at], two[other])


class _Box:
    """Rows without clusters: even in the box along the principal directions (Tibshirani et al. 2001, 3b)."""

    def __init__(self, rows: np.ndarray) -> None:
        self.mean = rows.mean(0)
        _, _, self.V = np.linalg.svd(rows - self.mean, full_matrices=False)
        scores = (rows - self.mean) @ self.V.T
        self.low, self.high, self.N = scores.min(0), scores.max(0), len(rows)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(self.low, self.high, size=(self.N, len(self.low))) @ self.V + self.mean


CRITERIA: dict[str, Callable[..., ClusterNumbers]] = {
    "silhouette": _silhouette,
    "gap": _gap,
    "bic": _bic,
    "elbow": _elbow,
    "stability": _stability,
}
