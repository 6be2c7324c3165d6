"""Methods that learn from images: their door.

What `Method` does for tables is done here for images (`peira.core.images`): checked once, signature noted, and what is
asked later must agree with it. Everything else (labels, weights, seeds, errors) is shared with the methods for tables.
"""

import math
from typing import Any

import torch

from peira.core.errors import DataError, UnreadableError
from peira.core.images import CHANNELS, open_images
from peira.core.inputs import Data, Queries
from peira.core.method import Method


class ImageMethod(Method):
    """Base of the methods that learn from images; ``data.X`` is float32 of shape (N, C, H, W).

    Attributes
    ----------
    image_shape_ : list of int
        Channels, height and width of the images.
    n_features_in_ : int
        Numbers of an image.
    """

    _dtype = torch.float32
    image_shape_: list[int]

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        data = super()._begin(X, y, sample_weight, supervised=supervised, **known)
        self.image_shape_ = [int(n) for n in data.X.shape[1:]]
        self.n_features_in_ = math.prod(self.image_shape_)
        return data

    def _inputs(self, X: Any) -> Queries:
        return open_images(X, owner=type(self).__name__)

    def _check_signature(self, X: Any) -> None:
        """Images have no columns, and so no names of them."""

    def _check_width(self, data: Queries) -> None:
        got = [int(n) for n in data.X.shape[1:]]
        if got != self.image_shape_:
            raise DataError(
                f"X holds {_in_words(got)}, but {type(self).__name__} has learned {_in_words(self.image_shape_)}; "
                "bring all images to one size and kind first"
            )

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        shape = getattr(self, "image_shape_", None)
        whole = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n >= 1 for n in shape)
        if not whole or shape[0] not in CHANNELS or math.prod(shape) != self.n_features_in_:
            raise UnreadableError(f"{type(self).__name__}.image_shape_ is {shape!r}, not the shape of its images")


def _in_words(shape: list[int]) -> str:
    C, H, W = shape
    return f"{CHANNELS[C]} images of {H} x {W} pixels"
