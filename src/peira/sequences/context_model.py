"""What Markov chains and n-gram models share: n-grams in a trie, smoothed, and walks in it that score and draw."""

from collections import defaultdict
from dataclasses import replace
from itertools import chain, repeat
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from ..core import DataError, Density, ParameterError, SymbolMethod, UnreadableError, choice, log, param
from ..core.inputs import Data, Queries, open_weights
from ..core.method import Method
from . import ngram_walk, smoothing
from .ngram_trie import NGramTrie, count, without_gaps

Smoothing = Literal["additive", "interpolated", "kneser_ney"]
NODES = ("levels", "words", "first", "suffixes")


class Walk(NamedTuple):
    """The arrays over which the walks of `ngram_walk` go, in their order."""

    words: np.ndarray
    first: np.ndarray
    suffixes: np.ndarray
    logs: np.ndarray


class ContextModel(SymbolMethod, Density):
    """Base of the models in which a symbol depends on a few before it.

    Attributes
    ----------
    symbols_ : array of shape (K,)
    trie_ : dict of arrays
        Every n-gram that was seen (see `peira.sequences.ngram_trie.NGramTrie`), and its ``logs`` (M, 2): of its
        probability, and of the weight of the shorter context where this one fails.
    """

    smoothing: Smoothing = param(
        "additive",
        "what is left for the unseen, and how it is shared out",
        tune=choice("additive", "interpolated", "kneser_ney"),
    )
    alpha: float = param(1.0, "what additive smoothing adds to each count", low=0, tune=log(1e-3, 10))
    discount: float | None = param(
        None, "one Kneser-Ney discount for all counts; None: three for each length, estimated", low=0, high=1
    )

    # ------------------------------------------------------------------ learning

    def _opened(self, X: Any, sample_weight: Any, symbols: Any) -> tuple[np.ndarray, np.ndarray, Any]:
        """The door of ``fit``: positions (S,), lengths (N,) and weights of the sequences that weigh anything."""
        coded = _coded(X) if symbols is None and _looks_like_words(X) else None
        if coded is None:
            declared = None if symbols is None else [np.asarray(symbols)]  # one sequence of them: words are not split
            data: Data = self._begin(X, symbols=declared)
        else:
            data = Method._begin(self, coded[0])
            self.symbols_ = coded[1]
        steps, lengths = ragged(data)
        reals = replace(data, dtype=torch.float64)  # weights are numbers, though symbols are positions
        w = open_weights(sample_weight, len(data), reals, owner=type(self).__name__)
        return (steps, lengths, None) if w is None else self._weighed(steps, lengths, w.numpy(force=True))

    def _weighed(
        self, steps: np.ndarray, lengths: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.smoothing == "kneser_ney" and (weights != np.floor(weights)).any():
            raise DataError(
                f"{type(self).__name__}: Kneser-Ney discounts counts, so that weights must be whole numbers; got "
                f"{weights[weights != np.floor(weights)][0]:g}; take smoothing='interpolated'"
            )
        kept = weights > 0
        return steps[np.repeat(kept, lengths)], lengths[kept], weights[kept]

    def _learn(self, steps: np.ndarray, lengths: np.ndarray, V: int, N: int, weights: np.ndarray | None) -> np.ndarray:
        """Count and smooth n-grams of up to N words; V stands where a sequence opens. Returns the counts (M,)."""
        if (steps < 0).any():
            steps, lengths, weights = without_gaps(steps, lengths, weights)
        trie, counts = count(steps, lengths, V, N, weights)
        self._smooth(trie, counts)
        return counts

    def _smooth(self, trie: NGramTrie, counts: np.ndarray) -> None:
        """Probabilities from counts, as the parameters say."""
        unseen = np.flatnonzero(counts[1 : trie.V + 1] == 0)
        heir = int(unseen[0]) if unseen.tolist() == [getattr(self, "unknown_", -1)] else -1
        if self.smoothing == "additive":
            p, gamma = smoothing.additive(trie, counts, float(self.alpha))
        elif self.smoothing == "interpolated":
            p, gamma = smoothing.interpolated(trie, counts, heir)
        else:
            p, gamma, self.discounts_, self.discounts_estimated_ = smoothing.kneser_ney(
                trie, counts, self.discount, heir
            )
        self._keep(trie, p, gamma)

    def _keep(self, trie: NGramTrie, p: np.ndarray, gamma: np.ndarray) -> None:
        with np.errstate(divide="ignore"):
            logs = np.log(np.stack([p, gamma], 1))
        self.trie_ = {name: getattr(trie, name) for name in NODES} | {"logs": logs}

    # ------------------------------------------------------------------ asking

    def _inputs(self, X: Any) -> Queries:
        ours = not isinstance(X, Queries) and self.symbols_.dtype.kind == "U" and _looks_like_words(X)
        if not ours or not set(map(type, chain.from_iterable(X))) <= {str}:
            return super()._inputs(X)
        opened = _placed(X, {word: k for k, word in enumerate(self.symbols_.tolist())})
        (steps, lengths), known = ragged(opened), len(self.symbols_)
        unknown = not self._unknown_ok and bool((steps >= known).any())
        empty = not self._empty_ok and bool((lengths == 0).any())
        return super()._inputs(X) if unknown or empty else opened  # the door says what is wrong

    def _trie(self) -> NGramTrie:
        return NGramTrie(**{name: self.trie_[name] for name in NODES})

    def _walk(self) -> Walk:
        t = self.trie_
        return Walk(t["words"], t["first"], t["suffixes"], t["logs"])

    def _scored(self, steps: np.ndarray, lengths: np.ndarray, opening: int) -> np.ndarray:
        """log p of each step."""
        trie, t = self._trie(), self.trie_
        return ngram_walk.score(t["words"], t["first"], t["logs"], trie.order, trie.V, steps, lengths, opening)

    def _after(self, steps: np.ndarray, lengths: np.ndarray, opening: int) -> np.ndarray:
        """The state after each sequence."""
        trie = self._trie()
        return ngram_walk.states(*self._walk(), int(trie.levels[-2]), trie.order, steps, lengths, opening)

    def _drawn(
        self,
        states: np.ndarray,
        T: int,
        seed: int,
        end: int = -1,
        barred: int = -1,
        temperature: float = 1.0,
        top_k: int = 0,
    ) -> np.ndarray:
        """Continuations of some states, of shape (N, T), without the word that is barred; -1 after the end."""
        uniforms = np.random.default_rng(seed).random((len(states), T))
        trie = self._trie()
        top = int(trie.levels[-2])
        return ngram_walk.draw(*self._walk(), top, trie.V, states, uniforms, end, barred, 1.0 / temperature, top_k)

    def _as_symbols(self, codes: np.ndarray, labels: np.ndarray) -> Any:
        """Drawn positions as a text, where all symbols are single characters, or as an array of symbols."""
        written = labels[codes]
        return "".join(written.tolist()) if self.symbols_.dtype == np.dtype("U1") else written

    def _ready_to_draw(self, n: Any, length: Any) -> None:
        """Refuse to draw before the fit, and what is no number of sequences or steps."""
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit before drawing")
        for name, value in (("n", n), ("length", length)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ParameterError(f"{name} must be a whole number >= 1, got {value!r}")

    # ------------------------------------------------------------------ what was loaded

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name, learned = type(self).__name__, getattr(self, "trie_", None)
        if not isinstance(learned, dict) or learned.keys() != {*NODES, "logs"}:
            raise UnreadableError(f"trie_ of a stored {name} is not a trie of n-grams")
        trie, logs = self._trie(), learned["logs"]
        trie.check(name)
        sound = isinstance(logs, np.ndarray) and logs.dtype == np.float64 and logs.shape == (len(trie.words), 2)
        if not sound or np.isnan(logs).any() or not (logs <= [1e-6, 700]).all() or not logs.flags.c_contiguous:
            raise UnreadableError(f"the logarithms of a stored {name} are not those of probabilities, two a node")

    def _check_answers(self) -> None:
        answer = np.asarray(self.log_prob([self.symbols_[:1]]))
        if answer.shape != (1,) or np.isnan(answer).any():
            raise UnreadableError(f"this {type(self).__name__} does not answer one sequence with one logarithm")


def ragged(opened: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Positions (S,) and lengths (N,) of opened sequences, as arrays."""
    assert opened.lengths is not None and isinstance(opened.X, torch.Tensor)
    return opened.X[:, 0].numpy(force=True), opened.lengths.numpy(force=True)


def _looks_like_words(X: Any) -> bool:
    """Whether X is a list of lists, the first of texts, which a dictionary codes faster than sorting does."""
    lists = isinstance(X, list) and set(map(type, X)) == {list}
    return lists and type(next((part[0] for part in X if part), "")) is str


def _coded(X: list[list[str]]) -> tuple[Queries, np.ndarray] | None:
    """Positions in the sorted list of the words that there are, and that list; None where some are no texts."""
    place: defaultdict[Any, int] = defaultdict()
    place.default_factory = place.__len__  # a new word gets the next number
    lengths = torch.tensor([len(part) for part in X])
    try:
        codes = np.fromiter(map(place.__getitem__, chain.from_iterable(X)), np.int64, int(lengths.sum()))
    except TypeError:
        return None
    if not set(map(type, place)) <= {str} or not place:
        return None
    found = np.array(list(place), dtype=np.str_)
    order = np.argsort(found)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return _queries(rank[codes], lengths), found[order]


def _placed(X: list[list[str]], place: dict[str, int]) -> Queries:
    """Words as positions; the unknown as their number."""
    lengths = torch.tensor([len(part) for part in X])
    codes = map(place.get, chain.from_iterable(X), repeat(len(place)))
    return _queries(np.fromiter(codes, np.int64, int(lengths.sum())), lengths)


def _queries(steps: np.ndarray, lengths: torch.Tensor) -> Queries:
    return Queries(torch.from_numpy(steps)[:, None], True, torch.device("cpu"), torch.int64, None, lengths, True)
