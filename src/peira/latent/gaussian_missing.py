r"""Gaussians and missing values: what the values that were seen say about those that were not.

Split a row into what was seen, o, and what is missing, m. Under a Gaussian the row's density is that of the part seen,
and the missing part is Gaussian too (Bishop 2006, eqs 2.96 to 2.98):

.. math:: E[x_m | x_o] = \mu_m + \Sigma_{mo} \Sigma_{oo}^{-1} (x_o - \mu_o)

.. math:: Cov[x_m | x_o] = \Sigma_{mm} - \Sigma_{mo} \Sigma_{oo}^{-1} \Sigma_{om}

EM (Little & Rubin 2019, 11.2) fills the gaps with the first and adds the second to the scatter: without it the
variances would come out too small. It maximises the likelihood of what was seen, which is right if gaps do not depend
on the values that they hide (missing at random).

Rows with the same gaps share their matrices. With P patterns of gaps a pass costs P K D^3 + N K D^2; no loop runs over
rows. Diagonal and spherical covariances need no matrices at all.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .gaussian_forms import Moments
from .mixture_components import BLOCK, share_out

if TYPE_CHECKING:
    from .gaussian_components import GaussianComponents


@dataclass(eq=False)
class Incomplete:
    """Rows with gaps, sorted by their pattern.

    Attributes
    ----------
    X : tensor of shape (N, D)
        Zeros in the gaps.
    w : tensor of shape (N,)
    order : tensor of shape (N,)
        Where each row was.
    patterns : tensor of shape (P, D)
        True where a value was seen.
    which : tensor of shape (N,)
        The pattern of each row, ascending.
    """

    X: torch.Tensor
    w: torch.Tensor
    order: torch.Tensor
    patterns: torch.Tensor
    which: torch.Tensor

    @classmethod
    def of(cls, X: torch.Tensor, w: torch.Tensor | None) -> "Incomplete":
        """Sort rows X (N, D), NaN in the gaps."""
        patterns, which = torch.unique(~torch.isnan(X), dim=0, return_inverse=True)
        which, order = torch.sort(which, stable=True)
        w = X.new_ones(len(X)) if w is None else w[order]
        return cls(X[order].nan_to_num(0.0), w, order, patterns, which)

    def __len__(self) -> int:
        return len(self.X)

    def points(self) -> torch.Tensor:
        """The rows in this order, NaN in the gaps."""
        return torch.where(self.patterns[self.which], self.X, torch.nan)

    def log_densities(self, c: "GaussianComponents") -> torch.Tensor:
        """Log densities of what was seen, of shape (K, N)."""
        L = self.X.new_empty(len(c.means), len(self))
        for part in self._parts(c):
            L[:, part.rows] = part.log_densities
        return L

    def expect(self, c: "GaussianComponents") -> tuple[torch.Tensor, Moments]:
        """The E step: the weighted sum of log p(x_o), and the expected moments about the means."""
        K = len(c.means)
        total, n, d = c.means.new_zeros(()), c.means.new_zeros(K), torch.zeros_like(c.means)
        S = torch.zeros_like(c.covariances)
        for part in self._parts(c):
            R = part.log_densities.add_(c.weights.log()[:, None])
            total += share_out(R, self.w[part.rows])
            n += R.sum(1)
            for k, r in enumerate(R):
                E = part.filled(k)
                d[k] += r @ E
                if c.shape in ("full", "tied"):
                    (S if c.shape == "tied" else S[k]).add_((E * r[:, None]).T @ E + part.uncertainty(k, r))
                else:
                    spread = r @ E.square() + part.uncertainty(k, r)
                    S[k] += spread if c.shape == "diag" else spread.sum()
        return total, Moments(n, d, S)

    def fill(self, c: "GaussianComponents", generator: torch.Generator | None = None) -> torch.Tensor:
        """The rows with their gaps filled, by the mean given what was seen, or by a draw; of shape (N, D)."""
        filled = self.X.clone()
        for part in self._parts(c):
            R = part.log_densities.add_(c.weights.log()[:, None])
            share_out(R, None)
            seen = part.seen
            if generator is None:
                guess = sum(r[:, None] * (part.filled(k) + c.means[k]) for k, r in enumerate(R))
            else:
                picked = torch.multinomial(R.T, 1, generator=generator)[:, 0]
                noise = torch.randn(seen.shape, generator=generator, dtype=R.dtype, device=R.device)
                guess = torch.zeros_like(noise)
                for k in range(len(R)):
                    mine = picked == k
                    guess[mine] = (part.filled(k) + c.means[k])[mine] + part.scattered(k, noise)[mine]
            filled[part.rows] = torch.where(seen, self.X[part.rows], guess)
        return filled

    def _parts(self, c: "GaussianComponents"):
        """Blocks of whole patterns, so small that their matrices fit into memory."""
        K, D = c.means.shape
        dense = c.shape in ("full", "tied")
        counts = torch.bincount(self.which, minlength=len(self.patterns))
        ends = counts.cumsum(0)
        budget = max(1, 4 * BLOCK // (D * D if dense else D))
        first = 0
        while first < len(self.patterns):
            before = int(ends[first] - counts[first])
            last = int(torch.searchsorted(ends, before + budget, right=True))
            last = max(first + 1, min(last, first + max(1, budget // K)))
            rows = slice(before, int(ends[last - 1]))
            make = _Correlated if dense else _Independent
            yield make(c, self.X[rows], self.patterns[first:last], self.which[rows] - first, rows)
            first = last


class _Part:
    """Some rows with gaps under K Gaussians."""

    def __init__(self, c, X, patterns, which, rows):
        self.c, self.X, self.patterns, self.which, self.rows = c, X, patterns, which, rows
        self.seen = patterns[which]
        self.prepare()

    def deviation(self, k: int) -> torch.Tensor:
        """x - mu_k where seen, 0 in the gaps."""
        return torch.where(self.seen, self.X - self.c.means[k], 0.0)


class _Independent(_Part):
    """Diagonal covariances: what was seen says nothing about the rest."""

    def prepare(self) -> None:
        self.variances = self.c.covariances.reshape(len(self.c.means), -1).expand_as(self.c.means)
        logs = (2 * math.pi * self.variances).log()
        self.log_densities = -0.5 * torch.stack(
            [
                (self.deviation(k).square() / v).sum(1) + self.seen.to(v) @ log
                for k, (v, log) in enumerate(zip(self.variances, logs, strict=True))
            ]
        )

    def filled(self, k: int) -> torch.Tensor:
        return self.deviation(k)

    def uncertainty(self, k: int, r: torch.Tensor) -> torch.Tensor:
        return (r @ (~self.seen).to(r)) * self.variances[k]

    def scattered(self, k: int, noise: torch.Tensor) -> torch.Tensor:
        return noise * self.variances[k].sqrt()


class _Correlated(_Part):
    """Full covariances: one factor a pattern and component, gaps standing as a unit matrix of their own."""

    def prepare(self) -> None:
        c, o = self.c, self.patterns.to(self.X)
        pairs, eye = o[:, :, None] * o[:, None, :], torch.eye(self.X.shape[1]).to(self.X)
        self.lift, self.covariances, logs = [], [], []
        for k in range(len(c.means)):
            C = c.covariance(k)
            # Cholesky of Sigma_oo and, apart from it, of 1 in the gaps: their determinant is that of Sigma_oo
            L = torch.linalg.cholesky(pairs * C + (eye - pairs * eye))
            half = torch.linalg.solve_triangular(L, o[:, :, None] * C, upper=False)  # L^-1 Sigma_o.
            lift = torch.linalg.solve_triangular(L.mT, half, upper=True).mT  # Sigma_.o Sigma_oo^-1
            gaps = 1 - o
            self.covariances.append((C - half.mT @ half) * gaps[:, :, None] * gaps[:, None, :])
            self.lift.append(lift * o[:, None, :])
            E = self.deviation(k)
            white = torch.linalg.solve_triangular(L[self.which], E[:, :, None], upper=False)[:, :, 0]
            log_det = 2 * (L.diagonal(dim1=-2, dim2=-1).log() * o).sum(1)
            log_det = (log_det + o.sum(1) * math.log(2 * math.pi))[self.which]
            logs.append(-0.5 * (white.square().sum(1) + log_det))
        self.log_densities = torch.stack(logs)

    def filled(self, k: int) -> torch.Tensor:
        E = self.deviation(k)
        return torch.where(self.seen, E, (self.lift[k][self.which] @ E[:, :, None])[:, :, 0])

    def uncertainty(self, k: int, r: torch.Tensor) -> torch.Tensor:
        share = r.new_zeros(len(self.patterns)).index_add_(0, self.which, r)
        return torch.einsum("p,pij->ij", share, self.covariances[k])

    def scattered(self, k: int, noise: torch.Tensor) -> torch.Tensor:
        s, V = torch.linalg.eigh(self.covariances[k])
        root = V * s.clamp(min=0).sqrt()[:, None, :]
        return (root[self.which] @ noise[:, :, None])[:, :, 0]
