r"""Linear methods that ask only for sums over the rows, so that the rows may come in blocks.

A block adds its moments to those of the rows before it, and the method is solved anew from the sum:

.. math:: M_{1 \ldots b} = M_{1 \ldots b - 1} + M_b

Rows are not kept. A method that chooses something by cross-validation keeps one sum for each fold
(:mod:`~peira.linear.folds`).
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.moments import Moments
from .folds import Folds, Split, deal, leave_each_out, parts_of, split_one_by_one, split_rows
from .model import LinearRegressor
from .sufficient_statistics import Rows, Summary, check_stored_summary, require_finite_squares, restored, stored


class StreamedRegressor(LinearRegressor):
    """Base of the linear regressors that are solved from moments.

    Attributes
    ----------
    parts_ : list of dict
        Moments of the rows, for ``partial_fit``: one for all rows, or one for each fold.
    """

    @abstractmethod
    def _solve(self, data: Data, whole: Moments, splits: Iterator[Split]) -> Any:
        """Learn from the moments of all rows; ``splits`` are those of the folds, where there are any.

        ``data`` are the rows of the latest block, and give its form.
        """

    def _folds_of_stream(self) -> int:
        """The number of folds that a stream is dealt to; 1 where nothing is chosen by folds."""
        return 1

    def _lacking(self, D: int, n: int) -> str:
        """Why ``n`` rows of D columns are too few to learn from, or nothing.

        Raises `DataError` where no number of rows would do.
        """
        return ""

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from more rows; the result equals one fit of all rows so far, in any order.

        Keeps the moments of the rows (D^2 numbers), not the rows: for tables with more rows than memory. While the
        rows are too few to learn anything, they are taken in all the same; a question is answered with the reason.

        What is chosen by cross-validation is chosen by F folds to which the rows are dealt in turn as they come, row i
        of all to fold i mod F (F times D^2 numbers). The lengths of the blocks make no difference; but ``fit`` makes
        folds of consecutive rows for a number ``cv``, so that its choice may differ. That of ``partial_fit`` is what
        ``fit`` chooses for ``cv`` given as these folds. (Rows that a ``fit`` took before stay in the folds it made.)

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array or tensor of shape (N,), or as in ``fit``
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As in ``fit``, except for too few rows; if a ``fit`` came before that kept no moments (of folds with more
            columns than rows, or of very many columns); or if folds are needed and ``cv`` is not their number.
        """
        data = self._continue(X, y, sample_weight)
        parts = deal(data, self._parts_before(data))
        whole, splits = leave_each_out(parts)
        require_finite_squares(whole, data)
        self._remember(data, parts)
        if not self._waits_for():
            self._solve(data, whole, splits)
        return self

    def _centred(self) -> bool:
        """Whether moments are about the means."""
        return getattr(self, "fit_intercept", True)

    def _remember(self, data: Data, parts: list[Summary] | list[Moments]) -> None:
        self.parts_ = [stored(part, data) for part in parts]

    def _split(self, data: Data, folds: Folds) -> tuple[Summary, Iterator[Split]]:
        """The summary of all rows, and the split of each fold: by moments, or by rows where columns are more."""
        if min(len(train) for train, _ in folds) < data.X.shape[1]:
            return split_rows(data, folds, centred=self._centred())
        return self._split_moments(data, folds)

    def _split_moments(self, data: Data, folds: Folds) -> tuple[Moments, Iterator[Split]]:
        """The same by moments; those of the parts are kept where ``partial_fit`` can go on from them."""
        parts = parts_of(data, folds, centred=self._centred())
        if not parts:
            return split_one_by_one(data, folds, centred=self._centred())
        whole, splits = leave_each_out(parts)
        require_finite_squares(whole, data)
        cv = getattr(self, "cv", None)
        if cv is None or isinstance(cv, int | np.integer):
            self._remember(data, parts)
        return whole, splits

    def _parts_before(self, data: Data) -> list[Moments]:
        F, name, centred = self._folds_of_stream(), type(self).__name__, self._centred()
        if not hasattr(self, "parts_"):
            if hasattr(self, "coef_"):
                raise DataError(
                    f"{name} was fitted to {self.n_features_in_} columns without keeping the moments of their rows, so "
                    "it can't take in more; begin a new one with partial_fit"
                )
            empty = Moments.empty(data.X.shape[1], data.Y.shape[1], centred=centred, device=data.device)
            return [empty] * F
        found = [restored(part, data) for part in self.parts_]
        parts = [part.moments() if isinstance(part, Rows) else part for part in found]
        if len(parts) != F or parts[0].centred != centred:
            what = "fit_intercept" if len(parts) == F else f"the number of folds (now {F}, then {len(parts)})"
            raise DataError(f"{name} can't go on: {what} was changed since the first rows came; begin a new one")
        return parts

    def _waits_for(self) -> str:
        """Why nothing can be learned from the rows so far, or nothing."""
        D, F = self.n_features_in_, len(self.parts_)
        rows = [part["n"] for part in self.parts_]
        if F > 1 and not all(part["weight"] > 0 for part in self.parts_):
            return f"each of its {F} folds needs a row of positive weight, got n_samples={sum(rows)}"
        return self._lacking(D, sum(rows) - (max(rows) if F > 1 else 0))

    def _queries(self, X: Any) -> Queries:
        queries = super()._queries(X)
        if not hasattr(self, "coef_"):
            raise DataError(f"{type(self).__name__} needs more rows before it can answer: {self._waits_for()}")
        return queries

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        if "parts_" in vars(self):
            K = self.target_shape_[0] if self.target_shape_ else 1
            if not isinstance(self.parts_, list) or not self.parts_:
                raise UnreadableError(f"{type(self).__name__}.parts_ should be a list of moments, and is not")
            for part in self.parts_:
                check_stored_summary(type(self).__name__, part, self.n_features_in_, K)
        if not hasattr(self, "coef_") and not ("parts_" in vars(self) and self._waits_for()):
            raise UnreadableError(f"{type(self).__name__} has learned no weights")
