r"""Kernels for smoothing: bumps of unit mass in D columns, as functions of the distance r from their centre.

============  =======================  ========================================
kernel        profile k(r)             radius of a draw, whose density is k(r) r^(D-1)
============  =======================  ========================================
gaussian      exp(-r^2 / 2)            of a Gaussian vector
exponential   exp(-r)                  Gamma(D)
tophat        1 for r < 1              Beta(D, 1)
epanechnikov  1 - r^2 for r < 1        root of Beta(D/2, 2)
linear        1 - r for r < 1          Beta(D, 2)
cosine        cos(pi r / 2) for r < 1  that of epanechnikov, kept with chance cos(pi r / 2) / (1 - r^2)
============  =======================  ========================================

With V the volume of the unit ball, all integrals are radial:

.. math:: \int f(|u|) \, du = D \, V \int_0^\infty f(r) \, r^{D-1} \, dr, \quad V = \pi^{D/2} / \Gamma(D/2 + 1)

Bandwidths of different kernels smooth alike if they are in the ratio of (Marron & Nolan 1988)

.. math:: \delta = \left( R / \mu^2 \right)^{1/(D+4)}, \quad R = \int K^2, \quad \mu = \int u_1^2 \, K(u) \, du

References: Silverman (1986), Density Estimation, chapter 4; Marron & Nolan (1988), Canonical kernels for density
estimation, Statistics & Probability Letters 7, 195-199.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from scipy.special import gammaln

Kernel = Literal["gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"]

LOG_PROFILES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gaussian": lambda r: -r.square() / 2,
    "exponential": lambda r: -r,
    "tophat": lambda r: torch.zeros_like(r).masked_fill(r >= 1, -torch.inf),
    "epanechnikov": lambda r: torch.where(r < 1, (1 - r.square()).log(), -torch.inf),
    "linear": lambda r: torch.where(r < 1, (1 - r).log(), -torch.inf),
    "cosine": lambda r: torch.where(r < 1, (math.pi / 2 * r).cos().log(), -torch.inf),
}
"""The logarithm of the profile k(r)."""

NODES, WEIGHTS = (0.5 * (leggauss(200)[0] + 1), 0.5 * leggauss(200)[1])


def log_unit_ball(D: int) -> float:
    """The logarithm of the volume of the unit ball."""
    return D / 2 * math.log(math.pi) - float(gammaln(D / 2 + 1))


def log_mass(kernel: str, D: int) -> float:
    """The logarithm of the integral of the profile over all of space."""
    return math.log(D) + log_unit_ball(D) + _log_radial(kernel, 1, D - 1)


def canonical_ratio(kernel: str, D: int) -> float:
    """How much wider a bandwidth must be than the Gaussian's to smooth alike."""

    def log_delta(name: str) -> float:
        log_r = math.log(D) + log_unit_ball(D) + _log_radial(name, 2, D - 1) - 2 * log_mass(name, D)
        log_mu = log_unit_ball(D) + _log_radial(name, 1, D + 1) - log_mass(name, D)
        return (log_r - 2 * log_mu) / (D + 4)

    return math.exp(log_delta(kernel) - log_delta("gaussian"))


def _log_radial(kernel: str, power: int, n: int) -> float:
    """The logarithm of the integral of k(r)^power r^n over r > 0."""
    if kernel == "gaussian":
        return float(gammaln((n + 1) / 2)) + (n - 1) / 2 * math.log(2) - (n + 1) / 2 * math.log(power)
    if kernel == "exponential":
        return float(gammaln(n + 1)) - (n + 1) * math.log(power)
    k = np.exp(LOG_PROFILES[kernel](torch.from_numpy(NODES)).numpy())
    return math.log(float(WEIGHTS @ (k**power * NODES**n)))


def draw(kernel: str, n: int, D: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (n, D) from the kernel."""
    z = rng.normal(size=(n, D))
    if kernel == "gaussian":
        return z
    direction = z / np.linalg.norm(z, axis=1, keepdims=True)
    if kernel == "exponential":
        r = rng.gamma(D, size=n)
    elif kernel in ("tophat", "linear"):
        r = rng.beta(D, 1 if kernel == "tophat" else 2, size=n)
    else:
        r = np.sqrt(rng.beta(D / 2, 2, size=n))
        again = np.full(n, kernel == "cosine")
        while again.any():
            tried = np.sqrt(rng.beta(D / 2, 2, size=int(again.sum())))
            kept = rng.random(len(tried)) * (1 - tried**2) <= np.cos(np.pi / 2 * tried)
            r[np.flatnonzero(again)[kept]] = tried[kept]
            again[np.flatnonzero(again)[kept]] = False
    return direction * r[:, None]
