r"""Tagging by a hidden Markov model whose states are the labels: learning is counting.

.. math:: \pi_j \propto n(y_1 = j) + a, \quad A_{ij} \propto n(y_t = i, y_{t+1} = j) + a

and what a label shows is learned from the steps that have it.

Where every step of the learning sequences has its label, nothing is hidden, and the maximum of the likelihood is known
at once. New sequences are labelled jointly, by the most probable path; the probabilities of each step's label are the
posteriors. Of symbols, those that were never seen get the share of those that were seen once with the label
(Good 1953): a new word is more likely a name than an article.

Steps are thought to be independent given their labels. Where they are not (overlapping features, suffixes), a
recurrent tagger or a conditional model does better; with few labelled sequences, counting is hard to beat.

Cost: S D for a fit (full covariances S D^2); S C^2 for C labels to tag S steps.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286; Brants (2000), TnT, ANLP 6, 224-231; Good (1953),
Biometrika 40, 237-264.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch

from ..core import Card, SequenceMethod, SymbolMethod, Tagger, UnreadableError, choice, log, param
from ..core.inputs import Data, Queries
from .baum_welch import Steps, decode, expect
from .categorical_hmm import CategoricalEmissions
from .emissions import Emissions
from .gaussian_emissions import Extent, GaussianEmissions, Shape, covariance_ends
from .gaussian_hmm import gaussian_prior, require_positive, spread
from .hmm_checks import learned_numbers, learned_rows
from .hmm_start import indicators
from .state_chain import Chain


class MarkovTagger(Tagger):
    """Base of the taggers that count transitions between labels; a subclass adds what the labels show."""

    alpha: float = param(0.1, "added to every count of a first label or a transition", low=0, tune=log(1e-3, 10.0))

    @abstractmethod
    def _learn_emissions(self, steps: Steps, G: np.ndarray) -> None:
        """Set the learned attributes of the emissions; G (S, C) says which label each step has."""

    @abstractmethod
    def _emissions(self) -> Emissions:
        """The emissions from the learned attributes."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Count first labels, transitions and what each label shows.

        Parameters
        ----------
        X : sequences
            N of them, S steps in all.
        y : list of N arrays, or Sequences
            A label for every step.
        sample_weight : array of shape (N,), optional
            Of the sequences.
        """
        data = self._begin(X, y, sample_weight)
        steps, codes, C = self._steps(data), data.codes.numpy(force=True), len(data.classes)
        per_step, ends = np.repeat(steps.w, steps.lengths), np.cumsum(steps.lengths)
        pi = np.bincount(codes[ends - steps.lengths], weights=steps.w, minlength=C) + self.alpha
        inner = np.ones(len(codes), dtype=bool)
        inner[ends - 1] = False
        at = np.flatnonzero(inner)
        pairs = codes[at] * C + codes[np.minimum(at + 1, len(codes) - 1)]
        A = np.bincount(pairs, weights=per_step[at], minlength=C * C).reshape(C, C) + self.alpha
        A[A.sum(1) == 0] = 1.0  # a label after which nothing was seen to come
        self.startprob_, self.transmat_ = pi / pi.sum(), A / A.sum(1, keepdims=True)
        self._learn_emissions(steps, indicators(codes, C, per_step))
        return self

    def _steps(self, queries: Queries) -> Steps:
        lengths = queries.lengths.numpy(force=True)
        w = queries.w if isinstance(queries, Data) else None
        weights = np.ones(len(lengths)) if w is None else w.numpy(force=True)
        return Steps(np.ascontiguousarray(queries.X.numpy(force=True)), lengths, weights)

    def _log_probs(self, queries: Queries) -> torch.Tensor:
        steps = self._steps(queries)
        P = np.empty((len(steps.X), len(self.classes_)))
        expect(Chain(self.startprob_, self.transmat_), self._emissions(), steps, P)
        P[P.sum(1) == 0] = 1.0  # a sequence that cannot be says nothing
        with np.errstate(divide="ignore"):
            return torch.from_numpy(np.log(P / P.sum(1, keepdims=True))).to(queries.device)

    def _path(self, queries: Queries) -> torch.Tensor:
        chain = Chain(self.startprob_, self.transmat_)
        return torch.from_numpy(decode(chain, self._emissions(), self._steps(queries))[0]).to(queries.device)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        C = len(self.classes_)
        learned_rows(self, "startprob_", (C,))
        learned_rows(self, "transmat_", (C, C))
        if self._emissions().K != C:
            raise UnreadableError(f"{type(self).__name__} has {C} labels and emissions of {self._emissions().K}")


class HMMTagger(SymbolMethod, MarkovTagger):
    """Tagger of sequences of symbols (words), by counting.

    Attributes
    ----------
    startprob_, transmat_ : arrays of shape (C,) and (C, C)
    emissionprob_ : array of shape (C, V + 1)
        How probable each symbol is with each label; in the last column, any that was never seen.

    Examples
    --------
    >>> words = [["the", "dog", "runs"], ["a", "cat", "runs"], ["the", "cat", "sleeps"]]
    >>> kinds = [["DET", "NOUN", "VERB"]] * 3
    >>> HMMTagger().fit(words, kinds).predict([["the", "cat", "jumps"]])[0].tolist()
    ['DET', 'NOUN', 'VERB']
    """

    card = Card(
        tasks="tagging",
        reference="Brants (2000); Rabiner (1989)",
        cost="S for a fit, S C^2 to tag S steps of T in all with C labels, N sequences",
        exact=True,
        missing=True,
        data="symbols",
    )
    _unknown_ok = True

    beta: float = param(0.01, "added to every count of a symbol with a label", above=0, tune=log(1e-4, 1.0))

    def _learn_emissions(self, steps: Steps, G: np.ndarray) -> None:
        V, C = len(self.symbols_), G.shape[1]
        start = CategoricalEmissions(np.full((C, V), 1.0 / V))
        counts = start.statistics(steps.X, G)[0]
        x = steps.X[:, 0]
        once = np.bincount(x[x >= 0], minlength=V) == 1
        B = np.hstack([counts, counts[:, once].sum(1, keepdims=True)]) + self.beta
        self.emissionprob_ = B / B.sum(1, keepdims=True)

    def _emissions(self) -> CategoricalEmissions:
        return CategoricalEmissions(learned_rows(self, "emissionprob_", (-1, len(self.symbols_) + 1)))


class GaussianHMMTagger(SequenceMethod, MarkovTagger):
    """Tagger of sequences of vectors: a Gaussian for each label, by counting.

    Attributes
    ----------
    startprob_, transmat_ : arrays of shape (C,) and (C, C)
    means_ : array of shape (C, D)
    covars_ : array
        Of shape (C, D, D) for "full", (D, D) for "tied", (C, D) for "diag" and (C,) for "spherical".

    Examples
    --------
    >>> speeds = [[0.1, 0.0, 5.2, 4.9, 0.2], [5.1, 5.0, 0.1]]
    >>> doing = [["rest", "rest", "run", "run", "rest"], ["run", "run", "rest"]]
    >>> GaussianHMMTagger().fit(speeds, doing).predict([[0.0, 4.8, 5.5]])[0].tolist()
    ['rest', 'run', 'run']
    """

    card = Card(
        tasks="tagging",
        reference="Rabiner (1989)",
        cost="S D^2 for a fit, S (C^2 + C D^2) to tag S steps of T in all with C labels, N sequences",
        exact=True,
        missing=True,
        data="sequences",
    )

    covariance_type: Shape = param("full", "form of the covariances", tune=choice("full", "tied", "diag", "spherical"))
    means_prior: float | list | np.ndarray = param(0.0, "centre of the prior of the means", low=-1e300)
    means_weight: float | list | np.ndarray = param(0.0, "its weight, in steps", low=0)
    covars_prior: float | list | np.ndarray | None = param(
        None, "scale of the prior of the covariances, a sum of squares; None: a hundredth of the variances", low=0
    )
    covars_weight: float = param(1.0, "its weight", low=0)

    def _learn_emissions(self, steps: Steps, G: np.ndarray) -> None:
        shape, (C, D) = self.covariance_type, (G.shape[1], steps.X.shape[1])
        centre, variance = spread(steps.X, type(self).__name__)
        wide = {"full": np.diag(variance), "tied": np.diag(variance), "diag": variance, "spherical": variance.mean()}
        covars = np.array(np.broadcast_to(wide[shape], covariance_ends(shape, C, D)))
        prior, extent = gaussian_prior(self, variance, (C, D)), Extent.of(steps.X)
        found = GaussianEmissions(shape, np.tile(centre, (C, 1)), covars, prior, extent)
        found = found.maximise(found.statistics(steps.X, G), "mc")
        self.means_, self.covars_ = found.means, found.covars

    def _emissions(self) -> GaussianEmissions:
        D = self.n_features_in_
        C = len(learned_numbers(self, "means_", (-1, D)))
        covars = learned_numbers(self, "covars_", covariance_ends(self.covariance_type, C, D))
        require_positive(self.covariance_type, covars, type(self).__name__)
        return GaussianEmissions(self.covariance_type, self.means_, covars)
