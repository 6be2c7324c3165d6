r"""The Kalman filter in square-root form: what is believed of a hidden state after each step.

.. math:: z_{t+1} = A z_t + b + G \eta_t, \quad x_t = C z_t + d + \epsilon_t, \quad \eta_t \sim N(0, I),
          \quad \epsilon_t \sim N(0, R), \quad z_1 \sim N(m, S S^T + \kappa W W^T), \quad \kappa \to \infty

Three passes. `gains` follows the covariances, which depend on the data only by what is missing; `means` follows the
means and the likelihood; `peira.sequences.kalman_smoother` goes back.

**Square roots.** Instead of a covariance P its factor S is kept, P = S S'. The numbers of a step are taken one after
the other (R is made diagonal first), each by Potter's update, and the step ahead is one triangulation:

.. math:: \varphi = S^T c, \quad F = \varphi^T \varphi + r, \quad k = S \varphi / F, \quad
          S \leftarrow S - \frac{S \varphi \varphi^T}{F + \sqrt{r F}}, \quad S \leftarrow tri [ A S, \; G ]

No covariance can become indefinite, nothing is inverted, and a missing number is left out.

**A start of which nothing is known** (W): the limit is taken exactly, not by a large number. While W is not used up,
:math:`F_\infty = |W^T c|^2` decides: where it is positive, the number goes into finding the start.

**Steady state.** Where nothing is missing the gains converge; from then on only means are computed. Gains are held in
a table of slots: all steady steps share one, and sequences without gaps share all of theirs.

Cost: K^3 + D K^2 a step until the gains are steady, K^2 + D K after.

Reference: Potter (1963), in Battin (1964); Bierman (1977), chapter II; Koopman & Durbin (2000); Durbin & Koopman
(2012), 4.3, 5.2, 6.3, 6.4.
"""

import math
from typing import NamedTuple

import numpy as np

from ..numerics.compile import compiled
from .kalman_steps import ahead, find_start, gap, keep, of_start, take, unit_triangle

LOG_2PI = math.log(2 * math.pi)
STEADY = 1e-13  # relative change of the factor that is still to come


class StateSpace(NamedTuple):
    """The model with its numbers, K of a state and D of a step; R is diagonal (`decorrelated` makes it so)."""

    A: np.ndarray  # (K, K)
    b: np.ndarray  # (K,)
    G: np.ndarray  # (K, K), lower triangle
    C: np.ndarray  # (D, K)
    d: np.ndarray  # (D,)
    R: np.ndarray  # (D, D)
    m: np.ndarray  # (K,)
    S: np.ndarray  # (K, K), lower triangle
    W: np.ndarray  # (K, K)


class Gains(NamedTuple):
    """What `gains` found: for each step its slot, and a table of slots."""

    slot: np.ndarray  # (S,)
    predicted: np.ndarray  # (slots, K, K): S before the numbers of the step
    filtered: np.ndarray  # (slots, K, K): S after them
    C: np.ndarray  # (slots, D, K): as it meets independent noise
    r: np.ndarray  # (slots, D)
    F: np.ndarray  # (slots, D); -1 where the number is missing
    k: np.ndarray  # (slots, D, K)
    constant: np.ndarray  # (slots,): the part of -2 log likelihood that does not depend on the numbers
    wide: np.ndarray  # (slots,): position among those whose start is not found yet, or -1
    W: np.ndarray  # (wide, K, K)
    F_inf: np.ndarray  # (wide, D); 0 where the number says nothing of the start
    k1: np.ndarray  # (wide, D, K)


@compiled
def _fill(model: StateSpace, seen: np.ndarray, lengths: np.ndarray, path: np.ndarray, table: Gains) -> tuple[int, int]:
    """Fill the table; returns how many slots, and how many of them with an unknown start, are in use."""
    # One by one: to take an array out of a tuple, or a part out of an array, costs more than a step's arithmetic.
    A, _, G, C, _, R, _, S_first, W_first = model
    slot, predicted, filtered, C_, r_, F_, k_, constants, wide_, W_, F_inf_, k1_ = table
    D, K = C.shape
    here, L, r = np.ones(D, dtype=np.bool_), np.empty((D, D)), np.empty(D)
    c, k, k1, phi, B = np.empty(K), np.empty(K), np.empty(K), np.empty(K), np.empty((K, 2 * K))
    unit_triangle(R, here, L, r)
    S, W, S_path, W_path = S_first.copy(), W_first.copy(), S_first.copy(), W_first.copy()
    scale = 0.0
    for v in W_first.flat:
        scale = max(scale, v * v)
    used, wide, steps, row = 0, 0, 0, 0
    arrived, steady = -1, -1  # the slot in which the way without gaps has ended; any slot that repeats itself
    delta_path = np.inf
    for n in range(len(lengths)):
        shared, delta, opening = True, np.inf, scale > 0.0
        for t in range(lengths[n]):
            complete, other = True, False  # whether all numbers are seen, and whether other ones than at the last slot
            for i in range(D):
                complete = complete and seen[row, i]
                other = other or seen[row, i] != here[i]
            row += 1
            if shared and complete and (t < steps or arrived >= 0):
                slot[row - 1] = path[t] if t < steps else arrived
                continue
            extends = shared and complete
            if shared:  # the way without gaps goes on, or is left here
                if t < steps or arrived >= 0:
                    at = path[t] if t < steps else arrived
                    S[:] = predicted[at]
                    opening = wide_[at] >= 0
                    if opening:
                        W[:] = W_[wide_[at]]
                else:
                    S[:] = S_path
                    W[:] = W_path
                    delta = delta_path
                    opening = _holds(W_path, scale)
                shared = extends
            elif complete and steady >= 0 and not opening and gap(S, predicted, steady) <= STEADY:
                slot[row - 1] = steady
                S[:] = predicted[steady]
                continue
            slot[row - 1] = used
            if other:
                for i in range(D):
                    here[i] = seen[row - 1, i]
                unit_triangle(R, here, L, r)
            keep(S, predicted, used)
            wide_[used] = wide if opening else -1
            if opening:
                keep(W, W_, wide)
            constant = 0.0
            for i in range(D):
                for l in range(K):
                    c[l] = C[i, l]
                    k[l] = 0.0
                F, F_inf = -1.0, 0.0
                if here[i]:
                    for j in range(i):
                        if here[j]:
                            for l in range(K):
                                c[l] -= L[i, j] * C_[used, j, l]
                    if opening:
                        F_inf = of_start(W, c, phi, scale)
                    if F_inf > 0.0:
                        F = find_start(S, W, c, r[i], k, k1, phi, F_inf)
                        constant += math.log(F_inf)
                    else:
                        F = take(S, c, r[i], k, phi)
                        if F > 0.0:
                            constant += LOG_2PI + math.log(F)
                F_[used, i] = F
                r_[used, i] = r[i]
                for l in range(K):
                    C_[used, i, l] = c[l]
                    k_[used, i, l] = k[l]
                if opening:
                    F_inf_[wide, i] = F_inf
                    for l in range(K):
                        k1_[wide, i, l] = k1[l] if F_inf > 0.0 else 0.0
            constants[used] = constant
            keep(S, filtered, used)
            repeats = complete and not opening
            if opening:
                wide += 1
                W[:] = A @ W
                opening = _holds(W, scale)
            ahead(S, A, G, B)
            before, delta = delta, gap(S, predicted, used)
            if not repeats:
                delta = np.inf
            elif delta <= 1e-15 or (before < np.inf and delta < before and delta * delta <= STEADY * (before - delta)):
                steady = used
                if extends:
                    arrived = used
            if extends:
                path[steps] = used
                steps += 1
                S_path[:] = S
                W_path[:] = W
                delta_path = delta
            used += 1
    return used, wide


@compiled
def _holds(W: np.ndarray, scale: float) -> bool:
    """Whether anything of the start is still unknown."""
    most = 0.0
    for v in W.flat:
        most = max(most, v * v)
    return most > 1e-18 * scale


def gains(model: StateSpace, X: np.ndarray, lengths: np.ndarray) -> Gains:
    """The covariances and gains of all steps.

    Parameters
    ----------
    model : StateSpace
    X : array of shape (S, D)
        NaN where a number is missing.
    lengths : int array of shape (N,)

    Returns
    -------
    Gains
    """
    (D, K), S = model.C.shape, len(X)
    seen = ~np.isnan(X)
    most = S + 1
    if seen.all():
        most = int(lengths.max(initial=0)) + 1
    starts = most if model.W.any() else 1
    table = Gains(
        np.empty(S, dtype=np.int64),
        np.empty((most, K, K)),
        np.empty((most, K, K)),
        np.empty((most, D, K)),
        np.empty((most, D)),
        np.empty((most, D)),
        np.empty((most, D, K)),
        np.empty(most),
        np.empty(most, dtype=np.int64),
        np.empty((starts, K, K)),
        np.empty((starts, D)),
        np.empty((starts, D, K)),
    )
    path = np.empty(int(lengths.max(initial=0)) + 1, dtype=np.int64)
    used, wide = _fill(model, seen, lengths, path, table)
    return Gains(table.slot, *(part[:used] for part in table[1:9]), *(part[:wide] for part in table[9:]))


@compiled
def means(
    model: StateSpace, g: Gains, Y: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The means before and after each step (S, K), the surprises v (S, D), log likelihoods (N,), and the ends (N, K).

    ``Y`` are the numbers after `decorrelated`. A number that was certain, and came otherwise, has density 0.
    """
    S, D = Y.shape
    K, N = len(model.m), len(lengths)
    predicted, filtered, v = np.empty((S, K)), np.empty((S, K)), np.zeros((S, D))
    logs, ends, m, ahead = np.zeros(N), np.empty((N, K)), np.empty(K), np.empty(K)
    row = 0
    for n in range(N):
        m[:] = model.m
        total = 0.0
        for _ in range(lengths[n]):
            s = g.slot[row]
            w = g.wide[s]
            predicted[row] = m
            total += g.constant[s]
            for i in range(D):
                F = g.F[s, i]
                if F < 0.0:
                    continue
                u = Y[row, i]
                for j in range(K):
                    u -= g.C[s, i, j] * m[j]
                if w >= 0 and g.F_inf[w, i] > 0.0:
                    v[row, i] = u
                elif F > 0.0:
                    v[row, i] = u
                    total += u * u / F
                elif abs(u) > 1e-9 * (1.0 + abs(Y[row, i])):
                    total = np.inf
                for j in range(K):
                    m[j] += g.k[s, i, j] * u
            filtered[row] = m
            for i in range(K):
                z = model.b[i]
                for j in range(K):
                    z += model.A[i, j] * m[j]
                ahead[i] = z
            m[:] = ahead
            row += 1
        logs[n] = -total / 2
        ends[n] = m
    return predicted, filtered, v, logs, ends
