"""One picture file: what its head says, and its pixels.

Pillow decodes, and only formats whose decoders run nothing: never EPS, which would start an interpreter of PostScript.
What a file is follows from its first bytes, not from its name. A file that promises more pixels than a photograph has
is refused before they are unpacked.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from peira.core.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"}
MAX_PIXELS = 89_478_485  # of one picture: Pillow's own limit, which programs may have switched off
MAX_FILE = 2**28  # bytes of one picture

_TURNED = (5, 6, 7, 8)  # values of EXIF's orientation that exchange width and height
_ORIENTATION = 0x0112
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")


class Damaged(Exception):
    """A file cannot be read as a picture; the message is the rest of a sentence about it."""


class Facts(NamedTuple):
    """What the head of a picture file says."""

    height: int
    width: int
    grey: bool
    remarks: tuple[str, ...]
    """What is done to the picture on its way to 8 bits, upright and opaque."""


def look(path: Path) -> Facts:
    """What the head of a file says; of PNG, whose notes on orientation may stand at the end, all is read.

    Raises
    ------
    Damaged
        If the file is no picture, or one that is refused.
    """
    with _opened(path) as image:
        turned = _orientation(image)
        width, height = image.size[::-1] if turned in _TURNED else image.size
        remarks = []
        if turned != 1:
            remarks.append("turned upright, as their cameras noted (EXIF)")
        if _see_through(image):
            remarks.append("with transparent parts, laid on white")
        if image.mode in (*_DEEP, "I"):
            remarks.append("of 16 bits a pixel, brought to 8")
        if getattr(image, "is_animated", False):
            remarks.append("of several frames or pages, of which the first is taken")
        grey = image.mode in ("1", "L", "LA", "I", *_DEEP)
        return Facts(height, width, grey, tuple(remarks))


def decode(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """The pixels of a file, upright, as uint8 of shape (H, W, C).

    Parameters
    ----------
    path : Path
    size : (H, W)
        A picture of another size is stretched or shrunk to it, averaging over the pixels that become one.
    channels : 1 or 3

    Raises
    ------
    Damaged
        If the file is no picture, is cut off or damaged.
    """
    with _opened(path) as image:
        turned = _orientation(image)
        if image.format == "JPEG" and image.mode in ("L", "RGB"):  # let its decoder do most of the shrinking
            image.draft(image.mode, size if turned in _TURNED else size[::-1])
        image.load()
        if turned != 1:
            image = ImageOps.exif_transpose(image)
        image = _plain(image, "L" if channels == 1 else "RGB")
        if image.size != size[::-1]:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image, dtype=np.uint8).reshape(*size, channels)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Damaged("is not a regular file")
        if not status.st_size:
            raise Damaged("is empty")
        if status.st_size > MAX_FILE:
            raise Damaged(f"has {status.st_size:,} bytes, more than {MAX_FILE:,}")
        with path.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Damaged(f"promises {width} x {height} pixels, more than {MAX_PIXELS:,}")
            if not width * height:
                raise Damaged("has no pixels")
            yield image
    except Damaged:
        raise
    except UnidentifiedImageError:
        raise Damaged(f"is no picture in one of the formats {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Damaged(f"promises more than {MAX_PIXELS:,} pixels") from None
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file makes decoders raise almost anything: struct.error, SyntaxError, ...
        raise Damaged(f"is damaged: {type(error).__name__}: {str(error)[:120]}") from error


def _orientation(image: Any) -> int:
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _see_through(image: Any) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _plain(image: Any, mode: str) -> Any:
    """The picture as 8 bits of grey ("L") or of red, green and blue ("RGB")."""
    if image.mode in _DEEP or (image.mode == "I" and image.format in ("PNG", "PPM", None)):
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise Damaged("holds numbers of 32 bits, which have no fixed range: save it with 8 or 16 bits")
    if _see_through(image):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def check_size(size: Any) -> tuple[int, int]:
    """A size as (H, W): of two numbers, or of one for squares."""
    pair = (size, size) if isinstance(size, int | np.integer) else size
    if not (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(n, int | np.integer) and not isinstance(n, bool) and 1 <= n <= 2**14 for n in pair)
    ):
        raise DataError(f"a size is a whole number of pixels, or (height, width), got {size!r}")
    return int(pair[0]), int(pair[1])
