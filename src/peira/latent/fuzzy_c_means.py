r"""Fuzzy c-means: every item belongs to every cluster, to a degree.

.. math:: J(u, c) = \sum_n w_n \sum_k u_{nk}^m \| x_n - c_k \|^2, \quad \sum_k u_{nk} = 1

The exponent m > 1 tells how soft the clusters are: towards 1 the degrees become hard, as in k-means, and for large m
all become equal. Each half-step is the least J over one of the two,

.. math:: u_{nk} \leftarrow 1 \, / \, \sum_j (d_{nk} / d_{nj})^{2/(m-1)}, \quad d_{nk} = \| x_n - c_k \|

.. math:: c_k \leftarrow \sum_n w_n u_{nk}^m x_n \, / \, \sum_n w_n u_{nk}^m

An item at a centre belongs to it alone. The **partition coefficient** says how clear the partition is, 1/K for none,
1 for a hard one:

.. math:: FPC = \sum_n w_n \sum_k u_{nk}^2 \, / \, \sum_n w_n

**A membership is no probability**: it compares distances, so that an item far from all clusters belongs to each to
about 1/K. A mixture (`GaussianMixture`) gives probabilities.

**Use it** where items lie between clusters and the degree is of interest. Not with many columns or many clusters:
distances become alike, and all centres fall together for m = 2 (try m near 1.1).

Cost: 3 T N K D, in one pass over the rows a step. Memory: N K.

Reference: Bezdek (1981), Pattern Recognition with Fuzzy Objective Function Algorithms, section 11, A11.1; Bezdek,
Ehrlich & Full (1984), Computers & Geosciences 10, 191-203.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, ParameterError, integer, iterate, linear, param
from ..core.inputs import Data, Queries
from ..numerics.distances import scale
from .centre_clusterer import CentreClusterer
from .fuzzy_memberships import fuzzy_pass, memberships
from .k_means import assign, require_rows, used_first
from .k_means_seeding import plus_plus, random_rows
from .kmeans import first_centres


class FuzzyCMeans(CentreClusterer):
    """Soft clusters around centres.

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
    memberships_ : array of shape (N, K)
        Degrees; each row adds up to one.
    labels_ : int array of shape (N,)
        The cluster of the largest membership.
    inertia_ : float
        J.
    partition_coefficient_ : float
    n_iter_ : int

    Examples
    --------
    >>> from peira.latent import FuzzyCMeans
    >>> model = FuzzyCMeans(2, random_state=0).fit([[0.0], [1.0], [5.0], [9.0], [10.0]])
    >>> model.memberships_[2].round(3)
    array([0.5, 0.5])
    """

    card = Card(tasks="clustering", reference="Bezdek (1981), A11.1", cost="T N K D")
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    m: float = param(2.0, "exponent of the memberships: hard near 1, softer the larger", above=1, tune=linear(1.1, 3.0))
    init: Literal["k-means++", "random"] | np.ndarray | list | torch.Tensor = param(
        "k-means++", "first centres: rows spread out, rows at random, or centres (K, D)"
    )
    max_iter: int = param(300, "most steps", low=1)
    tol: float = param(1e-5, "largest change of a membership in a step that ends it", low=0)
    random_state: Any = param(None, "seed of the start")

    @classmethod
    def example(cls) -> "FuzzyCMeans":
        """Few clusters, for few rows."""
        return cls(3, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "FuzzyCMeans":
        """Find the centres and memberships.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, None, sample_weight)
        w = data.tensor(np.ones(len(data))) if data.w is None else data.w
        require_rows(int((w > 0).sum()), self.n_clusters, type(self).__name__)
        s = scale(data.X)
        rows = data.X if s == 1.0 else data.X * s
        origin = w @ rows / w.sum()  # sums about it lose no digits to an offset
        Z = np.ascontiguousarray((rows - origin).numpy(force=True).T)
        C = np.ascontiguousarray((_start(self, rows, w, data, s) - origin).numpy(force=True))
        U, weights = np.zeros((len(C), len(rows))), w.contiguous().numpy(force=True)
        for step in iterate(
            self, self.max_iter, name="alternation",
            expect={"inertia_assigned": "decrease", "inertia_updated": "decrease"},
        ):  # fmt: skip
            assigned, updated, change, C = fuzzy_pass(Z, weights, C, self.m, U)
            step.record(inertia_assigned=assigned / s / s, inertia_updated=updated / s / s, change=change)
            if step.reached("change", self.tol):
                break
        centres = data.tensor(C) + origin
        order, codes = used_first(assign(rows, centres), len(C))
        centres = centres[order]
        U = memberships(rows.numpy(force=True), centres.numpy(force=True), self.m)
        self.cluster_centers_, self.labels_ = data.give(centres / s), data.give(codes)
        self.memberships_ = data.give(data.tensor(U))
        self.inertia_ = updated / s / s
        self.partition_coefficient_ = float(weights @ (U * U).sum(1) / weights.sum())
        return self

    def memberships(self, X: Any) -> Any:
        """The degree to which each item belongs to each cluster.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, K)
            Rows add up to one. Degrees compare distances; they are no probabilities.
        """
        queries = self._queries(X)
        C = queries.tensor(self.cluster_centers_)
        s = scale(queries.X, C)
        U = memberships((queries.X * s).numpy(force=True), (C * s).numpy(force=True), self.m)
        return queries.give(queries.tensor(U))

    def _costs(self, queries: Queries) -> torch.Tensor:
        squares = self._to_centres(queries).square()
        C = queries.tensor(self.cluster_centers_)
        U = memberships(queries.X.numpy(force=True), C.numpy(force=True), self.m)
        return (queries.tensor(U) ** self.m * squares).sum(1)


def _start(method: FuzzyCMeans, rows: torch.Tensor, w: torch.Tensor, data: Data, s: float) -> torch.Tensor:
    """First centres, which must differ: equal ones stay equal for ever."""
    init = first_centres(method, data)
    if not isinstance(init, torch.Tensor):
        return (plus_plus if init == "k-means++" else random_rows)(rows, method.n_clusters, data.generator(), w)
    if len(init.unique(dim=0)) < len(init):
        raise ParameterError("parameter 'init' of FuzzyCMeans holds equal centres, which would stay equal")
    return init * s
