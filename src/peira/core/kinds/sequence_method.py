"""Methods that learn from sequences: their doors.

What `Method` does for the rows of a table is done here for sequences (`peira.core.sequences`): checked once, signature
noted, and what is asked later must agree with it. ``len(data)`` counts sequences; ``data.X`` has a row for each step,
``data.lengths`` says how many rows each sequence has.
"""

from typing import Any

import numpy as np
import torch

from ..errors import UnreadableError
from ..inputs import Data, Queries, column_names
from ..method import Method
from ..sequences import open_sequences, open_symbols


class SequenceMethod(Method):
    """Base of the methods that learn from sequences of vectors; ``data.X`` is of shape (S, D).

    Attributes
    ----------
    n_features_in_ : int
        D, numbers of a step.
    """

    _empty_ok = False

    def _inputs(self, X: Any) -> Queries:
        return open_sequences(
            X,
            owner=type(self).__name__,
            missing_ok=self.card.missing,
            empty_ok=self._empty_ok,
            dtype=self._dtype,
        )

    def _check_signature(self, X: Any) -> None:
        if column_names(X):
            super()._check_signature(X)


class SymbolMethod(Method):
    """Base of the methods that learn from sequences of symbols; ``data.X`` is int64 of shape (S, 1).

    Attributes
    ----------
    symbols_ : array of shape (K,)
        The symbols, sorted; ``data.X`` holds positions among them, and -1 for a missing one.
    """

    _empty_ok = False
    _unknown_ok = False  # whether a symbol may be asked about that was not learned from; it stands as K
    symbols_: np.ndarray

    def _begin(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        supervised: bool | None = None,
        symbols: Any = None,
        **known: Any,
    ) -> Data:
        """The door of ``fit``; ``symbols`` are those there are, where not all need to be in the data."""
        owner = type(self).__name__
        declared = (
            None if symbols is None else open_symbols([np.asarray(symbols).reshape(-1)], owner=owner, name="symbols")[1]
        )
        opened, found = open_symbols(
            X, owner=owner, symbols=declared, missing_ok=self.card.missing, empty_ok=self._empty_ok
        )
        data = super()._begin(opened, y, sample_weight, supervised=supervised, **known)
        self.symbols_ = found
        return data

    def _inputs(self, X: Any) -> Queries:
        if isinstance(X, Queries):  # opened by `_begin`, which learns the symbols on the way
            return X
        return open_symbols(
            X,
            owner=type(self).__name__,
            symbols=self.symbols_,
            missing_ok=self.card.missing,
            empty_ok=self._empty_ok,
            unknown_ok=self._unknown_ok,
        )[0]

    def _check_signature(self, X: Any) -> None:
        """Symbols have no columns, and so no names of them."""

    def _written(self, codes: torch.Tensor) -> np.ndarray:
        """Positions as the symbols that they stand for."""
        return self.symbols_[codes.numpy(force=True)]

    def _check_learned(self) -> None:
        super()._check_learned()
        symbols = getattr(self, "symbols_", None)
        if self.__sklearn_is_fitted__() and not (
            isinstance(symbols, np.ndarray)
            and symbols.ndim == 1
            and symbols.dtype.kind in "iU"
            and len(symbols) > 0
            and bool((symbols[1:] > symbols[:-1]).all())
        ):
            raise UnreadableError(f"{type(self).__name__}.symbols_ is not a sorted list of distinct symbols")
