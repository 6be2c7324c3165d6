r"""Cells: one layer of recurrent units in one direction.

Each takes sequences (N, T, D) with their lengths and a state, and gives outputs (N, T, H) and the state at the end of
each sequence; the table of `peira.layers.recurrent` has their equations.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

State = tuple[torch.Tensor, ...]


class TorchCell(nn.Module):
    """A layer of torch's own kernels: elman, irnn, lstm or gru.

    The forget gate of the LSTM begins open, with bias 1 (Gers, Schmidhuber & Cummins 2000; Jozefowicz et al. 2015).
    """

    def __init__(self, kind: str, D: int, H: int) -> None:
        super().__init__()
        if kind in ("elman", "irnn"):
            self.layer = nn.RNN(D, H, batch_first=True, nonlinearity="tanh" if kind == "elman" else "relu")
        else:
            self.layer = (nn.LSTM if kind == "lstm" else nn.GRU)(D, H, batch_first=True)
        self.parts = 2 if kind == "lstm" else 1
        with torch.no_grad():
            if kind == "irnn":
                self.layer.weight_hh_l0.copy_(torch.eye(H))
                self.layer.weight_ih_l0.normal_(0, 0.001)
                self.layer.bias_ih_l0.zero_()
                self.layer.bias_hh_l0.zero_()
            elif kind == "lstm":
                self.layer.bias_ih_l0[H : 2 * H].fill_(1.0)
                self.layer.bias_hh_l0[H : 2 * H].zero_()

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None, state: State | None, ends: bool = True
    ) -> tuple[torch.Tensor, State]:
        """As `Recurrent.forward`."""
        N, T, _ = x.shape
        H = self.layer.hidden_size
        if state is None:
            state = tuple(x.new_zeros(N, H) for _ in range(self.parts))
        if T == 0:
            return x.new_zeros(N, 0, H), state
        begun = tuple(part[None].contiguous() for part in state)
        begun = begun if self.parts == 2 else begun[0]
        if lengths is not None and self.parts == 2 and ends:
            return self._packed(x, lengths, state, begun)
        outputs, end = self.layer(x, begun)
        if lengths is None:
            return outputs, tuple(part[0] for part in (end if self.parts == 2 else (end,)))
        return outputs, (_last(outputs, lengths, state[0]),) if ends else ()

    def _packed(self, x: torch.Tensor, lengths: torch.Tensor, state: State, begun: State) -> tuple[torch.Tensor, State]:
        """The cells of an LSTM at the ends of sequences are told only of packed ones, whose kernel is slower."""
        packed = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        run, end = self.layer(packed, begun)
        outputs, _ = pad_packed_sequence(run, batch_first=True, total_length=x.shape[1])
        there = (lengths > 0)[:, None]  # a packed sequence has a step at least; the empty ones keep their state
        return outputs, tuple(torch.where(there, e[0], s) for e, s in zip(end, state, strict=True))


def _last(outputs: torch.Tensor, lengths: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The output at the last step of each sequence; of an empty one, the state before it."""
    index = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])
    return torch.where((lengths > 0)[:, None], outputs.gather(1, index)[:, 0], before)


class SteppedCell(nn.Module):
    """Base of the layers that go through time step by step: a subclass gives ``begin``, ``step`` and ``output``."""

    parts = 1

    def __init__(self, D: int, H: int, fed_back: int | None = None) -> None:
        super().__init__()
        self.H = H
        self.inputs = nn.Linear(D, H)
        self.memory = nn.Parameter(torch.empty(H, fed_back or H))
        bound = 1 / math.sqrt(H)
        for weights in (self.memory, self.inputs.weight, self.inputs.bias):
            nn.init.uniform_(weights, -bound, bound)

    def begin(self, x: torch.Tensor) -> State:
        """The state before the first step."""
        return (x.new_zeros(x.shape[0], self.H),)

    def drives(self, x: torch.Tensor) -> torch.Tensor:
        """The inputs' part of all steps, of shape (N, T, H)."""
        return self.inputs(x)

    def step(self, drive: torch.Tensor, state: State) -> State:
        """The state after a step; ``drive`` is W x + b, of shape (N, H)."""
        raise NotImplementedError

    def output(self, state: State) -> torch.Tensor:
        """What a state shows, of shape (N, H)."""
        return state[0]

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None, state: State | None, ends: bool = True
    ) -> tuple[torch.Tensor, State]:
        """As `Recurrent.forward`."""
        state = self.begin(x) if state is None else state
        outputs = [x.new_zeros(x.shape[0], 0, self.H)] if x.shape[1] == 0 else []
        for t, drive in enumerate(self.drives(x).unbind(1)):
            after = self.step(drive, state)
            if lengths is not None:
                alive = (t < lengths)[:, None]
                after = tuple(torch.where(alive, new, old) for new, old in zip(after, state, strict=True))
            state = after
            outputs.append(self.output(state)[:, None])
        return torch.cat(outputs, 1), state


class JordanCell(SteppedCell):
    """Units that hear the outputs of the step before, and traces of earlier ones.

    With :math:`\\mu = 0`, it is an Elman layer whose recurrent weights are U V.
    """

    parts = 2

    def __init__(self, D: int, H: int, outputs: int | None = None, trace: float = 0.5) -> None:
        self.K = outputs or H
        super().__init__(D, H, self.K)
        self.trace = trace
        self.outputs = nn.Linear(H, self.K)

    def begin(self, x: torch.Tensor) -> State:
        """No output yet, and no trace of any."""
        return tuple(x.new_zeros(x.shape[0], self.K) for _ in range(2))

    def step(self, drive: torch.Tensor, state: State) -> State:
        """Trace, hidden units, output."""
        y, s = state
        s = self.trace * s + y
        return self.outputs(torch.tanh(torch.addmm(drive, s, self.memory.T))), s


class LeakyCell(SteppedCell):
    """Units that move towards their drive at a pace of their own, :math:`a = 1 - e^{-1/\\tau}`.

    Attributes
    ----------
    log_tau : Parameter of shape (H,)
        Logarithms of the time constants, in steps; at first evenly from 1 to 32 steps.
    """

    slowest = 32.0

    def __init__(self, D: int, H: int) -> None:
        super().__init__(D, H)
        self.log_tau = nn.Parameter(torch.linspace(0.0, math.log(self.slowest), H))

    @property
    def rate(self) -> torch.Tensor:
        """The share a of the way that a unit goes in a step."""
        return -torch.expm1(-torch.exp(-self.log_tau))

    def step(self, drive: torch.Tensor, state: State) -> State:
        """A part of the way from the last activation to the new one."""
        (h,) = state
        return (torch.lerp(h, torch.tanh(torch.addmm(drive, h, self.memory.T)), self.rate),)


class MultipleTimescaleCell(SteppedCell):
    """Fast and slow units whose potentials leak; only the fast half, but for a lone unit, sees the inputs.

    Attributes
    ----------
    log_excess : Parameter of shape (H,)
        Logarithms of what the time constants have beyond one step; the fast begin with 2 steps, the slow with 32.
    """

    fast, slow = 2.0, 32.0

    def __init__(self, D: int, H: int) -> None:
        super().__init__(D, H)
        tau = torch.full((H,), self.fast)
        tau[(H + 1) // 2 :] = self.slow
        self.log_excess = nn.Parameter(torch.log(tau - 1))
        seen = torch.zeros(H, 1)
        seen[: (H + 1) // 2] = 1.0
        self.register_buffer("seen", seen)

    @property
    def tau(self) -> torch.Tensor:
        """Time constants, in steps; never below one."""
        return 1 + self.log_excess.exp()

    def drives(self, x: torch.Tensor) -> torch.Tensor:
        """The inputs' part, which reaches slow units only by way of the fast ones."""
        return functional.linear(x, self.inputs.weight * self.seen, self.inputs.bias)

    def step(self, drive: torch.Tensor, state: State) -> State:
        """A part of the way from the last potential to the new drive."""
        (u,) = state
        return (torch.lerp(u, torch.addmm(drive, torch.tanh(u), self.memory.T), 1 / self.tau),)

    def output(self, state: State) -> torch.Tensor:
        """Activations of the potentials."""
        return torch.tanh(state[0])


class ClockworkCell(SteppedCell):
    """Groups of units with periods 1, 2, 4, ...: slow groups keep what they know, and fast ones listen to them.

    Attributes
    ----------
    periods : buffer of shape (H,)
    """

    parts = 2
    groups = 5

    def __init__(self, D: int, H: int) -> None:
        super().__init__(D, H)
        G = min(self.groups, H)
        periods = 2 ** (torch.arange(H) * G // H)
        self.register_buffer("periods", periods)
        self.register_buffer("heard", (periods[None] >= periods[:, None]).to(self.memory.dtype))

    def begin(self, x: torch.Tensor) -> State:
        """Activations, and the clock."""
        return x.new_zeros(x.shape[0], self.H), torch.zeros(x.shape[0], 1, dtype=torch.int64, device=x.device)

    def step(self, drive: torch.Tensor, state: State) -> State:
        """Units whose period divides the time move; the others stay."""
        h, t = state
        new = torch.tanh(torch.addmm(drive, h, (self.memory * self.heard).T))
        return torch.where(t % self.periods == 0, new, h), t + 1
