r"""Non-negative least squares by coordinate descent: one factor of a non-negative factorisation, given the other.

Each row w of W solves a problem of its own, with the row x of X,

.. math:: \min_{w \geq 0} \; \frac{1}{2} | x - w H |^2 + \lambda_1 \sum_k w_k + \frac{\lambda_2}{2} |w|^2

and one coordinate at a time has the closed form, with :math:`G = H H^T + \lambda_2 I` and :math:`c = H x - \lambda_1`,

.. math:: w_k \leftarrow \max(0, \; w_k - \frac{(G w)_k - c_k}{G_{kk}} )

No step raises the objective. What is left to gain shows in the projected gradient, which is zero at the solution.

Cost: N K^2 a sweep, once X H^T and H H^T are known (N D K + D K^2).

Reference: Cichocki & Phan (2009), IEICE Trans. E92-A, 708-721 (HALS); Hsieh & Dhillon (2011), KDD, section 3.
"""

import numpy as np

from ..numerics.compile import compiled


@compiled(fast=True)
def sweep(W: np.ndarray, G: np.ndarray, C: np.ndarray) -> float:
    """One pass over the coordinates of every row of W (N, K), in place; returns the sum of projected gradients."""
    N, K = W.shape
    violation = 0.0
    for n in range(N):
        for k in range(K):
            if G[k, k] <= 0.0:
                continue
            slope = -C[n, k]
            for j in range(K):
                slope += G[k, j] * W[n, j]
            gradient = slope if W[n, k] > 0.0 else min(slope, 0.0)
            violation += abs(gradient)
            if gradient != 0.0:
                W[n, k] = max(W[n, k] - slope / G[k, k], 0.0)
    return violation


@compiled(fast=True)
def solve_rows(W: np.ndarray, G: np.ndarray, C: np.ndarray, tol: float, most: int) -> int:
    """Each row of W, from where it stands, to its own solution; returns how many rows ran out of sweeps.

    A row is solved when no projected gradient exceeds ``tol`` times the largest entry of its C.
    """
    N, K = W.shape
    late = 0
    for n in range(N):
        size = 0.0
        for k in range(K):
            size = max(size, abs(C[n, k]))
        done = False
        for _ in range(most):
            worst = 0.0
            for k in range(K):
                if G[k, k] <= 0.0:
                    continue
                slope = -C[n, k]
                for j in range(K):
                    slope += G[k, j] * W[n, j]
                gradient = slope if W[n, k] > 0.0 else min(slope, 0.0)
                worst = max(worst, abs(gradient))
                if gradient != 0.0:
                    W[n, k] = max(W[n, k] - slope / G[k, k], 0.0)
            if worst <= tol * size:
                done = True
                break
        if not done:
            late += 1
    return late
