r"""Quadratic forms of K Gaussians on blocks of rows, and the weighted moments of the same blocks: both halves of EM.

.. math:: s_{kn} = h_k - \frac{1}{2} (z_n - \mu_k)^T \Lambda_k (z_n - \mu_k)

**Expanded.** The form is linear in the features :math:`\phi(z) = (1, z, z z^T)`, of which there are
P = 1 + D + D(D+1)/2 with full covariances, 1 + 2 D with diagonal, 2 + D with spherical ones and 1 + D with tied ones,
where the quadratic part is common to all components and only its sum over the rows is needed. Then

.. math:: S = \Theta \, \Phi, \quad M = R \, \Phi^T

are two matrix products of K P multiplications a row, and M holds all first and second moments. They are thin where
there are few components: blocks of rows are then so short that BLAS takes them as they lie, without copies of a factor.
What the expansion loses is known beforehand: rounding times the largest term, which the reach of the centred data and
the precisions bound. Beyond `LIMIT` the forms are

**Centred**: :math:`z_n - \mu_k` is formed for each component, times a triangular factor, and squared. Nothing cancels;
it costs K D^2 in smaller products.
"""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from scipy.linalg.blas import dgemm

from .mixture_components import BLOCK

Shape = Literal["full", "tied", "diag", "spherical"]
SMALL = 1_000_000  # multiplications of a product of matrices up to which BLAS does without copies of them
THIN = 16  # components: of more, such products would be too many
LIMIT = 1e7  # times 2e-16: log densities of the expanded route are right to 2e-9, in the worst row, or better


class Moments(NamedTuple):
    """Sums over the rows, with e = z - mu_k: r of shape (K,), r e of (K, D), and r e e' in the shape of covariances."""

    n: torch.Tensor
    d: torch.Tensor
    S: torch.Tensor

    def plus(self, other: "Moments") -> "Moments":
        return Moments(*(a + b for a, b in zip(self, other, strict=True)))


class Forms(ABC):
    """Scores of blocks under K Gaussians, and moments of the blocks under given responsibilities."""

    width: int

    @abstractmethod
    def scores(self, Z: torch.Tensor) -> torch.Tensor:
        """s_kn of a block Z (D, n), of shape (K, n); `add` then refers to the same block."""

    @abstractmethod
    def add(self, R: torch.Tensor) -> None:
        """Add the block's moments under the weights R (K, n)."""

    @abstractmethod
    def moments(self) -> Moments:
        """The moments of all blocks that were added."""


class Expanded(Forms):
    """The forms as linear functions of features: two large products a block."""

    def __init__(self, shape: Shape, means: torch.Tensor, U: torch.Tensor, heads: torch.Tensor, scatter=None):
        D = means.shape[1]
        self.shape, self.means, self.scatter = shape, means, scatter
        self.upper = torch.triu_indices(D, D, device=means.device) if shape == "full" else None
        i, j = self.upper if shape == "full" else (None, None)
        if shape == "full":
            Lam = U @ U.mT
            linear = (Lam @ means[:, :, None])[:, :, 0]
            square = torch.where(i == j, -0.5, -1.0).to(means) * Lam[:, i, j]
        elif shape == "tied":
            linear = means @ (U @ U.T)
            square = means[:, :0]
        else:
            Lam = U.square() if shape == "diag" else U.square()[:, None]
            linear = means * Lam
            square = -0.5 * Lam
        head = heads - 0.5 * (linear * means).sum(1)
        self.theta = torch.cat([head[:, None], linear, square], 1)
        K, P = self.theta.shape
        self.width = max(P, K * P * BLOCK // SMALL) if K <= THIN else P
        self.sums = torch.zeros_like(self.theta)
        self.buffer = self.theta.new_empty(0)

    def scores(self, Z: torch.Tensor) -> torch.Tensor:
        D, n = Z.shape
        if self.buffer.shape[-1] != n:
            self.buffer = Z.new_ones(self.theta.shape[1], n)
        phi = self.buffer
        phi[1 : 1 + D] = Z
        Z, at = phi[1 : 1 + D], 1 + D
        if self.shape == "full":
            for d in range(D):
                torch.mul(Z[d:], Z[d], out=phi[at : at + D - d])
                at += D - d
        elif self.shape == "diag":
            torch.mul(Z, Z, out=phi[at:])
        elif self.shape == "spherical":
            torch.sum(Z * Z, 0, out=phi[at])
        return thin_product(self.theta, phi)

    def add(self, R: torch.Tensor) -> None:
        add_thin_product(self.sums, R, self.buffer)

    def moments(self) -> Moments:
        D, mu = self.means.shape[1], self.means
        n, s, q = self.sums[:, 0], self.sums[:, 1 : 1 + D], self.sums[:, 1 + D :]
        d = s - n[:, None] * mu
        # About the component's own mean: sum r (z - mu)(z - mu)' = sum r z z' - s mu' - mu s' + n mu mu' = ... - mu d'
        if self.shape == "full":
            S = s.new_empty(len(n), D, D)
            i, j = self.upper
            S[:, i, j] = S[:, j, i] = q
            S = S - s[:, :, None] * mu[:, None, :] - mu[:, :, None] * d[:, None, :]
        elif self.shape == "tied":
            S = self.scatter - s.T @ mu - mu.T @ d
        elif self.shape == "diag":
            S = q - s * mu - mu * d
        else:
            S = q[:, 0] - ((s + d) * mu).sum(1)
        return Moments(n, d, S)


class Centred(Forms):
    """The forms component by component, from differences to the mean: slower, and nothing cancels."""

    def __init__(self, shape: Shape, means: torch.Tensor, U: torch.Tensor, heads: torch.Tensor):
        K, D = means.shape
        self.shape, self.means, self.U, self.heads = shape, means, U, heads
        self.width = 2 * D
        ends = {"full": (K, D, D), "tied": (D, D), "diag": (K, D), "spherical": (K,)}
        self.n, self.d = means.new_zeros(K), torch.zeros_like(means)
        self.S = means.new_zeros(ends[shape])
        self.block = means[:0]

    def scores(self, Z: torch.Tensor) -> torch.Tensor:
        self.block = Z.T.contiguous()
        return quadratic(self.shape, self.block, self.means, self.U).mul_(-0.5).add_(self.heads[:, None])

    def add(self, R: torch.Tensor) -> None:
        self.n += R.sum(1)
        for k, r in enumerate(R):
            E = self.block - self.means[k]
            self.d[k] += r @ E
            if self.shape == "full":
                self.S[k].addmm_((E * r[:, None]).T, E)
            elif self.shape == "tied":
                self.S.addmm_((E * r[:, None]).T, E)
            elif self.shape == "diag":
                self.S[k] += r @ E.square()
            else:
                self.S[k] += r @ E.square().sum(1)

    def moments(self) -> Moments:
        S = (self.S + self.S.mT) / 2 if self.shape in ("full", "tied") else self.S
        return Moments(self.n, self.d, S)


def thin_product(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """A B for contiguous A (K, P) and B (P, n); on the CPU by SciPy's BLAS, the faster one where K is small."""
    if A.device.type != "cpu":
        return A @ B
    return torch.from_numpy(dgemm(1.0, B.numpy().T, A.numpy().T).T)  # column-major, as BLAS has it


def add_thin_product(out: torch.Tensor, A: torch.Tensor, B: torch.Tensor) -> None:
    """out += A B' for contiguous A (K, n), B (P, n) and out (K, P)."""
    if A.device.type != "cpu":
        out.addmm_(A, B.T)
        return
    dgemm(1.0, B.numpy().T, A.numpy().T, trans_a=1, beta=1.0, c=out.numpy().T, overwrite_c=1)


def quadratic(shape: Shape, X: torch.Tensor, means: torch.Tensor, U: torch.Tensor) -> torch.Tensor:
    """(x_n - mu_k)' U_k U_k' (x_n - mu_k) of rows X (N, D), of shape (K, N)."""
    Q = X.new_empty(len(means), len(X))
    for k, mu in enumerate(means):
        E = X - mu
        E = E @ (U if shape == "tied" else U[k]) if shape in ("full", "tied") else E.mul_(U[k])
        torch.sum(E.square_(), 1, out=Q[k])
    return Q


def worst_term(shape: Shape, reach: torch.Tensor, means: torch.Tensor, U: torch.Tensor) -> float:
    """The largest that a term of an expanded form can become for rows within ``reach`` (D,) of the origin."""
    # The roots of the precisions' diagonals, of shape (K, D) or (D,)
    scale = U.square().sum(-1).sqrt() if shape in ("full", "tied") else U if shape == "diag" else U[:, None]
    far = torch.maximum(reach, means.abs())
    return float((far * scale).sum(-1).square().max())
