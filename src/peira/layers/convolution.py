r"""Convolution: the same small window of weights at every position.

.. math:: y_{c, i} = b_c + \sum_{c'} \sum_{u=0}^{k-1} w_{c, c', u} \, x_{c', \, s i + d u - p}

with window k, stride s, dilation d and padding p (in each of one, two or three dimensions alike). Strictly this is a
correlation: a convolution would run through the window backwards, which for weights that are learned is the same.
From n positions it makes

.. math:: n' = \lfloor (n + 2 p - d (k - 1) - 1) / s \rfloor + 1

Its weights are shared over positions, so that a shifted input gives a shifted output. A transposed convolution is the
transpose of that linear map: it takes n positions to

.. math:: n' = (n - 1) s - 2 p + d (k - 1) + o + 1

where o, the output padding, chooses among the s sizes that the convolution would have made into n.

Padding sets values beyond the edge: zeros, or the values mirrored at the edge (reflect), repeated (replicate), or taken
from the other end (circular). ``"same"`` pads an odd window by d (k - 1) / 2 on either side, so that stride 1 keeps the
size and stride s divides it by s, rounding up.

Cost: n' k C C' multiplications an item. Reference: Goodfellow, Bengio & Courville (2016), chapter 9; Dumoulin & Visin
(2016) for the arithmetic of sizes.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from peira.core.errors import ParameterError, closest

from .activations import activation as activation_of
from .activations import pieces
from .noise import dropout as dropout_of
from .normalisation import normalisation as normalisation_of
from .shapes import Sizes, each, times

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
PADDINGS = PaddingMode.__args__

_CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def convolution(
    channels: int,
    filters: int,
    window: Sizes = 3,
    *,
    dims: int = 2,
    stride: Sizes = 1,
    padding: Sizes | Literal["same"] = "same",
    padding_mode: str = "zeros",
    dilation: Sizes = 1,
    groups: int = 1,
    transposed: bool = False,
    output_padding: Sizes = 0,
    bias: bool = True,
) -> nn.Module:
    """A convolution, as a layer.

    Parameters
    ----------
    channels, filters : int
        Channels that come in and go out.
    window : int or one for each dimension, default 3
    dims : {1, 2, 3}, default 2
        1 for signals (N, C, L), 2 for images (N, C, H, W).
    stride : int or one for each dimension, default 1
    padding : int, one for each dimension, or "same", default "same"
        Positions added on either side.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
    dilation : int or one for each dimension, default 1
        Distance of the positions that the window looks at.
    groups : int, default 1
        Parts into which the channels are divided, each with its own filters.
    transposed : bool, default False
    output_padding : int or one for each dimension, default 0
        Of a transposed convolution: positions added at the far end.
    bias : bool, default True

    Raises
    ------
    ParameterError
        For numbers or names that do not go together.

    Examples
    --------
    >>> from peira.layers import convolution
    >>> convolution(3, 16, window=5, stride=2)
    Conv2d(3, 16, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2))
    """
    k, s, d, o = (each(v, dims) for v in (window, stride, dilation, output_padding))
    if dims not in (1, 2, 3):
        raise ParameterError(f"a convolution has 1, 2 or 3 dimensions, got dims={dims!r}")
    if min(channels, filters, groups, *k, *s, *d) < 1:
        raise ParameterError("channels, filters, groups, window, stride and dilation must be 1 or above")
    if channels % groups or filters % groups:
        raise ParameterError(f"{channels} channels and {filters} filters do not divide into {groups} groups")
    if padding_mode not in PADDINGS:
        raise ParameterError(f"there is no padding {padding_mode!r}: {closest(padding_mode, PADDINGS)}")
    if not transposed and any(o):
        raise ParameterError("output_padding is for a transposed convolution; set transposed=True or leave it 0")
    if transposed and padding_mode != "zeros":
        raise ParameterError(f"a transposed convolution pads with zeros alone, not by {padding_mode!r}")
    p = _same_padding(k, d) if padding == "same" else each(padding, dims)
    named = {"stride": s, "padding": p, "dilation": d, "groups": groups, "bias": bias}
    if not transposed:
        return _CONVOLUTION[dims - 1](channels, filters, k, padding_mode=padding_mode, **named)
    return _TRANSPOSED[dims - 1](channels, filters, k, output_padding=o, **named)


def conv_block(
    channels: int,
    filters: int,
    window: Sizes = 3,
    *,
    dims: int = 2,
    normalisation: str | None = None,
    activation: str = "relu",
    dropout: float = 0.0,
    **options: Any,
) -> nn.Sequential:
    """A convolution, its normalisation, its activation and its dropout.

    Parameters
    ----------
    channels, filters, window, dims
        As for `convolution`.
    normalisation : {"batch", "layer", "group", "instance"}, optional
    activation : str, default "relu"
        ``"identity"`` for none.
    dropout : float in [0, 1), default 0
        Probability that a channel is dropped while learning.
    **options
        stride, padding, padding_mode, dilation, groups, transposed, output_padding, bias: as for `convolution`. Without
        ``bias``, there is one unless batch normalisation would take it away.

    Returns
    -------
    Sequential
        Of ``convolution``, ``normalisation``, ``activation`` and ``dropout``, without those that were not asked for.

    Raises
    ------
    ParameterError
        For numbers or names that do not go together.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import conv_block
    >>> conv_block(3, 16, window=5, stride=2, normalisation="batch")(torch.zeros(8, 3, 32, 32)).shape
    torch.Size([8, 16, 16, 16])
    """
    wide = filters * pieces(activation)
    options = {"bias": normalisation != "batch"} | options
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["convolution"] = convolution(channels, wide, window, dims=dims, **options)
    if normalisation is not None:
        layers["normalisation"] = normalisation_of(normalisation, wide, dims)
    if activation != "identity":
        layers["activation"] = activation_of(activation)
    if dropout:
        layers["dropout"] = dropout_of(dropout, "channels", dims)
    return nn.Sequential(layers)


def _same_padding(window: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """Half of the d (k - 1) positions that "same" adds, for either side."""
    if any(d * (k - 1) % 2 for k, d in zip(window, dilation, strict=True)):
        raise ParameterError(
            f"padding='same' needs an odd window, which reaches equally far on both sides, got {times(window)}; "
            "take one more or less, or give padding as a number"
        )
    return tuple(d * (k - 1) // 2 for k, d in zip(window, dilation, strict=True))
