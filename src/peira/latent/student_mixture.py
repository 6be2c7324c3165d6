r"""Mixtures of t distributions: Gaussian mixtures that outliers cannot pull.

.. math:: p(x) = \sum_k \pi_k \, \mathcal{T}(x \mid \mu_k, \Sigma_k, \nu_k)

.. math:: \mathcal{T}(x \mid \mu, \Sigma, \nu) \propto |\Sigma|^{-1/2} (1 + q / \nu)^{-(\nu + D)/2}

with :math:`q = (x - \mu)^T \Sigma^{-1} (x - \mu)`. The tails fall like a power of the distance, so that a far row costs
little and counts little: in the M step its weight is :math:`(\nu + D) / (\nu + q)`. The degrees of freedom
:math:`\nu` are estimated for each component, or given: 1 is a Cauchy, from 30 on it is nearly a Gaussian.

**Use it** where a Gaussian mixture spends components on outliers, or widens them. With clean clusters it costs a little
more and says the same.

The covariance of a component is :math:`\Sigma \nu / (\nu - 2)` for :math:`\nu > 2`, else infinite.

Cost: N K D^2 / 2 and three times N K logarithms a step.

Reference: Peel & McLachlan (2000), Robust mixture modelling using the t distribution, Statistics and Computing 10,
339-348; Bishop (2006), 2.3.7.
"""

from typing import Literal

import torch

from ..core import Card, choice, log, param
from ..core.inputs import Data, Queries
from .gaussian_components import GaussianComponents, GaussianRows
from .gaussian_mixture import floor_note
from .mixture import Mixture
from .student_components import StudentComponents


class StudentMixture(Mixture):
    """Mixture of t distributions by EM, robust to outliers.

    Attributes
    ----------
    weights_ : array of shape (K,)
    locations_ : array of shape (K, D)
        Centres; means where the degrees of freedom are above 1.
    scales_, precisions_cholesky_ : array
        Scale matrices, and the triangular roots of their inverses; of shape (K, D, D) for full, (K, D) for diag and
        (K,) for spherical ones.
    df_ : array of shape (K,)
        Degrees of freedom, estimated between 0.1 and a million.
    floored_ : int array of shape (K,)
        In how many directions each component lies on the floor.
    labels_, lower_bound_, converged_, n_iter_, restarts_
        As of `Mixture`.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import StudentMixture
    >>> X = np.r_[np.random.default_rng(0).normal(size=(200, 1)), [[500.0]]]
    >>> bool(abs(StudentMixture().fit(X).locations_[0, 0]) < 0.2)
    True
    """

    card = Card(
        tasks=("clustering", "density"),
        reference="Peel & McLachlan (2000), eqs 20 to 30",
        cost="T N K D^2",
    )
    df: float | None = param(None, "degrees of freedom of all components; None estimates them", above=0, high=1e6)
    covariance_type: Literal["full", "diag", "spherical"] = param(
        "full", "shape of the scale matrices", tune=choice("full", "diag", "spherical")
    )
    reg_covar: float = param(1e-6, "least scale in any direction, squared", low=0, tune=log(1e-9, 1e-1))

    @classmethod
    def example(cls) -> "StudentMixture":
        return cls(n_components=2, df=100.0, covariance_type="spherical", max_iter=5000, tol=1e-6, random_state=0)

    def _rows(self, data: Data) -> GaussianRows:
        return GaussianRows.of(data.X, data.w)

    def _start(self, rows: GaussianRows, R: torch.Tensor) -> StudentComponents:
        nu = torch.full((len(R),), self.df or 10.0, dtype=R.dtype, device=R.device)
        gaussian = GaussianComponents.start(rows, R, self.covariance_type, self.reg_covar)
        return StudentComponents(**vars(gaussian), nu=nu, estimated=self.df is None)

    def _placed(self, rows: GaussianRows, components: StudentComponents) -> StudentComponents:
        return components.moved(rows.centre)

    def _replaced(self, rows: GaussianRows, components: StudentComponents) -> StudentComponents:
        return components.moved(-rows.centre)

    def _keep(self, data: Data, components: StudentComponents) -> None:
        c = components
        self.locations_, self.scales_, self.df_ = data.give(c.means), data.give(c.covariances), data.give(c.nu)
        self.precisions_cholesky_, self.floored_ = data.give(c.U), data.give(c.floored)

    def _components(self, like: Queries) -> StudentComponents:
        return StudentComponents(
            self.covariance_type,
            like.tensor(self.weights_),
            like.tensor(self.locations_),
            like.tensor(self.scales_),
            like.tensor(self.precisions_cholesky_),
            self.reg_covar,
            torch.as_tensor(self.floored_, device=like.device),
            like.tensor(self.df_),
            self.df is None,
        )

    def _n_parameters(self) -> int:
        K, D = self.locations_.shape
        shapes = {"full": K * D * (D + 1) // 2, "diag": K * D, "spherical": K}
        return K - 1 + K * D + shapes[self.covariance_type] + (K if self.df is None else 0)

    def _floor_note(self, components: StudentComponents) -> str:
        return floor_note(components, self.reg_covar)
