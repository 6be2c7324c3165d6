r"""Penalised least squares in the space of a kernel's features, with a free constant c or without one.

.. math:: \min_{b, c} \; \sum_n v_n ( y_n - b^T \phi(x_n) - c )^2 + \alpha \| b \|^2

**Dual.** With :math:`S = V^{1/2}`, :math:`A = S K S + \alpha I`, o = S 1 and y read as S y,

.. math:: c = o^T A^{-1} y / (o^T A^{-1} o), \qquad b = \Phi^T S e, \qquad e = A^{-1} (y - c \, o) = P y
.. math:: P = A^{-1} - A^{-1} o \, o^T A^{-1} / (o^T A^{-1} o)

Without a constant, c = 0 and :math:`P = A^{-1}`. P is what the residuals of leaving one row out divide by:
:math:`s_n ( y_n - f^{(-n)}(x_n) ) = e_n / P_{nn}`, since the row's multiplier is zero exactly when the row is fitted,
or absent.

**Primal.** The same from the moments of the features about their means, :math:`P_{nn} = (1 - h_n) / \alpha` with the
leverages h.

Reference: Saunders, Gammerman & Vovk (1998); with a constant: Suykens et al. (2002), Least Squares Support Vector
Machines; Cawley & Talbot (2004), Neural Networks 17, 1467-1475 (leave-one-out).
"""

import warnings
from functools import reduce

import numpy as np
import torch
from scipy.linalg.lapack import dpotrf, dpotrs

from ..core.errors import DataError, RankWarning
from ..numerics.cholesky import NotPositiveDefiniteError, cholesky
from ..numerics.moments import Moments
from .kernel import Kernel
from .pairs import mirror_lower

BLOCK = 1 << 18  # numbers in a block of features: 2 MiB, which stays in the cache


def solve_dual(
    K: torch.Tensor, Y: torch.Tensor, w: torch.Tensor, alpha: float, centred: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients of the rows (N, K) and constants (K,). Weights are positive; K comes back as it was."""
    root = w.sqrt()[:, None]
    if not centred:
        return root * _solved(K, w, alpha, root * Y), Y.new_zeros(Y.shape[1])
    mean = (w @ Y) / w.sum()
    U = _solved(K, w, alpha, root * torch.cat([Y - mean, torch.ones_like(root)], 1))
    q = U[:, -1:]
    c = (root * U[:, :-1]).sum(0) / (root * q).sum()
    return root * (U[:, :-1] - c * q), mean + c


def dual_diagonal(K: torch.Tensor, w: torch.Tensor, alpha: float, centred: bool) -> torch.Tensor:
    """s_n P_nn s_n, by which the coefficients of rows are divided for the residuals of leaving them out, (N,)."""
    L = factor(K, w, alpha)
    inverse = torch.cholesky_inverse(L)
    P = inverse.diagonal().clone()
    if centred:
        root = w.sqrt()
        q = inverse @ root
        P -= q.square() / (root @ q)
    return w * P


def solve_primal(
    m: Moments, kernel: Kernel, X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Coefficients of rows (N, K), of features (M, K), and constants (K,); features are made anew, block by block."""
    b = torch.cholesky_solve(m.xy, factor(m.xx, torch.ones_like(m.x_mean), alpha))
    c = m.y_mean - m.x_mean @ b if m.centred else torch.zeros_like(m.y_mean)
    fitted = torch.cat([kernel._features(x) @ b for x in X.split(rows_of(len(b)))])
    return w[:, None] * (Y - fitted - c) / alpha, b, c


def primal_diagonal(m: Moments, kernel: Kernel, X: torch.Tensor, w: torch.Tensor, alpha: float) -> torch.Tensor:
    """What `dual_diagonal` gives, from the leverages of the features."""
    L = factor(m.xx, torch.ones_like(m.x_mean), alpha)
    centre = m.x_mean if m.centred else torch.zeros_like(m.x_mean)
    leverage = [
        torch.linalg.solve_triangular(L, (kernel._features(x) - centre).T, upper=False).square().sum(0)
        for x in X.split(rows_of(len(centre)))
    ]
    h = w * (torch.cat(leverage) + (1 / m.weight if m.centred else 0.0))
    return w * (1 - h) / alpha


def moments(kernel: Kernel, X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor, centred: bool) -> Moments:
    """Moments of the features (M columns) and the targets."""
    step = rows_of(kernel._n_features(X.shape[1]))
    alike = bool((w == 1).all())
    parts = (
        Moments.of(kernel._features(x), y, None if alike else v, centred=centred)
        for x, y, v in zip(X.split(step), Y.split(step), w.split(step), strict=True)
    )
    return reduce(Moments.merge, parts)


def rows_of(M: int) -> int:
    """Rows in a block of M features."""
    return max(1, BLOCK // M)


def _solved(K: torch.Tensor, w: torch.Tensor, alpha: float, R: torch.Tensor) -> torch.Tensor:
    """(S K S + alpha I)^-1 R.

    On the CPU the factor takes the place of one triangle of K, of which the other one is the copy: no memory but K's.
    """
    if K.device.type != "cpu" or K.dtype != torch.float64 or not bool((w == 1).all()):
        return torch.cholesky_solve(R, factor(K, w, alpha))
    A = K.numpy()
    diagonal = A.diagonal().copy()
    np.fill_diagonal(A, diagonal + alpha)
    L, failed = dpotrf(A.T, lower=1, overwrite_a=1, clean=0)  # the transpose is as LAPACK has it
    X = None if failed else torch.from_numpy(dpotrs(L, R.numpy(), lower=1)[0])
    mirror_lower(K)
    np.fill_diagonal(A, diagonal)
    return torch.cholesky_solve(R, factor(K, w, alpha)) if X is None or not torch.isfinite(X).all() else X


def factor(K: torch.Tensor, w: torch.Tensor, alpha: float) -> torch.Tensor:
    """Cholesky factor of S K S + alpha I."""
    root = w.sqrt()
    A = K if bool((w == 1).all()) else K * root[:, None] * root
    diagonal = A.diagonal().clone()
    A.diagonal().add_(alpha)
    try:
        L, jitter = cholesky(A)
    except NotPositiveDefiniteError as error:
        raise DataError(
            f"kernel ridge needs a kernel without negative eigenvalues, or an alpha above them; here {error}. "
            "peira.kernels.is_valid_kernel names the rows that show it"
        ) from error
    finally:
        A.diagonal().copy_(diagonal)
    if jitter:
        warnings.warn(
            f"the rows are alike beyond what the penalty cures: {jitter:.2g} was added to alpha; raise it",
            RankWarning,
            stacklevel=6,
        )
    return L
