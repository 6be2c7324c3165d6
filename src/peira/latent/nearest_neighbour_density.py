r"""Nearest-neighbour density: how far must one go to meet k items?

With :math:`d_k(x)` the distance from x to the k-th nearest of N training rows, and V_D the volume of the unit ball in
D columns, the ball that holds k rows has a density of about

.. math:: p(x) = \frac{k}{N \, V_D \, d_k(x)^D}, \quad V_D = \frac{\pi^{D/2}}{\Gamma(D/2 + 1)}

The width adapts: it is narrow where rows are many, and wide in the tails.

**It is no distribution.** Tails fall as :math:`|x|^{-D}` and the integral is infinite, so there is nothing to sample
from, and its likelihoods can't be compared with those of densities that integrate to one. It ranks items, and says
where they are dense; that is also what outliers need (:mod:`~peira.latent.nearest_neighbour_outliers`).

**Assumes** one scale for all columns. With k too small it is rough. Where k rows are equal the density is infinite:
take k above their number. Fewer columns are better: all distances become alike in many.

**Cost.** A fit stores the rows; a question is a search for k neighbours (:mod:`peira.numerics.neighbours`).

Reference: Loftsgaarden & Quesenberry (1965), Annals of Mathematical Statistics 36, 1049-1051; Bishop (2006), 2.5.2,
eq. 2.246.
"""

import math
from typing import Any

import numpy as np
import torch

from ..core import Card, DataError, Density, integer, param
from ..core.errors import UnreadableError
from ..core.inputs import Queries
from ..numerics.distances import metric
from ..numerics.neighbours import Neighbours
from .density_plot import plot_density
from .smoothing_kernels import log_unit_ball


class NearestNeighbourDensity(Density):
    """Density by the distance to the k-th nearest training row.

    Attributes
    ----------
    rows_ : array or tensor of shape (N, D)

    Examples
    --------
    >>> from peira.latent import NearestNeighbourDensity
    >>> model = NearestNeighbourDensity(2).fit([[0.0], [1.0], [2.0], [10.0]])
    >>> model.log_prob([[0.5], [6.0]]).round(3)  # 2 / (4 * 2 * 0.5) and 2 / (4 * 2 * 4)
    array([-0.693, -2.773])
    """

    card = Card(
        tasks="density",
        reference="Loftsgaarden & Quesenberry (1965)",
        cost="N D",
        exact=True,
        on_request="it does not integrate to one, so that its likelihoods can't be compared with others'",
    )
    n_neighbors: int = param(15, "k, how many neighbours", low=1, tune=integer(5, 100), positional=True)

    @classmethod
    def example(cls) -> "NearestNeighbourDensity":
        return cls(5)

    def fit(self, X: Any, y: Any = None) -> "NearestNeighbourDensity":
        """Keep the rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            At least ``n_neighbors`` rows.
        y : ignored

        Returns
        -------
        self
        """
        data = self._begin(X)
        N, k = len(data), self.n_neighbors
        if k > N:
            raise DataError(
                f"n_neighbors={k} of NearestNeighbourDensity needs so many rows, got n_samples={N}"
                f"{' (1 sample)' if N == 1 else ''}: lower n_neighbors, or give more rows"
            )
        if N > 1 and not bool((data.X - data.X[0]).any()):
            raise DataError(f"all {N} rows are equal, so that they have no density: give rows that vary")
        self.rows_ = data.give(data.X.clone())
        return self

    def _log_density(self, queries: Queries) -> torch.Tensor:
        rows = torch.as_tensor(self.rows_).cpu()
        (N, D), k = rows.shape, self.n_neighbors
        d, _ = Neighbours(rows, metric("euclidean")).search(queries.X.cpu(), k)
        return math.log(k / N) - log_unit_ball(D) - D * d[:, -1].log().to(queries.device)

    def plot(self, X: Any = None, ax: Any = None) -> Any:
        """Draw the density over one or two columns; see `plot_density` for the parameters."""
        rows = np.asarray(torch.as_tensor(self.rows_).cpu())
        room = 0.1 * (rows.max(0) - rows.min(0))
        return plot_density(self, rows.min(0) - room, rows.max(0) + room, X, ax)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        rows = getattr(self, "rows_", None)
        rows = torch.as_tensor(rows) if isinstance(rows, np.ndarray | torch.Tensor) else torch.zeros(0, 0)
        sound = rows.dim() == 2 and rows.shape[1] == self.n_features_in_ and len(rows) >= self.n_neighbors
        if not sound or rows.dtype != torch.float64 or not bool(rows.isfinite().all()):
            raise UnreadableError("rows_ of a stored NearestNeighbourDensity must be enough rows of finite numbers")
