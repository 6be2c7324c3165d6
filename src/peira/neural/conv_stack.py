r"""Stacks of convolutions: the nets of `ConvClassifier` and `SignalClassifier`.

Stage l looks at each place and its neighbours through a window of weights that is the same everywhere, halves the
grid, and passes on what is above the mean (normalisation N, activation a):

.. math:: h_l = a(N(\mathrm{pool}(V_l * h_{l-1})))

In residual stages two more convolutions, which see zeros beyond the edge, learn what to add to that. After the last
stage a dense layer sees all places together, or, without one (``hidden=None``), each channel is averaged over the
places.
"""

import math
from collections import OrderedDict
from typing import Literal

import numpy as np
from torch import nn

from peira.core.errors import DataError, ParameterError
from peira.core.params import choice, integer, linear, param
from peira.layers import (
    ActivationName,
    ResidualBlock,
    activation,
    convolution,
    dropout,
    normalisation,
    pieces,
    pooling,
    shape_after,
)  # fmt: skip

from .grid_classifier import GridClassifier

MOST_STAGES = 64
LARGEST = 1024  # side up to which a net that takes nothing smaller is looked for


class ConvStack(GridClassifier):
    """Base of the nets that are a stack of convolutions; see the page of its module."""

    channels: tuple | list = param((16, 32), "filters of each stage", tune=choice((16, 32), (32, 64), (32, 64, 128)))
    kernel_size: int = param(3, "side of the window", low=1, tune=choice(3, 5))
    blocks: Literal["plain", "residual"] = param(
        "plain", "residual: two convolutions more a stage, with a way around them", tune=choice("plain", "residual")
    )
    pooling: Literal["max", "average", "stride"] = param(
        "max",
        "how a stage halves the grid: by the greatest or the mean of two (by two), or by taking every other place",
    )
    padding: Literal["zeros", "reflect", "replicate", "circular", "none"] = param(
        "zeros", "what windows see beyond the edge; with none the grid shrinks"
    )
    normalisation: Literal["batch", "layer", "group"] | None = param("batch", "normalisation in the stages")
    activation: ActivationName = param("relu", "activation")
    hidden: int | None = param(128, "units of the dense layer; None: means over places in its stead", low=1,
                               tune=integer(64, 256))  # fmt: skip
    dropout: float = param(
        0.3, "probability that a feature is dropped, before and after the dense layer", low=0, below=1,
        tune=linear(0.0, 0.5),
    )  # fmt: skip

    def _features(self, shape: tuple[int, ...]) -> nn.Module:
        before, stages = shape[0], OrderedDict()
        for number, filters in enumerate(map(int, self.channels), 1):
            stages[f"stage_{number}"] = self._stage(before, filters)
            before = filters
        places = shape_or_least_side(nn.Sequential(stages), shape, type(self).__name__)
        layers: OrderedDict[str, nn.Module] = stages
        if self.hidden is None:
            layers["pool"] = pooling("global average", dims=self._dims)
        else:
            layers["flatten"] = nn.Flatten()
        if self.dropout:
            layers["dropout_1"] = dropout(self.dropout)
        if self.hidden is not None:
            layers["dense"] = nn.Linear(math.prod(places), self.hidden * pieces(self.activation))
            layers["activation"] = activation(self.activation)
            if self.dropout:
                layers["dropout_2"] = dropout(self.dropout)
        return nn.Sequential(layers)

    def _stage(self, before: int, filters: int) -> nn.Sequential:
        wide, d = filters * pieces(self.activation), self._dims
        pads = {"padding": 0} if self.padding == "none" else {"padding": "same", "padding_mode": self.padding}
        stage: OrderedDict[str, nn.Module] = OrderedDict()
        stage["convolution"] = convolution(
            before, wide, self.kernel_size, dims=d, stride=2 if self.pooling == "stride" else 1,
            bias=self.normalisation != "batch", **pads,
        )  # fmt: skip
        if self.pooling != "stride":  # before normalisation and activation, which then have a quarter of the places
            stage["pool"] = pooling(self.pooling, 2, dims=d, ceil=True)
        if self.normalisation is not None:
            stage["normalisation"] = normalisation(self.normalisation, wide, d)
        stage["activation"] = activation(self.activation)
        if self.blocks == "residual":
            stage["residual"] = ResidualBlock(
                filters, filters, dims=d, normalisation=self.normalisation, activation=self.activation
            )
        return nn.Sequential(stage)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        owner, channels = type(self).__name__, self.channels
        whole = all(isinstance(c, int | np.integer) and not isinstance(c, bool) and c >= 1 for c in channels)
        if not whole or not 1 <= len(channels) <= MOST_STAGES:
            raise ParameterError(
                f"parameter 'channels' of {owner} must hold 1 to {MOST_STAGES} whole numbers >= 1, got {channels!r}"
            )
        if self.blocks == "residual" and pieces(self.activation) > 1:
            raise ParameterError(f"{owner}: maxout changes the number of channels; use blocks='plain'")
        if self.pooling == "stride" and self.kernel_size % 2 == 0 and self.padding != "none":
            raise ParameterError(f"{owner}: pooling='stride' needs an odd kernel_size, or padding='none'")


def shape_or_least_side(net: nn.Module, shape: tuple[int, ...], owner: str) -> tuple[int, ...]:
    """What the net makes of an item of shape (C, positions).

    Raises
    ------
    DataError
        If the item is too small, naming the least side that is not.
    """
    try:
        return shape_after(net, shape)
    except DataError as error:
        C, *sides = shape
        for side in range(min(sides) + 1, LARGEST):
            try:
                shape_after(net, (C, *(side,) * len(sides)))
            except DataError:
                continue
            raise DataError(
                f"{owner} needs items of at least {side} places along each side, got {' x '.join(map(str, sides))}: "
                f"{error}"
            ) from error
        raise
