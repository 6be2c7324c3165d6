r"""What a family of nested linear models asks of its data, in as few numbers as possible.

With N >= D rows these are the moments of (X, Y), of size D x D. With N < D rows, the centred and weighted rows A span
only N directions: an orthonormal basis of them,

.. math:: A^T = Q R, \quad A = R^T Q^T

turns the problem into one with N columns R^T, whose coefficients b give Q b. Ridge, principal components and partial
least squares depend on inner products of rows alone, so that nothing is lost.

Columns are brought to one standard deviation first, if asked for, in the rows at hand: inside the folds. Constant ones
stay zeros.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from ..numerics.moments import Moments, gram
from .folds import Split
from .sufficient_statistics import Rows, Summary, without_constants


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
    def of(cls, source: Summary, *, scale: bool) -> "Reduced":
        """From moments, or from the rows of a wide table; ``scale`` divides columns by their standard deviation."""
        m = without_constants(source)
        s = torch.ones_like(m.x_mean)
        if scale:
            squares = m.A.square().sum(0) if isinstance(m, Rows) else m.xx.diagonal()
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


def fold_errors(splits: Iterable[Split], family: Callable[[Reduced], torch.Tensor], *, scale: bool) -> torch.Tensor:
    """Mean squared errors (S, F, K) of a family of models on each of F folds, learned from the other rows.

    ``family`` gives the coefficients (S, R, K) of its models for a training set; S is the least number of them.
    """
    errors = []
    for learned, error in splits:
        part = Reduced.of(learned, scale=scale)
        B = part.back(family(part))
        errors.append(error(B, part.intercept(B)))
    return torch.stack([e[: min(map(len, errors))] for e in errors], 1)
