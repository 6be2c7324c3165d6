r"""UMAP: a map whose graph of neighbours is as like that of the data as can be.

In the data, item i counts j as a neighbour by degrees, on a scale of its own (:math:`\rho_i` the distance of its
nearest, :math:`\sigma_i` such that the degrees sum to the logarithm of k), and two items are joined by the union:

.. math:: \mu_{j|i} = exp( - \max( 0, d_{ij} - \rho_i ) / \sigma_i )

.. math:: \mu_{ij} = \mu_{j|i} + \mu_{i|j} - \mu_{j|i} \mu_{i|j}

On the map, :math:`\nu_{ij} = ( 1 + a | y_i - y_j |^{2 b} )^{-1}`, and what is lowered is the cross-entropy

.. math:: \sum_{i \neq j} ( \mu \log \frac{ \mu }{ \nu } + ( 1 - \mu ) \log \frac{ 1 - \mu }{ 1 - \nu } )_{ij}

by stochastic gradient steps: edges pull in proportion to their weight, a few items drawn at random push. a and b make
nu nearly 1 up to ``min_dist`` and let it fall on the scale ``spread``.

**Reads** as a t-SNE map does: who is near whom, and groups; not sizes, nor the distances between groups. With the same
seed the map is the same. The start is the spectral layout of the graph; where the graph falls into parts, it is
the main directions of the data, which tell how the parts lie.

**New items** get degrees to their nearest in the same way, start from these neighbours' weighted mean, and move
alone, each against the same random numbers.

Cost: the neighbours, then N k (negative_sample_rate + 1) K an epoch, or less, as edges of low weight wait.

Reference: McInnes, Healy & Melville (2018), UMAP: uniform manifold approximation and projection for dimension
reduction, arXiv 1802.03426, algorithms 1 to 5.
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, UnreadableError, integer, linear, param
from ..core.inputs import Data, Queries
from ..core.iteration import iterate
from .embedding import Embedding
from .graph_embedding import nearest, nearest_others, parts_of, spectral_embedding
from .principal_plane import principal_plane
from .umap_graph import fuzzy_graph, memberships
from .umap_layout import attraction, curve, epoch, settle

LOOK = 20  # epochs between two looks at the attraction


class UMAP(Embedding):
    """Uniform manifold approximation and projection.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
    a_, b_ : float
        Of the curve nu.
    n_epochs_ : int
        In use.
    rows_ : array of shape (N, D)

    Notes
    -----
    As in umap-learn, an item counts among its own ``n_neighbors``. Neighbours are exact. The mean of -log(nu) over
    the edges, by weight, stands in ``history_`` every 20 epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import UMAP
    >>> X = np.repeat([[0.0], [9.0]], 20, axis=0) + np.linspace(0, 1, 40)[:, None]
    >>> Y = UMAP(n_neighbors=5, random_state=0).fit_transform(X)
    >>> bool(np.ptp(Y[:20], 0).max() < np.abs(Y[:20].mean(0) - Y[20:].mean(0)).max())  # two groups, apart
    True
    """

    card = Card(
        tasks="reduction", reference="McInnes, Healy & Melville (2018)", cost="N^2 D + T N K", largest={"N": 100_000}
    )
    n_neighbors: int = param(
        15, "neighbours k, the item itself among them; all items where fewer", low=2, tune=integer(5, 50)
    )
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3))
    metric: str = param("euclidean", "distance between rows, by name, or 'precomputed' if X holds distances")
    n_epochs: int | None = param(None, "epochs; None: 500 up to 10,000 items, 200 beyond", low=1)
    learning_rate: float = param(1.0, "length of the first steps; it falls to zero", above=0)
    init: Literal["spectral", "pca", "random"] = param("spectral", "the start")
    min_dist: float = param(0.1, "how near neighbours may lie on the map", low=0, tune=linear(0.0, 0.5))
    spread: float = param(1.0, "the scale on which items part on the map; at least min_dist", above=0)
    repulsion_strength: float = param(1.0, "weight of the push", low=0)
    negative_sample_rate: int = param(5, "items that push, for each pull", low=0)
    random_state: object = param(None, "seed: an int, a generator, or None to draw one")

    @classmethod
    def example(cls) -> "UMAP":
        return cls(n_neighbors=4, n_epochs=40, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "UMAP":
        """Build the graph, and lay it out.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            With metric="precomputed" the distances (N, N).
        y : ignored

        Raises
        ------
        ValueError
            For a single item, or if min_dist is above spread.
        """
        data = self._begin(X)
        N, by = len(data), self._metric()
        if self.min_dist > self.spread:
            raise DataError(f"min_dist ({self.min_dist:g}) must not be above spread ({self.spread:g})")
        if by is None:
            self._check_distances(data)
        rows = data.X.contiguous()
        d, near = nearest_others(rows, self.n_neighbors - 1, by)
        W = fuzzy_graph(d, near, float(self.n_neighbors))
        self.n_epochs_ = (500 if N <= 10_000 else 200) if self.n_epochs is None else int(self.n_epochs)
        self.a_, self.b_ = curve(self.min_dist, self.spread)
        rng = data.rng()
        Y = self._layout(W, self._start(data, W, rng), rng)
        self.embedding_, self.rows_ = data.give(torch.from_numpy(Y)), data.give(rows.clone())
        return self

    def _start(self, data: Data, W: sparse.csr_array, rng: np.random.Generator) -> np.ndarray:
        """The first places (N, K), each coordinate from 0 to 10."""
        N, K = len(data), self.n_components
        way = self.init
        if way == "spectral" and (N <= K + 1 or parts_of(W)[0] > 1):
            way = "pca"
        if way == "pca" and self.metric == "precomputed":
            way = "random"
        if way == "spectral":
            Y = spectral_embedding(W, K)
        elif way == "pca":
            Y = principal_plane(data.X.contiguous(), K, rng)
        else:
            Y = rng.uniform(size=(N, K))
        Y = 10 * Y / max(float(np.abs(Y).max()), 1e-300) + 1e-4 * rng.normal(size=(N, K))
        Y -= Y.min(0)
        return np.ascontiguousarray(10 * Y / np.maximum(Y.max(0), 1e-300))

    def _layout(self, W: sparse.csr_array, Y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        T, edges = self.n_epochs_, W.tocoo()
        kept = edges.data >= edges.data.max() / T  # the others would have no turn
        head, tail, weight = edges.row[kept].astype(np.int64), edges.col[kept].astype(np.int64), edges.data[kept]
        every = weight.max() / weight
        due, state = every.copy(), rng.integers(1, 2**63, size=1, dtype=np.uint64)
        shape = self.a_, self.b_
        for step in iterate(self, T, name="layout"):
            if step.index % LOOK == 0 or step.index == T - 1:
                step.record(attraction=attraction(Y, head, tail, weight, *shape))
            rate = self.learning_rate * (1 - step.index / T)
            push = self.negative_sample_rate, float(self.repulsion_strength)
            epoch(Y, head, tail, every, due, float(step.index + 1), *shape, rate, *push, state)
            if step.index == T - 1:
                step.stop("all epochs done")
                break
        return Y

    def _place(self, queries: Queries) -> torch.Tensor:
        Y = queries.tensor(self.embedding_).contiguous().numpy()
        d, near = nearest(queries.X, queries.tensor(self.rows_), self.n_neighbors, self._metric())
        M = np.vstack([memberships(row[None], float(self.n_neighbors)) for row in d])
        push = self.negative_sample_rate, float(self.repulsion_strength)
        seed = np.uint64(2 * self.seed_ + 1)
        epochs = max(1, self.n_epochs_ // 3)
        return torch.from_numpy(settle(Y, M, near, epochs, self.a_, self.b_, self.learning_rate / 4, *push, seed))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            sound = all(type(v) is float and 0 < v < np.inf for v in (self.a_, self.b_))
            sound = sound and type(self.n_epochs_) is int and type(self.seed_) is int
            if not (sound and 0 < self.n_epochs_ <= 10**9 and 0 <= self.seed_ < 2**32):
                raise UnreadableError("a stored UMAP needs a_, b_ and n_epochs_ above zero, and the seed in use")
