r"""Covariances of Gaussian classes, regularised, and the maps that turn them into spheres.

A matrix T with :math:`T^T \Sigma T = I` turns the quadratic form of a Gaussian into a squared length,

.. math:: (x - \mu)^T \Sigma^{-1} (x - \mu) = \| T^T (x - \mu) \|^2

It is taken from the correlation matrix, so that the units of the columns cost nothing: by its Cholesky factor where no
eigenvalue is small (:math:`\| L^{-1} \|_F^2` often proves it), by eigenvectors otherwise, or by the singular vectors of
the centred rows. Directions of a correlation matrix with an eigenvalue below tol^2 count as none, and are left out.

Cost: D^3; N D min(N, D) from N rows.
"""

from dataclasses import dataclass

import torch

from ..core.inputs import Data
from .gaussian_classes import EPS, ClassMoments


def towards_sphere(S: torch.Tensor, shrinkage: float | torch.Tensor) -> torch.Tensor:
    """(1 - a) Sigma + a (tr Sigma / D) I, for matrices (..., D, D)."""
    diagonal = S.diagonal(dim1=-2, dim2=-1)
    a = torch.as_tensor(shrinkage, dtype=S.dtype, device=S.device).expand(diagonal.shape[:-1])[..., None]
    sphere = (a * diagonal.mean(-1, keepdim=True)).expand_as(diagonal)
    return (1 - a)[..., None] * S + torch.diag_embed(sphere)


def ledoit_wolf(data: Data, moments: ClassMoments) -> torch.Tensor:
    r"""Class covariances (C, D, D), each shrunk by the amount that Ledoit & Wolf (2004) estimate to be best.

    Of the standardised rows of a class, with n their number, S their correlation matrix and m its mean diagonal,

    .. math:: a = \min(1, \; (n^{-1} \sum_i \|z_i\|^4 - \|S\|^2) / (n \, \|S - m I\|^2))

    (J. Multivariate Analysis 88, 365-411, section 3), and the covariance is S (1 - a) + a m I in the columns' units.
    """
    out = torch.zeros_like(moments.within)
    D = out.shape[-1]
    for c in range(len(out)):
        n = moments.weights[c]
        if not n:
            continue
        S = moments.within[c] / n
        sd = S.diagonal().sqrt()
        sd = torch.where(sd > 10 * EPS * moments.means[c].abs(), sd, torch.ones_like(sd))
        mine = (data.codes == c).nonzero()[:, 0]
        Z = (data.X[mine] - moments.means[c]) / sd
        v = torch.ones_like(Z[:, 0]) if data.w is None else data.w[mine]
        R = S / torch.outer(sd, sd)
        m, norm = R.diagonal().mean(), R.square().sum()
        target = norm - D * m**2  # ||S - m I||^2
        noise = ((v @ Z.square().sum(1).square()) / n - norm) / n
        a = float(min(max(noise, 0.0), target) / target) if target > 0 and D > 1 else 0.0
        out[c] = (1 - a) * S + torch.diag(a * m * sd.square())
    return out


@dataclass(frozen=True, eq=False)
class Whitening:
    """T of shape (D, R) with T' Sigma T = I, the log determinant of Sigma on its span, and what lies outside of it.

    ``outside`` are the columns that are constant, or a combination of others.
    """

    T: torch.Tensor
    log_det: torch.Tensor
    outside: tuple[int, ...]


def whitening(S: torch.Tensor, size: torch.Tensor, tol: float) -> Whitening:
    """Of a covariance matrix (D, D); T is upper triangular if no direction is left out.

    Parameters
    ----------
    size : tensor of shape (D,)
        The largest mean of each column: variation below its rounding is none.
    tol : float
        Smallest standard deviation of a direction of the standardised columns.
    """
    D = len(S)
    sd = _deviations(S.diagonal().clamp(min=0).sqrt(), size)
    floor = max(tol**2, 4 * D * EPS)
    unit = torch.where(sd > 0, sd, 1.0)
    R = torch.where((sd > 0)[:, None] & (sd > 0), S / unit[:, None] / unit, 0.0)
    L, failed = torch.linalg.cholesky_ex(R)
    if not failed:
        inverse = torch.linalg.solve_triangular(L, torch.eye(D, dtype=S.dtype, device=S.device), upper=False)
        # The largest eigenvalue of R^-1 is at most the square of this norm.
        if bool(inverse.square().sum() < 1 / floor) or bool(torch.linalg.eigvalsh(R)[0] > floor):
            return Whitening(inverse.T / sd[:, None], 2 * (L.diagonal().log() + sd.log()).sum(), ())
    values, V = torch.linalg.eigh(R)
    return _spanned(values.flip(0), V.flip(1), unit, floor)


def whitening_of_root(root: torch.Tensor, weight: torch.Tensor, size: torch.Tensor, tol: float) -> Whitening:
    """Of the covariance root' root / weight, with the digits that forming it would lose."""
    Z = root / weight.sqrt()
    sd = _deviations(Z.norm(dim=0), size)
    unit = torch.where(sd > 0, sd, 1.0)
    s, Vt = torch.linalg.svd(torch.where(sd > 0, Z / unit, 0.0), full_matrices=False)[1:]
    return _spanned(s.square(), Vt.T, unit, max(tol, 4 * max(root.shape) * EPS) ** 2)


def _deviations(sd: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    return torch.where(sd > 10 * EPS * size, sd, 0.0)


def _spanned(values: torch.Tensor, V: torch.Tensor, unit: torch.Tensor, floor: float) -> Whitening:
    kept = values > floor
    V, values = V[:, kept], values[kept]
    inside = V.square().sum(1)  # 1: the column lies in the span on its own
    outside = tuple((inside < 1 - 1e-8).nonzero()[:, 0].tolist())
    return Whitening(V / values.sqrt() / unit[:, None], values.log().sum() + 2 * unit.log().sum(), outside)
