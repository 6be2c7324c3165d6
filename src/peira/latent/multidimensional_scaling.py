r"""Multidimensional scaling: places whose distances are the dissimilarities of the items.

**Classical** scaling takes them for Euclidean distances and asks for inner products: with S their squares,

.. math:: B = -\frac{1}{2} J S J = V \Lambda V^T, \qquad Y = V_K \Lambda_K^{1/2}

and K eigenvectors are the best of all rank K in the least squares of B. For Euclidean distances it is principal
components, up to a motion; negative eigenvalues say that they are not Euclidean.

**Metric** scaling fits the distances themselves, **non-metric** scaling their order alone, by least stress

.. math:: \sigma(Y) = \sum_{i<j} ( \hat d_{ij} - | y_i - y_j | )^2

with disparities :math:`\hat d` that are the dissimilarities, or the nearest numbers in their order. SMACOF lowers it
by the Guttman transform, never up, to a local minimum.

**Use** classical scaling first: it is exact, and a good start for the others. Metric scaling gives large distances
less weight, non-metric scaling none to their size: judgements, ranks, similarities of unknown scale. All keep the
large distances; for neighbourhoods take Isomap, t-SNE or UMAP.

Cost: N^2 D for the distances; N^2 K for a few eigenvectors, N^2 K a step of SMACOF. Memory: some N^2.

Reference: Torgerson (1952), Psychometrika 17, 401-419; Kruskal (1964), Psychometrika 29, 1-27 and 115-129; Borg &
Groenen (2005), Modern Multidimensional Scaling, 8.6, 9.2 and 12.1.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, UnreadableError, integer, param
from ..core.inputs import Data, Queries
from ..core.iteration import iterate
from ..numerics.distances import distances
from .classical_scaling import classical_scaling, place
from .embedding import Embedding
from .smacof import place_one_by_one, smacof


def dissimilarities(method: Embedding, data: Data) -> torch.Tensor:
    """The distances (N, N) between the items, or those that were given, checked."""
    if len(data) < 2:
        raise DataError(f"{type(method).__name__} needs two items at least, got n_samples = {len(data)}")
    by = method._metric()
    if by is None:
        method._check_distances(data)
        return data.X
    return distances(data.X.contiguous(), data.X.contiguous(), by)


class ClassicalMDS(Embedding):
    """Classical multidimensional scaling, or principal coordinates.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
    eigenvalues_ : array of shape (K,)
        Of B, falling: the sums of squares of the coordinates.
    means_ : array of shape (N,)
        Mean squared distance to each item, for new ones.
    rows_ : array of shape (N, D)

    Notes
    -----
    scikit-learn's class of this name keeps the distances as ``dissimilarity_matrix_``; this one keeps the rows, and
    places new ones.

    Examples
    --------
    >>> from peira.latent import ClassicalMDS
    >>> ClassicalMDS(1).fit_transform([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]).round(6).ravel() + 0
    array([ 5.,  0., -5.])
    """

    card = Card(
        tasks="reduction", reference="Torgerson (1952); Gower (1968)", cost="N^2 (D + K)", exact=True,
        largest={"N": 10_000},
    )  # fmt: skip
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3), positional=True)
    metric: str = param("euclidean", "distance between rows, by name, or 'precomputed' if X holds distances")

    def fit(self, X: Any, y: Any = None) -> "ClassicalMDS":
        """Decompose the squared distances.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            With metric="precomputed" the distances (N, N).
        y : ignored

        Raises
        ------
        ValueError
            For fewer items than coordinates, and for what are no distances.
        """
        data = self._begin(X)
        delta = dissimilarities(self, data)
        if self.n_components > len(data):
            raise DataError(f"n_components = {self.n_components} is more than n_samples = {len(data)}: lower it")
        Y, values, means, _ = classical_scaling(delta.square(), self.n_components)
        self.embedding_, self.eigenvalues_, self.means_ = data.give(Y), values, data.give(means)
        self.rows_ = data.give(data.X.clone())
        return self

    def _place(self, queries: Queries) -> torch.Tensor:
        by = self._metric()
        d = queries.X if by is None else distances(queries.X.contiguous(), queries.tensor(self.rows_), by)
        Y, values, means = (queries.tensor(v) for v in (self.embedding_, self.eigenvalues_, self.means_))
        return place(d.square(), Y, values, means)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            N, K = np.shape(self.embedding_)
            self._check_arrays(means_=(N,), eigenvalues_=(K,))


class MDS(Embedding):
    """Metric or non-metric multidimensional scaling.

    Attributes
    ----------
    embedding_ : array of shape (N, K)
    stress_ : float
        The stress, or with ``normalized_stress`` its root over that of the sum of squared distances (Kruskal's
        Stress-1: 0 is perfect, and Kruskal calls 0.05 good and 0.2 poor).
    dissimilarity_matrix_ : array of shape (N, N)
    curve_ : array of shape (2, B)
        Dissimilarities and disparities, the ends of straight pieces: a straight line in metric scaling, Shepard's
        monotone one in non-metric scaling.
    rows_ : array of shape (N, D)
    n_iter_ : int
        Steps of the best start.

    Notes
    -----
    New items are placed by least stress against the others, which stay.

    Starts from classical scaling, as scikit-learn's will from its version 1.10 on. Dissimilarities of zero count, also
    in non-metric scaling.

    Examples
    --------
    >>> from peira.latent import MDS
    >>> model = MDS(metric="precomputed").fit([[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]])
    >>> round(model.stress_, 6)
    0.0
    """

    history_: dict[str, list[float]]
    n_iter_: int
    stopped_: str

    card = Card(
        tasks="reduction", reference="Kruskal (1964); Borg & Groenen (2005) 8.6", cost="N^2 (D + K T)",
        largest={"N": 5_000},
    )  # fmt: skip
    n_components: int = param(2, "number of coordinates K", low=1, tune=integer(1, 3), positional=True)
    metric_mds: bool = param(True, "fit the dissimilarities; False: fit their order alone")
    n_init: int = param(1, "number of random starts, of which the best is kept", low=1)
    init: Literal["classical_mds", "random"] = param("classical_mds", "start from classical scaling, once, or randomly")
    max_iter: int = param(300, "most steps of a start", low=1)
    eps: float = param(1e-6, "fall of the stress, over the sum of squared distances, at which to stop", low=0)
    random_state: object = param(None, "seed of the random starts: an int, a generator, or None to draw one")
    metric: str = param("euclidean", "distance between rows, by name, or 'precomputed' if X holds dissimilarities")
    normalized_stress: bool | Literal["auto"] = param("auto", "report Stress-1; 'auto': for non-metric scaling")

    @classmethod
    def example(cls) -> "MDS":
        return cls(max_iter=1000, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "MDS":
        """Lower the stress from each start, and keep the best.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            With metric="precomputed" the dissimilarities (N, N).
        y : ignored

        Raises
        ------
        ValueError
            For a single item, and for what are no dissimilarities.

        Warns
        -----
        ConvergenceWarning
            When ``max_iter`` steps did not suffice.
        """
        data = self._begin(X)
        N, K = len(data), self.n_components
        delta = dissimilarities(self, data)
        generator, runs = data.generator(), []
        once = self.init == "classical_mds"
        for _ in iterate(None, 1 if once else self.n_init, name="starts"):
            if once:
                start = torch.zeros(N, K, dtype=data.dtype)
                start[:, : min(N, K)] = classical_scaling(delta.square(), min(N, K))[0]
            else:
                start = torch.rand(N, K, generator=generator, dtype=data.dtype)
            found = smacof(self, delta, start, ordinal=not self.metric_mds, max_iter=self.max_iter, eps=self.eps)
            runs.append((found, self.history_, self.n_iter_, self.stopped_))
        best, self.history_, self.n_iter_, self.stopped_ = min(runs, key=lambda run: run[0].stress)
        normalised = not self.metric_mds if self.normalized_stress == "auto" else self.normalized_stress
        self.stress_ = math.sqrt(best.stress / best.size) if normalised and best.size > 0 else best.stress
        self.embedding_, self.curve_ = data.give(best.Y), best.curve
        self.dissimilarity_matrix_, self.rows_ = data.give(delta.clone()), data.give(data.X.clone())
        return self

    def _place(self, queries: Queries) -> torch.Tensor:
        by = self._metric()
        d = queries.X if by is None else distances(queries.X.contiguous(), queries.tensor(self.rows_), by)
        x, y = self.curve_
        # Beyond the largest dissimilarity the curve goes on in proportion.
        target = np.interp(d, x, y) * np.maximum(d.numpy() / max(float(x[-1]), 1e-300), 1.0)
        return torch.from_numpy(place_one_by_one(target, queries.tensor(self.embedding_).numpy()))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            N = len(self.embedding_)
            self._check_arrays(dissimilarity_matrix_=(N, N), curve_=(2, None))
            if type(self.stress_) is not float:
                raise UnreadableError(f"stress_ of a stored MDS is {self.stress_!r}, not a number")
