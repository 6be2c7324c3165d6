r"""What methods share that predict by a weighted sum of similarities to the rows they learned from.

.. math:: f(x) = \sum_n a_n \, k(x, x_n)
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import ParameterError, Regressor, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from .gram import AT_ONCE, MEMORY, blocks, gram
from .kernel import Kernel
from .named import as_kernel

Precomputed = Literal["precomputed"]


class KernelExpansion(Regressor):
    """Base of regressors with ``dual_coef_`` and ``X_fit_``, and the parameters of a kernel."""

    kernel: Kernel | str | Callable = param("linear", "a kernel, its name, 'precomputed', or a function of two vectors")
    gamma: float | None = param(None, "scale in 'rbf', 'laplacian', 'poly', 'sigmoid'; None for 1 / D", above=0)
    degree: int = param(3, "degree of 'poly'", low=1)
    coef0: float = param(1.0, "constant in 'poly' and 'sigmoid'", above=-math.inf)

    def _open_kernel(self, data: Data) -> Kernel | Precomputed:
        """The kernel of the parameters; a precomputed matrix is checked."""
        owner, (N, D) = type(self).__name__, data.X.shape
        if self.kernel == "precomputed":
            if N != D:
                raise DataError(f"Precomputed matrix must be a square matrix. {owner} got one of shape {N}x{D}")
            gap = (data.X - data.X.T).abs()
            if float(gap.max()) > 1e-8 * float(data.X.abs().max()):
                i, j = divmod(int(gap.argmax()), N)
                raise DataError(
                    f"a precomputed matrix must be symmetric; {owner} got {float(data.X[i, j]):.6g} for rows {i} and "
                    f"{j}, and {float(data.X[j, i]):.6g} for {j} and {i}"
                )
            return "precomputed"
        kernel = as_kernel(self.kernel, gamma=self.gamma, degree=self.degree, coef0=self.coef0, D=D)
        if kernel._domain() in ("texts", "items"):
            raise ParameterError(
                f"{owner} learns from tables, and {kernel!r} compares {kernel._domain()}: fit "
                f"{owner}(kernel='precomputed') to its matrix of the items"
            )
        return kernel

    def _gram(self, X: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        """Gram matrix of the rows X that are used, in memory of its own; their part of the rows if precomputed."""
        return X[:, used] if self.kernel_ == "precomputed" else gram(self.kernel_, X)

    def _similarities(self, queries: Queries) -> Iterable[tuple[slice, torch.Tensor]]:
        """Rows of the queries, and their similarities to the rows that were learned from, block by block."""
        if self.kernel_ == "precomputed":
            return [(slice(0, len(queries)), queries.X)]
        return blocks(self.kernel_, queries.X, queries.tensor(self.X_fit_))

    def _predict(self, queries: Queries) -> torch.Tensor:
        K = self.target_shape_[0] if self.target_shape_ else 1
        answer = queries.X.new_empty(len(queries), K)
        with torch.no_grad():
            if "feature_coef_" in vars(self):
                b = queries.tensor(self.feature_coef_).reshape(-1, K)
                step = max(1, MEMORY // (AT_ONCE * len(b) * b.dtype.itemsize))
                for i in range(0, len(queries), step):
                    answer[i : i + step] = self.kernel_._features(queries.X[i : i + step]) @ b
                return answer + queries.tensor(self.intercept_)
            a = queries.tensor(self.dual_coef_).reshape(-1, K)
            for rows, similarities in self._similarities(queries):
                answer[rows] = similarities @ a
        return answer + queries.tensor(self.intercept_)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        X, a, D = getattr(self, "X_fit_", None), getattr(self, "dual_coef_", None), self.n_features_in_
        owner = type(self).__name__
        if not isinstance(getattr(self, "kernel_", None), Kernel) and getattr(self, "kernel_", "") != "precomputed":
            raise UnreadableError(f"{owner}.kernel_ is not a kernel")
        if np.shape(X)[1:] != (D,) or np.shape(a) != (len(X), *self.target_shape_):
            raise UnreadableError(
                f"{owner} has rows of shape {np.shape(X)} and coefficients of shape {np.shape(a)} for {D} columns"
            )
        if "feature_coef_" in vars(self):
            M = self.kernel_._n_features(D) if isinstance(self.kernel_, Kernel) else None
            if np.shape(self.feature_coef_) != (M, *self.target_shape_):
                raise UnreadableError(f"{owner}.feature_coef_ is of shape {np.shape(self.feature_coef_)}, not ({M},)")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = isinstance(self.kernel, str) and self.kernel == "precomputed"
        return tags


def penalties(alpha: Any, K: int, owner: str) -> np.ndarray:
    """One penalty for each of K targets, checked."""
    given = np.asarray(alpha)
    if given.dtype.kind not in "iuf" or given.ndim > 1 or not np.isfinite(given).all() or (given < 0).any():
        raise ParameterError(
            f"parameter 'alpha' of {owner} must be a number >= 0, or one for each target; got {alpha!r}"
        )
    if given.ndim == 1 and len(given) != K:
        raise ParameterError(f"parameter 'alpha' of {owner} holds {len(given)} penalties for {K} targets")
    return np.broadcast_to(given.astype(float), (K,)).copy()
