r"""A vocabulary: the tokens that are known, the most frequent first, and one for all others.

.. math:: n(v) = \sum_{s} [x_s = v], \quad V = \{v : n(v) \geq n_{\min}\}, \quad |V| \leq K_{\max}
.. math:: c(v) = 1 + |\{u \in V : n(u) > n(v)\}|, \quad c(v) = 0 \ \mathrm{for} \ v \notin V

Frequencies fall like a power of the rank (Zipf 1949): half of the distinct words of a text occur once. What is rare
cannot be learned from, so it is counted together, under ``<unk>`` at position 0; this is also where a word goes that
was never seen. A text that writes ``<unk>`` itself means the same. Of equally frequent tokens, the first by the order
of characters comes first.

What is said of a text depends on its vocabulary: fewer words are easier to guess. Compare language models over one
vocabulary only, or by the bits that they need for a character.

Costs N T for N documents of T characters, and the distinct words in memory. For words, with what is rare still told
apart, take subwords (`BytePairEncoder`).

Zipf (1949), Human Behavior and the Principle of Least Effort; the unknown word as in Jurafsky & Martin (2024), Speech
and Language Processing, chapter 3.
"""

from typing import Any, Literal, Self

import numpy as np

from peira.core.card import Card
from peira.core.errors import DataError, UnreadableError
from peira.core.params import param

from .stemming import stemmer
from .text_runs import placed_runs
from .tokeniser import Tokeniser
from .tokens import LONGEST, coded_characters, coded_words

UNKNOWN = "<unk>"


class Vocabulary(Tokeniser):
    """Words or characters as positions in a list, rare and unknown ones together.

    Attributes
    ----------
    tokens_ : array of str of shape (K,)
        ``<unk>``, then the known tokens, the most frequent first.
    counts_ : int array of shape (K,)
        How often each occurred; the first is how many steps were too rare.

    Examples
    --------
    >>> words = Vocabulary(min_count=2).fit(["the cat sat", "the cat ran"])
    >>> words.tokens_.tolist(), words.counts_.tolist()
    (['<unk>', 'cat', 'the'], [2, 2, 2])
    >>> [codes.tolist() for codes in words.transform(["the dog", ""])]
    [[2, 0], []]
    >>> words.inverse_transform([[2, 1, 0]])[0].tolist()
    ['the', 'cat', '<unk>']
    """

    card = Card(
        tasks="representation",
        reference="Zipf (1949), Human Behavior and the Principle of Least Effort",
        cost="N T",
        exact=True,
        data="symbols",
    )
    unit: Literal["words", "spaces", "characters"] = param("words", "what documents are taken apart into")
    max_size: int | None = param(None, "tokens to keep, the most frequent, <unk> not counted", low=1)
    min_count: int = param(1, "how often a token must occur to be known", low=1)
    lowercase: bool = param(False, "small letters only")
    stem: str | None = param(None, "reduce words to stems: 'porter', or a language of the snowballstemmer package")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Count tokens.

        Parameters
        ----------
        X : Text, list of str, or sequences of texts
            Documents, which are taken apart; or sequences (`Sequences`, lists of lists), whose symbols are the tokens.
        y : ignored

        Returns
        -------
        self
        """
        self._check_parameters()
        found, codes, lengths = self._tokens(X)
        if not len(lengths):
            raise DataError("Found array with 0 sample(s): Vocabulary got no document")
        n = np.bincount(codes, minlength=len(found)).astype(np.int64)
        total = dict.fromkeys(found, 0)
        for token, count in zip(found, n.tolist(), strict=True):
            total[token] += count
        known = [token for token, count in total.items() if count >= self.min_count and token != UNKNOWN]
        known = sorted(known, key=lambda token: (-total[token], token))[: self.max_size]
        counts = [len(codes) - sum(total[token] for token in known), *(total[token] for token in known)]
        self._forget()
        self._keep([UNKNOWN, *known], counts_=np.array(counts, dtype=np.int64))
        return self

    def _encoded(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """What is not in the list of tokens stands as 0."""
        tokens, documents = self._known().tolist(), self._documents(X)
        plain = self.unit == "spaces" and not self.lowercase and self.stem is None
        if documents is not None and plain and (placed := placed_runs(tokens, documents, LONGEST)) is not None:
            codes, lengths = placed
            return np.where(codes < len(tokens), codes, 0).astype(np.int64), lengths
        place = {token: k for k, token in enumerate(tokens)}
        found, codes, lengths = self._tokens(X)
        position = np.array([place.get(token, 0) for token in found], dtype=np.int64)
        return position[codes] if len(found) else np.empty(0, dtype=np.int64), lengths

    def inverse_transform(self, codes: Any) -> list[np.ndarray]:
        """Positions as tokens.

        Parameters
        ----------
        codes : list of N int arrays
            Or one array, for one document.

        Returns
        -------
        list of N arrays of str
        """
        tokens = self._known().astype(np.str_)
        return [tokens[row] for row in self._positions(codes)]

    def _tokens(self, X: Any) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Distinct tokens (twice where two have one stem), the place of each step among them, and the lengths."""
        documents = self._documents(X)
        if documents is None:
            symbols, codes, lengths = self._symbols(X)
            found = symbols.tolist()
        elif self.unit == "characters":
            found, codes, lengths = coded_characters(documents)
        else:
            found, codes, lengths, _ = coded_words(documents, self.unit)
        if self.lowercase or self.stem is not None:
            found = [token if token == UNKNOWN else token.lower() for token in found]
        if self.stem is not None:
            reduce = stemmer(self.stem)
            found = [token if token == UNKNOWN else reduce(token) for token in found]
        return found, codes, lengths

    def _check_learned(self) -> None:
        super()._check_learned()
        counts = getattr(self, "counts_", None)
        if self.__sklearn_is_fitted__() and not (
            self.tokens_[0] == UNKNOWN
            and len(set(self.tokens_.tolist())) == len(self.tokens_)
            and isinstance(counts, np.ndarray)
            and counts.dtype == np.int64
            and counts.shape == self.tokens_.shape
            and bool((counts >= 0).all())
        ):
            raise UnreadableError("Vocabulary does not hold a count for each of its tokens")
