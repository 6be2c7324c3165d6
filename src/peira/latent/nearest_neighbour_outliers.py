r"""Distance to the nearest neighbours as a measure of outliers: how far is it to anybody?

With :math:`d_1(x) \leq \dots \leq d_k(x)` the distances from x to its k nearest training rows, the score is one of

.. math:: d_k(x), \quad \frac{1}{k} \sum_{i=1}^{k} d_i(x), \quad \mathrm{median}_i \; d_i(x)

the larger, the more of an outlier; ``score_samples`` is its negative. Up to a monotone map :math:`d_k` is the density
that :mod:`~peira.latent.nearest_neighbour_density` estimates, so this finds what lies where the density is low
everywhere by one standard; the mean is steadier, and the median ignores a few odd neighbours.

**Assumes** a meaningful distance: columns on one scale, all of which matter. Where clusters differ in density, use
:mod:`~peira.latent.local_outlier_factor`. Take k larger than the number of outliers that may lie together.

**Cost.** The search for k neighbours of N rows (:mod:`peira.numerics.neighbours`), at most N^2 D.

Reference: Ramaswamy, Rastogi & Shim (2000), Efficient algorithms for mining outliers from large data sets, SIGMOD,
427-438 (the largest); Angiulli & Pizzuti (2002), Fast outlier detection in high dimensional spaces, PKDD, 15-27 (sums).
"""

from typing import Any, Literal

import torch

from ..core import Card, choice, integer, param
from ..core.inputs import Queries
from .neighbour_detector import NeighbourDetector


class KNNOutlierDetector(NeighbourDetector):
    """Outliers by their distance to the nearest training rows.

    With ``novelty=True`` new items are judged; for the training rows, each without itself, set ``novelty=False`` and
    call ``fit_predict``. ``decision_scores_`` has their scores either way.

    Attributes
    ----------
    decision_scores_ : array or tensor of shape (N,)
        The distance of each training row to the others; higher is more of an outlier.
    offset_ : float
        The score below which items are outliers.
    n_samples_fit_ : int
    rows_ : array or tensor of shape (N, D)
    reference_ : dict
        Scores of the training rows, for p-values.

    Examples
    --------
    >>> from peira.latent import KNNOutlierDetector
    >>> model = KNNOutlierDetector(2, contamination=0.2).fit([[0.0], [0.1], [0.2], [0.1], [5.0]])
    >>> model.predict([[0.15], [7.0]])
    array([ 1, -1])
    """

    card = Card(tasks="anomaly", reference="Ramaswamy et al. (2000)", cost="N^2 D at most", exact=True)
    n_neighbors: int = param(5, "how many neighbours", low=1, tune=integer(3, 60), positional=True)
    method: Literal["largest", "mean", "median"] = param(
        "largest", "which of the distances", tune=choice("largest", "mean", "median")
    )
    contamination: float = param(0.1, "share of outliers among the training rows", above=0, high=0.5)
    novelty: bool = param(True, "judge new items, and not the training rows")

    def fit(self, X: Any, y: Any = None) -> "KNNOutlierDetector":
        """Keep the rows, and measure how far each is from the others.

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
        d, _ = self._keep(data, self.n_neighbors)
        far = self._far(d)
        self.decision_scores_ = data.give(far)
        self._settle(-far, contamination=self.contamination)
        return self

    def _far(self, d: torch.Tensor) -> torch.Tensor:
        """The score of distances (M, k), in ascending order."""
        k = d.shape[1]
        if self.method == "median":
            return (d[:, (k - 1) // 2] + d[:, k // 2]) / 2
        return d[:, -1] if self.method == "largest" else d.mean(1)

    def _usualness(self, queries: Queries) -> torch.Tensor:
        return -self._far(self._search(queries, self.n_neighbors)[0])

    def _scores_of_experience(self) -> torch.Tensor:
        return -torch.as_tensor(self.decision_scores_)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._numbers("decision_scores_")
