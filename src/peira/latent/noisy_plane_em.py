r"""Probabilistic principal components of a table with gaps, by expectation maximisation.

The observed entries alone have a likelihood, and nothing need be filled in. With the weights v of the rows, the
posterior mean z and covariance C of each row's latent position (`peira.latent.noisy_plane`), and sums over the rows
that show column d, the M-step is a least-squares problem for each column,

.. math:: (w_d, m_d) = A_d^{-1} b_d, \quad A_d = \sum_n v_n E[\tilde z_n \tilde z_n^T], \quad
          b_d = \sum_n v_n x_{nd} E[\tilde z_n], \quad \tilde z = (z, 1)

.. math:: \sigma^2 = \frac{1}{\sum_{nd} v_n} \sum_{nd} v_n ( (x_{nd} - m_d - w_d^T z_n)^2 + w_d^T C_n w_d )

**Faster, and as monotone.** The prior of z is given a mean and a covariance S of its own, estimated as well, and then
absorbed, :math:`m + W \bar z, \; W S^{1/2}` (parameter expansion; Liu, Rubin & Wu 1998): the length and the tilt of W
then need one step instead of many. The likelihood of the observed entries never decreases.

Cost of a step: N D q^2 + N q^3.

Reference: Tipping & Bishop (1999), section 3.3 and appendix B; Ilin & Raiko (2010), JMLR 11, 1957-2000; Liu, Rubin &
Wu (1998), Biometrika 85, 755-770.
"""

import math
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning

from ..core import DataError, Method, iterate
from ..core.inputs import Data
from ..numerics.symmetric_eigen import with_signs
from .noisy_plane import NoisyPlane
from .principal_components_svd import Directions

FLOOR = 1e-12  # least noise, as a share of the mean variance of a column


def directions_of_rows_with_gaps(
    owner: Method, data: Data, X: torch.Tensor, K: int, steps: int, tol: float
) -> Directions:
    """K directions of the plane under which the observed entries are most likely.

    Parameters
    ----------
    owner : Method
        Gets the history: the log likelihood of the observed entries.
    data : Data
        For names and weights; rows in which nothing is observed do not count.
    X : tensor of shape (N, D)
        The rows, perhaps in other units.
    K : int
        All D stand for D - 1 and noise, which is any Gaussian.
    steps, tol : int, float
        The most steps, and the gain per row at which to stop.

    Raises
    ------
    DataError
        If a column has no observed entry in a row that counts.
    """
    w = torch.ones_like(X[:, 0]) if data.w is None else data.w
    used = (w > 0) & ~X.isnan().all(1)
    X, w, D = X[used], w[used], X.shape[1]
    empty = X.isnan().all(0)
    if bool(empty.any()):
        raise DataError(
            f"column {data.names[int(empty.nonzero()[0])]!r} has no observed value in a row that counts: drop it"
        )
    weight, q = float(w.sum()), min(K, D - 1)
    seen = ~X.isnan()
    origin = (w[:, None] * torch.where(seen, X, 0.0)).sum(0) / (w[:, None] * seen).sum(0)
    X = X - origin  # digits: a mean far from zero costs none
    if not bool(torch.where(seen, X, 0.0).square().sum().isfinite()):
        raise DataError("squares of the data are too large for floating point: choose another unit")
    plane, held, before = start(X, w, q), False, -math.inf
    for this in iterate(owner, steps, name="EM", expect={"log_likelihood": "increase"}):
        value, better, held = step(X, w, plane)
        this.record(log_likelihood=value)
        if value - before <= tol * weight or held:
            this.stop("converged" if not held else "no noise left")
            break
        plane, before = better, value
    else:
        warnings.warn(
            f"{type(owner).__name__}: EM did not converge in {steps} steps: the log likelihood of a row still gains "
            f"{(value - previous(owner)) / weight:.3g} a step, em_tol is {tol:.3g}; raise em_steps or em_tol",
            ConvergenceWarning,
            stacklevel=4,
        )
    if held:
        warnings.warn(
            f"{type(owner).__name__}: {q} components leave no noise in {len(X)} rows with missing entries, so that the "
            "likelihood has no maximum; use fewer components",
            ConvergenceWarning,
            stacklevel=4,
        )
    V, s, _ = torch.linalg.svd(plane.W, full_matrices=K == D)
    variances = torch.cat([s.square() + plane.noise, s.new_full((D - q,), plane.noise)])
    total = float(variances.sum()) * weight
    return Directions(plane.mean + origin, variances[:K] * weight, with_signs(V[:, :K]), total, weight)


def previous(owner: Method) -> float:
    """The last but one log likelihood."""
    return ([-math.inf] + owner.history_["log_likelihood"])[-2]


def start(X: torch.Tensor, w: torch.Tensor, q: int) -> NoisyPlane:
    """Where EM begins: the closed form for the table with column means in its gaps."""
    seen = ~X.isnan()
    v = w[:, None] * seen
    mean = torch.where(seen, X, 0.0).mul(v).sum(0) / v.sum(0)
    R = torch.where(seen, X - mean, 0.0)
    values, V = torch.linalg.eigh((R * w[:, None]).T @ R / w.sum())
    values, V = values.flip(0).clamp(min=0), V.flip(1)
    noise = max(float(values[q:].mean()), float(values.mean()) * 1e-3)
    return NoisyPlane.of(mean, V[:, :q], values[:q].clamp(min=noise), noise)


def step(X: torch.Tensor, w: torch.Tensor, plane: NoisyPlane) -> tuple[float, NoisyPlane, bool]:
    """One step of EM.

    Parameters
    ----------
    X : tensor of shape (N, D)
        NaN where an entry is missing; each column and each row with one entry at least.
    w : tensor of shape (N,)
        Weights.
    plane : NoisyPlane

    Returns
    -------
    float
        Log likelihood of the plane given, the sum over rows.
    NoisyPlane
        A better one.
    bool
        Whether its noise was held at the floor.
    """
    D, q = plane.W.shape
    A, b = X.new_zeros(D, q + 1, q + 1), X.new_zeros(D, q + 1)
    squares, count, total = X.new_zeros(D), X.new_zeros(D), 0.0
    first, second = X.new_zeros(q), X.new_zeros(q, q)
    for part, found in plane.posterior(X):
        v, z, seen = w[part], found.z, found.seen
        total += float(v @ found.log_density)
        E = found.covariance() + z[:, :, None] * z[:, None, :]
        S = v[:, None] * seen
        R = torch.where(seen, X[part] - plane.mean, 0.0) * v[:, None]
        A[:, :q, :q] += (S.T @ E.reshape(len(z), q * q)).view(D, q, q)
        A[:, :q, q] += S.T @ z
        A[:, q, q] += S.sum(0)
        b[:, :q] += R.T @ z
        b[:, q] += R.sum(0)
        squares += (R.square() / torch.where(v > 0, v, 1.0)[:, None]).sum(0)
        count += S.sum(0)
        first += v @ z
        second += (v[:, None] * E.reshape(len(z), q * q)).sum(0).view(q, q)
    A[:, q, :q] = A[:, :q, q]
    both = torch.linalg.solve(A, b)
    W, shift = both[:, :q], both[:, q]
    noise = float((squares - (b * both).sum(1)).sum() / count.sum())
    floor = FLOOR * float(squares.sum() / count.sum())
    # the expanded prior of z, absorbed into the mean and W
    z = first / w.sum()
    L = torch.linalg.cholesky(second / w.sum() - torch.outer(z, z)) if q else second
    better = NoisyPlane(plane.mean + shift + W @ z, W @ L, max(noise, floor))
    return total, better, noise <= floor


def log_likelihood(squares: torch.Tensor, weight: float, noise: float, D: int) -> float:
    r"""The largest log likelihood of N rows without gaps, from the variances (K,) along the components kept.

    .. math:: -\frac{N}{2} ( D \log 2 \pi + \sum_k \log \lambda_k + (D - K) \log \sigma^2 + D )

    Tipping & Bishop (1999), eq. 6 at the solution of eqs 7 and 8, for variances with divisor N.
    """
    left = D - len(squares)
    log_det = float(squares.log().sum()) + (left * math.log(noise) if left else 0.0)
    return -weight / 2 * (D * math.log(2 * math.pi) + log_det + D)
