"""The net of a recurrent language model, and the same net in a state that it carries from one update to the next."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

from peira.layers.recurrent import SequenceDropout, recurrent
from peira.layers.recurrent_cells import State

from .unrolled_batches import PAUSED


class LanguageNet(nn.Module):
    """Symbols to vectors, recurrent layers, and scores of what comes next.

    Parameters
    ----------
    rows, C : int
        Symbols and marks that may go in, and how many of them, the first ones, may come next.
    unseen : int or None
        The position of what goes in as a vector of zeros: a symbol that was never seen.
    E, H, layers : int
        Numbers of a symbol's vector, units of a recurrent layer, and layers.
    cell : str
        A kind of `peira.layers.recurrent`.
    dropout : float
        Before, between and after the recurrent layers; never on the way from step to step.
    variational : bool
        One mask for all steps of a segment, in place of a new one at each step.
    tied : bool
        Score a symbol by the vector that it goes in with; E equals H.
    """

    def __init__(
        self, rows: int, C: int, unseen: int | None, E: int, H: int, layers: int,
        *, cell: str, dropout: float, variational: bool, tied: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.C = C
        self.embedding = nn.Embedding(rows, E, padding_idx=unseen)
        self.recurrent = recurrent(cell, E, H, layers=layers, dropout=dropout, variational=variational)
        self.dropout: nn.Module = nn.Identity()
        if dropout:
            self.dropout = SequenceDropout(dropout) if variational else nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(C))
        self.weight = None if tied else nn.Parameter(torch.empty(C, H).uniform_(-(H**-0.5), H**-0.5))
        if tied:
            self.begin_within(H**-0.5, [self.embedding.weight])

    def begin_within(self, bound: float, weights: Iterable[torch.Tensor] | None = None) -> None:
        """Draw first weights, uniform on [-bound, bound]; what was never seen stays at zero."""
        for w in self.parameters() if weights is None else weights:
            nn.init.uniform_(w, -bound, bound)
        if self.embedding.padding_idx is not None:
            nn.init.zeros_(self.embedding.weight[self.embedding.padding_idx])

    def forward(self, inputs: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """What the last layer knows after each of the inputs (B, T), of shape (B, T, H), and the state at the end."""
        h, state = self.recurrent(self.dropout(self.embedding(inputs)), None, state)
        return self.dropout(h), state

    def scores(self, h: torch.Tensor) -> torch.Tensor:
        """Scores of what comes next, of shape (..., C)."""
        return functional.linear(h, self.embedding.weight[: self.C] if self.weight is None else self.weight, self.bias)

    def nats(self, h: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean of -log P over the targets (B, T) that are no pauses."""
        return functional.cross_entropy(self.scores(h).flatten(0, -2), targets.flatten(), ignore_index=PAUSED)


class Carrying(nn.Module):
    """A net whose state goes on from call to call, without its gradient.

    The state is a buffer, so that copies of the weights and checkpoints hold it beside them: a training that was cut
    off goes on in the very state in which it stood.

    Parameters
    ----------
    net : LanguageNet
    B : int
        Streams that it reads side by side.
    """

    def __init__(self, net: LanguageNet, B: int) -> None:
        super().__init__()
        self.net = net
        device = net.embedding.weight.device
        with torch.no_grad():
            _, state = net(torch.zeros(B, 1, dtype=torch.int64, device=device))
        self.parts = len(state)
        for i, part in enumerate(state):
            self.register_buffer(f"state_{i}", torch.zeros_like(part))

    def forward(self, inputs: torch.Tensor, carried: torch.Tensor) -> torch.Tensor:
        """As the net's, beginning in the state of the last call, or in an empty one where ``carried`` is 0."""
        begun = tuple(getattr(self, f"state_{i}") * carried.to(self._dtype(i)) for i in range(self.parts))
        h, state = self.net(inputs, begun)
        for i, part in enumerate(state):
            setattr(self, f"state_{i}", part.detach())
        return h

    def _dtype(self, i: int) -> torch.dtype:
        return getattr(self, f"state_{i}").dtype
