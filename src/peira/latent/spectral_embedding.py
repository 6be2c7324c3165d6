r"""Spectral embedding, or Laplacian eigenmaps: coordinates that vary as little as they can between neighbours.

With symmetric weights W between items, d their sums and L the normalised Laplacian of the graph,

.. math:: \min \sum_{i,j} W_{ij} | y_i - y_j |^2, \quad \sum_i d_i y_i y_i^T = I, \quad \sum_i d_i y_i = 0

.. math:: L = I - D^{-1/2} W D^{-1/2}, \qquad L u = \lambda u, \qquad y = D^{-1/2} u

so the coordinates are the lowest eigenvectors but the constant one, which also solve
:math:`D^{-1} W y = (1 - \lambda) y`: each item lies at the mean of its neighbours, shrunk. That holds for a new item
too, and places it:

.. math:: y(x) = \frac{1}{1 - \lambda} \; \frac{\sum_i W(x, x_i) \, y_i}{\sum_i W(x, x_i)}

Weights: 1 between items of which one is among the k nearest of the other, or :math:`exp(-\gamma |x_i - x_j|^2)`.

**Use it** where clusters or a winding order are wanted rather than lengths; the coordinates are those of spectral
clustering. A graph that falls into parts gives first the coordinates that tell the parts apart, and a warning.

Cost: the neighbours and some hundred products with L; N^2 D and products of N^2 for "rbf".

Reference: Belkin & Niyogi (2003), Neural Computation 15, 1373-1396; Bengio et al. (2004), eq. 6, for new items.
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse

from ..core import Card, UnreadableError, integer, log, param
from ..core.inputs import Queries
from ..numerics.distances import distances, metric
from .embedding import Embedding
from .graph_embedding import nearest, neighbour_graph, parts_of, spectral_coordinates, warn_of_parts

SQUARED = metric("sqeuclidean")


class SpectralEmbedding(Embedding):
    """Laplacian eigenmaps: the lowest eigenvectors of the graph of neighbours.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
    eigenvalues_ : array of shape (K,)
        Of the normalised Laplacian, rising, without the zero of the constant.
    n_neighbors_ : int
        The neighbours in use.
    gamma_ : float
        The scale in use.
    rows_ : array of shape (N, D)

    Notes
    -----
    An item is not a neighbour of itself, unlike in scikit-learn's class of this name, which counts it as one.

    Examples
    --------
    >>> from peira.latent import SpectralEmbedding
    >>> line = [[0.0], [1.0], [2.0], [3.0], [4.0]]
    >>> SpectralEmbedding(1, n_neighbors=1).fit_transform(line).ravel().round(2) + 0
    array([ 0.5 ,  0.35,  0.  , -0.35, -0.5 ])
    """

    card = Card(
        tasks="reduction", reference="Belkin & Niyogi (2003)", cost="N^2 D + N K", exact=True, largest={"N": 20_000}
    )
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3), positional=True)
    affinity: Literal["nearest_neighbors", "rbf"] = param("nearest_neighbors", "weights between the items")
    n_neighbors: int | None = param(
        None, "neighbours k of 'nearest_neighbors'; None for N / 10, 5 at least", low=1, tune=integer(5, 50)
    )
    gamma: float | None = param(None, "scale in 'rbf'; None for 1 / D", above=0, tune=log(1e-3, 10.0))

    def fit(self, X: Any, y: Any = None) -> "SpectralEmbedding":
        """Build the graph, and find its smoothest coordinates.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Raises
        ------
        ValueError
            If there are no more items than coordinates, or the rows are too large for their squares.

        Warns
        -----
        DisconnectedGraphWarning
            If the graph falls into parts.
        """
        data = self._begin(X)
        N, D = data.X.shape
        self.n_neighbors_ = max(N // 10, 5) if self.n_neighbors is None else self.n_neighbors
        self.gamma_ = 1 / D if self.gamma is None else float(self.gamma)
        rows = data.X.contiguous()
        W = neighbour_graph(rows, self.n_neighbors_) if self.affinity == "nearest_neighbors" else self._kernel(rows)
        values, Y, C = spectral_coordinates(W, self.n_components)
        if C > 1:
            warn_of_parts(type(self).__name__, parts_of(W)[1], "The first coordinates only tell the parts apart.")
        self.embedding_, self.eigenvalues_ = data.give(torch.from_numpy(Y)), values
        self.rows_ = data.give(rows.clone())
        return self

    def _kernel(self, rows: torch.Tensor) -> sparse.csr_array:
        W = (-self.gamma_ * distances(rows, rows, SQUARED)).exp().numpy()
        np.fill_diagonal(W, 0.0)
        return sparse.csr_array(W)

    def _place(self, queries: Queries) -> torch.Tensor:
        rows, Y = queries.tensor(self.rows_), queries.tensor(self.embedding_)
        if self.affinity == "rbf":
            # In proportion only: the nearest weighs 1, so that the weights of a far item do not all vanish.
            s = distances(queries.X.contiguous(), rows, SQUARED)
            W = (-self.gamma_ * (s - s.amin(1, keepdim=True))).exp()
            mean = (W / W.sum(1, keepdim=True)) @ Y
        else:
            _, near = nearest(queries.X, rows, self.n_neighbors_)
            mean = Y[torch.from_numpy(near)].mean(1)
        keep = 1 - queries.tensor(self.eigenvalues_)
        return mean / torch.where(keep.abs() > 1e-12, keep, torch.inf)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_arrays(eigenvalues_=(np.shape(self.embedding_)[1],))
            whole = type(self.n_neighbors_) is int and self.n_neighbors_ >= 1
            if not whole or type(self.gamma_) is not float or not 0 < self.gamma_ < np.inf:
                raise UnreadableError("a stored SpectralEmbedding needs n_neighbors_ and gamma_ above zero")
