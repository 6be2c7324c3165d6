r"""Linear least squares, with as many correct digits as the data hold.

.. math:: \min_{b_0, B} \; \sum_n w_n \| y_n - b_0 - B^T x_n \|^2

Two routes, chosen by what is measured on the way. Both work on centred columns scaled to unit length (so that units
and offsets of columns cost no digits), and both refine.

**Gram** (large problems). With :math:`S_{xx}, S_{xy}` the centred scatters, :math:`S_{xx} = L L^T` gives
:math:`B = S_{xx}^{-1} S_{xy}` at half the work of a QR and one pass over the rows, but with an error of the square
of the condition. One step of refinement on the residual of the original data,

.. math:: R = Y - b_0 - X B, \quad B \leftarrow B + S_{xx}^{-1} X_c^T W R

gives back what QR would have (the corrected semi-normal equations: Björck 1987, Linear Algebra and its Applications
88/89, 31-48): the error left is that of computing R, as in a QR solution, times a factor that is small while the
inflation of variances, :math:`v_j = (S_{xx})_{jj} (S_{xx}^{-1})_{jj}`, is. It is allowed up to 1e4, where the
standard errors keep eleven digits; beyond, the other route.

**QR** (small or ill-conditioned problems). Householder's :math:`\sqrt{W} X_c = Q R` with the error of the condition
itself, then refinement of residual and coefficients together, by Björck's augmented system (1967, BIT 7, 257-278)

.. math:: \rho + b_0 + X B = Y, \quad X^T W \rho = H

with H = 0 and right-hand sides computed in doubled precision (`peira.numerics.doubled`) from the data as they came,
uncentred. Each step gains the digits that the condition leaves, until all are correct. Columns of the inverse,
wanted for standard errors, solve the same system with Y = 0 and H = -I, and are refined in the same way.

**Rank.** :math:`|R_{jj}|` is the distance of a unit column from the span of those before it. A column no further
than the rounding of its own entries depends on them. The solution is then the one of smallest norm, as by the
pseudo-inverse; fitted values are unique, the coefficients of the columns in ``Solution.undetermined`` are not.

**Streams.** The triangle of an orthogonal reduction is all that later rows need (Golub & Van Loan 2013, 6.5.3):

.. math:: \sqrt{W} (1, X, Y) = Q \, (T; 0)

Rows that arrive are put below T and reduced again. It is as large as a Gram matrix but keeps the condition, not its
square; the order of arrival does not matter beyond rounding.

Cost: Gram N D^2 + D^3; QR 4 N D^2, and 2 ns a product N D K for each refinement (N D^2 for the inverse).
"""

from dataclasses import dataclass, replace

import torch
from scipy import sparse
from torch.linalg import solve_triangular

from .moments import Moments
from .refined_qr import RefinedQR

EPS = torch.finfo(torch.float64).eps
SMALL = 3e7  # below this N D^2 a QR takes a fraction of a second: no reason for the other route
INFLATION_BY_GRAM = 1e4
BLOCK = 1 << 19  # numbers in a block of rows: 4 MiB


@dataclass(frozen=True, eq=False)
class Solution:
    """A least-squares fit and what its uncertainty needs.

    Attributes
    ----------
    coef : tensor of shape (D, K)
    intercept : tensor of shape (K,)
        Zeros without intercept.
    rss : tensor of shape (K,)
        Weighted sum of squared residuals.
    rank : int
        Of the (centred) columns.
    undetermined : tuple of int
        Columns whose coefficients the data do not determine; empty at full rank.
    root : tensor of shape (D, rank)
        A square root of the inverse scatter: root root' = S_xx^-1 (its pseudo-inverse at lower rank).
    variances : tensor of shape (D + 1,)
        Of the intercept (0 without one), then of the coefficients, for residuals of unit variance.
    mean : tensor of shape (D,)
        Weighted means of the columns; zeros without intercept.
    weight : float
        Sum of the weights.
    triangle : tensor of shape (at most 1 + D + K, 1 + D + K)
        See `reduced`.
    """

    coef: torch.Tensor
    intercept: torch.Tensor
    rss: torch.Tensor
    rank: int
    undetermined: tuple[int, ...]
    root: torch.Tensor
    variances: torch.Tensor
    mean: torch.Tensor
    weight: float
    triangle: torch.Tensor


def least_squares(
    X: torch.Tensor | sparse.csr_array, Y: torch.Tensor, w: torch.Tensor | None = None, *, intercept: bool = True
) -> Solution:
    """Solve by the route that suits.

    Parameters
    ----------
    X : float64 tensor of shape (N, D), or SciPy CSR matrix
        A sparse X is made dense only if it is too ill-conditioned for its Gram matrix.
    Y : float64 tensor of shape (N, K)
    w : tensor of shape (N,), optional
        Non-negative, not all zero.
    intercept : bool, default True
    """
    N, D = X.shape
    if sparse.issparse(X) or (N >= 2 * D and N * D * D > SMALL):
        solution = by_gram(X, Y, w, intercept=intercept)
        if solution is not None:
            return solution
    if sparse.issparse(X):
        X = torch.from_numpy(X.toarray())
    return by_qr(X, Y, w, intercept=intercept)


def reduced(
    X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None, *, intercept: bool = True, above=None
) -> torch.Tensor:
    """The triangle of (1, X, Y), without the ones if there is no intercept.

    Parameters
    ----------
    X, Y, w, intercept
        As in `least_squares`; X dense.
    above : tensor, optional
        The triangle of earlier rows.

    Returns
    -------
    tensor of shape (min(N, M), M) with M = 1 + D + K
        Upper triangular. Costs 2 N M^2.
    """
    rows = torch.cat([X.new_ones(len(X), 1 if intercept else 0), X, Y], 1)
    if w is not None:
        rows = rows * w.sqrt()[:, None]
    return torch.linalg.qr(rows if above is None else torch.cat([above, rows]), mode="r")[1]


def from_triangle(T: torch.Tensor, K: int, weight: float, *, intercept: bool = True) -> Solution:
    """The solution for all rows that went into the triangle, of K outputs and the given sum of weights."""
    k = int(intercept)
    M = T.shape[1] - k - K
    if len(T) == k:  # a single row: nothing is left about its mean
        T = torch.cat([T, torch.zeros_like(T[:1])])
    X, Y, length = T[k:, k : k + M], T[k:, k + M :], T[:, k : k + M].norm(dim=0)
    part = by_qr(X, Y, None, intercept=False, length=length)
    if not intercept:
        return replace(part, weight=weight)
    mean = T[0, 1 : 1 + M] / T[0, 0]
    start = T[0, 1 + M :] / T[0, 0] - mean @ part.coef
    variances = torch.cat([_intercept_variance(part.root, mean, weight, True), part.variances[1:]])
    return replace(part, intercept=start, variances=variances, mean=mean, weight=weight)


def by_gram(X: torch.Tensor | sparse.csr_array, Y: torch.Tensor, w: torch.Tensor | None, *, intercept: bool):
    """The Gram route, or None where it would cost digits."""
    moments = Moments.of(X, Y, w, centred=intercept)
    factored = _factor(moments)
    if factored is None:
        return None
    L, scale, root = factored
    inflation = (root.square().sum(1) * scale**2).max()
    if not inflation < INFLATION_BY_GRAM:
        return None
    coef = _solve(L, scale, moments.xy)
    gradient, shift, rss = _residual_pass(X, Y, w, moments, coef)
    coef = coef + _solve(L, scale, gradient)
    mean, W = moments.x_mean, moments.weight
    variances = torch.cat([_intercept_variance(root, mean, W, intercept), root.square().sum(1)])
    start = (moments.y_mean + shift - mean @ coef) * intercept
    below = torch.cat([L.T * scale, torch.linalg.solve_triangular(L, moments.xy / scale[:, None], upper=False)], 1)
    if intercept:
        first = torch.cat([mean.new_ones(1), mean, moments.y_mean]) * W**0.5
        below = torch.cat([first[None], torch.cat([below.new_zeros(len(below), 1), below], 1)])
    foot = torch.cat([below.new_zeros(len(rss), below.shape[1] - len(rss)), rss.sqrt().diag()], 1)
    return Solution(coef, start, rss, len(coef), (), root, variances, mean, W, torch.cat([below, foot]))


def _factor(moments: Moments) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """Cholesky factor L of the scatter with unit diagonal, the scale, and the root of the inverse scatter."""
    scale = moments.xx.diagonal().sqrt()
    if not bool(((scale > 1e-150) & (scale < 1e150)).all()):
        return None
    L, failed = torch.linalg.cholesky_ex(moments.xx / torch.outer(scale, scale))
    if int(failed) or bool((L.diagonal() ** 2 < 4 * len(L) * EPS).any()):
        return None
    inverse = solve_triangular(L, torch.eye(len(L), dtype=L.dtype, device=L.device), upper=False)
    return L, scale, (inverse / scale).T


def _solve(L: torch.Tensor, scale: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.cholesky_solve(right / scale[:, None], L) / scale[:, None]


def _intercept_variance(root: torch.Tensor, mean: torch.Tensor, weight: float, intercept: bool) -> torch.Tensor:
    return ((mean @ root).square().sum() + 1 / weight)[None] * intercept


def _residual_pass(X, Y, w, moments: Moments, coef: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """X_c' W R, the weighted mean of R, and the squares of R, for R = Y_c - X_c coef; one pass in blocks."""
    gradient, total, rss = torch.zeros_like(coef), torch.zeros_like(coef[0]), torch.zeros_like(coef[0])
    rows = max(1, BLOCK // X.shape[1])
    for i in range(0, X.shape[0], rows):
        block = X[i : i + rows]
        if sparse.issparse(X):
            R = Y[i : i + rows] - moments.y_mean - torch.from_numpy(block @ coef.numpy()) + moments.x_mean @ coef
        else:
            block = block - moments.x_mean if moments.centred else block
            R = torch.addmm(Y[i : i + rows] - moments.y_mean, block, coef, alpha=-1)
        WR = R if w is None else R * w[i : i + rows, None]
        total += WR.sum(0)
        rss += (WR * R).sum(0)
        if sparse.issparse(X):
            gradient += torch.from_numpy(block.T @ WR.numpy()) - torch.outer(moments.x_mean, WR.sum(0))
        else:
            gradient += block.T @ WR
    return gradient, total / moments.weight * moments.centred, rss


def by_qr(X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None, *, intercept: bool, length=None) -> Solution:
    """The QR route, for dense X of any shape and rank; computes on the CPU.

    ``length``, of shape (D,): how long the columns were before X was centred, if it was; their rounding depends on it.
    """
    home, K, k = X.device, Y.shape[1], int(intercept)
    w = torch.ones(len(X), dtype=torch.float64) if w is None else w.cpu()
    X, Y = X.cpu(), Y.cpu()
    # Powers of two take out the units: exactly, and nothing over- or underflows on the way.
    sx, sy, sw = _power_of_two(X.abs().amax(0)), _power_of_two(Y.abs().amax(0)), _power_of_two(w.max())
    length = None if length is None else length.cpu() / sx
    problem = RefinedQR((X / sx).T.contiguous(), w / sw, intercept, length)
    kept, YT = problem.kept, (Y / sy).T.contiguous()
    B, rho = problem.solve(YT, torch.zeros(k + len(kept), K, dtype=torch.float64))
    start, coef = B[:k].sum(0), B[k:] / sx[kept, None]
    root, variances = problem.inverse_root() / sx[kept, None], problem.variances()
    undetermined: tuple[int, ...] = ()
    if problem.dependence is None:
        variances[1:] /= sx**2
    else:
        # X = X_kept T, so the shortest coefficients with the same fitted values are T^+ times those of X_kept.
        unit = problem.norm * sx
        shortest = torch.linalg.pinv(problem.dependence * unit / unit[kept, None])
        mean = problem.mean * sx
        start = start + mean[kept] @ coef - mean @ (shortest @ coef)
        coef, root = shortest @ coef, shortest @ root
        variances = torch.cat([variances[:1], root.square().sum(1)])
        own = (torch.linalg.pinv(problem.dependence) * problem.dependence.T).sum(1)  # 1: the only one of its direction
        undetermined = tuple(torch.nonzero(own < 1 - 1e-8)[:, 0].tolist())
    rss = (w / sw * rho.square()).sum(1) * sw * sy**2
    parts = (coef * sy, start * sy, rss, root / sw.sqrt(), variances / sw, problem.mean * sx)
    coef, start, rss, root, variances, mean = (t.to(home) for t in parts)
    triangle = reduced(X, Y, w, intercept=intercept).to(home)
    return Solution(coef, start, rss, len(kept), undetermined, root, variances, mean, float(w.sum()), triangle)


def _power_of_two(size: torch.Tensor) -> torch.Tensor:
    """The power of four next below each size (its root is exact too); 1 for zero."""
    exponent = torch.frexp(size).exponent.clamp(-1020, 1020) // 2 * 2
    return torch.where(size > 0, torch.ldexp(torch.ones_like(size), exponent), 1.0)
