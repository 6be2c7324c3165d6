r"""Whitening: coordinates in which the data have no correlation and unit variance.

With the mean :math:`\mu` and the covariance :math:`\Sigma = U \Lambda U^T` of weighted rows, eigenvalues from the
largest down,

.. math:: z = \Lambda_K^{-1/2} U_K^T (x - \mu), \quad x \approx \mu + U_K \Lambda_K^{1/2} z

for the first K directions (Hyvarinen & Oja 2000, section 5.2). The eigenvectors come from the covariance, which costs
N D^2, where the eigenvalues that are kept span less than nine digits; otherwise, and for fewer rows than columns, from
the singular values of the rows themselves, which keep twice as many digits. Directions in which the data vary by no
more than rounding are left out.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ..core.errors import DataError
from ..numerics.moments import Moments

EPS = float(np.finfo(float).eps)
SPAN = 1e-9  # ratio of eigenvalues down to which the covariance gives them to half of the digits or more

Solver = Literal["auto", "svd", "eigh"]


@dataclass(frozen=True, eq=False)
class White:
    """Whitened items, and the maps there and back.

    Parameters
    ----------
    Z : array of shape (K, N)
        An item in each column.
    v : array of shape (N,)
        Weights that add up to one.
    mean : array of shape (D,)
    there, back : array of shape (K, D) and (D, K)
    kept : float
        Share of the columns' variance that the K directions hold.
    rank : int
        Directions in which the data vary.
    """

    Z: np.ndarray
    v: np.ndarray
    mean: np.ndarray
    there: np.ndarray
    back: np.ndarray
    kept: float
    rank: int


def whiten(X: torch.Tensor, w: torch.Tensor | None, K: int | None, solver: Solver, owner: str) -> White:
    """Whiten rows X (N, D) of weights w (N,), on the first K directions (None: on all).

    Raises
    ------
    DataError
        For rows that are all equal, or numbers so large or small that their variances cannot be held.
    """
    N, D = X.shape
    rows = N if w is None else int((w > 0).sum())
    if rows < 2:
        raise DataError(f"{owner} compares rows: it needs at least 2 of them, got 1 sample (n_samples=1)")
    v = np.full(N, 1 / N) if w is None else (w / w.sum()).numpy(force=True)
    largest = float(X.abs().max())
    unit = 2.0 ** math.frexp(largest)[1] if not 1e-100 < largest < 1e100 and largest else 1.0
    half = 2.0 ** (math.frexp(unit)[1] // 2)  # in two steps, since 1 / unit may be beyond range where unit is not
    X = X if unit == 1.0 else X / half / (unit / half)
    s = U = None
    if N > D and solver != "svd":
        moments = Moments.of(X, X[:, :0], w)
        C = moments.xx.numpy(force=True) / moments.weight
        mean = moments.x_mean.numpy(force=True)
        variances, U = np.linalg.eigh(C)
        variances, U = variances[::-1].clip(min=0), U[:, ::-1]
        s = np.sqrt(variances)
        wanted = min(D, K or D)
        if solver == "auto" and variances[wanted - 1] < SPAN * variances[0]:
            s = None
        floor = math.sqrt(10 * D * EPS)
    X = X.numpy(force=True)
    if s is None:
        mean = v @ X
        A = (X - mean) * np.sqrt(v)[:, None]
        A = np.linalg.qr(A, mode="r") if N > D else A
        _, s, Vt = np.linalg.svd(A, full_matrices=False)
        U, floor = Vt.T, max(N, D) * EPS
    # A column of constants leaves rounding of the size of its mean, whatever the spread of the others.
    noise = max(floor * s[0], 10 * EPS * float(np.abs(mean).max()))
    rank = int((s > noise).sum())
    if not rank:
        raise DataError(f"all rows are equal, so nothing varies: {owner} needs rows that differ")
    K = min(rank, K or rank)
    U = U[:, :K] * np.where(U[np.abs(U[:, :K]).argmax(0), np.arange(K)] < 0, -1.0, 1.0)
    there, back = (U / s[:K]).T, U * s[:K]
    Z = there @ (X - mean).T
    kept = float((s[:K] ** 2).sum() / (s**2).sum())
    with np.errstate(all="ignore"):
        mean, there, back = mean * unit, there / unit, back * unit
    if not (np.isfinite(there).all() and np.isfinite(back).all()):
        raise DataError(f"the inputs are about {largest:.1e}: {owner} cannot hold their scale; change their units")
    return White(Z, v, mean, there, back, kept, rank)
