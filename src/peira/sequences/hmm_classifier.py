r"""Sequence classification by hidden Markov models: one for each class, and Bayes' rule.

.. math:: P(c \mid x) \propto P(c) \, p(x \mid \theta_c)

Each model learns from the sequences of its class alone, and a new one belongs to the class under which it is most
probable, times the class's share. Sequences may differ in length and speed: a chain lingers. For words, gestures,
gaits, machines that wear; adding a class touches no other. Where classes differ in few details, models that learn to
tell them apart (recurrent nets, reservoirs) do better, and the probabilities of long sequences are too sure.

Cost of a step of learning: S (K^2 + K D) for S steps in all.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286, section VI.
"""

import warnings
from abc import abstractmethod
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ..core import (
    Card,
    ProbabilisticClassifier,
    SequenceMethod,
    SymbolMethod,
    UnreadableError,
    choice,
    integer,
    log,
    param,
)  # fmt: skip
from ..core.inputs import Queries
from ..core.iteration import iterate, sharing
from ..core.seeds import derive
from .baum_welch import Steps, evaluate
from .categorical_hmm import CategoricalHMM
from .gaussian_emissions import Shape
from .gaussian_hmm import GaussianHMM
from .gmm_hmm import GMMHMM
from .hidden_markov_model import HiddenMarkovModel
from .state_chain import Topology


class Part(NamedTuple):
    """Some of the sequences, as the door takes them."""

    values: np.ndarray
    lengths: np.ndarray


class MarkovClassifier(ProbabilisticClassifier):
    """Base of the classifiers with a hidden Markov model for each class."""

    n_components: int = param(3, "states of each class's model, K", low=1, tune=integer(1, 8), positional=True)
    topology: Topology = param("ergodic", "which transitions there are", tune=choice("ergodic", "left-right", "bakis"))
    n_iter: int = param(50, "most steps of Baum-Welch a class", low=1)
    tol: float = param(1e-4, "learning ends when the log posterior rises by less, nats a step of a sequence", low=0)
    n_init: int = param(1, "runs from different starts for each class; the best is kept", low=1)
    class_prior: Literal["counts", "uniform"] = param("counts", "how probable the classes are before anything is seen")
    random_state: int | np.random.RandomState | None = param(None, "seed of the starts")

    @abstractmethod
    def _model(self, seed: int, tol: float) -> HiddenMarkovModel:
        """A model of one class, to be fitted."""

    @abstractmethod
    def _values(self, queries: Queries) -> np.ndarray:
        """The steps as a class's model takes them."""

    def _lesson(self, values: np.ndarray) -> np.ndarray:
        """The same for the door of the model's ``fit``."""
        return values

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn a model for each class.

        Parameters
        ----------
        X : sequences
            N of them.
        y : array of shape (N,)
            The label of each sequence.
        sample_weight : array of shape (N,), optional

        Warns
        -----
        ConvergenceWarning
            Once, if the models of some classes did not converge.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        values, lengths = self._values(data), data.lengths.numpy(force=True)
        w = np.ones(len(lengths)) if data.w is None else data.w.numpy(force=True)
        codes, owner, C = data.codes.numpy(force=True), np.repeat(np.arange(len(lengths)), lengths), len(data.classes)

        def learned(c: int) -> HiddenMarkovModel:
            mine = (codes == c) & (w > 0)
            part = Part(self._lesson(values[mine[owner]]), lengths[mine])
            model = self._model(derive(data.seed, c), self.tol * int(lengths[mine].sum()))
            return model.fit(part, sample_weight=None if data.w is None else w[mine])

        self.models_ = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for step in iterate(self, C, name="classes"):
                with sharing(C - step.index):
                    self.models_.append(learned(step.index))
                step.record(log_posterior=self.models_[-1].restarts_.max())
            self.models_ += [learned(c) for c in range(len(self.models_), C)]  # one step each, so as to have a say
        late = [
            str(label)
            for label, model in zip(data.classes, self.models_, strict=True)
            if not model.converged_ and model.stopped_ == "max_iter"
        ]
        p = np.bincount(codes, w, C) if self.class_prior == "counts" else np.ones(C)
        self.class_prior_ = p / p.sum()
        if late and self.tol > 0:
            warnings.warn(
                f"{type(self).__name__}: the models of {len(late)} classes ({', '.join(late[:5])}) did not converge in "
                f"{self.n_iter} steps; raise n_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        lengths = queries.lengths.numpy(force=True)
        steps = Steps(self._values(queries), lengths, np.ones(len(lengths)))
        logs = [evaluate(model._chain(), model._emissions(), steps) for model in self.models_]
        with np.errstate(divide="ignore"):
            return torch.from_numpy(np.stack(logs, 1) + np.log(self.class_prior_)).to(queries.device)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        models, prior, C = getattr(self, "models_", None), getattr(self, "class_prior_", None), len(self.classes_)
        if not (isinstance(models, list) and len(models) == C and all(type(m) in self._kinds() for m in models)):
            raise UnreadableError(f"{type(self).__name__}.models_ should hold a model for each of {C} classes")
        if not all(m.__sklearn_is_fitted__() and m.n_features_in_ == self.n_features_in_ for m in models):
            raise UnreadableError(f"{type(self).__name__}.models_ should all be fitted to the same columns")
        if not (isinstance(prior, np.ndarray) and prior.shape == (C,) and (prior >= 0).all() and prior.sum() > 0):
            raise UnreadableError(f"{type(self).__name__}.class_prior_ should hold {C} probabilities")
        for model in models:
            model._check_learned()

    @classmethod
    @abstractmethod
    def _kinds(cls) -> tuple[type[HiddenMarkovModel], ...]:
        """The classes that a class's model may have."""


class HMMClassifier(SequenceMethod, MarkovClassifier):
    """Classifier of sequences of vectors: a hidden Markov model for each class.

    Attributes
    ----------
    models_ : list of C models
    class_prior_ : array of shape (C,)

    Examples
    --------
    >>> t = np.arange(30)
    >>> slow, fast = [np.sin(t / 5 + i) for i in range(5)], [np.sin(t + i) for i in range(5)]
    >>> model = HMMClassifier(4, random_state=0).fit(slow + fast, ["slow"] * 5 + ["fast"] * 5)
    >>> model.predict([np.sin(t / 5 + 0.5), np.sin(t + 0.5)]).tolist()
    ['slow', 'fast']
    """

    card = Card(
        tasks="classification",
        reference="Rabiner (1989), section VI",
        cost="S (K^2 + K D) a step of Baum-Welch, for S steps in all",
        missing=True,
        data="sequences",
    )

    n_mix: int = param(1, "Gaussians a state, M", low=1, tune=integer(1, 3))
    covariance_type: Shape = param("diag", "form of the covariances", tune=choice("diag", "full", "spherical"))

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0, n_iter=200)

    @classmethod
    def _kinds(cls) -> tuple[type[HiddenMarkovModel], ...]:
        return GaussianHMM, GMMHMM

    def _values(self, queries: Queries) -> np.ndarray:
        return np.ascontiguousarray(queries.X.numpy(force=True))

    def _model(self, seed: int, tol: float) -> HiddenMarkovModel:
        shared = {
            "n_components": self.n_components, "covariance_type": self.covariance_type, "topology": self.topology,
            "n_iter": self.n_iter, "tol": tol, "n_init": self.n_init, "random_state": seed,
        }  # fmt: skip
        return GaussianHMM(**shared) if self.n_mix == 1 else GMMHMM(n_mix=self.n_mix, **shared)


class SymbolHMMClassifier(SymbolMethod, MarkovClassifier):
    """Classifier of sequences of symbols: a hidden Markov model for each class.

    A symbol that was never seen counts as missing: it says nothing about the class.

    Attributes
    ----------
    models_ : list of C models
    class_prior_ : array of shape (C,)

    Examples
    --------
    >>> texts, kinds = ["abababab", "babababa", "aabbaabb", "bbaabbaa"], [1, 1, 2, 2]
    >>> SymbolHMMClassifier(4, random_state=0, n_init=5).fit(texts, kinds).predict(["ababab", "aabbaa"]).tolist()
    [1, 2]
    """

    card = Card(
        tasks="classification",
        reference="Rabiner (1989), section VI",
        cost="S K^2 a step of Baum-Welch, for S steps in all",
        missing=True,
        data="symbols",
    )
    _unknown_ok = True

    emissionprob_prior: float = param(
        1.1, "Dirichlet prior of each state's symbols; above 1, nothing is impossible", low=1, tune=log(1.001, 2.0)
    )

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0, n_iter=300)

    @classmethod
    def _kinds(cls) -> tuple[type[HiddenMarkovModel], ...]:
        return (CategoricalHMM,)

    def _values(self, queries: Queries) -> np.ndarray:
        X = queries.X.numpy(force=True)
        return np.where(len(self.symbols_) > X, X, -1)

    def _model(self, seed: int, tol: float) -> HiddenMarkovModel:
        return CategoricalHMM(
            self.n_components, topology=self.topology, n_iter=self.n_iter, tol=tol, n_init=self.n_init,
            random_state=seed, emissionprob_prior=self.emissionprob_prior, symbols=list(range(len(self.symbols_))),
        )  # fmt: skip

    def _lesson(self, values: np.ndarray) -> np.ndarray:
        return np.where(values >= 0, values, np.nan)
