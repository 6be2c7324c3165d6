"""Where a training stands: place in the data, losses of the epoch, best weights, what is left of patience."""

import math
from collections import deque
from typing import Any

import torch

from peira.core.seeds import chance_state, set_chance_state

from .batches import Batches, set_state_of, state_of
from .player import NotFiniteError, Player
from .processes import dealt_like, first_where, gathered, mean_over_processes, share
from .training import Training

LOOK = 32  # updates between looks at the losses on a device that would have to be waited for
_SMALLEST = 1e-6  # of the learning rate, as a share of the first, below which a plateau ends the training


def detached(value: Any) -> Any:
    """A number, as a tensor without its graph if it is a tensor."""
    return value.detach() if isinstance(value, torch.Tensor) else value


class Tally:
    """Means of what the updates of an epoch told, each over those that told it."""

    def __init__(self) -> None:
        self.n = 0
        self.sums: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.latest: dict[str, float] = {}
        self.recent: deque[float] = deque(maxlen=100)

    def add(self, terms: dict[str, Any], *, look: bool, settle: bool) -> None:
        """Count one update. Looking turns numbers into Python's, which waits for the device.

        Raises
        ------
        NotFiniteError
            If a look finds that the first of the terms is no number. Several processes raise it together: when all of
            them have to ``settle`` it, and every so many updates.
        """
        if not isinstance(terms, dict) or not terms:
            raise TypeError(f"a step tells at least its loss: a dictionary that begins with it, got {terms!r}")
        self.n += 1
        settle = settle or self.n % LOOK == 0
        if look:
            self.latest = terms = {name: float(detached(value)) for name, value in terms.items()}
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + detached(value)
            self.counts[name] = self.counts.get(name, 0) + 1
        if look or settle:
            first = next(iter(terms))
            finite = math.isfinite(self.sums[first])  # no sum is with what is no number in it
            if settle or (not finite and share()[1] == 1):
                process = first_where(not finite)
                if process is not None:
                    raise NotFiniteError(process)
            self.recent.append(float(terms[first]))

    def means(self) -> dict[str, float]:
        """The mean of each term over the updates so far that told it."""
        return {name: float(total) / self.counts[name] for name, total in self.sums.items()}


class Progress:
    """The state of a training besides its players; all of it goes into a checkpoint.

    Attributes
    ----------
    epoch, batch, update : int
        The epoch, the batch in it, and the update that come next.
    judged : int
        Updates after which the nets were judged last.
    stopped : str or None
        Why the training ended before its last update.
    failed : bool
        Whether that was because a loss was no number.
    """

    def __init__(self, updates: int) -> None:
        self.updates = updates
        self.epoch = self.batch = self.update = self.judged = self.stale = 0
        self.failed = False
        self.least = math.inf
        self.best: list | None = None
        self.stopped: str | None = None
        self.history: dict[str, list[float]] = {}
        self.tally = Tally()

    @property
    def over(self) -> bool:
        return self.stopped is not None or self.update >= self.updates

    def next_epoch(self) -> None:
        """Begin an epoch with its first batch."""
        self.epoch, self.batch = self.epoch + 1, 0
        recent, self.tally = self.tally.recent, Tally()
        self.tally.recent = recent

    def skip_epoch(self, batches: Batches, players: dict[str, Player]) -> None:
        """Count the updates that an epoch leaves out as made: for its length, and for the course of the rates."""
        left = min(len(batches) - self.batch, self.updates - self.update)
        self.batch, self.update = len(batches), self.update + left
        for player in players.values():
            player.course.skipped += left * player.course.updates / self.updates

    def judge(self, loss: float, players: dict[str, Player], training: Training, *, keep: bool) -> None:
        """Is that a gain? If so the weights may be kept as the best, else patience wears off."""
        self.judged = self.update
        if loss < self.least - (training.tol if self.least < math.inf else 0.0):
            self.stale = 0
        else:
            self.stale += 1
        if loss < self.least:
            self.least = loss
            if keep:
                self.best = weights(players)
        if training.patience is None or self.stale < training.patience:
            return
        if training.schedule == "plateau" and all(p.scale > _SMALLEST for p in players.values()):
            self.stale = 0
            for player in players.values():
                player.scale /= 5
        else:
            self.stopped = "no gain"

    def state(self, players: dict[str, Player], batches: Batches, device: torch.device) -> dict[str, Any]:
        """Everything as plain values and whole tensors."""
        state = {
            "place": [self.epoch, self.batch, self.update, self.judged, self.stale],
            "least": self.least,
            "best": self.best,
            "stopped": self.stopped,
            "history": self.history,
            "tally": [self.tally.n, mean_over_processes(self.tally.sums), self.tally.counts],
            "chance": chance_state(device),
            "players": {name: player.state() for name, player in players.items()},
            "stream": state_of(batches, [player.net for player in players.values()]),
        }
        return gathered(state)

    def load(self, state: dict[str, Any], players: dict[str, Player], batches: Batches, device: torch.device) -> None:
        """Go back to a state."""
        self.epoch, self.batch, self.update, self.judged, self.stale = state["place"]
        self.least, self.stopped = state["least"], state["stopped"]
        self.best = state["best"] and dealt_like(weights(players), state["best"])
        self.history = state["history"]
        self.tally.n, self.tally.sums, self.tally.counts = state["tally"]
        for name, player in players.items():
            player.load(state["players"][name])
        set_state_of(batches, [player.net for player in players.values()], state["stream"])
        set_chance_state(state["chance"], device)


def weights(players: dict[str, Player]) -> list[tuple[dict[str, torch.Tensor], list[torch.Tensor]]]:
    """A copy of the weights and buffers of all nets, and of the running means."""
    return [
        ({n: t.detach().clone() for n, t in p.net.state_dict().items()}, [a.clone() for a in p.averages or ()])
        for p in players.values()
    ]


@torch.no_grad()
def set_weights(players: dict[str, Player], kept: list[tuple[dict[str, torch.Tensor], list[torch.Tensor]]]) -> None:
    """Put the weights and buffers of all nets, and the running means, where they were."""
    for player, (state, averages) in zip(players.values(), kept, strict=True):
        player.net.load_state_dict(state)
        for a, was in zip(player.averages or (), averages, strict=True):
            a.copy_(was)
