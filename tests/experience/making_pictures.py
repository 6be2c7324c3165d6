"""Small pictures and folders of them, for tests."""

import numpy as np
from PIL import Image


def grey(seed=0, H=6, W=5):
    return np.random.default_rng(seed).integers(0, 256, (H, W), dtype=np.uint8)


def colour(seed=0, H=6, W=5):
    return np.random.default_rng(seed).integers(0, 256, (H, W, 3), dtype=np.uint8)


def put(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def said(images, words):
    assert any(words in note for note in images.notes), images.notes
