r"""What every mixture is made of: K weighted component densities, and the sums that EM takes over the rows.

.. math:: p(x) = \sum_k \pi_k \, p_k(x), \quad r_{nk} = \pi_k p_k(x_n) / p(x_n)

One pass over blocks of rows does the E step and gathers all that the M step needs: the log densities of a block, the
responsibilities in their place, and the sums of r and of r times the features of the rows. No array of N K D numbers,
and none of N K, ever exists.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch

BLOCK = 1 << 18  # numbers in a block of features: 2 MiB, so that both products find them in the cache
DEEP = -690.0  # logarithms whose exponentials count as nothing: far below, they cost many times as much
DEAD = 1e-14  # a share of the weight below which a component has no rows of its own


@dataclass(eq=False)
class Rows:
    """The rows of a fit, feature by feature, and their weights.

    Attributes
    ----------
    Z : tensor of shape (D, N)
        One contiguous line a column of the data.
    w : tensor of shape (N,) or None
    """

    Z: torch.Tensor
    w: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.Z.shape[1]

    @property
    def all_weights(self) -> torch.Tensor | None:
        """The weights of all rows, in the order of `points`; None where all count alike."""
        return self.w

    @property
    def weight(self) -> float:
        """The sum of the weights."""
        w = self.all_weights
        return float(len(self) if w is None else w.sum())

    def points(self) -> torch.Tensor:
        """The rows as they are, of shape (N, D); NaN where a value is missing."""
        return self.Z.T

    def filled(self) -> torch.Tensor:
        """The rows without gaps, of shape (N, D), for a start."""
        return self.points()

    def blocks(self, width: int) -> Iterator[slice]:
        """Slices of rows, so that ``width`` numbers a row fit into a block."""
        size = min(8192, max(64, BLOCK // max(1, width)))
        return (slice(i, i + size) for i in range(0, self.Z.shape[1], size))


class Components(ABC):
    """K component densities with given parameters, on tensors. Immutable: an M step makes new ones."""

    weights: torch.Tensor

    @abstractmethod
    def log_densities(self, X: torch.Tensor) -> torch.Tensor:
        """log p_k(x_n) of shape (K, N), by the route that keeps all digits."""

    @abstractmethod
    def expect(self, rows: Rows) -> tuple[float, Any]:
        """The E step: the weighted sum of log p(x_n), and the expected sums of the M step."""

    @abstractmethod
    def maximise(self, sums: Any) -> Self:
        """The M step: the components whose expected log likelihood is highest."""

    @abstractmethod
    def take(self, order: torch.Tensor) -> Self:
        """The same components in another order."""

    @abstractmethod
    def draw(self, k: int, n: int, generator: torch.Generator) -> torch.Tensor:
        """n draws from component k, of shape (n, D)."""

    def log_joint(self, X: torch.Tensor) -> torch.Tensor:
        """log pi_k + log p_k(x_n), of shape (K, N)."""
        L = torch.cat([self.log_densities(part) for part in X.split(4096)], 1)
        return L.add_(self.weights.log()[:, None])


def share_out(L: torch.Tensor, w: torch.Tensor | None) -> torch.Tensor:
    """Turn log pi_k p_k(x_n), of shape (K, n), into w_n r_nk in place; gives the weighted sum of log p(x_n)."""
    top = L.amax(0).clamp_(min=-1e300)  # a row that no component can explain is shared out evenly
    torch.exp(L.sub_(top).clamp_(min=DEEP), out=L)
    torch.nn.functional.threshold_(L, 2 * math.exp(DEEP), 0.0)
    p = L.sum(0)
    L.mul_(p.reciprocal() if w is None else w / p)
    log_p = p.log_().add_(top)
    return log_p.sum() if w is None else log_p @ w


def shares(n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The weights that n gives, n without zeros to divide by, and which components have rows at all."""
    total = n.sum()
    alive = n > DEAD * total
    return n / total, torch.where(alive, n, torch.ones_like(n)), alive
