"""How a net learned, as it told while it did: its losses and its learning rate against the updates of its weights.

Entered as a listener around one fit. A method without a net tells nothing of the kind, and costs nothing here.
"""

from typing import Any

import numpy as np

from ..core.iteration import Event

_DRAWN = 80
"""Stretches of updates whose mean losses are kept: more could not be told apart in a drawing."""
_ASIDE = "validation_"


class NetLessons:
    """What the training of a net tells; of several nets in one fit, the last one's."""

    def __init__(self) -> None:
        self.nets = 0
        self._begin()

    def _begin(self) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.aside: list[tuple[int, dict[str, float]]] = []
        self.named, self.stopped, self.epoch = "", "", 0

    def __call__(self, event: Event) -> None:
        if event.path[-1] == "update" and event.kind == "step" and "learning_rate" in event.values:
            self.named = next(iter(event.values))
            self.losses.append(event.values[self.named])
            self.rates.append(event.values["learning_rate"])
            self.epoch = self.epoch or event.total or 0
        elif not event.path[-1].endswith("epoch"):
            return
        elif event.kind == "start":
            self._begin()
        elif event.kind == "end":
            self.stopped = event.values["stopped"]
            self.nets += bool(self.losses)
        if event.kind == "step":
            self._note({n: v for n, v in event.values.items() if n.startswith(_ASIDE)})

    def _note(self, measured: dict[str, float]) -> None:
        if measured and (not self.aside or self.aside[-1][1] != measured):  # an epoch tells its last one again
            self.aside.append((len(self.losses), measured))

    def told(self) -> dict[str, Any]:
        """For the report: ``learning["net"]``; empty if no net learned."""
        U = len(self.losses)
        if not U:
            return {}
        parts = np.array_split(np.arange(U), min(U, _DRAWN))
        judged = next(iter(self.aside[0][1])) if self.aside else ""
        values = [measured[judged] for _, measured in self.aside]
        shown = _ASIDE + self.named if self.aside and _ASIDE + self.named in self.aside[0][1] else judged
        return {
            "name": self.named,
            "updates": [float(part.mean()) + 1 for part in parts],
            "loss": [float(np.mean([self.losses[u] for u in part])) for part in parts],
            "rate": [self.rates[part[0]] for part in parts] if len(set(self.rates)) > 1 else [],
            "made": U,
            "epoch": self.epoch,
            "aside": [u for u, _ in self.aside],
            "aside_loss": [measured[shown] for _, measured in self.aside],
            "judged": judged.removeprefix(_ASIDE),
            "best": self.aside[int(np.nanargmin(values))][0] if np.isfinite(values).any() else None,
            "stopped": self.stopped,
            "nets": self.nets,
        }
