r"""Local outlier factor: is it emptier around this item than around its neighbours?

Let :math:`d_k(o)` be the distance from o to its k-th nearest row, and :math:`N_k(x)` the k rows nearest to x. The
distance from x to o counts as at least :math:`d_k(o)`, so that what happens within a cluster does not matter:

.. math:: r_k(x, o) = \max( d_k(o), d(x, o) )

.. math:: \rho(x) = \left( \frac{1}{k} \sum_{o \in N_k(x)} r_k(x, o) \right)^{-1}

.. math:: LOF(x) = \frac{1}{k} \sum_{o \in N_k(x)} \rho(o) \; / \; \rho(x)

Near 1, x lies as densely as its neighbours; well above, it is an outlier *of its neighbourhood*, which a single
threshold on distance can't find where clusters have different densities. ``score_samples`` is -LOF, and with
``contamination="auto"`` a factor above 1.5 makes an outlier.

**Assumes** a meaningful distance (columns on one scale), and k above the number of outliers that may lie together:
k equal rows or more have a density without bound. As in scikit-learn the mean of the distances is kept from zero by
1e-10 (of the largest :math:`d_k`, where that is below 1), so that equal rows have a factor of 1 among themselves.
With k too large, small clusters count as outliers.

**P-values.** A training row lies among the neighbours of its neighbours, and makes them denser; a new item does not.
So new items are compared with the factors that the training rows would have if each were not there.

**Cost.** The search for k neighbours of N rows (:mod:`peira.numerics.neighbours`), at most N^2 D.

Reference: Breunig, Kriegel, Ng & Sander (2000), LOF: identifying density-based local outliers, SIGMOD, 93-104:
definitions 5 to 7.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, UnreadableError, integer, param
from ..core.inputs import Queries
from ..numerics.compile import compiled
from .neighbour_detector import NeighbourDetector

SMALL = 1e-10


class LocalOutlierFactor(NeighbourDetector):
    """Local outlier factor: outliers lie in emptier places than their neighbours.

    With ``novelty=False``, as in scikit-learn, only the training rows are judged, by ``fit_predict``; for ``predict``
    and the scores of new items set ``novelty=True``. Of scikit-learn's parameters it leaves out ``leaf_size``,
    ``metric_params`` and ``n_jobs``; ``n_neighbors`` is never lowered to what the rows allow.

    Attributes
    ----------
    negative_outlier_factor_ : array or tensor of shape (N,)
        -LOF of each training row among the others.
    offset_ : float
        The score below which items are outliers; -1.5 for ``contamination="auto"``.
    n_neighbors_, n_samples_fit_ : int
    rows_ : array or tensor of shape (N, D)
    k_distances_, reach_densities_ : array or tensor of shape (N,)
        d_k and rho of the training rows.
    reference_ : dict
        Scores of the training rows, for p-values.

    Examples
    --------
    >>> from peira.latent import LocalOutlierFactor
    >>> LocalOutlierFactor(n_neighbors=2).fit_predict([[-1.1], [0.2], [101.1], [0.3]])
    array([ 1,  1, -1,  1])
    """

    card = Card(tasks="anomaly", reference="Breunig et al. (2000) definitions 5-7", cost="N^2 D at most", exact=True)
    n_neighbors: int = param(20, "how many neighbours", low=1, tune=integer(5, 60), positional=True)
    contamination: float | Literal["auto"] = param(
        "auto", "share of outliers among the training rows; 'auto' is a factor above 1.5", above=0, high=0.5
    )
    novelty: bool = param(False, "judge new items, and not the training rows")

    @classmethod
    def example(cls) -> "LocalOutlierFactor":
        return cls(5, novelty=True)

    def fit(self, X: Any, y: Any = None) -> "LocalOutlierFactor":
        """Keep the rows, and judge each by the others.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            More than ``n_neighbors`` rows.
        y : ignored

        Returns
        -------
        self
        """
        data = self._begin(X)
        d, near = self._keep(data, self.n_neighbors + self.novelty)
        further = d, near
        k = self.n_neighbors_ = self.n_neighbors
        d, near = d[:, :k], near[:, :k]
        d_k = d[:, -1]
        self.k_distances_ = data.give(d_k)
        rho = self._density(d, d_k[near], d_k)
        self.reach_densities_ = data.give(rho)
        scores = -rho[near].mean(1) / rho
        self.negative_outlier_factor_ = data.give(scores)
        self._settle(scores, contamination=self.contamination, auto=-1.5)
        if further[0].shape[1] > k:  # for p-values of new items: each row as if it were one
            offset = self.offset_
            as_new = _left_out(further[0].numpy(force=True), further[1].numpy(force=True), self._small(d_k))
            self._settle(data.tensor(as_new), auto=offset)
        return self

    def _small(self, d_k: torch.Tensor) -> float:
        return SMALL * (min(1.0, float(d_k.max())) or 1.0)

    def _density(self, d: torch.Tensor, d_near: torch.Tensor, d_k: torch.Tensor) -> torch.Tensor:
        """rho of items at distances d (M, k) from rows whose own k-distances are d_near (M, k)."""
        return 1 / (torch.maximum(d, d_near).mean(1) + self._small(d_k))

    def _usualness(self, queries: Queries) -> torch.Tensor:
        d, near = self._search(queries, self.n_neighbors_)
        d_k, rho = queries.tensor(self.k_distances_), queries.tensor(self.reach_densities_)
        return -rho[near].mean(1) / self._density(d, d_k[near], d_k)

    def _scores_of_experience(self) -> torch.Tensor:
        return torch.as_tensor(self.negative_outlier_factor_)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._numbers("k_distances_", "reach_densities_")
            if getattr(self, "n_neighbors_", None) != self.n_neighbors:
                raise UnreadableError("n_neighbors_ of a stored LocalOutlierFactor must be its n_neighbors")


@compiled
def _left_out(d, near, small):
    """-LOF of each row from the others alone, (N,), from its k + 1 nearest others at d, near (N, k + 1)."""
    N, k = len(d), d.shape[1] - 1
    scores = np.empty(N)
    for n in range(N):
        mean, density = 0.0, 0.0
        for i in range(k):
            o = near[n, i]
            mean += max(_k_distance(d, near, o, n, k), d[n, i]) / k
            total, taken, j = 0.0, 0, 0
            while taken < k:  # the k nearest of o that are not n
                other = near[o, j]
                if other != n:
                    total += max(_k_distance(d, near, other, n, k), d[o, j])
                    taken += 1
                j += 1
            density += 1 / (total / k + small) / k
        scores[n] = -density * (mean + small)
    return scores


@compiled
def _k_distance(d, near, row, n, k):
    """The distance from a row to its k-th nearest other that is not n."""
    for j in range(k):
        if near[row, j] == n:
            return d[row, k]
    return d[row, k - 1]
