"""The one loop: histories, events, budgets, Ctrl-C, and what happens when something raises."""

import math
import os
import signal
import threading
import warnings
from dataclasses import dataclass, field

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from peira.core.iteration import deciding, iterate, limiting, observing, reason_to_stop, task, time_left, unlimited


class Owner:
    """What iterate writes to."""


@dataclass
class Ear:
    """A listener that remembers, and may raise at an event."""

    deaf_at: tuple = ()
    events: list = field(default_factory=list)

    def __call__(self, event):
        self.events.append(event)
        if (event.kind, event.index) == self.deaf_at:
            raise RuntimeError("the listener fell off its chair")

    def told(self):
        return [(e.kind, "/".join(e.path), e.index) for e in self.events]


def run(owner, values, total=None, name="fit", tol=None, **options):
    for step, value in zip(iterate(owner, total, name=name, **options), values, strict=False):
        step.record(loss=value)
        if tol is not None and step.converged("loss", tol):
            break


# ---------------------------------------------------------------- what the owner keeps


@pytest.mark.parametrize("total", [0, 1, 2, 3])
def test_the_history_has_one_entry_a_step(total):
    owner = Owner()
    for step in iterate(owner, total):
        step.record(loss=torch.tensor(step.index / 2), size=step.index)
    expected = {} if total == 0 else {"loss": [i / 2 for i in range(total)], "size": [float(i) for i in range(total)]}
    assert owner.history_ == expected and (owner.n_iter_, owner.stopped_) == (total, "max_iter")
    assert all(type(v) is float for values in owner.history_.values() for v in values)


def test_the_history_is_there_while_it_grows():
    owner = Owner()
    for step in iterate(owner, 3):
        step.record(loss=1.0)
        assert len(owner.history_["loss"]) == step.index + 1


def test_reasons_to_end():
    owner = Owner()
    for step in iterate(owner, 9):
        step.record(loss=2.0**-step.index)
        if step.converged("loss", 0.2):
            break
    assert (owner.n_iter_, owner.stopped_) == (4, "converged")
    for step in iterate(owner, 9):
        step.record(gap=3.0 - step.index)
        if step.reached("gap", 1.0):
            break
    assert (owner.n_iter_, owner.stopped_) == (3, "converged") and "loss" not in owner.history_
    for step in iterate(owner, None):
        if step.index == 4 and step.stop("diverged"):
            break
    assert (owner.n_iter_, owner.stopped_) == (5, "diverged")
    for _ in iterate(owner, None):
        break
    assert (owner.n_iter_, owner.stopped_) == (1, "done")


def test_one_value_is_no_convergence_and_nan_never_is():
    for values in ([1.0], [math.nan, math.nan, math.nan], [math.inf, math.inf]):
        steps = iterate(None, None)
        for value in values:
            step = next(steps)
            step.record(loss=value)
            assert not step.converged("loss", 1e9)


def test_a_name_that_was_not_recorded_is_an_error():
    with pytest.raises(KeyError, match="los"):
        for step in iterate(None, 2):
            step.record(loss=1.0)
            step.converged("los", 1.0)


def test_running_out_of_steps_warns_once_with_the_gap_and_the_remedy():
    with pytest.warns(ConvergenceWarning) as caught:
        run(Owner(), [8.0, 4.0, 2.0, 1.5], total=3, name="EM", tol=0.1)
    assert [str(w.message) for w in caught] == [
        "Owner: EM did not converge in 3 steps: loss is 2 away, tol is 0.1; "
        "raise max_iter, raise tol, or standardise the inputs"
    ]
    assert caught[0].filename == __file__


def test_no_warning_where_nobody_asked_for_convergence_or_it_came_last():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(Owner(), [3.0, 2.0, 1.0], total=3)
        run(Owner(), [3.0, 1.0, 1.0], total=3, tol=0.0)


def test_of_nested_loops_the_innermost_that_ran_last_is_kept():
    owner = Owner()
    for restart in iterate(owner, 3, name="restart"):
        run(owner, [1.0] * (restart.index + 2), tol=0.0)
        restart.record(best=1.0)
    assert (owner.history_, owner.n_iter_, owner.stopped_) == ({"loss": [1.0, 1.0]}, 2, "converged")


# ---------------------------------------------------------------- listeners


def test_a_listener_hears_start_steps_and_end():
    ear = Ear()
    with observing(ear):
        run(Owner(), [3.0, 2.0, 2.0], total=5, name="EM", tol=0.0, expect={"loss": "decrease"})
    assert ear.told() == [
        ("start", "Owner.EM", 0),
        *[("step", "Owner.EM", i) for i in range(3)],
        ("end", "Owner.EM", 2),
    ]
    assert ear.events[0].values == {"loss": "decrease"} and ear.events[-1].values == {"stopped": "converged"}
    assert [e.values for e in ear.events[1:-1]] == [{"loss": 3.0}, {"loss": 2.0}, {"loss": 2.0}]
    assert all(e.total == 5 and e.seconds >= 0 for e in ear.events)


def test_a_step_tells_what_it_recorded_and_no_more():
    ear = Ear()
    with observing(ear):
        for step in iterate(None, 4):
            if step.index == 0:
                step.record(a=1)
                step.record(b=torch.tensor(2.0))
            if step.index == 2:
                step.record(a=3)
    assert [e.values for e in ear.events if e.kind == "step"] == [{"a": 1.0, "b": 2.0}, {}, {"a": 3.0}, {}]


def test_nested_loops_and_tasks_are_told_by_their_path():
    ear = Ear()
    with observing(ear), task("study", budget=3), task("fold"):
        for _ in iterate(Owner(), 2, name="epoch"):
            for _ in iterate(None, 1, name="batch"):
                pass
    assert ear.told() == [
        ("start", "study", 0),
        ("start", "study/fold", 0),
        ("start", "study/fold/Owner.epoch", 0),
        ("start", "study/fold/Owner.epoch/batch", 0),
        ("step", "study/fold/Owner.epoch/batch", 0),
        ("end", "study/fold/Owner.epoch/batch", 0),
        ("step", "study/fold/Owner.epoch", 0),
        ("start", "study/fold/Owner.epoch/batch", 0),
        ("step", "study/fold/Owner.epoch/batch", 0),
        ("end", "study/fold/Owner.epoch/batch", 0),
        ("step", "study/fold/Owner.epoch", 1),
        ("end", "study/fold/Owner.epoch", 1),
        ("end", "study/fold", 0),
        ("end", "study", 0),
    ]
    assert ear.events[0].values == {"budget": 3} and ear.events[-1].values == {"stopped": "done"}


def test_listeners_add_up_and_leave_when_their_block_ends():
    outer, inner = Ear(), Ear()
    with observing(outer):
        with observing(inner, inner):
            run(None, [1.0], total=1)
        run(None, [1.0], total=1)
    run(None, [1.0], total=1)
    assert (len(outer.events), len(inner.events)) == (6, 6)


def test_events_are_snapshots():
    ear = Ear()
    with observing(ear):
        run(None, [1.0, 2.0], total=2)
    assert [e.values["loss"] for e in ear.events if e.kind == "step"] == [1.0, 2.0]
    with pytest.raises(AttributeError):
        ear.events[0].index = 5


def test_another_thread_does_not_hear():
    ear = Ear()
    with observing(ear):
        worker = threading.Thread(target=run, args=(None, [1.0]), kwargs={"total": 1})
        worker.start()
        worker.join()
    assert not ear.events


# ---------------------------------------------------------------- what raises


def test_an_exception_in_the_body_ends_the_loop_and_its_path():
    ear, owner = Ear(), Owner()
    with observing(ear):
        with pytest.raises(ZeroDivisionError), task("fold"):
            for step in iterate(owner, 5):
                step.record(loss=1.0)
                if step.index == 1:
                    step.record(extra=1 / 0)
        run(None, [1.0], total=1, name="after")
    assert ear.told()[-3:] == [("start", "after", 0), ("step", "after", 0), ("end", "after", 0)], "no stale path"
    ends = [e for e in ear.events if e.kind == "end"]
    assert ("/".join(ends[0].path), "/".join(ends[1].path)) == ("fold/Owner.fit", "fold")
    assert ends[1].values == {"stopped": "failed"}
    assert (owner.n_iter_, len(owner.history_["loss"])) == (2, 2)


@pytest.mark.parametrize("moment", [("start", 0), ("step", 0), ("step", 1)])
def test_a_listener_that_raises_ends_the_fit_and_leaves_no_trace(moment):
    ear, other = Ear(deaf_at=moment), Ear()
    with observing(other):
        with pytest.raises(RuntimeError, match="chair"), observing(ear):
            run(Owner(), [1.0] * 5, total=5)
        run(None, [1.0], total=1, name="after")
    assert ear.told()[-1][0] == "end" and sum(e.kind == "end" for e in ear.events) == 1
    assert other.told()[-1] == ("end", "after", 0)
    assert sum(e[0] == "step" and e[1] == "Owner.fit" for e in ear.told()) <= moment[1] + (moment[0] == "step")


@pytest.mark.parametrize("moment", [("step", 1), ("end", 1)])
def test_what_a_listener_raises_at_the_step_that_ended_a_loop_is_raised_on_leaving_observing(moment):
    ear, owner = Ear(deaf_at=moment), Owner()
    with pytest.raises(RuntimeError, match="chair"), observing(ear):
        for step in iterate(owner, 5):
            step.record(loss=1.0)
            if step.converged("loss", 0.1):
                break
        assert (owner.n_iter_, owner.stopped_) == (2, "converged")
    with observing(Ear()):
        run(None, [1.0], total=1, name="after")


def test_an_exception_of_the_fit_goes_before_what_a_listener_raised_as_its_loop_closed():
    with pytest.raises(ZeroDivisionError), observing(Ear(deaf_at=("end", 0))):
        for step in iterate(None, 5):
            step.record(loss=1 / 0)


# ---------------------------------------------------------------- budgets


def test_a_spent_budget_ends_every_loop_after_its_step():
    owner = Owner()
    with limiting(0.0):
        assert time_left() == 0.0 and reason_to_stop() == "out of time"
        run(owner, [1.0] * 9)
    assert (owner.n_iter_, owner.stopped_, owner.history_["loss"]) == (1, "out of time", [1.0])
    assert time_left() == math.inf and reason_to_stop() is None


def test_an_enclosing_budget_is_never_extended():
    with limiting(0.0), limiting(1e9):
        assert time_left() == 0.0
    with limiting(1e9):
        with limiting(0.0):
            assert reason_to_stop() == "out of time"
        assert reason_to_stop() is None
        with limiting():
            assert 0 < time_left() <= 1e9


def test_who_decides_has_the_last_word_on_every_step():
    owner, heard = Owner(), []

    def decide(reason):
        heard.append(reason)
        return "interrupted" if len(heard) == 3 else None

    with limiting(0.0), deciding(decide):
        run(owner, [1.0] * 9)
    assert heard == ["out of time"] * 3 and (owner.n_iter_, owner.stopped_) == (3, "interrupted")


def test_a_budget_tells_its_reason_even_if_the_inner_loop_converged():
    owner = Owner()
    with limiting(1e9) as stop:
        for restart in iterate(owner, 5, name="restart"):
            run(owner, [1.0, 1.0], tol=0.0)
            if restart.index == 1:
                stop.set()
    assert (owner.n_iter_, owner.stopped_) == (2, "interrupted")


def test_convergence_is_told_before_a_limit():
    owner = Owner()
    with limiting(0.0):
        for step in iterate(owner, 5):
            step.record(loss=0.0)
            if step.reached("loss", 0.0):
                break
    assert owner.stopped_ == "converged"


def test_an_interruption_ends_the_loops_inside_and_no_others():
    with observing(Ear()):
        with limiting() as stop:
            stop.set()
            owner = Owner()
            run(owner, [1.0] * 9)
            assert (owner.n_iter_, owner.stopped_) == (1, "interrupted")
        run(owner, [1.0] * 3, total=3)
        assert owner.stopped_ == "max_iter"
        with limiting() as outer, limiting() as inner:
            assert reason_to_stop() is None and not inner.is_set()
            outer.set()
            assert reason_to_stop() == "interrupted"


def test_a_thread_may_interrupt():
    owner = Owner()
    with limiting() as stop:
        for step in iterate(owner, None):
            if step.index == 2:
                thread = threading.Thread(target=stop.set)
                thread.start()
                thread.join()
    assert (owner.n_iter_, owner.stopped_) == (3, "interrupted")


@pytest.fixture
def ctrl_c():
    """SIGINT as in a terminal; where tests run in the background, it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_ctrl_c_ends_properly_and_the_second_aborts(ctrl_c):
    before, owner = signal.getsignal(signal.SIGINT), Owner()
    with limiting(interruptible=True) as asked:
        for step in iterate(owner, None):
            step.record(loss=step.index)
            if step.index == 2:
                os.kill(os.getpid(), signal.SIGINT)
        assert (owner.n_iter_, owner.stopped_, asked.is_set()) == (3, "interrupted", True)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt), limiting(1e9):
        os.kill(os.getpid(), signal.SIGINT)


def test_outside_of_the_main_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with limiting(interruptible=True):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before] and signal.getsignal(signal.SIGINT) is before


def test_the_handler_is_put_back_when_the_block_raises():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), limiting(interruptible=True):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_a_method_interrupted_for_good_is_as_it_was():
    from peira.core import Card, Method, param

    class Slow(Method):
        card = Card(tasks="representation", reference="")
        steps: int = param(1, "steps", low=0)

        def fit(self, X):
            self._begin(X)
            self.state_ = []
            for step in iterate(self, self.steps):
                self.state_.append(step.index)
                if step.index == 2:
                    os.kill(os.getpid(), signal.SIGINT)
                    os.kill(os.getpid(), signal.SIGINT)
            return self

    slow = Slow(steps=2).fit([[1.0]])
    before = dict(vars(slow))
    with pytest.raises(KeyboardInterrupt), limiting(interruptible=True):
        slow.set_params(steps=9).fit([[1.0]])
    assert vars(slow) == before | {"steps": 9}
    with limiting(interruptible=True) as stop:
        stop.set()
        assert Slow(steps=9).fit([[1.0]]).state_ == [0]


def test_unlimited_work_is_done_whole():
    """After a budget is spent and Ctrl-C was asked for, shielded loops still run to their end."""
    with limiting(0.0) as asked:
        asked.set()
        with unlimited():
            assert sum(1 for _ in iterate(None, 7)) == 7
        assert sum(1 for _ in iterate(None, 7)) == 1
