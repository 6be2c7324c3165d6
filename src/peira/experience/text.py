"""Texts as experience: documents, where they are read from, and how they become sequences.

============  ========================================================================
`Text`        the container: ``len(d)``, ``d[index]``, ``d.documents``, ``d.ids``
`read_text`   documents from a file, a folder, a stream or a list
============  ========================================================================

A document is a `str`. What it is taken apart into is said where it is needed: ``d.tokens("characters")``,
``d.tokens("words")`` and ``d.tokens("subwords")`` give `Sequences` of symbols, one for each document.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peira.core.errors import DataError
from peira.core.text import printable

if TYPE_CHECKING:
    from .byte_pairs import BytePairEncoder
    from .sequences import Sequences
    from .text_files import looks_like_text, read_text

__all__ = ["Text", "looks_like_text", "read_text"]


class Text:
    """Documents; nothing in it changes once it is made.

    Parameters
    ----------
    documents : sequence of N str
        They may be empty. A single text is one document.
    ids : sequence of N str, optional
        What each document is called, such as its file or its line; numbers without it.
    notes : sequence of str
        What was decided on the way here, for the reader.

    Attributes
    ----------
    documents : array of str of shape (N,), read-only
    ids : array of str of shape (N,), read-only
    notes : tuple of str

    Raises
    ------
    DataError
        If a document is no text, or holds what no text holds: NUL, or half of a pair of surrogates.

    Examples
    --------
    >>> d = Text(["The cat sat.", "It purred, and purred."])
    >>> d
    Text(2 documents, 12 to 22 characters, 34 in all)
    >>> [part.tolist() for part in d.tokens("words")]
    [['The', 'cat', 'sat', '.'], ['It', 'purred', ',', 'and', 'purred', '.']]
    """

    __slots__ = ("documents", "ids", "notes")
    documents: np.ndarray
    ids: np.ndarray
    notes: tuple[str, ...]

    def __init__(
        self, documents: Iterable[str] | str, ids: Sequence[str] | np.ndarray | None = None, notes: Sequence[str] = ()
    ) -> None:
        held = checked([documents] if isinstance(documents, str) else list(documents))
        stored = np.empty(len(held), dtype=object)
        stored[:] = held
        names = np.array([str(i) for i in (range(len(held)) if ids is None else ids)], dtype=object)
        if len(names) != len(stored):
            raise DataError(f"there are {len(stored)} documents and {len(names)} names for them")
        for array in (stored, names):
            array.setflags(write=False)
        object.__setattr__(self, "documents", stored)
        object.__setattr__(self, "ids", names)
        object.__setattr__(self, "notes", tuple(notes))

    def tokens(
        self, unit: str = "characters", *, stem: str | None = None, encoder: "BytePairEncoder | None" = None
    ) -> "Sequences":
        """Each document as a sequence of symbols.

        Parameters
        ----------
        unit : "characters", "words", "spaces" or "subwords", default "characters"
            "words" are runs of letters and digits, and every other mark by itself; "spaces" takes what stands between
            spaces as it is, for texts that somebody has taken apart already; "subwords" are those of ``encoder``.
        stem : str, optional
            Of words: "porter" (English), or a language of the ``snowballstemmer`` package, such as "german". Stems are
            of small letters.
        encoder : BytePairEncoder, optional
            A fitted one. Without it, one with its default parameters learns from these documents.

        Returns
        -------
        Sequences
            Of texts, N in all; an empty document is an empty sequence.

        Raises
        ------
        DataError
            For an unknown unit or stemmer, and for stems of what are no words.

        Examples
        --------
        >>> [part.tolist() for part in Text(["Cats purring", "a purr"]).tokens("words", stem="porter")]
        [['cat', 'pur'], ['a', 'purr']]
        """
        from .tokens import tokens

        return tokens(self, unit, stem=stem, encoder=encoder)

    def cleaned(self, **how: Any) -> "Text":
        """The documents after cleaning: case, Unicode form, accents, digits, spaces, markup.

        Parameters
        ----------
        **how
            As in `peira.experience.cleaning.clean`.

        Examples
        --------
        >>> Text(["Éric  has 2 <b>cats</b>"]).cleaned(case="lower", accents="strip", markup="strip", spaces="single")[0]
        Text(1 document, 15 characters)
        """
        from .cleaning import clean

        documents = [clean(document, **how) for document in self.documents]
        said = ", ".join(f"{name}={value!r}" for name, value in how.items())
        return Text(documents, self.ids, (*self.notes, f"cleaned: {said}") if how else self.notes)

    def passages(self, length: int) -> "Text":
        """The documents cut into passages of at most ``length`` characters, behind a space where there is one.

        Nothing is lost: the passages of a document, one after the other, are the document. They are called after it,
        with the place where they begin. One long text needs this before it can be split into parts to learn from and
        parts to be judged on.

        Parameters
        ----------
        length : int
            1 or more.

        Examples
        --------
        >>> Text("in the beginning", ids=["book"]).passages(8).documents.tolist()
        ['in the ', 'beginnin', 'g']
        """
        if length < 1:
            raise DataError(f"passages have 1 character or more, got length={length}")
        parts, names = [], []
        for document, name in zip(self.documents, self.ids, strict=True):
            for start, part in _cut(document, length):
                parts.append(part)
                names.append(f"{name}:{start}")
        note = f"cut into {len(parts):,} passages of at most {length:,} characters"
        return Text(parts, names, (*self.notes, note))

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[str]:
        return iter(self.documents)

    def __getitem__(self, index: Any) -> "Text":
        """The documents of a slice, mask or array of positions; a single position gives one as a container."""
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # so does scikit-learn take the rows of an array
        if isinstance(index, int | np.integer):
            index = slice(index, None) if index == -1 else slice(index, index + 1)
        rows = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(rows, slice) and rows.size == 0:
            rows = rows.astype(np.intp)
        return Text(self.documents[rows], self.ids[rows], self.notes)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a text is immutable: make a new one with other {name}")

    def __reduce__(self) -> tuple:
        return Text, (self.documents, self.ids, self.notes)

    def __repr__(self) -> str:
        N, lengths = len(self), [len(document) for document in self.documents]
        if not N:
            return "Text(no document)"
        if N == 1:
            return f"Text(1 document, {lengths[0]:,} characters)"
        steps = f"{min(lengths):,}" if min(lengths) == max(lengths) else f"{min(lengths):,} to {max(lengths):,}"
        return f"Text({N:,} documents, {steps} characters, {sum(lengths):,} in all)"


def checked(documents: list[str]) -> list[str]:
    """The documents as they are, or as Python's own texts; refused if one is no text, or holds what no text holds."""
    if all(type(document) is str and document.isascii() and "\0" not in document for document in documents):
        return documents
    for i, document in enumerate(documents):
        _check(document, i)
    return [str(document) for document in documents]


def _check(document: Any, i: int) -> None:
    """Refuse what is no text, or what could not be written to a file again."""
    if not isinstance(document, str):
        raise DataError(
            f"documents are texts; document {i} is {type(document).__name__} ({printable(repr(document), 40)})"
        )
    if (at := document.find("\0")) >= 0:
        raise DataError(f"document {i} holds NUL at character {at}, which no text does; take it out")
    if not document.isascii():
        try:
            document.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(
                f"document {i} holds half of a pair of surrogates at character {error.start}; it was decoded wrongly: "
                "decode the bytes with errors='replace', or read the file with read_text"
            ) from None


def _cut(document: str, length: int) -> Iterator[tuple[int, str]]:
    """Start and text of each passage; an empty document is one empty passage."""
    start = 0
    while len(document) - start > length:
        end = max(document.rfind(mark, start, start + length) for mark in (" ", "\n")) + 1
        end = end if end > start else start + length
        yield start, document[start:end]
        start = end
    yield start, document[start:]


def __getattr__(name: str) -> Any:
    if name in ("looks_like_text", "read_text"):
        from . import text_files

        return getattr(text_files, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
