r"""The elastic net over a path of penalties: which form of the problem, which penalties, and where each starts.

.. math:: \min_{w} \; \frac{1}{2N} \| y - Xw \|^2 + \alpha \rho \| w \|_1 + \frac{\alpha (1 - \rho)}{2} \| w \|^2

The penalties fall geometrically from the smallest one at which all weights are zero,

.. math:: \alpha_{\max} = \max_j |x_j^T y| / (N \rho)

(Friedman, Hastie & Tibshirani 2010, 2.5). The solution is piecewise linear in alpha for the lasso, so each problem
starts on the straight line through the two solutions before it, weights that would change sign left at zero.

**Two forms, chosen by shape.** With D small, one Gram matrix serves all penalties, outputs and folds, and a sweep
costs D^2 whatever N is; forming it costs N D^2. With D large the working set does (:mod:`~peira.linear.working_set`),
at about N D for each penalty. A matrix product runs about 16 times as many operations a second as a product with a
vector, hence the rule of :func:`suits_gram`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ..core.inputs import open_matrix, open_targets, open_weights
from ..numerics.moments import Moments
from .coordinate_descent import descend_on_gram, duality_gap, feature_sign_step
from .sufficient_statistics import without_constants
from .working_set import BURST, EPS, DenseDesign, SparseDesign, WorkingSetProblem, require_finite


def suits_gram(N: int, D: int, penalties: int) -> bool:
    """Whether a path of so many penalties is cheaper on the Gram matrix (module docstring)."""
    return D <= 16 * 11 or (D <= N and 16 * (10 + penalties) >= D)


class GramProblem:
    """An elastic net on X'X, X'y and y'y; the same face as `WorkingSetProblem`.

    Parameters
    ----------
    moments : Moments
    k : int
        Which of the outputs.
    positive : bool
        Whether weights may not be negative.
    """

    def __init__(self, moments: Moments, k: int, positive: bool):
        self.positive = positive
        self.x_mean, self.y_mean = moments.x_mean.numpy(force=True), float(moments.y_mean[k])
        moments = without_constants(moments)
        self.G, self.c = moments.xx.numpy(force=True), moments.xy[:, k].numpy(force=True).copy()
        self.yy = self.residual = float(moments.yy[k, k])
        require_finite(self.G, self.c, self.yy)
        self.q = self.c.copy()
        self.w = np.zeros_like(self.c)

    def start(self, w: np.ndarray) -> None:
        """Go on from these weights."""
        self.w, self.q = w, self.c - w @ self.G

    def products(self, j: int) -> np.ndarray:
        """X'x of column j with all columns."""
        return self.G[j]

    def round(self, l1: float, l2: float, goal: float) -> float:
        """Up to 50 sweeps, then a step on the support; the duality gap."""
        G, c, w, q = self.G, self.c, self.w, self.q
        if l1 == 0.0 and l2 == 0.0:  # least squares of smallest norm: no dual bound exists short of the exact solution
            self.start(np.linalg.lstsq(G, c, rcond=len(c) * EPS)[0])
            self.residual = max(self.yy - float(self.w @ (c + self.q)), 0.0)
            return 0.0
        gap, _ = descend_on_gram(G, c, self.yy, l1, l2, self.positive, w, q, goal, BURST)
        if gap > goal:
            feature_sign_step(G, c, l1, l2, w, q)
            q[:] = c - w @ G
            gap = duality_gap(w, q, max(self.yy - float(w @ (c + q)), 0.0), l1, l2, self.positive)
        self.residual = max(self.yy - float(w @ (c + q)), 0.0)
        return gap


Problem = GramProblem | WorkingSetProblem


def problems(
    X: Any, Y: Any, w: Any, *, fit_intercept: bool, positive: bool, penalties: int
) -> tuple[list[Problem], Moments | None]:
    """One problem for each output, and the moments if they were formed.

    Parameters
    ----------
    X : tensor of shape (N, D) or CSR matrix
    Y : tensor of shape (N, K)
    w : tensor of shape (N,), optional
    fit_intercept, positive : bool
    penalties : int
        How many penalties will be asked for.
    """
    N, D = X.shape
    if suits_gram(N, D, penalties):
        moments = Moments.of(X, Y, w, centred=fit_intercept)
        return [GramProblem(moments, k, positive) for k in range(Y.shape[1])], moments
    Y, w = Y.numpy(force=True), None if w is None else w.numpy(force=True)
    design = SparseDesign if sparse.issparse(X) else DenseDesign
    if design is DenseDesign:
        X = X.numpy(force=True)
        X = X if X.flags.c_contiguous or X.flags.f_contiguous else np.ascontiguousarray(X)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused in words
        return [WorkingSetProblem(design(X, y, w, fit_intercept), positive) for y in Y.T], None


def highest(problem: Problem) -> float:
    """The largest :math:`|x_j^T y|`: at this penalty on the scale of sums, or above, all weights are zero."""
    return max(float((problem.c if problem.positive else np.abs(problem.c)).max()), 0.0)


def penalties_below(top: float, eps: float, count: int) -> np.ndarray:
    """``count`` penalties from ``top`` down to ``eps`` times it, evenly spaced on the log scale."""
    smallest = np.finfo(float).resolution
    return np.full(count, smallest) if top <= smallest else np.geomspace(top, top * eps, count)


def solve(problem: Problem, l1: float, l2: float, goal: float, max_iter: int) -> tuple[float, int]:
    """At most ``max_iter`` rounds, until the gap is at most ``goal``; the gap, and the rounds made."""
    gap, rounds = np.inf, 0
    while gap > goal and rounds < max_iter:
        gap, rounds = problem.round(l1, l2, goal), rounds + 1
    return gap, rounds


def follow(
    problem: Problem, l1s: np.ndarray, l2s: np.ndarray, goal: float, max_iter: int
) -> Iterator[tuple[float, int]]:
    """Solve for each pair of penalties in turn, each start extrapolated from the two solutions before.

    Yields the gap and the number of rounds; the weights are ``problem.w``.
    """
    scale = l1s + l2s
    before = None
    for k in range(len(scale)):
        last = problem.w.copy()
        if before is not None and scale[k - 1] != scale[k - 2]:
            guess = last + (scale[k] - scale[k - 1]) / (scale[k - 1] - scale[k - 2]) * (last - before)
            problem.start(np.where(guess * last > 0, guess, 0.0))
        if k:
            before = last
        yield solve(problem, l1s[k], l2s[k], goal, max_iter)


def elastic_net_path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    alphas: Any = 100,
    fit_intercept: bool = False,
    positive: bool = False,
    tol: float = 1e-4,
    max_iter: int = 1000,
    sample_weight: Any = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights of the elastic net for a path of penalties.

    Parameters
    ----------
    X : array, frame, sparse matrix or tensor of shape (N, D)
    y : array or tensor of shape (N,)
    l1_ratio : float in (0, 1], default 0.5
        Share of the L1 penalty; 1 is the lasso.
    eps : float in (0, 1), default 1e-3
        Smallest penalty, as a fraction of the largest.
    alphas : int or array, default 100
        How many penalties, or which; they are used from the largest to the smallest.
    fit_intercept : bool, default False
        Centre X and y first (as scikit-learn's function of this kind, the default expects them centred).
    positive : bool, default False
        Allow no negative weights.
    tol : float, default 1e-4
        Largest duality gap, as a fraction of the squared norm of y.
    max_iter : int, default 1000
        Most rounds for each penalty; a round is some 50 sweeps over the columns and one look at all of them.
    sample_weight : array of shape (N,), optional

    Returns
    -------
    alphas : array of shape (M,), decreasing
    coefs : array of shape (D, M)
    gaps : array of shape (M,)
        Duality gaps of the objective above (module docstring).
    n_iters : array of shape (M,)
        Rounds made.

    Raises
    ------
    ValueError
        If a value is not finite, or shapes disagree.

    Examples
    --------
    >>> from peira.linear.elastic_net_path import elastic_net_path
    >>> alphas, coefs, gaps, n_iters = elastic_net_path([[1.0], [-1.0]], [2.0, -2.0], l1_ratio=1.0, alphas=[1.5, 0.5])
    >>> coefs.round(6)
    array([[0.5, 1.5]])
    """
    opened = open_matrix(X, owner="elastic_net_path", sparse_ok=True)
    Y, _ = open_targets(y, len(opened), opened, owner="elastic_net_path", multi_output=False)
    w = open_weights(sample_weight, len(opened), opened, owner="elastic_net_path")
    count = alphas if isinstance(alphas, int) else len(alphas)
    found, _ = problems(opened.X, Y, w, fit_intercept=fit_intercept, positive=positive, penalties=count)
    problem, total = found[0], float(len(opened) if w is None else w.sum())
    if isinstance(alphas, int):
        alphas = penalties_below(highest(problem) / (total * l1_ratio), eps, alphas)
    alphas = np.sort(np.asarray(alphas, dtype=float))[::-1]
    coefs, gaps, rounds = np.empty((len(problem.w), count)), np.empty(count), np.empty(count, dtype=int)
    l1s, l2s = total * l1_ratio * alphas, total * (1 - l1_ratio) * alphas
    for k, (gap, done) in enumerate(follow(problem, l1s, l2s, tol * problem.yy, max_iter)):
        coefs[:, k], gaps[k], rounds[k] = problem.w, gap / total, done
    return alphas, coefs, gaps, rounds
