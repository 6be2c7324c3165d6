r"""A codebook grown by splitting: the algorithm of Linde, Buzo and Gray on tensors.

It begins with one code word, the mean of all rows. Each word is split in two, a little to either side along the
direction in which its cell is longest,

.. math:: c \pm \sqrt{2 / \pi} \; \sigma_c \, v_c

(v the leading eigenvector of the cell's covariance and sigma the standard deviation along it: where half of a normal
cell has its mean), and Lloyd's two half-steps move all words to where the distortion no longer falls

.. math:: J = \sum_n w_n \min_k \| x_n - c_k \|^2

So it goes on, 1, 2, 4, ... words; the last round splits only the cells with the largest distortion, if K is no power of
two. Nothing is drawn by chance.

Reference: Linde, Buzo & Gray (1980), IEEE Transactions on Communications 28, 84-95, section III; the direction of the
split: Huang & Harris (1993), IEEE Transactions on Image Processing 2, 108-112.
"""

import math
from typing import Any

import torch

from ..core.iteration import iterate
from ..latent.k_means import Partition, k_means, require_rows
from ..numerics.distances import scale

_TURNS = 10  # power iterations towards the longest direction of each cell


def grow_codebook(
    X: torch.Tensor,
    K: int,
    *,
    w: torch.Tensor | None = None,
    max_iter: int = 300,
    tol: float = 1e-4,
    owner: Any = None,
) -> Partition:
    """The codebook, the word of each row, and their distortion.

    Parameters
    ----------
    X : float64 tensor of shape (N, D)
    K : int
        Code words; at most the number of rows of positive weight.
    w : tensor of shape (N,), optional
    max_iter, tol : int, float
        For each round of Lloyd's algorithm, as in `peira.latent.k_means.k_means`.
    owner : Method, optional
        Gets the history of the last round, and is named in warnings.

    Returns
    -------
    Partition
        Words (K, D), codes (N,), the distortion J, and the steps of the last round.

    Examples
    --------
    >>> X = torch.tensor([[0.0], [1.0], [9.0], [10.0]], dtype=torch.float64)
    >>> sorted(grow_codebook(X, 2).centres[:, 0].tolist())
    [0.5, 9.5]
    """
    require_rows(len(X) if w is None else int((w > 0).sum()), K, type(owner).__name__ if owner else "grow_codebook")
    s = scale(X)
    X = X * s
    weights = torch.ones(len(X), dtype=X.dtype, device=X.device) if w is None else w
    chance = torch.Generator(X.device)  # every start is given, so that nothing is drawn
    C = (weights @ X / weights.sum())[None]
    codes = torch.zeros(len(X), dtype=torch.int64, device=X.device)
    rounds = max(1, math.ceil(math.log2(K)))
    for _ in iterate(None, rounds, name="splitting"):
        C = split(X, weights, C, codes, K)
        last = len(C) == K
        found = k_means(
            X, len(C), w=w, generator=chance, init=C, max_iter=max_iter, tol=tol, owner=owner if last else None
        )
        C, codes = found.centres, found.codes
        if last:
            return found._replace(centres=C / s, inertia=found.inertia / s / s)
    # Ended early, by a budget or because too few rows differ: the words that lack stand where others do.
    C = torch.cat([C, C[:1].expand(K - len(C), -1)])
    found = k_means(X, K, w=w, generator=chance, init=C, max_iter=max_iter, tol=tol, owner=owner)
    return found._replace(centres=found.centres / s, inertia=found.inertia / s / s)


def split(X: torch.Tensor, w: torch.Tensor, C: torch.Tensor, codes: torch.Tensor, K: int) -> torch.Tensor:
    """Twice as many words, or K if that is less: two for each cell that is not a point, largest distortion first."""
    offsets = X - C[codes]
    J = w.new_zeros(len(C)).index_add_(0, codes, w * offsets.square().sum(1))
    mass = w.new_zeros(len(C)).index_add_(0, codes, w)
    V = C.new_zeros(C.shape).index_add_(0, codes, w[:, None] * offsets * _leading_sign(offsets, w, codes, len(C)))
    for _ in range(_TURNS):
        V = torch.nn.functional.normalize(V, dim=1)
        along = (offsets * V[codes]).sum(1)
        V = C.new_zeros(C.shape).index_add_(0, codes, (w * along)[:, None] * offsets)
    V = torch.nn.functional.normalize(V, dim=1)
    along = (offsets * V[codes]).sum(1)
    variance = w.new_zeros(len(C)).index_add_(0, codes, w * along.square()) / mass.clamp(min=1e-300)
    wide = torch.argsort(J, descending=True, stable=True)[: K - len(C)]
    wide = wide[J[wide] > 1e-20 * J.sum()]
    step = (2 / math.pi * variance[wide]).sqrt()[:, None] * V[wide]
    grown = torch.cat([C, C[wide] + step])
    grown[wide] -= step
    return grown


def _leading_sign(offsets: torch.Tensor, w: torch.Tensor, codes: torch.Tensor, K: int) -> torch.Tensor:
    """The sign of each row along its cell's widest column (N, 1): a start that no symmetry makes vanish."""
    spread = offsets.new_zeros(K, offsets.shape[1]).index_add_(0, codes, w[:, None] * offsets.abs())
    return torch.where(offsets.gather(1, spread.argmax(1)[codes][:, None]) < 0, -1.0, 1.0)
