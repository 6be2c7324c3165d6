r"""Noise while learning: dropout and Gaussian noise, which an answer does without.

Dropout sets each value to zero with probability p and divides the others by 1 - p, so that the expected value stays:

.. math:: y = \frac{m}{1 - p} x, \quad m \sim \mathrm{Bernoulli}(1 - p)

=========  ============================================================================================================
kind       what is dropped together
=========  ============================================================================================================
elements   nothing: each value by itself (Srivastava et al. 2014)
channels   a whole channel of an item, since neighbouring positions tell the same (Tompson et al. 2015)
alpha      each value by itself, put to SELU's lower end and rescaled so that mean 0 and variance 1 stay (Klambauer et
           al. 2017)
=========  ============================================================================================================

Gaussian noise of standard deviation s on the inputs is, for squared error and small s, a penalty of
:math:`s^2` times the squared slopes of the net (Bishop 1995).
"""

from typing import Literal

import torch
from torch import nn

from peira.core.errors import ParameterError, closest

DropoutKind = Literal["elements", "channels", "alpha"]
_CHANNELS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class GaussianNoise(nn.Module):
    """Adds Gaussian noise while the net learns.

    Parameters
    ----------
    std : float, at least 0
        In units of the values that it is added to.

    Raises
    ------
    ParameterError
        If ``std`` is negative or not finite.

    Examples
    --------
    >>> import torch
    >>> from peira.layers import GaussianNoise
    >>> GaussianNoise(0.1).eval()(torch.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, std: float) -> None:
        super().__init__()
        if not 0 <= std < float("inf"):
            raise ParameterError(f"the standard deviation of noise must be 0 or above, got {std!r}")
        self.std = std

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values with noise while learning, else themselves."""
        return x + self.std * torch.randn_like(x) if self.training and self.std else x

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"std={self.std}"


def dropout(p: float, kind: str = "elements", dims: int = 0) -> nn.Module:
    """A dropout layer.

    Parameters
    ----------
    p : float in [0, 1)
        Probability that a value (a channel) is dropped.
    kind : {"elements", "channels", "alpha"}, default "elements"
        See the table above.
    dims : int from 0 to 3, default 0
        Axes of positions of the tensors, which ``"channels"`` needs to know.

    Raises
    ------
    ParameterError
        For a probability outside of [0, 1) or an unknown kind.
    """
    if not 0 <= p < 1:
        raise ParameterError(f"the probability of dropout must lie in [0, 1), got {p!r}")
    kinds = DropoutKind.__args__
    if kind not in kinds:
        raise ParameterError(f"there is no dropout of {kind!r}: {closest(kind, kinds)}")
    if kind == "alpha":
        return nn.AlphaDropout(p)
    return nn.Dropout(p) if kind == "elements" else _CHANNELS[dims](p)
