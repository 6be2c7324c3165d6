r"""Classes from linear predictors: links, and Newton's method for the weights under a Gaussian prior.

A link turns K linear predictors into probabilities of the classes,

.. math:: \eta_n = B z_n, \quad P(c \mid x_n) = \pi_c(\eta_n)

with z the inputs and a constant, and B of shape (K, P). The weights maximise the log posterior, or for a prior
precision Q = 0 the likelihood,

.. math:: F(\theta) = \sum_n v_n \log \pi_{y_n}(\eta_n) - \frac{1}{2} (\theta - m)^T Q (\theta - m)

with theta the entries of B, row after row.
Newton's step solves with the negative Hessian A. For one predictor it is a weighted least-squares problem, and the
method is iteratively reweighted least squares (Bishop 2006, 4.3.3):

.. math:: A = \sum_n v_n C_n \otimes z_n z_n^T + Q, \quad C_n = - \partial^2 \log \pi / \partial \eta^2

.. math:: \theta \leftarrow \theta + t \, A^{-1} \nabla F

F is concave for both links, so the step ascends; it is halved until F does (Armijo's rule), which makes the method
safe from any start. The gain that a step promises, half of Newton's decrement, estimates how far F is from its
maximum in nats, whatever the units of the columns (Boyd & Vandenberghe 2004, 9.5). Cost of a step: N (K P)^2 +
(K P)^3 / 3.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from scipy.linalg import helmert

from ..core.errors import DataError, RankWarning
from ..numerics.cholesky import NotPositiveDefiniteError, scaled_cholesky
from ..numerics.moments import gram
from .gaussian_weights import GaussianWeights

BLOCK = 1 << 20  # numbers in a block of weighted inputs: 8 MiB


class Link(Protocol):
    """K linear predictors (N, K) as probabilities of C classes, given as positions ``codes`` (N,)."""

    K: int

    def log_likelihood(self, eta: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Log probability of the class of each row, (N,)."""

    def derivatives(self, eta: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """First derivatives (N, K) and negative second derivatives C (N, K, K) of the log probabilities."""


class Softmax:
    r"""The softmax of C scores that are combinations of K = C - 1 predictors, and for two classes the logit link.

    .. math:: \pi_c(\eta) = \exp(s_c) / \sum_k \exp(s_k), \quad s = H \eta

    Scores that all rise together change nothing, so C predictors would be one too many. For two classes H' = (0, 1)
    and eta is the log odds of the second; for more the K columns of H are orthonormal and sum to zero (Helmert's
    contrasts), so that a spherical prior on B is one on the scores' weights, without preference for a class.
    """

    def __init__(self, C: int, like: torch.Tensor) -> None:
        self.K = C - 1
        self.H = like.new_tensor([[0.0], [1.0]]) if C == 2 else torch.as_tensor(helmert(C).T.copy()).to(like)

    def scores(self, eta: torch.Tensor) -> torch.Tensor:
        """s, of shape (..., C)."""
        return eta @ self.H.T

    def log_likelihood(self, eta: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        s = self.scores(eta)
        own = s.gather(1, codes[:, None])
        others = s.scatter(1, codes[:, None], -torch.inf)
        return -torch.logaddexp(torch.zeros_like(own), others.logsumexp(1, keepdim=True) - own)[:, 0]

    def derivatives(self, eta: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        p = self.scores(eta).softmax(1)
        # 1 - p as the sum of the others: a probability that rounds to one keeps its distance from it
        wrong = p.scatter(1, codes[:, None], 0.0)
        residual = (-wrong).scatter(1, codes[:, None], wrong.sum(1, keepdim=True))
        return residual @ self.H, self.H.T @ _covariance(p) @ self.H

    def curvature_along(self, eta: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        """Derivative of C as eta moves in a direction (N, K) of its own for each row, of shape (N, K, K)."""
        p = self.scores(eta).softmax(1)
        moved = (_covariance(p) @ self.scores(direction)[:, :, None])[:, :, 0]
        cross = moved[:, :, None] * p[:, None, :]
        return self.H.T @ (torch.diag_embed(moved) - cross - cross.mT) @ self.H


def _covariance(p: torch.Tensor) -> torch.Tensor:
    """diag(p) - p p' of each row, its diagonal as the sum of the rest: p (1 - p) without cancellation."""
    M = -p[:, :, None] * p[:, None, :]
    M.diagonal(dim1=1, dim2=2).zero_()
    M.diagonal(dim1=1, dim2=2).copy_(-M.sum(2))
    return M


class Probit:
    r"""The distribution function of the standard normal, for two classes (Bishop 2006, 4.3.5).

    .. math:: \pi_1(\eta) = \Phi(\eta)

    With t = eta for the second class and -eta for the first, and lambda the density over the distribution function at
    t, the derivatives of log Phi(t) are lambda and -lambda (lambda + t).
    """

    K = 1

    def log_likelihood(self, eta: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return torch.special.log_ndtr(eta[:, 0] * (2 * codes - 1))

    def derivatives(self, eta: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sign = 2.0 * codes - 1
        t = eta[:, 0] * sign
        ratio = math.sqrt(2 / math.pi) / torch.special.erfcx(-t / math.sqrt(2))
        # far in the lower tail lambda + t cancels: there its series, 1 - 1 / t^2 for the product
        curvature = torch.where(t < -1e4, 1 - t**-2, ratio * (ratio + t))
        return (sign * ratio)[:, None], curvature[:, None, None]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is maximised.

    Attributes
    ----------
    link : Link
    Z : tensor of shape (N, P)
        Inputs, with a column of ones where there is a constant.
    codes : tensor of shape (N,)
    w : tensor of shape (N,) or None
        Weights of the rows.
    mean : tensor of shape (K P,)
        m of the prior.
    precision : tensor of shape (K P,) or (K P, K P)
        Q of the prior, a vector for a diagonal; zeros are flat.
    """

    link: Link
    Z: torch.Tensor
    codes: torch.Tensor
    w: torch.Tensor | None
    mean: torch.Tensor
    precision: torch.Tensor

    def log_likelihood(self, theta: torch.Tensor) -> float:
        values = self.link.log_likelihood(self.predictors(theta), self.codes)
        return float(values.sum() if self.w is None else torch.where(self.w > 0, self.w * values, 0.0).sum())

    def log_posterior(self, theta: torch.Tensor) -> float:
        """F, without the normaliser of the prior."""
        off = theta - self.mean
        return self.log_likelihood(theta) - float(off @ self._times_prior(off)) / 2

    def predictors(self, theta: torch.Tensor) -> torch.Tensor:
        """eta, of shape (N, K)."""
        return self.Z @ theta.reshape(self.link.K, -1).T

    def expand(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient (K P,) and negative Hessian A (K P, K P) of F."""
        (N, P), K = self.Z.shape, self.link.K
        A = theta.new_zeros(K, P, K, P)
        gradient = theta.new_zeros(K, P)
        for rows in torch.arange(N, device=theta.device).split(max(1, BLOCK // (K * (K + P)))):
            Z = self.Z if len(rows) == N else self.Z[rows]
            score, C = self.link.derivatives(Z @ theta.reshape(K, P).T, self.codes[rows])
            if self.w is not None:
                w = self.w[rows]
                score, C = score * w[:, None], C * w[:, None, None]
            gradient += score.T @ Z
            for k in range(K):
                A[k, :, k] += gram(Z * C[:, k, k].clamp(min=0).sqrt()[:, None])
                if k:  # the blocks left of the diagonal in one product
                    left = (Z[:, None, :] * C[:, k, :k, None]).reshape(len(Z), -1)
                    A[k, :, :k] += (Z.T @ left).reshape(P, k, P)
        for k in range(K):
            for j in range(k):
                A[j, :, k] = A[k, :, j].T
        A = A.reshape(K * P, K * P)
        (A.diagonal() if self.precision.dim() == 1 else A).add_(self.precision)
        return gradient.flatten() - self._times_prior(theta - self.mean), A

    def _times_prior(self, v: torch.Tensor) -> torch.Tensor:
        return self.precision * v if self.precision.dim() == 1 else self.precision @ v


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where a Newton step has led.

    Attributes
    ----------
    theta : tensor of shape (K P,)
    value : float
        F there.
    gain : float
        What the step promised: an estimate of the distance to the maximum before it, nats.
    reach : float
        The largest change of a predictor of a row that counts.
    """

    theta: torch.Tensor
    value: float
    gain: float
    reach: float


def newton(problem: Problem, theta: torch.Tensor) -> Iterator[Ascent]:
    """Newton steps from ``theta``, without end; the caller looks at the gain.

    Raises
    ------
    DataError
        If numbers overflow, or A is singular beyond a jitter (a flat prior, and columns that depend on each other).
    """
    value = problem.log_posterior(theta)
    while True:
        gradient, A = problem.expand(theta)
        L, scale, _ = factored(A)
        step = torch.cholesky_solve((gradient / scale)[:, None], L)[:, 0] / scale
        gain = max(float(gradient @ step) / 2, 0.0)
        for halvings in range(50):
            t = 0.5**halvings
            new = problem.log_posterior(theta + t * step)
            if new >= value + 2e-4 * t * gain - 1e-13 * abs(value):
                theta, value = theta + t * step, new
                break
        else:  # not even a tiny step ascends: this is the maximum, to rounding
            t = 0.0
        moved = problem.predictors(t * step).abs()
        yield Ascent(theta, value, gain, float(moved.max() if problem.w is None else moved[problem.w > 0].max()))


def mode(problem: Problem, theta: torch.Tensor, tol: float = 1e-9, max_iter: int = 100) -> torch.Tensor:
    """The maximum: steps until one promises less than ``tol`` nats. That step squares what is left."""
    for index, at in enumerate(newton(problem, theta)):
        theta = at.theta
        if at.gain <= tol or index + 1 == max_iter:
            break
    return theta


def factored(A: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Cholesky factor of A scaled to a unit diagonal, the scale (roots of the diagonal), and the jitter needed."""
    if not bool(torch.isfinite(A.diagonal()).all()):
        raise DataError("the curvature of the likelihood overflows: rescale the columns, and fit again")
    try:
        return scaled_cholesky(A)
    except NotPositiveDefiniteError as error:
        raise DataError(f"the likelihood has no curvature in some direction: {error}") from error


def laplace(problem: Problem, theta: torch.Tensor) -> GaussianWeights:
    """The normal distribution with the mode ``theta`` and the inverse of A there as covariance.

    Warns
    -----
    RankWarning
        If columns are collinear to rounding, so that a jitter on the diagonal had to help.
    """
    L, scale, jitter = factored(problem.expand(theta)[1])
    if jitter:
        warnings.warn(
            f"some columns are collinear to rounding: a jitter of {jitter:.2g} was added to the diagonal of the scaled "
            "curvature; drop duplicates or raise alpha",
            RankWarning,
            stacklevel=4,
        )
    return GaussianWeights(theta[:, None], L, scale, scale.new_zeros(0, len(scale)), 1.0)
