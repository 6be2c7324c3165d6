r"""The lowest eigenvectors of a symmetric matrix without negative eigenvalues, beside those that are known.

Manifold methods minimise a quadratic form :math:`y^T M y` over unit vectors, and M has null vectors by construction:
the constant one, or one for each connected part of a graph. They say nothing, and a solver that met them would mix
them with what is sought. So they are taken out before: with the known ones as the orthonormal columns of Q,

.. math:: P = I - Q Q^T, \qquad M y = \lambda y, \quad Q^T y = 0

* up to `DENSE` rows: all of :math:`P M P + s Q Q^T`, s above every eigenvalue of M, by a dense solver, N^3;
* beyond: Lanczos iterations with :math:`P (M - \sigma I)^{-1} P`, whose *largest* eigenvalues belong to the lowest of M
  and stand well apart, so that a few dozen solves with one sparse factorisation do;
* where a bound b of the eigenvalues is known, as for a normalised Laplacian, with :math:`P (b I - M) P` first, which
  needs no factorisation. It fails to converge only for graphs that are long and thin, and these factorise cheaply.

**Sign.** The entry of largest magnitude of each vector is positive, the first of those that are equal up to rounding,
so that the answer does not hang on the solver.

Reference: Saad (2011), Numerical Methods for Large Eigenvalue Problems, 4.1 (shift and invert), 4.2 (deflation).
"""

from collections.abc import Callable

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

DENSE = 600
BASIS, RESTARTS = 80, 100  # of the iterations without a factorisation


def lowest_eigenvectors(
    M: sparse.csr_array, K: int, known: np.ndarray, bound: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The K lowest eigenvalues of M, rising, and their vectors, orthogonal to what is known.

    Parameters
    ----------
    M : csr array of shape (N, N)
        Symmetric, positive semi-definite.
    K : int
        At most N less the number of known vectors.
    known : array of shape (N, C)
        Orthonormal null vectors of M; C may be zero.
    bound : float, optional
        An upper bound of the eigenvalues of M.

    Returns
    -------
    values : array of shape (K,)
    vectors : array of shape (N, K)
        Of length one.
    """
    N, C = known.shape
    if K > N - C:
        raise ValueError(f"{N} rows with {C} known null vectors have {N - C} further eigenvectors, not {K}")
    largest = float(abs(M).sum(1).max()) if M.nnz else 0.0  # Gershgorin: no eigenvalue is larger
    if N <= DENSE or N - C <= 2 * K + 2:
        A = M.toarray()
        A -= (A @ known) @ known.T
        A -= known @ (known.T @ A)
        A = (A + A.T) / 2 + (2 * largest + 1) * known @ known.T
        values, vectors = linalg.eigh(A, subset_by_index=(0, K - 1))
    else:
        values, vectors = _by_products(M, K, known, bound) or _by_factors(M, K, known, largest)
    return values.clip(min=0.0), turned(vectors)


def _by_products(
    M: sparse.csr_array, K: int, known: np.ndarray, bound: float | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """By products with M alone; None if no bound is known, or the iterations do not converge."""
    if bound is None:
        return None
    operator, start = _projected(lambda v: bound * v - M @ v, known)
    try:
        found, vectors = eigsh(
            operator, K, which="LA", v0=start, ncv=min(max(BASIS, 4 * K), len(start) - 1), maxiter=RESTARTS
        )
    except ArpackNoConvergence:
        return None
    order = np.argsort(-found)
    return bound - found[order], vectors[:, order]


def _by_factors(M: sparse.csr_array, K: int, known: np.ndarray, largest: float) -> tuple[np.ndarray, np.ndarray]:
    """By solves with one factorisation of M, shifted by what rounding needs."""
    shift = 1e-10 * (largest or 1.0)
    factors = splu((M + shift * sparse.eye_array(M.shape[0])).tocsc(), permc_spec="MMD_AT_PLUS_A")
    inverse, start = _projected(factors.solve, known)
    found, vectors = eigsh(inverse, K, which="LA", v0=start)
    order = np.argsort(-found)
    return 1 / found[order] - shift, vectors[:, order]


def _projected(apply: Callable[[np.ndarray], np.ndarray], known: np.ndarray) -> tuple[LinearOperator, np.ndarray]:
    """The operator on what is orthogonal to the known vectors, and a start there that is always the same."""
    N = len(known)

    def project(v: np.ndarray) -> np.ndarray:
        return v - known @ (known.T @ v)

    operator = LinearOperator((N, N), matvec=lambda v: project(apply(project(v.ravel()))), dtype=np.float64)
    return operator, project(np.random.default_rng(0).normal(size=N))


def turned(vectors: np.ndarray) -> np.ndarray:
    """The vectors (N, K), each with the sign by which its entry of largest magnitude is positive."""
    sizes = np.abs(vectors)
    first = (sizes >= (1 - 1e-8) * sizes.max(0)).argmax(0)
    top = vectors[first, np.arange(vectors.shape[1])]
    return vectors * np.where(top < 0, -1.0, 1.0)
