r"""Which of two methods is better, from scores on the same folds?

Let d be the differences of scores on J folds, with mean d-bar and sample variance s2. Folds share
training rows, so the differences are correlated and s2 / J is too small a variance for their mean.
Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52(3), correct it:

.. math:: \tau^2 = \left( \frac{1}{J} + \frac{n_{test}}{n_{train}} \right) s^2

.. math:: t = \bar{d} / \tau

is compared with Student's t on J - 1 degrees of freedom. Corani and Benavoli (2015), "A Bayesian
approach for comparing cross-validated algorithms on multiple data sets", Machine Learning 100(2), show
that with correlation rho between folds and the flat prior, the posterior of the mean difference is

.. math:: \delta \sim St\left( J - 1,\; \bar{d},\; \left( \frac{1}{J} + \frac{\rho}{1 - \rho} \right) s^2 \right)

.. math:: \rho = \frac{n_{test}}{n_{train} + n_{test}}

the same distribution, since then rho / (1 - rho) = n_test / n_train. So one computation gives the
interval and the p-value of the test and the probabilities that one method is practically better,
that both are practically equivalent (their difference lies inside a region around zero), or that
it is worse (Benavoli, Corani, Demšar and Zaffalon 2017, "Time for a change: a tutorial for comparing
multiple classifiers through Bayesian analysis", Journal of Machine Learning Research 18(77), section 4.1).

The correction was derived for repeated hold-out; it is the usual approximation for k-fold
cross-validation, plain and repeated. Its intervals are somewhat too wide where methods are stable.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.predictive import StudentT


@dataclass(frozen=True)
class Comparison:
    """What the folds say about a difference of scores, first minus second.

    Parameters
    ----------
    mean : float
        Mean difference over folds; positive speaks for the first.
    interval : list of two floats
        Confidence and, with the flat prior, credible interval of the difference.
    level : float
        Of the interval.
    better, equivalent, worse : float
        Probabilities that the difference lies above, inside and below the region [-rope, rope].
    p_value : float
        Two-sided, of no difference (the corrected resampled t-test).
    rope : float
        Half width of the region of practical equivalence, in the unit of the scores.
    folds : int
    clear : bool
        Whether the interval leaves out zero.
    """

    mean: float
    interval: list[float]
    level: float
    better: float
    equivalent: float
    worse: float
    p_value: float
    rope: float
    folds: int
    clear: bool


def _checked(values: Any, what: str) -> np.ndarray:
    d = np.asarray(values, dtype=np.float64)
    if d.ndim != 1 or len(d) < 2:
        raise ValueError(
            f"{what} must be a list of at least 2 folds' values, got shape {d.shape}; add folds or repeats"
        )
    if (bad := ~np.isfinite(d)).any():
        raise ValueError(
            f"{what} holds {d[bad.argmax()]} in fold {int(bad.argmax())}: a fold without a score cannot be left out "
            "without bias; compare methods that succeeded on every fold"
        )
    return d


def _posterior(d: np.ndarray, n_train: float, n_test: float) -> StudentT:
    """Student's distribution of the mean over folds (module docstring)."""
    if not (n_train > 0 and n_test > 0):
        raise ValueError(f"n_train and n_test must be positive, got {n_train} and {n_test}")
    centre = d[0] + (d - d[0]).mean()  # exact for equal values
    s2 = ((d - centre) ** 2).sum() / (len(d) - 1)
    return StudentT(len(d) - 1, centre, np.sqrt((1 / len(d) + n_test / n_train) * s2))


def correlated_t_test(
    differences: Sequence[float], n_train: float, n_test: float, rope: float = 0.0, level: float = 0.95
) -> Comparison:
    """The corrected resampled t-test and its Bayesian reading, in one.

    Parameters
    ----------
    differences : array of shape (J,)
        Score of the first method minus score of the second on each fold, turned so that positive
        is good (`Measure.loss` of the second minus that of the first).
    n_train, n_test : float
        Rows learned from and scored on in a fold; their means where folds differ.
    rope : float, default 0.0
        Differences up to this size count as none in practice, in the unit of the scores.
    level : float, default 0.95

    Returns
    -------
    Comparison
        Equal differences on every fold leave no doubt: all probability then stands on one side,
        or on equivalence where their size is within the region.

    Raises
    ------
    ValueError
        For fewer than two folds, a fold without a score, or a negative region.

    Examples
    --------
    >>> from peira.measures import correlated_t_test
    >>> c = correlated_t_test([0.03, 0.05, 0.01, 0.04, 0.02], n_train=80, n_test=20, rope=0.01)
    >>> round(c.better, 3), round(c.equivalent, 3), round(c.p_value, 3), c.clear
    (0.934, 0.056, 0.047, True)
    """
    d = _checked(differences, "differences")
    if not (rope >= 0 and np.isfinite(rope)):
        raise ValueError(f"rope must be finite and not negative, got {rope}")
    posterior = _posterior(d, n_train, n_test)
    mean = float(posterior.loc)
    low, high = (float(end) for end in posterior.interval(level))
    mirrored = StudentT(posterior.df, -mean, posterior.scale)
    if posterior.scale == 0:
        better, worse = float(mean > rope), float(mean < -rope)
        p_value = float(mean == 0)
    else:
        worse, better = float(posterior.cdf(-rope)), float(mirrored.cdf(-rope))
        p_value = float(2 * StudentT(posterior.df, abs(mean), posterior.scale).cdf(0.0))
    equivalent = max(0.0, 1 - better - worse)
    clear = bool(low > 0 or high < 0)
    return Comparison(mean, [low, high], level, better, equivalent, worse, p_value, rope, len(d), clear)


def compare_folds(
    differences: Sequence[float], n_train: float, n_test: float, rope: float = 0.0, level: float = 0.95
) -> dict[str, Any]:
    """`correlated_t_test` as a plain dictionary, for run folders and reports."""
    return asdict(correlated_t_test(differences, n_train, n_test, rope, level))


def mean_interval(scores: Sequence[float], n_train: float, n_test: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a mean score over folds, with the same correction for shared training rows.

    Parameters
    ----------
    scores : array of shape (J,)
    n_train, n_test : float
        Rows learned from and scored on in a fold.
    level : float, default 0.95

    Returns
    -------
    low, high : float
    """
    low, high = _posterior(_checked(scores, "scores"), n_train, n_test).interval(level)
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> np.ndarray:
    r"""Adjust p-values of m tests so that the chance of any false alarm stays below the level.

    .. math:: \tilde{p}_{(i)} = \max_{j \leq i} \min (1, (m - j + 1)\, p_{(j)})

    Parameters
    ----------
    p_values : array of shape (m,)
        In [0, 1]; any dependence between the tests is allowed.

    Returns
    -------
    ndarray of shape (m,), in the order given

    Notes
    -----
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2).

    Examples
    --------
    >>> from peira.measures import holm
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p_values must be a list of numbers between 0 and 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(np.minimum(1, np.arange(len(p), 0, -1) * p[order]))
    return adjusted[np.argsort(order, kind="stable")]
