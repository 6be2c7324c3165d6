r"""Gaussian process regression with Student-t noise: outliers do not pull the function.

.. math:: f \sim GP(m, k), \quad y_i = f(x_i) + \sigma \epsilon_i, \quad \epsilon_i \sim t_\nu

Under normal noise an item that lies ten deviations off is so improbable that the function bends towards it. Student's t
has heavy tails: such an item is merely an outlier, and the more it disagrees with the others the less it counts. The
posterior has no closed form; it is approximated by the normal distribution of greatest variational bound
(`peira.kernels.gaussian_process_noise`), a normal process in which every item has a precision of its own,

.. math:: \tau_i = \frac{\nu + 1}{\nu \sigma^2 + (y_i - m_i)^2 + S_{ii}}

The bound's gradient leads to the kernel's hyper-parameters, to sigma and to nu: whether there are outliers at all is
learned too, and large nu is normal noise.

**Prediction** is a normal function value plus Student-t noise: a mixture over the noise's random precision, of which
the t is made,

.. math:: p(y \mid x) = \int N(y \mid m(x), s^2(x) + \sigma^2 / \lambda) \, \mathrm{Gamma}(\lambda \mid \nu/2, \nu/2)
          \, d \lambda

by 48 points of log lambda; its variance is exact.

**When, and when not.** For targets with gross errors now and then. With many outliers in one place, the bound has
several maxima: the function may follow them or not, and the start decides. It is not the "Student-t process" of Shah
et al. (2014), whose values are t-distributed together, and which no single outlier affects less.

Cost: N^3 a step, some 6 to 15 steps for each of some 20 to 40 values of the hyper-parameters; memory 3 N^2.

References: Tipping & Lawrence (2005), Variational inference for Student-t models, Neurocomputing 69; Vanhatalo,
Jylanki & Vehtari (2009), Gaussian process regression with Student-t likelihood, NIPS; Rasmussen & Williams (2006), 9.3.
"""

import math

import numpy as np
import torch
from scipy.stats import gamma

from ..core import Card, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.predictive import Mixture, Normal, Predictive
from .gaussian_process_noise import Fitted, fit_student_t
from .gaussian_process_priors import default_signal
from .kernel import Kernel
from .latent_regressor import LatentRegressor

SHARE = 0.3  # of the targets' spread, where sigma starts
LEAST, MOST = 1e-3, 10.0  # times that spread
HEAVIEST, LIGHTEST = 2.1, 200.0  # degrees of freedom: with fewer there is no variance, with more it is normal noise
START = 4.0
POINTS = 48
BEYOND = 1e-12  # probability of lambda outside of the points, on either side


class RobustGaussianProcessRegressor(LatentRegressor):
    """Gaussian process regression with Student-t noise, by a variational bound.

    Attributes
    ----------
    scale_, df_ : float
        sigma, in the unit of the target, and nu of the noise.
    weights_ : array of shape (N,)
        How much each item counts, against one at its expected place without noise: near 0 for outliers.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels.robust_gaussian_process_regression import RobustGaussianProcessRegressor
    >>> X = np.linspace(0, 6, 40)[:, None]
    >>> y = np.sin(X[:, 0]) + 0.05 * np.random.default_rng(0).standard_normal(40)
    >>> y[10] = 8.0
    >>> model = RobustGaussianProcessRegressor().fit(X, y)
    >>> bool(abs(model.predict(X[10:11])[0] - np.sin(X[10, 0])) < 0.05), bool(model.weights_[10] < 0.01)
    (True, True)
    """

    card = Card(
        tasks="regression",
        reference="Tipping & Lawrence (2005); Vanhatalo, Jylanki & Vehtari (2009)",
        cost="T N^3",
        on_request="it is for targets with outliers, and takes long",
        largest={"N": 1_000},
    )
    df: float | None = param(None, "degrees of freedom of the noise, nu; None: learned", above=2)
    scale: float | None = param(None, "scale of the noise, sigma, in the unit of the target; None: learned", above=0)

    def _kernels(self, data: Data, scale: float) -> list[Kernel]:
        return [default_signal(data.X, scale) if self.kernel is None else self.kernel]

    def _noise(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        sigma = [SHARE * scale, LEAST * scale, MOST * scale] if self.scale is None else [self.scale] * 3
        nu = [START, HEAVIEST, LIGHTEST] if self.df is None else [self.df] * 3
        table = np.log([sigma, nu])
        return table[:, 0], table[:, 1:]

    def _fitted(
        self, grams: list[torch.Tensor], y: torch.Tensor, own: np.ndarray, start: torch.Tensor | None
    ) -> Fitted:
        scale, df = np.exp(own).tolist()
        return fit_student_t(grams[0], y, scale, df, start)

    def _keep(self, kernels: list[Kernel], own: np.ndarray, y: torch.Tensor) -> None:
        self.scale_, self.df_ = np.exp(own).tolist()
        self.weights_ = self.root_[0] ** 2 * (self.scale_**2 * self.df_ / (self.df_ + 1))

    def _forecast(self, queries: Queries) -> Predictive:
        mean, variance = self._latent(queries, self.kernel_, 0)
        mean = mean + self.offset_
        nu = self.df_
        low, high = np.log(gamma(nu / 2, scale=2 / nu).ppf([BEYOND, 1 - BEYOND]))
        u = np.linspace(low, high, POINTS)
        log_weight = nu / 2 * (u - np.exp(u))
        weights = np.exp(log_weight - log_weight.max())
        parts = [Normal(mean, (variance + self.scale_**2 * math.exp(-at)).sqrt()) for at in u]
        exact = variance + self.scale_**2 * nu / (nu - 2)
        return _WithVariance(weights / weights.sum(), parts, exact, as_numpy=queries.as_numpy)

    def _check_learned(self) -> None:
        super()._check_learned()
        values = [getattr(self, name, math.nan) for name in ("scale_", "df_")]
        if self.__sklearn_is_fitted__() and not (
            all(isinstance(v, float) and 0 < v < math.inf for v in values) and values[1] > 2
        ):
            raise UnreadableError(f"a stored {type(self).__name__} has no noise of scale and df {values}")


class _WithVariance(Mixture):
    """A mixture whose variance is known, where points of quadrature would miss some of it in the tails."""

    def __init__(
        self, weights: np.ndarray, components: list[Normal], variance: torch.Tensor, *, as_numpy: bool | None = None
    ) -> None:
        super().__init__(weights, components, as_numpy=as_numpy)
        self._known = variance

    def _variance(self) -> torch.Tensor:
        return self._known

    def _take(self, positions: torch.Tensor) -> "_WithVariance":
        parts = [c._take(positions) for c in self.components]
        weights = self._weights.reshape(-1, len(parts))[0].numpy(force=True)
        return _WithVariance(weights, parts, self._known.reshape(-1)[positions], as_numpy=self.as_numpy)
