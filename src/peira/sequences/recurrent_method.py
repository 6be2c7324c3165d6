r"""Nets for sequences: what those that predict, forecast and generate share.

A net reads the steps of a sequence one after the other by layers of recurrent units or causal convolutions
(`peira.layers.recurrent` has their equations), and what is asked is linear in their outputs:

.. math:: h_1, ..., h_T = \mathrm{body}(z_1, ..., z_T), \quad F_t = V h_t + c

Sequences of unlike length go through the net side by side, filled up to the longest of their batch; what is filled up
changes no loss, no gradient and no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.params import choice, integer, linear, param
from peira.layers.recurrent import Cell, Recurrent, SequenceDropout, recurrent
from peira.training import Training
from peira.training.network import Network

from .padded_batches import PaddedBatches
from .recurrent_inputs import SequenceInputs


class SequenceNet(nn.Module):
    """Entrance, body, and scores that are linear in its outputs, or in a summary of them over time."""

    def __init__(
        self, entrance: nn.Module, body: Recurrent, dropout: float, scores: nn.Module, summary: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.entrance, self.body, self.dropout = entrance, body, SequenceDropout(dropout)
        self.summary, self.scores = summary, scores

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """From padded steps (N, T, ...) to scores (N, T, K), or (N, K) with a summary."""
        h, _ = self.body(self.entrance(x), lengths, ends=False)
        h = self.dropout(h)
        return self.scores(h if self.summary is None else self.summary(h, lengths))


class RecurrentMethod(Network, SequenceInputs):
    """Base of the nets for sequences; a subclass gives ``build``, ``loss`` and ``fit``.

    Attributes
    ----------
    net_ : Module
        Entrance, body and scores.
    layers_ : int
        Layers of the body.
    """

    cell: Cell = param("gru", "the recurrent unit, or 'tcn' for causal convolutions", tune=choice("gru", "lstm", "tcn"))
    hidden: int = param(64, "units of a layer, H", low=1, tune=integer(16, 256))
    layers: int | None = param(
        None, "layers; None is 1, and for 'tcn' as many as see the longest sequence", low=1, tune=choice(None, 2)
    )
    kernel_size: int = param(3, "window of 'tcn', in steps", low=2)
    dropout: float = param(
        0.0, "probability that a unit is dropped, for all steps of a sequence", low=0, below=1, tune=linear(0.0, 0.5)
    )
    normalise: bool = param(False, "normalise the outputs of each layer over its units, step by step")
    training: Training | None = param(None, "how the weights are found; None: as `default_training` says")
    device: str = param("auto", "where the net learns: 'cpu', 'cuda', or 'auto' for the first accelerator there is")
    random_state: object = param(None, "seed of first weights, batches, dropout and what is held out")
    layers_: int

    @classmethod
    def default_training(cls) -> Training:
        """How the net learns when no ``training`` is given."""
        return Training(
            optimiser="adamw",
            learning_rate=5e-3,
            updates=1000,
            batch_size=32,
            weight_decay=0.01,
            clip=1.0,
            validation_fraction=0.1,
            evaluate_every=25,
            patience=10,
            tol=1e-3,
        )

    def _measure_depth(self, longest: int) -> None:
        """Note how many layers there are."""
        self.layers_ = self.layers or 1
        if self.layers is None and self.cell == "tcn":
            while 1 + 2 * (self.kernel_size - 1) * (2**self.layers_ - 1) < longest:
                self.layers_ += 1

    def _net(
        self, K: int, *, bidirectional: bool = False, summary: nn.Module | None = None, extra: int = 0
    ) -> nn.Module:
        """The net with K scores; ``extra`` numbers a step stand beside those of the entrance."""
        entrance, D = self._entrance()
        body = recurrent(
            self.cell,
            D + extra,
            self.hidden,
            layers=self.layers_,
            bidirectional=bidirectional,
            dropout=self.dropout,
            normalise=self.normalise,
            kernel_size=self.kernel_size,
        )
        width = body.size * getattr(summary, "times", 1)
        return SequenceNet(entrance, body, self.dropout, nn.Linear(width, K), summary)

    def _teach(
        self,
        batches: PaddedBatches,
        seed: int | None,
        *,
        held_out: torch.Tensor | None = None,
        change: Callable[[tuple[torch.Tensor, ...]], tuple[torch.Tensor, ...]] = lambda batch: batch,
    ) -> None:
        """Learn the weights from sequences; ``change`` makes of a batch what the loss takes."""
        device = batches.lengths.device
        rows = torch.arange(len(batches.lengths), device=device)

        def evaluate(aside: tuple[torch.Tensor, ...]) -> dict[str, float]:
            total = 0.0
            for part in batches.parts(aside[0], self._numbers()):
                total += float(self._objective(*change(batches.take(part)))) * len(part)
            return {"loss": total / len(aside[0])}

        self._learn(
            (rows,),
            self.training or self.default_training(),
            seed,
            change=lambda batch, _: change(batches.take(batch[0])),
            held_out=held_out,
            evaluate=evaluate,
            behind=(batches.lengths, batches.firsts, *batches.of_steps, *batches.of_items),
        )

    def _numbers(self) -> int:
        """Numbers that the net holds for a step while it answers."""
        return 4 * self.hidden * (self.layers_ if self.cell == "tcn" else 1)

    @torch.no_grad()
    def _passes(self, queries: Queries) -> Iterator[tuple[torch.Tensor, torch.Tensor, PaddedBatches]]:
        """What the net gives for sequences, a part of them at a time: rows, scores of shape (B, ...), the batches."""
        device = self._device()
        self.net_.to(device)
        batches = PaddedBatches(queries.lengths.to(device), [self._read(queries).to(device)])
        for rows in batches.parts(torch.arange(len(queries), device=device), self._numbers()):
            yield rows, self.net_(*batches.take(rows)).double(), batches

    def _weights(self, data: Data) -> torch.Tensor:
        """A weight for each sequence, with mean 1."""
        w = torch.ones(len(data), device=data.device) if data.w is None else data.w / data.w.mean()
        return w.float()

    def _mean_of(self, values: torch.Tensor, data: Data) -> float:
        """The mean over sequences of a number of each, by weight: repeated sequences and weighed ones are one thing."""
        return float((self._weights(data).double() * values).mean())

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, layers = type(self).__name__, getattr(self, "layers_", None)
        if type(layers) is not int or not 1 <= layers <= 1000:
            raise UnreadableError(f"{owner}.layers_ is {layers!r}, not a number of layers")
        if not isinstance(getattr(self, "net_", None), nn.Module):
            raise UnreadableError(f"a stored {owner} needs net_, the weights of its net")


def recurrent_example(cls: type[RecurrentMethod], **given: Any) -> Any:
    """A small net that learns quickly on tiny data, for tests and documentation."""
    training = Training(optimiser="adam", learning_rate=0.02, updates=60, batch_size=None)
    return cls(hidden=8, training=training, random_state=0, device="cpu", **given)
