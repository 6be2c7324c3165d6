r"""The elastic net for many columns: coordinate descent on a small working set, certified on all columns.

With D much larger than N few weights are non-zero. Each round solves the problem on a working set of columns, computes
the correlations of **all** columns with the residual, which gives the duality gap of the whole problem, and takes in
the columns that violate the optimality conditions

.. math:: |x_j^T (y - Xw)| \leq \lambda_1 \quad \mathrm{wherever} \; w_j = 0

A column enters early, before it violates them, with half the margin of the sequential strong rule (Tibshirani et al.
2012), which is enough nearly always: with g the correlations at the previous penalty :math:`\lambda_1'`,

.. math:: |g_j| \geq \lambda_1 - (\lambda_1' - \lambda_1) / 2

and at most twice the support enters at once, most correlated first (as in Massias, Gramfort & Salmon 2018).
The rule may err, the check of all columns does not. So along a path of penalties one pass over the data per penalty
is the rule. Where one is not enough, the gap that it gave tells which columns have weight zero in every solution (the
Gap Safe rule, :mod:`~peira.linear.coordinate_descent`). For the rest of this penalty these don't enter, sweeps over
columns pass them by, and the gap is that of the problem without them, which has the same solutions: once few columns
are left, only those are looked at.

The working set's Gram matrix grows by the new columns alone and serves all later penalties. Past a thousand columns
and three a row (a nearly pure ridge penalty) the sweeps run on the columns themselves.

Cost: N D for each round, N E for each column that enters a working set of E columns, E for each step of a sweep;
memory E (N + E) beside the data, none of it of size D^2. Dense X is neither copied nor reordered, sparse X is never
made dense: centring and weights are implicit,

.. math:: X_c^T r = X^T W^{1/2} r - \bar x \, (W^{1/2} 1)^T r

The look at all columns is bound by memory, so for dense X it reads a copy in single precision (N D / 2 more memory);
the rounding errors of such a product are at most (Higham 2002, chapter 3)

.. math:: (N + 2) \, 2^{-24} \, \| x_j \| \, \| r \|

and every column that might exceed the penalty by that much is computed again in double. The gap is as exact as ever.
"""

import numpy as np
from scipy import sparse

from ..core import DataError
from .coordinate_descent import (
    descend_on_columns,
    descend_on_gram,
    descend_on_sparse,
    duality_gap,
    feature_sign_step,
    gap_safe,
)

EPS = np.finfo(float).eps
BURST = 50  # sweeps between two looks at all columns
GRAM_ALWAYS = 1024  # a working set up to which a Gram matrix is always held
GRAM_SIZE = 8192  # and up to which it ever is (512 MiB)
ENTER = 100  # columns that may enter a small working set at once
FEW = 32  # a look at one column in so many costs no more than the look at all of them, which are read in order


class DenseDesign:
    """A dense X seen centred and weighted, and a copy of the columns in the working set.

    Parameters
    ----------
    X : array of shape (N, D)
    y : array of shape (N,)
    w : array of shape (N,), optional
        Non-negative weights.
    centred : bool
        Whether X and y are centred at their weighted means.

    Attributes
    ----------
    y : array of shape (N,)
        Centred, times the square roots of the weights.
    members : array of shape (E,)
        The columns in the working set, in order of entry.
    squares : array of shape (D,)
        Squared norms of all columns, centred and weighted; at least so much.
    """

    def __init__(self, X, y: np.ndarray, w: np.ndarray | None, centred: bool):
        N, D = X.shape
        self.X = X
        self.root = np.ones(N) if w is None else np.sqrt(w)
        weight = np.ones(N) if w is None else w
        self.total = float(weight.sum())
        self.mean = X.T @ weight / self.total if centred else np.zeros(D)
        self.y_mean = float(weight @ y) / self.total if centred else 0.0
        self.y = self.root * (y - self.y_mean)
        self.members = np.empty(0, dtype=np.intp)
        self._open(weighted=w is not None)

    def _open(self, *, weighted: bool) -> None:
        N = len(self.y)
        self._store = np.empty((64, N))
        self._single = self.X.astype(np.float32)
        raw = np.einsum("ij,ij->j", self.X, self.X)
        self.norms = np.sqrt(raw)
        if weighted:
            raw = np.einsum("ij,ij,i->j", self.X, self.X, self.root**2, optimize=False)
        self.squares = self._about_the_mean(raw)
        self._doubt = (N + 2) * 2.0**-24 * self.norms + N * 2.0**-126  # for r of norm 1; the last term is for underflow
        if self.norms.max() > 1e30:
            self._single = None  # single precision ends at 3e38

    def _about_the_mean(self, raw: np.ndarray) -> np.ndarray:
        """Squared norms from those about the origin, with room for the rounding of the difference."""
        return np.maximum(raw * (1 + 4 * len(self.y) * EPS) - self.total * self.mean**2, 0.0)

    def correlations(self, r: np.ndarray, columns: np.ndarray | slice = slice(None)) -> np.ndarray:
        """X'r for all D columns, or for some."""
        r = self.root * r
        return self.X[:, columns].T @ r - self.mean[columns] * r.sum()

    def member_correlations(self, r: np.ndarray) -> np.ndarray:
        """X'r for the working set, of shape (E,)."""
        return self._columns @ r

    def correlations_above(self, r: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray | float]:
        """X'r for all columns: in double where it might exceed ``limit`` and in the working set, else nearly.

        Also how far each may be off.
        """
        s = self.root * r
        size, total = np.sqrt(s @ s), s.sum()
        if self._single is None or not size:
            return self.correlations(r), 0.0
        q = size * (self._single.T @ (s / size).astype(np.float32)) - self.mean * total
        doubt = size * self._doubt
        unsure = np.abs(q) + doubt > limit
        unsure[self.members] = False
        again = np.flatnonzero(unsure)
        if len(again) > len(q) // 8:
            return self.correlations(r), 0.0
        q[again] = self.correlations(r, again)
        q[self.members] = self.member_correlations(r)
        doubt[again] = doubt[self.members] = 0.0
        return q, doubt

    def add(self, new: np.ndarray) -> np.ndarray:
        """Take columns into the working set; their squared norms, 0 for constant ones."""
        m, E = len(self.members), len(self.members) + len(new)
        self.members = np.concatenate([self.members, new])
        if len(self._store) < E:
            self._store = enlarged(self._store, (max(E, 2 * m), self._store.shape[1]))
        Z = self.X[:, new].T
        scale = np.abs(Z).max(1)
        Z = (Z - self.mean[new, None]) * self.root
        squares = np.einsum("ij,ij->i", Z, Z)
        squares[squares <= self.total * (32 * EPS * scale) ** 2] = 0.0  # nothing but the rounding of the mean
        self._store[m:E] = Z
        return squares

    @property
    def _columns(self) -> np.ndarray:
        return self._store[: len(self.members)]

    def column(self, j: int) -> np.ndarray:
        """Column j, centred and weighted, of shape (N,)."""
        return self.root * (self.X[:, j] - self.mean[j])

    def gram_rows(self, m: int) -> np.ndarray:
        """Rows m, m + 1, ... of the working set's Gram matrix."""
        return self._columns[m:] @ self._columns.T

    def residual(self, w: np.ndarray) -> np.ndarray:
        """y - Xw from the weights (E,) of the working set."""
        return self.y - w @ self._columns

    def descend(self, squares: np.ndarray, l1: float, l2: float, positive: bool, w: np.ndarray, goal: float) -> None:
        """Sweep on the columns of the working set, changing ``w`` in place."""
        q, r = np.empty_like(w), self.residual(w)
        descend_on_columns(self._columns, squares, r, l1, l2, positive, w, q, goal, BURST)


class SparseDesign(DenseDesign):
    """The same for a sparse X."""

    def _open(self, *, weighted: bool) -> None:
        self.X = sparse.csc_array(self.X)
        X2 = self.X * self.X
        self.norms = np.sqrt(X2.sum(0))
        self.squares = self._about_the_mean(self.root**2 @ X2)
        self._store = self.X[:, :0]

    def member_correlations(self, r: np.ndarray) -> np.ndarray:
        return self.correlations(r, self.members)

    def correlations_above(self, r: np.ndarray, limit: float) -> tuple[np.ndarray, float]:
        return self.correlations(r), 0.0

    def add(self, new: np.ndarray) -> np.ndarray:
        Z = self.X[:, new]
        self.members = np.concatenate([self.members, new])
        self._store = sparse.hstack([self._store, Z], format="csc")
        raw = (self.root**2) @ (Z * Z)
        squares = raw - self.total * self.mean[new] ** 2
        squares[squares <= 32 * EPS * raw] = 0.0  # nothing but the rounding of the difference
        return squares

    def column(self, j: int) -> np.ndarray:
        return self.root * (self.X[:, [j]].toarray()[:, 0] - self.mean[j])

    def gram_rows(self, m: int) -> np.ndarray:
        Z = self._store[:, m:] * (self.root**2)[:, None]
        mean = self.mean[self.members]
        return (Z.T @ self._store).toarray() - self.total * np.outer(mean[m:], mean)

    def residual(self, w: np.ndarray) -> np.ndarray:
        return self.y - self.root * (self._store @ w - self.mean[self.members] @ w)

    def descend(self, squares: np.ndarray, l1: float, l2: float, positive: bool, w: np.ndarray, goal: float) -> None:
        Z, q, r = self._store, np.empty_like(w), self.residual(w)
        design = (Z.data, Z.indices, Z.indptr, self.mean[self.members], self.root, self.total)
        descend_on_sparse(*design, squares, r, l1, l2, positive, w, q, goal, BURST)


def enlarged(store: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The same numbers in the corner of a larger array."""
    larger = np.empty(shape)
    larger[: store.shape[0], : store.shape[1]] = store
    return larger


def require_finite(*sums: np.ndarray | float) -> None:
    """Raise `DataError` where sums of products left the range of double precision."""
    if not all(np.isfinite(s).all() for s in sums):
        raise DataError(
            "the squares of these numbers are infinite in double precision: standardise inputs and target first"
        )


class WorkingSetProblem:
    """An elastic net on the columns of X, warm-started from one penalty to the next.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    positive : bool
        Whether weights may not be negative.

    Attributes
    ----------
    w, q : arrays of shape (D,)
        Weights, and X'(y - Xw); of columns that the Gap Safe rule has left out, an earlier value.
    yy, residual : float
        Squared norms of y and of y - Xw.
    """

    def __init__(self, design: DenseDesign, positive: bool):
        self.design, self.positive = design, positive
        self.x_mean, self.y_mean = design.mean, design.y_mean
        self.yy = self.residual = float(design.y @ design.y)
        self.c = self.q = design.correlations(design.y)
        require_finite(self.c, self.yy, design.norms)
        self.w = np.zeros(len(self.c))
        self._last = self._strength(self.c).max()
        self._outside = np.ones(len(self.c), dtype=bool)
        self._penalty, self._safe = (np.inf, 0.0), np.zeros(len(self.c), dtype=bool)  # what is left out, at which
        self._squares = np.empty(0)
        self._gram: np.ndarray | None = np.empty((64, 64))

    def start(self, w: np.ndarray) -> None:
        """Go on from these weights, non-zero only where columns have entered."""
        self.w = w

    def products(self, j: int) -> np.ndarray:
        """X'x of column j with all columns."""
        return self.design.correlations(self.design.column(j))

    def _strength(self, g: np.ndarray) -> np.ndarray:
        return g if self.positive else np.abs(g)

    def round(self, l1: float, l2: float, goal: float) -> float:
        """Take in columns, sweep, look at all columns; the duality gap of the whole problem."""
        if (l1, l2) != self._penalty:
            self._penalty, self._safe = (l1, l2), np.zeros_like(self._safe)
        self._enter(l1, l1 - (self._last - l1) / 2)
        self._last = l1
        E = self.design.members
        doubt: np.ndarray | float = 0.0
        if len(E):
            w = self.w[E]
            if self._gram is None:
                swept = np.where(self._safe[E] & (w == 0), 0.0, self._squares)
                self.design.descend(swept, l1, l2, self.positive, w, goal)
            else:
                G, c = self._gram[: len(E), : len(E)], self.c[E]
                q = c - w @ G
                gap, _ = descend_on_gram(G, c, self.yy, l1, l2, self.positive, w, q, goal, max(BURST, len(E) // 10))
                if gap > goal:
                    feature_sign_step(G, c, l1, l2, w, q)
            self.w[E] = w
            r = self.design.residual(w)
            self.residual, doubt = float(r @ r), self._look(r, l1)
        q = np.where(self._safe & (self.w == 0), 0.0, self.q)
        gap = duality_gap(self.w, q, self.residual, l1, l2, self.positive)
        if gap > goal:
            at = (self.w, q, doubt, self.design.squares, self.residual)
            self._safe |= gap_safe(*at, l1, l2, self.positive, rounding=EPS * self.yy)
        return gap

    def _look(self, r: np.ndarray, l1: float) -> np.ndarray | float:
        """Bring the correlations up to date; how far they may be off."""
        left = np.flatnonzero(self._outside & ~self._safe)
        if len(left) > len(self.q) // FEW:
            self.q, doubt = self.design.correlations_above(r, l1)
            return doubt
        self.q = self.q.copy()
        self.q[left] = self.design.correlations(r, left)
        self.q[self.design.members] = self.design.member_correlations(r)
        return 0.0

    def _enter(self, l1: float, threshold: float) -> None:
        strength = self._strength(self.q)
        new = np.flatnonzero(self._outside & ~self._safe & (strength >= threshold))
        most = max(ENTER, 2 * np.count_nonzero(self.w))
        if len(new) > most:
            new = new[np.argpartition(-strength[new], most)[:most]]
        if not len(new):
            return
        m, E = len(self._squares), len(self._squares) + len(new)
        self._outside[new] = False
        self._squares = np.concatenate([self._squares, self.design.add(new)])
        if self._gram is None or min(max(3 * len(self.design.y), GRAM_ALWAYS), GRAM_SIZE) < E:
            self._gram = None
            return
        if len(self._gram) < E:
            self._gram = enlarged(self._gram, (max(E, 2 * m), max(E, 2 * m)))
        rows = self.design.gram_rows(m)
        rows[:, self._squares == 0.0] = 0.0
        rows[self._squares[m:] == 0.0] = 0.0
        rows[np.arange(E - m), np.arange(m, E)] = self._squares[m:]
        self._gram[m:E, :E] = rows
        self._gram[:m, m:E] = rows[:, :m].T
