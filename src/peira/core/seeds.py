"""Chance that can be repeated.

``random_state`` is an int or None. An instance is turned into an int at once, None draws one;
the int that was used is kept as ``seed_``. Nothing reads or moves a global generator.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .errors import ParameterError


def draw_seed(random_state: Any) -> int:
    """The seed that stands for ``random_state``.

    Parameters
    ----------
    random_state : int, None, numpy RandomState or Generator, torch Generator
        None draws 31 bits from the operating system.

    Returns
    -------
    int
        Between 0 and 2^32 - 1.
    """
    if random_state is None:
        return secrets.randbits(31)
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        if not 0 <= random_state < 2**32:
            raise ParameterError(f"random_state must lie between 0 and 2^32 - 1, got {random_state}")
        return int(random_state)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, torch.Generator):
        return int(torch.randint(2**31, (), generator=random_state))
    raise ParameterError(f"random_state must be a whole number or None, got {random_state!r}")


def derive(seed: int, *path: int) -> int:
    """A seed for a part of the work (a fold, a restart) that does not depend on the order of work."""
    return int(np.random.SeedSequence(seed, spawn_key=path).generate_state(1)[0])


def torch_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator of its own on the device."""
    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def private_chance(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Set torch's own generators, which layers such as dropout draw from, and give them back as they were."""
    device = torch.device(device)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def chance_state(device: torch.device | str = "cpu") -> list[torch.Tensor]:
    """Where torch's own generators stand, of the CPU and of the device."""
    device = torch.device(device)
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def set_chance_state(states: list[torch.Tensor], device: torch.device | str = "cpu") -> None:
    """Put torch's own generators where they stood."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1], torch.device(device))
