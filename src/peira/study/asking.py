"""What a model that was learned is asked about: a source in the form that it knows."""

from typing import Any

import numpy as np

from ..core.errors import DataError, ParameterError
from ..core.method import Method
from ..experience.reading import read
from ..experience.text import read_text
from .image_material import images_like
from .items_model import ItemsModel
from .sequence_material import sequences_like
from .series_material import series_like


def inputs_for(model: Method, source: Any, *, skip_damaged: bool = False) -> tuple[Any, np.ndarray | None]:
    """The inputs that a source holds for a model, and the labels beside them where they are no part of the inputs.

    Parameters
    ----------
    model : Method
        Fitted. One that learns from images gets images of the size that it knows.
    source : path, frame, Images
    skip_damaged : bool, default False
        Of a folder of images or recordings: leave out files that cannot be used, instead of refusing them.

    Raises
    ------
    DataError
        If the source holds something else than the model learned from, or damaged files.
    ParameterError
        If files are to be left out where the model does not learn from files.
    """
    recordings = "features" in (getattr(model, "reading_", None) or {})
    if skip_damaged and not recordings and model.card.data != "images":
        raise ParameterError("--skip-damaged is for folders of images or recordings, and the model knows neither")
    if model.card.data == "symbols":
        return read_text(source).tokens(getattr(model, "reading_", {}).get("unit", "characters")), None
    if model.card.data == "sequences":
        if (reading := getattr(model, "reading_", None)) is None:
            raise DataError(f"{type(model).__name__} was stored by itself: ask it about sequences in Python")
        if not isinstance(model, ItemsModel):
            return series_like(source, reading), None
        return sequences_like(source, reading, getattr(model, "target_", None), skip_damaged=skip_damaged)
    if model.card.data != "images":
        return read(source), None
    if (shape := getattr(model, "shape_", None)) is None:
        C, H, W = model.image_shape_  # a method of images that was stored by itself
        shape = [H, W, C]
    return images_like(source, shape, skip_damaged=skip_damaged)
