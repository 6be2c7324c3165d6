r"""t-SNE: a map on which each item has the neighbours that it has in the data.

With probabilities that items are neighbours, from normal densities in the data and Student's t on the map,

.. math:: p_{j|i} \propto exp( -\beta_i | x_i - x_j |^2 ), \qquad p_{ij} = \frac{ p_{j|i} + p_{i|j} }{ 2 N }

.. math:: q_{ij} \propto ( 1 + | y_i - y_j |^2 )^{-1}

.. math:: \min_Y KL = \sum_{i \neq j} p_{ij} \log \frac{ p_{ij} }{ q_{ij} }

.. math:: \frac{ \partial KL }{ \partial y_i } = 4 \sum_j ( p_{ij} - q_{ij} ) ( 1 + | y_i - y_j |^2 )^{-1} ( y_i - y_j )

:math:`\beta_i` gives each item the same effective number of neighbours, the perplexity. The heavy tail of q lets groups
move apart. Gradient descent with momentum; for the first 250 steps p is multiplied ("early exaggeration"), so that
groups find together before they settle. The start is the plane of the two main directions, made small: with it the map
keeps some of the layout at large.

**Reads**: who is near whom, and groups. Not: distances between groups, sizes and densities of groups, which the method
evens out. A different seed or perplexity shows what is chance.

**Methods.** "exact": all pairs have p, N^2 memory. "barnes_hut": p for the nearest 3 perplexity items only; the push
is summed pair by pair up to `DIRECT` items, which is both faster and right, and over the cells of a tree beyond.

**New items** are placed one by one on the map as it stands: p over the nearest, and descent of the item's own
divergence from their weighted mean on.

Cost: the neighbours, then a step costs N K (3 perplexity + N / 2), or N log N for the push beyond `DIRECT` items.

Reference: van der Maaten & Hinton (2008), JMLR 9, 2579-2605; van der Maaten (2014), JMLR 15, 3221-3245; Kobak & Berens
(2019), Nature Communications 10, 5416 (initialisation); Belkina et al. (2019), same volume, 5415 (learning rate);
Policar, Strazar & Zupan (2023), Machine Learning 112, 721-740 (new items).
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse

from ..core import Card, DataError, UnreadableError, integer, linear, param
from ..core.inputs import Data, Queries
from ..core.iteration import iterate
from .embedding import Embedding
from .graph_embedding import nearest, nearest_others
from .principal_plane import principal_plane
from .t_sne_affinities import conditional, joint
from .t_sne_forces import cross_entropy, descend, pull, push
from .t_sne_placing import settle
from .t_sne_tree import push_pooled

DIRECT = 10_000  # items up to which the sum over pairs is faster than the tree
EXAGGERATED = 250  # steps of early exaggeration
LOOK = 50  # steps between two looks at the divergence
PLACING = 5.0  # perplexity of new items, at most


class TSNE(Embedding):
    """t-distributed stochastic neighbour embedding.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
    kl_divergence_ : float
        At the end, nats.
    learning_rate_ : float
        In use.
    n_iter_ : int
    rows_ : array of shape (N, D)

    Notes
    -----
    The tails are those of one degree of freedom for any K (scikit-learn's have K - 1 for K > 2). The divergence is
    looked at every 50 steps, and stands in ``history_``.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import TSNE
    >>> X = np.repeat([[0.0], [9.0]], 10, axis=0) + np.linspace(0, 1, 20)[:, None]
    >>> Y = TSNE(perplexity=3, random_state=0).fit_transform(X)
    >>> bool(Y[:10, 0].max() < Y[10:, 0].min() or Y[:10, 0].min() > Y[10:, 0].max())  # two groups, apart
    True
    """

    card = Card(
        tasks="reduction", reference="van der Maaten & Hinton (2008), eq. 1 to 5", cost="N^2 D + T K N^2",
        largest={"N": 100_000},
    )  # fmt: skip
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3), positional=True)
    perplexity: float = param(30.0, "effective number of neighbours, below N", above=0, tune=linear(5.0, 50.0))
    early_exaggeration: float = param(12.0, "factor of the pull in the first 250 steps", low=1)
    learning_rate: float | Literal["auto"] = param(
        "auto", "step along the gradient; 'auto': N / (4 early_exaggeration), 50 at least", above=0
    )
    max_iter: int = param(1000, "number of steps", low=1)
    n_iter_without_progress: int = param(300, "steps without a lower divergence after which to stop", low=1)
    min_grad_norm: float = param(1e-7, "length of the gradient at which to stop", low=0)
    metric: str = param("euclidean", "distance between rows, by name, or 'precomputed' if X holds distances")
    init: Literal["pca", "random"] = param("pca", "start from the main directions, or from normal numbers")
    method: Literal["barnes_hut", "exact"] = param("barnes_hut", "neighbours and pooled forces, or all pairs")
    angle: float = param(0.5, "width over distance below which a cell acts as one body; 0 pools none", low=0, high=1)
    random_state: object = param(None, "seed of the random start: an int, a generator, or None to draw one")

    @classmethod
    def example(cls) -> "TSNE":
        return cls(perplexity=3.0, max_iter=150, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "TSNE":
        """Lay the items out.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            With metric="precomputed" the distances (N, N); the start is then random.
        y : ignored

        Raises
        ------
        ValueError
            If the perplexity is not below the number of items.
        """
        data = self._begin(X)
        N = len(data)
        if self.perplexity >= N:
            raise DataError(
                f"perplexity ({self.perplexity:g}) must be less than n_samples ({N}), since an item has no more "
                f"neighbours than there are others (n_samples = {N}): lower it"
            )
        by = self._metric()
        if by is None:
            self._check_distances(data)
        rows = data.X.contiguous()
        k = N - 1 if self.method == "exact" else min(N - 1, int(3 * self.perplexity + 1))
        d, near = nearest_others(rows, k, by)
        if not np.isfinite(d * d).all():
            raise DataError("squares of the distances overflow: rescale the columns, and fit again")
        P = joint(conditional(d * d, float(self.perplexity))[0], near)
        auto = max(N / self.early_exaggeration / 4, 50.0)
        self.learning_rate_ = auto if self.learning_rate == "auto" else float(self.learning_rate)
        Y = self._descend(P, self._start(data))
        self.embedding_, self.rows_ = data.give(torch.from_numpy(Y.T.copy())), data.give(rows.clone())
        return self

    def _start(self, data: Data) -> np.ndarray:
        """The first places (K, N), with a standard deviation of 1e-4 along the first coordinate."""
        if self.init == "random" or self.metric == "precomputed":
            return 1e-4 * data.rng().normal(size=(self.n_components, len(data)))
        Y = principal_plane(data.X.contiguous(), self.n_components, data.rng())
        return np.ascontiguousarray(1e-4 * Y.T)

    def _descend(self, P: Any, Y: np.ndarray) -> np.ndarray:
        K, N = Y.shape
        velocity, gains, F, R = np.zeros_like(Y), np.ones_like(Y), np.zeros_like(Y), np.zeros_like(Y)
        pooled = self.method == "barnes_hut" and N > DIRECT and self.angle > 0 and K <= 3
        entropy = float(P.data @ np.log(np.maximum(P.data, np.finfo(np.float64).tiny)))
        P = sparse.csr_array(sparse.triu(P, 1))  # each pair once
        best, since, exaggeration = np.inf, 0, float(self.early_exaggeration)
        parts = P.indptr, P.indices
        for step in iterate(self, self.max_iter, name="descent"):
            if step.index == EXAGGERATED:
                exaggeration, best, since = 1.0, np.inf, step.index
                velocity[:], gains[:] = 0.0, 1.0
            Z = push_pooled(Y, self.angle, R) if pooled else push(Y, R)
            pull(Y, *parts, P.data, F)
            gradient = 4.0 * (exaggeration * F - R / max(Z, np.finfo(np.float64).tiny))
            last = step.index == self.max_iter - 1
            if step.index % LOOK == 0 or last:
                kl = entropy + 2 * cross_entropy(Y, *parts, P.data) + float(np.log(max(Z, np.finfo(np.float64).tiny)))
                step.record(kl_divergence=kl, gradient=float(np.sqrt((gradient * gradient).sum())))
                if kl < best:
                    best, since = kl, step.index
                stuck = step.index - since >= self.n_iter_without_progress
                # With exaggeration another divergence is lowered: nothing can be concluded before.
                if step.index >= EXAGGERATED and (step.reached("gradient", self.min_grad_norm) or stuck):
                    step.stop("no progress" if stuck else "converged")
                    break
            if last:  # the schedule is the method: its end is no failure to converge
                step.stop("all steps taken")
                break
            descend(Y, gradient, velocity, gains, self.learning_rate_, 0.5 if step.index < EXAGGERATED else 0.8)
        self.kl_divergence_ = self.history_["kl_divergence"][-1]
        return Y

    def _place(self, queries: Queries) -> torch.Tensor:
        Y = queries.tensor(self.embedding_).contiguous().numpy()
        k = min(len(Y), int(3 * PLACING + 1))
        d, near = nearest(queries.X, queries.tensor(self.rows_), k, self._metric())
        P, _ = conditional(d * d, max(1.0, min(PLACING, float(self.perplexity), 0.9 * k)))
        return torch.from_numpy(settle(Y, P, near))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and len(self.embedding_) < 2:
            raise UnreadableError("a stored TSNE needs two items at least")
