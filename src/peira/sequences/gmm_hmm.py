r"""Hidden Markov models that show vectors: a mixture of M Gaussians for each state.

.. math:: p(x_t \mid z_t = k) = \sum_m c_{km} N(x_t ; \mu_{km}, \Sigma_{km})

Any density can be shown by enough components: the sounds of a phone, the modes of a machine. It is a Gaussian model of
K M states in which the M of one state are drawn anew at each step, and Baum-Welch shares the posterior of a state out
among its components,

.. math:: \gamma_t(k, m) = \gamma_t(k) \, c_{km} N(x_t ; \mu_{km}, \Sigma_{km}) / p(x_t \mid z_t = k)

Tied covariances are one for each state. The prior of the covariances is that of `peira.sequences.GaussianHMM`.

Cost of a step of learning: S (K^2 + K M D) for S steps in all, with full covariances S (K^2 + K M D^2).

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286, eqs 50 to 54.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..core import Card, DataError, ParameterError, SequenceMethod, choice, integer, param
from ..core.predictive import Mixture
from ..core.seeds import derive
from .baum_welch import Steps
from .emissions import Emissions, Moves, Sums, dirichlet_log_prior, moved_rows, probabilities, row_slopes, rows_of
from .gaussian_emissions import Extent, GaussianEmissions, Shape, covariance_parameters
from .gaussian_hmm import gaussian_prior, normal_mixture, positive, require_positive, spread
from .hidden_markov_model import HiddenMarkovModel
from .hmm_checks import dirichlet_prior, given_numbers, given_rows, learned_numbers, learned_rows
from .hmm_start import groups, indicators


@dataclass(frozen=True)
class MixtureEmissions(Emissions):
    """Weights (K, M) of K M Gaussians, those of a state one after the other; tied: one covariance a state."""

    weights: np.ndarray
    parts: GaussianEmissions
    prior: Any = 1.0
    tied: bool = False
    letters = "wmc"

    @property
    def K(self) -> int:
        return len(self.weights)

    def _joint(self, X: np.ndarray) -> np.ndarray:
        """log c + log N, of shape (n, K, M)."""
        with np.errstate(divide="ignore"):
            log_c = np.log(self.weights)
        return self.parts.log_densities(X).reshape(len(X), *self.weights.shape) + log_c

    def log_densities(self, X: np.ndarray) -> np.ndarray:
        joint = self._joint(X)
        top = _largest(joint)
        with np.errstate(divide="ignore"):
            return np.log(np.exp(joint - top).sum(2)) + top[:, :, 0]

    def statistics(self, X: np.ndarray, G: np.ndarray) -> Sums:
        R = self._joint(X)
        R = np.exp(R - _largest(R))
        total = R.sum(2)
        R *= np.divide(G, total, out=np.zeros_like(total), where=total > 0)[:, :, None]
        if self.parts.extent is None or self.parts.extent.gaps:
            R[np.isnan(X).all(1)] = 0.0
        return (R.sum(0), *self.parts.statistics(X, R.reshape(len(X), -1)))

    def maximise(self, sums: Sums, letters: str) -> Self:
        weights = probabilities(sums[0], self.weights, self.prior) if "w" in letters else self.weights
        found = replace(self, weights=weights, parts=self.parts.maximise(sums[1:], letters))
        return found.with_shared_covars(sums[0]) if self.tied and "c" in letters else found

    def with_shared_covars(self, counts: np.ndarray) -> Self:
        """Each state's covariances, weighted by how many steps (K, M) they were learned from, become one."""
        parts = self.parts
        N = counts + parts.prior.excess("full", parts.means.shape[1])
        share = np.where(N.sum(1, keepdims=True) > 0, N / np.maximum(N.sum(1, keepdims=True), 1e-300), 1 / N.shape[1])
        C = parts.covars.reshape(*self.weights.shape, *parts.covars.shape[1:])
        C = np.broadcast_to((share[:, :, None, None] * C).sum(1, keepdims=True), C.shape)
        return replace(self, parts=replace(parts, covars=np.array(C.reshape(parts.covars.shape))))

    def take(self, states: np.ndarray) -> Self:
        M = self.weights.shape[1]
        parts = self.parts.take((np.asarray(states)[:, None] * M + np.arange(M)).ravel())
        return replace(self, weights=self.weights[states], parts=parts, prior=rows_of(self.prior, states))

    def moved(self, by: Moves) -> Self:
        c = np.repeat(by["c"], self.weights.shape[1], axis=0) if self.tied else by["c"]
        return replace(self, weights=moved_rows(self.weights, by["w"]), parts=self.parts.moved({**by, "c": c}))

    def slopes(self, at: Self, sums: Sums) -> Moves:
        found = self.parts.slopes(at.parts, sums[1:])
        if self.tied:
            found["c"] = found["c"].reshape(*self.weights.shape, *found["c"].shape[1:]).sum(1)
        return found | {"w": row_slopes(sums[0], at.weights, self.prior)}

    def draw(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        steps = self.weights.cumsum(1)[states]
        u = rng.random(len(states)) * steps[:, -1]
        m = np.minimum((u[:, None] >= steps).sum(1), self.weights.shape[1] - 1)
        return self.parts.draw(states * self.weights.shape[1] + m, rng)

    def n_parameters(self) -> int:
        (K, M), D = self.weights.shape, self.parts.means.shape[1]
        covariances = K * D * (D + 1) // 2 if self.tied else covariance_parameters(self.parts.shape, K * M, D)
        return K * (M - 1) + K * M * D + covariances

    def log_prior(self) -> float:
        return self.parts.log_prior() + dirichlet_log_prior(self.weights, self.prior)


class GMMHMM(SequenceMethod, HiddenMarkovModel):
    """Hidden Markov model of vectors, with a Gaussian mixture for each state.

    Attributes
    ----------
    weights_ : array of shape (K, M)
    means_ : array of shape (K, M, D)
    covars_ : array
        Of shape (K, M, D, D) for "full", (K, D, D) for "tied", (K, M, D) for "diag" and (K, M) for "spherical".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> low = rng.choice([-9.0, -5.0], 200) + 0.5 * rng.normal(size=200)
    >>> model = GMMHMM(2, 2, random_state=0).fit([np.concatenate([low, rng.normal(6, 1, 200)])])
    >>> len(set(model.predict([low])[0].tolist())), model.means_.shape
    (1, (2, 2, 1))
    """

    card = Card(
        tasks="density",
        reference="Rabiner (1989), eqs 50 to 54",
        cost="S (K^2 + K M D) a step of Baum-Welch, for S steps in all and M components a state",
        missing=True,
        data="sequences",
    )

    n_mix: int = param(1, "components a state, M", low=1, tune=integer(1, 4), positional=True)
    covariance_type: Shape = param("diag", "form of the covariances", tune=choice("diag", "full", "spherical"))
    params: str = param("stmcw", "which parts are learned: s, t, m means, c covariances, w weights")
    weights_prior: float | list | np.ndarray = param(1.0, "Dirichlet prior of each state's weights", low=1)
    means_prior: float | list | np.ndarray = param(0.0, "centre of the prior of the means", low=-1e300)
    means_weight: float | list | np.ndarray = param(0.0, "its weight, in steps", low=0)
    covars_prior: float | list | np.ndarray | None = param(
        None, "scale of the prior of the covariances, a sum of squares; None: a hundredth of the variances", low=0
    )
    covars_weight: float = param(1.0, "its weight", low=0)
    weights_init: list | np.ndarray | None = param(None, "weights to start from, of shape (K, M)")
    means_init: list | np.ndarray | None = param(None, "means to start from, of shape (K, M, D)")
    covars_init: list | np.ndarray | None = param(None, "covariances to start from, in the shape of covars_")

    @classmethod
    def example(cls) -> Self:
        return cls(2, 2, random_state=0, n_iter=500)

    @classmethod
    def from_parts(cls, startprob: Any, transmat: Any, weights: Any, means: Any, covars: Any, **settings: Any) -> Self:
        """A model whose parts are known, without learning; ``covars`` in the form of ``covariance_type``."""
        arrays = [np.array(v, dtype=np.float64) for v in (weights, means, covars)]
        learned = dict(zip(("weights_", "means_", "covars_"), arrays, strict=True))
        settings = {"n_mix": arrays[0].shape[-1], **settings}
        return cls._from_parts(arrays[1].shape[-1], startprob, transmat, learned, settings)

    def _check_steps(self, steps: Steps) -> None:
        if np.isnan(steps.X).all():
            raise DataError(f"{type(self).__name__} got no number at all: every step is missing")

    def _guess(self, steps: Steps, K: int, seed: int, again: bool) -> np.ndarray:
        return groups(steps.X, K, seed, again=again)

    def _ends(self, K: int, M: int, D: int) -> tuple[int, ...]:
        ends = {"full": (K, M, D, D), "tied": (K, D, D), "diag": (K, M, D), "spherical": (K, M)}
        return ends[self.covariance_type]

    def _flat(self, weights: np.ndarray, means: np.ndarray, covars: np.ndarray, **known: Any) -> GaussianEmissions:
        """The K M Gaussians, one after the other; tied covariances are repeated, and full."""
        (K, M), D = weights.shape, means.shape[-1]
        shape: Shape = "full" if self.covariance_type == "tied" else self.covariance_type
        if self.covariance_type == "tied":
            covars = np.repeat(covars, M, axis=0)
        return GaussianEmissions(shape, means.reshape(K * M, D), covars.reshape(K * M, *_inner(shape, D)), **known)

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> MixtureEmissions:
        K, M, X = self.n_components, self.n_mix, steps.X
        D, tied = X.shape[1], self.covariance_type == "tied"
        shape: Shape = "full" if tied else self.covariance_type
        centre, variance = spread(X, type(self).__name__)
        known = {"prior": gaussian_prior(self, variance, (K * M, D)), "extent": Extent.of(X)}
        both = np.full(len(X), -1)
        for k in range(K):
            mine = np.flatnonzero(labels == k)
            inner = groups(X[mine], M, derive(seed, k), again=False) if len(mine) else mine
            both[mine] = np.where(inner >= 0, k * M + inner, -1)
        wide = {"full": np.diag(variance), "diag": variance, "spherical": variance.mean()}[shape]
        start = GaussianEmissions(shape, np.tile(centre, (K * M, 1)), np.array([wide] * (K * M)), **known)
        G = indicators(both, K * M, np.repeat(steps.w, steps.lengths))
        start = start.maximise(start.statistics(X, G), "mc")
        weights = G.sum(0).reshape(K, M) + 1.0
        weights = given_rows(self, "weights_init", (K, M), weights / weights.sum(1, keepdims=True))
        means, covars = (
            given_numbers(self, "means_init", (K, M, D)),
            given_numbers(self, "covars_init", self._ends(K, M, D)),
        )
        if covars is not None:
            covars = self._flat(weights, np.zeros((K, M, D)), covars).covars
            if not positive(shape, covars):
                raise ParameterError(f"covars_init of {type(self).__name__} must hold positive definite covariances")
        parts = replace(
            start,
            means=start.means if means is None else means.reshape(K * M, D),
            covars=start.covars if covars is None else covars,
        )
        found = MixtureEmissions(weights, parts, dirichlet_prior(self, "weights_prior", (K, M)), tied)
        return found.with_shared_covars(G.sum(0).reshape(K, M)) if tied else found

    def _emissions(self) -> MixtureEmissions:
        K, M = learned_rows(self, "weights_", (-1, -1)).shape
        learned_numbers(self, "means_", (K, M, self.n_features_in_))
        learned_numbers(self, "covars_", self._ends(K, M, self.n_features_in_))
        parts = self._flat(self.weights_, self.means_, self.covars_)
        require_positive(parts.shape, parts.covars, type(self).__name__)
        return MixtureEmissions(self.weights_, parts, tied=self.covariance_type == "tied")

    def _keep(self, emissions: MixtureEmissions) -> None:
        (K, M), D = emissions.weights.shape, emissions.parts.means.shape[1]
        self.weights_, self.means_ = emissions.weights, emissions.parts.means.reshape(K, M, D)
        C = emissions.parts.covars.reshape(K, M, *emissions.parts.covars.shape[1:])
        self.covars_ = np.ascontiguousarray(C[:, 0]) if emissions.tied else C

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Mixture:
        emissions = self._emissions()
        shares = (P[:, :, :, None] * emissions.weights).reshape(*P.shape[:2], -1)
        return normal_mixture(shares, emissions.parts.means, np.sqrt(emissions.parts.variances()), as_numpy)


def _largest(joint: np.ndarray) -> np.ndarray:
    """The largest of each state's M numbers, of shape (n, K, 1); 0 where all are -inf, a step that it cannot show."""
    top = joint.max(2, keepdims=True)
    return np.where(np.isneginf(top), 0.0, top)


def _inner(shape: Shape, D: int) -> tuple[int, ...]:
    return {"full": (D, D), "tied": (D, D), "diag": (D,), "spherical": ()}[shape]
