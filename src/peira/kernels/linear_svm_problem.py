r"""The linear support vector machines as one problem: a primal, its dual, and the gap between them.

With a constant feature :math:`\kappa` below each row (``intercept_scaling``), so that w holds the threshold too,

.. math:: P(w) = \frac{1}{2} \| w \|^2 + \sum_n \ell_n(w^T x_n)

.. math:: \ell_n(z) = \max_{l_n \leq \beta \leq u_n} \; -\beta (z + q_n) - e |\beta| - \frac{d_n}{2} \beta^2

.. math:: D(\beta) = -\frac{1}{2} \| X^T \beta \|^2 - \sum_n q_n \beta_n + e |\beta_n| + \frac{d_n}{2} \beta_n^2

For any w, and any :math:`\beta` within its bounds, :math:`D(\beta) \leq P(w)`; at the solution they are equal, and
:math:`w = X^T \beta`. With signs s or targets y, and prices :math:`C_n` (C times the weight of the row):

=========================================================  =======  ====  ============================  ===============
loss                                                       q        e     bounds of beta                d
=========================================================  =======  ====  ============================  ===============
hinge, C max(0, 1 - s z)                                   -s       0     0 to C s                      0
its square, C max(0, 1 - s z)^2                            -s       0     0 to infinity s               1 / (2 C)
epsilon-insensitive, C max(0, abs(y - z) - epsilon)        -y       eps.  -C to C                       0
its square, C max(0, abs(y - z) - epsilon)^2               -y       eps.  -infinity to infinity         1 / (2 C)
=========================================================  =======  ====  ============================  ===============

Reference: Hsieh, Chang, Lin, Keerthi & Sundararajan (2008), eq. 1 to 4; Ho & Lin (2012), eq. 1 to 8.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..linear.logistic_loss import add_sparse_gram

BLOCK = 1 << 18  # numbers in a block of rows: 2 MiB


class Rows:
    """The rows x_n with the constant feature below them, never copied.

    Parameters
    ----------
    X : array of shape (N, D), or CSR matrix
    constant : float
        kappa; 0 for no threshold.
    """

    def __init__(self, X: np.ndarray | sparse.csr_array, constant: float):
        self.X, self.constant = X, constant
        self.sparse = sparse.issparse(X)
        self.N, self.D = X.shape
        self.size = self.D + (constant > 0)
        self._transposed = X.T if self.sparse else None

    def times(self, w: np.ndarray) -> np.ndarray:
        """The products w'x_n, of shape (N,)."""
        z = self.X @ w[: self.D]
        return z + self.constant * w[self.D] if self.constant else z

    def back(self, beta: np.ndarray) -> np.ndarray:
        """The sum of beta_n x_n, of shape (size,)."""
        w = (self._transposed @ beta) if self.sparse else beta @ self.X
        return np.append(w, self.constant * beta.sum()) if self.constant else w

    def squares(self) -> np.ndarray:
        """The squared lengths of the rows."""
        if self.sparse:
            total = np.asarray(self.X.multiply(self.X).sum(1)).ravel()
        else:
            total = np.einsum("nd,nd->n", self.X, self.X)
        return total + self.constant**2

    def gram(self, s: np.ndarray) -> np.ndarray:
        """The sum of s_n x_n x_n', for s_n >= 0; rows without weight cost nothing."""
        D, rows = self.D, np.flatnonzero(s)
        s = s[rows]
        K = np.zeros((D + 1, D + 1))
        if self.sparse:
            A = self.X if len(rows) == self.N else self.X[rows]
            add_sparse_gram(A.data, A.indices, A.indptr, s, K)
            K += np.tril(K, -1).T
        else:
            step = max(256, BLOCK // D)
            for i in range(0, len(rows), step):
                A, part = self.X[rows[i : i + step]], s[i : i + step]
                K[D, :D] += part @ A
                A *= np.sqrt(part)[:, None]
                K[:D, :D] += A.T @ A
            K[:D, D], K[D, D] = K[D, :D], s.sum()
        K[D] *= self.constant
        K[:, D] *= self.constant
        return K[: self.size, : self.size]


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses of the rows by their conjugates (module docstring): q, lower, upper, d of shape (N,), and e."""

    q: np.ndarray
    e: float
    lower: np.ndarray
    upper: np.ndarray
    d: np.ndarray

    @classmethod
    def hinge(cls, s: np.ndarray, C: np.ndarray, squared: bool) -> "Losses":
        """Of signs s."""
        most = np.full_like(C, np.inf) if squared else C
        d = 0.5 / C if squared else np.zeros_like(C)
        return cls(-s, 0.0, np.where(s > 0, 0.0, -most), np.where(s > 0, most, 0.0), d)

    @classmethod
    def tube(cls, y: np.ndarray, epsilon: float, C: np.ndarray, squared: bool) -> "Losses":
        """Of targets y, with nothing to pay within epsilon."""
        most = np.full_like(C, np.inf) if squared else C
        return cls(-y, epsilon, -most, most, 0.5 / C if squared else np.zeros_like(C))

    @property
    def squared(self) -> bool:
        return bool(self.d[0] > 0)

    def answer(self, z: np.ndarray) -> np.ndarray:
        """The multipliers at which the maximum in the losses is taken: minus their slopes at z."""
        v = -(z + self.q)
        t = v - np.clip(v, -self.e, self.e)
        if self.squared:
            return np.clip(t / self.d, self.lower, self.upper)
        return np.where(t > 0, self.upper, np.where(t < 0, self.lower, 0.0))

    def total(self, z: np.ndarray) -> float:
        """The sum of the losses."""
        beta = self.answer(z)
        return float(-beta @ (z + self.q) - self.e * np.abs(beta).sum() - 0.5 * (self.d * beta) @ beta)

    def dual(self, beta: np.ndarray, w: np.ndarray) -> float:
        """D at beta, of which w is the sum of beta_n x_n."""
        return float(-0.5 * w @ w - self.q @ beta - self.e * np.abs(beta).sum() - 0.5 * (self.d * beta) @ beta)


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a solver is.

    Attributes
    ----------
    w : array of shape (size,)
        The best weights by now.
    primal : float
        The objective there.
    excess : float
        How far above its minimum that may be.
    """

    w: np.ndarray
    primal: float
    excess: float

    @property
    def gap(self) -> float:
        """The excess as a share of the objective."""
        return self.excess / self.primal if self.primal > 0 else 0.0


class Best:
    """The best weights and the best bound that were seen."""

    def __init__(self) -> None:
        self.w, self.primal, self.dual = np.empty(0), np.inf, -np.inf

    def see(self, w: np.ndarray, primal: float, dual: float) -> Progress:
        self.dual = max(self.dual, dual)
        if primal < self.primal:
            self.w, self.primal = w.copy(), primal
        return Progress(self.w, self.primal, max(self.primal - self.dual, 0.0))
