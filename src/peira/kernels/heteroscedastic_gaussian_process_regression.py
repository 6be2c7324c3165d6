r"""Gaussian process regression with noise that depends on the place, learned by a second process.

.. math:: f \sim GP(m, k), \quad g \sim GP(\mu_0, k_g), \quad y_i \sim N(f(x_i), e^{g(x_i)})

The logarithm of the noise's variance is a smooth function too. Goldberg, Williams & Bishop (1998) sampled it, Kersting
et al. (2007) took its most likely values in turn with f ("most likely heteroscedastic GP"), an iteration that need not
settle. Here both processes are learned under one variational bound with f integrated out exactly
(`peira.kernels.gaussian_process_noise`), which is smooth in all hyper-parameters and keeps how uncertain g is.

**Prediction.** The function's value and the noise's logarithm are normal at a new place; what follows is a mixture,

.. math:: p(y \mid x) = \int N(y \mid m(x), s^2(x) + e^{g}) \, N(g \mid \mu(x), s_g^2(x)) \, dg

by 24 points of Gauss and Hermite. Where few items tell the noise, the tails are heavier than normal ones.

**When, and when not.** Where the width of the band matters and visibly changes. It needs more items than the mean
does: a variance is known to a factor of 1.4 or so from 20 of them. With constant noise the second process falls flat,
and little is lost.

Cost: 2 N^3 a step, some 3 to 8 steps for each of some 30 values of the hyper-parameters; memory 6 N^2.

References: Lazaro-Gredilla & Titsias (2011), Variational heteroscedastic Gaussian process regression, ICML; Kersting,
Plagemann, Pfaff & Burgard (2007), Most likely heteroscedastic Gaussian process regression, ICML.
"""

import math
from typing import Any

import numpy as np
import torch

from ..core import Card, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.predictive import Mixture, Normal, Predictive
from .constant import ConstantKernel
from .gaussian_process_noise import Fitted, fit_heteroscedastic
from .gaussian_process_priors import default_signal
from .kernel import Kernel
from .latent_regressor import LatentRegressor

SHARE = 0.1  # of the targets' variance, where the noise starts
NARROWEST, WIDEST = 1e-6, 1e2  # times that variance
SWING = (1e-4, 25.0)  # bounds of the variance of g: two standard deviations are a factor of e^10 either way
POINTS = 24
LARGEST = 600.0  # of the logarithm of a variance that is still a number


class HeteroscedasticGaussianProcessRegressor(LatentRegressor):
    """Gaussian process regression with noise learned by a second process.

    Attributes
    ----------
    noise_kernel_ : Kernel
        Covariance of the logarithm of the noise's variance.
    log_noise_ : float
        Its mean, mu_0.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels.heteroscedastic_gaussian_process_regression import HeteroscedasticGaussianProcessRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = np.linspace(0, 4, 200)[:, None]
    >>> y = np.sin(X[:, 0]) + np.where(X[:, 0] < 2, 0.05, 0.5) * rng.standard_normal(200)
    >>> model = HeteroscedasticGaussianProcessRegressor().fit(X, y)
    >>> quiet, loud = model.predict_dist([[1.0], [3.0]]).std
    >>> bool(quiet < 0.1), bool(loud > 0.3)
    (True, True)
    """

    card = Card(
        tasks="regression",
        reference="Lazaro-Gredilla & Titsias (2011); Kersting et al. (2007)",
        cost="T N^3",
        on_request="it is for noise that varies, and takes long",
        largest={"N": 1_000},
    )
    noise_kernel: Kernel | None = param(
        None, "covariance of the logarithm of the noise's variance; None: a scaled RBF, a length a column"
    )

    def noise_std(self, X: Any) -> Any:
        """The noise's standard deviation at each place, its median under what is known, of shape (Q,).

        Parameters
        ----------
        X : array, frame or tensor of shape (Q, D)
        """
        queries = self._queries(X)
        return queries.give((self._log_noise(queries)[0] / 2).exp())

    def _kernels(self, data: Data, scale: float) -> list[Kernel]:
        shape = default_signal(data.X, 1.0).k2
        signal = default_signal(data.X, scale) if self.kernel is None else self.kernel
        return [signal, ConstantKernel(1.0, SWING) * shape if self.noise_kernel is None else self.noise_kernel]

    def _noise(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        table = np.log([SHARE, NARROWEST, WIDEST]) + 2 * math.log(scale)
        return table[:1], table[None, 1:]

    def _fitted(
        self, grams: list[torch.Tensor], y: torch.Tensor, own: np.ndarray, start: torch.Tensor | None
    ) -> Fitted:
        return fit_heteroscedastic(*grams, y, float(own[0]), start)

    def _keep(self, kernels: list[Kernel], own: np.ndarray, y: torch.Tensor) -> None:
        self.noise_kernel_, self.log_noise_ = kernels[1], float(own[0])

    def _log_noise(self, queries: Queries) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of g, each (Q,)."""
        mean, variance = self._latent(queries, self.noise_kernel_, 1)
        return mean + self.log_noise_, variance

    def _forecast(self, queries: Queries) -> Predictive:
        mean, variance = self._latent(queries, self.kernel_, 0)
        level, doubt = self._log_noise(queries)
        nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
        parts = [
            Normal(mean + self.offset_, (variance + (level + at * doubt.sqrt()).clamp(max=LARGEST).exp()).sqrt())
            for at in nodes
        ]
        return Mixture(weights / weights.sum(), parts, as_numpy=queries.as_numpy)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and not (
            len(self.alpha_) == 2
            and isinstance(getattr(self, "noise_kernel_", None), Kernel)
            and isinstance(getattr(self, "log_noise_", None), float)
            and math.isfinite(self.log_noise_)
        ):
            raise UnreadableError(f"a stored {type(self).__name__} does not know its noise")
