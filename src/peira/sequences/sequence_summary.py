"""A summary of the outputs of a net over the steps of each sequence."""

from typing import Literal

import torch
from torch import nn

from peira.numerics.ragged import within

Summary = Literal["last", "mean", "max", "all"]


class SequenceSummary(nn.Module):
    """The last output, the mean or the largest of each unit over the steps, or all three side by side.

    Parameters
    ----------
    kind : {"last", "mean", "max", "all"}
    bidirectional : bool
        The second half of the units read from the end, and were last at the first step.

    Attributes
    ----------
    times : int
        Numbers of the summary for each unit.
    """

    def __init__(self, kind: str, bidirectional: bool) -> None:
        super().__init__()
        self.kind, self.bidirectional = kind, bidirectional
        self.times = 3 if kind == "all" else 1

    def forward(self, h: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """From outputs (N, T, H), which are 0 after the end of a sequence, to summaries (N, times H)."""
        alive = within(lengths, h.shape[1])[:, :, None]
        parts = []
        if self.kind in ("last", "all"):
            last = h[torch.arange(len(h), device=h.device), lengths - 1]
            half = h.shape[2] // 2
            parts.append(torch.cat([last[:, :half], h[:, 0, half:]], 1) if self.bidirectional else last)
        if self.kind in ("mean", "all"):
            parts.append(torch.where(alive, h, 0.0).sum(1) / lengths[:, None].to(h.dtype))
        if self.kind in ("max", "all"):
            parts.append(h.masked_fill(~alive, -torch.inf).amax(1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"kind={self.kind!r}"
