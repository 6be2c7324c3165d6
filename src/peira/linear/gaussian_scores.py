r"""How well each class explains each row: scores of Gaussian classes, in blocks of rows that stay in the cache.

.. math:: s_c(x) = \log \pi_c - \log |\Sigma_c| / 2 - \| T_c^T (x - \mu_c) \|^2 / 2

with whitening maps T (`gaussian_whitening`). Where the classes share T, the quadratic term in x is left out and the
scores are linear. Rows are centred before they are multiplied, so that the offset of a column costs no digits.

Cost: N C D (D + 16) / 2 multiplications for C individual covariances, N C D for a common or diagonal ones.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Matrix
from ..numerics.compile import compiled
from .gaussian_rows import BLOCK, ROWS

WIDTH = 16  # columns in a panel of a triangular matrix
NEAR = 1e3  # standard deviations between a class and the centre of all, for which one centre will do


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
    S = X.new_zeros(len(means), len(X))
    centre = means[constants > -torch.inf].mean(0)
    if T.dim() == 3 and X.device.type == "cpu" and bool((_whitened(means - centre, T).abs() < NEAR).all()):
        _add_squares_in_panels(S, X, means, T, centre)
    else:
        for rows, block, buffer in _blocks(X):
            for c in range(len(means)):
                torch.linalg.vector_norm(_by(torch.sub(block, means[c], out=buffer), T[c]), dim=1, out=S[c, rows])
        S.square_()
    S = S.mul_(-0.5).add_(constants[:, None]).T.contiguous()
    lost = torch.isinf(S).all(1) & (constants > -torch.inf).any()
    if lost.any():
        far = X[lost] / X[lost].abs().amax(1, keepdim=True)
        Q = torch.stack([_by(far, t).square().sum(1) for t in T], 1)
        Q[:, constants == -torch.inf] = torch.inf
        S[lost] = (Q.amin(1, keepdim=True) == Q).to(S.dtype).log()
    return S


def _by(Z: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    return Z * T if T.dim() == 1 else Z @ T


def _whitened(moved: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Each row of (C, D) by its own matrix of (C, D, D)."""
    return torch.bmm(moved[:, None], T)[:, 0]


def _add_squares_in_panels(
    S: torch.Tensor, X: torch.Tensor, means: torch.Tensor, T: torch.Tensor, centre: torch.Tensor
) -> None:
    r"""Add the squared lengths of all classes to S (C, N), by products in which the classes stand side by side.

    .. math:: T_c^T (x - \mu_c) = T_c^T (x - m) - T_c^T (\mu_c - m)

    with one centre m, and the last term as the coefficient of a constant 1 in front of x - m. Columns a ... b of T need
    the first b coordinates alone: a panel of them for several classes is one large product, and most of the triangle
    of zeros is left out. The difference costs the digits by which classes are farther apart than wide.
    """
    (C, D), N = means.shape, len(X)
    panels = -(-D // WIDTH)
    edges = [D * k // panels for k in range(panels + 1)]
    R = min(N, max(128, BLOCK // (2 * (D + 1))))
    group = max(1, BLOCK // (min(D, WIDTH) * R))  # classes side by side, so that their products stay in the cache
    offset, Tt = -_whitened(means - centre, T), T.transpose(1, 2)
    tasks = [
        (c, a, b, torch.cat([offset[c : c + group, a:b, None], Tt[c : c + group, a:b, :b]], 2).flatten(0, 1).numpy())
        for c in range(0, C, group)
        for a, b in pairwise(edges)
    ]
    memory, Z, scores = np.empty(max(len(W) for *_, W in tasks) * R), X.new_ones(R, D + 1), S.numpy()
    for i in range(0, N, R):
        r = min(R, N - i)
        torch.sub(X[i : i + r], centre, out=Z[:r, 1:])
        for c, a, b, W in tasks:
            Y = memory[: len(W) * r].reshape(len(W), r)
            np.matmul(W, Z[:r, : b + 1].numpy().T, out=Y)
            add_squares(Y, scores, c, i, b - a)


@compiled(fast=True)
def add_squares(Y, S, first, start, width):
    """Add the squares of each ``width`` rows of Y to one row of S, from row ``first`` and column ``start`` on."""
    for k in range(Y.shape[0]):
        s, y = S[first + k // width], Y[k]
        for n in range(y.size):
            s[start + n] += y[n] * y[n]


def _blocks(X: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Blocks of rows, and memory of the same shape to compute in, the same for all."""
    block = max(ROWS, BLOCK // X.shape[1])
    buffer = X.new_empty(min(block, len(X)), X.shape[1])
    for i in range(0, len(X), block):
        rows = slice(i, min(i + block, len(X)))
        yield rows, X[rows], buffer[: rows.stop - i]
