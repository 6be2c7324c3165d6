r"""Mixtures of factor analysers: clusters in many columns, each of which varies along a few directions.

.. math:: p(x) = \sum_k \pi_k \, \mathcal{N}(x \mid \mu_k, W_k W_k^T + \Psi_k)

Within component k a row is :math:`x = \mu_k + W_k z + e` with Q factors :math:`z \sim N(0, I)` and noise
:math:`e \sim N(0, \Psi_k)` that is independent from column to column. A covariance then has D (Q + 1) - Q (Q - 1)/2
free numbers in place of D (D + 1)/2, so that clusters are told apart, and densities estimated, where a Gaussian
mixture would need more rows than there are.

With noise of one variance, :math:`\Psi_k = \sigma_k^2 I`, it is a **mixture of probabilistic principal components**: in
each cluster its own PCA.

**Use it** from some ten columns on, for images, spectra, questionnaires; as a map that bends: locally linear, globally
not. With few columns take `GaussianMixture`.

Cost: N K D^2 / 2 + K D^2 Q a step, memory K D^2.

Reference: Ghahramani & Hinton (1996), The EM algorithm for mixtures of factor analyzers, CRG-TR-96-1; Tipping & Bishop
(1999), Mixtures of probabilistic principal component analyzers, Neural Computation 11, 443-482, appendix C.
"""

from typing import Literal

import torch

from ..core import Card, integer, log, param
from ..core.inputs import Data, Queries
from .factor_components import FactorComponents
from .gaussian_components import GaussianComponents, GaussianRows
from .gaussian_mixture import floor_note, refuse_empty_columns
from .mixture import Mixture


class MixtureOfFactorAnalysers(Mixture):
    """Mixture of factor analysers, or of probabilistic principal components, by EM.

    Attributes
    ----------
    weights_ : array of shape (K,)
    means_ : array of shape (K, D)
    loadings_ : array of shape (K, D, Q)
        Determined up to a rotation of the factors; the largest loading of a factor is positive.
    noise_variance_ : array of shape (K, D), or (K,) for spherical noise
    covariances_, precisions_cholesky_ : array of shape (K, D, D)
    floored_ : int array of shape (K,)
        For how many columns the noise lies on the floor.
    labels_, lower_bound_, converged_, n_iter_, restarts_
        As of `Mixture`.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import MixtureOfFactorAnalysers
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 1)) * np.array([3.0, 2.0, 1.0]) + 0.1 * rng.normal(size=(300, 3))
    >>> MixtureOfFactorAnalysers(n_factors=1, random_state=0).fit(X).loadings_[0, :, 0].round().tolist()
    [3.0, 2.0, 1.0]
    """

    card = Card(
        tasks=("clustering", "density"),
        reference="Ghahramani & Hinton (1996); Tipping & Bishop (1999)",
        cost="T N K D^2",
        missing=True,
    )
    n_factors: int = param(2, "factors of each component, Q; at most D - 1 count", low=1, tune=integer(1, 10))
    noise: Literal["diag", "spherical"] = param(
        "diag", "a noise variance for each column, or one for all (probabilistic PCA)"
    )
    reg_covar: float = param(1e-6, "least variance of the noise", above=0, tune=log(1e-9, 1e-1))

    @classmethod
    def example(cls) -> "MixtureOfFactorAnalysers":
        return cls(n_components=2, n_factors=1, noise="spherical", max_iter=5000, tol=1e-6, random_state=0)

    def _rows(self, data: Data) -> GaussianRows:
        refuse_empty_columns(data, type(self).__name__)
        return GaussianRows.of(data.X, data.w)

    def _start(self, rows: GaussianRows, R: torch.Tensor) -> FactorComponents:
        Q = min(self.n_factors, len(rows.Z) - 1)
        return FactorComponents.of(GaussianComponents.start(rows, R, "full", self.reg_covar), Q, self.noise)

    def _placed(self, rows: GaussianRows, components: FactorComponents) -> FactorComponents:
        return components.moved(rows.centre)

    def _replaced(self, rows: GaussianRows, components: FactorComponents) -> FactorComponents:
        return components.moved(-rows.centre)

    def _keep(self, data: Data, components: FactorComponents) -> None:
        c = components
        largest = c.loadings.abs().argmax(1, keepdim=True)
        W = c.loadings * torch.where(c.loadings.gather(1, largest) < 0, -1.0, 1.0)
        self.means_, self.loadings_ = data.give(c.means), data.give(W)
        self.noise_variance_ = data.give(c.noise[:, 0].clone() if self.noise == "spherical" else c.noise)
        self.covariances_, self.precisions_cholesky_ = data.give(c.covariances), data.give(c.U)
        self.floored_ = data.give(c.floored)

    def _components(self, like: Queries) -> FactorComponents:
        means = like.tensor(self.means_)
        noise = like.tensor(self.noise_variance_).reshape(len(means), -1).expand_as(means)
        return FactorComponents(
            "full",
            like.tensor(self.weights_),
            means,
            like.tensor(self.covariances_),
            like.tensor(self.precisions_cholesky_),
            self.reg_covar,
            torch.as_tensor(self.floored_, device=like.device),
            like.tensor(self.loadings_),
            noise,
            self.noise,
        )

    def _n_parameters(self) -> int:
        K, D, Q = self.loadings_.shape
        noise = D if self.noise == "diag" else 1
        return K - 1 + K * (D + D * Q - Q * (Q - 1) // 2 + noise)

    def _floor_note(self, components: FactorComponents) -> str:
        return floor_note(components, self.reg_covar)
