r"""Residual blocks: layers that learn what to add.

.. math:: y = f(x' + F(x)) \quad \mathrm{or, \ with \ activations \ first,} \quad y = x' + F(x)

F is two convolutions, x' the shortcut. Because the shortcut is (nearly) the identity, errors flow back through any
number of blocks unchanged, and a block that has nothing to add learns F = 0, which is easy; a plain stack would have to
learn the identity.

==============  =======================================================================================================
order           the branch F
==============  =======================================================================================================
post (2016a)    convolution, normalisation, f, convolution, normalisation; then f after the sum
pre (2016b)     normalisation, f, convolution, normalisation, f, convolution; nothing after the sum
==============  =======================================================================================================

Where the block changes size or channels, the shortcut is a convolution of window 1 (``"projection"``, option B), or
every s-th position with channels of zeros added (``"zeros"``, option A, which has no weights).

References: He, Zhang, Ren & Sun (2016a), "Deep residual learning", section 3.3; (2016b), "Identity mappings in deep
residual networks", figure 4.
"""

from collections import OrderedDict
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from peira.core.errors import ParameterError, closest

from .activations import activation as activation_of
from .activations import pieces
from .convolution import convolution
from .initialisation import zero_last as begin_at_zero
from .noise import dropout as dropout_of
from .normalisation import normalisation as normalisation_of

Shortcut = Literal["projection", "zeros"]


class ResidualBlock(nn.Module):
    """Two convolutions and a way around them.

    Parameters
    ----------
    channels, filters : int
        Channels that come in and go out.
    window : int, odd, default 3
    dims : {1, 2, 3}, default 2
    stride : int, default 1
        Of the first convolution.
    shortcut : {"projection", "zeros"}, default "projection"
        What goes around where sizes or channels change; otherwise it is the identity.
    pre_activation : bool, default False
        Normalise and activate before the convolutions.
    normalisation : {"batch", "layer", "group", "instance"} or None, default "batch"
    activation : str, default "relu"
    dropout : float in [0, 1), default 0
        Probability that a channel is dropped between the convolutions.
    zero_last : bool, default False
        Let the branch begin at zero, so that the block begins as its shortcut.

    Raises
    ------
    ParameterError
        For names and numbers that do not go together.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import ResidualBlock
    >>> ResidualBlock(16, 32, stride=2)(torch.zeros(8, 16, 28, 28)).shape
    torch.Size([8, 32, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        window: int = 3,
        *,
        dims: int = 2,
        stride: int = 1,
        shortcut: str = "projection",
        pre_activation: bool = False,
        normalisation: str | None = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
        zero_last: bool = False,
    ) -> None:
        super().__init__()
        if shortcut not in Shortcut.__args__:
            raise ParameterError(f"there is no shortcut {shortcut!r}: {closest(shortcut, Shortcut.__args__)}")
        if window % 2 == 0:
            raise ParameterError(f"a residual block needs an odd window, which keeps sizes; got {window}")
        if pieces(activation) > 1:
            raise ParameterError(f"{activation} changes the number of channels, so that nothing could be added")
        if shortcut == "zeros" and filters < channels:
            raise ParameterError(f"zeros cannot make {filters} of {channels} channels; use shortcut='projection'")

        def convolve(C: int, s: int, k: int = window) -> nn.Module:
            follows = normalisation == "batch" and not pre_activation  # its own shift is bias enough
            return convolution(C, filters, k, dims=dims, stride=s, bias=not follows)

        def normalise(C: int) -> nn.Module | None:
            return None if normalisation is None else normalisation_of(normalisation, C, dims)

        between = dropout_of(dropout, "channels", dims) if dropout else None
        first, second = convolve(channels, stride), convolve(filters, 1)
        parts: dict[str, nn.Module | None]
        if pre_activation:
            parts = {
                "normalisation_1": normalise(channels), "activation_1": activation_of(activation),
                "convolution_1": first,
                "normalisation_2": normalise(filters), "activation_2": activation_of(activation), "dropout": between,
                "convolution_2": second,
            }  # fmt: skip
        else:
            parts = {
                "convolution_1": first,
                "normalisation_1": normalise(filters), "activation_1": activation_of(activation), "dropout": between,
                "convolution_2": second,
                "normalisation_2": normalise(filters),
            }  # fmt: skip
        self.branch = nn.Sequential(OrderedDict((n, part) for n, part in parts.items() if part is not None))
        if zero_last:
            begin_at_zero(self.branch)
        self.shortcut: nn.Module = nn.Identity()
        if (channels, stride) != (filters, 1):
            if shortcut == "zeros":
                self.shortcut = PadChannels(filters - channels, stride)
            else:
                around = OrderedDict(projection=convolve(channels, stride, 1))
                if normalisation is not None and not pre_activation:
                    around["normalisation"] = normalise(filters)
                self.shortcut = nn.Sequential(around)
        self.after = nn.Identity() if pre_activation else activation_of(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branch and the shortcut, added."""
        return self.after(self.shortcut(x) + self.branch(x))


class PadChannels(nn.Module):
    """Every s-th position, and channels of zeros after those there are: a shortcut without weights.

    Parameters
    ----------
    more : int
        Channels of zeros.
    stride : int, default 1
    """

    def __init__(self, more: int, stride: int = 1) -> None:
        super().__init__()
        self.more, self.stride = more, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, positions) becomes (N, C + more, fewer positions)."""
        x = x[(..., *(slice(None, None, self.stride),) * (x.dim() - 2))]
        return F.pad(x, (*(0, 0) * (x.dim() - 2), 0, self.more))

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"more={self.more}, stride={self.stride}"
