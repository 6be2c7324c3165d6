r"""Distances between rows: each one is a norm of differences, once the rows are mapped.

.. math:: d(a, b) = f( \| \phi(a) - \phi(b) \|_p )

==================  =======================  ========  ===========
metric              map of a row             norm p    f(x)
==================  =======================  ========  ===========
euclidean           none                     2         x
sqeuclidean         none                     2         x^2
manhattan           none                     1         x
chebyshev           none                     infinity  x
minkowski           none                     any >= 1  x
mahalanobis         L^-1 a, for V = L L^T    2         x
cosine              a / |a|                  2         x^2 / 2
correlation         cosine of a - mean(a)    2         x^2 / 2
hamming             none                     0         x / D
==================  =======================  ========  ===========

So one way to compute, to block and to search serves them all. The norm for p = 0 counts the entries that differ.

**Digits.** Norms other than Euclid's come from the differences themselves: a relative error of a few D u, with u the
unit roundoff of float64, and exactly 0 for equal rows. Euclid's, for many columns, come from one matrix product,

.. math:: \| a - b \|^2 = \| a \|^2 + \| b \|^2 - 2 a^T b

about the mean of the rows, an absolute error of at most :math:`(D + 8) u (\|a\|^2 + \|b\|^2)`. Pairs for which that is
more than 1e-12 of the result are computed again from their differences. So any squared distance is right to a relative
error of 1e-12, near ones and equal ones included, whatever the offset of the columns. A map adds its own rounding, an
absolute error of a few D u of the mapped rows' length (about their mean, for Mahalanobis).

**Range.** Rows are scaled by a power of two where squares of their entries would leave the range of float64.

Cost: N M D; the product at the speed of BLAS, the differences at about a tenth of it. Memory: N M for the whole,
or one block of rows at a time (`blocked`).

Reference: Higham (2002), Accuracy and Stability of Numerical Algorithms, 3.1 (errors of inner products).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

BLOCK = 1 << 21  # distances in a block: 16 MiB
FEW = 16  # up to so many columns, differences cost no more than the product and its repair
RELATIVE = 1e-12  # of a squared Euclidean distance
ROUNDOFF = 2.0**-53
LARGEST, SMALLEST = 2.0**480, 2.0**-400  # between them, squares and sums of squares are normal numbers

Rows = Any  # a float64 tensor (N, D), or a SciPy csr matrix


@dataclass(frozen=True)
class Metric:
    """A distance of rows, as map, norm and function of the norm.

    Attributes
    ----------
    name : str
    p : float
        The norm; 0 counts differences.
    phi : callable, optional
        Maps rows (N, D); ``phi(rows, second)`` knows whether they stand second in d(a, b).
    power : int
        How a distance grows with the scale of the rows: 1, 2, or 0 if it does not.
    linear : bool
        Whether the map is linear.
    """

    name: str
    p: float = 2.0
    phi: Callable[[Rows, bool], Rows] | None = None
    power: int = 1
    linear: bool = False

    def mapped(self, A: Rows, centre: torch.Tensor | float, *, second: bool) -> Rows:
        """The rows between which the norm is taken, about a common ``centre`` (see `centre_of`)."""
        return A if self.phi is None else self.phi(A - centre if self.linear else A, second)

    def centre_of(self, B: Rows) -> torch.Tensor | float:
        """What to subtract before a linear map, so that no digits are lost to the offset of the columns."""
        return B.mean(0) if self.linear and len(B) else 0.0

    def finish(self, norm: torch.Tensor, D: int) -> torch.Tensor:
        """The distance that belongs to a norm (for p = 2, to its square)."""
        if self.p == 2:
            return norm.sqrt() if self.power == 1 else norm if self.power == 2 else norm / 2
        return norm / D if self.p == 0 else norm


NAMES = {
    **{name: name for name in ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "minkowski")},
    **{name: name for name in ("mahalanobis", "cosine", "correlation", "hamming")},
    "l1": "manhattan",
    "cityblock": "manhattan",
    "l2": "euclidean",
}
"""Every name that `metric` knows, and the one that it stands for."""


def metric(name: str, *, p: float = 2.0, V: Any = None, VI: Any = None) -> Metric:
    """The metric of that name.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    p : float, default 2
        The norm of "minkowski", at least 1.
    V, VI : array of shape (D, D)
        The covariance of "mahalanobis", or its inverse; one of them.

    Raises
    ------
    ValueError
        For an unknown name, p < 1, or a matrix that is no covariance.
    """
    name = NAMES.get(name) or _unknown(name)
    if name == "minkowski":
        if not p >= 1:
            raise ValueError(f"minkowski needs p >= 1, got {p!r}: below, a detour is shorter than the straight way")
        name = {1: "manhattan", 2: "euclidean", math.inf: "chebyshev"}.get(p, name)
    if name == "mahalanobis":
        if (V is None) == (VI is None):
            raise ValueError("mahalanobis needs a covariance V, or its inverse VI, and not both")
        return Metric(name, phi=_whitening(V, VI), linear=True)
    if name in ("cosine", "correlation"):
        return Metric(name, phi=_directions if name == "cosine" else _centred_directions, power=0)
    norms = {"manhattan": 1.0, "chebyshev": math.inf, "minkowski": float(p), "hamming": 0.0}
    return Metric(name, norms.get(name, 2.0), power={"sqeuclidean": 2, "hamming": 0}.get(name, 1))


def _unknown(name: Any) -> str:
    raise ValueError(f"unknown metric {name!r}; there are: {', '.join(sorted(NAMES))}")


def distances(A: Rows, B: Rows, metric: Metric) -> torch.Tensor:
    """All distances between the rows of A (N, D) and of B (M, D), of shape (N, M).

    Examples
    --------
    >>> A = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    >>> distances(A, A, metric("manhattan"))
    tensor([[0., 7.],
            [7., 0.]], dtype=torch.float64)
    """
    ((_, block),) = blocked(A, B, metric, rows=max(1, A.shape[0]))
    return block


def blocked(A: Rows, B: Rows, metric: Metric, *, rows: int | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
    """The same, some rows of A at a time: pairs of their slice and their distances (n, M).

    ``rows`` of A make a block; without it, so many that it stays small (16 MiB).
    """
    N, D = A.shape
    c = metric.centre_of(B)
    A, B = metric.mapped(A, c, second=False), metric.mapped(B, c, second=True)
    s = scale(A, B) if metric.power else 1.0
    A, B = (A, B) if s == 1.0 else (A * s, B * s)
    n = rows or max(1, BLOCK // max(1, B.shape[0]))
    norms = _Squares(B).to if metric.p == 2 else (lambda part: torch.cdist(part, B, p=metric.p))
    for i in range(0, N, n):
        part = slice(i, min(i + n, N))
        block = metric.finish(norms(A[part]), D)
        yield part, block if s == 1.0 else unscaled(block, s, metric.power)


def scale(*parts: Rows) -> float:
    """A power of two by which squares of the entries stay within range; 1 for all ordinary rows."""
    values = [torch.from_numpy(A.data) if sparse.issparse(A) else A for A in parts]
    ends = [v.aminmax() for v in values if v.numel()]
    largest = max((max(-float(low), float(high)) for low, high in ends), default=0.0)
    return 1.0 if SMALLEST < largest < LARGEST or largest == 0 else 2.0 ** -max(-1000, math.frexp(largest)[1])


def unscaled(d: torch.Tensor, s: float, power: int) -> torch.Tensor:
    """Distances of rows that were multiplied by s, as if they were not; s^2 may be beyond range where this is not."""
    for _ in range(power):
        d = d / s
    return d


class _Squares:
    """Squared Euclidean distances to the rows of B."""

    def __init__(self, B: Rows) -> None:
        self.rows, self.sparse = B, sparse.issparse(B)
        self.centre = 0.0 if self.sparse or not len(B) else B.mean(0)
        self.centred = B - self.centre if not self.sparse else B
        self.squares = _squares(self.centred)

    def to(self, A: Rows) -> torch.Tensor:
        """From each row of A, of shape (n, M)."""
        if not self.sparse and A.shape[1] <= FEW:
            return torch.cdist(A, self.rows, compute_mode="donot_use_mm_for_euclid_dist").square()
        C = A if self.sparse else A - self.centre
        size = _squares(C)[:, None] + self.squares
        if self.sparse:
            S = size - 2 * torch.from_numpy((C @ self.centred.T).toarray())
        else:
            S = torch.addmm(size, C, self.centred.T, alpha=-2)
        # An error of (D + 8) u (|a|^2 + |b|^2) is more than we allow: Higham (2002), eq. 3.5. NaN: a square overflowed.
        near = ~((A.shape[1] + 8) * ROUNDOFF / RELATIVE * size <= S)
        return self._from_differences(A, S, near)

    def _from_differences(self, A: Rows, S: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
        i, j = near.nonzero(as_tuple=True)
        if not self.sparse and len(i) > S.numel() // 8:
            return torch.cdist(A, self.rows, compute_mode="donot_use_mm_for_euclid_dist").square()
        step = max(1, BLOCK // max(1, A.shape[1]))
        for part in range(0, len(i), step):
            at = i[part : part + step], j[part : part + step]
            if self.sparse:
                at_rows = tuple(v.numpy() for v in at)
                S[at] = _squares(A[at_rows[0]] - self.rows[at_rows[1]])
            else:
                S[at] = (A[at[0]] - self.rows[at[1]]).square_().sum(1)
        return S


def _squares(A: Rows) -> torch.Tensor:
    if sparse.issparse(A):
        return torch.from_numpy(np.asarray(A.multiply(A).sum(1), dtype=np.float64).ravel())
    return A.square().sum(1)


def _directions(A: Rows, second: bool) -> Rows:
    """Rows of length one. A row of zeros has no direction: it is given one of its own, at distance 1 from all others.

    Two more columns hold these directions, one for rows that stand first and one for those that stand second.
    """
    if sparse.issparse(A):
        largest = abs(A).max(1).toarray().ravel() if A.shape[1] else np.zeros(A.shape[0])
        none = largest == 0
        A = sparse.csr_array(sparse.diags_array(1 / np.where(none, 1.0, largest)) @ A)
        lengths = np.sqrt(_squares(A).numpy())
        A = sparse.csr_array(sparse.diags_array(1 / np.where(none, 1.0, lengths)) @ A)
        more = np.zeros((A.shape[0], 2))
        more[:, int(second)] = none
        return sparse.csr_array(sparse.hstack([A, sparse.csr_array(more)]))
    A = _tamed(A)
    none = (A == 0).all(1, keepdim=True)
    A = A / torch.where(none, 1.0, A.norm(dim=1, keepdim=True))
    zero = torch.zeros_like(none, dtype=A.dtype)
    return torch.cat([A, zero, none.to(A.dtype)] if second else [A, none.to(A.dtype), zero], 1)


def _centred_directions(A: torch.Tensor, second: bool) -> torch.Tensor:
    """Directions of the rows less their own means; a row whose entries are all equal has none."""
    A = _tamed(A)
    A = A - A[:, :1]  # first, so that the mean has no offset to lose its digits to
    return _directions(A - A.mean(1, keepdim=True), second)


def _tamed(A: torch.Tensor) -> torch.Tensor:
    """Rows times powers of two by which their largest entries are about 1: no square overflows, no digit changes."""
    exponent = A.abs().amax(1, keepdim=True).frexp().exponent.clamp(min=-1000)
    return A * torch.exp2(-exponent.to(A.dtype))


def _whitening(V: Any, VI: Any) -> Callable[[torch.Tensor, bool], torch.Tensor]:
    r"""The map after which Euclid's distance is that of Mahalanobis: L^-1 a for V = L L^T, or G^T a for VI = G G^T."""
    M = torch.as_tensor(V if VI is None else VI, dtype=torch.float64)
    what = "the covariance V" if VI is None else "the inverse covariance VI"
    if M.dim() != 2 or M.shape[0] != M.shape[1] or not torch.isfinite(M).all():
        raise ValueError(f"{what} must be a square matrix of finite numbers, got shape {tuple(M.shape)}")
    if not torch.allclose(M, M.T, rtol=1e-8, atol=1e-12 * float(M.abs().max() if M.numel() else 0)):
        raise ValueError(f"{what} must be symmetric")
    M = (M + M.T) / 2
    root = M.diagonal().clamp(min=0).sqrt()  # columns of very different units do not look like dependent ones
    root = torch.where(root > 0, root, 1.0)
    correlation = M / root[:, None] / root
    if VI is None:
        L, failed = torch.linalg.cholesky_ex(correlation)
        singular = bool(failed) or not L.isfinite().all() or float(L.diagonal().min()) ** 2 < 8 * len(M) * ROUNDOFF
        if singular:
            raise ValueError(
                "the covariance V is singular, so that some directions have no unit of length: drop columns that are "
                "constant or sums of others, shrink it, or give VI, a pseudo-inverse"
            )
        return lambda A, second: torch.linalg.solve_triangular(L, (A / root).T, upper=False).T.contiguous()
    values, vectors = torch.linalg.eigh(correlation)
    if float(values.min()) < -1e-10 * float(values.abs().max()):
        raise ValueError(f"{what} must have no negative eigenvalue, got {float(values.min()):.3g} times its scale")
    G = root[:, None] * vectors * values.clamp(min=0).sqrt()
    return lambda A, second: A @ G
