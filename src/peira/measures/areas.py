r"""Areas under curves, what each item contributes to them, and how sure they are.

The placement of an item is the share of the other class that stands on its right side of it, ties counting half.
The area A is the mean placement of either class, and DeLong, DeLong and Clarke-Pearson (1988, "Comparing the areas
under two or more correlated receiver operating characteristic curves: a nonparametric approach", Biometrics 44)
take its variance from those of the placements V of the m positive and n negative items:

.. math:: Var(A) = \frac{S^2_{+}}{m} + \frac{S^2_{-}}{n}, \quad S^2 = \frac{1}{m - 1} \sum_i (V_i - A)^2

The same in terms of each item's influence on A, in which averages over classes are averages of influences:

.. math:: \phi_i = (V_i - A) / (share\ of\ the\ class\ of\ i), \quad Var(A) = \frac{1}{N^2} \sum_i \phi_i^2

The influence of an item on the average precision is the derivative of the sum with respect to its weight. With r_i
the precision at item i and n_i the weight of items at or above it,

.. math:: \phi_j = \frac{N}{P} \left( 1_j (r_j - AP) + \sum_{i: 1_i = 1, s_i \leq s_j} \frac{1_j - r_i}{n_i} \right)
"""

from itertools import combinations
from typing import Literal

import numpy as np
from scipy import optimize, special

from .bootstrap import corrected

FEW = 2_000
"""Items times classes beyond which the normal interval of an average precision takes the place of the bootstrap."""


def area_of(score: np.ndarray, positive: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray]:
    """The area under the ROC curve and the influence (N,) of each item; NaN without items of both classes."""
    nan = np.full(len(w), np.nan)
    P, M = w[positive].sum(), w[~positive].sum()
    if not (P > 0 and M > 0):
        return float("nan"), nan
    _, level = np.unique(score, return_inverse=True)
    own, other = np.bincount(level, w * positive), np.bincount(level, w * ~positive)
    below = (np.cumsum(other) - other / 2) / M  # of the negatives, below each level
    above = 1 - (np.cumsum(own) - own / 2) / P  # of the positives, above it
    V = np.where(positive, below[level], above[level])
    A = float(np.average(below[level[positive]], weights=w[positive]))
    phi = V - A
    for side in (positive, ~positive):
        m = w[side].sum() ** 2 / (w[side] ** 2).sum()
        phi[side] *= w.sum() / w[side].sum() * (np.sqrt(m / (m - 1)) if m > 1 + 1e-9 else np.nan)
    return A, phi


def areas(
    codes: np.ndarray, scores: np.ndarray, w: np.ndarray, multi_class: Literal["ovr", "ovo"], average: str
) -> tuple[float, np.ndarray]:
    """The averaged area and the influence (N,) of each item, from positions (N,) and scores (N, C)."""
    if scores.shape[1] <= 2:
        return area_of(scores[:, -1], codes == 1, w)
    observed = np.bincount(codes, w, minlength=scores.shape[1])
    present, share = np.flatnonzero(observed), observed / observed.sum()
    if len(present) < 2:
        return float("nan"), np.full(len(w), np.nan)
    total, phi, each = 0.0, np.zeros(len(w)), np.zeros(scores.shape[1])
    if multi_class == "ovr":
        for c in present:
            A, influence = area_of(scores[:, c], codes == c, w)
            a = share[c] if average == "weighted" else 1 / len(present)
            total, each[c], phi = total + a * A, A, phi + a * influence
    else:
        for j, k in combinations(present, 2):
            both = np.flatnonzero((codes == j) | (codes == k))
            v = (share[j] + share[k]) if average == "weighted" else 2 / len(present)
            for c in (j, k):
                A, influence = area_of(scores[both, c], codes[both] == c, w[both])
                a = v / (2 * (len(present) - 1))
                total += a * A
                each[[j, k]] += A / (2 * (len(present) - 1))
                phi[both] += a * influence / (share[j] + share[k])
    if average == "weighted":
        phi += each[codes] - total  # the shares of the classes are estimated, too
    return total, phi


def area_interval(
    codes: np.ndarray,
    scores: np.ndarray,
    w: np.ndarray,
    level: float,
    multi_class: Literal["ovr", "ovo"] = "ovr",
    average: str = "macro",
) -> tuple[float, float]:
    """DeLong's interval; where the classes are told apart perfectly, so that it has no width, `perfect_limit`.

    NaN if a class has a single item, whose variance nothing tells.
    """
    A, phi = areas(codes, scores, w, multi_class, average)
    half = float(special.ndtri((1 + level) / 2) * np.sqrt(((w * phi) ** 2).sum()) / w.sum())
    if np.isnan(A) or np.isnan(half):
        return float("nan"), float("nan")
    if min(A, 1 - A) < 1e-12:
        observed = np.bincount(codes)
        observed = observed[observed > 0]
        limit = float(np.mean([perfect_limit(int(m), int(observed.sum() - m), level) for m in observed]))
        return (limit, 1.0) if A > 0.5 else (0.0, 1 - limit)
    return max(0.0, A - half), min(1.0, A + half)


def perfect_limit(m: int, n: int, level: float) -> float:
    r"""The lower limit of an area that was observed as one, from m positive and n negative items.

    The smallest area A from which one lies within z standard errors, by the standard error of Hanley and McNeil
    (1982, "The meaning and use of the area under a receiver operating characteristic curve", Radiology 143):

    .. math:: Q_1 = \frac{A}{2 - A}, \quad Q_2 = \frac{2 A^2}{1 + A}

    .. math:: m n\, Var = A (1 - A) + (m - 1) (Q_1 - A^2) + (n - 1) (Q_2 - A^2)

    as Wilson's interval does for a share.
    """
    z = special.ndtri((1 + level) / 2)

    def gap(A: float) -> float:
        variance = A * (1 - A) + (m - 1) * (A / (2 - A) - A**2) + (n - 1) * (2 * A**2 / (1 + A) - A**2)
        return (1 - A) - z**2 * variance / (m * n * (1 - A))

    return float(optimize.brentq(gap, 1e-12, 1 - 1e-12))


def precision_of(codes: np.ndarray, scores: np.ndarray, w: np.ndarray, average: str = "macro") -> np.ndarray:
    """Average precision, of shape (B,), for weightings (B, N); NaN where no item of the one class is observed."""
    if scores.shape[1] <= 2:
        return precision_steps(scores[:, -1], codes == 1, w)
    total, share = np.zeros(len(w)), np.zeros(len(w))
    for c in np.unique(codes):
        observed = w @ (codes == c)
        a = observed if average == "weighted" else np.where(observed > 0, 1.0, 0.0)
        total, share = total + np.where(a > 0, a * precision_steps(scores[:, c], codes == c, w), 0.0), share + a
    return total / share


def precision_steps(score: np.ndarray, positive: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Average precision of one class for weightings (B, N); NaN without items of it."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    tp, everything = (np.cumsum(v[:, order], axis=1)[:, ends] for v in (w * positive, w))
    precision = np.divide(tp, everything, out=np.zeros(tp.shape), where=everything > 0)
    P = tp[:, -1]
    return np.divide((np.diff(tp, axis=1, prepend=0.0) * precision).sum(1), P, out=np.full(len(w), np.nan), where=P > 0)


def precision_influence(score: np.ndarray, positive: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The influence (N,) of each item on the average precision of one class (module docstring)."""
    levels, level = np.unique(-score, return_inverse=True)
    tp, everything = np.cumsum(np.bincount(level, w * positive)), np.cumsum(np.bincount(level, w))
    r, gained = tp / everything, np.bincount(level, w * positive)
    P = tp[-1]
    if not P > 0:
        return np.zeros(len(w))
    AP = (gained * r).sum() / P
    one, loss = (np.cumsum((gained * v / everything)[::-1])[::-1] for v in (np.ones(len(levels)), r))
    return w.sum() / P * (positive * (r[level] - AP) + positive * one[level] - loss[level])


def precision_interval(
    codes: np.ndarray, scores: np.ndarray, w: np.ndarray, level: float, seed: int
) -> tuple[float, float]:
    """The BCa bootstrap for few items, the normal interval of the influences for many."""
    C = scores.shape[1]
    classes = [1] if C <= 2 else np.unique(codes).tolist()
    value = precision_of(codes, scores, w[None])[0]
    if np.isnan(value):
        return float("nan"), float("nan")
    phi = sum(precision_influence(scores[:, c], codes == c, w) for c in classes) / len(classes)
    if len(w) * len(classes) <= FEW:
        items = np.column_stack([codes, scores])
        return corrected(lambda _, v: precision_of(codes, scores, v), items, w, level, seed, w * phi)
    half = special.ndtri((1 + level) / 2) * np.sqrt(((w * phi) ** 2).sum()) / w.sum()
    return max(0.0, float(value - half)), min(1.0, float(value + half))
