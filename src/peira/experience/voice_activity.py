r"""Where somebody speaks: frames that stand out of the noise of their own recording.

The level of a frame is its mean square in dB. The quietest tenth of a recording's frames tells its noise, its loudest
frame its speech, and active are frames above both

.. math:: \max(noise + margin, \; peak - range)

as long as that gap is there at all. A pause shorter than ``hold`` belongs to the speech around it, and a burst shorter
than ``least`` is a click. Frames of a recording that is loud all over are all active.

Reference: the end points of Rabiner & Sambur (1975), Bell System Technical Journal 54, 297-315, by energy alone.
"""

from typing import NamedTuple

import numpy as np

from peira.core.errors import ParameterError

from .audio import Audio

_SILENCE = 1e-10  # mean square of what is silent, -100 dB


class Activity(NamedTuple):
    """Which frames are active (F,), how many frames each recording has (N,), and the samples of a frame."""

    active: np.ndarray
    lengths: np.ndarray
    frame: int


def voice_activity(
    audio: Audio,
    *,
    frame: float = 0.02,
    margin: float = 6.0,
    range: float = 40.0,
    hold: float = 0.2,
    least: float = 0.04,
) -> Activity:
    """Which frames of recordings are active.

    Parameters
    ----------
    audio : Audio
    frame : float, default 0.02
        Seconds of a frame; frames do not overlap, and the last may be shorter.
    margin : float, default 6
        dB above the noise.
    range : float, default 40
        dB below the loudest frame.
    hold : float, default 0.2
        Seconds of a pause that belongs to speech.
    least : float, default 0.04
        Seconds that speech lasts at least.

    Returns
    -------
    Activity

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = 0.001 * rng.normal(size=8000)
    >>> x[3200:4800] += np.sin(np.arange(1600.0))
    >>> found = voice_activity(Audio.from_list([x], rate=8000))
    >>> np.flatnonzero(found.active) * found.frame
    array([3200, 3360, 3520, 3680, 3840, 4000, 4160, 4320, 4480, 4640])
    """
    if not (frame > 0 and margin >= 0 and range > 0 and hold >= 0 and least >= 0):
        raise ParameterError("frame and range are positive, margin, hold and least not negative")
    size = max(1, round(frame * audio.rate))
    level, lengths = _levels(audio, size)
    active = np.zeros(len(level), dtype=bool)
    if not len(level):
        return Activity(active, lengths, size)
    owner = np.repeat(np.arange(len(audio)), lengths)
    filled = np.flatnonzero(lengths)
    starts = (np.cumsum(lengths) - lengths)[filled]
    silence = 10 * np.log10(_SILENCE)
    peak, noise = np.full((2, len(audio)), silence)
    peak[filled] = np.maximum.reduceat(level, starts)
    ordered = level[np.lexsort((level, owner))]
    noise[filled] = ordered[starts + (lengths[filled] - 1) // 10]
    threshold = np.maximum(np.minimum(noise + margin, peak - 3), peak - range)
    steady = peak - noise < margin  # no gap between speech and noise: all or nothing
    loud = level >= np.where(steady, -np.inf, threshold)[owner]
    active = loud & (peak > silence)[owner]
    for wanted, seconds in ((False, hold), (True, least)):
        active = _without_short_runs(active, owner, wanted, round(seconds / frame), inside=not wanted)
    return Activity(active, lengths, size)


def active_span(audio: Audio, **options: float) -> tuple[np.ndarray, np.ndarray]:
    """The first active sample of each recording, and the one behind the last; all of it where nothing is active.

    Returns
    -------
    first, end : int arrays of shape (N,)
    """
    found = voice_activity(audio, **options)
    first, end = np.zeros_like(audio.lengths), audio.lengths.copy()
    owner = np.repeat(np.arange(len(audio)), found.lengths)
    number = np.arange(len(owner)) - (np.cumsum(found.lengths) - found.lengths)[owner]
    which, at = np.unique(owner[found.active], return_index=True)
    if len(which):
        numbers = number[found.active]
        first[which] = numbers[at] * found.frame
        lasts = numbers[np.append(at[1:], len(numbers)) - 1]
        end[which] = np.minimum((lasts + 1) * found.frame, audio.lengths[which])
    return first, end


def _levels(audio: Audio, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The level of each frame in dB, and how many frames each recording has."""
    x = audio.mono().samples
    lengths = -(-audio.lengths // size)
    owner = np.repeat(np.arange(len(audio)), lengths)
    number = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
    at = (np.cumsum(audio.lengths) - audio.lengths)[owner] + number * size
    if not len(at):
        return np.empty(0), lengths
    power = np.add.reduceat(np.square(x, dtype=np.float64), at)
    held = np.minimum(size, audio.lengths[owner] - number * size)
    return 10 * np.log10(np.maximum(power / held, _SILENCE)), lengths


def _without_short_runs(
    flags: np.ndarray, owner: np.ndarray, value: bool, shortest: int, *, inside: bool
) -> np.ndarray:
    """Flags with the runs of a value turned over that are shorter than some frames; only those between two others of
    the same recording if ``inside``."""
    edges = np.flatnonzero(np.diff(flags, prepend=~flags[:1]) | (np.diff(owner, prepend=-1) != 0))
    ends = np.append(edges[1:], len(flags))
    turned = (flags[edges] == value) & (ends - edges < shortest)
    if inside:
        before = owner[edges] == owner[np.maximum(edges - 1, 0)]
        after = owner[np.minimum(ends, len(owner) - 1)] == owner[edges]
        turned &= before & after & (edges > 0) & (ends < len(flags))
    return flags ^ np.repeat(turned, ends - edges)
