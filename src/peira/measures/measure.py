r"""A performance measure: what it is called, what is good, and how sure a value of it is.

Nearly every measure is a function of weighted means of numbers that each item gives by itself,

.. math:: \theta = g\left( \frac{\sum_i w_i t_i}{\sum_i w_i} \right)

(RMSE: the squared error and a root; R2: the squared error, the target and its square). So a
measure is written as its *items* t, an array (N, T), and its *combine* g; the value, the weights,
several outputs and the interval follow. Order statistics (a median, a maximum) have a *reduce* of
their own.

Intervals, by kind of statistic:

* "mean" and "function": the bias-corrected and accelerated bootstrap over items (Efron 1987,
  "Better bootstrap confidence intervals", Journal of the American Statistical Association
  82(397)). Its ends are quantiles of the bootstrap values at the levels

  .. math:: \alpha' = \Phi\left( z_0 + \frac{z_0 + z_\alpha}{1 - a (z_0 + z_\alpha)} \right)

  where z0 corrects for bias and a, from the jackknife, for skewness. It does not change its coverage
  under g, so it serves R2 and RMSE as it serves MSE, and never leaves the measure's range. Beyond
  2,000 items, where skewness of a mean has faded, the jackknife's normal interval takes its place:
  N steps instead of 2,000 N.
* "share" (how often something is true): Wilson's interval (Wilson 1927), since the bootstrap of a
  share near 0 or 1 collapses.
* "median": Woodruff's interval (Woodruff 1952, "Confidence intervals for medians and other position
  measures", Journal of the American Statistical Association 47), since the jackknife fails for medians.
  With several outputs its ends are averaged, which errs on the wide side.
* "maximum": none (NaN), because the bootstrap is wrong for extremes (Bickel and Freedman 1981).
* "whole" (a statistic of all items together that is no function of means, such as an area under a curve): the
  measure's own *bounds*, none without them.

Intervals treat items as independent draws of the population, given the fitted method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from .arrays import weights
from .bootstrap import bca, jackknife_normal, median_interval, wilson

Items = Callable[[Any, Any, np.ndarray | None], np.ndarray | sparse.csr_array]
Bounds = Callable[[np.ndarray, np.ndarray, float, int], tuple[float, float] | None]
MANY = 2_000
"""Number of items beyond which the normal interval takes the place of the bootstrap."""


def average(means: np.ndarray) -> np.ndarray:
    """The mean over outputs: (B, K) to (B,)."""
    return means.mean(-1)


@dataclass(frozen=True)
class Measure:
    """A performance measure.

    Parameters
    ----------
    name, title : str
        For code, and for people.
    better : "higher", "lower" or "nominal"
        Which values are good; "nominal" ones should be close to ``nominal``.
    range : tuple of two floats
        Least and greatest possible value.
    units : str
        In words, from the unit of the target.
    needs : "predict", "predict_dist", "log_prob", "transform" or "inverse_transform"
        The verb whose answer is judged.
    items : function of (y, answer, weights)
        What each item contributes, of shape (N, T); a sparse array for counts of many classes. The weights serve
        to centre, never to scale.
    combine : function of means (B, T) that returns (B,)
        From weighted means to the value, for B weightings at once; the mean over T by default.
    reduce : function of items (N, T) and weights (N,) that returns the value, optional
        In place of ``combine`` for order statistics and areas.
    statistic : str
        Which interval is right (module docstring).
    bounds : function of items, weights, level and seed that returns low and high, or None, optional
        An interval of the measure's own; where it is None, that of the statistic.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "nominal"]
    range: tuple[float, float]
    units: str
    needs: Literal["predict", "predict_dist", "log_prob", "transform", "inverse_transform"]
    items: Items
    combine: Callable[[np.ndarray], np.ndarray] = average
    reduce: Callable[[np.ndarray, np.ndarray], float] | None = None
    statistic: Literal["mean", "function", "share", "median", "maximum", "whole"] = "mean"
    tasks: tuple[str, ...] = ("regression",)
    aliases: tuple[str, ...] = ()
    nominal: float | None = None
    fewest: int = 1
    bounds: Bounds | None = None

    def _over(self, items: np.ndarray, w: np.ndarray) -> np.ndarray:
        """The value for each of the weightings w (B, N), from means."""
        return self.combine(w @ items / w.sum(-1, keepdims=True))

    def _open(self, y: Any, answer: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray]:
        w = None if sample_weight is None else weights(sample_weight, len(y))
        items = self.items(y, answer, w)
        w = np.ones(items.shape[0]) if w is None else w
        keep = w > 0
        return items[keep], w[keep]

    def value(self, y: Any, answer: Any, sample_weight: Any = None) -> float:
        """The measure of an answer.

        Parameters
        ----------
        y : array or tensor of shape (N,) or (N, K)
            What was observed: numbers, or labels.
        answer : array, tensor or Predictive over the same shape
            What the verb ``needs`` gave: numbers, labels, or distributions over them. Several outputs count alike.
        sample_weight : array of shape (N,), optional
            A weight of two counts as two equal rows.

        Returns
        -------
        float
            NaN where the measure is not defined (R2 of a single row, ROC AUC of a single class).

        Raises
        ------
        DataError
            If shapes differ, a value is not finite, or weights are negative or all zero.
        """
        items, w = self._open(y, answer, sample_weight)
        if len(w) < self.fewest:
            return float("nan")
        return float(self._over(items, w[None])[0] if self.reduce is None else self.reduce(items, w))

    @property
    def has_terms(self) -> bool:
        """Whether the measure is the mean of losses that each item has by itself."""
        return self.statistic in ("mean", "share") and self.combine is average

    def terms(self, y: Any, answer: Any) -> np.ndarray:
        """The loss of each item, of shape (N,), where the measure is the mean of such losses.

        Raises
        ------
        TypeError
            For measures that are no such mean.
        """
        if not self.has_terms:
            raise TypeError(f"{self.title} is not a mean over items, so it has no terms; value() gives the whole")
        return self.items(y, answer, None).mean(-1)

    def interval(
        self, y: Any, answer: Any, level: float = 0.95, seed: int = 0, sample_weight: Any = None
    ) -> tuple[float, float]:
        """A confidence interval for the measure on the population (module docstring).

        Parameters
        ----------
        y, answer, sample_weight
            As in `value`.
        level : float, default 0.95
        seed : int, default 0
            Of the bootstrap: the same seed gives the same interval.

        Returns
        -------
        low, high : float
            NaN for fewer than two rows, for a maximum, and where the value is not finite or not defined.

        Notes
        -----
        Costs 2,000 N steps up to 2,000 items and N beyond (times T); N log N for a median or an area, N for a share.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
        items, w = self._open(y, answer, sample_weight)
        finite = np.isfinite(items.data if sparse.issparse(items) else items).all()
        if len(w) < max(2, self.fewest) or self.statistic == "maximum" or not finite:
            return float("nan"), float("nan")
        if self.bounds is not None and (own := self.bounds(items, w, level, seed)) is not None:
            return own
        if self.statistic == "whole" or (self.reduce is None and np.isnan(self._over(items, w[None])[0])):
            return float("nan"), float("nan")
        if self.statistic == "share":
            return wilson(items.mean(-1), w, level)
        if self.statistic == "median":
            low, high = np.mean([median_interval(e, w, level) for e in items.T], axis=0)
            return float(low), float(high)
        if len(w) > MANY:
            low, high = jackknife_normal(self._over, self.combine, items, w, level)
            return max(low, self.range[0]), min(high, self.range[1])
        return bca(self._over, self.combine, items, w, level, seed)

    def loss(self, value: float) -> float:
        """The value turned so that lower is better: for ranking by any measure."""
        if self.better == "nominal":
            return abs(value - float(self.nominal if self.nominal is not None else 0.0))
        return -value if self.better == "higher" else value

    def __repr__(self) -> str:
        return f"Measure({self.name!r}, {self.better} is better, {self.units})"
