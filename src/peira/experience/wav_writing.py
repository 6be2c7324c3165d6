"""Recordings as wav files: one, or a folder of them with a sub-folder for each label."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peira.core.errors import DataError, ParameterError
from peira.core.text import printable

from .companding import to_pcm
from .wav_files import MAX_CHANNELS


def write_wav(path: str | Path, samples: Any, rate: int, bits: int = 16) -> Path:
    """Write one recording.

    Parameters
    ----------
    path : path
    samples : array of shape (T,) or (T, C)
        Full scale from -1 to 1; beyond it PCM is clipped.
    rate : int
        Samples a second.
    bits : 8, 16, 24 or 32, default 16
        Of a sample; 32 are floats, which keep float32 as it is.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        For another number of bits, or more than 4 GiB.

    Examples
    --------
    >>> import tempfile
    >>> from peira.experience.audio import read_audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_wav(folder + "/a.wav", np.zeros(800), rate=8000)
    ...     read_audio(path)[0]
    Audio(1 recording, 0.10 s, 8,000 Hz, mono)
    """
    samples = samples.numpy(force=True) if hasattr(samples, "detach") else np.asarray(samples)
    samples = samples[:, None] if samples.ndim == 1 else samples
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= MAX_CHANNELS or samples.dtype.kind != "f":
        raise DataError(f"a recording is written from floats of shape (T,) or (T, C), got {samples.shape}")
    if not np.isfinite(samples).all():
        raise DataError("a recording with NaN or infinity is not written")
    if bits == 32:
        data = np.ascontiguousarray(samples, "<f4").tobytes()
    elif bits == 8:
        data = (to_pcm(samples, 8) + 128).astype(np.uint8).tobytes()
    elif bits in (16, 24):
        codes = np.ascontiguousarray(to_pcm(samples, bits), "<i4").view(np.uint8).reshape(-1, 4)
        data = np.ascontiguousarray(codes[:, : bits // 8]).tobytes()
    else:
        raise ParameterError(f"wav files are written with bits=8, 16, 24 (PCM) or 32 (floats), got {bits!r}")
    if len(data) > 2**32 - 100:
        raise ParameterError(f"a wav file holds less than 4 GiB, and this recording has {len(data):,} bytes")
    frame = samples.shape[1] * bits // 8
    tag = 3 if bits == 32 else 1
    form = struct.pack("<HHIIHH", tag, samples.shape[1], rate, rate * frame, frame, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data))
    pad = b"\0" * (len(data) % 2)
    path = Path(path).expanduser()
    length = struct.pack("<I", 4 + len(chunks) + len(data) + len(pad))
    path.write_bytes(b"RIFF" + length + b"WAVE" + chunks + data + pad)
    return path


def write_folder(folder: str | Path, audio: Any, bits: int = 16, labels: Sequence[Any] | None = None) -> Path:
    """Write a wav file for each of some recordings, in a sub-folder for each label if there are labels.

    Files are called after the recordings' ids where these differ, else by number.
    """
    if labels is not None and len(labels) != len(audio):
        raise DataError(f"there are {len(audio)} recordings and {len(labels)} labels for them")
    root = Path(folder).expanduser()
    names = [_file_name(id) for id in audio.ids]
    if len(set(names)) < len(names):
        names = [str(n) for n in range(len(names))]
    for n, wave in enumerate(audio):
        where = root if labels is None else root / _file_name(labels[n])
        where.mkdir(parents=True, exist_ok=True)
        write_wav(where / f"{names[n]}.wav", wave, audio.rate, bits)
    return root


def _file_name(value: Any) -> str:
    """A name of a file or folder without separators."""
    name = Path(printable(str(value).replace("\\", "/"))).name
    return name.removesuffix(".wav") or "_"
