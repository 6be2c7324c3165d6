r"""K Gaussians with full, tied, diagonal or spherical covariances, as EM sees them.

.. math:: p_k(x) = (2\pi)^{-D/2} \, |\Sigma_k|^{-1/2} \exp(-\frac{1}{2} (x - \mu_k)^T \Sigma_k^{-1} (x - \mu_k))

The M step (Bishop 2006, eqs 9.24 to 9.26), written about the mean of the step before so that nothing cancels: with
:math:`n = \sum r`, :math:`\delta = \sum r e / n` and :math:`e = x - \mu_{old}`,

.. math:: \mu = \mu_{old} + \delta, \quad \Sigma = n^{-1} \sum r e e^T - \delta \delta^T

**The floor** keeps the likelihood bounded: :math:`\Sigma_k \succeq \lambda I`. Under this constraint the maximum has
the eigenvectors of the matrix above and its eigenvalues, those below the floor raised to it, so that EM still never
decreases the likelihood. Where the floor is not touched it changes nothing; which components touch it is counted.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import torch

from ..core import DataError
from .gaussian_forms import LIMIT, Centred, Expanded, Forms, Moments, Shape, quadratic, worst_term
from .gaussian_missing import Incomplete
from .mixture_components import Components, Rows, share_out, shares


@dataclass(eq=False)
class GaussianRows(Rows):
    """Rows moved to their centre; those with missing values stand apart, behind the complete ones.

    Attributes
    ----------
    centre : tensor of shape (D,)
    order : tensor of shape (N,) or None
        Where each row was; None if the order is as it was.
    incomplete : Incomplete or None
    """

    centre: torch.Tensor | None = None
    order: torch.Tensor | None = None
    incomplete: Incomplete | None = None

    @classmethod
    def of(cls, X: torch.Tensor, w: torch.Tensor | None) -> "GaussianRows":
        gaps = torch.isnan(X)
        if not gaps.any():
            centre = X.mean(0) if w is None else w @ X / w.sum()
            rows = cls((X - centre).T.contiguous(), w, centre)
            _refuse_overflow(rows.reach, len(X))
            return rows
        seen = (~gaps).to(X) if w is None else (~gaps) * w[:, None]
        centre = (seen * X.nan_to_num(0.0)).sum(0) / seen.sum(0)
        _refuse_overflow((X - centre).nan_to_num(0.0).abs().amax(0), len(X))
        ragged = gaps.any(1)
        whole, part = (~ragged).nonzero()[:, 0], ragged.nonzero()[:, 0]
        incomplete = Incomplete.of(X[part] - centre, None if w is None else w[part])
        order = torch.cat([whole, part[incomplete.order]])
        return cls((X[whole] - centre).T.contiguous(), None if w is None else w[whole], centre, order, incomplete)

    def __len__(self) -> int:
        return self.Z.shape[1] + (0 if self.incomplete is None else len(self.incomplete))

    @property
    def all_weights(self) -> torch.Tensor | None:
        if self.w is None or self.incomplete is None:
            return self.w
        return torch.cat([self.w, self.incomplete.w])

    def points(self) -> torch.Tensor:
        return self.Z.T if self.incomplete is None else torch.cat([self.Z.T, self.incomplete.points()])

    def filled(self) -> torch.Tensor:
        return self.points().nan_to_num(0.0)  # the centre is at 0

    @property
    def reach(self) -> torch.Tensor:
        """The largest distance from the centre in each column."""
        if not hasattr(self, "_reach"):
            self._reach = self.Z.abs().amax(1) if self.Z.shape[1] else self.Z.new_zeros(len(self.Z))
        return self._reach

    @property
    def scatter(self) -> torch.Tensor:
        """The sum of z z' over the complete rows."""
        if not hasattr(self, "_scatter"):
            self._scatter = (self.Z if self.w is None else self.Z * self.w) @ self.Z.T
        return self._scatter


@dataclass(frozen=True, eq=False)
class GaussianComponents(Components):
    """K Gaussians; ``U`` is the triangular root of the precisions, in the shape of the covariances."""

    shape: Shape
    weights: torch.Tensor
    means: torch.Tensor
    covariances: torch.Tensor
    U: torch.Tensor
    floor: float
    floored: torch.Tensor  # in how many directions each component lies on the floor

    @classmethod
    def start(cls, rows: GaussianRows, R: torch.Tensor, shape: Shape, floor: float) -> Self:
        """The M step on given responsibilities R (K, N), gaps filled with the columns' means."""
        X, w = rows.filled(), rows.all_weights
        R = R if w is None else R * w
        weights, n, alive = shares(R.sum(1))
        means = torch.where(alive[:, None], (R @ X) / n[:, None], 0.0)
        forms = Centred(shape, means, means, means[:, 0])
        for Xb, Rb in zip(X.split(4096), R.split(4096, 1), strict=True):
            forms.block = Xb
            forms.add(Rb)
        D = means.shape[1]
        blank = forms.S + (torch.eye(D).to(means) if shape in ("full", "tied") else 1.0)
        fresh = cls(shape, weights, means, blank, blank, floor, torch.zeros_like(weights, dtype=torch.int64))
        return fresh.maximise(forms.moments())

    @classmethod
    def given(
        cls, shape: Shape, weights: torch.Tensor, means: torch.Tensor, precisions: torch.Tensor, floor: float
    ) -> Self:
        """Components of these precisions, in the shape of the covariances."""
        if shape in ("full", "tied"):
            covariances = torch.cholesky_inverse(torch.linalg.cholesky(precisions))
        else:
            covariances = precisions.reciprocal()
        return cls.of_covariances(shape, weights, means, covariances, floor)

    @classmethod
    def of_covariances(
        cls, shape: Shape, weights: torch.Tensor, means: torch.Tensor, covariances: torch.Tensor, floor: float
    ) -> Self:
        """Components of these covariances, which are taken as they are."""
        C, U, floored = factored(shape, covariances, 0.0)
        return cls(shape, weights, means, C, U, floor, floored.expand(len(weights)))

    def conditioned(self, x: torch.Tensor, o: torch.Tensor) -> "GaussianComponents":
        """The distribution of the columns that are not in ``o`` (D,), given that those in it are as in x (D,)."""
        logs, means, covariances = [], [], []
        for k, mu in enumerate(self.means):
            C = self.covariance(k)
            L = torch.linalg.cholesky(C[o][:, o])
            half = torch.linalg.solve_triangular(L, C[o][:, ~o], upper=False)
            white = torch.linalg.solve_triangular(L, (x - mu)[o][:, None], upper=False)
            logs.append(-0.5 * white.square().sum() - L.diagonal().log().sum())
            means.append(mu[~o] + (half.T @ white)[:, 0])
            covariances.append(C[~o][:, ~o] - half.T @ half)
        weights = (self.weights.log() + torch.stack(logs)).softmax(0)
        C = torch.stack(covariances)
        return GaussianComponents.of_covariances("full", weights, torch.stack(means), C, self.floor)

    def forms(self, rows: GaussianRows, heads: torch.Tensor) -> Forms:
        """The fast route where it keeps nine digits, else the other."""
        if worst_term(self.shape, rows.reach, self.means, self.U) > LIMIT:
            return Centred(self.shape, self.means, self.U, heads)
        return Expanded(self.shape, self.means, self.U, heads, rows.scatter if self.shape == "tied" else None)

    @property
    def log_norms(self) -> torch.Tensor:
        """The logarithms of the densities at the means, of shape (K,)."""
        K, D = self.means.shape
        logs = self.U.diagonal(dim1=-2, dim2=-1).log() if self.shape in ("full", "tied") else self.U.log()
        half = D * logs if self.shape == "spherical" else logs.sum(-1)
        return half.expand(K) - 0.5 * D * math.log(2 * math.pi)

    def log_densities(self, X: torch.Tensor) -> torch.Tensor:
        gaps = torch.isnan(X)
        L = quadratic(self.shape, X, self.means, self.U).mul_(-0.5).add_(self.log_norms[:, None])
        if gaps.any():
            part = gaps.any(1).nonzero()[:, 0]
            incomplete = Incomplete.of(X[part], None)
            L[:, part[incomplete.order]] = incomplete.log_densities(self)
        return L

    def expect(self, rows: GaussianRows) -> tuple[float, Moments]:
        forms = self.forms(rows, self.weights.log() + self.log_norms)
        total = self.means.new_zeros(())
        for part in rows.blocks(forms.width):
            R = forms.scores(rows.Z[:, part])
            total += share_out(R, None if rows.w is None else rows.w[part])
            forms.add(R)
        if isinstance(forms, Expanded) and self.shape == "tied":  # the part that all components share
            total -= 0.5 * ((self.U @ self.U.T) * rows.scatter).sum()
        sums = forms.moments()
        if rows.incomplete is not None:
            log_p, more = rows.incomplete.expect(self)
            total, sums = total + log_p, sums.plus(more)
        return float(total), sums

    def maximise(self, sums: Moments) -> Self:
        weights, n, alive = shares(sums.n)
        delta = torch.where(alive[:, None], sums.d / n[:, None], 0.0)
        if self.shape == "full":
            C = sums.S / n[:, None, None] - delta[:, :, None] * delta[:, None, :]
        elif self.shape == "tied":
            C = (sums.S - (sums.n[:, None] * delta).T @ delta) / sums.n.sum()
        elif self.shape == "diag":
            C = sums.S / n[:, None] - delta.square()
        else:
            C = (sums.S / n - delta.square().sum(1)) / delta.shape[1]
        if self.shape != "tied":
            C = torch.where(alive.reshape(-1, *[1] * (C.dim() - 1)), C, self.covariances)
        C, U, floored = factored(self.shape, C, self.floor)
        floored = torch.where(alive, floored, 0)  # one count, for tied covariances, is everybody's
        return replace(self, weights=weights, means=self.means + delta, covariances=C, U=U, floored=floored)

    def take(self, order: torch.Tensor) -> Self:
        each = {} if self.shape == "tied" else {"covariances": self.covariances[order], "U": self.U[order]}
        return replace(self, weights=self.weights[order], means=self.means[order], floored=self.floored[order], **each)

    def moved(self, by: torch.Tensor) -> Self:
        """The same components at another place."""
        return replace(self, means=self.means + by)

    def covariance(self, k: int) -> torch.Tensor:
        """Covariance of component k as a matrix (D, D)."""
        if self.shape in ("full", "tied"):
            return self.covariances if self.shape == "tied" else self.covariances[k]
        return torch.diag(self.covariances[k].expand(self.means.shape[1]))

    def draw(self, k: int, n: int, generator: torch.Generator) -> torch.Tensor:
        E = torch.randn(n, self.means.shape[1], generator=generator, dtype=self.means.dtype, device=self.means.device)
        if self.shape in ("full", "tied"):
            E = E @ torch.linalg.cholesky(self.covariance(k)).T
        else:
            E = E * self.covariances[k].sqrt()
        return E.add_(self.means[k])


def factored(shape: Shape, C: torch.Tensor, floor: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Covariances on or above the floor, the roots U of their inverses, and how many directions were raised to it."""
    tiny = 64 * torch.finfo(C.dtype).eps
    if shape in ("diag", "spherical"):
        least = (tiny * C.amax(-1, keepdim=True)).clamp(min=floor) if shape == "diag" else torch.full_like(C, floor)
        floored = least > C if shape == "spherical" else (least > C).sum(1)
        C = torch.maximum(C, least)
        if not (C > 0).all():
            _no_extent(C if shape == "spherical" else C.amin(1))
        return C, C.rsqrt(), floored.to(torch.int64)
    batch = C if shape == "full" else C[None]
    eye = torch.eye(C.shape[-1], dtype=C.dtype, device=C.device)
    floored = torch.zeros(len(batch), dtype=torch.int64, device=C.device)
    _, info = torch.linalg.cholesky_ex(batch - floor * eye)
    L, info_self = torch.linalg.cholesky_ex(batch)
    for k in ((info != 0) | (info_self != 0)).nonzero()[:, 0].tolist():
        s, V = torch.linalg.eigh(batch[k])
        least = max(floor, tiny * float(s[-1]))
        if not s[-1] > 0 and not floor:
            _no_extent(s[-1:].expand(len(batch)) * (torch.arange(len(batch), device=C.device) == k), k)
        floored[k] = int((s < least).sum())
        batch = batch.clone()
        batch[k] = (V * s.clamp(min=least)) @ V.T
        batch[k] = (batch[k] + batch[k].T) / 2
    if bool(((info != 0) | (info_self != 0)).any()):
        L = torch.linalg.cholesky(batch)
    U = torch.linalg.solve_triangular(L, eye.expand_as(L), upper=False).mT.contiguous()
    return (batch, U, floored) if shape == "full" else (batch[0], U[0], floored)


def _refuse_overflow(reach: torch.Tensor, N: int) -> None:
    """Second moments of columns that reach so far must be finite numbers."""
    sound = torch.isfinite(reach.square() * (N * len(reach)))
    if not sound.all():
        column = int((~sound).nonzero()[0])
        raise DataError(f"column {column} is too large for its squares to be added up: choose another unit")


def _no_extent(spread: torch.Tensor, k: int | None = None) -> None:
    k = int(spread.argmin()) if k is None else k
    raise DataError(
        f"component {k} has no extent: all its rows are equal in a column, or altogether, and reg_covar=0 sets no "
        "floor under its variance; raise reg_covar, lower n_components, or drop constant columns and repeated rows"
    )
