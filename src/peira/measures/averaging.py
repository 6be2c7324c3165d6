r"""Rates of a class, and their averages over classes.

Each rate of class c is a ratio of sums over items. With what was rightly predicted (tp), predicted (pred) and
observed (true), and the number n of all items,

.. math:: precision = \frac{tp}{pred}, \quad recall = \frac{tp}{true}

.. math:: specificity = \frac{n - pred - true + tp}{n - true}

.. math:: F_\beta = \frac{(1 + \beta^2)\, tp}{\beta^2\, true + pred}, \quad Jaccard = \frac{tp}{true + pred - tp}

(precision and recall are F at beta zero and infinity). *binary*: the rate of the positive class. *macro*: the plain
mean over classes, each counting alike; *weighted*: their mean with the observed shares as weights; *micro*: the
ratio of the sums over classes. A ratio of zero by zero takes the value ``zero_division``; if that is NaN, the class
is left out of the average (Sokolova and Lapalme 2009, "A systematic analysis of performance measures for
classification tasks", Information Processing and Management 45(4), Table 3, for micro and macro averages).

All functions work on B tables at once: sums of shape (B, C).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Average = Literal["binary", "micro", "macro", "weighted"]
Parts = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Sums:
    """Weights of items for each class c, of shape (B, C): rightly predicted, predicted, observed; n (B, 1) of all."""

    tp: np.ndarray
    pred: np.ndarray
    true: np.ndarray
    n: np.ndarray

    def of(self, classes: np.ndarray) -> "Sums":
        """The sums of some classes; position -1 is a class without items."""

        def taken(a: np.ndarray) -> np.ndarray:
            return np.where(classes >= 0, a[:, classes], 0.0)

        return Sums(taken(self.tp), taken(self.pred), taken(self.true), self.n)


def f_parts(beta: float) -> Callable[[Sums], Parts]:
    """Numerator and denominator of F-beta; zero is precision, infinity recall."""

    def parts(s: Sums) -> Parts:
        if np.isposinf(beta):
            return s.tp, s.true
        return (1 + beta**2) * s.tp, beta**2 * s.true + s.pred

    return parts


def jaccard_parts(s: Sums) -> Parts:
    """Numerator and denominator of Jaccard's index."""
    return s.tp, s.true + s.pred - s.tp


def specificity_parts(s: Sums) -> Parts:
    """Numerator and denominator of the specificity, the recall of "not this class"."""
    numerator, denominator = s.n - s.pred - s.true + s.tp, s.n - s.true
    none = denominator <= 1e-12 * s.n  # what rounding leaves of a difference is no item
    return np.where(none, 0.0, numerator), np.where(none, 0.0, denominator)


def divided(numerator: np.ndarray, denominator: np.ndarray, zero_division: float) -> np.ndarray:
    """The ratio, and ``zero_division`` for zero by zero."""
    return np.divide(
        numerator, denominator, out=np.full(denominator.shape, float(zero_division)), where=denominator > 0
    )


def averaged(parts: Callable[[Sums], Parts], sums: Sums, average: Average, zero_division: float = 0.0) -> np.ndarray:
    """The averaged rate, of shape (B,); for "binary" the sums are those of the positive class alone."""
    numerator, denominator = parts(sums)
    if average == "micro":
        return divided(numerator.sum(-1), denominator.sum(-1), zero_division)
    rates = divided(numerator, denominator, zero_division)
    known = ~np.isnan(rates)
    w = np.where(known, sums.true if average == "weighted" else 1.0, 0.0)
    w = np.where(w.sum(-1, keepdims=True) > 0, w, known)  # none of the classes was observed: the plain mean
    return divided((w * np.where(known, rates, 0.0)).sum(-1), w.sum(-1), np.nan)
