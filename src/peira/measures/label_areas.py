r"""Areas under curves for sets of labels: each label is a class against the rest, and items are what is drawn.

"macro" is the mean over the labels of their areas, "micro" the one area of all N L answers together. What item i does
to the value is its influence (`peira.measures.areas`), the mean over labels of the influences of its answers,

.. math:: \phi_i = \frac{1}{L} \sum_l \phi_{il}, \quad Var(A) = \frac{1}{N^2} \sum_i \phi_i^2

since the answers of one item are not independent of each other: for the area under the ROC curve this is the variance
of clustered data (Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", Biometrics 53).

Labels that no item has, or for the ROC curve every item, have no area: they are left out of means (scikit-learn's
functions say NaN of the whole, and for average precision count such a label as 0).
"""

from typing import Literal

import numpy as np
from scipy import special

from ..core.errors import ParameterError
from .areas import FEW, area_of, perfect_limit, precision_influence, precision_steps
from .bootstrap import corrected
from .label_sets import ranking_loss_of_items, ranking_precision_of_items, weighted_mean

How = Literal["macro", "micro"]


def label_area(T: np.ndarray, S: np.ndarray, w: np.ndarray, how: How) -> tuple[float, np.ndarray]:
    """The area under the ROC curve and the influence (N,) of each item."""
    N, L = T.shape
    if how == "micro":
        A, phi = area_of(S.ravel(), T.ravel(), np.repeat(w, L))
        return A, phi.reshape(N, L).mean(1)
    each = [area_of(S[:, k], T[:, k], w) for k in range(L)]
    each = [(A, phi) for A, phi in each if not np.isnan(A)]
    if not each:
        return float("nan"), np.full(N, np.nan)
    return float(np.mean([A for A, _ in each])), np.mean([phi for _, phi in each], axis=0)


def label_area_interval(T: np.ndarray, S: np.ndarray, w: np.ndarray, level: float, how: How) -> tuple[float, float]:
    """The normal interval of the influences; where the order is perfect, so that it has no width, `perfect_limit`.

    NaN if a label has a single item, or all but one, whose variance nothing tells.
    """
    A, phi = label_area(T, S, w, how)
    half = float(special.ndtri((1 + level) / 2) * np.sqrt(((w * phi) ** 2).sum()) / w.sum())
    if np.isnan(A) or np.isnan(half):
        return float("nan"), float("nan")
    if min(A, 1 - A) < 1e-12:
        if how == "micro":  # items that have a label, and items that lack one
            sides = [(int(T.any(1).sum()), int((~T).any(1).sum()))]
        else:
            sides = [(int(m), len(T) - int(m)) for m in T.sum(0) if 0 < m < len(T)]
        limit = float(np.mean([perfect_limit(m, n, level) for m, n in sides]))
        return (limit, 1.0) if A > 0.5 else (0.0, 1 - limit)
    return max(0.0, A - half), min(1.0, A + half)


def label_precision(T: np.ndarray, S: np.ndarray, w: np.ndarray, how: How) -> np.ndarray:
    """Average precision, of shape (B,), for weightings (B, N); NaN where no label is observed."""
    L = T.shape[1]
    if how == "micro":
        return precision_steps(S.ravel(), T.ravel(), np.repeat(w, L, axis=1))
    total, known = np.zeros(len(w)), np.zeros(len(w))
    for k in np.flatnonzero(T.any(0)):
        value = precision_steps(S[:, k], T[:, k], w)
        total, known = total + np.nan_to_num(value), known + ~np.isnan(value)
    return np.divide(total, known, out=np.full(len(w), np.nan), where=known > 0)


def label_precision_interval(
    T: np.ndarray, S: np.ndarray, w: np.ndarray, level: float, seed: int, how: How
) -> tuple[float, float]:
    """The BCa bootstrap over items for few answers, the normal interval of the influences for many."""
    N, L = T.shape
    value = float(label_precision(T, S, w[None], how)[0])
    if np.isnan(value):
        return float("nan"), float("nan")
    if how == "micro":
        phi = precision_influence(S.ravel(), T.ravel(), np.repeat(w, L)).reshape(N, L).mean(1)
    else:
        phi = np.mean([precision_influence(S[:, k], T[:, k], w) for k in np.flatnonzero(T.any(0))], axis=0)
    if N * L <= FEW:
        return corrected(lambda _, v: label_precision(T, S, v, how), T, w, level, seed, w * phi)
    half = float(special.ndtri((1 + level) / 2) * np.sqrt(((w * phi) ** 2).sum()) / w.sum())
    return max(0.0, value - half), min(1.0, value + half)


def averaged_area(
    of: Literal["roc_auc", "average_precision"], T: np.ndarray, S: np.ndarray, w: np.ndarray, average: str | None
) -> float | np.ndarray:
    """An area of sets of labels by scikit-learn's words for averages; of each label (L,) for None."""
    if average not in ("micro", "macro", "weighted", "samples", None):
        raise ParameterError(
            f"y holds sets of labels, so average is 'micro', 'macro', 'weighted', 'samples' or None, got {average!r}"
        )

    def area(score: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> float:
        if of == "roc_auc":
            return area_of(score, positive, weight)[0]
        return float(precision_steps(score, positive, weight[None])[0])

    L = T.shape[1]
    if average == "micro":
        return area(S.ravel(), T.ravel(), np.repeat(w, L))
    if average == "samples":
        return weighted_mean(_areas_of_items(of, T, S), w)
    each = np.array([area(S[:, k], T[:, k], w) for k in range(L)])
    if average is None:
        return each
    return weighted_mean(each, w @ T if average == "weighted" else np.ones(L))


def _areas_of_items(of: str, T: np.ndarray, S: np.ndarray) -> np.ndarray:
    """The area of each item, whose labels its scores put in order, of shape (N,); NaN without labels to count."""
    n = T.sum(1)
    if of == "average_precision":
        return np.where(n > 0, ranking_precision_of_items(T, S), np.nan)
    behind, before = ranking_loss_of_items(T, S), ranking_loss_of_items(T, -S)  # ties are in both: they count half
    return np.where((n > 0) & (n < T.shape[1]), (1 - behind + before) / 2, np.nan)
