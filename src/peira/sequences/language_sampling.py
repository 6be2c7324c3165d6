r"""Drawing sequences from a language model, one step after the other.

Scores s of what comes next become probabilities at a temperature :math:`\tau`,

.. math:: p_k \propto \exp(s_k / \tau)

which sharpens (below 1) or flattens (above 1) what was learned; towards 0 only the most probable symbol is left.
``top_k`` leaves the k most probable symbols and nothing else (Fan, Lewis & Dauphin 2018).
"""

from typing import Any

import numpy as np
import torch

from peira.core.errors import ParameterError
from peira.layers.recurrent_cells import State

from .language_net import LanguageNet


def tempered(scores: torch.Tensor, temperature: float, top_k: int | None) -> torch.Tensor:
    """Probabilities of shape (n, C), float64, from scores of that shape.

    Examples
    --------
    >>> tempered(torch.tensor([[0.0, 0.0, -9.0]]), 1.0, 2).tolist()
    [[0.5, 0.5, 0.0]]
    """
    s = scores.double()
    if top_k is not None and top_k < s.shape[1]:
        kept = s.topk(top_k, dim=1).indices
        s = torch.full_like(s, -torch.inf).scatter(1, kept, s.gather(1, kept))
    if temperature == 0:
        return torch.nn.functional.one_hot(s.argmax(1), s.shape[1]).double()
    return (s / temperature).softmax(1)


@torch.no_grad()
def drawn(
    net: LanguageNet,
    state: State,
    h: torch.Tensor,
    *,
    length: int,
    end: int | None,
    temperature: float,
    top_k: int | None,
    generator: torch.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Go on from a state until the end, or for so many steps.

    Parameters
    ----------
    net : LanguageNet
    state : tuple of tensors of shape (n, ...)
    h : tensor of shape (n, H)
        What is known after the last symbol.
    length : int
        The most steps.
    end : int or None
        The position of the end.
    temperature, top_k
        See the page of the module.
    generator : torch Generator
        On the CPU, so that a device changes nothing but rounding.

    Returns
    -------
    codes : int array of shape (n, at most length)
    lengths : int array of shape (n,)
        Steps before the end.
    """
    n = len(h)
    codes: list[torch.Tensor] = []
    lengths = torch.full((n,), length)
    alive = torch.ones(n, dtype=torch.bool)
    for t in range(length):
        probabilities = tempered(net.scores(h), temperature, top_k).cpu()
        k = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        if end is not None:
            lengths[alive & (k == end)] = t
            alive &= k != end
            if not alive.any():
                break
        codes.append(k)
        out, state = net(k[:, None].to(h.device), state)
        h = out[:, -1]
    return torch.stack(codes, 1).numpy() if codes else np.empty((n, 0), dtype=np.int64), lengths.numpy()


def check_drawing(owner: str, n: Any, length: Any, temperature: Any, top_k: Any) -> None:
    """Refuse what cannot be drawn.

    Raises
    ------
    ParameterError
        Naming what was given, and what is expected.
    """
    for name, value, least in (("n", n, 0), ("length", length, 0), ("top_k", top_k, 1)):
        if value is None and name == "top_k":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ParameterError(f"{owner}.sample: {name} must be a whole number >= {least}, got {value!r}")
    number = isinstance(temperature, int | float | np.number) and not isinstance(temperature, bool)
    if not number or not 0 <= temperature < float("inf"):
        raise ParameterError(f"{owner}.sample: temperature must be a finite number >= 0, got {temperature!r}")
