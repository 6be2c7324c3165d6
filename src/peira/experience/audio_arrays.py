"""Recordings that lie in archives of NumPy arrays."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from peira.core.errors import DataError

from .audio import Audio
from .formats import load_arrays
from .opening import MAX_BYTES, describe, read_bytes

_SOUND = ("audio", "waveforms", "waveform", "waves", "samples", "recordings", "sound", "x_train", "x", "signal", "wav")
_LENGTHS = ("lengths", "length", "n_samples", "sizes")
_STARTS = ("starts", "start", "offsets", "offset")
_RATES = ("rate", "sample_rate", "sampling_rate", "samplerate", "sr", "fs")
_TARGETS = ("y", "labels", "label", "y_train", "target", "targets", "words", "word", "digits", "digit", "class_id")
_IDS = ("ids", "names", "files", "file_names", "filenames")

Shapes = dict[str, tuple[tuple[int, ...], np.dtype]]


def read_npz(source: Any, *, target: str | None = None, max_bytes: int = MAX_BYTES) -> tuple[Audio, np.ndarray | None]:
    """Read recordings and labels from an archive of NumPy arrays.

    Parameters
    ----------
    source : path or binary stream
        With an array audio, waveforms, samples or the like: of shape (N, T), a recording a row, filled up where
        ``lengths`` says so; or of shape (S,), one after the other, with an array ``lengths`` (and ``starts``, if there
        are gaps). A number rate, sample_rate, sr or fs says how many samples a second has.
    target : str, optional
        The array that holds the labels. Without it y, labels, word, digit or the like; an array that is called after it
        with "_names" gives whole numbers their names.
    max_bytes : int, default 2^30
        Limit on the size after unpacking.

    Returns
    -------
    Audio
    array of shape (N,) or None

    Raises
    ------
    DataError
        If there is no sound in it, no rate, or the lengths or labels do not fit.
    """
    where = describe(source)
    arrays = load_arrays(read_bytes(source, max_bytes, text=False), where, max_bytes)
    shapes: Shapes = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    shown = ", ".join(f"{name} {array.shape} of {array.dtype}" for name, array in list(arrays.items())[:12])
    name = array_of_sound(shapes)
    if name is None:
        raise DataError(
            f"{where} holds no sound: expected an array called {', '.join(_SOUND[:4])} or the like, and a number "
            f"called {', '.join(_RATES[:3])}; got {shown or 'no arrays'}"
        )
    rates = np.unique(arrays[_called(_RATES, shapes)])
    if len(rates) != 1:
        raise DataError(f"{where} has recordings of {len(rates)} rates; bring them to one before they are packed")
    lengths_name, starts_name = _called(_LENGTHS, shapes), _called(_STARTS, shapes)
    lengths = None if lengths_name is None else arrays[lengths_name]
    starts = None if starts_name is None or lengths is None else arrays[starts_name]
    promised = 0 if lengths is None or lengths.dtype.kind not in "iu" else int(lengths.sum(dtype=np.int64))
    if promised * arrays[name].itemsize > max_bytes:
        raise DataError(f"the lengths in {where} sum to {promised:,} samples, more than {max_bytes:,} bytes")
    samples, lengths = _joined(arrays[name], lengths, starts, where)
    N = len(lengths)
    notes = [f"recordings from the array {name!r} of {where}"]
    labels_name = target or _called(_TARGETS, shapes)
    labels = None
    if labels_name is not None:
        if labels_name not in arrays:
            raise DataError(f"{where} has no array {target!r} of labels; there are {shown}")
        labels = _labels(arrays, labels_name, N, where, notes)
    ids_name = _called(_IDS, shapes)
    ids = arrays[ids_name].astype(str) if ids_name and arrays[ids_name].shape == (N,) else None
    used = {name, lengths_name, starts_name, labels_name, _called(_RATES, shapes), f"{labels_name}_names"}
    left = [f"{other} {arrays[other].shape}" for other in arrays if other not in used]
    if left:
        notes.append(f"left aside: {', '.join(left[:12])}")
    return Audio(samples, lengths, int(rates[0]), ids, notes), labels


def array_of_sound(shapes: Shapes) -> str | None:
    """Which array of an archive holds sound, None if none does; a rate must stand beside it."""
    fitting = {name: s for name, s in shapes.items() if s[1].kind in "iuf" and len(s[0]) in (1, 2, 3)}
    rate = _called(_RATES, shapes)
    return _called(_SOUND, fitting) if rate is not None and shapes[rate][1].kind in "iuf" else None


def array_shapes(path: Path) -> Shapes:
    """Shapes and types of the arrays in an archive, from their heads."""
    shapes: Shapes = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist()[:1000]:
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    first = np.lib.format.read_magic(stream) == (1, 0)
                    head = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                    shape, _, dtype = head(stream)
                shapes[member.filename.removesuffix(".npy")] = shape, dtype
    return shapes


def _joined(
    sound: np.ndarray, lengths: np.ndarray | None, starts: np.ndarray | None, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Samples one after the other, and how many each recording has."""
    if lengths is None:
        rows = sound[None] if sound.ndim == 1 else sound
        return rows.reshape(-1, *rows.shape[2:]), np.full(len(rows), rows.shape[1])
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise DataError(f"the lengths in {where} should be whole numbers, one for each recording")
    lengths = lengths.astype(np.int64)
    if sound.ndim > 1 and len(sound) == len(lengths):
        if lengths.size and lengths.max() > sound.shape[1]:
            n = int(lengths.argmax())
            raise DataError(f"recording {n} of {where} is said to have {lengths[n]} samples of {sound.shape[1]}")
        return sound[np.arange(sound.shape[1]) < lengths[:, None]], lengths
    if starts is None:
        return sound, lengths
    if starts.shape != lengths.shape or starts.dtype.kind not in "iu":
        raise DataError(f"{where} has {len(lengths)} lengths, and starts of shape {starts.shape}")
    starts = starts.astype(np.int64)
    if lengths.size and (starts.min() < 0 or (starts + lengths).max() > len(sound)):
        n = int(((starts < 0) | (starts + lengths > len(sound))).argmax())
        raise DataError(f"recording {n} of {where} lies at {starts[n]}, beyond the {len(sound)} samples there are")
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return sound[np.repeat(starts, lengths) + within], lengths


def _labels(arrays: dict[str, np.ndarray], name: str, N: int, where: str, notes: list[str]) -> np.ndarray:
    labels = arrays[name]
    if labels.shape != (N,):
        raise DataError(f"there are {N} recordings, and {name!r} of {where} has the shape {labels.shape}")
    notes.append(f"labels from {name!r} of {where}")
    names = arrays.get(f"{name}_names")
    if labels.dtype.kind not in "iu":
        return labels
    labels = labels.astype(np.int64)
    if names is not None and names.dtype.kind == "U" and len(labels) and 0 <= labels.min() <= labels.max() < len(names):
        return names[labels]
    return labels


def _called(names: tuple[str, ...], arrays: dict[str, Any]) -> str | None:
    lower = {name.lower(): name for name in arrays}
    return next((lower[name] for name in names if name in lower), None)
