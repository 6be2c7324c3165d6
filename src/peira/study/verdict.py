"""What the cells say: the leaderboard, and a verdict that does not flatter.

Three numbers are kept apart. A *candidate's score* is its measure over all rows, each predicted by
a fit that had not seen it. The *difference* of two candidates is judged over folds, with an
interval that knows that folds share training rows (Nadeau & Bengio, 2003). The *reported score*
belongs to the whole procedure, choice included: in each fold it takes the candidate that did best
on that fold's inner folds, which the test rows never touched. Where a fit takes too long to be
repeated for that, it takes the candidate that did best on all other folds (on one half of a single
part that was held out, for the other half), so that no answer is judged by a choice that it had a say in.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import strictjson
from ..measures import Measure
from ..measures.comparison import compare_folds
from .candidates import Candidate
from .evaluating import Cell
from .question import Question
from .run import plain

LEVEL = 0.95
ROPE = 0.01
"""Differences below this share of the baseline's score count as practically none."""
_DRAWS = 400


@dataclass(frozen=True)
class Pooled:
    """Predictions for all rows that were tested, of a candidate or of the procedure."""

    rows: np.ndarray
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, cells: Sequence[Cell], tests: Sequence[np.ndarray]) -> "Pooled":
        """The cells' arrays one behind the other, and the fold of each; what only some give needs all of them."""
        names = sorted(set.intersection(*({*cell.arrays} for cell in cells)))
        arrays = {name: np.concatenate([cell.arrays[name] for cell in cells]) for name in names}
        arrays["fold"] = np.repeat([cell.fold for cell in cells], [len(tests[cell.fold]) for cell in cells])
        return cls(np.concatenate([tests[cell.fold] for cell in cells]), arrays)


def leaderboard(
    candidates: Sequence[Candidate],
    cells: Sequence[Cell],
    folds: Sequence[tuple],
    question: Question,
    measure: Measure,
    stopped: str | None,
) -> list[dict[str, Any]]:
    """A row for each candidate, best first; failures and candidates left out last, with their reason.

    Returns
    -------
    list of dict
        ``id``, ``method``, ``title``, ``status`` ("ok", "failed", "skipped"), ``reason``, ``score``,
        ``interval``, ``fold_scores``, ``params``, ``difference`` (to the best), ``baseline``,
        ``fit_seconds``, ``predict_seconds``.
    """
    tests = [test for _, test in folds]
    rows = [
        _row(c, [cell for cell in cells if cell.candidate == c.id], tests, question, measure, stopped)
        for c in candidates
    ]
    rows.sort(
        key=lambda row: (row["status"] != "ok", measure.loss(row["score"]) if row["status"] == "ok" else 0.0, row["id"])
    )
    if rows and rows[0]["status"] == "ok":
        reference = next((row["score"] for row in rows if row["baseline"] and row["status"] == "ok"), rows[0]["score"])
        rope = ROPE * abs(reference)
        for row in rows[1:]:
            if row["status"] != "ok":
                continue
            arrays = [_arrays(cells, which["id"], tests) for which in (rows[0], row)]
            row["difference"] = question.difference(*arrays, measure, rope)
            if row["difference"] is None and len(folds) > 1:
                row["difference"] = _difference(rows[0], row, folds, measure, rope)
            elif row["difference"] is None:
                row["difference"] = _difference_by_items(*arrays, question, measure, rope)
    return rows


def _row(
    candidate: Candidate, cells: list[Cell], tests: list, question: Question, measure: Measure, stopped: str | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": candidate.id,
        "method": candidate.method,
        "title": candidate.title,
        "baseline": candidate.baseline,
        "status": "ok",
        "reason": None,
        "score": None,
        "interval": None,
        "fold_scores": [cell.score for cell in cells],
        "params": {},
        "difference": None,
        "fit_seconds": None,
        "predict_seconds": None,
    }
    failed = [cell for cell in cells if cell.status != "ok"]
    if candidate.skip or len(cells) < len(tests):
        why = "the search was interrupted" if stopped == "interrupted" else "the budget was spent before its turn"
        return {**row, "status": "skipped", "reason": candidate.skip or why}
    if failed:
        return {**row, "status": "failed", "reason": f"fold {failed[0].fold}: {failed[0].reason}"}
    arrays = Pooled.of(cells, tests).arrays
    chosen = Counter(strictjson.dumps(plain(cell.chosen)) for cell in cells)
    if cut := [cell.fit_seconds for cell in cells if cell.cut]:
        row["note"] = f"ended by its share of the budget, after {np.mean(cut):.0f} s a fit"
    return {
        **row,
        "score": question.value(arrays, measure),
        "interval": question.interval(arrays, measure, LEVEL),
        "params": strictjson.loads(chosen.most_common(1)[0][0].encode(), what="settings"),
        "fit_seconds": float(np.mean([cell.fit_seconds for cell in cells])),
        "predict_seconds": float(np.mean([cell.predict_seconds for cell in cells])),
    }


def _difference(
    best: dict[str, Any], row: dict[str, Any], folds: Sequence[tuple], measure: Measure, rope: float
) -> dict[str, Any]:
    """By how much the row is worse than the best, over folds: positive where the best is better."""
    gaps = [
        measure.loss(theirs) - measure.loss(ours)
        for ours, theirs in zip(best["fold_scores"], row["fold_scores"], strict=True)
    ]
    sizes = [(len(train), len(test)) for train, test in folds]
    n_train, n_test = (float(np.mean(side)) for side in zip(*sizes, strict=True))
    return compare_folds(gaps, n_train, n_test, rope)


def _difference_by_items(
    best: dict[str, np.ndarray], other: dict[str, np.ndarray], question: Question, measure: Measure, rope: float
) -> dict[str, Any]:
    """The same for a single part that was held out: its items are drawn anew, both candidates on the same draws."""
    N, rng = len(next(iter(best.values()))), np.random.default_rng(0)

    def gap(items: Any) -> float:
        ours, theirs = (
            question.value({name: values[items] for name, values in arrays.items()}, measure)
            for arrays in (best, other)
        )
        return float("nan") if ours is None or theirs is None else measure.loss(theirs) - measure.loss(ours)

    mean = gap(slice(None))
    gaps = np.array([gap(rng.integers(N, size=N)) for _ in range(_DRAWS)])
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return {"mean": mean, "interval": [float("nan")] * 2, "level": LEVEL, "clear": False, "rope": rope, "folds": 1}
    low, high = (float(end) for end in np.quantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return {
        "mean": mean,
        "interval": [low, high],
        "level": LEVEL,
        "better": float(np.mean(gaps > rope)),
        "equivalent": float(np.mean(np.abs(gaps) <= rope)),
        "worse": float(np.mean(gaps < -rope)),
        "rope": rope,
        "folds": 1,
        "clear": low > 0 or high < 0,
    }


def _arrays(cells: Sequence[Cell], candidate: str, tests: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    own = sorted((cell for cell in cells if cell.candidate == candidate), key=lambda cell: cell.fold)
    return own[0].arrays if len(own) == 1 else Pooled.of(own, tests).arrays


def crosswise(
    candidates: Sequence[Candidate], cells: Sequence[Cell], folds: Sequence[tuple], question: Question, measure: Measure
) -> Pooled | None:
    """Predictions of the whole procedure: for each part, those of the candidate that did best on all other parts.

    The parts are the folds, or the halves of a single part that was held out.
    """
    pooled = {}
    for candidate in candidates:
        own = [cell for cell in cells if cell.candidate == candidate.id and cell.status == "ok"]
        if len(own) == len(folds):
            pooled[candidate.id] = Pooled.of(own, [test for _, test in folds])
    if not pooled:
        return None
    first = next(iter(pooled.values()))
    part = first.arrays["fold"] if len(folds) > 1 else np.arange(len(first.rows)) % 2
    picked: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
    for p in np.unique(part):
        here, losses = part == p, {}
        for name, one in pooled.items():
            value = question.value({key: values[~here] for key, values in one.arrays.items()}, measure)
            losses[name] = np.inf if value is None or not np.isfinite(value) else measure.loss(value)
        best = pooled[min(losses, key=lambda name: losses[name])]
        picked.append((best.rows[here], {key: values[here] for key, values in best.arrays.items()}))
    names = set.intersection(*({*arrays} for _, arrays in picked))
    arrays = {name: np.concatenate([arrays[name] for _, arrays in picked]) for name in sorted(names)}
    return Pooled(np.concatenate([rows for rows, _ in picked]), arrays)


def procedure(
    candidates: Sequence[Candidate], cells: Sequence[Cell], folds: Sequence[tuple], measure: Measure
) -> Pooled | None:
    """Predictions of the whole procedure: in each fold, those of the candidate that won on the inner folds."""
    complete = {
        c.id for c in candidates if sum(cell.candidate == c.id and cell.status == "ok" for cell in cells) == len(folds)
    }
    order = {c.id: i for i, c in enumerate(candidates)}
    picked = []
    for fold in range(len(folds)):
        rivals = [c for c in cells if c.fold == fold and c.candidate in complete and c.inner_score is not None]
        if not rivals:
            return None
        picked.append(min(rivals, key=lambda cell: (measure.loss(cell.inner_score), order[cell.candidate])))
    return Pooled.of(picked, [test for _, test in folds])


def ties(rows: list[dict[str, Any]]) -> list[str]:
    """Methods that cannot be told from the best: the interval of the difference holds zero.

    None where the best is the baseline: nothing was won, and there is nothing to choose among.
    """
    if rows[0]["baseline"]:
        return []
    return [row["method"] for row in rows if row.get("difference") and not row["difference"]["clear"]]


def clear_winner(rows: list[dict[str, Any]]) -> bool | None:
    """Whether the best can be told from all others; None where none of them beat the baseline, or had its turn."""
    if rows[0]["baseline"] or sum(row["status"] == "ok" for row in rows) == 1:
        return None
    return not ties(rows)
