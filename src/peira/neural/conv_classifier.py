r"""The convolutional classifier: a small net of local, shared windows for images.

Neighbouring pixels belong together, and a thing stays the same wherever in the image it stands. So the first layers
look through small windows, with the same weights at every place,

.. math:: h_l = a(N(\mathrm{pool}(V_l * h_{l-1}))), \quad l = 1, ..., L, \quad h_0 = (x - m) / d

each halving height and width, so that windows of later layers see more of the image; a dense layer combines all places,
and the scores of the classes are linear in it:

.. math:: g = a(W_1 \, \mathrm{vec}(h_L) + b_1), \quad P(c \mid x) \propto \exp(w_c^T g + b_c)

N is batch normalisation, a the rectifier, and features are dropped at random before and after the dense layer. With
``blocks="residual"`` a stage ends in two more convolutions with a way around them, which deeper nets need.

Weights are shared over places, so that there are few of them: :math:`k^2 C_{l-1} C_l` a stage for k x k windows.
``default_training`` is AdamW for 1,000 updates of 128 images in one cycle of the learning rate, with images shifted by
up to two pixels of 28: 99 % of the digits of MNIST and, from 2,000 images, 86 % of Fashion-MNIST, in about half a
minute of one core. More ``channels``, more updates and an ``augment`` that suits the images (mirrored where left and
right do not matter) gain what is left.

**Use it** for images and whatever else lies on a grid, from some hundred items on. Without a grid (columns of a table)
its windows mean nothing.

Cost: an update of B images takes about :math:`6 B \sum_l H_l W_l k^2 C_{l-1} C_l` operations, for N images as for more;
``Training(precision="bfloat16")`` halves the time where the processor knows that type.

Reference: LeCun et al. (1998), Proc. IEEE 86, 2278-2324; Ioffe & Szegedy (2015); Srivastava et al. (2014); Smith &
Topin (2018) for one cycle.
"""

from typing import Self

from peira.core import Card
from peira.experience.augmentation import Augmentation
from peira.training import Training

from .conv_stack import ConvStack
from .image_classifier import ImageClassifier

SHIFT = 14  # an image is shifted by up to this part of its shorter side


class ConvClassifier(ConvStack, ImageClassifier):
    """A convolutional net for images.

    Attributes
    ----------
    image_shape_ : list of int
        Channels, height and width of the images.
    channel_mean_, channel_scale_ : array of shape (C,)
        What the channels are standardised by.
    net_ : Module
        From images of shape (N, C, H, W) to scores of the classes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from peira.neural import ConvClassifier
    >>> from peira.training import Training
    >>> images, labels = load_digits().images / 16, load_digits().target
    >>> brief = Training(updates=60, learning_rate=0.01, schedule="one cycle")
    >>> model = ConvClassifier(channels=(8,), hidden=32, training=brief, random_state=0)
    >>> model = model.fit(images[:1400], labels[:1400])
    >>> bool(model.score(images[1400:], labels[1400:]) > 0.8), model.transform(images[:5]).shape
    (True, (5, 32))
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="LeCun et al. (1998); Ioffe & Szegedy (2015)",
        cost="T updates of B images: 3 T B products of H W k^2 channels in and out, summed over stages",
        data="images",
    )

    def _suggested_augmentation(self) -> Augmentation:
        return Augmentation(crop=round(min(self.image_shape_[1:]) / SHIFT))

    @classmethod
    def example(cls) -> Self:
        """A small net without chance inside."""
        return cls(
            channels=(8, 8), hidden=16, normalisation=None, dropout=0.0, random_state=0, device="cpu",
            augment=Augmentation(), training=Training(optimiser="adam", learning_rate=0.01, updates=60),
        )  # fmt: skip
