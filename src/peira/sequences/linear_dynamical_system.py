r"""The linear dynamical system: hidden numbers that move linearly and are seen through noise.

.. math:: z_1 \sim N(m, P), \quad z_t = A z_{t-1} + w_t, \quad w_t \sim N(0, Q)

.. math:: x_t = C z_t + d + v_t, \quad v_t \sim N(0, R)

It is to continuous states what the hidden Markov model is to discrete ones, and factor analysis with a memory. The
forward pass is the Kalman filter (`peira.sequences.kalman`), the backward pass the smoother. Parameters are learned by
EM; in the maximisation step all of them are regressions on expected sums:

.. math:: A = \sum_t E[z_t z_{t-1}^T] \left( \sum_t E[z_{t-1} z_{t-1}^T] \right)^{-1}, \quad
          Q = \frac{1}{T-1} \sum_t E[(z_t - A z_{t-1}) (z_t - A z_{t-1})^T]

and so on for C and d (x on z), R, m and P. Whatever is given as a parameter is held fixed: with all of them given,
`fit` learns nothing and the system is a filter for a known process.

Missing numbers (NaN) are integrated out. The states are determined only up to an invertible linear map. EM starts from
the K strongest directions of stacked steps (their singular vectors) and ends in a local optimum.

**Use it** for many noisy series that share few smooth causes, for tracking, and to fill gaps. For one series with trend
and season take `StructuralForecaster`; where the motion is not linear, `peira.sequences.particle_filter`.

Cost: S (K^3 + D K^2) a round, S K^2 + S D K once the gains are steady.

Reference: Shumway & Stoffer (1982); Bishop (2006), 13.3, equations (13.110) to (13.116).
"""

from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core import Card, DataError, Density, ParameterError, UnreadableError, param
from ..core.inputs import Queries
from ..core.iteration import iterate
from ..core.kinds.forecaster import Forecaster
from ..core.predictive import Normal, Predictive
from ..core.seeds import draw_seed
from .kalman import StateSpace
from .linear_dynamical_moments import expectation, maximisation
from .state_space import Filtered, factor, filtered, sampled

GIVEN = ("transition", "transition_cov", "observation", "offset", "observation_cov", "initial_mean", "initial_cov")


class LinearDynamicalSystem(Forecaster, Density):
    """Linear-Gaussian state-space model, learned by EM.

    Attributes
    ----------
    transition_ : array of shape (K, K)
        A.
    transition_cov_ : array of shape (K, K)
        Q.
    observation_ : array of shape (D, K)
        C.
    offset_ : array of shape (D,)
        d.
    observation_cov_ : array of shape (D, D)
        R.
    initial_mean_, initial_cov_ : arrays of shape (K,) and (K, K)
        m and P.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import LinearDynamicalSystem
    >>> rng = np.random.default_rng(0)
    >>> z = np.cumsum(rng.normal(size=300))
    >>> X = np.outer(z, [1.0, -2.0]) + rng.normal(size=(300, 2))
    >>> model = LinearDynamicalSystem(1).fit(X)
    >>> float(np.round(model.transition_[0, 0], 1)), model.observation_cov_.diagonal().round(1)
    (1.0, array([0.9, 0.9]))
    """

    card = Card(
        tasks=("density", "forecasting"),
        reference="Shumway & Stoffer (1982); Bishop (2006), 13.3",
        cost="T K^3",
        missing=True,
        data="sequences",
    )
    n_components: int = param(2, "K, numbers of a hidden state", low=1, positional=True)
    noise: Literal["diagonal", "full"] = param("diagonal", "whether the noise of the numbers of a step is correlated")
    transition: object = param(None, "A (K, K) to hold fixed")
    transition_cov: object = param(None, "Q (K, K) to hold fixed")
    observation: object = param(None, "C (D, K) to hold fixed")
    offset: object = param(None, "d (D,) to hold fixed")
    observation_cov: object = param(None, "R (D, D) to hold fixed")
    initial_mean: object = param(None, "m (K,) to hold fixed")
    initial_cov: object = param(None, "P (K, K) to hold fixed")
    tol: float = param(1e-5, "gain of the log likelihood of a number at which to stop", low=0)
    max_iter: int = param(500, "the most rounds", low=1)

    score = Density.score

    def fit(self, X: Any, y: Any = None) -> "LinearDynamicalSystem":
        """Learn what is not given, by EM.

        Parameters
        ----------
        X : sequences of D numbers a step; NaN is missing
        y : ignored

        Raises
        ------
        DataError
            If all of a column is missing, and anything is to be learned.
        ParameterError
            If what is given has another shape than the data and the other parameters, or is no covariance.

        Warns
        -----
        ConvergenceWarning
            If the rounds ran out.
        """
        data = self._begin(X)
        values, lengths = data.X.numpy(force=True), data.lengths.numpy(force=True)
        given, empty = self._given(values.shape[1]), np.isnan(values).all(0)
        if empty.any() and len(given) < len(GIVEN):
            raise DataError(f"column {data.names[int(empty.argmax())]} holds nothing but missing numbers: leave it out")
        model = self._start(values, lengths, given)
        if len(given) < len(GIVEN):
            numbers, spread, held = int((~np.isnan(values)).sum()), np.nanvar(values, 0), frozenset(given)
            least = 1e-8 * np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
            for step in iterate(self, self.max_iter, name="EM", expect={"log_likelihood": "increase"}):
                e = expectation(model, values, lengths, self.noise == "full")
                step.record(log_likelihood=e.log_likelihood)
                if step.converged("log_likelihood", self.tol * numbers):
                    break
                model = maximisation(e, model, held, least)
        self.transition_, self.transition_cov_ = model.A, model.G @ model.G.T
        self.observation_, self.offset_, self.observation_cov_ = model.C, model.d, model.R
        self.initial_mean_, self.initial_cov_ = model.m, model.S @ model.S.T
        return self

    def filter(self, X: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """What is believed of each state after its step: means (T, K) and covariances (T, K, K) of each sequence."""
        queries = self._queries(X)
        belief = self._belief(queries)
        return self._cut(queries, belief.mean, belief.covariance)

    def smooth(self, X: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """The same given the whole sequence."""
        queries = self._queries(X)
        return self._cut(queries, *self._belief(queries).smooth())

    def sample(self, n_samples: int = 1, length: int = 100, random_state: Any = None) -> np.ndarray:
        """New sequences, of shape (n_samples, length, D).

        Parameters
        ----------
        n_samples : int, default 1
        length : int, default 100
            Steps of each.
        random_state : int, generator or None
        """
        check_is_fitted(self)
        return sampled(self._model(), length, n_samples, np.random.default_rng(draw_seed(random_state)))[1]

    def _log_density(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(self._belief(queries).log_likelihood)

    def _forecast(self, queries: Queries, horizon: int) -> Predictive:
        mean, variance = self._belief(queries).forecast(horizon)
        return Normal(queries.tensor(mean), queries.tensor(np.sqrt(variance)), as_numpy=queries.as_numpy)

    def _belief(self, queries: Queries) -> Filtered:
        return filtered(self._model(), queries.X.numpy(force=True), queries.lengths.numpy(force=True))

    def _cut(self, queries: Queries, *parts: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        ends = np.cumsum(queries.lengths.numpy(force=True))[:-1]
        return list(zip(*(np.split(part, ends) for part in parts), strict=True))

    def _model(self) -> StateSpace:
        K = len(self.initial_mean_)
        return StateSpace(
            self.transition_,
            np.zeros(K),
            factor(self.transition_cov_),
            self.observation_,
            self.offset_,
            self.observation_cov_,
            self.initial_mean_,
            factor(self.initial_cov_),
            np.zeros((K, K)),
        )

    def _given(self, D: int) -> dict[str, np.ndarray]:
        """What was given, checked."""
        K = self.n_components
        shapes = {"observation": (D, K), "offset": (D,), "observation_cov": (D, D), "initial_mean": (K,)}
        found = {}
        for name in GIVEN:
            value, shape = getattr(self, name), shapes.get(name, (K, K))
            if value is None:
                continue
            try:
                array = np.array(value, dtype=np.float64)
            except (TypeError, ValueError):
                array = np.empty(0)
            if array.shape != shape or not np.isfinite(array).all():
                raise ParameterError(f"parameter {name!r} of {type(self).__name__} must hold {shape} finite numbers")
            if name.endswith("cov"):
                values = np.linalg.eigvalsh((array + array.T) / 2)
                if np.abs(array - array.T).max() > 1e-9 * np.abs(array).max() or values[0] < -1e-9 * abs(values[-1]):
                    raise ParameterError(f"parameter {name!r} of {type(self).__name__} must be a covariance matrix")
            if name == "observation_cov" and self.noise == "diagonal" and np.abs(array - np.diag(np.diag(array))).any():
                raise ParameterError("parameter 'observation_cov' is not diagonal: pass noise='full' with it")
            found[name] = array
        return found

    def _start(self, X: np.ndarray, lengths: np.ndarray, given: dict[str, np.ndarray]) -> StateSpace:
        """States from the strongest directions of stacked steps, and regressions on them."""
        K, D = self.n_components, X.shape[1]
        seen = (~np.isnan(X)).sum(0)
        d = np.where(np.isnan(X), 0.0, X).sum(0) / np.maximum(seen, 1)
        centred = np.where(np.isnan(X), 0.0, X - d)
        scale = np.sqrt((centred**2).sum(0) / np.maximum(seen, 1))
        scale[scale == 0] = 1.0
        deep = -(-K // D) + (K > 1)  # steps of a stack
        stack = np.zeros((len(X), deep * D))
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(X))
        for j in range(deep):
            rows = np.flatnonzero(left > j)
            stack[rows, j * D : (j + 1) * D] = centred[rows + j] / scale
        vectors = np.linalg.eigh(stack.T @ stack)[1][:, ::-1][:, :K]
        z = stack @ vectors
        spread = z.std(0)
        z /= np.where(spread > 0, spread, 1.0)
        later = np.flatnonzero(np.arange(len(X)) != np.repeat(np.cumsum(lengths) - lengths, lengths))
        ridge = 1e-3 * max(len(X), 1) * np.eye(K)
        A = np.linalg.solve(z[later - 1].T @ z[later - 1] + ridge, z[later - 1].T @ z[later]).T
        A *= min(1.0, 1.0 / max(np.abs(np.linalg.eigvals(A)).max(), 1e-9))
        C = np.linalg.solve(z.T @ z + ridge, z.T @ centred).T
        noise = np.diag(0.1 * scale**2 + ((centred - z @ C.T) ** 2).mean(0))
        drift = z[later] - z[later - 1] @ A.T
        Q = np.diag((drift**2).mean(0) + 0.01 if len(later) else np.ones(K))
        value = {
            "transition": A, "transition_cov": Q, "observation": C, "offset": d, "observation_cov": noise,
            "initial_mean": np.zeros(K), "initial_cov": np.eye(K),
        } | given  # fmt: skip
        return StateSpace(
            value["transition"],
            np.zeros(K),
            factor(value["transition_cov"]),
            value["observation"],
            value["offset"],
            value["observation_cov"],
            value["initial_mean"],
            factor(value["initial_cov"]),
            np.zeros((K, K)),
        )

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        K, D, me = self.n_components, self.n_features_in_, type(self).__name__
        shapes = {
            "transition_": (K, K), "transition_cov_": (K, K), "observation_": (D, K), "offset_": (D,),
            "observation_cov_": (D, D), "initial_mean_": (K,), "initial_cov_": (K, K),
        }  # fmt: skip
        for name, shape in shapes.items():
            value = getattr(self, name)
            if not (isinstance(value, np.ndarray) and value.shape == shape and np.isfinite(value).all()):
                raise UnreadableError(f"{me}.{name} is not an array of {shape} finite numbers")
            if name.endswith("cov_") and np.linalg.eigvalsh(value)[0] < -1e-8 * np.abs(value).max():
                raise UnreadableError(f"{me}.{name} is not a covariance matrix")
