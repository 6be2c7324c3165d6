"""Images as experience: equally large pictures in one array, and how they are read.

=================  ==================================================================
`Images`           the container: ``len(d)``, ``d[index]``, ``d.pixels``, ``d.names``
`read_images`      whatever holds images: a folder, idx or npz files, one picture
`looks_like_images`  whether a source is images rather than a table
=================  ==================================================================
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peira.core.errors import DataError

if TYPE_CHECKING:
    from .image_sources import looks_like_images, read_images

__all__ = ["Images", "looks_like_images", "read_images"]


class Images:
    """Images of one size; nothing in it changes once it is made.

    Parameters
    ----------
    pixels : array of shape (N, H, W) or (N, H, W, C)
        C = 1 for grey, 3 for red, green and blue. uint8 between 0 and 255 is kept as it is, other numbers as float32.
    names : sequence of str, optional
        What each image is called, such as its file; numbers without it.
    notes : sequence of str
        What was decided on the way here, for the reader.

    Attributes
    ----------
    pixels : array of shape (N, H, W, C)
        Read-only.
    names : array of str of shape (N,)
    notes : tuple of str

    Raises
    ------
    DataError
        If the pixels are no images.

    Examples
    --------
    >>> d = Images(np.zeros((10, 28, 28), np.uint8))
    >>> d
    Images(10 grey images, 28 x 28 pixels)
    >>> d[3:5].names.tolist(), d[[0]].pixels.shape
    (['3', '4'], (1, 28, 28, 1))
    """

    __slots__ = ("names", "notes", "pixels")
    pixels: np.ndarray
    names: np.ndarray
    notes: tuple[str, ...]

    def __init__(self, pixels: Any, names: Sequence[str] | np.ndarray | None = None, notes: Sequence[str] = ()) -> None:
        pixels = pixels.numpy(force=True) if hasattr(pixels, "detach") else np.asarray(pixels)
        if pixels.ndim == 3:
            pixels = pixels[..., None]
        if pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
            raise DataError(
                "images have shape (N, H, W) or (N, H, W, C) with C = 1 or 3, "
                f"got {pixels.shape}{_remedy(pixels.shape)}"
            )
        if pixels.dtype != np.uint8:
            pixels = pixels.astype(np.float32) if pixels.dtype.kind in "bf" else _fit_in_bytes(pixels)
        names = np.array([str(n) for n in (range(len(pixels)) if names is None else names)], dtype=object)
        if len(names) != len(pixels):
            raise DataError(f"there are {len(pixels)} images and {len(names)} names for them")
        pixels = pixels.view()
        pixels.setflags(write=False)
        names.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "notes", tuple(notes))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of images, height, width and channels."""
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: Any) -> "Images":
        """The images of a slice, mask or array of positions; a single position gives one image as a container."""
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # so does scikit-learn take the rows of an array
        if isinstance(index, int | np.integer):
            index = slice(index, None) if index == -1 else slice(index, index + 1)
        rows = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(rows, slice) and rows.size == 0:
            rows = rows.astype(np.intp)
        return Images(self.pixels[rows], self.names[rows], self.notes)

    def __iter__(self):
        raise TypeError("images are not iterable: ask for d.pixels, d.names or d[rows]")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.pixels, dtype=dtype, copy=bool(copy) or (dtype is not None and dtype != self.pixels.dtype))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"images are immutable: make new ones with other {name}")

    def __reduce__(self) -> tuple:
        return Images, (self.pixels, self.names, self.notes)

    def __repr__(self) -> str:
        N, H, W, C = self.shape
        return f"Images({N:,} {'grey' if C == 1 else 'colour'} image{'s' * (N != 1)}, {H} x {W} pixels)"

    @classmethod
    def from_rows(cls, X: Any, shape: tuple[int, ...]) -> "Images":
        """Images from rows of numbers, pixel after pixel as one reads, the channels of a pixel side by side.

        Parameters
        ----------
        X : array of shape (N, H W C)
        shape : (H, W) or (H, W, C)

        Raises
        ------
        DataError
            If a row does not hold as many numbers as the shape asks for.

        Examples
        --------
        >>> Images.from_rows(np.zeros((2, 64)), (8, 8))
        Images(2 grey images, 8 x 8 pixels)
        """
        X = X.numpy(force=True) if hasattr(X, "detach") else np.asarray(X)
        need = int(np.prod(shape))
        if X.ndim != 2 or len(shape) not in (2, 3) or need != X.shape[1]:
            raise DataError(f"rows for images of shape {tuple(shape)} hold {need} numbers each, got {X.shape}")
        return cls(X.reshape(len(X), *shape))

    @classmethod
    def read_folder(cls, path: str | Path, size: int | tuple[int, int] | None = None, **options: Any) -> tuple:
        """Images and labels from a folder: see `peira.experience.image_files.read_folder`."""
        from .image_files import read_folder

        return read_folder(path, size, **options)

    @classmethod
    def read_npz(cls, path: Any, **options: Any) -> tuple:
        """Images and labels from an archive of arrays: see `peira.experience.image_arrays.read_npz`."""
        from .image_arrays import read_npz

        return read_npz(path, **options)

    @classmethod
    def read_idx(cls, path: Any, labels: Any = None, **options: Any) -> tuple:
        """Images and labels from files as MNIST's: see `peira.experience.image_arrays.read_idx`."""
        from .image_arrays import read_idx

        return read_idx(path, labels, **options)


def _remedy(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "; rows of numbers become images with Images.from_rows"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "; here channels come last: np.moveaxis(pixels, 1, 3)"
    if len(shape) == 4 and shape[3] in (2, 4):
        return "; leave out how transparent the pixels are: pixels[..., :-1]"
    return ""


def _fit_in_bytes(pixels: np.ndarray) -> np.ndarray:
    """Whole numbers as uint8, if they are what a byte holds."""
    if pixels.dtype.kind not in "iu":
        raise DataError(f"pixels are numbers, got an array of {pixels.dtype}")
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        raise DataError(
            f"whole numbers as pixels lie between 0 and 255, got {pixels.min()} to {pixels.max()}; "
            "divide others by their largest possible value"
        )
    return pixels.astype(np.uint8)


def __getattr__(name: str) -> Any:
    if name in ("looks_like_images", "read_images"):
        from . import image_sources

        return getattr(image_sources, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
