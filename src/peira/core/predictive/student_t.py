r"""Student's t distribution, located and scaled.

.. math:: p(y) = \frac{\Gamma((\nu + 1)/2)}{\Gamma(\nu/2) \sqrt{\nu \pi}\; \sigma} (1 + z^2/\nu)^{-(\nu + 1)/2}

.. math:: z = \frac{y - \mu}{\sigma}

.. math:: F(z) = \frac{1}{2} I_x(\nu/2, 1/2)

.. math:: x = \frac{\nu}{\nu + z^2}

(for z below 0, by symmetry above). It is the predictive distribution of a normal sample whose
variance was estimated, and of Bayesian regression with unknown noise. The mean exists for
more than one degree of freedom, the variance for more than two. Infinitely many degrees of
freedom are allowed and give the normal distribution.

.. math:: H = \frac{\nu + 1}{2} [\psi((\nu + 1)/2) - \psi(\nu/2)] + \log [\sqrt{\nu}\, B(\nu/2, 1/2)] + \log \sigma

.. math:: CRPS = \sigma \left[ z (2 F(z) - 1) + \frac{2}{\nu - 1} (p_0(z) (\nu + z^2) - \kappa) \right]

.. math:: \kappa = \sqrt{\nu}\, \frac{B(1/2, \nu - 1/2)}{B(1/2, \nu/2)^2}

The CRPS is from Jordan, Krüger and Lerch (2019), "Evaluating probabilistic forecasts with
scoringRules", Journal of Statistical Software 90(12), appendix A; it needs a mean, and is NaN
for one degree of freedom or fewer.

Accuracy: the ratio of gamma functions is summed from its asymptotic series (Tricomi and Erdélyi
1951) where the difference of their logarithms would cancel, so that densities stay exact for any
number of degrees of freedom; the distribution function and its inverse work with the smaller of
x and 1 - x, the inverse with the leading term of the incomplete beta function where x underflows.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy import special

from .base import open_parameters, refuse
from .location_scale import LocationScale

_LARGE = 30.0  # from here on five terms of the series below are exact in float64
_TINY = 1e-290  # below this, x is replaced by the leading term of the incomplete beta function


def log_gamma_ratio(a: torch.Tensor) -> torch.Tensor:
    r"""log Gamma(a + 1/2) - log Gamma(a) without cancellation."""
    i = 1 / a.clamp(min=_LARGE)
    j = i * i
    series = -i.log() / 2 + i * (-1 / 8 + j * (1 / 192 + j * (-1 / 640 + j * (17 / 14336 - j * 31 / 18432))))
    small = a.clamp(max=_LARGE)
    return torch.where(a >= _LARGE, series, torch.lgamma(small + 0.5) - torch.lgamma(small))


def digamma_gap(a: torch.Tensor) -> torch.Tensor:
    r"""psi(a + 1/2) - psi(a), the derivative of `log_gamma_ratio`."""
    i = 1 / a.clamp(min=_LARGE)
    j = i * i
    series = i / 2 + j * (1 / 8 + j * (-1 / 64 + j * (1 / 128 + j * (-17 / 2048 + j * 31 / 2048))))
    small = a.clamp(max=_LARGE)
    return torch.where(a >= _LARGE, series, torch.digamma(small + 0.5) - torch.digamma(small))


def t_cdf(z: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Distribution function of the standard t, with full relative accuracy in the lower tail."""
    z, df = np.broadcast_arrays(z, df)
    near = np.abs(z) < 1  # there x is so close to 1 that SciPy's stdtr loses digits, and 1 - x does not
    p = np.empty(z.shape)
    with np.errstate(under="ignore"):
        p[~near] = special.stdtr(df[~near], z[~near])
    t, n = z[near], df[near]
    p[near] = 0.5 + np.sign(t) * special.betainc(0.5, n / 2, t * t / (n + t * t)) / 2
    return p


def t_quantile(q: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Inverse of `t_cdf`; -inf at 0 and inf at 1."""
    p = 2 * np.minimum(q, 1 - q)
    a = df / 2
    y = special.betainccinv(0.5, a, p)
    x = special.betaincinv(a, 0.5, p)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        r = np.where(y < 0.5, np.sqrt(y / (1 - y)), np.sqrt((1 - x) / x))
        leading = np.exp(-(np.log(p) + np.log(a) + special.betaln(a, 0.5)) / (2 * a))
        z = np.where((x < _TINY) & (y >= 0.5), leading, r) * np.sqrt(df)
    return np.where(q < 0.5, -z, z)


class StudentT(LocationScale):
    """Student's t distributions over a batch of targets.

    Parameters
    ----------
    df : float, array or tensor, stretching to the batch shape
        Degrees of freedom, above 0; inf gives the normal distribution.
    loc : array or tensor, the batch shape (N,) or (N, K)
        Unit of the target.
    scale : float, array or tensor, stretching to the batch shape
        Not negative; zero makes a point mass. Not the standard deviation, which is larger.
    as_numpy : bool, optional
        The form of answers; by default that of the parameters.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, a scale is negative or a df is not positive.

    Examples
    --------
    >>> from peira.core.predictive import StudentT
    >>> d = StudentT(4, [0.0, 10.0], [1.0, 2.0])
    >>> d.interval(0.95)[1].round(2)
    array([ 2.78, 15.55])
    """

    def __init__(self, df: Any, loc: Any, scale: Any, *, as_numpy: bool | None = None) -> None:
        form, (location, spread, nu) = open_parameters(as_numpy, loc, scale=scale, df=df)
        refuse(~(nu > 0), nu, "df must be positive")
        self._df = nu.clamp(max=1e30)  # from there on the normal distribution to the last digit
        self._place(location, spread, "scale", form)

    @property
    def df(self) -> Any:
        """Degrees of freedom, of the batch shape."""
        return self._give(self._df)

    @property
    def loc(self) -> Any:
        """Location: the centre of symmetry, of the batch shape."""
        return self._give(self._loc)

    @property
    def scale(self) -> Any:
        """Scale, of the batch shape, in the unit of the target."""
        return self._give(self._scale)

    def _mean(self) -> torch.Tensor:
        return torch.where((self._df > 1) | self._point, self._loc, torch.nan)

    def _variance(self) -> torch.Tensor:
        return self._std() ** 2

    def _std(self) -> torch.Tensor:
        nu = self._df
        factor = torch.where(nu > 2, nu / (nu - 2).clamp(min=0), torch.where(nu > 1, torch.inf, torch.nan)).sqrt()
        return torch.where(self._point, 0.0, self._scale * factor)

    def _standard_log_prob(self, z: torch.Tensor) -> torch.Tensor:
        nu = self._df
        constant = log_gamma_ratio(nu / 2) - (nu * math.pi).log() / 2
        # log1p(z^2 / nu) as twice the log of a hypotenuse where z^2 would overflow
        ratio = z.abs() / nu.sqrt()
        growth = torch.where(ratio > 1e8, 2 * ratio.clamp(min=1.0).log(), torch.log1p(ratio.clamp(max=1e8) ** 2))
        return constant - (nu + 1) / 2 * growth

    def _through_scipy(self, f: Any, v: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(f(v.numpy(force=True), self._df.numpy(force=True)), device=self.device)

    def _standard_cdf(self, z: torch.Tensor) -> torch.Tensor:
        return self._through_scipy(t_cdf, z)

    def _standard_quantile(self, q: torch.Tensor) -> torch.Tensor:
        return self._through_scipy(t_quantile, q)

    def _standard_entropy(self) -> torch.Tensor:
        a = self._df / 2
        log_root_beta = (self._df.log() + math.log(math.pi)) / 2 - log_gamma_ratio(a)
        return (self._df + 1) / 2 * digamma_gap(a) + log_root_beta

    def _standard_crps(self, z: torch.Tensor) -> torch.Tensor:
        nu = self._df.clamp(min=1)
        # B(1/2, a) = sqrt(pi) Gamma(a) / Gamma(a + 1/2)
        log_ratio = 2 * log_gamma_ratio(nu / 2) - log_gamma_ratio(nu - 0.5) - math.log(math.pi) / 2
        kappa = nu.sqrt() * log_ratio.exp()
        density = self._standard_log_prob(z).exp()
        score = z * (2 * self._standard_cdf(z) - 1) + 2 * (density * (nu + z**2) - kappa) / (nu - 1)
        return torch.where(self._df > 1, score, torch.nan)

    def _draw(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        nu = self._df.numpy(force=True)
        normal = rng.standard_normal((n, *self.shape))
        # chi^2 / nu from a gamma variate; at df = 1e30 it is 1 exactly
        chi2_over_nu = rng.standard_gamma(np.broadcast_to(nu / 2, normal.shape)) / (nu / 2)
        return self._loc + self._scale * torch.as_tensor(normal / np.sqrt(chi2_over_nu), device=self.device)

    def _take(self, positions: torch.Tensor) -> "StudentT":
        df, loc, scale = (t.reshape(-1)[positions] for t in (self._df, self._loc, self._scale))
        return StudentT(df, loc, scale, as_numpy=self.as_numpy)
