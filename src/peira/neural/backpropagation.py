r"""Backpropagation through dense layers, written out.

With the net inputs :math:`z_l = W_l h_{l-1} + b_l`, the activations :math:`h_l = f(z_l)`, :math:`h_0 = x`, and the
outputs :math:`F = W_L h_{L-1} + b_L`, the errors go back from layer to layer,

.. math:: \delta_L = \partial E / \partial F, \quad \delta_l = f'(z_l) \odot W_{l+1}^T \delta_{l+1}

and each meets what came in at its layer:

.. math:: \partial E / \partial W_l = \delta_l h_{l-1}^T, \quad \partial E / \partial b_l = \delta_l

summed over the items. Activations whose slope follows from their value need no more than the values:

===========  ===========================
f            f'(z) in terms of h = f(z)
===========  ===========================
relu         1 where h > 0
tanh         1 - h^2
logistic     h (1 - h)
identity     1
===========  ===========================

Autograd does the same arithmetic. But it records a graph and walks it, which takes longer than all the arithmetic of a
small net.

Cost: :math:`4 B \sum_l D_{l-1} D_l` multiplications and additions beyond those of the pass forwards.

Reference: Rumelhart, Hinton & Williams (1986), Nature 323, 533-536; Bishop (2006), section 5.3.1, eqs 5.53 to 5.56.
"""

from collections.abc import Callable

import torch
from torch import nn

from .heads import Head

_aten = torch.ops.aten
# f in the place of z, and errors times f'(z) from h
ACTIVATIONS: dict[type[nn.Module], tuple[Callable[..., torch.Tensor], Callable[..., torch.Tensor]]] = {
    nn.ReLU: (torch.relu_, lambda errors, h: _aten.threshold_backward.default(errors, h, 0)),
    nn.Tanh: (torch.tanh_, _aten.tanh_backward.default),
    nn.Sigmoid: (torch.sigmoid_, _aten.sigmoid_backward.default),
    nn.Identity: (lambda z: z, lambda errors, h: errors),
}


def backpropagation(net: nn.Sequential, head: Head) -> Callable[..., torch.Tensor] | None:
    """The loss of a stack of dense layers as a function that leaves the gradient in the weights.

    Parameters
    ----------
    net : Sequential
        As `peira.layers.dense_stack` makes it.
    head : Head
        What the outputs mean.

    Returns
    -------
    callable(X, Y, w=None) -> tensor
        The mean loss of a batch, without a graph; the ``grad`` of each weight holds its gradient. None where the net
        has layers beside dense ones and the activations above.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import dense_stack
    >>> from peira.neural.backpropagation import backpropagation
    >>> from peira.neural.heads import SquaredError
    >>> net = dense_stack([1, 1])
    >>> _ = torch.nn.init.constant_(net.output.weight, 2.0), torch.nn.init.zeros_(net.output.bias)
    >>> float(backpropagation(net, SquaredError())(torch.tensor([[3.0]]), torch.tensor([[5.0]])))
    0.5
    >>> net.output.weight.grad, net.output.bias.grad
    (tensor([[3.]]), tensor([1.]))
    """
    dense, between = list(net)[::2], [type(f) for f in list(net)[1::2]]
    if any(type(layer) is not nn.Linear for layer in dense) or any(f not in ACTIVATIONS for f in between):
        return None
    weights = [(layer.weight, layer.bias) for layer in dense]
    activations = [ACTIVATIONS[f] for f in between]

    @torch.no_grad()
    def loss_and_gradient(X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        inputs = [X]  # of each layer
        for (W, b), (f, _) in zip(weights, activations, strict=False):
            inputs.append(f(torch.addmm(b, inputs[-1], W.t())))
        W, b = weights[-1]
        loss, delta = head.loss_and_errors(torch.addmm(b, inputs[-1], W.t()), Y, w)
        for l in reversed(range(len(weights))):
            W, b = weights[l]
            W.grad, b.grad = torch.mm(delta.t(), inputs[l]), delta.sum(0)
            if l:
                _, slope = activations[l - 1]
                delta = slope(torch.mm(delta, W), inputs[l])
        return loss

    return loss_and_gradient
