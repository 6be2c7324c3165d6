r"""The expectation and the maximisation step for a linear dynamical system.

The letters are those of `peira.sequences.linear_dynamical_system`. Sums over steps are gathered from groups of whole
sequences, so that the covariances of all steps never stand in memory at once (but for those of one sequence).
"""

from dataclasses import dataclass

import numpy as np

from .kalman import StateSpace
from .state_space import factor, filtered

ROOM = 100_000  # steps of a group


@dataclass
class Moments:
    """Expected sums over all steps: what the maximisation step needs to know."""

    log_likelihood: float
    now: np.ndarray  # (K, K): of z_t z_t' over the steps with a step before
    before: np.ndarray  # (K, K): of z_{t-1} z_{t-1}'
    across: np.ndarray  # (K, K): of z_t z_{t-1}'
    moves: int
    first: np.ndarray  # (K,): of z_1
    first_square: np.ndarray  # (K, K)
    N: int
    uu: np.ndarray  # (D or 1, K+1, K+1): of u u', u = (z_t, 1), over the steps where the number is known
    xu: np.ndarray  # (D, K+1): of x_t u'
    xx: np.ndarray  # (D, D), or (D,) where the noise is independent
    seen: np.ndarray  # (D,) or (1,): how many steps


def expectation(model: StateSpace, X: np.ndarray, lengths: np.ndarray, full: bool) -> Moments:
    """The expected sums given all numbers; ``full`` where the noise of numbers of a step is correlated."""
    total = None
    ends = np.cumsum(lengths)
    groups = (ends - 1) // ROOM if len(ends) else ends
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        rows = slice(int(ends[mine[0]] - lengths[mine[0]]), int(ends[mine[-1]]))
        part = _of_group(model, X[rows], lengths[mine], full)
        if total is None:
            total = part
        else:
            for name, value in vars(part).items():
                setattr(total, name, getattr(total, name) + value)
    assert total is not None
    return total


def _of_group(model: StateSpace, X: np.ndarray, lengths: np.ndarray, full: bool) -> Moments:
    D, K = model.C.shape
    belief = filtered(model, X, lengths)
    z, V, cross = belief.moments()
    E = V + z[:, :, None] * z[:, None, :]
    firsts = (np.cumsum(lengths) - lengths)[lengths > 0]
    later = np.ones(len(X), dtype=bool)
    later[firsts] = False
    t = np.flatnonzero(later)
    now = E[t].sum(0)
    across = cross.sum(0) + z[t].T @ z[t - 1]
    u = np.concatenate([z, np.ones((len(z), 1))], 1)
    known = ~np.isnan(X)
    if full:
        uu, xu, xx, seen = _of_patterns(model, X, known, u, V)
    else:
        x = np.where(known, X, 0.0)
        w = known.astype(np.float64)
        uu = np.empty((D, K + 1, K + 1))
        uu[:, :K, :K] = (w.T @ E.reshape(len(E), K * K)).reshape(D, K, K)
        uu[:, :, K] = w.T @ u
        uu[:, K, :] = uu[:, :, K]
        xu, xx, seen = x.T @ u, (x * x).sum(0), w.sum(0)
    return Moments(
        float(belief.log_likelihood.sum()),
        now,
        E[t - 1].sum(0),
        across,
        len(t),
        z[firsts].sum(0),
        E[firsts].sum(0),
        len(firsts),
        uu,
        xu,
        xx,
        seen,
    )


def _of_patterns(
    model: StateSpace, X: np.ndarray, known: np.ndarray, u: np.ndarray, V: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums where noise is correlated: missing numbers of a step are expected given the state and the others of it."""
    D, K = model.C.shape
    uu, xu, xx, count = np.zeros((1, K + 1, K + 1)), np.zeros((D, K + 1)), np.zeros((D, D)), 0
    patterns, which = np.unique(known, axis=0, return_inverse=True)
    which = which.reshape(-1)
    for p, o in enumerate(patterns):
        if not o.any():
            continue
        rows = np.flatnonzero(which == p)
        x, v = X[rows], V[rows].sum(0)
        J = np.zeros((D, K))  # what the numbers move by with the state
        extra = np.zeros((D, D))
        if not o.all():
            m = ~o
            B = np.linalg.lstsq(model.R[np.ix_(o, o)], model.R[np.ix_(o, m)], rcond=None)[0].T
            J[m] = model.C[m] - B @ model.C[o]
            x = x.copy()
            x[:, m] = u[rows, :K] @ J[m].T + model.d[m] + (x[:, o] - model.d[o]) @ B.T
            extra[np.ix_(m, m)] = model.R[np.ix_(m, m)] - B @ model.R[np.ix_(o, m)]
        uu[0] += u[rows].T @ u[rows]
        uu[0, :K, :K] += v
        xu += x.T @ u[rows]
        xu[:, :K] += J @ v
        xx += x.T @ x + J @ v @ J.T + len(rows) * extra
        count += len(rows)
    return uu, xu, xx, np.array([float(count)])


def maximisation(e: Moments, model: StateSpace, held: frozenset[str], least: np.ndarray) -> StateSpace:
    """The model under which the expected sums are most likely; what is ``held`` stays as it is.

    ``least`` (D,) bounds the noise of the numbers from below.
    """
    K, D = len(model.m), len(model.d)
    A, C, d, R, m = model.A, model.C, model.d, model.R, model.m
    Q, P = model.G @ model.G.T, model.S @ model.S.T
    if e.moves and "transition" not in held:
        A = np.linalg.lstsq(e.before, e.across.T, rcond=None)[0].T
    if e.moves and "transition_cov" not in held:
        Q = e.now - A @ e.across.T - e.across @ A.T + A @ e.before @ A.T
        Q = (Q + Q.T) / (2 * e.moves)
    if "initial_mean" not in held:
        m = e.first / e.N
    if "initial_cov" not in held:
        P = e.first_square / e.N - np.outer(m, e.first / e.N) - np.outer(e.first / e.N, m) + np.outer(m, m)
    weights = np.concatenate([C, d[:, None]], 1)
    free = np.array([j for j in range(K + 1) if ("observation" if j < K else "offset") not in held], dtype=int)
    fixed = np.setdiff1d(np.arange(K + 1), free)
    for i in range(D):
        uu = e.uu[i % len(e.uu)]
        if len(free) and e.seen[i % len(e.seen)]:
            rest = e.xu[i, free] - uu[np.ix_(free, fixed)] @ weights[i, fixed]
            weights[i, free] = np.linalg.lstsq(uu[np.ix_(free, free)], rest, rcond=None)[0]
    C, d = weights[:, :K].copy(), weights[:, K].copy()
    if "observation_cov" not in held:
        if e.xx.ndim == 1:
            left = e.xx - 2 * (weights * e.xu).sum(1) + np.einsum("ia,iab,ib->i", weights, e.uu, weights)
            R = np.diag(np.where(e.seen > 0, np.maximum(left / np.maximum(e.seen, 1), least), np.diag(R)))
        else:
            R = e.xx - weights @ e.xu.T - e.xu @ weights.T + weights @ e.uu[0] @ weights.T
            R = (R + R.T) / (2 * max(e.seen[0], 1))
            R = R + np.diag(np.maximum(least - np.diag(R), 0))
    return StateSpace(A, model.b, factor(Q), C, d, R, m, factor(P), model.W)
