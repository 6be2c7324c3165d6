"""A player: weights that change together, and how.

Ordinary training has one. A GAN has two, which change in turn and against each other; an actor and its critic are two
as well. What a player knows is all that an update needs: the net, the optimiser, the course of the learning rate, and
what is done to gradient and weights on the way.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from peira.core.errors import DataError

from .layer_statistics import layers_due
from .optimisers import optimiser_for
from .processes import across_processes, dealt_like, first_where, gathered, share, whole
from .schedules import Course, rate_factor
from .training import Training

_TYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class NotFiniteError(ArithmeticError):
    """A loss is no number, in that one of several processes; the weights are still those before it."""

    def __init__(self, process: int = 0) -> None:
        super().__init__(process)
        self.process = process


class Player:
    """A net with its optimiser.

    Parameters
    ----------
    net : Module
        What learns; it stays on its device. Calling the player runs it: in lower precision, compiled, or with
        gradients that several processes make common, as the training says.
    training : Training
    updates : int
        How many updates there will be, which the course of the learning rate is spread over, unless time ends sooner.
    parameters : iterable, optional
        The weights that change, as for a torch optimiser: all of the net that ask for a gradient, without it.
    loss : callable, optional
        What calling the player runs in place of the net alone; it runs the net.
    gradient : callable, optional
        The same loss by a closed form: gives it without a graph, and leaves its gradient in the weights.

    Attributes
    ----------
    done : int
        Updates so far.
    weights : list of torch Parameters
    gradient_norm : tensor or None
        Norm of the last gradient before it was clipped; None unless `Training.clip` is set.
    watch : callable or None
        Called before each update, while the gradient that it follows, not yet clipped, lies in the weights.
    gradient : callable or None
        None too where it can't stand for a call: in several processes, compiled, in lower precision or in parts of a
        batch, or while somebody watches the layers.
    """

    def __init__(
        self,
        net: nn.Module,
        training: Training,
        updates: int,
        parameters: Iterable[Any] | None = None,
        loss: Callable[..., Any] | None = None,
        gradient: Callable[..., torch.Tensor] | None = None,
    ) -> None:
        self.net, self.training, self.course = net, training, Course(updates)
        ran = net if loss is None else _Objective(net, loss)
        self.run: Callable[..., Any] = across_processes(ran, sharded=training.sharded)
        if training.compile:
            self.run = torch.compile(self.run)
        given = [p for p in net.parameters() if p.requires_grad] if parameters is None else parameters
        self.optimiser = optimiser_for(training, given)
        self.weights = [p for group in self.optimiser.param_groups for p in group["params"]]
        # torch wraps a step into a record for its profiler, which takes as long as the update of a small net.
        step = type(self.optimiser).step
        self._follow = getattr(step, "__wrapped__", step)
        for group in self.optimiser.param_groups:
            group["initial_lr"] = group["lr"]
        self.done, self.scale, self.gradient_norm = 0, 1.0, None
        self.averages = None if training.average is None else [w.detach().clone() for w in self.weights]
        device = self.weights[0].device.type
        self._looks = device == "cpu"  # elsewhere, looking at a loss means waiting for it
        self._together = share()[1] > 1
        # Where others have a part in a loss, its gradient is that of these weights alone: it leaves none elsewhere, and
        # costs less. Several processes need that of the whole net, to make it common.
        others = {w for w in net.parameters() if w.requires_grad} - {*self.weights}
        self._into = self.weights if others and not self._together else None
        self.watch: Callable[[], None] | None = None
        half = _TYPES[training.precision]
        self._cast = nullcontext() if half is None else torch.autocast(device, half, cache_enabled=False)
        self.scaler = torch.amp.GradScaler(device) if half is torch.float16 else None
        plain = self.run is ran and half is None and training.micro_batch is None and not layers_due(0)
        self.gradient = gradient if plain else None
        self._steady = training.schedule == "constant" and not training.warmup
        self.rehearses = False  # minimise nothing: somebody only looks again at what the nets give

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        with self._cast:
            return self.run(*inputs, **named)

    def begin(self, *, alone: bool) -> None:
        """Forget what somebody else's loss left in the weights, and among other players, leave nothing in theirs."""
        self.forget()
        if not alone and not self._together:
            self._into = self.weights

    def minimise(self, loss: torch.Tensor) -> None:
        """Change the weights once, against the gradient of the loss.

        Raises
        ------
        NotFiniteError
            If the loss is no number, before anything has changed.
        """
        self.forget()  # what the losses of other players left here
        self.backward(loss)
        self.update()

    def descend(self, *batch: torch.Tensor) -> torch.Tensor:
        """Change the weights once, against the gradient by its closed form; the loss that it had.

        Raises
        ------
        NotFiniteError
            As `minimise`.
        """
        loss = self.gradient(*batch)
        if self._looks and not math.isfinite(loss.item()):
            self.forget()
            raise NotFiniteError
        self.update()
        return loss

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss, of a part of a batch, to what `update` will follow."""
        if self.rehearses:
            return
        if not self.done:
            _require_loss(loss)
        if self._looks and (self._together or not math.isfinite(loss.item())):
            self._stop_together(loss)
        (self.scaler.scale(loss) if self.scaler else loss).backward(inputs=self._into)

    def _stop_together(self, loss: torch.Tensor) -> None:
        """End in all processes if the loss of one is no number: without it, they would wait for its gradient."""
        process = first_where(not math.isfinite(loss.item()))
        if process is not None:
            self.forget()
            raise NotFiniteError(process)

    def update(self) -> None:
        """Follow the gradient that `backward` left, and forget it."""
        if self.rehearses:
            return
        if not self._steady:
            self._set_rate()
        if self.scaler and (self.training.clip is not None or self.watch is not None):
            self.scaler.unscale_(self.optimiser)
        if self.watch is not None:
            self.watch()
        if self.training.clip is not None:
            self.gradient_norm = nn.utils.clip_grad_norm_(self.weights, self.training.clip)
        if self.scaler:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        else:
            self._follow(self.optimiser)
        self.forget()
        self._changed()

    def search(self, closure: Callable[[], torch.Tensor]) -> None:
        """Change the weights once by a rule that asks for loss and gradient at several points (L-BFGS)."""
        if self.rehearses:
            closure()
            return
        self.optimiser.step(closure)
        if self.watch is not None:
            self.watch()
        self.forget()
        self._changed()

    def forget(self) -> None:
        """Drop the gradient that lies in the weights."""
        for w in self.weights:  # as zero_grad does, without its record for torch's profiler
            w.grad = None

    @property
    def learning_rate(self) -> float:
        """The rate of the last update."""
        return float(self.optimiser.param_groups[0]["lr"])

    def _set_rate(self) -> None:
        s, step = self.course.share(self.done), 1 / self.course.updates
        factor = self.scale * rate_factor(self.training.schedule, s, self.training.warmup, step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def _changed(self) -> None:
        self.done += 1
        if self.training.max_norm is not None:
            with torch.no_grad():
                for w in self.weights:
                    if w.dim() > 1:  # a row holds the weights into one unit (Srivastava et al. 2014, section 5.1)
                        w.copy_(torch.renorm(w, 2, 0, self.training.max_norm))
        if self.averages is not None:
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, self.weights, 1 - self.training.average)

    @torch.no_grad()
    def swap_averages(self) -> None:
        """Exchange the weights with their running means; twice is as before."""
        for w, a in zip(self.weights, self.averages or (), strict=False):
            kept = w.clone()
            w.copy_(a)
            a.copy_(kept)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """The net as it would answer now: with the running means, and whole where its weights are dealt out."""
        self.swap_averages()
        try:
            with whole(self.run):
                yield
        finally:
            self.swap_averages()

    # ------------------------------------------------------------------ everything that the next update depends on

    def state(self) -> dict[str, Any]:
        """The player as plain values and tensors."""
        return {
            "net": dict(self.net.state_dict()),
            "rule": self.rule_state(),
            "averages": self.averages,
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "done": self.done,
            "course": self.course.anchor(self.done),
            "skipped": self.course.skipped,
            "scale": self.scale,
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.net.load_state_dict(dealt_like(self.net.state_dict(), state["net"]))
        self.load_rule(state["rule"])
        for a, kept in zip(self.averages or (), state["averages"] or (), strict=True):
            a.copy_(dealt_like(a, kept))
        if self.scaler:
            self.scaler.load_state_dict(state["scaler"])
        self.done, self.scale = state["done"], state["scale"]
        self.course.begun, self.course.skipped = state["course"], state["skipped"]

    def rule_state(self) -> dict[str, Any]:
        """What the optimiser remembers of the updates so far."""
        rule = self.optimiser.state_dict()
        return gathered({"state": {str(i): v for i, v in rule["state"].items()}, "param_groups": rule["param_groups"]})

    def load_rule(self, rule: dict[str, Any]) -> None:
        """Let the optimiser remember what another one did, and keep its own learning rate and decay."""
        own = [{n: v for n, v in group.items() if n != "params"} for group in self.optimiser.param_groups]
        state = {
            int(i): {n: dealt_like(self.weights[int(i)], v) for n, v in of.items()} for i, of in rule["state"].items()
        }
        self.optimiser.load_state_dict({"state": state, "param_groups": rule["param_groups"]})
        for group, settings in zip(self.optimiser.param_groups, own, strict=True):
            group.update(settings)


def _require_loss(loss: Any) -> None:
    """Say what a loss is to one who gives something else."""
    if not isinstance(loss, torch.Tensor):
        raise TypeError(f"a loss is a tensor of one number with its graph, got {type(loss).__name__}")
    if loss.numel() != 1:
        raise DataError(f"a loss is one number, got a tensor of shape {tuple(loss.shape)}: take its mean")
    if loss.is_complex():
        raise DataError(f"a loss is a real number, got {str(loss.dtype).removeprefix('torch.')}: take its modulus")
    if not loss.requires_grad:
        raise DataError(
            "the loss depends on no weight that learns: it was detached or computed without gradients, or what it "
            "depends on is frozen"
        )


class _Objective(nn.Module):
    """A loss as a module around its net, so that torch's own DDP, FSDP and compiler apply to the whole."""

    def __init__(self, net: nn.Module, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.net, self._loss = net, loss

    def forward(self, *batch: Any) -> Any:
        return self._loss(*batch)
