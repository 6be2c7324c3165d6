r"""Initialisations: the first weights of a net, chosen so that signals neither die nor explode on the way.

A unit adds D products of weights and inputs. With independent weights of mean 0 and variance v its net input has

.. math:: \mathrm{Var}(z) = D \, v \, E[h^2]

so that L layers multiply the variance by :math:`(D v E[f^2])^L`. Forwards it stays put if :math:`v = g^2 / D`, where
the gain g makes up for what the activation takes away (see `gain`); backwards, where each of the D inputs feeds H
units, if :math:`v = g^2 / H`. A uniform law on [-a, a] has variance :math:`a^2 / 3`.

============  =============================================  ======  ==========================================
scheme        variance v of the weights                      gain    reference
============  =============================================  ======  ==========================================
glorot        :math:`2 g^2 / (D + H)`, between the two       1       Glorot & Bengio (2010), eq. 12 and 16
he            :math:`g^2 / D`                                root 2  He, Zhang, Ren & Sun (2015), eq. 10
lecun         :math:`g^2 / D`                                1       LeCun, Bottou, Orr & Müller (1998), eq. 16
orthogonal    a random orthogonal matrix times g             1       Saxe, McClelland & Ganguli (2014)
scikit-learn  as glorot uniform, and the biases alike        1       ``MLPClassifier``
torch         uniform on :math:`\pm D^{-1/2}`, biases alike          ``torch.nn.Linear``
============  =============================================  ======  ==========================================

glorot, he and lecun come as ``"... normal"`` and ``"... uniform"``. Biases begin at zero where nothing else is said.

In a convolution D is the number of input channels of a group times the size of the window, and H the same of output
channels. A transposed convolution of stride s spreads its window over s places, so that D is divided by s (by the
product of the strides).
"""

import math
from typing import Literal, TypeVar

import torch
from torch import nn
from torch.nn import init

from peira.core.errors import ParameterError, closest

from .activations import gain as gain_of

Scheme = Literal[
    "glorot uniform", "glorot normal", "he uniform", "he normal", "lecun uniform", "lecun normal", "orthogonal",
    "scikit-learn", "torch",
]  # fmt: skip
SCHEMES = Scheme.__args__
Net = TypeVar("Net", bound=nn.Module)

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED)


def fans(layer: nn.Module) -> tuple[float, float]:
    """How many inputs reach an output of a layer, and how many outputs an input reaches.

    Parameters
    ----------
    layer : Linear, Conv or ConvTranspose

    Examples
    --------
    >>> from torch import nn
    >>> from peira.layers import fans
    >>> fans(nn.Conv2d(3, 8, kernel_size=5))
    (75.0, 200.0)
    """
    if isinstance(layer, nn.Linear):
        return float(layer.in_features), float(layer.out_features)
    window = math.prod(layer.kernel_size) / layer.groups
    spread = math.prod(layer.stride) if isinstance(layer, _TRANSPOSED) else 1
    return layer.in_channels * window / spread, layer.out_channels * window


@torch.no_grad()
def initialise(net: Net, scheme: str, gain: float | str | None = None) -> Net:
    """Give the layers of a net their first weights.

    Parameters
    ----------
    net : Module
        Its linear and convolutional layers are changed in place; everything else stays as it is.
    scheme : str
        ``"glorot uniform"``, ``"glorot normal"``, ``"he uniform"``, ``"he normal"``, ``"lecun uniform"``,
        ``"lecun normal"``, ``"orthogonal"``, ``"scikit-learn"`` or ``"torch"``: see the table above.
    gain : float above 0, or the name of an activation, optional
        A name stands for the gain of that activation. None is that of the table.

    Returns
    -------
    Module
        The same net.

    Raises
    ------
    ParameterError
        For an unknown scheme, or a gain that is not positive.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import initialise
    >>> _ = torch.manual_seed(0)
    >>> layer = initialise(torch.nn.Linear(2000, 500), "he normal")
    >>> round(layer.weight.var().item() * 2000, 2)
    2.0
    """
    if scheme not in SCHEMES:
        raise ParameterError(f"there is no initialisation {scheme!r}: {closest(scheme, SCHEMES)}")
    g = gain_of(gain) if isinstance(gain, str) else gain
    if g is None:
        g = math.sqrt(2) if scheme.startswith("he") else 1.0
    if not 0 < g < math.inf:
        raise ParameterError(f"the gain must be a positive number, got {g!r}")
    for layer in net.modules():
        if isinstance(layer, WEIGHTED):
            _set(layer, scheme, g)
    return net


def _set(layer: nn.Module, scheme: str, g: float) -> None:
    D, H = fans(layer)
    if scheme == "orthogonal":
        init.orthogonal_(layer.weight, g)
    else:
        v = 1 / (3 * D) if scheme == "torch" else 2 * g**2 / (D + H) if scheme in _BOTH_WAYS else g**2 / D
        if scheme.endswith("normal"):
            init.normal_(layer.weight, std=math.sqrt(v))
        else:
            init.uniform_(layer.weight, -math.sqrt(3 * v), math.sqrt(3 * v))
    if layer.bias is not None:
        if scheme in ("scikit-learn", "torch"):
            init.uniform_(layer.bias, -math.sqrt(3 * v), math.sqrt(3 * v))
        else:
            init.zeros_(layer.bias)


_BOTH_WAYS = ("glorot uniform", "glorot normal", "scikit-learn")


def zero_last(net: Net) -> Net:
    """Let a net, or the branch of a residual block, begin as the constant zero.

    The last layer that has weights gets zeros, be it linear, convolutional or a normalisation (its scale and shift).
    A residual block then begins as its shortcut (Goyal et al. 2017, section 5.1), a classifier with equal
    probabilities, a regressor with the mean.

    Raises
    ------
    ParameterError
        If the net has no weights.
    """
    weighted = [layer for layer in net.modules() if next(layer.parameters(recurse=False), None) is not None]
    if not weighted:
        raise ParameterError("the net has no weights that could begin at zero")
    for weights in weighted[-1].parameters(recurse=False):
        init.zeros_(weights)
    return net
