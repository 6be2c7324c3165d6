r"""LeNet-5: the convolutional net that read digits.

On a field of 32 x 32 pixels, in which smaller images stand in the middle with their edges repeated, it computes

==========  ========================  ==================  ==========================================
layer       what                      gives               in 1998
==========  ========================  ==================  ==========================================
C1          6 windows of 5 x 5        6 maps of 28 x 28   the same
S2          means of 2 x 2            6 maps of 14 x 14   times a weight, plus a bias, then sigmoid
C3          16 windows of 5 x 5       16 maps of 10 x 10  each looks at 3, 4 or 6 of the maps only
S4          means of 2 x 2            16 maps of 5 x 5    as S2
C5          120 windows of 5 x 5      120 units           the same
F6          dense                     84 units            the same
output      dense, softmax            C scores            distances from fixed bit maps of 7 x 12
==========  ========================  ==================  ==========================================

with the activation

.. math:: f(a) = 1.7159 \tanh(2 a / 3)

after C1, C3, C5 and F6 (appendix A there), and cross-entropy as the loss. The last column says what differs: the sparse
table of C3 saved computations and broke a symmetry, and the bit maps stood for codes of characters; the learning rule
was a diagonal Levenberg-Marquardt approximation, here it is `default_training`. With ``pooling="max"`` and
``activation="relu"`` it becomes the net of later textbooks, which errs less.

Larger images give more than one place to C5, which then is a dense layer over them.

**Use it** for digits and letters, as the classic that others are measured by. `ConvClassifier` is its better heir.

Cost: 61,706 weights for grey images and ten classes; an update of 128 images about 15 ms on one core.

Reference: LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition, Proc. IEEE
86, 2278-2324, section II.B and figure 2.
"""

from collections import OrderedDict
from math import prod
from typing import Literal, Self

import torch
from torch import nn
from torch.nn import functional

from peira.core import Card, param
from peira.core.params import choice
from peira.layers import activation, pooling, shape_after
from peira.training import Training

from .image_classifier import ImageClassifier

FIELD = 32


class ScaledTanh(nn.Module):
    """1.7159 tanh(2 a / 3): plus or minus 1 for plus or minus 1, and most curved there."""

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        """The function of each net input."""
        return 1.7159 * torch.tanh(a * (2 / 3))


class Centre(nn.Module):
    """Images in the middle of a field that repeats their edges, where they are smaller."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The images, at least so large."""
        H, W = (max(0, self.side - n) for n in x.shape[2:])
        return functional.pad(x, (W // 2, W - W // 2, H // 2, H - H // 2), "replicate") if H or W else x


class LeNet(ImageClassifier):
    """LeNet-5 of 1998.

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
    >>> from peira.neural import LeNet
    >>> from peira.training import Training
    >>> images, labels = load_digits().images / 16, load_digits().target
    >>> brief = Training(updates=40, learning_rate=0.005)
    >>> model = LeNet(training=brief, random_state=0).fit(images[:1400], labels[:1400])
    >>> sum(weights.numel() for weights in model.net_.parameters())
    61706
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="LeCun, Bottou, Bengio & Haffner (1998), section II.B",
        cost="T updates of B images: T B times 416,000 multiplications for 28 x 28 pixels",
        data="images",
    )
    activation: Literal["scaled tanh", "tanh", "sigmoid", "relu", "leaky relu", "elu", "gelu", "swish"] = param(
        "scaled tanh", "activation after C1, C3, C5 and F6", tune=choice("scaled tanh", "relu")
    )
    pooling: Literal["average", "max"] = param(
        "average", "what S2 and S4 keep of 2 x 2 places", tune=choice("average", "max")
    )

    def _features(self, shape: tuple[int, ...]) -> nn.Module:
        def act() -> nn.Module:
            return ScaledTanh() if self.activation == "scaled tanh" else activation(self.activation)

        maps = OrderedDict(
            field=Centre(FIELD),
            c1=nn.Conv2d(shape[0], 6, 5), a1=act(), s2=pooling(self.pooling),
            c3=nn.Conv2d(6, 16, 5), a3=act(), s4=pooling(self.pooling),
        )  # fmt: skip
        places = prod(shape_after(nn.Sequential(maps), shape))
        maps |= OrderedDict(flatten=nn.Flatten(), c5=nn.Linear(places, 120), a5=act(), f6=nn.Linear(120, 84), a6=act())
        return nn.Sequential(maps)

    @classmethod
    def example(cls) -> Self:
        """Few updates."""
        return cls(
            random_state=0, device="cpu",
            training=Training(optimiser="adam", learning_rate=0.003, updates=40),
        )  # fmt: skip
