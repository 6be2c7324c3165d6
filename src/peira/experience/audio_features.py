"""Recordings as sequences of vectors, one a frame: spectra, mel bands, mel cepstra with their changes.

Frames of all recordings are computed in batches (`peira.experience.spectra`), in float64, and kept as float32. Only the
bands are held for all frames at once, never the whole spectrum, unless that is what was asked for.
"""

from typing import Literal, get_args

import numpy as np
import torch

from peira.core.errors import ParameterError

from .audio import Audio
from .cepstra import cosines, decibels, mel_bands, normalised, slopes
from .sequences import Sequences
from .spectra import frame_counts, spectra_in_batches, window_of

Kind = Literal["mfcc", "mel", "spectrogram"]


def features(
    audio: Audio,
    kind: Kind = "mfcc",
    *,
    n_mfcc: int = 13,
    n_mels: int = 40,
    deltas: int | None = None,
    delta_width: int = 5,
    normalise: bool = False,
    win_length: int | None = None,
    hop_length: int | None = None,
    n_fft: int | None = None,
    window: str = "hann",
    fmin: float = 0.0,
    fmax: float | None = None,
    top_db: float | None = 80.0,
    preemphasis: float = 0.0,
) -> Sequences:
    """What is heard, a vector for each frame.

    Parameters
    ----------
    audio : Audio
        Several channels are averaged.
    kind : "mfcc", "mel" or "spectrogram", default "mfcc"
        Mel cepstra; the mel bands that they are made of, in dB; or power at each frequency, in dB.
    n_mfcc : int, default 13
        How many cepstra; the first is the loudness.
    n_mels : int, default 40
        How many mel bands.
    deltas : int, optional
        How often slopes are put beside: 1 adds those of the numbers, 2 also those of the slopes. 2 for cepstra, 0 else.
    delta_width : odd int, default 5
        Frames that a slope is taken over.
    normalise : bool, default False
        Bring each number to mean 0 and standard deviation 1 over each recording: takes away the level, the microphone
        and much of the voice.
    win_length, hop_length : int, optional
        Samples under the window, and from one frame to the next; those of 25 and 10 ms without them.
    n_fft : int, optional
        Samples of a frame, filled up with zeros around the window; the next power of two without it.
    window : str, default "hann"
    fmin, fmax : float
        Lowest and highest frequency of the mel bands in Hz; 0 and half the rate.
    top_db : float or None, default 80
        How far below the loudest of its recording a band is told apart.
    preemphasis : float in [0, 1), default 0
        a in x_t - a x_(t-1), which lifts the treble; 0.97 is usual for speech.

    Returns
    -------
    Sequences
        float32, with 1 + T // hop_length steps for a recording of T samples, none for one without samples, and the
        recordings' ids.

    Raises
    ------
    ParameterError
        For a kind or a parameter that cannot be.

    Examples
    --------
    >>> audio = Audio.from_list([np.sin(np.arange(800.0))], rate=8000)
    >>> features(audio, "mel", n_mels=20)
    Sequences(1 sequence of 20 numbers, 11 steps, 11 in all)
    >>> features(audio, "mfcc", n_mfcc=2).names
    ('c0', 'c1', 'c0 slope', 'c1 slope', 'c0 bend', 'c1 bend')
    """
    if kind not in get_args(Kind):
        raise ParameterError(f"features are 'mfcc', 'mel' or 'spectrogram', got {kind!r}")
    if kind == "mfcc" and not 1 <= n_mfcc <= n_mels:
        raise ParameterError(f"there are 1 to n_mels={n_mels} cepstra, got n_mfcc={n_mfcc}")
    if delta_width < 3 or delta_width % 2 == 0:
        raise ParameterError(f"delta_width is an odd number of frames, 3 or more, got {delta_width}")
    if not 0 <= preemphasis < 1:
        raise ParameterError(f"preemphasis lies in [0, 1), got {preemphasis}")
    deltas = (2 if kind == "mfcc" else 0) if deltas is None else deltas
    if deltas not in (0, 1, 2):
        raise ParameterError(f"deltas is 0, 1 or 2, got {deltas!r}")
    win = win_length or max(1, round(0.025 * audio.rate))
    hop = hop_length or max(1, round(0.01 * audio.rate))
    n = n_fft or 1 << (win - 1).bit_length()
    w = window_of(n, win, window, torch.float64)
    x, lengths = waves_of(audio, preemphasis)
    frames = frame_counts(lengths, hop)
    B = None if kind == "spectrogram" else mel_bands(audio.rate, n, n_mels, fmin, fmax)
    power = torch.empty(int(frames.sum()), n // 2 + 1 if B is None else n_mels, dtype=torch.float64)
    done = 0
    for Z in spectra_in_batches(x, lengths, w, hop):
        P = Z.real.square() + Z.imag.square()
        power[done : done + len(P)] = P if B is None else P @ B.T
        done += len(P)
    c = decibels(power, frames, top_db)
    if kind == "mfcc":
        c = c @ cosines(n_mfcc, n_mels).T
    parts = [c]
    for _ in range(deltas):
        parts.append(slopes(parts[-1], frames, delta_width // 2))
    c = torch.cat(parts, 1)
    if normalise:
        c = normalised(c, frames)
    first = [{"mfcc": "c", "mel": "band ", "spectrogram": "bin "}[kind] + str(j) for j in range(parts[0].shape[1])]
    names = [name + rank for rank in ("", " slope", " bend")[: deltas + 1] for name in first]
    return Sequences(c.to(torch.float32).numpy(), frames.numpy(), names, audio.ids, audio.notes)


def waves_of(audio: Audio, preemphasis: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The samples (S,) of one channel, the treble lifted, and the lengths (N,)."""
    x = audio.mono().samples
    if preemphasis and len(x):
        firsts = (np.cumsum(audio.lengths) - audio.lengths)[audio.lengths > 0]
        before = np.concatenate([x[:1], x[:-1]])
        before[firsts] = 0.0
        x = x - np.float32(preemphasis) * before
    return torch.from_numpy(np.array(x)), torch.from_numpy(np.array(audio.lengths))
