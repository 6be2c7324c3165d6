r"""Sums of kernels from many rows to many queries: the arithmetic of kernel densities.

.. math:: \log \sum_n w_n \, k( \| q_m - x_n \| / h )

**Gaussian kernel.** With rows and queries about the mean of the rows and in units of h, the exponents are one matrix
product,

.. math:: - \| q - x \|^2 / 2 = ( q, \; - \| q \|^2 / 2, \; 1 )^T ( x, \; 1, \; - \| x \|^2 / 2 )

made for a block of queries and rows that stays in the cache, and summed there. Its rounding errors are at most
:math:`(D + 8) \, u \, (\| q \|^2 + \| x \|^2) / 2`. Where that may exceed 1e-9, and for the other kernels, the
distances come from the differences themselves, or are repaired (:mod:`peira.numerics.distances`): so logarithms of sums
are right to 1e-9 and a relative 1e-12. Queries whose sum would be lost below the range of numbers are taken again with
the largest term in front.

Cost: N M (D + one exponential). Memory: a block.
"""

import math

import torch

from ..numerics.distances import ROUNDOFF, blocked, metric
from .smoothing_kernels import LOG_PROFILES

QUERIES, ROWS = 128, 1024  # a block of exponents: 1 MiB
ERROR = 1e-9
LOST = 1e-250


def log_kernel_sums(
    Q: torch.Tensor, X: torch.Tensor, h: float, kernel: str, w: torch.Tensor | None = None, *, own: bool = False
) -> torch.Tensor:
    """Logarithms of the sums at the queries, (M,); -inf where no row is near.

    Parameters
    ----------
    Q, X : tensor of shape (M, D), (N, D)
    h : float
    kernel : str
    w : tensor of shape (N,), optional
        Weights > 0; 1 by default.
    own : bool, default False
        The queries are the rows: each then lacks itself once (all of it, if its weight is below 1).
    """
    if kernel != "gaussian":
        return _by_distances(Q, X, h, kernel, w, own)
    A, B = ((R - X.mean(0)) / h for R in (Q, X))
    a, b = (R.square().sum(1) / 2 for R in (A, B))
    error = (X.shape[1] + 8) * ROUNDOFF * (float(a.max()) + float(b.max()))
    if not error <= ERROR:
        return _by_distances(Q, X, h, kernel, w, own)
    A = torch.cat([A, -a[:, None], torch.ones_like(a)[:, None]], 1)
    B = torch.cat([B, torch.ones_like(b)[:, None], -b[:, None]], 1).T.contiguous()
    total = torch.zeros_like(a)
    room = A.new_empty(QUERIES * ROWS)
    for i in range(0, len(A), QUERIES):
        part = A[i : i + QUERIES]
        for j in range(0, B.shape[1], ROWS):
            columns = B[:, j : j + ROWS]
            E = room[: len(part) * columns.shape[1]].view(len(part), columns.shape[1])
            torch.mm(part, columns, out=E)
            if own and j < i + QUERIES and i < j + ROWS:
                E.diagonal(offset=i - j).fill_(-torch.inf)
            E.exp_()
            total[i : i + QUERIES] += E.sum(1) if w is None else E @ w[j : j + ROWS]
    if own and w is not None:
        total += (w - 1).clamp(min=0)
    found = total.log()
    lost = (total < LOST).nonzero()[:, 0]
    if len(lost):
        found[lost] = _by_distances(Q[lost], X, h, kernel, w, own, lost)
    return found


def _by_distances(
    Q: torch.Tensor, X: torch.Tensor, h: float, kernel: str, w: torch.Tensor | None, own: bool,
    positions: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    found = torch.empty_like(Q[:, 0])
    for part, d in blocked(Q, X, metric("euclidean")):
        E = LOG_PROFILES[kernel](d / h)
        if w is not None:
            E = E + w.log()
        if own:
            mine = torch.arange(part.start, part.stop, device=d.device) if positions is None else positions[part]
            left = torch.zeros_like(mine, dtype=E.dtype) if w is None else (w[mine] - 1).clamp(min=0)
            E[torch.arange(len(mine), device=d.device), mine] = left.log()
        found[part] = E.logsumexp(1)
    return found


def log_left_out(X: torch.Tensor, h: float, w: torch.Tensor | None) -> torch.Tensor:
    """Logarithm of the Gaussian kernel density at each row by the others, (N,): Silverman (1986), eq. 3.43."""
    D, W = X.shape[1], float(len(X)) if w is None else float(w.sum())
    return (
        log_kernel_sums(X, X, h, "gaussian", w, own=True) - math.log(W - 1) - D * math.log(h * math.sqrt(2 * math.pi))
    )
