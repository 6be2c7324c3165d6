r"""The readout of a reservoir: ridge regression on sums that are added up block by block.

.. math:: B = (S_{zz} + \alpha I)^{-1} S_{zy}, \quad \hat y = \bar y + (z - \bar z)^T B

with the scatter matrices of states z and targets y, so that memory does not grow with the steps. The penalty is given,
or chosen by generalised cross-validation over a grid, from the same sums: with the eigenvalues s of :math:`S_{zz}`,

.. math:: V(\alpha) = \frac{n \, RSS(\alpha)}{(n - 1 - df(\alpha))^2}, \quad df(\alpha) = \sum_j s_j / (s_j + \alpha)

What one of n steps was worth to its own prediction is its leverage

.. math:: h = 1/n + (z - \bar z)^T (S_{zz} + \alpha I)^{-1} (z - \bar z)

and its residual without itself is r / (1 - h), exactly. Scores of classes become log probabilities by one factor, which
makes the classes of left-out items most probable. Numbers have errors of one variance: a further one lies around what
is said of it with the variance :math:`\sigma^2 (1 + h)`, with the leverage that it would have. For a left-out one that
is :math:`\sigma^2 / (1 - h)`, so that :math:`\sigma^2` is found as the mean of :math:`r^2 / (1 - h)`.

Cost: n F^2 / 2 multiplications for F numbers read, and F^3.

Reference: Lukosevicius & Jaeger (2009), Computer Science Review 3, 8.1; generalised cross-validation: Golub, Heath &
Wahba (1979), Technometrics 21, eq. 1.6; leave-one-out: Hastie, Tibshirani & Friedman (2009), eq. 7.64.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ..core.errors import UnreadableError
from ..numerics.cholesky import cholesky
from ..numerics.moments import Moments, add_gram, mirrored

EPS = torch.finfo(torch.float64).eps
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

    def few(self) -> tuple[torch.Tensor, torch.Tensor, float] | None:
        """The rows themselves, where they are kept."""
        return None

    def mean(self) -> torch.Tensor:
        """The mean of Z, of shape (F,)."""
        return (self.origin + self.sum / self.weight)[: self.F]


class PreciseSums(Sums):
    """Sums of Z in coordinates in which its first rows are orthonormal, so that small variations keep their digits.

    With R the triangle of a QR factorisation of the first rows, what is summed is :math:`R^{-T} z`; its sums are close
    to a multiple of the identity, and squaring costs nothing. Twice the time of plain sums. Fewer than 2 F rows
    are kept as they are: their singular values need no squares at all.
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

    def few(self) -> tuple[torch.Tensor, torch.Tensor, float] | None:
        """The rows themselves while there are fewer than 2 F, centred and weighted; their mean, and their weight."""
        if self.triangle is not None:
            return None
        Z = torch.cat([Z for Z, _ in self.first])
        w = torch.cat([Z.new_ones(len(Z)) if w is None else w for Z, w in self.first])
        mean = (w @ Z) / w.sum()
        return (Z - mean) * w.sqrt()[:, None], self.origin + mean, float(w.sum())

    def mean(self) -> torch.Tensor:
        assert self.triangle is not None, "few rows have their own mean"
        return self.origin[: self.F] + (self.sum[: self.F] / self.weight) @ self.triangle


@dataclass(frozen=True, eq=False)
class Readout:
    """Weights B (F, K) and constants b (K,) of a linear readout.

    Attributes
    ----------
    alpha : float
        The penalty.
    mean : tensor of shape (F,)
        Of what is read.
    whitening : callable
        Gives the matrix (F, R) by which centred rows become rows of which the squared length is their part of the
        leverage.
    weight : float
        Of all rows.
    """

    B: torch.Tensor
    b: torch.Tensor
    alpha: float
    mean: torch.Tensor
    whitening: Callable[[], torch.Tensor]
    weight: float

    def scores(self, Z: torch.Tensor) -> torch.Tensor:
        return Z @ self.B + self.b

    def leverage(self, Z: torch.Tensor) -> torch.Tensor:
        """h of each row, of shape (N, 1)."""
        return 1 / self.weight + ((Z - self.mean) @ self.whitening()).square().sum(1, keepdim=True)

    def residuals(self, Z: torch.Tensor, Y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """r (N, K) of rows that were learned from, and 1 - h (N, 1)."""
        return Y - self.scores(Z), (1 - self.leverage(Z)).clamp(min=1e-9)

    def left_out(self, Z: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        """What the readout would say of each row if it had not learned from it, of shape (N, K)."""
        r, free = self.residuals(Z, Y)
        return Y - r / free


class Spectrum:
    """Singular values s of the centred states, of which each penalty shrinks its share, as readouts need them."""

    def __init__(self, sums: Sums) -> None:
        few, F = sums.few(), sums.F
        if few is not None:
            Z, mean, self.n = few
            U, self.s, Vt = torch.linalg.svd(Z[:, :F], full_matrices=False)
            self.V, self.c = Vt.T, U.T @ Z[:, F:]  # c are the targets in the left singular vectors
            kept = self.s > max(Z.shape) * EPS * self.s.max()
            self.s = torch.where(kept, self.s, 0.0)
            self.mean, self.y_mean, self.variation = mean[:F], mean[F:], (Z[:, F:] ** 2).sum(0)
        else:
            moments = sums.moments()
            size, Q = torch.linalg.eigh(moments.xx)
            kept = size > len(size) * EPS * size[-1].clamp(min=0)  # the rest is rounding
            self.s, self.V = torch.where(kept, size, 0.0).sqrt(), Q
            self.c = torch.where(kept, 1 / torch.where(kept, self.s, 1.0), 0.0)[:, None] * (Q.T @ moments.xy)
            if sums.triangle is not None:
                U, self.s, Vt = torch.linalg.svd(self.s[:, None] * (Q.T @ sums.triangle))
                self.c, self.V = U.T @ self.c, Vt.T
                self.s[int(kept.sum()) :] = 0.0  # what never varied comes out as rounding again, and last
            self.n, self.mean, self.y_mean = moments.weight, sums.mean(), moments.y_mean
            self.variation = moments.yy.diagonal()
        self.rest = max(self.n - 1 - int(kept.sum()), 0.0)

    def _inverse(self, alpha: float) -> torch.Tensor:
        known = (self.s > 0) | (alpha > 0)  # without a penalty, what never varied is taken not to
        return torch.where(known, 1 / (self.s**2 + alpha).clamp(min=1e-300), 0.0)

    def readout(self, alpha: float) -> Readout:
        """The ridge regression of one penalty."""
        f, V, mean = self._inverse(alpha), self.V, self.mean
        B = V @ ((self.s * f)[:, None] * self.c)
        return Readout(B, self.y_mean - mean @ B, float(alpha), mean, lambda: V * f.sqrt(), self.n)

    def validation(self, alpha: float) -> float:
        """V(alpha) of generalised cross-validation, of all targets in units of their variation."""
        T = self.variation
        left = torch.where(self.s > 0, alpha * self._inverse(alpha), 0.0)
        beyond = (T - (self.c**2).sum(0)).clamp(min=0) * (T > 0)  # what no combination of states can say
        errors = (beyond + ((left[:, None] * self.c) ** 2).sum(0)).maximum(FLOOR * T)  # less is rounding
        free = max(self.rest + float(left.sum()), 1e-9 * self.n)
        return float((errors / T.clamp(min=1e-300)).sum()) / free**2


def ridge(sums: Sums, alpha: float | Literal["auto"]) -> Readout:
    """The readout that some sums of states and targets give; "auto" chooses by generalised cross-validation."""
    if alpha != "auto":
        return ridges(sums, alpha)[0]
    spectrum = Spectrum(sums)
    return spectrum.readout(min(sums.grid, key=spectrum.validation))


def ridges(sums: Sums, alpha: float | Literal["auto"]) -> list[Readout]:
    """The readout of a given penalty, or those of all penalties of the grid."""
    if alpha == "auto" or alpha == 0 or isinstance(sums, PreciseSums):
        spectrum = Spectrum(sums)
        return [spectrum.readout(a) for a in (sums.grid if alpha == "auto" else (alpha,))]
    moments = sums.moments()
    S = moments.xx
    L, jitter = cholesky(S + alpha * torch.eye(len(S), dtype=S.dtype))
    B, mean = torch.cholesky_solve(moments.xy, L), moments.x_mean

    def whitening() -> torch.Tensor:
        return torch.linalg.solve_triangular(L, torch.eye(len(L), dtype=L.dtype), upper=False).T

    # the penalty that was used is the one that is told
    return [Readout(B, moments.y_mean - mean @ B, float(alpha + jitter), mean, whitening, moments.weight)]


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
    """Up to 4,096 rows of a fit, evenly spread over it, by which its answers get their width when it is over."""

    MOST = 4096

    def __init__(self, N: int) -> None:
        self.chosen = torch.zeros(N, dtype=torch.bool)
        self.chosen[torch.linspace(0, N - 1, min(N, self.MOST), dtype=torch.float64).long()] = True
        self.kept: list[tuple[torch.Tensor, ...]] = []

    def add(self, rows: slice, Z: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None) -> None:
        """Look at rows of the fit: what is read of them, their targets and weights."""
        mine = self.chosen[rows]
        if mine.any():
            self.kept.append((Z[mine], Y[mine], torch.ones(int(mine.sum())).to(Z) if w is None else w[mine]))

    def _rows(self) -> Iterator[torch.Tensor]:
        return (torch.cat(parts) for parts in zip(*self.kept, strict=True))

    def sharpness(self, readout: Readout) -> float:
        """The factor of scores of classes, from what is said of each row without having learned from it."""
        Z, Y, w = self._rows()
        return sharpness(readout.left_out(Z, Y), Y.argmax(1), w)

    def noise(self, readout: Readout) -> torch.Tensor:
        """The variance of the errors of each target, of shape (K,)."""
        Z, Y, w = self._rows()
        r, free = readout.residuals(Z, Y)
        return w @ (r.square() / free) / w.sum()


def check_sharpness(method: Any) -> None:
    """Refuse a stored classifier or tagger whose scores are not of its classes, or have no factor."""
    if not method.__sklearn_is_fitted__():
        return
    owner, beta = type(method).__name__, getattr(method, "sharpness_", None)
    if not isinstance(beta, float) or not 0 < beta < 1e6:
        raise UnreadableError(f"sharpness_ of a stored {owner} must be a positive number, got {beta!r}")
    if len(method.intercept_) != len(method.classes_):
        raise UnreadableError(f"a stored {owner} does not score each of its classes")


def check_readout(owner: str, B: Any, b: Any, features: int) -> None:
    """Refuse a stored readout that does not fit what is read."""
    for name, a, shape in (("readout_", B, (features, None)), ("intercept_", b, (None,))):
        if not isinstance(a, np.ndarray) or a.dtype != np.float64 or a.ndim != len(shape) or not np.isfinite(a).all():
            raise UnreadableError(f"{name} of a stored {owner} must be an array of finite numbers")
        if any(expected not in (None, found) for expected, found in zip(shape, a.shape, strict=True)):
            raise UnreadableError(f"{name} of a stored {owner} has shape {a.shape} for {features} numbers read")
    if B.shape[1] != len(b) or not len(b):
        raise UnreadableError(f"a stored {owner} has {B.shape[1]} columns of weights and {len(b)} constants")
