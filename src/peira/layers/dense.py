r"""A stack of dense layers: the multilayer perceptron as a module.

.. math:: h_0 = x, \quad h_l = f(W_l h_{l-1} + b_l), \quad y = W_L h_{L-1} + b_L

Backpropagation is the chain rule from the last layer to the first. With the error :math:`\delta_L` of the outputs,

.. math:: \delta_{l} = f'(z_l) \odot W_{l+1}^T \delta_{l+1}, \quad \partial E / \partial W_l = \delta_l h_{l-1}^T

which is what autograd computes. Cost of a pass forwards: :math:`N \sum_l D_{l-1} D_l` multiplications; backwards twice
that.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from peira.core.errors import ParameterError

from .activations import activation as activation_of
from .activations import pieces
from .initialisation import initialise
from .noise import dropout as dropout_of
from .normalisation import normalisation as normalisation_of


def dense_stack(
    sizes: Sequence[int],
    *,
    activation: str = "relu",
    dropout: float = 0.0,
    normalisation: str | None = None,
    initialisation: str | None = None,
) -> nn.Sequential:
    """Dense layers with an activation between each two.

    Parameters
    ----------
    sizes : sequence of ints
        Inputs, units of each hidden layer, outputs: two numbers at least.
    activation : str, default "relu"
        Of the hidden layers; see `peira.layers.activations`. The outputs have none.
    dropout : float in [0, 1), default 0
        Probability that a hidden unit is dropped while learning; in its alpha form beside selu.
    normalisation : {"batch", "layer", "group"}, optional
        Of the net inputs of hidden layers.
    initialisation : str, optional
        A scheme of `initialise`, with its own gain; without it, torch's.

    Returns
    -------
    Sequential
        Of the layers ``dense_1``, ``normalisation_1``, ``activation_1``, ``dropout_1``, ``dense_2``, ..., ``output``.

    Raises
    ------
    ParameterError
        If a size is no positive number, or something named does not exist.

    Examples
    --------
    >>> from peira.layers import dense_stack
    >>> dense_stack([4, 16, 3], activation="tanh", dropout=0.1)
    Sequential(
      (dense_1): Linear(in_features=4, out_features=16, bias=True)
      (activation_1): Tanh()
      (dropout_1): Dropout(p=0.1, inplace=False)
      (output): Linear(in_features=16, out_features=3, bias=True)
    )
    """
    if len(sizes) < 2 or any(size < 1 for size in sizes):
        raise ParameterError(f"a stack needs inputs and outputs, each at least 1; got the sizes {list(sizes)}")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for l, (D, H) in enumerate(pairwise(sizes[:-1]), start=1):
        wide = H * pieces(activation)
        layers[f"dense_{l}"] = nn.Linear(D, wide, bias=normalisation != "batch")
        if normalisation is not None:
            layers[f"normalisation_{l}"] = normalisation_of(normalisation, wide)
        layers[f"activation_{l}"] = activation_of(activation)
        if dropout:
            layers[f"dropout_{l}"] = dropout_of(dropout, "alpha" if activation == "selu" else "elements")
    layers["output"] = nn.Linear(sizes[-2], sizes[-1])
    net = nn.Sequential(layers)
    return net if initialisation is None else initialise(net, initialisation)
