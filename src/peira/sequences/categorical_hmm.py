r"""Hidden Markov models that show symbols: one of V, with probabilities of each state's own.

.. math:: P(x_t = v \mid z_t = k) = B_{kv}

Baum-Welch makes each row of B the expected share of the symbols that the state shows,

.. math:: B_{kv} \propto \alpha_{kv} - 1 + \sum_{t : x_t = v} \gamma_t(k)

For texts, gestures and sounds after quantisation, genes; of words there are too many for what the data say of each,
unless a prior (``emissionprob_prior``) fills the gaps. The likelihood has many maxima: restart (``n_init``).

Cost of a step of learning: S K (K + 1) for S steps in all.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286, eq. 40c.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core import Card, SymbolMethod, UnreadableError, param
from ..core.inputs import Data
from ..core.predictive import Categorical
from ..numerics.compile import compiled
from .baum_welch import Steps
from .emissions import RowEmissions, Sums
from .hidden_markov_model import HiddenMarkovModel
from .hmm_checks import dirichlet_prior, given_rows, learned_rows


@compiled
def add_by_symbol(codes: np.ndarray, G: np.ndarray, sums: np.ndarray) -> None:
    """Add each row of G (n, K) to the row of sums (V, K) of its symbol; -1 is none."""
    K = G.shape[1]
    for s in range(len(codes)):
        v = codes[s]
        if v >= 0:
            for k in range(K):
                sums[v, k] += G[s, k]


@dataclass(frozen=True)
class CategoricalEmissions(RowEmissions):
    """Rows B (K, V) of probabilities of V symbols, and their Dirichlet prior."""

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return self._table(np.log(self.B), 0.0)[X[:, 0]]

    def scaled(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        # Probabilities are looked up, not computed, and the same scale serves all steps with a symbol.
        top = np.where((top := self.B.max(0)) > 0, top, 1.0)
        return self._table(self.B / top, 1.0)[X[:, 0]], np.append(np.log(top), 0.0)[X[:, 0]], False

    def _table(self, values: np.ndarray, missing: float) -> np.ndarray:
        """A row a symbol, and a last one, which the position -1 finds, for a missing symbol."""
        return np.vstack([values.T, np.full(len(self.B), missing)])

    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        counts = np.zeros(self.B.T.shape)
        add_by_symbol(X[:, 0], G, counts)
        return (counts.T,)

    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        steps = self.B.cumsum(1)[states]
        u = rng.random(len(states)) * steps[:, -1]
        return np.minimum((u[:, None] >= steps).sum(1), self.B.shape[1] - 1)[:, None]


class CategoricalHMM(SymbolMethod, HiddenMarkovModel):
    """Hidden Markov model of sequences of symbols.

    Attributes
    ----------
    emissionprob_ : array of shape (K, V)
        How probable each symbol of ``symbols_`` is in each state.
    symbols_ : array of shape (V,)

    Examples
    --------
    A doctor hears how a patient feels, and wants to know about the fever (Viterbi's path):

    >>> clinic = CategoricalHMM.from_parts(
    ...     [0.6, 0.4], [[0.7, 0.3], [0.4, 0.6]], [[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]], ["dizzy", "cold", "normal"]
    ... )
    >>> clinic.predict([["normal", "cold", "dizzy"]])[0].tolist()
    [0, 0, 1]
    >>> float(np.exp(clinic.log_prob([["normal", "cold", "dizzy"]]))[0].round(5))
    0.03628
    """

    card = Card(
        tasks="density",
        reference="Rabiner (1989), eqs 19 to 40",
        cost="S K^2 a step of Baum-Welch, for S steps in all",
        missing=True,
        data="symbols",
    )

    params: str = param("ste", "which parts are learned: s initial, t transitions, e emissions")
    emissionprob_prior: float | list | np.ndarray = param(1.0, "Dirichlet prior of each state's symbols", low=1)
    emissionprob_init: list | np.ndarray | None = param(None, "emissions to start from, of shape (K, V)")
    symbols: list | np.ndarray | None = param(None, "the symbols there are, if the data need not hold them all")

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0)

    @classmethod
    def from_parts(cls, startprob: Any, transmat: Any, emissionprob: Any, symbols: Any = None, **settings: Any) -> Self:
        """A model whose parts are known, without learning.

        Parameters
        ----------
        startprob, transmat, emissionprob : arrays of shape (K,), (K, K) and (K, V)
        symbols : list of V symbols, optional
            In the order of the columns of ``emissionprob``; 0 ... V - 1 without.
        **settings
            Parameters of the method.
        """
        B = np.array(emissionprob, dtype=np.float64)
        names = np.arange(B.shape[-1]) if symbols is None else np.asarray(list(symbols))
        order = names.argsort(kind="stable")
        learned = {"symbols_": names[order], "emissionprob_": B[..., order] if B.shape[-1:] == names.shape else B}
        return cls._from_parts(1, startprob, transmat, learned, settings)

    def _open_fit(self, X: Any, sample_weight: Any) -> Data:
        self._check_parameters()
        return self._begin(X, None, sample_weight, symbols=self.symbols)

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> CategoricalEmissions:
        K, V, x = self.n_components, len(self.symbols_), steps.X[:, 0]
        prior = dirichlet_prior(self, "emissionprob_prior", (K, V))
        share = (np.bincount(x[x >= 0], minlength=V) + 1.0) / ((x >= 0).sum() + V)
        B = np.random.default_rng(seed).dirichlet(np.ones(V), K) + share
        if labels is not None:  # cut from the sequences, or given
            told = np.flatnonzero((labels >= 0) & (x >= 0))
            counts = np.bincount(labels[told] * V + x[told], minlength=K * V).reshape(K, V)
            B = counts + 0.1 * B
        return CategoricalEmissions(given_rows(self, "emissionprob_init", (K, V), B / B.sum(1, keepdims=True)), prior)

    def _emissions(self) -> CategoricalEmissions:
        symbols = getattr(self, "symbols_", None)
        if not isinstance(symbols, np.ndarray):
            raise UnreadableError(f"{type(self).__name__} has no symbols")
        return CategoricalEmissions(learned_rows(self, "emissionprob_", (-1, len(symbols))))

    def _keep(self, emissions: CategoricalEmissions) -> None:
        self.emissionprob_ = emissions.B

    def _shown(self, steps: np.ndarray) -> np.ndarray:
        return self.symbols_[steps[:, 0]]

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Categorical:
        return Categorical(P @ self.emissionprob_, self.symbols_, as_numpy=as_numpy)
