r"""Inducing inputs: where a sparse Gaussian process looks at its function, and what it says elsewhere.

The function's values :math:`u = f(Z)` at M inducing inputs stand for the function. Whitened, :math:`u = L v` with
:math:`K_{uu} = L L^T`, their prior is standard normal, and a row enters by its coordinates

.. math:: a(x) = L^{-1} k(Z, x)

A posterior of v with mean m and precision B gives at any x

.. math:: E f(x) = a^T m, \quad \mathrm{Var} f(x) = (k(x, x) - a^T a) + a^T B^{-1} a

The bracket is what the inducing values leave open; both terms are sums of squares but for rounding in the first, which
is cut at 0.

**Choosing Z.** Greedily, each time the row with the largest variance given those already chosen, that is, the pivots
of a pivoted Cholesky factor of the Gram matrix (Burt, Rasmussen & van der Wilk 2020, section 4.2.2; Fine &
Scheinberg 2001). The sum of what is left bounds the gap to the exact process. Costs N M^2.

Reference: Burt, Rasmussen & van der Wilk (2020), JMLR 21(131).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import ParameterError, UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.cholesky import cholesky
from .composition import Sum
from .constant import ConstantKernel, WhiteKernel
from .kernel import Kernel
from .stationary import RBF

JITTER = 1e-8  # of the mean variance, always added: the factor then has no entries beyond 1e4
ENTRIES = 1 << 20  # of the kernel between rows and inducing inputs in a block: 8 MiB


@dataclass(frozen=True, eq=False)
class InducingPosterior:
    """What C functions are believed to be, by a normal distribution of their values at M inducing inputs.

    Attributes
    ----------
    kernel : Kernel
        Without noise.
    Z : tensor of shape (M, D)
    U : tensor of shape (M, M)
        The inverse of L.
    mean : tensor of shape (M, C)
    factor : tensor of shape (C, M, M), or (1, M, M) where all functions share it
        Lower Cholesky factors of the precisions B.
    """

    kernel: Kernel
    Z: torch.Tensor
    U: torch.Tensor
    mean: torch.Tensor
    factor: torch.Tensor

    def at(self, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of each function at each row, of shape (N, C); in blocks, N M^2 C."""
        N, C = len(X), self.mean.shape[1]
        mean, variance = X.new_empty(N, C), X.new_empty(N, C)
        for rows in blocks(N, len(self.Z)):
            A = self.kernel._gram(X[rows], self.Z) @ self.U.T
            left = (self.kernel._diagonal(X[rows]) - A.square().sum(1)).clamp(min=0)
            mean[rows] = A @ self.mean
            variance[rows] = left[:, None] + self._known(A).square().sum(1).T
        return mean, variance

    def covariance(self, X: torch.Tensor) -> torch.Tensor:
        """Covariance of the functions' values at N rows, of shape (C, N, N), or (1, N, N) where they share it."""
        A = self.kernel._gram(X, self.Z) @ self.U.T
        known = self._known(A)
        V = self.kernel._gram(X) - A @ A.T + known.mT @ known
        V = (V + V.mT) / 2
        V.diagonal(dim1=1, dim2=2).clamp_(min=0)
        return V

    def _known(self, A: torch.Tensor) -> torch.Tensor:
        """Coordinates (N, M), solved by each factor: whose squares are what the inducing values are uncertain of."""
        return torch.linalg.solve_triangular(self.factor, A.T.expand(len(self.factor), *A.T.shape), upper=False)


def blocks(N: int, M: int) -> Iterator[slice]:
    """Slices of rows whose kernel with M inducing inputs is one block."""
    n = max(1, ENTRIES // max(1, M))
    return (slice(i, min(i + n, N)) for i in range(0, N, n))


def whitened(K: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """L and its inverse for a Gram matrix of inducing inputs (in its graph, if it has one), and the jitter added."""
    eye = torch.eye(len(K), dtype=K.dtype, device=K.device)
    jitter = JITTER * float(K.detach().diagonal().mean())
    jitter += cholesky(K.detach() + jitter * eye, largest=1e-4)[1]
    L = torch.linalg.cholesky(K + jitter * eye)
    return L, torch.linalg.solve_triangular(L.detach(), eye, upper=False), jitter


def greedy(kernel: Kernel, X: torch.Tensor, M: int) -> torch.Tensor:
    """Positions of up to M rows, each the one of largest variance given those before it; of equal ones, the most
    central. Fewer than M where nothing is left to explain."""
    centre = X.mean(0)
    away = ((X - centre) / (X - centre).square().mean(0).sqrt().clamp(min=1e-300)).square().sum(1)
    d = kernel._diagonal(X).clone()
    least = JITTER * float(d.max())
    columns, chosen = X.new_empty(min(M, len(X)), len(X)), []
    for j in range(len(columns)):
        top = float(d.max())
        if top <= least:
            break
        tied = (d >= top * (1 - 1e-12)).nonzero()[:, 0]
        p = int(tied[away[tied].argmin()])
        row = kernel._gram(X[p : p + 1], X)[0] - columns[:j, p] @ columns[:j]
        columns[j] = row / top**0.5
        d = (d - columns[j].square()).clamp_(min=0)
        d[p] = 0.0
        chosen.append(p)
    return torch.tensor(chosen, dtype=torch.int64, device=X.device)


# ---------------------------------------------------------------------- kernels of a sparse process


def split_noise(kernel: Kernel, like: torch.Tensor) -> tuple[Kernel | None, torch.Tensor]:
    """A kernel's part without noise, and the variance of its `WhiteKernel` terms, in their graph."""
    if isinstance(kernel, WhiteKernel):
        return None, kernel._tensor("noise_level", like)
    if isinstance(kernel, Sum):
        (k1, noise1), (k2, noise2) = split_noise(kernel.k1, like), split_noise(kernel.k2, like)
        return (k2 if k1 is None else k1 if k2 is None else Sum(k1, k2)), noise1 + noise2
    return kernel, like.new_zeros(())


def open_kernel(kernel: Kernel | None, data: Data, owner: str, *, noisy: bool) -> Kernel:
    """The kernel to start from: the given one, checked, or 1.0 * RBF, a long length-scale a column, and noise.

    Parameters
    ----------
    kernel : Kernel or None
    data : Data
        Columns whose spread the length-scales start from.
    owner : str
    noisy : bool
        Whether the kernel holds the noise of the targets, a WhiteKernel.
    """
    if kernel is None:
        unit = spread(data.X, data.w).numpy(force=True)
        bounds = np.column_stack([1e-2 * unit, 1e3 * unit])
        start = RBF((2 * unit * data.X.shape[1] ** 0.5).tolist(), bounds)
        smooth = ConstantKernel(1.0, (1e-3, 1e4)) * start
        return smooth + WhiteKernel(0.3, (1e-6, 1e2)) if noisy else smooth
    smooth, noise = split_noise(kernel, data.X[:0, 0])
    if smooth is None or any(isinstance(part, WhiteKernel) for part in _walk(smooth)):
        raise ParameterError(
            f"the kernel of {owner} must be a smooth kernel, with a WhiteKernel as a term of its outermost sum or not "
            f"at all; got {kernel!r}"
        )
    if noisy and not float(noise) > 0:
        raise ParameterError(f"{owner} needs the noise of the targets in its kernel: {kernel!r} + WhiteKernel(0.1)")
    if not noisy and float(noise) > 0:
        raise ParameterError(f"labels have no additive noise: leave the WhiteKernel out of the kernel of {owner}")
    return kernel


def spread(X: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
    """Standard deviation of each column, of shape (D,); 1 for a constant one."""
    share = X.new_full((len(X),), 1 / len(X)) if w is None else w / w.sum()
    std = (share @ (X - share @ X).square()).sqrt()
    return torch.where(std > 0, std, 1.0)


def _walk(kernel: Kernel) -> Iterator[Kernel]:
    yield kernel
    for _, part in kernel._parts():
        yield from _walk(part)


# ---------------------------------------------------------------------- what the estimators share


def given_inducing(method: Any, data: Data) -> torch.Tensor | None:
    """The parameter ``inducing_points``, checked."""
    if method.inducing_points is None:
        return None
    Z, D = np.asarray(method.inducing_points, dtype=float), data.X.shape[1]
    if Z.ndim != 2 or Z.shape[1] != D or not len(Z) or not np.isfinite(Z).all():
        raise ParameterError(
            f"parameter 'inducing_points' of {type(method).__name__} must be finite numbers of shape (M, {D}), "
            f"got shape {Z.shape}"
        )
    return data.tensor(Z)


def scale_of(Y: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each target; 1 for a constant one, of which only rounding is left."""
    share = w / w.sum()
    mean = share @ Y
    std = (share @ (Y - mean).square()).sqrt()
    return mean, torch.where(std > 1e-14 * mean.abs(), std, 1.0)


def posterior_of(method: Any, like: Queries) -> InducingPosterior:
    """What a fitted method believes, as tensors beside the queries."""
    Z, U, mean, factor = (
        like.tensor(v) for v in (method.inducing_points_, method.whitening_, method.mean_, method.factor_)
    )
    return InducingPosterior(split_noise(method.kernel_, Z)[0], Z, U, mean, factor)


def check_posterior(method: Any, C: int, factors: int) -> None:
    """Refuse a stored posterior of C functions, with so many factors, that no fit gives."""
    Z = np.asarray(getattr(method, "inducing_points_", None))
    M = len(Z) if Z.ndim == 2 else 0
    shapes = {
        "inducing_points_": (M, method.n_features_in_),
        "whitening_": (M, M),
        "mean_": (M, C),
        "factor_": (factors, M, M),
    }
    for name, shape in shapes.items():
        value = np.asarray(getattr(method, name, None))
        if not M or value.shape != shape or value.dtype.kind != "f" or not np.isfinite(value).all():
            raise UnreadableError(f"{type(method).__name__}.{name} should hold finite numbers of shape {shape}")
    if not isinstance(getattr(method, "kernel_", None), Kernel):
        raise UnreadableError(f"{type(method).__name__}.kernel_ should be a kernel")
