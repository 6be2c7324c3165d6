"""The unit of work of a study: one candidate on one fold.

Its settings are chosen on inner folds of the training rows, the winner of those is fitted to all
training rows, and its predictions for the test rows are what the leaderboard counts. Selection
and score never see the same rows. A cell depends on the data, the fold and the seed alone, so
cells can run in any order, in any process, and again after a kill, with the same result.
"""

import time
import traceback
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..core.errors import DataError, ParameterError, RankWarning
from ..core.iteration import limiting, reason_to_stop, task
from ..core.seeds import derive
from ..measures import Measure
from .candidates import Candidate
from .question import Question


@dataclass
class Cell:
    """What became of a candidate on a fold; everything but the arrays is a line in ``trials.jsonl``."""

    candidate: str
    fold: int
    status: str = "ok"
    reason: str | None = None
    trace: str | None = None
    chosen: dict[str, Any] = field(default_factory=dict)
    tried: list[dict[str, Any]] = field(default_factory=list)
    inner_score: float | None = None
    score: float | None = None
    train_score: float | None = None
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    cut: bool = False
    """Whether its share of the budget ended the fit before its last step."""
    warnings: list[str] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("arrays", "trace")}


@dataclass(frozen=True)
class Protocol:
    """How every candidate is treated alike."""

    question: Question
    measure: Measure
    seed: int
    kinds: dict[str, str]
    inner_folds: int = 3


def evaluate(
    candidate: Candidate,
    table: Any,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    fold: int,
    protocol: Protocol,
    until: float | None = None,
    share: float | None = None,
) -> Cell:
    """Choose settings on the training rows, fit, and predict the test rows.

    A failure is part of the result: status "failed" with its reason, and the trace for the log.
    ``until`` is the time of day at which another process's budget ends; ``share`` the seconds for the choice and the
    fit, each of which ends with what it has learned by then.
    """
    cell = Cell(candidate.id, fold)
    # Small matrices are fastest on one thread, and one thread adds in one order:
    # the same result with any number of jobs.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (
            threadpool_limits(1),
            limiting(None if until is None else until - time.time()),
            task(f"{candidate.id} fold {fold}"),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            began = time.monotonic()
            model = choose(candidate, table[train], y[train], protocol, cell, share)
            caught.clear()  # settings that were tried and left may warn as they like
            left = None if share is None else max(share / 2, share - (time.monotonic() - began))
            _judge(cell, model, table, y, train, test, protocol, left)
        # Basis functions depend on each other (the square of a 0-1 column is the column): nothing to tell anybody.
        told = [w for w in caught if cell.chosen.get("expansion") == "none" or w.category is not RankWarning]
        cell.warnings = sorted({f"{w.category.__name__}: {w.message}" for w in told})[:20]
    except Exception as error:  # the candidate's row says what happened; the study goes on
        cell.status, cell.reason = "failed", f"{type(error).__name__}: {error}"
        cell.trace = traceback.format_exc()
    finally:
        torch.set_num_threads(threads)
    return cell


def _judge(
    cell: Cell,
    model: Any,
    table: Any,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    protocol: Protocol,
    share: float | None,
) -> None:
    """Fit the chosen model to the training rows and keep what it says of the test rows."""
    if model is None or (share is not None and reason_to_stop()):
        cell.status, cell.reason = "stopped", reason_to_stop() or "out of time"
        return
    began = time.perf_counter()
    with limiting(share):
        model.fit(table[train], y[train])
        cell.cut = share is not None and reason_to_stop() == "out of time"
    fitted = time.perf_counter()
    arrays = protocol.question.keep(model, table[test], y[test])
    cell.predict_seconds = time.perf_counter() - fitted
    cell.fit_seconds = fitted - began
    if (reason := reason_to_stop()) and not (
        cell.cut and reason == "out of time"
    ):  # a loop may have ended early: what it learned is not what the cell stands for
        cell.status, cell.reason = "stopped", reason
        return
    cell.score = protocol.question.value(arrays, protocol.measure)
    if cell.score is None:
        raise DataError(f"{protocol.measure.title} needs {protocol.measure.needs}, which it does not have")
    cell.arrays = arrays
    if not protocol.question.judges_seen_rows:
        return
    # As many training rows as test rows tell how far apart the two are, and cost no more.
    seen = np.sort(np.random.default_rng(protocol.seed).permutation(train)[: len(test)])
    cell.train_score = protocol.question.value(protocol.question.keep(model, table[seen], y[seen]), protocol.measure)


def choose(
    candidate: Candidate, table: Any, y: np.ndarray, protocol: Protocol, cell: Cell, share: float | None = None
) -> Any:
    """The candidate with the settings that do best on inner folds, not yet fitted; None if time ran out.

    First each expansion with the method's defaults, then the method's settings on the best one. Of many rows, at most
    the question's ``choose_rows`` take part, the same for every candidate. ``share`` is dealt out evenly, in seconds,
    among the fits of the choice and the one that follows it; once it ends one of them, nothing more is tried.
    """
    measure, seed, margin = protocol.measure, derive(protocol.seed, cell.fold + 1), protocol.question.margin
    settings = protocol.question.settings(candidate.parameters, candidate.trials)
    most, folds = protocol.question.choose_rows, []
    if protocol.question.chooses_inside or len(settings) > 1 or len(candidate.expansions) > 1:
        if len(table) > most:  # a part of the rows tells settings apart as well, and sooner
            part = protocol.question.sample(y, -(-len(table) // most), derive(seed, 0))
            table, y = table[part], y[part]
        folds = protocol.question.inner_split(y, protocol.inner_folds, seed)
    if not folds:  # nothing to choose by
        cell.chosen = {"expansion": candidate.expansions[0], **settings[0]}
        return protocol.question.model(candidate.make(seed, **settings[0]), candidate.expansions[0], protocol.kinds)
    prepared: dict[str, list[tuple]] = {}
    fits, cut = len(folds) * (len(candidate.expansions) + len(settings) - 1) + 1, False

    def score(expansion: str, chosen: dict[str, Any]) -> float | None:
        nonlocal cut
        if expansion not in prepared:
            prepared.clear()  # the best expansion is prepared once more rather than all kept in memory
            prepared[expansion] = []
            for inner_train, inner_test in folds:
                part = protocol.question.model(None, expansion, protocol.kinds)
                Z = part.prepare(table[inner_train])
                prepared[expansion].append((part, Z, y[inner_train], part.numbers(table[inner_test]), y[inner_test]))
        values, tried = [], {"expansion": expansion, "settings": chosen, "score": None}
        cell.tried.append(tried)
        for part, Z, t, Z_test, t_test in prepared[expansion]:
            if reason_to_stop():
                return None
            part.method = candidate.make(seed, **chosen)
            try:
                with limiting(None if share is None else share / fits):
                    values.append(protocol.question.inner_value(part, Z, t, Z_test, t_test, measure))
                    cut |= share is not None and reason_to_stop() is not None
            except (DataError, ParameterError) as error:  # a singular covariance, say: another setting may do
                tried["reason"] = str(error)
                return np.nan
        tried["score"] = float(np.mean(values))
        return tried["score"]

    def better(value: float, than: float) -> bool:
        return np.isfinite(value) and (not np.isfinite(than) or measure.loss(value) < measure.loss(than) - margin)

    best: tuple[float, str, dict[str, Any]] = (np.nan, candidate.expansions[0], settings[0])
    for expansion in candidate.expansions:
        value = score(expansion, settings[0])
        if value is None:
            return None
        if better(value, best[0]):
            best = (value, expansion, settings[0])
    for chosen in settings[1:]:
        if cut:
            break
        value = score(best[1], chosen)
        if value is None:
            return None
        if better(value, best[0]):
            best = (value, best[1], chosen)
    if not np.isfinite(best[0]) and (reasons := [t["reason"] for t in cell.tried if "reason" in t]):
        raise DataError(reasons[0])
    cell.inner_score = best[0]
    cell.chosen = {"expansion": best[1], **best[2]}
    return protocol.question.model(candidate.make(seed, **best[2]), best[1], protocol.kinds)
