r"""Extended and unscented Kalman filters: Gaussian beliefs about a state that moves by any smooth function.

.. math:: z_{t+1} = f(z_t, t) + w_t, \quad x_t = h(z_t, t) + v_t, \quad w_t \sim N(0, Q), \quad v_t \sim N(0, R)

Both keep a mean m and a covariance P, and differ in how these go through a function g. **Extended**: g is replaced by
its tangent at m (by automatic differentiation),

.. math:: E[g] \approx g(m), \quad V[g] \approx J P J^T, \quad V[z, g] \approx P J^T

**Unscented**: by 2 K + 1 points that have the mean and the covariance of the belief, with :math:`\lambda = \alpha^2
(K + \kappa) - K` and :math:`P = L L^T`,

.. math:: z_0 = m, \quad z_{\pm i} = m \pm \sqrt{K + \lambda} \, L_i

.. math:: w_0 = \frac{\lambda}{K + \lambda}, \quad w_{\pm i} = \frac{1}{2 (K + \lambda)}

(the middle one counts :math:`1 - \alpha^2 + \beta` more in covariances). It is right to the second order for any g and
needs no derivative. For linear functions both are the Kalman filter. Beliefs with two humps are beyond both: take
`peira.sequences.particle_filter`.

All sequences are followed at once; the functions are asked about many states in one call.

Cost: T K^3, and a derivative (extended) or 2 K + 1 values (unscented) of each function a step.

Reference: Anderson & Moore (1979), chapter 8; Julier & Uhlmann (1997); Wan & van der Merwe (2000), algorithm 3.1;
Sarkka (2013), algorithms 5.4, 5.14, 9.1 and 9.3.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import DataError
from ..core.sequences import open_sequences
from ..numerics.ragged import pad

Function = Callable[[torch.Tensor, int], torch.Tensor]
Through = Callable[[Function, torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class NonlinearModel:
    """What moves, and how it is seen.

    Parameters
    ----------
    transition : function of (states (M, K), t)
        f: a tensor (M, K), each row from its own row.
    observation : function of (states (M, K), t)
        h: a tensor (M, D).
    transition_cov : array of shape (K, K)
    observation_cov : array of shape (D, D)
    initial_mean : array of shape (K,)
    initial_cov : array of shape (K, K)
    """

    transition: Function
    observation: Function
    transition_cov: Any
    observation_cov: Any
    initial_mean: Any
    initial_cov: Any


@dataclass(frozen=True)
class Beliefs:
    """Gaussian beliefs about the states of N sequences.

    Attributes
    ----------
    mean : list of N arrays (T, K)
    covariance : list of N arrays (T, K, K)
    smoothed_mean, smoothed_covariance : the same, given the whole sequences
    log_likelihood : array of shape (N,)
        Nats; approximate, as the beliefs are.
    """

    mean: list[np.ndarray]
    covariance: list[np.ndarray]
    smoothed_mean: list[np.ndarray]
    smoothed_covariance: list[np.ndarray]
    log_likelihood: np.ndarray


def extended_kalman_filter(X: Any, model: NonlinearModel) -> Beliefs:
    """Follow and smooth by tangents.

    Parameters
    ----------
    X : sequences of D numbers a step; NaN is missing
    model : NonlinearModel
        Its functions must be made of torch operations, so that they can be differentiated.

    Returns
    -------
    Beliefs

    Examples
    --------
    A pendulum whose height is seen:

    >>> model = NonlinearModel(
    ...     lambda z, t: torch.stack([z[:, 0] + 0.1 * z[:, 1], z[:, 1] - 0.1 * torch.sin(z[:, 0])], 1),
    ...     lambda z, t: torch.sin(z[:, :1]),
    ...     1e-4 * np.eye(2), [[0.01]], [1.0, 0.0], 0.1 * np.eye(2),
    ... )
    >>> found = extended_kalman_filter([0.84, 0.84, 0.83, 0.82], model)
    >>> found.mean[0].shape
    (4, 2)
    """
    return _follow(X, model, _tangent, "extended_kalman_filter")


def unscented_kalman_filter(
    X: Any, model: NonlinearModel, *, alpha: float = 1.0, beta: float = 0.0, kappa: float | None = None
) -> Beliefs:
    """Follow and smooth by points.

    Parameters
    ----------
    X : sequences of D numbers a step; NaN is missing
    model : NonlinearModel
    alpha, beta, kappa : floats
        How far out the points are, and what the middle one counts. Without kappa it is max(3 - K, 0).

    Returns
    -------
    Beliefs
    """
    K = len(np.asarray(model.initial_mean))
    extra = max(3.0 - K, 0.0) if kappa is None else kappa
    c = alpha**2 * (K + extra)  # K + lambda
    if not c > 0:
        raise DataError(f"alpha and kappa put the points nowhere: alpha^2 (K + kappa) is {c:g}, and must be positive")
    w = torch.full((2 * K + 1,), 0.5 / c, dtype=torch.float64)
    w[0] = 1 - K / c
    wc = w.clone()
    wc[0] += 1 - alpha**2 + beta

    def points(
        g: Function, m: torch.Tensor, P: torch.Tensor, t: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        N = len(m)
        L = math.sqrt(c) * _root(P).mT
        z = torch.cat([m[:, None], m[:, None] + L, m[:, None] - L], 1)
        y = g(z.reshape(-1, K), t).reshape(N, 2 * K + 1, -1)
        mean = (w[:, None] * y).sum(1)
        dy, dz = y - mean[:, None], z - m[:, None]
        return mean, (dy * wc[:, None]).mT @ dy, (dz * wc[:, None]).mT @ dy

    return _follow(X, model, points, "unscented_kalman_filter")


def _tangent(g: Function, m: torch.Tensor, P: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    J = torch.func.vmap(torch.func.jacrev(lambda z: g(z[None], t)[0]))(m)
    across = P @ J.mT
    return g(m, t), J @ across, across


def _follow(X: Any, model: NonlinearModel, through: Through, owner: str) -> Beliefs:
    opened = open_sequences(X, owner=owner, missing_ok=True)
    Q, R, m0, P0 = (
        torch.as_tensor(np.asarray(v, dtype=np.float64))
        for v in (model.transition_cov, model.observation_cov, model.initial_mean, model.initial_cov)
    )
    K, D = len(m0), opened.X.shape[1]
    if Q.shape != (K, K) or P0.shape != (K, K) or R.shape != (D, D):
        raise DataError(
            f"{owner} got {D} numbers a step and {K} of a state, with covariances of shapes {tuple(Q.shape)} (state), "
            f"{tuple(P0.shape)} (start) and {tuple(R.shape)} (numbers)"
        )
    x = pad(opened.X, opened.lengths, math.nan)
    N, T = x.shape[:2]
    mean, P = x.new_empty((T, N, K)), x.new_empty((T, N, K, K))
    ahead, P_ahead, across = x.new_empty((T, N, K)), x.new_empty((T, N, K, K)), x.new_zeros((T, N, K, K))
    logs = x.new_zeros(N)
    m, V = m0.expand(N, K), P0.expand(N, K, K)
    for t in range(T):
        if t:
            m, V, across[t] = through(model.transition, m, V, t - 1)
            V = V + Q
        ahead[t], P_ahead[t] = m, V
        y, S, C = through(model.observation, m, V, t)
        m, V, gain = _update(x[:, t], m, V, y, S, C, R)
        logs += gain
        mean[t], P[t] = m, V
    back, P_back = mean.clone(), P.clone()
    ends = opened.lengths
    for t in range(T - 2, -1, -1):
        G = torch.linalg.lstsq(P_ahead[t + 1], across[t + 1].mT, driver="gelsd").solution.mT
        inside = (t < ends - 1)[:, None]
        back[t] = torch.where(inside, mean[t] + (G @ (back[t + 1] - ahead[t + 1])[..., None])[..., 0], mean[t])
        moved = _proper(P[t] + G @ (P_back[t + 1] - P_ahead[t + 1]) @ G.mT)
        P_back[t] = torch.where(inside[..., None], moved, P[t])

    def cut(v: torch.Tensor) -> list[np.ndarray]:
        return [v[:n, i].numpy() for i, n in enumerate(ends.tolist())]

    return Beliefs(cut(mean), cut(P), cut(back), cut(P_back), logs.numpy())


def _update(
    x: torch.Tensor,
    m: torch.Tensor,
    P: torch.Tensor,
    y: torch.Tensor,
    S: torch.Tensor,
    C: torch.Tensor,
    R: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take the numbers (N, D) in; a missing one is made independent of all else, and counts nothing."""
    known = ~torch.isnan(x)
    both = known[:, :, None] & known[:, None, :]
    S = torch.where(both, S + R, torch.diag_embed((~known).double()))
    C = torch.where(known[:, None, :], C, 0.0)
    v = torch.where(known, x - y, 0.0)
    L = torch.linalg.cholesky(S)
    half = torch.linalg.solve_triangular(L, C.mT, upper=False)
    white = torch.linalg.solve_triangular(L, v[..., None], upper=False)
    m = m + (half.mT @ white)[..., 0]
    log_det = 2 * L.diagonal(dim1=1, dim2=2).log().sum(1)
    gain = -(white[..., 0].square().sum(1) + log_det + known.double().sum(1) * math.log(2 * math.pi)) / 2
    return m, _proper(P - half.mT @ half), gain


def _proper(P: torch.Tensor) -> torch.Tensor:
    """Symmetric, and without the negative directions that rounding and linearisation can leave."""
    P = (P + P.mT) / 2
    bad = torch.linalg.cholesky_ex(P)[1] > 0
    if bad.any():
        values, vectors = torch.linalg.eigh(P[bad])
        P = P.clone()
        P[bad] = (vectors * values.clamp(min=0)[:, None]) @ vectors.mT
    return P


def _root(P: torch.Tensor) -> torch.Tensor:
    L, failed = torch.linalg.cholesky_ex(P)
    if (failed > 0).any():
        values, vectors = torch.linalg.eigh(P)
        return vectors * values.clamp(min=0).sqrt()[:, None]
    return L
