"""Methods built on a net: what they have in common.

A subclass says what the net is and what is to become small::

    def build(self) -> nn.Module:            # from parameters and fitted sizes alone, so that loading can rebuild it
    def loss(self, *batch) -> Tensor:        # mean over the items of a batch; it runs self.net_

Everything else is the training loop's.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable

import torch
from torch import nn

from peira.core.devices import resolve_device
from peira.core.method import Method
from peira.core.seeds import derive, private_chance, torch_generator

from .batches import Batch, InMemory
from .loop import minimise
from .processes import share
from .training import Training

ANSWERED = 1 << 24  # numbers that go into the net at a time when it answers


class Network(Method):
    """Base of the methods whose learned values are the weights of a net.

    Attributes
    ----------
    net_ : Module
        In evaluation mode, on the device on which it learned.
    """

    _dtype = torch.float32
    net_: nn.Module

    @abstractmethod
    def build(self) -> nn.Module:
        """The net with fresh weights, drawn from torch's own generator; every buffer of it is stored."""

    @abstractmethod
    def loss(self, *batch: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The mean loss of the items of a batch; it runs ``self.net_``."""

    def _objective(self, *batch: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What is minimised; a method one of whose parameters is called ``loss`` writes this in its place."""
        return self.loss(*batch)

    def _learn(
        self,
        tensors: Batch,
        training: Training,
        seed: int,
        *,
        onward: bool = False,
        change: Callable[[Batch, torch.Generator], Batch] | None = None,
        shuffle: bool = True,
        held_out: torch.Tensor | None = None,
        evaluate: Callable[[Batch], dict[str, float]] | None = None,
        behind: Iterable[torch.Tensor] = (),
    ) -> None:
        """Find the weights.

        Parameters
        ----------
        tensors : tuple of tensors of shape (N, ...)
            What `loss` takes, an item a row.
        training : Training
        seed : int
        onward : bool, default False
            Go on from the present weights.
        change : callable(batch, generator) -> batch, optional
            Applied to each batch before it is learned from.
        shuffle : bool, default True
        held_out : tensor of row numbers, optional
            The items to choose the best weights by; without it, the training's share of them at random.
        evaluate : callable(held-out tensors) -> dict, optional
            What is measured on them, the first to become small; the loss without it.
        behind : sequence of tensors, default ()
            What items stand for that are only numbers of it, as for `InMemory`.
        """
        device = self._device()
        N = len(tensors[0])
        if held_out is None and training.validation_fraction:
            few = min(N - 1, max(1, round(N * training.validation_fraction)))
            held_out = torch.randperm(N, generator=torch_generator(derive(seed, 2)))[:few]
        measure = None
        if held_out is not None and len(held_out):
            kept = torch.ones(N, dtype=torch.bool)
            kept[held_out] = False
            aside = tuple(t[held_out.to(t.device)].to(device) for t in tensors)
            tensors = tuple(t[kept.to(t.device)] for t in tensors)
            judge = evaluate or self._mean_loss

            def measure() -> dict[str, float]:
                return judge(aside)

        if not onward:
            with private_chance(derive(seed, 1), device):
                self.net_ = self.build().to(device)
        batches = InMemory(
            *tensors,
            size=training.batch_size,
            seed=derive(seed, 3),
            shuffle=shuffle and training.batch_size is not None,
            change=change,
            share=share(),
            behind=behind,
        )
        minimise(self.net_, self._objective, batches, training, owner=self, seed=derive(seed, 4), evaluate=measure)

    def _mean_loss(self, tensors: Batch) -> dict[str, float]:
        """The loss over all items of some tensors, a part at a time."""
        N, sums = len(tensors[0]), {}
        for part in zip(*(t.split(self._rows_at_a_time(tensors[0])) for t in tensors), strict=True):
            answer = self._objective(*part)
            loss, terms = answer if isinstance(answer, tuple) else (answer, {})
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(part[0]) / N
        return sums

    @torch.no_grad()
    def _run(self, X: torch.Tensor) -> torch.Tensor:
        """What the net gives for items, a part of them at a time; on the device of the items."""
        device = self._device()
        if next(self.net_.parameters()).device != device:
            self.net_.to(device)
        parts = [self.net_(part.to(device)).to(X.device) for part in X.split(self._rows_at_a_time(X))]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _rows_at_a_time(self, X: torch.Tensor) -> int:
        return max(1, ANSWERED // max(1, X[:1].numel() * 16))

    def _device(self) -> torch.device:
        return resolve_device(getattr(self, "device", "auto"))
