r"""Markov chains of any order: what comes next depends on the last few symbols, and on nothing before them.

.. math:: p(x_1 \ldots x_T) = \prod_t P(x_t \mid x_{t-m} \ldots x_{t-1})

At the beginning, where there are fewer than m symbols, those that there are, and that it is the beginning, are what is
known: the first symbol has a distribution of its own. The end is not modelled: a density compares sequences of one
length. (`NGramModel` predicts the end too.)

Transition probabilities are counts, smoothed (`peira.sequences.smoothing`). With ``alpha=0`` they are those of maximum
likelihood,

.. math:: P(j \mid i) = n_{ij} / n_i

where a context that was never left is uniform, as in the limit of a small ``alpha``.

**What the chain implies** is computed in closed form (`peira.sequences.chain_analysis`): stationary distribution,
classes of states and their periods, absorption, hitting and mixing times, spectral gap, entropy rate. A chain of order
m is one of order 1 over its K^m contexts, and is analysed as such.

**Missing steps** (None): counted is what stands between them; a likelihood is summed over everything that they may have
been, exactly.

**Use it** for sequences of few symbols, for queues, games, weather, page views, and wherever the analysis is the point.
If the state itself is not seen, take a hidden Markov model; for words, `NGramModel`.

Cost: counting takes T m steps for T symbols in all; analysis K^(3m), up to 4,096 contexts.

Reference: Markov (1913), An example of statistical investigation of the text Eugene Onegin; Kemeny & Snell (1960),
Finite Markov Chains; Norris (1997), Markov Chains.
"""

from itertools import product
from typing import Any, Self

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, UnreadableError, integer, param
from ..core.inputs import Queries
from ..core.seeds import draw_seed
from . import chain_analysis as analysis
from . import ngram_walk
from .chain_analysis import Absorption, StateClass
from .context_model import ContextModel, ragged
from .ngram_trie import NGramTrie, merged
from .transition_graph import plot_transitions

MOST = 4096  # contexts that are analysed densely


class MarkovChain(ContextModel):
    """Markov chain of any order, and everything that its transition matrix implies.

    Attributes
    ----------
    symbols_ : array of shape (K,)
        The states, sorted.
    startprob_ : array of shape (K,)
        How likely a sequence begins with each.
    transmat_ : array of shape (K^m, K)
        How likely each symbol follows each context; for order 1, each state.
    trie_ : dict of arrays
        Every n-gram that was seen, with its log probability.
    counts_ : array of shape (M,)
        How often each of them was; missing where the matrix was given.

    Examples
    --------
    >>> from peira.sequences import MarkovChain
    >>> chain = MarkovChain(alpha=0.0).fit(["sunny rainy rainy sunny sunny sunny rainy sunny".split()])
    >>> chain.transmat_.round(3).tolist()
    [[0.333, 0.667], [0.5, 0.5]]
    >>> chain.stationary().round(3).tolist()
    [0.429, 0.571]
    >>> round(chain.entropy_rate(), 4)
    0.6689
    """

    card = Card(
        tasks="density",
        reference="Markov (1913); Kemeny & Snell (1960)",
        cost="T K^2",
        exact=True,
        incremental="equals one fit",
        missing=True,
        data="symbols",
    )
    order: int = param(1, "symbols that the next one depends on", low=1, high=31, tune=integer(1, 4), positional=True)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, symbols: Any = None) -> Self:
        """Count transitions and smooth them.

        Parameters
        ----------
        X : Sequences, list of lists, list of texts, or array
        y : ignored
        sample_weight : array of shape (N,), optional
            How often each sequence counts; whole numbers with Kneser-Ney smoothing.
        symbols : sequence of symbols, optional
            Those there are, where some may be missing from ``X``.

        Returns
        -------
        MarkovChain

        Raises
        ------
        DataError
            If there is no sequence, one is empty, or a step is no symbol or not among ``symbols``.
        """
        steps, lengths, weights = self._opened(X, sample_weight, symbols)
        K, N = len(self.symbols_), len(lengths)
        framed = np.full(len(steps) + N, K, dtype=np.int64)
        inner = np.ones(len(framed), dtype=bool)
        inner[np.cumsum(lengths + 1) - lengths - 1] = False
        framed[inner] = steps
        self.counts_ = self._learn(framed, lengths + 1, K, int(self.order) + 1, weights)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, symbols: Any = None) -> Self:
        """Count more sequences: what all parts together say is what one fit would.

        Parameters
        ----------
        X : as in `fit`
            Symbols that no part has had yet are added.
        y : ignored
        sample_weight : array of shape (N,), optional
        symbols : sequence of symbols, optional
            Further ones there are.

        Returns
        -------
        MarkovChain

        Raises
        ------
        DataError
            As `fit` does; if the matrix was given, so that there are no counts; if numbers come after texts.
        ParameterError
            If ``order`` has changed.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, sample_weight=sample_weight, symbols=symbols)
        name = type(self).__name__
        if not hasattr(self, "counts_"):
            raise DataError(f"the matrix of this {name} was given, so that there are no counts to add to: call fit")
        part = type(self)(**self.get_params(deep=False)).fit(X, sample_weight=sample_weight, symbols=symbols)
        if part._m != self._m:
            raise ParameterError(f"this {name} has counted with order={self._m}, and cannot go on with {part._m}")
        if part.symbols_.dtype.kind != self.symbols_.dtype.kind:
            raise DataError(
                f"this {name} has learned from symbols such as {self.symbols_[0].item()!r}, got "
                f"{part.symbols_[0].item()!r}: texts and numbers are no symbols of one chain"
            )
        both = np.union1d(self.symbols_, part.symbols_)
        parts = [(m._trie(), m.counts_, both.searchsorted(m.symbols_)) for m in (self, part)]
        trie, counts = merged(parts, len(both))
        self._smooth(trie, counts)
        self.symbols_, self.counts_ = both, counts
        return self

    @classmethod
    def of(cls, transmat: Any, symbols: Any = None, startprob: Any = None) -> Self:
        """The chain of order 1 with a transition matrix that is known.

        Parameters
        ----------
        transmat : array of shape (K, K)
            Rows sum to one.
        symbols : sequence of K texts or whole numbers, sorted, optional
            0 ... K - 1 without it.
        startprob : array of shape (K,), optional
            Uniform without it.

        Returns
        -------
        MarkovChain

        Raises
        ------
        DataError
            If a row is no distribution, or the symbols are not sorted, distinct and K.

        Examples
        --------
        >>> chain = MarkovChain.of([[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 1]])
        >>> chain.absorption().steps.tolist()
        [2.0, 2.0]
        """
        P = np.asarray(transmat, dtype=np.float64)
        if P.ndim != 2 or P.shape[0] != P.shape[1] or not len(P):
            raise DataError(f"{cls.__name__}.of expected a square transition matrix, got shape {P.shape}")
        K = len(P)
        start = np.full(K, 1 / K) if startprob is None else np.asarray(startprob, dtype=np.float64)
        names = np.arange(K) if symbols is None else np.asarray(symbols)
        if start.shape != (K,):
            raise DataError(f"startprob must have a number for each of {K} states, got shape {start.shape}")
        rows = np.vstack([P, start])
        bad = ~((rows >= 0).all(1) & (np.abs(rows.sum(1) - 1) <= 1e-9))
        if bad.any():
            i = int(bad.argmax())
            what = "startprob" if i == K else f"row {i} of the transition matrix"
            raise DataError(f"{what} is no distribution: it sums to {rows[i].sum():g}, its least is {rows[i].min():g}")
        if names.shape != (K,) or names.dtype.kind not in "iU" or not (names[1:] > names[:-1]).all():
            raise DataError(f"symbols must be {K} distinct texts or whole numbers in ascending order, like the rows")
        chain = cls(alpha=0.0)
        chain.n_features_in_, chain.symbols_ = 1, names
        M = K + 2 + K * (K + 1)
        trie = NGramTrie(
            np.array([0, 1, K + 2, M]),
            np.concatenate([[-1], np.arange(K + 1), np.tile(np.arange(K), K + 1)]).astype(np.int32),
            np.concatenate([[1], K + 2 + K * np.arange(K + 2), np.full(K * (K + 1), K + 2 + K * (K + 1))]).astype(
                np.int32
            ),
            np.concatenate([np.zeros(K + 2), np.tile(1 + np.arange(K), K + 1)]).astype(np.int32),
        )
        p = np.concatenate([[1.0], np.full(K, 1 / K), [0.0], (rows / rows.sum(1, keepdims=True)).ravel()])
        chain._keep(trie, p, np.concatenate([[1.0], np.zeros(K + 1), np.ones(K * (K + 1))]))
        return chain

    # ------------------------------------------------------------------ how likely, and what next?

    def _log_density(self, queries: Queries) -> torch.Tensor:
        steps, lengths = ragged(queries)
        trie, owner = self._trie(), np.repeat(np.arange(len(lengths)), lengths)
        gaps = np.bincount(owner, steps < 0, minlength=len(lengths)) > 0
        sums = np.empty(len(lengths))
        whole = self._scored(steps[~gaps[owner]], lengths[~gaps], trie.opening)
        sums[~gaps] = np.bincount(np.repeat(np.arange((~gaps).sum()), lengths[~gaps]), whole, minlength=(~gaps).sum())
        sums[gaps] = ngram_walk.score_with_gaps(
            *self._walk(), int(trie.levels[-2]), trie.V, steps[gaps[owner]], lengths[gaps], trie.opening
        )
        return torch.from_numpy(sums).to(queries.device)

    def sample(self, n: int = 1, given: Any = None, *, length: int = 200, random_state: Any = None) -> list[Any]:
        """Draw sequences, or continuations of one.

        Parameters
        ----------
        n : int, default 1
        given : text or sequence of symbols, optional
            What the sequences go on from; it is not repeated in the answer.
        length : int, default 200
            Symbols of each.
        random_state : int, generator or None
            None draws a seed.

        Returns
        -------
        list of n texts, if all symbols are single characters, or of n arrays of symbols
        """
        self._ready_to_draw(n, length)
        opening = self._trie().opening
        states = np.full(n, opening, dtype=np.int64)
        if given is not None:
            queries = self._queries([given])
            steps, lengths = ragged(queries)
            if (steps < 0).any():
                raise DataError(f"{type(self).__name__} goes on from symbols that are known; one in given is missing")
            states[:] = self._after(steps, lengths, opening)
        drawn = self._drawn(states, int(length), draw_seed(random_state))
        return [self._as_symbols(row, self.symbols_) for row in drawn]

    def bic(self, X: Any) -> float:
        """Bayes' information criterion -2 log L + p log S over S steps; lower is better (Katz 1981)."""
        return self._criterion(X, float(np.log(len(self._queries(X).X))))

    def aic(self, X: Any) -> float:
        """Akaike's information criterion -2 log L + 2 p; lower is better."""
        return self._criterion(X, 2.0)

    def _criterion(self, X: Any, price: float) -> float:
        K = len(self.symbols_)
        p = (K - 1) * sum(float(K) ** n for n in range(self._m + 1))  # of the beginnings, and of every context
        return -2 * float(np.sum(np.asarray(self.log_prob(X)))) + price * p

    # ------------------------------------------------------------------ the matrix and what it implies

    @property
    def startprob_(self) -> np.ndarray:
        return ngram_walk.distributions(*self._walk(), np.array([self._trie().opening]), len(self.symbols_))[0]

    @property
    def _m(self) -> int:
        return self._trie().order - 1

    @property
    def contexts(self) -> list[Any]:
        """The symbols, or for a higher order the tuples of them, that the rows of ``transmat_`` belong to."""
        symbols = self.symbols_.tolist()
        return symbols if self._m == 1 else list(product(symbols, repeat=self._m))

    @property
    def transmat_(self) -> np.ndarray:
        K, m = len(self.symbols_), self._m
        if K**m > MOST and m > 1:
            raise DataError(
                f"this {type(self).__name__} has {K}^{m} contexts, and at most {MOST} are written as a matrix; "
                "log_prob and sample work without it"
            )
        codes = np.stack(np.meshgrid(*[np.arange(K)] * m, indexing="ij"), -1).reshape(-1)
        states = self._after(codes, np.full(K**m, m), 0)
        return ngram_walk.distributions(*self._walk(), states, K)

    def _square(self) -> np.ndarray:
        """The transition matrix over contexts (K^m, K^m): each moves on by one symbol."""
        T = self.transmat_
        M, K = T.shape
        if self._m == 1:
            return T
        if M > MOST:
            raise DataError(f"this {type(self).__name__} has {M} contexts, and at most {MOST} are analysed")
        P = np.zeros((M, M))
        P[np.arange(M)[:, None], (np.arange(M)[:, None] * K + np.arange(K)) % M] = T
        return P

    def classes(self) -> list[StateClass]:
        """The classes of states (for a higher order: of contexts, as positions in ``contexts``)."""
        return analysis.classes(self._square())

    def stationary(self) -> np.ndarray:
        """The stationary distribution over contexts, of shape (K^m,): what share of time is spent in each.

        Raises
        ------
        DataError
            If it is not unique.
        """
        return analysis.the_stationary(self._square(), type(self).__name__)

    def stationary_distributions(self) -> np.ndarray:
        """One for each recurrent class, of shape (classes, K^m)."""
        return analysis.stationary(self._square())

    def absorption(self) -> Absorption:
        """How the chain leaves its transient states: visits, steps, variance, and where it ends."""
        return analysis.absorption(self._square())

    def hitting_times(self, targets: Any) -> np.ndarray:
        """Steps expected until some contexts are first entered, from each, of shape (K^m,); infinite if not sure."""
        return analysis.hitting(self._square(), self._positions(targets))[1]

    def hitting_probabilities(self, targets: Any) -> np.ndarray:
        """The probability that some contexts are ever entered, from each, of shape (K^m,)."""
        return analysis.hitting(self._square(), self._positions(targets))[0]

    def first_passages(self) -> np.ndarray:
        """Mean steps from each context to each (on the diagonal: back again), (K^m, K^m), of an irreducible chain."""
        P = self._square()
        if len(analysis.classes(P)) > 1:
            raise DataError(f"this {type(self).__name__} is not irreducible: ask hitting_times(targets) instead")
        return analysis.first_passages(P, analysis.stationary(P)[0])

    def spectral_gap(self) -> float:
        """1 - the second largest modulus of the eigenvalues; 1 / gap is the relaxation time."""
        return 1.0 - analysis.second_eigenvalue(self._square())

    def mixing_time(self, epsilon: float = 0.25) -> float:
        """Steps until the chain is within ``epsilon`` (total variation) of stationary, from anywhere; or infinity."""
        if not 0 < epsilon < 1:
            raise ParameterError(f"epsilon must lie between 0 and 1, got {epsilon!r}")
        P = self._square()
        return analysis.mixing_time(P, analysis.the_stationary(P, type(self).__name__), epsilon)

    def entropy_rate(self) -> float:
        """The entropy of a symbol given those before it, in nats, when the chain is stationary."""
        return analysis.entropy_rate(P := self._square(), analysis.the_stationary(P, type(self).__name__))

    def plot(self, ax: Any = None, least: float = 0.02) -> Any:
        """Draw the transition graph; transitions less likely than ``least`` are left out."""
        P = self._square()
        found = analysis.stationary(P)
        names = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in self.contexts]
        return plot_transitions(P, names, found[0] if len(found) == 1 else None, least, ax)

    plot_transitions = plot

    def _positions(self, targets: Any) -> np.ndarray:
        contexts = {context: i for i, context in enumerate(self.contexts)}
        targets = targets.tolist() if isinstance(targets, np.ndarray) else targets
        asked = [targets] if isinstance(targets, str) or not isinstance(targets, list | set) else targets
        asked = [tuple(t) if isinstance(t, list) else t for t in asked]
        unknown = [t for t in asked if t not in contexts]
        if unknown or not asked:
            raise DataError(f"targets must be contexts of this chain, such as {self.contexts[0]!r}; got {unknown}")
        return np.array([contexts[t] for t in asked])

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and (len(self.symbols_) != self._trie().V or self._trie().order < 2):
            raise UnreadableError(f"the states of a stored {type(self).__name__} are not those of its n-grams")
        counts = getattr(self, "counts_", None)
        if counts is not None and not (
            isinstance(counts, np.ndarray)
            and counts.dtype == np.float64
            and counts.shape == self._trie().words.shape
            and bool((np.isfinite(counts) & (counts >= 0)).all())
        ):
            raise UnreadableError(f"counts_ of a stored {type(self).__name__} should be a count of each n-gram")
