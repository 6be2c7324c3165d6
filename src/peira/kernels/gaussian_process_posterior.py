r"""A Gaussian process given observations: its mean, its covariance, and more observations.

For inputs x_* and the factor L L' = K + noise of the items (Rasmussen & Williams 2006, eqs 2.25, 2.26, algorithm 2.1):

.. math:: m(x_*) = k_*^T \alpha, \quad \alpha = (L L^T)^{-1} y

.. math:: v(x_*, x_*') = k(x_*, x_*') - u^T u', \quad u = L^{-1} k_*

A variance is a difference, which rounding can take below zero where the function is known; it ends at zero.

**Parts.** If k is a sum of kernels, the function is a sum of independent functions, and each has a posterior of its
own (Duvenaud 2014, 2.4.5): for the part with kernel k_j

.. math:: m_j = k_{j*}^T \alpha, \quad v_j = k_j(x_*, x_*) - u_j^T u_j, \quad u_j = L^{-1} k_{j*}

The means of the parts add up to the mean.

**One more block** of items needs no new factor, but N^2 operations an item:

.. math:: L' = [ L, 0 ; \; B, C ], \quad B^T = L^{-1} K_{12}, \quad C C^T = K_{22} + S - B B^T

**Each item from all others** (eq. 5.12), without leaving any out:

.. math:: \mu_{-i} = y_i - \alpha_i / [K_y^{-1}]_{ii}, \quad \sigma_{-i}^2 = 1 / [K_y^{-1}]_{ii}

Cost: N D for a mean, N^2 for a variance, M^2 N besides for a covariance of M inputs; in blocks of bounded memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .composition import OnColumns, Product, Sum
from .constant import WhiteKernel
from .gaussian_process import factorise, invert, silent, solve, whiten
from .kernel import Kernel

NUMBERS = 2**22  # of a block between queries and items: 32 MB


@dataclass(frozen=True)
class Posterior:
    """A process given N items with K outputs that share one kernel.

    Parameters
    ----------
    kernel : Kernel
        Of the function alone, without white noise.
    X : tensor of shape (N, D)
    Y : tensor of shape (N, K)
        About the mean function.
    L : tensor of shape (N, N)
        Factor of the Gram matrix with the noise.
    alpha : tensor of shape (N, K)
    """

    kernel: Kernel
    X: torch.Tensor
    Y: torch.Tensor
    L: torch.Tensor
    alpha: torch.Tensor

    def mean(self, Q: torch.Tensor, kernel: Kernel | None = None) -> torch.Tensor:
        """m (M, K) for queries (M, D); of one part, where its kernel is given."""
        k = self.kernel if kernel is None else kernel
        return self._by_blocks(Q, lambda block: k._gram(block, self.X) @ self.alpha)

    def variance(self, Q: torch.Tensor, kernel: Kernel | None = None) -> torch.Tensor:
        """v (M,), not negative."""
        k = self.kernel if kernel is None else kernel

        def of(block: torch.Tensor) -> torch.Tensor:
            return k._diagonal(block) - whiten(self.L, k._gram(block, self.X).contiguous()).square().sum(1)

        return self._by_blocks(Q, of).clamp(min=0)

    def covariance(self, Q: torch.Tensor) -> torch.Tensor:
        """v (M, M), symmetric, with a diagonal that is not negative."""
        U = whiten(self.L, self.kernel._gram(Q, self.X).contiguous())
        V = self.kernel._gram(Q) - U @ U.T
        V = (V + V.T) / 2
        V.diagonal().clamp_(min=0)
        return V

    def extended(self, X: torch.Tensor, Y: torch.Tensor, noise: torch.Tensor) -> tuple["Posterior", float]:
        """The process given more items too, of noise variances (B,), and the jitter that their block needed."""
        B = whiten(self.L, self.kernel._gram(X, self.X).contiguous())

        def rest(jitter: float) -> torch.Tensor:
            return self.kernel._gram(X) + torch.diag(noise + jitter) - B @ B.T

        C, jitter = factorise(rest)
        N, M = len(self.X), len(X)
        L = self.L.new_zeros((N + M, N + M))
        L[:N, :N], L[N:, :N], L[N:, N:] = self.L, B, C.tril()
        Y = torch.cat([self.Y, Y])
        return replace(self, X=torch.cat([self.X, X]), Y=Y, L=L, alpha=solve(L, Y)), jitter

    def leave_one_out(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (N, K) and variance (N,) of each item's target, noise included, from all others. 2 N^3 / 3."""
        variance = 1 / invert(self.L.clone()).diagonal()
        return self.Y - self.alpha * variance[:, None], variance

    def _by_blocks(self, Q: torch.Tensor, of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        size = max(1, NUMBERS // max(1, len(self.X)))
        return torch.cat([of(block) for block in Q.split(size)])


def root_of(C: torch.Tensor) -> torch.Tensor:
    """A matrix whose product with its transpose is the covariance C, which may be singular."""
    L, failed = torch.linalg.cholesky_ex(C)
    if not failed and bool(L.isfinite().all()):
        return L
    values, vectors = torch.linalg.eigh(C)
    return vectors * values.clamp(min=0).sqrt()


def summands(kernel: Kernel) -> list[Kernel]:
    """Kernels that add up to this one, products and choices of columns multiplied out; without those of noise.

    Examples
    --------
    >>> from peira.kernels import RBF, WhiteKernel
    >>> summands(2.0 * (RBF() + RBF(10.0)) + WhiteKernel())
    [2.0 * RBF(), 2.0 * RBF(10.0)]
    """
    return [silent(part) for part in _expanded(kernel) if not _is_noise(part)]


def _expanded(kernel: Kernel) -> list[Kernel]:
    if isinstance(kernel, Sum):
        return [*_expanded(kernel.k1), *_expanded(kernel.k2)]
    if isinstance(kernel, Product):
        return [Product(a, b) for a in _expanded(kernel.k1) for b in _expanded(kernel.k2)]
    if isinstance(kernel, OnColumns):
        return [OnColumns(part, kernel.columns) for part in _expanded(kernel.kernel)]
    return [kernel]


def _is_noise(kernel: Kernel) -> bool:
    """Whether there is nothing but white noise in it: a product needs one such factor, anything else all parts."""
    if isinstance(kernel, WhiteKernel):
        return True
    parts = [_is_noise(part) for _, part in kernel._parts()]
    return any(parts) if isinstance(kernel, Product) else bool(parts) and all(parts)
