r"""From the eigenvectors of a graph to clusters, without chance.

Were the K parts of a graph not joined at all, its first K eigenvectors U (N, K) would be their indicators, but for a
rotation. Two ways to undo it:

* pivots (Damle, Minden & Ying 2019, algorithm 1): the K columns of :math:`U^T` that a pivoted QR factorisation picks
  lie in K different parts. With their polar factor Q, the nearest orthogonal matrix,

  .. math:: label_i = \arg\max_k | (U Q)_{ik} |

* alternation (Yu & Shi 2003): the nearest indicators to a rotation, the nearest rotation to these indicators, until
  nothing improves,

  .. math:: \min_{Q, Z} \| Z - U Q \|^2, \quad Q^T Q = I, \quad Z \; indicators

Cost: N K^2 a step.

Reference: Damle, Minden & Ying (2019), Information and Inference 8, 181-203; Yu & Shi (2003), Multiclass spectral
clustering, ICCV, 313-319.
"""

import numpy as np
from scipy.linalg import qr

STEPS = 100


def by_pivots(U: np.ndarray) -> np.ndarray:
    """Labels (N,) by pivoted QR, for coordinates U (N, K)."""
    K = U.shape[1]
    _, _, pivots = qr(U.T, pivoting=True, mode="economic")
    left, _, right = np.linalg.svd(U[pivots[:K]].T)
    return np.abs(U @ (left @ right)).argmax(1)


def by_rotation(U: np.ndarray) -> np.ndarray:
    """Labels (N,) by alternating between indicators and rotations.

    It starts with the rows that the pivots pick, and so needs no chance.
    """
    lengths = np.linalg.norm(U, axis=1, keepdims=True)
    V = U / np.where(lengths > 0, lengths, 1.0)
    K = V.shape[1]
    _, _, pivots = qr(V.T, pivoting=True, mode="economic")
    Q, before = V[pivots[:K]].T, -np.inf
    for _ in range(STEPS):
        labels = (V @ Q).argmax(1)
        indicators = np.eye(K)[labels]
        left, s, right = np.linalg.svd(V.T @ indicators)
        if s.sum() <= before * (1 + 1e-12):
            break
        Q, before = left @ right, s.sum()
    return labels
