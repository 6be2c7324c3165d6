"""The door for images: arrays, tensors and containers come in, checked tensors go on.

Pixels of type uint8 become numbers between 0 and 1, other numbers stay as they are. Inside, images are float32 of shape
(N, C, H, W): items, channels (1 for grey, 3 for red, green and blue), rows from the top, columns from the left.
"""

from typing import Any

import numpy as np
import torch

from .errors import DataError
from .inputs import Queries, _share, is_frame

CHANNELS = {1: "grey", 3: "colour"}


def open_images(X: Any, *, owner: str, name: str = "X") -> Queries:
    """Turn images into one checked tensor.

    Parameters
    ----------
    X : Images, array, tensor, or list of arrays of equal shape
        Of shape (N, H, W) for grey, or (N, H, W, C) with C = 1 or 3; also (N, C, H, W) if the second axis has length 1
        or 3 and the last one has not. uint8 (0 to 255), truth values, or floating-point numbers.
    owner : str
        Who asks, for the messages.
    name : str, default "X"
        What the images are called in messages.

    Returns
    -------
    Queries
        Its ``X`` is float32 of shape (N, C, H, W); uint8 is divided by 255, floats stay as they are.

    Raises
    ------
    DataError
        If there are no images in it, they differ in size, or a pixel is not finite; the message names the image.

    Notes
    -----
    Four bytes a pixel value; time of one pass over the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> opened = open_images(np.full((5, 8, 6, 3), 255, np.uint8), owner="ConvClassifier")
    >>> tuple(opened.X.shape), opened.X.dtype, float(opened.X.max())
    ((5, 3, 8, 6), torch.float32, 1.0)
    """
    pixels = getattr(X, "pixels", X)
    as_numpy = not isinstance(pixels, torch.Tensor)
    T = pixels.detach() if isinstance(pixels, torch.Tensor) else _share(_pixel_array(pixels, owner, name))
    layout = channels_axis(tuple(T.shape), owner=owner, name=name)
    if T.shape[0] == 0:
        raise DataError(
            f"Found array with 0 sample(s) (shape={tuple(T.shape)}) while a minimum of 1 is required by {owner}."
        )
    if 0 in T.shape:
        raise DataError(f"{owner} got images without a single pixel as {name}: shape {tuple(T.shape)}")
    if T.layout != torch.strided:
        raise TypeError(f"Sparse data was passed as {name}, but {owner} takes images as dense arrays")
    if T.is_complex():
        raise DataError(f"Complex data not supported: {owner} got {name} of {T.dtype}")
    if not (T.dtype in (torch.uint8, torch.bool) or T.is_floating_point()):
        raise DataError(
            f"{owner} got pixels of {str(T.dtype).removeprefix('torch.')} as {name}, which have no range of their own: "
            "convert them to uint8 (0 to 255), or divide them by their largest possible value"
        )
    if layout is None:
        T = T[:, None]
    elif layout == 3:
        T = T.permute(0, 3, 1, 2)
    whole = T.dtype == torch.uint8
    T = T.to(torch.float32, memory_format=torch.contiguous_format)
    T = T.div_(255) if whole else T.contiguous()
    _require_finite(T, owner, name)
    return Queries(T, as_numpy=as_numpy, device=T.device, dtype=torch.float32)


def channels_axis(shape: tuple[int, ...], *, owner: str, name: str = "X") -> int | None:
    """Which axis of images holds the channels: 3, 1, or None for grey ones without such an axis.

    Raises
    ------
    DataError
        If arrays of this shape are no images.
    """
    if len(shape) == 3:
        return None
    if len(shape) == 4:
        if shape[3] in CHANNELS:
            return 3
        if shape[1] in CHANNELS:
            return 1
        if shape[3] in (2, 4):
            raise DataError(
                f"{owner} got {name} of shape {shape}: a channel of transparency in images is refused, because what "
                f"is behind them is unknown; keep the first {shape[3] - 1} channel(s) with {name}[..., :{shape[3] - 1}]"
            )
    hint = ""
    if len(shape) == 2:
        hint = (
            f"; rows of numbers become images with peira.experience.images.Images.from_rows({name}, (height, width)), "
            f"and a single image with {name}[None]"
        )
    raise DataError(
        f"{owner} expected images as {name}, of shape (N, H, W), (N, H, W, 1), (N, H, W, 3) or (N, C, H, W), "
        f"got an array of shape {shape} (dim {len(shape)}){hint}"
    )


def _pixel_array(value: Any, owner: str, name: str) -> np.ndarray:
    if value is None or isinstance(value, str | bytes) or is_frame(value):
        raise DataError(
            f"{owner} needs images as {name}, got {'a table' if is_frame(value) else type(value).__name__}; "
            "read files with peira.experience.images.read_images"
        )
    if isinstance(value, list | tuple):
        value = _stack(value, owner, name)
    if np.ma.is_masked(value):
        raise DataError(f"{owner} got a masked array as {name}, with {np.ma.count_masked(value)} values masked")
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {owner} got {name} of {array.dtype}")
    if array.dtype.kind not in "buif":
        raise DataError(f"{owner} needs numbers as pixels of {name}, got an array of {array.dtype}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)  # refused by its type further on, and torch knows no uint16 everywhere
    return array


def _stack(images: list | tuple, owner: str, name: str) -> np.ndarray:
    """A list of images as one array; the first one that differs from the first of all is named."""
    arrays = []
    for n, image in enumerate(images):
        try:
            arrays.append(image.numpy(force=True) if isinstance(image, torch.Tensor) else np.asarray(image))
        except ValueError as error:
            raise DataError(f"{owner} cannot read image {n} of {name}, are its rows of equal length? {error}") from None
        if arrays[-1].shape != arrays[0].shape:
            raise DataError(
                f"{owner} needs images of equal size: image 0 of {name} has shape {arrays[0].shape}, image {n} has "
                f"{arrays[-1].shape}; bring them to one size first (peira.experience.images.read_images does)"
            )
    return np.stack(arrays) if arrays else np.empty((0, 0, 0))


def _require_finite(T: torch.Tensor, owner: str, name: str) -> None:
    if torch.isfinite(T.sum()):  # one pass in the usual case: a sum is finite only if every term is
        return
    bad = ~torch.isfinite(T)
    if not bad.any():
        return
    n, c, h, w = (int(i) for i in bad.nonzero()[0])
    kind = "NaN" if torch.isnan(T[n, c, h, w]) else "infinity"
    images = int(bad.flatten(1).any(1).sum())
    raise DataError(
        f"Input {name} contains NaN or infinity: {int(bad.sum())} pixel values in {images} of {len(T)} images, first "
        f"{kind} in image {n} at row {h}, column {w}, channel {c}; {owner} needs finite numbers"
    )
