r"""Distances between rows of tables.

With a and b two rows of D numbers:

=================  ====================================================  =======================================
metric             distance                                              what it asks
=================  ====================================================  =======================================
euclidean (l2)     :math:`(\sum_j (a_j - b_j)^2)^{1/2}`                  how far, as the crow flies
sqeuclidean        :math:`\sum_j (a_j - b_j)^2`                          the same, squared: no triangle inequality
manhattan (l1)     :math:`\sum_j |a_j - b_j|`                            how far along the axes
chebyshev          :math:`\max_j |a_j - b_j|`                            how far in the worst column
minkowski          :math:`(\sum_j |a_j - b_j|^p)^{1/p}`                  all of the above, p >= 1
mahalanobis        :math:`((a - b)^T V^{-1} (a - b))^{1/2}`              how far, in units of the spread
cosine             :math:`1 - a^T b / (|a| |b|)`                         do they point the same way?
correlation        the cosine distance of a and b less their own means   do their columns rise and fall together?
hamming            :math:`\frac{1}{D} \sum_j 1\{a_j \neq b_j\}`          the share of columns that differ
=================  ====================================================  =======================================

Euclid, Manhattan, Chebyshev and Minkowski depend on the units of the columns: bring them to one scale first.
Mahalanobis does not: an invertible affine map of all rows changes nothing. Cosine and correlation are no metrics
(their square roots are); a row without a direction (zeros; for correlation, equal entries) is at distance 1 from
every other.

The arithmetic, with its error bounds, is that of `peira.numerics.distances`: squared Euclidean distances are right to
a relative error of 1e-12, and equal rows are at distance 0.

Reference: Mahalanobis (1936), Proceedings of the National Institute of Sciences of India 2, 49-55; Deza & Deza (2009),
Encyclopedia of Distances, chapters 1 and 17.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..core.errors import DataError, ParameterError, closest
from ..core.inputs import Queries, open_matrix
from ..numerics.distances import NAMES, Metric, blocked, distances
from ..numerics.distances import metric as metric_of

SPARSE = ("cosine", "euclidean", "l2", "sqeuclidean")
"""Metrics of sparse rows, which stay sparse."""


def pairwise_distances(
    X: Any, Y: Any = None, metric: str = "euclidean", *, p: float = 2.0, V: Any = None, VI: Any = None
) -> Any:
    """Distances between the rows of X and those of Y.

    Parameters
    ----------
    X : array, frame, sparse matrix or tensor of shape (N, D)
        Sparse for the metrics "euclidean", "sqeuclidean" and "cosine".
    Y : as X, of shape (M, D), optional
        Without it, the rows of X: the result is then exactly symmetric, and zero on the diagonal.
    metric : str, default "euclidean"
        A name of the table above; "l1", "l2" and "cityblock" are known too.
    p : float, default 2
        The norm of "minkowski", at least 1.
    V, VI : array of shape (D, D), optional
        Covariance of "mahalanobis", or its inverse. Without both, the covariance of all rows given, with divisor one
        less than their number.

    Returns
    -------
    array or tensor of shape (N, M)
        float64; a tensor if ``X`` is one.

    Raises
    ------
    ValueError
        For an unknown metric (the nearest name is given), columns that do not agree, values that are not finite, or
        a singular covariance.

    See Also
    --------
    pairwise_distances_chunked : The same, one block of rows at a time.

    Notes
    -----
    Costs N M D, and N M numbers of memory.

    Examples
    --------
    >>> from peira.measures.distances import pairwise_distances
    >>> pairwise_distances([[0.0, 0.0], [3.0, 4.0]], metric="manhattan")
    array([[0., 7.],
           [7., 0.]])
    """
    A, B, chosen = _open(X, Y, metric, p, V, VI)
    D = distances(A.X, B.X, chosen)
    if Y is None:
        D = D.tril(-1)
        D = D + D.T
    return A.give(D)


def pairwise_distances_chunked(
    X: Any,
    Y: Any = None,
    metric: str = "euclidean",
    *,
    rows: int | None = None,
    p: float = 2.0,
    V: Any = None,
    VI: Any = None,
) -> Iterator[Any]:
    """The distances of `pairwise_distances` in blocks of rows, so that N M numbers never need be held.

    Parameters
    ----------
    X, Y, metric, p, V, VI
        As for `pairwise_distances`.
    rows : int, optional
        Rows of X in a block; by default so many that it takes 16 MiB.

    Yields
    ------
    array or tensor of shape (n, M)

    Examples
    --------
    >>> from peira.measures.distances import pairwise_distances_chunked
    >>> [block.shape for block in pairwise_distances_chunked([[0.0], [1.0], [2.0]], rows=2)]
    [(2, 3), (1, 3)]
    """
    if rows is not None and (not isinstance(rows, int) or rows < 1):
        raise ParameterError(f"rows must be a whole number >= 1, got {rows!r}")
    A, B, chosen = _open(X, Y, metric, p, V, VI)

    def blocks() -> Iterator[Any]:
        for part, block in blocked(A.X, B.X, chosen, rows=rows):
            if Y is None:
                block[torch.arange(len(block)), torch.arange(part.start, part.stop)] = 0.0
            yield A.give(block)

    return blocks()


def mahalanobis(X: Any, mean: Any = None, covariance: Any = None, *, squared: bool = False) -> Any:
    r"""How far each row lies from a mean, in units of the spread.

    .. math:: d(x) = ((x - m)^T V^{-1} (x - m))^{1/2}

    For rows from a normal distribution with this mean and covariance, the squares follow the chi-squared distribution
    with D degrees of freedom. A mean and a covariance from rows with outliers hide these outliers ("masking").

    Parameters
    ----------
    X : array, frame or tensor of shape (N, D)
    mean : array of shape (D,), optional
        Without it, the mean of the rows.
    covariance : array of shape (D, D), optional
        Without it, that of the rows, with divisor N - 1.
    squared : bool, default False

    Returns
    -------
    array or tensor of shape (N,)

    Raises
    ------
    ValueError
        If the covariance is singular (N <= D, or columns that depend on each other), or sizes do not agree.

    Examples
    --------
    >>> from peira.measures.distances import mahalanobis
    >>> mahalanobis([[3.0, 4.0]], mean=[0.0, 0.0], covariance=[[1.0, 0.0], [0.0, 4.0]], squared=True)
    array([13.])
    """
    queries = open_matrix(X, owner="mahalanobis")
    D = queries.X.shape[1]
    m = queries.X.mean(0) if mean is None else queries.tensor(mean)
    if m.shape != (D,) or not torch.isfinite(m).all():
        raise DataError(f"mean must be {D} finite numbers, one a column; got shape {tuple(m.shape)}")
    V = _covariance(queries.X) if covariance is None else queries.tensor(covariance)
    if V.shape != (D, D):
        raise DataError(f"covariance must have shape {(D, D)}, got {tuple(V.shape)}")
    d = distances(queries.X, m[None], metric_of("mahalanobis", V=V))[:, 0]
    return queries.give(d.square() if squared else d)


def _open(X: Any, Y: Any, metric: str, p: float, V: Any, VI: Any) -> tuple[Queries, Queries, Metric]:
    if metric not in NAMES:
        raise ParameterError(f"unknown metric {metric!r}; {closest(metric, NAMES)}")
    owner = f"pairwise_distances with metric={metric!r}"
    A = open_matrix(X, owner=owner, sparse_ok=metric in SPARSE)
    B = A if Y is None else open_matrix(Y, owner=owner, sparse_ok=metric in SPARSE, name="Y")
    if A.X.shape[1] != B.X.shape[1]:
        raise DataError(f"X has {A.X.shape[1]} columns, Y has {B.X.shape[1]}: distances need the same columns")
    if sparse.issparse(A.X) != sparse.issparse(B.X):
        A.X, B.X = (M if sparse.issparse(M) else sparse.csr_array(M.numpy(force=True)) for M in (A.X, B.X))
    if metric == "mahalanobis" and V is None and VI is None:
        V = _covariance(A.X if Y is None else torch.cat([A.X, B.X]))
    return A, B, metric_of(metric, p=p, V=_matrix(V, A, "V"), VI=_matrix(VI, A, "VI"))


def _matrix(M: Any, like: Queries, what: str) -> torch.Tensor | None:
    if M is None:
        return None
    D = like.X.shape[1]
    M = M.to(torch.float64) if isinstance(M, torch.Tensor) else torch.as_tensor(np.asarray(M, dtype=np.float64))
    if M.shape != (D, D):
        raise DataError(
            f"{what} must have shape {(D, D)}, one row and column for each column of X; got {tuple(M.shape)}"
        )
    return M.to(like.device)


def _covariance(X: torch.Tensor) -> torch.Tensor:
    N, D = X.shape
    if N <= D:
        raise DataError(f"the covariance of {N} rows of {D} columns is singular: give more rows than columns, V, or VI")
    return torch.cov(X.T).reshape(D, D)
