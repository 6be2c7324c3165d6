r"""The kernel of a support vector machine: by name, as an object, as a function, or already computed.

The four names are functions of inner products, which also exist for sparse rows:

.. math:: linear: \quad x^T z
.. math:: poly: \quad (\gamma \, x^T z + c_0)^d
.. math:: rbf: \quad \exp(-\gamma \, |x - z|^2)
.. math:: sigmoid: \quad \tanh(\gamma \, x^T z + c_0)

The exponent of the RBF kernel between two sets is a single product of matrices whose last two columns hold the squared
lengths; dense rows are first moved to the mean of one set, so that an offset of the columns costs no digits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from ..core.errors import DataError
from ..core.inputs import Matrix
from .kernel import Kernel
from .kernel_rows import KernelRows
from .smo_kernels import values

NAMES = ("linear", "poly", "rbf", "sigmoid")


@dataclass(frozen=True, eq=False)
class Similarity:
    """A kernel, ready to be asked about rows.

    Parameters
    ----------
    kernel : str, Kernel or callable
        One of the four names, "precomputed", a kernel, or f(X, Z) -> (N, M).
    gamma, coef0, degree : float
        For the names.
    """

    kernel: str | Kernel | Callable
    gamma: float = 1.0
    coef0: float = 0.0
    degree: int = 3

    def rows(self, X: Matrix, cache_size: float) -> KernelRows:
        """The rows of the Gram matrix of X, as the solver asks for them; of X itself if it is precomputed."""
        if self.kernel == "precomputed":
            return KernelRows.precomputed(np.ascontiguousarray(X.numpy(force=True)))
        dense = X if sparse.issparse(X) else X.numpy(force=True)
        if isinstance(self.kernel, str):
            settings = {"gamma": self.gamma, "coef0": self.coef0, "degree": self.degree}
            return KernelRows.of_products(dense, self.kernel, **settings, cache_size=cache_size)
        return KernelRows.of_kernel(self.kernel, dense, cache_size=cache_size)

    def between(self, X: Matrix, Z: Matrix) -> torch.Tensor:
        """The kernel between the rows of X and those of Z, (M, S)."""
        if isinstance(self.kernel, Kernel):
            return self.kernel._gram(X, Z)
        if not isinstance(self.kernel, str):
            K = values(self.kernel, X.numpy(force=True), Z.numpy(force=True))
            return torch.as_tensor(K, device=X.device)
        if self.kernel == "rbf":
            return _exponent(X, Z, self.gamma).clamp_(max=0).exp_()
        P = _products(X, Z)
        if self.kernel == "linear":
            return P
        P.mul_(self.gamma).add_(self.coef0)
        return P.tanh_() if self.kernel == "sigmoid" else P.pow_(self.degree)


def default_gamma(X: Matrix, w: torch.Tensor | None, how: str) -> float:
    """scikit-learn's 1 / (D var(X)), over all entries, for "scale"; 1 / D for "auto"; 1 where nothing varies."""
    D = X.shape[1]
    if how == "auto":
        return 1 / D
    if sparse.issparse(X):
        each = None if w is None else np.repeat(w.numpy(), np.diff(X.indptr)) / float(w.mean())
        mean = float(np.sum(X.data if each is None else X.data * each)) / (X.shape[0] * D)
        squares = (X.data - mean) ** 2
        rest = X.shape[0] * D - (X.nnz if each is None else each.sum())
        variance = (float(np.sum(squares if each is None else squares * each)) + rest * mean**2) / (X.shape[0] * D)
    elif w is None:
        variance = float(X.var(correction=0))
    else:
        share = (w / (w.sum() * D))[:, None]
        variance = float((share * (X - (share * X).sum()).square()).sum())
    if not np.isfinite(variance):
        raise DataError("the variance of X overflows, so gamma='scale' is unknown: rescale the columns")
    return 1 / (D * variance) if variance > 0 else 1.0


def _products(X: Matrix, Z: Matrix) -> torch.Tensor:
    if sparse.issparse(X):
        return torch.from_numpy((X @ Z.T).toarray() if sparse.issparse(Z) else X @ Z.numpy(force=True).T)
    if sparse.issparse(Z):
        return torch.from_numpy(np.ascontiguousarray((Z @ X.numpy(force=True).T).T))
    return X @ Z.T


def _exponent(X: Matrix, Z: Matrix, gamma: float) -> torch.Tensor:
    """-gamma |x - z|^2 up to rounding, (M, S)."""
    if sparse.issparse(X) or sparse.issparse(Z):
        a, b = (torch.as_tensor(_squares(v), dtype=torch.float64) for v in (X, Z))
        return _products(X, Z).mul_(2 * gamma).sub_(gamma * a[:, None]).sub_(gamma * b)
    mean = Z.mean(0)
    A, B = X - mean, Z - mean
    a, b = (-gamma * v.square().sum(1, keepdim=True) for v in (A, B))
    return torch.cat([2 * gamma * A, a, torch.ones_like(a)], 1) @ torch.cat([B, torch.ones_like(b), b], 1).T


def _squares(X: Matrix) -> np.ndarray:
    return np.asarray(X.multiply(X).sum(1)).ravel() if sparse.issparse(X) else X.square().sum(1)
