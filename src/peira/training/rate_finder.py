r"""How long may a step be? A range test of the learning rate.

The net learns for some updates at rates that rise by the same factor each time,

.. math:: \eta_u = \eta_0 \, (\eta_1 / \eta_0)^{u / (U - 1)}

from one at which nothing happens to one at which it breaks; the loss over the rate then shows the useful range (Smith
2017, section 3.3, where the rate rises by equal differences). The losses of single batches are smoothed,

.. math:: m_u = \beta \, m_{u-1} + (1 - \beta) \, l_u, \quad \hat{m}_u = m_u / (1 - \beta^{u + 1})

and the rate suggested is that where the smoothed loss falls steepest over the logarithm of the rate, before its
minimum; the slope is taken over a tenth of the updates. At the minimum itself a step is already too long. Cost: that
of U updates.

Reference: L. Smith (2017), Cyclical learning rates for training neural networks, WACV, 464-472.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from peira.core.axes import axes_for
from peira.core.errors import LearningError, ParameterError
from peira.core.iteration import iterate
from peira.core.seeds import private_chance

from .batches import Batches
from .loop import _set_mode, _step, require_batches
from .player import NotFiniteError, Player
from .training import Training

SMOOTHING = 0.9
BROKEN = 4.0  # times the smallest smoothed loss: no need to go on


@dataclass(frozen=True)
class RateCurve:
    """The loss over the learning rate.

    Attributes
    ----------
    rates : tuple of float
        Rising; the test ends early where the loss breaks.
    losses : tuple of float
        Of the batch that the update at the rate began with.
    smoothed : tuple of float
    suggestion : float
        Where the smoothed loss falls steepest.
    minimum : float
        Where the smoothed loss is least: an upper bound for any course of the rate.
    """

    rates: tuple[float, ...] = field(repr=False)
    losses: tuple[float, ...] = field(repr=False)
    smoothed: tuple[float, ...] = field(repr=False)
    suggestion: float
    minimum: float

    def plot(self, ax: Any = None) -> Any:
        """Draw the curve and what it suggests.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.

        Returns
        -------
        matplotlib Axes
        """
        ax = axes_for(ax, 6, 4)
        ax.plot(self.rates, self.losses, color="C0", alpha=0.3, label="of each batch")
        ax.plot(self.rates, self.smoothed, color="C0", label="smoothed")
        ax.axvline(self.suggestion, color="C1", linestyle="--", label=f"suggested: {self.suggestion:.2g}")
        low, high = min(self.smoothed), max(self.smoothed)
        room = 0.1 * (high - low) or 1.0
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - room, high + room))
        ax.legend()
        return ax


def find_learning_rate(
    net: nn.Module,
    loss: Callable[..., Any],
    batches: Batches,
    training: Training,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    updates: int = 100,
    seed: int = 0,
    parameters: Any = None,
) -> RateCurve:
    """Test a range of learning rates. Weights, buffers, mode and generators are afterwards as they were.

    Parameters
    ----------
    net, loss, batches, seed, parameters
        As in `minimise`.
    training : Training
        Its rule and what else shapes an update; its rate, course of the rate, length and end are not used.
    low, high : float, above 0, default 1e-7 and 10
        First and last rate.
    updates : int, at least 3, default 100
        How many rates are tried, one an update.

    Returns
    -------
    RateCurve

    Raises
    ------
    ParameterError
        If the range is empty, or for L-BFGS and Rprop, which find the length of their steps by themselves.
    LearningError
        If the loss is no number at the start, or rises from there on.

    Examples
    --------
    >>> import torch
    >>> from peira.training import InMemory, Training
    >>> from peira.training.rate_finder import find_learning_rate
    >>> x = torch.linspace(-1, 1, 64)[:, None]
    >>> net = torch.nn.Linear(1, 1)
    >>> batches = InMemory(x, 3 * x + 1, size=16, seed=0)
    >>> curve = find_learning_rate(net, lambda x, y: ((net(x) - y) ** 2).mean(), batches, Training(optimiser="sgd"))
    >>> 1e-2 < curve.suggestion < curve.minimum < 10
    True
    """
    if not 0 < low < high or updates < 3:
        raise ParameterError(f"needs 0 < low < high and 3 updates or more, got {low}, {high} and {updates}")
    require_batches(batches)
    if training.optimiser in ("lbfgs", "rprop"):
        raise ParameterError(f"the rule {training.optimiser!r} finds the length of its steps by itself")
    plain = training._replace(learning_rate=low, schedule="constant", warmup=0.0, average=None, compile=False)
    kept = {name: t.detach().clone() for name, t in net.state_dict().items()}
    gradients, mode = [w.grad for w in net.parameters()], {m: m.training for m in net.modules()}
    device = next(net.parameters()).device
    rates, losses = [], []
    smoothed: list[float] = []
    mean = 0.0
    try:
        net.zero_grad(set_to_none=True)
        _set_mode({"net": net}, learning=True)
        with private_chance(seed, device):
            player = Player(net, plain, updates, parameters, loss)
            ahead = _endless(batches)
            for step in iterate(None, updates, name="learning rate"):
                rate = low * (high / low) ** (step.index / (updates - 1))
                for group in player.optimiser.param_groups:
                    group["lr"] = rate * group["initial_lr"] / low
                try:
                    batch = tuple(part.to(device) for part in next(ahead))
                    told = float(_step(batch, {"net": player})["loss"].detach())
                except NotFiniteError:
                    break
                if not math.isfinite(told):
                    break
                mean = SMOOTHING * mean + (1 - SMOOTHING) * told
                rates.append(rate)
                losses.append(told)
                smoothed.append(mean / (1 - SMOOTHING ** len(losses)))
                step.record(loss=told, learning_rate=rate)
                if smoothed[-1] > BROKEN * min(smoothed) > 0:
                    break
    finally:
        net.load_state_dict(kept)
        for w, gradient in zip(net.parameters(), gradients, strict=True):
            w.grad = gradient
        for module, was in mode.items():
            module.training = was
    if not losses:
        raise LearningError("the loss is no number before any weight has changed")
    least = min(range(len(smoothed)), key=smoothed.__getitem__)
    if least == 0:
        raise LearningError(f"the loss rises from the rate {low:g} on: lower `low`, or look at the data")
    span = max(1, len(losses) // 10)  # a slope over a tenth of the updates, past the first ones, whose mean is of few
    first = min(span, least - 1)
    pairs = [(u, min(u + span, least)) for u in range(first, max(first, least - span) + 1)]
    a, b = max(pairs, key=lambda pair: smoothed[pair[0]] - smoothed[pair[1]])
    return RateCurve(tuple(rates), tuple(losses), tuple(smoothed), math.sqrt(rates[a] * rates[b]), rates[least])


def _endless(batches: Batches) -> Any:
    epoch = 0
    while True:
        yield from batches.epoch(epoch)
        epoch += 1
