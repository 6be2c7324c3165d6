r"""The structural time-series model: a level that wanders, a slope, a season, and noise.

.. math:: x_t = \mu_t + \sum_{j=1}^{H} \gamma_{jt} + \epsilon_t, \quad \epsilon_t \sim N(0, \sigma_\epsilon^2)

.. math:: \mu_{t+1} = \mu_t + \nu_t + \xi_t, \quad \nu_{t+1} = \phi \nu_t + \zeta_t, \quad
          \xi_t \sim N(0, \sigma_\xi^2), \quad \zeta_t \sim N(0, \sigma_\zeta^2)

.. math:: \gamma_{j,t+1} = \gamma_{jt} \cos \lambda_j + \gamma^*_{jt} \sin \lambda_j + \omega_{jt}, \quad
          \gamma^*_{j,t+1} = - \gamma_{jt} \sin \lambda_j + \gamma^*_{jt} \cos \lambda_j + \omega^*_{jt}, \quad
          \lambda_j = 2 \pi j / m, \quad \omega \sim N(0, \sigma_\omega^2)

Each part may change over time, as much as its variance says; a variance of 0 makes it a straight line, or a season that
is the same for ever. The variances (and the damping :math:`\phi`) are those under which the series are most likely, by
the Kalman filter with an unknown start; the gradient comes from the smoother. What is learned is how such series move:
a forecast starts from the history that it is asked about. Each number of a step has a model of its own.

**Use it** for series with trend and season, with gaps, with few data, and when the parts are of interest (`decompose`).
Not for what depends on other series, or repeats in a form that no sum of waves follows. Seasons that grow with the
level want the logarithm first. A history shorter than its parts is met with a weak prior of the order of what was
learned from.

Cost: S K^3 at most for each evaluation of the likelihood (S K^2 once the gains are steady), some dozens of them;
K is 2 and the season's m - 1.

Reference: Harvey (1989), sections 2.3 and 4.5; Durbin & Koopman (2012), chapters 3 and 7; Gardner & McKenzie (1985).
"""

from typing import Any, Literal

import numpy as np
import torch
from scipy.optimize import minimize

from ..core import Card, DataError, UnreadableError, param
from ..core.inputs import Queries
from ..core.iteration import iterate, warn_not_converged
from ..core.predictive import Normal, Predictive
from ..numerics.ragged import split
from .periods import find_period
from .plotted_forecaster import PlottedForecaster
from .state_space import Filtered, filtered
from .structural_model import Structure

LIMITS = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 0.0, "gtol": 1e-10}  # the loop decides when to end
LEAST = -23.0  # logarithm of the smallest variance, where that of the series is 1
FIRST = {"irregular": 0.3, "level": 0.1, "slope": 1e-3, "season": 1e-3}
DAMPING = (0.5, 0.998)


class StructuralForecaster(PlottedForecaster):
    """Level, slope, season and noise, by maximum likelihood.

    Attributes
    ----------
    period_ : int
        m; 1 without a season.
    harmonics_ : int
        Waves of the season.
    variances_ : array of shape (D, variances)
        Of irregular, level, slope and season, as far as there are such parts, in units of the numbers squared.
    damping_ : array of shape (D,)
        phi; 1 for a slope that is not damped.
    mean_, scale_ : arrays of shape (D,)
        Mean and standard deviation of what was learned from.
    log_likelihood_ : array of shape (D,)
        Nats, of all series (`peira.sequences.state_space.Filtered`).

    Examples
    --------
    >>> import numpy as np
    >>> from peira.sequences import StructuralForecaster
    >>> t = np.arange(80)
    >>> x = 0.5 * t + 3 * np.sin(2 * np.pi * t / 4) + np.random.default_rng(0).normal(size=80)
    >>> model = StructuralForecaster().fit(x)
    >>> model.period_, model.predict(x, horizon=3).round(0).tolist()
    (4, [[40.0, 44.0, 42.0]])
    """

    card = Card(
        tasks="forecasting",
        reference="Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter",
        cost="T K^3",
        missing=True,
        data="sequences",
    )
    trend: Literal["damped", "local", "none"] = param(
        "damped", "how the level moves on: a slope that fades, stays, or none"
    )
    period: int | None = param(None, "steps of a season; None finds it, 1 for none", low=1)
    harmonics: int | None = param(None, "waves of the season; None for all that a period has, at most 6", low=1)
    tol: float = param(1e-6, "gain of the log likelihood of a number at which to stop", low=0)
    max_iter: int = param(200, "the most steps for each number", low=1)

    def fit(self, X: Any, y: Any = None) -> "StructuralForecaster":
        """Find the most likely variances.

        Parameters
        ----------
        X : sequences of D numbers a step; NaN is missing
        y : ignored

        Raises
        ------
        DataError
            If all of a column is missing.

        Warns
        -----
        ConvergenceWarning
            If the steps ran out.
        """
        data = self._begin(X)
        values, lengths = data.X.numpy(force=True), data.lengths.numpy(force=True)
        empty = np.isnan(values).all(0)
        if empty.any():
            raise DataError(f"column {data.names[int(empty.argmax())]} holds nothing but missing numbers: leave it out")
        self.mean_ = np.nanmean(values, 0)
        std = np.nanstd(values, 0)
        self.scale_ = np.where(std > 1e-12 * np.abs(self.mean_), std, 1.0)
        self.period_ = find_period(values, lengths) if self.period is None else int(self.period)
        most = self.period_ // 2
        self.harmonics_ = min(most, 6 if self.harmonics is None else int(self.harmonics))
        P = len(self._structure.names)
        theta, open_gaps = [], []
        for j, name in enumerate(data.names):
            best, gap = self._most_likely((values[:, [j]] - self.mean_[j]) / self.scale_[j], lengths, name)
            theta.append(best)
            open_gaps += [gap] if self.stopped_ == "max_iter" and gap > self.tol else []
        if open_gaps:
            self.stopped_ = "max_iter"
            gap = max(open_gaps)
            warn_not_converged(self, "maximum likelihood", self.max_iter, "log likelihood of a number", gap, self.tol)
        self.variances_ = np.exp([t[:P] for t in theta]) * self.scale_[:, None] ** 2
        self.damping_ = np.array([t[P] if self.trend == "damped" else 1.0 for t in theta])
        beliefs = self._beliefs(data)
        spent = np.array([belief.spent for belief in beliefs])
        likelihood = np.array([belief.log_likelihood.sum() for belief in beliefs])
        self.log_likelihood_ = likelihood - ((~np.isnan(values)).sum(0) - spent) * np.log(self.scale_)
        return self

    def decompose(self, X: Any) -> list[dict[str, np.ndarray]]:
        """The parts of each series, given the whole of it.

        Parameters
        ----------
        X : sequences

        Returns
        -------
        list of N dictionaries
            "level", "slope" and "season" as far as there are, and "level_std", each of shape (T, D), in units of the
            numbers.
        """
        queries = self._queries(X)
        columns = []
        for j, belief in enumerate(self._beliefs(queries)):
            z, V = belief.smooth()
            scale, C = self.scale_[j], belief.model.C[0]
            parts = {name: scale * (z[:, part] @ C[part]) for name, part in self._structure.parts.items()}
            parts["level"] += self.mean_[j]
            if "slope" in parts:
                parts["slope"] = scale * z[:, 1]
            parts["level_std"] = scale * np.sqrt(V[:, 0, 0])
            columns.append(parts)
        ends = np.cumsum(queries.lengths.numpy(force=True))[:-1]
        cut = {name: np.split(np.stack([c[name] for c in columns], 1), ends) for name in columns[0]}
        return [{name: parts[i] for name, parts in cut.items()} for i in range(len(queries))]

    @property
    def _structure(self) -> Structure:
        return Structure(self.trend, self.period_, self.harmonics_)

    def _most_likely(self, x: np.ndarray, lengths: np.ndarray, name: str) -> tuple[np.ndarray, float]:
        """Logarithms of the variances, and the damping, for a column of mean 0 and variance 1; and the last gain."""
        structure = self._structure
        damped = self.trend == "damped"
        P = len(structure.names)

        def likelihood(theta: np.ndarray) -> Filtered:
            return filtered(structure.model(np.exp(theta[:P]), theta[P] if damped else 1.0), x, lengths)

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            belief = likelihood(theta)
            slope = np.zeros(len(theta))
            slope_Q, slope_R, slope_P = belief.slopes()
            slope[:P] = structure.gathered(slope_Q, slope_R)
            if damped:  # the damping, and what it makes of the slope's variance at the start: by differences
                low, high = max(theta[P] - 1e-5, DAMPING[0]), min(theta[P] + 1e-5, DAMPING[1])
                sides = [float(likelihood(np.append(theta[:P], at)).log_likelihood.sum()) for at in (low, high)]
                slope[P] = (sides[1] - sides[0]) / (high - low)
                slope[2] += slope_P[1, 1] / (1 - theta[P] ** 2)
            slope[:P] *= np.exp(theta[:P])
            return -float(belief.log_likelihood.sum()), -slope

        first = np.log([FIRST[name] for name in structure.names])
        bounds = [(LEAST, 10.0)] * P
        if damped:
            first, bounds = np.append(first, 0.9), [*bounds, DAMPING]
        N = max(int((~np.isnan(x)).sum()), 1)
        steps = iterate(
            self, self.max_iter, name=f"maximum likelihood of {name}", expect={"log_likelihood": "increase"}
        )
        gap = np.inf

        def after(intermediate_result: Any) -> None:
            nonlocal gap
            step = next(steps, None)
            if step is not None:
                step.record(log_likelihood=-intermediate_result.fun)
                values = step.history["log_likelihood"]
                gap = (values[-1] - values[-2]) / N if len(values) > 1 else np.inf
                if gap <= self.tol:
                    step.stop("converged")
                    steps.close()
                elif step.index + 1 < self.max_iter:
                    return
                next(steps, None)
            raise StopIteration

        best = minimize(objective, first, jac=True, bounds=bounds, callback=after, method="L-BFGS-B", options=LIMITS)
        if not best.nit:  # where no step follows another, all variances are as likely
            step, gap = next(steps), 0.0
            step.record(log_likelihood=-best.fun)
            step.stop("converged")
        steps.close()
        return best.x, gap

    def _beliefs(self, queries: Queries, proper: bool = False) -> list[Filtered]:
        X, lengths = queries.X.numpy(force=True), queries.lengths.numpy(force=True)
        return [
            filtered(
                self._structure.model(self.variances_[j] / self.scale_[j] ** 2, float(self.damping_[j]), proper),
                (X[:, [j]] - self.mean_[j]) / self.scale_[j],
                lengths,
            )
            for j in range(X.shape[1])
        ]

    def _forecast(self, queries: Queries, horizon: int) -> Predictive:
        beliefs = self._beliefs(queries)
        N, D = len(queries), len(beliefs)
        mean, variance = np.empty((N, horizon, D)), np.empty((N, horizon, D))
        for j, belief in enumerate(beliefs):
            m, v = belief.forecast(horizon)
            short = belief.unfinished()
            if short.any():
                m[short], v[short] = self._of_short(queries, np.flatnonzero(short), j, horizon)
            mean[..., j] = self.mean_[j] + self.scale_[j] * m[..., 0]
            variance[..., j] = self.scale_[j] ** 2 * v[..., 0]
        return Normal(queries.tensor(mean), queries.tensor(np.sqrt(variance)), as_numpy=queries.as_numpy)

    def _of_short(self, queries: Queries, which: np.ndarray, j: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Forecasts where the history does not say where all parts stand: from a weak prior."""
        parts = split(queries.X[:, [j]], queries.lengths)
        few = Queries(
            torch.cat([parts[i] for i in which]), True, queries.device, lengths=queries.lengths[torch.as_tensor(which)]
        )
        model = self._structure.model(self.variances_[j] / self.scale_[j] ** 2, float(self.damping_[j]), True)
        X = (few.X.numpy(force=True) - self.mean_[j]) / self.scale_[j]
        return filtered(model, X, few.lengths.numpy(force=True)).forecast(horizon)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        D, me = self.n_features_in_, type(self).__name__
        for name in ("period_", "harmonics_"):
            if type(getattr(self, name)) is not int or getattr(self, name) < (name == "period_"):
                raise UnreadableError(f"{me}.{name} is {getattr(self, name)!r}, not a whole number")
        if self.harmonics_ > self.period_ // 2:
            raise UnreadableError(f"{me} has more harmonics than a period of {self.period_} holds")
        P = len(self._structure.names)
        shapes = {"variances_": (D, P), "damping_": (D,), "mean_": (D,), "scale_": (D,), "log_likelihood_": (D,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if not (isinstance(value, np.ndarray) and value.shape == shape and np.isfinite(value).all()):
                raise UnreadableError(f"{me}.{name} is not an array of {shape} finite numbers")
        if (self.variances_ < 0).any() or (self.scale_ <= 0).any() or (np.abs(self.damping_) > 1).any():
            raise UnreadableError(f"{me} has a negative variance, a scale that is not positive, or a damping beyond 1")
