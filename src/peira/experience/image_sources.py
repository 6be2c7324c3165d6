"""Whatever holds images, recognised and read."""

import gzip
import os
import zipfile
import zlib
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from peira.core.errors import DataError
from peira.core.text import printable

from .image_arrays import beside, image_array, is_idx, read_idx, read_npz
from .image_files import gather, read_folder
from .image_folders import Found
from .images import Images
from .opening import MAX_BYTES, describe
from .pictures import SUFFIXES

_LOOKED_AT = 10_000  # entries of a folder
_DEPTH = 3  # folders below a folder


def looks_like_images(source: Any) -> bool:
    """Whether a source holds images rather than a table; little of it is read.

    Parameters
    ----------
    source : object
        A path, or data in memory.

    Returns
    -------
    bool
        True for a folder with pictures in it or in its sub-folders, or with idx files; an idx file of images; an
        archive of arrays one of which has the shape of images; a picture; `Images`; an array of shape (N, H, W),
        (N, H, W, C) or (N, C, H, W). False for what cannot be read, so that reading it as a table says why.
    """
    if isinstance(source, Images):
        return True
    if not isinstance(source, str | Path):
        shape = getattr(source, "shape", ())
        return not isinstance(source, type) and len(shape) in (3, 4)
    if isinstance(source, str) and (source == "-" or source.startswith("example:")):
        return False
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _idx_in(path) is not None or any_file(path, SUFFIXES)
        if not path.is_file():
            return False
        if path.suffix.lower() == ".npz":
            return image_array(_shapes(path)) is not None
        return path.suffix.lower() in SUFFIXES or _idx_axes(path) in (3, 4)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return False


def read_images(
    source: Any,
    target: str | None = None,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    skip_damaged: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[Images, np.ndarray | None, list[str]]:
    """Read images from where they lie.

    Parameters
    ----------
    source : path, Images, array or tensor
        A folder of pictures (`peira.experience.image_files.read_folder`); a folder with idx files, of which those for
        training are taken; an idx or npz file (`peira.experience.image_arrays`); one picture; or images in memory.
    target : str, optional
        Where the labels are: a column of the table beside the pictures, or an array of the archive.
    size : int or (height, width), optional
        Of the images, for pictures in files. Arrays must already have it.
    channels : 1 or 3, optional
        Grey or colour, likewise.
    skip_damaged : bool, default False
        Leave out files that cannot be used, instead of refusing them.
    max_bytes : int, default 2^30
        Limit on the memory of all pixels together.

    Returns
    -------
    Images
    array of shape (N,) or None
        Labels, where there are any.
    list of str
        What was found and decided.

    Raises
    ------
    DataError
        If there are no images in it; the message says what is wrong, where, and what to do.

    Examples
    --------
    >>> images, labels, notes = read_images(np.zeros((5, 8, 8), np.uint8))
    >>> images, labels
    (Images(5 grey images, 8 x 8 pixels), None)
    """
    labels = None
    if isinstance(source, Images):
        images = source
    elif not isinstance(source, str | Path):
        images = Images(source)
    else:
        path = Path(source).expanduser()
        if path.is_dir() and (idx := _idx_in(path)) is not None:
            images, labels = read_idx(idx, max_bytes=max_bytes)
        elif path.is_dir():
            images, labels = read_folder(
                source, size, target=target, channels=channels, skip_damaged=skip_damaged, max_bytes=max_bytes
            )
        elif path.suffix.lower() == ".npz":
            images, labels = read_npz(source, target=target, max_bytes=max_bytes)
        elif path.suffix.lower() in SUFFIXES:
            if not path.exists():
                raise DataError(f"there is no file {describe(source)}")
            alone = Found(describe(source), [path], [printable(path.name)])
            images, _ = gather(alone, size, channels=channels, max_bytes=max_bytes)
        else:
            images, labels = read_idx(source, max_bytes=max_bytes)
    _require_shape(images, size, channels)
    return images, labels, list(images.notes)


def _require_shape(images: Images, size: Any, channels: int | None) -> None:
    _, H, W, C = images.shape
    wanted = (H, W) if size is None else (size, size) if isinstance(size, int) else tuple(size)
    if wanted != (H, W) or channels not in (None, C):
        raise DataError(
            f"expected images of {wanted[0]} x {wanted[1]} pixels and {channels or C} channel(s), got {H} x {W} and {C}"
        )


def any_file(path: Path, suffixes: Collection[str]) -> bool:
    """Whether a file of such a kind lies in a folder or a little below it, as in train/cat/1.png."""
    budget, level = _LOOKED_AT, len(path.parts)
    for folder, folders, files in os.walk(path):
        if any(Path(name).suffix.lower() in suffixes for name in files if not name.startswith(".")):
            return True
        depth = len(Path(folder).parts) - level
        folders[:] = [] if depth == _DEPTH else sorted(f for f in folders if not f.startswith("."))
        budget -= 1 + len(files)
        if budget < 0:
            break
    return False


def _idx_in(folder: Path) -> Path | None:
    """The idx file of the training images in a folder, or of the only images there."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in islice(entries, _LOOKED_AT) if "idx" in e.name.lower() and e.is_file())
    images = [folder / name for name in names if _idx_axes(folder / name) in (3, 4)]
    training = [path for path in images if "train" in path.name.lower() and beside(path) is not None]
    return training[0] if len(training) == 1 else images[0] if len(images) == 1 else None


def _idx_axes(path: Path) -> int:
    """How many axes the array of an idx file has; 0 for other files."""
    with path.open("rb") as stream:
        head = stream.read(4)
    if head[:2] == b"\x1f\x8b":
        with gzip.open(path) as stream:
            head = stream.read(4)
    return head[3] if is_idx(head) else 0


def _shapes(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shapes and types of the arrays in an archive, from their heads."""
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist()[:1000]:
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    first = np.lib.format.read_magic(stream) == (1, 0)
                    head = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                    shape, _, dtype = head(stream)
                shapes[member.filename.removesuffix(".npy")] = shape, dtype
    return shapes
