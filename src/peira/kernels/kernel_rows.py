"""Rows of a Gram matrix, computed when they are asked for and kept while there is room."""

from collections.abc import Callable
from typing import Any

import numpy as np

TILE = 1 << 17  # entries computed at a time: they stay in second-level cache


class KernelRows:
    """Rows of the Gram matrix of N items.

    Parameters
    ----------
    fill : callable
        ``fill(indices, out)`` writes K[indices, :] into ``out`` of shape (B, N).
    diagonal : array of shape (N,)
    cache_size : float, default 200
        Room for rows, in MB (2^20 bytes). At least two rows are held.
    dtype : float32 or float64, default float32
    """

    def __init__(self, fill: Callable, diagonal: np.ndarray, *, cache_size: float = 200.0, dtype: Any = np.float32):
        self.diagonal = np.asarray(diagonal, dtype=np.float64)
        self.n = N = len(self.diagonal)
        self._fill = fill
        capacity = min(N, max(2, int(cache_size * 2**20 / (np.dtype(dtype).itemsize * max(N, 1)))))
        self._store = np.empty((capacity, N), dtype)
        self._slot = np.full(N, -1)  # where an item's row is
        self._item = np.full(capacity, -1)  # whose row a slot holds
        self._used = np.zeros(capacity, dtype=np.int64)
        self._clock, self._filled = 0, 0
        self.whole: np.ndarray | None = None

    @classmethod
    def precomputed(cls, K: np.ndarray) -> "KernelRows":
        """Rows of a matrix that is there."""
        rows = cls(lambda i, out: None, K.diagonal(), cache_size=0)
        rows._store, rows._slot, rows._item = K, np.arange(len(K)), np.arange(len(K))
        rows._used = np.zeros(len(K), dtype=np.int64)
        rows.whole = K
        return rows

    @classmethod
    def of_products(
        cls, X: np.ndarray, name: str, gamma: float = 1.0, coef0: float = 0.0, degree: float = 3, **options: Any
    ) -> "KernelRows":
        """Rows of "linear", "poly", "rbf" or "sigmoid"."""
        squares = np.einsum("nd,nd->n", X, X)

        def fill(indices: np.ndarray, out: np.ndarray) -> None:
            P = X[indices] @ X.T
            out[:] = _shape(P, name, gamma, coef0, degree, squares[indices], squares)

        diagonal = np.ones(len(X)) if name == "rbf" else _shape(squares, name, gamma, coef0, degree, squares, squares)
        return cls(fill, diagonal, **options)

    @property
    def capacity(self) -> int:
        """How many rows can be held at a time."""
        return len(self._store)

    def slots(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The store of rows, and where in it the rows of ``indices`` (distinct, at most `capacity`) are."""
        if self.whole is not None:
            return self._store, indices
        self._clock += 1
        slot = self._slot[indices]
        self._used[slot[slot >= 0]] = self._clock
        missing = indices[slot < 0]
        if missing.size:
            fresh = min(len(missing), self.capacity - self._filled)
            places = np.arange(self._filled, self._filled + fresh)
            self._filled += fresh
            if fresh < len(missing):
                oldest = np.argsort(self._used[: self._filled - fresh], kind="stable")[: len(missing) - fresh]
                places = np.concatenate([places, oldest])
                self._slot[self._item[oldest]] = -1
            self._slot[missing], self._item[places], self._used[places] = places, missing, self._clock
            step = max(1, TILE // max(self.n, 1))
            for start in range(0, len(missing), step):
                part = missing[start : start + step]
                K = np.empty((len(part), self.n), self._store.dtype)
                self._fill(part, K)
                self._store[places[start : start + step]] = K
        return self._store, self._slot[indices]

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """K[indices, :], of shape (B, N)."""
        store, slots = self.slots(np.asarray(indices))
        return store[slots]


def _shape(P: Any, name: str, gamma: float, coef0: float, degree: float, a: np.ndarray, b: np.ndarray) -> Any:
    if name == "linear":
        return P
    if name == "poly":
        return (gamma * P + coef0) ** degree
    if name == "sigmoid":
        return np.tanh(gamma * P + coef0)
    return np.exp(-gamma * np.maximum(a[:, None] + b - 2 * P, 0))
