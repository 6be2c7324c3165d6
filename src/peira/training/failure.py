"""What went wrong when a loss is no number: the step, the layer and the likely cause."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_HUGE = 1e10  # no activation of a net that learns is as large
_LARGE = 1e4  # nor is a weight of it


def explain(nets: dict[str, nn.Module], again: Callable[[], Any], losses: list[float]) -> str:
    """Where a loss stopped being finite, and why it probably did.

    Parameters
    ----------
    nets : dict of str to Module
    again : callable
        Repeats the forward pass that gave the loss.
    losses : list of float
        Losses of the last updates, oldest first.
    """
    for player, net in nets.items():
        for name, w in net.named_parameters():
            if not torch.isfinite(w).all():
                return (
                    f"the weights {_of(player, nets)}{name!r} are no longer finite: "
                    + ("the loss had grown before, so lower learning_rate, or set clip" if _grew(losses) else
                       "a gradient overflowed, or was that of a root or a logarithm at zero; set clip")
                )  # fmt: skip
    with _watching(nets) as (found, largest), torch.no_grad():
        again()
    if found:
        player, name, layer, came = found[0]
        where = f"the layer {_of(player, nets)}{name!r} ({type(layer).__name__})"
        if came:
            return f"{where} was given values that are not finite: look at the data, and standardise them"
        size = max(float(w.detach().abs().max()) for n in nets.values() for w in n.parameters() if w.numel())
        why = (
            "the loss had grown before, so lower learning_rate, or set clip" if _grew(losses) else
            f"weights have grown to {size:.0e}, so lower learning_rate, or set clip" if size > _LARGE else
            "what it was given is finite, so what it computes is undefined there, or too large for its type"
        )  # fmt: skip
        return f"{where} is the first whose output is not finite: {why}"
    if largest and max(largest.values()) > _HUGE:
        name = max(largest, key=largest.__getitem__)
        return (
            f"the values of the layer {name!r} have grown to {largest[name]:.0e}, whose loss overflows: the weights "
            "diverge, so lower learning_rate, or set clip"
        )
    return "all layers gave finite values, so the loss itself is undefined: a logarithm of zero, or a division by it"


def _of(player: str, nets: dict[str, nn.Module]) -> str:
    return f"of the {player} " if len(nets) > 1 else ""


def _grew(losses: list[float]) -> bool:
    finite = [v for v in losses if math.isfinite(v)]
    return len(finite) > 1 and finite[-1] > 2 * min(finite)


@contextmanager
def _watching(nets: dict[str, nn.Module]) -> Iterator[tuple[list[tuple[str, str, nn.Module, bool]], dict[str, float]]]:
    """Layers in the order in which they gave what is not finite, and whether they were given such; largest values."""
    found: list[tuple[str, str, nn.Module, bool]] = []
    largest: dict[str, float] = {}
    hooks = []

    def watch(player: str, name: str) -> Callable:
        def look(layer: nn.Module, given: Any, out: Any) -> None:
            if not all(map(_finite, _tensors(out))):
                found.append((player, name, layer, not all(map(_finite, _tensors(given)))))
            for t in _tensors(out):
                if t.is_floating_point() and t.numel():
                    largest[name] = max(largest.get(name, 0.0), float(t.abs().max()))

        return look

    for player, net in nets.items():
        for name, layer in net.named_modules():
            if not list(layer.children()):
                hooks.append(layer.register_forward_hook(watch(player, name)))
    try:
        yield found, largest
    finally:
        for hook in hooks:
            hook.remove()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for v in value:
            yield from _tensors(v)


def _finite(t: torch.Tensor) -> bool:
    return not t.is_floating_point() or bool(torch.isfinite(t).all())
