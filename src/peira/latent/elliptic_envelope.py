r"""Elliptic envelope: outliers by their robust distance from the middle of a Gaussian cloud.

.. math:: d^2(x) = (x - m)^T S^{-1} (x - m)

with the location m and the covariance S of the minimum covariance determinant (:mod:`~peira.latent.robust_gaussian`),
which outliers can't pull over to themselves. ``score_samples`` is :math:`-d^2`. For a Gaussian cloud
:math:`d^2 \sim \chi^2_D`, so that ``contamination="auto"`` calls outliers what lies beyond the quantile of 97.5 %: one
item in forty of a clean cloud, however many outliers there are.

**Assumes** one cloud of elliptic shape that at least half of the rows belong to, and N several times D. Data of several
clusters, or on curved surfaces, need a detector that is local, or a mixture.

**Cost.** 500 starts of two steps on 300 rows, D^2 each, then 10 N D^2 a step (:mod:`~peira.latent.fast_mcd`).

Reference: Rousseeuw & Van Driessen (1999), Technometrics 41, 212-223; Rousseeuw & van Zomeren (1990), Unmasking
multivariate outliers and leverage points, JASA 85, 633-639 (the cutoff).
"""

from typing import Any, Literal

import torch
from scipy.stats import chi2

from ..core import Card, OutlierDetector, linear, param
from ..core.inputs import Queries
from .robust_gaussian import INSIDE, RobustGaussian


class EllipticEnvelope(RobustGaussian, OutlierDetector):
    """Outliers beyond a robust ellipse.

    Of scikit-learn's parameters it leaves out ``store_precision`` (always) and ``assume_centered`` (never).

    Attributes
    ----------
    location_, covariance_, precision_ : array or tensor of shape (D,), (D, D) and (D, D)
    support_ : bool array or tensor of shape (N,)
        The rows within the robust ellipse, whose mean and covariance these are.
    raw_location_, raw_covariance_, raw_support_ : array or tensor of shape (D,), (D, D) and (N,)
        Of the h rows with the smallest determinant.
    dist_ : array or tensor of shape (N,)
        Squared robust distances of the rows.
    offset_ : float
        The score below which items are outliers.
    reference_ : dict
        Scores of the training rows, for p-values.
    n_iter_, history_, stopped_
        Steps on all rows, with the least ``log_determinant`` after each.
    seed_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import EllipticEnvelope
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> EllipticEnvelope(contamination="auto", random_state=0).fit(X).predict([[0.0, 0.0], [5.0, 5.0]])
    array([ 1, -1])
    """

    card = Card(
        tasks="anomaly",
        reference="Rousseeuw & Van Driessen (1999)",
        cost="N D^2 T + 500 D^3",
        largest={"D": 100},
    )
    contamination: float | Literal["auto"] = param(
        0.1, "share of outliers among the training rows; 'auto' is beyond 97.5 % of a Gaussian", above=0, high=0.5,
        tune=linear(0.01, 0.3),
    )  # fmt: skip

    @classmethod
    def example(cls) -> "EllipticEnvelope":
        return cls(support_fraction=0.9, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "EllipticEnvelope":
        """Find the majority, and how far the rows are from it.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            More rows than columns, and no h of them in a plane.
        y : ignored

        Returns
        -------
        self
        """
        data = self._begin(X)
        scores = -self._learn(data)
        self._settle(scores, contamination=self.contamination, auto=-chi2.ppf(INSIDE, data.X.shape[1]))
        return self

    def _usualness(self, queries: Queries) -> torch.Tensor:
        return -self._squared(queries)
