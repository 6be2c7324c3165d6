r"""What a sparse Gaussian process says of numbers: predictions, and draws of whole functions.

With the posterior of the function by its inducing values, of mean m and covariance v
(`peira.kernels.sparse_gaussian_process_inducing`), the units :math:`s_k` and means :math:`b_k` of the K targets, and
the variance :math:`\sigma^2` of the noise,

.. math:: y_{*k} \sim N( b_k + s_k m_k(x_*), \; s_k^2 ( v(x_*, x_*) + \sigma^2 ) )

jointly for many x_* with the covariance between them. The targets are processes of their own that share kernel, noise
and inducing inputs.

Reference: Titsias (2009), AISTATS, 567-574, eq. 6.
"""

from typing import Any

import numpy as np
import torch

from ..core import ParameterError, Regressor
from ..core.inputs import Data, Queries
from ..core.predictive import Normal
from ..core.seeds import draw_seed
from .gaussian_process_posterior import root_of
from .sparse_gaussian_process_inducing import posterior_of, scale_of, split_noise


class InducingRegressor(Regressor):
    """Base of Gaussian process regression by inducing inputs: what it answers. A subclass learns it.

    Attributes
    ----------
    target_mean_, target_scale_ : float, or array of shape (K,) for targets (N, K)
    noise_variance_ : float, or array of shape (K,)
        Of the targets' noise, in their unit squared.
    """

    def predict_dist(self, X: Any, noise: bool = True) -> Normal:
        """Predictive distribution of each row's target, in the target's unit. Costs N M^2.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        noise : bool, default True
            Of a new target, with its noise; False: of the function's value.

        Returns
        -------
        Normal
            Over targets of shape (N,) or (N, K); with noise its variance is never less than that of the noise.
        """
        queries = self._queries(X)
        mean, variance = posterior_of(self, queries).at(queries.X)
        b, s = self._units(queries)
        std = ((variance + (self._noise(queries) if noise else 0.0)).sqrt() * s).reshape(len(mean), *self.target_shape_)
        return Normal((b + s * mean).reshape(std.shape), std, as_numpy=queries.as_numpy)

    def sample_y(
        self, X: Any, n_samples: int = 1, random_state: Any = 0, *, noise: bool = True, prior: bool = False
    ) -> Any:
        """Joint draws at the rows of X: whole functions, seen there. Costs N^3 for N rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        n_samples : int, default 1
        random_state : int or None, default 0
        noise : bool, default True
            Of targets, with their noise; False: of the function.
        prior : bool, default False
            From the prior, with the learned hyper-parameters.

        Returns
        -------
        array or tensor of shape (N, n_samples), or (N, K, n_samples) for K targets
        """
        if n_samples < 1:
            raise ParameterError(f"n_samples must be 1 or more, got {n_samples}")
        queries = self._queries(X)
        b, s = self._units(queries)
        posterior, N, K = posterior_of(self, queries), len(queries), len(b)
        if prior:
            mean, C = queries.X.new_zeros(N, K), posterior.kernel._gram(queries.X)[None]
        else:
            mean, C = posterior.at(queries.X)[0], posterior.covariance(queries.X)
        if noise:
            C.diagonal(dim1=1, dim2=2).add_(self._noise(queries))
        roots = torch.stack([root_of(part) for part in C]).expand(K, N, N)
        z = queries.tensor(np.random.default_rng(draw_seed(random_state)).standard_normal((n_samples, K, N)))
        draws = (b + s * mean)[:, :, None] + s[:, None] * torch.einsum("knm,skm->nks", roots, z)
        return queries.give(draws if self.target_shape_ else draws[:, 0])

    def _predict(self, queries: Queries) -> torch.Tensor:
        b, s = self._units(queries)
        return b + s * posterior_of(self, queries).at(queries.X)[0]

    # ------------------------------------------------------------------ units

    def _measure(self, data: Data, Y: torch.Tensor, w: torch.Tensor, *, normalise: bool) -> None:
        """Keep mean and unit of targets Y (N, K)."""
        mean, scale = scale_of(Y, w) if normalise else (Y.new_zeros(Y.shape[1]), Y.new_ones(Y.shape[1]))
        self.target_mean_, self.target_scale_ = (self._given(data, v) for v in (mean, scale))

    def _keep_noise(self, data: Data) -> None:
        self.noise_variance_ = self._given(data, self._noise(data) * self._units(data)[1].square())

    def _given(self, data: Data, value: torch.Tensor) -> Any:
        """A value (K,) as a number where there is one target."""
        return float(value[0]) if data.squeeze else data.give(value)

    def _units(self, like: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and unit of the targets, of shape (K,)."""
        return like.tensor(self.target_mean_).reshape(-1), like.tensor(self.target_scale_).reshape(-1)

    def _noise(self, like: Queries) -> torch.Tensor:
        """Variance of the noise, of the scaled targets."""
        return split_noise(self.kernel_, like.X[:0, 0])[1]
