r"""Stochastic variational Gaussian processes: minibatches for any likelihood and any number of rows.

For each of C functions, the whitened inducing values have a normal belief q(v) = N(m, B^{-1}). With
:math:`\mu_n, s_n^2` the mean and variance that it gives row n (`sparse_gaussian_process_inducing`), the bound on the
log evidence is a sum over rows (Hensman, Fusi & Lawrence 2013, eq. 4; Hensman, Matthews & Ghahramani 2015),

.. math:: F = \sum_n E_{N(f_n | \mu_n, s_n^2)} \log p(y_n | f_n) - KL(q(v) \| N(0, I))

so a random batch of b rows, times N / b, estimates it and its slopes without bias.

**Natural gradients for q.** With :math:`g_n` the slope of the expected log likelihood by :math:`\mu_n` and
:math:`h_n / 2` minus that by :math:`s_n^2`, a step of size :math:`\rho` mixes what is believed with what the batch says
(Hensman et al. 2013, section 3.2; Khan & Lin 2017, eqs 10 and 11):

.. math:: B \leftarrow (1 - \rho) B + \rho ( I + \frac{N}{b} \sum_n h_n a_n a_n^T )

.. math:: B m \leftarrow (1 - \rho) B m + \rho \frac{N}{b} \sum_n (g_n + h_n \mu_n) \, a_n

For normal noise and all rows, one step of size 1 is exact. Log-concave likelihoods have :math:`h_n \ge 0`, and B stays
positive definite whatever the step.

**Adam** (Kingma & Ba 2015) moves the logarithms of the hyper-parameters and the inducing inputs along the slope of F
with q held, in which the divergence has no part, thanks to the whitening.

After the last step of ``fit`` the belief is brought to rest by passes over all rows.

Cost of a step: (b + M) M^2 C; of a final pass: N M^2 C.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch.linalg import solve_triangular

from ..core import Method, iterate, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data
from .kernel import Kernel
from .sparse_gaussian_process_inducing import blocks, check_posterior, split_noise, spread, whitened


@dataclass(frozen=True, eq=False)
class Expected:
    """What a likelihood says of a batch: its expected logarithm, and how that changes.

    Attributes
    ----------
    value : tensor of shape (b,)
    g, h : tensor of shape (b, C)
        Slope by the mean, and minus twice the slope by the variance, not negative.
    by_noise : tensor of shape (b,) or None
        Slope by the variance of the noise.
    """

    value: torch.Tensor
    g: torch.Tensor
    h: torch.Tensor
    by_noise: torch.Tensor | None = None


class StochasticGaussianProcess(Method):
    """Base: a subclass declares its likelihood by ``_expected``, and opens its data.

    Attributes
    ----------
    kernel_ : Kernel
    inducing_points_ : array of shape (M, D)
    jitter_ : float
    whitening_, mean_, factor_ : array of shape (M, M), (M, C), (C, M, M)
        The inverse of L, and the posterior of the whitened inducing values: means and factors of the precisions.
    n_seen_ : int
        Rows seen by ``fit``, or by all calls of ``partial_fit``.
    n_steps_ : int
        Steps taken so far.
    moments_ : array of shape (2, P + M D)
        Adam's running means of the slopes and of their squares.
    """

    _longest: ClassVar[float] = 1.0  # step of q by all rows that is safe

    n_inducing: int = param(200, "number M of inducing inputs; at most one for each row", low=1)
    inducing_points: np.ndarray | list | None = param(None, "inducing inputs (M, D) to start from; None: greedily")
    max_iter: int = param(1000, "number of steps, each of one batch", low=1)
    batch_size: int = param(1024, "rows in a batch", low=1)
    step_size: float = param(
        0.03, "of Adam, for log hyper-parameters and inducing inputs", above=0, tune=log(3e-3, 0.1)
    )
    prior_spread: float = param(
        1.0, "standard deviation of a normal prior on each log hyper-parameter about its start", above=0, high=np.inf
    )
    random_state: int | np.random.RandomState | None = param(0, "seed of the batches")

    @abstractmethod
    def _expected(self, mean: torch.Tensor, variance: torch.Tensor, y: torch.Tensor, noise: torch.Tensor) -> Expected:
        """The expected log likelihood of targets y (b, ...) whose functions have these means and variances (b, C)."""

    # ------------------------------------------------------------------ learning

    def _launch(self, data: Data, kernel: Kernel, Z: torch.Tensor, C: int) -> None:
        """Nothing is believed yet but the prior."""
        M, P = len(Z), len(kernel.theta)
        eye = torch.eye(M, dtype=data.dtype, device=data.device)
        self.kernel_, self.n_seen_, self.n_steps_ = kernel, 0, 0
        self.start_ = kernel.theta
        self.inducing_points_, self.whitening_ = data.give(Z), data.give(eye)
        self.mean_, self.factor_ = data.give(Z.new_zeros(M, C)), data.give(eye.repeat(C, 1, 1))
        self.moments_ = np.zeros((2, P + Z.numel()))

    def _learn(self, data: Data, X: torch.Tensor, y: torch.Tensor, w: torch.Tensor, *, whole: bool) -> None:
        """Steps over random batches: ``max_iter`` and final passes if these are the whole data, else one epoch."""
        N, b = len(X), min(self.batch_size, len(X))
        rng = np.random.default_rng([data.seed, self.n_steps_])
        self.n_seen_ += N
        run = _Run(self, data, spread(X, w))
        if N:
            order, at = rng.permutation(N), 0
            count = self.max_iter if whole else -(-N // b)
            for step in iterate(self, count, name="steps"):
                if at + b > N and (whole or at >= N):
                    order, at = rng.permutation(N), 0
                rows = np.sort(order[at : at + b])
                at += b
                share = self.n_seen_ / len(rows)
                # Robbins & Monro: averages at first, and then over some dozens of batches
                rho = 1.0 if share == 1 else max(1 / (self.n_steps_ + 1) ** 0.7, min(0.03, 10 / share))
                rho = min(rho, self._longest)
                step.record(bound=run.step(X[rows], y[rows], w[rows], share, rho))
                self.n_steps_ += 1
                if step.index + 1 == count and step.stop("all steps"):
                    break
            if whole:
                run.settle(X, y, w)
        run.keep()

    def _check_stochastic(self, C: int) -> None:
        """Refuse stored values that no fit gives."""
        check_posterior(self, C, C)
        P, size = len(self.kernel_.theta), np.asarray(self.inducing_points_).size
        if np.shape(getattr(self, "moments_", None)) != (2, P + size) or np.shape(getattr(self, "start_", None)) != (
            P,
        ):
            raise UnreadableError(f"{type(self).__name__}.moments_ and start_ do not fit its kernel")
        for name in ("n_seen_", "n_steps_"):
            if type(getattr(self, name, None)) is not int or getattr(self, name) < 0:
                raise UnreadableError(f"{type(self).__name__}.{name} should be a whole number")


class _Run:
    """What is learned, as tensors, while steps are made."""

    def __init__(self, method: StochasticGaussianProcess, data: Data, unit: torch.Tensor) -> None:
        self.method, self.data, self.unit = method, data, unit
        self.theta = torch.as_tensor(method.kernel_.theta, device=data.device)
        self.Z, self.mean = data.tensor(method.inducing_points_), data.tensor(method.mean_)
        self.factor = data.tensor(method.factor_)
        self.B = self.factor @ self.factor.mT
        self.moments = data.tensor(method.moments_)

    def step(self, X: torch.Tensor, y: torch.Tensor, w: torch.Tensor, share: float, rho: float) -> float:
        """A natural step of the belief, then one of Adam, by the same batch; gives the bound's estimate between."""
        theta, Z = self.theta.requires_grad_(), self.Z.requires_grad_()
        with torch.enable_grad():
            kernel, noise = split_noise(self.method.kernel_.with_theta(theta), Z)
            L, _, _ = whitened(kernel._gram(Z))
            A = solve_triangular(L, kernel._gram(Z, X), upper=False).T
            left = (kernel._diagonal(X) - A.square().sum(1)).clamp(min=0)
        self.theta, self.Z = theta.detach(), Z.detach()
        self._natural(A.detach(), left.detach(), y, w, noise.detach(), share, rho)
        with torch.enable_grad():
            mean, variance = self._at(A, left)
        told = self.method._expected(mean.detach(), variance.detach(), y, noise.detach())
        c = (share * w)[:, None]
        outputs, pulls = [mean, variance], [c * told.g, -c * told.h / 2]
        if told.by_noise is not None:
            outputs, pulls = [*outputs, noise], [*pulls, (c[:, 0] @ told.by_noise)]
        live = [(o, p) for o, p in zip(outputs, pulls, strict=True) if o.requires_grad]
        outs, pulls = zip(*live, strict=True)
        slopes = torch.autograd.grad(outs, (theta, Z), pulls, allow_unused=True)
        self._adam(*(torch.zeros_like(v) if s is None else s for v, s in zip((theta, Z), slopes, strict=True)))
        return float(c[:, 0] @ told.value) - self._divergence()

    def settle(self, X: torch.Tensor, y: torch.Tensor, w: torch.Tensor, passes: int = 30, tol: float = 1e-6) -> None:
        """Natural steps by all rows until the means of the inducing values rest; one is exact for normal noise."""
        kernel, noise = split_noise(self.method.kernel_.with_theta(self.theta), self.Z)
        U = whitened(kernel._gram(self.Z))[1]
        for _ in range(passes):
            B, c = torch.zeros_like(self.B), torch.zeros_like(self.mean)
            for rows in blocks(len(X), len(U)):
                A = kernel._gram(X[rows], self.Z) @ U.T
                left = (kernel._diagonal(X[rows]) - A.square().sum(1)).clamp(min=0)
                B_part, c_part = self._sums(A, left, y[rows], w[rows], noise)
                B, c = B + B_part, c + c_part
            before = self.mean
            self._mix(B, c, self.method._longest)
            if float((self.mean - before).abs().max()) <= tol * (1 + float(self.mean.abs().max())):
                break

    def keep(self) -> None:
        """Hand everything back to the method."""
        method, give = self.method, self.data.give
        method.kernel_ = method.kernel_.with_theta(self.theta.numpy(force=True))
        kernel = split_noise(method.kernel_, self.Z)[0]
        _, U, method.jitter_ = whitened(kernel._gram(self.Z))
        method.inducing_points_, method.whitening_, method.mean_ = give(self.Z), give(U), give(self.mean)
        method.factor_ = give(self.factor)
        method.moments_ = self.moments.numpy(force=True)

    # ------------------------------------------------------------------ the parts of a step

    def _at(self, A: torch.Tensor, left: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of each function at rows of coordinates A."""
        C = len(self.B)
        solved = solve_triangular(self.factor, A.T.expand(C, *A.T.shape), upper=False)
        return A @ self.mean, left[:, None] + solved.square().sum(1).T

    def _sums(self, A, left, y, w, noise) -> tuple[torch.Tensor, torch.Tensor]:
        """What these rows say of each B (C, M, M), and of B m (M, C)."""
        mean, variance = self._at(A, left)
        told = self.method._expected(mean, variance, y, noise)
        h = told.h * w[:, None]
        B = torch.stack([(A * h[:, c, None]).T @ A for c in range(h.shape[1])])
        return B, A.T @ (told.g * w[:, None] + h * mean)

    def _natural(self, A, left, y, w, noise, share: float, rho: float) -> None:
        B, c = self._sums(A, left, y, w, noise)
        self._mix(share * B, share * c, rho)

    def _mix(self, B: torch.Tensor, c: torch.Tensor, rho: float) -> None:
        eye = torch.eye(B.shape[-1], dtype=B.dtype, device=B.device)
        before = torch.einsum("cij,jc->ic", self.B, self.mean)
        self.B = (1 - rho) * self.B + rho * (eye + (B + B.mT) / 2)
        c = (1 - rho) * before + rho * c
        self.factor = torch.linalg.cholesky(self.B)
        self.mean = torch.cholesky_solve(c.T[:, :, None], self.factor)[:, :, 0].T

    def _adam(self, slope: torch.Tensor, slope_Z: torch.Tensor) -> None:
        method = self.method
        slope = slope - (self.theta - self.data.tensor(method.start_)) / method.prior_spread**2
        s = torch.cat([slope, (slope_Z * self.unit).flatten()])
        t = method.n_steps_ + 1
        self.moments[0].lerp_(s, 0.1)
        self.moments[1].lerp_(s.square(), 0.01)
        first, second = self.moments[0] / (1 - 0.9**t), self.moments[1] / (1 - 0.99**t)
        move = method.step_size * first / (second.sqrt() + 1e-8)
        P, bounds = len(self.theta), self.data.tensor(method.kernel_.bounds)
        self.theta = (self.theta + move[:P]).clamp(bounds[:, 0], bounds[:, 1])
        self.Z = self.Z + move[P:].reshape(self.Z.shape) * self.unit

    def _divergence(self) -> float:
        """KL(q || N(0, I)), summed over the functions."""
        L = self.factor
        eye = torch.eye(L.shape[-1], dtype=L.dtype, device=L.device).expand_as(L)
        trace = float(solve_triangular(L, eye, upper=False).square().sum())
        log_det = 2 * float(L.diagonal(dim1=1, dim2=2).log().sum())
        return (trace + float(self.mean.square().sum()) - self.mean.numel() + log_det) / 2


def opened_rows(data: Data) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions, inputs and weights of the rows that count."""
    w = torch.ones_like(data.X[:, 0]) if data.w is None else data.w
    rows: Any = (w > 0).nonzero()[:, 0]
    return rows, data.X[rows], w[rows]
