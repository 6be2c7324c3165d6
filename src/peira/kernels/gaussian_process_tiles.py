r"""A kernel between two blocks of items, and its gradient there: what a large Gram matrix is made of.

A Gram matrix too large for the cache is written and differentiated tile by tile. On the diagonal the kernel's own
closed form serves (`Kernel._pullback`); beside it, for items u of one block and v of another, scaled, and with
M = W s'(r^2) entry by entry,

.. math:: \sum_{ij} W_{ij} \frac{d k_{ij}}{d \log l_d} = -2 \sum_{ij} M_{ij} (u_{id} - v_{jd})^2

.. math:: = -2 ( \sum_i u_{id}^2 \sum_j M_{ij} + \sum_j v_{jd}^2 \sum_i M_{ij} - 2 \sum_i u_{id} (M v)_{id} )

for stationary kernels. Sums and products hand W to their parts, white noise is not there at all, a constant factor
multiplies the result instead of the tile, and what has no closed form here is differentiated automatically.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .composition import OnColumns, Product, Sum
from .constant import ConstantKernel, WhiteKernel
from .kernel import Kernel, Pullback
from .pairs import squared_distances
from .stationary import Stationary

TILE = 256  # items: a tile of numbers and what is derived from it stay in the cache


@dataclass(frozen=True)
class Block:
    """A block of a Gram matrix off the diagonal.

    Parameters
    ----------
    value : callable
        Gives the numbers (B, C), or None where they are all zero.
    back : callable
        W (B, C) -> gradient of sum(W * K) by theta (P,).
    factor : float, optional
        The number that a constant kernel is.
    """

    value: Callable[[], torch.Tensor | None]
    back: Pullback
    factor: float | None = None


def tiles(N: int) -> Iterator[tuple[slice, slice]]:
    """Pairs of blocks of items that cover the lower triangle."""
    for i in range(0, N, TILE):
        for j in range(0, i + 1, TILE):
            yield slice(i, min(i + TILE, N)), slice(j, min(j + TILE, N))


def write_gram(kernel: Kernel, X: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """The lower triangle of the Gram matrix of X, into ``out`` (N, N)."""
    for a, b in tiles(len(X)):
        tile = kernel._gram(X[a]) if a == b else between(kernel, X[a], X[b]).value()
        out[a, b] = 0.0 if tile is None else tile
    return out


def pull_back(kernel: Kernel, X: torch.Tensor, w: Callable[[slice, slice], torch.Tensor]) -> torch.Tensor:
    """Gradient by theta (P,) of the sum of W * K, from the tiles ``w(a, b)`` of a symmetric W in its lower triangle."""
    total = X.new_zeros(len(kernel.theta))
    if not len(total):
        return total
    for a, b in tiles(len(X)):
        if a == b:
            _, back = kernel._pullback(X[a])
            total += back(w(a, b))
        else:
            total += 2 * between(kernel, X[a], X[b]).back(w(a, b))
    return total


def between(kernel: Kernel, A: torch.Tensor, B: torch.Tensor) -> Block:
    """The block of a kernel between items A (B, D) and others (C, D)."""
    if isinstance(kernel, WhiteKernel):
        return Block(lambda: None, lambda W: W.new_zeros(len(kernel.theta)))
    if isinstance(kernel, ConstantKernel):
        c, free = float(kernel.constant_value), len(kernel.theta)
        return Block(lambda: A.new_full((len(A), len(B)), c), lambda W: (W.sum() * c).reshape(-1)[:free], c)
    if isinstance(kernel, Sum):
        return _sum(between(kernel.k1, A, B), between(kernel.k2, A, B))
    if isinstance(kernel, Product):
        return _product(between(kernel.k1, A, B), between(kernel.k2, A, B), kernel)
    if isinstance(kernel, OnColumns):
        return between(kernel.kernel, kernel._pick(A), kernel._pick(B))
    if isinstance(kernel, Stationary) and kernel._own_free() in ([], ["length_scale"]):
        return _stationary(kernel, A, B)
    return Block(lambda: kernel._gram(A, B), lambda W: _automatic(kernel, A, B, W))


def _sum(one: Block, two: Block) -> Block:
    def value() -> torch.Tensor | None:
        a, b = one.value(), two.value()
        return b if a is None else a if b is None else a + b

    return Block(value, lambda W: torch.cat([one.back(W), two.back(W)]))


def _product(one: Block, two: Block, kernel: Product) -> Block:
    def value() -> torch.Tensor | None:
        for factor, other in ((one.factor, two), (two.factor, one)):
            if factor is not None:
                K = other.value()
                return None if K is None else K * factor
        a = one.value()
        b = None if a is None else two.value()
        return None if a is None or b is None else a * b

    def back(W: torch.Tensor) -> torch.Tensor:
        slopes = []
        for mine, other, part in ((one, two, kernel.k1), (two, one, kernel.k2)):
            if not len(part.theta):
                slopes.append(W.new_zeros(0))
            elif other.factor is not None:
                slopes.append(other.factor * mine.back(W))
            else:
                K = other.value()
                slopes.append(W.new_zeros(len(part.theta)) if K is None else mine.back(W * K))
        return torch.cat(slopes)

    return Block(value, back)


def _stationary(kernel: Stationary, A: torch.Tensor, B: torch.Tensor) -> Block:
    centre = B.mean(0)
    U, V = kernel._scaled(A - centre), kernel._scaled(B - centre)

    def back(W: torch.Tensor) -> torch.Tensor:
        if not kernel._own_free():
            return W.new_zeros(0)
        r2 = squared_distances(U, V)
        M = kernel._slope(r2, kernel._profile(r2.clone())).mul_(W)
        if U.shape[1] == 1 or not np.ndim(kernel.length_scale):
            return -2 * torch.dot(M.reshape(-1), r2.reshape(-1)).reshape(1)
        rows, columns = M.sum(1) @ U.square(), M.sum(0) @ V.square()
        return -2 * (rows + columns - 2 * (U * (M @ V)).sum(0))

    return Block(lambda: kernel._profile(squared_distances(U, V)), back)


def _automatic(kernel: Kernel, A: torch.Tensor, B: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    theta = torch.tensor(kernel.theta, dtype=A.dtype, device=A.device, requires_grad=True)
    if not len(theta):
        return theta.detach()
    with torch.enable_grad():
        K = kernel.with_theta(theta)._gram(A, B)
    return torch.autograd.grad(K, theta, W, materialize_grads=True)[0]
