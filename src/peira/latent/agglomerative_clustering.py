r"""Agglomerative clustering: a tree of clusters within clusters, cut where one likes.

.. math:: C_1, ..., C_N = \{x_1\}, ..., \{x_N\}

.. math:: N - 1 \; times: \quad join \; \arg\min_{a \neq b} d(C_a, C_b)

How far two clusters are apart is what the ``linkage`` says (`peira.latent.linkage` has all seven formulas): as their
nearest items (single), their farthest ones (complete), on average (average, weighted), by what their union adds to the
squares within clusters (ward), or as their centres (centroid, median).

Cut at a height, or at a number of clusters, the tree gives a partition; the tree itself shows at which heights much is
joined. The height at which two items come together is their cophenetic distance c, an ultrametric,

.. math:: c_{ij} \leq \max( c_{ik}, c_{kj} )

and its correlation with the distances d tells how well a tree describes the items at all.

**Use it** to see structure at all scales at once, for up to some ten thousand items. Single follows chains of any
shape, and a bridge of noise joins what it should not; complete and ward look for round clusters, ward for those of
like size; average lies between. Bring the columns to one scale first. A new item goes to the cluster of the item
nearest to it, whatever the linkage.

Cost: N^2 D + N^2 in time, 8 N^2 bytes; single: N memory.

Reference: Ward (1963); Lance & Williams (1967); Hastie, Tibshirani & Friedman (2009), 14.3.12; Sokal & Rohlf (1962),
Taxon 11, 33-40 (the cophenetic correlation).
"""

from typing import Any

import numpy as np
import torch
from scipy.cluster.hierarchy import dendrogram

from ..core import Card, DataError, ParameterError, choice, integer, param
from ..core.axes import axes_for
from ..core.errors import UnreadableError
from ..numerics.compile import compiled
from .item_clusterer import DistanceClusterer, numbered
from .linkage import GEOMETRIC, Linkage, find, linkage
from .minimum_spanning_tree import all_distances


class AgglomerativeClustering(DistanceClusterer):
    """Hierarchical clustering from the items upwards.

    Attributes
    ----------
    labels_ : array of shape (N,)
        Clusters by first appearance.
    n_clusters_ : int
    rows_ : array of shape (N, D)
        The items.
    linkage_matrix_ : array of shape (N - 1, 4)
        The joins, as SciPy writes them: two clusters (item numbers, N + k for join k), height, size.
    children_ : int array of shape (N - 1, 2)
        Its first two columns.
    distances_ : array of shape (N - 1,)
        The heights.
    n_leaves_ : int
    n_connected_components_ : int
        1: there is no graph that restricts what may be joined.

    Notes
    -----
    Of scikit-learn's parameters, ``connectivity``, ``compute_full_tree``, ``compute_distances`` and ``memory`` are
    missing: the tree and its heights are always computed in full, on all pairs.

    Examples
    --------
    >>> from peira.latent import AgglomerativeClustering
    >>> model = AgglomerativeClustering(2, linkage="average").fit([[0.0], [1.0], [5.0], [7.0]])
    >>> model.labels_, model.distances_
    (array([0, 0, 1, 1]), array([1. , 2. , 5.5]))
    """

    card = Card(
        tasks="clustering",
        reference="Ward (1963); Lance & Williams (1967); Müllner (2011)",
        cost="N^2 D",
        exact=True,
        largest={"N": 20_000},
    )
    n_clusters: int | None = param(
        2, "number of clusters; None: as many as ``distance_threshold`` leaves", low=1, tune=integer(2, 10),
        positional=True,
    )  # fmt: skip
    linkage: Linkage = param(
        "ward", "how far two clusters are apart", tune=choice("ward", "average", "complete", "single")
    )
    distance_threshold: float | None = param(
        None, "clusters at this distance or farther are not joined; then n_clusters=None", low=0
    )

    def fit(self, X: Any, y: Any = None) -> "AgglomerativeClustering":
        """Build the tree, and cut it.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the distances (N, N) if ``metric`` is "precomputed"
        y : ignored

        Raises
        ------
        ValueError
            If there are fewer items than clusters, or the linkage is about centres and the metric not Euclid's.
        """
        self._check_parameters()
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise ParameterError(
                "exactly one of n_clusters and distance_threshold has to be set, and the other one to be None: "
                f"got {self.n_clusters!r} and {self.distance_threshold!r}"
            )
        if self.linkage in GEOMETRIC and self.metric not in ("euclidean", "l2"):
            raise ParameterError(
                f"linkage='{self.linkage}' is about centres and squares of Euclid's distance: metric='euclidean' is "
                f"needed, got {self.metric!r}; linkage='average' takes any metric"
            )
        data = self._begin(X)
        N = len(data)
        if N < 2:
            raise DataError(f"n_samples = {N}: a tree needs 2 items at least (Found array with {N} sample(s))")
        if self.n_clusters is not None and self.n_clusters > N:
            raise DataError(f"n_clusters = {self.n_clusters} is more than the n_samples = {N} items there are")
        rows = data.X.cpu()
        Z = linkage(rows, self.linkage, self._metric(rows))
        joins = int((Z[:, 2] < self.distance_threshold).sum()) if self.n_clusters is None else N - self.n_clusters
        self._keep(data, numbered(cut(Z, joins)))
        self.n_clusters_ = N - joins
        for name, value in (
            ("linkage_matrix_", Z),
            ("children_", Z[:, :2].astype(np.int64)),
            ("distances_", Z[:, 2].copy()),
        ):
            setattr(self, name, data.give(torch.from_numpy(value).to(data.device)))
        self.n_leaves_, self.n_connected_components_ = N, 1
        return self

    def cophenetic_correlation(self, X: Any) -> float:
        """How well the tree describes the items: heights at which pairs come together, against their distances.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            What the method was fitted to.

        Returns
        -------
        float
            NaN where either is constant. Costs N^2 D, and 8 N^2 bytes.
        """
        rows = self._queries(X).X.cpu()
        if len(rows) != self.n_leaves_:
            raise DataError(f"the tree is one of {self.n_leaves_} items, and X holds {len(rows)}: give those of fit")
        metric = self._metric(rows)
        return cophenetic_correlation(
            np.asarray(self.linkage_matrix_), rows if metric is None else all_distances(rows, metric)
        )

    def plot(self, ax: Any = None, *, most: int = 30, names: Any = None) -> Any:
        """Draw the dendrogram: each join a bracket at its height, the clusters in colours.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        most : int, default 30
            At most so many ends: beyond, the lowest joins are drawn as "(their size)".
        names : sequence of N str, optional
            What to call the items; their numbers by default.

        Returns
        -------
        matplotlib Axes
        """
        self._queries(np.zeros((1, getattr(self, "n_features_in_", 1))))  # says so if not fitted
        ax = axes_for(ax, 8)
        Z = np.asarray(self.linkage_matrix_)
        N, K = self.n_leaves_, self.n_clusters_
        labels = np.concatenate([np.asarray(self.labels_), np.full(N - 1, -1)])
        for k, (a, b) in enumerate(Z[: N - K, :2].astype(int)):
            labels[N + k] = labels[a] if labels[a] == labels[b] else -1
        heights = Z[:, 2]
        cut_at = (heights[N - K - 1] if K < N else 0.0, heights[N - K] if K > 1 else np.nan)
        dendrogram(
            Z,
            p=most,
            truncate_mode="lastp" if most < N else None,
            labels=None if names is None or most < N else list(names),
            link_color_func=lambda k: f"C{labels[k] % 10}" if labels[k] >= 0 else "0.6",
            ax=ax,
        )
        if K > 1 and cut_at[1] > cut_at[0]:
            ax.axhline(sum(cut_at) / 2, color="0.3", linewidth=1, linestyle="--")
            ax.annotate(
                f"{K} clusters", (1.0, sum(cut_at) / 2), xycoords=("axes fraction", "data"), ha="right", va="center",
                fontsize=8, color="0.3", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        ax.set(ylabel=f"height of the join ({self.linkage} linkage)", xlabel="items")
        ax.spines[["top", "right", "bottom"]].set_visible(False)
        return ax

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        N = len(np.asarray(self.labels_))
        if getattr(self, "n_clusters_", None) != int(np.asarray(self.labels_).max()) + 1:
            raise UnreadableError("n_clusters_ of a stored AgglomerativeClustering is not the number of its clusters")
        shapes = {"linkage_matrix_": (N - 1, 4), "children_": (N - 1, 2), "distances_": (N - 1,)}
        for name, shape in shapes.items():
            value = np.asarray(getattr(self, name, None))
            if value.shape != shape or value.dtype.kind not in "fi" or not (value >= 0).all():
                raise UnreadableError(f"{name} of a stored AgglomerativeClustering must be of shape {shape}, >= 0")
        joins = np.asarray(self.children_)
        if self.n_leaves_ != N or (joins < 0).any() or (joins >= N + np.arange(N - 1)[:, None]).any():
            raise UnreadableError("children_ of a stored AgglomerativeClustering must name clusters joined before")


@compiled
def cut(Z, joins):
    """A root for each item, after the first ``joins`` joins of a linkage matrix."""
    N = len(Z) + 1
    parent = np.arange(2 * N - 1)
    for k in range(joins):
        parent[int(Z[k, 0])] = parent[int(Z[k, 1])] = N + k
    roots = np.empty(N, dtype=np.int64)
    for i in range(N):
        roots[i] = find(parent, i)
    return roots


def cophenetic_correlation(Z: np.ndarray, distances: torch.Tensor) -> float:
    """The correlation of cophenetic and given distances (N, N) over all pairs; NaN where either is constant."""
    n, sums, squares = _pair_moments(Z, distances.numpy())
    (c, d), (cc, dd, cd) = sums / n, squares / n
    below = (cc - c * c) * (dd - d * d)
    smallest = 1e-24 * cc * dd  # rounding
    return float((cd - c * d) / np.sqrt(below)) if below > smallest else float("nan")


@compiled
def _pair_moments(Z, d):
    """Number of pairs, and sums of the cophenetic distances, the distances, their squares and products.

    The items of a cluster are a run of ``order``; a join meets each pair of its two runs once.
    """
    N = len(Z) + 1
    start, size, order = np.zeros(2 * N - 1, dtype=np.int64), np.ones(2 * N - 1, dtype=np.int64), np.arange(N)
    for k in range(N - 2, -1, -1):
        a, b = int(Z[k, 0]), int(Z[k, 1])
        size[N + k] = int(Z[k, 3])
        start[a] = start[N + k]
        start[b] = start[a] + (int(Z[a - N, 3]) if a >= N else 1)
    for i in range(N):
        order[start[i]] = i
    middle_c, middle_d = Z[N - 2, 2], d[0, N - 1]  # moments about some values of them lose fewer digits
    sums, squares = np.zeros(2), np.zeros(3)
    for k in range(N - 1):
        a, b = int(Z[k, 0]), int(Z[k, 1])
        c, s, ss = Z[k, 2] - middle_c, 0.0, 0.0
        for i in order[start[a] : start[a] + size[a]]:
            for j in order[start[b] : start[b] + size[b]]:
                v = d[i, j] - middle_d
                s += v
                ss += v * v
        m = size[a] * size[b]
        sums[0] += m * c
        sums[1] += s
        squares[0] += m * c * c
        squares[1] += ss
        squares[2] += c * s
    return N * (N - 1) / 2, sums, squares
