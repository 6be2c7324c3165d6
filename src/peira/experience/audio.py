"""Sound as experience: recordings of unlike length at one rate, and how they are read.

==================  ==================================================================
`Audio`             the container: ``len(d)``, ``d[index]``, ``d.samples``, ``d.rate``
`read_audio`        whatever holds sound: a folder, a wav, flac or npz file
`looks_like_audio`  whether a source is sound rather than a table
==================  ==================================================================
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from peira.core.errors import DataError

from .sequences import Sequences

if TYPE_CHECKING:
    from .audio_sources import looks_like_audio, read_audio

__all__ = ["Audio", "looks_like_audio", "read_audio"]

_WHOLE = {"int8": 2**7, "int16": 2**15, "int32": 2**31}


class Audio:
    """Recordings of unlike length, all at one rate; nothing in it changes once it is made.

    Parameters
    ----------
    samples : array of shape (S,) or (S, C)
        The samples of all recordings, one after the other; C channels. Whole numbers are taken as PCM (uint8 with its
        zero at 128, int8, int16, int32) and brought to -1 ... 1, other numbers are kept, as float32.
    lengths : sequence of N ints
        How many samples each recording has; they sum to S.
    rate : int
        Samples a second.
    ids : sequence of N str, optional
        What each recording is called, such as its file; numbers without it.
    notes : sequence of str
        What was decided on the way here, for the reader.

    Attributes
    ----------
    samples : float32 array, read-only
        Of shape (S,) for one channel, else (S, C).
    lengths : int array of shape (N,)
    rate : int
    ids : array of str of shape (N,)
    notes : tuple of str

    Raises
    ------
    DataError
        If a sample is not finite, the lengths do not add up, or the rate is no positive whole number.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    >>> d = Audio.from_list([tone, tone[:2000]], rate=8000)
    >>> d
    Audio(2 recordings, 0.25 to 1.00 s, 8,000 Hz, mono)
    >>> d.features("mfcc")
    Sequences(2 sequences of 39 numbers, 26 to 101 steps, 127 in all)
    """

    __slots__ = ("_waves", "rate")
    _waves: Sequences
    rate: int

    def __init__(
        self,
        samples: Any,
        lengths: Any,
        rate: int,
        ids: Sequence[str] | np.ndarray | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        samples = samples.numpy(force=True) if hasattr(samples, "detach") else np.asarray(samples)
        if isinstance(rate, bool) or not float(rate).is_integer() or rate < 1:
            raise DataError(f"the rate is a positive whole number of samples a second, got {rate!r}")
        if samples.ndim == 2 and samples.shape[1] == 1:
            samples = samples[:, 0]
        if samples.ndim not in (1, 2) or (samples.ndim == 2 and not samples.shape[1]):
            raise DataError(f"the samples of recordings have shape (S,) or (S, C), got {samples.shape}")
        waves = Sequences(_as_waves(samples), lengths, None, ids, notes)
        _check_finite(waves)
        object.__setattr__(self, "_waves", waves)
        object.__setattr__(self, "rate", int(rate))

    @classmethod
    def from_list(cls, parts: Sequence[Any], rate: int, ids: Sequence[str] | None = None) -> "Audio":
        """Recordings from a list with one array of shape (T,) or (T, C) for each.

        >>> Audio.from_list([np.zeros(100, np.int16)], rate=8000)
        Audio(1 recording, 0.01 s, 8,000 Hz, mono)
        """
        arrays = [np.asarray(part.numpy(force=True) if hasattr(part, "detach") else part) for part in parts]
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) > 1 or any(array.ndim not in (1, 2) for array in arrays):
            raise DataError(
                "recordings in a list have shape (T,) or (T, C), all with as many channels; got "
                + ", ".join(str(array.shape) for array in arrays[:10])
            )
        waves = [_as_waves(array) for array in arrays]
        samples = np.concatenate(waves) if waves else np.empty(0, np.float32)
        return cls(samples, np.array([len(wave) for wave in waves], dtype=np.int64), rate, ids)

    @property
    def samples(self) -> np.ndarray:
        """The samples of all recordings, one after the other."""
        return self._waves.values

    @property
    def lengths(self) -> np.ndarray:
        """How many samples each recording has."""
        return self._waves.lengths

    @property
    def ids(self) -> np.ndarray:
        """What each recording is called."""
        return self._waves.ids

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided on the way here."""
        return self._waves.notes

    @property
    def channels(self) -> int:
        """How many channels a recording has."""
        return 1 if self.samples.ndim == 1 else self.samples.shape[1]

    @property
    def seconds(self) -> np.ndarray:
        """How long each recording lasts."""
        return self.lengths / self.rate

    def __len__(self) -> int:
        return len(self._waves)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The samples of each recording."""
        return iter(self._waves)

    def __getitem__(self, index: Any) -> "Audio":
        """The recordings of a slice, mask or array of positions; a single position gives one as a container."""
        return self._with(self._waves[index])

    def mono(self) -> "Audio":
        """One channel: the mean of those there are."""
        if self.channels == 1:
            return self
        return self._with(self._changed(self.samples.mean(1, dtype=np.float32), self.lengths))

    def resampled(self, rate: int) -> "Audio":
        """The same sound at another rate, what lies above half of it filtered out; see `resample`."""
        from .resampling import resample_ragged

        if rate == self.rate:
            return self
        samples, lengths = resample_ragged(self.samples, self.lengths, self.rate, rate)
        return Audio(samples, lengths, rate, self.ids, self.notes)

    def trimmed(self, **options: Any) -> "Audio":
        """Without what lies before the first and after the last active frame; see `voice_activity`.

        A recording without any activity is kept whole.
        """
        from .voice_activity import active_span

        first, end = active_span(self, **options)
        starts = np.cumsum(self.lengths) - self.lengths
        parts = [self.samples[a:b] for a, b in zip(starts + first, starts + end, strict=True)]
        return self._with(self._changed(np.concatenate([self.samples[:0], *parts]), end - first))

    def features(self, kind: Literal["mfcc", "mel", "spectrogram"] = "mfcc", **options: Any) -> Sequences:
        """What the ear hears, some 100 times a second: see `peira.experience.audio_features.features`.

        Parameters
        ----------
        kind : "mfcc", "mel" or "spectrogram"
        **options
            ``n_mfcc``, ``n_mels``, ``deltas``, ``normalise``, ``win_length``, ``hop_length`` and others.

        Returns
        -------
        Sequences
            A step a frame.
        """
        from .audio_features import features

        return features(self, kind, **options)

    def plot(self, ax: Any = None, kind: str = "mel") -> Any:
        """The spectrogram of the first recording; see `peira.experience.audio_plot.plot_spectrogram`."""
        from .audio_plot import plot_spectrogram

        return plot_spectrogram(self, ax, kind)

    def write(self, folder: str | Path, bits: int = 16, labels: Sequence[Any] | None = None) -> Path:
        """Write a wav file for each recording; see `peira.experience.wav_writing.write_folder`."""
        from .wav_writing import write_folder

        return write_folder(folder, self, bits, labels)

    def _changed(self, samples: np.ndarray, lengths: np.ndarray) -> Sequences:
        return Sequences(samples, lengths, None, self.ids, self.notes)

    def _with(self, waves: Sequences) -> "Audio":
        made = object.__new__(Audio)
        object.__setattr__(made, "_waves", waves)
        object.__setattr__(made, "rate", self.rate)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"recordings are immutable: make new ones with other {name}")

    def __reduce__(self) -> tuple:
        return Audio, (self.samples, self.lengths, self.rate, self.ids, self.notes)

    def __repr__(self) -> str:
        N, C = len(self), self.channels
        what = "mono" if C == 1 else "stereo" if C == 2 else f"{C} channels"
        if not N:
            return f"Audio(no recording, {self.rate:,} Hz, {what})"
        low, high = (f"{s:.2f}" for s in (self.seconds.min(), self.seconds.max()))
        span = low if low == high else f"{low} to {high}"
        return f"Audio({N:,} recording{'s' * (N != 1)}, {span} s, {self.rate:,} Hz, {what})"


def _as_waves(samples: np.ndarray) -> np.ndarray:
    """Numbers as float32, whole ones between -1 and 1."""
    name = samples.dtype.name
    if name == "uint8":
        return (samples.astype(np.float32) - 128) / 128
    if name in _WHOLE:
        return (samples / np.float64(_WHOLE[name])).astype(np.float32)
    if samples.dtype.kind != "f":
        raise DataError(
            f"samples are floats, or whole numbers of 8, 16 or 32 bits; got {name}: say which number is full scale by "
            "dividing by it"
        )
    return samples.astype(np.float32, copy=False)


def _check_finite(waves: Sequences) -> None:
    flat = waves.values
    with np.errstate(invalid="ignore", over="ignore"):
        sound = bool(np.isfinite(flat.sum(dtype=np.float64)))
    if sound:
        return
    bad = ~np.isfinite(flat.reshape(len(flat), -1)).all(1)
    row = int(bad.argmax())
    ends = np.cumsum(waves.lengths)
    n = int(np.searchsorted(ends, row, side="right"))
    t = row - int(ends[n] - waves.lengths[n])
    raise DataError(
        f"recordings hold NaN or infinity: {int(bad.sum())} samples, first sample {t} of recording {waves.ids[n]!r}; "
        "cut them out, or put 0 in their place"
    )


def __getattr__(name: str) -> Any:
    if name in ("looks_like_audio", "read_audio"):
        from . import audio_sources

        return getattr(audio_sources, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
