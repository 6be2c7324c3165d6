"""Images for the report: small PNG files as texts, few enough that the page stays small.

An image that is larger than the page shows is made smaller by averaging; grey levels and colours stay what they are,
and numbers that are no bytes are stretched to the range of all images together.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

SIDES = (96, 64, 48, 32)
"""Pixels of the longer side, at most: the first for which all images together stay below `LARGEST`."""
LARGEST = 900_000
"""Characters of all images of one part of a report."""


def drawn(images: Any, rows: Sequence[int] | np.ndarray) -> list[str]:
    """Some images as texts: the base64 of a PNG each.

    Parameters
    ----------
    images : Images
    rows : sequence of int
    """
    return encoded([images.pixels[row] for row in rows], span(images.pixels))


def encoded(pictures: Sequence[np.ndarray], between: tuple[float, float] = (0.0, 1.0)) -> list[str]:
    """Pictures (H, W, C), of uint8 or of numbers in a range, as texts; all of one size, as large as there is room."""
    for side in SIDES:
        texts = [_png(_bytes(picture, between), side) for picture in pictures]
        if sum(map(len, texts)) <= LARGEST:
            break
    return texts if pictures else []


def span(pixels: np.ndarray) -> tuple[float, float]:
    """What black and white stand for: 0 and 1 where all numbers lie there, else the least and the largest of them."""
    if pixels.dtype == np.uint8 or not pixels.size:
        return 0.0, 1.0
    low, high = float(pixels.min()), float(pixels.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, max(high, low + 1e-12))


def changed(change: Any, images: Any, rows: Sequence[int] | np.ndarray, times: int, seed: int) -> list[list[str]]:
    """What a method's changes make of images: for each of them itself, and so many changed ones.

    Parameters
    ----------
    change : callable(batch, generator) -> batch
        Of images (N, C, H, W) and probabilities of two labels (N, 2).
    images : Images
    rows : sequence of int
    times, seed : int
    """
    pixels = images.pixels[np.asarray(rows)]
    low, high = span(images.pixels)
    X = torch.from_numpy(np.array(pixels, np.float32)).permute(0, 3, 1, 2).contiguous()
    X = X / 255 if pixels.dtype == np.uint8 else X
    generator = torch.Generator().manual_seed(seed)
    targets = torch.eye(2)[torch.arange(len(X)) % 2]
    each = [X, *(change((X.clone(), targets.clone()), generator)[0] for _ in range(times))]
    ends = (0.0, 1.0) if pixels.dtype == np.uint8 else (low, high)
    flat = [t[n].permute(1, 2, 0).numpy(force=True) for n in range(len(X)) for t in each]
    texts = encoded(flat, ends)
    return [texts[k : k + len(each)] for k in range(0, len(texts), len(each))]


def _bytes(picture: np.ndarray, between: tuple[float, float]) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    low, high = between
    return (np.clip((picture - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)


def _png(picture: np.ndarray, side: int) -> str:
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
