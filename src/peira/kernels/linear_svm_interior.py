r"""Linear support vector machines with a hinge by an interior-point method, for many more rows than columns.

The hinge has a corner, and the dual of :mod:`~peira.kernels.linear_svm_problem` bounds for each row. Let
:math:`\alpha` be the absolute values of the multipliers, one for each row and sign that it may have, A those rows times
the signs, p the linear term (e plus q times the sign) and u the bounds. The optimality conditions with slacks,

.. math:: w = A^T \alpha, \quad A w + p = \lambda - \mu, \quad \lambda \alpha = \mu (u - \alpha) = \nu

are solved for a :math:`\nu` that goes to zero (Mehrotra 1992: a first step towards zero tells how much of it can be
had). Each Newton step needs one matrix of the size of w (Ferris & Munson 2002, eq. 8):

.. math:: (I + A^T \Theta^{-1} A) \, \Delta w = r, \qquad \Theta = \lambda / \alpha + \mu / (u - \alpha)

**Why.** Fifteen to thirty steps lead to twelve digits, whatever C is and however much the classes overlap, where
coordinate descent needs thousands of sweeps.

**Cost** of a step: N D^2, and six passes over the rows; memory 20 N + D^2.
"""

from collections.abc import Iterator

import numpy as np
import torch

from ..numerics.cholesky import scaled_cholesky
from .linear_svm_problem import Best, Losses, Progress, Rows

BOUNDARY = 0.99  # share of the way to the nearest bound that a step may go
STUCK = 3  # steps without a better answer or bound that end the way


def interior_point(rows: Rows, losses: Losses) -> Iterator[Progress]:
    """Steps to the solution, until rounding forbids more."""
    split, best = _Split(losses), Best()
    p, u = split.p, split.u
    w, z, a, b = np.zeros(rows.size), np.zeros(rows.N), 0.5 * u, 0.5 * u  # b = u - a
    lower = np.full_like(u, max(1.0, float(np.abs(p).mean())))
    upper, stuck = lower.copy(), 0
    while True:
        before, beta = (best.primal, best.dual), split.beta(a)
        v = rows.back(beta)
        dual = losses.dual(beta, v)
        best.see(v, 0.5 * float(v @ v) + losses.total(rows.times(v)), dual)
        yield best.see(w, 0.5 * float(w @ w) + losses.total(z), dual)
        stuck = stuck + 1 if (best.primal, best.dual) == before else 0
        if stuck == STUCK:
            return
        system = _System(rows, split, a, b, lower, upper, v - w, lower - upper - split.spread(z) - p)
        products = lower @ a + upper @ b
        _, _, da, dl, du = system.step(-lower * a, -upper * b)
        t = _longest((a, da), (b, -da), (lower, dl), (upper, du))
        left = (lower + t * dl) @ (a + t * da) + (upper + t * du) @ (b - t * da)
        nu = (left / products) ** 3 * products / (2 * len(u))
        dw, dz, da, dl, du = system.step(nu - lower * a - dl * da, nu - upper * b + du * da)
        t = min(1.0, BOUNDARY * _longest((a, da), (b, -da), (lower, dl), (upper, du)))
        w, z, lower, upper = w + t * dw, z + t * dz, lower + t * dl, upper + t * du
        a, b = a + t * da, b - t * da


class _Split:
    """Multipliers as differences of non-negative ones: alpha, those that may be positive, then those of the others."""

    def __init__(self, losses: Losses):
        ends = [(1.0, losses.upper), (-1.0, -losses.lower)]
        self.N = len(losses.q)
        self.sides = [(sign, np.flatnonzero(end)) for sign, end in ends if end.any()]
        self.u = np.concatenate([end[end > 0] for _, end in ends])
        self.p = self.spread(losses.q) + losses.e

    def spread(self, z: np.ndarray) -> np.ndarray:
        """Numbers of the rows as numbers of alpha, with its signs."""
        return np.concatenate([sign * z[n] for sign, n in self.sides])

    def beta(self, a: np.ndarray) -> np.ndarray:
        """Signed multipliers of the rows."""
        return self.summed(a, signed=True)

    def summed(self, a: np.ndarray, signed: bool = False) -> np.ndarray:
        total, done = np.zeros(self.N), 0
        for sign, n in self.sides:
            total[n] += (sign if signed else 1.0) * a[done : done + len(n)]
            done += len(n)
        return total


class _System:
    """The linear equations of a Newton step, factored: for both tries at it."""

    def __init__(self, rows, split, a, b, lower, upper, r_w, r_z):
        self.rows, self.split, self.a, self.b, self.lower, self.upper = rows, split, a, b, lower, upper
        self.r_w, self.r_z, self.theta = r_w, r_z, lower / a + upper / b
        H = rows.gram(split.summed(1 / self.theta))
        H[np.diag_indices(rows.size)] += 1.0
        self.L, self.scale, _ = scaled_cholesky(torch.from_numpy(H))

    def step(self, to_lower: np.ndarray, to_upper: np.ndarray) -> tuple[np.ndarray, ...]:
        """Changes of w, z, a, lower, upper that bring ``lower a`` to ``to_lower`` more, ``upper b`` to ``to_upper``."""
        r = self.r_z + to_lower / self.a - to_upper / self.b
        right = torch.from_numpy(self.r_w + self.rows.back(self.split.beta(r / self.theta))) / self.scale
        dw = (torch.cholesky_solve(right[:, None], self.L)[:, 0] / self.scale).numpy()
        dz = self.rows.times(dw)
        da = (r - self.split.spread(dz)) / self.theta
        return dw, dz, da, (to_lower - self.lower * da) / self.a, (to_upper + self.upper * da) / self.b


def _longest(*pairs: tuple[np.ndarray, np.ndarray]) -> float:
    """The longest step up to 10 that leaves all values, now positive, non-negative."""
    return 1 / max(0.1, *(float((-d / x).max()) for x, d in pairs))
