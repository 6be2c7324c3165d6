r"""The course of the learning rate: a factor for each share s in [0, 1] of the training that is behind.

======================  ====================================================================================
constant, plateau       1 (a plateau is answered by the loop, which divides the rate by five)
linear                  :math:`1 - s`
cosine                  :math:`(1 + \cos \pi s) / 2` (Loshchilov & Hutter 2017, eq. 5, without restarts)
one cycle               a rise from 1/25 over the first 0.3, then a cosine to 1e-4 / 25 (Smith & Topin 2018)
steps                   1, 0.1 from one half, 0.01 from three quarters (He et al. 2016)
inverse square root     :math:`(1 + 9999 s)^{-1/2}`
======================  ====================================================================================

A warm-up multiplies the factor by :math:`s / w` over the first share :math:`w`.

**What a share is of.** After u of U updates, s is u / U. Under a budget of time (`peira.limiting`, ``peira learn
--budget``) that would end the training sooner, the course is over when the time is: s is the larger of the shares of
updates and of time,

.. math:: s = \max \, (u / U, \; t / T)

with t seconds since the first update, of the T that there were then. So a net that is given half a minute ends it at
the rate at which a course ends; one that has time enough learns, to the last bit, as without a budget; one whose time
was spent before its first update still makes that one, at the rate with which its course begins; and a constant rate
never looks at the clock. A training that goes on from a checkpoint at a share :math:`s_0` that time had brought
about divides what is left, :math:`1 - s_0`, among the updates and the time that are left now; a budget that was spent
is over, and the course then stands again where the updates do.
"""

import math
import time

from peira.core.iteration import time_left

from .processes import agreed


class Course:
    """How much of a training is behind: the share of its updates, or of its time, whichever is nearer the end.

    Parameters
    ----------
    updates : int
        U, how many there are to be.
    """

    def __init__(self, updates: int) -> None:
        self.updates = updates
        self.begun: tuple[float, float] = (0, 0.0)  # the update and the share from which this course goes on
        self.skipped = 0.0  # updates that were left out, and count as made
        self._clock: tuple[float, float] | None = None  # when the first of its updates was, and the seconds from there

    def share(self, done: int) -> float:
        """The share of the training that is behind after so many updates."""
        begun = self.begun[1]
        return min(1.0, begun + (1 - begun) * max(self._of_updates(done), self._of_time()))

    def anchor(self, done: int) -> tuple[float, float]:
        """From where a training that is cut off here takes up its course: from here if time has led it so far."""
        time_leads = self._of_updates(done) < self._of_time() < 1
        return (done + self.skipped, self.share(done)) if time_leads else self.begun

    def _of_updates(self, done: int) -> float:
        first = self.begun[0]
        return (done + self.skipped - first) / max(1, self.updates - first)

    def _of_time(self) -> float:
        now = time.monotonic()
        if self._clock is None:
            self._clock = now, agreed(time_left())
            return 0.0  # also where nothing is left: a first update of no length would teach nothing
        began, seconds = self._clock
        if seconds == math.inf:
            return 0.0
        return agreed((now - began) / seconds if now - began < seconds else 1.0)  # they all learn at one rate


def rate_factor(schedule: str, s: float, warmup: float = 0.0, step: float = 0.0) -> float:
    """The factor of the learning rate after the share ``s`` of the updates.

    Parameters
    ----------
    schedule : str
        A name in the table above.
    s : float, from 0 to 1
    warmup : float, from 0 to 1, default 0
        Share over which the rate rises.
    step : float, default 0
        Share of one update: the first one is then already a step, not one of length zero.

    Examples
    --------
    >>> from peira.training.schedules import rate_factor
    >>> rate_factor("cosine", 0.5)
    0.5
    """
    rise = min(1.0, (s + step) / warmup) if warmup else 1.0
    return rise * _FACTORS[schedule](s)


def _one_cycle(s: float, start: float = 1 / 25, end: float = 1e-4 / 25, top: float = 0.3) -> float:
    low, t = (start, 1 - s / top) if s < top else (end, (s - top) / (1 - top))
    return low + (1 - low) * (1 + math.cos(math.pi * t)) / 2


_FACTORS = {
    "constant": lambda s: 1.0,
    "plateau": lambda s: 1.0,
    "linear": lambda s: 1.0 - s,
    "cosine": lambda s: (1 + math.cos(math.pi * s)) / 2,
    "one cycle": _one_cycle,
    "steps": lambda s: 1.0 if s < 0.5 else 0.1 if s < 0.75 else 0.01,
    "inverse square root": lambda s: (1 + 9999 * s) ** -0.5,
}
