r"""Weighted first and second moments of (X, Y): all that a Gaussian linear model asks of its data.

.. math:: W = \sum_n w_n, \quad \bar x = W^{-1} \sum_n w_n x_n, \quad S_{xx} = \sum_n w_n (x_n - \bar x)(x_n - \bar x)^T

and likewise the means of Y and the scatters S_xy and S_yy. Moments of disjoint sets of rows add up
(Chan, Golub & LeVeque 1983, eq. 2.1): with ``delta`` the difference of the two means,

.. math:: S = S_a + S_b + \frac{W_a W_b}{W_a + W_b} \, \delta \delta^T

so the same fit streams, runs out of core, merges across machines in any order, and leaves one fold out.
Every block of rows is centred at its own mean before it is multiplied: all terms of the sum are positive
semi-definite, nothing cancels, and a column of mean 1e8 and spread 1 keeps its digits.

Cost: N (D + K)^2 multiplications in matrix products, one pass over the rows, (D + K)^2 of memory.
For sparse X the products cost the sum of squared row counts instead, and X is never made dense.

Use it when N is larger than D and the columns are not collinear to more than about seven digits: forming
``S_xx`` squares the condition number. A factorisation of X itself (QR, singular values) keeps the others.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np
import scipy.sparse as sp
import torch
from scipy.linalg.blas import dsyrk

BLOCK = 1 << 17  # numbers in a block of rows: 1 MiB, so that centring and product meet in the cache
ROWS = 512  # but at least so many rows: each block reads and writes the whole D x D sum


@dataclass(frozen=True, eq=False)
class Moments:
    """Sufficient statistics of N weighted rows; float64 whatever the data.

    Attributes
    ----------
    n : int
        Rows, those of weight zero included.
    weight : float
        W, the sum of the weights (n without weights).
    x_mean, y_mean : tensor of shape (D,), (K,)
        Weighted means; zeros where ``centred`` is False or W is 0.
    xx, xy, yy : tensor of shape (D, D), (D, K), (K, K)
        Scatter matrices about the means (sums, not divided by W).
    centred : bool
        False: raw sums about the origin, for a fit without a constant term.

    Examples
    --------
    >>> X, Y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[2.0], [4.0], [6.0]])
    >>> a = Moments.of(X[:1], Y[:1]).merge(Moments.of(X[1:], Y[1:]))
    >>> a.n, float(a.x_mean), float(a.xx), float(a.xy)
    (3, 2.0, 2.0, 4.0)
    """

    n: int
    weight: float
    x_mean: torch.Tensor
    y_mean: torch.Tensor
    xx: torch.Tensor
    xy: torch.Tensor
    yy: torch.Tensor
    centred: bool = True

    @classmethod
    def of(cls, X, Y: torch.Tensor, w: torch.Tensor | None = None, *, centred: bool = True) -> "Moments":
        """Moments of the rows of X and Y.

        Parameters
        ----------
        X : tensor of shape (N, D), or scipy CSR matrix
        Y : tensor of shape (N, K)
        w : tensor of shape (N,), optional
            Non-negative weights; a weight of 2 is the row twice.
        centred : bool, default True
            About the means, or (False) about the origin.
        """
        Y = torch.as_tensor(Y)
        if sp.issparse(X):
            return _of_sparse(X.tocsr(), Y, w, centred)
        X = torch.as_tensor(X)
        N, D = X.shape
        total = _Sum(D, Y.shape[1], X.device)
        rows = max(ROWS, BLOCK // max(1, D + Y.shape[1]))
        for i in range(0, N, rows):
            total.add(X[i : i + rows], Y[i : i + rows], None if w is None else w[i : i + rows], centred)
        return total.moments(N, centred)

    @classmethod
    def empty(cls, D: int, K: int, *, centred: bool = True, device=None) -> "Moments":
        """No rows yet: merging with it changes nothing."""
        return _Sum(D, K, device).moments(0, centred)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of rows together; the order makes no difference beyond rounding."""
        self._check(other)
        weight = self.weight + other.weight
        if not weight:
            return self._replaced(n=self.n + other.n)
        return self._combined(other, 1.0, weight, self.n + other.n)

    def minus(self, other: "Moments") -> "Moments":
        """Moments of the rows of ``self`` that are not in ``other`` (which must be part of it).

        Loses the digits by which ``self`` outweighs what remains: leave out folds, not nearly everything.
        """
        self._check(other)
        weight = self.weight - other.weight
        if other.n > self.n or weight < -1e-12 * self.weight:
            raise ValueError(
                f"minus: {other.n} rows of weight {other.weight:g} can't be part of {self.n} rows of weight "
                f"{self.weight:g}; subtract only moments of rows that were included"
            )
        if self.n == other.n or weight <= 0:
            return Moments.empty(*self.xy.shape, centred=self.centred, device=self.xx.device)._replaced(
                n=self.n - other.n
            )
        return self._combined(other, -1.0, weight, self.n - other.n)

    def to_dict(self) -> dict:
        """A plain dictionary of numbers and arrays, for storing."""
        return {k: v.cpu().numpy() if isinstance(v, torch.Tensor) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, d: dict, device=None) -> "Moments":
        """The inverse of :meth:`to_dict`."""
        return cls(
            **{
                f.name: torch.as_tensor(d[f.name], device=device) if f.type is torch.Tensor else f.type(d[f.name])
                for f in fields(cls)
            }
        )

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "Moments":
        """The same moments with every tensor passed through ``function`` (to another device, say)."""
        return self._replaced(
            **{f.name: function(getattr(self, f.name)) for f in fields(self) if f.type is torch.Tensor}
        )

    def __add__(self, other: "Moments") -> "Moments":
        return self.merge(other)

    def __sub__(self, other: "Moments") -> "Moments":
        return self.minus(other)

    def __repr__(self) -> str:
        D, K = self.xy.shape
        return f"Moments(n={self.n}, weight={self.weight:g}, D={D}, K={K}{'' if self.centred else ', raw'})"

    def _combined(self, other: "Moments", sign: float, weight: float, n: int) -> "Moments":
        dx, dy = other.x_mean - self.x_mean, other.y_mean - self.y_mean
        step, c = sign * other.weight / weight, sign * self.weight * other.weight / weight
        return Moments(
            n,
            weight,
            self.x_mean + step * dx,
            self.y_mean + step * dy,
            torch.add(self.xx, other.xx, alpha=sign).addr_(dx, dx, alpha=c),
            torch.add(self.xy, other.xy, alpha=sign).addr_(dx, dy, alpha=c),
            torch.add(self.yy, other.yy, alpha=sign).addr_(dy, dy, alpha=c),
            self.centred,
        )

    def _replaced(self, **changes) -> "Moments":
        return Moments(**({f.name: getattr(self, f.name) for f in fields(self)} | changes))

    def _check(self, other: "Moments") -> None:
        if self.xy.shape != other.xy.shape:
            raise ValueError(
                f"moments of {self.xy.shape[0]} columns and {self.xy.shape[1]} targets can't be combined with "
                f"{other.xy.shape[0]} columns and {other.xy.shape[1]} targets"
            )
        if self.centred != other.centred:
            raise ValueError("moments about the mean and raw moments (centred=False) can't be combined")


def add_gram(S: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
    """Add Z'Z to the lower triangle of S in place (what lies above it is undefined): half of a full product's work.

    S is contiguous, both are float64. On the CPU this is the symmetric product of BLAS, which torch does not offer.
    """
    if not Z.numel():
        return S
    if S.device.type != "cpu":
        return S.addmm_(Z.T, Z)
    C = S.numpy().T  # column-major, as BLAS has it: the lower triangle of S is the upper one of C
    if Z.is_contiguous():
        dsyrk(1.0, Z.numpy().T, beta=1.0, c=C, overwrite_c=1)
    else:
        dsyrk(1.0, np.asfortranarray(Z.numpy()), beta=1.0, c=C, trans=1, overwrite_c=1)
    return S


def mirrored(S: torch.Tensor) -> torch.Tensor:
    """The symmetric matrix of which S holds the lower triangle."""
    S = S.tril()
    return S + S.tril(-1).T


def gram(Z: torch.Tensor) -> torch.Tensor:
    """Z'Z, exactly symmetric, at N D^2 instead of 2 N D^2 operations."""
    return mirrored(add_gram(Z.new_zeros(Z.shape[1], Z.shape[1]), Z))


class _Sum:
    """A running sum over blocks, held for Z = (X, Y) in one matrix so that each block is one product."""

    def __init__(self, D: int, K: int, device):
        self.D, self.weight = D, 0.0
        self.mean = torch.zeros(D + K, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(D + K, D + K, dtype=torch.float64, device=device)
        self.block = self.scatter[:0]

    def add(self, X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None, centred: bool) -> None:
        if len(self.block) < len(X):
            self.block = self.mean.new_empty(len(X), len(self.mean))
        Z = self.block[: len(X)]  # a copy: centred and weighted in place below
        Z[:, : self.D], Z[:, self.D :] = X, Y
        weight = float(len(Z)) if w is None else float(w.sum(dtype=torch.float64))
        if not weight:
            return
        w = None if w is None else w.to(Z)
        if centred:
            mean = Z.mean(0) if w is None else (w @ Z) / weight
            Z.sub_(mean)
            delta = mean - self.mean
            total = self.weight + weight
            self.scatter.addr_(delta, delta, alpha=self.weight * weight / total)
            self.mean.add_(delta, alpha=weight / total)
        self.weight += weight
        if w is not None:
            Z.mul_(w.sqrt()[:, None])
        add_gram(self.scatter, Z)

    def moments(self, n: int, centred: bool) -> Moments:
        D, S = self.D, mirrored(self.scatter)
        parts = (S[:D, :D].contiguous(), S[:D, D:].contiguous(), S[D:, D:].contiguous())
        return Moments(n, self.weight, self.mean[:D].clone(), self.mean[D:].clone(), *parts, centred)


def _of_sparse(X: sp.csr_matrix, Y: torch.Tensor, w: torch.Tensor | None, centred: bool) -> Moments:
    """Moments of a sparse X: the means are subtracted from the sums, never from X.

    S_xx = X'WX - W x x' cancels where a column's mean is large against its spread. With zeros in the column that
    can't happen badly; a column that stores all its entries is shifted by a constant first, which costs nothing.
    """
    N, D = X.shape
    Y = Y.to(torch.float64)
    dense = Moments.of(Y[:, :0], Y, w, centred=centred)  # the part of Y, as ever
    w = torch.ones(N, dtype=torch.float64) if w is None else w.to(torch.float64).cpu()
    if not dense.weight:
        return Moments.empty(D, Y.shape[1], centred=centred)._replaced(n=N)
    shift = np.zeros(D)
    X = X.astype(np.float64)  # a copy
    X.sum_duplicates()
    if centred:
        full = np.bincount(X.indices, minlength=D) == N
        shift[full] = X[0].toarray().ravel()[full]
        X.data -= shift[X.indices]
    XW = X.T.multiply(w.numpy()[None, :]).tocsr()
    mean = torch.from_numpy(np.asarray(XW.sum(1)).ravel() / dense.weight) * centred
    xx = torch.from_numpy((XW @ X).toarray())
    xx.addr_(mean, mean, alpha=-dense.weight)
    Y = Y - dense.y_mean
    Y = Y - (w @ Y) / dense.weight * centred  # the rounding of the mean, which X'WY would multiply by the mean of X
    xy = torch.from_numpy(np.asarray(XW @ Y.numpy()))
    return dense._replaced(x_mean=mean + torch.from_numpy(shift), xx=(xx + xx.T) / 2, xy=xy)
