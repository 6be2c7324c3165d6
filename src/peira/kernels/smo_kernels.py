r"""What a row of the Gram matrix is made of: inner products of rows, or a kernel's values.

The four kernels with names are functions of a product of matrices,

.. math:: linear: \quad x^T z
.. math:: poly: \quad (\gamma \, x^T z + c_0)^d
.. math:: sigmoid: \quad \tanh(\gamma \, x^T z + c_0)
.. math:: rbf: \quad \exp(u^T v - |u|^2 / 2 - |v|^2 / 2), \quad u = \sqrt{2 \gamma} (x - \mu)

with the squared lengths of the last as two further columns, so that one product gives its whole exponent. The exponent
is right to a few units of rounding of the greatest :math:`|u|^2 / 2`; while that is below `SHORT`, single precision
gives the values nearly to the digits with which they are stored, at half of the cost. Of at most `FEW` items everything
is computed and stored in double precision.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from scipy import sparse

from ..core.errors import ParameterError
from ..numerics.compile import compiled
from .kernel import Kernel

SHORT = 8.0  # of |u|^2 / 2
FEW = 1024  # items: 8 MiB for their matrix in double precision
C = tuple(np.float32(1 / math.factorial(n)) for n in (7, 6, 5, 4, 3))
ZERO, HALF, ONE, PER_LN2 = (np.float32(x) for x in (0.0, 0.5, 1.0, 1 / math.log(2)))
LN2 = (np.float32(0.693359375), np.float32(math.log(2) - 0.693359375))  # the first exact, and so are products with k
LOWEST = np.float32(-87.0)  # exp of it is a normal number in single precision
TRIED, ALIKE = 32, 1e-6  # rows on which a user's function must be symmetric, and up to which share of its values
DENSE = 1 << 26  # entries: sparse rows that fit are multiplied as dense ones, 256 MiB in single precision


class Source(ABC):
    """Computes parts of the Gram matrix of N items."""

    diagonal: np.ndarray

    @abstractmethod
    def write(self, rows: np.ndarray, columns: slice, out: np.ndarray) -> None:
        """Write K[rows, columns] into ``out``."""

    @abstractmethod
    def take(self, items: np.ndarray) -> Self:
        """The same for some of the items."""

    @abstractmethod
    def in_double(self) -> Self:
        """The same, computed in double precision."""


class Products(Source):
    """One of the four kernels with names, of dense or sparse rows (N, D)."""

    def __init__(self, X: Any, name: str, gamma: float, coef0: float, degree: float, *, double: bool = False):
        self.name, self.gamma, self.coef0, self.degree = name, gamma, coef0, degree
        self._given, self._items = (X,), np.arange(X.shape[0])  # in a tuple: not taken from, nor copied
        if sparse.issparse(X) and X.shape[0] * X.shape[1] <= DENSE:
            X = X.toarray()
        if sparse.issparse(X):
            self.A, squares = X.tocsr(), np.asarray(X.multiply(X).sum(1)).ravel()
            self.half = gamma * squares
        elif name == "rbf":
            U = (X - X.mean(0)) * np.sqrt(2 * gamma)
            half = np.einsum("nd,nd->n", U, U)[:, None] / 2
            squares, one = half, np.ones_like(half)
            dtype = np.float32 if not double and len(X) > FEW and half.max() <= SHORT else np.float64
            self.A = np.concatenate([U, -half, one], 1).astype(dtype)
            self.B = np.concatenate([U, one, -half], 1).astype(dtype)
        else:
            self.A = self.B = np.array(X, dtype=np.float64, order="C")
            squares = np.einsum("nd,nd->n", X, X)
        self.diagonal = np.ones(len(squares)) if name == "rbf" else self._shaped(np.array(squares, dtype=np.float64))

    def write(self, rows: np.ndarray, columns: slice, out: np.ndarray) -> None:
        if sparse.issparse(self.A):
            P = (self.A[columns] @ self.A[rows].toarray().T).T
            if self.name == "rbf":
                P *= 2 * self.gamma
                P -= self.half[rows, None]
                P -= self.half[columns]
        else:
            # torch's product: NumPy's has threads that wait in a loop, slow for tiles on a busy machine
            P = torch.mm(torch.from_numpy(self.A[rows]), torch.from_numpy(self.B[columns]).T).numpy()
        if self.name == "rbf" and out.dtype == np.float32:
            E = np.empty(P.shape, np.float32)
            short_exponentials(P, E, np.empty(P.shape[1], np.int32))
            out[:] = E
        elif self.name == "rbf":
            np.exp(np.minimum(P, 0, out=P), out=out)
        else:
            out[:] = self._shaped(P)

    def take(self, items: np.ndarray) -> Self:
        new = object.__new__(type(self))
        vars(new).update(
            {k: v[items] if isinstance(v, np.ndarray) or sparse.issparse(v) else v for k, v in vars(self).items()}
        )
        return new

    def in_double(self) -> Self:
        if sparse.issparse(self.A) or self.A.dtype == np.float64:
            return self
        X = self._given[0][self._items]
        return type(self)(X, self.name, self.gamma, self.coef0, self.degree, double=True)

    def _shaped(self, P: np.ndarray) -> np.ndarray:
        if self.name == "linear":
            return P
        P *= self.gamma
        P += self.coef0
        return np.tanh(P, out=P) if self.name == "sigmoid" else np.power(P, self.degree, out=P)


@compiled
def short_exponentials(P, out, shift):
    r"""out = exp(min(P, 0)) in single precision, from P in either; ``shift`` is room for a row of whole numbers.

    .. math:: \exp(p) = 2^k \exp(p - k \ln 2), \quad k = \lfloor p / \ln 2 + 1/2 \rfloor

    The second factor is Taylor's sum to the seventh power (what is left out is below 6e-9 of it), the first is put into
    the exponent bits.
    """
    for i in range(len(P)):
        row, e = P[i], out[i]
        for j in range(row.size):
            t = min(max(row[j], LOWEST), ZERO)
            k = np.floor(t * PER_LN2 + HALF)
            y = np.float32((t - k * LN2[0]) - k * LN2[1])
            p = C[0] * y + C[1]
            p = p * y + C[2]
            p = p * y + C[3]
            p = p * y + C[4]
            p = p * y + HALF
            p = p * y + ONE
            e[j] = p * y + ONE
            shift[j] = np.int32(k) << 23
        bits = e.view(np.int32)
        for j in range(row.size):
            bits[j] += shift[j]


def values(function: Callable, X: Any, Z: Any) -> np.ndarray:
    """What a user's function says of the rows of X and those of Z, (N, M).

    Raises
    ------
    ParameterError
        If the shape is another one, or a value is not finite.
    """
    K, shape = np.asarray(function(X, Z), dtype=np.float64), (len(X), len(Z))
    if K.shape != shape:
        raise ParameterError(f"the function 'kernel' gave shape {K.shape} for {shape[0]} rows and {shape[1]} rows")
    if not np.isfinite(K).all():
        i, j = np.argwhere(~np.isfinite(K))[0]
        raise ParameterError(f"the function 'kernel' gave {K[i, j]} for the rows {X[i].tolist()} and {Z[j].tolist()}")
    return K


class Evaluated(Source):
    """A kernel, or a function f(X, Z) -> (N, M), of dense rows."""

    def __init__(self, kernel: Kernel | Callable, X: Any):
        self.kernel, self.X = kernel, X
        if isinstance(kernel, Kernel):
            self.diagonal = kernel._diagonal(torch.as_tensor(X)).numpy()
        else:
            some = values(kernel, X[:TRIED], X[:TRIED])
            if (apart := np.abs(some - some.T)).max() > ALIKE * np.abs(some).max():
                i, j = divmod(int(apart.argmax()), len(some))
                raise ParameterError(
                    f"the function 'kernel' is not symmetric: it gives {some[i, j]:.6g} for the rows {X[i].tolist()} "
                    f"and {X[j].tolist()}, and {some[j, i]:.6g} the other way round; a kernel compares both ways alike"
                )
            self.diagonal = np.array([values(kernel, X[i : i + 1], X[i : i + 1])[0, 0] for i in range(len(X))])

    def write(self, rows: np.ndarray, columns: slice, out: np.ndarray) -> None:
        if isinstance(self.kernel, Kernel):
            out[:] = self.kernel._gram(torch.as_tensor(self.X[rows]), torch.as_tensor(self.X[columns])).numpy()
        else:
            out[:] = values(self.kernel, self.X[rows], self.X[columns])

    def take(self, items: np.ndarray) -> Self:
        new = copy(self)
        new.X, new.diagonal = self.X[items], self.diagonal[items]
        return new

    def in_double(self) -> Self:
        return self
