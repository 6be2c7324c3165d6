r"""Temporal convolution: windows over the past that double from layer to layer.

A causal convolution of window k and dilation d gives, for each step, a weighted sum of that step and k - 1 earlier ones
that lie d steps apart,

.. math:: (V * x)_t = b + \sum_{j=0}^{k-1} V_j x_{t - jd}, \quad x_s = 0 \ (s < 1)

and a block adds two of them, with the rectifier a and dropout, to what came in:

.. math:: y = a(x' + F(x)), \quad F(x) = a(V_2 * a(V_1 * x))

x' is x itself, or a matrix times x where the number of channels changes. With dilations 1, 2, 4, ... the last of L
blocks sees :math:`1 + 2 (k - 1)(2^L - 1)` steps. All steps are computed at once, and errors reach back through L blocks
in place of T steps.

Weights are scale times direction, :math:`V = g v / |v|` (Salimans & Kingma 2016), as in the paper's net; dropout drops
a channel over all steps.

Cost: :math:`2 k N T H^2` multiplications a block. The state that it goes on from is the last 2 (k - 1) d steps.

Reference: Bai, Kolter & Koltun (2018), An empirical evaluation of generic convolutional and recurrent networks for
sequence modeling, section 3.
"""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from peira.core.errors import ParameterError

from .noise import dropout as dropout_of


class CausalConvolution(nn.Module):
    """A convolution over the present and the past.

    Parameters
    ----------
    D, H : int
        Channels in and out.
    kernel_size, dilation : int
    """

    def __init__(self, D: int, H: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        if min(D, H, kernel_size, dilation) < 1:
            raise ParameterError(f"channels, window and dilation are 1 or more, got {(D, H, kernel_size, dilation)}")
        self.D, self.reach = D, (kernel_size - 1) * dilation
        self.window = weight_norm(nn.Conv1d(D, H, kernel_size, dilation=dilation))

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None, past: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the windows give, and the steps that the next call will look back on.

        Parameters
        ----------
        x : tensor of shape (N, T, D)
        lengths : int tensor of shape (N,), optional
        past : tensor of shape (N, reach, D)
            The steps before.

        Returns
        -------
        tensor of shape (N, T, H), tensor of shape (N, reach, D)
        """
        seen = torch.cat([past, x], 1)
        y = self.window(seen.mT).mT
        if lengths is None:
            return y, seen[:, x.shape[1] :]
        last = lengths[:, None] + torch.arange(self.reach, device=x.device)
        return y, seen.gather(1, last[:, :, None].expand(-1, -1, self.D))


class CausalBlock(nn.Module):
    """Two causal convolutions and a way around them, in the interface of a recurrent layer.

    Parameters
    ----------
    D, H : int
        Channels in and out.
    kernel_size, dilation : int
    dropout : float in [0, 1), default 0
        Probability that a channel is dropped over all steps.
    """

    parts = 2

    def __init__(self, D: int, H: int, kernel_size: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = CausalConvolution(D, H, kernel_size, dilation)
        self.second = CausalConvolution(H, H, kernel_size, dilation)
        self.dropout = dropout_of(dropout, "channels", 1)
        self.around = nn.Identity() if D == H else nn.Linear(D, H)

    def begin(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Nothing but zeros before the first step."""
        return tuple(x.new_zeros(x.shape[0], c.reach, c.D) for c in (self.first, self.second))

    def forward(
        self,
        x: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: tuple[torch.Tensor, ...] | None = None,
        ends: bool = True,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Outputs of shape (N, T, H), and the inputs of both convolutions that the next call will look back on."""
        past, between = self.begin(x) if state is None else state
        if x.shape[1] == 0:
            return x.new_zeros(x.shape[0], 0, self.second.D), (past, between)
        h, past = self.first(x, lengths, past)
        h = self._thin(functional.relu(h))
        y, between = self.second(h, lengths, between)
        return functional.relu(self.around(x) + self._thin(functional.relu(y))), (past, between)

    def _thin(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x.mT).mT
