r"""K Gaussians whose covariances are few factors and noise, as EM sees them.

.. math:: \Sigma_k = W_k W_k^T + \Psi_k

The responsibilities and moments are those of full Gaussians. The M step improves the covariance under the weighted
scatter S (about the new mean, divided by n): with noise of one variance there is a closed form (Tipping & Bishop 1999,
appendix C): with the largest eigenvalues and vectors of S,

.. math:: W = V (\Lambda - \sigma^2 I)^{1/2}, \quad \sigma^2 = (D - Q)^{-1} \sum_{q > Q} \lambda_q

and with a variance for each column some steps of EM for one factor analyser (Rubin & Thayer 1982; Ghahramani & Hinton
1996), each of which raises the likelihood:

.. math:: \beta = W^T (W W^T + \Psi)^{-1}, \quad W_{new} = S \beta^T (I - \beta W + \beta S \beta^T)^{-1}

.. math:: \Psi_{new} = diag(S - W_{new} \beta S)
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch

from .gaussian_components import GaussianComponents
from .gaussian_forms import Moments
from .mixture_components import shares

INNER = 3  # steps for the factors a step of EM: each costs D^2 Q, nothing beside a pass over the rows


@dataclass(frozen=True, eq=False)
class FactorComponents(GaussianComponents):
    """K factor analysers; ``covariances`` holds W W' + Psi."""

    loadings: torch.Tensor | None = None  # (K, D, Q)
    noise: torch.Tensor | None = None  # (K, D)
    kind: Literal["diag", "spherical"] = "diag"

    @classmethod
    def of(cls, gaussian: GaussianComponents, Q: int, kind: Literal["diag", "spherical"]) -> Self:
        """Factor analysers near full Gaussians, by their leading directions."""
        W, psi = leading(gaussian.covariances, Q, gaussian.floor)
        fresh = cls(**vars(gaussian), loadings=W, noise=psi, kind=kind)
        return fresh._covered(W, psi)

    def maximise(self, sums: Moments) -> Self:
        weights, n, alive = shares(sums.n)
        delta = torch.where(alive[:, None], sums.d / n[:, None], 0.0)
        S = sums.S / n[:, None, None] - delta[:, :, None] * delta[:, None, :]
        if self.kind == "spherical":
            W, psi = leading(S, self.loadings.shape[2], self.floor)
        else:
            W, psi = self.loadings, self.noise
            for _ in range(INNER):
                W, psi = improved(S, W, psi, self.floor)
        W = torch.where(alive[:, None, None], W, self.loadings)
        psi = torch.where(alive[:, None], psi, self.noise)
        return replace(self, weights=weights, means=self.means + delta)._covered(W, psi)

    def _covered(self, W: torch.Tensor, psi: torch.Tensor) -> Self:
        C = W @ W.mT + torch.diag_embed(psi)
        L = torch.linalg.cholesky(C)
        U = torch.linalg.solve_triangular(L, torch.eye(C.shape[-1]).to(C).expand_as(C), upper=False).mT.contiguous()
        floored = (psi <= self.floor).sum(1) if self.floor else torch.zeros_like(self.floored)
        return replace(self, covariances=C, U=U, loadings=W, noise=psi, floored=floored)

    def take(self, order: torch.Tensor) -> Self:
        return replace(super().take(order), loadings=self.loadings[order], noise=self.noise[order])


def leading(S: torch.Tensor, Q: int, floor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Loadings (K, D, Q) and noise (K, D) of one variance: the most likely ones under the scatters S (K, D, D)."""
    s, V = torch.linalg.eigh(S)
    D = S.shape[-1]
    noise = s[:, : D - Q].mean(1).clamp(min=floor)
    W = V[:, :, D - Q :] * (s[:, D - Q :] - noise[:, None]).clamp(min=0).sqrt()[:, None, :]
    return W.flip(-1), noise[:, None].expand(-1, D).contiguous()


def improved(S: torch.Tensor, W: torch.Tensor, psi: torch.Tensor, floor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of EM for factor analysers under the scatters S (K, D, D)."""
    eye = torch.eye(W.shape[-1]).to(W)
    weighted = W / psi[:, :, None]
    inner = eye + W.mT @ weighted  # I + W' Psi^-1 W
    beta = torch.linalg.solve(inner, weighted.mT)  # W' (W W' + Psi)^-1, by Woodbury
    SB = S @ beta.mT
    second = eye - beta @ W + beta @ SB
    W = torch.linalg.solve((second + second.mT) / 2, SB.mT).mT
    psi = (S.diagonal(dim1=-2, dim2=-1) - (W * SB).sum(-1)).clamp(min=floor)
    return W, psi
