r"""HDBSCAN: clusters of different densities, each where it lives longest.

An item's core distance c is how far its m-th neighbour is, itself counted; sparse items are pushed away from all
others (mutual reachability),

.. math:: d_m(i, j) = \max( c_i, c_j, d(x_i, x_j) / \alpha )

The tree of single linkage on these distances holds the answers of DBSCAN for every radius at once. Read from the top
(`peira.latent.condensed_tree`) it splits into clusters of at least ``min_cluster_size`` items, and those with the
largest total stability are taken ("eom", the excess of mass),

.. math:: \max_{C_1, C_2, ... \; disjoint} \; \sum_k S(C_k)

.. math:: S(C) = \sum_{i \in C} ( \lambda_i(C) - \lambda_{birth}(C) )

or simply those without descendants ("leaf": more and smaller ones). How firmly an item belongs to its cluster is the
density at which it leaves, over the greatest at which anything leaves: 1 for the heart of the cluster.

**Use it** where DBSCAN would need several radii: clusters of any shape and density, and noise; the one parameter that
matters is how small a cluster may be. Two clusters that a bridge of items joins are one. The whole is never taken for a
cluster unless ``allow_single_cluster``. In many dimensions distances lose their contrast: reduce first.

A new item goes where the item nearest to it went, to noise if that is noise.

Cost: N^2 D / 2 for the tree, whose distances are not stored; the neighbours (`peira.numerics.neighbours`); N log N.

Reference: Campello, Moulavi & Sander (2013), PAKDD, 160-172; Campello, Moulavi, Zimek & Sander (2015), ACM
Transactions on Knowledge Discovery from Data 10, article 5; Malzer & Baum (2020) for ``cluster_selection_epsilon``.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, choice, integer, param
from ..core.errors import UnreadableError
from ..numerics.neighbours import Neighbours
from .condensed_tree import CondensedTree, condense, last_densities, leaves, members, merged_below, most_stable
from .item_clusterer import DistanceClusterer, numbered
from .linkage import named_joins
from .minimum_spanning_tree import SpanningTree, minimum_spanning_tree

FEW = 16  # columns, up to which a k-d tree finds neighbours of items that lie in clusters


class HDBSCAN(DistanceClusterer):
    """Hierarchical density-based clustering.

    Attributes
    ----------
    labels_ : array of shape (N,)
        Clusters by first appearance; -1 for noise.
    probabilities_ : array of shape (N,)
        How firmly each item belongs to its cluster, between 0 and 1; 0 for noise.
    condensed_tree_ : array of shape (N + C - 1, 4)
        For each item (0 to N - 1) and each cluster but the first (N + 1, ...; N is the whole): the cluster that it
        left or was born from, itself, the density at which, and its size.
    rows_ : array of shape (N, D)
        The items.
    linkage_matrix_ : array of shape (N - 1, 4)
        Single linkage of mutual reachability, as SciPy writes it.

    Notes
    -----
    Of scikit-learn's parameters, ``algorithm``, ``leaf_size``, ``n_jobs``, ``store_centers`` and ``copy`` are missing.
    Where several joins come at one height, scikit-learn takes them one by one, and the rim of a cluster may differ.

    Examples
    --------
    >>> from peira.latent import HDBSCAN
    >>> X = [[0.0], [0.1], [0.2], [5.0], [5.3], [5.5], [20.0]]
    >>> HDBSCAN(min_cluster_size=3, min_samples=2).fit(X).labels_
    array([ 0,  0,  0,  1,  1,  1, -1])
    """

    card = Card(
        tasks="clustering",
        reference="Campello, Moulavi & Sander (2013), algorithms 1 and 2",
        cost="N^2 D",
        exact=True,
        largest={"N": 50_000},
    )
    min_cluster_size: int = param(
        5, "the least number of items in a cluster", low=2, tune=integer(3, 30), positional=True
    )
    min_samples: int | None = param(
        None, "which neighbour sets the core distance, the item itself being the first; None: min_cluster_size", low=1
    )
    cluster_selection_epsilon: float = param(0.0, "clusters born nearer than this are not divided further", low=0)
    max_cluster_size: int | None = param(None, "clusters of more items are not chosen (only for 'eom')", low=1)
    alpha: float = param(1.0, "divides the distances, not the core distances", above=0)
    cluster_selection_method: Literal["eom", "leaf"] = param(
        "eom", "the most stable clusters, or those without descendants", tune=choice("eom", "leaf")
    )
    allow_single_cluster: bool = param(False, "whether all items together may be the answer")

    def fit(self, X: Any, y: Any = None) -> "HDBSCAN":
        """Find the clusters that live longest.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); the distances (N, N) if ``metric`` is "precomputed"
        y : ignored

        Raises
        ------
        ValueError
            If there are fewer items than ``min_samples``.
        """
        data = self._begin(X)
        N, m = len(data), self.min_samples or self.min_cluster_size
        if N < 2:
            raise DataError(f"n_samples = {N}: clusters are told apart among 2 items at least ({N} sample given)")
        if self.min_samples is not None and m > N:
            raise DataError(f"min_samples ({m}) must be at most the number of samples in X ({N})")
        tree = self._reachability_tree(data.X.cpu(), min(m, N))
        Z = named_joins(np.column_stack([tree.order[:-1], tree.order[1:]]), tree.lengths)
        condensed = condense(Z, self.min_cluster_size)
        home = members(condensed, self._chosen(condensed))
        if (home == 0).any():
            home = self._of_the_whole(condensed, home)
        self._keep(data, numbered(home))
        for name, value in (
            ("probabilities_", strengths(condensed, home)),
            ("condensed_tree_", as_table(condensed)),
            ("linkage_matrix_", Z),
        ):
            setattr(self, name, data.give(torch.from_numpy(value).to(data.device)))
        return self

    def _reachability_tree(self, rows: torch.Tensor, m: int) -> SpanningTree:
        metric = self._metric(rows)
        if metric is None:
            near = rows.kthvalue(m, dim=1).indices
        else:
            tree = "kd_tree" if metric.p >= 1 and rows.shape[1] <= FEW else "auto"
            near = Neighbours(rows.contiguous(), metric, tree).search(rows.contiguous(), m)[1][:, -1]
        if (near < 0).any():
            raise DataError("distances between the rows overflow: rescale the columns, and fit again")
        return minimum_spanning_tree(rows, metric, near, self.alpha)

    def _chosen(self, tree: CondensedTree) -> np.ndarray:
        single = self.allow_single_cluster
        if self.cluster_selection_method == "eom":
            chosen = most_stable(tree, root=single, largest=self.max_cluster_size or np.inf)
        else:
            chosen = leaves(tree)
            if single and not chosen.any():
                chosen[0] = True
        if self.cluster_selection_epsilon > 0 and not chosen[0]:
            chosen = merged_below(tree, chosen, self.cluster_selection_epsilon, root=single)
        return chosen

    def _of_the_whole(self, tree: CondensedTree, home: np.ndarray) -> np.ndarray:
        """If the whole is the cluster: who leaves it early is noise, as in scikit-learn."""
        limit = 1 / self.cluster_selection_epsilon if self.cluster_selection_epsilon > 0 else last_densities(tree)[0]
        return np.where((tree.cluster == 0) & (tree.left < limit), -1, home)

    def plot(self, ax: Any = None) -> Any:
        """Draw the condensed tree: each cluster as wide as its items, from its birth down to its end.

        Returns
        -------
        matplotlib Axes
        """
        self._queries(np.zeros((1, getattr(self, "n_features_in_", 1))))  # says so if not fitted
        from .condensed_tree_plot import plot_condensed_tree

        return plot_condensed_tree(np.asarray(self.condensed_tree_), np.asarray(self.labels_), ax)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        N = len(np.asarray(self.labels_))
        p, Z, T = (
            np.asarray(getattr(self, name, 0)) for name in ("probabilities_", "linkage_matrix_", "condensed_tree_")
        )
        if p.shape != (N,) or p.dtype.kind != "f" or not ((p >= 0) & (p <= 1)).all():
            raise UnreadableError("probabilities_ of a stored HDBSCAN must be a number from 0 to 1 for each item")
        if (
            Z.shape != (N - 1, 4)
            or not (np.isfinite(Z) & (Z >= 0)).all()
            or T.ndim != 2
            or T.shape[1:] != (4,)
            or len(T) < N
            or len(T) > 2 * N
        ):
            raise UnreadableError("linkage_matrix_ or condensed_tree_ of a stored HDBSCAN is not that of its items")
        ids = T[:, :2]
        if not ((ids >= 0) & (ids <= len(T)) & (ids == np.floor(ids))).all() or not (T[:, 2:] >= 0).all():
            raise UnreadableError("condensed_tree_ of a stored HDBSCAN must name items and clusters")


def strengths(tree: CondensedTree, home: np.ndarray) -> np.ndarray:
    """The density at which an item leaves, over the last at which its cluster is left; 0 for noise."""
    last = last_densities(tree)[home]
    firm = ~(np.isfinite(tree.left) & (last > 0))  # equal items never part
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(firm, 1.0, np.minimum(tree.left, last) / last)
    return np.where(home < 0, 0.0, share)


def as_table(tree: CondensedTree) -> np.ndarray:
    """The condensed tree as rows of parent, child, density and size."""
    N, C = len(tree.cluster), len(tree.parent)
    items = np.column_stack([N + tree.cluster, np.arange(N), tree.left, np.ones(N)])
    parts = np.column_stack([N + tree.parent[1:], N + np.arange(1, C), tree.birth[1:], tree.size[1:]])
    return np.concatenate([items, parts]).astype(np.float64)
