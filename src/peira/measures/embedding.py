r"""Does a picture in few dimensions keep the neighbourhoods of the items?

With k neighbours, r(i, j) the rank of j among the neighbours of i in the original space (1 for the nearest),
:math:`\hat r(i, j)` that in the embedding, and :math:`U_k(i)` the items that are among the k nearest of i in the
embedding but not in the original space,

.. math:: T(k) = 1 - \frac{2}{N k (2 N - 3 k - 1)} \sum_i \sum_{j \in U_k(i)} ( r(i, j) - k )

is the trustworthiness: 1 if no item is shown near that is not near. Continuity exchanges the two spaces: 1 if no item
that is near is torn away. Both lie between 0 and 1 for k < N / 2.

Cost: N^2 (D + log N), in blocks of rows. Distances are Euclidean unless another metric is named; ties are broken by
the order of the rows.

Reference: Venna & Kaski (2001), Neighborhood preservation in nonlinear projection methods, ICANN, 485-491.
"""

from typing import Any

import numpy as np
import torch

from ..core.errors import DataError
from ..numerics.distances import Metric, blocked, metric
from .arrays import numbers


def trustworthiness(X: Any, X_embedded: Any, *, n_neighbors: int = 5, metric: str = "euclidean") -> float:
    """How far items that are shown near are near.

    Parameters
    ----------
    X : array of shape (N, D)
        The items; with metric="precomputed" their distances (N, N).
    X_embedded : array of shape (N, K)
        Their places; distances between these are Euclidean.
    n_neighbors : int, default 5
        Below N / 2.
    metric : str, default "euclidean"
        Of the items: a name that `peira.measures.pairwise_distances` knows, or "precomputed".

    Returns
    -------
    float
        From 0 to 1, 1 being best.

    Raises
    ------
    DataError
        If the two differ in rows, or n_neighbors is not below N / 2.

    Examples
    --------
    >>> from peira.measures.embedding import trustworthiness
    >>> trustworthiness([[0.0], [1.0], [2.0], [9.0]], [[0.0], [1.0], [2.0], [3.0]], n_neighbors=1)
    1.0
    """
    A, own = _opened(X, metric)
    B, euclid = _opened(X_embedded, "euclidean")
    return _kept(A, own, B, euclid, n_neighbors)


def continuity(X: Any, X_embedded: Any, *, n_neighbors: int = 5, metric: str = "euclidean") -> float:
    """How far items that are near are shown near; see `trustworthiness`."""
    A, own = _opened(X, metric)
    B, euclid = _opened(X_embedded, "euclidean")
    return _kept(B, euclid, A, own, n_neighbors)


def _opened(X: Any, name: str) -> tuple[torch.Tensor, Metric | None]:
    rows = torch.as_tensor(numbers(X, "the items"))
    if name == "precomputed":
        if rows.shape[0] != rows.shape[1]:
            raise DataError(f"metric='precomputed' takes a square matrix of distances, got shape {tuple(rows.shape)}")
        return rows, None
    return rows, metric(name)


def _kept(A: torch.Tensor, of_a: Metric | None, B: torch.Tensor, of_b: Metric | None, k: int) -> float:
    """One less the scaled sum of ranks in A, beyond k, of the k neighbours in B."""
    N = len(A)
    if len(B) != N:
        raise DataError(f"there are {N} items, but {len(B)} places; they must agree")
    if not 1 <= k < N / 2:
        raise DataError(f"n_neighbors ({k}) should be at least 1, and less than n_samples / 2 ({N / 2})")
    total = 0
    for (part, in_a), (_, in_b) in zip(_blocks(A, of_a), _blocks(B, of_b), strict=True):
        rows = np.arange(N)[part]
        order, near = _order(in_a, rows), _order(in_b, rows)[:, :k]
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(1, N + 1)[None], 1)
        total += int(np.maximum(np.take_along_axis(rank, near, 1) - k, 0).sum())
    return 1.0 - 2.0 * total / (N * k * (2.0 * N - 3.0 * k - 1.0))


def _blocks(rows: torch.Tensor, of: Metric | None) -> Any:
    n = max(1, (1 << 21) // len(rows))
    if of is None:
        return ((slice(i, i + n), rows[i : i + n]) for i in range(0, len(rows), n))
    return blocked(rows, rows, of, rows=n)


def _order(d: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """The items by distance from each of some rows, itself last."""
    others = d.numpy().copy()
    others[np.arange(len(rows)), rows] = np.inf
    return np.argsort(others, axis=1, kind="stable")
