r"""The particle filter: hidden states followed by a cloud of guesses, whatever the motion and the noise.

.. math:: z_1 \sim p(z_1), \quad z_{t+1} \sim p(z_{t+1} \mid z_t), \quad x_t \sim p(x_t \mid z_t)

Each of n particles is moved by chance as the model says and weighed by how well it explains the next observation. When
few of them carry most of the weight (the effective number falls below a share of n), they are resampled:

.. math:: w_i \propto w_i \, p(x_t \mid z^i_t), \quad n_{eff} = \frac{1}{\sum_i w_i^2}, \quad
          p(x_t \mid x_{1..t-1}) \approx \sum_i w_i \, p(x_t \mid z^i_t)

The product of the last is an unbiased estimate of the likelihood; the error of its logarithm falls with
:math:`1 / \sqrt{n}` and grows with the number of steps.

**Smoothing** draws whole paths backwards (each step among the particles of its time, in proportion to weight and to the
density of the move onwards), which does not suffer from what resampling has thrown away.

**Use it** where nothing is linear or Gaussian and the state has few dimensions: the number of particles needed grows
exponentially with what an observation tells. Where all is linear and Gaussian the Kalman filter is exact.

Cost: n a step; n for each path and step of the smoother.

Reference: Gordon, Salmond & Smith (1993); Douc & Cappe (2005); Godsill, Doucet & West (2004), algorithm 1.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.seeds import draw_seed
from .resampling import Scheme, resample

Draw = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Particles:
    """What a particle filter found of one sequence.

    Attributes
    ----------
    log_likelihood : float
        Nats; the exponential of it is unbiased.
    mean, std : arrays of shape (T, K)
        Of the state after each step.
    effective : array of shape (T,)
        The effective number of particles, before resampling.
    states : array of shape (T, n, K), weights : array of shape (T, n)
        The clouds; empty unless kept.
    seed : int
    """

    log_likelihood: float
    mean: np.ndarray
    std: np.ndarray
    effective: np.ndarray
    states: np.ndarray
    weights: np.ndarray
    seed: int

    def paths(self, n: int, log_transition: Callable[..., np.ndarray], random_state: Any = None) -> np.ndarray:
        """Draw whole paths given all observations.

        Parameters
        ----------
        n : int
        log_transition : function of (next (K,), states (n, K), t)
            Logarithms (n,) of the density of the move from each of the states at step t to the next one.
        random_state : int, generator or None

        Returns
        -------
        array of shape (n, T, K)
        """
        if not len(self.states):
            raise DataError("there are no clouds to draw paths from: call particle_filter with keep=True")
        rng = np.random.default_rng(draw_seed(random_state))
        T, _, K = self.states.shape
        found = np.empty((n, T, K))
        found[:, -1] = self.states[-1][rng.choice(self.weights.shape[1], n, p=self.weights[-1])]
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights)
        for t in range(T - 2, -1, -1):
            for i in range(n):
                score = logs[t] + log_transition(found[i, t + 1], self.states[t], t)
                p = np.exp(score - score.max())
                at = min(int(np.searchsorted(np.cumsum(p), rng.uniform() * p.sum())), len(p) - 1)
                found[i, t] = self.states[t, at]
        return found


def particle_filter(
    x: Any,
    initial: Draw,
    transition: Draw,
    log_observation: Callable[..., np.ndarray],
    *,
    n_particles: int = 1000,
    resampling: Scheme = "systematic",
    threshold: float = 0.5,
    keep: bool = False,
    random_state: Any = None,
) -> Particles:
    """Follow the hidden states of one sequence.

    Parameters
    ----------
    x : array of shape (T, D) or (T,)
        A step that is NaN throughout was not observed; ``log_observation`` is not asked about it.
    initial : function of (n, rng)
        Draws states (n, K) of the first step.
    transition : function of (states (n, K), t, rng)
        Draws the states (n, K) that follow those of step t, counted from 0.
    log_observation : function of (observation (D,), states (n, K), t)
        Logarithms (n,) of the density of what was observed at step t.
    n_particles : int, default 1000
    resampling : "systematic", "stratified", "residual" or "multinomial"
    threshold : float in [0, 1], default 0.5
        Resample when the effective number of particles falls below this share; 1 always, 0 never.
    keep : bool, default False
        Keep the clouds, T n K numbers; `Particles.paths` needs them.
    random_state : int, generator or None

    Returns
    -------
    Particles

    Raises
    ------
    DataError
        If a density is NaN, or a function gives another shape than is expected.

    Warns
    -----
    RuntimeWarning
        If no particle explains an observation: the log likelihood is minus infinity.

    Examples
    --------
    A random walk seen through noise:

    >>> x = np.array([0.1, 0.9, 2.1, 2.9])
    >>> found = particle_filter(
    ...     x,
    ...     initial=lambda n, rng: rng.normal(size=(n, 1)),
    ...     transition=lambda z, t, rng: z + rng.normal(size=z.shape),
    ...     log_observation=lambda x, z, t: -0.5 * ((x - z[:, 0]) / 0.1) ** 2,
    ...     random_state=0,
    ... )
    >>> found.mean[:, 0].round(1)
    array([0.1, 0.9, 2.1, 2.9])
    """
    x = np.asarray(x, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or not len(x):
        raise DataError(f"particle_filter follows one sequence of shape (T,) or (T, D), got {x.shape}")
    if n_particles < 1 or not 0 <= threshold <= 1:
        raise ParameterError("n_particles must be at least 1 and threshold between 0 and 1")
    seed = draw_seed(random_state)
    rng, T, n = np.random.default_rng(seed), len(x), int(n_particles)
    z = _cloud(initial(n, rng), n, "initial")
    K = z.shape[1]
    mean, std, effective = np.empty((T, K)), np.empty((T, K)), np.empty(T)
    states, weights = np.empty((T if keep else 0, n, K)), np.empty((T if keep else 0, n))
    w, total = np.full(n, 1.0 / n), 0.0
    for t in range(T):
        if t:
            z = _cloud(transition(z, t - 1, rng), n, "transition")
        if not np.isnan(x[t]).all():
            logs = np.asarray(log_observation(x[t], z, t), dtype=np.float64)
            if logs.shape != (n,) or np.isnan(logs).any():
                raise DataError(f"log_observation must give {n} logarithms, none NaN; at step {t} it gave {logs.shape}")
            most = logs.max()
            if most == -math.inf:
                warnings.warn(
                    f"no particle explains the observation at step {t}: take more particles, or wider noise",
                    RuntimeWarning,
                    stacklevel=2,
                )
                total = -math.inf
            else:
                w = w * np.exp(logs - most)
                total += most + math.log(w.sum())
                w = w / w.sum()
        mean[t] = w @ z
        std[t] = np.sqrt(np.maximum(w @ (z - mean[t]) ** 2, 0))
        effective[t] = 1 / (w @ w)
        if keep:
            states[t], weights[t] = z, w
        if t < T - 1 and (effective[t] < threshold * n or (threshold == 1 and effective[t] < n)):
            z, w = z[resample(w, resampling, rng)], np.full(n, 1.0 / n)
    return Particles(total, mean, std, effective, states, weights, seed)


def _cloud(z: Any, n: int, name: str) -> np.ndarray:
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or len(z) != n or not np.isfinite(z).all():
        raise DataError(f"{name} must give {n} finite states of shape ({n}, K), got {z.shape}")
    return z
