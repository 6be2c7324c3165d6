r"""Sparse Gaussian processes: the evidence by M inducing inputs, its two approximations, and their gradients.

In the whitened coordinates :math:`a_n = L^{-1} k(Z, x_n)` of `sparse_gaussian_process_inducing`, both approximations
are linear regression on M features, with noise of variance :math:`\lambda_n`,

.. math:: B = I + \sum_n \lambda_n^{-1} a_n a_n^T, \quad c = \sum_n \lambda_n^{-1} y_n a_n

.. math:: F = -\frac{1}{2} ( N \log 2 \pi + \sum_n \log \lambda_n + \log |B| + \sum_n y_n^2 / \lambda_n
          - c^T B^{-1} c + R )

* **VFE** (Titsias 2009, eq. 9): :math:`\lambda_n = \sigma^2`, and :math:`R = \sigma^{-2} \sum_n (k_{nn} - a_n^T a_n)`.
  F is a lower bound on the exact log evidence, equal to it for Z = X: more inducing inputs never make it worse, and
  moving them cannot overfit.
* **FITC** (Snelson & Ghahramani 2006): :math:`\lambda_n = \sigma^2 + k_{nn} - a_n^T a_n`, and R = 0. F is the exact log
  evidence of another model, whose noise varies with x; it may exceed the exact one (Bauer, van der Wilk & Rasmussen
  2016).

Several targets are processes of their own that share the kernel and Z: their evidences add up, and so B and
:math:`\lambda` are found once for all K.

**Gradient.** With :math:`\beta = B^{-1} c` and :math:`\dot B = -(K B^{-1} + \beta \beta^T)/2`, row n contributes

.. math:: \partial F / \partial a_n = w_n \lambda_n^{-1} (2 \dot B a_n + y_n \beta) - 2 \dot r_n a_n

where :math:`\dot r_n` is the slope by what is left open, :math:`r_n = k_{nn} - a_n^T a_n`. It goes back through
:math:`a_n` to the kernel with all rows, a block at a time, and with :math:`H = \sum_n \dot a_n a_n^T` through L to the
kernel of the inducing inputs,

.. math:: \partial F / \partial L = - L^{-T} H

which for VFE needs no sum of its own: :math:`H = 2 \dot B (B - I) + \beta c^T + K (B - I)`.

Cost: N M^2 for a value and 2.5 times that with its gradient. Memory: one block, or what it is allowed to keep between
the two passes.

Reference: Titsias (2009), AISTATS, 567-574; Snelson & Ghahramani (2006), NIPS 18; Quinonero-Candela & Rasmussen (2005),
JMLR 6, 1939-1959.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ..numerics.moments import gram
from .kernel import Kernel
from .sparse_gaussian_process_inducing import InducingPosterior, blocks, greedy, split_noise, whitened

SHORTER = (1.0, 3.0, 10.0, 30.0)  # by which the length-scales to start from are divided
ARRAYS = 8  # of the size of a block that automatic differentiation keeps


@dataclass(frozen=True, eq=False)
class SparseEvidence:
    """F for given rows, as a function of hyper-parameters and inducing inputs.

    Attributes
    ----------
    kernel : Kernel
        With its noise as `WhiteKernel` terms.
    X : tensor of shape (N, D)
    Y : tensor of shape (N, K)
    w : tensor of shape (N,)
        Weights: a row of weight 2 counts as two rows.
    method : "vfe" or "fitc"
    memory : float
        Bytes that may be kept between the two passes of a gradient.
    """

    kernel: Kernel
    X: torch.Tensor
    Y: torch.Tensor
    w: torch.Tensor
    method: Literal["vfe", "fitc"]
    memory: float

    def value(self, theta: torch.Tensor, Z: torch.Tensor) -> float:
        """F."""
        with torch.no_grad():
            return self._solve(*self._kernel(theta, Z), Z, keep=False)[0].value

    def posterior(self, theta: torch.Tensor, Z: torch.Tensor) -> tuple[InducingPosterior, float, float]:
        """The posterior of the function, F, and the jitter that was added."""
        with torch.no_grad():
            kernel, noise = self._kernel(theta, Z)
            solved, (_, U, jitter), _ = self._solve(kernel, noise, Z, keep=False)
        return InducingPosterior(kernel, Z, U, solved.beta, solved.LB[None]), solved.value, jitter

    def gradient(self, theta: torch.Tensor, Z: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
        """F and its derivatives by theta (P,) and Z (M, D)."""
        theta, Z = theta.detach().requires_grad_(), Z.detach().requires_grad_()
        slopes = [torch.zeros_like(theta), torch.zeros_like(Z)]

        def back(outputs: list[torch.Tensor], pulls: list[torch.Tensor]) -> None:
            used = [(o, p) for o, p in zip(outputs, pulls, strict=True) if o.requires_grad]
            if used:
                outs, pulls = zip(*used, strict=True)
                found = torch.autograd.grad(outs, (theta, Z), pulls, retain_graph=True, allow_unused=True)
                for total, part in zip(slopes, found, strict=True):
                    total += 0 if part is None else part

        kernel, noise = self._kernel(theta, Z)
        solved, (L, U, _), kept = self._solve(kernel, noise, Z, keep=True)
        s, beta, B, K = noise.detach(), solved.beta, solved.B, self.Y.shape[1]
        dB = -(K * torch.cholesky_inverse(solved.LB) + beta @ beta.T) / 2
        vfe = self.method == "vfe"
        ds, H = torch.zeros_like(s), torch.zeros_like(B)
        for rows in blocks(len(self.X), len(Z)):
            cross, diagonal, A = kept.pop(rows.start, None) or self._rows(kernel, Z, U, rows)
            A = A.detach()
            Y, w = self.Y[rows], self.w[rows]
            lam, _ = self._noise_of(diagonal.detach(), A, s)
            AdB = A @ dB
            slope_p = (AdB * A).sum(1) + (Y * (A @ beta) - Y.square() / 2).sum(1)  # of the precision w / lambda
            slope_lam = -w * slope_p / lam.square() - K * w / lam / 2
            slope_r = -K * w / s / 2 if vfe else torch.where(lam > s, slope_lam, 0.0)
            p = (w / lam)[:, None]
            dA = AdB.mul_(2 * p).addmm_(p * Y, beta.T).addcmul_(A, slope_r[:, None], value=-2.0)
            if not vfe:
                H += dA.T @ A
            ds += slope_lam.sum()
            back([cross, diagonal], [dA @ U, slope_r])
            del cross, diagonal, A  # with their graph
        if vfe:
            inner = B - torch.eye(len(B), dtype=B.dtype, device=B.device)
            H = 2 * dB @ inner + beta @ solved.c.T + K * inner
            ds += K * solved.left / (2 * s.square())
        back([L, noise], [-(U.T @ H).tril(), ds])
        return solved.value, *slopes

    # ------------------------------------------------------------------ private

    def _kernel(self, theta: torch.Tensor, like: torch.Tensor) -> tuple[Kernel, torch.Tensor]:
        return split_noise(self.kernel.with_theta(theta), like)

    def _rows(self, kernel: Kernel, Z: torch.Tensor, U: torch.Tensor, rows: slice) -> tuple[torch.Tensor, ...]:
        """Kernel with the inducing inputs, variances, and coordinates of some rows; the first two in their graphs."""
        K = kernel._gram(self.X[rows], Z)
        return K, kernel._diagonal(self.X[rows]), K.detach() @ U.T

    def _noise_of(self, diagonal: torch.Tensor, A: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """lambda, and what is left open, of some rows."""
        r = (diagonal - A.square().sum(1)).clamp(min=0)
        return (s.expand(len(A)) if self.method == "vfe" else s + r), r

    def _solve(
        self, kernel: Kernel, noise: torch.Tensor, Z: torch.Tensor, *, keep: bool
    ) -> tuple["_Solved", tuple[torch.Tensor, torch.Tensor, float], dict[int, tuple[torch.Tensor, ...]]]:
        """The first pass over the rows; keeps what fits into the memory for the second."""
        L, U, jitter = whitened(kernel._gram(Z))
        s, M, K = noise.detach(), len(Z), self.Y.shape[1]
        S, c = Z.new_zeros(M, M), Z.new_zeros(M, K)
        yy = logs = left = 0.0
        kept, spent = {}, 0
        for rows in blocks(len(self.X), M):
            parts = self._rows(kernel, Z, U, rows)
            _, diagonal, A = (part.detach() for part in parts)
            lam, r = self._noise_of(diagonal, A, s)
            Y, p = self.Y[rows], self.w[rows] / lam
            S += gram(A * p.sqrt()[:, None])
            c += A.T @ (p[:, None] * Y)
            yy += float(p @ Y.square().sum(1))
            logs += float(self.w[rows] @ lam.log())
            left += float(self.w[rows] @ r)
            spent += ARRAYS * A.numel() * A.element_size()
            if keep and spent <= self.memory:
                kept[rows.start] = parts
            del parts  # and with it its graph, before the next block
        B = S + torch.eye(M, dtype=S.dtype, device=S.device)
        LB = torch.linalg.cholesky(B)
        beta = torch.cholesky_solve(c, LB)
        shared = float(self.w.sum()) * math.log(2 * math.pi) + logs + 2 * float(LB.diagonal().log().sum())
        shared += left / float(s) if self.method == "vfe" else 0.0
        total = K * shared + yy - float((c * beta).sum())
        return _Solved(-total / 2, B, LB, c, beta, left), (L, U, jitter), kept


@dataclass(frozen=True, eq=False)
class _Solved:
    """F with the sums over all rows: B (M, M) with its factor, c (M, K), beta = B^-1 c, and the sum of what is open."""

    value: float
    B: torch.Tensor
    LB: torch.Tensor
    c: torch.Tensor
    beta: torch.Tensor
    left: float


def start(
    f: SparseEvidence, Z: torch.Tensor | None, M: int, prior_spread: float, scales: tuple[float, ...]
) -> tuple[Kernel, torch.Tensor]:
    """The kernel and the inducing inputs from which to search.

    Of `open_kernel`'s kernel, several length-scales are tried: from long ones alone, a search may take a wave for
    noise. Without given inducing inputs, all different rows are taken, or up to M of them greedily.
    """
    centre, D = f.kernel.theta, f.X.shape[1]
    best: tuple[float, Kernel, torch.Tensor] = (-math.inf, f.kernel, f.X)
    for shorter in scales:
        away = np.zeros_like(centre)
        if shorter != 1:
            away[1 : 1 + D] = -math.log(shorter)
        kernel, at = f.kernel.with_theta(centre + away), Z
        if at is None:
            at = f.X.unique(dim=0) if len(f.X) <= M else f.X[greedy(split_noise(kernel, f.X)[0], f.X, M)]
        value = f.value(torch.as_tensor(kernel.theta, device=f.X.device), at)
        value -= float(away @ away) / prior_spread**2 / 2
        if value > best[0]:
            best = (value, kernel, at)
    return best[1:]
