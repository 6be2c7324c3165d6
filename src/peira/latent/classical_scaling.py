r"""Coordinates from squared distances, by eigenvectors: Torgerson's step of classical scaling and Isomap.

.. math:: B = -\frac{1}{2} J S J, \qquad J = I - \frac{1}{N} 1 1^T, \qquad B = V \Lambda V^T, \qquad Y = V \Lambda^{1/2}

with S the squared distances. For Euclidean distances B is the Gram matrix of the centred items. A new item with
squared distances s to the N known ones has the inner products b with them and so the coordinates

.. math:: b = -\frac{1}{2} ( s - \bar s - \bar S + \bar{\bar S} ), \qquad y = \Lambda^{-1/2} V^T b

Reference: Torgerson (1952), Psychometrika 17, 401-419; Gower (1968), Biometrika 55, 582-585, for new items; Bengio et
al. (2004), Out-of-sample extensions for LLE, Isomap, MDS, Eigenmaps, and spectral clustering, eq. 8.
"""

import numpy as np
import torch
from scipy import linalg
from scipy.sparse.linalg import eigsh

from ..core.errors import DataError
from .lowest_eigenvectors import DENSE, turned


def classical_scaling(S: torch.Tensor, K: int) -> tuple[torch.Tensor, np.ndarray, torch.Tensor, float]:
    """Coordinates from squared distances.

    Parameters
    ----------
    S : tensor of shape (N, N)
        Written over.
    K : int
        From 1 to N.

    Returns
    -------
    Y : tensor of shape (N, K)
        Zero along directions with no positive eigenvalue.
    values : array of shape (K,)
        The largest eigenvalues of B, falling; negative ones show how far S is from Euclidean.
    means : tensor of shape (N,)
        Of the columns of S, for new items.
    square : float
        The sum of all squared eigenvalues, that is of all entries of B squared.
    """
    if not torch.isfinite(S.sum()):
        raise DataError("squares of the distances overflow: rescale the columns, and fit again")
    means = S.mean(0)
    B = S.sub_(means).sub_((means - means.mean())[:, None]).mul_(-0.5).numpy()
    N, square = len(B), float(np.vdot(B, B))
    if N <= DENSE or 3 * K >= N:
        values, V = linalg.eigh(B, subset_by_index=(N - K, N - 1))
    else:
        start = np.random.default_rng(0).normal(size=N)
        values, V = eigsh(B, K, which="LA", v0=start - start.mean())
    order = np.argsort(-values, kind="stable")
    values, V = values[order], turned(V[:, order])
    noise = N * np.finfo(np.float64).eps * max(float(values[0]), 0.0)  # of a direction that is not there
    values = np.where(np.abs(values) <= noise, 0.0, values)
    return torch.from_numpy(V * np.sqrt(values.clip(min=0.0))), values, means, square


def place(s: torch.Tensor, Y: torch.Tensor, values: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
    """The coordinates (M, K) of new items from their squared distances s (M, N) to those with coordinates Y (N, K)."""
    b = -0.5 * (s - s.mean(1, keepdim=True) - means + means.mean())
    return b @ Y / torch.where(values > 0, values, torch.inf)
