r"""Scalar quantisation: the best K levels for a number.

Levels y and the thresholds t between them lose the least squared error

.. math:: J = \sum_k \int_{t_k}^{t_{k+1}} (x - y_k)^2 \, p(x) \, dx

only if each threshold lies half-way between two levels, and each level is the mean of its cell (Lloyd 1957, Max 1960),

.. math:: t_k = (y_{k-1} + y_k) / 2, \quad y_k = E[ x \mid t_k < x < t_{k+1} ]

Levels are learned for each column from data, in which the means of cells are differences of running sums. It starts by
cutting, again and again, the cell with the largest error at its mean, and ends in a local minimum; where the logarithm
of the density is concave, there is only one. For a density that is known, see `peira.sequences.lloyd_max`.

**Use it** to send or store numbers in few bits, and to turn one number a step into symbols. For vectors, whose numbers
depend on each other, `VectorQuantiser` needs fewer bits.

Cost: N D log N + T D K log N. Memory: 3 N D.

Reference: Lloyd (1982; 1957), IEEE Transactions on Information Theory 28, 129-137; Max (1960), IRE Transactions on
Information Theory 6, 7-12.
"""

import heapq
from typing import Any

import numpy as np

from ..core import Card, DataError, Transformer, integer, iterate, param
from ..core.errors import UnreadableError


class ScalarQuantiser(Transformer):
    """Scalar quantisation with the best levels for each column (Lloyd-Max).

    Attributes
    ----------
    levels_ : array of shape (D, K)
        The levels of each column, ascending; the last ones repeat where a column has fewer different numbers.
    thresholds_ : array of shape (D, K - 1)
        Half-way between the levels.
    error_ : array of shape (D,)
        Mean squared error of each column.
    n_iter_ : int

    Examples
    --------
    >>> from peira.sequences import ScalarQuantiser
    >>> model = ScalarQuantiser(2).fit([[0.0], [1.0], [9.0], [10.0]])
    >>> model.transform([[2.0], [8.0]]).tolist(), model.encode([[2.0], [8.0]]).tolist()
    ([[0.5], [9.5]], [[0], [1]])
    """

    card = Card(tasks="representation", reference="Lloyd (1982); Max (1960)", cost="N D log N + T D K log N")
    n_levels: int = param(16, "levels of a column, K; 2^b for b bits", low=1, tune=integer(2, 64), positional=True)
    max_iter: int = param(1000, "most steps", low=1)
    tol: float = param(1e-8, "relative fall of the squared error that ends it", low=0)

    @classmethod
    def example(cls) -> "ScalarQuantiser":
        """Few levels, for few rows."""
        return cls(4)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "ScalarQuantiser":
        """Find the levels.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        sample_weight : array of shape (N,), optional

        Warns
        -----
        ConvergenceWarning
            If the steps ran out.
        """
        data = self._begin(X, None, sample_weight)
        w = np.ones(len(data)) if data.w is None else data.w.numpy(force=True)
        if not (w > 0).any():
            raise DataError("ScalarQuantiser needs rows of positive weight")
        columns = [_Column(x, w[w > 0], self.n_levels) for x in data.X.numpy(force=True)[w > 0].T]
        for step in iterate(self, self.max_iter, name="Lloyd-Max", expect={"error": "decrease"}):
            step.record(error=sum(column.step() for column in columns))
            if step.converged("error", self.tol):
                break
        self.levels_ = np.stack([column.values() for column in columns])
        self.thresholds_ = self.levels_[:, :-1] / 2 + self.levels_[:, 1:] / 2
        with np.errstate(over="ignore"):  # the square of a number may be beyond float64 where the number is not
            x = data.X.numpy(force=True)
            self.error_ = w @ (x - np.take_along_axis(self.levels_.T, self._codes(x), 0)) ** 2 / w.sum()
        return self

    def transform(self, X: Any) -> Any:
        """The level that each number is brought to.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, D)
        """
        queries = self._queries(X)
        codes = self._codes(queries.X.numpy(force=True))
        return queries.give(queries.tensor(np.take_along_axis(self.levels_.T, codes, 0)))

    def encode(self, X: Any) -> np.ndarray:
        """The number of the level of each number, int64 of shape (N, D), 0 for the lowest; at a threshold the lower."""
        return self._codes(self._queries(X).X.numpy(force=True))

    def decode(self, codes: Any) -> np.ndarray:
        """The levels that codes (N, D) stand for.

        Raises
        ------
        DataError
            If a code is none.
        """
        codes, (D, K) = np.asarray(codes), self.levels_.shape
        whole = codes.dtype.kind in "iu" and codes.ndim == 2 and codes.shape[1] == D
        if not whole or (codes.size and not 0 <= codes.min() <= codes.max() < K):
            raise DataError(f"codes are whole numbers from 0 to {K - 1}, of shape (N, {D}); got shape {codes.shape}")
        return np.take_along_axis(self.levels_.T, codes, 0)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """The names of the columns, as they came."""
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
        return np.array(names, dtype=object)

    def _codes(self, X: np.ndarray) -> np.ndarray:
        return np.stack([np.searchsorted(t, x) for t, x in zip(self.thresholds_, X.T, strict=True)], 1)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            y, t = getattr(self, "levels_", None), getattr(self, "thresholds_", None)
            D, K = self.n_features_in_, self.n_levels
            shapes = (
                isinstance(y, np.ndarray) and isinstance(t, np.ndarray) and (y.shape, t.shape) == ((D, K), (D, K - 1))
            )
            if not shapes or not (np.isfinite(y).all() and (np.diff(y) >= 0).all() and (np.diff(t) >= 0).all()):
                raise UnreadableError(f"ScalarQuantiser needs {K} ascending levels for each of {D} columns")


class _Column:
    """One column in order, with running sums, so that a cell's mean and error cost two look-ups."""

    def __init__(self, x: np.ndarray, w: np.ndarray, K: int) -> None:
        order = np.argsort(x, kind="stable")
        self.x, w = (x := x[order]), w[order]
        self.centre = x[0] / 2 + x[-1] / 2
        self.unit = max(float(x[-1] - self.centre), np.finfo(float).tiny)
        self.z, self.total = (x - self.centre) / self.unit, float(w.sum())
        self.sums = np.stack([np.append(0.0, np.cumsum(w * self.z**p)) for p in range(3)])
        self.levels, self.error = self._start(K), np.inf

    def step(self) -> float:
        """Thresholds half-way between the levels, levels at the means of their cells; the mean squared error."""
        mass, first, second = np.diff(self.sums[:, self._ends()])
        filled = mass > 0
        self.levels = np.where(filled, first / np.where(filled, mass, 1.0), self.levels)
        self.error = max(0.0, float((second - self.levels * first)[filled].sum())) / self.total
        return self.error

    def values(self) -> np.ndarray:
        """The levels in the column's own unit; a cell of equal numbers has just this number."""
        ends = self._ends()
        low, high = ends[:-1], np.maximum(ends[1:] - 1, ends[:-1])
        held = np.minimum(low, len(self.x) - 1)
        alone = (ends[1:] > low) & (self.x[held] == self.x[np.minimum(high, len(self.x) - 1)])
        return np.maximum.accumulate(np.where(alone, self.x[held], self.levels * self.unit + self.centre))

    def _ends(self) -> np.ndarray:
        """Where cells begin and end in the ordered column, (K + 1,)."""
        cuts = np.searchsorted(self.z, (self.levels[:-1] + self.levels[1:]) / 2, side="right")
        return np.concatenate([[0], cuts, [len(self.z)]])

    def _start(self, K: int) -> np.ndarray:
        """K cells, each time by cutting the one with the largest error at its mean; the means. Fewer different numbers
        than K: each is a level, and the last repeats."""
        cells = [self._cell(0, len(self.z))]
        while len(cells) < K and cells[0][0] < 0:
            _, low, high, mean = heapq.heappop(cells)
            cut = low + int(np.searchsorted(self.z[low:high], mean, side="right"))
            cut = min(max(cut, low + 1), high - 1)
            heapq.heappush(cells, self._cell(low, cut))
            heapq.heappush(cells, self._cell(cut, high))
        levels = np.sort([mean for *_, mean in cells])
        return np.append(levels, np.repeat(levels[-1], K - len(levels)))

    def _cell(self, low: int, high: int) -> tuple[float, int, int, float]:
        """Minus its error, where it begins and ends, and its mean."""
        if self.z[low] == self.z[high - 1]:
            return 0.0, low, high, float(self.z[low])
        mass, first, second = self.sums[:, high] - self.sums[:, low]
        mean = first / mass
        return min(-float(second - mean * first), -1e-300), low, high, float(mean)
