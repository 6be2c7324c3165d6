r"""Sparse rows as a net takes them: in units of the spread of their columns, and without becoming dense.

Standardising moves zeros, so that nothing would stay sparse. What it does to the inputs of the first layer is done
behind that layer in its place,

.. math:: W \frac{x - m}{s} + b = W \frac{x}{s} + b - W \frac{m}{s}

and products are taken of stored numbers alone. In a column that is not zero in a share p of the rows,

.. math:: \frac{|m|}{s} \leq \sqrt{\frac{p}{1 - p}}

so that the difference costs no digits unless p is nearly one. Columns in which it would (:math:`|m| > 8 s`, of which
98 % are stored at least) are stored whole, as :math:`(x - m) / s`.

Cost of a first layer of H units: H products for each stored number, in place of H D for each row.
"""

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import nn

FAR = 8.0  # deviations between zero and the mean of a column from which on it is stored whole


class SparseRows:
    """N rows for the first layer of a net.

    Parameters
    ----------
    X : CSR matrix of shape (N, D)
    mean, scale : tensors of shape (D,), float64, or None
        What the columns are standardised by.
    dtype : torch dtype
        Of the net.
    """

    def __init__(self, X: Any, mean: torch.Tensor | None, scale: torch.Tensor | None, dtype: torch.dtype) -> None:
        X, m, N = sparse.csr_array(X), np.zeros(X.shape[1]), X.shape[0]
        if mean is not None and scale is not None:
            m, s = mean.numpy(force=True), scale.numpy(force=True)
            far = np.flatnonzero(np.abs(m) > FAR * s)
            if len(far):
                starts = np.arange(N + 1) * len(far)
                X = X - sparse.csr_array((np.tile(m[far], N), np.tile(far, N), starts), shape=X.shape)
            X = sparse.csr_array((X.data / s[X.indices], X.indices, X.indptr), shape=X.shape)
            m = m / s
            m[far] = 0.0
        self.shift = torch.from_numpy(m).to(dtype)
        self.X = X.astype(self.shift.numpy().dtype)

    def __len__(self) -> int:
        return self.X.shape[0]

    def __getitem__(self, rows: slice | torch.Tensor) -> "SparseRows":
        """Some of the rows."""
        some = object.__new__(SparseRows)
        some.shift, some.X = self.shift, self.X[rows if isinstance(rows, slice) else rows.numpy(force=True)]
        return some

    def stored(self) -> tuple[torch.Tensor, ...]:
        """All there is of the rows: the stored numbers, where they stand, and what was taken from each column."""
        return (*(torch.from_numpy(part) for part in (self.X.data, self.X.indices, self.X.indptr)), self.shift)

    def dense(self) -> torch.Tensor:
        """The rows as a tensor of shape (N, D)."""
        return torch.from_numpy(self.X.toarray()) - self.shift

    def through(self, net: nn.Sequential) -> torch.Tensor:
        """What a net that begins with a dense layer gives for the rows, of shape (N, K); on the device of the net."""
        first = net[0]
        W, b = first.weight, first.bias
        h = _Product.apply(W, self.X) - W @ self.shift.to(W.device)
        return net[1:](h if b is None else h + b)


class _Product(torch.autograd.Function):
    """X W' of sparse rows X and dense weights W of shape (H, D)."""

    @staticmethod
    def forward(ctx: Any, W: torch.Tensor, X: sparse.csr_array) -> torch.Tensor:
        ctx.X = X
        return torch.from_numpy(X @ W.detach().T.numpy(force=True)).to(W.device)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(ctx.X.T @ g.numpy(force=True)).T.to(g.device), None


def spread_of_sparse(X: Any, w: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each column of a CSR matrix, as `standardising.spread` gives them of a dense one.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> spread_of_sparse(csr_array([[1.0, 0.0], [3.0, 0.0]]))
    (tensor([2., 0.], dtype=torch.float64), tensor([1., 1.], dtype=torch.float64))
    """
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    N, D = X.shape
    weight = np.ones(N) if w is None else w.numpy(force=True)
    each, W, column = np.repeat(weight, np.diff(X.indptr)), weight.sum(), X.indices
    mean = np.bincount(column, each * X.data, D) / W
    stored = np.bincount(column, each * (X.data - mean[column]) ** 2, D)
    unstored = np.where(np.bincount(column, minlength=D) < N, W - np.bincount(column, each, D), 0.0)
    std = np.sqrt((stored + unstored.clip(0) * mean**2) / W)
    return torch.from_numpy(mean), torch.from_numpy(np.where(std <= 1e-13 * np.abs(mean), 1.0, std))
