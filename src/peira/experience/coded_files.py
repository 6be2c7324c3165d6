"""Sound files that are packed, such as flac, read by the soundfile library where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np

from .wav_files import MAX_CHANNELS, MAX_RATE, Damaged, Wave, require_finite

SUFFIXES = {".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64"}
_BLOCK = 2**18  # samples that are unpacked at a time


def look(path: Path) -> Wave:
    """What the head of a file says.

    Raises
    ------
    Damaged
        If soundfile is not installed, or cannot read it.
    """
    soundfile = _library()
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise Damaged(f"cannot be read: {_plain(error)}") from error
    if not (1 <= info.channels <= MAX_CHANNELS and 1 <= info.samplerate <= MAX_RATE and info.frames >= 0):
        raise Damaged(f"has {info.channels} channels at {info.samplerate:,} Hz")
    return Wave(info.samplerate, info.channels, info.frames, info.format, 0)


def decode(path: Path, wave: Wave) -> np.ndarray:
    """The samples of a file, float32 of shape (T, C).

    Raises
    ------
    Damaged
        If the file holds fewer samples than its head promises, is damaged, or holds NaN.
    """
    soundfile = _library()
    out = np.empty((wave.frames, wave.channels), np.float32)
    done = 0
    try:
        with soundfile.SoundFile(str(path)) as stream:
            while done < wave.frames:
                got = len(stream.read(dtype="float32", always_2d=True, out=out[done : done + _BLOCK]))
                if not got:
                    break
                done += got
    except (soundfile.SoundFileError, OSError) as error:
        raise Damaged(f"is damaged: {_plain(error)}") from error
    if done < wave.frames:
        raise Damaged(f"is cut off: it promises {wave.frames:,} samples and has {done:,}")
    require_finite(out)
    return out


def _library() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its library is not
        raise Damaged("needs the soundfile library: pip install 'peira[audio]', or save it as wav") from error
    return soundfile


def _plain(error: Exception) -> str:
    """What the library says, without the path in front."""
    return str(error).split(": ", 1)[-1]
