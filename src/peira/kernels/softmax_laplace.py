r"""Laplace's approximation for C latent processes under the softmax: Gaussian process classification of many classes.

Each class has a process of its own, all with the same Gram matrix K, and item i belongs to class c with probability

.. math:: \pi_{ic} = \exp(f_{ic}) / \sum_d \exp(f_{id})

The negative second derivative of the log likelihood ties the classes of one item: with D the diagonal matrix of all
pi, and Pi the C diagonal matrices on top of each other,

.. math:: W = D - \Pi \Pi^T

Newton's method needs (K^-1 + W)^-1 for C N unknowns. Since each item has but one softmax, C factorisations of N by N
and one more do it (Rasmussen & Williams 2006, eqs 3.38 to 3.47, algorithm 3.3):

.. math:: E_c = (K + D_c^{-1})^{-1}, \quad M M^T = \sum_c E_c, \quad U_c = M^{-1} E_c

.. math:: R_{cd} = [c = d] \, E_c - U_c^T U_d, \quad R = (K + W^{-1})^{-1}

.. math:: \log q(y) = \log p(y \mid \hat f) - \frac{1}{2} \sum_c a_c^T K a_c - \frac{1}{2} \sum_c \log |I + K D_c|
          - \sum_i \log M_{ii}

**Its slope**, not in the book, is found as for two classes (`peira.kernels.laplace_approximation`). With S_i the
covariance (C, C) of one item's scores, a diagonal block of K - K R K, the motion of the mode enters by

.. math:: s_{ik} = - \frac{1}{2} \pi_{ik} (h_{ik} - \sum_c \pi_{ic} h_{ic}), \quad
          h_i = \mathrm{diag} \, S_i - 2 S_i \pi_i

.. math:: \frac{d \log q}{d K} = \frac{1}{2} \sum_c ( a_c a_c^T - R_{cc} + u_c a_c^T + a_c u_c^T ), \quad
          u = (I - R K) s

Cost: C N^3 a Newton step, 5 C N^3 for the slope; memory 3 C N^2.
"""

import math

import torch

from ..numerics.cholesky import cholesky
from .laplace_approximation import SETTLED, Approximation
from .site_posterior import SitePosterior


class _Curvature:
    """R = (K + W^-1)^-1 for the W of given probabilities (N, C)."""

    def __init__(self, K: torch.Tensor, P: torch.Tensor) -> None:
        self.K, self.P = K, P
        self.sites = [SitePosterior(K, p) for p in P.T]
        self.E = [site.R for site in self.sites]
        self.M, _ = cholesky(sum(self.E[1:], self.E[0]))

    @property
    def half_log_det(self) -> float:
        return sum(site.log_det for site in self.sites) / 2 + float(self.M.diagonal().log().sum())

    def reduce(self, b: torch.Tensor) -> torch.Tensor:
        """R b for b (N, C)."""
        each = torch.stack([E @ column for E, column in zip(self.E, b.T, strict=True)], 1)
        common = torch.cholesky_solve(each.sum(1, keepdim=True), self.M)
        return each - torch.cat([E @ common for E in self.E], 1)

    def slope(self, a: torch.Tensor) -> torch.Tensor:
        """d log q / dK at the mode, whose weights are a (N, C)."""
        K, P = self.K, self.P
        total = a @ a.T
        parts = []
        S = torch.diag_embed(torch.stack([site.variances() for site in self.sites], 1))
        for E in self.E:
            U = torch.linalg.solve_triangular(self.M, E, upper=False)
            total += U.T @ U - E
            parts.append(U @ K)
        for c, G in enumerate(parts):
            for d, H in enumerate(parts[: c + 1]):
                coupled = torch.einsum("ij,ij->j", G, H)
                S[:, c, d] += coupled
                if d < c:
                    S[:, d, c] += coupled
        h = S.diagonal(dim1=1, dim2=2) - 2 * (S @ P[:, :, None])[:, :, 0]
        s = -P * (h - (P * h).sum(1, keepdim=True)) / 2
        cross = (s - self.reduce(K @ s)) @ a.T
        return (total + cross + cross.T) / 2


def softmax_laplace(
    K: torch.Tensor,
    Y: torch.Tensor,
    start: torch.Tensor | None = None,
    *,
    max_iter: int = 100,
    tol: float = 1e-9,
) -> Approximation:
    """Find the mode of C processes and the normal distribution there.

    Parameters
    ----------
    K : tensor of shape (N, N)
        Gram matrix, the same for all classes.
    Y : tensor of shape (N, C)
        1 for the class of each item, 0 elsewhere.
    start, max_iter, tol
        As of `laplace`; ``start`` has shape (N, C).
    """

    def log_prob(f: torch.Tensor) -> float:
        return float((Y * f).sum() - f.logsumexp(1).sum())

    a = torch.zeros_like(Y)
    f, value = a, log_prob(a)
    if start is not None:
        warm = K @ start
        if (there := log_prob(warm) - float((start * warm).sum()) / 2) > value:
            a, f, value = start, warm, there
    n_iter, gain, curvature = 0, math.inf, None
    while n_iter < max_iter and gain > tol:
        n_iter += 1
        P = f.softmax(1)
        curvature = _Curvature(K, P)
        b = P * (f - (P * f).sum(1, keepdim=True)) + Y - P  # W f + gradient
        step = b - curvature.reduce(K @ b) - a
        motion = K @ step
        gain = float(((Y - P - a) * motion).sum()) / 2
        scale, rounding = 1.0, 1e-12 * (1 + abs(value))
        while True:
            there, here = a + scale * step, f + scale * motion
            new = log_prob(here) - float((there * here).sum()) / 2
            if new >= value - rounding or scale < 1e-10:
                break
            scale /= 2
        a, f, value = there, here, new
    P = f.softmax(1)
    if curvature is None or gain > SETTLED:
        curvature = _Curvature(K, P)
    root = torch.stack([site.root for site in curvature.sites], 1)
    factors = torch.stack([*(site.L for site in curvature.sites), curvature.M])
    log_evidence = value - curvature.half_log_det
    return Approximation(log_evidence, Y - P, root, factors, lambda: curvature.slope(a), a, gain, n_iter)


def predict_latents(
    cross: torch.Tensor, prior: torch.Tensor, alpha: torch.Tensor, root: torch.Tensor, factors: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Means (Q, C) and covariances (Q, C, C) of the scores of new items (algorithm 3.4).

    Parameters are those of `predict_latent` with C columns, and the C + 1 factors of `softmax_laplace`.
    """
    own, common = [], []
    for L, s in zip(factors[:-1], root.T, strict=True):
        V = torch.linalg.solve_triangular(L, s[:, None] * cross.T, upper=False)
        own.append((prior - V.square().sum(0)).clamp(min=0))
        back = s[:, None] * torch.linalg.solve_triangular(L.T, V, upper=True)  # E k(x)
        common.append(torch.linalg.solve_triangular(factors[-1], back, upper=False))
    T = torch.stack(common, 2)  # (N, Q, C)
    covariance = torch.einsum("nqc,nqd->qcd", T, T) + torch.diag_embed(torch.stack(own, 1))
    return cross @ alpha, covariance
