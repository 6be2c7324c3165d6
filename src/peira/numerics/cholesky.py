r"""Cholesky factors of matrices that are positive definite only up to rounding.

.. math:: A + \epsilon\, I = L L^T

A covariance or Gram matrix in floating point may miss positive definiteness by a rounding
error. The cure is a multiple of the identity, and the user must be told of it: it changes the
model. The jitter starts at zero and grows tenfold until the factorisation succeeds.
"""

import torch


class NotPositiveDefiniteError(ValueError):
    """The matrix is not positive definite, and no small jitter makes it so."""


def cholesky(A: torch.Tensor, *, largest: float = 1e-6) -> tuple[torch.Tensor, float]:
    """Lower Cholesky factor, and the jitter that was needed.

    Parameters
    ----------
    A : tensor of shape (..., N, N)
        Symmetric; only the lower triangle is read.
    largest : float, default 1e-6
        The most that may be added to the diagonal, as a multiple of the mean diagonal entry.

    Returns
    -------
    L : tensor of shape (..., N, N)
    jitter : float
        What was added to every diagonal entry, in units of ``A``; 0.0 for most matrices.

    Raises
    ------
    NotPositiveDefiniteError
        Naming the smallest eigenvalue, when even the largest jitter does not help.

    Notes
    -----
    Costs N^3 / 3, once for each attempt.
    """
    L, failed = torch.linalg.cholesky_ex(A)
    if not failed.any() and torch.isfinite(L).all():
        return L, 0.0
    scale = float(A.diagonal(dim1=-2, dim2=-1).mean().abs()) or 1.0
    relative = 10 * torch.finfo(A.dtype).eps
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    while relative <= largest:
        L, failed = torch.linalg.cholesky_ex(A + relative * scale * eye)
        if not failed.any() and torch.isfinite(L).all():
            return L, relative * scale
        relative *= 10
    if not torch.isfinite(A).all():
        raise NotPositiveDefiniteError("the matrix holds NaN or infinite entries")
    smallest = float(torch.linalg.eigvalsh(A).min())
    raise NotPositiveDefiniteError(
        f"the matrix is not positive definite: its smallest eigenvalue is {smallest:.3g}, "
        f"and adding {largest:g} times its mean diagonal ({scale:.3g}) did not help"
    )


def scaled_cholesky(A: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    r"""Cholesky factor of A brought to a unit diagonal: what units the columns have then costs no digits.

    .. math:: A = D L L^T D, \quad D_{jj} = \sqrt{A_{jj}}

    Parameters
    ----------
    A : tensor of shape (N, N)
        Symmetric.

    Returns
    -------
    L : tensor of shape (N, N)
    scale : tensor of shape (N,)
        The diagonal of D; 1 where that of A is 0.
    jitter : float
        As of `cholesky`, in units of a unit diagonal.

    Raises
    ------
    NotPositiveDefiniteError
        As `cholesky`.
    """
    scale = A.diagonal().sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    L, jitter = cholesky(A / scale[:, None] / scale)
    return L, scale, jitter
