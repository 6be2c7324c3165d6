r"""The first few directions of a tall table, from a scatter matrix in single precision that is then put right.

Nearly all of the time of a PCA of many rows goes into one product, the scatter :math:`S = A^T A` of the centred rows A.
In single precision it takes half as long, and its leading eigenvectors V are right to seven digits or so. One further
pass over the rows in double precision, a product with these few columns alone, says how S acts on them. With
:math:`\tilde S = S - E` for the rounded scatter and its errors E,

.. math:: F = A^T (A V) - \tilde S V = E V

.. math:: \tilde S \leftarrow \tilde S + F V^T + V F^T - V (V^T F) V^T

This is the smallest symmetric change after which :math:`\tilde S V = S V` (Powell 1970; the step of quasi-Newton
methods, for a Hessian of which some products are known). Only the part of E at right angles to V is left, and as V is
nearly invariant, it acts in second order: what a pass leaves of the error of the subspace, in sines of angles, is

.. math:: \epsilon_{t+1} \approx \rho \, \epsilon_t, \quad \rho \approx | E | / (\lambda_K - \lambda_{L+1})

with L columns in V, some more than the K asked for. The eigenvalues have the square of that. How far a pass turned the
subspace is the error of the one before, so that the last one tells its own: passes end when it is below what the
rounding of a scatter in double precision does, :math:`\lambda_1 / (\lambda_K - \lambda_{K+1})` units in the last place.

**When not.** Where variances differ by many orders of magnitude, single precision does not see the small ones, as a
sample of the rows tells beforehand; and where no gap follows the K directions passes don't help. Then the answer is
None, and the product in double precision is the way.

Cost: half of N D^2 / 2 multiplications in double precision, 2 N D L a pass (one as a rule), and two eigenproblems.

Reference: Powell (1970), A new algorithm for unconstrained optimization, in Nonlinear Programming, 31-65; Parlett
(1998), The symmetric eigenvalue problem, 11.7, for the bound in the gap.
"""

import math

import numpy as np
import torch
from scipy.linalg.blas import dgemm, ssyrk

from ..numerics.compile import compiled
from ..numerics.symmetric_eigen import leading_eigenvectors

WIDE = 256  # columns: of fewer, the product costs too little for the rest to pay
SHARE = 32  # columns for each direction asked for
TALL = 32  # rows for each column
FLAT = 1e-2  # share of the K-th variance of a sample in its first: below, single precision sees too little of it
SAMPLE = 256  # rows for a centre; every fourth of them for the variances
BLOCK = 1 << 17  # numbers in a block of rows that is rounded and multiplied: both find it in the cache
GROUP = 8  # blocks whose products are added in single precision
PASS = 128  # rows in a block of a pass in double precision
CLOSE = 32  # rows serve as they lie while the mean's square exceeds the first variance by at most this factor
PASSES = 3
LOST = 1e-2  # a first turn beyond which passes don't help


def pays(N: int, D: int, K: int) -> bool:
    """Whether the table is so tall, and the directions so few, that this way is the faster one."""
    return D >= WIDE and N >= TALL * D and 0 < SHARE * K <= D


def leading_by_rounded_scatter(
    X: torch.Tensor, K: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """The K directions in which the rows vary most about their mean.

    Parameters
    ----------
    X : contiguous tensor of shape (N, D), float64, on the CPU
    K : int

    Returns
    -------
    mean : tensor of shape (D,)
    squares, vectors : tensors of shape (K,) and (D, K)
        Sums of squares along the directions, and these.
    totals : tensor of shape (D,)
        Sums of squares of the columns about their means.
    None, in place of all, if this way does not reach the digits of double precision.
    """
    centre, unit, far = _sampled(X, K)
    if not unit:
        return None
    A, centre = X.numpy(), centre.numpy()
    mean, totals, S = _rounded(A, centre, unit)
    if not np.isfinite(S).all():
        return None
    S, L = torch.from_numpy(S), K + 2 + -(K + 2) % 4
    squares, V = leading_eigenvectors(S, L)
    error = 1.0
    for _ in range(PASSES):
        F = torch.from_numpy(_product(A, mean, V.numpy(), far)) - S @ V
        half = F - 0.5 * V @ (V.T @ F)
        S += half @ V.T + V @ half.T
        before, (squares, V) = V, leading_eigenvectors(S, L)
        W = V[:, :K]
        turn = float(torch.linalg.matrix_norm(W - before @ (before.T @ W), 2))
        if turn > LOST * error:
            return None
        left, error = turn**2 / error, turn
        if left * float(squares[K - 1] - squares[K]) <= 8 * torch.finfo(S.dtype).eps * float(squares[0]):
            return torch.from_numpy(mean), squares[:K], W, torch.from_numpy(totals)
    return None


def _sampled(X: torch.Tensor, K: int) -> tuple[torch.Tensor, float, bool]:
    """Of some rows: the mean, a unit that brings them near 1 (0 if it is no use), and whether the mean is far off."""
    some = X[:: len(X) // max(SAMPLE, 8 * K)]
    centre = some.mean(0)
    few = some[::4] - centre
    G = few @ few.T
    squares = torch.linalg.eigvalsh(G).flip(0) if bool(G.isfinite().all()) else G[0]
    if not bool(squares[K - 1] > FLAT * squares[0]):
        return centre, 0.0, False
    unit = 2.0 ** -round(math.log2(float(squares[0]) / len(few)) / 2)
    return centre, unit, float(centre.square().sum()) * len(few) > CLOSE * float(squares[0])


def _rounded(A: np.ndarray, centre: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean (D,) and the columns' sums of squares about it, exact, and the scatter (D, D) in single precision."""
    N, D = A.shape
    rows = max(1, BLOCK // D)
    block, part = np.empty((rows, D), np.float32), np.zeros((D, D), np.float32, order="F")
    sums, S = np.zeros((2, D)), np.zeros((D, D))
    for k, i in enumerate(range(0, N, rows)):
        Z = block[: min(rows, N - i)]
        sums += round_rows(A[i : i + rows], centre, unit, Z)
        ssyrk(1.0, Z.T, beta=float(k % GROUP > 0), c=part, overwrite_c=1)
        if k % GROUP == GROUP - 1 or i + rows >= N:
            S += part.T
    shift = sums[0] / N
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large for single precision
        S = np.tril(S) / unit**2
        S += np.tril(S, -1).T
        S -= np.outer(N * shift, shift)
    return centre + shift, sums[1] - N * shift**2, S


@compiled(fast=True)
def round_rows(X, centre, unit, out):
    """out = (X - centre) unit, in the precision of ``out``; gives sums of the differences and of their squares."""
    sums = np.zeros((2, X.shape[1]))
    first, second = sums[0], sums[1]
    for n in range(len(X)):
        x, z = X[n], out[n]
        for d in range(x.size):
            e = x[d] - centre[d]
            first[d] += e
            second[d] += e * e
            z[d] = e * unit
    return sums


def _product(A: np.ndarray, mean: np.ndarray, V: np.ndarray, far: bool) -> np.ndarray:
    """S V in double precision, (D, L): one pass over the rows, as they lie or, where the mean is far, centred."""
    V = np.asfortranarray(V)
    out, sums, origin = np.zeros(V.shape, order="F"), np.zeros(V.shape[1]), 0.0 if far else mean @ V
    for i in range(0, len(A), PASS):
        X = A[i : i + PASS] - mean if far else A[i : i + PASS]
        Y = dgemm(1.0, X.T, V, trans_a=1) - origin
        dgemm(1.0, X.T, Y, beta=1.0, c=out, overwrite_c=1)
        sums += Y.sum(0)
    return out if far else out - np.outer(mean, sums)
