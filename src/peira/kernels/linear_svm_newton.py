r"""Linear support vector machines with a squared loss by Newton's method in the primal.

The squared losses have a continuous slope, and a curvature where there is a loss to pay: A, the rows with
:math:`\beta_n \neq 0` (:mod:`~peira.kernels.linear_svm_problem`). So

.. math:: \nabla P = w - X^T \beta(w), \qquad H = I + \sum_{n \in A} x_n x_n^T / d_n

and a step :math:`H^{-1} \nabla P` is exact as soon as A is right: the method ends after finitely many steps
(Mangasarian 2002). A step is shortened until P falls enough, which costs N a try, since the products with the rows are
at hand (Galli & Lin 2022 compare it with a trust region). With at most 1,000 columns H is factored; with more the
equation is solved by conjugate gradients with the diagonal of H as preconditioner, to a part of the slope that is left
(Lin, Weng & Keerthi 2008). P has curvature of at least one in all directions, and its slope tells the gap:

.. math:: P(w) - \min P \leq P(w) - D(\beta(w)) = \| \nabla P \|^2 / 2

With many more rows than columns, the first steps are made on a part of the rows.

**Cost.** A D^2 and two passes over the rows a step, five to ten steps; memory D^2. With conjugate gradients a few
dozen passes over A a step.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from ..numerics.cholesky import scaled_cholesky
from .linear_svm_problem import Losses, Progress, Rows

LARGEST_FACTOR = 1_000
ROWS_A_COLUMN = 50  # in the part that the first steps see
EPS = np.finfo(float).eps


def newton(rows: Rows, losses: Losses, rng: np.random.Generator) -> Iterator[Progress]:
    """Newton's method, until no step lowers P by more than rounding."""
    w = _first_guess(rows, losses, rng)
    z = rows.times(w)
    value, least = 0.5 * float(w @ w) + losses.total(z), np.inf
    while True:
        beta = losses.answer(z)
        G = w - rows.back(beta)
        excess = 0.5 * float(G @ G)
        yield Progress(w, value, excess)
        curvature = np.where(beta != 0, 1 / losses.d, 0.0)
        step = -_solve(rows, curvature, G)
        slope, along = float(G @ step), rows.times(step)
        wd, dd = float(w @ step), float(step @ step)
        t, rounding = 1.0, 8 * EPS * abs(value)
        if -slope <= rounding and excess >= 0.5 * least:
            return
        least = min(least, excess)
        while True:
            there = z + t * along
            new = 0.5 * float(w @ w) + t * wd + 0.5 * t * t * dd + losses.total(there)
            if new <= value + 1e-4 * t * slope:
                break
            if -t * slope <= rounding:
                return
            t /= 2
        w = w + t * step
        z = rows.times(w)
        value = 0.5 * float(w @ w) + losses.total(z)


def _first_guess(rows: Rows, losses: Losses, rng: np.random.Generator) -> np.ndarray:
    """The minimum on a part of the rows, their prices raised to what all rows pay; zero where a part is no help."""
    part = max(ROWS_A_COLUMN * rows.size, 2_000)
    if 8 * part > rows.N or rows.size > LARGEST_FACTOR:
        return np.zeros(rows.size)
    some = np.sort(rng.choice(rows.N, part, replace=False))
    share = part / rows.N
    few = replace(
        losses, q=losses.q[some], lower=losses.lower[some], upper=losses.upper[some], d=losses.d[some] * share
    )
    for at, _ in zip(newton(Rows(rows.X[some], rows.constant), few, rng), range(10), strict=False):
        if at.gap <= 1e-3:
            break
    return at.w


def _solve(rows: Rows, curvature: np.ndarray, G: np.ndarray) -> np.ndarray:
    """H^-1 G, exactly or to a part of G."""
    if rows.size <= LARGEST_FACTOR:
        H = rows.gram(curvature)
        H[np.diag_indices(rows.size)] += 1.0
        L, scale, _ = scaled_cholesky(torch.from_numpy(H))
        return (torch.cholesky_solve((torch.from_numpy(G) / scale)[:, None], L)[:, 0] / scale).numpy()
    active = np.flatnonzero(curvature)
    A, c = Rows(rows.X[active], rows.constant), curvature[active]
    return conjugate_gradients(lambda v: v + A.back(c * A.times(v)), 1 + _diagonal(A, c), G)


def _diagonal(A: Rows, c: np.ndarray) -> np.ndarray:
    squares = A.X.multiply(A.X).T @ c if A.sparse else c @ A.X**2
    return np.append(squares, A.constant**2 * c.sum()) if A.constant else squares


def conjugate_gradients(product, diagonal: np.ndarray, G: np.ndarray, accuracy: float = 0.1) -> np.ndarray:
    """H^-1 G by preconditioned conjugate gradients, until the residual's length is a share ``accuracy`` of G's."""
    x, r = np.zeros_like(G), G.copy()
    y = r / diagonal
    p, ry, enough = y.copy(), float(r @ y), accuracy**2 * float(G @ (G / diagonal))
    for _ in range(10 * len(G)):
        if ry <= enough:
            break
        Hp = product(p)
        a = ry / float(p @ Hp)
        x += a * p
        r -= a * Hp
        y = r / diagonal
        before, ry = ry, float(r @ y)
        p = y + (ry / before) * p
    return x
