"""Sequences as experience: ragged from the first day, of numbers, of vectors or of symbols.

All steps stand one after the other in ``values``; ``lengths`` says how many belong to each sequence. Nothing is padded.
Splitting, batching and resampling need only ``len(d)`` and ``d[index]``, which count and take whole sequences: a split
never cuts through one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from peira.core.errors import DataError
from peira.core.sequences import open_sequences, open_symbols

__all__ = ["Sequences"]


class Sequences:
    """Sequences of different lengths; nothing in it changes once it is made.

    Parameters
    ----------
    values : array of shape (S,) or (S, D)
        The steps of all sequences, one after the other: symbols (texts or numbers), numbers, or vectors. NaN is a
        number that was not observed.
    lengths : sequence of N ints
        How many steps each has; they sum to S. 0 is an empty sequence.
    names : sequence of D str, optional
        What the numbers of a step are called.
    ids : sequence of N str, optional
        What each sequence is called; numbers without it.
    notes : sequence of str
        What was decided on the way here, for the reader.

    Attributes
    ----------
    values : array, read-only
    lengths : int array of shape (N,), read-only
    names : tuple of str, or None
    ids : array of str of shape (N,)
    notes : tuple of str

    Raises
    ------
    DataError
        If the lengths do not add up to the steps, or names do not fit.

    Examples
    --------
    >>> d = Sequences(np.arange(6.0), [3, 1, 2])
    >>> d
    Sequences(3 sequences of numbers, 1 to 3 steps, 6 in all)
    >>> [part.tolist() for part in d[[2, 0]]]
    [[4.0, 5.0], [0.0, 1.0, 2.0]]
    """

    __slots__ = ("ids", "lengths", "names", "notes", "values")
    values: np.ndarray
    lengths: np.ndarray
    names: tuple[str, ...] | None
    ids: np.ndarray
    notes: tuple[str, ...]

    def __init__(
        self,
        values: Any,
        lengths: Any,
        names: Sequence[str] | None = None,
        ids: Sequence[str] | np.ndarray | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        values = values.numpy(force=True) if hasattr(values, "detach") else np.asarray(values)
        lengths = np.asarray(lengths.numpy(force=True) if hasattr(lengths, "detach") else lengths)
        if values.ndim not in (1, 2):
            raise DataError(f"the steps of sequences have shape (S,) or (S, D), got {values.shape}")
        if lengths.ndim != 1 or (lengths.size and lengths.dtype.kind not in "iu") or (lengths < 0).any():
            raise DataError("lengths must be whole numbers, 0 or more, one for each sequence")
        if int(lengths.sum()) != len(values):
            raise DataError(f"the lengths sum to {int(lengths.sum())}, and there are {len(values)} steps")
        if names is not None and (values.ndim == 1 or len(names) != values.shape[1]):
            raise DataError(f"there are {len(names)} names for steps of shape {values.shape[1:] or '()'}")
        ids = np.array([str(i) for i in (range(len(lengths)) if ids is None else ids)], dtype=object)
        if len(ids) != len(lengths):
            raise DataError(f"there are {len(lengths)} sequences and {len(ids)} names for them")
        lengths, values = lengths.astype(np.int64), values.view()
        for array in (values, lengths, ids):
            array.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "names", None if names is None else tuple(str(name) for name in names))
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "notes", tuple(notes))

    @classmethod
    def from_list(cls, parts: Sequence[Any], names: Sequence[str] | None = None, ids: Any = None) -> "Sequences":
        """Sequences from a list with one array, list or text for each; texts are sequences of characters.

        >>> Sequences.from_list(["abba", "cab"])
        Sequences(2 sequences of symbols, 3 to 4 steps, 7 in all)
        """
        if all(isinstance(part, str) for part in parts) or _symbolic(parts):
            opened, symbols = open_symbols(list(parts), owner="Sequences", missing_ok=False, empty_ok=True)
            return cls(symbols[opened.X[:, 0].numpy()], opened.lengths, None, ids)
        opened = open_sequences(list(parts), owner="Sequences", missing_ok=True, empty_ok=True)
        values = opened.X.numpy(force=True)
        return cls(values[:, 0] if opened.single else values, opened.lengths, names, ids)

    @classmethod
    def from_padded(cls, padded: Any, lengths: Any, names: Sequence[str] | None = None) -> "Sequences":
        """Sequences from an array of shape (N, T) or (N, T, D) that is filled up beyond the lengths (N,)."""
        padded = padded.numpy(force=True) if hasattr(padded, "detach") else np.asarray(padded)
        lengths = np.asarray(lengths.numpy(force=True) if hasattr(lengths, "detach") else lengths)
        if padded.ndim not in (2, 3) or lengths.shape != (len(padded),):
            raise DataError(
                f"padded sequences have shape (N, T) or (N, T, D) and N lengths, got {padded.shape} and {lengths.shape}"
            )
        if lengths.size and lengths.max() > padded.shape[1]:
            i = int(lengths.argmax())
            raise DataError(f"sequence {i} is said to have {lengths[i]} steps; there is room for {padded.shape[1]}")
        return cls(padded[np.arange(padded.shape[1]) < lengths[:, None]], lengths, names)

    @property
    def symbolic(self) -> bool:
        """Whether the steps are symbols: texts or whole numbers, one a step."""
        return self.values.ndim == 1 and self.values.dtype.kind in "biuUO"

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The steps of each sequence."""
        ends = np.cumsum(self.lengths)
        for end, length in zip(ends, self.lengths, strict=True):
            yield self.values[end - length : end]

    def __getitem__(self, index: Any) -> "Sequences":
        """The sequences of a slice, mask or array of positions; a single position gives one as a container."""
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # so does scikit-learn take the rows of an array
        if isinstance(index, int | np.integer):
            index = slice(index, None) if index == -1 else slice(index, index + 1)
        rows = np.arange(len(self))[index if isinstance(index, slice) else _positions(index)]
        lengths = self.lengths[rows]
        firsts = (np.cumsum(self.lengths) - self.lengths)[rows]
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return Sequences(
            self.values[np.repeat(firsts, lengths) + within], lengths, self.names, self.ids[rows], self.notes
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"sequences are immutable: make new ones with other {name}")

    def __reduce__(self) -> tuple:
        return Sequences, (self.values, self.lengths, self.names, self.ids, self.notes)

    def __repr__(self) -> str:
        N, S = len(self), len(self.values)
        D = self.values.shape[1] if self.values.ndim == 2 else 1
        what = "symbols" if self.symbolic or self.values.dtype.kind == "O" else f"{D} numbers" if D > 1 else "numbers"
        if not N:
            return f"Sequences(no sequence of {what})"
        low, high = int(self.lengths.min()), int(self.lengths.max())
        steps = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        return f"Sequences({N:,} sequence{'s' * (N != 1)} of {what}, {steps} steps, {S:,} in all)"


def _positions(index: Any) -> np.ndarray:
    rows = np.asarray(index)
    return rows.astype(np.intp) if rows.size == 0 else rows


def _symbolic(parts: Sequence[Any]) -> bool:
    """Whether the steps are whole numbers or texts, one a step."""
    arrays = [np.asarray(part) for part in parts if len(part)]
    return bool(arrays) and all(a.ndim == 1 and a.dtype.kind in "biuU" for a in arrays)
