r"""Any Python function as a kernel.

.. math:: k(x, z) = f(x, z)

Three kinds of function: of two vectors, of two matrices (faster: one call, no loop), and of two items of any kind, such
as graphs. Nothing is assumed of f beyond symmetry among the items of one set; `is_valid_kernel` tests that as well.

A function has no hyper-parameters, no gradient, and no place in a stored model, which must not need anybody's code to
come back: there, use the Gram matrix and ``kernel="precomputed"``.

Cost: N M calls for vectors and items, half of that within one set; one call for matrices.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, Literal

import numpy as np
import torch

from ..core.errors import DataError
from ..core.params import param
from .items import Items
from .kernel import Kernel, Pullback


class FunctionKernel(Kernel):
    """A kernel that is a Python function of NumPy arrays, or of items of any kind.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import FunctionKernel
    >>> FunctionKernel(lambda x, z: np.minimum(x, z).sum())([[1.0, 2.0], [3.0, 0.0]])
    array([[3., 1.],
           [1., 3.]])
    >>> FunctionKernel(lambda a, b: len(a & b), of="items")([{1, 2}, {2, 3, 4}])
    array([[2., 1.],
           [1., 3.]])
    """

    function: Callable = param(None, "f(x, z), a number; or f(X, Z), a matrix (N, M)", positional=True)
    of: Literal["vectors", "matrices", "items"] = param("vectors", "what the function takes two of", positional=True)

    def _domain(self) -> str:
        return "items" if self.of == "items" else "table"

    def _gram(self, X: torch.Tensor | Items, Z: torch.Tensor | Items | None = None) -> torch.Tensor:
        left, right = self._things(X), self._things(X if Z is None else Z)
        if self.of == "matrices":
            K = np.array(self.function(left, right), dtype=float)
            if K.shape != (len(left), len(right)):
                raise DataError(
                    f"the function of {self!r} gave an array of shape {K.shape} for {len(left)} and {len(right)} rows"
                )
        else:
            K = np.empty((len(left), len(right)))
            for i, j in product(range(len(left)), range(len(right))):
                K[i, j] = K[j, i] if Z is None and j < i else self._compare(left[i], right[j])
        if Z is None:
            K = (K + K.T) / 2
        if not np.isfinite(K).all():
            i, j = np.argwhere(~np.isfinite(K))[0]
            raise DataError(f"the function of {self!r} gave {K[i, j]} for item {i} and item {j}; a kernel is finite")
        return torch.as_tensor(K, dtype=X.dtype, device=X.device)

    def _diagonal(self, X: torch.Tensor | Items) -> torch.Tensor:
        things = self._things(X)
        if self.of == "matrices":
            values = [float(np.asarray(self.function(x[None], x[None])).item()) for x in things]
        else:
            values = [self._compare(x, x) for x in things]
        return torch.tensor(values, dtype=X.dtype, device=X.device)

    def _pullback(self, X: torch.Tensor | Items) -> tuple[torch.Tensor, Pullback]:
        return self._gram(X), lambda W: W.new_zeros(0)

    def _compare(self, x: Any, z: Any) -> float:
        value = self.function(x, z)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the function of {self!r} must give a number for two {self.of}, got a {type(value).__name__}"
            ) from error

    def _things(self, X: torch.Tensor | Items) -> Any:
        return X.things if isinstance(X, Items) else X.numpy(force=True)

    def _words(self, columns: list[str] | None) -> str:
        return f"similar by {getattr(self.function, '__name__', 'a function')}"
