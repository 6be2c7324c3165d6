r"""Laplace's approximation for a Gaussian process under a likelihood that is no normal distribution.

The labels say something about a latent process f, :math:`p(y \mid f) = \prod_i p(y_i \mid f_i)`. The posterior is
approximated by a normal distribution at its mode, with the curvature there:

.. math:: \Psi(f) = \log p(y \mid f) - \frac{1}{2} f^T K^{-1} f, \quad \hat f = \mathrm{argmax} \, \Psi

.. math:: q(f) = N(f \mid \hat f, (K^{-1} + W)^{-1}), \quad W = - \nabla \nabla \log p(y \mid \hat f)

W is diagonal, and not negative for the two links here, whose logarithms are concave: the mode is unique. Newton's
method finds it (Rasmussen & Williams 2006, algorithm 3.1) in terms of a, f = K a, so that K is never inverted:

.. math:: b = W f + \nabla \log p(y \mid f), \quad a \leftarrow b - R K b

with R = (K + W^-1)^-1. A step that would lower Psi is halved. It ends when a step promises to raise Psi by less than
``tol``; since Newton's method squares its error at each step, what remains is about tol squared.

**Evidence** (eq. 3.32):

.. math:: \log q(y) = \log p(y \mid \hat f) - \frac{1}{2} \hat f^T K^{-1} \hat f - \frac{1}{2} \log |I + K W|

**Its slope** by the Gram matrix: K appears in it, and moves the mode, which moves W (algorithm 5.1). Put together as
one matrix, whatever the number of hyper-parameters,

.. math:: \frac{d \log q}{d K} = \frac{1}{2} \left( a a^T - R + u a^T + a u^T \right)

.. math:: u = (I - R K) s, \quad s_i = \frac{1}{2} S_{ii} \, \nabla^3_i \log p(y_i \mid \hat f_i)

where S_ii W_i is one minus an entry of the inverse of B (`peira.kernels.site_posterior`), and the ratio of third and
second derivatives is short: nothing in s is divided by a number that may vanish.

Cost: N^3 / 3 a Newton step, of which some four to eight are needed, and N^3 for the slope; memory 4 N^2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .site_posterior import SitePosterior

HALF_LOG_2PI = math.log(2 * math.pi) / 2
SETTLED = 1e-18  # a step that promised so little has not moved W, and its factor serves


@dataclass(frozen=True)
class Approximation:
    """A normal posterior of the process, and the evidence.

    Parameters
    ----------
    log_evidence : float
        log q(y), nats.
    alpha, root : tensors of shape (N,)
        Weights of the mean, and roots of the sites' precisions; tensors (N, C) for C processes.
    L : tensor of shape (N, N)
        Factor of B; (C, N, N) for C processes, and then that of the sum that couples them last.
    slope : callable
        d log q(y) / dK (N, N), symmetric.
    start : tensor
        From where the next search, for another K, best begins.
    gap : float
        How far from converged; at most ``tol`` unless ``max_iter`` was reached.
    n_iter : int
    """

    log_evidence: float
    alpha: torch.Tensor
    root: torch.Tensor
    L: torch.Tensor
    slope: Callable[[], torch.Tensor]
    start: torch.Tensor
    gap: float
    n_iter: int


class Logistic:
    r"""P(y | f) = 1 / (1 + exp(-y f)), y = 1 or -1."""

    def __init__(self, y: torch.Tensor) -> None:
        self.y = y

    def log_prob(self, f: torch.Tensor) -> float:
        return float(torch.nn.functional.logsigmoid(self.y * f).sum())

    def slope_and_curvature(self, f: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """d log p / df and W = - d2 log p / df2."""
        away = torch.sigmoid(-self.y * f)
        return self.y * away, away * torch.sigmoid(self.y * f)

    def third(self, f: torch.Tensor) -> torch.Tensor:
        """(d3 log p / df3) / W."""
        return torch.tanh(f / 2)


class Probit:
    """P(y | f) = Phi(y f), y = 1 or -1."""

    def __init__(self, y: torch.Tensor) -> None:
        self.y = y

    def log_prob(self, f: torch.Tensor) -> float:
        return float(torch.special.log_ndtr(self.y * f).sum())

    def slope_and_curvature(self, f: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """d log p / df and W = - d2 log p / df2."""
        r = hazard(self.y * f)
        return self.y * r, r * (r + self.y * f)

    def third(self, f: torch.Tensor) -> torch.Tensor:
        """(d3 log p / df3) / W."""
        z = self.y * f
        r = hazard(z)
        return self.y * (z + 2 * r - 1 / (z + r))


def hazard(z: torch.Tensor) -> torch.Tensor:
    """phi(z) / Phi(z) of the standard normal, without overflow in either tail."""
    return (-z.square() / 2 - HALF_LOG_2PI - torch.special.log_ndtr(z)).exp()


def laplace(
    K: torch.Tensor,
    likelihood: Logistic | Probit,
    start: torch.Tensor | None = None,
    *,
    max_iter: int = 100,
    tol: float = 1e-9,
) -> Approximation:
    """Find the mode and the normal distribution there.

    Parameters
    ----------
    K : tensor of shape (N, N)
        Gram matrix.
    likelihood : Logistic or Probit
        With the labels.
    start : tensor of shape (N,), optional
        Weights a to begin with, those of a similar K; used if they are better than zeros.
    max_iter : int, default 100
        Most Newton steps.
    tol : float, default 1e-9
        End when a step promises to raise Psi by less, nats.
    """
    a = torch.zeros(len(K), dtype=K.dtype, device=K.device)
    f, value = a, likelihood.log_prob(a)
    if start is not None:
        warm = K @ start
        if (there := likelihood.log_prob(warm) - float(start @ warm) / 2) > value:
            a, f, value = start, warm, there
    n_iter, gain, posterior = 0, math.inf, None
    while n_iter < max_iter and gain > tol:
        n_iter += 1
        g, W = likelihood.slope_and_curvature(f)
        posterior = SitePosterior(K, W)
        b = W * f + g
        step = b - posterior.reduce(K @ b) - a
        motion = K @ step
        gain = float((g - a) @ motion) / 2
        scale, rounding = 1.0, 1e-12 * (1 + abs(value))
        while (new := _psi(likelihood, a + scale * step, f + scale * motion)) < value - rounding and scale > 1e-10:
            scale /= 2
        a, f, value = a + scale * step, f + scale * motion, new
    g, W = likelihood.slope_and_curvature(f)
    if posterior is None or gain > SETTLED:
        posterior = SitePosterior(K, W)
    log_evidence = value - posterior.log_det / 2

    def slope() -> torch.Tensor:
        s = (1 - posterior.inverse.diagonal()) * likelihood.third(f) / 2
        u = s - posterior.reduce(K @ s)
        # (a a' + u a' + a u') / 2 as one symmetric pair
        half = torch.outer(a / 2 + u, a / 2)
        return half.add_(half.T.clone()).sub_(posterior.R, alpha=0.5)

    return Approximation(log_evidence, g, posterior.root, posterior.L, slope, a, gain, n_iter)


def _psi(likelihood: Logistic | Probit, a: torch.Tensor, f: torch.Tensor) -> float:
    return likelihood.log_prob(f) - float(a @ f) / 2
