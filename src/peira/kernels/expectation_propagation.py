r"""Expectation propagation (EP) for a Gaussian process with probit labels.

Each factor of the likelihood, :math:`\Phi(y_i f_i)`, is replaced by a normal one of precision tau and natural mean nu
(`peira.kernels.site_posterior`), so that the approximation q has the right mean and variance at each item, seen from
all others: the cavity is q without the item's own site,

.. math:: q_{-i}(f_i) = N(f_i \mid \mu_{-i}, v_i), \quad v_i = S_{ii} / c_i, \quad \mu_{-i} = (m_i - S_{ii} \nu_i) / c_i

with c the diagonal of the inverse of B. The factor met with its cavity has the mass (Rasmussen & Williams 2006,
eq. 3.82)

.. math:: Z_i = \int \Phi(y_i f) N(f \mid \mu_{-i}, v_i) \, df = \Phi(z_i), \quad z_i = y_i \mu_{-i} / \sqrt{1 + v_i}

and the slope and curvature of its logarithm give the site that leads to the same mean and variance (eq. 3.58):

.. math:: g_i = \partial \log Z_i / \partial \mu_{-i}, \quad h_i = - \partial^2 \log Z_i / \partial \mu_{-i}^2

.. math:: \tau_i = \frac{h_i}{1 - v_i h_i}, \quad \nu_i = \frac{g_i + \mu_{-i} h_i}{1 - v_i h_i}

**All sites at once.** Algorithm 3.5 takes the items in turn, with N updates of rank one of an N by N matrix a sweep:
N passes through memory. Here all sites move together and one factorisation follows, which has the same fixed points,
and costs a tenth. Some fifteen sweeps reach one by Anderson mixing (`peira.kernels.anderson_mixing`), where plain
sweeps need fifty, and for large amplitudes never settle. The gap is the largest motion of a site, in units of the
posterior's own precision.

**Evidence** (eqs 3.65, 3.73, 3.74), at a fixed point stationary in all sites:

.. math:: \log Z = \sum_i \left( \log Z_i + \frac{1}{2} \log(1 + \tau_i v_i) + \frac{e_i}{2} \right)
          - \frac{1}{2} \log |B| + \frac{1}{2} \nu^T m

.. math:: e_i = \frac{\mu_{-i} (\tau_i \mu_{-i} - 2 \nu_i) - v_i \nu_i^2}{1 + \tau_i v_i}

.. math:: \frac{d \log Z}{d K} = \frac{1}{2} (\alpha \alpha^T - R)

(algorithm 5.2). EP is much closer to the integral than Laplace's approximation, whose mode lies far from the mean of
a skewed posterior (Kuss & Rasmussen 2005).

Cost: N^3 a sweep, some 10 to 30 sweeps; memory 3 N^2.
"""

from typing import NamedTuple

import torch

from .anderson_mixing import AndersonMixing
from .laplace_approximation import Approximation, hazard
from .site_posterior import SitePosterior


class Sites(NamedTuple):
    """Precisions tau and natural means nu, each (N,)."""

    tau: torch.Tensor
    nu: torch.Tensor


def expectation_propagation(
    K: torch.Tensor,
    y: torch.Tensor,
    start: torch.Tensor | None = None,
    *,
    max_iter: int = 100,
    tol: float = 1e-8,
) -> Approximation:
    """Find the sites that match moments, and the evidence.

    Parameters
    ----------
    K : tensor of shape (N, N)
        Gram matrix.
    y : tensor of shape (N,)
        Labels, 1 or -1.
    start : tensor of shape (2, N), optional
        Sites to begin with, those of a similar K; empty ones by default.
    max_iter : int, default 100
        Most sweeps.
    tol : float, default 1e-8
        End when no site moves by more, in units of the posterior's precision.
    """
    sites = torch.stack([torch.zeros_like(y)] * 2) if start is None else start
    mixing, n_iter = AndersonMixing(), 0
    while True:
        tau, nu = sites
        posterior = SitePosterior(K, tau)
        alpha = nu - posterior.reduce(K @ nu)
        S, m = posterior.variances(), K @ alpha
        own = (1 - tau * S).clamp(min=torch.finfo(S.dtype).tiny)  # c
        v, mean = S / own, (m - S * nu) / own
        target, log_Z = match(y, mean, v)
        motion, unit = torch.stack(target) - sites, torch.stack([S, S.sqrt()])
        gap = float((motion * unit).abs().max())
        if gap <= tol or n_iter == max_iter:
            break
        n_iter += 1
        sites = mixing.step(sites, motion, unit, gap)
        sites[0] = torch.maximum(sites[0], tau / 10)  # precisions stay positive
    stretch = 1 + tau * v
    e = (mean * (tau * mean - 2 * nu) - v * nu.square()) / stretch
    log_evidence = float((log_Z + stretch.log() / 2 + e / 2).sum() + nu @ m / 2) - posterior.log_det / 2

    def slope() -> torch.Tensor:
        return torch.outer(alpha / 2, alpha).sub_(posterior.R, alpha=0.5)

    return Approximation(log_evidence, alpha, posterior.root, posterior.L, slope, sites, gap, n_iter)


def match(y: torch.Tensor, mean: torch.Tensor, v: torch.Tensor) -> tuple[Sites, torch.Tensor]:
    """The sites that give a cavity N(mean, v) the moments that the factor Phi(y f) gives it; and log Z_i (N,)."""
    unit = (1 + v).sqrt()
    z = y * mean / unit
    r = hazard(z)
    g, h = y * r / unit, r * (z + r) / (1 + v)
    left = 1 - v * h
    return Sites(h / left, (g + mean * h) / left), torch.special.log_ndtr(z)
