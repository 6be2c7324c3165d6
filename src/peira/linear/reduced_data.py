r"""What a family of nested linear models asks of its data, in as few numbers as possible.

With N >= D rows these are the moments of (X, Y), of size D x D. With N < D rows, the centred and weighted rows A span
only N directions: an orthonormal basis of them,

.. math:: A^T = Q R, \quad A = R^T Q^T

turns the problem into one with N columns R^T, whose coefficients b give Q b. Ridge, principal components and partial
least squares depend on inner products of rows alone, so that nothing is lost.

Columns are brought to one standard deviation first, if asked for, in the rows at hand: inside the folds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from sklearn.model_selection import check_cv

from ..core.errors import DataError
from ..core.inputs import Data
from ..numerics.moments import Moments, gram
from .sufficient_statistics import Rows


@dataclass(frozen=True, eq=False)
class Reduced:
    """Scatters in reduced coordinates, and the way back.

    Attributes
    ----------
    xx, xy, yy : tensor of shape (R, R), (R, K), (K, K)
    n, weight : int, float
    x_mean, y_mean, scale : tensor of shape (D,), (K,), (D,)
        In the columns of X.
    basis : tensor of shape (D, R), or None for R = D
    """

    xx: torch.Tensor
    xy: torch.Tensor
    yy: torch.Tensor
    n: int
    weight: float
    x_mean: torch.Tensor
    y_mean: torch.Tensor
    scale: torch.Tensor
    basis: torch.Tensor | None = None

    @classmethod
    def of(cls, source: Moments | Rows, *, scale: bool) -> "Reduced":
        """From moments, or from the rows of a wide table; ``scale`` divides columns by their standard deviation."""
        m = source
        squares = m.A.square().sum(0) if isinstance(m, Rows) else m.xx.diagonal()
        if not bool(squares.isfinite().all()):
            j = int((~squares.isfinite()).nonzero()[0, 0])
            raise DataError(f"the squares of column {j} are too large for float64: divide it by a power of ten")
        s = torch.ones_like(m.x_mean)
        if scale:
            s = torch.where(squares > 0, (squares / max(m.weight - 1, 1.0)).sqrt(), s)
        about = (m.n, m.weight, m.x_mean, m.y_mean, s)
        if isinstance(m, Moments):
            return cls(m.xx / torch.outer(s, s), m.xy / s[:, None], m.yy, *about)
        Q, R = torch.linalg.qr((m.A / s).T)
        return cls(gram(R.T), R @ m.B, gram(m.B), *about, Q)

    def back(self, B: torch.Tensor) -> torch.Tensor:
        """Coefficients (..., R, K) as coefficients (..., D, K) of the columns of X."""
        return (B if self.basis is None else self.basis @ B) / self.scale[:, None]

    def directions(self, B: torch.Tensor) -> torch.Tensor:
        """Directions (R, M) in the standardised columns, (D, M)."""
        return B if self.basis is None else self.basis @ B

    def intercept(self, B: torch.Tensor) -> torch.Tensor:
        """Constants (..., K) that belong to coefficients (..., D, K)."""
        return self.y_mean - self.x_mean @ B


def reduce(X, Y: torch.Tensor, w: torch.Tensor | None, *, centred: bool, scale: bool) -> Reduced:
    """The reduced form of some rows; sparse X is made dense where it has more columns than rows."""
    if X.shape[0] >= X.shape[1]:
        return Reduced.of(Moments.of(X, Y, w, centred=centred), scale=scale)
    X = torch.from_numpy(X.toarray()) if sparse.issparse(X) else X
    return Reduced.of(Rows.of(X, Y, w, centred=centred), scale=scale)


def make_folds(data: Data, cv: object, owner: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of training and test rows: ``cv`` is a number, a splitter, such pairs, or None for five folds."""
    try:
        y = data.Y[:, 0].numpy(force=True)
        return [tuple(map(np.asarray, fold)) for fold in check_cv(cv).split(np.empty((len(data), 1)), y)]
    except ValueError as error:
        raise DataError(f"{owner} can't make its folds of {len(data)} rows: {error}") from error


def fold_errors(
    data: Data, folds: list, family: Callable[[Reduced], torch.Tensor], *, centred: bool, scale: bool
) -> torch.Tensor:
    """Mean squared errors (S, F, K) of a family of S models on each of F folds, learned from the other rows.

    Each row is read once: with many rows, the moments of a fold's training rows are those of all less its own, and its
    errors follow from its own moments.
    """
    N, D = data.X.shape

    def rows(index: np.ndarray) -> tuple:
        w = None if data.w is None else data.w[index]
        if w is not None and not w.any():
            raise DataError("all rows of a fold have weight zero; shuffle the folds")
        return data.X[index], data.Y[index], w

    wide = min(len(train) for train, _ in folds) < D
    parts = [None if wide else Moments.of(*rows(test), centred=centred) for _, test in folds]
    once = (np.bincount(np.concatenate([test for _, test in folds]), minlength=N) == 1).all()
    whole = sum(parts[1:], parts[0]) if once and not wide else None
    errors = []
    for (train, test), part in zip(folds, parts, strict=True):
        if whole is not None and len(train) + len(test) == N:
            learned = Reduced.of(whole.minus(part), scale=scale)
        else:
            learned = reduce(*rows(train), centred=centred, scale=scale)
        B = learned.back(family(learned))
        shift = learned.intercept(B)
        if part is not None:
            errors.append(_error_by_moments(part, B, shift))
        else:
            X, Y, w = rows(test)
            fitted = torch.stack([torch.from_numpy(X @ b.numpy()) if sparse.issparse(X) else X @ b for b in B])
            squares = (Y - fitted - shift[:, None]).square()
            errors.append(squares.mean(1) if w is None else (w @ squares) / w.sum())
    return torch.stack(errors, 1)


def _error_by_moments(test: Moments, B: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """s_yy - 2 b's_xy + b'S_xx b for rows about their means, and what the means add; (S, K)."""
    spread = test.yy.diagonal() - 2 * (B * test.xy).sum(1) + (B * (test.xx @ B)).sum(1)
    shift = test.y_mean - test.x_mean @ B - start
    return spread.clamp(min=0) / test.weight + shift.square()


def choose(mean: torch.Tensor, std_error: torch.Tensor, rule: str) -> torch.Tensor:
    """Which model to take for each column of errors (S, K), the models being ordered from the simplest.

    ``rule="best"`` the least error; ``"one_se"`` the simplest whose error is at most one standard error of the best
    one's above it (Breiman et al. 1984; Hastie et al. 2009, 7.10.1). Returns positions (K,).
    """
    best = mean.argmin(0, keepdim=True)
    if rule == "best":
        return best[0]
    within = mean <= (mean + std_error.nan_to_num()).gather(0, best)
    return within.to(torch.int8).argmax(0)
