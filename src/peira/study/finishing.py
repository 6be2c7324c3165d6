"""From cells to an answer: choose, refit, diagnose, explain, and write it all down."""

import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..core.errors import NoCandidateError
from ..core.iteration import limiting, observing, task, unlimited
from ..core.seeds import derive
from ..diagnosis import diagnose
from .account import Outcome, account, evidence
from .candidates import Candidate
from .evaluating import Cell, choose
from .found import conclude
from .net_lessons import NetLessons
from .report import render
from .run import Run, plain
from .untargeted import Untargeted
from .verdict import LEVEL, Pooled, clear_winner, crosswise, leaderboard, procedure, ties
from .wording import verdict_words


def finish(study: Any, run: Run, cells: Sequence[Cell], test: Any = None) -> None:
    """Write the outcome of a study into its run.

    Raises
    ------
    NoCandidateError
        If nothing could be fitted; the leaderboard, with the reasons, is written all the same.
    """
    study.question.together(cells, study.measure)
    rows = leaderboard(study.candidates, cells, study.folds, study.question, study.measure, run.state.get("stopped"))
    _write_leaderboard(run, rows)
    if not rows or rows[0]["status"] != "ok":
        run.update(state="complete", best=None)
        reasons = "; ".join(f"{row['method']}: {row['reason']}" for row in rows[:3])
        raise NoCandidateError(f"no candidate succeeded ({reasons}); see {run.path / 'leaderboard.csv'}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), task("finish"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = _carry_out(study, run, cells, rows, test)
            _write_leaderboard(run, rows)  # the winner's settings are now those of the model that is kept
    finally:
        torch.set_num_threads(threads)
    run.write_text(
        "log.txt", "".join(f"{text}\n" for text in sorted({f"{w.category.__name__}: {w.message}" for w in caught}))
    )
    run.write_json("report.json", report)
    render(run.read_json("report.json"), run.path / "report.html")
    run.update(state="complete")


def _carry_out(study: Any, run: Run, cells: Sequence[Cell], rows: list[dict[str, Any]], test: Any) -> dict[str, Any]:
    """Keep the winner, judge it, and give the report."""
    outcome = _outcome(study, run, cells, rows)
    outcome.model.save(run.path / "models" / outcome.best.id)
    run.update(best=outcome.best.id)
    if isinstance(study.question, Untargeted):
        _write_answers(outcome)
        verdict, findings, report = conclude(outcome, cells)
        run.write_json("diagnosis.json", findings)
        run.update(verdict=plain(verdict), leaderboard=[_public(row) for row in rows])
        return plain(report)
    _write_unseen(outcome)
    curve = study.material.curve(outcome)
    explained = study.material.explanation(outcome)
    verdict = _verdict(outcome, cells)
    findings = [finding.to_json() for finding in diagnose(evidence(outcome, curve, explained))]
    run.write_json("diagnosis.json", findings)
    verdict["next"] = [f"{f['title']}: {f['fix']}" for f in findings[:4]]
    if test is not None:
        verdict["test"] = _test(outcome, test)
    run.update(verdict=verdict, leaderboard=[_public(row) for row in rows])
    return plain(account(outcome, verdict, findings, curve, explained))


def _outcome(study: Any, run: Run, cells: Sequence[Cell], rows: list[dict[str, Any]]) -> Outcome:
    """The best candidate, fitted to all rows."""
    best = next(c for c in study.candidates if c.id == rows[0]["id"])
    own = [cell for cell in cells if cell.candidate == best.id]
    unseen = Pooled.of(own, [test for _, test in study.folds])
    baseline = next((row for row in rows if row["baseline"] and row["status"] == "ok"), None)
    lessons = NetLessons()
    model, refitted = _refit(study, best, own, lessons)
    if refitted.chosen:
        rows[0]["params"] = refitted.chosen  # of the model that is kept, rather than of most folds
    study.question.settle(model, unseen.arrays)
    study.material.remember(model)
    return Outcome(study, run, rows, best, own, unseen, baseline, model, refitted.tried, lessons.told())


def _refit(study: Any, best: Candidate, own: list[Cell], lessons: NetLessons) -> tuple[Any, Cell]:
    """The winner, its settings chosen once more on all rows, fitted to all rows; and what was tried for that.

    A fit that its share of the budget ended has as long for an item as it had in the folds, as has the choice.
    """
    cell = Cell(best.id, len(study.folds))
    seen = sum(len(train) for train, _ in study.folds) / len(study.folds)
    seconds = share = None
    if any(c.cut for c in own):
        seconds = float(np.mean([c.fit_seconds for c in own])) * len(study.y) / seen
        share = seconds * (1 + len(own[0].tried))
    with unlimited(), task("refit"):
        model = choose(best, study.X, study.y, study.protocol, cell, share)
        model = model or _as_in_the_first_fold(study, best, own[0])
        with limiting(seconds), observing(lessons):
            return model.fit(study.X, study.y), cell


def _as_in_the_first_fold(study: Any, best: Candidate, first: Cell) -> Any:
    chosen = dict(first.chosen)
    expansion = chosen.pop("expansion")
    seed = derive(study.config["seed"], 1)
    return study.question.model(best.make(seed, **chosen), expansion, study.kinds)


def _write_unseen(outcome: Outcome) -> None:
    """The winner's predictions for rows that it had not seen, in the order of the table."""
    order = np.argsort(outcome.unseen.rows, kind="stable")
    material = outcome.study.material
    called = material.called(outcome.unseen.rows)
    columns = outcome.study.question.columns(outcome.unseen.arrays)
    outcome.run.write_csv(
        f"predictions/{outcome.best.id}.csv",
        [material.item, *columns],
        [[called[i], *(column[i] for column in columns.values())] for i in order],
    )


def _write_answers(outcome: Outcome) -> None:
    """What the model of all rows says of each of them."""
    X, model = outcome.study.material.asked(outcome.study.X), outcome.model
    if hasattr(model.method_, "transform") or not hasattr(model, "transform"):
        columns = model.answers(X)
    else:  # a map of the rows that it saw
        codes = np.asarray(model.method_.embedding_)
        columns = {f"code_{k + 1}": codes[:, k] for k in range(codes.shape[1])}
    material = outcome.study.material
    if material.data == "table" or len(next(iter(columns.values()))) == len(X):
        columns = {material.item: np.asarray(material.called(np.arange(len(X))), dtype=object)} | columns
    outcome.run.write_csv(
        f"predictions/{outcome.best.id}.csv",
        list(columns),
        [list(line) for line in zip(*(v.tolist() for v in columns.values()), strict=True)],
    )


def _test(outcome: Outcome, test: Any) -> dict[str, Any]:
    study, measure = outcome.study, outcome.measure
    X, labels = study.material.again(test, study.target)
    y, known = study.question.read(labels)
    arrays = study.question.keep(outcome.model, X[known], y[known])
    score, interval = study.question.value(arrays, measure), study.question.interval(arrays, measure, LEVEL)
    told = {"rows": int(known.sum()), "score": score, "interval": interval}
    plainly = study.question.plain(arrays, measure, LEVEL)
    return told if plainly is None else {**told, "plain": plainly}


def _verdict(outcome: Outcome, cells: Sequence[Cell]) -> dict[str, Any]:
    study, measure, baseline = outcome.study, outcome.measure, outcome.baseline
    if study.question.chooses_inside:
        pooled = procedure(study.candidates, cells, study.folds, measure)
    else:
        pooled = crosswise(study.candidates, cells, study.folds, study.question, measure)
    pooled = pooled or outcome.unseen
    score = study.question.value(pooled.arrays, measure)
    interval = study.question.interval(pooled.arrays, measure, LEVEL)
    tied = ties(outcome.rows)
    verdict: dict[str, Any] = {
        "method": outcome.best.method,
        "score": score,
        "interval": interval,
        "level": LEVEL,
        "clear_winner": clear_winner(outcome.rows),
        "tied_with": tied,
        "baseline": None,
        "gain": None,
        "gain_interval": None,
        "plain": study.question.plain(pooled.arrays, measure, LEVEL),
    }
    if baseline is not None and baseline["id"] != outcome.best.id:
        verdict["gain"] = baseline["difference"]["mean"]
        verdict["gain_interval"] = baseline["difference"]["interval"]
    if baseline is not None:
        verdict["baseline"] = {k: baseline[k] for k in ("method", "score", "interval")}
    return verdict | verdict_words(verdict, study, measure, outcome.run.state.get("stopped"))


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """A leaderboard's row without the clock: the same seed gives the same row."""
    return {name: value for name, value in row.items() if not name.endswith("_seconds")}


def _write_leaderboard(run: Run, rows: list[dict[str, Any]]) -> None:
    header = ["rank", "id", "method", "status", "score", "low", "high", "reason", "params"]
    lines = []
    for rank, row in enumerate(rows, 1):
        low, high = row["interval"] or (None, None)
        place = rank if row["status"] == "ok" else ""
        lines.append(
            [
                place,
                row["id"],
                row["method"],
                row["status"],
                row["score"],
                low,
                high,
                row["reason"],
                json.dumps(plain(row["params"])),
            ]
        )
    run.write_csv("leaderboard.csv", header, lines)
