r"""The closed loop of an echo state network, and what its forecasts are worth on steps that it has not learned from.

.. math:: \hat y_{T+h} = y_T + \sum_{k \le h} \hat v_{T+k}

What is fed in and read is v: the series itself, or its differences, whose sum goes on from the last step; differences
take away a trend, which would carry the units out of the range that the readout was learned in.

**Held back** are, in turn, five stretches of short series, and of long ones the last fifth of each. A readout learned
from the rest runs freely from the steps of a stretch, and its errors h steps ahead, of size

.. math:: E_h = \sqrt{mean_t \left( y_{t+h} - \hat y_{t+h|t} \right)^2}

say two things. The readouts with the least mean of E squared over all h, of those that stay within reach in runs ten
times as long, have the penalty to learn with: errors of one step alone do not show what becomes of errors that are fed
back. And E is the standard deviation to tell with a forecast. Beyond the longest run that was held back it grows as
between half of that and the whole of it, as a power of h.

Reference: Tashman (2000), International Journal of Forecasting 16, 437-450 (rolling origins); Lukosevicius (2012), A
practical guide to applying echo state networks (validation of runs in which the outputs are fed back).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..numerics.ragged import owners
from .reservoir import Reservoir
from .reservoir_readout import Readout
from .reservoir_steps import run_free

AHEAD = 100  # steps of a run that is judged
RUNS = 6400  # steps of all of them
HELD = 2000  # steps held back, of all series together
TURNS = 5  # of stretches, where no more than HELD steps can be learned from
LONGER, LONG_RUNS = 10, 8  # how much longer runs that must stay within reach are, and how many
REACH = 10.0  # ranges of the series that a forecast may leave it by


@dataclass(frozen=True, eq=False)
class Loop:
    """A reservoir with what feeds it: ``order`` differences, standardised by mean and scale (D,)."""

    reservoir: Reservoir
    mean: np.ndarray
    scale: np.ndarray
    order: int

    def run(self, states: np.ndarray, fed: np.ndarray, last: np.ndarray, B: Any, b: Any, horizon: int) -> np.ndarray:
        """What it says after P states (P, H), last fed with rows (P, D) and come from steps (P, D): (P, horizon, D)."""
        said = np.empty((horizon, fed.shape[1], len(fed)))
        pool = self.reservoir
        run_free(
            np.array(states.T, order="C"), np.array(fed.T, order="C"), said, pool.values, pool.distances, pool.inputs,
            pool.bias, pool.leak, np.ascontiguousarray(B), np.ascontiguousarray(b), self.mean, self.scale,
        )  # fmt: skip
        said = said.transpose(2, 0, 1)
        with np.errstate(invalid="ignore", over="ignore"):  # of runs that are lost
            return last[:, None] + said.cumsum(1) if self.order else said


class HeldBack:
    """Stretches of series that are held back from a readout in turn.

    Attributes
    ----------
    fold : tensor of shape (S,)
        The turn in which a step is held back; -1 for what is always learned from, -2 for what never is.
    turns : int
        0 if there is nothing to hold back.
    horizon : int
        How many steps ahead forecasts are judged.
    """

    def __init__(self, usable: torch.Tensor, lengths: torch.Tensor, w: torch.Tensor | None) -> None:
        """From which steps can be learned from (S,), and the weights (S,)."""
        self.owner = owner = owners(lengths)
        count = torch.bincount(owner[usable], minlength=len(lengths))
        rank = usable.cumsum(0) - (count.cumsum(0) - count)[owner] - 1  # of a usable step among those of its series
        n = int(count.sum())
        if n <= HELD:
            self.turns = min(TURNS, int(count.max())) if n > 1 else 0
            fold = rank * self.turns // count.clamp(min=1)[owner]
            longest = -(-int(count.max()) // max(self.turns, 1))
        else:
            self.turns, held = 1, (count // 5).clamp(max=HELD // 2)
            held[torch.arange(len(held)) % -(-int(held.sum()) // HELD) != 0] = 0  # one of so many series has to do
            fold = (rank >= (count - held)[owner]).long() - 1
            longest = int(held.max())
        self.fold = torch.where(usable, fold, -2)
        self.horizon = min(AHEAD, (longest + 1) // 2)
        self.w = w

    def runs(self, turn: int, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the runs of a turn start (P,), what comes then (P, horizon, D), NaN if not known, and weights (P,)."""
        rows = (self.fold == turn).nonzero()[:, 0]
        most = RUNS // (self.horizon * self.turns)
        rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), most)).long()]
        ahead = rows[:, None] + torch.arange(self.horizon)
        held = ahead.clamp(max=len(steps) - 1)
        inside = (ahead < len(steps)) & (self.fold[held] == turn) & (self.owner[held] == self.owner[rows, None])
        truth = np.where(inside[..., None], steps[np.where(inside, ahead + 1, 0)], np.nan)
        return rows.numpy(), truth, np.ones(len(rows)) if self.w is None else self.w[rows].numpy()


def judge(
    loop: Loop, begin: tuple[np.ndarray, ...], truth: np.ndarray, w: np.ndarray, readouts: list[Readout], reach: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of squared errors of the runs of some readouts, (R, horizon, D), and which readouts get lost, (R,).

    begin : states, rows fed in and steps from where the runs start, of shape (P, H), (P, D) and (P, D)
    reach : least and greatest number of the series and their deviation, of shape (3, D)
    """
    known, few = ~np.isnan(truth), [part[:: -(-len(part) // LONG_RUNS)] for part in begin]
    room = (1 + REACH) * (reach[1] - reach[0])
    squares, lost = [], []
    for readout in readouts:
        B, b = readout.B.numpy(), readout.b.numpy()
        said = loop.run(*begin, B, b, truth.shape[1])
        missed = np.where(known, np.nan_to_num(said - truth, nan=np.inf), 0.0).clip(-room, room)
        squares.append((w[:, None, None] * missed**2).sum(0))
        lost.append(not within_reach(said, begin[2], reach).all())
        if not lost[-1] and len(readouts) > 1:
            lost[-1] = not within_reach(loop.run(*few, B, b, LONGER * truth.shape[1]), few[2], reach).all()
    return np.stack(squares), np.array(lost)


def reach_of(steps: np.ndarray) -> np.ndarray:
    """The least and the greatest number of each column of steps (S, D), and its standard deviation, of shape (3, D)."""
    known = ~np.isnan(steps)
    count = known.sum(0).clip(1)
    none = ~known.any(0)
    low = np.where(none, 0.0, np.where(known, steps, np.inf).min(0))
    high = np.where(none, 0.0, np.where(known, steps, -np.inf).max(0))
    mean = np.where(known, steps, 0.0).sum(0) / count
    deviation = np.sqrt((np.where(known, steps - mean, 0.0) ** 2).sum(0) / count)
    return np.stack([low, high, np.maximum(deviation, 1e-300)])


def within_reach(said: np.ndarray, last: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Which forecasts (P, horizon, D), made from steps (P, D), are within ten ranges of what was ever seen."""
    low, high = np.minimum(reach[0], last)[:, None], np.maximum(reach[1], last)[:, None]
    room = REACH * (high - low) + 1e-6 * np.maximum(abs(low), abs(high))
    return (said >= low - room) & (said <= high + room)


def spread_ahead(E: np.ndarray, horizon: int, order: int, deviation: np.ndarray) -> np.ndarray:
    """The standard deviations (horizon, D) of forecasts, from E (V, D) of those that were judged.

    Beyond V they grow by the power of h by which they grew from V / 2 to V, which is a half if nothing is known; a
    series that was not differenced forgets where it was, and is then no farther off than two of its steps are.
    """
    V = len(E)
    h = np.arange(1, horizon + 1)[:, None]
    power = np.full(E.shape[1], 0.5)
    if V > 1:
        half = np.maximum(E[V // 2 - 1], 1e-300)
        power = np.log(np.maximum(E[-1], 1e-300) / half) / np.log(V / (V // 2))
    power = np.clip(power, 0.5 * order, 3.0)
    grown = E[-1] * (np.maximum(h, V) / V) ** power
    if not order:
        grown = np.minimum(grown, np.maximum(E[-1], np.sqrt(2) * deviation))
    return np.where(h <= V, E[np.minimum(h[:, 0], V) - 1], grown)
