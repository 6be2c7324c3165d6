r"""Minimum covariance determinant: the mean and covariance of the tidy majority.

Means and covariances follow every outlier, and so do distances measured with them: outliers in a group hide each other.
This estimate looks for the h of N rows whose covariance has the smallest determinant,

.. math:: \hat H = \mathrm{argmin}_{|H| = h} \; \det \; \mathrm{cov}_{n \in H} \; x_n

and goes on with the rows near to those (:mod:`~peira.latent.robust_gaussian` has the corrections). As a model it is the
Gaussian with that location and covariance,

.. math:: \log p(x) = - \frac{1}{2} \left( D \log 2 \pi + \log \det S + (x - m)^T S^{-1} (x - m) \right)

**Assumes** that at least h rows come from one cloud of elliptic shape, and that N is several times D: at least 5 D
(Rousseeuw & Van Driessen 1999). It stands any N - h outliers, (N - D - 1) / 2 for the default h. It moves with the data
under any affine map. Data of several clusters have no such cloud; use a mixture.

**Cost.** 500 starts of two steps on 300 rows, D^2 each, then 10 N D^2 a step (:mod:`~peira.latent.fast_mcd`); memory
10 N D.

Reference: Rousseeuw (1984), JASA 79, 871-880; Rousseeuw & Van Driessen (1999), Technometrics 41, 212-223; Croux &
Haesbroeck (1999), Journal of Multivariate Analysis 71, 161-190.
"""

import math
from typing import Any

import numpy as np
import torch

from ..core import Card, Density
from ..core.inputs import Queries
from ..core.seeds import draw_seed
from ..numerics.cholesky import scaled_cholesky
from .robust_gaussian import RobustGaussian


class MinCovDet(RobustGaussian, Density):
    """Robust location and covariance by the minimum covariance determinant.

    Of scikit-learn's parameters it leaves out ``store_precision`` (always) and ``assume_centered`` (never).

    Attributes
    ----------
    location_, covariance_, precision_ : array or tensor of shape (D,), (D, D) and (D, D)
        Of the rows within the robust ellipse.
    support_ : bool array or tensor of shape (N,)
        Which rows those are.
    raw_location_, raw_covariance_, raw_support_ : array or tensor of shape (D,), (D, D) and (N,)
        Of the h rows alone.
    dist_ : array or tensor of shape (N,)
        Squared robust distances of the rows.
    n_iter_, history_, stopped_
        Steps on all rows, with the least ``log_determinant`` after each (of columns standardised by their medians).
    seed_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import MinCovDet
    >>> X = np.vstack([np.random.default_rng(0).normal(size=(40, 2)), np.full((8, 2), 9.0)])
    >>> model = MinCovDet(random_state=0).fit(X)
    >>> bool(model.support_[40:].any()), bool((abs(model.location_) < 0.5).all())
    (False, True)
    """

    card = Card(
        tasks="density",
        reference="Rousseeuw & Van Driessen (1999)",
        cost="N D^2 T + 500 D^3",
        largest={"D": 100},
    )

    @classmethod
    def example(cls) -> "MinCovDet":
        return cls(support_fraction=0.9, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "MinCovDet":
        """Find the majority, and its Gaussian.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            More rows than columns, and no h of them in a plane.
        y : ignored

        Returns
        -------
        self
        """
        self._learn(self._begin(X))
        return self

    def _log_density(self, queries: Queries) -> torch.Tensor:
        L, scale, _ = scaled_cholesky(queries.tensor(self.covariance_))
        log_determinant = 2 * float(L.diagonal().log().sum() + scale.log().sum())
        return -0.5 * (self._squared(queries) + len(scale) * math.log(2 * math.pi) + log_determinant)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw items from the Gaussian, of shape (n_samples, D)."""
        L, scale, _ = scaled_cholesky(torch.as_tensor(self.covariance_).cpu())
        z = np.random.default_rng(draw_seed(random_state)).normal(size=(n_samples, len(scale)))
        return np.asarray(torch.as_tensor(self.location_).cpu()) + z @ (scale[:, None] * L).T.numpy()
