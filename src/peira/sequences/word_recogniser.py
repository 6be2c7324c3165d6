r"""Recognition of isolated words: vector quantisation, and a discrete hidden Markov model for each word.

A recording comes as a sequence of vectors, cepstra say. One codebook for all words makes each vector a symbol; each
word c has a hidden Markov model of the symbols, whose states are passed from left to right, as the sounds of the word
are; and Bayes' rule decides,

.. math:: \hat c = \arg\max_c \; \log p(o_1, \dots, o_T \mid \lambda_c) + \log \pi_c

.. math:: o_t = \arg\min_k \sum_d (x_{td} - c_{kd})^2 / \sigma_d^2

with the standard deviations sigma of all steps learned from. The models are learned by Baum-Welch, each from the
recordings of its own word alone; a count of ``smoothing`` for each symbol in each state keeps possible what a word did
not show.

**Probabilities are too sure.** The model takes neighbouring frames for independent given the state, and so counts the
same evidence several times. With ``scale`` below one the log likelihoods are weakened as in every recogniser of speech;
"auto" finds the one that makes the training labels most likely when each recording is left to models of the other half.

**Use it** for a small vocabulary of words spoken one at a time, few recordings of each, and little computing time; also
for gestures and other signals that pass through phases in order. Not for running speech.

Cost: T S (K D + Q^2) for S steps, K code words, Q states. Memory: S D.

Reference: Rabiner, Levinson & Sondhi (1983), Bell System Technical Journal 62, 1075-1105; Rabiner (1989), Proceedings
of the IEEE 77, 257-286, section VI.
"""

from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, ProbabilisticClassifier, SequenceMethod, integer, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..core.iteration import sharing
from ..experience.sequences import Sequences
from ..latent.k_means import assign
from ..numerics.ragged import owners
from .categorical_hmm import CategoricalHMM
from .codebook import grow_codebook

_SCALES = np.geomspace(0.01, 1.0, 41)


class WordRecogniser(SequenceMethod, ProbabilisticClassifier):
    """Isolated words by vector quantisation and a hidden Markov model a word.

    Attributes
    ----------
    codebook_ : array of shape (K, D)
        Code words, in units of ``scale_``.
    scale_ : array of shape (D,)
        Standard deviations of the numbers of a step, 1 where one is constant.
    models_ : list of C CategoricalHMM
        One for each of ``classes_``.
    class_log_prior_ : array of shape (C,)
    likelihood_scale_ : float
        What log likelihoods are multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import WordRecogniser
    >>> rng = np.random.default_rng(0)
    >>> up = [np.linspace(0, 1, 9) + 0.1 * rng.normal(size=9) for _ in range(8)]
    >>> down = [wave[::-1] for wave in up]
    >>> model = WordRecogniser(n_codes=4, n_components=3, random_state=0).fit(up + down, ["up"] * 8 + ["down"] * 8)
    >>> model.predict([np.linspace(0.9, 0.1, 7)]).tolist()
    ['down']
    """

    card = Card(
        tasks="classification",
        reference="Rabiner, Levinson & Sondhi (1983)",
        cost="T S (K D + Q^2) for S steps, K code words and Q states",
        data="sequences",
    )
    n_codes: int = param(64, "code words, K; at most one for each different step", low=1, tune=integer(16, 256))
    n_components: int = param(5, "states of a word, Q", low=1, tune=integer(2, 10))
    topology: Literal["left-right", "linear", "bakis", "ergodic"] = param(
        "bakis", "which states follow: the same, the next, and the one after it (bakis); no skips; any later; any"
    )
    smoothing: float = param(0.1, "count of each symbol in each state, beyond those seen", above=0, tune=log(1e-3, 1.0))
    scale: Literal["auto"] | float = param("auto", "what log likelihoods are multiplied by", above=0)
    n_iter: int = param(200, "most steps of Baum-Welch for a word", low=1)
    tol: float = param(0.5, "a word's model is learned when its log posterior, nats, rises by less", low=0)
    random_state: Any = param(None, "seed of the models' starts")

    @classmethod
    def example(cls) -> "WordRecogniser":
        """Few code words and states, for few short sequences."""
        return cls(n_codes=6, n_components=2, random_state=0)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "WordRecogniser":
        """Learn the codebook, and a model for each word.

        Parameters
        ----------
        X : Sequences, or list of N arrays of shape (T, D)
            One recording each, as vectors.
        y : array of shape (N,)
            The word of each.
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal recordings.

        Raises
        ------
        ValueError
            If there are fewer than two words, or a number is not finite.

        Warns
        -----
        ConvergenceWarning
            If Baum-Welch did not converge for a word.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        w = np.ones(len(data)) if data.w is None else data.w.numpy(force=True)
        labels, C = data.codes.numpy(force=True), len(data.classes)
        mass = np.bincount(labels, weights=w, minlength=C)
        if not mass.all():
            word = data.classes.tolist()[int(mass.argmin())]
            raise DataError(f"WordRecogniser: every recording of {word!r} has weight zero; leave this word out")
        self.class_log_prior_ = np.log(mass / mass.sum())
        self.scale_ = _spread(data.X).numpy(force=True)
        with sharing(2):  # the words' models need some of a budget as well
            self.codebook_ = self._codebook(data, w)
        codes = Sequences(self._codes(data)[:, 0], data.lengths)
        self.likelihood_scale_ = self._scale(codes, labels, w, data.seed) if self.scale == "auto" else float(self.scale)
        self.models_ = self._models(codes, labels, w, data.seed)
        self.history_ = {"log_likelihood": [model.history_["log_likelihood"][-1] for model in self.models_]}
        self.n_iter_ = max(model.n_iter_ for model in self.models_)
        reasons = [model.stopped_ for model in self.models_]
        self.stopped_ = next((reason for reason in reasons if reason != "converged"), "converged")
        return self

    def align(self, X: Any) -> list[np.ndarray]:
        """The state of the winning word's model at each step: which part of the word is heard when.

        Parameters
        ----------
        X : sequences

        Returns
        -------
        list of N int arrays
            A state a step, from 0.
        """
        queries = self._queries(X)
        codes = Sequences(self._codes(queries)[:, 0], queries.lengths.numpy(force=True))
        said = self._defined(queries).argmax(1).numpy(force=True)
        paths: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(codes)
        for c in np.unique(said):
            rows = np.flatnonzero(said == c)
            for row, path in zip(rows, self.models_[c].predict(codes[rows]), strict=True):
                paths[row] = path
        return paths

    def _scores(self, queries: Queries) -> torch.Tensor:
        codes = Sequences(self._codes(queries)[:, 0], queries.lengths.numpy(force=True))
        return queries.tensor(self.likelihood_scale_ * _log_likelihoods(self.models_, codes) + self.class_log_prior_)

    def _codebook(self, data: Data, w: np.ndarray) -> np.ndarray:
        steps = data.X / data.tensor(self.scale_)
        weights = None if data.w is None else data.w[owners(data.lengths)]
        K = self.n_codes
        if len(steps) <= 16 * K:  # a word for each different step is the most there can be
            K = min(K, len(torch.unique(steps if weights is None else steps[weights > 0], dim=0)))
        return grow_codebook(steps, K, w=weights, tol=1e-3).centres.numpy(force=True)

    def _codes(self, queries: Queries) -> np.ndarray:
        """The code word of each step, int64 of shape (S, 1)."""
        steps = queries.X / queries.tensor(self.scale_)
        return assign(steps, queries.tensor(self.codebook_)).numpy(force=True)[:, None]

    def _models(
        self, codes: Sequences, labels: np.ndarray, w: np.ndarray, seed: int, later: int = 0
    ) -> list[CategoricalHMM]:
        """A model for each word. Under a budget of time each has an equal share of what is left, and so have as many
        as are to be learned ``later``."""
        models, C = [], len(self.class_log_prior_)
        for c in range(C):
            model = CategoricalHMM(
                self.n_components,
                topology=self.topology,
                symbols=np.arange(len(self.codebook_)),
                emissionprob_prior=1 + self.smoothing,
                n_iter=self.n_iter,
                tol=self.tol,
                random_state=seed,
            )
            with sharing(C - c + later):
                models.append(model.fit(codes[labels == c], sample_weight=w[labels == c]))
        return models

    def _scale(self, codes: Sequences, labels: np.ndarray, w: np.ndarray, seed: int) -> float:
        """The scale that makes labels most likely whose recordings the models have not seen; 1 if a word has only one
        recording."""
        order = np.argsort(labels, kind="stable")
        half = np.empty(len(labels), dtype=np.int64)
        half[order] = np.arange(len(labels)) % 2
        known = w > 0
        if min(len(np.unique(labels[known & (half == h)])) for h in (0, 1)) < len(self.class_log_prior_):
            return 1.0
        logs = np.empty((len(labels), len(self.class_log_prior_)))
        for h in (0, 1):
            # Of those that are kept, each has twice as many recordings to learn from, and counts as two.
            later = (3 - h) * len(self.class_log_prior_)
            models = self._models(codes[half != h], labels[half != h], w[half != h], seed, later)
            logs[half == h] = _log_likelihoods(models, codes[half == h])
        S = torch.from_numpy(_SCALES[:, None, None] * logs + self.class_log_prior_)
        told = S.log_softmax(2)[:, torch.arange(len(labels)), torch.from_numpy(labels)]
        return float(_SCALES[int((told @ torch.from_numpy(w)).argmax())])

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, C = self.n_features_in_, len(self.classes_)
        words, spread = getattr(self, "codebook_", None), getattr(self, "scale_", None)
        if not (isinstance(words, np.ndarray) and words.ndim == 2 and words.shape[1] == D and len(words)):
            raise UnreadableError(f"WordRecogniser.codebook_ should have {D} columns")
        if not (isinstance(spread, np.ndarray) and spread.shape == (D,) and (spread > 0).all()):
            raise UnreadableError(f"WordRecogniser.scale_ should hold {D} positive numbers")
        models, prior = getattr(self, "models_", None), getattr(self, "class_log_prior_", None)
        fitted = isinstance(models, list) and all(isinstance(m, CategoricalHMM) for m in models) and len(models) == C
        if not fitted or not all(len(m.symbols_) == len(words) for m in models):
            raise UnreadableError(f"WordRecogniser needs a model of {len(words)} symbols for each of {C} words")
        scale = getattr(self, "likelihood_scale_", None)
        if not (isinstance(prior, np.ndarray) and prior.shape == (C,)) or not (isinstance(scale, float) and scale > 0):
            raise UnreadableError(f"WordRecogniser needs {C} log priors, and a positive scale of likelihoods")


def _log_likelihoods(models: list[CategoricalHMM], codes: Sequences) -> np.ndarray:
    """How likely each sequence is under each model, of shape (N, C)."""
    return np.stack([model.log_prob(codes) for model in models], 1)


def _spread(X: torch.Tensor) -> torch.Tensor:
    """The standard deviation of each column, 1 of one that is constant."""
    largest = X.abs().amax(0).clamp(min=torch.finfo(X.dtype).tiny)
    spread = (X / largest).std(0, unbiased=False)
    return torch.where(spread > 1e-12, spread * largest, 1.0)
