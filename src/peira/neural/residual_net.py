r"""The residual net: deep, because each block only learns what to add.

A block of two convolutions F has a way around it,

.. math:: h_{l+1} = a(P h_l + F_l(h_l))

with P the identity, but where a stage begins: there height and width are halved, channels doubled, and P takes every
other place and adds channels of zeros (option A), or is a convolution of window 1 (option B). If F has nothing to add
it learns zeros, so that more layers never make it harder to fit; and gradients flow back through the identities

.. math:: \frac{\partial E}{\partial h_l} = \frac{\partial E}{\partial h_L} (I + \partial \sum_i F_i / \partial h_l)

with the sum over the blocks in between (2016b, eq. 5, for ``pre_activation=True``, which has no activation after the
sum), so that depth does not make them vanish.

The form for small images (2016a, section 4.2): one 3 x 3 convolution, then three stages of n blocks at full, half and
quarter size with W, 2 W and 4 W channels, the mean of each channel over all places, and linear scores: 6 n + 2 layers
with weights. ResNet-20 with W = 16 has 0.27 million weights. What differs: `default_training` is short, 2,000 updates
by Nesterov's momentum in one cycle of the learning rate. The paper's is

``Training(optimiser="momentum", learning_rate=0.1, updates=64000, weight_decay=1e-4, schedule="steps")``

with ``augment=Augmentation(crop=4, flip="horizontal")``, and took away the mean of each pixel, not of each channel.

**Use it** for colour images where a GPU is at hand; on a few cores `ConvClassifier` learns as much in less time.

Cost: ResNet-20 takes 41 million multiplications for an image of 32 x 32 pixels, and learning three times that: some
seconds an update of 128 images on one core.

Reference: He, Zhang, Ren & Sun (2016a), Deep residual learning for image recognition, CVPR, section 4.2; (2016b)
Identity mappings in deep residual networks, ECCV.
"""

from collections import OrderedDict
from typing import Literal, Self

from torch import nn

from peira.core import Card, ParameterError, param
from peira.core.params import choice
from peira.layers import ResidualBlock, conv_block, initialise, normalisation, pooling
from peira.training import Training

from .image_classifier import ImageClassifier


class ResNet(ImageClassifier):
    """The residual net for small images.

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
    >>> from peira.neural import ResNet
    >>> from peira.training import Training
    >>> images, labels = load_digits().images / 16, load_digits().target
    >>> brief = Training(optimiser="nesterov", learning_rate=0.05, updates=10)
    >>> model = ResNet(depth=8, training=brief, random_state=0).fit(images[:1400], labels[:1400])
    >>> model.transform(images[:5]).shape
    (5, 64)
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="He, Zhang, Ren & Sun (2016), section 4.2",
        cost="T updates of B images: 3 T B depth H W (3 width)^2 / 2 multiplications",
        on_request="without a GPU it takes many minutes",
        data="images",
    )
    depth: int = param(20, "layers with weights, 6 n + 2 for n blocks a stage", low=8, tune=choice(8, 14, 20))
    width: int = param(16, "channels of the first stage", low=1, tune=choice(16, 32))
    shortcut: Literal["zeros", "projection"] = param("zeros", "the way around where sizes change: option A or B")
    pre_activation: bool = param(False, "normalise and activate before the convolutions (2016b)")
    normalisation: Literal["batch", "layer", "group"] | None = param("batch", "normalisation in the blocks")

    @classmethod
    def default_training(cls) -> Training:
        """How the net learns when no ``training`` is given."""
        return Training(
            optimiser="nesterov", learning_rate=0.1, updates=2000, batch_size=128, weight_decay=5e-4,
            schedule="one cycle",
        )  # fmt: skip

    def _features(self, shape: tuple[int, ...]) -> nn.Module:
        C, n = self.width, (self.depth - 2) // 6
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if self.pre_activation:
            layers["stem"] = conv_block(shape[0], C, activation="identity")
        else:
            layers["stem"] = conv_block(shape[0], C, normalisation=self.normalisation)
        before = C
        for stage in range(3):
            for block in range(n):
                filters, stride = C * 2**stage, 2 if stage and not block else 1
                layers[f"stage_{stage + 1}_block_{block + 1}"] = ResidualBlock(
                    before, filters, stride=stride, shortcut=self.shortcut, pre_activation=self.pre_activation,
                    normalisation=self.normalisation, zero_last=self.normalisation is None,
                )  # fmt: skip
                before = filters
        if self.pre_activation:
            if self.normalisation is not None:
                layers["normalisation"] = normalisation(self.normalisation, before, 2)
            layers["activation"] = nn.ReLU()
        layers["pool"] = pooling("global average")
        net = nn.Sequential(layers)
        return net if self.normalisation is None else initialise(net, "he normal")  # without it, branches begin at zero

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if (self.depth - 2) % 6 or self.depth > 1202:
            raise ParameterError(
                f"parameter 'depth' of ResNet must be 6 n + 2 (8, 14, 20, ..., at most 1202), got {self.depth}"
            )

    @classmethod
    def example(cls) -> Self:
        """Few blocks, and no chance inside."""
        return cls(
            depth=8, width=4, normalisation="group", random_state=0, device="cpu",
            training=Training(optimiser="adam", learning_rate=0.01, updates=40),
        )  # fmt: skip
