r"""The period after which series repeat themselves, found by their autocorrelation.

.. math:: r_m = \frac{\sum_t (x_t - \bar{x}) (x_{t+m} - \bar{x})}{\sqrt{\sum_t (x_t - \bar{x})^2
          \sum_t (x_{t+m} - \bar{x})^2}}

over the pairs of which both are known, after a straight line was taken out of each series. A period is the lag of a
peak that stands out from what slower movements explain (Bartlett's bound), and from what chance brings among M lags,

.. math:: r_m > 1.96 \sqrt{\frac{1 + 2 \sum_{i < m} r_i^2}{S}}, \quad r_m > \Phi^{-1} (1 - 0.05 / M) / \sqrt{S}

that rises as far above a lag before it, and that comes back after twice the time. Of peaks nearly as high as the
highest (nine tenths) the first is taken, and of peaks that divide it the first again, since
multiples of a period repeat too.

Cost: S log S.

Reference: Bartlett (1946); Box & Jenkins (1970), 2.1.6.
"""

import numpy as np
from scipy.stats import norm

ALIKE = 0.9  # of the highest peak: those above may be the period itself
AGAIN = 0.6  # of a peak: so high it is still after twice the time
PART = 0.5  # of a peak: so high is one that divides it


def find_period(X: np.ndarray, lengths: np.ndarray, longest: int | None = None) -> int:
    """The period of some series; 1 if there is none.

    Parameters
    ----------
    X : array of shape (S, D)
        NaN where a number is missing.
    lengths : int array of shape (N,)
    longest : int, optional
        The longest period that is looked for; a third of the longest series without it.

    Returns
    -------
    int

    Examples
    --------
    >>> t = np.arange(60.0)
    >>> find_period(np.sin(2 * np.pi * t / 7)[:, None] + 0.1 * t[:, None], np.array([60]))
    7
    """
    most = int(lengths.max(initial=0)) // 3 if longest is None else min(longest, int(lengths.max(initial=0)) - 1)
    if most < 2:
        return 1
    r, pairs = autocorrelation(X, lengths, 2 * most + 1)
    before = np.maximum(np.cumsum(r**2) - r**2 - 1, 0)  # over the lags 1 to m - 1
    spread = 1 / np.sqrt(np.maximum(pairs, 1))
    slow = 1.96 * spread * np.sqrt(1 + 2 * before)
    bound = np.maximum(slow, norm.isf(0.05 / most) * spread)
    m = np.arange(2, most + 1)
    high = (r[m] > r[m - 1]) & (r[m] >= r[m + 1]) & (r[m] > bound[m])
    again = np.maximum(np.maximum(r[2 * m - 1], r[2 * m]), r[2 * m + 1]) >= AGAIN * r[m]
    peaks = m[high & again & (r[m] - np.minimum.accumulate(r[1:])[m - 2] > slow[m])]
    if not len(peaks):
        return 1
    first = int(peaks[r[peaks] >= ALIKE * r[peaks].max()][0])
    first += int(r[first : min(first + first // 4, most) + 1].argmax())  # the top of a broad peak
    parts = peaks[(first % peaks == 0) & (r[peaks] >= PART * r[first])]
    return int(parts[0])


def autocorrelation(X: np.ndarray, lengths: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations at the lags 0 to ``most`` over all series and columns, and the pairs that each rests on."""
    products, squares, pairs = np.zeros(most + 1), np.zeros(most + 1), np.zeros(most + 1)
    ends = np.cumsum(lengths)
    for end, T in zip(ends.tolist(), lengths.tolist(), strict=True):
        if T < 3:
            continue
        for x in X[end - T : end].T:
            seen = ~np.isnan(x)
            if seen.sum() < 3:
                continue
            t = np.arange(T) - np.arange(T)[seen].mean()
            y = np.where(seen, x, 0.0)
            spread = y[seen].std()
            if spread == 0:
                continue
            line = y[seen].mean() + t * (t[seen] @ y[seen]) / (t[seen] @ t[seen])
            y = np.where(seen, (y - line) / spread, 0.0)
            s, n = seen.astype(float), 2 ** int(np.ceil(np.log2(2 * T)))
            Fy, Fs, F2 = (np.fft.rfft(part, n) for part in (y, s, y * y))
            L = min(most, T - 1) + 1
            products[:L] += np.fft.irfft(Fy.conj() * Fy, n)[:L]
            both = np.fft.irfft(Fs.conj() * F2, n)[:L], np.fft.irfft(F2.conj() * Fs, n)[:L]
            squares[:L] += np.sqrt(np.clip(both[0], 0, None) * np.clip(both[1], 0, None))
            pairs[:L] += np.fft.irfft(Fs.conj() * Fs, n)[:L]
    return np.divide(products, squares, out=np.zeros(most + 1), where=squares > 1e-9), np.round(pairs)
