r"""Coordinate descent for the elastic net: the scalar loops, and the certificate that ends them.

For N rows, D columns and penalties on the scale of sums, :math:`\lambda_1 = N \alpha \rho` and
:math:`\lambda_2 = N \alpha (1 - \rho)` (alpha the strength, rho the ``l1_ratio``), the problem is

.. math:: P(w) = \frac{1}{2} \| y - Xw \|^2 + \lambda_1 \| w \|_1 + \frac{\lambda_2}{2} \| w \|^2

**The step.** With all other weights fixed, the best value of one weight is a soft threshold (Friedman, Hastie
& Tibshirani 2010, eq. 5), where :math:`q = X^T(y - Xw)` is kept up to date:

.. math:: w_j \leftarrow S(q_j + \| x_j \|^2 w_j, \lambda_1) / (\| x_j \|^2 + \lambda_2)

.. math:: S(z, \lambda) = \mathrm{sign}(z) \max(|z| - \lambda, 0)

**The end.** Any w gives a feasible point of the dual problem by shrinking its residual (Massias, Gramfort &
Salmon 2018). Let :math:`g = q - \lambda_2 w` and :math:`c = \min(1, \lambda_1 / \max_j |g_j|)`. Then
the optimum lies at most

.. math:: \frac{(1-c)^2}{2} (\| y - Xw \|^2 + \lambda_2 \| w \|^2) + \sum_j (\lambda_1 |w_j| - c \, w_j g_j)

below P(w): the duality gap. It is the usual difference of primal and dual, rearranged so that no term is negative;
the difference itself drowns in rounding at 1e-16 of the squared norm of y. Where :math:`\lambda_2 > 0` the conjugate
of the whole penalty gives a second bound, which needs no shrinking (Fenchel's inequality, term by term):

.. math:: \sum_j \lambda_1 |w_j| + \frac{\lambda_2}{2} w_j^2 - w_j q_j
          + \frac{\max(|q_j| - \lambda_1, 0)^2}{2 \lambda_2}

The smaller one counts. A fit ends when the gap is at most ``tol`` times the squared norm of y, as in scikit-learn.

**What can be left out.** The dual objective is strongly concave, so the dual solution lies in a ball about the dual
point at hand, of radius :math:`\sqrt{2 G}` for a gap G on the scale of sums. A column whose constraint is slack in all
of the ball has weight zero at the optimum and may be forgotten: the Gap Safe rule (Fercoq, Gramfort & Salmon 2015;
their theta is our dual point over lambda_1, so their radius is :math:`\sqrt{2 G} / \lambda_1`). The first bound is that
of the lasso with the rows :math:`\sqrt{\lambda_2} I` below X, whence its norms; the second bound's dual point is the
residual itself:

.. math:: c \, |g_j| + \sqrt{2 G_1} \sqrt{\| x_j \|^2 + \lambda_2} < \lambda_1
          \quad \mathrm{or} \quad |q_j| + \sqrt{2 G_2} \, \| x_j \| < \lambda_1

**Two forms of the same step.** On the Gram matrix a step costs D and no longer depends on N (the "covariance
updates" of Friedman et al. 2010). On the columns of X a step costs N, or the stored entries of a sparse
column, and nothing is formed. On the Gram matrix all of q is known at any time, so what a step would gain costs
nothing to tell, and a sweep makes only the steps that gain a fifth of the last sweep's best: twice or three times
fewer (the idea of the Gauss-Southwell rule, Nutini et al. 2015).

**When the support is right but the weights are slow,** the objective is a smooth quadratic on the support with the
signs held; one Cholesky solve goes to its minimum, or as far as the first sign that would change (the
"feature-sign" step of Lee, Battle, Raina & Ng 2007).
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..numerics.compile import compiled

WORTHWHILE = 0.2  # share of the last sweep's largest gain that makes a step worth its price


@compiled(inline=True)
def soft_threshold(z, threshold, positive):
    """S(z, threshold); with ``positive`` its non-negative part."""
    if z > threshold:
        return z - threshold
    if z < -threshold and not positive:
        return z + threshold
    return 0.0


@compiled
def dual_bounds(w, q, residual, l1, l2, positive):
    """The factor c, and both bounds of the duality gap (module docstring); arguments as of `duality_gap`."""
    highest, squares = 0.0, 0.0
    for j in range(w.size):
        g = q[j] - l2 * w[j]
        highest = max(highest, g if positive else abs(g))
        squares += w[j] * w[j]
    c = l1 / highest if highest > l1 else 1.0
    shrunk = 0.5 * (1.0 - c) ** 2 * (residual + l2 * squares)
    conjugate = 0.0 if l2 > 0.0 else np.inf
    for j in range(w.size):
        if w[j] != 0.0:
            shrunk += max(l1 * abs(w[j]) - c * w[j] * (q[j] - l2 * w[j]), 0.0)
        if l2 > 0.0:
            excess = max((q[j] if positive else abs(q[j])) - l1, 0.0)
            term = l1 * abs(w[j]) + 0.5 * l2 * w[j] * w[j] - w[j] * q[j] + 0.5 * excess * excess / l2
            conjugate += max(term, 0.0)
    return c, shrunk, conjugate


@compiled
def duality_gap(w, q, residual, l1, l2, positive):
    """How far P(w) may lie above the optimum (module docstring).

    Parameters
    ----------
    w, q : arrays of shape (D,)
        Weights, and X'(y - Xw).
    residual : float
        Squared norm of y - Xw.
    l1, l2 : float
        The penalties on the scale of sums.
    positive : bool
        Whether weights may not be negative.

    Returns
    -------
    float
        Non-negative.
    """
    _, shrunk, conjugate = dual_bounds(w, q, residual, l1, l2, positive)
    return min(shrunk, conjugate)


def gap_safe(
    w: np.ndarray,
    q: np.ndarray,
    doubt: np.ndarray | float,
    squares: np.ndarray,
    residual: float,
    l1: float,
    l2: float,
    positive: bool,
    rounding: float,
) -> np.ndarray:
    """Which columns have weight zero in every solution (module docstring, the Gap Safe rule).

    Parameters
    ----------
    w, q, residual, l1, l2, positive
        As of `duality_gap`.
    doubt : array of shape (D,) or float
        How far each q may be off.
    squares : array of shape (D,)
        Squared norms of the columns, or more.
    rounding : float
        The gaps count as no smaller than this.

    Returns
    -------
    array of shape (D,), bool
    """
    c, shrunk, conjugate = dual_bounds(w, q, residual, l1, l2, positive)
    g, h = q - l2 * w, q
    if not positive:
        g, h = np.abs(g), np.abs(h)
    safe = c * (g + doubt) + np.sqrt(2 * max(shrunk, rounding) * (squares + l2)) < l1
    if l2 > 0:
        safe |= h + doubt + np.sqrt(2 * max(conjugate, rounding) * squares) < l1
    return safe


@compiled(fast=True)
def descend_on_gram(G, c, yy, l1, l2, positive, w, q, goal, sweeps):
    """Sweep over the weights on a Gram matrix until the gap is at most ``goal``.

    Parameters
    ----------
    G, c, yy : arrays of shape (D, D) and (D,), float
        X'X, X'y, y'y. A diagonal entry of zero marks a column that is left alone.
    l1, l2, positive : float, float, bool
    w, q : arrays of shape (D,), changed in place
        Weights, and c - G w.
    goal : float
    sweeps : int
        The most sweeps, at least 1.

    Returns
    -------
    gap : float
        For these D columns.
    done : int
        Sweeps that were made.
    """
    D = w.size
    gap, most = np.inf, 0.0
    for sweep in range(sweeps):
        enough, most = WORTHWHILE * most, 0.0
        for j in range(D):
            square = G[j, j]
            if square == 0.0:
                continue
            new = soft_threshold(q[j] + square * w[j], l1, positive) / (square + l2)
            step = new - w[j]
            gain = step * step * (square + l2)
            most = max(most, gain)
            if gain > 0.0 and gain >= enough:
                w[j] = new
                row = G[j]
                for i in range(D):
                    q[i] -= step * row[i]
        residual = yy
        for j in range(D):
            residual -= w[j] * (c[j] + q[j])  # w'Gw = w'(c - q)
        gap = duality_gap(w, q, max(residual, 0.0), l1, l2, positive)
        if gap <= goal:
            return gap, sweep + 1
    return gap, sweeps


@compiled(fast=True)
def descend_on_columns(columns, squares, r, l1, l2, positive, w, q, goal, sweeps):
    """The same on centred columns, shape (D, N); ``r`` = y - Xw of shape (N,) and ``q`` are kept up to date."""
    D, N = columns.shape
    gap = np.inf
    for sweep in range(sweeps):
        for j in range(D):
            if squares[j] == 0.0:
                continue
            x = columns[j]
            correlation = 0.0
            for i in range(N):
                correlation += x[i] * r[i]
            old = w[j]
            new = soft_threshold(correlation + squares[j] * old, l1, positive) / (squares[j] + l2)
            if new != old:
                w[j] = new
                step = new - old
                for i in range(N):
                    r[i] -= step * x[i]
        q[:] = columns @ r
        gap = duality_gap(w, q, r @ r, l1, l2, positive)
        if gap <= goal:
            return gap, sweep + 1
    return gap, sweeps


@compiled(fast=True)
def descend_on_sparse(data, rows, starts, mean, root, total, squares, r, l1, l2, positive, w, q, goal, sweeps):
    """The same on sparse columns (CSC), centred and weighted without touching their zeros.

    The residual of the centred columns is ``root`` times (a + b), where ``a`` = y - Xw is what a step changes, row by
    stored row, and b = mean'w is one number. ``root`` holds the square roots of the weights, ``total`` their sum.
    On return ``r`` is that residual.
    """
    D, N = w.size, r.size
    gap = np.inf
    b = 0.0
    for j in range(D):
        b += mean[j] * w[j]
    weight = root * root
    a = np.zeros(N)
    for i in range(N):
        if root[i] > 0.0:
            a[i] = r[i] / root[i] - b
    for sweep in range(sweeps):
        for j in range(D):
            if squares[j] == 0.0:
                continue
            correlation = b * total * mean[j]
            for k in range(starts[j], starts[j + 1]):
                i = rows[k]
                correlation += weight[i] * data[k] * a[i]
            old = w[j]
            new = soft_threshold(correlation + squares[j] * old, l1, positive) / (squares[j] + l2)
            if new != old:
                w[j] = new
                step = new - old
                b += step * mean[j]
                for k in range(starts[j], starts[j + 1]):
                    a[rows[k]] -= step * data[k]
        for j in range(D):
            q[j] = b * total * mean[j]
            for k in range(starts[j], starts[j + 1]):
                q[j] += weight[rows[k]] * data[k] * a[rows[k]]
        for i in range(N):
            r[i] = root[i] * (a[i] + b)
        gap = duality_gap(w, q, r @ r, l1, l2, positive)
        if gap <= goal:
            return gap, sweep + 1
    return gap, sweeps


def feature_sign_step(G: np.ndarray, c: np.ndarray, l1: float, l2: float, w: np.ndarray, q: np.ndarray) -> None:
    """Move ``w`` and ``q`` in place to the minimum on the support with its signs.

    Weights that would change sign are set to zero; if that does not lower the objective, the step ends at the first
    change of sign, where it does. Nothing moves where the support's columns are linearly dependent.
    """
    S = np.flatnonzero(w)
    if not S.size:
        return
    signs = np.sign(w[S])
    A = G[np.ix_(S, S)]
    A[np.diag_indices_from(A)] += l2
    try:
        direction = cho_solve(cho_factor(A, lower=True, overwrite_a=True), q[S] - l2 * w[S] - l1 * signs)
    except LinAlgError:
        return
    target = w[S] + direction
    crossing = target * signs < 0
    lengths = np.where(crossing, -w[S] / np.where(crossing, direction, 1.0), np.inf)
    to_first = w[S] + min(lengths.min(), 1.0) * direction
    to_first[lengths == lengths.min()] *= not crossing.any()
    now = objective(c, l1, l2, w, q)
    for candidate in (np.where(crossing, 0.0, target), to_first):
        moved = np.zeros_like(w)
        moved[S] = candidate
        moved_q = c - moved @ G
        if objective(c, l1, l2, moved, moved_q) < now:
            w[:], q[:] = moved, moved_q
            return


def objective(c: np.ndarray, l1: float, l2: float, w: np.ndarray, q: np.ndarray) -> float:
    """P(w) without its constant y'y / 2, from q = c - Gw."""
    return float(-0.5 * (w @ (c + q)) + l1 * np.abs(w).sum() + 0.5 * l2 * (w @ w))
