r"""Columns as a solver wants them: no overflow, no digits lost to an offset, no column that others determine.

.. math:: x_j' = (x_j - o_j) / s_j, \quad v_j = s_j w_j, \quad \lambda_j' = \lambda_j / s_j^2

Since nothing penalises the constant, the shift changes no fit, and the scaled penalties make the scaled problem the
same as the given one. Newton's and quasi-Newton steps do not depend on scales, so most data are taken as they lie:
only columns that are far from zero against their spread (dates, years, identifiers) or far from one (beyond 1e75)
make it worth a copy. Sparse columns are scaled, never shifted.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import lapack

from ..core.errors import DataError, RankWarning
from ..core.inputs import Matrix
from ..numerics.moments import Moments

FAR = 100.0  # an offset of so many standard deviations costs four digits of a Hessian
HUGE = 1e75  # the fourth power of such numbers, summed over rows, is still finite
LOOK = 2_000  # rows that are looked at


@dataclass(frozen=True, eq=False)
class Design:
    """Columns for a solver, and the way back.

    Attributes
    ----------
    X : tensor of shape (N, R), or CSR matrix
    offset, scale : tensor of shape (D,)
    kept : tensor of shape (R,)
        Positions of the columns that X has; the others get no weight.
    """

    X: Matrix
    offset: torch.Tensor
    scale: torch.Tensor
    kept: torch.Tensor

    @classmethod
    def of(cls, X: Matrix, w: torch.Tensor, intercept: bool, scaled: bool) -> "Design":
        """The columns of X, in a copy where that is needed; ``w`` are the weights of the rows.

        ``scaled`` tells whether they may be scaled (an L1 penalty is the same for all columns).
        """
        D = X.shape[1]
        none, ones, every = w.new_zeros(D), w.new_ones(D), torch.arange(D, device=w.device)
        if sparse.issparse(X):
            entries = np.abs(X.data)
            if not ((entries > HUGE) | ((entries > 0) & (entries < 1 / HUGE))).any():
                return cls(X, none, ones, every)
            _require_scaling(scaled)
            size = torch.from_numpy(np.asarray(abs(X).max(0).todense()).ravel())
            scale = torch.where(size > 0, size, 1.0)
            X = X.copy()
            X.data /= scale.numpy()[X.indices]
            return cls(X, none, scale, every)
        entries = X.reshape(-1)
        if float(entries @ entries) < HUGE**2:
            some = X[:: max(1, len(X) // LOOK)]
            mean, size = some.mean(0), some.abs().amax(0)
            far = (mean.abs() > FAR * (some - mean).square().mean(0).sqrt()) & intercept
            if not bool((far | ((size > 0) & (size < 1 / HUGE))).any()):
                return cls(X, none, ones, every)
        size = X.abs().amax(0)
        if bool(((size > HUGE) | ((size > 0) & (size < 1 / HUGE))).any()):
            _require_scaling(scaled)
        size = torch.where(size > 0, size, 1.0)
        X = X / size
        shift = (w @ X) / w.sum() if intercept else none
        X -= shift
        spread = ((w @ X.square()) / w.sum()).sqrt()
        X[:, spread <= 1e-14] = 0.0  # what is left of a constant column is rounding
        scale = torch.where(spread <= 1e-14, 1.0, spread) * size if scaled else ones
        return cls(X.mul_(size / scale), shift * size, scale, every)

    def independent(self, w: torch.Tensor, intercept: bool, names: tuple[str, ...]) -> "Design":
        """Without the columns that are constant or depend on those before them; a `RankWarning` names these.

        Columns count as dependent if less than 1e-7 of their length is their own (Cholesky with pivots of the scaled
        scatter matrix, LAPACK's dpstrf).
        """
        N, D = self.X.shape
        moments = Moments.of(self.X, w.new_zeros(N, 1), w, centred=intercept)
        scatter = moments.xx.numpy(force=True)
        size = np.sqrt(np.diag(scatter))
        raw = np.sqrt(moments.weight) * np.abs(moments.x_mean.numpy(force=True))
        size[size <= 1e-10 * raw] = 0.0
        unit = np.where(size > 0, size, 1.0)
        scatter = scatter / unit / unit[:, None] * (size > 0) * (size > 0)[:, None]
        _, pivots, rank, _ = lapack.dpstrf(scatter, tol=1e-14, lower=1)
        if rank == D:
            return self
        kept = np.sort(pivots[:rank] - 1)
        left = [repr(names[j]) for j in np.sort(pivots[rank:] - 1)]
        listed = ", ".join(left[:10]) + (f" and {len(left) - 10} more" if len(left) > 10 else "")
        warnings.warn(
            f"the data do not determine the coefficients of {listed}: the {D} columns have rank {rank} (they are "
            "constant, combinations of others, or more than the rows). They were given the weight 0; drop columns, or "
            "set a penalty (C=1.0)",
            RankWarning,
            stacklevel=4,
        )
        if not rank:
            raise DataError("no column varies: there is nothing to learn from")
        index = torch.from_numpy(kept)
        X = self.X[:, kept] if sparse.issparse(self.X) else self.X[:, index.to(self.X.device)]
        return replace(self, X=X, kept=index.to(w.device))

    def back(self, V: torch.Tensor, intercept: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (K, D) of the given columns and constants (K,), from weights of these columns (K, R + 1)."""
        R = len(self.kept)
        coef = V.new_zeros(len(V), len(self.scale))
        coef[:, self.kept] = V[:, :R] / self.scale[self.kept]
        return coef, V[:, R] - coef @ self.offset if intercept else V.new_zeros(len(V))

    def map(self, intercept: bool) -> torch.Tensor:
        """The matrix (D + 1, R + 1) from weights of these columns to weights of the given ones."""
        D, R = len(self.scale), len(self.kept)
        T = self.scale.new_zeros(D + intercept, R + intercept)
        T[self.kept, range(R)] = 1 / self.scale[self.kept]
        if intercept:
            T[D, :R] = -(self.offset / self.scale)[self.kept]
            T[D, R] = 1.0
        return T


def _require_scaling(scaled: bool) -> None:
    if not scaled:
        raise DataError("a column is further than 1e75 from one, too far for an L1 penalty: rescale the columns")
