"""What a model that was learned is asked about: a source in the form that it knows."""

from typing import Any

import numpy as np

from ..core.method import Method
from ..experience.reading import read
from .image_material import images_like


def inputs_for(model: Method, source: Any) -> tuple[Any, np.ndarray | None]:
    """The inputs that a source holds for a model, and the labels beside them where they are no part of the inputs.

    Parameters
    ----------
    model : Method
        Fitted. One that learns from images gets images of the size that it knows.
    source : path, frame, Images

    Raises
    ------
    DataError
        If the source holds something else than the model learned from.
    """
    if model.card.data != "images":
        return read(source), None
    if (shape := getattr(model, "shape_", None)) is None:
        C, H, W = model.image_shape_  # a method of images that was stored by itself
        shape = [H, W, C]
    return images_like(source, shape)
