"""Sequences seen through a linear-Gaussian state-space model: filtered, smoothed, forecast, drawn.

What `peira.sequences.kalman` and `peira.sequences.kalman_smoother` compute, put together for a model and its data.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..numerics.compile import compiled
from .kalman import Gains, StateSpace, gains, means
from .kalman_smoother import backward
from .kalman_steps import ahead, decorrelated


@dataclass(frozen=True)
class Filtered:
    """Beliefs after each step of all sequences.

    Attributes
    ----------
    log_likelihood : array of shape (N,)
        Nats. A number that went into finding an unknown start counts with its scale alone, -log F_inf / 2 (Durbin &
        Koopman 2012, section 7.2.2, without the constant), so that likelihoods of models with one start compare.
    mean : array of shape (S, K)
        Of the state, given the numbers up to its step.
    """

    model: StateSpace
    gains: Gains
    lengths: np.ndarray
    v: np.ndarray
    predicted: np.ndarray
    mean: np.ndarray
    log_likelihood: np.ndarray
    ends: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Of the states (S, K, K); a variance is infinite while nothing is known of it."""
        P = self.gains.filtered @ self.gains.filtered.swapaxes(1, 2)
        for s in np.flatnonzero(self.gains.wide >= 0):
            w = self.gains.wide[s]
            W = self.gains.W[w].copy()
            for i in np.flatnonzero(self.gains.F_inf[w] > 0):
                W -= np.outer(self.gains.k[s, i], self.gains.C[s, i] @ W)
            size = (W**2).sum(1)
            unknown = size > 1e-18 * max((self.gains.W[w] ** 2).max(), 1e-300)
            P[s][unknown, unknown] = np.inf
        return P[self.gains.slot]

    @property
    def spent(self) -> int:
        """How many numbers went into finding unknown starts."""
        wide = self.gains.wide[self.gains.slot]
        return int((self.gains.F_inf[wide[wide >= 0]] > 0).sum())

    def smooth(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (S, K) and covariances (S, K, K) given the whole sequences."""
        return backward(self.model, self.gains, self.v, self.predicted, self.lengths, True, False)[:2]

    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Also the covariances of each state with the one before it (S, K, K); only where the start is proper."""
        return backward(self.model, self.gains, self.v, self.predicted, self.lengths, True, True)[:3]

    def slopes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The gradient of the log likelihood of all in Q (K, K), a diagonal R (D,) and the start's S S' (K, K)."""
        return backward(self.model, self.gains, self.v, self.predicted, self.lengths, False, False)[3:]

    def unfinished(self) -> np.ndarray:
        """Sequences (N,) that end before their start was found: their forecasts would have infinite variance."""
        last = self.gains.slot[np.cumsum(self.lengths) - 1] if len(self.gains.slot) else np.zeros(0, dtype=np.int64)
        wide = np.where(self.lengths > 0, self.gains.wide[last], 0) >= 0
        for n in np.flatnonzero(wide & (self.lengths > 0)):
            s = last[n]
            W = self.gains.W[self.gains.wide[s]]
            wide[n] = (
                np.linalg.matrix_rank(W, tol=1e-9 * np.abs(self.model.W).max())
                > (self.gains.F_inf[self.gains.wide[s]] > 0).sum()
            )
        return wide

    def forecast(self, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each number of the next steps, both (N, horizon, D)."""
        last = np.where(self.lengths > 0, self.gains.slot[np.cumsum(self.lengths) - 1], -1)
        return _forecast(self.model, self.gains.filtered, last, self.ends, horizon)


def filtered(model: StateSpace, X: np.ndarray, lengths: np.ndarray) -> Filtered:
    """Run the Kalman filter over sequences.

    Parameters
    ----------
    model : StateSpace
    X : array of shape (S, D)
        NaN where a number is missing.
    lengths : int array of shape (N,)

    Returns
    -------
    Filtered
    """
    g = gains(model, X, lengths)
    predicted, mean, v, logs, ends = means(model, g, decorrelated(X, model.d, model.R), lengths)
    return Filtered(model, g, lengths, v, predicted, mean, logs, ends)


@compiled
def _forecast(
    model: StateSpace, factors: np.ndarray, last: np.ndarray, ends: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    D, K = model.C.shape
    N = len(last)
    mean, variance = np.empty((N, horizon, D)), np.empty((N, horizon, D))
    S, B, z = np.empty((K, K)), np.empty((K, 2 * K)), np.empty(K)
    known = np.full(len(factors) + 1, -1, dtype=np.int64)  # a sequence that has ended in the same slot
    for n in range(N):
        z[:] = ends[n]
        alike = known[last[n] + 1]
        if alike < 0:
            known[last[n] + 1] = n
            if last[n] < 0:
                S[:] = model.S
            else:
                S[:] = factors[last[n]]
                ahead(S, model.A, model.G, B)
        for h in range(horizon):
            for i in range(D):
                total = model.d[i]
                for j in range(K):
                    total += model.C[i, j] * z[j]
                mean[n, h, i] = total
                if alike >= 0:
                    variance[n, h, i] = variance[alike, h, i]
                    continue
                total = model.R[i, i]
                for j in range(K):
                    s = 0.0
                    for l in range(K):
                        s += model.C[i, l] * S[l, j]
                    total += s * s
                variance[n, h, i] = total
            z[:] = model.A @ z + model.b
            if alike < 0:
                ahead(S, model.A, model.G, B)
    return mean, variance


def sampled(model: StateSpace, T: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """States (n, T, K) and numbers (n, T, D) drawn from the model; the start must be proper."""
    D, K = model.C.shape
    states, numbers = np.empty((n, T, K)), np.empty((n, T, D))
    values, vectors = np.linalg.eigh(model.R)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    z = model.m + rng.standard_normal((n, K)) @ model.S.T
    for t in range(T):
        states[:, t] = z
        numbers[:, t] = z @ model.C.T + model.d + rng.standard_normal((n, D)) @ root.T
        z = z @ model.A.T + model.b + rng.standard_normal((n, K)) @ model.G.T
    return states, numbers


def factor(P: Any) -> np.ndarray:
    """The lower triangle L with L L' = P, of a covariance that may be singular."""
    values, vectors = np.linalg.eigh(np.asarray(P, dtype=np.float64))
    return np.linalg.qr((vectors * np.sqrt(np.clip(values, 0, None))).T, mode="r").T.copy()
