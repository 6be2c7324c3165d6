"""Confidence intervals for functions of weighted means, by resampling and by the jackknife.

The statistic is given as ``over(items, w)``: items (N, T) and weightings (B, N) to values (B,).
A bootstrap sample is a weighting: how often each item was drawn, times its own weight. Items may be a
sparse array where T is large and most of them are zero (indicators of classes).
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse, special

Over = Callable[[np.ndarray, np.ndarray], np.ndarray]
Combine = Callable[[np.ndarray], np.ndarray]

RESAMPLES = 2_000
_CHUNK = 2_000_000  # draws held in memory at a time


def _weightings(w: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Blocks (B, N) of bootstrap weightings; a draw in which every weight is zero does not occur."""
    N, rng = len(w), np.random.default_rng(seed)
    rows = max(1, _CHUNK // N)
    for start in range(0, RESAMPLES, rows):
        B = min(rows, RESAMPLES - start)
        drawn = rng.integers(N, size=(B, N)) + N * np.arange(B)[:, None]
        yield np.bincount(drawn.ravel(), minlength=B * N).reshape(B, N) * w


def _resampled(over: Over, items: np.ndarray, w: np.ndarray, seed: int) -> np.ndarray:
    return np.concatenate([over(items, block) for block in _weightings(w, seed)])


def _left_out(combine: Combine, items: np.ndarray | sparse.csr_array, w: np.ndarray) -> np.ndarray:
    """The statistic without each item in turn, in N steps: means are sums that an item leaves."""
    if sparse.issparse(items):
        return _left_out_of_counts(combine, items, w)
    centre = w @ items / w.sum()
    deviations = items - centre  # sums of deviations do not cancel
    without = centre - w[:, None] * deviations / (w.sum() - w)[:, None]
    return combine(without)


def _left_out_of_counts(combine: Combine, items: sparse.csr_array, w: np.ndarray) -> np.ndarray:
    """The same for indicators, a block of items at a time; what rounding leaves of an empty count is zero."""
    total, W = w @ items, w.sum()
    rows, parts = max(1, _CHUNK // items.shape[1]), []
    for start in range(0, len(w), rows):
        weight = w[start : start + rows, None]
        without = total - weight * items[start : start + rows].toarray()
        without[without <= 1e-12 * total] = 0.0
        parts.append(combine(without / (W - weight)))
    return np.concatenate(parts)


def median_interval(e: np.ndarray, w: np.ndarray, level: float) -> tuple[float, float]:
    r"""Woodruff's interval for a weighted median (Woodruff 1952): the quantiles of e at

    .. math:: \frac{1}{2} \pm \frac{z}{2} \sqrt{\frac{\sum_i w_i^2}{(\sum_i w_i)^2}}

    the normal interval of how much weight lies below the true median.
    """
    order = np.argsort(e, kind="stable")
    share = np.cumsum(w[order]) / w.sum()
    half = special.ndtri((1 + level) / 2) / 2 * np.sqrt((w**2).sum()) / w.sum()
    low, high = np.searchsorted(share, [0.5 - half, 0.5 + half])
    return float(e[order[low]]), float(e[order[min(high, len(e) - 1)]])


def bca(over: Over, combine: Combine, items: np.ndarray, w: np.ndarray, level: float, seed: int) -> tuple[float, float]:
    """The bias-corrected and accelerated interval (Efron 1987)."""
    jackknife = _defined(_left_out(combine, items, w))
    return corrected(over, items, w, level, seed, jackknife.mean() - jackknife)


def corrected(
    over: Over, items: np.ndarray, w: np.ndarray, level: float, seed: int, influence: np.ndarray
) -> tuple[float, float]:
    """The same from the items' influence on the value (up to a factor), which gives the acceleration.

    Draws for which the statistic is not defined (no item of a class, say) do not count.
    """
    value = over(items, w[None])[0]
    resampled = _defined(_resampled(over, items, w, seed))
    below = ((resampled < value).sum() + (resampled == value).sum() / 2) / len(resampled)
    z0 = special.ndtri(np.clip(below, 1 / len(resampled), 1 - 1 / len(resampled)))
    scale = (influence**2).sum() ** 1.5
    a = (influence**3).sum() / (6 * scale) if scale > 0 else 0.0
    z = z0 + special.ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(resampled, special.ndtr(z0 + z / np.maximum(1 - a * z, 1e-6)))
    return float(low), float(high)


def jackknife_normal(
    over: Over, combine: Combine, items: np.ndarray, w: np.ndarray, level: float
) -> tuple[float, float]:
    """The value and the jackknife's standard error on a normal scale (Efron and Stein 1981)."""
    value, jackknife = float(over(items, w[None])[0]), _defined(_left_out(combine, items, w))
    N = len(jackknife)
    half = special.ndtri((1 + level) / 2) * np.sqrt((N - 1) / N * ((jackknife - jackknife.mean()) ** 2).sum())
    return value - float(half), value + float(half)


def _defined(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def wilson(shares: np.ndarray, w: np.ndarray, level: float) -> tuple[float, float]:
    r"""Wilson's score interval for a share, for n independent items of equal say.

    .. math:: \frac{1}{1 + z^2/n} \left( p + \frac{z^2}{2n} \pm z \sqrt{\frac{p (1-p)}{n} + \frac{z^2}{4 n^2}} \right)

    Weights and several outputs an item change what n items are worth: n is Kish's effective
    number, stretched by how much less the items' shares vary than single yes-or-no answers would.
    """
    p = float(w @ shares / w.sum())
    n = w.sum() ** 2 / (w**2).sum()
    variance = float(w @ (shares - p) ** 2 / w.sum())
    if 0 < variance < p * (1 - p):
        n *= p * (1 - p) / variance
    z = special.ndtri((1 + level) / 2)
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = float((centre - half) / (1 + z**2 / n)), float((centre + half) / (1 + z**2 / n))
    return max(0.0, min(low, p)), min(1.0, max(high, p))  # p lies between them but for rounding
