"""Whatever holds sound, recognised and read."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from peira.core.errors import DataError
from peira.core.text import printable

from .audio import Audio
from .audio_arrays import array_of_sound, array_shapes, read_npz
from .audio_faults import notes_on
from .audio_folders import SUFFIXES, gather, read_folder
from .image_folders import Found
from .image_sources import any_file
from .opening import MAX_BYTES, describe


def read_audio(
    source: Any,
    target: str | None = None,
    *,
    rate: int | None = None,
    channels: int | None = None,
    skip_damaged: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[Audio, np.ndarray | None]:
    """Read sound from where it lies.

    Parameters
    ----------
    source : path or Audio
        A folder with a sub-folder for each class, or with recordings beside a table of labels; a wav file, or flac,
        ogg, mp3 and others with the soundfile library; an npz archive of arrays; or recordings in memory.
    target : str, optional
        Where the labels are: a column of the table beside the recordings, or an array of the archive.
    rate : int, optional
        Samples a second that all recordings get. Without it the rate that most have; others are resampled.
    channels : int, optional
        1 takes the mean of the channels; without it they are kept where all recordings have as many, else averaged.
    skip_damaged : bool, default False
        Leave out files that cannot be used, and say so in the notes, instead of refusing the source.
    max_bytes : int, default 2^30
        Limit on the memory of all samples together.

    Returns
    -------
    Audio
        Its ``notes`` say what was found and decided, and which recordings are silent or clipped.
    array of shape (N,) or None
        Labels, where there are any.

    Raises
    ------
    DataError
        If there is no sound in it, files are damaged (all are named), or memory would not suffice.

    Examples
    --------
    >>> audio, labels = read_audio(Audio.from_list([np.zeros(800)], rate=8000))
    >>> audio.notes
    ("1 of 1 recordings is silent: '0'",)
    """
    labels = None
    if isinstance(source, Audio):
        audio = source
    elif not isinstance(source, str | Path):
        raise DataError(
            f"sound is read from a path, got {type(source).__name__}; recordings in memory become "
            "Audio.from_list(waves, rate)"
        )
    else:
        path, where = Path(source).expanduser(), describe(source)
        if path.is_dir():
            audio, labels = read_folder(
                source, target=target, rate=rate, channels=channels, skip_damaged=skip_damaged, max_bytes=max_bytes
            )
        elif path.suffix.lower() == ".npz":
            audio, labels = read_npz(source, target=target, max_bytes=max_bytes)
        elif not path.exists():
            raise DataError(f"there is no file {where}")
        elif path.suffix.lower() in SUFFIXES:
            audio, _ = gather(
                Found(where, [path], [printable(path.name)]), rate=rate, channels=channels, max_bytes=max_bytes
            )
        else:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"{where} is not sound: expected a folder, an npz archive, or {kinds}")
    if channels is not None and audio.channels != channels:
        if channels != 1:
            raise DataError(f"channels={channels} asked for, and the recordings have {audio.channels}; ask for 1")
        audio = audio.mono()
    if rate is not None:
        audio = audio.resampled(rate)
    notes = [*audio.notes, *notes_on(audio)]
    return Audio(audio.samples, audio.lengths, audio.rate, audio.ids, list(dict.fromkeys(notes))), labels


def looks_like_audio(source: Any) -> bool:
    """Whether a source holds sound rather than a table; little of it is read.

    Parameters
    ----------
    source : object
        A path, or data in memory.

    Returns
    -------
    bool
        True for a folder with sound files in it or in its sub-folders, a sound file, an archive of arrays that states a
        rate, and `Audio`. False for what cannot be read, so that reading it as a table says why.
    """
    if isinstance(source, Audio):
        return True
    if not isinstance(source, str | Path) or str(source) == "-" or str(source).startswith("example:"):
        return False
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return any_file(path, SUFFIXES)
        if not path.is_file():
            return False
        if path.suffix.lower() == ".npz":
            return array_of_sound(array_shapes(path)) is not None
        return path.suffix.lower() in SUFFIXES
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return False
