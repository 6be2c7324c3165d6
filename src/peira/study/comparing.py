"""Compare models that were learned already.

Runs that were made on the same rows with the same folds are compared fold by fold, on predictions
for rows that neither had seen. Models are compared on a table given for the purpose, row by row:
the difference of two measures is judged by resampling the rows, both models on the same draws.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError, UnreadableError
from ..core.persistence import load
from ..core.predictive import Categorical
from ..core.tasks import TASKS
from ..measures import get_measure
from .asking import inputs_for
from .planning import QUESTIONS
from .run import Run
from .table_structures import MODELS
from .verdict import LEVEL

_DRAWS = 2_000


def compare(
    models: Sequence[Any], *, on: Any = None, target: str | None = None, measure: str | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Compare models on the same rows.

    Parameters
    ----------
    models : sequence of path or Method
        Runs, stored models or fitted methods; at least one.
    on : path or frame, optional
        A table with the target. Without it, all must be runs over the same rows.
    target : str, optional
        Its column to predict; by default that of the first run.
    measure : str, optional
        By default that of the first run, else that of the task.
    seed : int, default 0
        For the resampling of rows.

    Returns
    -------
    list of dict
        Best first: ``name``, ``score``, ``interval``, and ``difference`` to the best with
        ``mean`` (positive: worse than the best), ``interval`` and ``clear``.

    Raises
    ------
    DataError
        If the runs do not share rows and folds and no table was given.
    UnreadableError
        If something is not a run or a model.
    """
    if not models:
        raise DataError("there is nothing to compare: name at least one run or model")
    runs = [Run.open(m) if isinstance(m, str | Path) and (Path(m) / "run.json").is_file() else None for m in models]
    first = next((run.state for run in runs if run is not None), {})
    names = _names(models)
    if on is not None:
        fitted = [load(m) if isinstance(m, str | Path) else m for m in models]
        if structure := next((name for name, cls in MODELS.items() if isinstance(fitted[0], cls)), None):
            _with_target(structure)
        if getattr(fitted[0], "target_shape_", None):
            _with_target("multilabel")
        task = "classification" if hasattr(fitted[0], "classes_") else "regression"
        rule = get_measure(measure or first.get("measure") or TASKS[task].measure, task)
        given = [inputs_for(model, on) for model in fitted]
        table, labels = given[0]
        target = target or first.get("target")
        if labels is None:
            if any(beside is not None for _, beside in given) or target is None or target not in table:
                raise DataError(
                    f"the table to compare on needs the target's column, got {target!r}: name it with --target"
                )
            labels = table[target]
        y, known = QUESTIONS[task](labels, target or "label", {}).read(labels)
        answers = [getattr(model, rule.needs)(X[known]) for model, (X, _) in zip(fitted, given, strict=True)]
        return _ranked(names, y[known], answers, rule, seed)
    if any(run is None for run in runs):
        raise DataError("models without a run are compared on a table: say which with --on")
    if len({(run.state.get("data_sha256"), str(run.read_json("data/splits.json"))) for run in runs}) > 1:
        raise DataError(
            "these runs do not share rows and folds, so their scores cannot be compared: give a table with --on"
        )
    task = first.get("task", "regression")
    _with_target(task)
    rule = get_measure(measure or first.get("measure") or TASKS[task].measure, task)
    unseen = [_unseen(run) for run in runs]
    if rule.needs == "predict":
        return _ranked(names, unseen[0]["observed"], [u["predicted"] for u in unseen], rule, seed)
    if any("probs" not in arrays for arrays in unseen):
        raise DataError(f"{rule.name} needs whole distributions, which runs do not keep: give a table with --on")
    return _ranked(names, unseen[0]["observed"], [Categorical(u["probs"]) for u in unseen], rule, seed)


def _with_target(task: str) -> None:
    if task == "multilabel":
        raise DataError(
            "models of sets of labels are not compared after the fact yet: let the methods compete in one run, "
            "peira learn TABLE -y LABEL,LABEL --methods NAME,NAME"
        )
    if task not in QUESTIONS:
        raise DataError(
            f"{task} has no target that answers could be compared with: let the methods compete in one run, "
            f"peira learn TABLE --task {task} --methods NAME,NAME"
        )


def _ranked(names: list[str], y: np.ndarray, answers: list[Any], measure: Any, seed: int) -> list[dict[str, Any]]:
    scores = [measure.value(y, answer) for answer in answers]
    order = sorted(range(len(names)), key=lambda i: measure.loss(scores[i]))
    best = order[0]
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(y), size=len(y)) for _ in range(_DRAWS if len(names) > 1 else 0)]
    losses = {i: np.array([measure.loss(measure.value(y[rows], answers[i][rows])) for rows in draws]) for i in order}
    tail = (1 - LEVEL) / 2
    rows = []
    for i in order:
        low, high = measure.interval(y, answers[i], LEVEL)
        row: dict[str, Any] = {
            "name": names[i],
            "measure": measure.name,
            "title": measure.title,
            "score": scores[i],
            "interval": [low, high],
            "difference": None,
        }
        if i != best:
            gap = losses[i] - losses[best]
            low, high = np.quantile(gap, [tail, 1 - tail])
            row["difference"] = {
                "mean": measure.loss(scores[i]) - measure.loss(scores[best]),
                "interval": [float(low), float(high)],
                "clear": bool(low > 0),
            }
        rows.append(row)
    return rows


def _unseen(run: Run) -> dict[str, np.ndarray]:
    """The winner's predictions for the rows of the folds, in the folds' order."""
    best = run.state.get("best")
    if not best:
        raise UnreadableError(f"{run.path} has no model yet; finish it with: peira learn --resume {run.path}")
    folds = range(len(run.read_json("data/splits.json")["folds"]))
    parts = [run.read_predictions(best, fold) for fold in folds]
    kept = ("observed", "predicted", "probs")
    return {name: np.concatenate([part[name] for part in parts]) for name in kept if name in parts[0]}


def _names(models: Sequence[Any]) -> list[str]:
    names = [Path(m).name if isinstance(m, str | Path) else type(m).__name__ for m in models]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]
