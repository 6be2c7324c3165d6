r"""Logistic regression with an L1 penalty: proximal Newton steps by coordinate descent, certified by a duality gap.

.. math:: P(W) = f(W) + \sum_{kj} \mu_j |w_{kj}|

with f the logistic loss and its squared penalty (:mod:`~peira.linear.logistic_loss`).

**A round** replaces f by its second-order expansion at the present logits, a weighted least-squares problem in which
rows and classes have the weights

.. math:: s_{nkl} = c_n p_{nk} (1\{k = l\} - p_{nl})

eliminates the constants, and solves it with its penalties by coordinate descent on the Gram matrix (Friedman, Hastie &
Tibshirani 2010, 3 and 4.1). The step is halved until P falls (Lee, Sun & Saunders 2014). All classes move together
while the Gram matrix stays small, otherwise one after the other. Only columns with a weight, and those whose gradient
comes near to :math:`\mu_j`, take part; most of the others stay at zero, and the look at all columns that ends each
round finds those that must not. Last, what is the same for all classes is taken out of the weights of a column where
that lowers the penalty, and Newton's method sets the constants.

**The end** is told by a duality gap (:mod:`~peira.linear.logistic_state`).

**Cost** of a round: N D C, N E^2 C^2 / 2 for E columns that take part, and E^2 C^2 a sweep; memory E^2 C^2. Near
the end the number of right digits doubles with each round; class by class (C E^2 instead of C^2 E^2), it only grows.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Matrix
from ..numerics.compile import compiled
from .coordinate_descent import soft_threshold
from .logistic_loss import LogisticLoss, add_sparse_gram, products, products_with_rows
from .logistic_state import EPS, Round, State

NEAR = 0.9  # share of the penalty that a column's gradient must reach to take part
ENTER = 100  # columns that may enter a small support at once
SWEEPS = 200
ACCURACY = 1e-9  # a sweep that gains no more than this share of the best one ends the quadratic problem
TOGETHER = 1_000  # weights in a Gram matrix of all classes
ROUNDING = 100 * EPS  # relative changes of P that are rounding
FLAT = 1e-12  # curvature of a row, relative to its weight, that counts as none


def descend(f: LogisticLoss, l1: torch.Tensor, W: torch.Tensor) -> Iterator[Round]:
    """Rounds from W, until none lowers P by more than rounding.

    Parameters
    ----------
    f : LogisticLoss
        Without contrasts, on the CPU.
    l1 : tensor of shape (D,)
        mu, the L1 penalties of the columns, > 0.
    W : tensor of shape (C, D + 1), or (1, D + 1) for two classes; without the last column if there is no constant
    """
    at, everyone = State(f, l1, W.clone()), list(range(f.m))
    best = np.inf
    while True:
        at.set_constants()
        value, gap = at.value(), at.gap()
        yield Round(at.W.clone(), value, gap)
        E = _taking_part(at, everyone)
        groups = [everyone] if f.m * len(E) <= TOGETHER else [[k] for k in everyone]
        gained = sum(_step(at, group, E if len(groups) == 1 else _taking_part(at, group)) for group in groups)
        if f.m > 1:
            at.take_out_common()
        if gained <= ROUNDING * abs(value) and gap >= 0.5 * best:
            return
        best = min(best, gap)


def _taking_part(at: State, group: list[int]) -> np.ndarray:
    """Columns with a weight, and those whose gradient is near or above the penalty, at most some at once."""
    B, l1 = at.W[group, : at.f.D], at.l1
    support = (B != 0).any(0).numpy()
    ratio = (products(at.R[group], at.f.X) / l1).abs().amax(0).numpy()
    new = np.flatnonzero((ratio >= NEAR) & ~support)
    most = max(ENTER, 2 * int(support.sum()))
    if len(new) > most:
        new = new[np.argpartition(-ratio[new], most)[:most]]
    return np.sort(np.r_[np.flatnonzero(support), new])


def _step(at: State, group: list[int], E: np.ndarray) -> float:
    """Move the weights of columns E for a group of classes; by how much P should fall."""
    f, g, e = at.f, len(group), len(E)
    A = f.X if e == f.D else f.X[:, E]
    H = _expansion(at, group, A)
    gradient = np.empty((g, e + 1))
    gradient[:, :e], gradient[:, e] = products(at.R[group], A).numpy(), at.R[group].sum(1).numpy()
    w, l1, l2 = at.W[group][:, E].numpy(), at.l1.numpy()[E], f.ridge.numpy()[E]
    new, d = w.copy(), np.zeros((g, e + 1))
    G = np.ascontiguousarray(H[:, :e, :, :e]).reshape(g * e, g * e)
    q = -gradient[:, :e].reshape(-1)
    if f.intercept:  # the constants follow the weights: what is left is the Schur complement
        across, own = H[:, e, :, :e].reshape(g, g * e), np.linalg.pinv(H[:, e, :, e], rcond=1e-13, hermitian=True)
        G = G - across.T @ own @ across
        q = q + across.T @ (own @ gradient[:, e])
    minimise(G, q, new.reshape(-1), np.tile(l1, g), np.tile(l2, g))
    d[:, :e] = new - w
    if f.intercept:
        d[:, e] = -own @ (gradient[:, e] + across @ d[:, :e].reshape(-1))
    return _search(at, group, E, A, d, float((gradient * d).sum()))


def _expansion(at: State, group: list[int], A: Matrix) -> np.ndarray:
    """The Hessian of the loss, of shape (g, E + 1, g, E + 1)."""
    P, c, e = at.probabilities(), at.f.c, A.shape[1]
    H = np.empty((len(group), e + 1, len(group), e + 1))
    for a, k in enumerate(group):
        for b, other in enumerate(group[: a + 1]):
            s = c * P[k] * (float(k == other) - P[other])
            H[a, :, b] = H[b, :, a] = weighted_gram(A, torch.maximum(s, FLAT * c) if a == b else s)
    return H


def _search(at: State, group: list[int], E: np.ndarray, A: Matrix, d: np.ndarray, slope: float) -> float:
    """Go along d, constants last, or half of it and so on, until P has fallen; what the whole step promised.

    Where that is less than rounding, the step is taken as it is: the gradient still gains from it.
    """
    f, l1, l2 = at.f, at.l1.numpy()[E], at.f.ridge.numpy()[E]
    d, constants = d[:, :-1], torch.from_numpy(d[:, -1:].copy())
    W, w = at.W.clone(), at.W[group][:, E].numpy()
    toward = products_with_rows(A, torch.from_numpy(d)) + constants
    promised = slope + float(((l2 * w) * d).sum() + (np.abs(w + d) - np.abs(w)).sum(0) @ l1)
    before, value, t = (at.Z, at.losses, at.R), at.value(), 1.0
    while promised < 0:
        Z = before[0].clone()
        Z[group] += t * toward
        at.move_to(Z)
        at.W[np.ix_(group, E)] = torch.from_numpy(w + t * d)
        if f.intercept:
            at.W[group, -1] = W[group, -1] + t * constants[:, 0]
        rounding = ROUNDING * abs(value) if -promised <= ROUNDING * abs(value) else 0.0
        if at.value() <= value + 1e-4 * t * promised + rounding:
            return -promised
        if -t * promised <= EPS * abs(value):
            break
        t /= 2
    at.W, (at.Z, at.losses, at.R) = W, before
    return 0.0


def weighted_gram(A: Matrix, s: torch.Tensor) -> np.ndarray:
    """The sum of s_n (a_n, 1) (a_n, 1)', of shape (E + 1, E + 1)."""
    E = A.shape[1]
    K = np.zeros((E + 1, E + 1))
    if sparse.issparse(A):
        add_sparse_gram(A.data, A.indices, A.indptr, s.numpy(), K)
        return np.tril(K) + np.tril(K, -1).T
    scaled = A * s[:, None]
    K[:E, :E] = products(scaled.T, A).numpy()
    K[E, :E] = K[:E, E] = scaled.sum(0).numpy()
    K[E, E] = float(s.sum())
    return K


def minimise(G: np.ndarray, q: np.ndarray, w: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> None:
    """Bring w near the minimum of a quadratic with Gram matrix G and its penalties; ``q``, minus the gradient of the
    quadratic, changes with it, in place.

    Where sweeps are slow, steps to the minimum on the support with its signs, as far as the first sign that would
    change, go between them (compare Lee, Battle, Raina & Ng 2007).
    """
    for _ in range(10):
        if sweep(G, q, w, l1, l2, ACCURACY, SWEEPS):
            return
        S = np.flatnonzero(w)
        signs = np.sign(w[S])
        A = G[np.ix_(S, S)] + np.diag(l2[S])
        d = np.linalg.lstsq(A, q[S] - l2[S] * w[S] - l1[S] * signs, rcond=1e-13)[0]
        crossing = (w[S] + d) * signs < 0
        lengths = np.where(crossing, -w[S] / np.where(crossing, d, 1.0), 1.0)
        t = lengths.min(initial=1.0)
        moved = t * d
        moved[crossing & (lengths == t)] = -w[S][crossing & (lengths == t)]
        w[S] += moved
        q -= G[:, S] @ moved


@compiled(fast=True)
def sweep(G, q, w, l1, l2, accuracy, sweeps):
    """Sweeps of coordinate descent, until one gains at most a share ``accuracy`` of the best; whether one did."""
    E = w.size
    most = 0.0
    for _ in range(sweeps):
        gained = 0.0
        for j in range(E):
            square = G[j, j] + l2[j]
            if square <= 0.0:
                continue
            new = soft_threshold(q[j] + G[j, j] * w[j], l1[j], False) / square
            step = new - w[j]
            if step != 0.0:
                gained += step * step * square
                w[j] = new
                row = G[j]
                for i in range(E):
                    q[i] -= step * row[i]
        most = max(most, gained)
        if gained <= accuracy * most:
            return True
    return False
