"""Folders of picture files as images of one size.

Two layouts are understood: a sub-folder for each class, and a flat folder beside a table that names a label for each
file. What pictures need in order to fit beside each other is done, and noted: which size and how many channels they
get, which ones are turned, shrunk or laid on white. No file is left out in silence.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from peira.core.errors import DataError
from peira.core.text import printable

from .image_folders import Found, find_pictures
from .image_labels import labels_from_table
from .images import Images
from .opening import MAX_BYTES
from .pictures import Damaged, Facts, check_size, decode, look

LARGEST_SIDE = 128
"""Pixels of the longer side, unless a size is asked for."""

_T = TypeVar("_T")


def read_folder(
    path: str | Path,
    size: int | tuple[int, int] | None = None,
    *,
    target: str | None = None,
    channels: int | None = None,
    skip_damaged: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[Images, np.ndarray | None]:
    """Read a folder of pictures.

    Parameters
    ----------
    path : str or Path
        With a sub-folder for each class, whose name is the label; or with the pictures side by side, and a csv or tsv
        file in which one column names the file and another holds what it shows. If the sub-folders are called train,
        test, validation, those of train are taken.
    size : int or (height, width), optional
        Without it the size that most of the pictures have, or the medians; at most 128 pixels for the longer side.
    target : str, optional
        The column of the table that holds the labels.
    channels : 1 or 3, optional
        Without it grey if all are grey, else colour.
    skip_damaged : bool, default False
        Leave out files that are no pictures or are damaged, and say so in the notes, instead of refusing the folder.
    max_bytes : int, default 2^30
        Limit on the memory of all pixels together.

    Returns
    -------
    Images
        uint8, in the order of the names of their files. Its ``notes`` say what was found and decided.
    array of shape (N,) or None
        Labels, None if nothing says what the pictures show.

    Raises
    ------
    DataError
        If there are no pictures, some are damaged (all are named), a link leads out of the folder, or memory would not
        suffice.

    Notes
    -----
    Formats: png, jpeg, bmp, gif (first frame), tiff, webp, ppm. Every file is opened twice: once for its size, and
    once, in threads, for its pixels.
    """
    found = find_pictures(path)
    labels = found.labels
    if found.table is not None:
        labels = labels_from_table(found, found.table, target, skip_damaged)
    elif target is not None and labels is None:
        raise DataError(f"target {target!r} is a column of a table, and {found.where} has none beside its pictures")
    images, kept = gather(
        found, size, channels=channels, skip_damaged=skip_damaged, max_bytes=max_bytes, strangers=found.strangers
    )
    return images, None if labels is None else labels[kept]


def gather(
    found: Found,
    size: Any = None,
    *,
    channels: int | None = None,
    skip_damaged: bool = False,
    max_bytes: int = MAX_BYTES,
    strangers: Sequence[tuple[str, str]] = (),
) -> tuple[Images, np.ndarray]:
    """Picture files as images of one size, and which of the files they are."""
    if channels not in (None, 1, 3):
        raise DataError(f"images have 1 channel (grey) or 3 (colour), got channels={channels!r}")
    wanted = None if size is None else check_size(size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # remarks on odd metadata
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own limit is an error
        facts = [_try(look, path) for path in found.paths]
        bad = [*strangers, *_reasons(found, facts)]
        _judge(found, bad, skip_damaged)
        kept = np.array([n for n, fact in enumerate(facts) if isinstance(fact, Facts)], dtype=np.intp)
        known = [fact for fact in facts if isinstance(fact, Facts)]
        notes = [*found.notes]
        H, W = wanted or _choose_size(known, notes)
        C = channels or (1 if all(fact.grey for fact in known) else 3)
        _require_memory(found, len(known), (H, W, C), max_bytes)
        pixels = np.empty((len(known), H, W, C), np.uint8)

        def fill(row: int) -> None:
            pixels[row] = decode(found.paths[kept[row]], (H, W), C)

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            outcome = list(threads.map(lambda row: _try(fill, row), range(len(known))))
    broken = [(found.names[kept[row]], str(o)) for row, o in enumerate(outcome) if isinstance(o, Damaged)]
    if broken:
        bad += broken
        _judge(found, bad, skip_damaged)
        whole = np.array([not isinstance(o, Damaged) for o in outcome])
        pixels, kept, known = pixels[whole], kept[whole], [f for f, ok in zip(known, whole, strict=True) if ok]
    if bad:
        notes.append(f"left out: {_listed(bad)}")
    notes += _said(known, (H, W), C)
    if C == 3 and channels is None and (pixels == pixels[..., :1]).all():
        pixels = np.ascontiguousarray(pixels[..., :1])
        notes.append("all pictures hold equal red, green and blue: kept as grey")
    return Images(pixels, [found.names[n] for n in kept], notes), kept


def _try(work: Callable[[Any], _T], item: Any) -> _T | Damaged:
    try:
        return work(item)
    except Damaged as error:
        return error


def _reasons(found: Found, facts: list[Any]) -> list[tuple[str, str]]:
    return [(name, str(fact)) for name, fact in zip(found.names, facts, strict=True) if isinstance(fact, Damaged)]


def _judge(found: Found, bad: list[tuple[str, str]], skip_damaged: bool) -> None:
    """Refuse a folder with files that are no pictures, unless these may be left out and others remain."""
    if bad and not skip_damaged:
        raise DataError(
            f"{len(bad)} of {len(found.paths) + len(found.strangers)} files in {found.where} cannot be used: "
            f"{_listed(bad)}; mend or remove them, or leave them out: "
            "--skip-damaged, in Python read_images(folder, skip_damaged=True)"
        )
    if len(bad) - len(found.strangers) >= len(found.paths):
        raise DataError(f"not one of the files in {found.where} is a picture that can be used: {_listed(bad)}")


def _listed(bad: Sequence[tuple[str, str]], most: int = 10) -> str:
    shown = "; ".join(f"{printable(name, 80)!r} {printable(reason, 200)}" for name, reason in bad[:most])
    return shown + (f"; and {len(bad) - most} more" if len(bad) > most else "")


def _choose_size(known: Sequence[Facts], notes: list[str]) -> tuple[int, int]:
    sizes = Counter((fact.height, fact.width) for fact in known)
    (size, count) = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    if 2 * count < len(known):
        size = (int(np.median([f.height for f in known])), int(np.median([f.width for f in known])))
    shrink = LARGEST_SIDE / max(size)
    if shrink < 1:
        full, size = size, (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
        notes.append(f"pictures of about {_by(full)} pixels are shrunk to {_by(size)}; ask for more with size=...")
    return size


def _require_memory(found: Found, N: int, shape: tuple[int, int, int], max_bytes: int) -> None:
    need = N * int(np.prod(shape))
    if need > max_bytes:
        H, W, C = shape
        raise DataError(
            f"{N:,} pictures in {found.where} of {H} x {W} pixels and {C} channel(s) take {need:,} bytes, more than "
            f"{max_bytes:,}; choose a smaller size=..., or raise max_bytes"
        )


def _said(known: Sequence[Facts], size: tuple[int, int], C: int) -> list[str]:
    """What was done to how many pictures."""
    N, notes = len(known), []
    resized = Counter((f.height, f.width) for f in known if (f.height, f.width) != size)
    if resized:
        sides = [[s[i] for s in resized] for i in (0, 1)]
        span = " x ".join(f"{min(s)}" if min(s) == max(s) else f"{min(s)}-{max(s)}" for s in sides)
        distorted = sum(k for (h, w), k in resized.items() if abs(np.log(h * size[1] / (w * size[0]))) > np.log(1.05))
        notes.append(
            f"{sum(resized.values()):,} of {N:,} pictures resized from {span} to {_by(size)} pixels (height x width)"
            + (f", {distorted:,} of them stretched out of their proportions" if distorted else "")
        )
    grey = sum(f.grey for f in known)
    if C == 3 and grey:
        notes.append(f"{grey:,} of {N:,} pictures are grey: their channel is repeated for red, green and blue")
    if C == 1 and grey < N:
        notes.append(f"{N - grey:,} of {N:,} pictures are coloured: turned to grey")
    remarks = Counter(remark for fact in known for remark in fact.remarks)
    return notes + [f"{count:,} of {N:,} pictures {remark}" for remark, count in remarks.items()]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
