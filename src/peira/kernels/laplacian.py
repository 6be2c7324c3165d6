r"""The Laplacian kernel: a Matern kernel of smoothness 1/2 in each column, multiplied.

.. math:: k(x, z) = \exp ( - \sum_d | x_d - z_d | / l_d )

Distances are city blocks, so that one column far off costs no more than many that are a little off. Functions are
continuous and nowhere smooth. scikit-learn's ``laplacian_kernel`` has :math:`\gamma = 1 / l`.

Cost: N M D, at about a tenth of the speed of a product of matrices.

Reference: Rasmussen & Williams (2006), 4.2.1 (exponential kernel).
"""

import numpy as np
import torch

from ..core.errors import DataError
from ..core.params import param
from .kernel import Bounds, Kernel, Pullback
from .wording import of_columns


class Laplacian(Kernel):
    """Laplacian kernel, of the sum of absolute differences.

    Examples
    --------
    >>> from peira.kernels import Laplacian
    >>> Laplacian()([[0.0, 0.0], [1.0, 1.0]])[0, 1].round(4)
    np.float64(0.1353)
    """

    length_scale: float | list | np.ndarray = param(1.0, "length-scale, one or one for each column", positional=True)
    length_scale_bounds: Bounds = param((1e-5, 1e5), "bounds of the length-scales, or 'fixed'", positional=True)

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        U = self._scaled(X)
        return torch.exp(-torch.cdist(U, U if Z is None else self._scaled(Z), p=1.0))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.new_ones(len(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        U = self._scaled(X)
        K = self._gram(X)

        def back(W: torch.Tensor) -> torch.Tensor:
            if not self._own_free():
                return K.new_zeros(0)
            M = W * K
            columns = [(M * (u[:, None] - u).abs_()).sum() for u in U.T] if np.ndim(self.length_scale) else []
            return torch.stack(columns) if columns else (M * torch.cdist(U, U, p=1.0)).sum().reshape(1)

        return K, back

    def _scaled(self, X: torch.Tensor) -> torch.Tensor:
        scale = self._tensor("length_scale", X)
        if scale.dim() and len(scale) != X.shape[1]:
            raise DataError(f"{type(self).__name__} has {len(scale)} length-scales, and the items {X.shape[1]} columns")
        return X / scale

    def _words(self, columns: list[str] | None) -> str:
        return f"a rough function {of_columns(columns, self.length_scale, 'length-scale')}"
