"""Shapes: how many positions a layer leaves, and which layer of a net does not fit.

The laws are those of `peira.layers.convolution`. `shape_after` lets a net tell its own, without computing anything.
"""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call

from peira.core.errors import DataError, ParameterError

Sizes = int | Sequence[int]


def output_size(
    size: Sizes,
    window: Sizes,
    stride: Sizes = 1,
    padding: Sizes | Literal["same"] = 0,
    dilation: Sizes = 1,
    *,
    transposed: bool = False,
    output_padding: Sizes = 0,
    ceil: bool = False,
) -> int | tuple[int, ...]:
    """How many positions a convolution or pooling leaves: the laws above.

    Parameters
    ----------
    size : int, or one for each dimension
        Positions that come in. A sequence gives a tuple.
    window, stride, padding, dilation, output_padding : int, or one for each dimension
    transposed : bool, default False
    ceil : bool, default False
        Round up in place of down, as a pooling may.

    Raises
    ------
    DataError
        If the window does not fit, or nothing would be left.

    Examples
    --------
    >>> from peira.layers import output_size
    >>> output_size(28, window=5), output_size((32, 48), window=3, stride=2, padding="same")
    (24, (16, 24))
    >>> output_size(7, window=4, stride=2, padding=1, transposed=True)
    14
    """
    n = (size,) if isinstance(size, int) else tuple(size)
    k, s, d, o = (each(v, len(n)) for v in (window, stride, dilation, output_padding))
    reach = [b * (a - 1) + 1 for a, b in zip(k, d, strict=True)]  # positions from the first to the last of the window
    both = [r - 1 for r in reach] if padding == "same" else [2 * p for p in each(padding, len(n))]
    after = []
    for n_, s_, o_, r, p in zip(n, s, o, reach, both, strict=True):
        if transposed:
            made = (n_ - 1) * s_ - p + r + o_
        else:
            room = n_ + p - r
            made = (-(-room // s_) if ceil else room // s_) + 1
            if ceil and (made - 1) * s_ >= n_ + p // 2:
                made -= 1  # a window that begins beyond the last position
            made = 0 if room < 0 else made
        if made < 1:
            around = padding if padding == "same" else times(each(padding, len(n)))
            raise DataError(
                f"a window of {times(k)} with dilation {times(d)} and padding {around} does not fit {times(n)} "
                f"positions: {_SMALL}"
            )
        after.append(made)
    return after[0] if isinstance(size, int) else tuple(after)


def shape_after(net: nn.Module, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of an item after it has gone through a net.

    Nothing is computed: the net is followed on torch's device of shapes alone, ``meta``.

    Parameters
    ----------
    net : Module
    shape : sequence of int
        Of one item: (C, H, W) of an image.

    Raises
    ------
    DataError
        If a layer cannot take what the one before it gives: with its name, the sizes, and what to do.

    Examples
    --------
    >>> from torch import nn
    >>> from peira.layers import conv_block, pooling, shape_after
    >>> shape_after(nn.Sequential(conv_block(1, 6, 5, padding=0), pooling("max")), (1, 28, 28))
    (6, 12, 12)
    """
    at: list[tuple[str, nn.Module, torch.Size]] = []

    def told(name: str) -> Callable:
        return lambda layer, given: at.append((name, layer, given[0].shape))

    hooks = [m.register_forward_pre_hook(told(name)) for name, m in net.named_modules() if not list(m.children())]
    ghosts = {n: torch.empty_like(t, device="meta") for n, t in chain(net.named_parameters(), net.named_buffers())}
    floats = [t.dtype for t in ghosts.values() if t.is_floating_point()]
    items = torch.empty(2, *shape, device="meta", dtype=floats[0] if floats else torch.float32)
    try:
        with torch.no_grad():
            after = tuple(functional_call(net, ghosts, (items,)).shape[1:])
    except (RuntimeError, ValueError, IndexError) as error:
        if not at:
            raise
        raise DataError(f"{_place(at)} cannot take them: {_remedy(*at[-1][1:])}") from error
    finally:
        for hook in hooks:
            hook.remove()
    if math.prod(after) == 0:
        raise DataError(f"{_place(at)} leaves nothing of them: {_SMALL}")
    return after


def _place(at: list[tuple[str, nn.Module, torch.Size]]) -> str:
    (*_, (name, layer, given)), first = at, at[0][2]
    return (
        f"the net was given items of {times(first[1:])}, and its layer {name!r} ({layer}) gets {times(given[1:])} and"
    )


_SMALL = "take larger inputs, fewer or smaller layers, or padding='same'"


def _remedy(layer: nn.Module, given: torch.Size) -> str:
    expected: Any = next((getattr(layer, n) for n in _TAKEN if hasattr(layer, n)), None)
    found = given[-1] if isinstance(layer, nn.Linear) else given[1]
    if expected is not None and expected != found:
        return f"it was made for {expected} features or channels and gets {found}; make the two equal"
    return _SMALL


_TAKEN = ("in_features", "in_channels", "num_features", "num_channels")


def each(value: Sizes, dims: int) -> tuple[int, ...]:
    """One number for each dimension."""
    if isinstance(value, int):
        return (value,) * dims
    if len(value) != dims:
        raise ParameterError(f"{list(value)} has {len(value)} numbers for {dims} dimensions")
    return tuple(value)


def times(values: Sequence[int]) -> str:
    """5 x 5."""
    return " x ".join(map(str, values))
