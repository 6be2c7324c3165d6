r"""Pooling: a neighbourhood becomes one number, channel by channel.

.. math:: y_i = \max_{0 \leq u < k} x_{s i + u} \quad \mathrm{or} \quad y_i = \frac{1}{k} \sum_{u=0}^{k-1} x_{s i + u}

It shrinks what follows, and it blurs position a little: if the input shifts by less than the window, a maximum that
stays inside its window stays the answer. That is tolerance of small translations, not invariance to scale or
orientation, and it is exact only for shifts by whole strides, which shift the output. The global forms take a whole
channel as the window; a net that ends in one takes inputs of any size, and is invariant to circular shifts if its
convolutions pad circularly.

References: LeCun et al. (1998); Scherer, Müller & Behnke (2010); Lin, Chen & Yan (2014) for global average pooling.
"""

from typing import Literal

from torch import nn

from peira.core.errors import ParameterError, closest

from .shapes import Sizes

Pooling = Literal["max", "average", "global max", "global average"]

_POOLS = {"max": (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), "average": (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)}
_GLOBAL = {
    "global max": (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    "global average": (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
}


def pooling(
    kind: str, window: Sizes = 2, *, stride: Sizes | None = None, padding: Sizes = 0, dims: int = 2, ceil: bool = False
) -> nn.Module:
    """A pooling layer.

    Parameters
    ----------
    kind : {"max", "average", "global max", "global average"}
    window : int or one for each dimension, default 2
        Not used by the global kinds.
    stride : int or one for each dimension, optional
        The window without it, so that windows touch and do not overlap.
    padding : int or one for each dimension, default 0
        At most half the window. It never wins a maximum and does not count in an average.
    dims : {1, 2, 3}, default 2
    ceil : bool, default False
        Let a last window that is not whole count too.

    Returns
    -------
    Module
        (N, C, positions) becomes (N, C, fewer positions), and (N, C) for the global kinds.

    Raises
    ------
    ParameterError
        For an unknown kind, or a number of dimensions other than 1, 2, 3.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import pooling
    >>> pooling("max", dims=1)(torch.tensor([[[1.0, 3.0, 2.0, 0.0, 5.0]]]))
    tensor([[[3., 2.]]])
    """
    kinds = Pooling.__args__
    if kind not in kinds:
        raise ParameterError(f"there is no pooling {kind!r}: {closest(kind, kinds)}")
    if dims not in (1, 2, 3):
        raise ParameterError(f"pooling has 1, 2 or 3 dimensions, got dims={dims!r}")
    if kind in _GLOBAL:
        return nn.Sequential(_GLOBAL[kind][dims - 1](1), nn.Flatten())
    uncounted = {} if kind == "max" else {"count_include_pad": False}
    return _POOLS[kind][dims - 1](window, stride=stride, padding=padding, ceil_mode=ceil, **uncounted)
