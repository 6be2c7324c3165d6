r"""The directions in which a table varies most, by whichever way is cheapest.

With the mean m and the centred, weighted rows A, the directions are the right singular vectors of A and the
eigenvectors of its scatter; the sums of squares along them are

.. math:: A = W^{1/2} (X - 1 m^T) = U \, \mathrm{diag}(s) \, V^T, \qquad A^T A \, v_k = s_k^2 \, v_k

**Ways.** ``full`` decomposes A itself: slow, and exact to the last digit of small :math:`s_k`. ``covariance_eigh``
decomposes the smaller of two products: the D x D scatter, or, with fewer rows than columns, the N x N Gram matrix
(Sirovich & Kirby 1987; ``gram`` asks for it by name),

.. math:: A A^T u_k = s_k^2 \, u_k, \qquad v_k = A^T u_k / s_k

Both lose the digits of what varies :math:`10^{-8}` times less than the first direction. A few directions of a very
tall table come from a scatter in single precision that is put right to double (`peira.latent.rounded_scatter`).
``randomized`` and ``arpack`` need only products with A, and sparse rows stay sparse
(`peira.numerics.singular_vectors`). ``auto`` takes ``full`` where it costs milliseconds and small directions are asked
for, ``randomized`` where K is small and both N and D are large, ``covariance_eigh`` otherwise.

Cost: N D min(N, D) / 2 multiplications and 9 min(N, D)^3; several times that for ``full``; N D K a round for the
others.

Reference: Jolliffe (2002), Principal Component Analysis, 3.5; Sirovich & Kirby (1987), J. Opt. Soc. Am. A 4, 519-524.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from scipy import sparse

from ..core.errors import DataError, ParameterError
from ..core.inputs import Matrix
from ..numerics.centred_rows import CentredRows
from ..numerics.moments import Moments, add_gram, gram, mirrored
from ..numerics.singular_vectors import lanczos, randomised
from ..numerics.symmetric_eigen import leading_eigenvectors, with_signs
from .rounded_scatter import leading_by_rounded_scatter, pays

Solver = Literal["auto", "full", "covariance_eigh", "gram", "randomized", "arpack"]

CHEAP = (
    1 << 25
)  # multiplications in N D min(N, D): below, small directions are worth it; for the leading half, a part of it
LARGE = 2000  # min(N, D) beyond which a tenth of the directions or fewer are found by random projections
COLUMNS = 512  # columns of a wide table that are centred and multiplied at a time: they meet in the cache
CLOSE = 32  # products about the origin serve where they exceed those about the mean by at most this factor: five bits
PRECISE = 1e-5  # singular values below this share of the first: their vectors are made orthogonal again


@dataclass(frozen=True, eq=False)
class Directions:
    """The leading directions of a table.

    Attributes
    ----------
    mean : tensor of shape (D,)
    squares : tensor of shape (K,)
        Sums of squares along the directions, from the largest down.
    vectors : tensor of shape (D, K)
        Orthonormal columns; the entry of largest magnitude is positive.
    total : float
        Sum of squares in all directions.
    weight : float
        Sum of the weights, N without them.
    """

    mean: torch.Tensor
    squares: torch.Tensor
    vectors: torch.Tensor
    total: float
    weight: float


def leading_directions(
    X: Matrix,
    K: int | None = None,
    solver: Solver = "auto",
    *,
    w: torch.Tensor | None = None,
    centred: bool = True,
    generator: torch.Generator | None = None,
    oversamples: int = 10,
    rounds: int | None = None,
    tol: float = 0.0,
) -> Directions:
    """The K directions in which the rows vary most.

    Parameters
    ----------
    X : tensor of shape (N, D), float64, or scipy CSR matrix
    K : int, optional
        How many; min(N, D) without it, or if it is more.
    solver : str, default "auto"
        One of the ways of the module's docstring.
    w : tensor of shape (N,), optional
        Weights; rows of weight zero do not count.
    centred : bool, default True
        About the mean, or (False) about the origin.
    generator : torch.Generator, optional
        For "randomized", "arpack", and "auto" where it takes one of them; seed 0 without it.
    oversamples, rounds, tol
        As in `peira.numerics.singular_vectors`; without ``rounds``, 7 for less than a tenth of the directions, else 4.

    Returns
    -------
    Directions

    Raises
    ------
    DataError
        If squares overflow.
    ParameterError
        If a sparse X meets "full" or "gram", or "arpack" is asked for all directions.

    Examples
    --------
    >>> found = leading_directions(torch.tensor([[0.0, 0.0], [2.0, 2.0]], dtype=torch.float64), 1)
    >>> found.squares.round(decimals=6).tolist(), found.mean.tolist(), found.total
    ([4.0], [1.0, 1.0], 4.0)
    """
    if w is not None and bool((w == 0).any()):
        used = (w > 0).nonzero()[:, 0]
        X, w = X[used.numpy(force=True)] if sparse.issparse(X) else X[used], w[used]
    N, D = X.shape
    K = min(N, D) if K is None else min(K, N, D)
    way = _cheapest(N, D, K, sparse.issparse(X)) if solver == "auto" else solver
    if sparse.issparse(X) and way in ("full", "gram"):
        raise ParameterError(
            f"the solver {way!r} makes sparse rows dense; use 'covariance_eigh', 'randomized', 'arpack'"
        )
    if way == "arpack" and not 0 < K < min(N, D):
        raise ParameterError(f"the solver 'arpack' finds 1 to {min(N, D) - 1} directions of {N} rows and {D} columns")
    weight = float(N) if w is None else float(w.sum())
    if way == "covariance_eigh" and (N >= D or sparse.issparse(X)):
        if centred and w is None and not sparse.issparse(X) and X.device.type == "cpu" and pays(N, D, K):
            found = leading_by_rounded_scatter(X.contiguous(), K)
            if found is not None:
                mean, squares, V, totals = found
                return Directions(mean, squares, V.contiguous(), _require_finite(totals), weight)
        mean, S = _scatter(X, w, centred)
        total = _require_finite(S.diagonal())
        squares, V = leading_eigenvectors(S, K)
        return Directions(mean, squares.clamp(min=0), V, total, weight)
    mean = _mean(X, w, weight) if centred else torch.zeros(D, dtype=torch.float64, device=getattr(X, "device", None))
    root = None if w is None else w.sqrt()
    if way in ("covariance_eigh", "gram"):
        squares, V, total = _by_gram(X, K, mean, root)
    elif way == "full":
        A = X - mean if root is None else (X - mean) * root[:, None]
        total = _require_finite(A.square().sum(0))
        _, s, Vt = torch.linalg.svd(A, full_matrices=False)
        squares, V = s[:K].square(), with_signs(Vt[:K].T)
    else:
        A = CentredRows(X, mean, root)
        total = _require_finite(A.squares())
        generator = generator or torch.Generator(device=mean.device).manual_seed(0)
        if way == "arpack":
            s, V = lanczos(A, K, generator, tol=tol)
        else:
            rounds = (7 if 0.1 * min(N, D) > K else 4) if rounds is None else rounds
            s, V = randomised(A, K, generator, oversamples=oversamples, rounds=rounds)
        squares = s.square()
    return Directions(mean, squares, V.contiguous(), total, weight)


def degrees_of_freedom(weight: float) -> float:
    """The divisor of sums of squares: N - 1, but never less than 1, or than the weights where they sum to less."""
    return max(weight - 1, min(weight, 1.0))


def deviations(X: Matrix, w: torch.Tensor | None) -> torch.Tensor:
    """Standard deviations of the columns' observed entries, (D,); 1 where a column varies by rounding alone."""
    if sparse.issparse(X):
        weight = float(X.shape[0] if w is None else w.sum())
        mean = _mean(X, w, weight)
        sd = (CentredRows(X, mean, None if w is None else w.sqrt()).squares() / degrees_of_freedom(weight)).sqrt()
    else:
        seen = ~X.isnan()
        v = seen.to(X.dtype) if w is None else seen * w[:, None]
        weights = v.sum(0)
        mean = (v * torch.where(seen, X, 0.0)).sum(0) / weights.clamp(min=torch.finfo(X.dtype).tiny)
        squares = (v * torch.where(seen, X - mean, 0.0).square()).sum(0)
        sd = (squares / torch.maximum(weights - 1, weights.clamp(max=1.0)).clamp(min=1e-300)).sqrt()
    return torch.where(sd > 32 * torch.finfo(sd.dtype).eps * mean.abs(), sd, 1.0)


def _cheapest(N: int, D: int, K: int, thin: bool) -> Solver:
    R = min(N, D)
    if thin:
        return "covariance_eigh" if D <= LARGE or K == R else "arpack" if K else "randomized"
    if (CHEAP if 2 * K > R else CHEAP // 32) >= N * D * R:
        return "full"
    return "randomized" if R > LARGE and 10 * K <= R else "covariance_eigh"


def _mean(X: Matrix, w: torch.Tensor | None, weight: float) -> torch.Tensor:
    if sparse.issparse(X):
        ones = torch.ones(X.shape[0], dtype=torch.float64) if w is None else w
        return torch.from_numpy(X.T @ (ones / weight).numpy())
    # as a product: torch sums a column more slowly than BLAS
    return (X.new_ones(len(X)) if w is None else w) @ X / weight


def _scatter(X: Matrix, w: torch.Tensor | None, centred: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean (D,) and the scatter (D, D): from one product of the rows as they lie where that is safe."""
    if not sparse.issparse(X) and w is None:
        S = gram(X if X.is_contiguous() else X.contiguous())
        mean = _mean(X, None, float(len(X))) if centred else torch.zeros_like(X[0])
        about_mean = S.diagonal() - len(X) * mean.square()
        if bool((S.diagonal() <= CLOSE * about_mean).all()):
            return mean, S.addr_(mean, mean, alpha=-len(X))
    none = torch.empty(X.shape[0], 0, dtype=torch.float64, device=getattr(X, "device", None))
    moments = Moments.of(X, none, w, centred=centred)
    return moments.x_mean, moments.xx


def _by_gram(
    X: torch.Tensor, K: int, mean: torch.Tensor, root: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Squares, directions and the total from the N x N products of rows."""
    v = X.new_ones(len(X)) if root is None else root
    G = gram(X.T)
    to_mean, length = X @ mean, float(mean.square().sum())
    squares = G.diagonal() - 2 * to_mean + length
    if bool(G.diagonal().sum() <= CLOSE * squares.sum()):
        G = v[:, None] * (G - to_mean - to_mean[:, None] + length) * v
        total = _require_finite(G.diagonal())
        squares, U = leading_eigenvectors(G, K)
        U *= v[:, None]
        V = (U.T @ X).T - torch.outer(mean, U.sum(0))  # in this order the long side is the inner one
    else:
        squares, V, total = _by_gram_in_blocks(X, K, mean, v)
    s = squares.clamp(min=0).sqrt()
    V /= torch.where(s > 0, s, 1.0)
    if K and bool(s[-1] <= PRECISE * s[0]):
        Q, R = torch.linalg.qr(V)
        V = Q * torch.where(R.diagonal() < 0, -1.0, 1.0)
    return s.square(), with_signs(V), total


def _by_gram_in_blocks(
    X: torch.Tensor, K: int, mean: torch.Tensor, root: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The same where the mean is far from the origin: some columns at a time are centred, then multiplied."""
    N, D = X.shape
    G, block, V = X.new_zeros(N, N), X.new_empty(N * min(D, COLUMNS)), X.new_empty(D, K)

    def centred(j: int) -> torch.Tensor:
        part = slice(j, min(j + COLUMNS, D))
        Z = block[: N * (part.stop - j)].view(N, -1)
        return torch.sub(X[:, part], mean[part], out=Z).mul_(root[:, None])

    for j in range(0, D, COLUMNS):
        add_gram(G, centred(j).T)
    total = _require_finite(G.diagonal())
    squares, U = leading_eigenvectors(mirrored(G), K)
    for j in range(0, D, COLUMNS):
        Z = centred(j)
        torch.mm(Z.T, U, out=V[j : j + Z.shape[1]])
    return squares, V, total


def _require_finite(squares: torch.Tensor) -> float:
    if not bool(torch.isfinite(squares.sum())):
        column = (
            "" if bool(squares.isfinite().all()) else f" (first: position {int((~squares.isfinite()).nonzero()[0])})"
        )
        raise DataError(f"squares of the data are too large for floating point{column}: choose another unit")
    return float(squares.sum())
