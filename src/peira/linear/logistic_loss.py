r"""The logistic loss of N weighted rows, its gradient and its Hessian, for two classes and for many.

With a vector of weights for each class and the softmax of their products with a row x (Bishop 2006, eq. 4.104),

.. math:: p_k(x) = \exp(w_k^T x) / \sum_l \exp(w_l^T x)

.. math:: f(W) = \sum_n c_n \log (1 / p_{y_n}(x_n)) + \frac{1}{2} \sum_{kj} \lambda_j w_{kj}^2

.. math:: \nabla_{w_k} f = \sum_n c_n (p_{nk} - 1\{y_n = k\}) \, x_n + \lambda \circ w_k

(eq. 4.109), where the constant term is the weight of a column of ones that nothing penalises.

**Coordinates.** A vector that is added to the weights of all classes changes no probability, so a minimum of f is
never unique without a penalty, and at the minimum with one the weights sum to zero over the classes. The solvers work
in coordinates V in which this freedom is gone: W = Q V with an orthonormal Q of C - 1 columns that sum to zero
(Helmert's contrasts), which leaves the penalty as it is. Two classes have one vector v, the weights of the log odds
of the second against the first; there V = W. In these coordinates the Hessian is (cf. eq. 4.110)

.. math:: \nabla^2 f = \sum_n c_n S_n \otimes x_n x_n^T + I \otimes \mathrm{diag}(\lambda)

.. math:: S_n = Q^T (\mathrm{diag}(p_n) - p_n p_n^T) Q

**Cost.** Value and gradient read X once, a block of rows at a time that stays in the cache between its two products:
4 N D C operations, bound by memory for few classes. The Hessian costs N (C - 1)^2 D^2; sparse X costs its stored
entries, or their squares a row.
"""

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import helmert

from ..core.inputs import Matrix
from ..numerics.compile import compiled

BLOCK = 1 << 18  # numbers in a block of rows: 2 MiB


class LogisticLoss:
    """f as a function of V, a tensor of shape (m, D + 1), or (m, D) without a constant; the constant comes last.

    Parameters
    ----------
    X : tensor of shape (N, D), or CSR matrix
    codes : tensor of shape (N,)
        The class of each row, 0 to C - 1.
    classes : int
        C, at least 2.
    c : tensor of shape (N,)
        Non-negative weights of the rows.
    ridge : tensor of shape (D,)
        Non-negative penalties of the columns.
    intercept : bool
        Whether there is a constant.
    contrasts : bool, default True
        Whether V holds contrasts of classes; else V = W, a vector for each of more than two classes.

    Attributes
    ----------
    m : int
        Vectors of weights: 1 for two classes, C - 1 for more.
    size : int
        Number of coordinates, m (D + 1) or m D.
    Q : tensor of shape (C, m), or (1, 1) for two classes
    """

    def __init__(
        self,
        X: Matrix,
        codes: torch.Tensor,
        classes: int,
        c: torch.Tensor,
        ridge: torch.Tensor,
        intercept: bool,
        contrasts: bool = True,
    ):
        self.X, self.codes, self.classes, self.c, self.ridge, self.intercept = X, codes, classes, c, ridge, intercept
        self.N, self.D = X.shape
        self.Q = contrasts_of(classes, c) if contrasts or classes == 2 else torch.eye(classes).to(c)
        self.m = self.Q.shape[1]
        self.size = self.m * (self.D + intercept)
        self.total = float(c.sum())
        self.sign = 2.0 * codes.to(c.dtype) - 1.0 if classes == 2 else None
        self._transposed = X.T if sparse.issparse(X) else None
        self._rows = self.N if sparse.issparse(X) else max(256, BLOCK // max(self.D, self.Q.shape[0]))

    def part(self, rows: torch.Tensor) -> "LogisticLoss":
        """The same function on some of the rows, their weights raised so that they add up to what all rows weigh."""
        c = self.c[rows]
        X = self.X[rows.numpy(force=True)] if sparse.issparse(self.X) else self.X[rows]
        return LogisticLoss(
            X, self.codes[rows], self.classes, c * (self.total / float(c.sum())), self.ridge, self.intercept
        )

    def zeros(self) -> torch.Tensor:
        """The point at which all classes are equally probable."""
        return self.c.new_zeros(self.m, self.D + self.intercept)

    # ------------------------------------------------------------------ value and gradient

    def __call__(self, V: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value and gradient at V."""
        W = self.Q @ V
        value, G = self.c.new_zeros(()), torch.zeros_like(W)
        for i, X in self._blocks():
            c = self.c[i : i + self._rows]
            losses, R = self.residual(self._logits(X, W), slice(i, i + self._rows))
            value += c @ losses
            R *= c
            G[:, : self.D] += products(R, X, self._transposed)
            if self.intercept:
                G[:, -1] += R.sum(1)
        G = self.Q.T @ G
        B = V[:, : self.D]
        G[:, : self.D] += self.ridge * B
        return float(value + 0.5 * (B.square() @ self.ridge).sum()), G

    def logits(self, V: torch.Tensor) -> torch.Tensor:
        """The products W x, of shape (C, N), or (1, N) for two classes."""
        W = self.Q @ V
        return torch.cat([self._logits(X, W) for _, X in self._blocks()], 1)

    def margins(self, V: torch.Tensor) -> torch.Tensor:
        """By how much V scores the class of each row above its best rival, of shape (N,)."""
        Z = self.logits(V)
        if self.sign is not None:
            return self.sign * Z[0]
        own = Z.gather(0, self.codes[None])[0]
        return own - Z.scatter(0, self.codes[None], -torch.inf).amax(0)

    def _blocks(self):
        for i in range(0, self.N, self._rows):
            yield i, self.X if sparse.issparse(self.X) else self.X[i : i + self._rows]

    def _logits(self, X: Matrix, W: torch.Tensor) -> torch.Tensor:
        Z = products_with_rows(X, W[:, : self.D])
        return Z.add_(W[:, -1:]) if self.intercept else Z

    def residual(self, Z: torch.Tensor, rows: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor]:
        """From the logits of rows, which are overwritten: losses (B,), and p - y (C, B), or (1, B) for two classes.

        Both keep their digits where p is close to y.
        """
        if self.sign is not None:
            sign = self.sign[rows]
            T = Z[0] * -sign
            return torch.nn.functional.softplus(T, threshold=40.0), (sign * -T.sigmoid_())[None]
        codes = self.codes[None, rows]
        P, total, own = _softmax(Z, codes)
        return total.log() - own, P.scatter_add_(0, codes, -torch.ones_like(own)[None])

    # ------------------------------------------------------------------ the Hessian

    def hessian(self, V: torch.Tensor) -> torch.Tensor:
        """The Hessian at V, of shape (size, size), in the order of ``V.flatten()``."""
        W, m, D = self.Q @ V, self.m, self.D + self.intercept
        H = self.c.new_zeros(m, D, m, D)
        for i, X in self._blocks():
            rows = slice(i, i + self._rows)
            Z, c = self._logits(X, W), self.c[rows]
            if self.sign is not None:
                P = Z[0].sigmoid()
                self._add(H, 0, 0, X, c * P * (1 - P))
                continue
            P = _softmax(Z, self.codes[None, rows])[0]
            mean = self.Q.T @ P
            for a in range(m):
                for b in range(a + 1):
                    S = (self.Q[:, a] * self.Q[:, b]) @ P - mean[a] * mean[b]
                    self._add(H, a, b, X, c * S)
        for a in range(m):
            for b in range(a):
                H[b, :, a] = H[a, :, b]  # each block is symmetric
            H[a, range(self.D), a, range(self.D)] += self.ridge
        return H.reshape(self.size, self.size)

    def _add(self, H: torch.Tensor, a: int, b: int, X: Matrix, s: torch.Tensor) -> None:
        """Add the sum of s_n x_n x_n' to a block of H."""
        if sparse.issparse(X):
            K = np.zeros((self.D + 1, self.D + 1))
            add_sparse_gram(X.data, X.indices, X.indptr, s.numpy(), K)
            width = self.D + self.intercept
            H[a, :, b] += torch.from_numpy(np.tril(K) + np.tril(K, -1).T)[:width, :width]
            return
        D = self.D
        scaled = X * s[:, None]
        H[a, :D, b, :D] += products(scaled.T, X)
        if self.intercept:
            total = scaled.sum(0)
            H[a, :D, b, D] += total
            H[a, D, b, :D] += total
            H[a, D, b, D] += s.sum()


def contrasts_of(classes: int, like: torch.Tensor) -> torch.Tensor:
    """Q, of shape (C, C - 1); a single 1 for two classes."""
    return like.new_ones(1, 1) if classes == 2 else torch.as_tensor(helmert(classes).T.copy()).to(like)


def _softmax(Z: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities (C, B) in the memory of Z; and the sums of exponentials (B,) that they were divided by, and the
    logit (B,) of each row's class, both relative to the row's largest."""
    Z -= Z.amax(0)
    own = Z.gather(0, codes)[0]
    P = Z.exp_()
    total = P.sum(0)
    P /= total
    return P, total, own


def products_with_rows(X: Matrix, W: torch.Tensor) -> torch.Tensor:
    """W X', of shape (C, B), for X of shape (B, D), dense or sparse. On the CPU by NumPy, whose BLAS is the faster one
    for few columns."""
    if sparse.issparse(X):
        return torch.from_numpy(np.ascontiguousarray((X @ W.numpy().T).T))
    if X.device.type != "cpu":
        return W @ X.T
    return torch.from_numpy(np.ascontiguousarray((X.numpy() @ W.numpy().T).T))


def products(R: torch.Tensor, X: Matrix, transposed: Matrix | None = None) -> torch.Tensor:
    """R X, of shape (C, D), for R of shape (C, B); ``transposed`` is a sparse X', if it is at hand."""
    if sparse.issparse(X):
        XT = X.T if transposed is None else transposed
        return torch.from_numpy(np.ascontiguousarray((XT @ R.numpy().T).T))
    if X.device.type != "cpu":
        return R @ X
    return torch.from_numpy((X.numpy().T @ np.ascontiguousarray(R.numpy().T)).T)


@compiled(fast=True)
def add_sparse_gram(data, columns, starts, s, H):
    """Add the sum of s_n (x_n, 1) (x_n, 1)' over the rows of a CSR matrix to the lower triangle of H, in place."""
    D = H.shape[0] - 1
    for n in range(s.size):
        for a in range(starts[n], starts[n + 1]):
            scaled, i = s[n] * data[a], columns[a]
            H[D, i] += scaled
            H[i, i] += scaled * data[a]
            for b in range(starts[n], a):  # each pair once, whatever the order of the columns
                j, both = columns[b], scaled * data[b]
                if j < i:
                    H[i, j] += both
                elif j > i:
                    H[j, i] += both
                else:
                    H[i, i] += 2 * both
        H[D, D] += s[n]
