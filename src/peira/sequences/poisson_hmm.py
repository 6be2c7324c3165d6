r"""Hidden Markov models that show counts: a Poisson rate for each state.

.. math:: P(x_t = x \mid z_t = k) = \lambda_k^{x} e^{-\lambda_k} / x!

For events in equal spans of time (earthquakes a year, calls an hour) of which the rate changes: counts that vary more
than a Poisson distribution allows, and remember. Several counts a step are independent given the state. Baum-Welch
makes each rate the weighted mean of the counts, with a gamma prior of shape a and rate b

.. math:: \lambda_k = (a + \sum_t \gamma_t(k) x_t) / (b + \sum_t \gamma_t(k))

Cost of a step of learning: S (K^2 + K D) for S steps in all.

Reference: Zucchini & MacDonald (2009), Hidden Markov Models for Time Series, 2.3 and 4.2.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import gammaln
from scipy.stats import poisson

from ..core import Card, DataError, ParameterError, SequenceMethod, UnreadableError, param
from ..core.predictive import Categorical
from .baum_welch import Steps
from .emissions import Emissions, Moves, Sums, rows_of
from .hidden_markov_model import HiddenMarkovModel
from .hmm_checks import given_numbers, learned_numbers
from .hmm_start import groups, indicators

LEAST = 1e-300  # a rate of 0 has no logarithm


@dataclass(frozen=True)
class PoissonEmissions(Emissions):
    """Rates (K, D), and the gamma prior's shape and rate."""

    rates: np.ndarray
    prior: tuple[Any, Any] = (0.0, 0.0)
    letters = "l"

    @property
    def K(self) -> int:
        return len(self.rates)

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        seen = ~np.isnan(X)
        x = np.where(seen, X, 0.0)
        return x @ np.log(self.rates).T - seen @ self.rates.T - gammaln(x + 1).sum(1)[:, None]

    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        seen = ~np.isnan(X)
        return G.T @ seen.astype(np.float64), G.T @ np.where(seen, X, 0.0)

    def maximise(self, sums: Sums, letters: str) -> Self:
        if "l" not in letters:
            return self
        N, total = sums[0] + self.prior[1], sums[1] + self.prior[0]
        return replace(self, rates=np.where(N > 0, np.maximum(total / np.where(N > 0, N, 1.0), LEAST), self.rates))

    def take(self, states: np.ndarray) -> Self:
        return replace(self, rates=self.rates[states], prior=tuple(rows_of(p, states) for p in self.prior))

    def moved(self, by: Moves) -> Self:
        """The logarithms of the rates, moved."""
        return replace(self, rates=self.rates * np.exp(by["l"]))

    def slopes(self, at: Self, sums: Sums) -> Moves:
        a, b = self.prior
        return {"l": sums[1] + a - (sums[0] + b) * at.rates}

    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.poisson(self.rates[states]).astype(np.float64)

    def n_parameters(self) -> int:
        return self.rates.size

    def log_prior(self) -> float:
        a, b = self.prior
        return float((a * np.log(self.rates) - b * self.rates).sum())


class PoissonHMM(SequenceMethod, HiddenMarkovModel):
    """Hidden Markov model of sequences of counts, with Poisson emissions.

    Attributes
    ----------
    lambdas_ : array of shape (K, D)
        The rates.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> counts = np.concatenate([rng.poisson(3, 60), rng.poisson(20, 60)])
    >>> model = PoissonHMM(2, random_state=0).fit([counts])
    >>> sorted(model.lambdas_[:, 0].round().astype(int).tolist())
    [3, 20]
    """

    card = Card(
        tasks="density",
        reference="Zucchini & MacDonald (2009), 2.3 and 4.2",
        cost="S (K^2 + K D) a step of Baum-Welch, for S steps in all",
        missing=True,
        data="sequences",
    )

    params: str = param("stl", "which parts are learned: s initial, t transitions, l rates")
    lambdas_prior: float | list | np.ndarray = param(0.0, "shape of the gamma prior of the rates", low=0)
    lambdas_weight: float | list | np.ndarray = param(0.0, "its rate, in steps", low=0)
    lambdas_init: list | np.ndarray | None = param(None, "rates to start from, of shape (K, D)")

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0)

    @classmethod
    def from_parts(cls, startprob: Any, transmat: Any, lambdas: Any, **settings: Any) -> Self:
        """A model whose parts are known, without learning; rates of shape (K,) or (K, D)."""
        rates = np.array(lambdas, dtype=np.float64)
        rates = rates[:, None] if rates.ndim == 1 else rates
        return cls._from_parts(rates.shape[-1], startprob, transmat, {"lambdas_": rates}, settings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _check_steps(self, steps: Steps) -> None:
        require_counts(steps.X, type(self).__name__)

    def _guess(self, steps: Steps, K: int, seed: int, again: bool) -> np.ndarray | None:
        if self.lambdas_init is not None and self.transmat_init is not None:
            return None
        return groups(np.sqrt(steps.X), K, seed, again=again)  # of the same spread at every rate

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> PoissonEmissions:
        ends = (self.n_components, steps.X.shape[1])
        try:
            prior = tuple(
                np.broadcast_to(np.asarray(p, float), ends) for p in (self.lambdas_prior, self.lambdas_weight)
            )
        except ValueError as error:
            raise ParameterError(f"lambdas_prior and lambdas_weight of {type(self).__name__}: {error}") from error
        if not all((np.isfinite(p) & (p >= 0)).all() for p in prior):
            raise ParameterError(f"lambdas_prior and lambdas_weight of {type(self).__name__} must be finite and >= 0")
        rates = given_numbers(self, "lambdas_init", ends)
        if rates is None:
            mean = np.nan_to_num(np.nanmean(np.vstack([steps.X, np.ones(ends[1])]), 0)) + 1e-3
            start = PoissonEmissions(np.tile(mean, (ends[0], 1)), (mean, 1.0))
            G = indicators(labels, ends[0], np.repeat(steps.w, steps.lengths))
            rates = start.maximise(start.statistics(steps.X, G), "l").rates
        elif (rates <= 0).any():
            raise ParameterError(f"lambdas_init of {type(self).__name__} must be > 0")
        return PoissonEmissions(rates, prior)

    def _emissions(self) -> PoissonEmissions:
        rates = learned_numbers(self, "lambdas_", (-1, self.n_features_in_))
        if not (rates > 0).all():
            raise UnreadableError(f"{type(self).__name__}.lambdas_ should hold rates > 0")
        return PoissonEmissions(rates)

    def _keep(self, emissions: PoissonEmissions) -> None:
        self.lambdas_ = emissions.rates

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Categorical:
        """Probabilities of the counts 0, 1, ... up to where less than 1e-12 is left."""
        counts = np.arange(int(poisson.isf(1e-12, self.lambdas_.max())) + 1)
        table = poisson.pmf(counts, self.lambdas_[:, :, None])
        table /= table.sum(-1, keepdims=True)
        return Categorical(np.einsum("nhk,kdc->nhdc", P, table), counts, as_numpy=as_numpy)


def require_counts(X: np.ndarray, owner: str) -> None:
    """Refuse what is no whole number, or below zero."""
    with np.errstate(invalid="ignore"):
        bad = (X < 0) | (np.floor(X) != X) & ~np.isnan(X)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"Negative values in data passed to {owner}, or numbers that are no counts: {int(bad.sum())}, first "
            f"{X[row, column]:g} in step {row} of all, column {column}; it takes whole numbers >= 0"
        )
