r"""Agreement of two partitions of the same items, whatever their clusters are called.

With n_jk the number of items in cluster j of one and k of the other, a and b its sums of rows and columns, and N items:

* Rand's index adjusted for chance (Hubert and Arabie 1985, "Comparing partitions", Journal of Classification 2),
  over pairs of items, with

  .. math:: S = \sum_{jk} \binom{n_{jk}}{2}, \quad A = \sum_j \binom{a_j}{2}, \quad B = \sum_k \binom{b_k}{2}

  .. math:: ARI = \frac{S - A B / \binom{N}{2}}{(A + B)/2 - A B / \binom{N}{2}}

* mutual information, in nats,

  .. math:: I = \sum_{jk} \frac{n_{jk}}{N} \log \frac{N n_{jk}}{a_j b_k}

  which is normalised by an average of the two entropies, and adjusted by what partitions of these sizes share by
  chance (Vinh, Epps and Bailey 2010, "Information theoretic measures for clusterings comparison: variants,
  properties, normalization and correction for chance", Journal of Machine Learning Research 11):

  .. math:: AMI = \frac{I - E[I]}{avg(H_1, H_2) - E[I]}

* homogeneity (each cluster holds one class), completeness (each class lies in one cluster), and their harmonic mean,
  the V-measure (Rosenberg and Hirschberg 2007): I over the entropy of the classes, and of the clusters.

Only the adjusted ones have zero for random partitions.
"""

from math import comb
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import sparse, special

from ..core.errors import ParameterError
from .labels import label_codes

Averaging = Literal["arithmetic", "geometric", "min", "max"]
_BLOCK = 4_000_000  # terms of the expectation held in memory at a time


class Homogeneity(NamedTuple):
    """Homogeneity, completeness and V-measure, each between 0 and 1."""

    homogeneity: float
    completeness: float
    v_measure: float


def _table(y: Any, clusters: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cells that hold items (their numbers and places j, k), and the sums of rows a and of columns b."""
    t, _, _ = label_codes(y, y)
    f, _, _ = label_codes(clusters, clusters)
    if len(t) != len(f):
        label_codes(t, f)  # says so
    n = sparse.coo_array((np.ones(len(t), dtype=np.int64), (t, f))).tocsr().tocoo()
    j, k = n.coords
    return n.data, j, k, np.bincount(t), np.bincount(f)


def adjusted_rand_score(y: Any, clusters: Any) -> float:
    """Rand's index adjusted for chance: 1 for equal partitions, 0 on average for random ones; can be negative.

    Parameters
    ----------
    y, clusters : arrays of shape (N,)
        The labels of two partitions, of any kind.

    Notes
    -----
    N log N steps; exact in whole numbers up to the last division.

    Examples
    --------
    >>> from peira.measures import adjusted_rand_score
    >>> adjusted_rand_score([0, 0, 1, 1], ["b", "b", "a", "a"])
    1.0
    """
    n, _, _, a, b = _table(y, clusters)
    N = int(a.sum())
    S, A, B = (sum(comb(int(v), 2) for v in counts) for counts in (n, a, b))
    pairs = comb(N, 2)
    below = pairs * (A + B) - 2 * A * B
    return 1.0 if below == 0 else 2 * (pairs * S - A * B) / below  # both trivial in the same way


def mutual_info_score(y: Any, clusters: Any) -> float:
    """Mutual information of two partitions, in nats; parameters as in `adjusted_rand_score`."""
    n, j, k, a, b = _table(y, clusters)
    N = a.sum()
    return max(0.0, float((n / N * (np.log(n / N) - np.log(a[j] / N) - np.log(b[k] / N))).sum()))


def _entropy(counts: np.ndarray) -> float:
    return float(special.entr(counts / counts.sum()).sum())


def _averaged(first: float, second: float, how: Averaging) -> float:
    match how:
        case "arithmetic":
            return (first + second) / 2
        case "geometric":
            return float(np.sqrt(first * second))
        case "min":
            return min(first, second)
        case "max":
            return max(first, second)
    raise ParameterError(f"average_method is 'arithmetic', 'geometric', 'min' or 'max', got {how!r}")


def normalized_mutual_info_score(y: Any, clusters: Any, *, average_method: Averaging = "arithmetic") -> float:
    """Mutual information over an average of the entropies: between 0 and 1, but not adjusted for chance.

    Parameters
    ----------
    y, clusters : arrays of shape (N,)
    average_method : "arithmetic", "geometric", "min" or "max"

    Returns
    -------
    float
        1 if both partitions are a single cluster.
    """
    _, _, _, a, b = _table(y, clusters)
    whole = _averaged(_entropy(a), _entropy(b), average_method)
    if len(a) == len(b) == 1:
        return 1.0
    information = mutual_info_score(y, clusters)
    return 0.0 if information <= np.finfo(float).eps or whole <= 0 else min(1.0, information / whole)


def adjusted_mutual_info_score(y: Any, clusters: Any, *, average_method: Averaging = "arithmetic") -> float:
    """Mutual information adjusted for chance: 1 for equal partitions, 0 on average for random ones.

    Parameters
    ----------
    y, clusters : arrays of shape (N,)
    average_method : "arithmetic", "geometric", "min" or "max"

    Returns
    -------
    float
        1 where chance alone already reaches the greatest value (all clusters single items, say), as in scikit-learn.

    Notes
    -----
    N (number of clusters) steps for the expectation.

    Examples
    --------
    >>> from peira.measures import adjusted_mutual_info_score
    >>> adjusted_mutual_info_score([0, 0, 1, 1], [1, 1, 0, 0])
    1.0
    """
    _, _, _, a, b = _table(y, clusters)
    whole = _averaged(_entropy(a), _entropy(b), average_method)
    if len(a) == 1 or len(b) == 1:
        return float(len(a) == len(b))
    information, chance = mutual_info_score(y, clusters), expected_mutual_information(a, b)
    if abs(whole - chance) <= 1e-12 * max(1.0, whole):  # chance alone reaches the greatest value: 0 by 0
        return 1.0
    return (information - chance) / (whole - chance)


def expected_mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    r"""The mean mutual information of random partitions with sizes a (R,) and b (C,), in nats.

    .. math:: E[I] = \sum_{jk} \sum_n \frac{n}{N} \log \frac{N n}{a_j b_k}\, P(n_{jk} = n)

    where n is hypergeometric (Vinh, Epps and Bailey 2010, equation 24a). Equal sizes are computed once.
    """
    N = int(a.sum())
    (a, times_a), (b, times_b) = (np.unique(v, return_counts=True) for v in (a, b))
    log_factorial = special.gammaln(np.arange(N + 1) + 1.0)
    total = 0.0
    for size, times in zip(a.tolist(), times_a.tolist(), strict=True):
        n = np.arange(1, size + 1)
        for start in range(0, len(b), max(1, _BLOCK // size)):
            columns = slice(start, start + max(1, _BLOCK // size))
            B = b[columns, None]
            possible = (n <= B) & (n >= size + B - N)
            m = np.where(possible, n, np.maximum(1, size + B - N))  # any possible one: its term does not count
            log_p = (
                (log_factorial[size] + log_factorial[B] + log_factorial[N - size] + log_factorial[N - B])
                - (log_factorial[N] + log_factorial[m] + log_factorial[size - m] + log_factorial[B - m])
                - log_factorial[N - size - B + m]
            )
            terms = m / N * (np.log(N * m) - np.log(size * B)) * np.exp(log_p)
            total += times * float(times_b[columns] @ np.where(possible, terms, 0.0).sum(1))
    return total


def homogeneity_completeness_v_measure(y: Any, clusters: Any, *, beta: float = 1.0) -> Homogeneity:
    """Homogeneity, completeness and V-measure.

    Parameters
    ----------
    y : array of shape (N,)
        The classes.
    clusters : array of shape (N,)
    beta : float, default 1.0
        Completeness counts beta times as much as homogeneity.

    Returns
    -------
    Homogeneity

    Examples
    --------
    >>> from peira.measures import homogeneity_completeness_v_measure
    >>> homogeneity_completeness_v_measure([0, 0, 1, 1], [0, 1, 2, 3]).homogeneity
    1.0
    """
    if not beta >= 0:
        raise ParameterError(f"beta must be 0 or more, got {beta}")
    _, _, _, a, b = _table(y, clusters)
    information, of_classes, of_clusters = mutual_info_score(y, clusters), _entropy(a), _entropy(b)
    h = information / of_classes if of_classes > 0 else 1.0
    c = information / of_clusters if of_clusters > 0 else 1.0
    v = (1 + beta) * h * c / (beta * h + c) if h + c > 0 else 0.0
    return Homogeneity(h, c, v)
