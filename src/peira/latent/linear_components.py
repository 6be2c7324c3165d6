"""What all methods share whose codes are projections on a few directions: the way there and back."""

from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Queries
from ..numerics.centred_rows import CentredRows
from .components import Components

ROWS = 4096  # rows that are centred and multiplied at a time


class LinearComponents(Components):
    r"""Base of the methods with orthonormal directions V, a mean m and units of the columns s.

    .. math:: z = V^T \, \frac{x - m}{s}, \qquad \hat x = m + s \, V z

    A subclass sets ``components_`` (K, D), and ``mean_`` (D,) and ``scale_`` (D,) where it has them; with a parameter
    ``whiten`` codes are divided by the roots of ``explained_variance_``.
    """

    def transform(self, X: Any) -> Any:
        """The codes of each row: its coordinates along the components.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, K)
        """
        queries = self._queries(X)
        return queries.give(self._codes(queries, queries.X))

    def inverse_transform(self, X: Any) -> Any:
        """The point on the plane of the components that has these codes; of a row's codes, its reconstruction.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, K)
            Codes. The straight line between two of them is the straight line between the two points.

        Returns
        -------
        array or tensor of shape (N, D)
        """
        codes = self._open_codes(X)
        Z = codes.X * self._units(codes)
        points = Z @ codes.tensor(self.components_)
        return codes.give(points * self._scale(codes) + self._mean(codes))

    # ------------------------------------------------------------------ on tensors

    def _codes(self, queries: Queries, X: Any) -> torch.Tensor:
        """Codes of rows without NaN, in the units of ``transform``."""
        mean, s = self._mean(queries), self._scale(queries)
        V = queries.tensor(self.components_).T / s[:, None]
        if sparse.issparse(X):
            Z = CentredRows(X, mean).times(V)
        else:
            Z = torch.cat([(X[i : i + ROWS] - mean) @ V for i in range(0, len(X), ROWS)])
        return Z / self._units(queries)

    def _mean(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(getattr(self, "mean_", np.zeros(self.n_features_in_)))

    def _scale(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(getattr(self, "scale_", np.ones(self.n_features_in_)))

    def _units(self, queries: Queries) -> torch.Tensor:
        """What a unit of each code is: 1, or the standard deviation along its component."""
        if not getattr(self, "whiten", False):
            return torch.ones(len(self.components_), dtype=queries.dtype, device=queries.device)
        s = queries.tensor(self.explained_variance_).sqrt()
        return torch.where(s > 0, s, 1.0)
