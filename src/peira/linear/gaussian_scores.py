r"""How well each class explains each row: scores of Gaussian classes, in blocks of rows that stay in the cache.

.. math:: s_c(x) = \log \pi_c - \log |\Sigma_c| / 2 - \| T_c^T (x - \mu_c) \|^2 / 2

with whitening maps T (`gaussian_whitening`). Where the classes share T, the quadratic term in x is left out and the
scores are linear. Rows are centred before they are multiplied, so that the offset of a column costs no digits.

Cost: N C D^2 / 2 multiplications for C individual covariances, N C D for a common or diagonal ones.
"""

from collections.abc import Iterator

import torch
from scipy import sparse
from scipy.linalg.blas import dtrmm

from ..core.inputs import Matrix
from .gaussian_classes import BLOCK, ROWS


def linear_scores(X: Matrix, centre: torch.Tensor, coef: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
    """(X - centre) coef' + constants, of shape (N, C), for dense or sparse X (N, D), coef (C, D), constants (C,)."""
    if sparse.issparse(X):
        return torch.from_numpy(X @ coef.numpy().T) - coef @ centre + constants
    S = X.new_empty(len(X), len(coef))
    for rows, block, buffer in _blocks(X):
        torch.addmm(constants, torch.sub(block, centre, out=buffer), coef.T, out=S[rows])
    return S


def common_scores(X: Matrix, means: torch.Tensor, T: torch.Tensor, log_priors: torch.Tensor) -> torch.Tensor:
    r"""Scores (N, C) of classes that share a covariance.

    .. math:: s_c(x) = (x - \bar\mu)^T T \, m_c - \|m_c\|^2 / 2 + \log \pi_c, \quad m_c = T^T (\mu_c - \bar\mu)

    The quadratic term in x is the same for all classes, and left out. T is (D, R), or (D,) if diagonal.
    """
    seen = log_priors > -torch.inf
    centre = means[seen].mean(0)
    moved = torch.where(seen[:, None], means - centre, 0.0)
    M = moved * T if T.dim() == 1 else moved @ T
    coef = M * T if T.dim() == 1 else M @ T.T
    return linear_scores(X, centre, coef, log_priors - M.square().sum(1) / 2)


def quadratic_scores(X: torch.Tensor, means: torch.Tensor, T: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
    r"""Scores (N, C) of classes with covariances of their own: constants less half the squared whitened distances.

    ``T`` is (C, D, D), upper triangular, or (C, D) if diagonal. Where the squares overflow for every class (rows beyond
    1e150 or so), the nearest class in the limit has score 0 and the others none.
    """
    S = X.new_empty(len(means), len(X))
    for rows, block, buffer in _blocks(X):
        for c in range(len(means)):
            Z = _whitened_in_place(torch.sub(block, means[c], out=buffer), T[c])
            torch.linalg.vector_norm(Z, dim=1, out=S[c, rows])
    S = S.square_().mul_(-0.5).add_(constants[:, None]).T.contiguous()
    lost = torch.isinf(S).all(1) & (constants > -torch.inf).any()
    if lost.any():
        far = X[lost] / X[lost].abs().amax(1, keepdim=True)
        Q = torch.stack([_whitened_in_place(far.clone(), t).square().sum(1) for t in T], 1)
        Q[:, constants == -torch.inf] = torch.inf
        S[lost] = (Q.amin(1, keepdim=True) == Q).to(S.dtype).log()
    return S


def _blocks(X: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Blocks of rows, and memory of the same shape to compute in, the same for all."""
    block = max(ROWS, BLOCK // X.shape[1])
    buffer = X.new_empty(min(block, len(X)), X.shape[1])
    for i in range(0, len(X), block):
        rows = slice(i, min(i + block, len(X)))
        yield rows, X[rows], buffer[: rows.stop - i]


def _whitened_in_place(Z: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Z T for contiguous rows Z; on the CPU by the triangular product of BLAS, at half the work, over Z itself."""
    if T.dim() == 1:
        return Z.mul_(T)
    if Z.device.type != "cpu":
        return Z @ T
    dtrmm(1.0, T.numpy().T, Z.numpy().T, lower=1, overwrite_b=1)  # column-major, as BLAS has it: T' Z'
    return Z
