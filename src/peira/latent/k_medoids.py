r"""k-medoids: K of the items themselves as centres, for any distance.

.. math:: J(m) = \sum_n \min_k d(x_n, x_{m_k})

Only distances are needed, of any kind and even given as a matrix, and a centre is always a real item that can be looked
at. Partitioning around medoids swaps a medoid for another item as long as J falls. With d_1 and d_2 the distances of an
item n to the nearest medoid, of cluster r, and to the second, taking item x as a medoid in place of the i-th costs

.. math:: \Delta_{ix} = \sum_{n: r_n = i} (\min(d_{nx}, d_2(n)) - d_1(n)) + S_{ix}

.. math:: S_{ix} = \sum_{n: r_n \neq i} \min(d_{nx} - d_1(n), 0)

and one pass over the n gives it for all i at once: the sum of :math:`d_2 - d_1` is kept for each medoid, and x changes
only the terms of items that are nearer to x than to their second medoid. **FasterPAM** takes any swap that lowers J as
soon as it is met, and ends after a round of all items without one: a local minimum of all single swaps.

**Start**: "build" takes greedily the item that lowers J most; "k-medoids++" draws items as in k-means++, with a
probability that grows with the distance; "random" draws any.

**Use it** for distances that have no mean (edit distances, dissimilarities from experts), or where centres have to be
items, or with outliers. Not beyond some ten thousand items: it needs all pairs.

Cost: N^2 D for the distances, N^2 for a round of swaps, K N^2 for "build". Memory: 8 N^2 bytes.

Reference: Schubert & Rousseeuw (2021), Fast and eager k-medoids clustering, Information Systems 101, 101804,
Algorithm 3; Kaufman & Rousseeuw (1990), Finding Groups in Data, chapter 2 (build).
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, UnreadableError, integer, iterate, param
from ..core.inputs import Data, Queries
from ..numerics.compile import compiled
from ..numerics.distances import NAMES, distances, metric
from .centre_clusterer import CentreClusterer
from .k_means import require_rows
from .k_means_seeding import Lots, plus_plus_rows

MARGIN = 1e-12  # of J: a swap that gains no more is rounding


class KMedoids(CentreClusterer):
    """Partitioning around medoids by eager swaps (FasterPAM).

    Attributes
    ----------
    medoid_indices_ : int array of shape (K,)
        Which items are the centres.
    cluster_centers_ : array of shape (K, D)
        These items (their rows of distances, for "precomputed").
    labels_ : int array of shape (N,)
    inertia_ : float
        J: the sum of distances of the items to their medoids.
    n_iter_ : int
        Rounds.

    Examples
    --------
    >>> from peira.latent import KMedoids
    >>> model = KMedoids(2, metric="manhattan").fit([[0.0], [1.0], [2.0], [90.0], [91.0], [200.0]])
    >>> sorted(model.cluster_centers_[:, 0].tolist()), model.inertia_
    ([1.0, 91.0], 112.0)
    """

    card = Card(
        tasks="clustering",
        reference="Schubert & Rousseeuw (2021), Algorithm 3",
        cost="N^2 (D + T)",
        largest={"N": 10_000},
    )
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    metric: str = param("euclidean", "name of a distance, or 'precomputed': X holds the distances (N, N)")
    init: Literal["build", "k-medoids++", "random"] = param("build", "first medoids: greedy, spread out, or any")
    max_iter: int = param(100, "most rounds of swaps", low=1)
    random_state: Any = param(None, "seed of the start")

    @classmethod
    def example(cls) -> "KMedoids":
        """Few clusters, for few rows."""
        return cls(3, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "KMedoids":
        """Find the medoids.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D), or (N, N) for "precomputed"
        y : ignored

        Raises
        ------
        ValueError
            For more clusters than rows, an unknown metric, or given distances that are not square or below zero.
        """
        data = self._begin(X)
        require_rows(len(data), self.n_clusters, type(self).__name__)
        given = self._distances(data)
        medoids = np.asarray(self._start(data, given), dtype=np.int64)
        d = np.ascontiguousarray(given.numpy(force=True))
        state = _State(d, medoids)
        for step in iterate(self, self.max_iter, name="swaps", expect={"inertia": "decrease"}):
            swaps = state.round() if len(medoids) < len(d) else 0
            step.record(inertia=state.cost(), swaps=swaps)
            if step.reached("swaps", 0):
                break
        distinct, codes = self._distinct(d, medoids, state)
        self.medoid_indices_ = data.give(torch.from_numpy(distinct).to(data.device))
        self.cluster_centers_ = data.give(data.X[torch.from_numpy(distinct).to(data.device)])
        self.labels_ = data.give(torch.from_numpy(codes).to(data.device))
        self.inertia_ = float(state.cost())
        return self

    def _distances(self, data: Data) -> torch.Tensor:
        if self.metric != "precomputed":
            if self.metric not in NAMES:
                raise ParameterError(
                    f"parameter 'metric' of KMedoids is 'precomputed' or one of {', '.join(sorted(NAMES))}; "
                    f"got {self.metric!r}"
                )
            d = distances(data.X, data.X, metric(self.metric))
            if not torch.isfinite(d).all():
                raise DataError("some distances are beyond the range of float64: scale the columns of X first")
            return d
        if data.X.shape[0] != data.X.shape[1]:
            raise DataError(f"metric='precomputed' needs distances of shape (N, N), got {tuple(data.X.shape)}")
        if bool((data.X < 0).any()):
            i, j = (int(v) for v in (data.X < 0).nonzero()[0])
            raise DataError(f"distances can't be negative: row {i}, column {j} holds {float(data.X[i, j]):g}")
        return data.X

    def _start(self, data: Data, d: torch.Tensor) -> list[int]:
        if self.init == "build":
            return _build(d, self.n_clusters)
        generator, lots = data.generator(), Lots(d)
        if self.init == "random":
            found: list[int] = []
            w = d.new_ones(len(d))
            while len(found) < self.n_clusters:
                found += lots.draw(w, 1, generator).tolist()
                w[found[-1]] = 0.0
            return found
        return plus_plus_rows(d, self.n_clusters, generator, None, _Given(d))

    def _distinct(self, d: np.ndarray, medoids: np.ndarray, state: "_State") -> tuple[np.ndarray, np.ndarray]:
        """The medoids with those nearest to no item last, and the cluster of each item."""
        codes = d[:, medoids].argmin(1)
        used = np.bincount(codes, minlength=len(medoids)) > 0
        order = np.argsort(~used, kind="stable")
        return medoids[order], d[:, medoids[order]].argmin(1)

    def _to_centres(self, queries: Queries) -> torch.Tensor:
        if self.metric == "precomputed":
            return queries.X[:, torch.as_tensor(self.medoid_indices_, device=queries.device)]
        return distances(queries.X, queries.tensor(self.cluster_centers_), metric(self.metric))

    def _costs(self, queries: Queries) -> torch.Tensor:
        return self._to_centres(queries).amin(1)

    def _assign(self, queries: Queries) -> torch.Tensor:
        return self._to_centres(queries).argmin(1)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            at = np.asarray(self.medoid_indices_)
            last = self.n_features_in_ if self.metric == "precomputed" else len(self.labels_)
            if (
                at.dtype.kind != "i"
                or at.shape != (len(self.cluster_centers_),)
                or (at < 0).any()
                or (at >= last).any()
            ):
                raise UnreadableError("KMedoids.medoid_indices_ does not name an item for each centre")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags


class _Given:
    """Costs of items at some of them, from their distances."""

    def __init__(self, d: torch.Tensor) -> None:
        self.d = d

    def ones(self) -> torch.Tensor:
        return self.d.new_ones(len(self.d))

    def to(self, at: list[int]) -> Any:
        yield slice(0, len(self.d)), self.d[:, at]


class _State:
    """Medoids, and the nearest and the second of them for each item."""

    def __init__(self, d: np.ndarray, medoids: np.ndarray) -> None:
        N = len(d)
        self.d, self.medoids = d, medoids
        self.near, self.second = np.empty(N, dtype=np.int64), np.empty(N, dtype=np.int64)
        self.d1, self.d2 = np.empty(N), np.empty(N)
        _nearest_two(d, medoids, self.near, self.second, self.d1, self.d2)

    def cost(self) -> float:
        return float(self.d1.sum())

    def round(self) -> int:
        """Try every item once for a swap; how many were made."""
        if len(self.medoids) == 1:
            best = int(self.d.sum(0).argmin())
            if self.d[:, best].sum() >= self.cost() * (1 - MARGIN):
                return 0
            self.medoids[0] = best
            _nearest_two(self.d, self.medoids, self.near, self.second, self.d1, self.d2)
            return 1
        return _swap_round(self.d, self.medoids, self.near, self.second, self.d1, self.d2, MARGIN)


def _build(d: torch.Tensor, K: int) -> list[int]:
    """The item with the least sum of distances, then greedily those that lower J most."""
    found = [int(d.sum(0).argmin())]
    nearest = d[:, found[0]].clone()
    while len(found) < K:
        gain = (nearest[:, None] - d).clamp_(min=0).sum(0)
        gain[found] = -1.0
        found.append(int(gain.argmax()))
        nearest = torch.minimum(nearest, d[:, found[-1]])
    return found


@compiled
def _nearest_two(d, medoids, near, second, d1, d2):
    for n in range(d.shape[0]):
        d1[n] = d2[n] = np.inf
        near[n] = second[n] = 0
        for i in range(len(medoids)):
            v = d[n, medoids[i]]
            if v < d1[n]:
                d2[n], second[n] = d1[n], near[n]
                d1[n], near[n] = v, i
            elif v < d2[n]:
                d2[n], second[n] = v, i


@compiled
def _swap_round(d, medoids, near, second, d1, d2, margin):
    """One round of eager swaps (Schubert & Rousseeuw 2021, Algorithm 3)."""
    N, K = d.shape[0], len(medoids)
    swaps = 0
    removal, change = np.empty(K), np.empty(K)
    _removal(near, d1, d2, removal)
    is_medoid = np.zeros(N, dtype=np.bool_)
    is_medoid[medoids] = True
    total = d1.sum()
    for x in range(N):
        if is_medoid[x]:
            continue
        change[:] = removal
        shared = 0.0
        for n in range(N):
            v = d[n, x]
            if v < d1[n]:
                shared += v - d1[n]
                change[near[n]] += d1[n] - d2[n]
            elif v < d2[n]:
                change[near[n]] += v - d2[n]
        i = change.argmin()
        if change[i] + shared < -margin * total:
            is_medoid[medoids[i]] = False
            is_medoid[x] = True
            medoids[i] = x
            _nearest_two(d, medoids, near, second, d1, d2)
            _removal(near, d1, d2, removal)
            total = d1.sum()
            swaps += 1
    return swaps


@compiled
def _removal(near, d1, d2, removal):
    """What it costs to lose each medoid."""
    removal[:] = 0.0
    for n in range(len(near)):
        removal[near[n]] += d2[n] - d1[n]
