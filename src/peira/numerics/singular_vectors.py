r"""A few singular vectors of a large linear map that is known by its products.

.. math:: A \approx U \, \mathrm{diag}(s) \, V^T

**Randomised subspace iteration** (`randomised`). The range of :math:`A^T` is met by that of :math:`A^T \Omega` for
random :math:`\Omega` of a few columns more than asked for; q rounds of :math:`(A^T A)^q` raise the ratio of large to
small singular values to the power 2 q + 1, and a small exact decomposition finishes:

.. math:: Q = \mathrm{orth}( (A^T A)^q A^T \Omega ), \quad A Q = U \, \mathrm{diag}(s) \, W^T, \quad V = Q W

**Lanczos** (`lanczos`) by ARPACK, to any tolerance, for no more products than it needs.

Cost: (2 q + 2) products with K + p columns and as many orthogonalisations; ARPACK one by one.

Reference: Halko, Martinsson & Tropp (2011), SIAM Review 53, 217-288, algorithms 4.4 and 5.1; Lehoucq, Sorensen & Yang
(1998), ARPACK Users' Guide.
"""

from typing import Protocol

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, svds

from .symmetric_eigen import with_signs


class LinearMap(Protocol):
    """What is asked of A."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def times(self, B: torch.Tensor) -> torch.Tensor: ...

    def back(self, C: torch.Tensor) -> torch.Tensor: ...


def randomised(
    A: LinearMap, K: int, generator: torch.Generator, *, oversamples: int = 10, rounds: int = 4
) -> tuple[torch.Tensor, torch.Tensor]:
    """The K largest singular values, approximately, and their right vectors.

    Parameters
    ----------
    A : LinearMap of shape (N, D)
    K : int
    generator : torch.Generator
        Of the random start.
    oversamples : int, default 10
        Columns of the start beyond K.
    rounds : int, default 4
        q, products with A'A.

    Returns
    -------
    s : tensor of shape (K,)
    V : tensor of shape (D, K)
    """
    N, D = A.shape
    k = min(K + oversamples, N, D)
    start = torch.randn(N, k, dtype=torch.float64, generator=generator, device=generator.device)
    Q = torch.linalg.qr(A.back(start))[0]
    for _ in range(rounds):
        Q = torch.linalg.qr(A.times(Q))[0]
        Q = torch.linalg.qr(A.back(Q))[0]
    _, s, Wt = torch.linalg.svd(A.times(Q), full_matrices=False)
    return s[:K], with_signs(Q @ Wt[:K].T)


def lanczos(A: LinearMap, K: int, generator: torch.Generator, *, tol: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by ARPACK, for 1 <= K < min(N, D); ``tol`` is relative, 0 means to rounding."""

    def product(multiply):
        return lambda v: multiply(torch.as_tensor(np.array(v, ndmin=2).reshape(len(v), -1))).numpy().reshape(-1)

    operator = LinearOperator(A.shape, matvec=product(A.times), rmatvec=product(A.back), dtype=np.float64)
    start = torch.rand(min(A.shape), dtype=torch.float64, generator=generator) * 2 - 1
    _, s, Vt = svds(operator, k=K, tol=tol, v0=start.numpy(), return_singular_vectors="vh")
    order = np.argsort(-s, kind="stable")
    return torch.from_numpy(s[order].copy()), with_signs(torch.from_numpy(Vt[order].T.copy()))
