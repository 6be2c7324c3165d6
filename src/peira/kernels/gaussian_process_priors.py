r"""What is believed about hyper-parameters before the data: a default kernel in their units, and hyper-priors.

A hyper-prior is a density of a hyper-parameter v > 0, stated for v and used for its logarithm, which is what is
learned:

.. math:: \log p(\theta) = \sum_p \log p(v_p) + \theta_p, \quad v_p = \exp \theta_p

so that marginal likelihood plus log prior is the log posterior of theta up to a constant: its maximum is what `fit`
finds, and a sampler over theta needs nothing more.

Reference: Rasmussen & Williams (2006), 5.2 (ML-II, and its maximum a posteriori form).
"""

import math
from abc import abstractmethod

import numpy as np
import torch

from ..core.errors import ParameterError, closest
from ..core.params import param
from ..core.value import Value
from .constant import ConstantKernel, WhiteKernel
from .kernel import Kernel
from .stationary import RBF

SPREAD = 3.0  # of the default hyper-priors: a factor of e^3 = 20 either way is one standard deviation
SHARE_OF_NOISE = 0.3  # of the variance of the targets, to start from


class HyperPrior(Value):
    """Base of the densities of positive hyper-parameters."""

    @abstractmethod
    def log_density(self, theta: float) -> tuple[float, float]:
        """Log density of theta = log v, normalised, and its slope."""


class LogNormal(HyperPrior):
    """The logarithm is normal: a hyper-parameter whose order of magnitude is known.

    Examples
    --------
    >>> from peira.kernels.gaussian_process_priors import LogNormal
    >>> round(LogNormal(2.0, 1.0).log_density(0.0)[1], 4)
    0.6931
    """

    median: float = param(1.0, "the value in the middle, in the unit of the hyper-parameter", above=0, positional=True)
    spread: float = param(1.0, "standard deviation of the logarithm", above=0, positional=True)

    def log_density(self, theta: float) -> tuple[float, float]:
        z = (theta - math.log(self.median)) / self.spread
        return -z * z / 2 - math.log(self.spread) - math.log(2 * math.pi) / 2, -z / self.spread


class Gamma(HyperPrior):
    """Density proportional to v^(shape - 1) exp(-rate v)."""

    shape: float = param(2.0, "shape", above=0, positional=True)
    rate: float = param(1.0, "rate, per unit of the hyper-parameter", above=0, positional=True)

    def log_density(self, theta: float) -> tuple[float, float]:
        a, b, v = self.shape, self.rate, math.exp(theta)
        return a * math.log(b) - math.lgamma(a) + a * theta - b * v, a - b * v


class HalfNormal(HyperPrior):
    """A normal density about zero, its positive half; of the hyper-parameter itself, or of its square root."""

    scale: float = param(1.0, "scale, in the unit of what it is a density of", above=0, positional=True)
    of_root: bool = param(False, "of the square root: the standard deviation, where a kernel holds a variance")

    def log_density(self, theta: float) -> tuple[float, float]:
        h = 0.5 if self.of_root else 1.0
        z = math.exp(h * theta) / self.scale  # q = v^h, and dq / dtheta = h q
        constant = math.log(2 * h / self.scale) - math.log(2 * math.pi) / 2
        return constant - z * z / 2 + h * theta, h * (1 - z * z)


def log_prior(hyper_priors: dict | None, kernel: Kernel) -> tuple[float, np.ndarray]:
    """Log density of the kernel's theta, and its gradient (P,).

    Parameters
    ----------
    hyper_priors : dict of str to HyperPrior, or None
        By the name of a hyper-parameter as `Kernel.hyperparameter_names` gives it, or by its last part, which then
        goes for all of that name: "length_scale" also for ``k1.k2.length_scale[0]``.

    Raises
    ------
    ValueError
        For a name that the kernel does not have, or a value that is no `HyperPrior`.
    """
    theta, names = kernel.theta, kernel.hyperparameter_names()
    total, slope, used = 0.0, np.zeros(len(theta)), set()
    for p, name in enumerate(names):
        plain = name.partition("[")[0]
        for key in (name, plain, name.rpartition(".")[2], plain.rpartition(".")[2]):
            prior = (hyper_priors or {}).get(key)
            if prior is None:
                continue
            if not isinstance(prior, HyperPrior):
                raise ParameterError(
                    f"the hyper-prior of {key!r} must be a HyperPrior such as LogNormal, got {prior!r}"
                )
            value, by_theta = prior.log_density(float(theta[p]))
            total, slope[p] = total + value, by_theta
            used.add(key)
            break
    for key in hyper_priors or {}:
        if key not in used and not any(_same_end(key, name) for name in names):
            raise ParameterError(f"the kernel has no free hyper-parameter {key!r}; {closest(key, names)}")
    return total, slope


def _same_end(key: str, name: str) -> bool:
    plain = name.partition("[")[0]
    return key in (name, plain, name.rpartition(".")[2], plain.rpartition(".")[2])


def default_signal(X: torch.Tensor, scale: float, w: torch.Tensor | None = None) -> Kernel:
    r"""A smooth function of all columns, in their units.

    .. math:: k(x, z) = c \exp( - \frac{1}{2} \sum_d (x_d - z_d)^2 / l_d^2 )

    to start with the scale squared for c, and for l_d the root of D times the standard deviation of column d, for
    which two items are typically a bit more than one length-scale apart; within a factor of a million.
    """
    lengths = X.shape[1] ** 0.5 * spread(X, w)
    return ConstantKernel(scale**2, _within(scale**2)) * RBF(lengths, np.array([_within(s, 1e4) for s in lengths]))


def default_kernel(X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> Kernel:
    """`default_signal` plus white noise: what a process learns from when it is told nothing.

    Parameters
    ----------
    X : tensor of shape (N, D)
    Y : tensor of shape (N, K)
        About the mean function.
    w : tensor of shape (N,), optional
    """
    scale = float(spread(Y, w).mean())
    noise = SHARE_OF_NOISE * scale**2
    return default_signal(X, scale, w) + WhiteKernel(noise, _within(noise))


def default_hyper_priors(kernel: Kernel) -> dict:
    """Weak ones about the values of a kernel that is in the units of the data: a factor of 20 is not surprising."""
    values = np.exp(kernel.theta)
    return {name: LogNormal(float(v), SPREAD) for name, v in zip(kernel.hyperparameter_names(), values, strict=True)}


def _within(value: float, factor: float = 1e6) -> tuple[float, float]:
    return value / factor, value * factor


def spread(V: torch.Tensor, w: torch.Tensor | None) -> np.ndarray:
    """Standard deviations of the columns; 1 for a constant one, whose unit nobody can tell."""
    w = V.new_ones(len(V)) if w is None else w
    mean = (w @ V) / w.sum()
    sd = ((w @ (V - mean).square()) / w.sum()).sqrt()
    return torch.where(sd > 1e-12 * (1 + mean.abs()), sd, torch.ones_like(sd)).numpy(force=True)
