r"""Distances within and between clusters: is a partition of points compact and well apart?

With K clusters of n_k points around centres m_k, the total scatter about the overall mean m parts into that within
the clusters and that between them,

.. math:: \sum_i |x_i - m|^2 = \sum_k \sum_{i \in k} |x_i - m_k|^2 + \sum_k n_k |m_k - m|^2

(SST = SSW + SSB). From it, and from distances d of points:

* silhouette (Rousseeuw 1987, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis",
  Journal of Computational and Applied Mathematics 20): with a the mean distance of a point to the others of its
  cluster and b that to the points of the nearest other cluster,

  .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

  and zero for the only point of a cluster;
* Calinski and Harabasz (1974): the variance ratio

  .. math:: CH = \frac{SSB / (K - 1)}{SSW / (N - K)}

* Davies and Bouldin (1979): with S_k the mean distance of the points of k to their centre, the mean over clusters of

  .. math:: \max_{l \neq k} \frac{S_k + S_l}{|m_k - m_l|}

* Dunn (1974): the least distance of points of different clusters over the greatest distance inside of one.

All take Euclidean distances. None compares well across different numbers of clusters without a word of caution: each
favours the round shapes that its formula describes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import DataError
from ..numerics.distances import blocked, distances, metric
from .arrays import numbers
from .labels import open_labels
from .measure import Measure


@dataclass(frozen=True)
class Scatter:
    """The sums of squares: total = within + between."""

    total: float
    within: float
    between: float


def _opened(X: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Points (N, D), centred, the cluster of each (N,), and the number of clusters."""
    x, t = numbers(X, "the points"), open_labels(labels, "the labels of the clusters")
    if len(x) != len(t):
        raise DataError(f"there are {len(x)} points, but {len(t)} labels; they must agree")
    names, codes = np.unique(t, return_inverse=True)
    return torch.as_tensor(x - x.mean(0)), torch.as_tensor(codes), len(names)


def _compared(X: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor, int]:
    """The same, for measures that need from two clusters to one less than there are points."""
    x, codes, K = _opened(X, labels)
    if not 2 <= K <= len(x) - 1:
        raise DataError(f"Number of labels is {K}. Valid values are 2 to n_samples - 1 = {len(x) - 1} (inclusive)")
    return x, codes, K


def _centres(x: torch.Tensor, codes: torch.Tensor, K: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean (K, D) and the number (K,) of each cluster's points."""
    n = torch.bincount(codes, minlength=K)
    return torch.zeros(K, x.shape[1], dtype=x.dtype).index_add(0, codes, x) / n[:, None], n


def scatter(X: Any, labels: Any) -> Scatter:
    """The scatter of points about their mean, within clusters, and of the clusters' centres.

    Parameters
    ----------
    X : array of shape (N, D)
    labels : array of shape (N,)

    Examples
    --------
    >>> from peira.measures import scatter
    >>> scatter([[0.0], [2.0], [10.0], [12.0]], ["a", "a", "b", "b"])
    Scatter(total=104.0, within=4.0, between=100.0)
    """
    x, codes, K = _opened(X, labels)
    m, n = _centres(x, codes, K)
    overall = x.mean(0)
    return Scatter(
        float(((x - overall) ** 2).sum()),
        float(((x - m[codes]) ** 2).sum()),
        float((n[:, None] * (m - overall) ** 2).sum()),
    )


def silhouette_samples(X: Any, labels: Any) -> np.ndarray:
    """The silhouette of each point.

    Parameters
    ----------
    X : array of shape (N, D)
    labels : array of shape (N,)
        From 2 to N - 1 clusters.

    Returns
    -------
    ndarray of shape (N,)
        Between -1 (nearer to another cluster) and 1; zero for the only point of a cluster.

    Raises
    ------
    DataError
        For a single cluster, or as many as points.

    Notes
    -----
    N^2 D steps, in blocks: N K numbers in memory.

    Examples
    --------
    >>> from peira.measures import silhouette_samples
    >>> silhouette_samples([[0.0], [1.0], [9.0], [11.0]], [0, 0, 1, 1]).round(3)
    array([0.9  , 0.889, 0.765, 0.81 ])
    """
    x, codes, K = _compared(X, labels)
    n = torch.bincount(codes, minlength=K).to(x.dtype)
    s = torch.empty(len(x), dtype=x.dtype)
    for block, d in blocked(x, x, metric("euclidean")):
        sums = torch.zeros(len(d), K, dtype=x.dtype).index_add(1, codes, d)
        own = codes[block, None]
        a = sums.gather(1, own)[:, 0] / (n[own[:, 0]] - 1)
        b = (sums / n).scatter(1, own, torch.inf).amin(1)
        s[block] = torch.where(n[own[:, 0]] > 1, (b - a) / torch.maximum(a, b), 0.0)
    return s.nan_to_num(nan=0.0).numpy()  # points that all coincide: 0 by 0


def silhouette_score(X: Any, labels: Any) -> float:
    """The mean silhouette; see `silhouette_samples`."""
    return float(silhouette_samples(X, labels).mean())


def calinski_harabasz_score(X: Any, labels: Any) -> float:
    """The variance ratio: higher for compact clusters far apart; 1 if there is no scatter within, as in scikit-learn.

    Parameters
    ----------
    X : array of shape (N, D)
    labels : array of shape (N,)
        From 2 to N - 1 clusters.

    Notes
    -----
    N D steps.
    """
    x, _, K = _compared(X, labels)
    parts = scatter(X, labels)
    if parts.within == 0:
        return 1.0
    return parts.between * (len(x) - K) / (parts.within * (K - 1))


def davies_bouldin_score(X: Any, labels: Any) -> float:
    """How alike each cluster is to its most similar one, on average: lower is better, zero the least.

    Clusters with the same centre count as infinitely far apart, as in scikit-learn: look at the silhouette then.

    Parameters
    ----------
    X : array of shape (N, D)
    labels : array of shape (N,)
        From 2 to N - 1 clusters.

    Notes
    -----
    N D + K^2 D steps.
    """
    x, codes, K = _compared(X, labels)
    m, n = _centres(x, codes, K)
    S = torch.zeros(K, dtype=x.dtype).index_add(0, codes, (x - m[codes]).norm(dim=1)) / n
    apart = distances(m, m, metric("euclidean"))
    ratio = torch.where(apart > 0, (S[:, None] + S) / apart, 0.0)
    return float(ratio.amax(1).mean())


def dunn_index(X: Any, labels: Any) -> float:
    """The least distance between clusters over the greatest diameter of one: higher is better.

    Parameters
    ----------
    X : array of shape (N, D)
    labels : array of shape (N,)
        From 2 to N - 1 clusters.

    Returns
    -------
    float
        Infinite if all points of each cluster coincide.

    Notes
    -----
    N^2 D steps, in blocks. A single outlier decides it.

    Examples
    --------
    >>> from peira.measures import dunn_index
    >>> dunn_index([[0.0], [1.0], [9.0], [11.0]], [0, 0, 1, 1])
    4.0
    """
    x, codes, _ = _compared(X, labels)
    apart, wide = torch.tensor(torch.inf, dtype=x.dtype), torch.tensor(0.0, dtype=x.dtype)
    for block, d in blocked(x, x, metric("euclidean")):
        same = codes[block, None] == codes
        apart = torch.minimum(apart, torch.where(same, torch.inf, d).amin())
        wide = torch.maximum(wide, torch.where(same, d, 0.0).amax())
    return float(apart / wide) if wide > 0 else float("inf")


def _unweighted(of: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], np.ndarray]:
    def items(X: Any, labels: Any, w: Any = None) -> np.ndarray:
        if w is not None:
            raise DataError("measures of clusters know no weights: a distance belongs to two points; leave them out")
        return np.reshape(of(X, labels), (-1, 1))

    return items


def _whole(name: str, title: str, better: Any, of: Callable[[Any, Any], float]) -> Measure:
    return Measure(name, title, better, (0, float("inf")), "a ratio", "predict", _unweighted(of), statistic="whole",
                   tasks=("clustering",), aliases=(of.__name__,))  # fmt: skip


MEASURES = (
    Measure("silhouette", "mean silhouette", "higher", (-1, 1), "a ratio of distances", "predict",
            _unweighted(silhouette_samples), tasks=("clustering",), aliases=("silhouette_score",)),
    _whole("calinski_harabasz", "Calinski and Harabasz's variance ratio", "higher", calinski_harabasz_score),
    _whole("davies_bouldin", "Davies and Bouldin's index", "lower", davies_bouldin_score),
    _whole("dunn", "Dunn's index", "higher", dunn_index),
)  # fmt: skip
"""Each judges labels against the points themselves: ``value(X, labels)``."""
