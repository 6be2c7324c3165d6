"""What is wrong with recordings that can be read: silence, and clipping.

A recording is silent if all its samples are equal. It is clipped where three or more samples in a row stand at its
largest or its smallest value, and that is near full scale: a wave that was not cut off has a rounded top.
"""

import numpy as np

from peira.core.text import printable

from .audio import Audio

_NEAR_FULL = 0.95
_RUN = 3
_STEP = np.float32(2.0**-15)  # -1 and 1 - 2^-15 are both full scale in PCM of 16 bits
_SHOWN = 5


def silent(audio: Audio) -> np.ndarray:
    """Which recordings hold nothing but one value, truth values of shape (N,); those without samples do."""
    low, high = _extremes(audio)
    return low == high


def clipped(audio: Audio) -> np.ndarray:
    """The share of each recording's samples that are cut off at full scale, of shape (N,)."""
    low, high = _extremes(audio)
    peak = np.maximum(np.abs(low), np.abs(high))
    x = np.abs(audio.samples) if audio.channels == 1 else np.abs(audio.samples).max(1)
    loud = np.flatnonzero(x >= _NEAR_FULL - _STEP)  # few, so that what follows is small
    owner = np.searchsorted(np.cumsum(audio.lengths), loud, side="right")
    top = x[loud] >= np.maximum(peak[owner], _NEAR_FULL) - _STEP
    loud, owner = loud[top], owner[top]
    breaks = np.flatnonzero((np.diff(loud, prepend=-2) != 1) | (np.diff(owner, prepend=-1) != 0))
    runs = np.diff(breaks, append=len(loud))
    cut = np.bincount(owner[breaks], weights=np.where(runs >= _RUN, runs, 0), minlength=len(audio))
    return np.where(low != high, cut / np.maximum(audio.lengths, 1), 0.0)


def notes_on(audio: Audio) -> list[str]:
    """Faults of the recordings in words, none if there are none."""
    N, notes = len(audio), []
    quiet, cut = silent(audio), clipped(audio) > 0
    for which, what in ((quiet, "silent"), (cut, "clipped: cut off at full scale")):
        if which.any():
            n = int(which.sum())
            names = ", ".join(repr(printable(i, 60)) for i in audio.ids[which][:_SHOWN])
            more = f" and {n - _SHOWN} more" if n > _SHOWN else ""
            notes.append(f"{n:,} of {N:,} recordings {'is' if n == 1 else 'are'} {what}: {names}{more}")
    return notes


def _extremes(audio: Audio) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest sample of each recording, 0 for those without samples."""
    low, high = np.zeros((2, len(audio)), np.float32)
    filled = np.flatnonzero(audio.lengths)
    if len(filled):
        starts = (np.cumsum(audio.lengths) - audio.lengths)[filled]
        flat = audio.samples.reshape(len(audio.samples), -1)
        low[filled] = np.minimum.reduceat(flat.min(1), starts)
        high[filled] = np.maximum.reduceat(flat.max(1), starts)
    return low, high
