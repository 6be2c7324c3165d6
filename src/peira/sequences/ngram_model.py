r"""The n-gram language model: the next word given the N - 1 before it, by smoothed counts.

.. math:: p(w_1 \ldots w_T) = \prod_t p(w_t \mid w_{t-N+1} \ldots w_{t-1})

With modified Kneser-Ney smoothing (see `peira.sequences.smoothing`) it is what every neural language model is
compared with, and with little text it is hard to beat. It learns in one pass, exactly, without a step size.

**Ends.** A sequence is a sentence, a line, a name: it opens with a mark that the first words can be conditioned
on, and ends with a mark that is predicted like a word, so that the probabilities of all sequences of all lengths sum to
one. For one long text that merely was cut somewhere, ``ends=False``.

**Unknown words.** Words seen less than ``min_count`` times in training, and those not seen at all, are the word
``<unk>``. If no training word is, it gets all that the discounts leave at the bottom, as in SRILM: about the share of
words that were seen once, which is how often new words come (Good & Turing). In a closed
vocabulary (``open_vocabulary=False``) an unseen word is an error.

**Measures.** Perplexity exp(H) and bits H / log 2 a symbol, H the mean of -log p over all words and ends.

**Use it** as the baseline for language, for recognisers and spelling, for a fast estimate of how likely a text is. Not
where what matters lies further back than a handful of words.

Cost: counting T words takes T N steps, scoring about as much; memory is some 32 bytes a word while counting, and
80 for each distinct n-gram of up to N words, 28 of which are kept (PTB, N = 5: 2.3 million n-grams, 65 MB).

Reference: Chen & Goodman (1998), An empirical study of smoothing techniques for language modeling, TR-10-98,
section 3; Shannon (1951), Prediction and entropy of printed English.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, UnreadableError, integer, param
from ..core.inputs import Queries
from ..core.predictive import Categorical
from ..core.seeds import draw_seed
from ..experience.tokeniser import split
from . import arpa, ngram_walk
from .context_model import ContextModel, Smoothing, ragged

UNKNOWN = arpa.UNKNOWN


class NGramModel(ContextModel):
    """n-gram language model of words or characters, by modified Kneser-Ney.

    Attributes
    ----------
    symbols_ : array of shape (K,)
        The words that are known.
    vocabulary_ : array of shape (V,)
        What may come next: the words, the unknown word, and the end, where there are such. With texts these are
        "<unk>" and an empty text; with numbers, the second and the first after the last.
    n_ngrams_ : int array of shape (N,)
        Distinct n-grams of each length.
    trie_ : dict of arrays
        All n-grams, with their log probabilities.

    Examples
    --------
    >>> from peira.sequences import NGramModel
    >>> names = ["anna", "hanna", "johanna", "susanna", "anne"]
    >>> model = NGramModel(order=3).fit(names)
    >>> model.predict_dist(["jan"]).mode().tolist()
    ['n']
    >>> model.perplexity(names) < model.perplexity(["nhaa"])
    True
    """

    card = Card(
        tasks=("language", "density"),
        reference="Chen & Goodman (1998), section 3; Kneser & Ney (1995)",
        cost="N T",
        exact=True,
        data="symbols",
    )
    _empty_ok = True
    order: int = param(5, "words of the longest n-grams", low=1, high=32, tune=integer(1, 8), positional=True)
    smoothing: Smoothing = param("kneser_ney", "what is left for the unseen, and how it is shared out")
    ends: bool = param(True, "sequences begin and end, as sentences do; False: they are pieces of text that break off")
    min_count: int = param(1, "words seen less often are unknown", low=1)
    open_vocabulary: bool | None = param(
        None, "words may come that were never seen; None: unless ``fit`` is told which there are"
    )

    @classmethod
    def example(cls) -> Self:
        return cls(order=3)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, symbols: Any = None) -> Self:
        """Count and smooth.

        Parameters
        ----------
        X : list of texts, list of lists of words, Sequences or array
            Texts are sequences of characters. Whole numbers are symbols too.
        y : ignored
        sample_weight : array of shape (N,), optional
            How often each sequence counts; whole numbers with Kneser-Ney smoothing.
        symbols : sequence of words, optional
            Those there are, where some may be missing from ``X``.

        Returns
        -------
        NGramModel

        Raises
        ------
        DataError
            If there is no sequence, a step is no symbol, or no word is frequent enough.
        """
        steps, lengths, weights = self._opened(X, sample_weight, symbols)
        steps = self._choose_words(steps, lengths, weights, declared=symbols is not None)
        if self.ends:
            steps, lengths = self._framed(steps, lengths, len(self.vocabulary_))
        self._learn(steps, lengths, len(self.vocabulary_), int(self.order), weights)
        self.n_ngrams_ = np.diff(self.trie_["levels"])[1:] - np.eye(1, int(self.order), dtype=np.int64)[0]
        return self

    def _choose_words(
        self, steps: np.ndarray, lengths: np.ndarray, weights: np.ndarray | None, declared: bool
    ) -> np.ndarray:
        """Settle which words there are; the steps as positions among them."""
        shares = None if weights is None else np.repeat(weights, lengths)
        seen = np.bincount(steps, shares, minlength=len(self.symbols_))
        common = (seen >= self.min_count) & ((seen > 0) | declared) | (declared and self.min_count == 1)
        texts = self.symbols_.dtype.kind == "U"
        marks = self.symbols_ == UNKNOWN if texts else np.zeros(len(common), dtype=bool)
        is_open = not declared if self.open_vocabulary is None else bool(self.open_vocabulary)
        common |= marks & is_open
        if not common.any():
            raise DataError(f"{type(self).__name__}: no word is seen min_count = {self.min_count} times")
        if not is_open and not common.all():
            raise ParameterError(
                f"{type(self).__name__}: {int((~common).sum())} words, such as {self.symbols_[~common].tolist()[0]!r}, "
                f"are seen less than min_count = {self.min_count} times, and there is no unknown word in a closed "
                "vocabulary; pass min_count=1, or open_vocabulary=True"
            )
        self.symbols_, marks = self.symbols_[common], marks[common]
        K, named = len(self.symbols_), bool(marks.any())
        self.unknown_ = (int(marks.argmax()) if named else K) if is_open else -1
        self.saw_unknown_ = bool(named or not common.all())
        self.end_ = K + (is_open and not named) if self.ends else -1
        last = None if texts else int(self.symbols_[-1])
        more = ([UNKNOWN if last is None else last + 2] if self.unknown_ == K else []) + (
            ["" if last is None else last + 1] if self.ends else []
        )
        self.vocabulary_ = np.array([*self.symbols_.tolist(), *more])
        return np.where(common, np.cumsum(common) - 1, self.unknown_)[steps]

    def _framed(self, steps: np.ndarray, lengths: np.ndarray, start: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """The steps with an end after each sequence, and a start before it where one is named."""
        before = int(start >= 0)
        framed = lengths + 1 + before
        ends = np.cumsum(framed)
        out = np.empty(int(framed.sum()), dtype=np.int64)
        inner = np.ones(len(out), dtype=bool)
        inner[ends - 1] = False
        out[ends - 1] = self.end_
        if before:
            inner[ends - framed] = False
            out[ends - framed] = start
        out[inner] = steps
        return out, framed

    # ------------------------------------------------------------------ how likely?

    @property
    def _unknown_ok(self) -> bool:  # type: ignore[override]
        return getattr(self, "unknown_", -1) >= 0

    def _steps(self, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
        steps, lengths = ragged(queries)
        return np.where(steps == len(self.symbols_), self.unknown_, steps), lengths

    @property
    def _opening(self) -> int:
        return self._trie().opening if self.end_ >= 0 else 0

    def _logs(self, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
        """log p of every word and end, and how many there are in each sequence."""
        steps, lengths = self._steps(queries)
        if self.end_ >= 0:
            steps, lengths = self._framed(steps, lengths)
        return self._scored(steps, lengths, self._opening), lengths

    def _log_density(self, queries: Queries) -> torch.Tensor:
        logs, lengths = self._logs(queries)
        sums = np.bincount(np.repeat(np.arange(len(lengths)), lengths), logs, minlength=len(lengths))
        return torch.from_numpy(sums).to(queries.device)

    def step_log_prob(self, X: Any) -> list[np.ndarray]:
        """The logarithm of the probability of each word, in nats; with ``ends``, that of the end comes last.

        Parameters
        ----------
        X : sequences

        Returns
        -------
        list of arrays
        """
        logs, lengths = self._logs(self._queries(X))
        return split(logs, lengths)

    def perplexity(self, X: Any) -> float:
        """exp of the mean of -log p over all words (and ends): among how many it is as if a word were drawn.

        Parameters
        ----------
        X : sequences

        Returns
        -------
        float
            Infinity if a word has probability 0.
        """
        with np.errstate(over="ignore"):
            return float(np.exp(self._cross_entropy(X)))

    def bits_per_symbol(self, X: Any) -> float:
        """The mean of -log2 p over all words (and ends)."""
        return self._cross_entropy(X) / float(np.log(2))

    def _cross_entropy(self, X: Any) -> float:
        logs, _ = self._logs(self._queries(X))
        if not len(logs):
            raise DataError(f"{type(self).__name__} got no word in X to measure")
        return -float(logs.mean())

    # ------------------------------------------------------------------ what comes next?

    def _states(self, X: Any) -> tuple[np.ndarray, Queries]:
        queries = self._queries(X)
        steps, lengths = self._steps(queries)
        return self._after(steps, lengths, self._opening), queries

    def predict_dist(self, X: Any) -> Categorical:
        """What comes after each prefix.

        Parameters
        ----------
        X : sequences
            N prefixes; they may be empty.

        Returns
        -------
        Categorical
            Of shape (N,), over ``vocabulary_``: N V numbers.
        """
        states, queries = self._states(X)
        P = torch.from_numpy(ngram_walk.distributions(*self._walk(), states, len(self.vocabulary_)))
        return Categorical(P.to(queries.device), self.vocabulary_, as_numpy=queries.as_numpy)

    def sample(
        self,
        n: int = 1,
        given: Any = None,
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: Any = None,
    ) -> list[Any]:
        """Draw sequences, or continuations of a prompt.

        Parameters
        ----------
        n : int, default 1
        given : text or sequence of words, optional
            What the sequences begin with; it is not repeated in the answer.
        length : int, default 200
            Most words; with ``ends``, a sequence may end before.
        temperature : float, default 1
            Probabilities are raised to the power 1 / ``temperature``: below 1 more of the likely.
        top_k : int, optional
            Draw from the ``top_k`` most probable words only.
        random_state : int, generator or None
            None draws a seed.

        Returns
        -------
        list of n texts, if all words are single characters, or of n arrays of words
            An unknown word is "<unk>"; it is drawn only if there was one in training.
        """
        self._ready_to_draw(n, length)
        if not temperature > 0 or not np.isfinite(temperature):
            raise ParameterError(f"temperature must be a finite number > 0, got {temperature!r}")
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1):
            raise ParameterError(f"top_k must be a whole number >= 1, got {top_k!r}")
        prompt = self.symbols_[:0] if given is None else given
        states = np.repeat(self._states([prompt])[0], n)
        seed = draw_seed(random_state)
        barred = -1 if self.saw_unknown_ else self.unknown_
        drawn = self._drawn(states, int(length), seed, self.end_, barred, float(temperature), int(top_k or 0))
        return [self._as_symbols(row[(row >= 0) & (row != self.end_)], self.vocabulary_) for row in drawn]

    def write_arpa(self, path: str | Path) -> Path:
        """Write the model as ARPA text, which KenLM, SRILM and others read.

        Parameters
        ----------
        path : path
            Must not exist.

        Returns
        -------
        Path

        Notes
        -----
        Words are written as they are, numbers by their digits, and white space in them as ``<U+0020>``; probabilities
        have seven digits.
        """
        marks = {self.unknown_: UNKNOWN, self.end_: arpa.END}
        words = [marks.get(i, str(word)) for i, word in enumerate(self.vocabulary_.tolist())]
        return arpa.write(path, words, self._trie(), *self.trie_["logs"].T)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        K, V, words = len(self.symbols_), self._trie().V, getattr(self, "vocabulary_", None)
        unknown, end = getattr(self, "unknown_", None), getattr(self, "end_", None)
        if not isinstance(words, np.ndarray) or type(unknown) is not int or type(end) is not int:
            raise UnreadableError(f"a stored {type(self).__name__} has no vocabulary")
        sound = words.shape == (V,) and words.dtype.kind in "iU" and -1 <= unknown <= min(K, V - 1)
        sound = sound and type(getattr(self, "saw_unknown_", None)) is bool and end in (-1, V - 1)
        sound = sound and K + (unknown == K) + (end >= 0) == V and len(set(words.tolist())) == V
        if not sound or words[:K].tolist() != [type(words.tolist()[0])(s) for s in self.symbols_.tolist()]:
            raise UnreadableError(f"the vocabulary of a stored {type(self).__name__} does not fit its n-grams")
