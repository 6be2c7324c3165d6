r"""k-means: K centres, and each item with the nearest.

.. math:: J(r, c) = \sum_n w_n \| x_n - c_{r_n} \|^2

It is the limit of EM for a mixture of spherical Gaussians whose common variance goes to zero: each item's
responsibility becomes one for the nearest centre. Both half-steps lower J, and the history keeps J after each of them,

.. math:: r_n \leftarrow \arg\min_k \| x_n - c_k \|

.. math:: c_k \leftarrow \sum_{r_n = k} w_n x_n / \sum_{r_n = k} w_n

until no item changes its cluster, or the centres move by little. That is a minimum among neighbours, not the least of
all: which one depends on the start. k-means++ spreads the first centres out; ``n_init`` starts keep the best.

**Fast and the same.** Bounds tell which items can't have changed their cluster, and single precision with a margin
tells the rest apart (`peira.latent.k_means_bounds`, `peira.latent.k_means_nearest`): the labels of every step are those
of comparing all distances in double precision.

**An empty cluster** takes the item that is farthest from its own centre; how often is in the history ("refilled").

**Use it** for compact clusters of like size and spread, on columns of one scale. Not for long or nested shapes, nor for
clusters of very different sizes: it cuts the large ones. A mixture of Gaussians learns the shapes; `KMedians` and
`KMedoids` bear outliers.

Cost: T N K D at most; with bounds, late steps cost little more than N. Memory: N D + 5 N.

Reference: Lloyd (1982), IEEE Transactions on Information Theory 28, 129-137; Bishop (2006) 9.1, eqs 9.1 to 9.4 and
9.3.2 (the limit of EM); Hamerly (2010), SDM, 130-140 (bounds).
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, ParameterError, integer, param
from ..core.inputs import Data
from .centre_clusterer import CentreClusterer
from .k_means import Start, k_means


class KMeans(CentreClusterer):
    """k-means clustering.

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
    labels_ : int array of shape (N,)
    inertia_ : float
        J: the weighted sum of squared distances of the items to their centres.
    n_iter_ : int
        Steps of the best run.

    Examples
    --------
    >>> from peira.latent import KMeans
    >>> model = KMeans(2, random_state=0).fit([[0.0], [1.0], [9.0], [10.0]])
    >>> sorted(model.cluster_centers_[:, 0].tolist()), model.inertia_
    ([0.5, 9.5], 1.0)
    """

    card = Card(
        tasks="clustering",
        reference="Lloyd (1982); Arthur & Vassilvitskii (2007); Bishop (2006) 9.1",
        cost="T N K D",
        sparse=True,
    )
    n_clusters: int = param(8, "number of clusters, K", low=1, tune=integer(2, 12), positional=True)
    init: Literal["k-means++", "random"] | np.ndarray | list | torch.Tensor = param(
        "k-means++", "first centres: rows spread out, rows at random, or centres (K, D)"
    )
    n_init: Literal["auto"] | int = param(
        "auto", "starts, of which the best is kept; 'auto': 10 from random rows, else 1", low=1
    )
    max_iter: int = param(300, "most steps of a run", low=1)
    tol: float = param(1e-4, "squared moves of the centres, over the mean variance of the columns, that end it", low=0)
    random_state: Any = param(None, "seed of the starts")
    algorithm: Literal["auto", "lloyd", "elkan"] = param(
        "auto", "'lloyd' looks at every item in every step, 'elkan' and 'auto' skip what bounds rule out; same answer"
    )

    @classmethod
    def example(cls) -> "KMeans":
        """Few clusters, for few rows."""
        return cls(3, random_state=0)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KMeans":
        """Find the centres.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            For more clusters than rows, or first centres of another shape.

        Warns
        -----
        ConvergenceWarning
            If the steps ran out, or there are fewer different rows than clusters.
        """
        data = self._begin(X, None, sample_weight)
        init = first_centres(self, data)
        n_init = (10 if init == "random" else 1) if self.n_init == "auto" else self.n_init
        found = k_means(
            data.X,
            self.n_clusters,
            w=data.w,
            generator=data.generator(),
            n_init=1 if isinstance(init, torch.Tensor) else n_init,
            init=init,
            max_iter=self.max_iter,
            tol=self.tol,
            algorithm=self.algorithm,
            owner=self,
        )
        self.cluster_centers_, self.labels_ = data.give(found.centres), data.give(found.codes)
        self.inertia_ = found.inertia
        return self


def first_centres(method: Any, data: Data) -> Start:
    """The parameter ``init``, as a tensor of shape (K, D) where it holds centres."""
    if isinstance(method.init, str):
        return "random" if method.init == "random" else "k-means++"
    C = method.init if isinstance(method.init, torch.Tensor) else np.asarray(method.init)
    shape = (method.n_clusters, data.X.shape[1])
    numeric = isinstance(C, torch.Tensor) or C.dtype.kind in "iufb"
    if tuple(C.shape) != shape or not numeric or not bool(torch.isfinite(data.tensor(C)).all()):
        raise ParameterError(
            f"parameter 'init' of {type(method).__name__} should hold finite numbers of shape {shape}, a centre for "
            f"each of n_clusters={shape[0]} and {shape[1]} columns; got shape {tuple(C.shape)}"
        )
    return data.tensor(C)
