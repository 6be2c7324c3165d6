r"""Vector quantisation: K code words stand for all vectors, and each vector becomes the number of the nearest.

.. math:: q(x) = \arg\min_k \| x - c_k \|, \quad J = \sum_n w_n \| x_n - c_{q(x_n)} \|^2

A code costs log2 K bits. The codebook is the one of Linde, Buzo and Gray: from one word, by splitting
(`peira.sequences.codebook`), to where both conditions hold that the best codebook meets: each vector has the nearest
word, and each word is the mean of its vectors. That is k-means with a start that leaves nothing to chance.

**What it is for.** Continuous observations become symbols, so that what is known of symbols serves them: discrete
hidden Markov models of speech, n-grams, compression. Columns should be on one scale. For clusters as such take `KMeans`
with some starts, which finds a slightly lower J more often.

Cost: T N K D. Memory: N D.

Reference: Linde, Buzo & Gray (1980), IEEE Transactions on Communications 28, 84-95; Gersho & Gray (1992), Vector
Quantization and Signal Compression, chapter 11.
"""

from typing import Any

import numpy as np

from ..core import Card, DataError, integer, param
from ..latent.centre_clusterer import CentreClusterer
from .codebook import grow_codebook


class VectorQuantiser(CentreClusterer):
    """Vector quantisation by a codebook that grows by splitting (LBG).

    Attributes
    ----------
    cluster_centers_ : array of shape (K, D)
        The code words.
    labels_ : int array of shape (N,)
        The codes of the rows learned from.
    inertia_ : float
        J: the distortion of these rows.
    n_iter_ : int
        Steps of the last round.

    Examples
    --------
    >>> from peira.sequences import VectorQuantiser
    >>> model = VectorQuantiser(2).fit([[0.0], [1.0], [9.0], [10.0]])
    >>> codes = model.predict([[2.0], [8.0]])
    >>> model.decode(codes).tolist()
    [[0.5], [9.5]]
    """

    card = Card(
        tasks="clustering",
        reference="Linde, Buzo & Gray (1980)",
        cost="T N K D",
        on_request="it is k-means from another start",
    )
    n_clusters: int = param(64, "code words, K", low=1, tune=integer(2, 256), positional=True)
    max_iter: int = param(300, "most steps of a round", low=1)
    tol: float = param(
        1e-4, "squared moves of the words, over the mean variance of the columns, that end a round", low=0
    )

    @classmethod
    def example(cls) -> "VectorQuantiser":
        """Few words, for few rows."""
        return cls(3)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "VectorQuantiser":
        """Grow the codebook.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            For more code words than rows.

        Warns
        -----
        ConvergenceWarning
            If the steps of the last round ran out, or there are fewer different rows than words.
        """
        data = self._begin(X, None, sample_weight)
        found = grow_codebook(data.X, self.n_clusters, w=data.w, max_iter=self.max_iter, tol=self.tol, owner=self)
        self.cluster_centers_, self.labels_ = data.give(found.centres), data.give(found.codes)
        self.inertia_ = found.inertia
        return self

    def decode(self, codes: Any) -> np.ndarray:
        """The code words that codes stand for, of shape (..., D).

        Raises
        ------
        DataError
            If a code is none.
        """
        codes, C = np.asarray(codes), np.asarray(self.cluster_centers_)
        if codes.dtype.kind not in "iu" or (codes.size and not 0 <= codes.min() <= codes.max() < len(C)):
            raise DataError(f"codes are whole numbers from 0 to {len(C) - 1}")
        return C[codes]
