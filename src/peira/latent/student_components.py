r"""K multivariate t distributions, as EM sees them.

A t distribution is a Gaussian whose precision is multiplied by an unknown u of its own for each row, Gamma distributed
with shape and rate :math:`\nu / 2`. EM treats u as missing as well. With :math:`q = (x - \mu)^T \Sigma^{-1} (x - \mu)`,

.. math:: E[u] = (\nu + D) / (\nu + q), \quad E[\log u] = \log E[u] + \psi((\nu + D)/2) - \log((\nu + D)/2)

.. math:: \mu = \sum r u x / \sum r u, \quad \Sigma = \sum r u (x - \mu)(x - \mu)^T / \sum r

and :math:`\nu` solves

.. math:: 1 + \log(\nu/2) - \psi(\nu/2) + \sum r (E[\log u] - E[u]) / \sum r = 0

Reference: Peel & McLachlan (2000), Robust mixture modelling using the t distribution, Statistics and Computing 10,
339-348, eqs 20 to 30.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch

from .gaussian_components import GaussianComponents, GaussianRows
from .gaussian_forms import Moments, quadratic
from .mixture_components import share_out, shares

LEAST, MOST = 0.1, 1e6  # degrees of freedom: below, no mean to speak of; above, a Gaussian


class RobustSums(NamedTuple):
    """Sums of r, the moments under r u, and the sum of r (log u - u)."""

    n: torch.Tensor
    scaled: Moments
    logs: torch.Tensor


@dataclass(frozen=True, eq=False)
class StudentComponents(GaussianComponents):
    """K t distributions; ``covariances`` holds their scale matrices."""

    nu: torch.Tensor | None = None
    estimated: bool = True

    @property
    def log_heads(self) -> torch.Tensor:
        """Logarithms of the densities at the locations, of shape (K,)."""
        D, nu = self.means.shape[1], self.nu
        return self.log_norms + torch.lgamma((nu + D) / 2) - torch.lgamma(nu / 2) - 0.5 * D * (nu / 2).log()

    def _log_t(self, Q: torch.Tensor) -> torch.Tensor:
        D, nu = self.means.shape[1], self.nu[:, None]
        return self.log_heads[:, None] - 0.5 * (nu + D) * torch.log1p(Q / nu)

    def log_densities(self, X: torch.Tensor) -> torch.Tensor:
        return self._log_t(quadratic(self.shape, X, self.means, self.U))

    def expect(self, rows: GaussianRows) -> tuple[float, RobustSums]:
        D, nu = self.means.shape[1], self.nu[:, None]
        forms = self.forms(rows, torch.zeros_like(self.weights))
        log_weights = self.weights.log()[:, None]
        # E[log u] - log E[u], the same for all rows
        shift = torch.digamma((nu + D) / 2) - ((nu + D) / 2).log()
        n, logs = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        total = self.means.new_zeros(())
        for part in rows.blocks(forms.width):
            Q = forms.scores(rows.Z[:, part]).mul_(-2.0).clamp_(min=0.0)
            R = self._log_t(Q).add_(log_weights)
            total += share_out(R, None if rows.w is None else rows.w[part])
            u = Q.add_(nu).reciprocal_().mul_(nu + D)
            n += R.sum(1)
            logs += (R * (u.log().sub_(u))).sum(1)
            forms.add(R.mul_(u))
        return float(total), RobustSums(n, forms.moments(), logs + shift[:, 0] * n)

    def maximise(self, sums: RobustSums) -> Self:
        weights, n, alive = shares(sums.n)
        m = torch.where(alive, sums.scaled.n, 1.0)
        delta = sums.scaled.d / m[:, None]
        # The scatter about the new location, over n and not over sum r u: that is the maximum (eq. 30)
        moved = (
            m[:, None] * delta * delta
            if self.shape != "full"
            else m[:, None, None] * delta[:, :, None] * delta[:, None]
        )
        S = sums.scaled.S - (moved.sum(1) if self.shape == "spherical" else moved)
        shaped = super().maximise(Moments(sums.n, torch.zeros_like(delta), S))
        nu = degrees_of_freedom(sums.logs / n) if self.estimated else self.nu
        delta = torch.where(alive[:, None], delta, 0.0)
        return replace(shaped, weights=weights, means=self.means + delta, nu=torch.where(alive, nu, self.nu))

    def take(self, order: torch.Tensor) -> Self:
        return replace(super().take(order), nu=self.nu[order])

    def draw(self, k: int, n: int, generator: torch.Generator) -> torch.Tensor:
        centred = super().draw(k, n, generator).sub_(self.means[k])
        half = (self.nu[k] / 2).expand(n)
        u = torch._standard_gamma(half, generator=generator) / half
        return centred / u.sqrt()[:, None] + self.means[k]


def degrees_of_freedom(mean_logs: torch.Tensor) -> torch.Tensor:
    """The root nu of 1 + log(nu/2) - psi(nu/2) + c, by bisection in log nu between `LEAST` and `MOST`, c of shape (K,).

    The function falls from infinity to 1 + c; where it stays positive, the data have no heavier tails than a Gaussian.
    """
    low, high = (torch.full_like(mean_logs, math.log(end)) for end in (LEAST, MOST))
    for _ in range(60):
        middle = (low + high) / 2
        half = middle.exp() / 2
        above = 1 + half.log() - torch.digamma(half) + mean_logs > 0
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return ((low + high) / 2).exp()
