r"""Hidden Markov models that show how often each of D things happened, in a given number of trials.

.. math:: P(x_t \mid z_t = k) = \frac{n_t !}{x_{t1}! \cdots x_{tD}!} \prod_d B_{kd}^{x_{td}}

with n the sum of a step's counts: words of a paragraph, choices in a round, alleles at a site. Where each step has one
trial it is the categorical model. Baum-Welch makes each row of B the state's expected share of the counts,

.. math:: B_{kd} \propto \alpha_{kd} - 1 + \sum_t \gamma_t(k) \, x_{td}

Cost of a step of learning: S (K^2 + K D) for S steps in all.

Reference: Zucchini & MacDonald (2009), Hidden Markov Models for Time Series, 8.4.1; Rabiner (1989), eq. 40c.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import gammaln

from ..core import Card, SequenceMethod, UnreadableError, param
from ..core.predictive import Categorical
from .baum_welch import Steps
from .emissions import RowEmissions, Sums
from .hidden_markov_model import HiddenMarkovModel
from .hmm_checks import dirichlet_prior, given_rows, learned_rows
from .hmm_start import groups, indicators
from .poisson_hmm import require_counts


@dataclass(frozen=True)
class MultinomialEmissions(RowEmissions):
    """Rows B (K, D) of probabilities, their Dirichlet prior, and the trials of a step that is drawn."""

    trials: int = 1

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        x = _complete(X)
        with np.errstate(divide="ignore"):
            log_B = np.log(self.B)
        log_b = x @ np.where(self.B > 0, log_B, 0.0).T
        if (self.B == 0).any():  # a count of what cannot be
            log_b[x @ (self.B == 0).T.astype(np.float64) > 0] = -np.inf
        return log_b + (gammaln(x.sum(1) + 1) - gammaln(x + 1).sum(1))[:, None]

    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        return (G.T @ _complete(X),)

    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.multinomial(self.trials, self.B[states]).astype(np.float64)


def _complete(X: np.ndarray) -> np.ndarray:
    """Counts, 0 for all of a step that has a gap: of an incomplete one nothing is known of the trials."""
    return np.where(np.isnan(X).any(1)[:, None], 0.0, X)


class MultinomialHMM(SequenceMethod, HiddenMarkovModel):
    """Hidden Markov model of vectors of counts, with multinomial emissions.

    A step with a gap counts as missing whole.

    Attributes
    ----------
    emissionprob_ : array of shape (K, D)
    n_trials_ : int
        Trials of a step that is drawn: ``n_trials``, or the median of the steps learned from.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rounds = np.vstack([rng.multinomial(20, [0.8, 0.1, 0.1], 40), rng.multinomial(20, [0.1, 0.1, 0.8], 40)])
    >>> model = MultinomialHMM(2, random_state=0).fit([rounds])
    >>> sorted(model.emissionprob_.argmax(1).tolist())
    [0, 2]
    """

    card = Card(
        tasks="density",
        reference="Zucchini & MacDonald (2009), 8.4.1; Rabiner (1989), eq. 40c",
        cost="S (K^2 + K D) a step of Baum-Welch, for S steps in all",
        missing=True,
        data="sequences",
    )

    params: str = param("ste", "which parts are learned: s initial, t transitions, e emissions")
    n_trials: int | None = param(None, "trials of a step that is drawn; None: the median of the data", low=1)
    emissionprob_prior: float | list | np.ndarray = param(1.0, "Dirichlet prior of each state's probabilities", low=1)
    emissionprob_init: list | np.ndarray | None = param(None, "emissions to start from, of shape (K, D)")

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0)

    @classmethod
    def from_parts(cls, startprob: Any, transmat: Any, emissionprob: Any, **settings: Any) -> Self:
        """A model whose parts are known, without learning."""
        B = np.array(emissionprob, dtype=np.float64)
        learned = {"emissionprob_": B, "n_trials_": int(settings.get("n_trials") or 1)}
        return cls._from_parts(B.shape[-1], startprob, transmat, learned, settings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _check_steps(self, steps: Steps) -> None:
        require_counts(steps.X, type(self).__name__)

    def _guess(self, steps: Steps, K: int, seed: int, again: bool) -> np.ndarray:
        shares = steps.X / np.maximum(steps.X.sum(1, keepdims=True), 1.0)
        return groups(shares, K, seed, again=again)

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> MultinomialEmissions:
        K, D = self.n_components, steps.X.shape[1]
        prior = dirichlet_prior(self, "emissionprob_prior", (K, D))
        x = _complete(steps.X)
        self.n_trials_ = self.n_trials or max(int(np.median(x.sum(1))), 1)
        share = (x.sum(0) + 1.0) / (x.sum() + D)
        B = indicators(labels, K, np.repeat(steps.w, steps.lengths)).T @ x + share
        B = given_rows(self, "emissionprob_init", (K, D), B / B.sum(1, keepdims=True))
        return MultinomialEmissions(B, prior, self.n_trials_)

    def _emissions(self) -> MultinomialEmissions:
        trials = getattr(self, "n_trials_", None)
        if type(trials) is not int or trials < 1:
            raise UnreadableError(f"{type(self).__name__}.n_trials_ should be a whole number >= 1, got {trials!r}")
        return MultinomialEmissions(learned_rows(self, "emissionprob_", (-1, self.n_features_in_)), trials=trials)

    def _keep(self, emissions: MultinomialEmissions) -> None:
        self.emissionprob_ = emissions.B

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Categorical:
        """Of one trial: which of the D things happens, of shape (N, horizon)."""
        return Categorical(P @ self.emissionprob_, as_numpy=as_numpy)
