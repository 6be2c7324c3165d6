r"""Several perceptrons side by side: S nets of one shape whose layers are computed together.

.. math:: h_s^{(l)} = f( h_s^{(l-1)} W_s^{(l)} + b_s^{(l)} ), \quad s = 1 \ldots S

The weights of a layer are one tensor of shape (S, inputs, outputs), so that the S products are one batched product.
Small nets are bound by the calls and not by the arithmetic: five together take hardly longer than one. Members of an
ensemble, parallel chains and draws from a posterior are all such stacks.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from peira.layers import activation

Layer = tuple[torch.Tensor, torch.Tensor]  # weights (S, inputs, outputs) and biases (S, 1, outputs)


class StackedPerceptron(nn.Module):
    """S perceptrons of one shape, each with weights of its own.

    Parameters
    ----------
    S : int
        How many.
    sizes : sequence of int
        Units of each layer, from the inputs to the outputs.
    activation : str
        Name of the activation of the hidden layers.
    """

    def __init__(self, S: int, sizes: Sequence[int], activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.weights = nn.ParameterList([uniform(S, i, o, i) for i, o in pairwise(sizes)])
        self.biases = nn.ParameterList([uniform(S, 1, o, i) for i, o in pairwise(sizes)])

    def layers(self, dtype: torch.dtype | None = None) -> list[Layer]:
        """Weights and biases, from the first layer on."""
        return [(W.to(dtype), b.to(dtype)) for W, b in zip(self.weights, self.biases, strict=True)]

    def squares(self) -> torch.Tensor:
        """The sum of the squared weights of the matrices; biases are free."""
        return torch.stack([W.square().sum() for W in self.weights]).sum()

    def forward(self, X: torch.Tensor, before: Callable[[int, torch.Tensor], torch.Tensor] | None = None):
        """What `run_layers` gives with these weights."""
        return run_layers(X, self.layers(), self.activation, before)


def uniform(S: int, i: int, o: int, inputs: int) -> nn.Parameter:
    """Fresh weights between plus and minus one over the root of the inputs of a unit, as in torch's own layers."""
    bound = 1 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(S, i, o).uniform_(-bound, bound))


def run_layers(
    X: torch.Tensor,
    layers: Sequence[Layer],
    name: str,
    before: Callable[[int, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """The outputs of S perceptrons.

    Parameters
    ----------
    X : tensor of shape (N, D), or (S, N, D) for inputs of their own
    layers : list of weights (S, inputs, outputs) and biases (S, 1, outputs)
    name : str
        Of the activation.
    before : callable(number of the layer, its inputs) -> its inputs, optional
        What happens to the inputs of a layer, such as dropout.

    Returns
    -------
    tensor of shape (S, N, K)
    """
    f, h = activation(name), X
    for l, (W, b) in enumerate(layers):
        h = f(h) if l else h
        if before is not None:
            h = before(l, h)
        h = h @ W + b if h.dim() == 2 or len(W) != len(h) else torch.baddbmm(b, h, W)
    return h


@torch.no_grad()
def answer(
    X: torch.Tensor,
    layers: Sequence[Layer],
    name: str,
    before: Callable[[int, torch.Tensor], torch.Tensor] | None = None,
    *,
    S: int,
    largest: int = 1 << 23,
) -> torch.Tensor:
    """`run_layers` for any number of items, a part of them at a time so that no layer exceeds ``largest`` numbers."""
    widest = max(max(W.shape[1:]) for W, _ in layers)
    parts = [run_layers(part, layers, name, before) for part in X.split(max(1, largest // (S * widest)))]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
