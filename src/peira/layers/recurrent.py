r"""Recurrent layers: units whose answer at a step depends on what they answered before.

Every kind takes sequences :math:`x_1, ..., x_T` side by side, filled up to the longest, and gives an output for each
step and the state at the end of each sequence, from which it goes on. Capital letters are weights, b biases:

=========  ==========================================================================  ==============================
kind       a step                                                                      reference
=========  ==========================================================================  ==============================
elman      :math:`h_t = \tanh(W x_t + U h_{t-1} + b)`                                  Elman (1990)
irnn       the same with :math:`\max(0, \cdot)`, U the identity at first               Le, Jaitly & Hinton (2015)
jordan     :math:`h_t = \tanh(W x_t + U s_t + b), \ y_t = V h_t + c,`                  Jordan (1986)
           :math:`s_t = \mu s_{t-1} + y_{t-1}`; y is the output
lstm       gates i, f, o: :math:`c_t = f_t c_{t-1} + i_t g_t, \ h_t = o_t \tanh c_t`   Hochreiter & Schmidhuber
                                                                                       (1997), Gers et al. (2000)
gru        :math:`h_t = (1 - z_t) n_t + z_t h_{t-1}`,                                  Cho et al. (2014), with the
           :math:`n_t = \tanh(W x_t + b + r_t (U h_{t-1} + c))`                        reset after the product
leaky      :math:`h_t = h_{t-1} + a (\tanh(W x_t + U h_{t-1} + b) - h_{t-1})`          Jaeger et al. (2007)
mtrnn      :math:`u_t = u_{t-1} + a (W x_t + U h_{t-1} + b - u_{t-1})`,                Yamashita & Tani (2008), eq. 1
           :math:`h_t = \tanh u_t`
clockwork  as elman, but a unit of period p moves when p divides t, and hears only     Koutnik et al. (2014), eq. 1-4
           units that are as slow as it or slower
tcn        :math:`h_t` from :math:`x_t, x_{t-d}, x_{t-2d}, ...`: see                   Bai, Kolter & Koltun (2018)
           `peira.layers.temporal_convolution`
=========  ==========================================================================  ==============================

*Errors through time.* The gradient of a late loss with respect to an early state is a product of as many Jacobians as
there are steps between. Where these are smaller than one it vanishes, else it explodes. The cell c of the LSTM has the
Jacobian f, a gate that can stay at one; slow units (leaky, mtrnn, clockwork) and dilated windows shorten the way.

*Time constants.* A leaky unit is the exact solution of :math:`\tau \, dh/dt = -h + \tanh(...)` over one step in which
the right-hand side's last term stays, with :math:`a = 1 - e^{-1/\tau}`. Yamashita & Tani take Euler's step,
:math:`a = 1/\tau`. Both learn :math:`\tau`, one for each unit, from a range of first values.

*Padding.* With ``lengths``, nothing after the end of a sequence changes an output, a state or a gradient; outputs there
are 0. A bidirectional layer reads each sequence from its own end.

Cost: :math:`N T H (D + H)` multiplications a layer for elman, four times that for lstm, three times for gru. elman,
irnn, lstm and gru are torch's kernels; the others compute the inputs' part of all steps in one product, and then go
step by step.
"""

from typing import Literal

import torch
from torch import nn

from peira.core.errors import ParameterError, closest
from peira.numerics.ragged import within

from .recurrent_cells import ClockworkCell, JordanCell, LeakyCell, MultipleTimescaleCell, State, TorchCell
from .temporal_convolution import CausalBlock

Cell = Literal["elman", "irnn", "jordan", "lstm", "gru", "leaky", "mtrnn", "clockwork", "tcn"]
CELLS = Cell.__args__


class SequenceDropout(nn.Module):
    """Dropout with one mask for all steps of a sequence (Gal & Ghahramani 2016).

    Noise that is new at every step drowns what a recurrent net should remember; one mask over time is one thinner net
    for the whole sequence.

    Parameters
    ----------
    p : float in [0, 1)
        Probability that a unit is dropped.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ParameterError(f"the probability of dropout must lie in [0, 1), got {p!r}")
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sequences of shape (N, T, H), thinned while learning."""
        if not self.training or not self.p:
            return x
        return x * x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - self.p).div_(1 - self.p)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"p={self.p}"


def recurrent(
    kind: str,
    D: int,
    H: int,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    variational: bool = True,
    normalise: bool = False,
    kernel_size: int = 3,
) -> "Recurrent":
    """Layers of recurrent units, or of causal convolutions, one above the other.

    Parameters
    ----------
    kind : str
        One of the table above.
    D : int
        Numbers of a step.
    H : int
        Units of a layer, and of a direction.
    layers : int, default 1
    bidirectional : bool, default False
        Read each sequence from its end too; outputs of both directions stand side by side.
    dropout : float in [0, 1), default 0
        Probability that an output of a layer is dropped on its way to the next layer.
    variational : bool, default True
        Keep one mask over all steps of a sequence, in place of a new one at every step.
    normalise : bool, default False
        Give the outputs of each layer, at each step, mean 0 and variance 1 over the units (layer normalisation).
    kernel_size : int, default 3
        Window of a temporal convolution; layer l (from 0) looks at every 2^l-th step.

    Returns
    -------
    Recurrent
        ``(x, lengths=None, state=None) -> (outputs, state)``.

    Raises
    ------
    ParameterError
        For an unknown kind, or a size below 1.

    Examples
    --------
    >>> import torch
    >>> from peira.layers.recurrent import recurrent
    >>> net = recurrent("gru", 3, 8, layers=2)
    >>> outputs, state = net(torch.zeros(5, 7, 3), torch.tensor([7, 2, 4, 1, 7]))
    >>> outputs.shape, [part.shape for part in state]
    (torch.Size([5, 7, 8]), [torch.Size([5, 8]), torch.Size([5, 8])])
    """
    if kind not in CELLS:
        raise ParameterError(f"there is no recurrent layer {kind!r}: {closest(kind, CELLS)}")
    if min(D, H, layers, kernel_size) < 1:
        raise ParameterError(f"D, H, layers and kernel_size must be 1 or more, got {(D, H, layers, kernel_size)}")
    ways = 2 if bidirectional else 1
    cells = []
    for l in range(layers):
        width = D if l == 0 else H * ways
        cells.append(nn.ModuleList([_cell(kind, width, H, kernel_size, 2**l, dropout) for _ in range(ways)]))
    between = SequenceDropout(dropout) if variational else nn.Dropout(dropout)
    norms = [nn.LayerNorm(H * ways) if normalise else nn.Identity() for _ in range(layers)]
    return Recurrent(nn.ModuleList(cells), between, nn.ModuleList(norms), D, H * ways)


def _cell(kind: str, D: int, H: int, kernel_size: int, dilation: int, dropout: float) -> nn.Module:
    if kind == "tcn":
        return CausalBlock(D, H, kernel_size, dilation, dropout)
    own = {"jordan": JordanCell, "leaky": LeakyCell, "mtrnn": MultipleTimescaleCell, "clockwork": ClockworkCell}
    return own[kind](D, H) if kind in own else TorchCell(kind, D, H)


class Recurrent(nn.Module):
    """What `recurrent` builds.

    Attributes
    ----------
    D, size : int
        Numbers of a step, and of an output.
    """

    def __init__(self, cells: nn.ModuleList, dropout: nn.Module, norms: nn.ModuleList, D: int, size: int) -> None:
        super().__init__()
        self.cells, self.dropout, self.norms, self.D, self.size = cells, dropout, norms, D, size

    def forward(
        self,
        x: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: State | None = None,
        *,
        ends: bool = True,
    ) -> tuple[torch.Tensor, State]:
        """Outputs of all steps, and the state at the end.

        Parameters
        ----------
        x : tensor of shape (N, T, D)
            Sequences, filled up to the longest.
        lengths : int tensor of shape (N,), optional
            Steps of each; T without it.
        state : tuple of tensors of shape (N, ...), optional
            Where an earlier call ended; without it, the beginning. It holds the parts of each layer in turn.
        ends : bool, default True
            Whether the state at the end is asked for. Without it sequences of unlike lengths are faster.

        Returns
        -------
        outputs : tensor of shape (N, T, size)
            0 after the end of a sequence.
        state : tuple of tensors of shape (N, ...)
            Empty if it was not asked for.
        """
        if state is not None and len(self.cells[0]) == 2:
            raise ParameterError("a bidirectional net begins at both ends of a sequence, and cannot go on from a state")
        T = x.shape[1]
        if lengths is not None and (T == 0 or bool((lengths == T).all())):
            lengths = None
        given = iter(state or ())
        ended: list[torch.Tensor] = []
        alive = None if lengths is None else within(lengths, T)[:, :, None]
        for l, (ways, norm) in enumerate(zip(self.cells, self.norms, strict=True)):
            if l:
                x = self.dropout(x)
            sides = []
            for way, cell in enumerate(ways):
                begun = None if state is None else tuple(next(given) for _ in range(cell.parts))
                side, end = cell(_reversed(x, lengths) if way else x, lengths, begun, ends)
                sides.append(_reversed(side, lengths) if way else side)
                ended += end
            x = norm(sides[0] if len(sides) == 1 else torch.cat(sides, 2))
            if alive is not None:
                x = torch.where(alive, x, 0.0)
        return x, tuple(ended) if ends else ()


def _reversed(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Each sequence from its own end to its beginning; what is filled up stays behind it."""
    if lengths is None:
        return x.flip(1)
    t = torch.arange(x.shape[1], device=x.device)
    back = lengths[:, None] - 1 - t
    index = torch.where(back >= 0, back, t)
    return x.gather(1, index[:, :, None].expand_as(x))
