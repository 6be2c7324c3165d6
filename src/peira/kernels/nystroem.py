r"""Nystroem's features: a kernel seen from a sample of the rows.

With M landmarks z among the rows and their Gram matrix :math:`K_{zz}`,

.. math:: \phi(x) = K_{zz}^{-1/2} \, ( k(z_1, x), \ldots, k(z_M, x) )^T, \qquad
          \phi(x)^T \phi(x') = k_z(x)^T K_{zz}^{-1} k_z(x')

This is the projection of x onto the span of the landmarks in the space of the kernel's features: exact between
landmarks, never larger than the truth, :math:`k(x, x) - | \phi(x) |^2 \geq 0`, and exact everywhere if all rows are
landmarks. It serves any valid kernel of tables.

**Use it** where N is too large for N^2 and the rows are alike enough that a few hundred stand for all: the error falls
with the eigenvalues of the Gram matrix. A linear method on these features is a kernel method.

Cost: M^2 D + 9 M^3, then N M (D + M) for N rows.

Reference: Williams & Seeger (2001), Using the Nystroem method to speed up kernel machines; Drineas & Mahoney (2005),
JMLR 6, 2153-2175.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..core import Card, Transformer, integer, log, param
from ..core.errors import DataError, UnreadableError
from .gram import blocks, gram
from .kernel import Kernel
from .named import as_kernel


class Nystroem(Transformer):
    """Features of any kernel from a sample of the rows.

    Attributes
    ----------
    components_ : array of shape (M, D)
        The landmarks.
    component_indices_ : array of shape (M,)
        Their positions among the rows of ``fit``.
    normalization_ : array of shape (M, M)
        The inverse root of their Gram matrix; directions in which it has only rounding are left out.
    kernel_ : Kernel

    Examples
    --------
    >>> from peira.kernels import RBF, Nystroem
    >>> X = [[0.0], [1.0], [2.0]]
    >>> Z = Nystroem(RBF(), n_components=3, random_state=0).fit_transform(X)
    >>> (Z @ Z.T).round(3)
    array([[1.   , 0.607, 0.135],
           [0.607, 1.   , 0.607],
           [0.135, 0.607, 1.   ]])
    """

    card = Card(tasks="representation", reference="Williams & Seeger (2001)", cost="K^2 D + K^3")
    kernel: Kernel | str | Callable = param("rbf", "a kernel, its name, or a function of two vectors", positional=True)
    gamma: float | None = param(
        None, "scale in 'rbf', 'laplacian', 'poly', 'sigmoid'; None for 1 / D", above=0, tune=log(1e-3, 10.0)
    )
    coef0: float = param(1.0, "constant in 'poly' and 'sigmoid'", above=-math.inf)
    degree: int = param(3, "degree of 'poly'", low=1)
    n_components: int = param(
        100, "number of landmarks M; all rows where there are fewer", low=1, tune=integer(50, 500)
    )
    random_state: object = param(None, "seed of the choice of landmarks: an int, a generator, or None to draw one")

    @classmethod
    def example(cls) -> "Nystroem":
        return cls(n_components=5, random_state=0)

    def fit(self, X: Any, y: Any = None) -> "Nystroem":
        """Choose the landmarks, all rows being equally likely, and decompose their Gram matrix.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Raises
        ------
        ValueError
            For a kernel with negative eigenvalues beyond rounding.
        """
        data = self._begin(X)
        N, D = data.X.shape
        self.kernel_ = as_kernel(self.kernel, gamma=self.gamma, degree=self.degree, coef0=self.coef0, D=D)
        M = min(self.n_components, N)
        rows = np.sort(data.rng().permutation(N)[:M])
        self.component_indices_ = rows
        landmarks = data.X[torch.as_tensor(rows, device=data.device)]
        K = gram(self.kernel_, landmarks)
        s, U = torch.linalg.eigh(K)
        noise = M * torch.finfo(s.dtype).eps * float(s.abs().max())
        if float(s[0]) < -1e3 * noise:
            raise DataError(
                f"Nystroem needs a valid kernel; this one has the eigenvalue {float(s[0]):.3g} on its landmarks "
                f"(largest {float(s[-1]):.3g}). peira.kernels.is_valid_kernel names the rows that show it"
            )
        root = torch.where(s > noise, s.clamp(min=noise).rsqrt(), 0.0)
        self.components_, self.normalization_ = data.give(landmarks), data.give((U * root) @ U.T)
        return self

    def transform(self, X: Any) -> Any:
        """The features of each row, of shape (N, M).

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        Z, root = queries.tensor(self.components_), queries.tensor(self.normalization_)
        with torch.no_grad():
            return queries.give(torch.cat([K @ root for _, K in blocks(self.kernel_, queries.X, Z)]))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """``nystroem0``, ``nystroem1``, ..."""
        return np.array([f"nystroem{m}" for m in range(len(self.components_))], dtype=object)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        M = len(self.components_)
        shapes = np.shape(self.components_), np.shape(self.normalization_), np.shape(self.component_indices_)
        if shapes != ((M, self.n_features_in_), (M, M), (M,)) or not isinstance(self.kernel_, Kernel):
            raise UnreadableError(f"Nystroem has landmarks and matrices of shapes {shapes}, or no kernel")
