r"""A Gaussian process seen through one normal factor an item: what Laplace's method, EP and noise models share.

A latent process f at N items with Gram matrix K, and for each item a factor (a "site") that is normal in its value,

.. math:: q(f) \propto N(f \mid 0, K) \prod_i \exp(\nu_i f_i - \frac{1}{2} \tau_i f_i^2), \quad \tau_i \geq 0

is a normal distribution again. With the matrix

.. math:: B = I + T^{1/2} K T^{1/2} = L L^T, \quad T = \mathrm{diag}(\tau)

whose eigenvalues are at least 1, nothing is ever inverted that could be singular: K may be, and sites may be empty
(Rasmussen & Williams 2006, eqs 3.26, 3.27 and 3.68):

.. math:: R = (K + T^{-1})^{-1} = T^{1/2} B^{-1} T^{1/2}, \quad \alpha = \nu - R K \nu

.. math:: m = K \alpha, \quad S = (K^{-1} + T)^{-1} = K - K R K

.. math:: m(x) = k(x)^T \alpha, \quad s^2(x) = k(x, x) - k(x)^T R \, k(x)

**Variances without a product of matrices.** With c the diagonal of the inverse of B,

.. math:: S_{ii} = (1 - c_i) / \tau_i

and the distribution with the item's own site taken out, EP's cavity, has the variance :math:`S_{ii} / c_i`. No
difference of large numbers is left in it, where 1/S - tau loses all digits.

Cost: N^3 / 3 for L, twice that for the inverse; memory 3 N^2.
"""

from functools import cached_property

import torch

from ..numerics.cholesky import NotPositiveDefiniteError
from .gaussian_process import invert

FAINT = 1e-6  # below this tau K, 1 - c keeps fewer than ten digits, and variances come from their definition


class SitePosterior:
    """The posterior of a process with Gram matrix K under sites of given precisions.

    Parameters
    ----------
    K : tensor of shape (N, N)
        Positive semi-definite; need not have full rank.
    precision : tensor of shape (N,)
        tau, not negative.

    Raises
    ------
    NotPositiveDefiniteError
        If B is not, so that K was no Gram matrix, or not finite.
    """

    def __init__(self, K: torch.Tensor, precision: torch.Tensor) -> None:
        self.K, self.precision = K, precision
        self.root = precision.sqrt()
        B = K * self.root
        B *= self.root[:, None]
        B.diagonal().add_(1.0)
        self.L, failed = torch.linalg.cholesky_ex(B)
        if bool(failed) or not bool(self.L.diagonal().isfinite().all()):
            raise NotPositiveDefiniteError(
                "the Gram matrix is not positive semi-definite, or holds NaN or infinite entries: is the kernel valid, "
                "and are the columns in a sensible unit?"
            )

    @property
    def log_det(self) -> float:
        """log |B| = log |I + K T|."""
        return 2 * float(self.L.diagonal().log().sum())

    def reduce(self, b: torch.Tensor) -> torch.Tensor:
        """R b, for a vector or for columns."""
        columns = b if b.dim() == 2 else b[:, None]
        solved = self.root[:, None] * torch.cholesky_solve(self.root[:, None] * columns, self.L)
        return solved if b.dim() == 2 else solved[:, 0]

    @cached_property
    def inverse(self) -> torch.Tensor:
        """The inverse of B (N, N)."""
        lower = invert(self.L.clone(memory_format=torch.contiguous_format)).tril_()
        return lower + lower.tril(-1).T

    @property
    def R(self) -> torch.Tensor:
        """(K + T^-1)^-1, of shape (N, N)."""
        return self.root[:, None] * self.inverse * self.root

    def variances(self) -> torch.Tensor:
        """The diagonal of S, of shape (N,)."""
        prior = self.K.diagonal()
        faint = self.precision * prior < FAINT
        variance = (1 - self.inverse.diagonal()) / torch.where(faint, 1.0, self.precision)
        if bool(faint.any()):
            columns = self.K[:, faint]
            reduction = torch.linalg.solve_triangular(self.L, self.root[:, None] * columns, upper=False)
            variance[faint] = prior[faint] - reduction.square().sum(0)
        return variance


def predict_latent(
    cross: torch.Tensor, prior: torch.Tensor, alpha: torch.Tensor, root: torch.Tensor, L: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of the process at Q new items, each of shape (Q,).

    Parameters
    ----------
    cross : tensor of shape (Q, N)
        Kernel of new and old items.
    prior : tensor of shape (Q,)
        Kernel of each new item with itself.
    alpha, root : tensors of shape (N,)
    L : tensor of shape (N, N)
        As learned: weights, roots of the sites' precisions, and the factor of B.
    """
    V = torch.linalg.solve_triangular(L, root[:, None] * cross.T, upper=False)
    return cross @ alpha, (prior - V.square().sum(0)).clamp(min=0)
