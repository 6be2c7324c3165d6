r"""The same sound at another rate.

From rate r to r U / D in lowest terms: U - 1 zeros between samples, a low-pass below half of the lower rate, and every
D-th sample of the result. Only the products that are needed are formed (polyphase),

.. math:: y_m = \sum_n x_n h(m D - n U)

h a windowed sinc (Kaiser's window, beta 5, 10 zero crossings to either side).

Cost: 20 S max(1, U / D) for S samples. Reference: Crochiere & Rabiner (1983), Multirate Digital Signal Processing, 3.
"""

import math
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from peira.core.errors import ParameterError

_REACH = 10  # zero crossings of the filter to either side, as `resample_poly` makes it
_BLOCK = 2**22  # samples that are filtered at a time


def resample(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """One recording at another rate.

    Parameters
    ----------
    x : array of shape (T,) or (T, C)
    rate, wanted : int
        Samples a second that it has, and shall have.

    Returns
    -------
    float32 array of ceil(T wanted / rate) samples

    Examples
    --------
    >>> resample(np.zeros(8000), 8000, 11025).shape
    (11025,)
    """
    up, down = _ratio(rate, wanted)
    if not len(x) or up == down:
        return np.asarray(x, np.float32)
    return resample_poly(np.asarray(x, np.float32), up, down, axis=0).astype(np.float32, copy=False)


def resampled_length(T: int, rate: int, wanted: int) -> int:
    """How many samples `resample` makes of T."""
    up, down = _ratio(rate, wanted)
    return -(-T * up // down)


def resample_ragged(x: np.ndarray, lengths: np.ndarray, rate: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Many recordings, one after the other, at another rate.

    They are filtered together, in one signal with silence between them that is longer than the filter; each begins at
    a multiple of D, so that it meets the same phases of the filter as alone.

    Parameters
    ----------
    x : array of shape (S,) or (S, C)
    lengths : int array of shape (N,)

    Returns
    -------
    float32 array of shape (S',) or (S', C)
    int array of shape (N,)
    """
    up, down = _ratio(rate, wanted)
    new = -(-lengths * up // down)
    out = np.empty((int(new.sum()), *x.shape[1:]), np.float32)
    gap = 2 * (_REACH * max(up, down) // up + 1)
    slots = -(-(lengths + gap) // down) * down
    read, written = np.cumsum(lengths) - lengths, np.cumsum(new) - new
    first = 0
    while first < len(lengths):
        last = max(first + 1, int(np.searchsorted(np.cumsum(slots[first:]), _BLOCK, side="right")) + first)
        group = slice(first, last)
        begins = np.cumsum(slots[group]) - slots[group]
        joined = np.zeros((int(slots[group].sum()), *x.shape[1:]), np.float32)
        joined[_places(begins, lengths[group])] = x[read[first] : read[first] + int(lengths[group].sum())]
        made = resample_poly(joined, up, down, axis=0)
        out[written[first] : written[first] + int(new[group].sum())] = made[_places(begins // down * up, new[group])]
        first = last
    return out, new


def _places(begins: np.ndarray, lengths: np.ndarray) -> Any:
    """The positions of runs that begin somewhere and have some length; a slice for one run."""
    if len(begins) == 1:
        return slice(int(begins[0]), int(begins[0] + lengths[0]))
    return np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))


def _ratio(rate: int, wanted: int) -> tuple[int, int]:
    if wanted != int(wanted) or wanted < 1:
        raise ParameterError(f"a rate is a positive whole number of samples a second, got {wanted!r}")
    common = math.gcd(int(rate), int(wanted))
    return int(wanted) // common, int(rate) // common
