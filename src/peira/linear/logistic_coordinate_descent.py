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

**The end.** Let g be the gradient of f and :math:`\rho = \min(1, \min_{kj} \mu_j / |g_{kj}|)`. The probabilities
:math:`\rho p_n + (1 - \rho) y_n`, between the fitted ones and the labels, are a feasible point of the dual problem,
so P(W) lies above its minimum by no more than

.. math:: \sum_n c_n \, \mathrm{KL}_n + \frac{(1-\rho)^2}{2} \sum_{kj} \lambda_j w_{kj}^2
          + \sum_{kj} (\mu_j |w_{kj}| + \rho \, w_{kj} g_{kj})

.. math:: \mathrm{KL}_n = \rho e_n \log \rho + (1 - \rho e_n) \log \frac{1 - \rho e_n}{1 - e_n}

where :math:`1 - e_n` is the probability of the row's class (Fenchel's inequality for the loss, whose conjugate is the
negative entropy; compare Koh, Kim & Boyd 2007, 3.2). No term is negative, so rounding does not hide the gap. It
supposes that the constants are at their minimum, where the residuals of each class sum to zero.

**Cost** of a round: N D C, N E^2 C^2 / 2 for E columns that take part, and E^2 C^2 a sweep; memory E^2 C^2. Near
the end the number of right digits doubles with each round; class by class (C E^2 instead of C^2 E^2), it only grows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from ..core.inputs import Matrix
from ..numerics.compile import compiled
from .coordinate_descent import soft_threshold
from .logistic_loss import LogisticLoss, add_sparse_gram, products, products_with_rows

EPS = np.finfo(float).eps
NEAR = 0.9  # share of the penalty that a column's gradient must reach to take part
ENTER = 100  # columns that may enter a small support at once
SWEEPS = 200
ACCURACY = 1e-9  # a sweep that gains no more than this share of the best one ends the quadratic problem
TOGETHER = 1_000  # weights in a Gram matrix of all classes
ROUNDING = 100 * EPS  # relative changes of P that are rounding
FLAT = 1e-12  # curvature of a row, relative to its weight, that counts as none


@dataclass
class Round:
    """Where the rounds are.

    Attributes
    ----------
    W : tensor of shape (C, D + 1), or (1, D + 1) for two classes
    value, gap : float
        P at W, and how far above its minimum it may lie.
    """

    W: torch.Tensor
    value: float
    gap: float


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
    state, everyone = _State(f, l1, W.clone()), list(range(f.m))
    best = np.inf
    while True:
        state.set_constants()
        value, gap = state.value(), state.gap()
        yield Round(state.W.clone(), value, gap)
        E = state.taking_part(everyone)
        groups = [everyone] if f.m * len(E) <= TOGETHER else [[k] for k in everyone]
        gained = sum(state.step(group, E if len(groups) == 1 else state.taking_part(group)) for group in groups)
        if f.m > 1:
            state.take_out_common()
        if gained <= ROUNDING * abs(value) and gap >= 0.5 * best:
            return
        best = min(best, gap)


class _State:
    """Weights and what follows from them: the logits Z (C, N), the losses (N,), the weighted residuals R (C, N)."""

    def __init__(self, f: LogisticLoss, l1: torch.Tensor, W: torch.Tensor):
        self.f, self.l1, self.W = f, l1, W
        self.move_to(f.logits(W))

    def move_to(self, Z: torch.Tensor) -> None:
        self.Z = Z
        self.losses, R = self.f.residual(Z.clone())
        self.R = R * self.f.c

    def value(self) -> float:
        B = self.W[:, : self.f.D]
        return float(self.f.c @ self.losses + 0.5 * (B.square() @ self.f.ridge).sum() + (B.abs() @ self.l1).sum())

    def probabilities(self) -> torch.Tensor:
        return self.Z.sigmoid() if self.f.m == 1 else self.Z.softmax(0)

    def gap(self) -> float:
        B, c = self.W[:, : self.f.D], self.f.c
        G = products(self.R, self.f.X) + self.f.ridge * B
        rho = min(1.0, float((self.l1 / G.abs().clamp(min=1e-300)).min()))
        e = -torch.expm1(-self.losses)
        # log((1 - rho e) / (1 - e)), from the loss -log(1 - e): near rho = 1 without cancellation, far out in logs
        odds = torch.where(
            self.losses < 30,
            torch.log1p((1 - rho) * torch.expm1(self.losses.clamp(max=30))),
            torch.log1p(-rho * e) + self.losses,
        )
        divergence = (1 - rho * e) * odds + (rho * np.log(rho) * e if rho > 0 else 0.0)
        linear = (self.l1 * B.abs() + rho * B * G).clamp(min=0).sum()
        squares = (1 - rho) ** 2 / 2 * (B.square() @ self.f.ridge).sum()
        return float(c @ divergence.clamp(min=0) + squares + linear)

    def set_constants(self) -> None:
        """Newton's method for the constants alone, until the residuals of each class sum to zero."""
        if not self.f.intercept:
            return
        for _ in range(20):
            g = self.R.sum(1)
            if float(g.abs().max()) <= 4 * EPS * self.f.total:
                return
            P = self.probabilities()
            cP = P * self.f.c
            H = (cP * (1 - P)).sum(1).diag() if self.f.m == 1 else cP.sum(1).diag() - cP @ P.T
            d = -torch.from_numpy(np.linalg.lstsq(H.numpy(), g.numpy(), rcond=1e-13)[0])
            before, losses, R = self.f.c @ self.losses, self.losses, self.R
            t = 1.0
            while t > 1e-3:
                self.move_to(self.Z + t * d[:, None])
                if float(self.f.c @ self.losses) <= float(before) * (1 + 4 * EPS):
                    break
                self.Z, self.losses, self.R = self.Z - t * d[:, None], losses, R
                t /= 4
            else:
                return
            self.W[:, -1] += t * d
            if float(self.R.sum(1).abs().max()) >= 0.5 * float(g.abs().max()):
                return  # rounding

    def taking_part(self, group: list[int]) -> np.ndarray:
        """Columns with a weight, and those whose gradient is near or above the penalty, at most some at once."""
        B, l1 = self.W[group, : self.f.D], self.l1
        support = (B != 0).any(0).numpy()
        ratio = (products(self.R[group], self.f.X) / l1).abs().amax(0).numpy()
        new = np.flatnonzero((ratio >= NEAR) & ~support)
        most = max(ENTER, 2 * int(support.sum()))
        if len(new) > most:
            new = new[np.argpartition(-ratio[new], most)[:most]]
        return np.sort(np.r_[np.flatnonzero(support), new])

    def step(self, group: list[int], E: np.ndarray) -> float:
        """Move the weights of columns E for a group of classes; by how much P should fall."""
        f, g, e = self.f, len(group), len(E)
        A = f.X if e == f.D else f.X[:, E]
        H = self._expansion(group, A)
        gradient = np.empty((g, e + 1))
        gradient[:, :e], gradient[:, e] = products(self.R[group], A).numpy(), self.R[group].sum(1).numpy()
        w, l1, l2 = self.W[group][:, E].numpy(), self.l1.numpy()[E], f.ridge.numpy()[E]
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
        return self._search(group, E, A, d, float((gradient * d).sum()))

    def _expansion(self, group: list[int], A: Matrix) -> np.ndarray:
        """The Hessian of the loss, of shape (g, E + 1, g, E + 1)."""
        P, c, e = self.probabilities(), self.f.c, A.shape[1]
        H = np.empty((len(group), e + 1, len(group), e + 1))
        for a, k in enumerate(group):
            for b, other in enumerate(group[: a + 1]):
                s = c * P[k] * (float(k == other) - P[other])
                H[a, :, b] = H[b, :, a] = weighted_gram(A, torch.maximum(s, FLAT * c) if a == b else s)
        return H

    def _search(self, group: list[int], E: np.ndarray, A: Matrix, d: np.ndarray, slope: float) -> float:
        """Go along d, constants last, or half of it and so on, until P has fallen; what the whole step promised.

        Where that is less than rounding, the step is taken as it is: the gradient still gains from it.
        """
        f, l1, l2 = self.f, self.l1.numpy()[E], self.f.ridge.numpy()[E]
        d, constants = d[:, :-1], torch.from_numpy(d[:, -1:].copy())
        W, w = self.W.clone(), self.W[group][:, E].numpy()
        toward = products_with_rows(A, torch.from_numpy(d)) + constants
        promised = slope + float(((l2 * w) * d).sum() + (np.abs(w + d) - np.abs(w)).sum(0) @ l1)
        before, value, t = (self.Z, self.losses, self.R), self.value(), 1.0
        while promised < 0:
            Z = before[0].clone()
            Z[group] += t * toward
            self.move_to(Z)
            self.W[np.ix_(group, E)] = torch.from_numpy(w + t * d)
            if f.intercept:
                self.W[group, -1] = W[group, -1] + t * constants[:, 0]
            rounding = ROUNDING * abs(value) if -promised <= ROUNDING * abs(value) else 0.0
            if self.value() <= value + 1e-4 * t * promised + rounding:
                return -promised
            if -t * promised <= EPS * abs(value):
                break
            t /= 2
        self.W, (self.Z, self.losses, self.R) = W, before
        return 0.0

    def take_out_common(self) -> None:
        """Shift the weights of each column by what lowers their penalty most; no probability changes.

        The penalty of a shift is convex and piecewise quadratic: its minimum is a weight of the column (where the
        slope jumps over zero) or, between two of them, the point at which the slope is zero.
        """
        B, C = self.W[:, : self.f.D], self.f.m
        ordered = B.sort(0).values
        mean = B.mean(0)
        l1, l2 = self.l1, self.f.ridge
        jumps = 2 * torch.arange(C + 1, dtype=B.dtype)[:, None] - C  # sum of signs of t - w, below and between weights
        free = mean - l1 * jumps / (C * l2).clamp(min=1e-300)  # where the slope of each piece is zero
        low = torch.cat([torch.full_like(mean, -torch.inf)[None], ordered])
        high = torch.cat([ordered, torch.full_like(mean, torch.inf)[None]])
        candidates = torch.cat([ordered, torch.where((free > low) & (free < high) & (l2 > 0), free, ordered[:1])])
        moved = B[None] - candidates[:, None]
        penalties = 0.5 * l2 * moved.square().sum(1) + l1 * moved.abs().sum(1)
        best = candidates.gather(0, penalties.argmin(0)[None])[0]
        now = 0.5 * l2 * B.square().sum(0) + l1 * B.abs().sum(0)
        better = penalties.amin(0) < now * (1 - 4 * EPS)
        if better.any():
            B -= torch.where(better, best, 0.0)
            self.move_to(self.f.logits(self.W))


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
