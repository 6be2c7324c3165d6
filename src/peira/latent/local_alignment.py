r"""Neighbourhoods that agree: the quadratic form that each variant of locally linear embedding minimises.

Each item has k neighbours, and a small matrix :math:`M_i` over them (and itself) that is zero for coordinates y that
suit the neighbourhood. All together, with :math:`S_i` picking the rows of the neighbourhood,

.. math:: \sum_i ( S_i y )^T M_i \, ( S_i y ) = y^T M y

* **standard** (Roweis & Saul 2000): an item is the weighted mean of its neighbours, :math:`\sum_j w_j = 1`, with the
  weights that give its inputs best, :math:`( G + r \, tr(G) I ) \, w \propto 1` for the differences' Gram matrix G;
* **modified** (Zhang & Wang 2007): several such combinations for each item, all that are nearly as good;
* **hessian** (Donoho & Grimes 2003): no curvature along the tangent: what is quadratic in its coordinates vanishes;
* **ltsa** (Zhang & Zha 2004): nothing but affine functions of the tangent's coordinates remains.

All are batched over the items: N k^3 steps, and N k^2 entries.
"""

import numpy as np
import torch
from scipy import sparse

BATCH = 1 << 22  # entries of the largest batch of small matrices: 32 MiB


def barycentre_weights(D: torch.Tensor, reg: float) -> torch.Tensor:
    """The weights (N, k), of sum one, by which differences D (N, k, features) to the neighbours add up to least.

    ``reg`` times the trace (or 1, where all neighbours coincide with the item) keeps them unique.
    """
    G = D @ D.mT
    k = D.shape[1]
    trace = G.diagonal(dim1=1, dim2=2).sum(1)
    G = G + (reg * torch.where(trace > 0, trace, 1.0))[:, None, None] * torch.eye(k, dtype=D.dtype)
    w = torch.linalg.solve(G, torch.ones(len(D), k, dtype=D.dtype))
    return w / w.sum(1, keepdim=True)


def alignment_matrix(X: torch.Tensor, near: np.ndarray, K: int, method: str, reg: float) -> sparse.csr_array:
    """The matrix M (N, N) of a method for neighbours ``near`` (N, k)."""
    N, k = near.shape
    index = torch.from_numpy(near)
    step = max(1, BATCH // (k * max(k, X.shape[1])))
    parts = [slice(i, i + step) for i in range(0, N, step)]
    if method == "standard":
        w = torch.cat([barycentre_weights(X[index[p]] - X[p, None], reg) for p in parts])
        row = np.repeat(np.arange(N), k)
        W = sparse.csr_array((w.numpy().ravel(), (row, near.ravel())), shape=(N, N))
        R = sparse.eye_array(N, format="csr") - W
        return sparse.csr_array(R.T @ R)
    if method == "modified":
        blocks = _modified(X, index, K, reg, parts)
        near = np.column_stack([near, np.arange(N)])  # the item itself comes last
    else:
        local = _quadratic if method == "hessian" else _beyond_affine
        blocks = torch.cat([local(_tangent(X[index[p]], K), K) for p in parts])
    n = near.shape[1]
    row, column = np.repeat(near, n, axis=1).ravel(), np.tile(near, (1, n)).ravel()
    return sparse.csr_array((blocks.numpy().ravel(), (row, column)), shape=(N, N))


def _tangent(Z: torch.Tensor, K: int) -> torch.Tensor:
    """Orthonormal coordinates (N, k, K) of neighbourhoods Z (N, k, features) along their main directions."""
    C = Z - Z.mean(1, keepdim=True)
    return torch.linalg.svd(C, full_matrices=False)[0][:, :, :K]


def _beyond_affine(U: torch.Tensor, K: int) -> torch.Tensor:
    """I - G G^T for G = (1 / sqrt k, U): Zhang & Zha (2004), eq. 3.7."""
    k = U.shape[1]
    G = torch.cat([torch.full_like(U[:, :, :1], k**-0.5), U], 2)
    return torch.eye(k, dtype=U.dtype) - G @ G.mT


def _quadratic(U: torch.Tensor, K: int) -> torch.Tensor:
    """H H^T for the products of coordinates, made orthonormal to constants and coordinates: Donoho & Grimes (2003)."""
    products = [U[:, :, a] * U[:, :, b] for a in range(K) for b in range(a, K)]
    functions = torch.cat([torch.ones_like(U[:, :, :1]), U, torch.stack(products, 2)], 2)
    H = torch.linalg.qr(functions)[0][:, :, K + 1 :]
    return H @ H.mT


def _modified(X: torch.Tensor, index: torch.Tensor, K: int, reg: float, parts: list[slice]) -> torch.Tensor:
    """Zhang & Wang (2007), algorithm MLLE: blocks (N, k + 1, k + 1) over the neighbours and the item itself."""
    k = index.shape[1]
    # The spectra come first, since one threshold over all of them says how many combinations each item has.
    spectra = [torch.linalg.eigh(_gram(X[index[p]] - X[p, None])) for p in parts]
    values = torch.cat([v for v, _ in spectra]).flip(1).clamp(min=0)
    heads = values.cumsum(1)
    left = (heads[:, -1:] / heads - 1)[:, :-1].nan_to_num(nan=0.0, posinf=torch.inf)  # beyond the first 1, 2, ... k - 1
    few = left[:, K - 1].median() if k > K else left.new_zeros(())
    s = (left < few).sum(1).clamp(1, k - K)
    blocks = []
    for p, (_, V) in zip(parts, spectra, strict=True):
        V, n = V.flip(2), s[p, None].to(X.dtype)
        w = barycentre_weights(X[index[p]] - X[p, None], reg)
        kept = (torch.arange(k) >= k - s[p, None]).to(X.dtype)  # the last s columns of V, (N, k)
        V = V * kept[:, None, :]
        sums = V.sum(1)
        alpha = sums.norm(dim=1, keepdim=True) / n.sqrt()
        h = alpha * kept - sums
        length = h.norm(dim=1, keepdim=True)
        h = torch.where(length > 1e-12, h / length, 0.0)
        A = V - 2 * (V @ h[:, :, None]) * h[:, None, :] + ((1 - alpha) * w)[:, :, None] * kept[:, None, :]
        A = torch.cat([A, -kept[:, None, :]], 1)
        blocks.append(A @ A.mT)
    return torch.cat(blocks)


def _gram(D: torch.Tensor) -> torch.Tensor:
    return D @ D.mT
