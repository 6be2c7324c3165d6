r"""Rows of a Gram matrix: computed when they are asked for, by matrix products, and kept while there is room.

A solver that works on few multipliers at a time asks for few rows; those of items that never come near the margin are
not computed at all. Rows that are missing are computed together, in tiles that stay in the second-level cache
between the product of matrices and the exponential (`peira.kernels.smo_kernels`). When there is no room left, the rows
that were not asked for longest go.

The whole matrix (`whole`) is computed tile by tile on one side of the diagonal, and mirrored. Where some of its items
are learned from, such as those of a pair of classes, their rows are gathered out of it: each when it is first used.

Entries are held in float32, as in LIBSVM, those of few items in float64. Rounding leaves an error of about

.. math:: \epsilon \, \max_i K_{ii} \, \| \beta \|, \quad \epsilon = 2^{-23}

in each product :math:`(K \beta)_i`: nothing for an RBF kernel and a moderate C, units where columns are large and not
scaled. A solver that has come so near asks for float64 (`KernelRows.sharpen`).

Cost: N D operations a row. Memory: ``cache_size``.
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from ..numerics.compile import compiled
from .kernel import Kernel
from .smo_kernels import FEW, Evaluated, Products, Source

EPSILON = float(np.finfo(np.float32).eps)
FEWEST = 4  # rows held: a pair in each of the two groups of the nu-form
LARGEST = 1e30  # entries beyond are held in float64
TILE = (128, 1024)


class KernelRows:
    """Rows of the Gram matrix of N items.

    Parameters
    ----------
    source : Source
        Computes parts of the matrix.
    of : tuple of (matrix, int array of shape (N,)), optional
        A larger matrix that is there, of the items of the source (if any), and which of them these are.
    cache_size : float, default 200
        Room for rows, in MB (2^20 bytes). At least four rows are held.

    Attributes
    ----------
    n : int
        N.
    diagonal : array of shape (N,), float64
    whole : array of shape (N, N) or None
        The matrix, once it was asked for by `complete`, or if it was there before.
    dtype : float32 or float64
    rounding : float
        Times the length of beta: the error that rounded entries leave in K beta. 0 for float64.

    Examples
    --------
    >>> import numpy as np
    >>> rows = KernelRows.of_products(np.array([[0.0], [1.0], [3.0]]), "rbf", gamma=0.5)
    >>> rows.rows(np.array([2, 0])).round(3)
    array([[0.011, 0.135, 1.   ],
           [1.   , 0.607, 0.011]])
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        of: tuple[np.ndarray, np.ndarray] | None = None,
        cache_size: float = 200.0,
    ):
        self._source, self._of, self._cache_size = source, of, cache_size
        self.whole: np.ndarray | None = None
        self._gathered = np.empty(0)  # room for a block, used again: fresh pages cost more than the gathering
        if of is not None:
            matrix, items = of
            self.diagonal, self.n, self.dtype = matrix.diagonal()[items].astype(np.float64), len(items), matrix.dtype
            self.capacity, self._store, self.rounding = self.n, None, rounding(self.diagonal, self.dtype)
            return
        self._open(len(source.diagonal) <= FEW or np.abs(source.diagonal).max() > LARGEST)

    def _open(self, double: bool) -> None:
        """Make room for rows of the source."""
        self.diagonal = self._source.diagonal
        self.n = N = len(self.diagonal)
        self.dtype = np.dtype(np.float64 if double else np.float32)
        self.rounding = rounding(self.diagonal, self.dtype)
        self.capacity = min(N, max(FEWEST, int(self._cache_size * 2**20 / (self.dtype.itemsize * max(N, 1)))))
        self._store: np.ndarray | None = None
        self._slot = np.full(N, -1)  # where an item's row is held
        self._item = np.full(self.capacity, -1)  # whose row a slot holds
        self._asked = np.zeros(self.capacity, dtype=np.int64)  # when it was last asked for
        self._clock, self._filled = 0, 0

    @classmethod
    def of_products(
        cls, X: Any, name: str, *, gamma: float = 1.0, coef0: float = 0.0, degree: float = 3, cache_size: float = 200.0
    ) -> Self:
        """Rows of the kernel "linear", "poly", "rbf" or "sigmoid" between dense or sparse rows (N, D)."""
        return cls(Products(X, name, gamma, coef0, degree), cache_size=cache_size)

    @classmethod
    def of_kernel(cls, kernel: Kernel | Callable, X: Any, *, cache_size: float = 200.0) -> Self:
        """Rows of a kernel, or of a function f(X, Z) -> (N, M)."""
        return cls(Evaluated(kernel, X), cache_size=cache_size)

    @classmethod
    def precomputed(cls, K: np.ndarray) -> Self:
        """Rows of a symmetric matrix that is there."""
        rows = cls(of=(K, np.arange(len(K))))
        rows.whole = K
        return rows

    def subset(self, items: np.ndarray) -> Self:
        """Rows of the matrix of some of the items; out of the whole matrix where that is there."""
        if self._of is not None:
            matrix, own = self._of
            return type(self)(self._source, of=(matrix, own[items]), cache_size=self._cache_size)
        if self.whole is not None:
            return type(self)(self._source, of=(self.whole, items), cache_size=self._cache_size)
        return type(self)(self._source.take(items), cache_size=self._cache_size)

    def sharpen(self) -> None:
        """Hold entries in float64 from now on; what was computed in float32 is forgotten."""
        if self._of is not None:
            self._source, self._of = self._source.take(self._of[1]), None
        self._source, self.whole, self._gathered = self._source.in_double(), None, np.empty(0)
        self._open(double=True)

    @property
    def at_hand(self) -> bool:
        """Whether no row has to be computed any more."""
        return self.whole is not None or self._of is not None

    def complete(self) -> np.ndarray:
        """Compute the whole matrix, if there is room for it; (N, N).

        Raises
        ------
        MemoryError
            If it takes more than ``cache_size``.
        """
        if self._of is not None and self.whole is None:
            matrix, items = self._of
            self.whole = matrix[np.ix_(items, items)]
        if self.whole is None:
            if self.capacity < self.n:
                raise MemoryError(f"{self.n} rows of the kernel take more than cache_size={self._cache_size:g} MB")
            K = np.empty((self.n, self.n), self.dtype)
            high = TILE[0]
            for start in range(0, self.n, high):
                rows = np.arange(start, min(start + high, self.n))
                self._compute(rows, K[start : start + high], start)
            mirror(K)
            K[np.diag_indices(self.n)] = self.diagonal
            self.whole, self._store = K, None
        return self.whole

    def slots(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The matrix that holds the rows of some items (distinct, at most ``capacity``), and where in it they are."""
        if self.whole is not None:
            return self.whole, items
        if self._of is not None:
            K, *rest = self.block(None)
            fetch(items, K, *rest)
            return K, items
        if self._store is None:
            self._store = np.empty((self.capacity, self.n), self.dtype)
        self._clock += 1
        slot = self._slot[items]
        self._asked[slot[slot >= 0]] = self._clock
        missing = items[slot < 0]
        if missing.size:
            places = self._make_room(len(missing))
            self._slot[missing], self._item[places], self._asked[places] = places, missing, self._clock
            for start in range(0, len(missing), TILE[0]):
                part, there = missing[start : start + TILE[0]], places[start : start + TILE[0]]
                first, last = there[0], there[-1] + 1
                if last - first == len(there):  # side by side, as long as nothing had to go
                    self._compute(part, self._store[first:last])
                else:
                    computed = np.empty((len(part), self.n), self.dtype)
                    self._compute(part, computed)
                    self._store[there] = computed
        return self._store, self._slot[items]

    def rows(self, items: np.ndarray) -> np.ndarray:
        """K[items, :], a copy of shape (B, N)."""
        store, slots = self.slots(np.asarray(items))
        return store[slots]

    def block(self, items: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """The matrix of some items (all for None; an item may stand there twice), to be gathered row by row.

        Returns
        -------
        K, there, store, slots, columns
            Row i of K is ``store[slots[i]][columns]``, where it is not ``there`` yet.
        """
        if items is None and self.whole is not None:
            every = np.arange(self.n)
            return self.whole, np.ones(self.n, dtype=np.bool_), self.whole, every, every
        if items is None and self._of is not None:
            if self._store is None:
                self._store, self._there = np.empty((self.n, self.n), self.dtype), np.zeros(self.n, dtype=np.bool_)
            return self._store, self._there, *self._of, self._of[1]
        items = np.arange(self.n) if items is None else items
        distinct, inverse = np.unique(items, return_inverse=True)
        store, slots = self.slots(distinct)
        size = len(items)
        if self._gathered.size < size**2:
            self._gathered = np.empty(size**2, self.dtype)
        K = self._gathered[: size**2].reshape(size, size)
        return K, np.zeros(len(items), dtype=np.bool_), store, slots[inverse], items

    def _make_room(self, count: int) -> np.ndarray:
        fresh = min(count, self.capacity - self._filled)
        places = np.arange(self._filled, self._filled + fresh)
        if fresh < count:
            oldest = np.argsort(self._asked[: self._filled], kind="stable")[: count - fresh]
            self._slot[self._item[oldest]] = -1
            places = np.concatenate([places, np.sort(oldest)])
        self._filled += fresh
        return places

    def _compute(self, items: np.ndarray, out: np.ndarray, start: int = 0) -> None:
        for left in range(start, self.n, TILE[1]):
            part = slice(left, min(left + TILE[1], self.n))
            self._source.write(items, part, out[:, part])


def rounding(diagonal: np.ndarray, dtype: np.dtype) -> float:
    """What entries of a type leave of an error in K beta, times the length of beta."""
    return EPSILON * float(np.abs(diagonal).max(initial=0.0)) if dtype == np.float32 else 0.0


@compiled(inline=True)
def row_of(i, K, there, store, slots, columns):
    """Row i of a matrix that is gathered row by row (`KernelRows.block`)."""
    row = K[i]
    if not there[i]:
        source = store[slots[i]]
        for j in range(columns.size):
            row[j] = source[columns[j]]
        there[i] = True
    return row


@compiled
def fetch(items, K, there, store, slots, columns):
    """Gather the rows of these items."""
    for i in items:
        row_of(i, K, there, store, slots, columns)


@compiled
def mirror(K):
    """Copy what is above the diagonal below it, in tiles."""
    N, high = len(K), 64
    for top in range(0, N, high):
        for left in range(0, top + high, high):
            for i in range(top, min(top + high, N)):
                for j in range(left, min(left + high, i)):
                    K[i, j] = K[j, i]
