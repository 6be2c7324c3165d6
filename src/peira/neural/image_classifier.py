r"""Nets that tell images apart: what `ConvClassifier`, `LeNet` and `ResNet` share.

Images come as `peira.experience.images.Images`, or as arrays (N, H, W) in grey and (N, H, W, 3) in colour, uint8 or
floating-point. All of a fit and of what is asked later have one size.

With an augmentation (`peira.experience.augmentation`), every batch is changed before it is learned from, anew each
time. Where that mixes images, labels become probabilities of classes, and are mixed alike.
"""

from collections.abc import Callable

import torch
from torch.nn.functional import one_hot

from peira.core.errors import UnreadableError
from peira.core.inputs import Data
from peira.core.params import param
from peira.experience.augmentation import Augmentation
from peira.training.batches import Batch

from .grid_classifier import GridClassifier
from .image_method import ImageMethod


class ImageClassifier(GridClassifier, ImageMethod):
    """Base of the nets for images; ``fit`` takes images of shape (N, H, W) or (N, H, W, C), and their labels.

    Attributes
    ----------
    augment_ : Augmentation
        How images were changed while they were learned from.
    """

    augment: Augmentation | None = param(
        None,
        "how images are changed while they are learned from; None: as the net suggests; Augmentation(): not at all",
    )

    def _suggested_augmentation(self) -> Augmentation:
        return Augmentation()

    def _shape(self) -> tuple[int, ...]:
        return tuple(self.image_shape_)

    def _change(self) -> Callable[[Batch, torch.Generator], Batch] | None:
        self.augment_ = self._suggested_augmentation() if self.augment is None else self.augment
        return None if self.augment_ == Augmentation() else self.augment_

    def _class_targets(self, data: Data) -> torch.Tensor:
        mixed = self.augment_.mixup and not self._several
        return one_hot(data.codes, len(data.classes)).to(data.dtype) if mixed else super()._class_targets(data)

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and not isinstance(getattr(self, "augment_", None), Augmentation):
            raise UnreadableError(f"a stored {type(self).__name__} needs augment_, an Augmentation")
