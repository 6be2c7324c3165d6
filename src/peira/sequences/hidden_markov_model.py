r"""Hidden Markov models: a chain of states that nobody sees, and what it shows at each step.

.. math:: p(x, z) = \pi_{z_1} b_{z_1}(x_1) \prod_{t > 1} A_{z_{t-1} z_t} \, b_{z_t}(x_t)

Three parts (initial, transition, emission) and three problems (Rabiner 1989): **evaluate**, how likely is a sequence
(`log_prob`: the forward pass); **decode**, which states produced it (`predict`: Viterbi, or each step's most probable
state; `predict_proba`: posteriors); **learn**, which parts make the sequences most likely (`fit`: Baum-Welch, which is
EM; Viterbi training, which counts along the best paths; or by gradient, `peira.sequences.hmm_gradient`). This is the
base of all of them; a family of emissions makes it a method, and states may share one (`peira.sequences.hmm_tied`).

Cost of a step of learning: S (K^2 + K D) for S steps in all, K states, D numbers a step.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286; Bishop (2006), Pattern Recognition and Machine Learning,
13.2.
"""

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..core import DataError, ParameterError, UnreadableError, iterate, param
from ..core.inputs import Data
from ..core.iteration import reason_to_stop
from ..core.seeds import derive
from .baum_welch import Steps, count_paths, expect
from .emissions import Emissions
from .hmm_checks import dirichlet_prior, given_rows, learned_rows, refuse_lengths
from .hmm_gradient import Point, ascend
from .hmm_start import drawn_chain, even_segments, transition_guess
from .hmm_tied import TiedEmissions, groups_of_states
from .state_chain import FORWARD, Chain, allowed
from .state_model import StateModel


class Run(NamedTuple):
    """Where one run of learning ended, and how it went."""

    chain: Chain
    emissions: Emissions
    value: float
    gap: float
    history: dict[str, list[float]]
    n_iter: int
    stopped: str


class HiddenMarkovModel(StateModel):
    """Base of the hidden Markov models; to be combined with a door for sequences.

    A subclass says how its emissions start (`_first_emissions`), are kept (`_keep`) and restored (`_emissions`).

    Attributes
    ----------
    converged_ : bool
    n_iter_ : int
        Steps of the best run.
    restarts_ : array of shape (R,)
        Log posterior that each run ended with.
    """

    startprob_prior: float | list | np.ndarray = param(1.0, "Dirichlet prior of the initial probabilities", low=1)
    transmat_prior: float | list | np.ndarray = param(1.0, "Dirichlet prior of each row of the transitions", low=1)
    learning: Literal["baum-welch", "viterbi", "gradient"] = param(
        "baum-welch", "count transitions as expected (EM), or along the best paths; or climb by the gradient (L-BFGS)"
    )
    n_iter: int = param(200, "most steps of learning a run", low=1)
    tol: float = param(1e-2, "a run ends when the log posterior, nats, rises by less", low=0)
    n_init: int = param(1, "runs from different starts; the best is kept", low=1)
    startprob_init: list | np.ndarray | None = param(None, "initial probabilities to start from, of shape (K,)")
    transmat_init: list | np.ndarray | None = param(None, "transitions to start from, of shape (K, K); a 0 stays 0")
    random_state: int | np.random.RandomState | None = param(None, "seed of the starts")

    # ------------------------------------------------------------------ what the family of emissions writes

    @abstractmethod
    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> Emissions:
        """Emissions to start from; ``labels`` (S,) are guesses at the states, -1 for none, None without any."""

    @abstractmethod
    def _keep(self, emissions: Emissions) -> None:
        """Set the learned attributes."""

    def _guess(self, steps: Steps, K: int, seed: int, again: bool) -> np.ndarray | None:
        """A guess at which of K different emissions each step shows, or None."""
        return None

    def _open_fit(self, X: Any, sample_weight: Any) -> Data:
        return self._begin(X, None, sample_weight)

    # ------------------------------------------------------------------ learn

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the three parts: by Baum-Welch (EM), by Viterbi training, or by gradient.

        Parameters
        ----------
        X : sequences
            N of them; one is enough. Missing steps are NaN (symbols: None), and count for nothing.
        y : ignored
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal sequences.

        Raises
        ------
        ValueError
            If what was given to start from does not fit, or a sequence is impossible under it; or if the place of y
            holds what look like the lengths of sequences.

        Warns
        -----
        ConvergenceWarning
            If the best run did not converge.
        """
        data = self._open_fit(X, sample_weight)
        if len(data) == 1:
            refuse_lengths(self, y, len(data.X))
        steps = self._steps(data, data.w)
        self._check_steps(steps)
        runs: list[Run] = []
        for i in range(self.n_init):
            if i and reason_to_stop():
                break
            runs.append(self._run(steps, *self._start(steps, derive(data.seed, i), again=i > 0)))
        best = max(runs, key=lambda run: run.value)
        self._keep_chain(best.chain)
        self._keep(best.emissions.apart())
        self.restarts_ = np.array([run.value for run in runs])
        self.history_, self.n_iter_, self.stopped_ = best.history, best.n_iter, best.stopped
        self.converged_ = best.stopped == "converged"
        if best.stopped == "max_iter" and self.tol > 0:
            warnings.warn(
                f"{type(self).__name__}: learning did not converge in {self.n_iter} steps: the log posterior still "
                f"rose by {best.gap:.3g}, tol is {self.tol:.3g}; raise n_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _start(self, steps: Steps, seed: int, *, again: bool) -> tuple[Chain, Emissions]:
        K, owner = self.n_components, type(self).__name__
        first, mask = allowed(self.topology, K, owner)
        own, group = groups_of_states(self.tied, K, owner)
        if self._goes_forward():
            labels: np.ndarray | None = even_segments(steps.lengths, K)
        elif (labels := self._guess(steps, len(own), seed, again)) is not None:
            labels = np.where(labels >= 0, own[labels], -1)
        if labels is None:
            pi, A = drawn_chain(first, mask, np.random.default_rng(seed))
        else:
            pi, A = transition_guess(labels, steps, first, mask)
            labels = np.where(labels >= 0, own[group[labels]], -1)
        pi = given_rows(self, "startprob_init", (K,), pi)
        A = given_rows(self, "transmat_init", (K, K), A)
        emissions = self._first_emissions(steps, labels, seed)
        if self.tied:  # the first state of a group speaks for it
            emissions = TiedEmissions(emissions.take(own), group)
        return Chain(pi, np.where(mask, A, 0.0)), emissions

    def _goes_forward(self) -> bool:
        return isinstance(self.topology, str) and self.topology in FORWARD

    def _run(self, steps: Steps, chain: Chain, emissions: Emissions) -> Run:
        climb = ascend if self.learning == "gradient" else self._by_counts
        points = climb(chain, emissions, steps, self._priors(chain), self._learned_letters(emissions))
        value, gap, name = -math.inf, math.inf, self.learning.title()
        for step in iterate(self, self.n_iter, name=name, expect={"log_posterior": "increase"}):
            try:
                point = next(points)
            except np.linalg.LinAlgError as error:
                raise DataError(
                    f"{type(self).__name__}: a covariance is no longer positive definite; raise covars_prior, lower "
                    "n_components, or choose a simpler covariance_type"
                ) from error
            self._refuse_to_learn(point.logs)
            before, value = value, point.value
            step.record(log_likelihood=float(point.logs @ steps.w), log_posterior=value)
            gap = value - before
            if gap < self.tol:
                step.stop("converged")
                break
        return Run(point.chain, point.emissions, value, gap, self.history_, self.n_iter_, self.stopped_)

    def _by_counts(
        self, chain: Chain, emissions: Emissions, steps: Steps, priors: tuple[Any, Any], letters: str
    ) -> Iterator[Point]:
        """What counts lead to, step by step, with the log posterior of what they were counted by."""
        count = count_paths if self.learning == "viterbi" else expect
        while True:
            found = count(chain, emissions, steps)
            self._refuse_to_learn(found.logs)
            value = float(found.logs @ steps.w) + chain.log_prior(priors) + emissions.log_prior()
            chain = chain.maximise(found.first, found.between, priors, letters)
            emissions = emissions.maximise(found.sums, letters)
            yield Point(chain, emissions, found.logs, value)

    def _refuse_to_learn(self, logs: np.ndarray) -> None:
        remedy = "allow more transitions (topology, transmat_init) or more symbols in the states"
        self._refuse_impossible(logs, "the start", remedy)

    def _keep_chain(self, chain: Chain) -> None:
        self.startprob_, self.transmat_ = chain.pi, chain.A

    def _priors(self, chain: Chain) -> tuple[Any, Any]:
        return (
            dirichlet_prior(self, "startprob_prior", chain.pi.shape),
            dirichlet_prior(self, "transmat_prior", chain.A.shape),
        )

    def _learned_letters(self, emissions: Emissions) -> str:
        """The parts that are learned: all of them, or those of ``params``, as hmmlearn has it."""
        known = "st" + emissions.letters
        letters = getattr(self, "params", known)
        if set(letters) - set(known):
            raise ParameterError(f"params of {type(self).__name__} takes the letters {known}, got {letters!r}")
        return letters

    @classmethod
    def _from_parts(cls, D: int, startprob: Any, transmat: Any, learned: dict[str, Any], settings: dict) -> Self:
        """A model whose parts are known: checked as a stored one is, and fitted without data."""
        pi = np.array(startprob, dtype=np.float64)
        model = cls(**{"n_components": len(pi), **settings})
        model._check_parameters()
        model.n_features_in_, model.startprob_ = D, pi
        model.transmat_ = np.array(transmat, dtype=np.float64)
        for name, value in learned.items():
            setattr(model, name, value)
        try:
            model._check_learned()
        except UnreadableError as error:
            raise ParameterError(str(error)) from error
        return model

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        K = len(learned_rows(self, "startprob_", (-1,)))
        learned_rows(self, "transmat_", (K, K))
        if (found := self._emissions().K) != K:
            raise UnreadableError(
                f"{type(self).__name__} has {K} initial probabilities, and emissions of {found} states"
            )
