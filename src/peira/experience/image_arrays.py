"""Images that lie in files of arrays: archives of NumPy arrays, and idx files as MNIST's."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from peira.core.errors import DataError

from .formats import load_arrays
from .images import Images
from .opening import MAX_BYTES, describe, read_bytes

_INPUTS = ("x_train", "train_images", "images", "x", "pixels", "data", "train_x", "faces")
_TARGETS = ("y_train", "train_labels", "labels", "y", "target", "targets", "label", "train_y")
_CLASSES = ("class_names", "classes", "label_names", "target_names", "names")
_IDX = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_npz(source: Any, *, target: str | None = None, max_bytes: int = MAX_BYTES) -> tuple[Images, Any]:
    """Read images and labels from an archive of NumPy arrays.

    Parameters
    ----------
    source : path or binary stream
    target : str, optional
        The array that holds the labels. Without it y_train, labels, y or the like.
    max_bytes : int, default 2^30
        Limit on the size after unpacking.

    Returns
    -------
    Images
        From the array x_train, images, X or the like, or the only one that has the shape of images. Its ``notes`` say
        which, and what was left aside.
    array of shape (N,) or None
        Labels. If the archive also names the classes, whole numbers become these names.

    Raises
    ------
    DataError
        If there are no images in it, the labels do not fit, or an array holds pickled objects.
    """
    where = describe(source)
    arrays = load_arrays(read_bytes(source, max_bytes, text=False), where, max_bytes)
    shapes = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    inputs = image_array(shapes)
    shown = ", ".join(f"{name} {array.shape} of {array.dtype}" for name, array in list(arrays.items())[:12])
    if inputs is None:
        raise DataError(
            f"{where} holds no images: expected an array of shape (N, H, W) or (N, H, W, C) called "
            f"{', '.join(_INPUTS[:4])}, got {shown or 'no arrays'}"
        )
    if target is not None and target not in arrays:
        raise DataError(f"{where} has no array {target!r} of labels; there are {shown}")
    notes = [f"images from the array {inputs!r} of {where}"]
    used = {inputs}
    labels_name = target or _called(_TARGETS, shapes)
    labels = None
    if labels_name is not None:
        used.add(labels_name)
        labels = _labels(arrays[labels_name], len(arrays[inputs]), f"{labels_name!r} of {where}", notes)
        classes = _called(_CLASSES, shapes)
        if classes is not None and _are_names_of(arrays[classes], labels):
            labels = arrays[classes].astype(str)[labels]
            notes.append(f"names of the classes from {classes!r}")
            used.add(classes)
    left = [f"{name} {arrays[name].shape}" for name in arrays if name not in used]
    if left:
        notes.append(f"left aside: {', '.join(left[:12])}")
    return Images(_channels_last(arrays[inputs], where), notes=notes), labels


def _labels(found: np.ndarray, N: int, which: str, notes: list[str]) -> np.ndarray:
    """A label for each of N images; of indicators, the number of the class."""
    labels = found.reshape(len(found)) if found.ndim == 2 and found.shape[1] == 1 else found
    if (
        labels.ndim == 2
        and labels.dtype.kind in "buif"
        and ((labels == 1).sum(1) == 1).all()
        and (labels != 0).sum() == N
    ):
        notes.append(f"labels from {which}, a column for each class")
        return labels.argmax(1)
    if labels.shape != (N,):
        raise DataError(f"there are {N} images, and {which} has the shape {found.shape}: expected one label for each")
    notes.append(f"labels from {which}")
    return labels.astype(np.int64) if labels.dtype.kind in "iu" else labels


def image_array(shapes: dict[str, tuple[tuple[int, ...], np.dtype]]) -> str | None:
    """Which of the arrays in an archive holds the images, by names, shapes and types; None if there is none."""
    fitting = {name: s for name, s in shapes.items() if _like_images(*s)}
    named = _called(_INPUTS, fitting)
    if named is not None:
        return named
    bytewise = [name for name, (_, dtype) in fitting.items() if dtype == np.uint8]
    return bytewise[0] if len(bytewise) == 1 else None


def _like_images(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    if dtype.kind not in "buif" or len(shape) not in (3, 4) or 0 in shape:
        return False
    sides = shape[1:3] if len(shape) == 3 or shape[3] in (1, 3) else shape[2:] if shape[1] in (1, 3) else (0, 0)
    return min(sides) >= 4 and max(sides) <= 10 * min(sides)


def _channels_last(pixels: np.ndarray, where: str) -> np.ndarray:
    if pixels.ndim == 4 and pixels.shape[3] not in (1, 3):
        pixels = np.moveaxis(pixels, 1, 3)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels.sum()) and not np.isfinite(pixels).all():
        image = int((~np.isfinite(pixels)).reshape(len(pixels), -1).any(1).argmax())
        raise DataError(f"the images in {where} hold NaN or infinity, first in image {image}")
    return pixels


def _called(names: tuple[str, ...], arrays: dict[str, Any]) -> str | None:
    lower = {name.lower(): name for name in arrays}
    return next((lower[name] for name in names if name in lower), None)


def _are_names_of(names: np.ndarray, labels: np.ndarray) -> bool:
    return (
        names.ndim == 1
        and names.dtype.kind == "U"
        and len(set(names.tolist())) == len(names)
        and labels.dtype.kind in "iu"
        and (not labels.size or (labels.min() >= 0 and labels.max() < len(names)))
    )


# ------------------------------------------------------------------------------------------ idx


def read_idx(source: Any, labels: Any = None, *, max_bytes: int = MAX_BYTES) -> tuple[Images, np.ndarray | None]:
    """Read images from an idx file as MNIST's, plain or gzipped, and labels from the one beside it.

    The format: two zero bytes, a byte for the type of the numbers, a byte for the number of axes, the length of each
    axis as a big-endian number of four bytes, and then the numbers (LeCun, Cortes and Burges, the MNIST page).

    Parameters
    ----------
    source : path or binary stream
        The images, such as train-images-idx3-ubyte.gz.
    labels : path or binary stream, optional
        Without it the file beside it in whose name "labels" stands for "images", and idx1 for idx3, if there is one.
    max_bytes : int, default 2^30
        Limit on the size after unpacking.

    Returns
    -------
    Images
    array of shape (N,) or None

    Raises
    ------
    DataError
        If a file is no idx file or cut off, or there are not as many labels as images.
    """
    where = describe(source)
    pixels = parse_idx(read_bytes(source, max_bytes, text=False), where)
    if pixels.ndim not in (3, 4):
        raise DataError(
            f"{where} holds {'labels' if pixels.ndim == 1 else 'an array'} of shape {pixels.shape}, not images"
        )
    notes = [f"images from {where}, an idx file"]
    if labels is None and isinstance(source, str | Path):
        labels = beside(Path(source).expanduser())
    if labels is None:
        return Images(_channels_last(pixels, where), notes=notes), None
    known = parse_idx(read_bytes(labels, max_bytes, text=False), describe(labels))
    if known.shape != (len(pixels),):
        raise DataError(f"{where} holds {len(pixels)} images, and {describe(labels)} has the shape {known.shape}")
    notes.append(f"labels from {describe(labels)}")
    known = known.astype(np.int64) if known.dtype.kind in "iu" else known
    return Images(_channels_last(pixels, where), notes=notes), known


def beside(path: Path) -> Path | None:
    """The idx file of the labels that belong to an idx file of images."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    found = path.with_name(name)
    return found if name != path.name and found.is_file() else None


def parse_idx(data: bytes, where: str) -> np.ndarray:
    """The array of an idx file.

    Raises
    ------
    DataError
        If it is no such file, or its length is not the one that its head promises.
    """
    if not is_idx(data[:4]):
        raise DataError(f"{where} is not an idx file: it begins with {data[:4].hex(' ')}")
    dtype, axes = np.dtype(_IDX[data[2]]), data[3]
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(data[4 + 4 * a : 8 + 4 * a], "big") for a in range(axes))
    promised = start + math.prod(shape) * dtype.itemsize
    if len(data) != promised:
        raise DataError(f"{where} promises {shape} values, {promised:,} bytes in all, and has {len(data):,}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def is_idx(head: bytes) -> bool:
    """Whether a file that begins with these bytes is an idx file."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _IDX and 1 <= head[3] <= 4
