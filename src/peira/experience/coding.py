"""Symbols as vectors and back: what the codes share.

A code is a table with a row for each symbol. A local code gives each symbol a unit of its own (`OneHotCode`), a
distributed one a pattern over all units (`DistributedCode`); what a vector stands for is the symbol whose row it is
most like.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch

from peira.core.errors import DataError, UnreadableError
from peira.core.inputs import Data
from peira.core.kinds import SymbolMethod
from peira.core.sequences import open_sequences
from peira.numerics.ragged import split


class SymbolCode(SymbolMethod):
    """Base of the codes; a subclass writes ``_rows``.

    Attributes
    ----------
    symbols_ : array of shape (K,)
    codes_ : tensor of shape (K, D)
        The vector of each symbol.
    """

    _empty_ok = True
    codes_: torch.Tensor

    @abstractmethod
    def _rows(self, data: Data) -> torch.Tensor:
        """The vectors of K symbols, of shape (K, D)."""

    def fit(self, X: Any, y: Any = None, *, symbols: Any = None) -> Self:
        """Give each symbol a vector.

        Parameters
        ----------
        X : sequences of symbols
        y : ignored
        symbols : list, optional
            Those there are, where not all need to occur in ``X``.

        Returns
        -------
        self
        """
        data = self._begin(X, symbols=symbols)
        if not len(self.symbols_):
            raise DataError(f"Found array with 0 sample(s): {type(self).__name__} got no symbol as X")
        self.codes_ = self._rows(data)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> list[Any]:
        """Give each symbol a vector, and write the sequences with them."""
        return self.fit(X, y).transform(X)

    def transform(self, X: Any) -> list[Any]:
        """Sequences of symbols as sequences of vectors.

        Parameters
        ----------
        X : sequences of symbols

        Returns
        -------
        list of N arrays or tensors of shape (T, D)

        Raises
        ------
        DataError
            For a symbol that ``fit`` has not seen; declare it there with ``symbols``.
        """
        queries = self._queries(X)
        rows = self.codes_.to(queries.device)[queries.X[:, 0]]
        return [queries.give(part) for part in split(rows, queries.lengths)]

    def inverse_transform(self, codes: Any) -> list[np.ndarray]:
        """Sequences of vectors as the symbols that they are most like, by the angle between them.

        Parameters
        ----------
        codes : list of N arrays of shape (T, D)

        Returns
        -------
        list of N arrays of symbols

        Raises
        ------
        DataError
            If a vector is zero, or has another length.
        """
        opened = open_sequences(codes, owner=type(self).__name__, empty_ok=True, name="codes")
        table = self.codes_.to(opened.device)
        if opened.X.shape[1] != table.shape[1]:
            raise DataError(f"codes have {table.shape[1]} numbers here, got {opened.X.shape[1]}")
        empty = (opened.X == 0).all(1)
        if empty.any():
            raise DataError(f"a vector of zeros is like no symbol; the first is row {int(empty.nonzero()[0])}")
        nearest = (opened.X @ (table / table.norm(dim=1, keepdim=True)).T).argmax(1)
        return [self._written(part) for part in split(nearest, opened.lengths)]

    def _check_learned(self) -> None:
        super()._check_learned()
        codes = getattr(self, "codes_", None)
        if self.__sklearn_is_fitted__() and not (
            isinstance(codes, torch.Tensor)
            and codes.dtype == torch.float64
            and codes.dim() == 2
            and len(codes) == len(self.symbols_)
            and bool(torch.isfinite(codes).all())
            and bool((codes.norm(dim=1) > 0).all())
        ):
            raise UnreadableError(f"{type(self).__name__}.codes_ is not a vector for each symbol")
