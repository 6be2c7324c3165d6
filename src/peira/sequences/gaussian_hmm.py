r"""Hidden Markov models that show vectors: a Gaussian for each state.

.. math:: p(x_t \mid z_t = k) = N(x_t ; \mu_k, \Sigma_k)

The states are regimes: each has a level and a spread, and the transitions say how long it lasts (a state is left after
:math:`1 / (1 - A_{kk})` steps on average). Baum-Welch weighs each step by the posterior of the state; see
`peira.sequences.gaussian_emissions` for the M step and its prior.

The likelihood has many maxima and, without a prior, no upper bound: a state that shrinks onto one value wins. The
prior ``covars_prior`` prevents it; by default it is a hundredth of a column's variance, as a sum of squares, so that
units do not matter. Steps are independent given the states: of what remains predictable within a state, a state-space
model or a recurrent net learns more.

Cost of a step of learning: S (K^2 + K D) for S steps in all, with full covariances S (K^2 + K D^2). Memory is that of
a block of steps.

Reference: Rabiner (1989), Proceedings of the IEEE 77, 257-286, section IV; Bishop (2006), 13.2.1, eqs 13.17 to 13.21.
"""

from typing import Any, Self

import numpy as np

from ..core import Card, DataError, ParameterError, SequenceMethod, UnreadableError, choice, param
from ..core.predictive import Mixture, Normal
from .baum_welch import Steps
from .gaussian_emissions import Extent, GaussianEmissions, GaussianPrior, Shape, covariance_ends
from .hidden_markov_model import HiddenMarkovModel
from .hmm_checks import given_numbers, learned_numbers
from .hmm_start import groups, indicators

SHARE = 1e-2  # of a column's variance: the sum of squares that stands for what nobody saw


class GaussianHMM(SequenceMethod, HiddenMarkovModel):
    """Hidden Markov model of sequences of vectors, with Gaussian emissions.

    Attributes
    ----------
    means_ : array of shape (K, D)
    covars_ : array
        Of shape (K, D, D) for "full", (D, D) for "tied", (K, D) for "diag" and (K,) for "spherical".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> calm, wild = rng.normal(0, 1, (50, 1)), rng.normal(6, 2, (50, 1))
    >>> model = GaussianHMM(2, random_state=0).fit([np.vstack([calm, wild, calm])])
    >>> sorted(model.means_[:, 0].round().astype(int).tolist())
    [0, 6]
    >>> states = model.predict([np.vstack([calm, wild])])[0]
    >>> len(set(states[:50].tolist())), len(set(states[50:].tolist())), bool(states[0] != states[-1])
    (1, 1, True)
    """

    card = Card(
        tasks="density",
        reference="Rabiner (1989), section IV; Bishop (2006), eqs 13.17 to 13.21",
        cost="S (K^2 + K D) a step of Baum-Welch, for S steps in all",
        missing=True,
        data="sequences",
    )

    covariance_type: Shape = param("diag", "form of the covariances", tune=choice("diag", "full", "tied", "spherical"))
    params: str = param("stmc", "which parts are learned: s initial, t transitions, m means, c covariances")
    means_prior: float | list | np.ndarray = param(0.0, "centre of the prior of the means", low=-1e300)
    means_weight: float | list | np.ndarray = param(0.0, "its weight, in steps", low=0)
    covars_prior: float | list | np.ndarray | None = param(
        None,
        "scale of the prior of the covariances, a sum of squares; None: a hundredth of the columns' variances",
        low=0,
    )
    covars_weight: float = param(1.0, "its weight", low=0)
    means_init: list | np.ndarray | None = param(None, "means to start from, of shape (K, D)")
    covars_init: list | np.ndarray | None = param(None, "covariances to start from, in the shape of covars_")

    @classmethod
    def example(cls) -> Self:
        return cls(2, random_state=0)

    @classmethod
    def from_parts(cls, startprob: Any, transmat: Any, means: Any, covars: Any, **settings: Any) -> Self:
        """A model whose parts are known, without learning; ``covars`` in the form of ``covariance_type``."""
        means = np.array(means, dtype=np.float64)
        learned = {"means_": means, "covars_": np.array(covars, dtype=np.float64)}
        return cls._from_parts(means.shape[-1], startprob, transmat, learned, settings)

    def _check_steps(self, steps: Steps) -> None:
        if np.isnan(steps.X).all():
            raise DataError(f"{type(self).__name__} got no number at all: every step is missing")

    def _guess(self, steps: Steps, K: int, seed: int, again: bool) -> np.ndarray | None:
        if self.means_init is not None and self.covars_init is not None and self.transmat_init is not None:
            return None  # nothing is left to be guessed
        return groups(steps.X, K, seed, again=again)

    def _first_emissions(self, steps: Steps, labels: np.ndarray | None, seed: int) -> GaussianEmissions:
        K, D, shape = self.n_components, steps.X.shape[1], self.covariance_type
        means, covars = given_numbers(self, "means_init", (K, D)), given_covars(self, shape, K, D)
        centre, variance = spread(steps.X, type(self).__name__)
        prior, extent = gaussian_prior(self, variance, (K, D)), Extent.of(steps.X)
        if means is None or covars is None:
            wide = np.broadcast_to(np.diag(variance) if shape in ("full", "tied") else variance, _wide(shape, K, D))
            wide = wide.mean(1) if shape == "spherical" else wide
            start = GaussianEmissions(shape, np.tile(centre, (K, 1)), np.array(wide), prior, extent)
            G = indicators(labels, K, np.repeat(steps.w, steps.lengths))
            start = start.maximise(start.statistics(steps.X, G), "mc")
            means, covars = start.means if means is None else means, start.covars if covars is None else covars
        return GaussianEmissions(shape, means, covars, prior, extent)

    def _emissions(self) -> GaussianEmissions:
        D = self.n_features_in_
        K = len(learned_numbers(self, "means_", (-1, D)))
        covars = learned_numbers(self, "covars_", covariance_ends(self.covariance_type, K, D))
        require_positive(self.covariance_type, covars, type(self).__name__)
        return GaussianEmissions(self.covariance_type, self.means_, covars)

    def _keep(self, emissions: GaussianEmissions) -> None:
        self.means_, self.covars_ = emissions.means, emissions.covars

    def _forecast(self, P: np.ndarray, as_numpy: bool) -> Mixture:
        return normal_mixture(P, self.means_, np.sqrt(self._emissions().variances()), as_numpy)


def _wide(shape: Shape, K: int, D: int) -> tuple[int, ...]:
    return (K, D) if shape == "spherical" else covariance_ends(shape, K, D)


def spread(X: np.ndarray, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column without its gaps; 1 in place of the variance of a constant."""
    empty = np.isnan(X).all(0)
    if empty.any():
        raise DataError(f"column {int(empty.argmax())} holds no value at all; {owner} can't learn it: drop it")
    with np.errstate(over="ignore", invalid="ignore"):
        columns = np.ascontiguousarray(X.T)  # sums along a row of memory are ten times as fast
        mean, variance = np.nanmean(columns, 1), np.nanvar(columns, 1)
    if not np.isfinite(variance).all():
        column = int((~np.isfinite(variance)).argmax())
        raise DataError(f"the squares of column {column} overflow; {owner} needs numbers nearer to 1: rescale it")
    constant = variance <= (1e-12 * np.abs(mean)) ** 2
    return mean, np.where(constant, 1.0, variance)


def gaussian_prior(owner: Any, variance: np.ndarray, ends: tuple[int, int]) -> GaussianPrior:
    """The prior that the parameters state, for means of shape ``ends`` (K, D)."""
    D, who = ends[1], type(owner).__name__
    matrix = owner.covariance_type in ("full", "tied")
    try:
        mean = np.broadcast_to(np.asarray(owner.means_prior, dtype=np.float64), ends)
        weight = np.asarray(owner.means_weight, dtype=np.float64)
        weight = np.broadcast_to(weight if weight.ndim != 1 else weight[:, None], ends)
        scale = SHARE * variance if owner.covars_prior is None else np.asarray(owner.covars_prior, dtype=np.float64)
        if scale.shape != (D, D):
            scale = np.broadcast_to(scale, (D,))
        elif not matrix:
            raise ValueError(f"covariances {owner.covariance_type} have a prior of shape ({D},)")
    except ValueError as error:
        raise ParameterError(
            f"the prior of {who} does not fit {ends[0]} means of {D} numbers: means_prior, means_weight, covars_prior: "
            f"{error}"
        ) from error
    if not (np.isfinite(mean).all() and (weight >= 0).all() and np.isfinite(scale).all() and (scale >= 0).any()):
        raise ParameterError(f"the prior of {who} must hold finite numbers, weights and scales not negative")
    return GaussianPrior(mean, weight, np.diag(scale) if matrix and scale.ndim == 1 else scale, owner.covars_weight)


def given_covars(owner: Any, shape: Shape, K: int, D: int) -> np.ndarray | None:
    """``covars_init``, checked."""
    covars = given_numbers(owner, "covars_init", covariance_ends(shape, K, D))
    if covars is not None and not positive(shape, covars):
        raise ParameterError(f"covars_init of {type(owner).__name__} must hold positive definite covariances")
    return covars


def positive(shape: Shape, covars: np.ndarray) -> bool:
    """Whether covariances are positive, and symmetric where they are matrices."""
    if shape in ("diag", "spherical"):
        return bool((covars > 0).all())
    if np.abs(covars - covars.mT).max() > 1e-8 * np.abs(covars).max():
        return False
    try:
        np.linalg.cholesky(covars)
    except np.linalg.LinAlgError:
        return False
    return True


def require_positive(shape: Shape, covars: np.ndarray, owner: str) -> None:
    """Refuse learned covariances that are none."""
    if not positive(shape, covars):
        raise UnreadableError(f"{owner}.covars_ should hold covariances, positive definite")


def normal_mixture(P: np.ndarray, means: np.ndarray, sd: np.ndarray, as_numpy: bool) -> Mixture:
    """Mixtures of shape (N, horizon, D) of K normals, with weights P (N, horizon, K)."""
    ends = (*P.shape[:2], 1)
    parts = [Normal(np.tile(m, ends), np.tile(v, ends)) for m, v in zip(means, sd, strict=True)]
    return Mixture(np.repeat(P[:, :, None, :], means.shape[1], axis=2), parts, as_numpy=as_numpy)
