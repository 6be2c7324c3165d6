"""The one loop that every iterative fit runs in.

::

    for step in iterate(self, self.max_iter, name="EM", expect={"log_likelihood": "increase"}):
        ...
        step.record(log_likelihood=total)
        if step.converged("log_likelihood", self.tol):
            break

The loop keeps the history, counts the steps, says why it ended and warns when the steps ran out.
What only watches is a listener, entered by the caller with `observing`; what may end a fit early
(a time budget, Ctrl-C) is entered with `limiting`. Without either, a step costs a microsecond.

Loops nest: a restart around EM, an epoch around batches, a fold around a fit. A listener sees the
path of names that leads to each event.
"""

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from sklearn.exceptions import ConvergenceWarning

Kind: TypeAlias = Literal["start", "step", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a listener hears.

    Parameters
    ----------
    kind : "start", "step" or "end"
    path : tuple of str
        Names of the tasks from the outermost to this one.
    index : int
        Number of the step, from 0; of the last one at the end.
    total : int or None
        How many steps there may be.
    values : dict
        At a step, what was recorded; at the start, what is expected of each recorded value
        ("increase" or "decrease"); at the end, the reason under "stopped".
    seconds : float
        Since the task began.
    """

    kind: Kind
    path: tuple[str, ...]
    index: int
    total: int | None
    values: dict[str, Any]
    seconds: float


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class _Watch:
    listeners: tuple[Listener, ...] = ()
    path: tuple[str, ...] = ()
    deadline: float = math.inf
    interrupts: tuple[threading.Event, ...] = ()
    decide: Callable[[str | None], str | None] | None = None
    late: list[BaseException] = field(default_factory=list)  # raised by listeners where Python would swallow it

    def reason_to_stop(self) -> str | None:
        reason = "out of time" if time.monotonic() >= self.deadline else None
        if any(interrupt.is_set() for interrupt in self.interrupts):
            reason = "interrupted"
        return reason if self.decide is None else self.decide(reason)

    def tell(
        self, kind: Kind, path: tuple[str, ...], index: int, total: int | None, values: dict, began: float
    ) -> None:
        if self.listeners:
            event = Event(kind, path, index, total, values, time.monotonic() - began)
            for listener in self.listeners:
                listener(event)


_NOBODY = _Watch()
_watch: ContextVar[_Watch] = ContextVar("watch", default=_NOBODY)


@contextmanager
def observing(*listeners: Listener) -> Iterator[None]:
    """Let listeners hear every event of the fits inside.

    Parameters
    ----------
    *listeners : callable
        Called with each `Event`, in order, in the thread of the fit. What a listener raises
        ends the fit; of the last step of a loop that ended by itself, it is raised on leaving `observing`.

    Examples
    --------
    >>> from peira.core.iteration import iterate, observing
    >>> seen = []
    >>> with observing(lambda event: seen.append(event.kind)):
    ...     for step in iterate(None, 2):
    ...         step.record(loss=1.0)
    >>> seen
    ['start', 'step', 'step', 'end']
    """
    now = _watch.get()
    late: list[BaseException] = []
    token = _watch.set(replace(now, listeners=(*now.listeners, *listeners), late=late))
    try:
        yield
    finally:
        _watch.reset(token)
    if late:
        raise late[0]


@contextmanager
def limiting(seconds: float | None = None, *, interruptible: bool = False) -> Iterator[threading.Event]:
    """Let a budget of time, or Ctrl-C, end the loops inside after their current step.

    What was learned up to that step is kept, ``stopped_`` tells the reason.

    Parameters
    ----------
    seconds : float, optional
        Budget of wall-clock time. An enclosing budget is never extended.
    interruptible : bool, default False
        The first Ctrl-C ends the loops properly, the second raises KeyboardInterrupt. Has an
        effect only in the main thread.

    Yields
    ------
    threading.Event
        Set once the interruption of these loops was asked for; another thread may set it as well.
    """
    now = _watch.get()
    deadline = now.deadline if seconds is None else min(now.deadline, time.monotonic() + seconds)
    asked = threading.Event()
    token = _watch.set(replace(now, deadline=deadline, interrupts=(*now.interrupts, asked)))
    handle = interruptible and threading.current_thread() is threading.main_thread()

    def on_signal(signum: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, on_signal) if handle else None
    try:
        yield asked
    finally:
        _watch.reset(token)
        if handle:
            signal.signal(signal.SIGINT, before)


@contextmanager
def sharing(pieces: int) -> Iterator[None]:
    """Give the next of so many pieces of work, all of which must be done, an equal share of the time that is left."""
    left = time_left()
    with limiting(left / pieces) if left < math.inf else nullcontext():
        yield


@contextmanager
def unlimited() -> Iterator[None]:
    """Shield work that must be done whole (the last fit, after the search was cut short) from enclosing limits."""
    token = _watch.set(replace(_watch.get(), deadline=math.inf, interrupts=(), decide=None))
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def deciding(decide: Callable[[str | None], str | None]) -> Iterator[None]:
    """Let ``decide`` have the last word: asked after every step, with the reason to stop there or None, it gives the
    one that counts."""
    token = _watch.set(replace(_watch.get(), decide=decide))
    try:
        yield
    finally:
        _watch.reset(token)


def limited() -> bool:
    """Whether a budget of time, or an interruption, may end the loops here."""
    now = _watch.get()
    return now.deadline < math.inf or bool(now.interrupts)


def time_left() -> float:
    """Seconds until the tightest enclosing budget is spent; infinity without one."""
    return max(0.0, _watch.get().deadline - time.monotonic())


def reason_to_stop() -> str | None:
    """Why work should end now ("interrupted", "out of time"), or None."""
    return _watch.get().reason_to_stop()


@contextmanager
def task(name: str, **values: Any) -> Iterator[None]:
    """Name a piece of work that is not a loop (a study, a candidate, a fold) in the path of its events."""
    now = _watch.get()
    path, began = (*now.path, name), time.monotonic()
    token = _watch.set(replace(now, path=path))
    stopped = "failed"
    try:
        now.tell("start", path, 0, None, values, began)
        yield
        stopped = "done"
    finally:
        _watch.reset(token)
        now.tell("end", path, 0, None, {"stopped": stopped}, began)


def listening() -> bool:
    """Whether anybody hears the events of the loops here; without, values need not be computed for them."""
    return bool(_watch.get().listeners)


def announce(name: str, index: int, total: int | None, values: dict[str, Any]) -> None:
    """Tell the listeners of a step of work that no loop here runs (a cell that another process finished)."""
    now = _watch.get()
    now.tell("step", (*now.path, name), index, total, values, time.monotonic())


class Step:
    """One pass through the loop; the same object each time, so that a step costs nothing."""

    __slots__ = ("_asked", "_latest", "_reason", "history", "index")

    def __init__(self, start: int = 0, history: dict[str, list[float]] | None = None) -> None:
        self.index = start - 1
        self.history: dict[str, list[float]] = {} if history is None else history
        self._latest: dict[str, float] = {}
        self._reason: str | None = None
        self._asked: tuple[str, float, float] | None = None

    def record(self, **values: float) -> None:
        """Keep this step's values in the history: numbers of this step alone, never cumulative."""
        history = self.history
        for name, value in values.items():
            values[name] = value = float(value)
            try:
                history[name].append(value)
            except KeyError:
                history[name] = [value]
        self._latest.update(values)

    def converged(self, name: str, tol: float) -> bool:
        """Whether the recorded value moved by at most ``tol`` since the last step."""
        values = self.history[name]
        change = abs(values[-1] - values[-2]) if len(values) > 1 else math.inf
        return self._decide(name, change, tol)

    def reached(self, name: str, tol: float) -> bool:
        """Whether the recorded value itself (a duality gap, a gradient's norm) is at most ``tol``."""
        return self._decide(name, self.history[name][-1], tol)

    def stop(self, reason: str) -> bool:
        """Mark another proper end; always true, so that ``if ... : step.stop("..."); break`` reads well."""
        self._reason = reason
        return True

    def _decide(self, name: str, gap: float, tol: float) -> bool:
        if gap <= tol:
            self._reason = "converged"
            return True
        self._asked = (name, gap, tol)
        return False


def iterate(
    owner: Any,
    total: int | None,
    *,
    name: str = "fit",
    expect: dict[str, Literal["increase", "decrease"]] | None = None,
    start: int = 0,
    history: dict[str, list[float]] | None = None,
) -> Iterator[Step]:
    """Run the steps of a fit.

    Parameters
    ----------
    owner : Method or None
        Gets ``history_`` (name of a recorded value -> list of float), ``n_iter_`` and
        ``stopped_`` ("converged", "max_iter", "interrupted", "out of time", or the reason given
        to `Step.stop`). Of nested loops of one owner, the innermost that ran last is kept; only
        an interruption or a spent budget of an outer loop is told in its place.
    total : int or None
        The most steps; None means until something stops the loop.
    name : str, default "fit"
        What the loop is called in events and warnings.
    expect : dict, optional
        Recorded values that never decrease ("increase") or never increase ("decrease").
    start : int, default 0
        Steps that were done before, when a fit that was cut off goes on.
    history : dict, optional
        What those steps recorded.

    Yields
    ------
    Step

    Warns
    -----
    ConvergenceWarning
        When the steps ran out although the fit asked for convergence: with the gap and the remedy.
    """
    step, watch, began = Step(start, history), _watch.get(), time.monotonic()
    path = (*watch.path, f"{type(owner).__name__}.{name}" if owner is not None else name)
    if owner is not None:
        owner.history_ = step.history
    watched = watch is not _NOBODY
    reason, untold = None, False
    try:
        if watched:
            _watch.set(replace(watch, path=path))
            watch.tell("start", path, 0, total, dict(expect or {}), began)
        while total is None or step.index + 1 < total:
            step.index += 1
            untold = watched
            yield step
            if watched:
                untold = False
                watch.tell("step", path, step.index, total, step._latest, began)
                step._latest = {}
                if (reason := watch.reason_to_stop()) is not None:
                    break
        else:
            reason = "max_iter"
    finally:
        limited = reason in ("interrupted", "out of time")
        reason = reason or step._reason or "done"  # without one, the body simply left the loop, or it raised
        innermost = owner is not None and owner.history_ is step.history
        if innermost:
            owner.n_iter_ = step.index + 1
        if innermost or (owner is not None and limited):
            owner.stopped_ = reason
        if watched:
            if _watch.get().path == path:
                _watch.set(watch)
            try:
                if untold:
                    watch.tell("step", path, step.index, total, step._latest, began)
                watch.tell("end", path, step.index, total, {"stopped": reason}, began)
            except BaseException as error:
                if not untold:
                    raise
                watch.late.append(error)  # the loop was left, and Python swallows what a generator raises as it closes
    if reason == "max_iter" and step._asked is not None:
        warn_not_converged(owner, name, total, *step._asked)


def warn_not_converged(owner: Any, name: str, total: int | None, value: str, gap: float, tol: float) -> None:
    """Say once that a fit did not converge, by how much, and what to do."""
    who = "" if owner is None else f"{type(owner).__name__}: "
    warnings.warn(
        f"{who}{name} did not converge in {total} steps: {value} is {gap:.3g} away, "
        f"tol is {tol:.3g}; raise max_iter, raise tol, or standardise the inputs",
        ConvergenceWarning,
        stacklevel=3,
    )
