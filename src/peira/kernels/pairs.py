r"""What kernels are functions of: inner products and squared distances of rows.

.. math:: x^T z, \qquad | x - z |^2 = \sum_d (x_d - z_d)^2

Among the rows of one set the matrix is symmetric to the last bit, and its distances to oneself are zero. Half of it is
computed, tile by tile, and the other half copied while the tile is still in the cache. Where a gradient is asked for,
the matrix is computed whole.

Distances of few columns are summed from differences: they are exact up to a few roundings of themselves. Others come
from one product of matrices about the mean, with an absolute error of some roundings of the squared lengths
(`peira.numerics.distances` repairs that, at a price that no kernel needs to pay: their entries are bounded).

Cost: N M D.
"""

from collections.abc import Callable

import torch

FEW = 4  # up to so many columns, differences are as cheap as a product of matrices, and exact
TILE = 256  # rows and columns of a tile: half a MiB of float64, so that a few of them stay in a core's own cache


def products(X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
    """Inner products (N, M) of rows; among themselves exactly symmetric."""
    if Z is not None:
        return X @ Z.T
    if _recorded(X):
        K = X @ X.T
        return (K + K.T) / 2
    return symmetric(len(X), X, lambda i, j: X[i] @ X[j].T)


def squared_distances(U: torch.Tensor, V: torch.Tensor | None = None) -> torch.Tensor:
    """Squared Euclidean distances (N, M) of rows; among themselves exactly symmetric with a zero diagonal."""
    if U.shape[1] <= FEW:
        between = _from_differences
    else:
        between = _from_products
        mean = (U if V is None else V).detach().mean(0)
        U, V = U - mean, None if V is None else V - mean
    if V is not None:
        return between(U, V)
    if not _recorded(U):
        return symmetric(len(U), U, lambda i, j: between(U[i], U[j])).fill_diagonal_(0)
    r2 = between(U, U)
    r2 = (r2 + r2.T) / 2
    return r2 - r2.diagonal().diag_embed()


def symmetric(N: int, like: torch.Tensor, between: Callable[[slice, slice], torch.Tensor]) -> torch.Tensor:
    """The symmetric matrix (N, N) of a function of two sets of rows, of which half is computed.

    ``between(i, j)`` gives the tile of rows i and columns j, of the dtype and on the device of ``like``. What a tile on
    the diagonal lacks of symmetry is mended: rounding.
    """
    K = like.new_empty(N, N)
    step = TILE if like.device.type == "cpu" else max(N, 1)  # a device has no use for small tiles
    for start in range(0, N, step):
        i = slice(start, start + step)
        for left in range(0, start, step):
            j = slice(left, left + step)
            K[i, j] = between(i, j)
            K[j, i] = K[i, j].T
        block = between(i, i)
        torch.add(block, block.T, out=K[i, i]).div_(2)
    return K


def mirror_lower(K: torch.Tensor) -> None:
    """Copy the lower triangle of K over the upper one, in place and tile by tile."""
    for start in range(0, len(K), TILE):
        i = slice(start, start + TILE)
        for left in range(0, start, TILE):
            j = slice(left, left + TILE)
            K[j, i] = K[i, j].T
        block = K[i, i].tril()
        K[i, i] = block + block.tril(-1).T


def _from_differences(U: torch.Tensor, V: torch.Tensor) -> torch.Tensor:
    r2 = (U[:, 0, None] - V[:, 0]).square()
    for d in range(1, U.shape[1]):
        difference = U[:, d, None] - V[:, d]
        r2 = torch.addcmul(r2, difference, difference, out=None if r2.requires_grad else r2)
    return r2


def _from_products(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    a, b = A.square().sum(1), B.square().sum(1)
    r2 = torch.addmm(a[:, None] + b, A, B.T, alpha=-2)
    return r2.clamp(min=0) if r2.requires_grad else r2.clamp_(min=0)


def _recorded(X: torch.Tensor) -> bool:
    return torch.is_grad_enabled() and X.requires_grad
