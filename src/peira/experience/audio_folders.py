"""Folders of sound files as recordings at one rate.

Two layouts are understood: a sub-folder for each class, and a flat folder beside a table that names a label for each
file. Wav is read here; flac, ogg, mp3, aiff and others by the soundfile library where it is installed (the extra
``[audio]``). What recordings need in order to fit beside each other is done, and noted: which rate and how many
channels they get. No file is left out in silence.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from peira.core.errors import DataError
from peira.core.text import printable

from . import coded_files, wav_files
from .audio import Audio
from .image_folders import _OTHER_PARTS, _TABLES, _TRAIN, Found, _below, _listed, _name
from .image_labels import labels_from_table
from .opening import MAX_BYTES, describe
from .resampling import resample, resampled_length
from .wav_files import Damaged, Wave

SUFFIXES = {".wav", ".wave", *coded_files.SUFFIXES}

_T = TypeVar("_T")


def read_folder(
    path: str | Path,
    *,
    target: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
    skip_damaged: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[Audio, np.ndarray | None]:
    """Read a folder of sound files.

    Parameters
    ----------
    path : str or Path
        With a sub-folder for each class, whose name is the label; or with the recordings side by side, and a csv or tsv
        file in which one column names the file and another holds what is heard. If the sub-folders are called train,
        test, validation, those of train are taken.
    target : str, optional
        The column of the table that holds the labels.
    rate, channels, skip_damaged, max_bytes
        As in `peira.experience.audio.read_audio`.

    Returns
    -------
    Audio
        In the order of the names of their files. Its ``notes`` say what was found and decided.
    array of shape (N,) or None
        Labels, None if nothing says what is heard.
    """
    found = find_recordings(path)
    labels = found.labels
    if found.table is not None:
        labels = labels_from_table(found, found.table, target, skip_damaged)
    elif target is not None and labels is None:
        raise DataError(f"target {target!r} is a column of a table, and {found.where} has none beside its recordings")
    audio, kept = gather(found, rate=rate, channels=channels, skip_damaged=skip_damaged, max_bytes=max_bytes)
    return audio, None if labels is None else labels[kept]


def find_recordings(path: str | Path) -> Found:
    """Look through a folder.

    Raises
    ------
    DataError
        If there is no such folder, no sound is in it, or a link leads out of it.
    """
    where, root = describe(path), Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"{where} is not a folder" if root.exists() else f"there is no folder {where}")
    root = root.resolve()
    notes: list[str] = []
    try:
        folders, files = _listed(root, root, where)
        part = next((f for f in folders if f.name.lower() in _TRAIN), None)
        if part is not None and {f.name.lower() for f in folders} <= {*_TRAIN, *_OTHER_PARTS}:
            others = ", ".join(f.name for f in folders if f != part)
            notes.append(f"read from the sub-folder {part.name!r}" + (f"; {others} left aside" if others else ""))
            folders, inside = _listed(part, root, where)
            files = inside + [f for f in files if f.suffix.lower() in _TABLES and not folders]
        tables = [f for f in files if f.suffix.lower() in _TABLES]
        sounds = [f for f in files if f.suffix.lower() in SUFFIXES]
        classes = {folder: _below(folder, root, where) for folder in folders}
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error
    classes = {f: [p for p in inside if p.suffix.lower() in SUFFIXES] for f, inside in classes.items()}
    filled = {folder: inside for folder, inside in classes.items() if inside}
    alone = len(filled) == 1 and len(tables) == 1  # the recordings in a folder of their own, the table beside it
    if not filled or alone:
        paths = sorted(sounds + [p for inside in filled.values() for p in inside])
        found = Found(where, paths, [_name(p, root) for p in paths], notes=notes)
        found.table = tables[0] if tables else None
    else:
        paths = [p for inside in filled.values() for p in inside]
        labels = [printable(folder.name) for folder, inside in filled.items() for _ in inside]
        found = Found(where, paths, [_name(p, root) for p in paths], np.array(labels, dtype=str), notes=notes)
        found.strangers = [(_name(p, root), "lies beside the folders of the classes, and has no class") for p in sounds]
        empty = [printable(f.name, 60) for f in folders if f not in filled]
        if empty:
            notes.append(f"without recordings, and so no class: {', '.join(empty[:10])}")
    if not found.paths:
        raise DataError(
            f"there is no sound in {where}: expected a sub-folder for each class, or files ending in "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    return found


def gather(
    found: Found,
    *,
    rate: int | None = None,
    channels: int | None = None,
    skip_damaged: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[Audio, np.ndarray]:
    """Sound files as recordings at one rate, and which of the files they are."""
    looked = [_try(look, path) for path in found.paths]
    bad = [*found.strangers, *((n, str(w)) for n, w in zip(found.names, looked, strict=True) if isinstance(w, Damaged))]
    _judge(found, bad, skip_damaged)
    kept = np.array([n for n, wave in enumerate(looked) if isinstance(wave, Wave)], dtype=np.intp)
    waves = [wave for wave in looked if isinstance(wave, Wave)]
    R = rate or min(Counter(w.rate for w in waves).items(), key=lambda item: (-item[1], item[0]))[0]
    there = sorted({w.channels for w in waves})
    C = channels or (there[0] if len(there) == 1 else 1)
    if channels not in (None, 1) and there != [channels]:
        raise DataError(f"channels={channels} asked for, and {found.where} has recordings of {there}; ask for 1")
    lengths = np.array([resampled_length(w.frames, w.rate, R) for w in waves], dtype=np.int64)
    if lengths.sum() * C * 4 > max_bytes:
        raise DataError(
            f"{found.where} holds {lengths.sum() / R:,.0f} s of sound, {int(lengths.sum()) * C * 4:,} bytes in memory, "
            f"and the limit is {max_bytes:,}: ask for a lower rate=..., for channels=1, or raise it with max_bytes=..."
        )
    samples = np.zeros((int(lengths.sum()), C), np.float32)
    ends = np.cumsum(lengths)

    def fill(row: int) -> None:
        x = decode(found.paths[kept[row]], waves[row])
        if C == 1:
            x = x.mean(1, dtype=np.float32, keepdims=True)
        samples[ends[row] - lengths[row] : ends[row]] = resample(x, waves[row].rate, R)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        outcome = list(threads.map(lambda row: _try(fill, row), range(len(waves))))
    whole = np.array([not isinstance(o, Damaged) for o in outcome])
    if not whole.all():
        bad += [(found.names[kept[row]], str(o)) for row, o in enumerate(outcome) if isinstance(o, Damaged)]
        _judge(found, bad, skip_damaged)
        samples, kept, lengths = samples[np.repeat(whole, lengths)], kept[whole], lengths[whole]
        waves = [wave for wave, ok in zip(waves, whole, strict=True) if ok]
    notes = [*found.notes, *([f"left out: {listed(bad)}"] if bad else []), *_said(waves, R, C)]
    return Audio(samples, lengths, R, [found.names[n] for n in kept], notes), kept


def look(path: Path) -> Wave:
    """What the head of a sound file says."""
    return (wav_files if path.suffix.lower() in (".wav", ".wave") else coded_files).look(path)


def decode(path: Path, wave: Wave) -> np.ndarray:
    """The samples of a sound file, float32 of shape (T, C)."""
    return (wav_files if path.suffix.lower() in (".wav", ".wave") else coded_files).decode(path, wave)


def _try(work: Callable[[Any], _T], item: Any) -> _T | Damaged:
    try:
        return work(item)
    except Damaged as error:
        return error


def _judge(found: Found, bad: list[tuple[str, str]], skip_damaged: bool) -> None:
    """Refuse a folder with files that cannot be used, unless these may be left out and others remain."""
    if bad and not skip_damaged:
        raise DataError(
            f"{len(bad)} of {len(found.paths) + len(found.strangers)} sound files in {found.where} cannot be used: "
            f"{listed(bad)}; mend or remove them, or leave them out: --skip-damaged, in Python skip_damaged=True"
        )
    if len(bad) - len(found.strangers) >= len(found.paths):
        raise DataError(f"not one of the files in {found.where} is sound that can be used: {listed(bad)}")


def listed(bad: Sequence[tuple[str, str]], most: int = 10) -> str:
    """Files and what is wrong with each, as a message shows them."""
    shown = "; ".join(f"{printable(name, 80)!r} {printable(reason, 200)}" for name, reason in bad[:most])
    return shown + (f"; and {len(bad) - most} more" if len(bad) > most else "")


def _said(waves: Sequence[Wave], rate: int, channels: int) -> list[str]:
    """What was done to the recordings, in words."""
    N, notes = len(waves), []
    others = Counter(w.rate for w in waves if w.rate != rate)
    if others:
        rates = ", ".join(f"{count:,} from {r:,} Hz" for r, count in sorted(others.items())[:5])
        notes.append(f"{sum(others.values()):,} of {N:,} recordings resampled to {rate:,} Hz: {rates}")
    mixed = sum(w.channels > channels for w in waves)
    if mixed:
        notes.append(f"{mixed:,} of {N:,} recordings have several channels: their mean is taken")
    remarks = Counter(remark for w in waves for remark in w.remarks)
    return notes + [f"{count:,} of {N:,} recordings {remark}" for remark, count in remarks.items()]
