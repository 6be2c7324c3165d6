r"""The rows of each class in blocks, less what is known of the class's mean.

Two ways to the same blocks. *Dealt*: the rows are read once in the order in which they lie in memory, and each goes to
the pile of its class, as cards do; a pile that is full is a block, still in the cache. *Gathered*: class by class,
where there are so many classes that their piles would not fit, and on other devices.

A block holds :math:`z_n = \sqrt{w_n} \, (x_n - m_c)`. At first m is the first row of the class; whoever takes a block
moves m to the mean of all rows so far, and the next block is centred there. If block b has no more weight than the rows
a before it, what its own mean adds can be taken off afterwards without loss,

.. math:: \sum_b z z^T - \frac{W_b^2}{W_a + W_b} \, \delta \delta^T, \quad \delta = W_b^{-1} \sum_b \sqrt{w_n} \, z_n

since the first term is then at most twice the scatter of a and b together, in every column.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..core.inputs import Data
from ..numerics.compile import compiled

BLOCK = 1 << 17  # numbers in a block of rows: 1 MiB, which stay in the cache until they are multiplied
ROWS = 512  # but at least so many rows: each block reads and writes the whole sum
PILES = 1 << 22  # numbers in the piles of all classes: 32 MiB
FEWEST = 64


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of one class.

    Attributes
    ----------
    c : int
        The class.
    Z : tensor of shape (R, D)
        Shifted and weighted rows; may be changed, and is gone when the next block is asked for.
    root : tensor of shape (R,), or None
        Roots of the weights, None for weights of one.
    weight : float
        The sum of the weights.
    delta : tensor of shape (D,)
        The mean of the shifted rows.
    """

    c: int
    Z: torch.Tensor
    root: torch.Tensor | None
    weight: float
    delta: torch.Tensor


def class_blocks(data: Data, shift: torch.Tensor) -> Iterator[Block]:
    """All rows of positive weight, in blocks of one class each.

    Parameters
    ----------
    data : Data
        Dense rows X (N, D) with their classes, 0 ... C - 1.
    shift : tensor of shape (C, D)
        What to take off the rows. The first block of a class sets it to a row; the caller may change it between blocks.
    """
    C, D = shift.shape
    if data.X.device.type != "cpu" or PILES // (C * D) < FEWEST:
        return gathered(data, shift)
    return dealt(data, shift, min(max(ROWS, BLOCK // D), PILES // (C * D)))


def dealt(data: Data, shift: torch.Tensor, R: int) -> Iterator[Block]:
    """In one pass over the rows, with piles of R rows for each class."""
    X, codes, (C, D) = data.X.numpy(), data.codes.numpy(), shift.shape
    root = np.empty(0) if data.w is None else data.w.sqrt().numpy()
    piles, roots = torch.empty(C, R, D, dtype=torch.float64), torch.empty(C, R if len(root) else 0, dtype=torch.float64)
    sums, weights = torch.zeros(C, D, dtype=torch.float64), torch.zeros(C, dtype=torch.float64)
    height, seen = np.zeros(C, dtype=np.int64), np.zeros(C, dtype=np.bool_)
    views = tuple(v.numpy() for v in (shift, piles, roots, sums, weights))

    def block(c: int) -> Block:
        n, weight = int(height[c]), float(weights[c])
        held = roots[c, :n] if len(root) else None
        found = Block(c, piles[c, :n], held, weight, sums[c] / weight)
        height[c], sums[c], weights[c] = 0, 0.0, 0.0
        return found

    n = 0
    while n < len(X):
        n, full = deal(X, codes, root, n, *views, height, seen)
        if full >= 0:
            yield block(full)
    for c in np.flatnonzero(height):
        yield block(int(c))


@compiled(fast=True)
def deal(X, codes, root, start, shift, piles, roots, sums, weights, height, seen):
    """Put rows on the piles of their classes, from row ``start`` on, until one is full.

    Returns
    -------
    int, int
        The next row, and the class whose pile is full; -1 if there are no more rows.
    """
    N, D = X.shape
    R = piles.shape[1]
    for n in range(start, N):
        r = root[n] if root.size else 1.0
        if r == 0.0:
            continue
        c, x = codes[n], X[n]
        m, total, z = shift[c], sums[c], piles[c, height[c]]
        if not seen[c]:
            seen[c] = True
            for j in range(D):
                m[j] = x[j]
        if root.size:
            roots[c, height[c]] = r
        for j in range(D):
            value = r * (x[j] - m[j])
            z[j] = value
            total[j] += r * value
        weights[c] += r * r
        height[c] += 1
        if height[c] == R:
            return n + 1, c
    return N, -1


def gathered(data: Data, shift: torch.Tensor) -> Iterator[Block]:
    """Class by class, in memory for one block."""
    X, w, (C, D) = data.X, data.w, shift.shape
    present = torch.arange(len(X), device=X.device) if w is None else w.nonzero()[:, 0]
    codes, order = data.codes[present].sort(stable=True)
    order, ends = present[order], torch.bincount(codes, minlength=C).cumsum(0).tolist()
    size = max(ROWS, BLOCK // D)
    memory = X.new_empty(min(size, len(X)), D)
    for c, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        for i in range(start, end, size):
            at = order[i : min(i + size, end)]
            if i == start:
                shift[c] = X[at[0]]
            Z = torch.index_select(X, 0, at, out=memory[: len(at)]).sub_(shift[c])
            if w is None:
                yield Block(c, Z, None, float(len(at)), Z.mean(0))
                continue
            v, weight = w[at], float(w[at].sum())
            delta = v @ Z / weight
            yield Block(c, Z.mul_(v.sqrt()[:, None]), v.sqrt(), weight, delta)
