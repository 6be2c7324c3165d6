r"""Activations: what a unit makes of its net input z.

A neuron computes :math:`h = f(z)` from its net input :math:`z = w \cdot x + b`. Were f linear, a stack of layers would
be one linear map; f makes it more, and its slope is what passes an error back through the unit.

============  ======================================================  ====================================
name          f(z)                                                    slope f'(z)
============  ======================================================  ====================================
identity      :math:`z`                                               1
sigmoid       :math:`s(z) = 1 / (1 + e^{-z})` (also called logistic)  :math:`s(z) (1 - s(z))`, at most 1/4
tanh          :math:`\tanh z`                                         :math:`1 - \tanh^2 z`, at most 1
relu          :math:`\max(0, z)`                                      1 if z > 0, else 0
leaky relu    z if z > 0, else :math:`z / 100`                        1 if z > 0, else 1/100
elu           z if z > 0, else :math:`e^z - 1`                        1 if z > 0, else :math:`e^z`
selu          :math:`\lambda` z if z > 0, else                        :math:`\lambda` if z > 0, else
              :math:`\lambda \alpha (e^z - 1)`                        :math:`\lambda \alpha e^z`
gelu          :math:`z \Phi(z)`, the normal distribution function     :math:`\Phi(z) + z \varphi(z)`
softplus      :math:`\log(1 + e^z)`                                   :math:`s(z)`
swish         :math:`z s(z)` (also called silu)                       :math:`s(z) (1 + z (1 - s(z)))`
hard sigmoid  :math:`\min(1, \max(0, z / 6 + 1 / 2))`                 1/6 if -3 < z < 3, else 0
hard tanh     :math:`\min(1, \max(-1, z))`                            1 if -1 < z < 1, else 0
hard swish    :math:`z \min(1, \max(0, z / 6 + 1 / 2))`               :math:`z / 3 + 1 / 2` if -3 < z < 3,
                                                                      0 below, 1 above
maxout        :math:`\max(z_1, z_2)`                                  1 for the greater, 0 for the other
============  ======================================================  ====================================

The slopes of sigmoid and tanh vanish where the unit is saturated, and a product of many factors of 1/4 vanishes in any
case: that is the vanishing gradient, the reason for relu and its kin. A relu whose net input is negative for every item
is dead: its slope is 0 and it never learns again, which the leaky forms avoid. SELU's constants are those for which
mean 0 and variance 1 of the net inputs are a fixed point from layer to layer.

A maxout unit takes two net inputs, so that the layer before it needs twice as many outputs: see `pieces`.

References: Nair & Hinton (2010) for relu, Maas, Hannun & Ng (2013) leaky, Clevert, Unterthiner & Hochreiter (2016)
elu, Klambauer et al. (2017) selu, Hendrycks & Gimpel (2016) gelu, Ramachandran, Zoph & Le (2017) swish, Goodfellow et
al. (2013) maxout.
"""

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import nn

from peira.core.errors import ParameterError, closest

ActivationName = Literal[
    "identity", "sigmoid", "logistic", "tanh", "relu", "leaky relu", "elu", "selu", "gelu", "softplus", "swish", "silu",
    "hard sigmoid", "hard tanh", "hard swish", "maxout",
]  # fmt: skip


class Maxout(nn.Module):
    """The greatest of the net inputs of a unit.

    Parameters
    ----------
    pieces : int, default 2
        Net inputs of a unit, which lie side by side: those of the first unit come first.

    Shapes
    ------
    (N, pieces x C, ...) becomes (N, C, ...).
    """

    def __init__(self, pieces: int = 2) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The greatest of each group of net inputs."""
        if z.shape[1] % self.pieces:
            raise ValueError(f"maxout takes {self.pieces} net inputs a unit, and {z.shape[1]} do not divide by that")
        return z.unflatten(1, (-1, self.pieces)).amax(2)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"pieces={self.pieces}"


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "swish": nn.SiLU,
    "silu": nn.SiLU,
    "hard sigmoid": nn.Hardsigmoid,
    "hard tanh": nn.Hardtanh,
    "hard swish": nn.Hardswish,
    "maxout": Maxout,
}


def activation(name: str) -> nn.Module:
    """The activation of that name, as a layer.

    Parameters
    ----------
    name : str
        A name in the table above; ``"logistic"`` and ``"silu"`` are accepted for sigmoid and swish.

    Raises
    ------
    ParameterError
        For a name that is not in the table.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import activation
    >>> activation("leaky relu")(torch.tensor([-100.0, 100.0]))
    tensor([ -1., 100.])
    """
    if name not in ACTIVATIONS:
        raise ParameterError(f"there is no activation {name!r}: {closest(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def pieces(name: str) -> int:
    """How many net inputs a unit of that activation takes: 2 for maxout, else 1."""
    return getattr(activation(name), "pieces", 1)


@lru_cache
def gain(name: str) -> float:
    r"""The factor of the weights that keeps net inputs at variance 1 from layer to layer.

    .. math:: g = ( E[ f(z)^2 ] )^{-1/2}, \quad z \sim N(0, 1)

    Weights of variance :math:`g^2 / D` into a layer of D inputs h give
    :math:`\mathrm{Var}(z) = D \cdot (g^2 / D) \cdot E[h^2] = 1` again. For relu this is :math:`\sqrt{2}` (He et al.
    2015, eq. 10), for selu 1, for tanh 1.59 (often rounded up to 5/3). With sigmoid, tanh, softplus, elu and selu a
    variance that is a little off comes back to 1 in the layers that follow; relu keeps it as it is; with gelu and swish
    it drifts away, so that deep nets of them want normalisation.

    Parameters
    ----------
    name : str
        As for `activation`.

    Examples
    --------
    >>> from peira.layers import gain
    >>> [round(gain(name), 4) for name in ("identity", "relu", "selu", "tanh", "maxout")]
    [1.0, 1.4142, 1.0, 1.5925, 1.0]
    """
    k, f = pieces(name), activation("identity" if name == "maxout" else name)
    z = torch.linspace(-12, 12, 24001, dtype=torch.float64, device="cpu")
    density = k * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * torch.special.ndtr(z) ** (k - 1)  # of max of k
    return float(torch.trapezoid(density * f(z) ** 2, z)) ** -0.5
