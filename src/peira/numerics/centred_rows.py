r"""The centred, weighted rows of a table as a linear map, without forming them.

.. math:: A = W^{1/2} (X - 1 m^T), \quad A B = W^{1/2} (X B - 1 (m^T B)), \quad
          A^T C = X^T W^{1/2} C - m \, (1^T W^{1/2} C)

Sparse rows stay sparse, and dense ones are not copied. Where the mean of a column exceeds its spread by many orders of
magnitude the subtraction cancels as many digits; dense rows are then better centred first.

Cost: 2 N D k for a product with k columns, or 2 k times the stored entries.
"""

from dataclasses import dataclass
from typing import Any

import torch
from scipy import sparse


@dataclass(frozen=True, eq=False)
class CentredRows:
    """A as a pair of products.

    Attributes
    ----------
    X : tensor of shape (N, D), or scipy CSR matrix
    mean : tensor of shape (D,)
    root : tensor of shape (N,), or None
        Roots of the weights; None where all are 1.
    """

    X: Any
    mean: torch.Tensor
    root: torch.Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape[0], self.X.shape[1]

    def times(self, B: torch.Tensor) -> torch.Tensor:
        """A B, for B of shape (D, k)."""
        P = torch.from_numpy(self.X @ B.numpy()) if sparse.issparse(self.X) else self.X @ B
        P = P - self.mean @ B
        return P if self.root is None else P * self.root[:, None]

    def back(self, C: torch.Tensor) -> torch.Tensor:
        """A' C, for C of shape (N, k)."""
        C = C if self.root is None else C * self.root[:, None]
        P = torch.from_numpy(self.X.T @ C.numpy()) if sparse.issparse(self.X) else self.X.T @ C
        return P - torch.outer(self.mean, C.sum(0))

    def squares(self) -> torch.Tensor:
        """Sum of squares of each column of A, (D,)."""
        X, mean, root = self.X, self.mean, self.root
        if not sparse.issparse(X):
            Z = X - mean
            return (Z if root is None else Z * root[:, None]).square().sum(0)
        w = torch.ones(X.shape[0], dtype=torch.float64) if root is None else root.square()
        stored = X.tocoo()
        v, where, m = w[stored.row], torch.from_numpy(stored.col.astype("int64")), mean[stored.col]
        # of a stored entry (x - m)^2 counts; of what is not stored m^2
        apart = v * ((torch.from_numpy(stored.data) - m).square() - m.square())
        return mean.new_zeros(X.shape[1]).index_add(0, where, apart) + w.sum() * mean.square()
