"""What tokenisers share: documents in, positions in a list of tokens out, and back."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from peira.core.errors import DataError, UnreadableError
from peira.core.kinds import SymbolMethod
from peira.core.sequences import open_symbols
from peira.numerics.ragged import starts

from .text import Text, checked


class Tokeniser(SymbolMethod):
    """Base of the methods that turn documents into positions in a list of tokens, which language models learn from.

    A subclass writes ``fit``, which ends with ``_keep(tokens)``, ``_encoded`` and ``inverse_transform``.

    Attributes
    ----------
    tokens_ : array of str of shape (K,)
        The tokens by their position.
    """

    tokens_: np.ndarray

    def fit_transform(self, X: Any, y: Any = None) -> list[np.ndarray]:
        """Learn from documents, and turn them into positions."""
        return self.fit(X, y).transform(X)

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the tokens of documents."""

    def transform(self, X: Any) -> list[np.ndarray]:
        """Each document as positions in the list of tokens.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        list of N int64 arrays
        """
        return split(*self._encoded(X))

    @abstractmethod
    def _encoded(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """The positions (S,) of all documents, one after the other, and how many each has (N,), both int64."""

    @abstractmethod
    def inverse_transform(self, codes: Any) -> list[Any]:
        """Positions as what they stand for."""

    def _known(self) -> np.ndarray:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit before asking it")
        return self.tokens_

    def _forget(self) -> None:
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("__")]:
            delattr(self, name)

    def _keep(self, tokens: list[str], **learned: Any) -> None:
        self.n_features_in_ = 1
        self.tokens_ = np.array(tokens, dtype=object)
        for name, value in learned.items():
            setattr(self, name, value)

    def _documents(self, X: Any) -> list[str] | None:
        """The documents, if these are texts; None if they are sequences of symbols."""
        if isinstance(X, Text):
            return X.documents.tolist()
        if isinstance(X, str):
            X = [X]
        rows = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "UO")
        return checked(list(X)) if rows and len(X) and all(isinstance(x, str) for x in X) else None

    def _symbols(self, X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct symbols of sequences, the place of each step among them, and the lengths."""
        owner = type(self).__name__
        opened, symbols = open_symbols(X, owner=owner, empty_ok=True)
        if len(symbols) and symbols.dtype.kind != "U":
            raise DataError(f"{owner} turns texts into numbers; X holds numbers already, such as {symbols[0]}")
        return symbols, opened.X[:, 0].numpy(force=True), opened.lengths.numpy(force=True)

    def _positions(self, codes: Any) -> list[np.ndarray]:
        """Sequences of positions, checked."""
        K = len(self._known())
        alone = isinstance(codes, torch.Tensor | np.ndarray) and codes.ndim == 1 and codes.dtype != object
        if alone or (isinstance(codes, Sequence) and len(codes) and isinstance(codes[0], int | np.integer)):
            codes = [codes]
        found = []
        for i, part in enumerate(codes):
            row = np.asarray(part.numpy(force=True) if isinstance(part, torch.Tensor) else part)
            row = row.astype(np.int64) if row.size == 0 else row
            if row.ndim != 1 or row.dtype.kind not in "iu":
                raise DataError(f"positions of tokens are whole numbers, a row a document; document {i} is {row.dtype}")
            outside = (row < 0) | (row >= K)
            if outside.any():
                t = int(outside.argmax())
                raise DataError(
                    f"{type(self).__name__} knows tokens 0 to {K - 1}; step {t} of document {i} is {int(row[t])}"
                )
            found.append(row.astype(np.int64))
        return found

    def _check_learned(self) -> None:
        if not self.__sklearn_is_fitted__():
            return
        tokens = getattr(self, "tokens_", None)
        if self.n_features_in_ != 1 or not (
            isinstance(tokens, np.ndarray)
            and tokens.ndim == 1
            and len(tokens) > 0
            and all(isinstance(token, str) for token in tokens)
        ):
            raise UnreadableError(f"{type(self).__name__}.tokens_ is not a list of texts")


def split(values: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Steps of all sequences as one array for each."""
    ends = np.cumsum(lengths).tolist()
    return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def expand(parts: np.ndarray, sizes: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The parts of each of some things, one thing after the other: thing k has ``sizes[k]`` parts.

    >>> expand(np.array([7, 8, 9]), np.array([1, 2]), np.array([1, 0, 1]))
    array([8, 9, 7, 8, 9])
    """
    firsts = starts(torch.from_numpy(sizes)).numpy()
    own = sizes[codes]
    within = np.arange(int(own.sum())) - np.repeat(np.cumsum(own) - own, own)
    return parts[np.repeat(firsts[codes], own) + within]
