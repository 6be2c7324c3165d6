r"""One step of Lloyd's algorithm for rows of any make: sparse ones, and tensors on any device.

.. math:: \| x - c_k \|^2 = \| x \|^2 - 2 x^T c_k + \| c_k \|^2

One matrix product for all distances, and one for all sums: with R (N, K) the indicators of the clusters,
:math:`R^T X`. A sparse X stays sparse. Dense rows on the CPU have a faster way to the same answer
(`peira.latent.k_means_bounds`), with the same methods.

Cost of a step: N K D, or K for each entry that is not zero.

Reference: Lloyd (1982), Least squares quantization in PCM, IEEE Transactions on Information Theory 28, 129-137.
"""

from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Matrix

BLOCK = 1 << 20  # numbers in a block of scores


def nearest_centre(X: Matrix, C: torch.Tensor) -> torch.Tensor:
    """The nearest of the centres C (K, D) to each row of X (N, D), the first of equal ones."""
    half = C.square().sum(1) / 2
    origin = None if sparse.issparse(X) else C.mean(0)
    codes = []
    n = max(1, BLOCK // len(C))
    for i in range(0, X.shape[0], n):
        part = X[i : i + n]
        if origin is None:
            scores = torch.from_numpy(part @ C.numpy().T) - half
        else:
            c = C - origin
            scores = torch.addmm(-c.square().sum(1) / 2, part - origin, c.T)
        codes.append(scores.argmax(1))
    return torch.cat(codes)


class PlainAssignment:
    """Rows, the cluster of each, and the weight, size and sum of each cluster.

    Parameters
    ----------
    X : tensor or csr matrix of shape (N, D)
    w : tensor of shape (N,), optional
    C : array of shape (K, D)
    """

    unit = 1.0

    def __init__(self, X: Any, w: torch.Tensor | None, C: np.ndarray) -> None:
        self.X, self.K, self.sparse = X, len(C), sparse.issparse(X)
        self.like = torch.from_numpy(C) if self.sparse else X
        self._w = self.like.new_ones(X.shape[0]) if w is None else w
        self.w = self._w.numpy(force=True)
        self.weight = float(self._w.sum())
        if self.sparse:
            centre = np.asarray(X.T @ self.w).ravel() / self.weight
            self.raw = float(self.w @ np.asarray(X.multiply(X).sum(1)).ravel())
            self.total, self.origin = max(0.0, self.raw - self.weight * float(centre @ centre)), np.zeros(X.shape[1])
        else:
            mean = self._w @ X / self.weight
            self.total = self.raw = float(self._w @ (X - mean).square().sum(1))
            self.origin = mean.numpy(force=True)
        self._codes = torch.full((X.shape[0],), -1, device=self.like.device)

    @property
    def codes(self) -> np.ndarray:
        return self._codes.numpy(force=True)

    def assign(self, C: np.ndarray) -> int:
        """Give each row to its nearest centre; how many changed."""
        return self.take(nearest_centre(self.X, self._tensor(C)))

    def take(self, codes: torch.Tensor) -> int:
        """Put each row into the cluster given; how many changed."""
        changed = int((codes != self._codes).sum())
        self._codes = codes
        self.add_anew()
        return changed

    def means(self, C: np.ndarray) -> np.ndarray:
        """The mean of each cluster's rows; an empty one's centre stays."""
        full = self.members > 0
        means = self.origin + self.sums / np.where(full, self.weights, 1.0)[:, None]
        return np.where(full[:, None], means, C)

    def objective(self, C: np.ndarray) -> float:
        """The cost of the present clusters about these centres."""
        c = C - self.origin
        return max(0.0, self.raw + float((c * (self.weights[:, None] * c - 2 * self.sums)).sum()))

    def costs(self, C: np.ndarray) -> np.ndarray:
        """The squared distance of each row to its centre."""
        out = []
        n = max(1, BLOCK // self.X.shape[1])
        for i in range(0, self.X.shape[0], n):
            near = self._tensor(C)[self._codes[i : i + n]]
            part = self.X[i : i + n]
            part = torch.from_numpy(part.toarray()) if self.sparse else part
            out.append((part - near).square().sum(1))
        return torch.cat(out).numpy(force=True)

    def give(self, n: int, k: int) -> None:
        """Put row n into cluster k, whichever centre is nearest."""
        self._codes[n] = k
        self.add_anew()

    def add_anew(self) -> None:
        """The sums of the clusters from their rows."""
        N, codes = self.X.shape[0], self.codes
        self.members = np.bincount(codes, weights=self.w > 0, minlength=self.K).astype(np.int64)
        self.weights = np.bincount(codes, weights=self.w, minlength=self.K)
        if self.sparse:
            R = sparse.csr_array((self.w, (codes, np.arange(N))), shape=(self.K, N))
            self.sums = np.asarray((R @ self.X).toarray())
        else:
            rows = (self.X - self._tensor(self.origin)) * self._w[:, None]
            sums = self.like.new_zeros(self.K, self.X.shape[1]).index_add_(0, self._codes, rows)
            self.sums = sums.numpy(force=True)

    def _tensor(self, C: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(C, dtype=self.like.dtype, device=self.like.device)
