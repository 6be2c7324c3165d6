r"""Normalisation: net inputs of mean 0 and variance 1, then a scale and a shift that are learned.

.. math:: y = \gamma \frac{x - m}{\sqrt{v + \epsilon}} + \beta

The kinds differ in what mean m and variance v are taken over. For tensors of shape (N, C, positions):

=========  ==============================  ==========================================================================
kind       over                            reference
=========  ==============================  ==========================================================================
batch      N and positions, per channel    Ioffe & Szegedy (2015), algorithm 1
layer      C and positions, per item       Ba, Kiros & Hinton (2016)
group      positions and the channels of   Wu & He (2018), eq. 7
           a group, per item
instance   positions, per item & channel   Ulyanov, Vedaldi & Lempitsky (2016)
=========  ==============================  ==========================================================================

Batch normalisation is the only one for which an item's answer depends on the others of its batch, and the only one that
behaves differently once the net has learned: it then uses running means of m and v, so that an answer depends on its
own item alone. It wants batches of some size (16 and more); the others do not care. A layer that is followed by batch
normalisation needs no bias, since the mean is taken away again.
"""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from peira.core.errors import ParameterError, closest

Normalisation = Literal["batch", "layer", "group", "instance"]
NORMALISATIONS = Normalisation.__args__


class _Alone:
    """Batch normalisation whose batch may be one single value a channel, as the last of an epoch can be.

    Its variance is no number to divide by; it is normalised by the running statistics, which stay as they are.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The batch, normalised."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)


class BatchNorm1d(_Alone, nn.BatchNorm1d):
    """Batch normalisation of (N, C) or (N, C, L)."""


class BatchNorm2d(_Alone, nn.BatchNorm2d):
    """Batch normalisation of (N, C, H, W)."""


class BatchNorm3d(_Alone, nn.BatchNorm3d):
    """Batch normalisation of (N, C, D, H, W)."""


_BATCH = (BatchNorm1d, BatchNorm1d, BatchNorm2d, BatchNorm3d)


def normalisation(kind: str, channels: int, dims: int = 0, *, groups: int | None = None) -> nn.Module:
    """The normalisation of that kind, as a layer.

    Parameters
    ----------
    kind : {"batch", "layer", "group", "instance"}
    channels : int
        Features of a row, or channels of a signal or image.
    dims : int from 0 to 3, default 0
        Axes of positions: 0 for (N, C), 1 for (N, C, L), 2 for (N, C, H, W).
    groups : int, optional
        Of group normalisation; None takes the greatest of 8, 4, 2, 1 that divides the channels.

    Raises
    ------
    ParameterError
        For an unknown kind, groups that do not divide the channels, or what would set every value to zero.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import normalisation
    >>> y = normalisation("layer", 4)(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    >>> round(y.mean().item(), 4), round(y.square().mean().item(), 3)
    (0.0, 1.0)
    """
    if kind not in NORMALISATIONS:
        raise ParameterError(f"there is no normalisation {kind!r}: {closest(kind, NORMALISATIONS)}")
    if dims not in range(4):
        raise ParameterError(f"dims counts the axes of positions, 0 to 3; got {dims!r}")
    if kind == "batch":
        return _BATCH[dims](channels)
    G = {"layer": 1, "instance": channels}.get(kind) or groups or _usual(channels, dims)
    if channels % G:
        raise ParameterError(f"{channels} channels do not divide into {G} groups; choose a divisor of {channels}")
    if dims == 0 and channels == G:
        raise ParameterError(f"{kind} normalisation of rows, one feature at a time, leaves nothing but zeros")
    return nn.LayerNorm(channels) if kind == "layer" and dims == 0 else nn.GroupNorm(G, channels)


def _usual(channels: int, dims: int) -> int:
    """Groups where none were asked for: rows need two features in each."""
    return next(g for g in (8, 4, 2, 1) if channels % g == 0 and (g < channels or dims or g == 1))
