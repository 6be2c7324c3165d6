r"""Gram matrices in bounded memory.

.. math:: K_{ij} = k(x_i, x_j)

**Among themselves** (`gram`): the whole kernel, with all its parts, is computed tile by tile, so that what lies between
the items and the result never leaves the cache; half of the tiles are computed, and the other half are copies. The
result is symmetric to the last bit.

**Between two sets** (`blocks`): some rows at a time, never more than fit into the memory that is given.

Cost: N^2 / 2 values of the kernel, and N^2 numbers.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from .items import Items
from .pairs import symmetric

if TYPE_CHECKING:
    from .kernel import Kernel

MEMORY = 1 << 28  # bytes: 256 MiB
CACHE = 3 << 20  # bytes of a block that a core's cache holds while it is computed and used
FEWEST = 64  # rows that a product of matrices needs to be fast
AT_ONCE = 4  # matrices of the size of a block that a kernel holds while it computes one


def gram(kernel: "Kernel", X: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Gram matrix of the rows of X among themselves.

    Parameters
    ----------
    kernel : Kernel
    X : tensor of shape (N, D)
        On any device. Requires no gradient.
    dtype : torch.dtype, optional
        In which to compute; that of ``X`` by default.
    Returns
    -------
    tensor of shape (N, N)

    Examples
    --------
    >>> from peira.kernels import RBF
    >>> gram(RBF(), torch.tensor([[0.0], [1.0]]))
    tensor([[1.0000, 0.6065],
            [0.6065, 1.0000]])
    """
    if isinstance(X, Items):
        return kernel._gram(X)
    X = X.to(dtype or X.dtype)
    with torch.no_grad():
        return symmetric(len(X), X, lambda i, j: kernel._gram(X[i], None if i == j else X[j]))


def blocks(
    kernel: "Kernel", X: torch.Tensor, Z: torch.Tensor, memory: int = MEMORY
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Rows of the Gram matrix between X and Z, no more at a time than fit into memory, and into the cache.

    Parameters
    ----------
    kernel : Kernel
    X : tensor of shape (N, D)
    Z : tensor of shape (M, D)
    memory : int, default 2^28
        Bytes that a block may take, with what is needed to compute it; at least one row is given.

    Yields
    ------
    rows : slice
    K : tensor of shape (rows, M)
    """
    row = max(1, len(Z) * X.dtype.itemsize)
    step = max(1, memory // (AT_ONCE * row))
    if X.device.type == "cpu":
        step = min(step, max(FEWEST, CACHE // row))
    for start in range(0, len(X), step):
        rows = slice(start, min(start + step, len(X)))
        yield rows, kernel._gram(X[rows], Z)
