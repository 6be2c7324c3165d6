r"""Gaussian process regression by minibatches: for rows beyond memory and for streams.

.. math:: y = f(x) + \epsilon, \quad f \sim GP(0, k), \quad \epsilon \sim N(0, \sigma^2)

The function is known through a normal belief of its values at M inducing inputs, and belief, inducing inputs and
hyper-parameters learn from random batches of the rows (`peira.kernels.sparse_gaussian_process_stochastic`). The bound
is that of `SparseGaussianProcessRegressor` (method "vfe"); for normal noise a row's share of it is

.. math:: E \log p(y_n | f_n) = -\frac{1}{2} \log 2 \pi \sigma^2 - \frac{(y_n - \mu_n)^2 + s_n^2}{2 \sigma^2}

Several targets are functions of their own that share kernel, noise and inducing inputs; their shares add up.

**A stream**: each call of ``partial_fit`` makes one pass over its rows. The first call sets the scales and picks the
inducing inputs, so it should bring some hundred rows that look like those to come.

**Use it** where rows come in parts or are millions. Where all of them fit, `SparseGaussianProcessRegressor` reaches a
higher bound in less time, and knows when it is done.

Cost: T (b + M) M^2 for T batches of b rows, and N M^2 for the last pass; a prediction M^2. K targets: K times that.

Reference: Hensman, Fusi & Lawrence (2013), UAI, 282-290.
"""

import math
from typing import Any, Self

import numpy as np
import torch

from ..core import Card, param
from ..core.inputs import Data
from .kernel import Kernel
from .sparse_gaussian_process import SHORTER, SparseEvidence, start
from .sparse_gaussian_process_answers import InducingRegressor
from .sparse_gaussian_process_inducing import given_inducing, open_kernel
from .sparse_gaussian_process_stochastic import Expected, StochasticGaussianProcess, opened_rows

SAMPLE = 2_000  # rows from which to start


class StochasticGaussianProcessRegressor(InducingRegressor, StochasticGaussianProcess):
    """Gaussian process regression by inducing inputs and minibatches.

    Attributes
    ----------
    kernel_ : Kernel
        With learned hyper-parameters, of the targets as they were scaled by ``normalize_y``.
    inducing_points_ : array of shape (M, D)
    noise_variance_ : float, or array of shape (K,) for targets (N, K)
        Of the targets' noise, in their unit squared.
    target_mean_, target_scale_ : float, or array of shape (K,)
    jitter_ : float
        What was added to the variance at each inducing input.
    history_ : dict
        ``bound``: its estimate from each batch, of the scaled targets.
    n_seen_, n_steps_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import StochasticGaussianProcessRegressor
    >>> X = np.linspace(0, 6, 200)[:, None]
    >>> y = np.sin(X[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    >>> model = StochasticGaussianProcessRegressor(n_inducing=12, max_iter=100).fit(X, y)
    >>> bool(abs(model.predict([[1.5]])[0] - np.sin(1.5)) < 0.1)
    True
    """

    card = Card(
        tasks="regression",
        reference="Hensman, Fusi & Lawrence (2013)",
        cost="T M^2 (b + M) + N M^2, M inducing inputs, b rows a batch",
        incremental="approximate",
        multi_output=True,
        on_request="it learns from minibatches for minutes",
        largest={"D": 100},
    )
    kernel: Kernel | None = param(
        None, "covariance, with a WhiteKernel for the noise; None: C * RBF of each column + noise", positional=True
    )
    normalize_y: bool = param(True, "centre the targets and divide by their standard deviation")

    @classmethod
    def example(cls) -> Self:
        """Few inducing inputs and few, long steps."""
        return cls(n_inducing=64, max_iter=20, step_size=0.15)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn by ``max_iter`` batches, and bring the belief to rest by a pass over all rows.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K)
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        return self._take(self._begin(X, y, sample_weight), whole=True)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over more rows, batch by batch.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        """
        return self._take(self._continue(X, y, sample_weight), whole=False)

    # ------------------------------------------------------------------ private

    def _take(self, data: Data, *, whole: bool) -> Self:
        rows, X, w = opened_rows(data)
        Y = data.Y[rows]
        if not hasattr(self, "kernel_"):
            kernel = open_kernel(self.kernel, data, type(self).__name__, noisy=True)
            self._measure(data, Y, w, normalise=self.normalize_y)
            part = data.rng().permutation(len(w))[:SAMPLE]
            mean, scale = self._units(data)
            few = SparseEvidence(kernel, X[part], (Y[part] - mean) / scale, w[part], "vfe", 0.0)
            scales = SHORTER if self.kernel is None else SHORTER[:1]
            first, Z = start(few, given_inducing(self, data), self.n_inducing, self.prior_spread, scales)
            self._launch(data, first, Z, Y.shape[1])
            self.start_ = kernel.theta
        mean, scale = self._units(data)
        self._learn(data, X, (Y - mean) / scale, w, whole=whole)
        self._keep_noise(data)
        return self

    def _expected(self, mean: torch.Tensor, variance: torch.Tensor, y: torch.Tensor, noise: torch.Tensor) -> Expected:
        r = y - mean
        share = (r.square() + variance) / noise
        value = -(math.log(2 * math.pi) + noise.log() + share).sum(1) / 2
        return Expected(value, r / noise, (1 / noise).expand_as(r), (share - 1).sum(1) / noise / 2)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_stochastic(int(np.prod(self.target_shape_)))
