"""Statistics of the layers while a net learns: are they alive, saturated, and changing at a sensible pace?

For each weight tensor w: the norm of w, of the gradient that its last update followed (not yet clipped), and of its
change, which is best near a thousandth of the first. For each activation: the share of zeros, and the share of units at
the flat ends of a sigmoid or a hyperbolic tangent. They are taken at every so many updates, so that their cost is
bounded.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from .player import Player

_FLAT = {nn.Sigmoid: (0.02, 0.98), nn.Tanh: (-0.96, 0.96)}  # where the slope is under 8 % of the steepest


@dataclass(frozen=True)
class _Every:
    updates: int


_watching: ContextVar[_Every | None] = ContextVar("watching_layers", default=None)


@contextmanager
def watching_layers(every: int = 100) -> Iterator[None]:
    """Let the trainings inside tell the statistics of their layers.

    They come with the events of an update, and hence need a listener (`peira.observing`), under the names
    ``weight/LAYER``, ``gradient/LAYER``, ``change/LAYER``, ``zeros/LAYER`` and ``flat/LAYER``.

    Parameters
    ----------
    every : int, default 100
        Updates between them. One costs about two passes over the weights and one over the activations.
    """
    token = _watching.set(_Every(every))
    try:
        yield
    finally:
        _watching.reset(token)


def layers_due(update: int) -> bool:
    """Whether the statistics of this update are asked for."""
    asked = _watching.get()
    return asked is not None and update % asked.updates == 0


@contextmanager
def layer_statistics(players: "dict[str, Player]") -> Iterator[dict[str, float]]:
    """Statistics of the update inside; filled when it ends."""
    found: dict[str, torch.Tensor] = {}
    before, hooks = {}, []

    def activation(name: str) -> Callable:
        def look(layer: nn.Module, given: object, out: torch.Tensor) -> None:
            if isinstance(out, torch.Tensor) and out.is_floating_point():
                found[f"zeros/{name}"] = (out == 0).float().mean()
                if type(layer) in _FLAT:
                    low, high = _FLAT[type(layer)]
                    found[f"flat/{name}"] = ((out < low) | (out > high)).float().mean()

        return look

    def gradient(named: dict[str, torch.Tensor]) -> Callable:
        def look() -> None:
            found.update({f"gradient/{name}": w.grad.norm() for name, w in named.items() if w.grad is not None})

        return look

    for who, player in players.items():
        prefix = f"{who}." if len(players) > 1 else ""
        for name, layer in player.net.named_modules():
            if not list(layer.children()) and not list(layer.parameters(recurse=False)):
                hooks.append(layer.register_forward_hook(activation(prefix + name)))
        learned = {prefix + name: w for name, w in player.net.named_parameters() if w.requires_grad}
        before.update({name: (w, w.detach().clone()) for name, w in learned.items()})
        player.watch = gradient(learned)
    values: dict[str, float] = {}
    try:
        yield values
    finally:
        for hook in hooks:
            hook.remove()
        for player in players.values():
            player.watch = None
    with torch.no_grad():
        for name, (w, old) in before.items():
            found[f"weight/{name}"], found[f"change/{name}"] = w.norm(), (w - old).norm()
    values.update({name: float(value) for name, value in found.items()})
