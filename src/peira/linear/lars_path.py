r"""Least angle regression, and the whole lasso path as its exact, piecewise linear solution.

Let A hold the columns most correlated with the residual, all equally so up to sign s, and let

.. math:: d = (X_A^T X_A)^{-1} s, \qquad a = X^T X_A d

Moving the weights of A by :math:`\gamma d` lowers the correlations :math:`q = X^T(y - Xw)` by :math:`\gamma a`, and
those in A all at the same pace: :math:`\lambda = \max_j |q_j|` becomes :math:`\lambda - \gamma`. The step ends where

.. math:: \gamma = \min_{j \notin A} \left( \frac{\lambda - q_j}{1 - a_j}, \frac{\lambda + q_j}{1 + a_j} \right)

and j joins (Efron, Hastie, Johnstone & Tibshirani 2004, eq. 2.13), or at :math:`\gamma = \lambda`: least squares on A.
For the lasso it also ends where a weight reaches zero, :math:`\gamma = -w_j / d_j`, and that column leaves (their
section 3.1). The weights between two ends are the solutions of the lasso at the penalties between.

Columns that depend linearly on A can't join: they are set aside until a column leaves. Equal columns, or equal
correlations, are taken one by one in order, with steps of length zero.

Cost: for each step, the correlations of one column with all others (nothing on a Gram matrix, else N D), D |A| for
the pace a and |A|^2 for d. The exact answer takes as many steps as columns join and leave, which for D above N is
several times N.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from .elastic_net_path import Problem

TINY = 1e-12  # relative: below it a pivot, a slope or a penalty is zero up to rounding


@dataclass
class Knot:
    """An end of a step: penalty (scale of sums), weights (D,), squared norm of the residual, and the columns in A."""

    penalty: float
    weights: np.ndarray
    residual: float
    active: list[int]


class ActiveSet:
    """The columns A in order of entry, their products with all columns, and the Cholesky factor of X_A'X_A."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.columns: list[int] = []
        self.products = np.empty((16, len(problem.c)))  # row i: X'x of the i-th column of A
        self.L = np.zeros((16, 16))

    def join(self, j: int) -> bool:
        """Take column j in; false, and nothing changed, where it depends linearly on A."""
        k = len(self.columns)
        if k == len(self.L):
            self.products = np.concatenate([self.products, np.empty_like(self.products)])
            self.L = np.pad(self.L, (0, k))
        row = self.problem.products(j)
        v = solve_triangular(self.L[:k, :k], row[self.columns], lower=True) if k else np.empty(0)
        pivot = row[j] - v @ v
        if pivot <= TINY * row[j] or row[j] <= 0:
            return False
        self.products[k] = row
        self.L[k, :k], self.L[k, k] = v, np.sqrt(pivot)
        self.columns.append(j)
        return True

    def leave(self, j: int) -> None:
        """Let column j go; the factor below it is made anew from the products."""
        i, k = self.columns.index(j), len(self.columns) - 1
        del self.columns[i]
        self.products[i:k] = self.products[i + 1 : k + 1]
        self.L[: k + 1, : k + 1] = 0.0
        self.L[:k, :k] = np.linalg.cholesky(self.products[:k, self.columns])

    def direction(self, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """d of shape (|A|,) and a of shape (D,)."""
        k = len(self.columns)
        L = self.L[:k, :k]
        d = solve_triangular(L, solve_triangular(L, signs, lower=True), lower=True, trans=1)
        return d, d @ self.products[:k]


def least_angle_path(
    problem: Problem, *, lasso: bool, smallest: float = 0.0, most: int | None = None
) -> Iterator[Knot]:
    """The knots of the path, from all weights zero to the penalty ``smallest`` (on the scale of sums).

    Parameters
    ----------
    problem : GramProblem or WorkingSetProblem
        Its ``positive`` lets only positive correlations count.
    lasso : bool
        Let columns leave, so that every point of the path solves the lasso.
    smallest : float, default 0
        Where to end; the last knot is exactly there.
    most : int, optional
        The most columns in A: the path ends where the next one would join.

    Yields
    ------
    Knot
    """
    c, D = problem.c, len(problem.c)
    A, w, q = ActiveSet(problem), np.zeros(D), problem.c
    aside = np.zeros(D, dtype=bool)
    top = max(float(strength(q, problem.positive).max()), 0.0)
    penalty, signs = top, np.empty(0)
    yield Knot(top, w, problem.yy, [])
    candidate = int(strength(q, problem.positive).argmax()) if top > smallest else None
    while candidate is not None or A.columns:
        if candidate is not None:
            sign = np.sign(q[candidate])
            if A.join(candidate):
                signs = np.append(signs, sign)
            else:
                aside[candidate] = True
        if not A.columns:
            return
        d, a = A.direction(signs)
        length, candidate = joining(q, a, penalty, aside, A.columns, problem.positive)
        leaver = None
        if lasso:
            with np.errstate(divide="ignore", invalid="ignore"):
                lengths = np.where(w[A.columns] * d < 0, -w[A.columns] / d, np.inf)
            if lengths.min() < length:
                length, leaver, candidate = float(lengths.min()), A.columns[int(lengths.argmin())], None
        if length >= penalty - smallest - TINY * top:
            length, leaver, candidate = penalty - smallest, None, None
            penalty = smallest
        else:
            penalty -= length
        w = w.copy()
        w[A.columns] += length * d
        last = candidate is None and leaver is None
        if leaver is not None:
            w[leaver] = 0.0
            signs = np.delete(signs, A.columns.index(leaver))
            A.leave(leaver)
            aside[:] = False
        q = c - w[A.columns] @ A.products[: len(A.columns)]
        yield Knot(penalty, w, max(problem.yy - float(w @ (c + q)), 0.0), list(A.columns))
        if last or (candidate is not None and len(A.columns) == most):
            return


def strength(q: np.ndarray, positive: bool) -> np.ndarray:
    """What is compared with the penalty: |q|, or q where weights may not be negative."""
    return q if positive else np.abs(q)


def joining(
    q: np.ndarray, a: np.ndarray, penalty: float, aside: np.ndarray, active: list[int], positive: bool
) -> tuple[float, int | None]:
    """The length of the step to the next column that joins, and the column (eq. 2.13); infinity and None if none."""
    free = ~aside
    free[active] = False
    best, who = np.inf, None
    for s in (1.0,) if positive else (1.0, -1.0):
        slope = 1.0 - s * a
        with np.errstate(divide="ignore", invalid="ignore"):
            # A correlation that rounding has put a hair above the penalty joins at once.
            lengths = np.where(free & (slope > TINY), np.maximum(penalty - s * q, 0.0) / slope, np.inf)
        j = int(lengths.argmin())
        if lengths[j] < best:
            best, who = float(lengths[j]), j
    return best, who
