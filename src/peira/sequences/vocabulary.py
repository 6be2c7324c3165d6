r"""The vocabulary of a neural language model: symbols, the unknown, and the mark where sequences begin and end.

Positions 0 ... K - 1 are the symbols. Where symbols were seen too seldom, ``<unk>``, which stands for all of them,
comes next; then the mark, which goes in before the first symbol and is what comes after the last one. If no symbol was
too rare, nothing can be learned about the unknown: it goes in as nothing, stands at the last position, and is expected
as often as symbols that were seen once (Good 1953): of S steps, n of which were such,

.. math:: P(\mathrm{unseen}) = \max(n, 1) / (S + 1)
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from peira.core.errors import DataError, ParameterError, UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds import SymbolMethod
from peira.core.params import param

UNKNOWN = "<unk>"


class Vocabulary(NamedTuple):
    """What stands at which position.

    Attributes
    ----------
    symbols : array of shape (K,)
        Sorted.
    labels : array of shape (V,)
        What may come next: the symbols, and the unknown and the end where there are such: ``<unk>`` and an empty text,
        or, among numbers, the second and the first after the last.
    unknown : int
        The position of what is not among the symbols; -1 if that is an error.
    unseen : float
        Its probability, where it could not be learned; else 0.
    ends : bool
    """

    symbols: np.ndarray
    labels: np.ndarray
    unknown: int
    unseen: float
    ends: bool

    @property
    def mark(self) -> int:
        """The position of the mark."""
        return len(self.symbols) + int(self.unknown == len(self.symbols))

    @property
    def scored(self) -> int:
        """How many positions, the first ones, the net scores."""
        return self.mark + int(self.ends)

    @property
    def rows(self) -> int:
        """How many positions there are to go in."""
        return self.mark + 1 + int(self.unseen > 0)


def vocabulary_of(symbols: np.ndarray, unknown: int, unseen: float, *, ends: bool) -> Vocabulary:
    """The vocabulary of these symbols, with its labels.

    Examples
    --------
    >>> v = vocabulary_of(np.array(["a", "b"]), 2, 0.0, ends=True)
    >>> v.labels.tolist(), v.mark, v.scored, v.rows
    (['a', 'b', '<unk>', ''], 3, 4, 4)
    """
    after = [UNKNOWN, ""] if symbols.dtype.kind == "U" else [symbols[-1] + 2, symbols[-1] + 1]
    more = after[:1] * (unknown >= len(symbols)) + after[1:] * ends
    labels = np.array([*symbols.tolist(), *more]) if more else symbols
    return Vocabulary(symbols, labels, unknown, unseen, ends)


def chosen_vocabulary(
    symbols: np.ndarray, seen: np.ndarray, *, least: int, open_: bool, ends: bool
) -> tuple[Vocabulary, np.ndarray]:
    """The vocabulary that is learned from some counts.

    Parameters
    ----------
    symbols : array of shape (K0,)
    seen : int array of shape (K0,)
        How often each was.
    least : int
        Below this a symbol is unknown; 0 keeps those that were declared and never seen.
    open_ : bool
        Whether symbols may come that were never seen.
    ends : bool

    Returns
    -------
    Vocabulary
    positions : int array of shape (K0,)
        Where each of the symbols stands in it.
    """
    named = symbols == UNKNOWN if symbols.dtype.kind == "U" else np.zeros(len(symbols), dtype=bool)
    common = (seen >= least) | (named & open_)
    kept, unknown, unseen = symbols[common], -1, 0.0
    if open_:
        rare = not common.all()
        unknown = int(named[common].argmax()) if named.any() else len(kept) if rare else len(kept) + 1
        if unknown > len(kept):
            unseen = max(1, int((seen == 1).sum())) / (int(seen.sum()) + 1)
    positions = np.where(common, np.cumsum(common) - 1, unknown)
    return vocabulary_of(kept, unknown, unseen, ends=ends), positions


class VocabularyMethod(SymbolMethod):
    """Base of the methods that predict symbols of a vocabulary.

    Attributes
    ----------
    vocabulary_ : array of shape (V,)
        What may come next.
    unknown_ : int
    unseen_ : float
        As in `Vocabulary`.
    """

    vocabulary_: np.ndarray
    unknown_: int
    unseen_: float

    ends: bool = param(True, "sequences begin and end, as names do; False: they are pieces of text that break off")
    min_count: int = param(1, "symbols seen less often are unknown", low=1)
    open_vocabulary: bool | None = param(
        None, "symbols may come that were never seen; None: unless ``fit`` is told which there are"
    )

    def _begin_words(self, X: Any, symbols: Any) -> Data:
        """The door of ``fit``; what is too rare is unknown."""
        data = self._begin(X, symbols=None if symbols is None else [np.asarray(symbols)])
        owner, found = type(self).__name__, self.symbols_
        seen = np.bincount(data.X[:, 0].numpy(force=True), minlength=len(found))
        least = self.min_count if self.min_count > 1 else 0
        open_ = symbols is None if self.open_vocabulary is None else self.open_vocabulary
        chosen, positions = chosen_vocabulary(found, seen, least=least, open_=open_, ends=self.ends)
        if not len(chosen.symbols):
            raise DataError(f"{owner}: no symbol is seen min_count = {self.min_count} times")
        if (positions < 0).any():
            raise ParameterError(
                f"{owner}: {int((positions < 0).sum())} symbols, such as {found[positions < 0].tolist()[0]!r}, are "
                f"seen less than min_count = {self.min_count} times, and a closed vocabulary has no unknown symbol"
            )
        self.symbols_, self.vocabulary_ = chosen.symbols, chosen.labels
        self.unknown_, self.unseen_ = chosen.unknown, chosen.unseen
        data.X = torch.from_numpy(positions).to(data.X.device)[data.X]
        return data

    @property
    def _vocabulary(self) -> Vocabulary:
        return vocabulary_of(self.symbols_, self.unknown_, self.unseen_, ends=self.ends)

    @property
    def _unknown_ok(self) -> bool:  # type: ignore[override]
        return getattr(self, "unknown_", -1) >= 0

    def _inputs(self, X: Any) -> Queries:
        """The door, behind which the unknown stands at its own position."""
        queries = super()._inputs(X)
        if not isinstance(X, Queries) and self._unknown_ok:
            K = len(self.symbols_)
            queries.X = torch.where(queries.X == K, self.unknown_, queries.X)
        return queries

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        unknown: Any = getattr(self, "unknown_", None)
        unseen: Any = getattr(self, "unseen_", None)
        labels: Any = getattr(self, "vocabulary_", None)
        K = len(self.symbols_)
        sound = type(unknown) is int and type(unseen) is float and isinstance(labels, np.ndarray)
        sound = sound and -1 <= unknown <= K + 1 and 0 <= unseen < 1 and (unseen > 0) == (unknown == K + 1)
        if not sound or labels.tolist() != self._vocabulary.labels.tolist():
            raise UnreadableError(
                f"a stored {type(self).__name__} needs symbols_, vocabulary_, unknown_ and unseen_ that belong together"
            )
