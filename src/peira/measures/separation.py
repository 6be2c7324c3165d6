r"""How well sources were separated: Amari's index of the unmixing, and the sources paired with the true ones.

Where x = A s and the sources found are W x, the product P = W A should have one entry in each row and column:

.. math:: \frac{1}{2 K (K - 1)} \left( \sum_i \left( \sum_j \frac{|p_{ij}|}{\max_k |p_{ik}|} - 1 \right)
          + \sum_j \left( \sum_i \frac{|p_{ij}|}{\max_k |p_{kj}|} - 1 \right) \right)

is then zero, and at most one (Amari, Cichocki & Yang 1996, NIPS 8, 757-763, eq. 4.1, divided by its largest value).
Order, sign and scale of the sources have no part in it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..core.errors import DataError
from .correlation import product


def amari_index(unmixing: Any, mixing: Any) -> float:
    """How far an unmixing is from the inverse of the mixing, but for order, sign and scale of the sources.

    Parameters
    ----------
    unmixing : array of shape (K, D)
        Such as ``components_``.
    mixing : array of shape (D, K)
        The true one.

    Returns
    -------
    float
        From 0 (perfect) to 1; 0 for a single source.

    Raises
    ------
    DataError
        If the shapes do not fit, a value is not finite, or a source is not found at all.

    Examples
    --------
    >>> from peira.measures import amari_index
    >>> amari_index([[0.0, 2.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    0.0
    """
    W, A = (np.asarray(part, dtype=np.float64) for part in (unmixing, mixing))
    if W.ndim != 2 or W.shape != A.T.shape:
        raise DataError(f"an unmixing (K, D) and a mixing (D, K) are needed, got shapes {W.shape} and {A.shape}")
    if not (np.isfinite(W).all() and np.isfinite(A).all()):
        raise DataError("the unmixing or the mixing holds values that are not finite")
    P, K = np.abs(W @ A), len(W)
    if not (P.any(0).all() and P.any(1).all()):
        raise DataError("a source has no part in what was found, or a row of the unmixing is zero")
    if K == 1:
        return 0.0
    rows, columns = P / P.max(1, keepdims=True), P / P.max(0)
    return float((rows.sum() - K + columns.sum() - K) / (2 * K * (K - 1)))


@dataclass(frozen=True)
class MatchedSources:
    """True sources, each with the one that was found for it.

    Parameters
    ----------
    order : array of shape (K,)
        The column found for each true source.
    sign : array of shape (K,)
        1, or -1 where it came out upside down.
    correlation : array of shape (K,)
        Its size |r|.
    """

    order: np.ndarray
    sign: np.ndarray
    correlation: np.ndarray


def match_sources(true: Any, found: Any) -> MatchedSources:
    """Pair each true source with one that was found, so that the sum of all |r| is largest.

    Parameters
    ----------
    true : array of shape (N, K)
    found : array of shape (N, L), L >= K

    Returns
    -------
    MatchedSources

    Raises
    ------
    DataError
        If the shapes do not fit, or a column is constant.

    Notes
    -----
    Costs N K L, and the assignment K^2 L.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.measures import match_sources
    >>> S = np.random.default_rng(0).normal(size=(50, 2))
    >>> match_sources(S, np.column_stack([-S[:, 1], 2 * S[:, 0]]))
    MatchedSources(order=array([1, 0]), sign=array([ 1., -1.]), correlation=array([1., 1.]))
    """
    S, F = (np.asarray(part, dtype=np.float64) for part in (true, found))
    if S.ndim != 2 or F.ndim != 2 or len(S) != len(F) or len(S) < 2 or F.shape[1] < S.shape[1]:
        raise DataError(f"sources (N, K) and at least as many found (N, L) are needed, got {S.shape} and {F.shape}")
    K = S.shape[1]
    r = product(np.hstack([S, F]))[:K, K:]
    if np.isnan(r).any():
        raise DataError("a source is constant, or a value is not finite")
    rows, order = linear_sum_assignment(-np.abs(r))
    best = r[rows, order]
    return MatchedSources(order, np.sign(best), np.abs(best))
