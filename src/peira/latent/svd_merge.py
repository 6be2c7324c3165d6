r"""Principal components of two tables from those of each: a decomposition that is carried along.

With weights W_a and W_b, means and the directions V scaled by their singular values S, the scatter of both is that of
the few rows

.. math:: S_a V_a^T, \qquad A_b, \qquad \sqrt{\frac{W_a W_b}{W_a + W_b}} \, (m_a - m_b)^T

under each other (Ross, Lim, Lin & Yang 2008), of which a singular value decomposition is taken. What
directions beyond those kept would have added is lost; nothing is lost while the rank of all rows is below it.

Cost: (r + N)^2 D for a block of N rows and r directions kept; r D numbers.
"""

from dataclasses import dataclass

import torch

from ..core import DataError
from ..numerics.symmetric_eigen import with_signs


@dataclass(frozen=True, eq=False)
class Sketch:
    """The leading directions of the rows seen so far.

    Attributes
    ----------
    n : int
        Rows.
    weight : float
        Sum of their weights.
    mean, column_squares : tensor of shape (D,)
        Means, and sums of squares about them, of the columns.
    rows : tensor of shape (r, D)
        Orthogonal; each is a direction times its singular value.
    """

    n: int
    weight: float
    mean: torch.Tensor
    column_squares: torch.Tensor
    rows: torch.Tensor

    @classmethod
    def empty(cls, D: int, like: torch.Tensor) -> "Sketch":
        return cls(0, 0.0, like.new_zeros(D), like.new_zeros(D), like.new_zeros(0, D))

    def merged(self, X: torch.Tensor, w: torch.Tensor | None, most: int) -> "Sketch":
        """With the rows of X; at most ``most`` directions are kept."""
        weight = float(len(X)) if w is None else float(w.sum())
        if not weight:
            return Sketch(self.n + len(X), self.weight, self.mean, self.column_squares, self.rows)
        mean = X.mean(0) if w is None else (w @ X) / weight
        A = X - mean
        if w is not None:
            A *= w.sqrt()[:, None]
        total, delta = self.weight + weight, mean - self.mean
        bridge = (self.weight * weight / total) ** 0.5 * delta
        stack = torch.cat([self.rows, A, bridge[None]])
        if not bool(stack.square().sum().isfinite()):
            raise DataError("squares of the data are too large for floating point: choose another unit")
        _, s, Vt = torch.linalg.svd(stack, full_matrices=False)
        r = min(most, self.n + len(X))
        return Sketch(
            self.n + len(X),
            total,
            self.mean + weight / total * delta,
            self.column_squares + A.square().sum(0) + bridge.square(),
            s[:r, None] * Vt[:r],
        )

    def directions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of squares (r,) and directions (D, r)."""
        s = self.rows.norm(dim=1)
        V = self.rows / torch.where(s > 0, s, 1.0)[:, None]
        return s.square(), with_signs(V.T)
