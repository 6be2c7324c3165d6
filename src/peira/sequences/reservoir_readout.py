r"""The readout of a reservoir: ridge regression on sums that are added up block by block.

.. math:: B = (S_{zz} + \alpha I)^{-1} S_{zy}, \quad \hat y = \bar y + (z - \bar z)^T B

with the scatter matrices of states z and targets y, so that memory does not grow with the steps. The penalty is given,
or chosen by generalised cross-validation over a grid, from the same sums: with the eigenvalues s of :math:`S_{zz}`,

.. math:: V(\alpha) = \frac{n \, RSS(\alpha)}{(n - 1 - df(\alpha))^2}, \quad df(\alpha) = \sum_j s_j / (s_j + \alpha)

What one of n steps was worth to its own prediction is its leverage

.. math:: h = 1/n + (z - \bar z)^T (S_{zz} + \alpha I)^{-1} (z - \bar z)

and its residual without itself is r / (1 - h), exactly. Scores of classes become log probabilities by one factor, which
makes the classes of left-out items most probable.

Cost: n F^2 / 2 multiplications for F numbers read, and F^3.

Reference: Lukosevicius & Jaeger (2009), Computer Science Review 3, 8.1; generalised cross-validation: Golub, Heath &
Wahba (1979), Technometrics 21, eq. 1.6; leave-one-out: Hastie, Tibshirani & Friedman (2009), eq. 7.64.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ..core.errors import UnreadableError
from ..numerics.cholesky import cholesky
from ..numerics.moments import Moments, add_gram, mirrored

FLOOR = 1e-13  # share of the variation below which a residual sum is rounding


class Sums:
    """Moments of what is read, Z (N, F), and of the targets, Y (N, K), added up block by block in one matrix."""

    triangle: torch.Tensor | None = None
    grid = tuple(10.0**k for k in range(-8, 5))

    def __init__(self, F: int, K: int) -> None:
        self.F, self.n, self.weight = F, 0, 0.0
        self.total = torch.zeros(F + K, F + K, dtype=torch.float64)
        self.sum = torch.zeros(F + K, dtype=torch.float64)
        self.origin = torch.zeros(0, dtype=torch.float64)  # none before the first rows
        self.room = self.total[:0]

    def add(self, parts: tuple[torch.Tensor, ...], w: torch.Tensor | None = None) -> None:
        """Count rows, whose columns come as several matrices side by side, the targets last."""
        N = len(parts[0])
        if not N or (w is not None and not float(w.sum())):
            return
        if len(self.room) < N:
            self.room = torch.empty(N, len(self.sum), dtype=torch.float64)
        Z = torch.cat(parts, 1, out=self.room[:N])
        if not len(self.origin):  # sums about the first rows' mean: nothing cancels where means are large
            self.origin = Z.mean(0) if w is None else (w @ Z) / w.sum()
        Z -= self.origin
        self._count(Z, w)

    def _count(self, Z: torch.Tensor, w: torch.Tensor | None) -> None:
        """Add up rows about the origin; they are overwritten."""
        self.n += len(Z)
        self.weight += len(Z) if w is None else float(w.sum())
        self.sum += Z.sum(0) if w is None else w @ Z
        if w is not None:
            Z *= w.sqrt()[:, None]
        add_gram(self.total, Z)

    def moments(self) -> Moments:
        """The moments of what was counted; those of Z in the coordinates that the sums were taken in."""
        F, shift = self.F, self.sum / self.weight
        S = mirrored(self.total).addr_(shift, shift, alpha=-self.weight)
        mean = self.origin + shift
        return Moments(self.n, self.weight, mean[:F], mean[F:], S[:F, :F], S[:F, F:], S[F:, F:])

    def mean(self) -> torch.Tensor:
        """The mean of Z, of shape (F,)."""
        return (self.origin + self.sum / self.weight)[: self.F]


class PreciseSums(Sums):
    """Sums of Z in coordinates in which its first rows are orthonormal, so that small variations keep their digits.

    With R the triangle of a QR factorisation of the first rows, what is summed is :math:`R^{-T} z`; its sums are close
    to a multiple of the identity, and squaring costs nothing. Twice the time of plain sums.
    """

    grid = tuple(10.0**k for k in range(-15, 5))

    def __init__(self, F: int, K: int) -> None:
        super().__init__(F, K)
        self.first: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self.waiting = 0

    def _count(self, Z: torch.Tensor, w: torch.Tensor | None) -> None:
        if self.triangle is None:
            self.first.append((Z.clone(), w))
            self.waiting += len(Z)
            if self.waiting >= 2 * self.F:
                self._start()
            return
        Z[:, : self.F] = torch.linalg.solve_triangular(self.triangle, Z[:, : self.F], upper=True, left=False)
        super()._count(Z, w)

    def _start(self) -> None:
        rows = torch.cat([Z[:, : self.F] for Z, _ in self.first])
        least = 1e-14 * max(float(torch.linalg.matrix_norm(rows)), 1e-300)  # for directions without variation so far
        floor = least * torch.eye(self.F, dtype=rows.dtype)
        self.triangle = torch.linalg.qr(torch.cat([rows, floor]), mode="r")[1]
        waiting, self.first = self.first, []
        for Z, w in waiting:
            self._count(Z, w)

    def moments(self) -> Moments:
        if self.triangle is None:
            self._start()
        return super().moments()

    def mean(self) -> torch.Tensor:
        assert self.triangle is not None, "moments come first"
        return self.origin[: self.F] + (self.sum[: self.F] / self.weight) @ self.triangle


@dataclass(frozen=True, eq=False)
class Readout:
    """Weights B (F, K) and constants b (K,) of a linear readout, with what its fit knows of its errors.

    Attributes
    ----------
    alpha : float
        The penalty.
    variance : tensor of shape (K, K)
        Covariance of the errors to expect, by generalised cross-validation.
    mean, inverse : tensor of shape (F,), (F, F)
        Mean of what is read, and the inverse of S_zz + alpha I, for leverages.
    """

    B: torch.Tensor
    b: torch.Tensor
    alpha: float
    variance: torch.Tensor
    mean: torch.Tensor
    inverse: torch.Tensor
    weight: float

    def scores(self, Z: torch.Tensor) -> torch.Tensor:
        return Z @ self.B + self.b

    def left_out(self, Z: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        """What the readout would say of each row if it had not learned from it, of shape (N, K)."""
        C = Z - self.mean
        h = 1 / self.weight + (C @ self.inverse * C).sum(1)
        return Y - (Y - self.scores(Z)) / (1 - h.clamp(max=1 - 1e-6))[:, None]


def ridge(sums: Sums, alpha: float | Literal["auto"]) -> Readout:
    """The readout that some sums of states and targets give."""
    moments = sums.moments()
    if alpha != "auto" and alpha > 0 and sums.triangle is None:
        return _by_cholesky(moments, float(alpha))
    n, T = moments.weight, moments.yy
    size, Q = torch.linalg.eigh(moments.xx)
    kept = size > len(size) * torch.finfo(size.dtype).eps * size[-1].clamp(min=0)  # the rest is rounding
    root = torch.where(kept, size, 0.0).sqrt()
    c = torch.where(kept, 1 / torch.where(kept, size, 1.0).sqrt(), 0.0)[:, None] * (Q.T @ moments.xy)
    s, V = root, Q  # the states, centred, have these singular values; c are the targets in their left vectors
    if sums.triangle is not None:
        U, s, Vt = torch.linalg.svd(root[:, None] * (Q.T @ sums.triangle))
        c, V = U.T @ c, Vt.T
    beyond = (T - c.T @ c).diagonal().clamp(min=0) * (T.diagonal() > 0)  # what no combination of states can say
    rest = max(n - 1 - int(kept.sum()), 0.0)
    best: tuple[float, float, torch.Tensor, torch.Tensor] | None = None
    for penalty in sums.grid if alpha == "auto" else (alpha,):
        total = s**2 + penalty
        f = torch.where(s > 0, 1 / total.clamp(min=1e-300), 0.0)
        left = torch.where(s > 0, penalty * f, 0.0)[:, None]
        errors = torch.diag(beyond) + (left * c).T @ (left * c)
        errors = errors + torch.diag((FLOOR * T.diagonal() - errors.diagonal()).clamp(min=0))  # rounding
        free = max(rest + float(left.sum()), 1e-9 * n)
        value = float((errors.diagonal() / T.diagonal().clamp(min=1e-300)).sum()) / free**2
        if best is None or value < best[0]:
            best = value, penalty, f, errors * (n / free**2)
    assert best is not None
    _, penalty, f, variance = best
    B, mean = V @ ((s * f)[:, None] * c), sums.mean()
    return Readout(B, moments.y_mean - mean @ B, float(penalty), variance, mean, (V * f) @ V.T, n)


def _by_cholesky(moments: Moments, alpha: float) -> Readout:
    """For one penalty above 0: a factor of S_zz + alpha I, with its inverse for the degrees of freedom."""
    n, S, R = moments.weight, moments.xx, moments.xy
    L, jitter = cholesky(S + alpha * torch.eye(len(S), dtype=S.dtype))
    alpha += jitter  # the penalty that was used is the one that is told
    B, inverse = torch.cholesky_solve(R, L), torch.cholesky_inverse(L)
    errors = moments.yy - R.T @ B - alpha * (B.T @ B)  # |y - zB|^2, by the normal equations
    floor = FLOOR * moments.yy.diagonal()
    errors = errors + torch.diag((floor - errors.diagonal()).clamp(min=0))
    free = max(n - 1 - len(S) + alpha * float(inverse.trace()), 1e-9 * n)
    mean = moments.x_mean
    return Readout(B, moments.y_mean - mean @ B, alpha, errors * (n / free**2), mean, inverse, n)


def sharpness(scores: torch.Tensor, codes: torch.Tensor, w: torch.Tensor | None = None) -> float:
    """The factor at which softmax(factor * scores) makes the classes ``codes`` (N,) most probable, by Newton's method.

    Between 0.01 and 1,000; the log likelihood is concave in the factor, so that halved steps always arrive.
    """
    w = torch.ones(len(codes), dtype=scores.dtype) if w is None else w
    right = scores.gather(1, codes[:, None])[:, 0]

    def slopes(beta: float) -> tuple[float, float]:
        p = (beta * scores).softmax(1)
        mean = (p * scores).sum(1)
        return float(w @ (right - mean)), -float(w @ ((p * scores**2).sum(1) - mean**2))

    low, high, beta = 0.01, 1e3, 3.0
    for _ in range(60):  # bisection on the slope, with Newton's step where it stays inside
        slope, bend = slopes(beta)
        low, high = (beta, high) if slope > 0 else (low, beta)
        new = beta - slope / bend if bend < 0 else 0.0
        new = new if low < new < high else (low * high) ** 0.5
        if abs(new - beta) <= 1e-10 * beta:
            break
        beta = new
    return beta


class Calibration:
    """Up to 4,096 rows of a fit, evenly spread over it, on which the factor of the scores is found when it is over."""

    MOST = 4096

    def __init__(self, N: int) -> None:
        self.chosen = torch.zeros(N, dtype=torch.bool)
        self.chosen[torch.linspace(0, N - 1, min(N, self.MOST), dtype=torch.float64).long()] = True
        self.kept: list[tuple[torch.Tensor, ...]] = []

    def add(self, rows: slice, Z: torch.Tensor, codes: torch.Tensor, w: torch.Tensor | None) -> None:
        """Look at rows of the fit: what is read of them, their classes and weights."""
        mine = self.chosen[rows]
        if mine.any():
            self.kept.append((Z[mine], codes[mine], torch.ones(int(mine.sum())).to(Z) if w is None else w[mine]))

    def sharpness(self, readout: Readout) -> float:
        """The factor, from what the readout says of each row without having learned from it."""
        Z, codes, w = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        Y = torch.nn.functional.one_hot(codes, readout.B.shape[1]).to(Z)
        return sharpness(readout.left_out(Z, Y), codes, w)


def check_readout(owner: str, B: Any, b: Any, features: int) -> None:
    """Refuse a stored readout that does not fit what is read."""
    for name, a, shape in (("readout_", B, (features, None)), ("intercept_", b, (None,))):
        if not isinstance(a, np.ndarray) or a.dtype != np.float64 or a.ndim != len(shape) or not np.isfinite(a).all():
            raise UnreadableError(f"{name} of a stored {owner} must be an array of finite numbers")
        if any(expected not in (None, found) for expected, found in zip(shape, a.shape, strict=True)):
            raise UnreadableError(f"{name} of a stored {owner} has shape {a.shape} for {features} numbers read")
    if B.shape[1] != len(b) or not len(b):
        raise UnreadableError(f"a stored {owner} has {B.shape[1]} columns of weights and {len(b)} constants")
