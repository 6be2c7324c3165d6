r"""What a hidden Markov model answers once its parts are known: evaluate, decode, draw, forecast, compare.

.. math:: P(z_{T+h} = j \mid x) = \sum_i P(z_T = i \mid x) \, (A^h)_{ij}

is all that a forecast needs: what is known of the last state, carried along the transitions; the steps ahead are then
mixtures of what the states show.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286; Zucchini & MacDonald (2009), Hidden Markov Models for
Time Series, chapter 5 (forecasts) and 6.1 (criteria).
"""

import math
from abc import abstractmethod
from typing import Any, Literal

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from ..core import DataError, Density, ParameterError, integer, param
from ..core.inputs import Queries
from ..core.predictive import Predictive
from ..core.seeds import draw_seed
from .baum_welch import Steps, decode, evaluate, expect
from .emissions import Emissions
from .hmm_tied import groups_of_states
from .state_chain import Chain, Topology, allowed


class StateModel(Density):
    """Base of what has initial probabilities, transitions and emissions; how they are learned is not its matter.

    Attributes
    ----------
    startprob_ : array of shape (K,)
        Initial probabilities of the states.
    transmat_ : array of shape (K, K)
        Transitions, from the row's state to the column's.
    """

    startprob_: np.ndarray
    transmat_: np.ndarray

    n_components: int = param(1, "number of states, K", low=1, tune=integer(1, 8), positional=True)
    topology: Topology | list | np.ndarray = param(
        "ergodic", "which transitions there are: a name, or an array of shape (K, K) that is 0 for those there are not"
    )
    tied: list | None = param(
        None, "groups of states that share one emission, such as [[0, 1], [2, 3]]; a state in none has its own"
    )
    algorithm: Literal["viterbi", "map"] = param("viterbi", "decode the best path, or the best state of each step")

    @abstractmethod
    def _emissions(self) -> Emissions:
        """The emissions from the learned attributes; raises `UnreadableError` if they are none."""

    @abstractmethod
    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Predictive:
        """What steps are like whose states have the probabilities P (N, horizon, K)."""

    def _check_steps(self, steps: Steps) -> None:
        """Refuse steps that the emissions cannot show."""

    # ------------------------------------------------------------------ evaluate and decode

    def _steps(self, queries: Queries, w: torch.Tensor | None = None) -> Steps:
        lengths = queries.lengths.numpy(force=True)
        weights = np.ones(len(lengths)) if w is None else w.numpy(force=True)
        return Steps(np.ascontiguousarray(queries.X.numpy(force=True)), lengths, weights)

    def _asked(self, X: Any) -> tuple[Queries, Steps]:
        queries = self._queries(X)
        steps = self._steps(queries)
        self._check_steps(steps)
        return queries, steps

    def _chain(self) -> Chain:
        return Chain(self.startprob_, self.transmat_)

    def _log_density(self, queries: Queries) -> torch.Tensor:
        steps = self._steps(queries)
        self._check_steps(steps)
        return torch.from_numpy(evaluate(self._chain(), self._emissions(), steps)).to(queries.device)

    def evaluate(self, X: Any) -> Any:
        """How likely each sequence is: ``log_prob`` by the name of Rabiner's first problem."""
        return self.log_prob(X)

    def _refuse_impossible(
        self,
        logs: np.ndarray,
        under: str = "this model",
        remedy: str = "leave out those whose log_prob is -inf, or learn a model that allows them",
    ) -> None:
        """Of what no path of states can have shown, nothing can be said about the states."""
        bad = np.flatnonzero(~(logs > -np.inf))
        if len(bad):
            raise DataError(
                f"{type(self).__name__}: {len(bad)} of {len(logs)} sequences are impossible under {under}, first "
                f"sequence {bad[0]}; {remedy}"
            )

    def predict(self, X: Any) -> list[np.ndarray]:
        """The hidden states: the most probable path, or, with ``algorithm="map"``, each step's most probable state.

        Parameters
        ----------
        X : sequences
            N of them.

        Returns
        -------
        list of N int arrays
            A state a step, from 0.

        Raises
        ------
        DataError
            If a sequence is impossible under the model: no path is more probable than another.
        """
        _, steps = self._asked(X)
        if self.algorithm == "map":
            states = self._posteriors(steps).argmax(1)
        else:
            states, logs = decode(self._chain(), self._emissions(), steps)
            self._refuse_impossible(logs)
        return np.split(states, np.cumsum(steps.lengths)[:-1])

    def decode(self, X: Any) -> list[np.ndarray]:
        """``predict`` by the name of Rabiner's second problem."""
        return self.predict(X)

    def path_log_prob(self, X: Any) -> np.ndarray:
        """The joint log probability of each sequence and its most probable path, of shape (N,); -inf without one."""
        return decode(self._chain(), self._emissions(), self._asked(X)[1])[1]

    def predict_proba(self, X: Any) -> list[np.ndarray]:
        """The posteriors of the states, given the whole sequence.

        Parameters
        ----------
        X : sequences

        Returns
        -------
        list of N arrays of shape (T, K)
            Rows add up to one.

        Raises
        ------
        DataError
            If a sequence is impossible under the model.
        """
        _, steps = self._asked(X)
        return np.split(self._posteriors(steps), np.cumsum(steps.lengths)[:-1])

    def _posteriors(self, steps: Steps) -> np.ndarray:
        P = np.empty((len(steps.X), len(self.startprob_)))
        self._refuse_impossible(expect(self._chain(), self._emissions(), steps, P).logs)
        return P

    # ------------------------------------------------------------------ draw, and look ahead

    def sample(
        self, n: int = 1, length: int = 100, given: Any = None, random_state: Any = None
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Draw sequences, with the states behind them.

        Parameters
        ----------
        n : int, default 1
            How many.
        length : int, default 100
            Steps of each.
        given : sequence, optional
            A beginning; what is drawn is how it goes on.
        random_state : int or None

        Returns
        -------
        sequences : list of n arrays
            Of shape (length, D), or (length,) where steps are symbols.
        states : list of n int arrays
        """
        for name, value in (("n", n), ("length", length)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ParameterError(f"{name} must be a whole number >= 1, got {value!r}")
        first = None if given is None else self._ahead(self._last(given)[1], 1)[0, 0]
        rng = np.random.default_rng(draw_seed(random_state))
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit before drawing")
        chain, emissions = self._chain(), self._emissions()
        paths = [chain.draw(int(length), rng, first) for _ in range(n)]
        return [self._shown(emissions.draw(path, rng)) for path in paths], paths

    def forecast(self, X: Any, horizon: int = 1) -> Predictive:
        """What comes next after each sequence.

        Parameters
        ----------
        X : sequences
            N histories.
        horizon : int, default 1
            How many steps ahead.

        Returns
        -------
        Predictive
            Of shape (N, horizon, D), each number by itself; of (N, horizon) where steps are symbols.
        """
        if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or horizon < 1:
            raise ParameterError(f"horizon must be a whole number >= 1, got {horizon!r}")
        queries, last = self._last(X)
        return self._forecast(self._ahead(last, int(horizon)), queries.as_numpy)

    def _last(self, X: Any) -> tuple[Queries, np.ndarray]:
        """What is known of the last state of each sequence, of shape (N, K)."""
        queries, steps = self._asked(X)
        alpha = np.empty((len(steps.X), len(self.startprob_)))
        self._refuse_impossible(evaluate(self._chain(), self._emissions(), steps, alpha))
        return queries, alpha[np.cumsum(steps.lengths) - 1]

    def _ahead(self, last: np.ndarray, horizon: int) -> np.ndarray:
        found = []
        for _ in range(horizon):
            last = last @ self.transmat_
            found.append(last)
        return np.stack(found, 1)

    def _shown(self, steps: np.ndarray) -> np.ndarray:
        """Drawn steps in the form in which sequences come."""
        return steps

    # ------------------------------------------------------------------ how many states?

    def n_parameters(self) -> int:
        """How many free numbers: what the topology allows, less one a distribution, and the different emissions'."""
        K = len(self.startprob_)
        first, mask = allowed(self.topology, K, type(self).__name__)
        own = groups_of_states(self.tied, K, type(self).__name__)[0]
        return int(first.sum() - 1 + mask.sum() - K) + self._emissions().take(own).n_parameters()

    def bic(self, X: Any) -> float:
        """Bayes' information criterion, -2 log L + p log S for S steps in all; lower is better (Schwarz 1978)."""
        _, steps = self._asked(X)
        return -2 * float(np.sum(np.asarray(self.log_prob(X)))) + self.n_parameters() * math.log(len(steps.X))

    def aic(self, X: Any) -> float:
        """Akaike's information criterion, -2 log L + 2 p; lower is better (Akaike 1974)."""
        return -2 * float(np.sum(np.asarray(self.log_prob(X)))) + 2 * self.n_parameters()

    # ------------------------------------------------------------------ pictures

    def plot(self, X: Any, ax: Any = None) -> Any:
        """Draw one sequence over its states; see `peira.sequences.hmm_plot.plot_states`."""
        from .hmm_plot import plot_states

        return plot_states(self, X, ax)

    def plot_transitions(self, ax: Any = None, states: Any = None) -> Any:
        """Draw the transition graph, of some states or of all; see `peira.sequences.hmm_plot.plot_transitions`."""
        from .hmm_plot import plot_transitions

        return plot_transitions(self, ax, states)
