r"""What all exact Gaussian processes share: factors of Gram matrices, the marginal likelihood, and its gradient.

With the Gram matrix K of the kernel and the variances s of the noise, for one output (outputs add up):

.. math:: K_y = K + \mathrm{diag}(s) = L L^T, \quad \alpha = K_y^{-1} y

.. math:: \log p(y \mid \theta) = - \frac{1}{2} y^T \alpha - \sum_i \log L_{ii} - \frac{N}{2} \log 2 \pi

(Rasmussen & Williams 2006, eq. 2.30 and algorithm 2.1), and by the Gram matrix (eq. 5.9)

.. math:: \frac{d \log p}{d K} = W = \frac{1}{2} (\alpha \alpha^T - K_y^{-1}), \quad
          \frac{d \log p}{d \theta_p} = \sum_{ij} W_{ij} \frac{d K_{ij}}{d \theta_p}

**One matrix of N x N numbers.** K is written into a buffer, its factor over it, the inverse over that, and the buffer
serves the next evaluation: half of the matrix is computed, and half is read. The kernel sees the items in pairs of
blocks small enough for the cache, once for K and once for the gradient (`peira.kernels.gaussian_process_tiles`), so
that neither K's parts nor its P derivatives are ever there as a whole.

**Weights.** An item of weight w counts as w items with the same inputs and targets: noise of variance s / w, and the
constant by which w densities of that target differ from one,

.. math:: - \frac{w - 1}{2} \log (2 \pi s) - \frac{1}{2} \log w

so that hyper-parameters, too, are those of the repeated items.

Cost: N^3 operations for an evaluation with its gradient: N^3 / 3 for the factor, 2 N^3 / 3 for the inverse, by LAPACK
(potrf and potri), and N^2 for the kernel. Memory: 8 N^2 bytes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from ..core.errors import DataError
from ..numerics.cholesky import NotPositiveDefiniteError, cholesky
from .constant import WhiteKernel
from .gaussian_process_tiles import pull_back, write_gram
from .kernel import Kernel

LOG_2PI = math.log(2 * math.pi)
LARGEST_JITTER = 1e-6  # of the mean diagonal entry


@dataclass(frozen=True)
class Observations:
    """What a process is conditioned on.

    Parameters
    ----------
    X : tensor of shape (N, D)
    Y : tensor of shape (N, K)
        Targets about the mean function.
    noise : tensor of shape (N,)
        Known variances, beside those of the kernel's `WhiteKernel`.
    w : tensor of shape (N,), optional
        Positive weights.
    """

    X: torch.Tensor
    Y: torch.Tensor
    noise: torch.Tensor
    w: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.X)

    def weights(self) -> torch.Tensor:
        """Those given, or ones."""
        return torch.ones_like(self.noise) if self.w is None else self.w

    def variances(self, kernel: Kernel) -> torch.Tensor:
        """Variance (N,) of the noise of one observation, of the kernel's and the known one."""
        return noise_of(kernel, self.X) + self.noise

    def part(self, rows: torch.Tensor) -> "Observations":
        """Some of the items."""
        return Observations(self.X[rows], self.Y[rows], self.noise[rows], None if self.w is None else self.w[rows])

    def and_more(self, new: "Observations") -> "Observations":
        """These items, then the new ones."""
        w = None if self.w is None and new.w is None else torch.cat([self.weights(), new.weights()])
        X, Y, noise = torch.cat([self.X, new.X]), torch.cat([self.Y, new.Y]), torch.cat([self.noise, new.noise])
        return Observations(X, Y, noise, w)


class MarginalLikelihood:
    """The log marginal likelihood of observations, as a function of the kernel; one buffer for all evaluations."""

    def __init__(self, observed: Observations) -> None:
        self.observed = observed
        self._buffer: torch.Tensor | None = None

    def value(self, kernel: Kernel) -> float:
        """log p(y | theta), nats."""
        L, alpha, _ = self.condition(kernel)
        return log_marginal_likelihood(self.observed, kernel, L, alpha)

    def with_gradient(self, kernel: Kernel) -> tuple[float, np.ndarray]:
        """The value, and its gradient by theta (P,)."""
        L, alpha, _ = self.condition(kernel)
        value = log_marginal_likelihood(self.observed, kernel, L, alpha)
        inverse = invert(L)
        K = alpha.shape[1]

        def slope(a: slice, b: slice) -> torch.Tensor:
            V = inverse[a, b] if a != b else inverse[a, b].tril() + inverse[a, b].tril(-1).T
            return torch.addmm(V, alpha[a], alpha[b].T, beta=-K / 2, alpha=0.5)

        gradient = pull_back(kernel, self.observed.X, slope) + self._gradient_of_weights(kernel, inverse, alpha)
        return value, gradient.numpy(force=True)

    def condition(self, kernel: Kernel) -> tuple[torch.Tensor, torch.Tensor, float]:
        """L (N, N), lower triangle, alpha (N, K) and the jitter. L is the buffer: the next call writes over it."""
        o = self.observed
        if self._buffer is None:
            self._buffer = torch.empty((len(o), len(o)), dtype=o.X.dtype, device=o.X.device)
        buffer = self._buffer
        extra = o.noise if o.w is None else o.noise + (1 / o.w - 1) * o.variances(kernel)

        def fill(jitter: float) -> torch.Tensor:
            K = write_gram(kernel, o.X, buffer)
            K.diagonal().add_(extra + jitter)
            return K

        L, jitter = factorise(fill)
        return L, solve(L, o.Y), jitter

    def _gradient_of_weights(self, kernel: Kernel, inverse: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        """What the weights add: they change the diagonal of K_y by (1 / w - 1) s, and s stands in their constant."""
        o, P = self.observed, len(kernel.theta)
        if o.w is None or not P:
            return torch.zeros(P, dtype=o.X.dtype, device=o.X.device)
        theta = torch.tensor(kernel.theta, dtype=o.X.dtype, device=o.X.device, requires_grad=True)
        with torch.enable_grad():
            s = o.variances(kernel.with_theta(theta))
            W = (alpha.square().sum(1) - alpha.shape[1] * inverse.diagonal()) / 2
            by_s = W * (1 / o.w - 1) - alpha.shape[1] * (o.w - 1) / (2 * s.detach())
            if not s.requires_grad:
                return torch.zeros_like(theta).detach()
            (slope,) = torch.autograd.grad(s, theta, by_s, materialize_grads=True)
        return slope


def log_marginal_likelihood(o: Observations, kernel: Kernel, L: torch.Tensor, alpha: torch.Tensor) -> float:
    """log p(y | theta), nats, from the factor (its diagonal) and alpha."""
    N, K = o.Y.shape
    value = -float((o.Y * alpha).sum()) / 2 - K * (float(L.diagonal().log().sum()) + N * LOG_2PI / 2)
    if o.w is not None:
        s = o.variances(kernel)
        if not bool((s > 0).all()):
            raise DataError("weights divide the noise, and there is none: add a WhiteKernel, or raise alpha")
        value -= K * float(((o.w - 1) * (LOG_2PI + s.log()) + o.w.log()).sum()) / 2
    return value


# ---------------------------------------------------------------------- factors


def factorise(fill: Callable[[float], torch.Tensor]) -> tuple[torch.Tensor, float]:
    """Cholesky factor in the lower triangle of what ``fill(jitter)`` writes, and the jitter that was needed.

    Parameters
    ----------
    fill : callable
        Gives the symmetric matrix (N, N), lower triangle at least, with ``jitter`` added to its diagonal. It is
        called again after a failure, since the factor is written over it.

    Raises
    ------
    NotPositiveDefiniteError
        As `peira.numerics.cholesky`, whose sequence of jitters this is.
    """
    K = fill(0.0)
    scale = float(K.diagonal().mean().abs()) or 1.0
    if not math.isfinite(scale):
        raise NotPositiveDefiniteError("the Gram matrix holds NaN or infinite entries")
    if _in_place(K):
        return K, 0.0
    relative = 10 * torch.finfo(K.dtype).eps
    while relative <= LARGEST_JITTER:
        K = fill(relative * scale)
        if _in_place(K):
            return K, relative * scale
        relative *= 10
    return cholesky(fill(0.0).tril() + fill(0.0).tril(-1).T, largest=LARGEST_JITTER)  # its message


def _in_place(K: torch.Tensor) -> bool:
    """Write the factor over the lower triangle; whether there is one."""
    if K.device.type != "cpu" or not len(K):
        L, failed = torch.linalg.cholesky_ex(K)
        K.copy_(L)
        return not bool(failed) and bool(K.diagonal().isfinite().all())
    # A row-major lower triangle is the upper triangle of LAPACK's column-major matrix.
    _, failed = dpotrf(K.numpy().T, lower=0, clean=0, overwrite_a=1)
    return failed == 0 and bool(K.diagonal().isfinite().all())


def invert(L: torch.Tensor) -> torch.Tensor:
    """The lower triangle of (L L')^-1, written over that of L."""
    if L.device.type != "cpu" or not len(L):
        return L.copy_(torch.cholesky_inverse(L.tril()))
    dpotri(L.numpy().T, lower=0, overwrite_c=1)
    return L


def solve(L: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """(L L')^-1 Y (N, K), reading the lower triangle of L."""
    if L.device.type != "cpu" or not len(L):
        return torch.cholesky_solve(Y, L.tril())
    return torch.from_numpy(dpotrs(L.numpy().T, Y.numpy(), lower=0)[0])


def whiten(L: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """L^-1 r for each row r of (M, N), reading the lower triangle of L; may be written over the rows."""
    if L.device.type != "cpu" or not rows.numel():
        return torch.linalg.solve_triangular(L.tril(), rows.T, upper=False).T
    return torch.from_numpy(dtrsm(1.0, L.numpy().T, rows.numpy().T, lower=0, trans_a=1, overwrite_b=1)).T


# ---------------------------------------------------------------------- signal and noise


class _Silent(WhiteKernel):
    """White noise with the same hyper-parameter, of which nothing is heard."""

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return X.new_zeros(len(X), len(X if Z is None else Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return X.new_zeros(len(X))


def silent(kernel: Kernel) -> Kernel:
    """The covariance of the function alone: the same hyper-parameters, but every `WhiteKernel` gives zero."""
    if isinstance(kernel, WhiteKernel):
        new = object.__new__(_Silent)
        vars(new).update(vars(kernel))
        return new
    return kernel._replace(**{name: silent(part) for name, part in kernel._parts()})


def noise_of(kernel: Kernel, X: torch.Tensor) -> torch.Tensor:
    """Variance (N,) of the noise in the kernel: what `WhiteKernel` adds to the diagonal, wherever it stands."""
    return kernel._diagonal(X) - silent(kernel)._diagonal(X)
