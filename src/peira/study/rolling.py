r"""What forecasts from rolling origins tell: which of two methods is better, and how wide an interval must be.

Origins that follow one another closely share most of what they forecast, so their errors go together. With d the
difference of two methods' losses, averaged over all that is forecast from an origin, n origins and a horizon H,

.. math:: V = \frac{1}{n^2} \sum_{s, t} \left( 1 - \frac{|s - t|}{2 H} \right)_+ (d_s - \bar{d}) (d_t - \bar{d})

is the variance of the mean (Newey & West 1987, over twice the horizon), and with h the number of origins in a horizon

.. math:: \bar{d} \sqrt{\frac{n + 1 - 2 h + h (h - 1) / n}{n V}}

is compared with Student's t (Harvey, Leybourne & Newbold 1997, of Diebold & Mariano 1995), here on n / h - 1 degrees of
freedom: as many as there are stretches that share nothing.

An interval is widened by a factor: the errors of all origins whose outcome was known by then, each divided by the
half-width that the method itself gave, and of these the value that holds the level (split conformal prediction: Vovk,
Gammerman & Shafer 2005; Lei et al. 2018). A factor is learned from the past alone and judged by what came after.

Cost: N^2 for the variance of N origins, N^2 H log(N H) for the factors.
"""

from typing import Any

import numpy as np
from scipy import stats

FEWEST = 20
"""Errors that a factor is learned from, at least."""
_OWN = 100
"""Errors at a distance from which on it has a factor of its own; before, all distances share one."""


def paired(
    d: np.ndarray, times: np.ndarray, horizon: int, *, scale: float = 1.0, rope: float = 0.0, level: float = 0.95
) -> dict[str, Any]:
    """The mean of differences of losses from origins, with its interval.

    Parameters
    ----------
    d : array of shape (N,)
        Positive where the first method is better.
    times : int array of shape (N,)
        The step of each origin. Origins of several series at one time count as one: what moves one may move all.
    horizon : int
    scale : float, default 1
        What the differences are multiplied by at the end.
    rope : float, default 0
        Differences below it count as none.
    level : float, default 0.95

    Returns
    -------
    dict
        As `peira.measures.comparison.compare_folds`; not clear where fewer than two stretches share nothing.
    """
    t, place = np.unique(times, return_inverse=True)
    n, weight = len(t), np.bincount(place)
    mean = float(d.mean())
    e = np.bincount(place, d - mean) * n / weight.sum()
    near = np.clip(1 - np.abs(t[:, None] - t) / (2 * horizon), 0, None)
    variance = float(e @ near @ e) / n**2
    step = float(np.median(np.diff(t))) if n > 1 else 1.0
    h = max(1.0, min(horizon / step, n))
    share = (n + 1 - 2 * h + h * (h - 1) / n) / n
    df = n / h - 1
    told: dict[str, Any] = {"mean": scale * mean, "level": level, "rope": rope, "origins": len(d)}
    if df < 1 or share <= 0:
        return told | {"interval": [float("nan")] * 2, "clear": False}
    spread = scale * (variance / share) ** 0.5
    if spread == 0:
        interval, better, worse = [scale * mean] * 2, float(scale * mean > rope), float(scale * mean < -rope)
    else:
        law = stats.t(df, scale * mean, spread)
        interval, better, worse = (
            [float(end) for end in law.interval(level)],
            float(law.sf(rope)),
            float(law.cdf(-rope)),
        )
    return told | {
        "interval": interval,
        "better": better,
        "equivalent": max(0.0, 1 - better - worse),
        "worse": worse,
        "clear": interval[0] > 0 or interval[1] < 0,
    }


def strain(observed: np.ndarray, predicted: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Errors in half-widths of their interval; NaN where nothing came or the interval has no width."""
    side = np.where(observed > predicted, high - predicted, predicted - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(side > 0, np.abs(observed - predicted) / side, np.nan)


def factor(strains: np.ndarray, level: float) -> np.ndarray:
    """By what intervals must be widened, of shape (H, D), after errors of shape (N, H, D); NaN after too few."""
    _, H, D = strains.shape
    found = np.full((H, D), np.nan)
    for d in range(D):
        together = _holding(strains[:, :, d], level)
        for h in range(H):
            mine = strains[:, h, d]
            found[h, d] = _holding(mine, level) if np.isfinite(mine).sum() >= _OWN else together
    return found


def factors(strains: np.ndarray, times: np.ndarray, horizon: int, level: float) -> np.ndarray:
    """The factor at each origin, of shape (N, H, D), learned from origins whose outcome was known by then."""
    found = np.full(strains.shape, np.nan)
    for t in np.unique(times):
        found[times == t] = factor(strains[times + horizon <= t], level)
    return found


def widened(arrays: dict[str, np.ndarray], by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of intervals with their sides multiplied; as they were where the factor is NaN."""
    by = np.where(np.isfinite(by), by, 1.0)
    middle = arrays["predicted"]
    return middle - by * (middle - arrays["low"]), middle + by * (arrays["high"] - middle)


def _holding(strains: np.ndarray, level: float) -> float:
    """The least value that holds the level of so many errors and one more."""
    known = np.sort(strains[np.isfinite(strains)])
    if len(known) < FEWEST:
        return float("nan")
    return float(known[min(len(known), int(np.ceil((len(known) + 1) * level))) - 1])
