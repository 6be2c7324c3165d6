r"""Gustafson-Kessel: fuzzy clusters, each with a metric of its own.

Fuzzy c-means finds round clusters of one size. Here each cluster measures distances by a matrix of determinant one,

.. math:: d_{nk}^2 = (x_n - c_k)^T A_k (x_n - c_k), \quad \det A_k = 1

that is learned with the rest. The least objective over it, for given memberships, comes from the fuzzy covariance,

.. math:: F_k = \sum_n u_{nk}^m (x_n - c_k)(x_n - c_k)^T / \sum_n u_{nk}^m, \quad A_k = \det(F_k)^{1/D} F_k^{-1}

so that clusters become ellipsoids of any direction, all of one volume. Memberships and centres are those of fuzzy
c-means (`peira.latent.fuzzy_c_means`) with these distances. No step raises the objective.

**Flat clusters** make F singular. Eigenvalues below the largest over ``condition`` are raised to it (Babuska, van der
Veen & Kaymak 2002); how many is in the history ("floored"). The objective may then rise by a little.

**It starts** from ten steps of fuzzy c-means.

**Use it** for ellipsoids of like volume, and where degrees of membership are wanted. A Gaussian mixture also learns the
volumes and gives probabilities. Not with more columns than items in a cluster.

Cost: T K (N D^2 + D^3). Memory: N (D + K).

Reference: Gustafson & Kessel (1978), Fuzzy clustering with a fuzzy covariance matrix, IEEE Conference on Decision and
Control, 761-766; Babuska, van der Veen & Kaymak (2002), FUZZ-IEEE, 1081-1085.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, UnreadableError, integer, iterate, linear, param
from ..core.inputs import Queries
from ..numerics.distances import scale
from .centre_clusterer import CentreClusterer
from .fuzzy_memberships import fuzzy_pass
from .k_means import require_rows, used_first
from .k_means_seeding import plus_plus, random_rows
from .kmeans import first_centres

FIRST = 10  # steps of fuzzy c-means


class GustafsonKessel(CentreClusterer):
    """Fuzzy clusters of ellipsoidal shapes.

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
    norm_matrices_ : array of shape (K, D, D)
        A, of determinant one: long where the cluster is thin.
    memberships_ : array of shape (N, K)
        Degrees; each row adds up to one.
    labels_ : int array of shape (N,)
        The cluster of the largest membership.
    inertia_ : float
        The weighted sum of squared distances times the m-th power of memberships.
    partition_coefficient_ : float
        Weighted mean of the sum of squared memberships of an item, between 1/K and 1.
    n_iter_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import GustafsonKessel
    >>> t = np.linspace(-9, 9, 40)
    >>> X = np.vstack([np.c_[t, 0.1 * np.cos(9 * t)], np.c_[0.1 * np.cos(9 * t), t + 12]])
    >>> labels = GustafsonKessel(2, random_state=0).fit_predict(X)
    >>> len(set(labels[:40].tolist())), len(set(labels[40:].tolist()))
    (1, 1)
    """

    card = Card(tasks="clustering", reference="Gustafson & Kessel (1978)", cost="T K (N D^2 + D^3)", largest={"D": 100})
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    m: float = param(2.0, "exponent of the memberships: hard near 1, softer the larger", above=1, tune=linear(1.1, 3.0))
    init: Literal["k-means++", "random"] | np.ndarray | list | torch.Tensor = param(
        "k-means++", "first centres: rows spread out, rows at random, or centres (K, D)"
    )
    condition: float = param(1e10, "largest ratio of a covariance's eigenvalues", low=1, high=1e14)
    max_iter: int = param(300, "most steps", low=1)
    tol: float = param(1e-5, "largest change of a membership in a step that ends it", low=0)
    random_state: Any = param(None, "seed of the start")

    @classmethod
    def example(cls) -> "GustafsonKessel":
        """Few clusters, for few rows, that are so hard that steps do not creep."""
        return cls(3, m=1.5, max_iter=2000, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "GustafsonKessel":
        """Find centres, metrics and memberships.

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
        origin = w @ rows / w.sum()
        Z = (rows - origin).contiguous()
        U = data.tensor(self._first(Z, w, s, data, origin))
        for step in iterate(self, self.max_iter, name="alternation", expect={"inertia": "decrease"}):
            C, A, floored = _shapes(Z, w[:, None] * U**self.m, self.condition)
            d = _squares(Z, C, A)
            before, U = U, _degrees(d, self.m)
            inertia = float(w @ (U**self.m * d).sum(1))
            change = float((U - before)[w > 0].abs().max())
            step.record(inertia=inertia / s / s, change=change, floored=floored)
            if step.reached("change", self.tol):
                break
        order, codes = used_first(_squares(rows, C + origin, A).argmin(1), len(C))
        self.cluster_centers_, self.norm_matrices_ = data.give((C + origin)[order] / s), data.give(A[order])
        self.labels_, self.memberships_ = data.give(codes), data.give(U[:, order])
        self.inertia_ = inertia / s / s
        self.partition_coefficient_ = float(w @ U.square().sum(1) / w.sum())
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
        return queries.give(_degrees(self._to_centres(queries).square(), self.m))

    def _first(self, Z: torch.Tensor, w: torch.Tensor, s: float, data: Any, origin: torch.Tensor) -> np.ndarray:
        """Memberships after some steps of fuzzy c-means."""
        init = first_centres(self, data)
        if isinstance(init, torch.Tensor):
            C = init * s - origin
        else:
            C = (plus_plus if init == "k-means++" else random_rows)(Z, self.n_clusters, data.generator(), w)
        rows, weights, centres = (np.ascontiguousarray(v.numpy(force=True)) for v in (Z.T, w, C))
        U = np.zeros((len(centres), len(weights)))
        for _ in range(FIRST):
            *_, centres = fuzzy_pass(rows, weights, centres, self.m, U)
        return np.ascontiguousarray(U.T)

    def _to_centres(self, queries: Queries) -> torch.Tensor:
        C, A = queries.tensor(self.cluster_centers_), queries.tensor(self.norm_matrices_)
        s = scale(queries.X, C)
        return _squares(queries.X * s, C * s, A).sqrt() / s

    def _costs(self, queries: Queries) -> torch.Tensor:
        d = self._to_centres(queries).square()
        return (_degrees(d, self.m) ** self.m * d).sum(1)

    def _assign(self, queries: Queries) -> torch.Tensor:
        C, A = queries.tensor(self.cluster_centers_), queries.tensor(self.norm_matrices_)
        s = scale(queries.X, C)
        return _squares(queries.X * s, C * s, A).argmin(1)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            (K, D), A = np.shape(self.cluster_centers_), np.asarray(self.norm_matrices_)
            if A.shape != (K, D, D) or A.dtype.kind != "f" or not np.isfinite(A).all():
                raise UnreadableError(f"GustafsonKessel.norm_matrices_ should be finite, of shape {(K, D, D)}")


def _shapes(X: torch.Tensor, V: torch.Tensor, condition: float) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Centres (K, D) and matrices A (K, D, D) for weights V (N, K), and how many eigenvalues had to be raised."""
    total = V.sum(0)
    C = V.T @ X / total.clamp(min=torch.finfo(X.dtype).tiny)[:, None]
    A, floored = [], 0
    for k in range(len(C)):
        Y = X - C[k]
        values, vectors = torch.linalg.eigh(Y.T @ (V[:, k, None] * Y))
        floor = values[-1] / condition
        if not bool(values[-1] > 0):  # all its items coincide: no shape
            values, floor = torch.ones_like(values), 0.0
        floored += int((values < floor).sum())
        logs = values.clamp(min=floor).log()
        A.append((vectors * (logs.mean() - logs).exp()) @ vectors.T)
    return C, torch.stack(A), floored


def _squares(X: torch.Tensor, C: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """Squared distances (N, K) of rows to centres, each by its own matrix."""
    values, vectors = torch.linalg.eigh(A)
    roots = vectors * values.clamp(min=0).sqrt()[:, None]
    return torch.stack([((X - C[k]) @ roots[k]).square().sum(1) for k in range(len(C))], 1)


def _degrees(d: torch.Tensor, m: float) -> torch.Tensor:
    """Memberships from squared distances; an item at centres belongs to these alone."""
    least = d.amin(1, keepdim=True)
    r = torch.where(d == least, 1.0, (least / torch.where(d > 0, d, 1.0)) ** (1 / (m - 1)))
    return r / r.sum(1, keepdim=True)
