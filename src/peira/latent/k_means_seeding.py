r"""Where k-means starts: rows of the data, spread out.

**k-means++** draws the first centre among the rows, and each further one with a probability that grows with the squared
distance to the nearest centre drawn so far,

.. math:: P(n) = w_n d_n^2 / \sum_m w_m d_m^2, \quad d_n = \min_k \| x_n - c_k \|

The expected cost of these centres alone is at most :math:`8 (\log K + 2)` times the least one (Arthur & Vassilvitskii
2007, Theorem 1.1). The greedy form, taken here, draws 2 + log K rows at each step and keeps the one that leaves the
lowest cost.

A draw is the place at which the cumulative sum passes a uniform number, with the rows in an order of their own (along
a fixed direction). So the same seed draws the same rows in whatever order they come, and one of weight two just as two
equal ones.

Cost: N K D (2 + log K), one block of rows at a time.

Reference: Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding, SODA, 1027-1035; Celebi,
Kingravi & Vela (2013), Expert Systems with Applications 40, 200-210 (greedy).
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Matrix
from ..numerics.distances import Metric, blocked

BLOCK = 1 << 18  # numbers in a block of rows


def plus_plus(X: Matrix, K: int, generator: torch.Generator, w: torch.Tensor | None = None) -> torch.Tensor:
    """K rows of X (N, D) by greedy k-means++, as a tensor of shape (K, D).

    Parameters
    ----------
    X : tensor or csr matrix of shape (N, D)
    K : int
        At most N.
    generator : torch.Generator
    w : tensor of shape (N,), optional
        Weights of the rows; one of weight zero is never drawn.
    """
    return rows_at(X, plus_plus_rows(X, K, generator, w))


def plus_plus_rows(
    X: Matrix, K: int, generator: torch.Generator, w: torch.Tensor | None = None, space: Any = None
) -> list[int]:
    """The positions of the rows that `plus_plus` draws.

    ``space`` (a `Costs`) tells what a row costs at another; without it, the squared distance.
    """
    trials = 2 + int(math.log(K))
    space = _Squares(X) if space is None else space
    w = space.ones() if w is None else w
    lots = Lots(X)
    found = lots.draw(w, 1, generator).tolist()
    nearest = torch.cat([costs for _, costs in space.to(found)])[:, 0].clone()
    nearest[found[0]] = 0.0
    while len(found) < K:
        likely = w * nearest
        tries = lots.draw(likely if bool(likely.any()) else w, trials, generator)
        left = torch.empty(len(w), trials, dtype=w.dtype, device=w.device)
        costs = torch.zeros(trials, dtype=w.dtype, device=w.device)
        for part, squares in space.to(tries.tolist()):
            torch.minimum(squares, nearest[part, None], out=left[part])
            costs += w[part] @ left[part]
        best = int(costs.argmin())
        nearest = left[:, best].clone()
        found.append(int(tries[best]))
        nearest[found[-1]] = 0.0
    return found


def random_rows(X: Matrix, K: int, generator: torch.Generator, w: torch.Tensor | None = None) -> torch.Tensor:
    """K different rows of X, each drawn as often as it weighs; equal ones only if there are not K different ones."""
    space = _Squares(X)
    w = space.ones() if w is None else w
    left, lots = w.clone(), Lots(X)
    found: list[int] = []
    while len(found) < K:
        found += lots.draw(left if bool(left.any()) else w, 1, generator).tolist()
        left[space.equal(found[-1])] = 0.0
    return rows_at(X, found)


def rows_at(X: Any, at: list[int]) -> torch.Tensor:
    """Rows of a dense or sparse matrix as a dense tensor."""
    return torch.from_numpy(X[at].toarray()) if sparse.issparse(X) else X[at].clone()


class Lots:
    """Draws of rows that depend neither on their order nor on whether equal ones stand once or several times."""

    def __init__(self, X: Matrix) -> None:
        direction = np.cos(np.arange(1.0, X.shape[1] + 1))
        key = torch.from_numpy(X @ direction) if sparse.issparse(X) else X @ X.new_tensor(direction)
        self.order = key.argsort(stable=True)

    def draw(self, weights: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
        """n positions, each with a probability in proportion to its weight (which must not all be zero)."""
        return self.repeated(weights)(n, generator)

    def repeated(self, weights: torch.Tensor) -> Callable[[int, torch.Generator], torch.Tensor]:
        """`draw` for many draws with the same weights."""
        total = weights[self.order].cumsum(0)
        last = int((total < total[-1]).sum())  # the last row that weighs anything, where rounding passes beyond it

        def draw(n: int, generator: torch.Generator) -> torch.Tensor:
            u = torch.rand(n, dtype=weights.dtype, device=weights.device, generator=generator) * total[-1]
            return self.order[torch.searchsorted(total, u, right=True).clamp(max=last)]

        return draw


class Costs:
    """Distances of all rows to some of them, by any metric, in blocks of rows."""

    def __init__(self, X: torch.Tensor, metric: Metric) -> None:
        self.X, self.metric = X, metric

    def ones(self) -> torch.Tensor:
        return self.X.new_ones(len(self.X))

    def to(self, at: list[int]) -> Iterator[tuple[slice, torch.Tensor]]:
        yield from blocked(self.X, self.X[at], self.metric)


class _Squares:
    """Squared distances of all rows to some of them, in blocks of rows."""

    def __init__(self, X: Matrix) -> None:
        self.sparse = sparse.issparse(X)
        self.X = X if self.sparse else X - X.mean(0)
        self.squares = (
            torch.from_numpy(np.asarray(X.multiply(X).sum(1), dtype=np.float64).ravel())
            if self.sparse
            else self.X.square().sum(1)
        )

    def ones(self) -> torch.Tensor:
        return torch.ones_like(self.squares)

    def to(self, at: list[int]) -> Iterator[tuple[slice, torch.Tensor]]:
        rows = rows_at(self.X, at)
        n = max(1, BLOCK // (rows.shape[1] + len(at)))
        for i in range(0, self.X.shape[0], n):
            part = slice(i, i + n)
            X = self.X[part]
            product = torch.from_numpy(X @ rows.numpy().T) if self.sparse else X @ rows.T
            yield part, (self.squares[part, None] + self.squares[at] - 2 * product).clamp_(min=0)

    def equal(self, n: int) -> torch.Tensor:
        """Which rows are equal to row n."""
        if not self.sparse:
            return (self.X[n] == self.X).all(1)
        differs = abs(self.X - sparse.csr_array(np.ones((self.X.shape[0], 1))) @ sparse.csr_array(self.X[[n]]))
        return torch.from_numpy(np.asarray(differs.sum(1)).ravel() == 0)
