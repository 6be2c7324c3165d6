r"""Documents taken apart: into characters, into words, into what stands between spaces, into subwords.

Words are found by one rule, which keeps together

* what stands between angle brackets, such as ``<unk>``,
* numbers with their points and commas, such as 3.14 or 1,000,
* letters and digits with their accents, joined by apostrophes or hyphens inside: *don't*, *well-known*,

and takes every other mark, and each Chinese ideograph, by itself. Spaces divide and are not kept; scripts that write
words without spaces (Japanese kana, Thai) are better taken as characters or subwords.

Distinct words are few beside all words, so each is held once: a document costs four bytes a word while it is taken
apart. A run of more than 100 letters is no word; it is cut after every hundredth, so that one endless line costs no
more than its letters. Nothing is lost by that, and the notes say how often it happened.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from peira.core.errors import DataError, closest

from .sequences import Sequences
from .text_runs import coded_runs

if TYPE_CHECKING:
    from .byte_pairs import BytePairEncoder
    from .text import Text

UNITS: tuple[str, ...] = ("characters", "words", "spaces", "subwords")
LONGEST = 100
"""Letters of a word; longer ones are cut."""

_PIECE = 2**18  # characters that are taken apart at once
_WIDE = 2**28  # bytes of an array of words of one width, beyond which they are kept as objects
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"


def tokens(text: "Text", unit: str, *, stem: str | None = None, encoder: "BytePairEncoder | None" = None) -> Sequences:
    """The documents of a text as sequences of symbols. See `Text.tokens`."""
    if unit not in UNITS:
        raise DataError(f"texts have no unit {unit!r}; {closest(unit, UNITS)}")
    if stem is not None and unit not in ("words", "spaces"):
        raise DataError(f"only words have stems: ask for tokens('words', stem={stem!r}), not {unit!r}")
    if encoder is not None and unit != "subwords":
        raise DataError(f"an encoder knows subwords: ask for tokens('subwords', encoder=...), not {unit!r}")
    if unit == "characters":
        return characters(text.documents, ids=text.ids, notes=text.notes)
    if unit == "subwords":
        return _subwords(text, encoder)
    vocabulary, codes, lengths, cut = coded_words(text.documents, unit)
    if stem is not None:
        from .stemming import stemmer

        reduce = stemmer(stem)
        vocabulary = [reduce(word.lower()) for word in vocabulary]
    notes = text.notes
    if cut:
        notes = (*notes, f"{cut:,} words are parts of runs of more than {LONGEST} letters, cut after every {LONGEST}")
    return Sequences(spread(vocabulary, codes), lengths, ids=text.ids, notes=notes)


def characters(documents: Iterable[str], ids: Any = None, notes: Iterable[str] = ()) -> Sequences:
    """Each document as the sequence of its characters, line breaks and spaces included."""
    held = list(documents)
    joined = "".join(held).encode("utf-32-le")
    values = np.frombuffer(joined, dtype="<i4").view("<U1") if joined else np.empty(0, dtype="<U1")
    return Sequences(
        values, np.array([len(document) for document in held], dtype=np.int64), ids=ids, notes=tuple(notes)
    )


def coded_characters(documents: Iterable[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Documents as positions in the list of their distinct characters: that list, the positions, and the lengths."""
    sequences = characters(documents)
    points = sequences.values.view("<i4")
    there = np.zeros(0x110000, dtype=bool)
    there[points] = True
    place = np.cumsum(there, dtype=np.int32) - 1
    return [chr(point) for point in np.flatnonzero(there)], place[points].astype(np.int32), sequences.lengths


def coded_words(documents: Iterable[str], unit: str = "words") -> tuple[list[str], np.ndarray, np.ndarray, int]:
    """Documents as positions in the list of their distinct words.

    Parameters
    ----------
    documents : iterable of N str
    unit : "words", "spaces" or "spaced words", default "words"
        "spaced words" leaves nothing out: a space belongs to the word behind it, further spaces stand by themselves.

    Returns
    -------
    list of str
        The distinct words, in the order in which they first occur.
    int32 array of shape (S,)
        The place in that list of each word of all documents, one after the other.
    int64 array of shape (N,)
        How many words each document has.
    int
        How many words are parts of longer runs of letters.

    Examples
    --------
    >>> coded_words(["to be or not to be"])[:2]
    (['to', 'be', 'or', 'not'], array([0, 1, 2, 3, 0, 1], dtype=int32))
    """
    if unit == "spaces":
        return coded_runs(list(documents), LONGEST)
    places: dict[str, int] = {}
    codes: list[np.ndarray] = [np.empty(0, dtype=np.int32)]
    lengths, cut = [], 0
    for document in documents:
        total = 0
        find = _finder(unit, document.isascii())
        for piece in _pieces(document):
            words = find(piece)
            if len(piece) > LONGEST:
                words, parts = _shortened(words)
                cut += parts
            known = [places.setdefault(word, len(places)) for word in words]
            codes.append(np.array(known, dtype=np.int32))
            total += len(known)
        lengths.append(total)
    return list(places), np.concatenate(codes), np.array(lengths, dtype=np.int64), cut


def readable(words: Iterable[str]) -> str:
    """Words as a reader would write them: marks close up to the words that they belong to.

    >>> readable(["He", "said", ":", '"', "no", "(", "not", "now", ")", "-", "-", "never", ".", '"'])
    'He said: "no (not now)--never."'
    """
    text = re.sub(r" ?- - ?", "--", " ".join(words))
    text = re.sub(r" +([,.;:!?%)\]}»”’]+)", r"\1", text)
    text = re.sub(r"([(\[{«“‘]) +", r"\1", text)
    return re.sub(r'" *([^"]*?) *"', r'"\1"', text)


def spread(vocabulary: list[str], codes: np.ndarray) -> np.ndarray:
    """The words that stand at positions in a list; as objects where an array of the longest word's width is too big."""
    width = max((len(word) for word in vocabulary), default=1)
    kind = object if 4 * width * len(codes) > _WIDE else np.str_
    return np.array(vocabulary, dtype=kind)[codes] if vocabulary else np.empty(0, dtype="<U1")


def _pieces(document: str) -> Iterator[str]:
    """A long document in pieces, cut before a space where there is one: no rule sees a difference there."""
    start = 0
    while len(document) - start > _PIECE:
        end = max(document.rfind(mark, start + 1, start + _PIECE) for mark in (" ", "\n", "\t"))
        end = end if end > start else start + _PIECE
        yield document[start:end]
        start = end
    yield document[start:]


@cache
def _finder(unit: str, ascii_only: bool) -> Callable[[str], list[str]]:
    """The function that finds all words of a text by one of the rules."""
    if unit == "spaced words":
        return re.compile(r" ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+").findall
    if ascii_only:
        return re.compile(r"<[^\s<>]{1,30}>|\d+(?:[.,]\d+)+|\w+(?:['\-]\w+)*|[^\w\s]").findall
    letter = rf"(?:[^\W{_IDEOGRAPHS}]|[{_marks()}])"
    number = r"\d+(?:[.,]\d+)+"
    return re.compile(rf"<[^\s<>]{{1,30}}>|{number}|{letter}+(?:['’\-]{letter}+)*|[{_IDEOGRAPHS}]|[^\w\s]").findall


@cache
def _marks() -> str:
    """The combining marks (accents, vowel signs), which Python does not count as letters, as ranges of characters."""
    marks = [point for point in range(0x300, 0x1F000) if unicodedata.category(chr(point))[0] == "M"]
    firsts = [m for i, m in enumerate(marks) if i == 0 or marks[i - 1] != m - 1]
    lasts = [m for i, m in enumerate(marks) if i + 1 == len(marks) or marks[i + 1] != m + 1]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


def _shortened(words: list[str]) -> tuple[list[str], int]:
    """Words of at most the longest length, and how many of them are parts."""
    parts = sum(-(-len(word) // LONGEST) for word in words if len(word) > LONGEST)
    if not parts:
        return words, 0
    return [word[i : i + LONGEST] for word in words for i in range(0, len(word), LONGEST)], parts


def _subwords(text: "Text", encoder: "BytePairEncoder | None") -> Sequences:
    from .byte_pairs import BytePairEncoder

    if encoder is None:
        encoder = BytePairEncoder().fit(text)
    codes = encoder.transform(text)
    lengths = np.array([len(part) for part in codes], dtype=np.int64)
    whole = np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)
    return Sequences(spread(encoder.tokens_.tolist(), whole), lengths, ids=text.ids, notes=text.notes)
