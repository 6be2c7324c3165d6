r"""Byte-pair encoding: subwords that are learned by merging the most frequent pair of neighbours, again and again.

.. math:: (a, b)^* = \arg\max_{(a, b)} \sum_w n_w \, |\{i : (w_i, w_{i+1}) = (a, b)\}|

w runs over the distinct words, n is how often each occurs. The pair becomes a new symbol *ab*, and the search goes on.
Frequent words end as one symbol, rare ones as several, so that a list of some thousand symbols writes any text.

To encode a word, the merges are made in the order in which they were learned.

* ``alphabet="bytes"``: the letters are the 256 bytes of UTF-8. No text is unknown and nothing is lost: what comes back
  is the text, to the last space. Symbols are shown as Radford et al. (2019) do, a space as Ġ.
* ``alphabet="characters"``: words are what stands between spaces, letters are the characters that were seen, and
  ``</w>`` ends each word, as Sennrich et al. have it. Words come back with one space between them, characters that were
  never seen as ``<unk>``.

Learning costs T + R P for documents of T characters, R merges and P pairs of neighbours that were ever seen;
each merge visits the places of its own pair only. Encoding costs T, since each distinct word is
encoded once. Runs of more than 100 letters are cut, so that no word costs the square of its length.

Use it for text in any language, and for words that were never seen. It knows nothing of meaning, and cuts words where
their parts are frequent, not where they make sense.

Gage (1994), A new algorithm for data compression; Sennrich, Haddow & Birch (2016), Neural machine translation of rare
words with subword units, ACL, Algorithm 1. Of equally frequent pairs the one that occurs first is merged first, as
there.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from peira.core.card import Card
from peira.core.errors import DataError, UnreadableError
from peira.core.iteration import iterate
from peira.core.params import param

from .byte_pair_merges import apply_merges, count_pairs, merge_pairs
from .tokeniser import Tokeniser, expand, split
from .tokens import coded_words
from .vocabulary import UNKNOWN

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "</w>"
_BLOCK = 256  # merges between two looks at the clock


# In the regular expressions of the tokenizers library, the words of `peira.experience.tokens`.
WORDS = r" ?[\p{L}\p{Nl}\p{No}]+| ?\p{Nd}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def _byte_names() -> dict[str, int]:
    """A character for each byte: itself where it is seen, one from U+0100 on where it is not."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    names = {byte: chr(byte) for byte in seen} | {byte: chr(0x100 + i) for i, byte in enumerate(hidden)}
    return {names[byte]: byte for byte in range(256)}


_BYTES = _byte_names()  # by their number


class BytePairEncoder(Tokeniser):
    """Subwords, learned by merging frequent pairs.

    Attributes
    ----------
    tokens_ : array of str of shape (K,)
        The letters, then what each merge made.
    merges_ : int array of shape (R, 2)
        The two symbols of each merge, in the order in which they were learned.

    Examples
    --------
    >>> text = ["low " * 5 + "lower " * 2 + "newest " * 6 + "widest " * 3]
    >>> pairs = BytePairEncoder(n_merges=5, alphabet="characters").fit(text)
    >>> pairs.tokens_[-5:].tolist()
    ['es', 'est', 'est</w>', 'lo', 'low']
    >>> [pairs.tokens_[codes].tolist() for codes in pairs.transform(["lowest"])]
    [['low', 'est</w>']]
    >>> whole = BytePairEncoder(n_merges=20).fit(text)
    >>> whole.inverse_transform(whole.transform(["  naïve — tokens\\n"]))
    ['  naïve — tokens\\n']
    """

    card = Card(
        tasks="representation",
        reference="Sennrich, Haddow & Birch (2016), Algorithm 1",
        cost="N T + R P, P pairs of neighbours",
        exact=True,
        data="symbols",
    )
    n_merges: int = param(1000, "merges to learn, at most", low=0)
    alphabet: Literal["bytes", "characters"] = param("bytes", "what a letter is")
    min_count: int = param(2, "how often a pair must occur to be merged", low=1)
    lowercase: bool = param(False, "small letters only")

    @classmethod
    def example(cls) -> Self:
        return cls(n_merges=5)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the merges of documents.

        Parameters
        ----------
        X : Text, list of str, or sequences of characters
        y : ignored

        Returns
        -------
        self
        """
        self._check_parameters()
        words, codes, lengths = self._words(X)
        if not len(lengths):
            raise DataError("Found array with 0 sample(s): BytePairEncoder got no document")
        letters = list(_BYTES) if self.alphabet == "bytes" else [UNKNOWN, *sorted(set().union(*words)), END]
        symbols, sizes = self._letters(words, letters)
        n = np.bincount(codes, minlength=len(words)).astype(np.int64)
        state, tokens = count_pairs(symbols.astype(np.int32), sizes, n), list(letters)
        merges = [np.empty((0, 2), dtype=np.int64)]
        self._forget()
        for step in iterate(self, -(-self.n_merges // _BLOCK), name="merging", expect={"count": "decrease"}):
            asked = min(_BLOCK, self.n_merges - step.index * _BLOCK)
            made, found = merge_pairs(state, len(tokens), asked, self.min_count)
            merges.append(made)
            for a, b in made.tolist():
                tokens.append(tokens[a] + tokens[b])
            step.record(count=found[-1] if len(found) else 0)
            if len(made) < asked and step.stop("no pair is frequent enough"):
                break
        self._keep(tokens, merges_=np.concatenate(merges))
        return self

    def _encoded(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        letters = self._known()[: len(self.tokens_) - len(self.merges_)].tolist()
        words, codes, lengths = self._words(X)
        symbols, sizes = self._letters(words, letters)
        parts = apply_merges(symbols, sizes, self.merges_, len(letters))
        owner = np.repeat(np.arange(len(lengths)), lengths)
        longer = np.bincount(owner, weights=sizes[codes], minlength=len(lengths)).astype(np.int64)
        return expand(parts, sizes, codes), longer

    def inverse_transform(self, codes: Any) -> list[str]:
        """Positions as documents.

        Parameters
        ----------
        codes : list of N int arrays
            Or one array, for one document.

        Returns
        -------
        list of N str
            Bytes that make no character, as a model may draw them, stand as U+FFFD.
        """
        tokens, rows = self._known().tolist(), self._positions(codes)
        if self.alphabet == "bytes":
            written = [bytes(_BYTES[c] for c in token) for token in tokens]
            return [b"".join(_pieces(written, row)).decode("utf-8", "replace") for row in rows]
        joined = ("".join(_pieces(tokens, row)) for row in rows)
        return [document.replace(END, " ").removesuffix(" ") for document in joined]

    def to_tokenizers(self) -> "Tokenizer":
        """The same encoder in the ``tokenizers`` library, for programs that read that: its file is one of JSON.

        Returns
        -------
        tokenizers.Tokenizer
            Its ids are our positions. Words of more than 100 letters, which are cut here, are not cut there.

        Raises
        ------
        DataError
            If the library is not installed, or the letters are characters, whose ends of words it marks otherwise.
        """
        tokens = self._known().tolist()
        if self.alphabet != "bytes":
            raise DataError("only an encoder with alphabet='bytes' can be given to the tokenizers library")
        try:
            from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
        except ImportError:
            raise DataError("this needs the package tokenizers: pip install 'peira[text]'") from None
        merges = [(tokens[a], tokens[b]) for a, b in self.merges_.tolist()]
        made = Tokenizer(models.BPE({token: k for k, token in enumerate(tokens)}, merges))
        if self.lowercase:
            made.normalizer = normalizers.Lowercase()
        words = pre_tokenizers.Split(Regex(WORDS), "isolated")
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        made.decoder = decoders.ByteLevel()
        return made

    def _words(self, X: Any) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The distinct words, the place of each word of all documents among them, and how many each document has."""
        documents = self._documents(X)
        if documents is None:
            symbols, codes, lengths = self._symbols(X)
            longer = [symbol for symbol in symbols.tolist() if len(symbol) != 1]
            if longer:
                raise DataError(
                    f"BytePairEncoder learns from documents, or from sequences of characters; X holds {longer[0]!r}: "
                    "pass the texts themselves, not their words"
                )
            documents = ["".join(part.tolist()) for part in split(symbols[codes], lengths)]
        if self.lowercase:
            documents = [document.lower() for document in documents]
        unit = "spaced words" if self.alphabet == "bytes" else "spaces"
        words, codes, lengths, _ = coded_words(documents, unit)
        return words, codes, lengths

    def _letters(self, words: list[str], letters: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The letters of all words as positions, one after the other, and how many each word has."""
        if self.alphabet == "bytes":
            encoded = [word.encode() for word in words]
            symbols = np.frombuffer(b"".join(encoded), dtype=np.uint8).astype(np.int64)
            return symbols, np.array([len(word) for word in encoded], dtype=np.int64)
        place = {letter: k for k, letter in enumerate(letters)}
        end = place[END]
        symbols = [k for word in words for k in (*(place.get(letter, 0) for letter in word), end)]
        return np.array(symbols, dtype=np.int64), np.array([len(word) + 1 for word in words], dtype=np.int64)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        merges, tokens = getattr(self, "merges_", None), self.tokens_.tolist()
        if not (isinstance(merges, np.ndarray) and merges.shape[1:] == (2,) and merges.dtype == np.int64):
            raise UnreadableError("BytePairEncoder.merges_ is not a list of pairs of symbols")
        A = len(tokens) - len(merges)
        letters = A == 256 and tokens[:A] == list(_BYTES) if self.alphabet == "bytes" else tokens[A - 1] == END
        if not (
            A > 0
            and letters
            and (merges >= 0).all()
            and (merges.max(axis=1, initial=0) < A + np.arange(len(merges))).all()
            and tokens[A:] == [tokens[a] + tokens[b] for a, b in merges.tolist()]
        ):
            raise UnreadableError("BytePairEncoder.merges_ do not make its tokens")


def _pieces(written: list[Any], row: np.ndarray) -> Iterator[Any]:
    """What a row of positions stands for, some thousands at a time, so that long documents cost little on the way."""
    for start in range(0, len(row), 2**14):
        part = [written[k] for k in row[start : start + 2**14].tolist()]
        yield part[0][:0].join(part)
